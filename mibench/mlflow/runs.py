"""Results as tracked runs: what a dashboard shows of them, under which names.

Values only, no server and no MLflow: `tracking` writes these down. One run per estimator x task x n, its seeds as
steps; one per seed of a downstream task; one summary per invocation. Runs are flat, because dashboards hide nested ones
from tables and charts.
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
from typing import TYPE_CHECKING, Any, TypeAlias

from mibench.group import grouped, leaves
from mibench.leaderboard.hues import HUES, colours, drawn
from mibench.plugin import digest
from mibench.result import Result, Status
from mibench.task import TaskKind

if TYPE_CHECKING:
    from mibench.leaderboard.board import Board

FORMAT = 4
"""Raise it when the same results are to be written down in another way: runs of an older format are replaced."""

_STANDING = (
    *("score", "low", "high", "rank", "to_best", "median_error", "bias", "sd", "success", "failures"),
    *("cpu_s", "wall_s"),
)
_MOST_DESCRIBED = 50
_MOST_STEPS = 40  # of a curve that stands beside others
_NOTE, _COLOUR = "mlflow.note.content", "mlflow.runColor"  # tags that MLflow's page reads
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


def summary_run(
    title: str,
    results: Sequence[Result],
    files: Mapping[str, Path] | None = None,
    params: Mapping[str, Any] | None = None,
    directory: Path | None = None,
) -> Run:
    """The run that stands for one invocation: scores as metrics, the leaderboard as a table, the report's files.

    directory : the folder in which the files must lie, where that is not known already.
    """
    from mibench.leaderboard.board import Board, usable
    from mibench.leaderboard.schema import plain

    results = usable(results)
    board = Board.from_results(results)
    statuses = Counter(str(r.status) for r in results)
    metrics: list[Point] = [(f"cells/{status}", float(count), 0) for status, count in sorted(statuses.items())]
    for row in board.ranking:
        for name in ("score", "median_error", "bias", "success", "failures", "cpu_s"):
            metrics += _point(f"{name}/{legal(row.estimator)}", getattr(row, name))
    for alone in board.independence:
        metrics += _point(f"independence/{legal(alone.estimator)}", alone.mean_abs)
    for ratio in board.consistency:
        metrics += _point(f"{legal(ratio.task)}/{legal(ratio.estimator)}", ratio.score)
    for arm in board.downstream:
        metrics += _point(f"{legal(arm.group)}.{legal(arm.metric)}/{legal(arm.arm)}", arm.mean)
    tables = {
        name: _columns([plain(row) for row in rows])
        for name, rows in (("ranking", board.ranking), ("tasks", board.tasks), ("downstream", board.downstream))
        if rows
    }
    paths = list((files or {}).values())
    paths, refused = _inside(directory, paths) if directory else (paths, 0)
    return Run(
        name=title,
        key=digest(["summary", title, sorted(r.cell.id for r in results)]),
        content=_content(results),
        tags={"role": "summary", "title": title, **_provenance(results), **_described(board)},
        params={
            **{k: str(v) for k, v in (params or {}).items()},
            "cells": str(len(results)),
            **({"best": board.best.estimator, "best score": f"{board.best.score:.3f}"} if board.best else {}),
        },
        metrics=metrics,
        files=[(path, "figures" if path.suffix == ".png" else "") for path in paths],
        refused=refused,
        tables=tables,
        wall_s=sum(r.wall_s for r in results),
    )


def standing_runs(title: str, results: Sequence[Result]) -> list[Run]:
    """The runs that show the tables of one invocation: a run per estimator of the leaderboard, and per arm.

    A run of an estimator has its training curves too, of every task that of the largest sample, thinned.
    """
    from mibench.leaderboard.board import Board, usable

    results = usable(results)
    board = Board.from_results(results)
    colour = colours(board)
    of = grouped(results, lambda r: r.cell.estimator)
    runs = []
    for row in board.ranking:
        metrics: list[Point] = []
        for name in _STANDING:
            metrics += _point(name, getattr(row, name))
        metrics += _curves_by_task(of[row.estimator])
        place = "not ranked" if row.rank is None else str(row.rank)
        tags = {"kind": row.kind, "place": place, _COLOUR: colour[row.estimator], _NOTE: _explained()}
        spent = sum(r.wall_s for r in of[row.estimator])
        runs.append(_standing("place", title, row.estimator, tags, metrics, row.failures == 1, spent))
    trained = grouped((r for r in board.cells if r.group), lambda r: (r.group, r.arm or r.cell.estimator))
    several = len({row.group for row in board.downstream}) > 1
    for (group, arm), rows in grouped(board.downstream, lambda row: (row.group, row.arm)).items():
        metrics = [point for row in rows for point in _point(legal(row.metric), row.mean)]
        metrics += [point for row in rows for point in _point(f"difference/{legal(row.metric)}", row.difference)]
        metrics += _point("cpu_s", rows[0].cpu_s)
        tags = {"group": group, "arm": arm, "seeds": str(rows[0].seeds), _COLOUR: colour[arm], _NOTE: group}
        spent = sum(r.wall_s for r in trained[group, arm])
        run = _standing("arm", title, arm, tags, metrics, not rows[0].seeds, spent)
        runs.append(dataclasses.replace(run, name=f"{arm} | {group}") if several else run)
    return runs


def _standing(
    role: str, title: str, name: str, tags: Mapping[str, str], metrics: Sequence[Point], failed: bool, wall_s: float
) -> Run:
    return Run(
        name=name,
        key=digest([role, title, name, tags.get("group", "")]),
        content=digest([FORMAT, name, dict(tags), sorted(metrics)]),
        tags={"role": role, "title": title.removeprefix("mibench: "), "estimator": name, **tags},
        params={"estimator": name},
        metrics=[(metric, float(f"{value:.4g}"), step) for metric, value, step in metrics],  # a column has little room
        failed=failed,
        wall_s=wall_s,
    )


def _curves_by_task(results: Sequence[Result]) -> Iterator[Point]:
    for task, own in grouped((r for r in results if r.curve), lambda r: r.cell.task).items():
        largest = max(r.cell.n for r in own)
        curves = grouped(_mean_curve([r for r in own if r.cell.n == largest]), lambda point: point[0])
        name = "curve/validation" if "curve/validation" in curves else next(iter(curves), "")
        points = sorted(curves.get(name, ()), key=lambda point: point[2])
        every = -(-len(points) // _MOST_STEPS) or 1
        yield from ((f"curve/{legal(task)}", value, step) for _, value, step in points[::every])


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
    cell = first.cell
    statuses = Counter(str(r.status) for r in results)
    tags = {
        "role": _ROLES[first.kind],
        "estimator": cell.estimator,
        "task": cell.task,
        "family": first.family,
        "n": str(cell.n),
        "kind": str(first.quantity),
        "status": ", ".join(f"{status} {count}" for status, count in sorted(statuses.items())),
        _COLOUR: HUES[drawn(cell.estimator)[0]],
        **_provenance(results),
    }
    if first.kind is not TaskKind.INFORMATION:
        tags |= {"group": first.group, "arm": first.arm}
    if failures := _failures(results):
        tags[_NOTE] = failures
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
        metrics = [*_over_seeds(results), *_mean_curve(results)]
    directory = directory or Path()
    files, refused = _inside(directory, [directory / file for r in results for file in r.images.values()])
    return Run(
        name=name,
        key=digest(key),
        content=_content(results),
        tags=tags,
        params=params,
        metrics=metrics,
        failed=Status.OK not in statuses,
        files=[(file, "images") for file in files],
        refused=refused,
        wall_s=sum(r.wall_s for r in results),
    )


def _described(board: Board) -> dict[str, str]:
    """The ranking as the description of a run, in Markdown."""
    if not board.ranking:
        return {}
    lines = ["| # | estimator | score | median error (nats) |", "|---:|---|---:|---:|"]
    for row in board.ranking[:_MOST_DESCRIBED]:
        place = "" if row.rank is None else str(row.rank)
        name = row.estimator.replace("|", "\\|")
        lines.append(f"| {place} | {name} | {row.score:.3f} | {row.median_error:.3f} |")
    return {_NOTE: "\n".join(lines)}


def _explained() -> str:
    """What the metrics of an estimator's run are, in Markdown."""
    from mibench.leaderboard.schema import Ranking, schema

    lines = ["| metric | meaning | unit |", "|---|---|---|"]
    for name, said in schema(Ranking).items():
        if name in _STANDING:
            meaning = said["meaning"].replace("|", "\\|")
            lines.append(f"| {name} | {meaning} | {said['unit']} |")
    return "\n".join(lines)


