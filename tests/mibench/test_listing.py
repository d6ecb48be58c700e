"""Every plug-in that comes with mibench can be listed and described."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import re
import types
from typing import Any

import pytest
from rich.console import Console

from mibench.engine.grid import presets
from mibench.registry import Registry, estimators, tasks
from mibench.report import catalogue
from mibench.report.cards import card
from mibench.report.catalogue import TaskRow, grids_with
from mibench.report.listing import show_card, show_list
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


@pytest.mark.parametrize("width", [60, 80, 120])
def test_tasks_are_listed_one_a_line_in_whole_words(rows: list[TaskRow], width: int) -> None:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    show_list(rows, console)
    lines = {line.split(" ")[0]: line for line in console.file.getvalue().splitlines()}  # type: ignore[attr-defined]
    longest = max(len(row.name) for row in rows)
    for row in rows:
        line = lines[row.name]
        assert len(line) <= max(width, longest + 30), line
        assert line == line.rstrip()
        description = re.split(r" nats  |^\S+ {2,}", line)[-1] if "nats" in line or row.dim_x is None else ""
        if line.endswith(" ..."):
            words = description.removesuffix(" ...").split()
            assert (row.remark or row.summary).split()[: len(words)] == words, line


def test_a_description_is_told_once_and_no_dash_stands_for_what_a_task_does_not_have(rows: list[TaskRow]) -> None:
    console = Console(width=160, file=io.StringIO(), color_system=None)
    show_list(rows, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "–" not in text
    same = [line for line in text.splitlines() if "X ~ U(0, 1), Y = X + U(-eps, eps)" in line]
    assert len(same) == 1


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", ["ksg", "student", "gan-ring", "mine-biased"])
def test_cards_fit_and_paragraphs_flow(name: str, width: int) -> None:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    found = dataclasses.replace(card(name), source="")
    show_card(found, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= width
    assert " ".join(found.text.split()) in " ".join(text.split())
    # a line is broken only where the next word does not fit
    body = text.splitlines()[2:]
    for line, after in itertools.pairwise(body[: body.index("")]):
        assert len(line.rstrip()) + 1 + len(after.split()[0]) > width, line


def test_what_parameters_share_is_told_once_and_choices_once() -> None:
    console = Console(width=400, file=io.StringIO(), color_system=None)
    show_card(card("mine-ema"), console)
    lines = {line.split()[0]: line for line in console.file.getvalue().splitlines() if " default " in line}  # type: ignore[attr-defined]
    assert "train, validation, test: shares of the samples" in lines["train"]
    assert "see train (a number, at least 0)" in lines["validation"] and "shares" not in lines["validation"]
    assert lines["activation"].count("relu") == 1 and "one of" not in lines["activation"]
    assert "one of 0, or a whole number" in lines["folds"]


def test_a_task_says_in_which_grids_it_is(rows: list[TaskRow]) -> None:
    assert {"quick", "full", "gaussian"} <= set(card("gauss[dim=7]").values["grids"])
    assert "quick" in card("gauss").facts["grids"].split(", ")
    told = {grid for row in rows for grid in grids_with(_labelled(row.name))}
    assert told == set(presets())


def _labelled(name: str) -> Any:
    """What stands for a task that may need a file or a parameter."""
    return types.SimpleNamespace(label=name)
