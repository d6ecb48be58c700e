"""Figures of a downstream task: its metrics per arm, its curves, and the information plane."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mibench.group import grouped
from mibench.leaderboard.board import Board
from mibench.leaderboard.schema import Downstream
from mibench.result import Result, Status
from mibench.task import TaskKind

from .details import mean_curve
from .labels import in_lines, shorten
from .style import (
    INK,
    MUTED,
    Drawing,
    Palette,
    few_ticks,
    finish,
    hover,
    new_figure,
    shared_legend,
    slug,
    small_multiples,
)

_MOST_CURVES = 12


def draw(board: Board, palette: Palette) -> Iterator[Drawing | None]:
    """All of them, group by group."""
    rows = grouped(board.downstream, lambda row: row.group)
    trained = (r for r in board.ran if r.kind is TaskKind.DOWNSTREAM)
    for group, runs in grouped((r for r in trained if r.group in rows), lambda r: r.group).items():
        yield metrics(group, runs, rows[group], palette)
        yield information_plane(group, rows[group], palette)
        yield curves(group, runs, rows[group], palette)


def metrics(group: str, runs: Sequence[Result], rows: Sequence[Downstream], palette: Palette) -> Drawing | None:
    """Mean ± standard error and every seed, per metric and arm."""
    known = grouped((row for row in rows if row.mean is not None), lambda row: row.metric)
    if not known:
        return None
    arms = list(dict.fromkeys(row.arm for row in rows))[::-1]
    columns = min(3, len(known))
    size = (min(3.6, 10.8 / columns), 0.75 + 0.24 * len(arms))
    figure, axes = small_multiples(len(known), columns, size, sharey=True)
    for ax, (name, own) in zip(axes, known.items(), strict=True):
        for row in own:
            y, style = arms.index(row.arm), palette[row.arm]
            seeds = [r.metrics[name] for r in runs if r.arm == row.arm and r.status is Status.OK and name in r.metrics]
            ax.plot(seeds, [y] * len(seeds), ".", color=style.colour, alpha=0.45, markersize=5)
            mean = row.mean or 0.0
            ax.errorbar(mean, y, xerr=row.se or 0.0, fmt="o", color=style.colour, markersize=6, elinewidth=1.5)
            if row.control:
                ax.axvline(mean, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        if own[0].floor is not None:
            ax.axvline(own[0].floor, color=INK, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1)
        ax.set_title(_titled(own[0]))
        ax.set_yticks(range(len(arms)), [in_lines(arm, 30) for arm in arms])
        ax.set_ylim(-0.6, len(arms) - 0.4)
        few_ticks(ax)
        ax.grid(axis="y", visible=False)
    caption = "Dots: seeds; circle and line: mean ± standard error; dashed: the control arm."
    if any(row.floor is not None for row in rows):
        caption += " Dotted: what a perfect model scores."
    alt = f"{group}: " + "; ".join(f"{r.arm} {r.metric} {r.mean:.3g}" for own in known.values() for r in own)
    return finish(figure, f"downstream-{slug(group)}", f"{group}: metrics by arm", caption, alt, f"downstream:{group}")


def information_plane(group: str, rows: Sequence[Downstream], palette: Palette) -> Drawing | None:
    """What was measured of the information in the code against what is kept of the answer, a line per arm.

    A metric in nats without a better direction is a measured information. Of several, the last is drawn filled.
    """
    of = {(row.arm, row.metric): row.mean for row in rows if row.mean is not None}
    measured = {row.metric: row.description for row in rows if row.unit == "nats" and not row.better}
    kept = _answer(rows)
    arms = [arm for arm in dict.fromkeys(row.arm for row in rows) if any((arm, name) in of for name in measured)]
    arms = [arm for arm in arms if (arm, kept) in of]
    if not arms or kept is None:
        return None
    figure, grid = new_figure(7.4, max(3.6, 0.8 + 0.2 * len(arms)))
    ax = grid[0, 0]
    for arm in arms:
        style, y = palette[arm], of[arm, kept]
        places = {name: of[arm, name] for name in measured if (arm, name) in of}
        ax.plot(list(places.values()), [y] * len(places), color=style.colour, linewidth=1.0, alpha=0.7)
        for name, x in places.items():
            face, size = (style.colour, 6) if name == list(measured)[-1] else ("None", 7)
            ax.plot(x, y, style.marker, color=style.colour, markerfacecolor=face, markersize=size)
        ax.plot([], [], style.marker, color=style.colour, label=shorten(arm, 40))
    few_ticks(ax)
    words = [name.replace("_", " ") for name in measured]
    across = "information" if len(words) > 1 else words[0]
    ax.set(xlabel=f"{across} (nats)", ylabel=_titled(next(row for row in rows if row.metric == kept)))
    shared_legend(figure, [ax])
    *hollow, filled = (f"{word}: {text}" for word, text in zip(words, measured.values(), strict=True))
    shown = f"Filled, {filled} Hollow, {' '.join(hollow)}" if hollow else filled[:1].upper() + filled[1:]
    title = "information plane" if hollow else f"{kept.replace('_', ' ')} against {across}"
    alt = f"{group}: {kept} against {', '.join(words)}, for {', '.join(arms)}"
    caption = f"Per arm, mean over seeds. {shown}"
    return finish(figure, f"plane-{slug(group)}", f"{group}: {title}", caption, alt, f"downstream:{group}")


def curves(group: str, runs: Sequence[Result], rows: Sequence[Downstream], palette: Palette) -> Drawing | None:
    """Every recorded series over training, mean over seeds, one line per arm."""
    names = list(dict.fromkeys(name for r in runs for name in r.curve if len(r.curve[name]) > 1))[:_MOST_CURVES]
    arms = {arm: [r for r in runs if r.arm == arm] for arm in dict.fromkeys(row.arm for row in rows)}
    if not names:
        return None
    figure, axes = small_multiples(len(names), 3, (2.9, 2.1))
    palette = palette.among(arms)
    for ax, name in zip(axes, names, strict=True):
        drawn: list[float] = []
        for arm, own in arms.items():
            steps, values = mean_curve([_pairs(r.curve[name]) for r in own if name in r.curve])
            style = palette[arm]
            label = "" if style.crowd else shorten(arm, 40)
            hover(ax.plot(steps, values, label=label, **style.line)[0], arm)
            drawn += values
        ax.set_title(name)
        if drawn:
            low, high = np.quantile(drawn, [0.04, 0.96])  # a run that diverges does not flatten the rest
            margin = 0.25 * (high - low or 1.0)
            low, high = max(low - margin, min(drawn)), min(high + margin, max(drawn))
            margin = 0.06 * (high - low or 1.0)
            ax.set_ylim(low - margin, high + margin)
    shared_legend(figure, axes)
    figure.supxlabel("step", fontsize=9, color=INK)
    caption = f"Mean over the seeds still in training at a step.{palette.remark(arms, 'first {} arms')}"
    return finish(
        figure,
        f"curves-{slug(group)}",
        f"{group}: over training",
        caption,
        f"Training of {group}: {', '.join(names)}",
        f"downstream:{group}",
    )


def _pairs(series: Sequence[Any]) -> tuple[list[float], list[float]]:
    """Steps and values of a curve of (step, value) pairs; a missing value is NaN."""
    return [float(s) for s, _ in series], [math.nan if v is None else float(v) for _, v in series]


def _titled(row: Downstream) -> str:
    arrow = {"lower": "  ← better", "higher": "  → better"}.get(row.better, "")
    return f"{row.metric.replace('_', ' ')}{f' ({row.unit})' if row.unit else ''}{arrow}"


def _answer(rows: Sequence[Downstream]) -> str | None:
    """The metric that says how much of the answer is kept: one in nats that has a better direction, or else any."""
    directed: Mapping[str, Downstream] = {row.metric: row for row in rows if row.better}
    in_nats = [name for name, row in directed.items() if row.unit == "nats"]
    return next(iter([*in_nats, *directed]), None)
