"""The entropy of letters of which nobody knows how many there are, from a prior over infinitely many of them.

``discrete`` makes mutual information of it, as of other entropies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, digamma, expit, gammaln, polygamma, zeta

from mibench.estimator import Array

NEGLIGIBLE = 30.0  # by which the logarithm of the posterior lies below its maximum where nothing is left of it
COARSE, FINE = 48, 128  # points an axis: to find where the posterior is, and to integrate there


class PitmanYor:
    """What counts say of a Pitman-Yor process with discount d and concentration alpha, on a grid of the two.

    A process breaks sticks: p_k = V_k (1 - V_1) ... (1 - V_(k-1)), V_k having the distribution Beta(1 - d, alpha + kd).
    The axes of the grid are ``log_alpha``, shape (a,), and ``logit_d``, shape (b,); the tables have shape (a, b).
    """

    def __init__(self, counts: npt.NDArray[Any], log_alpha: Array, logit_d: Array) -> None:
        sizes, self._times = np.unique(counts, return_counts=True)
        self._sizes = sizes.astype(float)
        self._n, self._letters = float(counts.sum()), len(counts)
        self._alpha = np.exp(log_alpha)[:, None]
        self._d, self._kept = expit(logit_d), expit(-logit_d)  # d and 1 - d, of which neither may cancel

    def log_posterior(self) -> Array:
        """Up to a constant, as a density of ln(alpha) and logit(d)."""
        posterior: Array = self.log_prior() + self.log_evidence()
        return posterior

    def log_prior(self) -> Array:
        """That of Archer, Park and Pillow, as a density of ln(alpha) and logit(d).

        The mean entropy is h = psi(alpha + 1) - psi(1 - d), all values of which are equally likely, and the share of it
        that comes from d, gamma = (psi(1) - psi(1 - d)) / h, has the density exp(-10 / (1 - gamma)) up to a constant.
        """
        of_alpha, of_d = _digamma_beyond(self._alpha), -_digamma_beyond(-self._d, self._kept)
        steps = self._alpha * polygamma(1, self._alpha + 1) * (self._d * self._kept * polygamma(1, self._kept))
        mean = of_alpha + of_d
        log_density: Array = np.log(steps) - np.log(mean) - 10 * mean / of_alpha
        return log_density

    def log_evidence(self) -> Array:
        """The logarithm of the probability that n samples fall into K letters just as they do, with counts c.

        It is prod_(l=1)^(K-1) (alpha + l d) prod_i (1 - d)_(c_i - 1) / (alpha + 1)_(n - 1), where (z)_m stands for
        z (z + 1) ... (z + m - 1).
        """
        new = (self._letters - 1) * np.log(self._d) + _log_rising(self._alpha / self._d + 1, self._letters - 1.0)
        again = _log_rising(self._kept[:, None], self._sizes - 1) @ self._times
        evidence: Array = new + again - _log_rising(self._alpha + 1, self._n - 1)
        return evidence

    def entropy(self) -> Array:
        """The posterior mean of H in nats, for every alpha and d."""
        again = self._sizes - 1 + self._kept[:, None]  # c - d
        of_seen = (again * digamma(again + 1)) @ self._times
        of_unseen = (self._alpha + self._letters * self._d) * digamma(self._kept)
        whole = self._alpha + self._n
        entropy: Array = digamma(whole + 1) - (of_seen + of_unseen) / whole
        return entropy


def pym(counts: npt.NDArray[Any], possible: int = 0) -> float:
    """The posterior mean of H, in nats, over Pitman-Yor processes mixed so that their mean entropy is uniform.

    Infinite where every letter occurs once: then the posterior is as flat as the prior. ``possible``, how many letters
    there could be, makes no difference.

    The integral over ln(alpha) and logit(d) is a trapezoidal sum over the rectangle outside of which the posterior is
    negligible, as coarser ones show.
    """
    n = int(counts.sum())
    if n == len(counts):
        return float("inf")
    # the posterior falls at least as fast as alpha and d towards 0, as 1 / alpha upwards from n^2, and e^(-1 / (1 - d))
    before, ends = None, np.array([[-40.0, 2 * np.log(n) + 40], [-40.0, 34.0]])
    while before is None or (np.ptp(ends, axis=1) < 0.6 * np.ptp(before, axis=1)).any():
        before, ends = ends, _holding(counts, _grid(ends, COARSE))
    process = PitmanYor(counts, *_grid(ends, FINE))
    density = process.log_posterior()
    weights = np.exp(density - density.max())
    return float((weights * process.entropy()).sum() / weights.sum())


def _grid(ends: Array, points: int) -> tuple[Array, Array]:
    of_alpha, of_d = np.linspace(ends[:, 0], ends[:, 1], points).T
    return of_alpha, of_d


def _holding(counts: npt.NDArray[Any], axes: tuple[Array, Array]) -> Array:
    """The ends, shape (2, 2), of the rectangle where the posterior is not negligible, with a point more on each side.

    At least a third of each axis stays, around the greatest value: where the posterior is a narrow ridge, the highest
    of the points may not be the one next to its summit.
    """
    density = PitmanYor(counts, *axes).log_posterior()
    top = np.unravel_index(density.argmax(), density.shape)
    kept = density > density.max() - NEGLIGIBLE
    ends = []
    for axis, best, of_one in zip(axes, top, (kept.any(axis=1), kept.any(axis=0)), strict=True):
        [at] = np.nonzero(of_one)
        low, high = min(at[0] - 1, best - COARSE // 6), max(at[-1] + 1, best + COARSE // 6)
        ends.append([axis[max(0, low)], axis[min(COARSE - 1, high)]])
    return np.array(ends)


def _log_rising(z: Array, m: Array | float) -> Array:
    """ln of z (z + 1) ... (z + m - 1) = Gamma(m) / B(z, m), which does not cancel where z is large; 0 for m = 0."""
    some = np.maximum(m, 1.0)
    rising: Array = np.where(np.equal(m, 0), 0.0, gammaln(some) - betaln(z, some))
    return rising


def _digamma_beyond(z: Array, one_more: Array | None = None) -> Array:
    """psi(1 + z) - psi(1), which does not cancel where z is small; ``one_more`` is 1 + z where adding would cancel."""
    beyond: Array = np.where(
        np.abs(z) < 1e-5,
        zeta(2) * z - zeta(3) * z**2,
        digamma(1 + z if one_more is None else one_more) - digamma(1.0),
    )
    return beyond
