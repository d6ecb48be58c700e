"""The entropy of letters of which nobody knows how many there are, from a prior over infinitely many of them.

``discrete`` makes mutual information of it, as of other entropies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, digamma, expit, gammaln, zeta

from mibench.estimator import Array

NEGLIGIBLE = 30.0  # by which the logarithm of a density lies below its maximum where nothing is left of it
COARSE, FINE = 24, 128  # points an axis: to find where the posterior is, and to integrate there


class PitmanYor:
    """What counts say of Pitman-Yor processes with discounts d, given by ``logit_d``, shape (b,).

    A process breaks sticks: p_k = V_k (1 - V_1) ... (1 - V_(k-1)), V_k having the distribution Beta(1 - d, alpha + kd).
    The methods take the logarithms of concentrations alpha, shape (a, b), each column for the d of its own.
    """

    def __init__(self, counts: npt.NDArray[Any], logit_d: Array) -> None:
        sizes, times = np.unique(counts, return_counts=True)
        self._n, self._letters = float(counts.sum()), len(counts)
        self._d, self._kept = expit(logit_d), expit(-logit_d)  # d and 1 - d, of which neither may cancel
        less = sizes - 1.0 + self._kept[:, None]  # c - d
        self._of_seen = (less * digamma(less + 1)) @ times
        self._repeated = _log_rising(self._kept[:, None], sizes - 1.0) @ times

    def log_posterior(self, log_alpha: Array) -> Array:
        """Up to a constant, as a density of ln(alpha) and logit(d)."""
        posterior: Array = self.log_prior(log_alpha) + self.log_evidence(log_alpha)
        return posterior

    def log_prior(self, log_alpha: Array) -> Array:
        """That of Archer, Park and Pillow, as a density of ln(alpha) and logit(d).

        The mean entropy is h = psi(alpha + 1) - psi(1 - d), all values of which are equally likely, and the share of it
        that comes from d, gamma = (psi(1) - psi(1 - d)) / h, has the density exp(-10 / (1 - gamma)) up to a constant.
        """
        alpha = np.exp(log_alpha)
        of_alpha, of_d = _digamma_beyond(alpha), -_digamma_beyond(-self._d, self._kept)
        steps = alpha * zeta(2, alpha + 1) * (self._d * self._kept * zeta(2, self._kept))  # psi'(z) = zeta(2, z)
        mean = of_alpha + of_d
        log_density: Array = np.log(steps) - np.log(mean) - 10 * mean / of_alpha
        return log_density

    def log_evidence(self, log_alpha: Array) -> Array:
        """The logarithm of the probability that n samples fall into K letters just as they do, with counts c.

        It is prod_(l=1)^(K-1) (alpha + l d) prod_i (1 - d)_(c_i - 1) / (alpha + 1)_(n - 1), where (z)_m stands for
        z (z + 1) ... (z + m - 1).
        """
        alpha = np.exp(log_alpha)
        new = (self._letters - 1) * np.log(self._d) + _log_rising(alpha / self._d + 1, self._letters - 1.0)
        evidence: Array = new + self._repeated - _log_rising(alpha + 1, self._n - 1)
        return evidence

    def entropy(self, log_alpha: Array) -> Array:
        """The posterior mean of H in nats."""
        alpha = np.exp(log_alpha)
        of_unseen = (alpha + self._letters * self._d) * digamma(self._kept)
        whole = alpha + self._n
        entropy: Array = digamma(whole + 1) - (self._of_seen + of_unseen) / whole
        return entropy

    def where(self) -> Array:
        """The ends, shape (2, b), between which the density of ln(alpha) is not negligible, for every d.

        It has one maximum, next to which the highest of points lies however few they are.
        """
        # it falls at least as fast as alpha towards 0, and as 1 / alpha upwards from n^2
        before, ends = np.inf, np.repeat([[-40.0], [2 * np.log(self._n) + 40]], len(self._d), axis=1)
        while (ends[1] - ends[0] < 0.6 * before).any():
            before = ends[1] - ends[0]
            log_alpha = np.linspace(ends[0], ends[1], COARSE)
            ends = _holding(log_alpha, self.log_posterior(log_alpha))
        return ends

    def integrated(self, ends: Array, points: int) -> tuple[Array, Array]:
        """For every d: the logarithm of its density, up to a constant, and the mean of H; shape (b,) each.

        By trapezoidal sums over ln(alpha) between ``ends``, shape (2, b).
        """
        log_alpha = np.linspace(ends[0], ends[1], points)
        density = self.log_posterior(log_alpha)
        top = density.max(axis=0)
        weights = np.exp(density - top)
        whole = weights.sum(axis=0)
        return top + np.log(whole * (ends[1] - ends[0])), (weights * self.entropy(log_alpha)).sum(axis=0) / whole


def pym(counts: npt.NDArray[Any], possible: int = 0) -> float:
    """The posterior mean of H, in nats, over Pitman-Yor processes mixed so that their mean entropy is uniform.

    Infinite where every letter occurs once: then the posterior is as flat as the prior. ``possible``, how many letters
    there could be, makes no difference.

    The integral over logit(d) is a trapezoidal sum, as that over ln(alpha) for every d, between ends beyond which the
    posterior is negligible, as coarser ones show.
    """
    if counts.sum() == len(counts):
        return float("inf")
    before, ends = np.inf, np.array([-40.0, 34.0])  # it falls at least as fast as d towards 0, and as 1 - d towards 1
    while np.ptp(ends) < 0.6 * before:
        before, logit_d = np.ptp(ends), np.linspace(ends[0], ends[1], COARSE)
        process = PitmanYor(counts, logit_d)
        density, _ = process.integrated(process.where(), COARSE)
        ends = _holding(logit_d[:, None], density[:, None])[:, 0]
    process = PitmanYor(counts, np.linspace(ends[0], ends[1], FINE))
    density, entropy = process.integrated(process.where(), FINE)
    weights = np.exp(density - density.max())
    return float(weights @ entropy / weights.sum())


def _holding(points: Array, density: Array) -> Array:
    """The ends, shape (2, b), of where the density at the points is not negligible, both of shape (a, b).

    They have one point more on either side: how far it falls between two of them nobody knows.
    """
    kept = density > density.max(axis=0) - NEGLIGIBLE
    first, last = kept.argmax(axis=0), len(kept) - 1 - kept[::-1].argmax(axis=0)
    each = np.arange(density.shape[1])
    return np.stack([points[np.maximum(first - 1, 0), each], points[np.minimum(last + 1, len(kept) - 1), each]])


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
