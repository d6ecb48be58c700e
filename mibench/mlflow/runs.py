"""Results as tracked runs: what a dashboard shows of them, under which names.

Values only, no server and no MLflow: `book` writes these down. One run per estimator x task x n, its seeds as steps;
one per seed of a downstream task; `standings` has those of an invocation. Runs are flat, because dashboards hide nested
ones from tables and charts.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from mibench.group import leaves
from mibench.leaderboard.hues import HUES, drawn
from mibench.plugin import digest
from mibench.result import Result, Status
from mibench.task import TaskKind

FORMAT = 4
"""Raise it when the same results are to be written down in another way: runs of an older format are replaced."""

NOTE, COLOUR = "mlflow.note.content", "mlflow.runColor"  # tags that MLflow's page reads
_ROLES = {TaskKind.INFORMATION: "estimate", TaskKind.CONSISTENCY: "consistency", TaskKind.DOWNSTREAM: "downstream"}
_READABLE = str.maketrans("[=,]()/", " : .  _")

Point: TypeAlias = tuple[str, float, int]
"""A metric's name, its finite value and its step."""


@dataclass(frozen=True)
class Run:
    """One run of the dashboard.

    key : which run this is (say, ksg on gauss at n = 1,000); content : a hash of the results that it shows.
    failed : no cell gave an answer.
    metrics : finite values only, with legal names.
    files : files to attach, each with the folder it belongs to; refused : how many lie outside of the results' folder.
    tables : tables to attach by name, each as columns.
    wall_s : how long the work took.
    """

    name: str
    key: str
    content: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Sequence[Point]
    failed: bool = False
    files: Sequence[tuple[Path, str]] = ()
    refused: int = 0
    tables: Mapping[str, Mapping[str, list[Any]]] = field(default_factory=dict)
    wall_s: float = 0.0


def runs_of(results: Iterable[Result], directory: Path | None = None) -> list[Run]:
    """The runs that show these results, the summary apart; ``directory`` is where their images lie.

    Of several results for the same estimator, task, n and seed the last one counts, as in the leaderboard.
    """
    from mibench.leaderboard.board import usable

    groups: dict[tuple[str, str, int, int | None], list[Result]] = defaultdict(list)
    for result in usable(results):
        cell = result.cell
        alone = cell.seed if result.kind is TaskKind.DOWNSTREAM else None
        groups[cell.estimator, cell.task, cell.n, alone].append(result)
    return [_run(group, directory) for group in groups.values()]


def legal(text: str) -> str:
    """A name that MLflow accepts, still readable: ``ksg[k=5]`` becomes ``ksg k:5``.

    Legal are letters, digits and ``_ - . : /`` and blanks, at most 250 characters.
    """
    text = text.translate(_READABLE)
    text = re.sub(r"[^\w.\- :]", "_", text)
    text = re.sub(r" +", " ", text).rstrip(" .") or "_"
    return text if len(text) <= 200 else f"{text[:180]} {digest(text)}"


def _path(name: str) -> str:
    """A metric's name whose slashes stay: dashboards make a section of what stands before them."""
    return "/".join(legal(part) for part in name.split("/"))


def _run(results: Sequence[Result], directory: Path | None) -> Run:
    """The run of one estimator on one task at one n."""
    first = results[0]
    cell, tags = first.cell, _tags(results)
    params = {"estimator": cell.estimator, "task": cell.task, "n": str(cell.n)}
    params |= _flat("estimator", first.estimator_params) | _flat("task", first.task_params)
    name, key = f"{cell.estimator} | {cell.task}", [cell.estimator, cell.task, cell.n]
    if first.kind is TaskKind.DOWNSTREAM:
        name, key = f"{name} | seed {cell.seed}", [*key, cell.seed]
        params["seed"] = tags["seed"] = str(cell.seed)
        metrics = list(_training(first))
    else:
        name += f" | n={cell.n}"
        params["seeds"] = " ".join(str(r.cell.seed) for r in results)
        metrics = [*_over_seeds(results), *mean_curve(results)]
    directory = directory or Path()
    files, refused = inside(directory, [directory / file for r in results for file in r.images.values()])
    return Run(
        name=name,
        key=digest(key),
        content=content_of(results),
        tags=tags,
        params=params,
        metrics=metrics,
        failed=not any(r.status is Status.OK for r in results),
        files=[(file, "images") for file in files],
        refused=refused,
        wall_s=sum(r.wall_s for r in results),
    )


