"""What a comparison promises: what is paired, what a regression is, and that nothing else fails the gate."""

from __future__ import annotations

import dataclasses
import json
import math
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mibench.cli import main
from mibench.engine.store import Store
from mibench.estimator import Kind
from mibench.leaderboard import scoring
from mibench.leaderboard.changes import Comparison, EstimatorChange
from mibench.leaderboard.compare import TOLERANCE, compare
from mibench.report import comparison as report
from mibench.report.leaderboard import Leaderboard
from mibench.result import Result, Status

Make = Callable[..., Result]
Folders = Callable[..., list[str]]
Command = Callable[..., tuple[int, str, str]]


def row(found: Comparison, estimator: str = "ksg") -> EstimatorChange:
    return next(r for r in found.changes if r.estimator == estimator)


def changed(results: Iterable[Result], when: Callable[[Result], bool], **fields: object) -> list[Result]:
    """Results in which some have other fields; a callable is asked for the value."""

    def of(r: Result) -> dict[str, Any]:
        return {k: v(r) if callable(v) else v for k, v in fields.items()} if when(r) else {}

    return [dataclasses.replace(r, **of(r)) for r in results]


def of(estimator: str) -> Callable[[Result], bool]:
    return lambda r: r.cell.estimator == estimator


def rescaled(results: Iterable[Result], estimator: str, factor: float) -> list[Result]:
    """Results with every error of one estimator multiplied."""
    return changed(results, lambda r: of(estimator)(r) and r.mi is not None, mi=lambda r: r.truth + factor * r.error)


def known(number: float | None) -> float:
    assert number is not None
    return number


def with_id(result: Result, cell_id: str) -> Result:
    return dataclasses.replace(result, cell=dataclasses.replace(result.cell, id=cell_id))


def entrant(make: Make, name: str = "ksg", error: float = 0.1, **fields: object) -> list[Result]:
    """An estimator on four families of two tasks with three seeds, its errors within (0.01, 10) and of either sign."""
    rng = np.random.default_rng(3)
    return [
        make(name, f"{family}-{i}", seed=seed, mi=1 + error * (-1) ** i * math.exp(rng.normal(0, 0.2)), family=family)
        for family in ("gaussian", "staircase", "images", "student")
        for i in range(2)
        for seed in range(3)
    ]


def disturbed(results: Iterable[Result], seed: int = 0) -> list[Result]:
    """Another answer for some cells, failures and recoveries, missing cells, other times."""
    rng = random.Random(seed)
    kept = [r for r in results if rng.random() > 0.1]
    moved = changed(kept, lambda r: r.mi is not None and rng.random() < 0.3, mi=lambda r: r.mi + rng.gauss(0, 0.2))
    broken = changed(moved, lambda r: rng.random() < 0.02, mi=None, status=Status.CRASH, metrics={})
    return changed(broken, lambda r: True, cpu_s=lambda r: r.cpu_s * math.exp(rng.gauss(0, 1)))


# --- pairing and scores ------------------------------------------------------------------------------------------


def test_results_compared_with_themselves_are_unchanged(plausible_run: list[Result]) -> None:
    found = compare(plausible_run, plausible_run, tolerance=0.0, max_slowdown=1.0)
    assert {r.verdict for r in found.changes} == {r.verdict for r in found.metrics} == {"unchanged"}
    assert not found.worse and not found.points and not found.failures and not found.left_out and found.like_with_like
    assert found.cells == len(plausible_run)
    assert {r.difference for r in found.changes} == {0.0, None}


