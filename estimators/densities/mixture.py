"""Mixtures of Gaussian or Student-t components, by expectation-maximization on many parts of the samples at once.

A stack holds one mixture for each of B training parts. With the features f(z) = (1, z_i, z_i z_j) the squared
Mahalanobis distance of a row to any component is f(z) . theta, and all that a component's update needs is a weighted
sum of f(z): an iteration of the whole stack is two products of matrices. What the mixtures say of their own test rows
comes out of the same products, so every iteration is watched on rows that it does not learn from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import digamma, gammaln, logsumexp, polygamma

from mibench.estimator import Array

Mask = npt.NDArray[np.bool_]

FLOOR = 1e-6
"""Added to the variances, of columns that have variance 1: a component on a few rows must not become a point."""
MOST_DOF = 1e4
"""Degrees of freedom that are as good as infinite."""
FEATURES = 4_000_000
"""Numbers in one block of features, which bounds memory and stays near the processor."""


@dataclass(frozen=True)
class Pattern:
    """Which entries of a scatter matrix are not zero: runs (i, j, length) of (i, j), (i + 1, j + 1) ... with i <= j.

    Their inverses must have no other entries: so with all of them, and with the diagonal and pairs of coordinates.
    """

    dim: int
    runs: tuple[tuple[int, int, int], ...]

    @classmethod
    def full(cls, dim: int) -> Pattern:
        """Every entry."""
        return cls(dim, tuple((0, offset, dim - offset) for offset in range(dim)))

    @classmethod
    def pairs(cls, dim_x: int, dim_y: int) -> Pattern:
        """Variances, and the covariance of every coordinate of X with its own of Y."""
        return cls(dim_x + dim_y, ((0, 0, dim_x + dim_y), (0, dim_x, min(dim_x, dim_y))))

    @property
    def entries(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Row and column numbers."""
        rows, columns = ([np.arange(run[side], run[side] + run[2]) for run in self.runs] for side in (0, 1))
        return np.concatenate(rows), np.concatenate(columns)

    @property
    def features(self) -> int:
        """How many: the constant, the coordinates, their products."""
        return 1 + self.dim + sum(length for _, _, length in self.runs)


@dataclass(frozen=True)
class Stack:
    """B mixtures of K components in D dimensions.

    log_weights (B, K), means (B, K, D), scatters (B, K, D, D), and dofs (B, K), infinite for Gaussian components.
    """

    log_weights: Array
    means: Array
    scatters: Array
    dofs: Array
    pattern: Pattern

    @property
    def arrays(self) -> tuple[Array, Array, Array, Array]:
        """All but the pattern."""
        return self.log_weights, self.means, self.scatters, self.dofs

    @property
    def components(self) -> int:
        """K."""
        return int(self.means.shape[1])

    def marginal(self, columns: slice) -> Stack:
        """Of some of the coordinates: components of the same kind, with the same degrees of freedom."""
        means, scatters = self.means[..., columns], self.scatters[..., columns, columns]
        dim = means.shape[2]
        plain = len(self.pattern.runs) < self.means.shape[2]
        pattern = Pattern(dim, ((0, 0, dim),)) if plain else Pattern.full(dim)
        return Stack(self.log_weights, means, scatters, self.dofs, pattern)

    def where(self, mine: Mask, other: Stack) -> Stack:
        """These mixtures where ``mine`` (B,) says so, the others elsewhere."""
        weights, means, scatters, dofs = (
            np.where(mine.reshape(-1, *[1] * (a.ndim - 1)), a, b)
            for a, b in zip(self.arrays, other.arrays, strict=True)
        )
        return Stack(weights, means, scatters, dofs, self.pattern)

    def log_density(self, values: Array) -> Array:
        """At ``values`` (n, D), in nats, shape (n, B)."""
        kernels = _Kernels.of(self)
        return np.concatenate(
            [logsumexp(kernels.log_joint(block)[0], axis=2) for _, block in _blocks(values, self.pattern)], axis=0
        )

    def log_ratio(self, values: Array, dim_x: int) -> Array:
        """log p(x, y) - log p(x) - log p(y) in nats at ``values`` (n, D), X first, shape (n, B)."""
        x, y = slice(0, dim_x), slice(dim_x, None)
        apart = self.marginal(x).log_density(values[:, x]) + self.marginal(y).log_density(values[:, y])
        ratio: Array = self.log_density(values) - apart
        return ratio


@dataclass(frozen=True)
class Fit:
    """What was fitted: the mixtures, and their mean log densities (B,) on training and on test rows, in nats."""

    stack: Stack
    train: Array
    test: Array

    def better(self, other: Fit) -> Fit:
        """The mixtures of either, whichever has the higher training density, part by part."""
        mine = self.train >= other.train
        return Fit(
            self.stack.where(mine, other.stack),
            np.where(mine, self.train, other.train),
            np.where(mine, self.test, other.test),
        )


