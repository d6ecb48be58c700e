"""GANs that must cover many modes, with mutual information between code and sample in the generator's loss.

The generator maximises its adversarial objective + beta I(G([eps, c]); c) (Belghazi et al. 2018, section 5.1). The arms
are the estimator and the way its gradient joins the generator's; the control is the GAN alone. Here are the GANs of
points in the plane; those of stacked digits are in ``gan_stacked.py``, the training is in ``gan_training.py``.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from mibench.estimator import Array
from mibench.registry import register_task
from mibench.task import Outcome

from . import data, figures, metrics
from .gan_setting import Codes, GanSetting, Problem

if TYPE_CHECKING:
    from mibench.bound import Bound


class GanTask(GanSetting):
    """A GAN that is trained."""

    def perfect_sampler(self, problem: Problem, seed: int) -> Outcome:
        """Real samples in place of generated ones: the floor of every metric."""
        pictures = {"samples": problem.picture(problem.real(self.generated, np.random.default_rng([3, seed])))}
        return Outcome(problem.floor(self.generated, seed), images=pictures, diagnostics=dict(problem.facts))

    def train_one(self, bound: Bound | None, seed: int) -> Outcome:
        """Train one GAN; the arms of a seed start from the same weights and see the same data in the same order."""
        from .gan_training import GanLearner

        problem = self.problem(seed)
        if self.variant == "perfect-sampler":
            return self.perfect_sampler(problem, seed)
        return GanLearner(self, problem, bound, seed).train()


def mode_metrics(counts: metrics.ModeCounts) -> dict[str, float]:
    """The figures that every mode-collapse task has."""
    return {
        "modes": float(counts.captured),
        "kl_to_uniform": counts.kl_to_uniform,
        "kl_from_uniform": counts.kl_from_uniform,
    }


# Points in the plane -------------------------------------------------------------------------------------------------


class PlaneGanTask(GanTask):
    """A GAN of points in the plane, 100,000 of them for training."""

    @abstractmethod
    def plane(self) -> data.Plane:
        """Where the modes lie."""

    shape = (2,)

    def problem(self, seed: int) -> Problem:
        import torch

        plane = self.plane()

        def score(points: Array) -> dict[str, float]:
            counts = plane.count(points)
            real = plane.sample(metrics.ENERGY_ROWS, np.random.default_rng([4, seed]))
            return mode_metrics(counts) | {
                "high_quality": counts.high_quality,
                "energy_distance": metrics.energy_distance(points, real),
            }

        return Problem(
            samples=torch.as_tensor(plane.sample(100_000, np.random.default_rng([2, seed])), dtype=torch.float32),
            score=score,
            real=plane.sample,
            picture=lambda points: figures.points(points, plane.centres),
        )


@register_task("gan-25gaussians")
class Gan25Gaussians(PlaneGanTask):
    """25 Gaussians on a 5 x 5 grid with spacing 2 and standard deviation 0.05.

    The default of 25 codes uses knowledge of the number of modes: compare it with ``codes=10`` and ``codes=50``.
    """

    def plane(self) -> data.Plane:
        return data.grid25()


@register_task("gan-ring")
class GanRing(PlaneGanTask):
    """8 Gaussians on a circle of radius 2, standard deviation 0.02; 8 codes."""

    codes: Codes = 8

    def plane(self) -> data.Plane:
        return data.ring()


@register_task("gan-spiral")
class GanSpiral(PlaneGanTask):
    """A spiral of two turns with noise of standard deviation 0.05; its modes are 50 pieces of equal length."""

    def plane(self) -> data.Plane:
        return data.spiral()