def test_scores_are_those_of_the_leaderboard_on_the_cells_that_both_have(plausible_run: list[Result]) -> None:
    base, new = disturbed(plausible_run, 1), disturbed(plausible_run, 2)
    found = compare(base, new)
    keys = [{(r.cell.estimator, r.cell.task, r.cell.n, r.cell.seed) for r in side} for side in (base, new)]
    common = keys[0] & keys[1]
    assert found.cells == len(common) < len(plausible_run)
    boards = [
        Leaderboard.from_results(r for r in side if (r.cell.estimator, r.cell.task, r.cell.n, r.cell.seed) in common)
        for side in (base, new)
    ]
    scores = [{r.estimator: r.score for r in board.ranking} for board in boards]
    families = [{(r.estimator, r.family): r.score for r in board.families} for board in boards]
    assert {r.estimator for r in found.changes if r.base_score is not None} == scores[0].keys() == scores[1].keys()
    for name in scores[0]:
        got = row(found, name)
        assert (got.base_score, got.new_score) == pytest.approx((scores[0][name], scores[1][name]), abs=1e-12)
        differences = [families[1][key] - families[0][key] for key in families[0] if key[0] == name]
        assert got.difference == pytest.approx(np.mean(differences), abs=1e-12)
        assert (got.low, got.high) == pytest.approx(scoring.mean_interval(differences), abs=1e-12)


def test_exchanging_base_and_new_changes_the_signs(plausible_run: list[Result]) -> None:
    base, new = disturbed(plausible_run, 1), disturbed(plausible_run, 2)
    there, back = compare(base, new), compare(new, base)
    assert len(there.changes) == len(back.changes) > 5
    for one in there.changes:
        other = row(back, one.estimator)
        assert (one.broken, one.mended, one.cells) == (other.mended, other.broken, other.cells)
        assert one.cpu_ratio == pytest.approx(1 / known(other.cpu_ratio))
        if one.difference is not None:
            assert (one.base_score, one.base_error) == (other.new_score, other.new_error)
            assert one.difference == -known(other.difference)
            assert (one.low, one.high) == pytest.approx((-known(other.high), -known(other.low)))
    signs = [{(m.estimator, m.task, m.metric): m.difference for m in side.metrics} for side in (there, back)]
    assert signs[0] == {key: -value for key, value in signs[1].items()}


def test_the_order_of_the_results_does_not_matter(plausible_run: list[Result]) -> None:
    base, new = plausible_run.copy(), disturbed(plausible_run)
    before = json.dumps(compare(base, new).to_json())
    random.Random(1).shuffle(base)
    random.Random(2).shuffle(new)
    assert json.dumps(compare(base, new).to_json()) == before


def test_what_only_one_side_has_is_counted_and_named(make: Make) -> None:
    both = entrant(make)
    base, new = [*both, *entrant(make, "cca"), make("ksg", "old")], [*both, make("ksg", "fresh", seed=7)]
    found = compare(base, new)
    assert found.cells == len(both) and [r.estimator for r in found.changes] == ["ksg"]
    assert [(left.reason, left.cells) for left in found.left_out] == [("only in BASE", 25), ("only in NEW", 1)]
    assert found.left_out[0].estimators == ("cca", "ksg") and found.left_out[1].tasks == ("fresh",)


def test_what_was_not_installed_is_not_compared(make: Make) -> None:
    missing = make("ksg", "mnist", mi=None, status=Status.NOT_INSTALLED, message="get it")
    found = compare([*entrant(make), make("ksg", "mnist")], [*entrant(make), missing])
    assert not found.worse
    assert [(left.reason, left.cells) for left in found.left_out] == [("something is not installed where NEW ran", 1)]


def test_a_task_whose_truth_moved_is_another_task(make: Make) -> None:
    moved = make("ksg", "gauss", truth=1.1)
    assert compare([make()], [moved]).left_out[0].reason == "the truth of the task is not the same in both"
    within = make("ksg", "gauss", truth=1.1, truth_error=0.2)  # a quadrature, no better than that
    assert compare([make()], [within]).cells == 1


def test_a_version_is_what_is_compared_and_is_told(make: Make) -> None:
    base = [make(name, task) for name in ("ksg", "cca") for task in ("a", "b")]
    new = [with_id(r, "other") if of("ksg")(r) else r for r in base]
    found = compare(base, new)
    assert found.cells == 4 and not found.left_out
    assert (row(found).settings, row(found, "cca").settings) == (("another version",), ())
    alone = compare(base[:2], new[:2])  # nothing tells whether it is the estimator or the task
    assert row(alone).settings == ("another version of it or of its tasks",)


def test_versions_that_were_recorded_are_told(make: Make) -> None:
    old, new = make(estimator_version="1"), with_id(make(estimator_version="2"), "other")
    assert row(compare([old], [new])).settings == ("version 1 → 2",)
    assert row(compare([old], [old])).settings == ()


