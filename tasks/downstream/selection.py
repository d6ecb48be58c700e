"""Feature selection: k of d features by their estimated information on a target, where the best choice is known.

Nothing is trained but what the estimator trains. Features are copies, parts and disturbances of a few Gaussian sources,
so that the information of every subset has a closed form and the best subset is found by looking at all of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from mibench.errors import Unsupported
from mibench.estimator import Array, Estimator, Role
from mibench.parameters import Count, Inner
from mibench.registry import register_task
from mibench.task import Metric, Outcome

from . import exact_information as known
from .arms import PLAIN, ArmedTask, is_control

SELECTED = Metric("information", "higher", "nats", "True I(X_S; Y) of the chosen features.")
REGRET = Metric("regret", "lower", "nats", "How much less the chosen features tell than the best ones.")
HITS = Metric("hits", "higher", "%", "Chosen features that are among the best ones.")
ESTIMATE = Metric("estimate", "", "nats", "The estimate of I(X_S; Y) of the chosen features on a fresh sample.")
EXCESS = Metric("over_report", "lower", "nats", "By how much that estimate exceeds the truth; 0 where it does not.")

Chosen: TypeAlias = tuple[int, ...]
Judge: TypeAlias = Callable[[Sequence[Chosen]], Sequence[float]]
"""The information of each of some subsets of one size: exact or estimated."""


@dataclass(frozen=True)
class Features:
    """Zero-mean Gaussian features and a target, mixed from independent standard normals: rows of ``mixing``.

    mixing : (d + 1, sources); the last row is the target.
    """

    mixing: Array

    @property
    def count(self) -> int:
        """Features."""
        return len(self.mixing) - 1

    def information(self, chosen: Chosen) -> float:
        """I(X_S; Y) by log-determinants."""
        rows = self.mixing[[*chosen, -1]]
        return known.gaussian_information(rows @ rows.T, len(chosen))

    def best(self, size: int) -> Chosen:
        """The subset of this size with the greatest information, by looking at all of them."""
        return max(itertools.combinations(range(self.count), size), key=self.information)

    def sample(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Features (n, d) and target (n, 1)."""
        values = rng.standard_normal((n, self.mixing.shape[1])) @ self.mixing.T
        return values[:, :-1], values[:, -1:]


def mixed(noise: float) -> Features:
    """Twelve features of three sources a, b, c, and the target (a + b + c) / sqrt(3) with noise of this deviation.

    0: a with little noise. 1, 2: 0 with more noise each, which tell nothing beside it (redundant).
    3: b under a mask m three times as strong. 4: the mask, which tells nothing alone and uncovers 3 (synergistic).
    5: c with noise. 6: 5 with more noise. 7 to 11: nothing of the target; 7 and 8 correlate with each other.
    """
    a, b, c, mask, *rest = np.eye(14)
    first = a + 0.2 * rest[0]
    third = c + 0.6 * rest[1]
    common = rest[9]
    rows = [
        first,
        first + 0.3 * rest[2],
        first + 0.4 * rest[3],
        b + 3.0 * mask,
        mask,
        third,
        third + 0.5 * rest[4],
        common,
        common + 0.5 * rest[5],
        rest[6],
        rest[7],
        rest[8],
    ]
    noises = np.zeros((13, 1))
    noises[-1] = noise
    return Features(np.hstack([np.array([*rows, (a + b + c) / math.sqrt(3.0)]), noises]))


