"""Bidirectional GANs (ALI, BiGAN) that must reconstruct, with I(x; E(x)) in the encoder's loss.

With encoder joint q(x, z) and decoder joint p(x, z), the reconstruction error E_q[-log p(x | z)] is at most
KL(q || p) - I_q(x; z) + H_q(x) (after Belghazi et al. 2018, section 5.2): the adversarial game lowers the first term,
the information the second, and the third, the entropy of the data, stays. The arms are the estimator, and ALICE's
squared reconstruction error in its place; the control is ALI alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mibench.datasets import Images
from mibench.estimator import Array
from mibench.parameters import Count, Positive
from mibench.registry import register_task
from mibench.task import Metric, Outcome

from . import data, figures, metrics
from .bigan_setting import AGREEMENT, JUDGED, RECONSTRUCTION, BiganSetting, Problem
from .gan_setting import ENERGY, MODES, QUALITY

if TYPE_CHECKING:
    from mibench.bound import Bound

    from .labelers import Labeler


class BiganTask(BiganSetting):
    """A bidirectional GAN that is trained."""

    def train_one(self, bound: Bound | None, seed: int) -> Outcome:
        """Train one bidirectional GAN; the arms of a seed start from the same weights and see the same data."""
        from .bigan_training import BiganLearner

        problem = self.problem(seed)
        if self.variant == "perfect-sampler":
            return problem.perfect_model()
        return BiganLearner(self, problem, bound, seed).train()


@register_task("bigan-digits")
class BiganDigits(BiganTask):
    """scikit-learn's 8x8 digits, 1,297 for training and 500 for tests; perceptrons; an SVC labels."""

    shape = (1, 8, 8)

    def problem(self, seed: int) -> Problem:
        from .labelers import digit_labeler

        images = data.digits(1_297, seed)
        return image_problem(images, digit_labeler(images), scale=3)


@register_task("bigan-25gaussians")
class Bigan25Gaussians(BiganTask):
    """The 25 Gaussians of ``gan-25gaussians``: reconstructions should keep the mode."""

    latent: Count = 2
    noise: Count = 2
    steps: Count = 2_000
    lr: Positive = 1e-3

    metrics: ClassVar[tuple[Metric, ...]] = (
        replace(RECONSTRUCTION, description="Squared error of test points, mean over points."),
        replace(AGREEMENT, description="Test points whose reconstruction is nearest to the same mode."),
        MODES,
        QUALITY,
        ENERGY,
    )

    shape = (2,)

    def problem(self, seed: int) -> Problem:
        import torch

        plane = data.grid25()
        rng = np.random.default_rng([2, seed])
        train, test = (torch.as_tensor(plane.sample(n, rng), dtype=torch.float32) for n in (100_000, JUDGED))

        def score(x: Array, rebuilt: Array, samples: Array) -> dict[str, float]:
            counts = plane.count(samples)
            return {
                "reconstruction": metrics.squared_error(x, rebuilt),
                "agreement": metrics.agreement(plane.nearest(x)[1], plane.nearest(rebuilt)[1]),
                "modes": float(counts.captured),
                "high_quality": counts.high_quality,
                "energy_distance": metrics.energy_distance(samples, x),
            }

        return Problem(train, test, score, lambda x, rebuilt: figures.points(rebuilt, plane.centres))


def image_problem(images: Images, labeler: Labeler, scale: int) -> Problem:
    """Images with pixels in [-1, 1], judged in [0, 1]; pictures are magnified by ``scale``."""
    import torch

    def score(x: Array, rebuilt: Array, samples: Array) -> dict[str, float]:
        unit = [pixels / 2.0 + 0.5 for pixels in (x, rebuilt, samples)]
        return {
            "reconstruction": metrics.squared_error(unit[0], unit[1]),
            "agreement": metrics.agreement(labeler(x), labeler(rebuilt)),
            "ssim": metrics.ssim(unit[0], unit[1]),
            "energy_distance": metrics.energy_distance(unit[2], unit[0]),
        }

    def picture(x: Array, rebuilt: Array) -> bytes:
        """Rows of ten test images, each above its reconstructions."""
        rows = [part[i : i + 10] for i in range(0, 30, 10) for part in (x, rebuilt)]
        return figures.tiles(np.concatenate(rows) / 2.0 + 0.5, scale=scale)

    train, test = torch.as_tensor(images.train), torch.as_tensor(images.test)
    return Problem(train, test, score, picture, images.decode)
