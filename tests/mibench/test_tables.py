"""Tables: how values are written, what is marked, what every renderer prints."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from rich.console import Console

from mibench.bound import Kind
from mibench.errors import UsageError
from mibench.leaderboard import schema
from mibench.leaderboard.schema import column, lower_end, upper_end
from mibench.report import markdown, tables, terminal
from mibench.report.flat import flat
from mibench.report.leaderboard import Leaderboard
from mibench.report.values import Entry, Table, Unit, natural, number, seconds, share
from mibench.result import Result, Status

from .conftest import MakeResult

NUMBERS = {0.0: "0.000", 0.12345: "0.123", -0.0004: "0.000", 9.9996: "10.00", 12.345: "12.35", 99.996: "100"}
NUMBERS |= {-1234.5: "−1234", 1.23e6: "1e+06", math.inf: "∞", -math.inf: "−∞", math.nan: "–"}


def test_numbers() -> None:
    assert {value: number(value) for value in NUMBERS} == NUMBERS
    assert (number(-0.0), number(None)) == ("0.000", "–")


def test_only_positive_numbers_get_a_plus() -> None:
    assert [number(v, signed=True) for v in (0.5, 0.0, -0.5)] == ["+0.500", "0.000", "−0.500"]


def test_a_share_is_never_rounded_to_none_or_all() -> None:
    shares = {0.0: "0 %", 1e-4: "<1 %", 0.5: "50 %", 0.9999: ">99 %", 1.0: "100 %", None: "–"}
    assert {value: share(value).text for value in shares} == shares


def test_durations() -> None:
    of = {2e-6: "2.0 µs", 0.0123: "12 ms", 0.9999: "1.0 s", 61.0: "61 s", 600.0: "10 min", 7200.0: "2.0 h"}
    assert {value: seconds(value).text for value in of} == of


def test_numbers_in_names_sort_as_numbers() -> None:
    names = ["gauss[dim=20]", "gauss[dim=5]", "asinh", "gauss[dim=5,mi=10.0]", "gauss[dim=5,mi=2.5]", "2d", "gauss"]
    expected = ["2d", "asinh", "gauss", "gauss[dim=5,mi=2.5]", "gauss[dim=5,mi=10.0]", "gauss[dim=5]", "gauss[dim=20]"]
    assert sorted(names, key=natural) == expected


def test_bits_are_nats_over_the_logarithm_of_two(plausible_board: Leaderboard) -> None:
    for name, heading in (("ranking", "bias"), ("independence", "mean |est|")):
        in_nats, in_bits = (_by_name(plausible_board, unit)[name] for unit in ("nats", "bits"))
        for nats, bits in zip(_column(in_nats, heading), _column(in_bits, heading), strict=True):
            assert bits == pytest.approx(nats / math.log(2))
    scores = [_column(_by_name(plausible_board, unit)["ranking"], "score") for unit in ("nats", "bits")]
    assert scores[0] == scores[1]


def test_there_are_no_units_but_nats_and_bits(plausible_board: Leaderboard) -> None:
    for build in (Unit, lambda unit: tables.build(plausible_board, unit)):
        with pytest.raises(UsageError, match="'hartleys'; write nats or bits"):
            build("hartleys")


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
    assert oracle["95 % interval"].text == "–"  # fewer than six families, all alike
    for table in tables.build(plausible_board):
        for row in table.rows:
            if "oracle" in (row[0].text, row[1].text):
                assert not any(entry.mark == "best" for entry in row), table.name


def test_the_best_of_each_family_is_an_entrant_with_the_highest_score(plausible_board: Leaderboard) -> None:
    table = _by_name(plausible_board)["families"]
    entrants = {row.estimator for row in plausible_board.ranking if not row.yardstick}
    for i, of in enumerate(table.columns[1:], start=1):
        marked = {row[0].text for row in table.rows if row[i].mark == "best"}
        best = max(row[i].value for row in table.rows if row[0].text in entrants)  # type: ignore[type-var]
        assert marked == {row[0].text for row in table.rows if row[0].text in entrants and row[i].value == best}
        assert marked, of.heading


def test_where_many_are_the_best_of_a_family_none_is_marked(make: MakeResult) -> None:
    cells = [
        make(f"e{i}", f, family=f, mi=1.0 if f == "easy" or i < 2 else 2.0) for i in range(5) for f in ("easy", "b")
    ]
    (table,) = (t for t in tables.build(Leaderboard.from_results(cells)) if t.name == "families")
    marks = {column.heading: [row[i].mark for row in table.rows] for i, column in enumerate(table.columns)}
    assert marks["easy"] == [""] * 5 and sorted(marks["b"]) == ["", "", "", "best", "best"]


def test_a_share_of_false_alarms_says_of_how_many(make: MakeResult) -> None:
    cells = [make("ksg", "independent", seed=s, truth=0.0, mi=mi) for s, mi in enumerate((0.0, 0.2, 0.01, 0.0))]
    cells += [make("cca", "independent", seed=s, truth=0.0, mi=mi) for s, mi in enumerate((0.0, None, 0.0, 0.0))]
    (table,) = (t for t in tables.build(Leaderboard.from_results(cells)) if t.name == "independence")
    place = [column.heading for column in table.columns].index("false alarms")
    assert {row[0].text: row[place].text for row in table.rows} == {"ksg": "25 % of 4", "cca": "0 %"}


def test_a_terminal_ends_with_who_is_best(plausible_board: Leaderboard) -> None:
    console = Console(width=400, file=io.StringIO(), color_system=None)
    terminal.show(plausible_board, console)
    assert console.file.getvalue().splitlines()[-1] == tables.standing(plausible_board)  # type: ignore[attr-defined]


def test_failures_are_named_in_the_tables(make: MakeResult) -> None:
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


def test_no_column_says_failed_of_what_was_declined(make: MakeResult) -> None:
    results = [make("modest", task, seed=s, truth=0.0, mi=0.0, family=task) for task in "abc" for s in range(2)]
    declined = {"status": Status.UNSUPPORTED, "mi": None}
    results += [make("modest", "d", seed=s, truth=0.0, family="independent", **declined) for s in range(2)]
    results += [make("above", "d", seed=s, truth=0.0, quantity=Kind.UPPER_BOUND, **declined) for s in range(2)]
    tables_of = _by_name(Leaderboard.from_results(results)).values()
    shares = {
        (table.name, column.heading): {row[place].text for row in table.rows}
        for table in tables_of
        for place, column in enumerate(table.columns)
        if column.heading in ("failed", "no answer")
    }
    assert shares.pop(("ranking", "failed")) == {"0 %"}
    assert {heading for _, heading in shares} == {"no answer"} and {"100 %"} in shares.values()


def test_a_difference_is_good_or_bad_by_the_direction_of_its_metric(make: MakeResult) -> None:
    info = tuple({"name": name, "better": better} for name, better in (("up", "higher"), ("down", "lower"), ("x", "")))

    def run(arm: str, seed: int, shift: float) -> Result:
        values = dict.fromkeys(("up", "down", "x"), seed + shift + 0.01 * seed * shift)
        told = {"group": "g", "arm": arm, "metric_info": info, "metrics": values, "family": "downstream"}
        return make(arm, f"g[{arm}]", 0, seed, None, status=Status.OK, truth=None, **told)

    results = [run(arm, seed, shift) for arm, shift in (("none", 0.0), ("mi", 1.0)) for seed in range(5)]
    (table,) = [t for t in tables.build(Leaderboard.from_results(results)) if t.name == "downstream-g"]
    control, treated = table.rows
    assert [entry.mark for entry in control if entry.text == "control"] == ["muted"] * 2
    marks = [entry.mark for entry in treated if "[" in entry.text]
    assert marks == ["better", "worse"]


def test_several_downstream_tasks_begin_with_what_was_better_than_the_control(make: MakeResult) -> None:
    def run(group: str, arm: str, seed: int, shift: float, better: str) -> Result:
        values = {"other": 7.0, "main": 1.0 + seed + shift * (1 + 0.01 * seed)}
        info = ({"name": "other", "unit": "nats"}, {"name": "main", "unit": "%", "better": better})
        told = {"group": group, "arm": arm, "metric_info": info, "metrics": values, "family": "downstream"}
        return make(arm, f"{group}[{arm}]", 0, seed, None, status=Status.OK, truth=None, **told)

    shifts = {"none": 0.0, "up": 2.0, "further": 3.0, "down": -1.0}
    results = [run("gain", arm, seed, shift, "higher") for arm, shift in shifts.items() for seed in range(3)]
    results += [run("loss", arm, 0, shift, "lower") for arm, shift in shifts.items()]
    board = Leaderboard.from_results(results)
    table = _by_name(board)["downstream"]
    assert [[entry.text for entry in row] for row in table.rows] == [
        ["gain", "main (%) ↑", "2.000", "further +3.030; up +2.020", "down −1.010", "–"],
        ["loss", "main (%) ↓", "1.000", "–", "–", "down −1.000; up +2.000; further +3.000"],
    ]
    said = "On 1 of 2 downstream tasks an arm is better than the control, on 1 one is worse: "
    assert tables.standing(board).startswith(said)
    alone = Leaderboard.from_results([r for r in results if r.group == "gain"])
    assert "downstream" not in _by_name(alone)


def test_a_difference_that_rounds_to_nothing_has_no_sign() -> None:
    assert [number(value, signed=True) for value in (1e-9, -1e-9, 0.0, 0.0006)] == ["0.000", "0.000", "0.000", "+0.001"]


def test_floors_and_flags_are_told_below_the_downstream_table(make: MakeResult) -> None:
    told = {"group": "g", "family": "downstream", "truth": None, "status": Status.OK, "metrics": {"quality": 1.0}}
    facts = [{"floor": {"quality": 98.0}, "went_wrong": seed > 0, "steps": 1} for seed in range(3)]
    results = [make("a", "g", 0, seed, None, arm="a", diagnostics=facts[seed], **told) for seed in range(3)]
    board = Leaderboard.from_results(results)
    (table,) = [t for t in tables.build(board) if t.name == "downstream-g"]
    assert "A perfect model scores: quality 98.00." in table.note
    assert "Went wrong: a in 2 of 3." in table.note
    assert "Steps" not in table.note


def test_the_sentence_names_three_at_most_and_counts_the_rest(make: MakeResult) -> None:
    def said(*offsets: float) -> str:
        errors = [0.11, *(0.1 + offset for offset in offsets)]
        return tables.standing(
            Leaderboard.from_results(
                [
                    make(f"e{i}", f"t{f}", family=f"f{f}", mi=1 + error * (1 + 0.1 * ((f + i) % 3)))
                    for i, error in enumerate(errors)
                    for f in range(9)
                ]
            )
        )

    alike = " cannot be told apart from it on these families."
    assert re.fullmatch(rf"e\d scores highest, 0\.\d+\. e\d{alike}", said(0.01))
    assert re.fullmatch(rf"e\d scores highest, 0\.\d+\. e\d and e\d{alike}", said(0.01, 0.01))
    assert re.fullmatch(rf"e\d scores highest, 0\.\d+\. e\d, e\d, e\d and 2 more{alike}", said(*[0.01] * 5, 9.0))
    assert said(*[0.01] * 5).endswith(". None of the 5 others can be told apart from it on these families.")
    assert said(9.0).endswith(". Every other can be told apart from it on these families.")
    assert tables.standing(Leaderboard.from_results([make()])) == "ksg scores highest, 1.000."


def test_who_has_answered_nothing_is_not_among_those_that_cannot_be_told_apart(make: MakeResult) -> None:
    results = [make(e, f"t{t}", mi=1 + 0.1 * (t + 1)) for e in ("ksg", "cca") for t in range(2)]
    failed = [make("mute", f"t{t}", mi=None, status=Status.ERROR, message="it broke") for t in range(2)]
    board = Leaderboard.from_results([*results, *failed])
    assert "mute" in board.close  # two tasks say next to nothing
    told = tables.standing(board)  # in which "it" is the best, and not who is mute
    assert re.fullmatch(
        r"\w+ scores highest, 0\.\d+\. \w+ cannot be told apart from it.*\. mute answered nothing\.", told
    )
    told = tables.standing(Leaderboard.from_results([*results[:2], *failed]))
    assert told.endswith("mute answered nothing.")


def test_what_failed_alike_for_many_estimators_is_one_line(make: MakeResult) -> None:
    failed = [
        make(e, "broken", seed=seed, mi=None, status=Status.ERROR, message="the task cannot be sampled: no luck.")
        for e in ("a", "b", "c", "d", "e")
        for seed in range(2)
    ]
    console = Console(width=200, file=io.StringIO(), color_system=None)
    terminal.show(Leaderboard.from_results([make(), *failed]), console)
    [line] = [line for line in console.file.getvalue().splitlines() if "no luck" in line]  # type: ignore[attr-defined]
    assert line == "  a, b, c and 2 more: error x10 on broken: the task cannot be sampled: no luck."
    narrow = Console(width=40, file=io.StringIO(), color_system=None)
    terminal.show(Leaderboard.from_results([make(), *failed]), narrow)
    told = narrow.file.getvalue().split("Not answered\n")[1].split("Note:")[0].split("\n\n")[0]  # type: ignore[attr-defined]
    assert len(told.splitlines()) > 2 and all(re.match(r"  \S", line) for line in told.splitlines())


def test_what_an_estimator_takes_is_shown_where_one_declines(make: MakeResult) -> None:
    cells = [make(e, f, family=f, mi=1.1) for e in ("ksg", "shy") for f in ("a", "b")]
    without = [c.heading for c in _by_name(Leaderboard.from_results(cells))["ranking"].columns]
    cells[-1] = make("shy", "b", family="b", mi=None, status=Status.UNSUPPORTED)
    table = _by_name(Leaderboard.from_results(cells))["ranking"]
    headings = [c.heading for c in table.columns]
    assert "takes" in headings and "takes" not in without
    shy = dict(zip(headings, next(row for row in table.rows if row[1].text == "shy"), strict=True))
    assert (shy["takes"].text, shy["failed"].text) == ("1 of 2", "0 %")


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
    assert "Not answered" in text


def test_a_name_that_looks_like_markup_is_printed_as_it_is(make: MakeResult) -> None:
    stream = io.StringIO()
    results = [make("ksg[k=5]", "gauss[dim=2]", seed=s, mi=1.0) for s in range(2)]
    results += [make("bad[red]", seed=0, mi=None, message="[bold]no[/bold]")]
    terminal.show(Leaderboard.from_results(results), Console(file=stream, width=120))
    for text in ("ksg[k=5]", "bad[red]", "[bold]no[/bold]"):
        assert text in stream.getvalue()


EVIL = ("<script>alert(1)</script>", "[link](http://evil.example)", "`a` | b", "**bold** _it_ # x", "&lt;")


def test_markdown_of_names_is_text(make: MakeResult) -> None:
    """What CommonMark would make a tag, a link or emphasis does not stand there bare."""
    results = [make(name, task, seed=s, mi=1.0 + s) for name in EVIL for task in EVIL for s in range(2)]
    results += [make(EVIL[0], seed=9, mi=None, message=" ".join(EVIL), provenance={EVIL[0]: EVIL[1]})]
    text = markdown.render(Leaderboard.from_results(results), EVIL[0], figures=[(EVIL[1], "f.png")])
    assert "alert(1)" in text
    assert not re.search(r"<(?!sub>|/sub>)", text) and "](http" not in text and "://" not in text
    assert not re.search(r"(?<![\\*])\*\*bold", text)


def test_a_terminal_is_told_nothing_by_a_name(make: MakeResult) -> None:
    name = "a\x1b[2J\x1b]0;title\x07\x9b31m\u202eb\ud800"
    results = [make(name, name, seed=s, mi=1.0, family=name) for s in range(2)]
    results += [make(name, seed=2, mi=None, message=name), make("b", name, mi=None, truth=None, message=name)]
    stream = io.StringIO()
    terminal.show(Leaderboard.from_results(results), Console(file=stream, width=200))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800]", stream.getvalue())
    assert r"a\x1b[2J" in stream.getvalue()


def test_markdown_tables_are_rectangular_and_escape_pipes(make: MakeResult) -> None:
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


@dataclass(frozen=True)
class Fruit:
    """A row of a table of somebody's own."""

    name: str = column("What it is.", heading="fruit")
    secret: int = column("Not shown.")
    n: int = column("How many.", heading="n", narrow=False)
    gain: float | None = column("More than before.", "nats", "gain", signed=True)
    low: float | None = lower_end("the gain")
    high: float | None = upper_end("the gain")
    eaten: float = column("Share eaten.", "share", "eaten")
    ripens: float = column("How long it takes.", "s", "ripens")
    where: Sequence[str] = column("Where it grows.", heading="where")


