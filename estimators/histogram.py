"""Mutual information of the distribution over the cells of a grid."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from mibench.errors import Unsupported
from mibench.estimator import Array, Capabilities, Estimate, Estimator, check_samples
from mibench.parameters import at_least
from mibench.registry import register_estimator

from ._samples import stderr_of_mean, ties

PER_CELL = 5  # samples per cell of the joint grid where no number of bins is given


@register_estimator("histogram")
class Histogram(Estimator):
    """The plug-in estimate over bins, less its first-order bias (m_xy - m_x - m_y + 1) / 2n.

    m counts the occupied cells of the joint grid, of that of x and of that of y. Values of a column that takes no more
    of them than there are bins are left as they are. Binning loses information, so the truth is approached from below
    as the bins grow finer, and from above as they run empty. The standard error is that of the influence function.

    Parameters
    ----------
    bins : per column; by default the number that leaves 5 samples per joint cell, (n / 5)^(1 / (dim_x + dim_y)).
    spacing : bins with as many samples each (``quantile``), or equally wide ones between the extremes (``width``).
    """

    bins: Annotated[int, at_least(2)] | None = None
    spacing: Literal["quantile", "width"] = "quantile"

    citation: ClassVar[str] = (
        "bias: Miller (1955), Note on the bias of information estimates; Roulston (1999), Estimating the errors on "
        "measured entropy and mutual information"
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
        in_x, in_y = (_cells([_binned(column, bins, self.spacing) for column in v.T]) for v in (x, y))
        in_joint = _cells([in_x, in_y])
        count_x, count_y, count = np.bincount(in_x), np.bincount(in_y), np.bincount(in_joint)
        log_ratios = np.log(n * count[in_joint] / (count_x[in_x] * count_y[in_y]))
        bias = (len(count) - len(count_x) - len(count_y) + 1) / (2 * n)
        # at independence 2 n I is chi-squared with this many degrees of freedom, of variance twice as many
        freedom = (len(count_x) - 1) * (len(count_y) - 1)
        return Estimate(
            float(log_ratios.mean() - bias),
            stderr_of_mean(log_ratios, freedom / (2 * n**2)),
            diagnostics={"bins": bins, "occupied": len(count), **ties(x, y)},
        )


def _binned(column: Array, bins: int, spacing: str) -> npt.NDArray[np.int64]:
    """The bin of each value, shape (n,)."""
    values, index = np.unique(column, return_inverse=True)
    if len(values) <= bins:
        return index
    inner = np.arange(1, bins) / bins
    edges = np.quantile(column, inner) if spacing == "quantile" else values[0] + inner * (values[-1] - values[0])
    return np.searchsorted(edges, column, side="right")


def _cells(parts: list[Any]) -> npt.NDArray[np.int64]:
    """Numbers 0, 1, ... for the combinations that occur."""
    combined = parts[0]
    for part in parts[1:]:
        combined = np.unique(combined, return_inverse=True)[1] * (part.max() + 1) + part
    return np.unique(combined, return_inverse=True)[1]
