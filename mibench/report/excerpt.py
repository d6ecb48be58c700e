"""What a page shows of very many results: a browser has no room for a million cells, and the files beside it have them.

What is left out is always said, and where it is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from mibench.result import Result
from mibench.words import counted

from .values import Table

MOST_CELLS = 50_000
"""Some 60 bytes each; those of a page are what its script compares and lists."""
MOST_ROWS = 3_000
"""Of the tables of all estimators together, and of those of all tasks."""
_LEAST_ROWS = 12


def cells_of(cells: Sequence[Result], most: int = MOST_CELLS) -> tuple[Sequence[Result], str]:
    """As many cells as there is room for, and a sentence on what is missing, empty if nothing is.

    They are the same seeds of all estimators, and if there is no room for one seed each then the same tasks, from end
    to end of their names, so that comparisons remain comparisons.
    """
    if len(cells) <= most:
        return cells, ""
    seeds: dict[tuple[str, int], set[int]] = defaultdict(set)
    for r in cells:
        seeds[r.cell.task, r.cell.n].add(r.cell.seed)
    places = {where: {seed: place for place, seed in enumerate(sorted(own))} for where, own in seeds.items()}
    sizes = Counter(places[r.cell.task, r.cell.n][r.cell.seed] for r in cells)
    room, count = most, 0
    while count in sizes and sizes[count] <= room:
        room, count = room - sizes[count], count + 1
    if count:
        shown = [r for r in cells if places[r.cell.task, r.cell.n][r.cell.seed] < count]
        what = f"the first {counted(count, 'seed')} of every task and sample size"
    else:
        first = [r for r in cells if places[r.cell.task, r.cell.n][r.cell.seed] == 0]
        step = -(-len(places) // max(1, most * len(places) // len(first)))
        chosen = set(sorted(places)[::step])
        shown = [r for r in first if (r.cell.task, r.cell.n) in chosen]
        what = f"the first seed of one in {step:,} tasks and sample sizes"
    return shown, (
        f"Tables and figures are of all {len(cells):,} cells. What opens at a click, and the comparison of estimators, "
        f"is of {len(shown):,}: {what}. All of them are in `results.jsonl`."
    )


def rows_of(table: Table, most: int, file: str) -> Table:
    """The first rows of a table; its note says how many there are, and in which file the others are."""
    if len(table.rows) <= most:
        return table
    note = f"{table.note} The first {most:,} of {len(table.rows):,} rows; all are in `{file}`.".strip()
    return replace(table, rows=table.rows[:most], whose=table.whose[:most], note=note)


def share(tables: int) -> int:
    """How many rows each of so many tables may have."""
    return max(_LEAST_ROWS, MOST_ROWS // max(1, tables))
