"""The leaderboard's tables: a pure function of Results.

Which cells count and how they are put together. The statistics are in ``scoring``, the meaning of every column in
``schema``, who is ranked in ``ranking``, the tables beside it in ``panels`` and ``arms``. Imports neither torch nor
mlflow nor any plug-in.

Rules
-----
* A failed cell, an unsupported one included, has infinite error. Cells that ended ``not_installed`` tell about the
  machine, not the estimator: they are left out and named in a note.
* Means are taken over seeds, then sample sizes, then tasks, then families, each with equal weight. Intervals are over
  families, where there are enough; else over what ``units`` decides. The score is absolute: adding an entrant never
  moves another's.
* Only lower bounds and estimates are ranked, by the score over all cells, only among the entrants that ran on every
  task and sample size. A cell that an estimator declines as unsupported counts as one that it could not answer, so that
  nobody gains by staying away from hard tasks; to tell the two apart, the share of families that it takes and its score
  on those stand beside. Estimators that look at the task itself are yardsticks: shown, unranked.
* Independent tasks (MI = 0) count in the score as any other and have a panel of their own besides.
* Nothing is imputed; nothing is averaged over ranks; no relative error is formed at MI = 0.
"""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from mibench.estimator import Role
from mibench.group import grouped, leaves
from mibench.masking import masked
from mibench.result import Result, Status
from mibench.task import TaskKind
from mibench.words import counted, listed

from . import arms, panels, scoring
from .ranking import family_rows, half_widths, ranking
from .schema import (
    Consistency,
    Downstream,
    Equitability,
    Failure,
    Family,
    Flag,
    Independence,
    Objective,
    Ranking,
    TaskRow,
    Unranked,
    plain,
    schema,
)
from .units import FEWEST, Over

SCHEMA = "mibench-leaderboard/1"
_MOST = 1e100
"""What is larger is no number of nats or seconds, and its square would not be a number either."""

_TABLES = {
    "ranking": Ranking,
    "families": Family,
    "tasks": TaskRow,
    "independence": Independence,
    "unranked": Unranked,
    "equitability": Equitability,
    "consistency": Consistency,
    "objective": Objective,
    "downstream": Downstream,
    "flags": Flag,
    "failures": Failure,
}


@dataclass(frozen=True, kw_only=True)
class Board:
    """Plain tables; :mod:`mibench.leaderboard.schema` documents their columns.

    ranking : entrants by score, then those that did not run on everything, then the yardsticks.
    tasks, families : the same measures per estimator and task (and n), and per estimator and family.
    notes : sentences a reader must know, such as what was left out.
    provenance : what was recorded about the machine and the versions, each value once.
    cells : the results that all this is made of, one per estimator, task, n and seed, in a canonical order.
    """

    ranking: tuple[Ranking, ...] = ()
    families: tuple[Family, ...] = ()
    tasks: tuple[TaskRow, ...] = ()
    independence: tuple[Independence, ...] = ()
    unranked: tuple[Unranked, ...] = ()
    equitability: tuple[Equitability, ...] = ()
    consistency: tuple[Consistency, ...] = ()
    objective: tuple[Objective, ...] = ()
    downstream: tuple[Downstream, ...] = ()
    flags: tuple[Flag, ...] = ()
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cells: tuple[Result, ...] = field(default=(), repr=False)

    @classmethod
    def from_results(cls, results: Iterable[Result]) -> Self:
        """Compute every table; the order of the results does not matter.

        Of several results for the same estimator, task, n and seed (reruns under a new version) the last one counts.
        """
        every = usable(results)
        of = grouped((r for r in every if r.status is not Status.NOT_INSTALLED), lambda r: r.kind)
        scored = _scored(of.get(TaskKind.INFORMATION, ()))
        trained = of.get(TaskKind.DOWNSTREAM, [])
        ranked = [r for r in scored if r.quantity.ranked]
        families = family_rows(ranked)
        places = ranking(ranked)
        rank = {row.estimator: place for place, row in enumerate(places)}
        by_rank = sorted(scored, key=lambda r: rank.get(r.cell.estimator, len(rank)))
        points = grouped(by_rank, lambda r: (r.cell.estimator, r.cell.task, r.cell.n))
        return cls(
            ranking=places,
            families=tuple(sorted(families, key=lambda row: rank[row.estimator])),
            tasks=tuple(map(panels.task_row, points.values())),
            independence=tuple(map(panels.independence, _per_estimator(r for r in by_rank if r.truth == 0))),
            unranked=tuple(map(panels.unranked, _per_estimator(r for r in by_rank if not r.quantity.ranked))),
            equitability=panels.equitability(by_rank),
            consistency=panels.consistency(of.get(TaskKind.CONSISTENCY, ())),
            objective=panels.objective(by_rank),
            downstream=arms.downstream(trained),
            flags=arms.flags(trained),
            failures=failures(every),
            notes=tuple(_notes(every, places)),
            provenance=provenance(every),
            cells=tuple(every),
        )

    @property
    def best(self) -> Ranking | None:
        """The entrant with the highest score, or None where nothing could be ranked."""
        return next((row for row in self.ranking if row.rank == 1), None)

    @property
    def over(self) -> Over | None:
        """What the intervals of scores, and of their differences, are over; None where there are none."""
        over = self.ranking[0].over if self.ranking else None
        return Over(over) if over else None

    @property
    def half_widths(self) -> list[tuple[str, str, float]]:
        """Of every pair that is ranked, how far the interval of their difference in score reaches; NaN: none."""
        return list(half_widths(self.ranking, [r for r in _scored(self.ran) if r.quantity.ranked]))

    @property
    def close(self) -> list[str]:
        """The others that cannot be told apart from the best: their intervals reach 0, or there is none."""
        rivals = [row for row in self.ranking if row is not self.best and row.to_best is not None]
        return [row.estimator for row in rivals if row.to_best_high is None or row.to_best_high >= 0]

    @property
    def ran(self) -> list[Result]:
        """The cells that were run, failed ones included: all but those that lack something here."""
        return [r for r in self.cells if r.status is not Status.NOT_INSTALLED]

    def named(self, *roles: Role) -> set[str]:
        """Estimators and arms whose rows are there for one of these reasons."""
        return {name for r in self.cells if r.role in roles for name in (r.cell.estimator, r.arm) if name}

    def to_json(self) -> dict[str, Any]:
        """All tables as JSON-able values, with the schema: what each column means and its unit."""
        return {
            "schema": SCHEMA,
            "columns": {name: schema(row) for name, row in _TABLES.items()},
            **{name: [plain(row) for row in getattr(self, name)] for name in _TABLES},
            "notes": list(self.notes),
            "provenance": {key: list(values) for key, values in self.provenance.items()},
        }


