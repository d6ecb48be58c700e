"""Results that somebody hands in: what must hold of them, and the entry that a pull request brings.

Nothing here believes a record. Plug-ins and truths are made anew and must give the recorded identities and values, and
cells drawn at random are run again.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import os
import random
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from . import api, registry
from .engine.grid import Block, Grid
from .engine.provenance import provenance
from .engine.reading import FILE, files_at, opened
from .engine.records import decode, sealed
from .errors import MibenchError, NotInstalled, UsageError
from .estimator import Estimator
from .files import explained, require_folder
from .group import grouped
from .plugin import digest
from .result import Cell, Result, Status
from .results import Results, load_results
from .selector import parse_selector
from .sources import neighbours
from .task import AnyTask, TaskKind
from .words import counted, listed

FEWEST = 3
"""Cells that are run again at least."""
SAME = 1e-6
"""Nats, and share of the answer, by which the answers of two machines may differ where nothing is trained."""
NEAR = 0.05
"""The same where something is: training amplifies how sums are rounded."""
ENTRY = "submission.json"
TABLES = ("leaderboard.md", "leaderboard.csv", "tasks.csv", "downstream.csv")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")


@dataclass(frozen=True)
class Finding:
    """One thing that was asked of the results: whether it holds, and one sentence."""

    name: str
    holds: bool
    message: str

    def __str__(self) -> str:
        return f"{self.name}: {'holds' if self.holds else 'FAILS'} ({self.message})"


@dataclass(frozen=True)
class Rerun:
    """A cell that was run again: what was recorded, and what came of it here, in nats."""

    cell: Cell
    recorded: float | None
    again: float | None
    agrees: bool


class Submission:
    """A folder of results under examination.

    Raises
    ------
    UsageError : there are no results in the folder.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.results: Results = load_results(directory)

    def require_known(self) -> None:
        """Refuse results of plug-ins that are not registered here.

        Raises
        ------
        UsageError : it says which, and how to make them known.
        """
        for known, names in self._named():
            if foreign := [f"'{name}'" for name in names if known.known(name) is None]:
                raise UsageError(
                    f"'{self.directory}' holds results of {known.kind}s that are not known here, {listed(foreign, 3)}: "
                    "name the files that define them, which become part of the entry, with --include FILE."
                )

    def _named(self) -> Iterator[tuple[registry.Registry[Any], list[str]]]:
        """The names of all estimators and of all tasks."""
        yield registry.estimators, sorted({parse_selector(r.cell.estimator)[0] for r in self.results})
        yield registry.tasks, sorted({parse_selector(r.cell.task)[0] for r in self.results})

    def findings(self, files: Sequence[Path] = ()) -> Iterator[Finding]:
        """All that can be told without running a cell; files : those of the entry."""
        yield _finding("records", self._unreadable(), f"{counted(len(self.results), 'cell')} can be read")
        yield _finding("versions", self._versions(), f"measured with mibench {self.version}, the one installed here")
        yield _finding("identities", self.changed(), "plug-ins made here are those that were measured")
        yield _finding("files", self._apart(files), "all that was measured is in mibench or in the files of the entry")
        yield _finding("seeds", self._seeds(), "every estimator of a task and n was run with the same seeds")
        yield _finding("answers", self._answers(), "no cell was answered twice, differently")
        yield _finding("truths", self._truths(), "the truths are those of the tasks")

    @property
    def version(self) -> str:
        """Of mibench here."""
        return str(provenance()["mibench"])

    def rerun(self, share: float = 0.01, seed: int | None = None) -> list[Rerun]:
        """Run a share of the cells again, at least three; which ones depends on ``seed``, without one on chance.

        Cells that failed and trainings of downstream models, which take long, are not drawn, and neither are those of
        the reference rows, of which everybody has the same, unless there are no others.
        """
        able = [r for r in self.results if r.status is Status.OK and r.kind is TaskKind.INFORMATION]
        able = [r for r in able if not r.reference] or able
        count = min(len(able), max(FEWEST, math.ceil(share * len(able))))
        chosen = (random.SystemRandom() if seed is None else random.Random(seed)).sample(able, count)
        if not chosen:
            return []
        grids = [
            Grid(
                references=False,
                block=(
                    Block(tasks=(r.cell.task,), estimators=(r.cell.estimator,), n=(r.cell.n,), seeds=(r.cell.seed,)),
                ),
            )
            for r in chosen
        ]
        again = {r.cell.id: r for r in api.run(grid=grids)}
        return [_compared(r, again.get(r.cell.id)) for r in chosen]

    @staticmethod
    def place(folder: Path, name: str) -> Path:
        """Where an entry goes, which can be asked before any cell is run again for it.

        Raises
        ------
        UsageError : a name that cannot be a folder's, an entry that is there already, or a folder that is not writable.
        """
        if not _NAME.fullmatch(name):
            raise UsageError(f"'{name}' cannot name an entry: use small letters, digits, '.', '-' and '_'.")
        target = folder / name
        if os.path.lexists(target):
            raise UsageError(f"'{target}' is there already: choose another --name, or remove it first.")
        with explained(f"cannot write '{target}'"):
            require_folder(folder)
        return target

    def write(self, folder: Path, name: str, files: Sequence[Path], reruns: Sequence[Rerun]) -> Path:
        """Write the entry to ``folder/name``: records without curves, tables, plug-in files, what was checked.

        Raises
        ------
        UsageError : as of :meth:`place`, or the disk is full.
        """
        target = self.place(folder, name)
        ordered = sorted(self.results, key=lambda r: (r.cell.task, r.cell.n, r.cell.estimator, r.cell.seed))
        made = folder / f".{name}.{os.getpid()}.part"
        try:
            with explained(f"cannot write '{target}'"):
                made.mkdir(parents=True)
                write_records(ordered, made / FILE)
                write_tables(self.results, made, f"mibench: {name}")
                for file in files:
                    shutil.copyfile(file, made / file.name)
                told = self._told(name, files, reruns)
                (made / ENTRY).write_text(json.dumps(told, indent=1, allow_nan=False) + "\n", encoding="utf-8")
                made.replace(target)
        finally:
            shutil.rmtree(made, ignore_errors=True)  # a part of an entry is none
        return target

    def _told(self, name: str, files: Sequence[Path], reruns: Sequence[Rerun]) -> dict[str, Any]:
        return {
            "name": name,
            "mibench": self.version,
            "cells": len(self.results),
            "estimators": sorted({r.cell.estimator for r in self.results}),
            "tasks": len({r.cell.task for r in self.results}),
            "files": [file.name for file in files],
            "rerun": [
                {"estimator": r.cell.estimator, "task": r.cell.task, "n": r.cell.n, "seed": r.cell.seed}
                | {"recorded": r.recorded, "again": r.again}
                for r in reruns
            ],
        }

    @cached_property
    def _records(self) -> list[Result | None]:
        """Every line in order, also those that a later one replaces; None where one cannot be read."""
        found: list[Result | None] = []
        for file in files_at(self.directory):
            with opened(file) as lines:
                for line in lines:
                    try:
                        found.append(decode(line))
                    except ValueError:
                        found.append(None)
        return found

    def _unreadable(self) -> list[str]:
        return [f"line {number}" for number, record in enumerate(self._records, 1) if record is None]

    def _versions(self) -> list[str]:
        recorded = {str(r.provenance.get("mibench", "unknown")) for r in self.results if r.provenance}
        others = sorted(version for version in recorded or {"unknown"} if version != self.version)
        return [f"cells of mibench {version}, where {self.version} is installed" for version in others]

    def changed(self) -> list[str]:
        """What was measured and is something else here: other versions, other parameters, in words."""
        wrong: dict[str, list[str]] = {}
        for (estimator, task), cells in grouped(self.results, lambda r: (r.cell.estimator, r.cell.task)).items():
            try:
                made = registry.estimators.create(estimator), registry.tasks.create(task)
            except MibenchError as error:
                wrong.setdefault(f"{estimator} ({error}", []).append(task)
                continue
            able = made[0].capabilities
            judged = able.role, made[0].kind, able.reads_task
            other = next((r for r in cells if Cell.of(*made, r.cell.n, r.cell.seed).id != r.cell.id), None)
            if other is not None:
                wrong.setdefault(_changed(*made, other), []).append(task)
            elif any((r.role, r.quantity, r.reads_task) != judged for r in cells):
                wrong.setdefault(f"{estimator} (it would be judged as something else", []).append(task)
        return [f"{what}; {own[0] if len(own) == 1 else f'{len(own)} tasks'})" for what, own in wrong.items()]

    def _apart(self, files: Sequence[Path]) -> Iterator[str]:
        """What an entry with these files would lack: modules beside them, and plug-ins of other packages."""
        for file in files:
            for name, place in neighbours(file).items():
                yield f"{file.name}, which imports '{name}' from {place}"
        for known, names in self._named():
            for name in names:
                package = str(getattr(known.known(name), "__module__", __package__)).partition(".")[0]
                if package != __package__ and not package.startswith("mibench_include_"):
                    yield f"'{name}', which the package '{package}' defines"

    def _seeds(self) -> list[str]:
        wrong = []
        for (task, n), cells in grouped(self.results, lambda r: (r.cell.task, r.cell.n)).items():
            seeds = {
                e: frozenset(r.cell.seed for r in own) for e, own in grouped(cells, lambda r: r.cell.estimator).items()
            }
            usual = Counter(seeds.values()).most_common(1)[0][0]
            wrong += [f"{estimator} on {task}, n = {n}" for estimator, own in seeds.items() if own != usual]
        return wrong

    def _answers(self) -> list[str]:
        given: dict[str, Result] = {}
        wrong = []
        for record in self._records:
            if record is None or record.status is not Status.OK:
                continue
            first = given.setdefault(record.cell.id, record)
            if not _close(first.mi, record.mi, first) or set(first.metrics) != set(record.metrics):
                wrong.append(f"{record.cell.estimator} on {record.cell.task}, seed {record.cell.seed}")
        return wrong

    def _truths(self) -> list[str]:
        wrong = []
        stated = (r for r in self.results if r.kind is TaskKind.INFORMATION and r.truth is not None)
        for task, cells in grouped(stated, lambda r: r.cell.task).items():
            try:
                facts = registry.tasks.create(task).facts()
            except NotInstalled:
                continue
            except MibenchError as error:
                wrong.append(f"{task}: {error}")
                continue
            slack = 1e-9 + 2 * facts["truth_error"]
            known = facts["dim_x"], facts["dim_y"]
            for truth, *dims in dict.fromkeys((r.truth or 0.0, r.dim_x, r.dim_y) for r in cells):
                if abs(truth - facts["truth"]) > slack or tuple(dims) != known:
                    wrong.append(f"{task}: {truth} for {facts['truth']} nats, {dims[0]} + {dims[1]} dimensions")
        return wrong


