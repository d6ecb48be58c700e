"""Pages of very many results: comparisons stay comparisons, and what is left out is said."""

from collections import defaultdict

import pytest

from mibench.report import excerpt, html
from mibench.report.excerpt import cells_of, rows_of
from mibench.report.leaderboard import Leaderboard
from mibench.report.values import Entry, Table
from mibench.result import Result

from .conftest import MakeResult


@pytest.fixture
def many(make: MakeResult) -> list[Result]:
    return [
        make(e, f"t{t}", n=n, seed=s) for e in ("a", "b", "c") for t in range(20) for n in (10, 20) for s in range(7)
    ]


def test_few_are_all_shown(many: list[Result]) -> None:
    assert cells_of(many, len(many)) == (many, "")


@pytest.mark.parametrize(
    ("most", "seeds", "points"), [(839, 6, 40), (400, 3, 40), (120, 1, 40), (119, 1, 20), (7, 1, 2)]
)
def test_estimators_are_shown_on_the_same_seeds_and_tasks(
    many: list[Result], most: int, seeds: int, points: int
) -> None:
    shown, said = cells_of(many, most)
    assert len(shown) == 3 * seeds * points <= most
    assert "of all 840 cells" in said and f"is of {len(shown)}:" in said and "`results.jsonl`" in said
    where = defaultdict(set)
    for r in shown:
        where[r.cell.estimator].add((r.cell.task, r.cell.n, r.cell.seed))
    assert where["a"] == where["b"] == where["c"]


def test_a_long_table_says_where_the_rest_is() -> None:
    rows = tuple((Entry(str(i), i),) for i in range(50))
    table = Table("t", "T", "A note.", (), rows, whose=tuple(map(str, range(50))))
    assert rows_of(table, 50, "x.csv") is table
    cut = rows_of(table, 20, "x.csv")
    assert cut.rows == rows[:20] and cut.whose == table.whose[:20]
    assert cut.note == "A note. The first 20 of 50 rows; all are in `x.csv`."


def test_a_page_of_too_many_cells_is_small_and_says_so(many: list[Result], monkeypatch: pytest.MonkeyPatch) -> None:
    board = Leaderboard.from_results(many)
    whole = html.render(board, "T")
    monkeypatch.setattr(excerpt.cells_of, "__defaults__", (130,))
    monkeypatch.setattr(excerpt, "MOST_ROWS", 40)
    page = html.render(board, "T")
    assert len(page) < 0.8 * len(whole)
    assert "Tables and figures are of all 840 cells." in page and "is of 120: the first 1 seed of every task" in page
    assert "The first 13 of 40 rows; all are in <code>leaderboard.json</code>." in page
    assert "Tables and figures are of all" not in whole and "rows; all are in" not in whole
