"""What is published in results/: the references check the harness, and nothing is a regression of itself."""

from pathlib import Path

import pytest

import mibench
from mibench.estimator import Role
from mibench.leaderboard.compare import compare
from mibench.report.figures import palette_of

FOLDERS = sorted(
    p.parent
    for p in (Path(__file__).parents[2] / "results" / "published").glob("*/results.jsonl")
    if not p.parent.name.startswith("downstream")  # no task of theirs has a truth that an estimator is scored by
)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_the_references_are_where_they_must_be(folder: Path) -> None:
    board = mibench.load_results(folder).leaderboard()
    scores = {row.estimator: row.score for row in board.ranking}
    assert board.best is not None
    assert {scores[name] for name in board.named(Role.CEILING)} == {1.0}
    assert all(scores[name] < board.best.score for name in board.named(Role.FLOOR))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_nothing_is_a_regression_of_itself(folder: Path) -> None:
    results = mibench.load_results(folder)
    found = compare(results, results)
    assert not found.worse and not found.left_out and found.cells == len(results)
    assert {row.verdict for row in found.changes} == {"unchanged"}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_the_best_eight_have_eight_colours(folder: Path) -> None:
    board = mibench.load_results(folder).leaderboard()
    palette = palette_of(board)
    best = [row.estimator for row in board.ranking if row.rank and row.estimator not in board.named(Role.FLOOR)][:8]
    assert len({palette[name].colour for name in best}) == len(best)
