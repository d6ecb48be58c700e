"""The report as files: what is written, that it is whole, and that nothing in it can break it."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mibench.errors import UsageError
from mibench.estimator import Kind
from mibench.report import write_report
from mibench.report.leaderboard import Leaderboard
from mibench.report.markdown import prose
from mibench.result import Result, Status

from .conftest import MakeResult, result

Files = dict[str, Path]


def test_everything_is_written(plausible_report: Files) -> None:
    assert {"markdown", "csv", "tasks", "json", "html"} <= plausible_report.keys()
    figures = [name for name in plausible_report if name.startswith("figures/")]
    assert len(figures) >= 12
    for path in plausible_report.values():
        assert path.stat().st_size > 0
    for name in figures:
        assert plausible_report[name].read_bytes().startswith(b"\x89PNG\r\n")


def test_csv_holds_the_scores_to_the_last_bit(plausible_report: Files, plausible_board: Leaderboard) -> None:
    with plausible_report["csv"].open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["estimator"] for row in rows] == [row.estimator for row in plausible_board.ranking]
    for written, row in zip(rows, plausible_board.ranking, strict=True):
        assert float(written["score"]) == row.score
        assert sum(int(v) for k, v in written.items() if k.startswith("status_")) == row.cells


def test_json_is_strict_and_explains_its_columns(plausible_report: Files) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    content = json.loads(plausible_report["json"].read_text(encoding="utf-8"), parse_constant=refuse)
    for table, columns in content["columns"].items():
        for row in content[table]:
            assert row.keys() == columns.keys(), table
        assert all(told["meaning"] for told in columns.values())


def test_prose_keeps_its_code_apart_from_its_words() -> None:
    assert (
        prose("not ok. `not installed` does * not,\n `x`, `y` `z`")
        == "not ok. `not installed` does \\* not, `x`, `y` `z`"
    )


def test_markdown_shows_the_figures_that_exist(plausible_report: Files) -> None:
    path = plausible_report["markdown"]
    shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", path.read_text(encoding="utf-8"))
    assert len(shown) == len(set(shown)) == sum(name.startswith("figures/") for name in plausible_report)
    for relative in shown:
        assert (path.parent / relative).is_file()


def test_bits_are_for_people_and_nats_for_machines(tmp_path: Path, make: MakeResult) -> None:
    results = [make("ksg", f"t{t}", seed=s, mi=0.5, truth=1.0) for t in range(2) for s in range(2)]
    nats, bits = (write_report(results, tmp_path / unit, "T", unit) for unit in ("nats", "bits"))
    assert nats["csv"].read_text() == bits["csv"].read_text()
    assert nats["json"].read_text() == bits["json"].read_text()
    assert "−0.500" in nats["markdown"].read_text(encoding="utf-8")
    assert f"−{0.5 / math.log(2):.3f}" in bits["markdown"].read_text(encoding="utf-8")


def test_the_same_results_give_the_same_page(tmp_path: Path, make: MakeResult) -> None:
    results = [
        make(name, f"t{t}", seed=s, mi=1.0 + 0.1 * t * s, truth=1.0 + t, family=f"f{t}")
        for name in ("zero", "ksg", "cca")
        for t in range(2)
        for s in range(2)
    ]
    first, second = (write_report(results, tmp_path / name, "T") for name in "ab")
    for name in ("html", "markdown", "csv", "json"):
        assert first[name].read_bytes() == second[name].read_bytes(), name


@pytest.mark.parametrize(
    "results",
    ["nothing", "one", "failures", "not_installed", "independent", "upper bounds", "consistency", "downstream"],
)
def test_partial_runs_make_a_report(tmp_path: Path, make: MakeResult, results: str) -> None:
    files = write_report(_partial(make)[results], tmp_path, results)
    page = files["html"].read_text(encoding="utf-8")
    assert f"<h1>{results}</h1>" in page
    assert "nan" not in re.sub(r"<style>.*?</style>|<script>.*?</script>", "", page, flags=re.DOTALL).split()


def _partial(make: MakeResult) -> dict[str, list[Result]]:
    ratio = {"group": "g", "family": "self-consistency", "truth": None, "status": Status.OK}
    arm = {"group": "g", "family": "downstream", "truth": None, "arm": "none"}
    absent = {"status": Status.NOT_INSTALLED, "message": "fetch it with `mibench data get mnist`."}
    return {
        "nothing": [],
        "one": [make()],
        "failures": [make(seed=s, mi=None, message=f"error {s}") for s in range(3)],
        "not_installed": [make(mi=None, truth=None, **absent)],
        "independent": [make(name, seed=s, mi=0.01 * s, truth=0.0) for name in ("a", "b") for s in range(2)],
        "upper bounds": [make(seed=s, mi=2.0, quantity=Kind.UPPER_BOUND) for s in range(2)],
        "consistency": [make(mi=None, metrics={"score": 0.9, "expected": 1.0}, **ratio)],
        "downstream": [make(n=0, mi=None, status=Status.NONFINITE, **arm)],
    }


numbers = st.none() | st.floats() | st.sampled_from([0.0, 1.0, 1e300, -1e-300, math.nan, math.inf])
records = st.builds(
    result,
    estimator=st.sampled_from(["a", "b[x=1]", "$_", ""]),
    task=st.sampled_from(["t", "u[d=2]"]),
    n=st.sampled_from([1, 1000]),
    seed=st.integers(0, 2),
    mi=numbers,
    status=st.sampled_from(Status),
    stderr=numbers,
    truth=numbers,
    family=st.sampled_from(["f", "g", ""]),
    wall_s=st.floats(0) | st.just(math.nan),
    cpu_s=st.floats(0) | st.just(math.nan),
    quantity=st.sampled_from(Kind),
    reads_task=st.booleans(),
    dim_x=st.integers(0, 3),
    curve=st.sampled_from([{}, {"validation": [None, math.nan, 1.0]}, {"step": [1, 2], "train": [math.inf, None]}]),
    task_params=st.sampled_from([{}, {"d": None}, {"d": math.nan, "function": "x"}]),
)


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.lists(records, max_size=12))
def test_no_record_costs_the_report(results: list[Result]) -> None:
    """Whatever numbers stand in it, missing ones and those that are none included."""
    with TemporaryDirectory() as directory:
        files = write_report(results, Path(directory), "T")
        json.loads(files["json"].read_text(encoding="utf-8"))


def test_downstream_tasks_have_a_csv_of_their_own(tmp_path: Path, make: MakeResult) -> None:
    arm = {"group": "g", "family": "downstream", "truth": None, "status": Status.OK, "metrics": {"m": 1.25}}
    files = write_report([make("a", "g", 0, s, None, arm="a", **arm) for s in range(2)], tmp_path, "T")
    (row,) = csv.DictReader(files["downstream"].open(encoding="utf-8"))
    assert (row["arm"], row["metric"], float(row["mean"]), row["seeds"]) == ("a", "m", 1.25, "2")
    assert "downstream" not in write_report([make()], tmp_path / "other", "T")


def test_a_directory_that_cannot_be_written(tmp_path: Path, make: MakeResult) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write the report to .*file"):
        write_report([make()], tmp_path / "file" / "below", "T")


def test_an_unknown_unit(tmp_path: Path, make: MakeResult) -> None:
    with pytest.raises(UsageError, match=r"unknown unit 'furlongs'; write nats or bits"):
        write_report([make()], tmp_path, "T", "furlongs")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_thousands_of_cells_make_a_page_of_reasonable_size(tmp_path: Path, make: MakeResult) -> None:
    rng = np.random.default_rng(0)
    results = [
        make(f"e{e}", f"t{t}[dim={t % 5 + 1}]", 1000, s, float(rng.normal(1, 0.1)), family=f"f{t % 8}", dim_x=t % 5 + 1)
        for e in range(12)
        for t in range(40)
        for s in range(10)
    ]
    files = write_report(results, tmp_path, "T")
    assert files["html"].stat().st_size < 3e6


def test_a_table_without_rows_names_its_columns(make: MakeResult, tmp_path: Path) -> None:
    told = {"group": "g", "family": "downstream", "truth": None, "status": Status.OK, "metrics": {"m": 1.0}}
    files = write_report([make("arm", "g", 0, 0, None, arm="arm", **told)], tmp_path, "T")
    (ranking,) = files["csv"].read_text().splitlines()
    assert ranking.startswith("rank,estimator,kind,score,")
    (head, line) = files["downstream"].read_text().splitlines()
    assert dict(zip(head.split(","), line.split(","), strict=True))["arm"] == "arm"


def test_a_password_of_an_old_record_is_in_no_file_of_a_report(make: MakeResult, tmp_path: Path) -> None:
    address = "postgresql://me:hunter2@server/runs"
    provenance = {"command": f"mibench run quick --mlflow {address}"}
    results = [make("ksg", seed=0, provenance=provenance)]
    results += [make("ksg", seed=1, mi=None, message=f"cannot reach {address}: hunter2 is refused")]
    files = write_report(results, tmp_path, "T")
    for path in files.values():
        assert b"hunter2" not in path.read_bytes(), path.name
    assert "postgresql://me:***@server" in files["html"].read_text()