def single(values: Array, parts: Mask, student: bool) -> Stack:
    """One component: the Gaussian with the moments of the training rows, or a Student-t from which iterations begin.

    values : (n, D), scaled. parts : (B, n), True for the training rows of each mixture.
    """
    b, dim = len(parts), values.shape[1]
    if student:  # moments could be those of a few rows
        scatters = np.tile(np.eye(dim), (b, 1, 1, 1))
        means = np.tile(np.median(values, axis=0), (b, 1, 1)).astype(float)
        return Stack(np.zeros((b, 1)), means, scatters, np.full((b, 1), 5.0), Pattern.full(dim))
    counts = parts.sum(axis=1)
    means = (parts @ values) / counts[:, None]
    scatters = np.empty((b, dim, dim))
    for i, part in enumerate(parts):
        centred = values[part] - means[i]
        scatters[i] = centred.T @ centred / counts[i] + FLOOR * np.eye(dim)
    dofs = np.full((b, 1), math.inf)
    return Stack(np.zeros((b, 1)), means[:, None], scatters[:, None], dofs, Pattern.full(dim))


def split(stack: Stack, rng: np.random.Generator) -> Stack:
    """Every component in two: apart along a random direction of its own, one narrower and one wider."""
    k, dim = stack.means.shape[1:]
    # the same directions in every mixture, so that mixtures of different parts stay alike
    direction = rng.standard_normal((k, dim)) / math.sqrt(dim)
    step = np.einsum("bkij,kj->bki", np.linalg.cholesky(stack.scatters), direction)
    narrower = rng.uniform(size=(k, 1, 1)) < 0.5
    factor = np.where(narrower, 0.6, 1.2)
    children = (stack.means + step, stack.scatters * factor), (stack.means - step, stack.scatters * (1.8 - factor))
    means, scatters = (np.concatenate(pair, axis=1) for pair in zip(*children, strict=True))
    return Stack(np.tile(stack.log_weights - math.log(2), 2), means, scatters, np.tile(stack.dofs, 2), stack.pattern)


def fit(start: Stack, values: Array, parts: Mask, iterations: int, patience: int = 8, tolerance: float = 1e-5) -> Fit:
    """Expectation-maximization from ``start``, at most ``iterations`` times.

    values : (n, D). parts : (B, n), True for the training rows of each mixture; the others test it.
    It ends where the mean training density of no mixture grows by ``tolerance`` nats per column any more, or where no
    test density has become better for ``patience`` iterations; each mixture is left as it was when its own was best.
    """
    weights = np.ascontiguousarray(parts.T, dtype=values.dtype)
    counts = parts.sum(axis=1), (~parts).sum(axis=1)
    best = Fit(start, np.full(len(parts), -math.inf), np.full(len(parts), -math.inf))
    stack, before, waited = start, best.train, 0
    for _ in range(iterations + 1):
        sums = _expected(stack, values, weights)
        train, test = sums.train / counts[0], sums.test / np.maximum(counts[1], 1)
        if not counts[1].any():
            test = train
        ahead = test > best.test
        waited = 0 if ahead.any() else waited + 1
        best = Fit(stack.where(ahead, best.stack), np.where(ahead, train, best.train), np.where(ahead, test, best.test))
        if waited >= patience or (train - before).max() < tolerance * values.shape[1]:
            break
        before, stack = train, _maximized(stack, sums, counts[0])
    return best


# The two steps -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Kernels:
    """Densities of all components as products of features: theta (F, B K) and what the distance is inserted into."""

    theta: Array
    constants: Array
    dofs: Array
    dim: int

    @classmethod
    def of(cls, stack: Stack) -> _Kernels:
        b, k, dim = stack.means.shape
        factors = np.linalg.cholesky(stack.scatters)
        log_det = 2 * np.log(np.diagonal(factors, axis1=2, axis2=3)).sum(axis=2)
        precisions = np.linalg.inv(stack.scatters)
        linear = np.einsum("bkij,bkj->bki", precisions, stack.means)
        square = np.einsum("bki,bki->bk", linear, stack.means)
        rows, columns = stack.pattern.entries
        quadratic = precisions[:, :, rows, columns] * np.where(rows == columns, 1.0, 2.0)
        theta = np.concatenate([square[..., None], -2 * linear, quadratic], axis=2).reshape(b * k, -1).T
        normal = -0.5 * dim * math.log(2 * math.pi)
        with np.errstate(invalid="ignore"):
            half = 0.5 * np.minimum(stack.dofs, MOST_DOF)
            heavy = gammaln(half + 0.5 * dim) - gammaln(half) - 0.5 * dim * np.log(2 * math.pi * half)
        scale = np.where(np.isinf(stack.dofs), normal, heavy)
        return cls(np.ascontiguousarray(theta), stack.log_weights + scale - 0.5 * log_det, stack.dofs, dim)

    def log_joint(self, features: Array) -> tuple[Array, Array]:
        """log(weight density) of every component and the squared distances, both (rows, B, K)."""
        b, k = self.dofs.shape
        distance = (features @ self.theta.astype(features.dtype, copy=False)).reshape(len(features), b, k)
        np.maximum(distance, 0, out=distance)
        if np.isinf(self.dofs).all():
            return self.constants - 0.5 * distance, distance
        return self.constants - 0.5 * (self.dofs + self.dim) * np.log1p(distance / self.dofs), distance


