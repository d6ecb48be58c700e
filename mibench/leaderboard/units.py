"""Over what an interval is taken: families where there are enough of them, else the tasks of each, else the seeds.

An interval over families says how a score would vary with other kinds of data; of a few families it says next to
nothing. What can be said then is less: how the score would vary with other tasks of the same families, or with other
samples of the same tasks. Families, or tasks at their sample sizes, are then strata that stay as they are. Which it is
follows from what was run and never from the answers, and a board says it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from enum import StrEnum

import numpy as np

from mibench.group import grouped
from mibench.result import Result

from . import scoring
from .summary import Point, Weighted, point

FEWEST = 5
"""So many families make an interval over families.

Of the best twelve of the published board ``full`` on families drawn at random from its 19, the interval of a score is
1.00 wide of two families (all that there is), 0.58 of three, 0.48 of four, 0.42 of five and 0.36 of six (medians of
1,000 draws), and that of a difference to the best 2.00, 2.00, 1.78, 1.25 and 0.93 of at most 2.
"""

Unit = tuple[Hashable, ...]


class Over(StrEnum):
    """What stands for all of its kind."""

    FAMILIES = "families"
    TASKS = "tasks"
    SEEDS = "seeds"

    @property
    def where(self) -> str:
        """Where a difference that is told apart holds: ``... can be told apart on these families``."""
        return {Over.FAMILIES: "on these families", Over.TASKS: "on such tasks"}.get(self, "on these tasks")

    @property
    def named(self) -> str:
        """What an interval is over: ``a 95 % t interval over families``."""
        return {Over.FAMILIES: "families", Over.TASKS: "the tasks of each family"}.get(self, "the seeds of each task")

    def unit(self, result: Result) -> Unit:
        """What the cell belongs to of that which varies."""
        where = point(result)
        return {Over.FAMILIES: where[:1], Over.TASKS: where[:2]}.get(self, (*where, result.cell.seed))

    def stratum(self, unit: Unit) -> Unit:
        """What of a unit stays as it is."""
        return () if self is Over.FAMILIES else unit[:-1]


def over(results: Iterable[Result]) -> Over | None:
    """What the intervals of a table of these results are over; None where nothing was repeated.

    Fewer families than :data:`FEWEST` are strata, of at least two tasks each; where one has no second task, the seeds
    of every task are left, the same for all; else it is the families, if there are two.
    """
    seeds: dict[Point, set[frozenset[int]]] = {}
    for (where, _), own in grouped(results, lambda r: (point(r), r.cell.estimator)).items():
        seeds.setdefault(where, set()).add(frozenset(r.cell.seed for r in own))
    tasks = grouped({where[:2] for where in seeds}, lambda task: task[0])
    if len(tasks) >= FEWEST:
        return Over.FAMILIES
    if tasks and all(len(own) > 1 for own in tasks.values()):
        return Over.TASKS
    if seeds and all(len(each) == 1 and len(next(iter(each))) > 1 for each in seeds.values()):
        return Over.SEEDS
    return Over.FAMILIES if len(tasks) > 1 else None


def scores(cells: Sequence[Result], what: Over) -> dict[Unit, float]:
    """The score of one estimator on each unit."""
    each = {unit: Weighted(own) for unit, own in grouped(cells, what.unit).items()}
    return {unit: own.average(scoring.score(own.column("error"))) or 0.0 for unit, own in each.items()}


def strata(units: Iterable[Unit], what: Over) -> scoring.Strata:
    """Which units vary within the same stratum."""
    return scoring.Strata.of([what.stratum(unit) for unit in units])


def interval(own: Mapping[Unit, float], what: Over | None) -> tuple[float, float] | None:
    """The 95 % interval of the mean of the values of one estimator, or None where they do not tell it."""
    return scoring.mean_interval(list(own.values()), strata(own, what)) if what else None


def columns(entrants: Sequence[Mapping[Unit, float]], what: Over) -> tuple[scoring.Floats, scoring.Strata]:
    """A row per unit and a column per entrant, all of which have every unit, and the strata of the rows."""
    units = list(entrants[0])
    return np.array([[own[unit] for own in entrants] for unit in units]), strata(units, what)
