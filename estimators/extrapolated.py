"""Any estimator, extrapolated to infinitely many samples from what it says of parts of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar

import numpy as np
from scipy.special import fdtrc

from mibench.errors import Unsupported, UsageError
from mibench.estimator import Array, Estimate, Estimator, Kind, check_samples, rng_for
from mibench.parameters import at_least
from mibench.registry import register_estimator

from ._samples import needing
from .ksg import KSG

LEVELS = 3
"""As few as a line and one deviation from it take."""
PART = 50
"""Samples that a part has, where there are enough of them."""
BENT = 0.01
"""A curve is called bent where chance alone would bend it like that this often."""
REACH = 1.5
"""Times the distance between two values at infinitely many samples that the truth may be away from the first: what it
takes, on random tasks that are in no preset, for nine of ten intervals to hold the truth."""

_KSG = KSG()


@register_estimator("extrapolated")
class Extrapolated(Estimator):
    """The value at 1/n = 0 of a line through the mean estimates from 1, 2, ... disjoint parts of the samples.

    A bias that is proportional to 1/n goes, and the spread between disjoint parts of n/m samples, divided by m,
    estimates the variance of an estimate from all of them: ``sampling_error`` in the diagnostics is its root. A bias
    that dies out more slowly does not go; nearest neighbours have one of n^(-2 / (dim_x + dim_y)). So a second line is
    drawn through the same means over that power of n, the square root at most, whose value at infinitely many samples
    is ``slower`` in the diagnostics. The standard error holds both: that of the samples, and how far the answer is from
    ``slower``, half as much again, and from the estimate of all samples (``all``). ``bent`` says that the means do not
    lie on a line, so that 1/n is not the law of their bias; then none is stated. What does not change at all between
    n/m and n samples, no extrapolation sees.

    Parameters
    ----------
    estimator : what is extrapolated.
    parts : the most parts that the samples are divided into; fewer where these would have less than 50 samples or less
        than the estimator needs.
    """

    estimator: Estimator = _KSG
    parts: Annotated[int, at_least(LEVELS)] = 8

    version: ClassVar[str] = "2"
    citation: ClassVar[str] = (
        "Holmes & Nemenman (2019), Estimation of mutual information for real-valued data with error bars and "
        "controlled bias, Phys. Rev. E 100, 022404; "
        "Strong et al. (1998), Entropy and information in neural spike trains"
    )
    capabilities: ClassVar = needing(
        lambda extrapolated: LEVELS * extrapolated.estimator.capabilities.min_n, min_n=12, memory=0.1
    )

    def __post_init__(self) -> None:
        able = self.estimator.capabilities
        if able.reads_task:
            who = self.estimator.label
            raise UsageError(f"extrapolated: {who} does not learn from samples; there is nothing to extrapolate.")
        # what the number is and what it takes follow from the estimator; a bound, extrapolated, bounds nothing
        object.__setattr__(self, "kind", Kind.ESTIMATE if self.estimator.kind.ranked else self.estimator.kind)
        stated = replace(able, min_n=LEVELS * able.min_n, max_batch=1, reference=False, usual_for=())
        object.__setattr__(self, "capabilities", stated)

    def warm_up(self) -> None:
        self.estimator.warm_up()

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate I(X; Y) in nats; ``seed`` divides the samples.

        Raises
        ------
        Unsupported : the estimator declines a part of the samples.
        """
        x, y = check_samples(x, y, self.capabilities.min_n)
        n, rng = len(x), rng_for(seed)
        least = max(self.estimator.capabilities.min_n, min(PART, n // LEVELS))
        levels = np.arange(1, min(self.parts, n // least) + 1)
        found = [self._of_parts(x, y, int(m), rng, seed) for m in levels]
        means = np.array([values.mean() for values in found])
        if not np.isfinite(means).all():
            return Estimate(math.nan, diagnostics={"parts": len(levels)})
        # m - 1 degrees of freedom each; the variance of all samples is that of a part divided by m
        spread = sum(float(((values - values.mean()) ** 2).sum()) / len(values) for values in found)
        variance = spread / float((levels - 1).sum())
        places = levels.astype(float)
        power = min(0.5, 2 / (x.shape[1] + y.shape[1]))
        mi, slower = intercept(places, means), intercept(places**power, means)
        diagnostics: dict[str, Any] = {
            "parts": len(levels),
            "all": float(means[0]),
            "smallest": float(means[-1]),
            "slower": slower,
            "sampling_error": math.sqrt(variance),
        }
        stderr: float | None = math.hypot(math.sqrt(variance), REACH * (mi - slower), mi - float(means[0]))
        if bending(places, means) < BENT:
            stderr, diagnostics["bent"] = None, True
        return Estimate(mi, stderr, diagnostics=diagnostics)

    def _of_parts(self, x: Array, y: Array, parts: int, rng: np.random.Generator, seed: int) -> Array:
        """The estimates (parts,) from disjoint parts of one size, the last few samples being left out."""
        order = rng.permutation(len(x)) if parts > 1 else np.arange(len(x))
        rows = order[: len(x) // parts * parts].reshape(parts, -1)
        try:
            answers = self._batched([x[r] for r in rows], [y[r] for r in rows], [seed + i for i in range(parts)])
        except Unsupported as error:
            raise Unsupported(f"extrapolated, on a part of {rows.shape[1]} samples: {error}") from None
        return np.array([answer.mi for answer in answers])

    def _batched(self, xs: Sequence[Array], ys: Sequence[Array], seeds: Sequence[int]) -> list[Estimate]:
        if any(np.ptp(values, axis=0).max() == 0 for values in (*xs, *ys)):
            raise Unsupported("a variable is constant there.")
        return self.estimator.estimate_batch(xs, ys, seeds)


def intercept(places: Array, values: Array) -> float:
    """The value at 0 of the least-squares line through ``values`` (m,) over ``places`` (m,)."""
    return float(np.polynomial.polynomial.polyfit(places, values, 1)[0])


def bending(places: Array, values: Array) -> float:
    """How often chance bends a line of ``values`` (m,) over ``places`` (m,) as much: the p-value of a square term."""
    straight, curved = (
        float(((values - np.polynomial.Polynomial.fit(places, values, degree)(places)) ** 2).sum()) for degree in (1, 2)
    )
    freedom = len(places) - 3
    noise = float(np.finfo(float).eps * np.abs(values).max()) ** 2  # where even the square term leaves nothing
    if freedom < 1 or straight <= 100 * noise:
        return 1.0
    # the survival function of the F distribution
    return float(fdtrc(1, freedom, max(0.0, straight - curved) / max(curved, noise) * freedom))
