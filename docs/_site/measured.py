"""What the published results say of an estimator or a task, as Markdown: where it wins and loses, and a picture."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import mibench
from mibench.group import grouped
from mibench.leaderboard.schema import TaskRow
from mibench.report.leaderboard import Leaderboard
from mibench.report.values import natural

PUBLISHED = Path(__file__).parents[2] / "results" / "published"
WIDEST = "full"
"""The preset in which every estimator meets a task of every family."""
_FEW = 3


@functools.cache
def boards() -> dict[str, Leaderboard]:
    """Every published leaderboard by its name."""
    folders = sorted(path.parent for path in PUBLISHED.glob("*/results.jsonl"))
    return {folder.name: mibench.load_results(folder).leaderboard() for folder in folders}


def of_estimator(name: str, up: str) -> str:
    """The section of a page: its places, its score in every family beside the best one's, a picture; or nothing."""
    placed = []
    for preset, board in boards().items():
        for row in board.ranking:
            if row.estimator.partition("[")[0] == name:
                place = f"{row.rank} of {sum(bool(r.rank) for r in board.ranking)}" if row.rank else "not ranked"
                cells = [row.estimator, f"[{preset}]({up}leaderboards/{preset}.md)", place, f"{row.score:.3f}"]
                placed.append("| " + " | ".join(f"`{c}`" if c == row.estimator else c for c in cells) + " |")
    if not placed:
        return ""
    lines = ["## Where it wins and loses", "", "| estimator | results | place | score |", "| --- | --- | --- | ---: |"]
    lines += [*placed, ""]
    board = boards()[WIDEST]
    for label in dict.fromkeys(row.estimator for row in board.tasks if row.estimator.partition("[")[0] == name):
        lines += [*_families(label, board), *_picture(label, board), ""]
    return "\n".join(lines)


def _families(label: str, board: Leaderboard) -> Iterable[str]:
    """Its families by how far it is from the best entrant."""
    entrants = {row.estimator for row in board.ranking if row.rank}
    found = []
    for family, rows in grouped(board.families, lambda row: row.family).items():
        own = next((row for row in rows if row.estimator == label), None)
        best = max((row for row in rows if row.estimator in entrants), key=lambda row: row.score)
        if own is not None:
            found.append((own.score - best.score, family, own.score, best))
    if not found:
        return []
    lines = [
        f"`{label}`, score by family (n = {_sizes(board)}; 1 is perfect), beside the best of {len(entrants)} that are",
        "ranked; families in which it is closest to the best come first.",
        "",
        "| family | score | best | | of |",
        "| --- | ---: | ---: | --- | --- |",
    ]
    for gap, family, score, best in sorted(found, key=lambda entry: (-entry[0], entry[1])):
        highest = "**best**" if not gap else f"{best.score:.3f}"
        name = "" if not gap else _linked(best.estimator)
        lines.append(f"| {family} | {score:.3f} | {highest} | {_bar(score, best.score)} | {name} |")
    return [*lines, ""]


def _sizes(board: Leaderboard) -> str:
    return ", ".join(f"{n:,}" for n in sorted({row.n for row in board.tasks}))


def _linked(label: str) -> str:
    return f"[`{label}`]({label.partition('[')[0]}.md)"


def _bar(score: float, best: float) -> str:
    return (
        f'<span class="bar" title="{score:.3f} of {best:.3f}"><span style="width:{100 * score:.0f}%"></span>'
        f'<i style="left:{100 * best:.0f}%"></i></span>'
    )


def _picture(label: str, board: Leaderboard) -> Iterable[str]:
    """Estimate against truth, one dot per task, as SVG in the page."""
    rows = [row for row in board.tasks if row.estimator == label and row.mean is not None]
    if not rows:
        return []
    top = max(row.truth for row in rows) * 1.06 or 1.0
    size, margin = 300, 34

    def x(value: float) -> float:
        return margin + (size - margin - 8) * value / top

    def y(value: float) -> float:
        return size - margin - (size - margin - 8) * min(max(value, -0.08 * top), top) / top

    ticks = [t for t in (0, 1, 2, 3, 4, 5, 6, 8, 10) if t <= top and (top <= 6 or t % 2 == 0)]
    parts = [f'<line class="guide" x1="{x(0):.1f}" y1="{y(0):.1f}" x2="{x(top):.1f}" y2="{y(top):.1f}"/>']
    for t in ticks:
        parts.append(f'<text x="{x(t):.1f}" y="{size - 18}" text-anchor="middle">{t}</text>')
        parts.append(f'<text x="{margin - 7}" y="{y(t) + 4:.1f}" text-anchor="end">{t}</text>')
    for row in sorted(rows, key=lambda row: row.truth):
        told = f"{row.task}: {row.mean:.3f} where {row.truth:.3f} is true"
        parts.append(
            f'<circle cx="{x(row.truth):.1f}" cy="{y(row.mean or 0.0):.1f}" r="4">'
            f"<title>{escape(told)}</title></circle>"
        )
    parts.append(f'<text x="{size / 2}" y="{size - 3}" text-anchor="middle">truth, nats</text>')
    parts.append(
        f'<text transform="rotate(-90)" x="{-size / 2}" y="11" text-anchor="middle">mean estimate, nats</text>'
    )
    what = f"Mean estimates of {label} against the truth, one dot for each of {len(rows)} tasks"
    opening = f'<svg class="scatter" viewBox="0 0 {size} {size}" role="img" aria-label="{escape(what)}">'
    svg = f"{opening}{''.join(parts)}</svg>"
    note = (
        f"{what} of [{WIDEST}](../leaderboards/{WIDEST}.md), means over seeds; what lies outside is drawn at the edge."
    )
    return [f'<figure markdown="span">{svg}<figcaption markdown="span">{note}</figcaption></figure>', ""]


def of_task(name: str, up: str) -> str:
    """The section of a page: who comes closest and who does not, wherever the task was run; or nothing."""
    lines = []
    for preset, board in boards().items():
        entrants = {row.estimator for row in board.ranking if row.rank}
        rows = [row for row in board.tasks if row.task.partition("[")[0] == name and row.estimator in entrants]
        for (task, n), met in sorted(
            grouped(rows, lambda row: (row.task, row.n)).items(), key=lambda entry: (natural(entry[0][0]), entry[0][1])
        ):
            answered = sorted(
                (r for r in met if r.median_error is not None), key=lambda r: (r.median_error, r.estimator)
            )
            if not answered:
                continue
            cells = [f"[{preset}]({up}leaderboards/{preset}.md)", f"`{task}`", f"{n:,}", f"{met[0].truth:.3f}"]
            cells += [_named(answered[:_FEW], up), _named(answered[-1:], up) if len(answered) > _FEW else ""]
            lines.append("| " + " | ".join(cells) + " |")
    if not lines:
        return ""
    return "\n".join(
        [
            "## Who is right about it",
            "",
            "Median absolute error over seeds, in nats.",
            "",
            "| results | task | n | truth | closest | farthest |",
            "| --- | --- | ---: | ---: | --- | --- |",
            *lines,
            "",
        ]
    )


def _named(rows: Sequence[TaskRow], up: str) -> str:
    said = []
    for row in rows:
        error = row.median_error
        assert error is not None
        told = "∞" if error == float("inf") else f"{error:.3f}"
        said.append(f"[`{row.estimator}`]({up}estimators/{row.estimator.partition('[')[0]}.md)&nbsp;{told}")
    return ", ".join(said)
