"""Sliced mutual information: the mean over one-dimensional projections."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mibench.estimator import Array, Estimate, Estimator, Kind, check_samples, rng_for
from mibench.parameters import Count
from mibench.registry import register_estimator

from ._samples import needing, ties
from .ksg import KSG

_KSG = KSG()


@register_estimator("sliced")
class Sliced(Estimator):
    """The mean of I(a'X; b'Y) over directions a and b, uniform on the spheres and independent of each other.

    It is 0 exactly at independence and never exceeds the mutual information, but is another quantity, and much smaller
    in many dimensions; it is therefore not ranked. With one dimension on each side it is the mutual information.

    Parameters
    ----------
    slices : pairs of directions. Where both sides have one dimension there is only one.
    estimator : what estimates the information of each slice.
    """

    slices: Count = 200
    estimator: Estimator = _KSG

    kind: ClassVar[Kind] = Kind.OTHER
    citation: ClassVar[str] = (
        "Goldfeld & Greenewald (2021), Sliced mutual information: a scalable measure of statistical dependence, eq. 6"
    )
    capabilities: ClassVar = needing(lambda sliced: sliced.estimator.capabilities.min_n, min_n=4, memory=0.1)

    def warm_up(self) -> None:
        self.estimator.warm_up()

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate the sliced mutual information in nats; ``seed`` draws the directions.

        ``diagnostics`` hold the standard deviation over slices: divided by sqrt(slices), it is the part of the error
        that more slices reduce.
        """
        x, y = check_samples(x, y, self.capabilities.min_n)
        rng = rng_for(seed)
        slices = 1 if x.shape[1] == y.shape[1] == 1 else self.slices
        values = [
            self.estimator.estimate(x @ _direction(x.shape[1], rng), y @ _direction(y.shape[1], rng), seed).mi
            for _ in range(slices)
        ]
        diagnostics = {"slices": slices, "sd_over_slices": float(np.std(values)), **ties(x, y)}
        return Estimate(float(np.mean(values)), diagnostics=diagnostics)


def _direction(dim: int, rng: np.random.Generator) -> Array:
    """A unit vector, uniform on the sphere, as a column (dim, 1)."""
    vector = rng.standard_normal((dim, 1))
    unit: Array = vector / np.linalg.norm(vector)
    return unit