def test_a_default_that_changed_under_the_same_name_is_told(make: Make) -> None:
    old, new = (make(estimator_params={"k": k, "metric": "max"}) for k in (3, 5))
    assert row(compare([old], [with_id(new, "other")])).settings == ("k 3 → 5",)


# --- the gate ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fall", [0.01, 0.05, 0.1])
def test_a_planted_regression_is_found_exactly_beyond_the_tolerance(make: Make, fall: float) -> None:
    base = [*entrant(make), *entrant(make, "cca")]
    new = rescaled(base, "ksg", 10 ** (3 * fall))  # a factor of ten costs a third of the score
    for tolerance, verdict in ((fall - 1e-6, "worse"), (fall + 1e-6, "changed")):
        found = compare(base, new, tolerance)
        assert row(found).difference == pytest.approx(-fall)
        assert row(found).new_error == pytest.approx(known(row(found).base_error) * 10 ** (3 * fall))
        assert (row(found).low, row(found).high) == (None, None)  # two families that fell alike
        assert (row(found).verdict, row(found, "cca").verdict) == (verdict, "unchanged")
        assert [r.estimator for r in found.worse] == (["ksg"] if verdict == "worse" else [])


def test_the_default_tolerance_is_errors_that_grow_by_15_percent(make: Make) -> None:
    base = entrant(make)
    assert not compare(base, rescaled(base, "ksg", 1.14)).worse
    assert compare(base, rescaled(base, "ksg", 1.16)).worse
    one_of_fifty = [make(task=f"t{i}", mi=1.0) for i in range(50)]
    broken = changed(one_of_fifty, lambda r: r.cell.task == "t7", mi=20.0)
    assert row(compare(one_of_fifty, broken)).difference == pytest.approx(-TOLERANCE)


def test_an_interval_lies_where_differences_of_scores_do_and_says_over_what_it_is(make: Make) -> None:
    """All cells but a few fail now: the t interval would go below -1."""
    cells = [(f"{f}-{t}", f) for f in ("gaussian", "student") for t in range(3)]
    base = [make("ksg", task, family=f, mi=1.0) for task, f in cells]
    new = [
        make("ksg", task, family=f, mi=None if i else 1.5, status=Status.ERROR if i else Status.OK)
        for i, (task, f) in enumerate(cells)
    ]
    found = compare(base, new)
    got = row(found, "ksg")
    assert (got.over, got.low) == ("tasks", -1.0) and got.difference is not None
    assert got.high == pytest.approx(min(1.0, 2 * got.difference - unclipped(base, new)), abs=1e-12)
    assert "The 95 % interval is over the tasks of each family." in report.markdown(found, "a change", "nats")


def unclipped(base: list[Result], new: list[Result]) -> float:
    """The lower end of the interval over two families of three tasks, with equal weights."""
    d = scoring.score([r.error for r in new]) - scoring.score([r.error for r in base])
    strata = scoring.Strata.of([("gaussian",)] * 3 + [("student",)] * 3)
    low, _ = scoring.mean_interval(d, strata) or (0.0, 0.0)
    assert low < -1
    return low


def test_an_improvement_is_no_regression(make: Make) -> None:
    base = entrant(make)
    found = compare(base, rescaled(base, "ksg", 0.5))
    assert not found.worse and not found.points
    assert row(found).verdict == "better" and known(row(found).difference) > 0.05


def test_rounding_is_no_change_and_more_is(make: Make) -> None:
    base = entrant(make)
    assert row(compare(base, changed(base, of("ksg"), mi=lambda r: r.mi * (1 + 1e-7)), 0.0)).verdict == "unchanged"
    assert row(compare(base, changed(base, of("ksg"), mi=lambda r: r.mi + 1e-4))).verdict == "changed"


