"""The density ratio of a Gaussian in canonical variables, as a function that a critic can start from. Numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mibench.estimator import Array
from mibench.ranks import normal_scores, ranks

from ..learned import Scaling, scaled

Pair: TypeAlias = tuple[Array, Array]

RIDGES = (1e-9, 0.03, 0.2)
"""What may be added to the variance 1 of every column: the more, the less weak directions count."""
WEIGHTS = (1 - 1e-6, 0.99, 0.9, 0.7, 0.4)
"""How many of the pairs may be dependent."""
CREDIBLE = 2  # standard errors by which a bound must exceed 0
SHIFTS = 16  # product pairs per joint pair that the choice looks at
ENOUGH = 1024  # validation samples that it looks at
STRONGEST = 1 - 1e-6  # for correlations: a density ratio without bound would leave nothing to learn


def margins(values: Array, train: npt.NDArray[np.intp], scaling: Scaling) -> Array:
    """``values`` (n, dim) as columns of a copula, their normal scores among all rows, where the scaling is "rank".

    Else as elsewhere, by what the training rows show.
    """
    return normal_scores(values) if scaling == "rank" else scaled(values, train, scaling)


@dataclass(frozen=True)
class GaussianRatio:
    """log p(x, y) / (p(x) p(y)) of a Gaussian, a sum over canonical variables a_k of x and b_k of y.

    Each pair adds -1/2 log(1 - rho^2) + (rho a b - 1/2 rho^2 (a^2 + b^2)) / (1 - rho^2).

    to_x, to_y : (dim_x, m) and (dim_y, m), from centred columns to canonical variables. rho : (m,), descending.
    centre_x, centre_y : what is subtracted from the columns.
    """

    to_x: Array
    to_y: Array
    rho: Array
    centre_x: Array
    centre_y: Array

    @classmethod
    def fitted(cls, x: Array, y: Array, ridge: float = 0.0) -> GaussianRatio:
        """From samples (n, dim_x) and (n, dim_y), with ``ridge`` times its variance added to every column."""
        centre_x, centre_y = x.mean(0), y.mean(0)
        u, v = x - centre_x, y - centre_y
        white_x, white_y = whitening(u, ridge), whitening(v, ridge)
        left, rho, right = np.linalg.svd(white_x.T @ (u.T @ v / len(u)) @ white_y, full_matrices=False)
        return cls(white_x @ left, white_y @ right.T, np.minimum(rho, STRONGEST), centre_x, centre_y)

    def leading(self, components: int) -> GaussianRatio:
        """The first canonical variables alone."""
        k = slice(components)
        return GaussianRatio(self.to_x[:, k], self.to_y[:, k], self.rho[k], self.centre_x, self.centre_y)

    def variables(self, x: Array, y: Array) -> Pair:
        """The canonical variables, (n, m) each."""
        return (x - self.centre_x) @ self.to_x, (y - self.centre_y) @ self.to_y

    def terms(self, a: Array, b: Array) -> Array:
        """What each pair of canonical variables (..., m) adds to the log ratio."""
        left = 1 - self.rho**2
        terms: Array = -0.5 * np.log(left) + (self.rho * a * b - 0.5 * self.rho**2 * (a**2 + b**2)) / left
        return terms

    def embeddings(self, x: Array, y: Array) -> Pair:
        """Two matrices (n, m + 2) whose rows have the log ratio of x_i and y_j as their scalar products."""
        a, b = self.variables(x, y)
        left = 1 - self.rho**2
        weight = 0.5 * self.rho**2 / left
        one = np.ones((len(a), 1))
        of_x = -(a**2 @ weight)[:, None] - 0.5 * np.log(left).sum()
        return np.hstack([a * (self.rho / left), of_x, one]), np.hstack([b, one, -(b**2 @ weight)[:, None]])


@dataclass(frozen=True)
class MixedRatio:
    """log (1 - w + w r), r the ratio of a Gaussian: of a sample whose pairs are dependent with probability w.

    It has a least value, log (1 - w), so that a pair which no Gaussian would have cannot decide alone.
    """

    gaussian: GaussianRatio
    weight: float

    def embeddings(self, x: Array, y: Array) -> Pair:
        """Two matrices (n, m + 3): softplus of the scalar product of all but the last columns, plus y's last."""
        u, v = self.gaussian.embeddings(x, y)
        u[:, -2] += np.log(self.weight / (1 - self.weight))
        one = np.ones((len(u), 1))
        return np.hstack([u, one]), np.hstack([v, one * np.log(1 - self.weight)])