@register_task("selection-gaussian")
class SelectionGaussian(ArmedTask):
    """Four of twelve Gaussian features: copies that add nothing, a mask that tells nothing alone, and pure noise.

    Parameters
    ----------
    n : rows of the sample on which subsets are compared.
    choose : how many features.
    noise : standard deviation of the target's noise.
    search : ``greedy`` (each the one that adds most), ``ranking`` (those with the greatest information alone), ``all``
        (every subset is estimated).
    shape : ``gaussian``, or ``cubed``: features and target are cubed, which changes no information.
    variant : ``plain``, or ``exact``: true informations in place of estimates; what is lost is then the search's.
    """

    n: Count = 1_000
    choose: Count = 4
    noise: Inner = 0.3
    search: Literal["greedy", "ranking", "all"] = "greedy"
    shape: Literal["gaussian", "cubed"] = "gaussian"
    variant: Literal["plain", "exact"] = "plain"

    metrics: ClassVar[tuple[Metric, ...]] = (SELECTED, REGRET, HITS, ESTIMATE, EXCESS)
    citation: ClassVar[str] = "Battiti 1994"
    arm_parameters: ClassVar[tuple[str, ...]] = ("search", "variant")

    def remarks(self, control: bool) -> Sequence[str]:
        """The search, unless it is the usual one."""
        return [] if self.search == "greedy" else [self.search]

    def accepts(self, estimator: Estimator) -> bool:
        """Estimators of mutual information for so many columns; the exact values, and chance, need none."""
        if is_control(estimator):
            return self.variant == "exact" or self.search == "greedy"
        able = estimator.capabilities
        enough = able.min_n <= self.n and (able.max_dim is None or able.max_dim >= self.choose)
        return self.variant == PLAIN and able.role is Role.ENTRANT and not able.reads_task and enough

    def train(self, estimator: Estimator, seeds: Sequence[int]) -> list[Outcome]:
        """Choose once per seed; the control chooses at random.

        Raises
        ------
        Unsupported : the estimator cannot answer here, or none is asked for.
        """
        if not self.accepts(estimator):
            takes = "estimators of mutual information, or none" if self.variant == PLAIN else "no estimator"
            raise Unsupported(f"{self.label} takes {takes}; {estimator.label} does not go with it.")
        return [self.choice(estimator, seed) for seed in seeds]

    def choice(self, estimator: Estimator, seed: int) -> Outcome:
        """The features that one search chooses, and what they tell."""
        features = mixed(self.noise)
        best = features.best(self.choose)
        most = features.information(best)
        floor = {"information": most, "regret": 0.0, "hits": 100.0}
        curves: dict[str, list[tuple[int, float]]] = {}

        def judged(chosen: Chosen) -> dict[str, float]:
            told = features.information(chosen)
            hits = 100.0 * len(set(chosen) & set(best)) / len(chosen)
            return {"information": told, "regret": most - told, "hits": hits}

        if self.variant == "exact":
            chosen = searched(self.search, features.count, self.choose, lambda s: [features.information(c) for c in s])
            scores = judged(chosen)
        elif is_control(estimator):
            drawn = np.random.default_rng([4, seed]).permutation(features.count)[: self.choose]
            chosen = tuple(int(each) for each in drawn)
            scores = judged(chosen)
        else:
            x, y = self.sample(features, [2, seed])
            chosen = searched(self.search, features.count, self.choose, lambda s: estimated(estimator, x, y, s, seed))
            x, y = self.sample(features, [3, seed])
            [estimate] = estimated(estimator, x, y, [chosen], seed)
            scores = judged(chosen)
            scores |= {"estimate": estimate, "over_report": max(0.0, estimate - scores["information"])}
        for size in range(1, self.choose + 1):
            curves.setdefault("metric/information", []).append((size, features.information(chosen[:size])))
        diagnostics = {"chosen": list(chosen), "best": list(best), "floor": floor}
        return Outcome(scores, curves, diagnostics=diagnostics)

    def sample(self, features: Features, key: Sequence[int]) -> tuple[Array, Array]:
        """Features and target in the shape that is asked for."""
        x, y = features.sample(self.n, np.random.default_rng(key))
        return (x**3, y**3) if self.shape == "cubed" else (x, y)


def searched(search: str, count: int, size: int, judge: Judge) -> Chosen:
    """The features that a search chooses, in the order in which it takes them."""
    if search == "all":
        subsets = list(itertools.combinations(range(count), size))
        return subsets[int(np.argmax(judge(subsets)))]
    if search == "ranking":
        order = np.argsort(-np.asarray(judge([(each,) for each in range(count)])), kind="stable")
        return tuple(int(each) for each in order[:size])
    chosen: Chosen = ()
    for _ in range(size):
        longer = [(*chosen, each) for each in range(count) if each not in chosen]
        chosen = longer[int(np.argmax(judge(longer)))]
    return chosen


def estimated(estimator: Estimator, x: Array, y: Array, subsets: Sequence[Chosen], seed: int) -> list[float]:
    """Estimates of I(X_S; Y) for subsets of one size, as many at once as the estimator gains by."""
    at_once = max(1, estimator.capabilities.max_batch)
    found: list[float] = []
    for first in range(0, len(subsets), at_once):
        part = subsets[first : first + at_once]
        columns = [np.ascontiguousarray(x[:, list(chosen)]) for chosen in part]
        found += [e.mi for e in estimator.estimate_batch(columns, [y] * len(part), [seed] * len(part))]
    return found
