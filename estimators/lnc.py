"""KSG with a correction where the samples are not spread evenly over the neighbourhood (local nonuniformity)."""

from __future__ import annotations

import functools
from typing import Annotated, ClassVar

import numpy as np

from mibench.errors import Unsupported
from mibench.estimator import Array, Estimate, Estimator, check_samples
from mibench.parameters import Share, at_least
from mibench.registry import register_estimator

from ._samples import needing
from .ksg import from_rectangles, prepared

LEVEL = 5e-3  # how often evenly spread neighbours are taken for uneven ones
DRAWS = 20_000  # neighbourhoods drawn to find the threshold: 100 of them lie beyond it


@register_estimator("lnc")
class LNC(Estimator):
    """KSG-2 - <log(V'_i / V_i)>: V_i is the volume of the KSG rectangle, V'_i that of a box along the neighbours' axes.

    KSG takes the density to be constant in the rectangle of the k neighbours. Under strong dependence they lie on a
    thin strip; the box spanned by their principal axes around the sample measures it. The correction is made where
    V'_i / V_i is less than ``alpha``. A strip may also be that of x or of y alone, which says nothing about their
    information: where they have several dimensions, the same term of x and of y is added back (the authors' program is
    for columns, which need no such term). Neighbours that share values lie on strips whatever the information is:
    where more than 5 % of a column repeat, nothing is corrected and the term is that of ``ksg``.

    Parameters
    ----------
    k : neighbours; more than dim_x + dim_y.
    alpha : the threshold (0.25 in the authors' program); by default the 0.005 quantile of the ratio for evenly spread
        neighbours.
    standardize : as for ``ksg``.
    """

    k: Annotated[int, at_least(3)] = 10  # fewer have no principal axes
    alpha: Share | None = None
    standardize: bool = True

    version: ClassVar[str] = "2"
    citation: ClassVar[str] = (
        "Gao, Ver Steeg & Galstyan (2015), Efficient estimation of mutual information for strongly dependent variables"
    )
    capabilities: ClassVar = needing(lambda lnc: lnc.k + 1, min_n=11, memory=0.1)

    def warm_up(self) -> None:
        """Compile, or load from disk, what :meth:`estimate` calls."""
        from .neighbours.search import warm_up

        warm_up(self.k, "max")

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate I(X; Y) in nats.

        Raises
        ------
        Unsupported : no more neighbours than dimensions.
        """
        from scipy.spatial import KDTree

        x, y = check_samples(x, y, self.capabilities.min_n)
        dim_x, dim_y = x.shape[1], y.shape[1]
        if self.k <= dim_x + dim_y:
            raise Unsupported(
                f"lnc needs more neighbours than the {dim_x} + {dim_y} dimensions, not k = {self.k}; raise k."
            )
        samples = prepared(x, y, self.standardize)
        terms = from_rectangles(samples, self.k, "max")
        joint = np.hstack([samples.x, samples.y])
        nearest = np.asarray(KDTree(joint).query(joint, self.k + 1, p=np.inf)[1])
        # the sample itself, at distance 0, may stand anywhere among those; of the others the k nearest are kept
        itself = nearest == np.arange(len(joint))[:, None]
        itself[~itself.any(axis=1), -1] = True
        around = joint[nearest[~itself].reshape(-1, self.k)] - joint[:, None]
        correction = np.zeros(len(x)) if samples.tied else self._correction(around, (dim_x, dim_y))
        corrected = round(float((correction != 0).mean()), 6)
        diagnostics = {**samples.diagnostics, "corrected": corrected}
        return Estimate(float((terms - correction).mean()), diagnostics=diagnostics)

    def _correction(self, around: Array, dims: tuple[int, int]) -> Array:
        """log(V'_i / V_i) of the joint neighbourhood less those of x and of y, shape (n,)."""
        x, y = around[..., : dims[0]], around[..., dims[0] :]
        total = self._uneven(around, dims)
        for part in (x, y):
            if part.shape[-1] > 1:
                total = total - self._uneven(part, (part.shape[-1], 0))
        return total

    def _uneven(self, around: Array, dims: tuple[int, int]) -> Array:
        ratio = log_volume_ratio(around, dims)
        threshold = evenly_spread(self.k, *dims) if self.alpha is None else np.log(max(self.alpha, 1e-300))
        return np.where(np.isfinite(ratio) & (ratio < threshold), ratio, 0.0)


def log_volume_ratio(around: Array, dims: tuple[int, int]) -> Array:
    """log(V' / V) of neighbours ``around`` a sample at the origin, shape (..., k, dim_x + dim_y) to (...).

    V is the rectangle with one extent for all of x and one for all of y; V' the box along the principal axes.
    """
    axes = np.linalg.eigh(np.swapaxes(around, -1, -2) @ around).eigenvectors
    extents = np.abs(around)
    with np.errstate(divide="ignore", invalid="ignore"):
        box = np.log(np.abs(around @ axes).max(axis=-2)).sum(axis=-1)
        rectangle = dims[0] * np.log(extents[..., : dims[0]].max(axis=(-1, -2)))
        if dims[1]:
            rectangle = rectangle + dims[1] * np.log(extents[..., dims[0] :].max(axis=(-1, -2)))
        ratio: Array = box - rectangle
    return ratio


@functools.cache
def evenly_spread(k: int, dim_x: int, dim_y: int) -> float:
    """The LEVEL quantile of log(V' / V) for k neighbours that are uniform in a cube around the sample."""
    around = np.random.default_rng(0).uniform(-1, 1, (DRAWS, k, dim_x + dim_y))
    return float(np.quantile(log_volume_ratio(around, (dim_x, dim_y)), LEVEL))
