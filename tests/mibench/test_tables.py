"""Tables: how values are written, what is marked, what every renderer prints."""

from __future__ import annotations

import io
import math
import random
import re
from typing import Any

import pytest
from rich.console import Console

from mibench.report import markdown, tables, terminal
from mibench.report.leaderboard import Leaderboard
from mibench.report.values import Table, Unit, natural, number, seconds, share
from mibench.result import Status


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000"),
        (-0.0, "0.000"),
        (0.12345, "0.123"),
        (-0.0004, "0.000"),
        (9.9996, "10.00"),
        (12.345, "12.35"),
        (99.996, "100"),
        (-1234.5, "−1234"),
        (1.23e6, "1e+06"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "–"),
        (None, "–"),
    ],
)
def test_numbers(value: float | None, text: str) -> None:
    assert number(value) == text


def test_only_positive_numbers_get_a_plus() -> None:
    assert [number(v, signed=True) for v in (0.5, 0.0, -0.5)] == ["+0.500", "0.000", "−0.500"]


def test_a_share_is_never_rounded_to_none_or_all() -> None:
    assert [share(v).text for v in (0.0, 1e-4, 0.5, 0.9999, 1.0, None)] == [
        "0 %",
        "<1 %",
        "50 %",
        ">99 %",
        "100 %",
        "–",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(2e-6, "2.0 µs"), (0.0123, "12 ms"), (0.9999, "1.0 s"), (61.0, "61 s"), (600.0, "10 min"), (7200.0, "2.0 h")],
)
def test_durations(value: float, text: str) -> None:
    assert seconds(value).text == text


def test_numbers_in_names_sort_as_numbers() -> None:
    names = ["gauss[dim=20]", "gauss[dim=5]", "asinh", "gauss[dim=5,mi=10.0]", "gauss[dim=5,mi=2.5]", "2d", "gauss"]
    expected = ["2d", "asinh", "gauss", "gauss[dim=5,mi=2.5]", "gauss[dim=5,mi=10.0]", "gauss[dim=5]", "gauss[dim=20]"]
    assert sorted(names, key=natural) == expected


def test_bits_are_nats_over_the_logarithm_of_two(plausible_board: Leaderboard) -> None:
    for name, column in (("ranking", "bias"), ("independence", "mean |est|")):
        in_nats, in_bits = (_by_name(plausible_board, unit)[name] for unit in ("nats", "bits"))
        for nats, bits in zip(_column(in_nats, column), _column(in_bits, column), strict=True):
            assert bits == pytest.approx(nats / math.log(2))
    scores = [_column(_by_name(plausible_board, unit)["ranking"], "score") for unit in ("nats", "bits")]
    assert scores[0] == scores[1]


def test_every_row_has_an_entry_per_column(plausible_board: Leaderboard) -> None:
    families = {row.family for row in plausible_board.tasks}
    every = [*tables.build(plausible_board), *(tables.tasks(plausible_board, f, Unit()) for f in families)]
    assert len(every) > 10
    for table in every:
        assert {len(row) for row in table.rows} == {len(table.columns)}, table.name


def test_the_oracle_is_perfect_and_never_the_best(plausible_board: Leaderboard) -> None:
    ranking = {row[1].text: row for row in _by_name(plausible_board)["ranking"].rows}
    headings = [c.heading for c in _by_name(plausible_board)["ranking"].columns]
    oracle = dict(zip(headings, ranking["oracle"], strict=True))
    assert (oracle["#"].text, oracle["score"].text, oracle["failed"].text) == ("ref", "1.000", "0 %")
    assert oracle["95 % interval"].text == "[1.00, 1.00]"
    for table in tables.build(plausible_board):
        for row in table.rows:
            if row[0].text == "oracle" or (len(row) > 1 and row[1].text == "oracle"):
                assert not any(entry.mark == "best" for entry in row), table.name


def test_the_best_of_each_family_is_an_entrant_with_the_highest_score(plausible_board: Leaderboard) -> None:
    table = _by_name(plausible_board)["families"]
    entrants = {row.estimator for row in plausible_board.ranking if not row.yardstick}
    for i, column in enumerate(table.columns[1:], start=1):
        marked = {row[0].text for row in table.rows if row[i].mark == "best"}
        best = max(row[i].value for row in table.rows if row[0].text in entrants)  # type: ignore[type-var]
        assert marked == {row[0].text for row in table.rows if row[0].text in entrants and row[i].value == best}
        assert marked, column.heading