@pytest.mark.parametrize("status", [Status.TIMEOUT, Status.CRASH, Status.NONFINITE, Status.UNSUPPORTED])
def test_a_cell_that_fails_now_fails_the_gate_whatever_the_score(make: Make, status: Status) -> None:
    base = entrant(make)
    broken = rescaled(base, "ksg", 0.1)
    broken[4] = dataclasses.replace(broken[4], mi=None, status=status, message="no more", truth=None)
    found = compare(base, broken)
    assert known(row(found).difference) > 0.1 and row(found).verdict == "worse" and row(found).broken == 1
    (failure,) = found.failures
    assert (failure.task, failure.seeds) == (base[4].cell.task, (base[4].cell.seed,))
    assert (failure.status, failure.message) == (status, "no more")
    back = compare(broken, base, tolerance=1.0)
    assert row(back).verdict == "better" and row(back).mended == 1 and not back.failures
    assert row(compare(broken, broken)).verdict == "unchanged"


def test_a_failed_cell_counts_in_the_score_and_not_in_the_mean_error(make: Make) -> None:
    base = [make(task=f"t{i}", mi=1.1) for i in range(4)]
    found = row(compare(base, changed(base, lambda r: r.cell.task == "t0", mi=None, status=Status.OOM)))
    assert found.new_score == pytest.approx(0.75 * known(found.base_score))
    assert found.base_error == pytest.approx(0.1) == found.new_error


def test_the_references_check_the_harness(make: Make) -> None:
    references = entrant(make, "oracle", 0.0) + [dataclasses.replace(r, mi=0.0) for r in entrant(make, "zero")]
    assert not compare(references, references).worse
    off = changed(references, lambda r: r.cell.seed == 0, mi=lambda r: r.mi + 0.011)
    for found in (compare(references, off), compare(off, off)):  # an error that BASE has too is one
        assert [(r.estimator, "harness" in r.reasons[0]) for r in found.worse] == [("oracle", True), ("zero", True)]


def test_what_is_not_ranked_cannot_be_better_or_worse_but_can_fail(make: Make) -> None:
    base = changed(entrant(make, "club"), of("club"), quantity=Kind.UPPER_BOUND)
    moved = compare(base, rescaled(base, "club", 10.0))
    assert row(moved, "club").verdict == "changed" and row(moved, "club").base_score is None and not moved.points
    failed = compare(base, changed(base, lambda r: r.cell.seed == 0, mi=None, status=Status.ERROR))
    assert [r.estimator for r in failed.worse] == ["club"]


def test_time_fails_the_gate_only_where_a_limit_is_given(make: Make) -> None:
    base = entrant(make)
    slow = changed(base, of("ksg"), cpu_s=lambda r: 3 * r.cpu_s)
    assert row(compare(base, slow)).cpu_ratio == pytest.approx(3.0) and row(compare(base, slow)).verdict == "unchanged"
    assert not compare(base, slow, max_slowdown=3.1).worse
    assert compare(base, slow, max_slowdown=2.9).worse
    quick, still_quick = (changed(base, of("ksg"), cpu_s=seconds) for seconds in (1e-6, 9e-4))
    assert not compare(quick, still_quick, max_slowdown=1.0).worse


def test_times_of_other_machines_or_batches_are_said_to_be_so(make: Make) -> None:
    base = entrant(make)
    assert compare(base, base).like_with_like
    assert not compare(base, changed(base, of("ksg"), batch_size=8)).like_with_like
    other = {**base[0].provenance, "machine": {"cpu": "Intel Xeon", "cores": 2}, "command": "mibench run other"}
    found = compare(base, changed(base, of("ksg"), provenance=other))
    assert found.environment == {"machine.cpu": ("AMD EPYC", "Intel Xeon")} and not found.like_with_like


def test_where_the_error_grew_most_comes_first(make: Make) -> None:
    growth = {"a": (0.3, -0.1, 0.1), "b": (0.0, 0.5, 0.4), "c": (-0.05, 0.0, 0.0), "d": (0.0, 0.0, 0.0)}
    base = [make(task=task, seed=seed, mi=1 - 0.2) for task in growth for seed in range(3)]
    new = changed(base, lambda r: True, mi=lambda r: r.mi - growth[r.cell.task][r.cell.seed])
    new[2] = dataclasses.replace(new[2], mi=None, status=Status.ERROR)  # a, seed 2: no error to average
    points = compare(base, new).points
    assert [(p.task, p.seeds) for p in points] == [("b", 3), ("a", 2)]
    assert [p.growth for p in points] == pytest.approx([0.3, 0.1])
    assert [p.new_error for p in points] == pytest.approx([0.5, 0.3])


