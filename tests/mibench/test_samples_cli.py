"""`mibench estimate` on files: what is printed, what is JSON, and how it ends."""

from __future__ import annotations

import errno
import io
import json
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mibench.advice.verdict import usual_members
from mibench.bound import Interval
from mibench.cli import main
from mibench.cli.estimate import _panel
from mibench.registry import estimators
from mibench.samples import Table
from mibench.samples.table import ColumnKind, Pair

PLUGINS = str(Path(__file__).parent / "troublemakers.py")
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def estimate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run `mibench estimate` in a folder with x.npy, y.npy and t.csv: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x, noise = rng.standard_normal((2, 300))
    np.save("x.npy", x)
    np.save("y.npy", 0.8 * x + 0.6 * noise)
    np.savetxt("t.csv", np.column_stack([x, noise, noise > 0]), delimiter=",", header="a,b,c", comments="")

    def command(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["estimate", *arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return int(stop.value.code or 0), out, err

    return command


def parsed(text: str) -> Any:
    """Strict JSON: NaN and Infinity are no words of it."""

    def refuse(word: str) -> Any:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def of_numbers(names: Sequence[str]) -> list[str]:
    """Those that do not take letters only, and are asked where a column is continuous."""
    return [name for name in names if not estimators.create(name).capabilities.letters]


def test_without_a_choice_the_panel_answers_and_one_value_is_recommended(estimate: Command) -> None:
    code, out, err = estimate("x.npy", "y.npy", "--json")
    found = parsed(out)
    assert code == 0 and "read 'x.npy': .npy, 300 rows of 1 column" in err
    named = [e["estimator"] for e in (*found["estimates"], *found["declined"])]
    assert sorted(named) == sorted(of_numbers(usual_members()))
    said = {"unit", "recommended", "estimates", "declined", "data", "warnings", "independence"}
    assert set(found) == said and found["data"]["files"][0]["file"] == "x.npy"
    best = found["recommended"]
    assert set(best) == {"mi", "low", "high", "level", "why", "tested", "cells"} and best["level"] == 0.9
    assert best["low"] <= best["mi"] <= best["high"] and best["why"].count(". ") == 1
    assert any("typical_error" in e for e in found["estimates"])


def test_the_recommended_value_is_printed_with_its_interval_and_in_bits(estimate: Command) -> None:
    code, out, _ = estimate("x.npy", "y.npy", "--fast")
    assert code == 0 and "recommended: " in out and "90% interval" in out and "typical error" in out
    nats, bits = (parsed(estimate("x.npy", "y.npy", "--fast", "--json", "--unit", u)[1]) for u in ("nats", "bits"))
    for key in ("mi", "high"):
        assert nats["recommended"][key] == pytest.approx(bits["recommended"][key] * math.log(2))


def test_fast_asks_none_that_trains_thorough_asks_all_and_neither_goes_with_a_choice(estimate: Command) -> None:
    code, _, err = estimate("x.npy", "y.npy", "--fast", "-e", "ksg")
    assert code == 2 and "so does -e" in err
    code, _, err = estimate("x.npy", "y.npy", "--fast", "--thorough")
    assert code == 2 and "exclude each other" in err
    _, out, _ = estimate("x.npy", "y.npy", "--fast", "--json")
    fast = parsed(out)
    asked = {e["estimator"] for e in (*fast["estimates"], *fast["declined"])}
    assert not any(estimators.create(name).capabilities.trains for name in asked)
    _, chosen, _ = estimate("x.npy", "y.npy", "-e", "cca", "--json")
    assert parsed(chosen)["recommended"] is None


@pytest.mark.parametrize(("kind", "applies"), [(ColumnKind.CONTINUOUS, False), (ColumnKind.CATEGORY, True)])
def test_thorough_leaves_out_what_takes_letters_only_where_a_column_is_none(kind: ColumnKind, applies: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 1)) if kind is ColumnKind.CONTINUOUS else rng.integers(5, size=(200, 1)).astype(float)
    y = rng.integers(3, size=(200, 1)).astype(float)
    pair = Pair(Table(("x",), (kind,), x), Table(("y",), (ColumnKind.CATEGORY,), y), ())
    asked = {e.registered_name for e in _panel(False, True, pair)}
    letters = {name for name in estimators.names() if estimators.create(name).capabilities.letters}
    assert {"plug-in", "nsb"} <= letters and (letters <= asked) is applies and bool(letters & asked) is applies
    assert {"jmi", "mixed-ksg", "tre"} <= asked


def test_the_table_says_what_its_numbers_are(estimate: Command) -> None:
    code, out, _ = estimate("x.npy", "y.npy", "-e", "extrapolated")
    assert code == 0 and "standard error" in out and "±" not in out and "{" not in out
    _, bits, _ = estimate("x.npy", "y.npy", "-e", "extrapolated", "--unit", "bits", "--json")
    _, nats, _ = estimate("x.npy", "y.npy", "-e", "extrapolated", "--json")
    ratios = [parsed(nats)["estimates"][0][key] / parsed(bits)["estimates"][0][key] for key in ("mi", "stderr")]
    assert ratios == pytest.approx([math.log(2)] * 2) and parsed(bits)["unit"] == "bits"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_beyond_the_terminal(estimate: Command, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """What there is no room for goes on beneath, and no word of it is lost."""
    monkeypatch.setenv("COLUMNS", "500")
    arguments = ("t.csv", "--x", "a,b", "--y", "c", "--fast")
    _, wide, _ = estimate(*arguments)
    assert max(map(len, wide.splitlines())) > 100
    monkeypatch.setenv("COLUMNS", str(width))
    _, narrow, _ = estimate(*arguments)
    head, *rest = narrow.splitlines()
    assert head.startswith("n = 300") and max(map(len, rest)) <= width
    assert narrow.split() == wide.split()


def test_the_interval_of_a_bound_has_one_end(estimate: Command) -> None:
    chosen = ["-e", "nwj[max_steps=200]", "-e", "l1out[max_steps=200]", "-e", "extrapolated", "-e", "cca"]
    _, out, _ = estimate("x.npy", "y.npy", *chosen, "--json")
    lower, upper, both, none = parsed(out)["estimates"]
    assert lower["interval"] == [pytest.approx(lower["mi"] - 1.644854 * lower["stderr"]), None]
    assert upper["interval"] == [None, pytest.approx(upper["mi"] + 1.644854 * upper["stderr"])]
    assert sum(both["interval"]) / 2 == pytest.approx(both["mi"]) and none["interval"] is None is none["stderr"]
    _, out, _ = estimate("x.npy", "y.npy", *chosen)
    lines = {line.split()[0]: line for line in out.splitlines() if line.startswith("  ")}
    assert f"≥ {lower['interval'][0]:.4f} (95 %)" in lines["nwj[max_steps=200]"]
    assert f"≤ {upper['interval'][1]:.4f} (95 %)" in lines["l1out[max_steps=200]"]
    assert "(95 %)" not in lines["extrapolated"] + lines["cca"]


def test_error_bars_of_bounds_go_one_way() -> None:
    from mibench.report.samples import Said

    reaches = {i: Said("a", 1.0, 0.1, None, i).reach for i in Interval}
    assert reaches == {
        Interval.TWO_SIDED: pytest.approx((0.1959964, 0.1959964)),
        Interval.FROM: pytest.approx((0.1644854, 0.0)),
        Interval.UP_TO: pytest.approx((0.0, 0.1644854)),
    }
    assert Said("a", 1.0).reach == (0.0, 0.0)


def test_one_that_declines_or_breaks_hides_no_other(estimate: Command) -> None:
    chosen = ["-e", "cca", "-e", "raise", "-e", "oracle", "--include", PLUGINS]
    code, out, _ = estimate("x.npy", "y.npy", *chosen)
    assert code == 0 and "raise   declined: RuntimeError: something odd" in out and "oracle  declined: " in out
    code, out, _ = estimate("x.npy", "y.npy", *chosen, "--json")
    found = parsed(out)
    assert code == 0 and [e["estimator"] for e in found["estimates"]] == ["cca"]
    assert [d["estimator"] for d in found["declined"]] == ["raise", "oracle"] and found["declined"][1]["reason"]
    code, out, err = estimate("x.npy", "y.npy", "-e", "oracle", "-e", "raise", "--include", PLUGINS, "--json")
    assert code == 2 and parsed(out)["estimates"] == [] and "no estimator answered: oracle" in err


def test_globs_choose_and_typing_errors_are_found_before_anything_is_computed(estimate: Command) -> None:
    code, out, _ = estimate("x.npy", "y.npy", "-e", "ksg*", "--json")
    assert code == 0 and len(parsed(out)["estimates"]) == len([n for n in estimators.names() if n.startswith("ksg")])
    code, out, err = estimate("x.npy", "y.npy", "-e", "cca", "-e", "kgs")
    assert code == 2 and not out and "did you mean 'ksg'" in err


def test_json_has_no_infinity(estimate: Command) -> None:
    code, out, _ = estimate("x.npy", "x.npy", "--json")
    found = parsed(out)
    assert code == 0
    infinite = [e for e in found["estimates"] if e["mi"] is None]
    assert infinite and all(e["nonfinite"] == "inf" for e in infinite)
    assert found["recommended"]["mi"] is None and found["recommended"]["nonfinite"] == "inf"
    assert [w["code"] for w in found["warnings"]] == ["deterministic"]


def test_what_was_read_and_dropped_is_said(estimate: Command, tmp_path: Path) -> None:
    lines = (tmp_path / "t.csv").read_text().splitlines()
    lines[3] = "NA" + lines[3][lines[3].index(",") :]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    code, out, err = estimate("t.csv", "--x", "a", "--y", "c", "-e", "cca", "--json")
    data = parsed(out)["data"]
    assert code == 0 and (data["n"], data["rows_dropped"]) == (299, 1)
    assert "300 rows of 3 columns, header, delimiter comma, decimal '.'" in err and "dropped 1 of 300 rows" in err
    assert [c["kind"] for c in (*data["x"], *data["y"])] == ["continuous", "integer"]
    assert "warning: c is discrete; cca assumes densities." in err
    code, out, err = estimate("t.csv", "--x", "a", "--y", "c", "--missing", "refuse")
    assert code == 2 and not out and "1 of 300 rows have a missing value" in err


def test_standard_input_is_a_file(estimate: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Piped:
        buffer = io.BytesIO((tmp_path / "t.csv").read_bytes())

        @staticmethod
        def isatty() -> bool:
            return False

    monkeypatch.setattr("sys.stdin", Piped)
    code, out, err = estimate("-", "--x", "a", "--y", "b", "-e", "cca")
    assert code == 0 and "read standard input: text, 300 rows" in err and "cca" in out
    code, _, err = estimate("-", "-")
    assert code == 2 and "read once" in err


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["t.csv"], "it has a, b, c"),
        (["t.csv", "--x", "a"], "it has a, b, c"),
        (["t.csv", "--x", "a", "--y", "a"], "no column can be shared"),
        (["x.npy", "y.npy", "--seed", "-1"], "--seed"),
        (["x.npy", "y.npy", "--delimiter", "zz"], "no single sign"),
        (["x.npy", "y.npy", "--missing", "guess"], "--missing"),
        (["x.npy", "y.npy", "t.csv"], "give two files"),
    ],
)
def test_misuse_is_one_sentence_and_exit_code_2(estimate: Command, arguments: list[str], what: str) -> None:
    code, out, err = estimate(*arguments)
    assert code == 2 and not out and what in err


