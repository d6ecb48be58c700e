"""The figures of the lower sections: error against truth, sample size and dimension per family, training curves,
equitability, objective and learning error, downstream metrics.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mibench.leaderboard import Leaderboard
from mibench.panels import FUNCTION, grouped
from mibench.result import Result, Status
from mibench.rows import Objective, TaskRow

from .style import INK, MUTED, Drawn, Palette, finish, new_figure, shorten, slug, small_multiples
from .tables import Unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_PANELS = 12
_LEAST_ERROR = 1e-3


def draw(cells: Sequence[Result], board: Leaderboard, palette: Palette, unit: Unit) -> Iterable[Drawn | None]:
    """Everything that the data has enough of."""
    for family in sorted({row.family for row in board.tasks}):
        yield family_sweeps(family, board, palette, unit)
    yield training(cells, palette, unit)
    yield equitability(cells, palette, unit)
    yield objective(board.objective, palette, unit)
    for group, runs in grouped((r for r in cells if r.group and r.cell.n == 0), lambda r: r.group).items():
        yield downstream(group, runs, board, palette)
        yield downstream_curves(group, runs, palette)


def family_sweeps(family: str, board: Leaderboard, palette: Palette, unit: Unit) -> Drawn | None:
    """Error against true MI, against n, against dimension: those that vary within the family."""
    ranked = {row.estimator for row in board.ranking if row.score < 1}
    rows = [row for row in board.tasks if row.family == family and row.estimator in ranked]
    sweeps = [sweep for sweep in _SWEEPS if len({sweep[1](row) for row in rows}) > 1]
    if not sweeps:
        return None
    names = list(grouped(rows, lambda row: row.estimator))
    figure, grid = new_figure(0.9 + 2.7 * len(sweeps) + 1.6, max(2.7, 0.6 + 0.19 * len(names)), 1, len(sweeps))
    for ax, (heading, of, scale) in zip(grid[0], sweeps, strict=True):
        signed = scale == "linear"
        for name in names:
            own = grouped((row for row in rows if row.estimator == name), of)
            xs = sorted(own)
            ys = [_average(own[x], signed, unit) for x in xs]
            look = palette[name]
            shown = [x * (unit.factor if signed else 1) for x in xs]
            ax.plot(shown, ys, marker=look.marker, color=look.colour, linestyle=look.dashes, label=shorten(name, 24))
        ax.set_xscale("log" if scale == "log" else "linear")
        if signed:
            ax.axhline(0, color=MUTED, linewidth=0.9, zorder=1)
        else:
            ax.set_yscale("log")
            ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            ax.set_xticks(sorted({of(row) for row in rows}), [f"{x:,}" for x in sorted({of(row) for row in rows})])
            ax.minorticks_off()
        what = "mean error" if signed else "median |error|"
        ax.set(xlabel=f"{heading} ({unit.name})" if signed else heading, title=f"{what} ({unit.name})")
    grid[0, -1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5), handlelength=2.6)
    caption = (
        "Averaged over what is not on the axis. Signed on the left, where below 0 is too low; absolute elsewhere, "
        f"drawn at {_LEAST_ERROR} where smaller; where cells failed the line is broken."
        if len(sweeps) > 1
        else "Averaged over what is not on the axis; where all cells failed the line is broken."
    )
    against = ", ".join(heading for heading, _, _ in sweeps)
    return finish(
        figure,
        f"family-{slug(family)}",
        f"Error on {family}",
        caption,
        f"Error of {len(names)} estimators on {family} against {against}",
        section=f"family:{family}",
    )


_SWEEPS: tuple[tuple[str, Callable[[TaskRow], Any], str], ...] = (
    ("true MI", lambda row: round(row.truth, 6), "linear"),
    ("n", lambda row: row.n, "log"),
    ("dim x + dim y", lambda row: row.dim_x + row.dim_y, "log"),
)


def _average(rows: Sequence[TaskRow], signed: bool, unit: Unit) -> float:
    """Mean of the mean signed errors, or median of the median absolute ones; NaN where nothing can be said."""
    if signed:
        known = [row.bias for row in rows if row.bias is not None]
        return float(np.mean(known)) * unit.factor if known else math.nan
    middle = float(np.median([row.median_error for row in rows]))
    return max(middle, _LEAST_ERROR) * unit.factor if math.isfinite(middle) else math.nan


def training(cells: Sequence[Result], palette: Palette, unit: Unit) -> Drawn | None:
    """Mean training curves: of every family, the task on which most estimators have one."""
    with_curves = [r for r in cells if r.truth is not None and _series(r.curve) is not None]
    chosen = []
    for _, own in sorted(grouped(with_curves, lambda r: r.family).items()):
        points = grouped(own, lambda r: (r.cell.task, r.cell.n))
        chosen.append(max(points, key=lambda key: (len({r.cell.estimator for r in points[key]}), key[1], key[0])))
    chosen = chosen[:_MOST_PANELS]
    if not chosen:
        return None
    figure, axes = small_multiples(len(chosen), 3, (2.9, 2.2))
    for ax, (task, n) in zip(axes, chosen, strict=True):
        here = [r for r in with_curves if (r.cell.task, r.cell.n) == (task, n)]
        for name, own in grouped(here, lambda r: r.cell.estimator).items():
            steps, values = _mean_curve([_series(r.curve) or ([], []) for r in own])
            look = palette[name]
            values = [v * unit.factor for v in values]
            ax.plot(steps, values, color=look.colour, linestyle=look.dashes, label=shorten(name, 24))
        level = float(here[0].truth or 0.0) * unit.factor
        ax.axhline(level, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
        ax.set_title(shorten(task, 34))
        ax.set_ylim(*_robust_limits(ax, level))
    _shared_legend(figure, axes)
    figure.supxlabel("step", fontsize=9, color=INK)
    figure.supylabel(f"validation value ({unit.name})", fontsize=9, color=INK)
    caption = "Mean over the seeds still in training at a step; dashed: the truth. One task of each family."
    return finish(
        figure,
        "training",
        "Training curves",
        caption,
        "Training curves on " + ", ".join(t for t, _ in chosen),
        "training",
    )


def _series(curve: Mapping[str, Sequence[Any]]) -> tuple[list[float], list[float]] | None:
    """The steps and the validation values of a curve, or its first series where none is called so."""
    names = [name for name in curve if name != "step"]
    if not names:
        return None
    name = "validation" if "validation" in names else names[0]
    values = [float(v) if v is not None else math.nan for v in curve[name]]
    steps = [float(s) for s in curve["step"]] if "step" in curve else [float(i) for i in range(len(values))]
    return (steps, values) if len(values) > 1 else None


def _mean_curve(curves: Iterable[tuple[Sequence[float], Sequence[float]]]) -> tuple[list[float], list[float]]:
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
    margin = 0.08 * (high - low or 1.0)
    return float(low - margin), float(high + margin)


def equitability(cells: Sequence[Result], palette: Palette, unit: Unit) -> Drawn | None:
    """Range over functions of the estimates and of the truths against the noise, one panel per estimator."""
    own = [r for r in cells if r.family == "equitability" and FUNCTION in r.task_params and not r.reads_task]
    noise = _noise(own)
    names = [n for n in grouped(own, lambda r: r.cell.estimator) if n != "zero"][:_MOST_PANELS]
    if noise is None or not names:
        return None
    figure, axes = small_multiples(len(names), 5, (2.15, 1.95), sharex=True, sharey=True)
    for ax, name in zip(axes, names, strict=True):
        look = palette[name]
        levels = grouped((r for r in own if r.cell.estimator == name), lambda r: float(r.task_params[noise]))
        xs = sorted(levels)
        truths, estimates = zip(*(_ranges(levels[x], unit) for x in xs), strict=True)
        true, answered = np.array(truths), np.array(estimates)
        ax.fill_between(xs, true[:, 0], true[:, 1], color=MUTED, alpha=0.25, linewidth=0)
        ax.fill_between(xs, answered[:, 0], answered[:, 1], color=look.colour, alpha=0.15, linewidth=0)
        ax.plot(xs, answered, color=look.colour, marker=look.marker, markersize=3)
        ax.set_title(shorten(name, 26))
    figure.supxlabel(noise.replace("_", " "), fontsize=9, color=INK)
    figure.supylabel(f"mutual information ({unit.name})", fontsize=9, color=INK)
    caption = (
        "Grey: the range of the true mutual information over the functions at equal noise. Coloured: the range of the "
        "mean estimates. An accurate estimator covers the grey band; equal information at equal noise is not the truth."
    )
    return finish(
        figure, "equitability", "Equitability", caption, f"Ranges over functions for {', '.join(names)}", "equitability"
    )


def _noise(cells: Sequence[Result]) -> str | None:
    """The numeric parameter that varies most, or None."""
    values: dict[str, set[float]] = defaultdict(set)
    for r in cells:
        for key, value in r.task_params.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                values[key].add(float(value))
    most = max(values, key=lambda key: (len(values[key]), key), default=None)
    return most if most is not None and len(values[most]) > 1 else None


def _ranges(cells: Sequence[Result], unit: Unit) -> tuple[tuple[float, float], tuple[float, float]]:
    truths, means = [], []
    for own in grouped(cells, lambda r: str(r.task_params[FUNCTION])).values():
        truths.append(float(own[0].truth or 0.0) * unit.factor)
        answers = [r.mi for r in own if r.status is Status.OK and r.mi is not None]
        means.append(float(np.mean(answers)) * unit.factor if answers else math.nan)
    return (min(truths), max(truths)), (min(means), max(means))


def objective(rows: Sequence[Objective], palette: Palette, unit: Unit) -> Drawn | None:
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
        ax.set_title(shorten(name, 26))
    figure.supxlabel(f"true mutual information ({unit.name})", fontsize=9, color=INK)
    figure.supylabel(f"signed error ({unit.name})", fontsize=9, color=INK)
    caption = (
        "Hollow: the objective's own error, the bound evaluated on the exact critic. Filled: the error after training. "
        "The line between them is the learning error."
    )
    return finish(
        figure,
        "objective",
        "What the objective and what learning get wrong",
        caption,
        f"Objective and total error for {', '.join(names)}",
        "objective",
    )


def downstream(group: str, runs: Sequence[Result], board: Leaderboard, palette: Palette) -> Drawn | None:
    """Mean ± standard error and every seed, per metric and arm."""
    metrics = grouped(
        (row for row in board.downstream if row.group == group and row.mean is not None), lambda r: r.metric
    )
    if not metrics:
        return None
    arms = list(dict.fromkeys(row.arm for row in board.downstream if row.group == group))[::-1]
    columns = min(3, len(metrics))
    size = (min(3.6, 10.8 / columns), 0.75 + 0.24 * len(arms))
    figure, axes = small_multiples(len(metrics), columns, size, sharey=True)
    for ax, (name, rows) in zip(axes, metrics.items(), strict=True):
        for row in rows:
            y, look = arms.index(row.arm), palette[row.arm]
            seeds = [r.metrics[name] for r in runs if r.arm == row.arm and r.status is Status.OK and name in r.metrics]
            ax.plot(seeds, [y] * len(seeds), ".", color=look.colour, alpha=0.45, markersize=5)
            mean = row.mean or 0.0
            ax.errorbar(mean, y, xerr=row.se or 0.0, fmt="o", color=look.colour, markersize=6, elinewidth=1.5)
            if row.control:
                ax.axvline(mean, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        arrow = {"lower": "  ← better", "higher": "  → better"}.get(rows[0].better, "")
        ax.set_title(f"{name}{f' ({rows[0].unit})' if rows[0].unit else ''}{arrow}")
        ax.set_yticks(range(len(arms)), [shorten(arm) for arm in arms])
        ax.set_ylim(-0.6, len(arms) - 0.4)
        ax.grid(axis="y", visible=False)
    caption = "Dots: seeds; circle and line: mean ± standard error; dashed: the control arm."
    alt = f"{group}: " + "; ".join(f"{r.arm} {r.metric} {r.mean:.3g}" for rows in metrics.values() for r in rows)
    return finish(figure, f"downstream-{slug(group)}", group, caption, alt, f"downstream:{group}")


def downstream_curves(group: str, runs: Sequence[Result], palette: Palette) -> Drawn | None:
    """Every recorded series over training, mean over seeds, one line per arm."""
    names = list(dict.fromkeys(name for r in runs for name in r.curve if len(r.curve[name]) > 1))[:_MOST_PANELS]
    if not names:
        return None
    figure, axes = small_multiples(len(names), 3, (2.9, 2.1))
    for ax, name in zip(axes, names, strict=True):
        for arm, own in grouped((r for r in runs if name in r.curve), lambda r: r.arm).items():
            pairs = [[(float(s), math.nan if v is None else float(v)) for s, v in r.curve[name]] for r in own]
            steps, values = _mean_curve([([s for s, _ in p], [v for _, v in p]) for p in pairs])
            look = palette[arm]
            ax.plot(steps, values, color=look.colour, linestyle=look.dashes, label=shorten(arm, 24))
        ax.set_title(name)
    _shared_legend(figure, axes)
    figure.supxlabel("step", fontsize=9, color=INK)
    caption = "Mean over the seeds still in training at a step."
    return finish(
        figure,
        f"curves-{slug(group)}",
        f"{group}: over training",
        caption,
        f"Training of {group}: {', '.join(names)}",
        f"downstream:{group}",
    )


def _shared_legend(figure: Any, axes: Sequence[Axes]) -> None:
    """One legend at the right of the figure for all its axes."""
    entries = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(entries.values(), entries.keys(), loc="outside right center", handlelength=2.6)
