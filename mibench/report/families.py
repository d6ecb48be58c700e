"""The figure of one family of tasks: error against the true mutual information, the sample size, the dimension, and
against any other parameter that the tasks sweep while their mutual information nearly stays.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mibench.estimator import Role
from mibench.group import grouped, leaves
from mibench.leaderboard.board import Board
from mibench.leaderboard.schema import TaskRow
from mibench.result import Result

from .labels import shorten
from .style import MUTED, Drawing, Palette, finish, hover, new_figure, shared_legend, slug
from .values import Unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEAST_ERROR = 1e-3
_MOST_PARAMETERS = 2
_LEAST_VALUES = 3  # of a parameter, for a sweep
_SAME_TRUTH = 1.0  # nats by which the truth may change along it; beyond, the panel of the true MI says it better


@dataclass(frozen=True)
class Sweep:
    """What stands on the horizontal axis, for which rows; ``signed`` errors for the truth, absolute ones elsewhere."""

    heading: str
    of: Callable[[TaskRow], float]
    rows: Sequence[TaskRow]
    signed: bool = False

    @property
    def values(self) -> list[float]:
        """The places on the axis."""
        return sorted({self.of(row) for row in self.rows})


def figure(family: str, board: Board, palette: Palette, unit: Unit) -> Drawing | None:
    """One panel per quantity that varies within the family, or None."""
    ranked = {row.estimator for row in board.ranking if row.score < 1}
    rows = [row for row in board.tasks if row.family == family and row.estimator in ranked]
    params = {r.cell.task: {"": r.task_name, **parameters(r)} for r in board.ran if r.family == family}
    drawn = [sweep for sweep in sweeps(rows, params) if len(sweep.values) > 1]
    if not drawn:
        return None
    names = list(grouped(rows, lambda row: row.estimator))
    height = 2.9
    columns, lines = min(len(drawn), 3), -(-len(drawn) // 3)
    canvas, grid = new_figure(2.5 + 2.7 * columns, height * lines, lines, columns)
    axes = list(grid.flat)
    for spare in axes[len(drawn) :]:
        spare.remove()
    for ax, sweep in zip(axes, drawn, strict=False):
        _panel(ax, sweep, names, board.named(Role.FLOOR), palette, unit)
    shared_legend(canvas, axes[: len(drawn)])
    caption = "Averaged over what is not on the axis; where no cell was answered the line is broken."
    if any(sweep.signed for sweep in drawn):
        caption += " Mean error: below 0 is too low; the scale leaves out zero, which is wrong by the truth itself."
    if not all(sweep.signed for sweep in drawn):
        caption += f" Median |error|: drawn at {_LEAST_ERROR} where smaller."
    caption += palette.among(names).remark(names, "first {} of the ranking")
    against = ", ".join(sweep.heading for sweep in drawn)
    return finish(
        canvas,
        f"family-{slug(family)}",
        f"Error on {family}",
        caption,
        f"Error of {len(names)} estimators on {family} against {against}",
        section=f"family:{family}",
    )


def sweeps(rows: Sequence[TaskRow], params: Mapping[str, Mapping[str, Any]]) -> Iterator[Sweep]:
    """True MI, n, dimension, then the parameters; ``params`` are the parameters of each task."""
    truths = binned([row.truth for row in rows])
    yield Sweep("true MI", lambda row: truths[row.truth], rows, signed=True)
    yield Sweep("n", lambda row: row.n, rows)
    yield Sweep("dim x + dim y", lambda row: row.dim_x + row.dim_y, rows)
    found = []
    for name in sorted({name for own in params.values() for name, value in own.items() if _is_number(value)}):
        chosen = _swept(name, rows, params)
        sweep = Sweep(name, _getter(params, name), [row for row in rows if row.task in chosen])
        if len(sweep.values) >= _LEAST_VALUES:
            found.append(sweep)
    yield from sorted(found, key=lambda sweep: -len(sweep.values))[:_MOST_PARAMETERS]


def binned(values: Iterable[float], most: int = 10) -> dict[float, float]:
    """Where each value stands on an axis: itself, or the mean of its bin where there are too many for a clear line."""
    distinct = np.unique(np.asarray(list(values), dtype=float))
    rounded = np.round(distinct, 6)
    if len(np.unique(rounded)) <= most:
        return dict(zip(distinct.tolist(), rounded.tolist(), strict=True))
    edges = np.linspace(distinct[0], distinct[-1], most + 1)
    bins = np.searchsorted(edges[1:-1], distinct, side="right")
    return {float(value): float(distinct[bins == which].mean()) for value, which in zip(distinct, bins, strict=True)}


def _getter(params: Mapping[str, Mapping[str, Any]], name: str) -> Callable[[TaskRow], float]:
    return lambda row: float(params[row.task][name])


def _swept(name: str, rows: Sequence[TaskRow], params: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Tasks that differ from others in this parameter only, where it does not stand for the mutual information."""

    def rest(row: TaskRow) -> str:
        others = {k: v for k, v in params[row.task].items() if k != name}
        return json.dumps([row.dim_x, row.dim_y, others], sort_keys=True, default=str)

    having = {row.task: row for row in rows if _is_number(params.get(row.task, {}).get(name))}
    chosen: set[str] = set()
    for own in grouped(having.values(), rest).values():
        values, truths = [float(params[row.task][name]) for row in own], [row.truth for row in own]
        if len(set(values)) >= _LEAST_VALUES and np.ptp(truths) <= _SAME_TRUTH and not np.allclose(values, truths):
            chosen |= {row.task for row in own}
    return chosen


