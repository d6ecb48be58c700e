"""What is published in results/ is what its records say."""

import csv
from pathlib import Path

import pytest

import mibench

FOLDERS = sorted(p.parent for p in (Path(__file__).parents[2] / "results" / "published").glob("*/results.jsonl"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_the_published_table_follows_from_the_published_records(folder: Path) -> None:
    made = {row.estimator: row for row in mibench.load_results(folder).leaderboard().ranking}
    with (folder / "leaderboard.csv").open(encoding="utf-8") as file:
        published = {row["estimator"]: row for row in csv.DictReader(file)}
    assert {name for name, row in published.items() if row["score"]} == set(made)
    for name, row in made.items():
        assert float(published[name]["score"]) == pytest.approx(row.score, abs=1e-6)
        assert float(published[name]["bias"]) == pytest.approx(row.bias, abs=1e-6)


def test_oracle_is_perfect_and_zero_is_not() -> None:
    assert FOLDERS
    for folder in FOLDERS:
        scores = {row.estimator: row.score for row in mibench.load_results(folder).leaderboard().ranking}
        assert scores["oracle"] == 1.0
        assert scores["zero"] < 0.5
