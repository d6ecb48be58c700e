"""What users and published results rely on stays as it is: the names, the identities and the cell ids of every plug-in,
and the tables that follow from the published records.

A change of the code that is meant to change one of them is made together with the line of the file here.
"""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import mibench
from mibench.plugin import Plugin, digest
from mibench.registry import Registry, estimators, tasks
from mibench.result import Cell

FROZEN = Path(__file__).parent / "frozen"
PUBLISHED = sorted(p.parent for p in (Path(__file__).parents[2] / "results" / "published").glob("*/results.jsonl"))


def described(plugin: Plugin, cell: Cell) -> list[str]:
    """repr, label, the hash of the identity, and the id of a cell."""
    return [repr(plugin), plugin.label, digest(plugin.identity()), cell.id]


def of_estimators() -> dict[str, list[str]]:
    task = tasks.create("gauss")
    made = {name: estimators.create(name) for name in ours(estimators)}
    return {name: described(made[name], Cell.of(made[name], task, 1000, 7)) for name in sorted(made)}


def of_tasks() -> dict[str, list[str]]:
    estimator = estimators.create("ksg")
    made = {name: tasks.create(name) for name in ours(tasks)}
    return {name: described(made[name], Cell.of(estimator, made[name], 1000, 7)) for name in sorted(made)}


def ours(registry: Registry[Any]) -> list[str]:
    """The names that come with mibench, not those that other tests register."""
    return [name for name in registry.names() if _defined_here(registry.factory(name))]


def _defined_here(factory: Any) -> bool:
    return str(factory.__module__).startswith(("mibench.estimators", "mibench.tasks"))


@pytest.mark.parametrize(("kind", "now"), [("estimators", of_estimators), ("tasks", of_tasks)])
def test_every_name_keeps_its_identity(kind: str, now: Any) -> None:
    frozen = json.loads((FROZEN / f"{kind}.json").read_text(encoding="utf-8"))
    found = now()
    assert frozen.keys() <= found.keys()
    for name, lines in frozen.items():
        assert found[name] == lines


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda p: p.name)
def test_published_tables_follow_from_the_published_records(folder: Path) -> None:
    """Every figure of every column of the published CSV files, to the last digit; later columns may stand beside."""
    from mibench.report import as_csv

    board = mibench.load_results(folder).leaderboard()
    for name, rows in (("leaderboard.csv", board.ranking), ("tasks.csv", board.tasks)):
        published = list(csv.DictReader((folder / name).open(encoding="utf-8", newline="")))
        now = list(csv.DictReader(as_csv(rows).splitlines()))
        assert [{key: row[key] for key in published[0]} for row in now] == published


if __name__ == "__main__":
    for kind, now in (("estimators", of_estimators), ("tasks", of_tasks)):
        lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in now().items())
        (FROZEN / f"{kind}.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