def _scored(results: Iterable[Result]) -> list[Result]:
    """The cells whose answer has a distance to the truth, infinite where there is none."""
    information = (r for r in results if r.kind is TaskKind.INFORMATION)
    return [r for r in information if r.truth is not None and not math.isnan(r.error)]


def usable(results: Iterable[Result]) -> list[Result]:
    """One result per (estimator, task, n, seed), the last one given, in a canonical order."""
    latest: dict[tuple[str, str, int], dict[int, Result]] = defaultdict(dict)
    for r in results:
        latest[r.cell.estimator, r.cell.task, r.cell.n][r.cell.seed] = r
    return [_sound(latest[where][seed]) for where in sorted(latest) for seed in sorted(latest[where])]


def _sound(result: Result) -> Result:
    """A record whose numbers are numbers: an answer that is none is no answer, a truth that is none is not known."""
    if not result.message and _plainly_sound(result):
        return result
    changes: dict[str, Any] = {}
    if result.mi is not None and not abs(result.mi) <= _MOST:
        changes |= {"mi": None, "status": Status.NONFINITE if result.status is Status.OK else result.status}
    optional = {name: getattr(result, name) for name in ("truth", "stderr")}
    changes |= {name: None for name, value in optional.items() if value is not None and not abs(value) <= _MOST}
    times = {name: getattr(result, name) for name in ("wall_s", "cpu_s", "truth_error")}
    changes |= {name: 0.0 for name, value in times.items() if value is None or not 0 <= value <= _MOST}
    if (message := masked(result.message)) != result.message:  # of a version that stored what nobody should read
        changes["message"] = message
    return dataclasses.replace(result, **changes) if changes else result


def _plainly_sound(r: Result) -> bool:
    """The usual case: everything is a number."""
    try:
        return (
            abs(r.mi) <= _MOST  # type: ignore[arg-type]
            and (r.truth is None or abs(r.truth) <= _MOST)
            and (r.stderr is None or abs(r.stderr) <= _MOST)
            and 0 <= r.wall_s <= _MOST
            and 0 <= r.cpu_s <= _MOST
            and 0 <= r.truth_error <= _MOST
        )
    except TypeError:
        return False