def test_a_tolerance_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="tolerance"):
        compare([], [], tolerance=-0.1)


# --- metrics -----------------------------------------------------------------------------------------------------


def runs(make: Make, better: str, values: Iterable[float], arm: str = "mine") -> list[Result]:
    group = {"group": "gan", "arm": arm, "truth": None, "status": Status.OK, "family": "downstream"}
    info = ({"name": "quality", "better": better, "unit": "%"},) if better else ()
    return [
        make(arm, "gan", 0, seed, None, metrics={"quality": value}, metric_info=info, **group)
        for seed, value in enumerate(values)
    ]


BASE_VALUES = (50.0, 52.0, 49.0, 51.0, 53.0)


@pytest.mark.parametrize("better", ["higher", "lower"])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_direction_of_a_metric_is_the_declared_one(make: Make, better: str, sign: int) -> None:
    new = [value + sign * shift for value, shift in zip(BASE_VALUES, (10, 11, 9, 10, 12), strict=True)]
    found = compare(runs(make, better, BASE_VALUES), runs(make, better, new))
    (metric,) = found.metrics
    assert metric.difference == pytest.approx(sign * 10.4)
    assert metric.verdict == ("better" if (sign > 0) == (better == "higher") else "worse")
    assert bool(found.worse) == (metric.verdict == "worse")


def test_a_metric_without_a_direction_is_counted_and_not_compared(make: Make) -> None:
    found = compare(runs(make, "", BASE_VALUES), runs(make, "", (0.0,) * 5))
    assert not found.metrics and not found.worse and row(found, "mine").verdict == "changed"
    (left,) = found.left_out
    assert left.cells == 5 and "direction" in left.reason and "quality" in left.reason


def test_seed_noise_and_a_single_seed_fail_no_gate(make: Make) -> None:
    noisy = [value - shift for value, shift in zip(BASE_VALUES, (8, -6, 9, -7, 5), strict=True)]
    found = compare(runs(make, "higher", BASE_VALUES), runs(make, "higher", noisy))
    assert found.metrics[0].verdict == "changed" and known(found.metrics[0].p_value) > 0.05 and not found.worse
    alone = compare(runs(make, "higher", [50.0]), runs(make, "higher", [10.0]))
    assert (alone.metrics[0].verdict, alone.metrics[0].p_value, alone.metrics[0].low) == ("changed", None, None)


def test_a_few_seeds_that_fell_alike_fail_no_gate_and_six_do(make: Make) -> None:
    for values, verdict in ((BASE_VALUES, "changed"), ((*BASE_VALUES, 48.0), "worse")):
        (metric,) = compare(runs(make, "higher", values), runs(make, "higher", [v - 10 for v in values])).metrics
        assert (metric.verdict, metric.p_value) == (verdict, 2.0 ** (1 - len(values)))
        assert (metric.low, metric.high) == ((None, None) if verdict == "changed" else (-10, -10))


def test_a_change_within_the_tolerance_is_none_however_certain(make: Make) -> None:
    slight = [value - shift for value, shift in zip(BASE_VALUES, (0.5, 0.4, 0.5, 0.6, 0.5), strict=True)]
    assert compare(runs(make, "higher", BASE_VALUES), runs(make, "higher", slight)).metrics[0].verdict == "changed"
    assert compare(runs(make, "higher", BASE_VALUES), runs(make, "higher", slight), tolerance=0.005).worse


def test_p_values_are_adjusted_for_the_metrics_that_moved(make: Make) -> None:
    differences = [np.array([4.0, 2.0, 5.0, 1.0, 3.0]) - shift for shift in (0.0, 0.5, 2.9)]
    moves = {f"arm-{i}": move for i, move in enumerate([*differences, np.zeros(5)])}  # the last does not move
    base = [r for arm in moves for r in runs(make, "higher", BASE_VALUES, arm)]
    new = [r for arm, move in moves.items() for r in runs(make, "higher", np.add(BASE_VALUES, move), arm)]
    found = compare(base, new)
    assert [m.p_value for m in found.metrics[:3]] == pytest.approx(
        scoring.holm([scoring.paired_p(d) for d in differences])
    )
    assert (found.metrics[3].verdict, found.metrics[3].p_value) == ("unchanged", None)