def write_records(results: Sequence[Result], file: Path) -> None:
    """Records without training curves, pictures and what a reader fills in by itself, one line each."""
    file.write_bytes(b"".join(map(sealed, records(results))))


def records(results: Sequence[Result]) -> Iterator[dict[str, Any]]:
    """Records without what a reader fills in by itself: defaults, and the provenance where it repeats.

    Of the diagnostics of a model that was trained stays what the tables tell: yes or no, and what a perfect one scores.
    """
    defaults = Result(Cell("", "", 0, 0, ""), Status.OK).to_json()
    seen: list[dict[str, Any]] = []
    for result in results:
        trained = result.diagnostics if result.kind is TaskKind.DOWNSTREAM else {}
        told = {key: value for key, value in trained.items() if key == "floor" or isinstance(value, bool)}
        bare = dataclasses.replace(result, curve={}, images={}, diagnostics=told).to_json()
        made_by = {key: value for key, value in bare.pop("provenance").items() if key != "time"}
        if made_by not in seen:
            seen.append(made_by)
            bare["provenance"] = made_by
        yield {key: value for key, value in bare.items() if key in ("schema", "status") or value != defaults.get(key)}


def write_tables(results: Results, folder: Path, title: str) -> None:
    """The tables that stand beside published records, without the figures."""
    import tempfile

    with tempfile.TemporaryDirectory(dir=folder) as made:
        results.report(made, title)
        for name in filter(lambda name: (Path(made) / name).is_file(), TABLES):
            text = (Path(made) / name).read_text(encoding="utf-8")
            text = re.sub(r"## Figures\n.*?(?=## Provenance)", "", text, flags=re.DOTALL)
            (folder / name).write_text(text, encoding="utf-8")