def test_failures_are_named_in_the_tables(make: Any) -> None:
    results = [make("ksg", "gauss", seed=s, mi=1.0) for s in range(3)]
    results += [make("mine", "gauss", seed=0, mi=1.0)]
    results += [make("mine", "gauss", seed=s, mi=None, status=Status.OOM, message="killed.") for s in (1, 2)]
    results += [make("mine", "other", seed=s, mi=None, status=Status.TIMEOUT) for s in range(2)]
    board = Leaderboard.from_results(results)
    estimates = tables.tasks(board, "gaussian", Unit())
    mine = [column.heading for column in estimates.columns].index("mine")
    of = {row[0].text: row[mine].text for row in estimates.rows}
    assert of == {"gauss": "1.000 (2 failed)", "other": "timeout"}
    failures = _by_name(board)["failures"]
    assert [[entry.text for entry in row] for row in failures.rows] == [
        ["mine", "oom", "2", "gauss", "killed."],
        ["mine", "timeout", "2", "other", "–"],
    ]


def test_a_difference_is_good_or_bad_by_the_direction_of_its_metric(make: Any) -> None:
    info = tuple({"name": name, "better": better} for name, better in (("up", "higher"), ("down", "lower"), ("x", "")))

    def run(arm: str, seed: int, shift: float) -> Any:
        values = dict.fromkeys(("up", "down", "x"), seed + shift + 0.01 * seed * shift)
        told = {"group": "g", "arm": arm, "metric_info": info, "metrics": values, "family": "downstream"}
        return make(arm, f"g[{arm}]", 0, seed, None, status=Status.OK, truth=None, **told)

    results = [run(arm, seed, shift) for arm, shift in (("none", 0.0), ("mi", 1.0)) for seed in range(5)]
    (table,) = [t for t in tables.build(Leaderboard.from_results(results)) if t.name == "downstream-g"]
    control, treated = table.rows
    assert [entry.mark for entry in control if entry.text == "control"] == ["muted"] * 2
    marks = [entry.mark for entry in treated if "[" in entry.text]
    assert marks == ["better", "worse"]


def test_floors_and_flags_are_told_below_the_downstream_table(make: Any) -> None:
    told = {"group": "g", "family": "downstream", "truth": None, "status": Status.OK, "metrics": {"quality": 1.0}}
    facts = [{"floor": {"quality": 98.0}, "went_wrong": seed > 0, "steps": 1} for seed in range(3)]
    results = [make("a", "g", 0, seed, None, arm="a", diagnostics=facts[seed], **told) for seed in range(3)]
    board = Leaderboard.from_results(results)
    (table,) = [t for t in tables.build(board) if t.name == "downstream-g"]
    assert "A perfect model scores: quality 98.00." in table.note
    assert "Went wrong: a in 2 of 3." in table.note
    assert "Steps" not in table.note


def test_no_board_no_tables() -> None:
    assert tables.build(Leaderboard()) == []
    assert markdown.render(Leaderboard(), "Nothing") == "# Nothing\n"


@pytest.mark.parametrize("width", [60, 80, 140])
def test_the_terminal_gets_no_codes_and_no_line_beyond_its_width(plausible_board: Leaderboard, width: int) -> None:
    stream = io.StringIO()
    terminal.show(plausible_board, Console(file=stream, width=width))
    text = stream.getvalue()
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) <= width
    for row in plausible_board.ranking:
        assert f"{row.score:.3f}" in text
    assert "Failures" in text


def test_a_name_that_looks_like_markup_is_printed_as_it_is(make: Any) -> None:
    stream = io.StringIO()
    results = [make("ksg[k=5]", "gauss[dim=2]", seed=s, mi=1.0) for s in range(2)]
    results += [make("bad[red]", seed=0, mi=None, message="[bold]no[/bold]")]
    terminal.show(Leaderboard.from_results(results), Console(file=stream, width=120))
    for text in ("ksg[k=5]", "bad[red]", "[bold]no[/bold]"):
        assert text in stream.getvalue()


def test_markdown_tables_are_rectangular_and_escape_pipes(make: Any) -> None:
    results = [make("a|b", task, seed=s, mi=1.0) for task in ("x", "y") for s in range(2)]
    results += [make("a|b", "x", seed=5, mi=None, message="first line\nsecond | line")]
    text = markdown.render(Leaderboard.from_results(results), "T")
    assert "a\\|b" in text
    assert "first line second \\| line" in text
    blocks = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert blocks
    for block in blocks:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1, block


def test_tables_do_not_depend_on_the_order_of_the_results(plausible_run: Any) -> None:
    shuffled = list(plausible_run)
    random.Random(1).shuffle(shuffled)
    a, b = (tables.build(Leaderboard.from_results(results)) for results in (plausible_run, shuffled))
    assert a == b


def _by_name(board: Leaderboard, unit: str = "nats") -> dict[str, Table]:
    return {table.name: table for table in tables.build(board, unit)}


def _column(table: Table, heading: str) -> list[Any]:
    i = [column.heading for column in table.columns].index(heading)
    return [row[i].value for row in table.rows]
