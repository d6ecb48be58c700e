"""KSG of the columns that say most: what is there to be seen where few of many columns depend on one another, or many
pairs of them, each pair apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy.special import digamma

from mibench.estimator import Array, Estimate, Estimator, check_samples, rng_for
from mibench.parameters import Count
from mibench.registry import register_estimator

from ._columns import Blocks, chosen_blocks, only, told_twice
from ._samples import needing
from .ksg import KRASKOV, KSG, Prepared, prepared, within_the_kth

CHOOSING = 1_000
"""The most samples on which columns are chosen: of what is worth choosing, these see enough."""

Rows = npt.NDArray[np.intp]


@register_estimator("selected-ksg")
class SelectedKSG(Estimator):
    """KSG of the columns of x and of y that forward selection chooses on the other half of the samples.

    Columns that do not depend crowd the neighbourhoods and hide what the others share: one of ten at n = 2,000 can
    leave KSG nothing. The choice begins with the pair of columns that says most to KSG and adds one column, or one
    pair, at a time as long as that adds more than chance does; of few columns in all, it is also begun with all and the
    least needed is left out again and again.

    Where many columns of x each tell of a column of y of their own, neighbourhoods of all are empty. Columns are
    therefore also chosen in blocks, pair by pair, each pair with what adds to it, and KSG is summed over the blocks.
    With T the total correlation between blocks, I(X; Y) is the sum of the I(X_b; Y_b) plus T(X, Y) - T(X) - T(Y), where
    T(X, Y) is at least the greater of the two; the lesser is taken off the sum, as a Gaussian copula has it, and what
    pairs of columns share in cells beyond that. Several blocks are taken where they say more than one.

    Each half of the samples is averaged over the columns that the other half has chosen, so that the choice of the
    greatest does not show in the answer, with neighbours among all samples.

    Part of the columns never says more than all of them: up to the error of KSG on the few, and of what blocks share,
    this is a lower bound.

    Parameters
    ----------
    k : neighbours; fewer mean less bias and more variance.
    """

    k: Count = 3

    version: ClassVar[str] = "2"
    citation: ClassVar[str] = (
        "François, Rossi, Wertz & Verleysen (2007), Resampling methods for parameter-free and robust feature selection "
        f"with mutual information; {KRASKOV}"
    )
    capabilities: ClassVar = needing(lambda selected: 2 * (selected.k + 2), min_n=16, memory=0.1)

    def warm_up(self) -> None:
        """Compile what compares neighbours, or load it from disk."""
        KSG(self.k).warm_up()

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        x, y = check_samples(x, y, self.capabilities.min_n)
        samples = prepared(x, y, standardize=True)
        chosen = Chosen.of(samples, self.k, rng_for(seed))
        return Estimate(chosen.mean(self.k), diagnostics={**samples.diagnostics, **chosen.said})


@dataclass(frozen=True)
class Chosen:
    """Blocks of columns for each half of the samples, chosen on the other half.

    twice : what the sum over the blocks of each half counts twice, in nats.
    """

    samples: Prepared
    halves: tuple[Rows, Rows]
    blocks: tuple[Blocks, Blocks]
    twice: tuple[float, float]

    @classmethod
    def of(cls, samples: Prepared, k: int, rng: np.random.Generator) -> Chosen:
        """Those of which KSG with ``k`` neighbours says most; halves are drawn with ``rng``."""
        first, second = np.array_split(rng.permutation(len(samples.x)), 2)
        of_second, of_first = (chosen_blocks(_rows(samples, half[:CHOOSING]), k) for half in (first, second))
        twice = told_twice(of_first, samples), told_twice(of_second, samples)
        return cls(samples, (first, second), (of_first, of_second), twice)

    def mean(self, k: int) -> float:
        """KSG with ``k`` neighbours, in nats: every sample has its neighbours among all, in the columns of its half."""
        total = float(digamma(len(self.samples.x)))
        terms = {
            columns: within_the_kth(only(self.samples, columns), k, "max") + total
            for columns in {columns for blocks in self.blocks for columns in blocks}
        }
        of_halves = [
            np.sum([terms[columns][half] for columns in blocks], axis=0) - twice
            for half, blocks, twice in zip(self.halves, self.blocks, self.twice, strict=True)
        ]
        return float(np.concatenate(of_halves).mean())

    @property
    def count(self) -> int:
        """Blocks, of the half that has more."""
        return max(map(len, self.blocks))

    @property
    def said(self) -> dict[str, Any]:
        """For diagnostics: the columns of x and of y, counted from 0, that either half has chosen, and the blocks."""
        chosen = [columns for blocks in self.blocks for columns in blocks]
        columns = {name: sorted({c for each in chosen for c in each[side]}) for side, name in enumerate("xy")}
        return {"columns": columns, "blocks": self.count}


def _rows(samples: Prepared, rows: Rows) -> Prepared:
    return samples._replace(x=samples.x[rows], y=samples.y[rows])
