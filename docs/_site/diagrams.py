"""Flow charts of the hand-written pages as SVG: what GitHub draws with a script stands ready in the page here."""

from __future__ import annotations

import itertools
import re
import textwrap
from html import escape

_BLOCK = re.compile(r"^```mermaid\nflowchart LR\n(.*?)^```", re.S | re.M)
_NODE = re.compile(r"(\w+)(?:\(\[(.*?)\]\)|\[\"(.*?)\"\])?")
_WIDTH, _GAP, _DROP, _LINE, _LETTERS = 146, 14, 34, 14, 23


def drawn(markdown: str) -> str:
    """The page with each flow chart as a picture."""
    return _BLOCK.sub(lambda match: _svg(match[1]), markdown)


def _svg(source: str) -> str:
    labels: dict[str, str] = {}
    arrows: list[tuple[str, str]] = []
    for line in source.splitlines():
        line = line.strip()
        if not line or line == "end" or line.startswith("subgraph"):
            continue
        sides = [[_named(node, labels) for node in side.split(" & ")] for side in line.split(" --> ")]
        arrows += [(a, b) for left, right in itertools.pairwise(sides) for a in left for b in right]
    row = dict.fromkeys(labels, 0)
    for _ in labels:  # the longest way decides, which this many rounds find
        for a, b in arrows:
            row[b] = max(row[b], row[a] + 1)
    for a in labels:  # as near as can be to what it points at
        after = [row[b] for start, b in arrows if start == a]
        row[a] = min(after) - 1 if after else row[a]
    return _picture({name: textwrap.wrap(text, _LETTERS) for name, text in labels.items()}, arrows, row)


def _named(text: str, labels: dict[str, str]) -> str:
    match = _NODE.fullmatch(text.strip())
    assert match is not None, text
    name, said = match[1], match[2] or match[3]
    labels[name] = re.sub(r"<br>", " ", said) if said else labels.get(name, name)
    return name


def _picture(labels: dict[str, list[str]], arrows: list[tuple[str, str]], row: dict[str, int]) -> str:
    rows = [[name for name in labels if row[name] == r] for r in range(max(row.values()) + 1)]
    wide = max(len(names) for names in rows) * (_WIDTH + _GAP) - _GAP + 8
    height = {name: _LINE * len(lines) + 16 for name, lines in labels.items()}
    place: dict[str, tuple[float, float]] = {}
    top = 4.0
    for names in rows:
        left = (wide - len(names) * (_WIDTH + _GAP) + _GAP) / 2
        for number, name in enumerate(names):
            place[name] = (left + number * (_WIDTH + _GAP), top)
        top += max(height[name] for name in names) + _DROP
    parts = []
    for a, b in arrows:
        (x1, y1), (x2, y2) = place[a], place[b]
        x1, x2, y1 = x1 + _WIDTH / 2, x2 + _WIDTH / 2, y1 + height[a]
        bend = (y2 - y1) / 2
        way = f"M{x1:.0f} {y1:.0f}C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2 - 5:.0f}"
        parts.append(f'<path d="{way}"/><path class="head" d="M{x2:.0f} {y2:.0f}l-3.5 -7h7z"/>')
    for name, (x, y) in place.items():
        parts.append(f'<rect x="{x:.0f}" y="{y:.0f}" width="{_WIDTH}" height="{height[name]}" rx="6"/>')
        for number, line in enumerate(labels[name]):
            at = y + 8 + _LINE * (number + 0.75)
            parts.append(f'<text x="{x + _WIDTH / 2:.0f}" y="{at:.0f}" text-anchor="middle">{escape(line)}</text>')
    told = "; ".join(f"{a} imports {b}" for a, b in arrows)
    return (
        f'<div class="chart"><svg viewBox="0 0 {wide} {top - _DROP + 8:.0f}" role="img" aria-label="{escape(told)}">'
        f"{''.join(parts)}</svg></div>\n"
    )