def test_check_ends_in_a_summary_with_the_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["check", "zero"])
    out, err = capsys.readouterr()
    passed = sum(line.endswith(": passed") for line in out.splitlines())
    assert not stop.value.code and f"{passed} passed" in err and err.rstrip().endswith(" s")


def test_an_estimate_as_a_page_needs_nothing_else(estimate: Command, tmp_path: Path) -> None:
    code, _, err = estimate("t.csv", "--x", "a", "--y", "c", "--fast", "--out", "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert code == 0 and "wrote page.html" in err
    assert "recommended: " in text and "independence: p = " in text and text.count("<svg") == 2
    assert all(f"<td>{name}</td>" in text for name in of_numbers(usual_members(fast=True)))
    assert not any(word in text for word in ("<script src", "<link", "@import", 'src="http'))
    code, _, err = estimate("t.csv", "--x", "a", "--y", "c", "--out", "page.png")
    assert code == 2 and "the page of an estimate is .html" in err


@pytest.mark.parametrize(
    ("asked", "answer"), [(("--x", "a", "--y", "b", "-e", "cca"), "  cca"), (("--all-pairs",), "q <= ")]
)
def test_a_page_that_finds_no_room_costs_no_answer(
    estimate: Command, monkeypatch: pytest.MonkeyPatch, asked: tuple[str, ...], answer: str
) -> None:
    def full(path: Path, content: bytes) -> int:
        if content:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, content)

    write = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", full)
    code, out, err = estimate("t.csv", *asked, "--out", "page.html")
    assert code == 2 and answer in out
    assert err.endswith("mibench: cannot write 'page.html': No space left on device.\n")
