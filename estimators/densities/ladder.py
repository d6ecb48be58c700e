"""Which mixture, behind which maps of the variables: 1, 2, 4 ... components as long as held-out rows welcome them.

Between numbers of components, and between structures, the density of held-out rows decides. Between maps it may be the
ratio of densities: a map that suits the variables one by one makes the density high, whether or not it suits what they
share. It must be where values repeat and there is no density to compare; then the first map is left only for one that
is clearly better.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mibench.estimator import Array

from .mixture import Fit, Mask, Pattern, fit, single, split

SLACK = 2.0
"""Nats per row by which a map may be behind with one component, and go on to more."""
MANY = 16
"""Columns beyond which only the leading map goes on, and products are taken in single precision."""


LEAST_GAIN = 5.0
"""Nats by which all held-out rows together must become more likely for a mixture to be preferred to a simpler one.

Each fit stops where its own held-out rows are best, so that even a useless component gains a little.
"""
FIRST = 10
"""Iterations after which the best of several random splits is known."""
OTHERS = 8
"""Rows of its own fold whose y a held-out row is paired with."""
CLEARLY = 1.0
"""Standard errors by which the ratio of one map must be better than that of another, whose density is the higher."""


@dataclass(frozen=True)
class Margins:
    """Rows z = (x, y) behind a map of X and one of Y, (n, D), and the mean log Jacobian determinant in nats.

    The latter is not finite where the rows had no density before the map. atoms : nor have they one behind it, and of
    more than one normal component some would sink to a point.
    """

    name: str
    values: Array
    log_volume: float
    atoms: bool = False


@dataclass(frozen=True)
class Chosen:
    """The mixtures that gave the held-out rows the highest density.

    values : what each of the fits describes; one of each for every fold, or one for all. score : the mean log density
    of held-out rows in nats.
    """

    margins: Margins
    values: Sequence[Array]
    fits: Sequence[Fit]
    structure: str
    score: float

    @property
    def unmapped(self) -> float:
        """The score in the variables as they were given."""
        return self.score + self.margins.log_volume

    @property
    def components(self) -> int:
        """The greatest number that have any weight."""
        return max(int(np.isfinite(f.stack.log_weights).sum(axis=1).max()) for f in self.fits)

    @property
    def normal(self) -> bool:
        """Whether the components are Gaussian."""
        return bool(np.isinf(self.fits[0].stack.dofs).all())

    def log_ratios(self, parts: Mask, dim_x: int) -> list[tuple[Array, Array]]:
        """Of every fold: log p(x, y) - log p(x) - log p(y) of its training and of its test rows, in nats."""
        ratios = [f.stack.log_ratio(v, dim_x) for f, v in zip(self.fits, self.values, strict=True)]
        return [(ratio[part], ratio[~part]) for ratio, part in zip(np.hstack(ratios).T, parts, strict=True)]

    def told_apart(self, parts: Mask, dim_x: int) -> Array:
        """How well the ratio r tells held-out pairs from independent ones: log s(log r) there + log s(-log r) here.

        s is the logistic function; its mean is greatest for the true ratio, and bounded where r is great. One number
        per row, all folds one after the other; independent pairs are made of the rows of a fold.
        """
        found = []
        for b, part in enumerate(parts):
            own, row = (0, b) if len(self.fits) == 1 else (b, 0)
            values = self.values[own][~part]
            ratio = functools.partial(self.fits[own].stack.log_ratio, dim_x=dim_x)
            joint = -np.logaddexp(0, -ratio(values)[:, row])
            steps = np.unique(np.linspace(1, max(1, len(values) - 1), OTHERS).astype(int))
            apart = [np.hstack([values[:, :dim_x], np.roll(values[:, dim_x:], step, axis=0)]) for step in steps]
            found.append(joint - np.mean([np.logaddexp(0, ratio(pairs)[:, row]) for pairs in apart], axis=0))
        told: Array = np.concatenate(found)
        return told


@dataclass(frozen=True)
class Ladder:
    """How to look for the best mixture.

    most : components. restarts : random splits of every rung. iterations : of each fit. kinds : False for Gaussian,
    True for Student-t components. by_ratio : between maps the ratio decides, where it clearly does.
    """

    most: int
    restarts: int
    iterations: int
    kinds: tuple[bool, ...]
    by_ratio: bool = False

    def search(self, among: Sequence[Margins], parts: Mask, dim_x: int, seed: int) -> Chosen:
        """The best of all maps, kinds of components, structures and numbers of components."""
        dim = among[0].values.shape[1]
        if dim > MANY:
            among = [replace(margins, values=margins.values.astype(np.float32)) for margins in among]
        first = [self._one_component(margins, parts) for margins in among]
        comparable = all(math.isfinite(start.unmapped) for start in first)
        best = max(first, key=lambda start: start.unmapped) if comparable else first[0]
        leading = [start for start in first if not comparable or start.unmapped >= best.unmapped - SLACK]
        ends = []
        for start in [best] if dim > MANY else leading:
            climbs = [start] if dim < 4 or min(dim_x, dim - dim_x) < 2 else [start, paired(start, parts, dim_x)]
            ends.append(max((self._climb(lowest, parts, seed) for lowest in climbs), key=lambda end: end.score))
        if comparable:
            ends.sort(key=lambda end: -end.unmapped)
        return self._by_ratio(ends, parts, dim_x) if self.by_ratio or not comparable else ends[0]

    def _by_ratio(self, ends: Sequence[Chosen], parts: Mask, dim_x: int) -> Chosen:
        """The first, or a later one that is clearly better at telling pairs from independent ones."""
        best, *others = ends
        if not others:
            return best
        told = best.told_apart(parts, dim_x)
        for other in others:
            gain = other.told_apart(parts, dim_x) - told
            if gain.mean() > CLEARLY * gain.std() / math.sqrt(len(gain)):
                best, told = other, told + gain
        return best

    def _one_component(self, margins: Margins, parts: Mask) -> Chosen:
        """Of the kind that is better."""
        kinds = (False,) if margins.atoms else self.kinds
        fits = [fit(single(margins.values, parts, kind), margins.values, parts, 20 * kind) for kind in kinds]
        simpler, better = fits[0], fits[-1]
        if float((better.test - simpler.test).mean()) * parts.shape[1] < LEAST_GAIN:
            better = simpler
        return Chosen(margins, [margins.values], [better], "full", float(better.test.mean()))

    def _climb(self, start: Chosen, parts: Mask, seed: int) -> Chosen:
        """Twice as many components for as long as that helps, and there are more rows than parameters."""
        best, most = start, 1 if start.margins.atoms else self.most
        rows = int(parts.sum(axis=1).min())
        own = [parts] if len(start.fits) == 1 else [part[None] for part in parts]
        while (count := 2 * best.fits[0].stack.components) <= most:
            if count * best.fits[0].stack.pattern.features > rows:
                break
            fits = [
                self._split(f, values, part, seed + count)
                for f, values, part in zip(best.fits, best.values, own, strict=True)
            ]
            gain = float(np.mean(np.concatenate([f.test for f in fits])))
            gain -= float(np.mean(np.concatenate([f.test for f in best.fits])))
            if not gain * parts.shape[1] >= LEAST_GAIN:
                break
            best = replace(best, fits=fits, score=best.score + gain)
        return best

    def _split(self, found: Fit, values: Array, parts: Mask, seed: int) -> Fit:
        """The best of several random splits by the density of training rows."""
        rng = np.random.default_rng([2, seed])
        if self.restarts == 1:
            return fit(split(found.stack, rng), values, parts, self.iterations)
        tries = [fit(split(found.stack, rng), values, parts, min(FIRST, self.iterations)) for _ in range(self.restarts)]
        best = functools.reduce(Fit.better, tries)
        return fit(best.stack, values, parts, self.iterations)


def paired(start: Chosen, parts: Mask, dim_x: int) -> Chosen:
    """One component in the canonical variables of the training rows of every fold, each correlated with its pair only.

    As a density that is the same. Components that are added stay so: 5/2 dim parameters each in place of dim^2 / 2.
    """
    values, fits = [], []
    stack, dim = start.fits[0].stack, start.values[0].shape[1]
    for b, part in enumerate(parts):
        scatter = stack.scatters[b, 0]
        x, y = (
            np.linalg.inv(np.linalg.cholesky(block)) for block in (scatter[:dim_x, :dim_x], scatter[dim_x:, dim_x:])
        )
        left, correlations, right = np.linalg.svd(x @ scatter[:dim_x, dim_x:] @ y.T)
        x, y = left.T @ x, right @ y
        centred = start.values[0] - stack.means[b, 0]
        turned = np.hstack([centred[:, :dim_x] @ x.T, centred[:, dim_x:] @ y.T]).astype(start.values[0].dtype)
        own = single(turned[:2], np.ones((1, 2), bool), False)
        eye = np.eye(dim)
        pairs = np.arange(len(correlations))
        eye[pairs, dim_x + pairs] = eye[dim_x + pairs, pairs] = correlations
        own = replace(
            own,
            means=np.zeros((1, 1, dim)),
            scatters=eye[None, None],
            dofs=stack.dofs[b : b + 1],
            pattern=Pattern.pairs(dim_x, dim - dim_x),
        )
        density = own.log_density(turned)[:, 0]
        fits.append(Fit(own, density[part].mean()[None], density[~part].mean()[None]))
        values.append(turned)
    return replace(start, values=values, fits=fits, structure="pairs")
