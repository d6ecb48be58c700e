"""Every plug-in that comes with mibench can be listed and described."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from mibench.registry import Registry, estimators, tasks
from mibench.report import catalogue
from mibench.report.cards import card
from mibench.report.catalogue import TaskRow
from mibench.task import TaskKind


@pytest.fixture(scope="module")
def rows() -> list[TaskRow]:
    return catalogue.list_tasks()


def test_every_task_has_a_row_with_what_can_be_known(rows: list[TaskRow]) -> None:
    assert {row.name for row in rows} == set(tasks.names())
    for row in rows:
        assert row.summary, row.name
        assert "\n" not in row.summary
        if row.kind is TaskKind.INFORMATION and not row.remark:
            assert (row.dim_x or 0) >= 1 and (row.dim_y or 0) >= 1, row.name
            assert (row.mutual_information or 0.0) >= 0.0
            assert 0.0 <= row.mutual_information_error < 1e-2, row.name


def test_families_stay_together(rows: list[TaskRow]) -> None:
    groups = [row.group for row in rows]
    changes = sum(a != b for a, b in itertools.pairwise(groups))
    assert changes == len(set(groups)) - 1


@pytest.mark.parametrize("registry", [estimators, tasks], ids=lambda r: r.kind)
def test_every_plugin_has_a_card_in_strict_json(registry: Registry[Any]) -> None:
    for name in registry.names():
        found = card(name)
        assert found.text and found.source, name
        json.dumps(found.to_json(), allow_nan=False)
        assert all(parameter.type for parameter in found.parameters), name


def test_every_estimator_says_what_it_is() -> None:
    for row in catalogue.list_estimators():
        assert row.summary and row.kind, row.name


def test_every_grid_has_a_card() -> None:
    for row in catalogue.list_grids():
        assert row.description, row.name
        blocks = card(f"{row.name}.toml").to_json()["blocks"]
        assert blocks and all(block["tasks"] for block in blocks), row.name