def failures(results: Sequence[Result]) -> tuple[Failure, ...]:
    """Everything that did not end ``ok``, grouped, the most frequent first."""
    failed = grouped(
        (r for r in results if r.status is not Status.OK), lambda r: (r.cell.estimator, str(r.status), r.message)
    )
    rows = [
        Failure(
            estimator=estimator,
            status=status,
            message=message,
            cells=len(cells),
            tasks=tuple(sorted({r.cell.task for r in cells})),
        )
        for (estimator, status, message), cells in failed.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.cells, row.estimator, row.status, row.message)))


def provenance(results: Iterable[Result]) -> dict[str, tuple[str, ...]]:
    """Each value that was recorded, once, under its key; nested keys are joined by dots."""
    seen: dict[str, set[str]] = defaultdict(set)
    each = {id(result.provenance): result.provenance for result in results}  # those read from a file share theirs
    for recorded in each.values():
        for path, value in leaves(recorded):
            if value is not None and value != "":
                seen[".".join(path)].add(masked(str(value)))
    return {key: tuple(sorted(values)) for key, values in sorted(seen.items())}


def _mixed(results: Sequence[Result]) -> Iterator[str]:
    """Whose cells were made by several versions of it, so that their mean is of no single one."""
    of_both = [((r.cell.estimator, r.estimator_version), (r.cell.task, r.task_version)) for r in results]
    for pairs in zip(*of_both, strict=True):
        known = sorted({pair for pair in pairs if pair[1]})
        for name, own in grouped(known, lambda pair: pair[0]).items():
            if len(own) > 1:
                versions = listed([version for _, version in own])
                yield f"The cells of {name} are of its versions {versions}: run it again to have all of one."
    by = sorted({str(r.provenance["mibench"]) for r in results if r.provenance.get("mibench")})
    if len(by) > 1:
        yield f"The cells were made by mibench {listed(by)}; what answers differently has another version of its own."


def _per_estimator(results: Iterable[Result]) -> Iterable[list[Result]]:
    return grouped(results, lambda r: r.cell.estimator).values()


def _notes(results: Sequence[Result], places: Sequence[Ranking]) -> Iterator[str]:
    """What a reader must know before reading the table."""
    absent = grouped((r for r in results if r.status is Status.NOT_INSTALLED), lambda r: r.message)
    for message, cells in absent.items():
        yield f"{_left_out(cells)} because something is not installed here: {message}"
    yield from _mixed(results)
    benchmark = [r for r in results if r.kind is TaskKind.INFORMATION and r.status is not Status.NOT_INSTALLED]
    unknown = [r for r in benchmark if r.truth is None]
    if unknown:
        yield f"{_left_out(unknown)} because the truth is not known: {listed(sorted({r.cell.task for r in unknown}))}."
    worst = max((r.truth_error for r in benchmark), default=0.0)
    if worst > scoring.FLOOR / 10:
        yield (
            f"The truth of some tasks is known only to within {worst:.2g} nats, "
            f"which can move the score of a cell by up to {scoring.score_uncertainty(worst):.3f}."
        )
    incomplete = [row.estimator for row in places if not row.complete and not row.yardstick]
    if incomplete:
        yield f"Not ranked, because results on some tasks or sample sizes are missing: {listed(incomplete)}."
    thin = [row.estimator for row in places if row.complete and not row.yardstick and row.cells < row.expected]
    if thin:
        yield f"Fewer seeds than others on some tasks: {listed(thin)}."
    over = places[0].over if places else None
    if places and (told := _taken_over(Over(over) if over else None, len({r.family for r in benchmark}))):
        yield told


def _taken_over(over: Over | None, families: int) -> str:
    """What intervals say where they are over a few families or over none, or why there are no intervals."""
    match over:
        case Over.FAMILIES if families < FEWEST:
            return f"Intervals are over {families} families, with too little in each to say more: so few tell little."
        case Over.TASKS:
            return (
                f"There are fewer than {FEWEST} families, so intervals are over the tasks of each: they say how scores "
                "would vary with other tasks of these families, and nothing of other families."
            )
        case Over.SEEDS:
            return (
                f"There are fewer than {FEWEST} families, not all of several tasks, so intervals are over the seeds "
                "of each task: they say how scores would vary with other samples of these tasks, and nothing of others."
            )
        case None:
            return "Nothing was repeated, or not with the same seeds for all, so there is neither interval nor test."
    return ""


def _left_out(cells: Sequence[Result]) -> str:
    return f"{counted(len(cells), 'cell')} {'was' if len(cells) == 1 else 'were'} left out"
