"""How good a downstream model is: plain functions of samples, in numpy.

Training, labelling and data live elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mibench.estimator import Array

Labels = npt.NDArray[np.integer[Any]]

ENERGY_ROWS = 2_000  # rows of each sample that the energy distance compares


@dataclass(frozen=True)
class ModeCounts:
    """Where generated samples fell: ``nearest`` counts all of them by nearest mode, ``close`` those near enough."""

    nearest: Labels
    close: Labels

    @property
    def captured(self) -> int:
        """Modes with at least one close sample that is nearest to them (Srivastava et al. 2017, VEEGAN)."""
        return int((self.close > 0).sum())

    @property
    def high_quality(self) -> float:
        """Percentage of close samples."""
        return 100.0 * float(self.close.sum() / self.nearest.sum())

    @property
    def kl_to_uniform(self) -> float:
        """KL(generated || uniform) over modes in nats, plug-in; about (K - 1) / 2N for a perfect sampler."""
        p = self.nearest / self.nearest.sum()
        p = p[p > 0]
        return float((p * np.log(p * len(self.nearest))).sum())

    @property
    def kl_from_uniform(self) -> float:
        """KL(uniform || generated) over modes in nats; half a sample is added to every mode, so that it is finite."""
        q = (self.nearest + 0.5) / (self.nearest + 0.5).sum()
        return float(-np.log(q * len(q)).mean())


def count_modes(mode: Labels, close: npt.NDArray[np.bool_], modes: int) -> ModeCounts:
    """Counts from each sample's nearest mode (N,) and whether it is close to it (N,)."""
    return ModeCounts(np.bincount(mode, minlength=modes), np.bincount(mode[close], minlength=modes))


def energy_distance(x: Array, y: Array) -> float:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'| >= 0 between two samples (n, d), (m, d); zero for equal distributions.

    Every pair of a sample, itself included, is averaged (Székely & Rizzo 2013), so that the value is never negative.
    Uses the first 2,000 rows of each.
    """
    return energy_distance_to(y)(x)


def energy_distance_to(y: Array) -> Callable[[Array], float]:
    """:func:`energy_distance` of other samples to this one, whose own distances are computed once."""
    fixed = _rows(y)
    within = _mean_distance(fixed, fixed)

    def distance(x: Array) -> float:
        rows = _rows(x)
        return 2.0 * _mean_distance(rows, fixed) - _mean_distance(rows, rows) - within

    return distance


def _rows(sample: Array) -> Array:
    return sample[:ENERGY_ROWS].reshape(min(len(sample), ENERGY_ROWS), -1).astype(np.float64)


def _mean_distance(a: Array, b: Array) -> float:
    # the square expanded, so that a matrix product does the work
    square = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2.0 * a @ b.T
    return float(np.sqrt(np.maximum(square, 0.0)).mean())


def squared_error(x: Array, reconstruction: Array) -> float:
    """Mean over samples of the squared Euclidean distance, summed over coordinates."""
    return float(((x - reconstruction).reshape(len(x), -1) ** 2).sum(axis=1).mean())


def ssim(x: Array, y: Array) -> float:
    """Mean structural similarity of images (N, channels, side, side) with pixels in [0, 1]: 1 for equal images.

    Wang et al. 2004, equation 13, with a uniform window, sample covariances, K1 = 0.01 and K2 = 0.03, averaged over the
    positions at which the window lies inside the image.
    """
    from scipy.ndimage import uniform_filter

    window = 7

    def local(z: Array) -> Array:
        return np.asarray(uniform_filter(z, size=(1, 1, window, window)))

    inset = window // 2
    inside = (..., slice(inset, x.shape[-2] - inset), slice(inset, x.shape[-1] - inset))
    unbiased = window**2 / (window**2 - 1)
    mx, my = local(x), local(y)
    vx, vy, cov = ((local(a * b) - m) * unbiased for a, b, m in ((x, x, mx * mx), (y, y, my * my), (x, y, mx * my)))
    c1, c2 = 0.01**2, 0.03**2
    index = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return float(index[inside].mean())


def agreement(labels: Labels, others: Labels) -> float:
    """Percentage of equal labels."""
    return 100.0 * float((labels == others).mean())


def negative_log_likelihood(probabilities: Array, labels: Labels) -> float:
    """Mean -log p(label) in nats; probabilities (N, classes)."""
    p = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(p, np.finfo(p.dtype).tiny)).mean())
