"""The runs that stand for one invocation: its leaderboard as a whole, a run per estimator of it, and one per arm."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mibench.group import grouped
from mibench.leaderboard.hues import colours
from mibench.plugin import digest
from mibench.result import Result

from .runs import (
    COLOUR,
    FORMAT,
    NOTE,
    Point,
    Run,
    content_of,
    inside,
    legal,
    mean_curve,
    measure,
    shared_provenance,
)

if TYPE_CHECKING:
    from mibench.leaderboard.board import Board

_STANDING = (
    *("score", "low", "high", "rank", "to_best", "median_error", "bias", "sd", "success", "failures"),
    *("cpu_s", "wall_s"),
)
_MOST_DESCRIBED = 50
_MOST_STEPS = 40  # of a curve that stands beside others


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
            metrics += measure(f"{name}/{legal(row.estimator)}", getattr(row, name))
    for alone in board.independence:
        metrics += measure(f"independence/{legal(alone.estimator)}", alone.mean_abs)
    for ratio in board.consistency:
        metrics += measure(f"{legal(ratio.task)}/{legal(ratio.estimator)}", ratio.score)
    for arm in board.downstream:
        metrics += measure(f"{legal(arm.group)}.{legal(arm.metric)}/{legal(arm.arm)}", arm.mean)
    tables = {
        name: _columns([plain(row) for row in rows])
        for name, rows in (("ranking", board.ranking), ("tasks", board.tasks), ("downstream", board.downstream))
        if rows
    }
    paths = list((files or {}).values())
    paths, refused = inside(directory, paths) if directory else (paths, 0)
    return Run(
        name=title,
        key=digest(["summary", title, sorted(r.cell.id for r in results)]),
        content=content_of(results),
        tags={"role": "summary", "title": title, **shared_provenance(results), **_described(board)},
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
            metrics += measure(name, getattr(row, name))
        metrics += _curves_by_task(of[row.estimator])
        place = "not ranked" if row.rank is None else str(row.rank)
        tags = {"kind": row.kind, "place": place, COLOUR: colour[row.estimator], NOTE: _explained()}
        spent = sum(r.wall_s for r in of[row.estimator])
        runs.append(_standing("place", title, row.estimator, tags, metrics, row.failures == 1, spent))
    trained = grouped((r for r in board.cells if r.group), lambda r: (r.group, r.arm or r.cell.estimator))
    several = len({row.group for row in board.downstream}) > 1
    for (group, arm), rows in grouped(board.downstream, lambda row: (row.group, row.arm)).items():
        metrics = [point for row in rows for point in measure(legal(row.metric), row.mean)]
        metrics += [point for row in rows for point in measure(f"difference/{legal(row.metric)}", row.difference)]
        metrics += measure("cpu_s", rows[0].cpu_s)
        tags = {"group": group, "arm": arm, "seeds": str(rows[0].seeds), COLOUR: colour[arm], NOTE: group}
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
        curves = grouped(mean_curve([r for r in own if r.cell.n == largest]), lambda point: point[0])
        name = "curve/validation" if "curve/validation" in curves else next(iter(curves), "")
        points = sorted(curves.get(name, ()), key=lambda point: point[2])
        every = -(-len(points) // _MOST_STEPS) or 1
        yield from ((f"curve/{legal(task)}", value, step) for _, value, step in points[::every])


def _described(board: Board) -> dict[str, str]:
    """The ranking as the description of a run, in Markdown."""
    if not board.ranking:
        return {}
    lines = ["| # | estimator | score | median error (nats) |", "|---:|---|---:|---:|"]
    for row in board.ranking[:_MOST_DESCRIBED]:
        place = "" if row.rank is None else str(row.rank)
        name = row.estimator.replace("|", "\\|")
        lines.append(f"| {place} | {name} | {row.score:.3f} | {row.median_error:.3f} |")
    return {NOTE: "\n".join(lines)}


def _explained() -> str:
    """What the metrics of an estimator's run are, in Markdown."""
    from mibench.leaderboard.schema import Ranking, schema

    lines = ["| metric | meaning | unit |", "|---|---|---|"]
    for name, said in schema(Ranking).items():
        if name in _STANDING:
            meaning = said["meaning"].replace("|", "\\|")
            lines.append(f"| {name} | {meaning} | {said['unit']} |")
    return "\n".join(lines)


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {name: [_cell(row[name]) for row in rows] for name in rows[0]}


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
