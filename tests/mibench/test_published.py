"""What is published in results/: the references check the harness, and nothing is a regression of itself."""

from pathlib import Path
from typing import Any

import pytest

import mibench
from mibench.estimator import Role
from mibench.leaderboard.board import Board
from mibench.leaderboard.compare import compare
from mibench.report.figures import palette_of
from mibench.result import Status
from mibench.submission import write_records

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
    dependent = any(cell.truth for cell in board.cells)  # where nothing is, whoever says 0 is right
    assert all((scores[name] < board.best.score) is dependent for name in board.named(Role.FLOOR))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_nothing_is_a_regression_of_itself(folder: Path) -> None:
    results = mibench.load_results(folder)
    found = compare(results, results)
    assert not found.worse and not found.left_out and found.cells == len(results)
    assert {row.verdict for row in found.changes} == {"unchanged"}


def test_what_the_tables_tell_of_a_trained_model_is_published(make: Any, tmp_path: Path) -> None:
    trained = {"n": 0, "mi": None, "status": Status.OK, "truth": None, "group": "gan", "metrics": {"KL": 1.0}}
    told = {"floor": {"KL": 0.25}, "collapsed": True, "diverged": False}
    info = ({"name": "KL", "better": "lower"},)
    results = [
        make(arm, f"gan[arm={arm}]", arm=arm, metric_info=info, diagnostics={**told, "losses": [1.0]}, **trained)
        for arm in ("none", "mine")
    ]
    write_records(results, tmp_path / "results.jsonl")
    read = mibench.load_results(tmp_path)
    before, after = Board.from_results(results), read.leaderboard()
    assert (after.downstream, after.flags) == (before.downstream, before.flags)
    assert [r.floor for r in after.downstream] == [0.25, 0.25] and len(after.flags) == 2
    assert [dict(r.diagnostics) for r in read] == [told, told]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_the_best_eight_have_eight_colours(folder: Path) -> None:
    board = mibench.load_results(folder).leaderboard()
    palette = palette_of(board)
    best = [row.estimator for row in board.ranking if row.rank and row.estimator not in board.named(Role.FLOOR)][:8]
    assert len({palette[name].colour for name in best}) == len(best)
