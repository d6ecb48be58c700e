"""Mutual information of ranks from kernels of equal bandwidths, with the bandwidth that makes it greatest."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from mibench.estimator import Array, Capabilities, Estimate, Estimator, check_samples
from mibench.parameters import Count
from mibench.ranks import ranks as _ranks
from mibench.registry import register_estimator

from ._samples import ties

WIDEST = 1.0
"""The first bandwidth of the ladder; the ranks lie between 0 and 1."""

FAR = -250.0
"""Logarithms of kernel sums from which on their size is known: one at 22 bandwidths has this."""


@register_estimator("jmi")
class JMI(Estimator):
    """max over h of <log f(u, v) - log f(u) - log f(v)>, leave-one-out kernel densities of the ranks u of x and v of y.

    All three densities have the same bandwidth h. The density of ranks is known, and is estimated all the same: what
    smoothing loses at the edges of the joint density it loses in the margins too. Too wide kernels see no dependence,
    and too narrow ones see in a sample that was left out something that was not to be expected, so that the mean has a
    greatest value, and no bandwidth is left to choose. Under independence it is near 0: that of h without limit is 0.

    The bandwidth is searched for along a ladder of steps by the square root of 2, then between the steps.

    Parameters
    ----------
    steps : of the ladder; by default down to 1 / n, at most 24.
    """

    steps: Count | None = None

    citation: ClassVar[str] = (
        "Zeng, Xia & Tong (2018), Jackknife approach to the estimation of mutual information, PNAS 115, 9956"
    )
    capabilities: ClassVar = Capabilities(min_n=4, discrete=True, memory=0.01)

    def warm_up(self) -> None:
        """Compile the loops, or load them from disk."""
        from .neighbours.kernel_sums import kernel_sums

        kernel_sums(np.zeros((2, 1)), np.ones((2, 1)), 1.0, 1)

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate I(X; Y) in nats."""
        x, y = check_samples(x, y, self.capabilities.min_n)
        said: dict[str, Any] = ties(x, y)
        u, v = ranks(x), ranks(y)
        steps = self.steps or min(24, 2 * math.ceil(math.log2(len(x))))
        ladder = log_ratios(u, v, WIDEST, steps)
        best = int(ladder.mean(axis=1).argmax())
        # the top of the parabola through the best of the ladder and its neighbours
        place = best + _top(ladder.mean(axis=1)[best - 1 : best + 2]) if 0 < best < steps - 1 else best
        between = log_ratios(u, v, WIDEST * 2 ** (-place / 2), 1)
        chosen = max(ladder[best], between[0], key=np.mean)
        width = WIDEST * 2 ** (-(best if chosen is ladder[best] else place) / 2)
        return Estimate(float(chosen.mean()), diagnostics={**said, "bandwidth": float(f"{width:.4g}")})


def ranks(values: Array) -> Array:
    """rank / (n + 1) column by column (n, dim); ties have the mean of theirs, and what is constant is 1/2."""
    shares: Array = _ranks(values) / (len(values) + 1)
    return shares


def log_ratios(u: Array, v: Array, width: float, steps: int) -> Array:
    """log f(u, v) - log f(u) - log f(v) at each sample, shape (steps, n), for bandwidths from ``width`` downwards.

    -inf where a sample is so far from all others that even its marginal density is too small to be told.
    """
    from .neighbours.kernel_sums import kernel_sums

    in_u, in_v, in_both = np.log(kernel_sums(u, v, width, steps))
    ratios: Array = np.where(np.minimum(in_u, in_v) > FAR, in_both - in_u - in_v + math.log(len(u) - 1), -np.inf)
    return ratios


def _top(values: Array) -> float:
    """Where the parabola through three values at -1, 0 and 1, the middle one the greatest, is greatest."""
    below, middle, above = values
    curvature = below - 2 * middle + above
    return float((below - above) / (2 * curvature)) if -np.inf < curvature < 0 else 0.0