def _changed(estimator: Estimator, task: AnyTask, measured: Result) -> str:
    """Which of the two is another than at the time of the record, and what its version was, where that can be told."""
    for plugin, version in zip((estimator, task), _versions(estimator, task, measured), strict=True):
        if version and version != plugin.version:
            return f"{plugin.label} (measured as version {version}, here version {plugin.version}"
    return f"{estimator.label} (another version or other parameters were measured"


def _versions(estimator: Estimator, task: AnyTask, measured: Result) -> tuple[str, str]:
    """Of both plug-ins as they were measured: as recorded, or those earlier ones that lead to the cell's id."""
    if measured.estimator_version and measured.task_version:
        return measured.estimator_version, measured.task_version
    earlier = [range(1, int(p.version) + 1) if p.version.isdecimal() else () for p in (estimator, task)]
    for own, asked in itertools.product(*earlier):
        identities = {**estimator.identity(), "version": str(own)}, {**task.identity(), "version": str(asked)}
        if digest([*identities, measured.cell.n, measured.cell.seed]) == measured.cell.id:
            return str(own), str(asked)
    return "", ""


def _finding(name: str, wrong: Iterable[str], otherwise: str) -> Finding:
    found = list(wrong)
    return Finding(name, not found, f"not so of {listed(found, 3)}" if found else otherwise)


def _compared(recorded: Result, again: Result | None) -> Rerun:
    agrees = again is not None and again.status is Status.OK and _close(recorded.mi, again.mi, recorded)
    return Rerun(recorded.cell, recorded.mi, None if again is None else again.mi, agrees)


def _close(a: float | None, b: float | None, result: Result) -> bool:
    if a is None or b is None:
        return a is b
    try:
        trains = registry.estimators.create(result.cell.estimator).capabilities.trains
    except MibenchError:  # which the finding on identities tells
        trains = False
    slack = NEAR if trains else SAME
    return abs(a - b) <= slack * max(1.0, abs(a))
