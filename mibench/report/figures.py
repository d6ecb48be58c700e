"""The main figures: scores by family, error ECDF, estimate against truth, heat map, score against time.

``draw`` makes these and those of the other sections, each only where the data has something to show.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mibench.estimator import Role
from mibench.group import grouped
from mibench.leaderboard import hues, scoring
from mibench.leaderboard.board import Board
from mibench.leaderboard.schema import Ranking, TaskRow
from mibench.leaderboard.summary import Weighted
from mibench.leaderboard.units import Over
from mibench.task import TaskKind
from mibench.words import plural

from . import details, downstream, families
from .labels import in_lines, label_points, left_out, shorten
from .style import (
    GRID,
    HALF,
    INK,
    MOST_COLOURED,
    MUTED,
    PAPER,
    WIDE,
    Drawing,
    Palette,
    finish,
    hover,
    new_figure,
    panel,
    small_multiples,
    theme,
)
from .values import Unit, natural, number, seconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_PANELS = 40
_MOST_HEAT_ROWS = 64
_MOST_HEAT_COLUMNS = 23  # that fill the page with numbers one can read
_LEAST_LETTERS = 5.0  # points


def draw(board: Board, unit: str = "nats") -> list[Drawing]:
    """All figures that the results give rise to, in the order of the page."""
    palette, u = palette_of(board), Unit(unit)
    with theme():
        drawn = [
            scores(board, palette),
            differences(board, palette),
            pareto(board, palette),
            ecdf(board, palette, u),
            truth(board, palette, u),
            heat_map(board, u),
            *(families.figure(f, board, palette, u) for f in sorted({row.family for row in board.tasks})),
            *details.draw(board, palette, u),
            *downstream.draw(board, palette),
        ]
    return [figure for figure in drawn if figure is not None]


def palette_of(board: Board) -> Palette:
    """Looks for all estimators and arms of a board; what is there for comparison stays in the background."""
    return Palette(hues.names(board), hues.quiet(board))


def scores(board: Board, palette: Palette) -> Drawing | None:
    """Score with its interval, and the score within each family behind it."""
    if not board.ranking:
        return None
    rows = board.ranking[::-1]
    figure, grid = new_figure(HALF, max(2.2, 0.8 + 0.28 * len(rows)))
    ax, palette = grid[0, 0], palette.among(row.estimator for row in board.ranking)
    by_family = grouped(board.families, lambda row: row.estimator)
    several = len({row.family for row in board.families}) > 1
    for y, row in enumerate(rows):
        style = palette[row.estimator]
        if several:
            own = [f.score for f in by_family[row.estimator]]
            ticks = {"color": style.colour, "markersize": 9, "alpha": 0.55, "markeredgewidth": 1.4}
            hover(ax.plot(own, [y] * len(own), "|", **ticks)[0], row.estimator)
        if row.low is not None and row.high is not None:
            line = {"color": style.colour, "linewidth": 1.6, "solid_capstyle": "butt", "alpha": 0.8}
            hover(ax.plot([row.low, row.high], [y, y], **line)[0], row.estimator)
        dot = {"color": style.colour, "markersize": 7, "markeredgecolor": PAPER, "markeredgewidth": 0.8}
        hover(ax.plot(row.score, y, "o", **dot)[0], row.estimator, f"{row.estimator}, score {row.score:.3f}")
    ax.set_yticks(range(len(rows)), [_placed(row) for row in rows])
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.7, len(rows) - 0.3), xlabel="score")
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    over = f" Line: its 95 % t interval over {board.over.named}." if board.over else ""
    caption = f"Dot: the score{', mean over families' * several}.{over}{' Ticks: the families.' * several}"
    alt = "Scores: " + ", ".join(f"{row.estimator} {row.score:.2f}" for row in board.ranking)
    return finish(figure, "scores", "Score and its interval", caption, alt)


def differences(board: Board, palette: Palette) -> Drawing | None:
    """Score minus the best score: its simultaneous interval, and the families behind it."""
    rows = [row for row in board.ranking if row.to_best is not None]
    if len(rows) < 2:
        return None
    scores = {(row.estimator, row.family): row.score for row in board.families}
    best = rows[0].estimator
    figure, grid = new_figure(HALF, max(2.2, 0.8 + 0.28 * len(rows)))
    ax, palette = grid[0, 0], palette.among(row.estimator for row in board.ranking)
    ax.axvline(0, color=MUTED, linewidth=0.9, zorder=1)
    for y, row in enumerate(reversed(rows[1:])):
        colour = palette[row.estimator].colour
        for (name, family), score in scores.items():
            if name == row.estimator:
                (dot,) = ax.plot(score - scores[best, family], y, ".", color=colour, markersize=4, alpha=0.4)
                hover(dot, name, f"{name} on {family}: {score:.3f}, {best} {scores[best, family]:.3f}")
        line = {"color": colour, "linewidth": 1.6, "solid_capstyle": "butt"}
        if row.to_best_low is not None:
            hover(ax.plot([row.to_best_low, row.to_best_high], [y, y], **line)[0], row.estimator)
        large = {"color": colour, "markersize": 7, "markeredgecolor": PAPER, "markeredgewidth": 0.8}
        hover(ax.plot(row.to_best, y, "o", **large)[0], row.estimator, f"{row.estimator}: {row.to_best:.3f}")
    ax.set_yticks(range(len(rows) - 1), [_placed(row) for row in reversed(rows[1:])])
    ax.set(ylim=(-0.7, len(rows) - 1.3), xlabel=f"score minus that of {shorten(best)}")
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    over = (board.over or Over.FAMILIES).named
    caption = (
        f"Large dot: the difference to the best, mean over families. Line: intervals over {over} that hold for all "
        "pairs at once in 95 % of boards; one that reaches 0 cannot be told apart from the best. Small dots: the "
        "families."
    )
    alt = f"Differences to {best}: " + ", ".join(f"{row.estimator} {row.to_best:.3f}" for row in rows[1:])
    return finish(figure, "differences", "Difference to the best", caption, alt)


def ecdf(board: Board, palette: Palette, unit: Unit) -> Drawing | None:
    """Share of cells within a tolerance, against the tolerance."""
    shown = [row for row in board.ranking if row.score < 1]
    if not shown:
        return None
    scored = (r for r in board.ran if r.kind is TaskKind.INFORMATION and not math.isnan(r.error))
    own = grouped(scored, lambda r: r.cell.estimator)
    figure, grid = new_figure(WIDE * 0.86, 4.6)
    ax = grid[0, 0]
    tolerances = np.logspace(math.log10(scoring.FLOOR / 2), math.log10(scoring.CEILING * 2), 241)
    ordered = sorted(shown, key=lambda row: (row.rank is None, -row.score))
    palette = palette.among(row.estimator for row in ordered)
    for row in ordered:
        cells = own[row.estimator]
        shares = share_within([r.error for r in cells], Weighted(cells).weights, tolerances)
        style = palette[row.estimator]
        label = "" if style.crowd else f"{row.score:.2f}  {shorten(row.estimator, 40)}"
        (curve,) = ax.plot(tolerances * unit.factor, shares, label=label, **style.line)
        hover(curve, row.estimator, f"{row.estimator}, score {row.score:.3f}")
    ax.axvspan(scoring.FLOOR / 2 * unit.factor, scoring.FLOOR * unit.factor, color=GRID, alpha=0.6, linewidth=0)
    ax.axvspan(scoring.CEILING * unit.factor, scoring.CEILING * 2 * unit.factor, color=GRID, alpha=0.6, linewidth=0)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set(xlim=(tolerances[0] * unit.factor, tolerances[-1] * unit.factor), ylim=(-0.01, 1.01))
    ax.set(xlabel=f"tolerance ({unit.name})", ylabel="share of cells within tolerance")
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), title="score", alignment="left", handlelength=2.6)
    caption = (
        "The share of estimates within each tolerance of the truth, every family with equal weight. The area under a "
        "curve between the grey margins is its score; what a curve lacks at the right is not answered or beyond."
    )
    caption += palette.remark((row.estimator for row in shown), "best {}")
    alt = "Error distribution curves; " + ", ".join(f"{r.estimator} has area {r.score:.2f}" for r in shown)
    return finish(figure, "ecdf", "How often the error is small enough", caption, alt)


def share_within(errors: npt.ArrayLike, weights: npt.ArrayLike, tolerances: npt.ArrayLike) -> scoring.Floats:
    """The weight of the errors whose absolute value is at most each tolerance."""
    magnitudes = np.abs(np.asarray(errors, dtype=float))
    order = np.argsort(magnitudes)
    steps = np.concatenate([[0.0], np.cumsum(np.asarray(weights, dtype=float)[order])])
    shares: scoring.Floats = steps[np.searchsorted(magnitudes[order], tolerances, side="right")]
    return shares


def truth(board: Board, palette: Palette, unit: Unit, per_row: int = 5) -> Drawing | None:
    """Mean estimates against the truth, one panel per estimator."""
    known = {row.estimator for row in board.ranking if row.yardstick and row.score == 1} | board.named(Role.FLOOR)
    by_estimator = {
        name: [row for row in rows if row.mean is not None]
        for name, rows in grouped(board.tasks, lambda row: row.estimator).items()
        if name not in known
    }
    drawable = [name for name, rows in by_estimator.items() if rows]
    names = drawable[:_MOST_PANELS]
    if not names:
        return None
    top = max(row.truth for rows in by_estimator.values() for row in rows) * unit.factor
    high, low = max(1.25 * top, 0.3), -0.12 * max(top, 0.3)
    sizes = sorted({row.n for row in board.tasks})
    figure, axes = small_multiples(len(names), per_row, (2.15, 2.05), sharex=True, sharey=True)
    palette = palette.among(names)
    for ax, name in zip(axes, names, strict=True):
        panel(ax, name)
        _truth_panel(ax, by_estimator[name], name, palette, unit, sizes, low, high)
    figure.supxlabel(f"true mutual information ({unit.name})", fontsize=9, color=INK)
    figure.supylabel("mean estimate", fontsize=9, color=INK)
    fading = f" Paler: smaller samples (n from {sizes[0]:,} to {sizes[-1]:,})." if len(sizes) > 1 else ""
    caption = (
        "One point per task and sample size, mean over seeds with its standard deviation; the line is the truth. "
        f"Triangles at the edge lie beyond it.{fading}{left_out(drawable, names)}"
    )
    return finish(figure, "truth", "Estimate against truth", caption, f"Estimates against truth for {', '.join(names)}")


def _truth_panel(
    ax: Axes,
    rows: Sequence[TaskRow],
    name: str,
    palette: Palette,
    unit: Unit,
    sizes: Sequence[int],
    low: float,
    high: float,
) -> None:
    style = palette[name]
    ax.plot([0, high], [0, high], color=MUTED, linewidth=0.9, zorder=1)
    for n, own in grouped(rows, lambda row: row.n).items():
        alpha = 0.35 + 0.6 * (sizes.index(n) + 1) / len(sizes)
        x = np.array([row.truth for row in own]) * unit.factor
        mean = np.array([row.mean for row in own], dtype=float) * unit.factor
        spread = np.array([row.sd or 0.0 for row in own]) * unit.factor
        drawn: Any = {"color": style.colour, "alpha": alpha}
        for marker, chosen in (("^", mean > high), ("v", mean < low), (style.marker, (mean <= high) & (mean >= low))):
            y = np.clip(mean[chosen], low * 0.9, high * 0.98)
            ax.plot(x[chosen], y, marker, markeredgewidth=0, markersize=4.5, **drawn)
        inside = (mean <= high) & (mean >= low) & (spread > 0)
        ends = np.clip([mean - spread, mean + spread], low, high)[:, inside]
        ax.vlines(x[inside], *ends, linewidth=0.9, **drawn)
    ax.set_title(in_lines(name))
    ax.set(xlim=(low, high), ylim=(low, high))


def heat_map(board: Board, unit: Unit) -> Drawing | None:
    """Signed error of every estimator on every task."""
    names = [row.estimator for row in board.ranking if row.score < 1]
    cells_of = {(row.family, row.task, row.n) for row in board.tasks if row.estimator in names}
    tasks = sorted(cells_of, key=lambda cell: (cell[0], natural(cell[1]), cell[2]))
    if not tasks or not names:
        return None
    one_size = len({n for _, _, n in tasks}) == 1
    if len(tasks) <= _MOST_HEAT_ROWS and min(len(tasks), len(names)) <= _MOST_HEAT_COLUMNS:
        of = {(row.estimator, (row.family, row.task, row.n)): row.bias for row in board.tasks}
        labels = [shorten(task, 60) + ("" if one_size else f" · {n:,}") for _, task, n in tasks]
        cells = [[of.get((name, task), math.nan) for name in names] for task in tasks]
        breaks = [i for i in range(1, len(tasks)) if tasks[i][0] != tasks[i - 1][0]]
        breaks = breaks if len(breaks) < len(tasks) - 1 else []  # between families of several tasks
        what = "task"
    else:
        families = sorted({family for family, _, _ in tasks})
        means = {(row.estimator, row.family): row.bias for row in board.families}
        labels, breaks, what = families, [], "family"
        cells = [[means.get((name, family), math.nan) for name in names] for family in families]
    across, down = names, labels
    turned = len(names) > _MOST_HEAT_COLUMNS and len(labels) < len(names)
    if turned:
        across, down, cells = labels, names, [list(column) for column in zip(*cells, strict=True)]
    across, down = [shorten(name, 40) for name in across], [shorten(name, 70) for name in down]
    slanted = 0.045 * max(map(len, across))  # inches upwards, and a little more to the right
    gutter = 0.9 + 0.055 * max(map(len, down))
    width = min(WIDE, max(3.1, gutter + slanted) + 0.58 * len(across))
    figure, grid = new_figure(width, max(1.3, 0.6 + slanted) + 0.215 * len(down))
    ax = grid[0, 0]
    _heat(ax, cells, unit, size=min(7, 72 * (width - gutter) / len(across) / 3.2))
    ax.set_xticks(np.arange(len(across)) + 0.5, across, rotation=40, ha="left", va="bottom")
    ax.set_yticks(np.arange(len(down)) + 0.5, down, fontsize=7.5)
    (ax.vlines if turned else ax.hlines)(breaks, 0, len(names), color=INK, linewidth=0.8)
    caption = f"Mean signed error ({unit.name}) per {what}: blue too low, red too high, white within 0.01; × no answer."
    alt = f"Heat map of the mean signed error of {len(names)} estimators on {len(labels)} {plural(what, len(labels))}"
    return finish(figure, "heatmap", f"Signed error by {what}", caption, alt)


def _heat(ax: Axes, cells: Sequence[Sequence[float | None]], unit: Unit, size: float) -> None:
    """Signed errors in nats as coloured numbers of so many points, where one can read them.

    None where no cell was answered, NaN where none was run.
    """
    from matplotlib.colors import LinearSegmentedColormap, SymLogNorm

    colours = LinearSegmentedColormap.from_list("error", ["#1c4f9c", "#86b1e0", "#f7f7f5", "#eb9b78", "#a32414"])
    norm = SymLogNorm(linthresh=0.05, vmin=-5, vmax=5)
    faces = np.empty((len(cells), len(cells[0]), 4))
    for y, line in enumerate(cells):
        for x, error in enumerate(line):
            # each value stands on its own colour, so the text colour is fixed by that colour and not by the page
            known = error if error is not None and math.isfinite(error) else None
            face = colours(norm(known)) if known is not None else (0.5, 0.5, 0.5, 0.18 if error is None else 0.0)
            faces[y, x] = face
            text = "×" if error is None else "" if known is None else _short(known * unit.factor)
            light = np.dot(face[:3], (0.3, 0.59, 0.11)) > 0.55
            colour = MUTED if known is None else "#101418" if light else "#f6f8fa"
            if size >= _LEAST_LETTERS:
                ax.text(x + 0.5, y + 0.52, text, ha="center", va="center", fontsize=size, color=colour)
    ax.pcolormesh(faces, edgecolors=PAPER, linewidth=0.8)
    ax.set(xlim=(0, len(cells[0])), ylim=(len(cells), 0))
    ax.grid(visible=False)
    ax.tick_params(length=0, top=True, bottom=False, labeltop=True, labelbottom=False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def pareto(board: Board, palette: Palette, size: tuple[float, float] | None = None) -> Drawing | None:
    """Score against CPU time per cell, with the frontier of what nothing beats at both."""
    rows = [r for r in board.ranking if r.cpu_s and not r.yardstick and r.complete]
    if len(rows) < 2:
        return None
    figure, grid = new_figure(*(size or ((HALF, 3.6) if len(rows) <= MOST_COLOURED else (WIDE * 0.86, 5.2))))
    ax, palette = grid[0, 0], palette.among(row.estimator for row in rows)
    frontier: list[Ranking] = []
    for row in sorted(rows, key=lambda r: (r.cpu_s or 0.0, -r.score)):
        if not frontier or row.score > frontier[-1].score:
            frontier.append(row)
    ax.step(
        [r.cpu_s for r in frontier], [r.score for r in frontier], where="post", color=MUTED, linewidth=0.9, zorder=1
    )
    for row in rows:
        style = palette[row.estimator]
        edge = INK if row in frontier else PAPER
        (dot,) = ax.plot(row.cpu_s, row.score, style.marker, color=style.colour, markersize=8, markeredgecolor=edge)
        hover(dot, row.estimator, f"{row.estimator}: {row.score:.3f} in {seconds(row.cpu_s).text}")
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(_lasting)
    ax.minorticks_off()
    ax.set(xlabel="median CPU time per cell", ylabel="score")
    ax.margins(x=0.12, y=0.12)
    figure.draw_without_rendering()
    ax.set(xlim=ax.get_xlim(), ylim=ax.get_ylim())
    named = [*frontier, *(row for row in rows if row not in frontier)]
    points = [(row.cpu_s or 0.0, row.score, shorten(row.estimator, 40)) for row in named]
    corners = [(row.cpu_s or 0.0, row.score) for row in frontier]
    bends = [place for a, b in itertools.pairwise(corners) for place in ((b[0], a[1]), b)]
    colours = [palette[row.estimator].colour for row in named]
    nameless = label_points(ax, points, colours, line=[*corners[:1], *bends])
    best = ", ".join(row.estimator for row in frontier)
    caption = "The line is the frontier: the best score to be had for the time. Up and to the left is better."
    if nameless:
        caption += " Dots without a name say it when pointed at."
    return finish(figure, "pareto", "Score against time", caption, f"Score against CPU time; on the frontier: {best}")


def _lasting(value: float, _: int | None = None) -> str:
    return seconds(value).text.replace(".0", "")


def _placed(row: Ranking) -> str:
    name = in_lines(row.estimator, 40)
    return name if row.rank is None else f"{row.rank}  {name}"


def _short(value: float) -> str:
    """A signed error in at most five characters."""
    magnitude = abs(value)
    text = f"{magnitude:.2f}" if magnitude < 9.995 else f"{magnitude:.1f}" if magnitude < 99.95 else number(magnitude)
    if float(text) == 0:
        return "0"
    return ("−" if value < 0 else "+") + text.removeprefix("0")