@dataclass
class _Sums:
    """Over the training rows: of responsibilities, of weighted features, and of what degrees of freedom follow from."""

    counts: Array
    moments: Array
    tails: Array
    train: Array
    test: Array


def _expected(stack: Stack, values: Array, weights: Array) -> _Sums:
    b, k, dim = stack.means.shape
    kernels = _Kernels.of(stack)
    student = not np.isinf(stack.dofs).all()
    sums = _Sums(
        np.zeros((b, k)), np.zeros((kernels.theta.shape[0], b * k)), np.zeros((b, k)), np.zeros(b), np.zeros(b)
    )
    for rows, features in _blocks(values, stack.pattern):
        joint, distance = kernels.log_joint(features)
        top = joint.max(axis=2, keepdims=True)
        joint -= top
        np.exp(joint, out=joint)
        total = joint.sum(axis=2)
        log_density = np.log(total) + top[:, :, 0]
        own = weights[rows]
        sums.train += (log_density * own).sum(axis=0)
        sums.test += (log_density * (1 - own)).sum(axis=0)
        joint *= (own / total)[:, :, None]
        sums.counts += joint.sum(axis=0)
        if student:
            light = (stack.dofs + dim) / (stack.dofs + distance)
            sums.tails += (joint * (np.log(light) - light)).sum(axis=0)
            joint *= light
        sums.moments += features.T @ joint.reshape(len(features), b * k).astype(features.dtype, copy=False)
    return sums


def _maximized(stack: Stack, sums: _Sums, counts: npt.NDArray[np.intp]) -> Stack:
    """Components that have lost all but a few of their rows stay where they are and lose their weight."""
    b, k, dim = stack.means.shape
    moments = sums.moments.T.reshape(b, k, -1)
    alive = sums.counts > dim + 2
    weight = np.where(alive, moments[..., 0], 1.0)[..., None]
    means = moments[..., 1 : dim + 1] / weight
    scatters = np.zeros((b, k, dim, dim))
    rows, columns = stack.pattern.entries
    entries = moments[..., dim + 1 :] / weight - means[..., rows] * means[..., columns] + FLOOR * (rows == columns)
    scatters[:, :, rows, columns] = entries
    scatters[:, :, columns, rows] = entries
    keep = alive[..., None]
    with np.errstate(divide="ignore"):
        share = np.log(np.where(alive, sums.counts, 0.0) / counts[:, None])
    return Stack(
        share - logsumexp(share, axis=1, keepdims=True),
        np.where(keep, means, stack.means),
        np.where(keep[..., None], scatters, stack.scatters),
        _degrees(stack.dofs, sums.tails / np.maximum(sums.counts, 1.0), dim),
        stack.pattern,
    )


def _degrees(dofs: Array, tails: Array, dim: int) -> Array:
    """The root of psi(v/2) - log(v/2) = 1 + mean(log u - u) + psi((v' + D)/2) - log((v' + D)/2), by Newton in log v."""
    if np.isinf(dofs).all():
        return dofs
    old = 0.5 * (dofs + dim)
    right = 1 + tails + digamma(old) - np.log(old)
    # psi(h) - log(h) is between -1/h and -1/(2h), and negative
    right = np.minimum(right, -1 / MOST_DOF)
    half = -1 / (2 * right)
    for _ in range(20):
        slope = (polygamma(1, half) - 1 / half) * half
        half *= np.exp(np.clip((right - digamma(half) + np.log(half)) / slope, -1, 1))
    found: Array = np.clip(2 * half, 0.2, MOST_DOF)
    return found


def _blocks(values: Array, pattern: Pattern) -> Iterator[tuple[slice, Array]]:
    """Rows of ``values`` (n, D) with their features (rows, F), as many at once as is quick."""
    n, dim = values.shape
    rows = max(64, FEATURES // pattern.features)
    for start in range(0, n, rows):
        block = values[start : start + rows]
        features = np.empty((len(block), pattern.features), dtype=values.dtype)
        features[:, 0] = 1
        features[:, 1 : dim + 1] = block
        at = dim + 1
        for i, j, length in pattern.runs:
            np.multiply(block[:, i : i + length], block[:, j : j + length], out=features[:, at : at + length])
            at += length
        yield slice(start, start + len(block)), features