def test_a_table_follows_from_the_declaration_of_its_columns() -> None:
    rows = [Fruit("fig", 7, 1200, 0.5, 0.1, 0.9, 0.25, 60.0, ("a", "b")), Fruit("", 7, 0, None, None, None, 0, 1, ())]
    columns, lines = flat(Fruit, rows, Unit("bits"), eaten=lambda row: Entry("half", mark="best"))
    of = {c.heading: c for c in columns}
    # what names a row and the interval come first, as in the JSON file
    assert list(of) == ["n", "95 % interval", "fruit", "gain", "eaten", "ripens", "where"]
    assert {name for name, c in of.items() if not c.numeric} == {"fruit", "where"}
    assert {name for name, c in of.items() if not c.narrow} == {"n"}
    assert of["95 % interval"].meaning == "t interval of the gain."
    gain = f"+{0.5 / math.log(2):.3f}"
    assert [e.text for e in lines[0]] == ["1,200", "[+0.100, +0.900]", "fig", gain, "half", "60 s", "a, b"]
    assert [e.text for e in lines[1][:4]] == ["0", "–", "–", "–"]
    chosen, _ = flat(Fruit, rows, Unit(), "where", "secret")
    assert [c.meaning for c in chosen] == ["Where it grows.", "Not shown."]


def test_every_column_with_a_heading_stands_in_the_leaderboard(plausible_board: Leaderboard) -> None:
    """So that a column is added by declaring and computing it."""
    headings = [c.heading for c in schema.columns(schema.Ranking).values() if c.heading]
    shown = [c.heading for c in _by_name(plausible_board)["ranking"].columns]
    assert set(headings) - set(shown) <= {"takes", "score there"} and set(shown) <= set(headings)


def _by_name(board: Leaderboard, unit: str = "nats") -> dict[str, Table]:
    return {table.name: table for table in tables.build(board, unit)}


def _column(table: Table, heading: str) -> list[Any]:
    i = [column.heading for column in table.columns].index(heading)
    return [row[i].value for row in table.rows]
