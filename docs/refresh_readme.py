"""Write what README and docs/boards.md tell of the published results anew: ``python docs/refresh_readme.py``.

``<!-- table quick -->`` and ``<!-- end -->`` hold the leaderboard of ``results/published/quick``. Within sentences
``<!-- size full -->`` holds its cells and CPU time, ``<!-- size full: ksg cca -->`` those of some estimators,
``<!-- leaders full: 3 -->`` who leads it. The text around them is written by hand. A test fails while a page and the
results differ.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import mibench
from mibench.leaderboard.board import Board
from mibench.report.markdown import escaped
from mibench.report.tables import ranking
from mibench.report.values import Unit
from mibench.words import counted

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs" / "boards.md")
BLOCK = re.compile(r"<!-- (table|size|leaders) ([\w-]+)(?:: ([^>]*?))? -->.*?<!-- end -->", re.DOTALL)
HEADINGS = {
    "#": "",
    "estimator": "estimator",
    "score": "score",
    "95 % interval": "95 % interval",
    "to the best": "to the best",
    "med |err|": "median \\|error\\|, nats",
    "bias": "bias",
    "success": "success",
    "CPU": "CPU per cell",
}
"""The columns of the leaderboard that the pages show, and what they call them."""


def main() -> None:
    """Rewrite the pages."""
    for page in PAGES:
        page.write_text(refreshed(page.read_text(encoding="utf-8")), encoding="utf-8")


def refreshed(page: str) -> str:
    """The page with the figures that the published results have now."""

    def block(match: re.Match[str]) -> str:
        kind, name, what = match.groups()
        told = board(name)
        if kind == "table":
            body = f"\n{table(told)}\n"
        elif kind == "leaders":
            body = leaders(told, int(what))
        else:
            body = size(told, what.split() if what else [])
        return f"<!-- {kind} {name}{f': {what}' if what else ''} -->{body}<!-- end -->"

    return BLOCK.sub(block, page)


@cache
def board(name: str) -> Board:
    """The leaderboard of the results published under a name."""
    return mibench.load_results(ROOT / "results" / "published" / name).leaderboard()


def table(of: Board) -> str:
    """Its columns that matter most, a row per estimator."""
    whole = ranking(of, Unit("nats"))
    headings = [column.heading for column in whole.columns]
    shown = [heading for heading in HEADINGS if heading in headings]  # of one family there is no interval
    places = [headings.index(heading) for heading in shown]
    lines = [
        [HEADINGS[heading] for heading in shown],
        ["---:" if whole.columns[place].numeric else "---" for place in places],
        *([escaped(row[place].text) for place in places] for row in whole.rows),
    ]
    return "\n".join("| " + " | ".join(line).lstrip() + " |" for line in lines)


def size(of: Board, estimators: Sequence[str]) -> str:
    """``330 cells of 11 estimators, 4 CPU-minutes``: of all, or of some that the text names."""
    cells = [r for r in of.cells if not estimators or r.cell.estimator in estimators]
    those = "" if estimators else f" of {counted(len({r.cell.estimator for r in cells}), 'estimator')}"
    return f"{counted(len(cells), 'cell')}{those}, {sum(r.cpu_s for r in cells) / 60:.0f} CPU-minutes"


def leaders(of: Board, most: int) -> str:
    """The first of its ranking with their scores, the first of all with its interval."""
    first, *others = [row for row in of.ranking if row.rank is not None][:most]
    interval = f" [{first.low:.2f}, {first.high:.2f}]" if first.low is not None else ""
    named = [f"`{first.estimator}` ({first.score:.3f}{interval})"]
    named += [f"`{row.estimator}` ({row.score:.3f})" for row in others]
    return f"{', '.join(named[:-1])} and {named[-1]}"


if __name__ == "__main__":
    main()