def _panel(ax: Axes, sweep: Sweep, names: Sequence[str], floor: Collection[str], palette: Palette, unit: Unit) -> None:
    """``floor``: estimators that know nothing, whose errors do not set the scale."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    shown: list[float] = [0.0]
    palette = palette.among(names)
    for name in names:
        own = grouped((row for row in sweep.rows if row.estimator == name), sweep.of)
        xs = sorted(own)
        ys = [_average(own[x], sweep.signed, unit) for x in xs]
        style = palette[name]
        places = [x * (unit.factor if sweep.signed else 1) for x in xs]
        named: dict[str, Any] = {} if style.crowd else {"marker": style.marker, "label": shorten(name, 40)}
        hover(ax.plot(places, ys, **style.line, **named)[0], name)
        shown += ys if name not in floor else []
    what = "mean error" if sweep.signed else "median |error|"
    ax.set(xlabel=f"{sweep.heading} ({unit.name})" if sweep.signed else sweep.heading, title=f"{what} ({unit.name})")
    if sweep.signed:
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.axhline(0, color=MUTED, linewidth=0.9, zorder=1)
        low, high = np.nanmin(shown), np.nanmax(shown)
        margin = 0.08 * (high - low or 1.0)
        ax.set_ylim(low - margin, high + margin)
        return
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:g}")
    low, high = ax.get_ylim()
    if high < 100 * low:  # within two decades, powers of ten alone leave an axis without numbers
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high > 5 * low else range(1, 10)))
    values = sweep.values
    if values[0] > 0 and values[-1] >= 10 * values[0]:
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:,g}")
    if len(values) <= 6:
        ax.set_xticks(values, [f"{x:,g}" for x in values])
    ax.minorticks_off()


def _average(rows: Sequence[TaskRow], signed: bool, unit: Unit) -> float:
    """Mean of the mean signed errors, or median of the median absolute ones; NaN where nothing can be said."""
    if signed:
        known = [row.bias for row in rows if row.bias is not None]
        return float(np.mean(known)) * unit.factor if known else math.nan
    middle = float(np.median([row.median_error for row in rows]))
    return max(middle, _LEAST_ERROR) * unit.factor if math.isfinite(middle) else math.nan


def parameters(result: Result) -> dict[str, Any]:
    """Those of the task by name; those of a nested plug-in follow the name of the parameter that holds it."""
    return {" ".join(path).replace("_", " "): value for path, value in leaves(result.task_params)}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
