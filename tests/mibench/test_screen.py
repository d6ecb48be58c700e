"""Tables of many columns: pairs go to estimators by their nature, and the command line says all that was left out."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mibench.cli import main
from mibench.dependence.rank_tests import q_values
from mibench.dependence.screen import screen
from mibench.dependence.screened import Screened
from mibench.errors import UsageError
from mibench.estimator import Nature
from mibench.registry import estimators
from mibench.samples import ColumnKind, Table
from mibench.samples.cells import kinds_of

N = 500
Command = Callable[..., tuple[int, str, str]]


def table(**columns: Any) -> Table:
    values = np.column_stack([np.asarray(v, float) for v in columns.values()])
    kinds = tuple(kinds_of(values[:, [i]])[0] for i in range(len(columns)))
    return Table(tuple(columns), kinds, values)


def by_pair(pairs: tuple[Screened, ...]) -> dict[frozenset[str], Screened]:
    return {frozenset((p.x, p.y)): p for p in pairs}


@pytest.fixture(scope="module")
def some() -> Table:
    g = np.random.default_rng(0)
    a, b, c = g.standard_normal((3, N))
    return table(
        a=a,
        b=0.8 * a + 0.6 * b,  # 0.511 nats with a
        weak=0.3 * a + c,
        coin=g.random(N) < 0.5,
        sign=a > 0,  # log 2 with a
        rounded=np.round(c, 1),
        counts=g.poisson(2, N),
    )


def test_each_nature_has_one_usual_estimator_that_is_made_for_it() -> None:
    usual = [e for e in estimators.select("*") if e.capabilities.usual_for]
    assert sorted(of for e in usual for of in e.capabilities.usual_for) == sorted(Nature)
    for e in usual:
        assert e.capabilities.discrete or e.capabilities.usual_for == (Nature.CONTINUOUS,) or "letters" in e.citation
        assert not e.capabilities.trains and not e.capabilities.reads_task


def test_pairs_go_by_their_nature_and_are_near_the_truth(some: Table) -> None:
    found = screen(some)
    pairs = by_pair(found.pairs)
    assert len(found.pairs) == 21 and found.columns == some.names and not found.left_out
    natures = {frozenset("ab"): Nature.CONTINUOUS, frozenset(("coin", "counts")): Nature.DISCRETE}
    natures |= {frozenset(("a", "coin")): Nature.MIXED, frozenset(("a", "rounded")): Nature.MIXED}
    assert {key: pairs[key].nature for key in natures} == natures
    usual = {of: e.label for e in estimators.select("*") for of in e.capabilities.usual_for}
    assert all(p.estimator == usual[p.nature] for p in found.pairs)
    assert pairs[frozenset("ab")].mi == pytest.approx(0.511, abs=0.12)
    assert pairs[frozenset(("a", "sign"))].mi == pytest.approx(np.log(2), abs=0.07)
    assert pairs[frozenset(("coin", "counts"))].mi == pytest.approx(0, abs=0.03)
    known = [p.mi for p in found.pairs if p.mi is not None]
    assert known == sorted(known, reverse=True)
    p = [pair.p or 0.0 for pair in found.pairs]
    assert [pair.q for pair in found.pairs] == pytest.approx(q_values(p))
    matrix = found.matrix()
    assert np.array_equal(matrix, matrix.T, equal_nan=True) and np.isnan(np.diag(matrix)).all()
    assert matrix[0, 1] == pairs[frozenset("ab")].mi


def test_a_target_gives_the_same_numbers_as_all_pairs_and_its_own_q(some: Table) -> None:
    every, found = by_pair(screen(some).pairs), screen(some, some.names.index("b"))
    assert found.target == "b" and found.pairs[0].x == "a" and {p.y for p in found.pairs} == {"b"}
    for p in found.pairs:
        same = every[frozenset((p.x, "b"))]
        assert (p.mi, p.n) == (same.mi, same.n) and p.p == pytest.approx(same.p, rel=1e-4)
    assert [p.q for p in found.pairs] == pytest.approx(q_values([p.p or 0.0 for p in found.pairs]))


def test_more_pairs_than_anybody_waits_for_are_refused_before_any_is_compared() -> None:
    values = np.random.default_rng(0).random((20, 3_200))
    wide = Table(tuple(map(str, range(3_200))), (ColumnKind.CONTINUOUS,) * 3_200, values)
    with pytest.raises(UsageError, match="3,200 columns are 5,118,400 pairs, of which 5,000,000 can be compared"):
        screen(wide)


def test_a_missing_value_costs_its_pairs_that_row_only(some: Table) -> None:
    values = some.values.copy()
    values[::5, 0], values[1::5, 1] = np.nan, np.nan
    found = by_pair(screen(Table(some.names, some.kinds, values)).pairs)
    assert (found[frozenset("ab")].n, found[frozenset(("a", "coin"))].n, found[frozenset(("coin", "sign"))].n) == (
        N * 3 // 5,
        N * 4 // 5,
        N,
    )
    kept = np.asarray(~np.isnan(values).any(axis=1))
    alone = by_pair(screen(some.rows(kept)).pairs)[frozenset("ab")]
    assert found[frozenset("ab")].mi == alone.mi and found[frozenset("ab")].p == pytest.approx(alone.p, rel=1e-4)


def test_labels_have_no_order() -> None:
    g = np.random.default_rng(0)
    codes, y = g.integers(0, 6, N), g.standard_normal(N)
    y += 2 * (codes == 3)
    found = [
        screen(Table(("c", "y"), (ColumnKind.CATEGORY, ColumnKind.CONTINUOUS), np.column_stack([g_codes, y])))
        .pairs[0]
        .mi
        for g_codes in (codes, np.random.default_rng(1).permutation(6)[codes])
    ]
    assert found[0] == pytest.approx(found[1], abs=1e-9) and found[0] is not None and found[0] > 0.1


def test_counts_that_hardly_repeat_are_no_letters() -> None:
    x, y = np.random.default_rng(0).integers(0, 300, (2, N))
    (pair,) = screen(table(x=x, y=y)).pairs
    assert pair.nature is Nature.MIXED and pair.mi == pytest.approx(0, abs=0.15)


def test_copies_are_marked_and_constants_left_out(some: Table) -> None:
    more = table(a=some.values[:, 0], copy=-np.exp(some.values[:, 0]), one=np.ones(N))
    found = screen(more)
    assert found.left_out == {"one": "is constant"} and "determines" in found.pairs[0].note


# The command ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def estimate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, some: Table
) -> Command:
    """Run `mibench estimate t.csv` in a folder with that table: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    with open("t.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*some.names, "id", "day", "<b>"])
        for i, row in enumerate(some.values.tolist()):
            writer.writerow([*row, f"id{i}", f"2020-01-{i % 28 + 1:02}", "" if i % 9 == 0 else row[0] ** 2])

    def command(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["estimate", "t.csv", *arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return int(stop.value.code or 0), out, err

    return command


def test_the_ranking_says_what_was_left_out(estimate: Command) -> None:
    code, out, err = estimate("--target", "a")
    lines = out.splitlines()
    assert code == 0 and "mutual information with a, in nats" in lines[0]
    assert {line.split()[0] for line in lines[2:4]} <= {"sign", "b", "<b>"}
    assert "left out id" in err and "left out day" in err and "missing values in <b>" in err
    assert "q <= 0.05 in" in lines[-1]
    code, out, _ = estimate("--target", "a", "--x", "b,coin", "--json", "--unit", "bits")
    found = json.loads(out)
    assert code == 0 and [p["x"] for p in found["pairs"]] == ["b", "coin"] and found["unit"] == "bits"
    _, nats, _ = estimate("--target", "a", "--x", "b,coin", "--json")
    assert found["pairs"][0]["mi"] * np.log(2) == pytest.approx(json.loads(nats)["pairs"][0]["mi"])


def test_files_of_every_kind_are_written(estimate: Command, tmp_path: Path) -> None:
    for name, begins in (
        ("p.html", b"<!doctype html>"),
        ("p.png", b"\x89PNG"),
        ("p.svg", b"<?xml"),
        ("p.csv", b"x,y,mi_"),
    ):
        for asked in (["--all-pairs"], ["--target", "b"]):
            code, _, err = estimate(*asked, "--out", name)
            written = (tmp_path / name).read_bytes()
            assert code == 0 and f"wrote {name}" in err and written.startswith(begins)
            if name.endswith(".html"):
                assert (
                    b"&lt;b&gt;" in written
                    and b"<b>" not in written.split(b"<body>")[1]
                    and b"http" not in written.split(b"<svg")[0]
                )
    code, out, _ = estimate("--all-pairs", "--json")
    found = json.loads(out)
    assert len(found["matrix"]) == len(found["columns"]) == 8 and len(found["pairs"]) == 28
    rows = list(csv.DictReader((tmp_path / "p.csv").open()))
    assert len(rows) == 7 and {r["y"] for r in rows} == {"b"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--target", "zz"], "has no column 'zz'"),
        (["--target", "a", "--all-pairs"], "exclude each other"),
        (["--target", "a", "--y", "b"], "exclude each other"),
        (["--target", "a", "--x", "a,b"], "in both --x and --target"),
        (["--target", "a,b"], "one column"),
        (["--target", "id"], "no category"),
        (["--all-pairs", "--out", "x.pdf"], "must end in"),
        (["--x", "a", "--y", "b", "--out", "x.png"], "the page of an estimate is .html"),
        (["--all-pairs", "--missing", "refuse"], "missing values in <b>"),
        (["--all-pairs", "--time-series"], "no gaps"),
        (["other.csv", "--all-pairs"], "give one file"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(estimate: Command, asked: list[str], said: str) -> None:
    code, out, err = estimate(*asked)
    assert code == 2 and not out and said in err.splitlines()[-1]


def test_time_series_are_shifted(estimate: Command) -> None:
    code, out, err = estimate("--target", "a", "--x", "b,coin", "--time-series", "--json")
    found = json.loads(out)
    assert code == 0 and found["shifts"] > 300 and "shifts" in err
    assert found["pairs"][0]["p"] == pytest.approx(1 / (1 + found["shifts"]))


def test_every_estimate_has_a_test_beside_it(estimate: Command) -> None:
    code, out, _ = estimate("--x", "a", "--y", "b", "-e", "cca")
    assert code == 0 and "independence: p = 0.002 (499 permutations)" in out
    code, out, _ = estimate("--x", "a", "--y", "b", "-e", "cca", "--json", "--time-series")
    found = json.loads(out)["independence"]
    assert found["time_series"] and found["block"] >= 1 and found["p"] < 0.01 and found["effective_n"] > 300
