"""Informations that are known exactly: of Gaussians, of a variable on finitely many levels behind noise, of channels.

Plain functions in numpy, in nats. They judge the models of ``exact.py``, which know nothing of them.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mibench.estimator import Array

from ..numerics.entropy import binary_entropy
from ..numerics.quadrature import panels

REACH = 9.0  # standard deviations of the noise beyond which it is neglected
FINE = 6  # points of the trapezoidal rule per standard deviation of the noise


def gaussian_information(covariance: Array, first: int) -> float:
    """I of the first so many coordinates and the rest, for a Gaussian with this covariance: by log-determinants.

    1/2 log(det C_11 det C_22 / det C), infinite where one side determines a part of the other.
    """
    parts = covariance[:first, :first], covariance[first:, first:], covariance
    (sign_x, x), (sign_y, y), (sign, both) = (np.linalg.slogdet(part) for part in parts)
    if min(sign_x, sign_y) <= 0:
        raise ValueError("the covariance of one side is singular")
    return 0.5 * float(x + y - both) if sign > 0 else math.inf


def of_correlations(correlations: Array) -> float:
    """-1/2 sum log(1 - rho_i^2) of pairs of Gaussians with these correlations."""
    return float(-0.5 * np.log1p(-np.square(correlations)).sum())


def noisy_information(levels: Array, weights: Array, std: float) -> float:
    """I(X; X + std N) for X on these levels (M,) with these probabilities (M,), to rounding.

    The density of the sum is analytic, so the trapezoidal rule on FINE points per ``std`` converges geometrically. The
    integrand is sum_m w_m N(y; x_m) log(N(y; x_m) / p(y)), summed as h(Y) - h(N).
    """
    margin = REACH * std
    low, high = float(levels.min()) - margin, float(levels.max()) + margin
    y = np.linspace(low, high, math.ceil((high - low) / std * FINE) + 1)
    density = np.zeros_like(y)
    for part in np.array_split(np.arange(len(levels)), max(1, len(levels) * len(y) // 2_000_000)):
        density += np.exp(-0.5 * ((y[:, None] - levels[part]) / std) ** 2) @ weights[part]
    density /= std * math.sqrt(2.0 * math.pi)
    log_density = np.log(np.maximum(density, np.finfo(float).tiny))
    entropy = -float(density @ log_density) * (y[1] - y[0])
    return float(entropy - 0.5 * math.log(2.0 * math.pi * math.e * std**2))


def bit_information(distance: float) -> float:
    """I(S; distance S + N) of a bit S = -1 or 1 behind a standard normal N; at most ln 2."""
    return max(0.0, noisy_information(np.array([-distance, distance]), np.array([0.5, 0.5]), 1.0))


# Channels ------------------------------------------------------------------------------------------------------------


def awgn_capacity(snr: float) -> float:
    """1/2 log(1 + SNR): the capacity of Y = X + N under E X^2 <= SNR Var N, reached by a Gaussian X (Shannon 1948)."""
    return 0.5 * math.log1p(snr)


def fading_capacity(snr: float) -> float:
    """E_h 1/2 log(1 + h^2 SNR) for Y = h X + N, h Rayleigh with E h^2 = 1 and known to the receiver.

    1/2 e^(1/SNR) E_1(1/SNR), reached by a Gaussian X (Ericson 1970).
    """
    from scipy.special import exp1

    return 0.5 * math.exp(1.0 / snr) * float(exp1(1.0 / snr))


@functools.cache
def fading_rule() -> tuple[Array, Array]:
    """Values of h and their weights under the Rayleigh density 2 h exp(-h^2)."""
    h, weights = panels(np.array([0.0, 0.25, 0.5, 1.0, 2.0, 3.5, 6.5]), 6)
    return h, weights * 2.0 * h * np.exp(-(h**2))


def fading_information(levels: Array, weights: Array) -> float:
    """I(X; hX + N, h) = E_h I(X; hX + N) for X on these levels, Var N = 1."""
    h, of_h = fading_rule()
    return float(sum(w * noisy_information(levels * each, weights, 1.0) for each, w in zip(h, of_h, strict=True)))


@dataclass(frozen=True)
class Iterated:
    """What Blahut and Arimoto's iteration found: the input's probabilities, and the capacity between two bounds."""

    probabilities: Array
    low: float
    high: float


def blahut_arimoto(transition: Array, tolerance: float = 1e-5, most: int = 20_000) -> Iterated:
    """The capacity in nats of a channel p(y | x), rows x, columns y (Blahut 1972, Arimoto 1972).

    Every step multiplies p(x) by exp D(x), D(x) = KL(p(y | x) || p(y)); the capacity lies between log sum_x p(x) e^D(x)
    and max_x D(x), and the iteration ends where these are ``tolerance`` apart.
    """
    p = np.full(len(transition), 1.0 / len(transition))
    own = np.where(transition > 0, transition * np.log(np.where(transition > 0, transition, 1.0)), 0.0).sum(axis=1)
    low = high = 0.0
    for _ in range(most):
        mixed = np.maximum(p @ transition, np.finfo(float).tiny)
        divergence = own - transition @ np.log(mixed)
        high = float(divergence.max())
        grown = p * np.exp(divergence - high)
        total = float(grown.sum())
        low = high + math.log(total)
        p = grown / total
        if high - low < tolerance:
            break
    return Iterated(p, low, high)


@dataclass(frozen=True)
class Points:
    """An input on finitely many points with these probabilities; the capacity lies between ``low`` and ``high``."""

    levels: Array
    probabilities: Array
    low: float
    high: float


@functools.cache
def peak_capacity(peak: float) -> Points:
    """The best input of Y = X + N under |X| <= peak, Var N = 1: finitely many points, symmetric about 0 (Smith 1971).

    Blahut and Arimoto's iteration on a lattice shows how many and about where; the number is then right, and points and
    probabilities are moved until the information is greatest. ``low`` is that information by quadrature, ``high`` the
    greatest D(x) = KL(p(y | x) || p(y)) over |x| <= peak, which bounds the capacity whatever the input.
    """
    from scipy.optimize import minimize
    from scipy.special import ndtr

    lattice = np.linspace(-peak, peak, 2 * math.ceil(peak / 0.05) + 1)
    edges = np.arange(-peak - 7.0, peak + 7.0, 0.1)
    inner = ndtr(edges - lattice[:, None])
    cells = np.diff(np.hstack([np.zeros((len(lattice), 1)), inner, np.ones((len(lattice), 1))]), axis=1)
    p = blahut_arimoto(cells, tolerance=1e-5).probabilities
    padded = np.concatenate([[0.0], p, [0.0]])
    tops = np.flatnonzero((p >= padded[:-2]) & (p > padded[2:]) & (p > 1e-3))
    count = len(tops)
    half = count // 2

    def spread(free: Array) -> tuple[Array, Array]:
        """Places and probabilities from those of one half: places scaled into the peak, weights by a softmax."""
        places = peak / (1.0 + np.exp(-free[: half - 1])) if half > 1 else np.zeros(0)
        right = np.concatenate([[peak], places])
        weights = np.exp(np.concatenate([[0.0], free[half - 1 :]]))
        levels = np.concatenate([right, -right, np.zeros(count % 2)])
        weights = np.concatenate([weights[:half], weights[:half], weights[half:]])
        return levels, weights / weights.sum()

    outer = tops[::-1][:half]
    inside = np.clip(lattice[outer[1:]] / peak, 0.05, 0.95)
    masses = np.array([p[np.abs(lattice - lattice[t]) < 0.3].sum() for t in tops[::-1][: half + count % 2]])
    start = np.concatenate([np.log(inside / (1.0 - inside)), np.log(masses[1:] / masses[0])])
    free = start
    if len(start):
        lacking: Any = lambda f: -noisy_information(*spread(f), 1.0)  # noqa: E731  the stubs know no such function
        free = minimize(lacking, start, method="BFGS", tol=1e-9).x
    levels, weights = spread(free)
    x, y = np.linspace(-peak, peak, 401), np.arange(-peak - REACH, peak + REACH, 1.0 / FINE)
    log_density = np.log(np.exp(-0.5 * (y[:, None] - levels) ** 2) @ weights)
    own = np.exp(-0.5 * (y - x[:, None]) ** 2) / (FINE * math.sqrt(2.0 * math.pi))
    divergence = -0.5 - own @ log_density
    order = np.argsort(levels)
    return Points(levels[order], weights[order], noisy_information(levels, weights, 1.0), float(divergence.max()))


def symmetric_information(p: float, crossover: float) -> float:
    """I(X; Y) of a binary symmetric channel, P(X = 1) = p: H(p (1 - e) + (1 - p) e) - H(e)."""
    return binary_entropy(p * (1.0 - crossover) + (1.0 - p) * crossover) - binary_entropy(crossover)


def erasure_information(p: float, erasure: float) -> float:
    """I(X; Y) of a binary erasure channel, P(X = 1) = p: (1 - e) H(p)."""
    return (1.0 - erasure) * binary_entropy(p)


# Designs and codes ---------------------------------------------------------------------------------------------------


def water_filling(gains: Array, power: float) -> Array:
    """Powers P_i >= 0 with this sum that maximise sum log(1 + gains_i P_i): max(0, level - 1 / gains_i)."""
    floors = np.sort(1.0 / gains)
    for count in range(len(floors), 0, -1):
        level = (power + floors[:count].sum()) / count
        if level > floors[count - 1]:
            break
    return np.asarray(np.maximum(0.0, level - 1.0 / gains))


def least_leakage(relevance: Array, utility: float) -> float:
    """The least I(Z; S) of a Gaussian code Z with I(Z; U) = ``utility``, corr(U, S_j) = relevance_j, the rest of the
    S_j independent.

    Z = c U + s (a e + b N) with c^2 = 1 - exp(-2 utility), s^2 = 1 - c^2, |a|^2 + |b|^2 = 1, where e_j is what of S_j
    U does not tell. With q_j = r_j / sqrt(1 - r_j^2) the leakage is -1/2 log(1 - |cq + sa|^2 + (q, cq + sa)^2 /
    (1 + |q|^2)), least for a = -min(1, c|q| / s) q / |q|.
    """
    c, s = math.sqrt(-math.expm1(-2.0 * utility)), math.exp(-utility)
    square = float((relevance**2 / (1.0 - relevance**2)).sum())
    left = max(0.0, c * math.sqrt(square) - s)
    return -0.5 * math.log1p(-(left**2) / (1.0 + square))
