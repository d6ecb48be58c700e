"""Results as tracked runs: names, metrics, identity."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import statistics
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from mibench.leaderboard.board import Board
from mibench.leaderboard.hues import HUES, MUTED
from mibench.mlflow.runs import legal, runs_of
from mibench.mlflow.standings import standing_runs, summary_run
from mibench.mlflow.views import landing, saved_views
from mibench.report.figures import palette_of
from mibench.report.leaderboard import Leaderboard
from mibench.result import Result, Status
from mibench.task import TaskKind

from .conftest import MakeResult

LEGAL = re.compile(r"[\w\-./: ]{1,250}")


def key(result: Result) -> tuple[str, str, int]:
    return result.cell.estimator, result.cell.task, result.cell.n


def test_one_run_per_estimator_task_and_n_and_one_per_downstream_seed(plausible_run: list[Result]) -> None:
    runs = runs_of(plausible_run)
    downstream = TaskKind.DOWNSTREAM
    cells = {(*key(r), r.cell.seed if r.kind is downstream else None) for r in plausible_run}
    assert len(runs) == len(cells)
    assert max(Counter(run.key for run in runs).values()) == 1
    assert Counter(run.tags["role"] for run in runs)["downstream"] == 20


def test_every_metric_is_finite_and_legal(plausible_run: list[Result]) -> None:
    for run in [*runs_of(plausible_run), summary_run("T", plausible_run)]:
        for name, value, step in run.metrics:
            assert math.isfinite(value), (run.name, name)
            assert LEGAL.fullmatch(name), name
            assert step >= 0
        for name in (*run.tags, *run.params):
            assert LEGAL.fullmatch(name), name


def test_what_is_infinite_or_undefined_is_left_out(make: MakeResult) -> None:
    results = [
        make(seed=0, mi=math.inf, stderr=math.nan, diagnostics={"worst": -math.inf, "note": "text", "few": True}),
        make(seed=1, mi=2.0, curve={"step": [0, 10], "train": [math.nan, 1.0], "validation": [0.5, None]}),
        make(seed=2, mi=None, message="it broke"),
    ]
    (run,) = runs_of(results)
    metrics = {(name, step): value for name, value, step in run.metrics}
    assert metrics["mi", 1] == metrics["mean/mi", 0] == 2.0
    assert ("mi", 0) not in metrics and ("mi", 2) not in metrics
    assert [metrics["ok", seed] for seed in range(3)] == [0.0, 1.0, 0.0]  # an infinite answer is none
    assert metrics["mean/diagnostics/few", 0] == 1.0
    assert not {name for name, _ in metrics} & {"mean/diagnostics/worst", "mean/diagnostics/note", "stderr"}
    assert {key: v for key, v in metrics.items() if "curve" in key[0]} == {
        ("curve/train", 10): 1.0,
        ("curve/validation", 0): 0.5,
    }
    assert run.tags["status"] == "error 1, nonfinite 1, ok 1"
    assert "seed 2: **error** it broke" in run.tags["mlflow.note.content"]


def test_seeds_are_steps_and_their_mean_and_spread_stand_beside_them(make: MakeResult) -> None:
    values = {3: 1.5, 0: 0.5, 7: 2.5}
    (run,) = runs_of([make(seed=seed, mi=mi, truth=1.0) for seed, mi in values.items()])
    assert {step: value for name, value, step in run.metrics if name == "mi"} == values
    of = {name: value for name, value, _ in run.metrics}
    assert of["mean/mi"] == pytest.approx(1.5)
    assert of["sd/mi"] == pytest.approx(statistics.stdev(values.values()))
    assert of["mean/abs_error"] == pytest.approx((0.5 + 0.5 + 1.5) / 3)
    assert not run.failed


def test_the_mean_curve_is_over_those_still_training(make: MakeResult) -> None:
    curves = [{"step": [0, 100], "train": [1.0, 2.0]}, {"step": [0, 100, 200], "train": [3.0, 4.0, 9.0]}]
    (run,) = runs_of([make(seed=seed, curve=curve) for seed, curve in enumerate(curves)])
    assert [(step, value) for name, value, step in run.metrics if name == "curve/train"] == [(0, 2), (100, 3), (200, 9)]


def test_the_identity_follows_the_content(plausible_run: list[Result]) -> None:
    stored = [Result.from_json(json.loads(json.dumps(r.to_json()))) for r in plausible_run]
    before, after = ({run.key: run.content for run in runs_of(results)} for results in (plausible_run, stored))
    assert before == after
    other = [dataclasses.replace(r, provenance={"mibench": "9"}, curve={}) for r in plausible_run]
    assert {run.key: run.content for run in runs_of(other)} == before
    first = plausible_run[0]
    changed = [dataclasses.replace(first, mi=(first.mi or 0.0) + 1e-9), *plausible_run[1:]]
    after = {run.key: run.content for run in runs_of(changed)}
    assert sum(before[key] != after[key] for key in before) == 1
    assert before.keys() == after.keys()


def test_the_last_result_of_a_cell_counts(make: MakeResult) -> None:
    (run,) = runs_of([make(mi=None), make(mi=1.25)])
    assert ("mi", 1.25, 0) in run.metrics
    assert not run.failed


def test_a_downstream_run_has_its_curves_images_and_parameters(make: MakeResult) -> None:
    nested = {"base": {"name": "inner", "version": "1", "params": {"rate": 0.5}}, "beta": 1.0}
    result = make(
        "mine[k=1]",
        "gan[beta=1.0]",
        0,
        4,
        None,
        status=Status.OK,
        truth=None,
        group="gan",
        arm="mine",
        task_params=nested,
        metrics={"high quality": 38.0},
        curve={"loss/g": [(0, 2.0), (10, None), (20, 1.0)]},
        images={"samples": "images/a.png"},
    )
    (run,) = runs_of([result], Path("/somewhere"))
    assert run.params["task.base"] == "inner"
    assert run.params["task.base.rate"] == "0.5"
    assert run.params["seed"] == run.tags["seed"] == "4"
    assert (run.tags["group"], run.tags["arm"]) == ("gan", "mine")
    assert ("high quality", 38.0, 0) in run.metrics
    assert [m for m in run.metrics if m[0] == "curve/loss/g"] == [("curve/loss/g", 2.0, 0), ("curve/loss/g", 1.0, 20)]
    assert list(run.files) == [(Path("/somewhere/images/a.png"), "images")]


def test_images_outside_of_the_folder_are_refused_and_counted(make: MakeResult, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "link.png").symlink_to(tmp_path / "private.png")
    names = ("images/a.png", "../private.png", str(tmp_path / "private.png"), "images/../../private.png", "link.png")
    images = {str(number): name for number, name in enumerate(names)}
    (run,) = runs_of([make(n=0, mi=None, status=Status.OK, group="gan", images=images)], tmp_path / "run")
    assert list(run.files) == [(tmp_path / "run" / "images" / "a.png", "images")]
    assert run.refused == len(names) - 1


def test_the_summary_holds_the_leaderboard(
    plausible_run: list[Result], plausible_board: Leaderboard, tmp_path: Path
) -> None:
    files = {"html": tmp_path / "leaderboard.html", "figures/a.png": tmp_path / "a.png"}
    run = summary_run("quick", plausible_run, files, {"grid": "quick"})
    of = {name: value for name, value, _ in run.metrics}
    for row in plausible_board.ranking:
        assert of[f"score/{legal(row.estimator)}"] == row.score
    assert of["cells/timeout"] == 9
    assert of["score/oracle"] == 1.0
    assert len(run.tables["ranking"]["estimator"]) == len(plausible_board.ranking)
    assert {folder for _, folder in run.files} == {"", "figures"}
    json.dumps(run.tables, allow_nan=False)


def test_legal_names_stay_readable_and_apart() -> None:
    assert legal("ksg[k=5]") == "ksg k:5"
    assert legal("a/b[c=(1 2)]") == "a_b c: 1 2"
    assert legal("") == legal("...") == "_"
    long = [legal("x" * 300 + tail) for tail in ("a", "b")]
    assert len(set(long)) == 2
    assert all(len(name) <= 200 for name in long)
    for text in ("ksg[k=5]", "τ[ü=1]", "a\nb", "a;b|c", "p=.5 "):
        assert LEGAL.fullmatch(legal(text)), legal(text)


def test_saved_views_are_json_in_json() -> None:
    for value in saved_views({"place": ["score", "curve/gauss"], "arm": ["quality"]}).values():
        state = json.loads(json.loads(value)["state"])
        assert state["searchFilter"].startswith("tags.role = ")
        sections = {section["uuid"] for section in state.get("compareRunSections", ())}
        charts = state.get("compareRunCharts", ())
        assert {chart["metricSectionId"] for chart in charts} == sections
        assert len({chart["uuid"] for chart in charts}) == len(charts)


def test_trainings_are_averaged_over_seeds_and_never_over_tasks() -> None:
    state = json.loads(json.loads(saved_views()["mlflow.sharedViewState.trainings"])["state"])
    assert [key["groupByData"] for key in state["groupBy"]["groupByKeys"]] == ["arm", "group"]


def test_the_dashboard_has_the_colours_of_the_report(plausible_run: list[Result], plausible_board: Leaderboard) -> None:
    palette, told = palette_of(Board.from_results(plausible_run)), {}
    for run in standing_runs("T", plausible_run):
        assert run.tags["mlflow.runColor"] == palette[run.tags["estimator"]].colour
        told[run.tags["estimator"]] = run.tags["mlflow.runColor"]
    loud = [colour for colour in told.values() if colour != MUTED][: len(HUES)]
    assert len(set(loud)) == len(loud) > 1
    of = defaultdict(set)
    for run in runs_of(plausible_run):
        of[run.tags["estimator"]].add(run.tags["mlflow.runColor"])
    assert all(len(colours) == 1 for colours in of.values())


def test_a_place_says_what_its_metrics_mean(plausible_run: list[Result]) -> None:
    for run in standing_runs("T", plausible_run):
        if run.tags["role"] == "place":
            numbers = {name for name, _, _ in run.metrics if not name.startswith("curve/")}
            explained = {line.split("|")[1].strip() for line in run.tags["mlflow.note.content"].splitlines()[2:]}
            assert numbers <= explained


def test_what_is_there_decides_where_the_dashboard_opens() -> None:
    assert landing(["summary", "estimate", "place"]) == "leaderboard"
    assert landing(["summary", "downstream", "arm"]) == "downstream"
    assert landing(["estimate"]) == "estimates"
    assert f"mlflow.sharedViewState.{landing([])}" in saved_views()


def test_a_run_per_place_and_per_arm_shows_the_tables(
    plausible_run: list[Result], plausible_board: Leaderboard
) -> None:
    every = standing_runs("T", plausible_run)
    runs = {run.name: run for run in every if run.tags["role"] == "place"}
    trained = {run.name: run for run in every if run.tags["role"] == "arm"}
    assert {name for name, run in runs.items() if run.tags["role"] == "place"} == {
        row.estimator for row in plausible_board.ranking
    }
    for row in plausible_board.ranking:
        shown = {name: value for name, value, _ in runs[row.estimator].metrics}
        assert shown["score"] == pytest.approx(row.score, rel=1e-3) and shown.get("rank") == row.rank
    arms = {(row.arm, row.metric): row.mean for row in plausible_board.downstream}
    assert len({arm for arm, _ in arms}) == len(trained) == len(every) - len(runs)
    for (arm, metric), mean in arms.items():
        assert {n: v for n, v, _ in trained[arm].metrics}[metric] == pytest.approx(mean, rel=1e-3)
    assert len({run.key for run in every}) == len(every)


def test_the_curves_beside_a_place_are_those_of_each_task_at_its_largest_sample(make: MakeResult) -> None:
    def trained(task: str, n: int, seed: int, height: float) -> Result:
        steps = list(range(0, 1000, 5))
        return make("nwj", task, n, seed, 1.0, curve={"step": steps, "validation": [height] * len(steps)})

    results = [
        trained("a", 100, 0, 9.0),
        trained("a", 200, 0, 1.0),
        trained("a", 200, 1, 3.0),
        trained("b", 100, 0, 5.0),
    ]
    (run,) = standing_runs("T", results)
    curves = {name: [(v, s) for m, v, s in run.metrics if m == name] for name in ("curve/a", "curve/b")}
    assert {value for value, _ in curves["curve/a"]} == {2.0} and {value for value, _ in curves["curve/b"]} == {5.0}
    assert [step for _, step in curves["curve/a"]] == list(range(0, 1000, 25))
