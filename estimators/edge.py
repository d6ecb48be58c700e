"""Mutual information of hashed samples: cells that are counted, in several widths, weighted so that what cells lose
cancels."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mibench.errors import Unsupported
from mibench.estimator import Array, Capabilities, Estimate, Estimator, check_samples, rng_for
from mibench.parameters import Count
from mibench.registry import register_estimator

from ._samples import ties
from .genie import cancelling
from .histogram import cells, coverage, entropy
from .jmi import ranks

NARROWEST, WIDEST = 0.35, 2.0
"""Widths of the cells of the ensemble in units of n^(-1 / 2d), of columns that lie between 0 and 1."""
FILLED = 0.7
"""Share of the distribution of (X, Y) that the cells with samples must hold for a width to count."""
FEWEST = 3
"""Widths that are enough to see what cells lose."""


@register_estimator("edge")
class EDGE(Estimator):
    """A weighted sum over widths w of the information between the cells of X and those of Y, in one pass each.

    A column u becomes floor((u + b) / w) with a random shift b, and rows that agree in all columns share a cell; every
    cell of X, and of Y, is a node, and an edge between two of them counts the samples in both. The mutual information
    of these counts takes a time that grows with n, and not with its square. What a cell loses is
    c_1 w + c_2 w^2 + ..., and with weights over the widths whose sum is 1, and whose sums with w, w^2 ... as factors
    are 0, the first of these terms cancel, whatever the c are (``genie`` does the same with bandwidths). The widths are
    proportional to n^(-1 / 2d), d being all columns together; those at which more than 30 % of the samples are alone in
    their cell are left out.

    Three things are not as in the paper: one term cancels by default, where the paper has d, which take more samples;
    columns are ranked, so that their densities are bounded and no scale is to be chosen; and entropies are corrected
    for the cells that no sample has met, as in ``histogram``, since the plug-in is too high by half a cell per sample
    and the weights make that worse. There is no standard error.

    Parameters
    ----------
    widths : of the ensemble, in equal ratios from 0.35 to 2 n^(-1 / 2d).
    terms : powers of the width whose coefficients cancel: 1 ... terms.
    shifts : random shifts of the cells of one width, over which the mean is taken.
    """

    widths: Count = 10
    terms: Count = 1
    shifts: Count = 4

    citation: ClassVar[str] = (
        "Noshad, Zeng & Hero (2019), Scalable mutual information estimation using dependence graphs, ICASSP; "
        "weights: Moon, Sricharan & Hero (2017), Ensemble estimation of mutual information, ISIT"
    )
    capabilities: ClassVar = Capabilities(min_n=4, memory=0.03)

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate I(X; Y) in nats; ``seed`` shifts the cells.

        Raises
        ------
        Unsupported : samples are alone in their cells at all but the greatest widths.
        """
        x, y = check_samples(x, y, self.capabilities.min_n)
        u, v, rng = ranks(x), ranks(y), rng_for(seed)
        scale = len(x) ** (-0.5 / (x.shape[1] + y.shape[1]))
        widths = scale * np.geomspace(NARROWEST, WIDEST, self.widths)
        found = [self._at(u, v, width, rng) for width in widths]
        usable = np.array([share >= FILLED for _, share in found])
        if usable.sum() < min(FEWEST, self.widths):
            raise Unsupported(
                f"edge: {len(x)} samples are too few for cells of {x.shape[1]} + {y.shape[1]} columns: most would be "
                "alone in theirs."
            )
        values = np.array([mi for mi, _ in found])[usable]
        said: dict[str, Any] = {**ties(x, y), "widths": len(values), "widest": float(values[-1])}
        return Estimate(float(cancelling(widths[usable], self.terms) @ values), diagnostics=said)

    def _at(self, u: Array, v: Array, width: float, rng: np.random.Generator) -> tuple[float, float]:
        """The mean over shifts of the information between cells, in nats, and of the share of (X, Y) in them."""
        drawn = [between(hashed(u, width, rng), hashed(v, width, rng)) for _ in range(self.shifts)]
        mi, share = np.mean(drawn, axis=0)
        return float(mi), float(share)


def hashed(values: Array, width: float, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """The cell of each row of ``values`` (n, dim), numbered as they come, shape (n,): cubes, shifted at random."""
    shifted = values + width * rng.uniform(size=values.shape[1])
    return cells(list(np.floor(shifted / width).astype(np.int64).T))


def between(in_x: npt.NDArray[np.int64], in_y: npt.NDArray[np.int64]) -> tuple[float, float]:
    """H(X) + H(Y) - H(X, Y) in nats from the cells of the samples, both (n,), and the share of (X, Y) in such cells."""
    of_x, of_y, of_both = (np.bincount(cell) for cell in (in_x, in_y, cells([in_x, in_y])))
    return entropy(of_x) + entropy(of_y) - entropy(of_both), coverage(of_both)