def test_only_common_seeds_enter_a_metric_and_a_lost_run_fails_the_gate(make: Make) -> None:
    base, new = runs(make, "higher", BASE_VALUES), runs(make, "higher", BASE_VALUES)
    new[0] = dataclasses.replace(new[0], status=Status.NONFINITE, metrics={}, message="NaN from step 900.")
    found = compare(base, new)
    assert found.metrics[0].seeds == 4 and found.metrics[0].verdict == "unchanged"
    assert [(r.estimator, r.broken) for r in found.worse] == [("mine", 1)]
    assert found.metrics[0].base == pytest.approx(np.mean(BASE_VALUES[1:]))


def test_a_consistency_task_is_judged_by_its_distance_to_the_expected_ratio(make: Make) -> None:
    def ratios(values: Iterable[float]) -> list[Result]:
        fields = {"group": "self-consistency", "truth": None, "status": Status.OK}
        return [
            make("ksg", "rows", 500, s, None, metrics={"score": v, "expected": 2.0}, **fields)
            for s, v in enumerate(values)
        ]

    near, far, over = [1.9, 1.91, 1.92], [1.5, 1.52, 1.49], [2.1, 2.09, 2.08]
    assert compare(ratios(near), ratios(far)).worse
    assert compare(ratios(far), ratios(over)).metrics[0].verdict == "better"
    mirrored = compare(ratios(near), ratios(over))  # as far from 2 on the other side
    assert mirrored.metrics[0].verdict == "unchanged" and row(mirrored).verdict == "changed"


