"""Bayesian design of experiments: a design whose outcome tells most of the parameters, by the gradient of a bound.

The expected information gain of a design is I(theta; y); its true value is known here, so the regret of the chosen
design is too (Kleinegesse & Gutmann 2020 choose designs by MINE; Foster et al. 2020 by other bounds).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, ClassVar, cast

import numpy as np

from mibench.estimator import Array
from mibench.parameters import Count, Length, Positive, above
from mibench.registry import register_task
from mibench.task import Metric

from . import exact_information as known
from .exact import ESTIMATE, EXCESS, ExactTask

if TYPE_CHECKING:
    from mibench.bound import Bound

    from .models import CurveDesign, LinearDesign, PairModel
    from .training import Training

GAIN = Metric("gain", "higher", "nats", "True expected information gain of the chosen design.")
REGRET = Metric("regret", "lower", "nats", "How much less the chosen design tells than the best one.")


@dataclass(frozen=True, eq=False, repr=False)
class ExperimentTask(ExactTask):
    """A design that is learnt: what the tasks of experimental design share."""

    lr: Positive = 1e-2

    metrics: ClassVar[tuple[Metric, ...]] = (GAIN, REGRET, ESTIMATE, EXCESS)
    truth: ClassVar[str] = "gain"
    citation: ClassVar[str] = "Kleinegesse & Gutmann 2020"


@register_task("experiment-linear")
class ExperimentLinear(ExperimentTask):
    """Linear measurements y = D theta + N of Gaussian parameters, sum of D_ij^2 given: 1/2 log det(1 + D C D^T).

    The best design measures the principal directions of the prior, each as hard as water-filling says; the start is a
    random design of the same norm, which is also the control.

    Parameters
    ----------
    deviations : prior standard deviations of the parameters.
    measurements : rows of the design.
    power : the sum of squares of the design's entries.
    """

    deviations: Annotated[tuple[Annotated[float, above(0)], ...], Length(1)] = (3.0, 2.0, 1.0, 1.0, 0.5, 0.5)
    measurements: Count = 3
    power: Positive = 3.0

    def new_model(self, seed: int) -> PairModel:
        from .models import LinearDesign

        return LinearDesign(self.deviations, self.measurements, self.power)

    def gain(self, design: Array) -> float:
        """1/2 log det(1 + D C D^T) of a design (measurements, parameters)."""
        scaled = design * np.array(self.deviations)
        return 0.5 * float(np.linalg.slogdet(np.eye(len(design)) + scaled @ scaled.T)[1])

    def best(self) -> float:
        """The greatest gain: 1/2 sum log(1 + P_i C_ii) over the largest variances, P by water-filling."""
        variances = np.sort(np.square(self.deviations))[::-1][: self.measurements]
        return 0.5 * float(np.log1p(known.water_filling(variances, self.power) * variances).sum())

    def exact(self, model: PairModel) -> dict[str, float]:
        gain = self.gain(cast("LinearDesign", model).design().detach().double().cpu().numpy())
        return {"gain": gain, "regret": self.best() - gain}

    def optimum(self, seed: int) -> dict[str, float]:
        return {"gain": self.best(), "regret": 0.0}


@register_task("experiment-nonlinear")
class ExperimentNonlinear(ExperimentTask):
    """One measurement y = t^3 d^2 + t exp(-|0.2 - d|) + std N of t uniform on (0, 1), by a design d in (0, 1).

    The gain has two maxima, at d = 0.2 and at the end of the range. Designs climb from the middles of equal parts of
    the range, each with a critic of its own, and the one with the greatest estimate is chosen; the control is the first
    of these starting points.

    Parameters
    ----------
    starts : designs among which the estimate chooses.
    std : standard deviation of the noise.
    """

    starts: Count = 2
    std: Positive = 0.05
    steps: Count = 600
    lr: Positive = 3e-2

    LEVELS: ClassVar[int] = 2_048
    citation: ClassVar[str] = "Huan & Marzouk 2013, section 5.1"

    def new_model(self, seed: int) -> PairModel:
        return self.at(0.5 / self.starts)

    def at(self, start: float) -> CurveDesign:
        """The experiment at this design."""
        from .models import CurveDesign

        return CurveDesign(self.std, self.LEVELS, start)

    def exact(self, model: PairModel) -> dict[str, float]:
        gain = curve_gain(float(cast("CurveDesign", model).design().detach()), self.std, self.LEVELS)
        return {"gain": gain, "regret": best_curve_gain(self.std, self.LEVELS) - gain}

    def optimum(self, seed: int) -> dict[str, float]:
        return {"gain": best_curve_gain(self.std, self.LEVELS), "regret": 0.0}

    def fit(self, run: Training, bound: Bound | None, seed: int, name: str = "") -> tuple[PairModel, dict[str, float]]:
        """One model from each start, and of them the one with the greatest estimate."""
        if bound is None:
            return super().fit(run, bound, seed, name)
        fitted = []
        for index in range(self.starts):
            start = (index + 0.5) / self.starts
            fitted.append(self.fit_model(run, bound, self.at(start), f"start {start:.2g} "))
        model, scores = max(fitted, key=lambda each: each[1]["estimate"])
        run.log(self.steps, {f"metric/{key}": value for key, value in scores.items()})
        return model, scores


def curve_gain(design: float, std: float, levels: int) -> float:
    """I(t; y) at a design, by quadrature."""
    t = (np.arange(levels) + 0.5) / levels
    values = t**3 * design**2 + t * math.exp(-abs(0.2 - design))
    return known.noisy_information(values, np.full(levels, 1.0 / levels), std)


@cache
def best_curve_gain(std: float, levels: int) -> float:
    """The greatest gain over designs in (0, 1): at both ends, at the kink, and on 200 designs between."""
    return max(curve_gain(d, std, levels) for d in [*np.linspace(0.0, 1.0, 201), 0.2])