def _inside(directory: Path, paths: Sequence[Path]) -> tuple[list[Path], int]:
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
        yield from _point(name, value, result.cell.seed)


def _mean_curve(results: Sequence[Result]) -> Iterator[Point]:
    """Each training series averaged, at every step, over the seeds that trained so long."""
    points: dict[tuple[str, int], list[float]] = defaultdict(list)
    for result in results:
        for name, series in result.curve.items():
            if name != "step":
                steps = result.curve.get("step", range(len(series)))
                for step, value in zip(steps, series, strict=False):
                    for key, number, at in _point(f"curve/{_path(name)}", value, int(step)):
                        points[key, at].append(number)
    for (key, at), values in points.items():
        yield key, statistics.fmean(values), at


def _training(result: Result) -> Iterator[Point]:
    """The final figures of a downstream training, then its curves of (step, value) pairs."""
    for name, value, _ in _figures(result):
        yield name, value, 0
    for name, series in result.curve.items():
        for step, value in series:
            yield from _point(f"curve/{_path(name)}", value, int(step))


def _point(name: str, value: Any, step: int = 0) -> list[Point]:
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


def _content(results: Sequence[Result]) -> str:
    """A hash of the answers: results just made and the same ones read back from disk have the same."""
    bare = (dataclasses.replace(r, curve={}, provenance={}).to_json() for r in results)
    return digest([FORMAT, sorted(bare, key=lambda record: str(record["cell"]["id"]))])


def _provenance(results: Sequence[Result]) -> dict[str, str]:
    """Versions and machine, as far as all of the results share them."""
    every = [_flat("provenance", r.provenance) for r in results]
    return {k: v for k, v in every[0].items() if all(e.get(k) == v for e in every)} if every else {}


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {name: [_cell(row[name]) for row in rows] for name in rows[0]}


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
