"""Mutual information of ranks from kernels of several bandwidths, weighted so that what smoothing loses cancels."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from mibench.estimator import Array, Capabilities, Estimate, Estimator, check_samples
from mibench.parameters import Count, Positive
from mibench.registry import register_estimator

from ._samples import ties
from .jmi import FAR, WIDEST, ranks

RATIO = math.sqrt(2)
"""Of a bandwidth to the next."""


@register_estimator("genie")
class GENIE(Estimator):
    """A weighted sum over bandwidths h of <log f(u, v) - log f(u) - log f(v)>, leave-one-out, for ranks u and v.

    A kernel density is wrong in two ways. Smoothing gives the mean a bias c_1 h + c_2 h^2 + ..., in which the c depend
    on the distribution, but not on h: with weights whose sum is 1, and whose sums with h, h^2 ... as factors are 0, the
    first of these terms cancel, whatever they are. Of all such weights those with the least sum of squares are taken.
    And few samples within a kernel make the logarithm too small, by half the relative variance of the density; this is
    estimated, sample by sample, from the sum of the squared kernels, and added. It is small down to a bandwidth that is
    found where its mean reaches ``noise``: the narrowest of the ensemble. The others are wider by steps of sqrt(2).

    There is no standard error.

    Parameters
    ----------
    bandwidths : of the ensemble; fewer where all but the widest kernels are too empty.
    terms : powers of h whose coefficients cancel: 1 ... terms, as far as there are bandwidths for them.
    noise : half the mean relative variance of the joint density at the narrowest bandwidth, in nats.
    """

    bandwidths: Count = 7
    terms: Count = 2
    noise: Positive = 0.05

    citation: ClassVar[str] = (
        "Moon, Sricharan & Hero (2017), Ensemble estimation of mutual information, ISIT; "
        "Sricharan, Wei & Hero (2013), Ensemble estimators for multivariate entropy estimation"
    )
    capabilities: ClassVar = Capabilities(min_n=4, memory=0.1)

    def warm_up(self) -> None:
        """Compile the loops, or load them from disk."""
        from .neighbours.kernel_sums import kernel_sums

        kernel_sums(np.zeros((2, 1)), np.ones((2, 1)), 1.0, 1)

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate I(X; Y) in nats."""
        x, y = check_samples(x, y, self.capabilities.min_n)
        said: dict[str, Any] = ties(x, y)
        ratios, noise = corrected(ranks(x), ranks(y), min(24, 2 * math.ceil(math.log2(len(x)))))
        usable = np.isfinite(ratios) & (noise <= self.noise)
        # the first is never left out: at the greatest bandwidth every kernel holds all samples
        narrowest = int(np.argmin(usable[1:])) if not usable[1:].all() else len(usable) - 1
        chosen = np.arange(max(0, narrowest - self.bandwidths + 1), narrowest + 1)
        weights = cancelling(RATIO ** -chosen.astype(float), self.terms)
        said["bandwidth"] = float(f"{WIDEST * RATIO ** -float(narrowest):.4g}")
        return Estimate(float(weights @ ratios[chosen]), diagnostics={**said, "bandwidths": len(chosen)})


def corrected(u: Array, v: Array, steps: int) -> tuple[Array, Array]:
    """By bandwidth, each (steps,): the mean log ratio with its noise taken off, and half the joint relative variance.

    The density at a sample, a mean of n - 1 kernels K, has the relative variance sum K^2 / (sum K)^2 - 1 / (n - 1), and
    K^2 is the kernel of the next bandwidth.
    """
    from .neighbours.kernel_sums import kernel_sums

    sums = kernel_sums(u, v, WIDEST, steps + 1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        logs = np.log(sums)
        halves = 0.5 * (np.exp(logs[:, 1:] - 2 * logs[:, :-1]) - 1 / (len(u) - 1))
        in_u, in_v, in_both = logs[:, :-1] + halves
        ratios = in_both - in_u - in_v + math.log(len(u) - 1)
        known = np.minimum(logs[0], logs[1])[:-1] > FAR
        return np.where(known.all(axis=1), ratios.mean(axis=1), -np.inf), halves[2].mean(axis=1)


def cancelling(widths: Array, terms: int) -> Array:
    """Weights (L,) of sum 1 and least sum of squares, whose sums with the powers 1 ... ``terms`` of ``widths`` are 0.

    Fewer powers where there are not more widths than that.
    """
    powers = np.arange(min(terms, len(widths) - 1) + 1)
    conditions = (widths / widths.max()) ** powers[:, None]
    weights: Array = np.linalg.pinv(conditions)[:, 0]
    return weights
