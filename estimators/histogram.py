"""Mutual information of the distribution over the cells of a grid."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import digamma, hyperu

from mibench.errors import Unsupported
from mibench.estimator import Array, Capabilities, Estimate, Estimator, check_samples
from mibench.parameters import at_least
from mibench.registry import register_estimator

from ._samples import stderr_of_mean, ties

PER_CELL = 5  # samples per cell of the joint grid where no number of bins is given
REPEATED = 0.7  # the share of samples that occur more than once from which values are categories
WELL_COVERED = 0.99
"""Share of the distribution of (X, Y) that must have been seen for a first-order standard error to hold."""


@register_estimator("histogram")
class Histogram(Estimator):
    """H(X) + H(Y) - H(X, Y) over the cells of a grid, each entropy corrected for the cells that no sample has met.

    Values of a column that takes no more of them than there are bins are left as they are. Binning loses information,
    so the truth is approached from below as the bins grow finer. The standard error is that of the influence function;
    it is stated where no two values share a bin and all but a percent of the distribution of (X, Y) has been seen, and
    else is ``sampling_error`` in the diagnostics, since it does not hold what binning loses.

    Parameters
    ----------
    bins : per column; by default none, but values as they are, where 7 samples of 10 share both x and y with another
        one, and otherwise the number that leaves 5 samples per joint cell, (n / 5)^(1 / (dim_x + dim_y)).
    spacing : bins with as many samples each (``quantile``), or equally wide ones between the extremes (``width``).
    """

    bins: Annotated[int, at_least(2)] | None = None
    spacing: Literal["quantile", "width"] = "quantile"

    version: ClassVar[str] = "3"
    citation: ClassVar[str] = (
        "Chao, Wang & Jost (2013), Entropy and the species accumulation curve: a novel entropy estimator via discovery "
        "rates of new species, Methods Ecol. Evol. 4, 1091"
    )
    capabilities: ClassVar = Capabilities(min_n=4, max_dim=2, discrete=True, memory=0.03)

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate I(X; Y) in nats.

        Raises
        ------
        Unsupported : x or y has more than two dimensions.
        """
        x, y = check_samples(x, y, self.capabilities.min_n)
        if max(x.shape[1], y.shape[1]) > 2:
            raise Unsupported(
                f"histogram takes 1 or 2 dimensions, not {x.shape[1]} and {y.shape[1]}: the cells of a finer grid "
                "would be empty."
            )
        n = len(x)
        bins = self.bins or max(2, int(np.ceil((n / PER_CELL) ** (1 / (x.shape[1] + y.shape[1])))))
        joint = np.hstack([x, y])
        if self.bins is None and _share_repeated(joint) >= REPEATED:
            bins = max(len(np.unique(column)) for column in joint.T)
        in_x, in_y = (cells([_binned(column, bins, self.spacing) for column in v.T]) for v in (x, y))
        in_joint = cells([in_x, in_y])
        count_x, count_y, count = np.bincount(in_x), np.bincount(in_y), np.bincount(in_joint)
        log_ratios = np.log(n * count[in_joint] / (count_x[in_x] * count_y[in_y]))
        # at independence 2 n I is chi-squared with this many degrees of freedom, of variance twice as many
        freedom = (len(count_x) - 1) * (len(count_y) - 1)
        error: float | None = stderr_of_mean(log_ratios, freedom / (2 * n**2))
        diagnostics: dict[str, Any] = {"bins": bins, "occupied": len(count), **ties(x, y)}
        binned = any(len(np.unique(column)) > bins for column in joint.T)
        if binned or coverage(count) < WELL_COVERED:
            error, diagnostics["sampling_error"] = None, error
        return Estimate(entropy(count_x) + entropy(count_y) - entropy(count), error, diagnostics=diagnostics)


def coverage(counts: npt.NDArray[Any]) -> float:
    """1 - f / n, f letters having occurred once: an estimate of the probability of all letters that occurred."""
    n = int(counts.sum())
    once = int((counts == 1).sum())
    return 1 - min(once, n - 1) / n


def entropy(counts: npt.NDArray[np.int64]) -> float:
    """Entropy in nats of the distribution from which these categories, each met at least once, were met so often.

    The mean of psi(n) - psi(n_i) is what the first n - 1 terms of the expansion of -log p in powers of 1 - p can be
    estimated by without bias; the rest is extrapolated from how many were met once and twice (Chao, Wang & Jost).
    """
    n = int(counts.sum())
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    seen = float((counts * (digamma(n) - digamma(counts))).sum() / n)
    if once == 0:
        return seen
    # the mean probability of those met once, after Good and Turing
    mean = 1 / (1 + (n - 1) * (once / (2 * twice) if twice else (once - 1) / 2))
    if mean == 1:
        return seen
    rate = -np.log1p(-mean)
    # the sum over r >= n of (1 - mean)^(r - n) / r, after Euler and Maclaurin
    rest = hyperu(1, 1, rate * n) + (1 + (rate + 1 / n) / 6) / (2 * n)
    return seen + float(once / n * (1 - mean) * rest)


def _share_repeated(joint: Array) -> float:
    """The share of rows that occur more than once."""
    counts = np.unique(joint, axis=0, return_counts=True)[1]
    return float(1 - (counts == 1).sum() / len(joint))


def _binned(column: Array, bins: int, spacing: str) -> npt.NDArray[np.int64]:
    """The bin of each value, shape (n,)."""
    values, index = np.unique(column, return_inverse=True)
    if len(values) <= bins:
        return index
    inner = np.arange(1, bins) / bins
    edges = np.quantile(column, inner) if spacing == "quantile" else values[0] + inner * (values[-1] - values[0])
    return np.searchsorted(edges, column, side="right")


def cells(parts: list[Any]) -> npt.NDArray[np.int64]:
    """Numbers 0, 1, ... for the combinations that occur."""
    combined = parts[0]
    for part in parts[1:]:
        combined = np.unique(combined, return_inverse=True)[1] * (part.max() + 1) + part
    return np.unique(combined, return_inverse=True)[1]