def chosen(train: Pair, validation: Pair) -> tuple[MixedRatio, float]:
    """The ratio with the ridge, weight and number of components of the greatest bound on ``validation``, and that.

    No components, and 0 nats, where no bound exceeds 0 by ``CREDIBLE`` standard errors. The bound is Donsker and
    Varadhan's, and its product pairs are those of a few cyclic shifts.
    """
    validation = validation[0][:ENOUGH], validation[1][:ENOUGH]
    best, value = MixedRatio(GaussianRatio.fitted(*train, RIDGES[0]).leading(0), WEIGHTS[0]), 0.0
    for ridge in RIDGES:
        ratio = GaussianRatio.fitted(*train, ridge)
        counts = _counts(len(ratio.rho))
        for weight, (values, errors) in zip(WEIGHTS, _bounds(ratio, *validation, counts), strict=True):
            credible = np.where(values > CREDIBLE * errors, values, 0)
            if credible.max() > value:
                value = float(credible.max())
                best = MixedRatio(ratio.leading(int(counts[credible.argmax()])), weight)
    return best, value


def spherical(values: Array, train: npt.NDArray[np.intp]) -> Array:
    """Columns (n, dim) whitened by the training rows, each row stretched to a normal vector's length, and that length.

    The lengths are stretched by their ranks: a bijection, which makes a normal vector of any elliptical one, whatever
    its tails. The last column holds the normal scores of the lengths, which elliptical vectors may share. Directions
    in which nothing varies are 0.
    """
    from scipy.special import gammaincinv

    centred = values - values[train].mean(0)
    white = centred @ whitening(centred[train], RIDGES[0])
    length = np.linalg.norm(white, axis=1)
    wanted = np.sqrt(2 * gammaincinv(white.shape[1] / 2, ranks(length[:, None])[:, 0] / (len(length) + 1)))
    stretched = white * (wanted / np.maximum(length, np.finfo(float).tiny))[:, None]
    nothing = np.zeros((len(values), values.shape[1] - white.shape[1]))
    return np.hstack([stretched, nothing, normal_scores(length[:, None])])


def whitening(centred: Array, ridge: float) -> Array:
    """A matrix W (dim, rank) with W' (S + ridge diag S) W = I, for S the covariance of ``centred`` (n, dim)."""
    spread = centred.std(0)
    spread[np.ptp(centred, axis=0) == 0] = np.inf
    standard = centred / spread
    values, vectors = np.linalg.eigh(standard.T @ standard / len(standard))
    kept = values > values[-1] * len(values) * np.finfo(float).eps
    white: Array = (vectors[:, kept] / np.sqrt(values[kept] + ridge)) / spread[:, None]
    return white


def _bounds(ratio: GaussianRatio, x: Array, y: Array, counts: npt.NDArray[np.intp]) -> Array:
    """Donsker and Varadhan's bound and its standard error, by weight and number of components: (weights, 2, counts)."""
    a, b = ratio.variables(x, y)
    joint = ratio.terms(a, b).cumsum(-1)[..., counts - 1]
    shifts = range(1, min(SHIFTS, len(a) - 1) + 1)
    product = np.stack([ratio.terms(np.roll(a, s, 0), b).cumsum(-1)[..., counts - 1] for s in shifts])
    answer = []
    for weight in WEIGHTS:
        of_joint, of_product = (np.logaddexp(np.log(1 - weight), np.log(weight) + t) for t in (joint, product))
        top = of_product.max((0, 1))
        rows = np.exp(of_product - top).mean(0)
        partition = rows.mean(0)
        values = of_joint.mean(0) - top - np.log(partition)
        answer.append((values, (of_joint - rows / partition).std(0) / len(of_joint) ** 0.5))
    return np.array(answer)


def _counts(most: int) -> npt.NDArray[np.intp]:
    """1, 2, 3, 4, 6, 8, 12, ... and ``most``: numbers of components to choose from."""
    grid = np.array([1, 2, 3, *(2**i * k // 2 for i in range(2, 12) for k in (2, 3)), most])
    return np.unique(grid[grid <= most]).astype(np.intp)
