"""The pairs of a vine that hold one column of X and one of Y each: where the vines of X and of Y are parts of one.

Two vines of separate columns can always be merged to one that has both as parts (Cooke, Kurowicka & Wilson 2015). Its
pairs are then those of X, those of Y, and c(x_i, y_j | x_1 ... x_(i-1), y_1 ... y_(j-1)); so log c(x, y) - log c(x) -
log c(y) is the sum over the latter alone, which is the chain rule of mutual information.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from mibench.estimator import Array
from mibench.ranks import normal_scores

from ..critics.copula import whitening
from .choice import chosen, strength
from .trees import independent

OTHERS = 4
"""Independent pairs made with every held-out row."""
Mask = npt.NDArray[np.bool_]
Coordinates: TypeAlias = Callable[[Array, Array, Mask], tuple[Array, Array]]
"""Maps X and Y (n, dim) each to independent columns of the same number, knowing the pairs of some rows."""


@dataclass(frozen=True)
class Merged:
    """What vines that were fitted to all folds but one say, each a list over the folds.

    seen, held_out : log ratios of training and of held-out rows, (rows,), in nats. apart : those of independent pairs
    made of held-out rows, (OTHERS, rows). pairs : how many of each kind were fitted. level : trees above are truncated.
    """

    coordinates: str
    seen: Sequence[Array]
    held_out: Sequence[Array]
    apart: Sequence[Array]
    pairs: dict[str, int]
    level: int

    @property
    def told_apart(self) -> float:
        """How well held-out pairs are told from independent ones: a proper score, greatest for the true ratio."""
        rows = [
            -np.logaddexp(0, -joint) - np.logaddexp(0, apart).mean(axis=0)
            for joint, apart in zip(self.held_out, self.apart, strict=True)
        ]
        return float(np.concatenate(rows).mean())

    @property
    def excess(self) -> float:
        """The log of the mean ratio of independent pairs, which is 0 for a ratio of densities that are right."""
        return float(np.mean([logsumexp(apart) - np.log(apart.size) for apart in self.apart]))


def columns(x: Array, y: Array, paired: Mask) -> tuple[Array, Array]:
    """By the vines of both, those columns first that the other variable has most in common with."""
    common = np.array([[strength(a, b) for b in y[paired].T] for a in x[paired].T])
    return independent(x, common.max(axis=1)), independent(y, common.max(axis=0))


def canonical(x: Array, y: Array, paired: Mask) -> tuple[Array, Array]:
    """The same of canonical variables, which put all that is linear into few pairs."""
    own = [values @ whitening(values[paired], 0.0) for values in (x, y)]
    left, _, right = np.linalg.svd(own[0][paired].T @ own[1][paired])
    return columns(normal_scores(own[0] @ left), normal_scores(own[1] @ right.T), paired)


def merged(x: Array, y: Array, fold_of: npt.NDArray[np.intp], coordinates: Coordinates) -> Merged:
    """Fit to all folds but each, truncated at the level where the held-out rows of all are likeliest.

    x, y : scores (n, dim_x) and (n, dim_y) with a standard normal distribution. fold_of : the fold of every row.
    """
    kinds: Counter[str] = Counter()
    parts = []
    for fold in range(int(fold_of.max()) + 1):
        train = fold_of != fold
        u, v = coordinates(x, y, train)
        rows, test = int(train.sum()), int((~train).sum())
        steps = np.unique(np.linspace(1, max(1, test - 1), OTHERS).astype(int))
        shifted = [np.roll(v[~train], step, axis=0) for step in steps]
        u, v = np.vstack([u[train], *[u[~train]] * (1 + len(steps))]), np.vstack([v[train], v[~train], *shifted])
        ratios, found = _pairs(u, v, rows)
        kinds.update(found)
        parts.append(np.split(ratios, [rows, rows + test], axis=1))
    gains = np.sum([held_out.sum(axis=1) for _, held_out, _ in parts], axis=0)
    level = int(np.argmax(np.concatenate([[0.0], np.cumsum(gains)])))
    seen, held_out, apart = ([each[:level].sum(axis=0) for each in part] for part in zip(*parts, strict=True))
    apart = [each.reshape(-1, len(own)) for each, own in zip(apart, held_out, strict=True)]
    return Merged(coordinates.__name__, seen, held_out, apart, dict(kinds), level)


def once(coordinates: Coordinates) -> Coordinates:
    """Coordinates that do not depend on the rows that they are told of, or hardly, and are not computed again."""

    @functools.wraps(coordinates)
    def kept(x: Array, y: Array, paired: Mask) -> tuple[Array, Array]:
        if not found:
            found.append(coordinates(x, y, paired))
        return found[0]

    found: list[tuple[Array, Array]] = []
    return kept


def _pairs(u: Array, v: Array, rows: int) -> tuple[Array, Counter[str]]:
    """Log ratios (levels, n) of all rows, with pairs fitted to the first ``rows``, and how many of each kind."""
    a, b = (list(np.ascontiguousarray(values.T)) for values in (u, v))
    ratios = np.zeros((len(a) + len(b) - 1, len(u)))
    kinds: Counter[str] = Counter()
    for i in range(len(a)):
        for j in range(len(b)):
            # a[i] is the score of x_i given x_1 ... x_(i-1) and y_1 ... y_(j-1), and b[j] that of y_j given the same
            pair = chosen(a[i][:rows], b[j][:rows]).pair
            ratios[i + j] += pair.log_density(a[i], b[j])
            a[i], b[j] = pair.conditional(a[i], b[j])
            kinds[pair.name] += 1
    return ratios, kinds
