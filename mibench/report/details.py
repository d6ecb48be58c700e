"""Figures of single sections: training curves, equitability, objective and learning error."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mibench.estimator import Role
from mibench.group import grouped
from mibench.leaderboard.board import Board
from mibench.leaderboard.schema import Objective
from mibench.result import Result, Status

from .labels import in_lines, left_out, shorten
from .style import (
    INK,
    MUTED,
    Drawing,
    Palette,
    finish,
    hover,
    panel,
    shared_legend,
    slug,
    small_multiples,
)
from .values import Unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_PANELS = 12


def draw(board: Board, palette: Palette, unit: Unit) -> Iterator[Drawing | None]:
    """Each of them, or None where the data does not have enough."""
    yield training(board, palette, unit)
    alike = (r for r in board.ran if r.varies and r.varies in r.task_params)
    for task, own in sorted(grouped(alike, lambda r: r.task_name).items()):
        yield equitability(task, own, board, palette, unit)
    yield objective(board.objective, palette, unit)


def training(board: Board, palette: Palette, unit: Unit) -> Drawing | None:
    """Mean training curves: of every family, the task on which most estimators have one."""
    with_curves = [r for r in board.ran if r.truth is not None and _series(r.curve) is not None]
    chosen = []
    for _, own in sorted(grouped(with_curves, lambda r: r.family).items()):
        points = grouped(own, lambda r: (r.cell.task, r.cell.n))
        chosen.append(max(points, key=lambda key: (len({r.cell.estimator for r in points[key]}), key[1], key[0])))
    every, chosen = chosen, chosen[:_MOST_PANELS]
    if not chosen:
        return None
    figure, axes = small_multiples(len(chosen), 3, (2.9, 2.2))
    shown = [r.cell.estimator for r in with_curves if (r.cell.task, r.cell.n) in chosen]
    palette = palette.among(sorted(set(shown), key=_in_order([row.estimator for row in board.ranking])))
    for ax, (task, n) in zip(axes, chosen, strict=True):
        here = [r for r in with_curves if (r.cell.task, r.cell.n) == (task, n)]
        for name, own in grouped(here, lambda r: r.cell.estimator).items():
            steps, values = mean_curve([_series(r.curve) or ([], []) for r in own])
            style = palette[name]
            values = [v * unit.factor for v in values]
            label = "" if style.crowd else shorten(name, 40)
            hover(ax.plot(steps, values, label=label, **style.line)[0], name)
        level = float(here[0].truth or 0.0) * unit.factor
        ax.axhline(level, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
        ax.set_title(in_lines(task, 30))
        ax.set_ylim(*_robust_limits(ax, level))
    shared_legend(figure, axes)
    figure.supxlabel("step", fontsize=9, color=INK)
    figure.supylabel(f"validation value ({unit.name})", fontsize=9, color=INK)
    caption = "Mean over the seeds still in training at a step; dashed: the truth. One task of each family."
    caption += palette.remark(shown, "first {} of the ranking")
    caption += left_out([task for task, _ in every], [task for task, _ in chosen])
    return finish(
        figure,
        "training",
        "Training curves",
        caption,
        "Training curves on " + ", ".join(t for t, _ in chosen),
        "training",
    )


def _in_order(names: Sequence[str]) -> Callable[[str], tuple[int, str]]:
    """Sorts as these are, and others by name behind them."""
    places = {name: place for place, name in enumerate(names)}
    return lambda name: (places.get(name, len(places)), name)


def _series(curve: Mapping[str, Sequence[Any]]) -> tuple[list[float], list[float]] | None:
    """The steps and the validation values of a curve, or its first series where none is called so."""
    names = [name for name in curve if name != "step"]
    if not names:
        return None
    name = "validation" if "validation" in names else names[0]
    values = [float(v) if v is not None else math.nan for v in curve[name]]
    steps = [float(s) for s in curve["step"]] if "step" in curve else [float(i) for i in range(len(values))]
    return (steps, values) if len(values) > 1 else None


def mean_curve(curves: Iterable[tuple[Sequence[float], Sequence[float]]]) -> tuple[list[float], list[float]]:
    """Steps in order, and at each the mean of the finite values that the curves have there."""
    at: dict[float, list[float]] = defaultdict(list)
    for steps, values in curves:
        for step, value in zip(steps, values, strict=False):
            if math.isfinite(value):
                at[step].append(value)
    steps = sorted(at)
    return steps, [float(np.mean(at[step])) for step in steps]


def _robust_limits(ax: Axes, level: float) -> tuple[float, float]:
    """Room for the truth and for nearly all values; a diverging start does not flatten the rest."""
    values = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in ax.get_lines()])
    low, high = np.nanquantile(values, [0.03, 0.99])
    low, high = min(low, 0.0, level), max(high, level)
    margin = 0.08 * (high - low or 1.0) + 1e-9 * abs(high)  # a few rounding errors are no height
    return float(low - margin), float(high + margin)


def equitability(task: str, cells: Sequence[Result], board: Board, palette: Palette, unit: Unit) -> Drawing | None:
    """Range over functions of the estimates and of the truths against the noise, one panel per estimator.

    ``cells`` are those of one task whose functions share their noise. Where sample sizes or other parameters differ,
    the setting with the most cells is shown.
    """
    noise = _noise(cells)
    if noise is None:
        return None
    settings = grouped(cells, lambda r: (r.cell.n, _rest(r, noise)))
    (n, _), own = max(settings.items(), key=lambda item: (len(item[1]), item[0]))
    here = {r.cell.estimator for r in own if not r.reads_task and r.role is not Role.FLOOR}
    ranked = [row.estimator for row in board.ranking if row.estimator in here]
    every = [*ranked, *sorted(here - set(ranked))]
    names = every[:_MOST_PANELS]
    if not names:
        return None
    figure, axes = small_multiples(len(names), 5, (2.15, 1.95), sharex=True, sharey=True)
    for ax, name in zip(axes, names, strict=True):
        style = palette[name]
        levels = grouped((r for r in own if r.cell.estimator == name), lambda r: float(r.task_params[noise]))
        xs = sorted(levels)
        truths, estimates = zip(*(_ranges(levels[x], unit) for x in xs), strict=True)
        true, answered = np.array(truths), np.array(estimates)
        ax.fill_between(xs, true[:, 0], true[:, 1], color=MUTED, alpha=0.25, linewidth=0)
        ax.fill_between(xs, answered[:, 0], answered[:, 1], color=style.colour, alpha=0.15, linewidth=0)
        ax.plot(xs, answered, color=style.colour, marker=style.marker, markersize=3)
        ax.set_title(in_lines(name))
        panel(ax, name)
    figure.supxlabel(noise.replace("_", " "), fontsize=9, color=INK)
    figure.supylabel(f"mutual information ({unit.name})", fontsize=9, color=INK)
    caption = (
        f"n = {n:,}. Grey: the range of the true mutual information over the functions. Coloured: the range of the "
        "mean estimates. An accurate estimator covers the grey band; equal information at equal noise is not the truth."
        f"{left_out(every, names)}"
    )
    alt = f"Ranges over functions of {task} for {', '.join(names)}"
    return finish(figure, f"equitability-{slug(task)}", f"Equitability: {task}", caption, alt, "equitability")


def _noise(cells: Sequence[Result]) -> str | None:
    """The numeric parameter that varies most, or None where none does."""
    values: dict[str, set[float]] = defaultdict(set)
    for r in cells:
        for key, value in r.task_params.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                values[key].add(float(value))
    most = max(values, key=lambda key: (len(values[key]), key), default=None)
    return most if most is not None and len(values[most]) > 1 else None


def _rest(result: Result, noise: str) -> str:
    return repr(sorted((k, repr(v)) for k, v in result.task_params.items() if k not in (result.varies, noise)))


def _ranges(cells: Sequence[Result], unit: Unit) -> tuple[tuple[float, float], tuple[float, float]]:
    truths, means = [], []
    for own in grouped(cells, lambda r: str(r.task_params[r.varies])).values():
        truths.append(float(own[0].truth or 0.0) * unit.factor)
        answers = [r.mi for r in own if r.status is Status.OK and r.mi is not None]
        means.append(float(np.mean(answers)) * unit.factor if answers else math.nan)
    return (min(truths), max(truths)), (min(means), max(means))


def objective(rows: Sequence[Objective], palette: Palette, unit: Unit) -> Drawing | None:
    """Objective error and total error against the truth, one panel per estimator."""
    known = [r for r in rows if r.objective_error is not None and r.learning_error is not None]
    by_estimator = grouped(known, lambda r: r.estimator)
    names = list(by_estimator)[:_MOST_PANELS]
    if not names:
        return None
    figure, axes = small_multiples(len(names), 5, (2.15, 2.05), sharex=True, sharey=True)
    for ax, name in zip(axes, names, strict=True):
        colour = palette[name].colour
        for row in by_estimator[name]:
            x = row.truth * unit.factor
            exact = (row.objective_error or 0.0) * unit.factor
            total = exact + (row.learning_error or 0.0) * unit.factor
            ax.plot([x, x], [exact, total], color=colour, linewidth=1.0, alpha=0.7)
            ax.plot(x, exact, "o", markerfacecolor="none", markeredgecolor=colour, markersize=5)
            ax.plot(x, total, "o", color=colour, markersize=4)
        ax.axhline(0, color=MUTED, linewidth=0.9, zorder=1)
        ax.set_title(in_lines(name))
        panel(ax, name)
    figure.supxlabel(f"true mutual information ({unit.name})", fontsize=9, color=INK)
    figure.supylabel(f"signed error ({unit.name})", fontsize=9, color=INK)
    caption = (
        "Hollow: the objective's own error, the bound evaluated on the exact critic. Filled: the error after training. "
        f"The line between them is the learning error.{left_out(list(by_estimator), names)}"
    )
    return finish(
        figure,
        "objective",
        "What the objective and what learning get wrong",
        caption,
        f"Objective and total error for {', '.join(names)}",
        "objective",
    )