def _tags(results: Sequence[Result]) -> dict[str, str]:
    first = results[0]
    statuses = Counter(str(r.status) for r in results)
    tags = {
        "role": _ROLES[first.kind],
        "estimator": first.cell.estimator,
        "task": first.cell.task,
        "family": first.family,
        "n": str(first.cell.n),
        "kind": str(first.quantity),
        "status": ", ".join(f"{status} {count}" for status, count in sorted(statuses.items())),
        COLOUR: HUES[drawn(first.cell.estimator)[0]],
        **shared_provenance(results),
    }
    if first.kind is not TaskKind.INFORMATION:
        tags |= {"group": first.group, "arm": first.arm}
    if failures := _failures(results):
        tags[NOTE] = failures
    return tags


def inside(directory: Path, paths: Sequence[Path]) -> tuple[list[Path], int]:
    """The files that lie in the folder, links followed, and how many do not: a record may name any file there is."""
    root = os.path.realpath(directory)
    inside = [path for path in paths if Path(os.path.realpath(path)).is_relative_to(root)]
    return inside, len(paths) - len(inside)


def _over_seeds(results: Sequence[Result]) -> Iterator[Point]:
    """Every figure with the seed as its step, then its mean over the seeds that have one; of diagnostics the mean."""
    series: dict[str, list[float]] = defaultdict(list)
    for result in results:
        for name, value, seed in _figures(result):
            series[name].append(value)
            if not name.startswith("diagnostics/"):
                yield name, value, seed
    for name, values in series.items():
        yield f"mean/{name}", statistics.fmean(values), 0
    if len(series["mi"]) > 1:
        yield "sd/mi", statistics.stdev(series["mi"]), 0


def _figures(result: Result) -> Iterator[Point]:
    ok = result.status is Status.OK
    error = result.error if ok else None
    figures: dict[str, Any] = {
        "ok": float(ok),
        "mi": result.mi,
        "stderr": result.stderr,
        "truth": result.truth,
        "error": error,
        "abs_error": None if error is None else abs(error),
        "wall_s": result.wall_s,
        "cpu_s": result.cpu_s,
        **{legal(name): value for name, value in result.metrics.items()},
        **{f"diagnostics/{legal(name)}": value for name, value in result.diagnostics.items()},
    }
    for name, value in figures.items():
        yield from measure(name, value, result.cell.seed)


def mean_curve(results: Sequence[Result]) -> Iterator[Point]:
    """Each training series averaged, at every step, over the seeds that trained so long."""
    points: dict[tuple[str, int], list[float]] = defaultdict(list)
    for result in results:
        for name, series in result.curve.items():
            if name != "step":
                steps = result.curve.get("step", range(len(series)))
                for step, value in zip(steps, series, strict=False):
                    for key, number, at in measure(f"curve/{_path(name)}", value, int(step)):
                        points[key, at].append(number)
    for (key, at), values in points.items():
        yield key, statistics.fmean(values), at


def _training(result: Result) -> Iterator[Point]:
    """The final figures of a downstream training, then its curves of (step, value) pairs."""
    for name, value, _ in _figures(result):
        yield name, value, 0
    for name, series in result.curve.items():
        for step, value in series:
            yield from measure(f"curve/{_path(name)}", value, int(step))


def measure(name: str, value: Any, step: int = 0) -> list[Point]:
    """The metric, or nothing: infinity comes back from MLflow as 1.8e308, and a mean over NaN is none."""
    if not isinstance(value, (bool, int, float)) or not math.isfinite(value):
        return []
    return [(name, float(value), step)]


def _flat(prefix: str, values: Mapping[str, Any]) -> dict[str, str]:
    """Nested values by dotted name; the parameters of a nested plug-in follow its own name."""
    return {".".join([prefix, *map(legal, path)]): str(value) for path, value in leaves(values)}


def _failures(results: Sequence[Result]) -> str:
    failed = [r for r in results if r.status is not Status.OK]
    return "\n".join(f"* seed {r.cell.seed}: **{r.status}** {r.message}" for r in failed)


def content_of(results: Sequence[Result]) -> str:
    """A hash of the answers: results just made and the same ones read back from disk have the same."""
    bare = (dataclasses.replace(r, curve={}, provenance={}).to_json() for r in results)
    return digest([FORMAT, sorted(bare, key=lambda record: str(record["cell"]["id"]))])


def shared_provenance(results: Sequence[Result]) -> dict[str, str]:
    """Versions and machine, as far as all of the results share them."""
    every = [_flat("provenance", r.provenance) for r in results]
    return {k: v for k, v in every[0].items() if all(e.get(k) == v for e in every)} if every else {}
