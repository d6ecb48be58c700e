"""A density of two variables on a grid: a weighted sum of kernel densities of several widths and of formulas.

The grid lies in s = (a + b) / sqrt(2 + 2 rho) and d = (a - b) / sqrt(2 - 2 rho), which are uncorrelated with variance
1, so that one width of kernel fits both directions however strong the correlation is (Nagler 2018 turns the kernel
likewise). The weights are those that make rows likeliest which are left out of the kernels (Smyth & Wolpert 1999).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from mibench.estimator import Array

from ..neighbours.compiled import compiler
from .pairs import MOST, Pair

SIZE = 128
EDGE = 5.6
STEP = 2 * EDGE / (SIZE - 1)
POINTS = np.linspace(-EDGE, EDGE, SIZE)
WIDTHS = (0.06, 0.1, 0.16, 0.25, 0.4)
"""Standard deviations of the kernels; the grid adds a variance of STEP^2 / 3."""
SMOOTH = 0.02
"""Least weight of the smooth densities together: no pair of scores is impossible."""
LEAST = 1e-30
"""Densities where there is none."""
ROUNDS = 40
ALONG, REACH = 201, 8.0
ALONG_STEP = 2 * REACH / (ALONG - 1)

_compiled = compiler(frozenset({"nnan", "nsz"}))


@dataclass(frozen=True)
class OnGrid:
    """A copula whose density is interpolated.

    density : (SIZE, SIZE) in s and d. Of the first variable given the second, and the other way round: log_margins (2,
    SIZE) of what is given, and scores (2, SIZE, ALONG) at steps of sqrt(1 - rho^2) around rho times what is given.
    """

    rho: float
    density: Array
    log_margins: Array
    scores: Array
    name = "kernel"

    @classmethod
    def of(cls, rho: float, density: Array) -> OnGrid:
        """Tables of the conditional distributions of a density."""
        tables = [_conditional(density, rho, sign) for sign in (1.0, -1.0)]
        margins, scores = (np.array(each) for each in zip(*tables, strict=True))
        return cls(rho, density, margins, scores)

    def log_density(self, a: Array, b: Array) -> Array:
        s, d = turned(a, b, self.rho)
        joint = np.log(_at(self.density, s, d, STEP, EDGE, STEP, EDGE)) - 0.5 * math.log1p(-(self.rho**2))
        given_b, given_a = (np.interp(v, POINTS, m) for v, m in zip((b, a), self.log_margins, strict=True))
        found: Array = joint - given_a - given_b
        return found

    def conditional(self, a: Array, b: Array) -> tuple[Array, Array]:
        scale = math.sqrt(1 - self.rho**2)
        of_a = _at(self.scores[0], b, (a - self.rho * b) / scale, STEP, EDGE, ALONG_STEP, REACH)
        of_b = _at(self.scores[1], a, (b - self.rho * a) / scale, STEP, EDGE, ALONG_STEP, REACH)
        return of_a, of_b


def turned(a: Array, b: Array, rho: float) -> tuple[Array, Array]:
    """s and d."""
    return (a + b) / math.sqrt(2 + 2 * rho), (a - b) / math.sqrt(2 - 2 * rho)


@dataclass(frozen=True)
class Stack:
    """Densities on the grid, n times as great, and their weights (K,); how likely they make rows that are left out.

    likelihood : log c summed over all rows in nats, each with the kernels of the others.
    """

    rho: float
    densities: Sequence[Array]
    weights: Array
    likelihood: float

    def pair(self, n: int) -> OnGrid:
        """The copula of the weighted sum."""
        total = sum(weight / n * density for weight, density in zip(self.weights, self.densities, strict=True))
        return OnGrid.of(self.rho, total + LEAST)


def stacked(a: Array, b: Array, rho: float, smooth: Sequence[Pair]) -> Stack:
    """The best weighted sum of kernel densities of scores (n,) and of ``smooth`` copulas with normal marginals."""
    n, volume = len(a), math.sqrt(1 - rho * rho)
    s, d = turned(a, b, rho)
    counts = _deposited(np.clip(s, -EDGE, EDGE), np.clip(d, -EDGE, EDGE))
    grids, at_rows = [], []
    for kernel in _kernels():
        grids.append(kernel @ counts @ kernel)
        others = _at(grids[-1], s, d, STEP, EDGE, STEP, EDGE) - _own(s, kernel) * _own(d, kernel)
        at_rows.append(np.maximum(others, 0) / (n - 1))
    first, second = _points(rho)
    inside = [np.clip(v, -MOST, MOST) for v in (first, second)]
    normal = _log_normal(a, b)
    for pair in smooth:
        on_grid = _log_normal(first, second) + pair.log_density(*inside)
        grids.append(n * volume * np.exp(on_grid).reshape(SIZE, SIZE))
        at_rows.append(volume * np.exp(normal + pair.log_density(a, b)))
    densities = np.array(at_rows)
    weights = _weights(densities, len(WIDTHS))
    likelihood = float((np.log(weights @ densities + LEAST) - math.log(volume) - normal).sum())
    return Stack(rho, grids, weights, likelihood)


def _log_normal(a: Array, b: Array) -> Array:
    """The log density of two independent standard normal variables."""
    found: Array = -0.5 * (a * a + b * b) - math.log(2 * math.pi)
    return found


def _points(rho: float) -> tuple[Array, Array]:
    """The scores at all points of the grid, each (SIZE * SIZE,)."""
    s, d = (each.ravel() for each in np.meshgrid(POINTS, POINTS, indexing="ij"))
    up, down = math.sqrt((1 + rho) / 2) * s, math.sqrt((1 - rho) / 2) * d
    return up + down, up - down


def _weights(densities: Array, kernels: int) -> Array:
    """By expectation-maximization, from the densities (K, n); those after the first ``kernels`` have SMOOTH."""
    weights = np.full(len(densities), 1 / len(densities))
    for _ in range(ROUNDS):
        shares = weights[:, None] * densities
        weights = (shares / shares.sum(axis=0)).mean(axis=1)
        smooth = weights[kernels:].sum()
        if smooth < SMOOTH:
            weights[kernels:] = SMOOTH / (len(weights) - kernels)
            weights[:kernels] *= (1 - SMOOTH) / weights[:kernels].sum()
    return weights


@functools.cache
def _kernels() -> list[Array]:
    """One (SIZE, SIZE) matrix for each width, whose columns are its density around every point."""
    distances = POINTS[:, None] - POINTS
    kernels = [np.exp(-0.5 * (distances / width) ** 2) for width in WIDTHS]
    return [kernel / (STEP * kernel[SIZE // 2].sum()) for kernel in kernels]


def _own(values: Array, kernel: Array) -> Array:
    """What a row itself adds to the interpolated kernel density at its place, in one direction."""
    place = (np.clip(values, -EDGE, EDGE) + EDGE) / STEP
    right = place - np.floor(place)
    left = 1 - right
    found: Array = (left * left + right * right) * kernel[0, 0] + 2 * left * right * kernel[0, 1]
    return found


def _conditional(density: Array, rho: float, sign: float) -> tuple[Array, Array]:
    """The log margin of what is given, (SIZE,), and normal scores (SIZE, ALONG); sign says whose d is positive."""
    steps = np.linspace(-REACH, REACH, ALONG)
    given, along = (v.ravel() for v in np.meshgrid(POINTS, steps, indexing="ij"))
    s, d = turned(rho * given + math.sqrt(1 - rho * rho) * along, given, rho)
    d = sign * d
    line = _at(density, s, d, STEP, EDGE, STEP, EDGE) * ((np.abs(s) <= EDGE) & (np.abs(d) <= EDGE))
    line = line.reshape(SIZE, ALONG) + LEAST * np.exp(-0.5 * steps**2)
    sums = np.zeros_like(line)
    np.cumsum(0.5 * ALONG_STEP * (line[:, 1:] + line[:, :-1]), axis=1, out=sums[:, 1:])
    rest = np.zeros_like(line)
    np.cumsum(0.5 * ALONG_STEP * (line[:, :0:-1] + line[:, -2::-1]), axis=1, out=rest[:, -2::-1])
    total = sums[:, -1:]
    scores = np.where(sums < rest, ndtri(sums / total), -ndtri(rest / total))
    return np.log(total[:, 0]), np.clip(scores, -MOST, MOST)


@_compiled
def _deposited(s: Array, d: Array) -> Array:
    """Every row shared among the four nearest points."""
    counts = np.zeros((SIZE, SIZE))
    for k in range(len(s)):
        x, y = (s[k] + EDGE) / STEP, (d[k] + EDGE) / STEP
        i, j = min(int(x), SIZE - 2), min(int(y), SIZE - 2)
        u, v = x - i, y - j
        counts[i, j] += (1 - u) * (1 - v)
        counts[i + 1, j] += u * (1 - v)
        counts[i, j + 1] += (1 - u) * v
        counts[i + 1, j + 1] += u * v
    return counts


@_compiled
def _at(table: Array, x: Array, y: Array, step_x: float, edge_x: float, step_y: float, edge_y: float) -> Array:
    """A table over [-edge_x, edge_x] x [-edge_y, edge_y], interpolated; beyond it is that of the edge."""
    found = np.empty(len(x))
    rows, columns = table.shape
    for k in range(len(x)):
        p = (min(max(x[k], -edge_x), edge_x) + edge_x) / step_x
        q = (min(max(y[k], -edge_y), edge_y) + edge_y) / step_y
        i, j = min(int(p), rows - 2), min(int(q), columns - 2)
        u, v = p - i, q - j
        lower = (1 - v) * table[i, j] + v * table[i, j + 1]
        found[k] = (1 - u) * lower + u * ((1 - v) * table[i + 1, j] + v * table[i + 1, j + 1])
    return found
