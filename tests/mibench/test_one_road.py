"""What is found in a sample is found on every road: one pair, a target, all pairs, and from Python."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mibench
from mibench.cli import main
from mibench.dependence.screen import screen
from mibench.errors import DataError
from mibench.estimator import Array
from mibench.samples import ColumnKind, Table
from mibench.samples.clean import cleaned, paired

N = 300
Command = Callable[..., tuple[int, Any, str]]


def dependent(seed: int = 0, n: int = N) -> tuple[Array, Array]:
    """Correlation 0.6: 0.223 nats."""
    x, noise = np.random.default_rng(seed).standard_normal((2, n))
    return x, 0.6 * x + 0.8 * noise


def series(phi: float, seed: int, n: int = 1000) -> Array:
    noise = np.random.default_rng(seed).standard_normal((n, 3))
    for t in range(1, n):
        noise[t] += phi * noise[t - 1]
    return noise


@pytest.fixture
def estimate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Write a table and run `mibench estimate` on it with --json: (exit code, facts, stderr)."""
    monkeypatch.chdir(tmp_path)

    def command(columns: Mapping[str, Any], *arguments: str) -> tuple[int, Any, str]:
        with open("t.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([columns, *zip(*(np.asarray(c).tolist() for c in columns.values()), strict=True)])
        with pytest.raises(SystemExit) as stop:
            main(["estimate", "t.csv", "--json", *arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return int(stop.value.code or 0), json.loads(out) if out else None, err

    return command


ROADS = [["--x", "a", "--y", "b", "--fast"], ["--x", "a", "--y", "b", "-e", "ksg"], ["--target", "a"], ["--all-pairs"]]


def answer(found: Any) -> float:
    """Of the only pair, by ksg."""
    answers = found["pairs"] if "pairs" in found else [e for e in found["estimates"] if e["estimator"] == "ksg"]
    return float(answers[0]["mi"])


def p_value(found: Any) -> float:
    return float((found["pairs"][0] if "pairs" in found else found["independence"])["p"])


@pytest.mark.parametrize("road", ROADS, ids=" ".join)
def test_a_table_written_several_times_is_that_table(estimate: Command, road: list[str]) -> None:
    a, b = dependent()
    once = estimate({"a": a, "b": b}, *road)[1]
    code, again, err = estimate({"a": np.tile(a, 3), "b": np.tile(b, 3)}, *road)
    assert code == 0 and "600 of 900 rows repeat an earlier row exactly" in err
    assert answer(again) == answer(once) and p_value(again) == p_value(once)
    assert [w["code"] for w in again["warnings"]] == ["duplicate-rows"] and once["warnings"] == []


@pytest.mark.parametrize("road", ROADS, ids=" ".join)
def test_a_code_for_missing_values_is_named(estimate: Command, road: list[str]) -> None:
    a, b = dependent()
    b[::20] = -999
    code, found, err = estimate({"a": a, "b": b}, *road)
    assert code == 0 and "15 values of b are all -999" in err
    assert {"code": "wild-value", "columns": ["b"]}.items() <= found["warnings"][0].items()
    b[::20], b[7] = b[1::20], 1e9
    code, found, _ = estimate({"a": a, "b": b}, *road)
    assert [w["columns"] for w in found["warnings"] if w["code"] == "wild-value"] == [["b"]]


@pytest.mark.parametrize("road", ROADS, ids=" ".join)
def test_series_are_called_so(estimate: Command, road: list[str]) -> None:
    a, b, _ = series(0.95, 0).T
    _, found, _ = estimate({"a": a, "b": b}, *road)
    assert [w["code"] for w in found["warnings"]] == ["autocorrelated-rows"]
    order = np.random.default_rng(1).permutation(len(a))
    assert estimate({"a": a[order], "b": b[order]}, *road)[1]["warnings"] == []


@pytest.mark.parametrize("road", ROADS, ids=" ".join)
def test_a_relation_without_noise_is_called_so(estimate: Command, road: list[str]) -> None:
    a, _ = dependent()
    for b in (a, -np.exp(a), a**2):
        assert "deterministic" in {w["code"] for w in estimate({"a": a, "b": b}, *road)[1]["warnings"]}
    key = np.random.default_rng(0).permutation(a)
    assert [w["code"] for w in estimate({"a": a, "b": key}, *road)[1]["warnings"]] == ["same-keys"]
    numbers = {"a": a, "b": np.arange(N)}
    assert "row-index" in {w["code"] for w in estimate(numbers, *road)[1]["warnings"]}


def test_what_does_not_vary_is_named_and_left_out(estimate: Command) -> None:
    a, b = dependent()
    columns = {"a": a, "b": b, "lot": np.full(N, 7.5), "site": np.full(N, 3)}
    code, found, err = estimate(columns, "--x", "a,lot", "--y", "b", "--fast")
    alone = estimate(columns, "--x", "a", "--y", "b", "--fast")[1]
    assert code == 0 and "lot is constant and carries nothing: left out" in err
    assert found["recommended"]["mi"] == alone["recommended"]["mi"] and found["data"]["constant"] == ["lot"]
    code, _, err = estimate(columns, "--x", "site,lot", "--y", "b")
    assert code == 2 and "columns 'site', 'lot' are constant" in err
    code, _, err = estimate(columns, "--x", "a", "--y", "lot", "-e", "ksg")
    assert code == 2 and "column 'lot' is constant" in err
    code, found, err = estimate(columns, "--all-pairs")
    assert code == 0 and found["left_out"] == {"lot": "is constant", "site": "is constant"}


def test_columns_may_differ_in_what_was_copied_and_a_row_number_hides_nothing() -> None:
    a, b = dependent()
    noise = np.random.default_rng(2).standard_normal(3 * N)
    values = np.column_stack([np.arange(3 * N), np.tile(a, 3), np.tile(b, 3), noise])
    table = Table(("row", "a", "b", "c"), (ColumnKind.INTEGER, *(ColumnKind.CONTINUOUS,) * 3), values)
    found = screen(table)
    by = {frozenset((p.x, p.y)): p for p in found.pairs}
    assert by[frozenset("ab")].n == N and by[frozenset("ac")].n == 3 * N  # a new reading of an old subject is one
    assert {r.code for r in found.remarks} == {"row-index", "duplicate-rows"}
    subjects = np.column_stack([np.repeat(values[:N, 1:3], 3, axis=0), noise])  # three visits of each
    kept = screen(Table(("a", "b", "c"), table.kinds[1:], subjects))
    assert {(p.x + p.y): p.n for p in kept.pairs} == {"ab": N, "ac": 3 * N, "bc": 3 * N}
    whole = screen(table.columns([0, 1, 2]))
    assert {p.n for p in whole.pairs} == {N} and "600 of 900 rows" in whole.remarks[0].message


def test_a_clock_does_not_hide_that_rows_follow_one_another() -> None:
    """A column of times is sorted; that says nothing for the independence of the others."""
    values = series(0.95, 3)
    for clock in (np.arange(1000.0), np.cumsum(np.random.default_rng(0).random(1000))):
        table = Table(("t", "a", "b", "c"), (ColumnKind.CONTINUOUS,) * 4, np.column_stack([clock, values]))
        found = screen(table)
        (said,) = [r for r in found.remarks if r.code == "autocorrelated-rows"]
        assert said.columns == ("a", "b", "c") and "sorted by t" in said.message
        apart = {frozenset((p.x, p.y)): p for p in found.pairs}[frozenset("ab")]
        assert apart.n < 200 and apart.mi == pytest.approx(0, abs=0.25)


def test_one_series_among_independent_columns_spoils_no_pair() -> None:
    values = np.column_stack([series(0.95, 0)[:, 0], np.random.default_rng(5).standard_normal((1000, 3))])
    found = screen(Table(tuple("abcd"), (ColumnKind.CONTINUOUS,) * 4, values))
    assert found.remarks == () and {p.n for p in found.pairs} == {1000}


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_remarked_of_an_honest_table(seed: int) -> None:
    g = np.random.default_rng(seed)
    n = int(g.integers(60, 600))
    x = g.standard_normal((n, 3))
    values = [x, x[:, :1] + g.standard_normal((n, 1)), g.poisson(2, (n, 1)), np.round(x[:, :1], 1), g.random((n, 1))]
    values += [
        np.maximum(g.standard_normal((n, 1)), 0),
        np.exp(2 * g.standard_normal((n, 1))),
        g.standard_cauchy((n, 1)),
    ]
    table = Table(tuple("abcdefghij"), (ColumnKind.CONTINUOUS,) * 10, np.hstack(values))
    found = screen(table)
    assert [r for r in found.remarks if r.code != "wild-value"] == []
    assert all(p.n == n for p in found.pairs)


def test_python_is_told_the_same() -> None:
    x, y = dependent()
    found = mibench.estimate(np.tile(x, 3), np.tile(y, 3))
    assert any("600 of 900 rows repeat" in said for said in found.diagnostics["warnings"])
    assert mibench.estimate(x, y).mi == found.mi and mibench.estimate(x, y).diagnostics["warnings"] == []
    assert mibench.estimate(np.tile(x, 3), np.tile(y, 3), "ksg").diagnostics["repeated_rows"] == 600
    assert "repeated_rows" not in mibench.estimate(x, y, "ksg").diagnostics
    y[::20] = -999
    assert [w.code for w in mibench.advise(x, y, fast=True).warnings] == ["wild-value"]
    wide = np.column_stack([x, np.ones(N)])
    assert mibench.advise(wide, y, fast=True).mi == mibench.advise(x, y, fast=True).mi


def test_a_sample_that_is_clean_stays_as_it_is() -> None:
    pair = paired(*(v[:, None] for v in dependent()))
    assert cleaned(pair).x is pair.x and cleaned(pair).y is pair.y
    with pytest.raises(DataError, match="columns 'x0', 'x1' are constant"):
        cleaned(paired(np.ones((9, 2)), np.arange(9.0)[:, None]))