# --- the command -------------------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """Folders with these results: their paths."""

    def written(*sides: Iterable[Result]) -> list[str]:
        for number, results in enumerate(sides):
            with Store(tmp_path / str(number)) as store:
                for result in results:
                    store.append(result)
        return [str(tmp_path / str(number)) for number in range(len(sides))]

    return written


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """``mibench compare …``: exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["compare", *arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err and "\x1b" not in out + err
        return int(stop.value.code or 0), out, err

    return run


def test_help_gives_examples_and_the_true_default(command: Command) -> None:
    code, out, _ = command("-h")
    assert code == 0 and "Examples:" in out
    assert f"[default: {TOLERANCE}, errors {10 ** (3 * TOLERANCE) - 1:.0%}".replace("%", " %") in " ".join(out.split())


def test_no_regression_exits_with_0_and_fits_a_terminal(command: Command, folders: Folders, make: Make) -> None:
    names = ("ksg", "cca", "a-rather-long-name[of=an,estimator=with,several=parameters]")
    code, out, err = command(*folders(*[[r for name in names for r in entrant(make, name)]] * 2))
    assert (code, err) == (0, "")
    assert out.count("unchanged") == len(names) and f"No regression: {len(names)} estimators on 72 cells" in out
    assert max(map(len, out.splitlines())) <= 120


def test_a_regression_exits_with_1_and_says_where_to_look(command: Command, folders: Folders, make: Make) -> None:
    base = [*entrant(make), *entrant(make, "cca")]
    new = rescaled(base, "ksg", 2.0)
    new[30] = dataclasses.replace(new[30], mi=None, status=Status.TIMEOUT, message="stopped at the time limit | 60 s.")
    paths = folders(base, new[:-1])
    code, out, err = command(*paths)
    assert (code, err) == (1, "")
    assert "Regression: 2 of 2 estimators are worse on 47 cells" in out
    assert "ksg: its score fell by 0.100, more than 0.02" in out
    assert "cca: its score fell by 0.030, more than 0.02; 1 cell that had an answer failed" in out
    assert "1 cell not compared, only in BASE: cca" in out and "stopped at the time limit" in out
    assert command(*paths, "--tolerance", "1")[0] == 1  # the failure
    code, out, _ = command(*paths, "--json")
    board = json.loads(out)
    assert code == 1 and board["regression"] and board["changes"][0]["difference"] == pytest.approx(-math.log10(2) / 3)
    assert board["columns"]["points"]["growth"]["unit"] == "nats" and (board["base"], board["new"]) == tuple(paths)
    code, out, _ = command(*paths, "--markdown")
    tables = [block for block in out.split("\n\n") if block.startswith("|")]
    assert code == 1 and len(tables) == 3 and "limit \\| 60 s" in out
    for table in tables:
        assert len({line.replace("\\|", "").count("|") for line in table.splitlines()}) == 1


def test_slowness_is_a_regression_on_demand(command: Command, folders: Folders, make: Make) -> None:
    paths = folders(entrant(make), changed(entrant(make), of("ksg"), cpu_s=0.5))
    assert command(*paths)[0] == 0
    code, out, _ = command(*paths, "--max-slowdown", "2")
    assert code == 1 and "ksg: it takes 5 times the CPU time, more than 2" in out


def test_nothing_in_common_exits_with_3(command: Command, folders: Folders, make: Make) -> None:
    code, out, err = command(*folders([make("ksg")], [make("cca")]))
    assert code == 3 and "no cell in common" in err and "No regression" not in out
    failed = [make(mi=None)]
    code, out, err = command(*folders(failed, failed))
    assert code == 3 and "no answer" in err and "No regression" not in out


def test_bad_usage_exits_with_2_and_one_sentence(
    command: Command, folders: Folders, make: Make, tmp_path: Path
) -> None:
    there, empty = folders([make()], [])
    for arguments in ((there, str(tmp_path / "nowhere")), (empty, there), (there, there, "--json", "--markdown")):
        code, out, err = command(*arguments)
        assert (code, out) == (2, "") and err.count("\n") == 1
    assert command(there, there, "--tolerance", "-1")[0] == 2
    assert command(there)[0] == 2


def test_bits_are_for_people_and_scores_have_no_unit(make: Make) -> None:
    found = compare(entrant(make), rescaled(entrant(make), "ksg", 2.0))
    nats, bits = (report.build(found, unit) for unit in ("nats", "bits"))
    in_nats, in_bits = (tables[1].rows[0][5].value for tables in (nats, bits))
    assert isinstance(in_nats, float) and in_bits == pytest.approx(in_nats / math.log(2))
    assert nats[0].rows[0][2:5] == bits[0].rows[0][2:5]


def test_a_comparison_is_read_at_the_prompt(make: Make) -> None:
    base = [r for i in range(12) for r in entrant(make, f"e{i:02d}")]
    text = repr(compare(base, rescaled(base, "e03", 2.0)))
    assert len(text.splitlines()) == 12 and text.startswith("Regression: 1 of 12 estimators is worse on 288 cells")
    assert text.splitlines()[1].startswith("  e03: worse, score 0.") and text.endswith("and 2 more estimators")


def test_what_vanished_is_a_regression_where_completeness_is_asked_for(
    command: Command, folders: Folders, make: Make
) -> None:
    base = [*entrant(make), *entrant(make, "cca")]
    gone = folders(base, entrant(make))
    code, out, _ = command(*gone)
    assert code == 0 and f"{len(entrant(make))} answers of BASE are missing in NEW, of cca." in " ".join(out.split())
    code, out, _ = command(*gone, "--complete")
    assert code == 1 and f"Regression: {len(entrant(make))} answers of BASE are missing in NEW, of cca." in out
    code, out, _ = command(*gone, "--complete", "--json")
    assert code == 1 and json.loads(out)["regression"] and json.loads(out)["lost"]["estimators"] == ["cca"]
    code, out, _ = command(*folders(entrant(make, "cca"), entrant(make)), "--complete")
    assert code == 1 and "are missing in NEW, of cca." in " ".join(out.split())


def test_a_package_that_is_gone_is_lost_and_what_never_answered_is_not(make: Make) -> None:
    base = [*entrant(make), *entrant(make, "cca")]
    without = changed(base, of("cca"), mi=None, status=Status.NOT_INSTALLED)
    lost = compare(base, without).lost
    assert lost and (lost.estimators, lost.cells) == (("cca",), len(entrant(make, "cca")))
    assert compare(without, entrant(make), complete=True).regression is False
    assert compare(entrant(make), base, complete=True).regression is False  # what is new is no loss
    assert compare(base, without, complete=True).regression and not compare(base, without).regression
