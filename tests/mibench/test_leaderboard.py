"""The leaderboard's promises: what counts, what does not, and who is compared with whom."""

import json
import math
import random
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from mibench.estimator import Kind, Role
from mibench.leaderboard.board import Board
from mibench.leaderboard.panels import task_row
from mibench.leaderboard.schema import Ranking
from mibench.leaderboard.units import Over
from mibench.report.downstream_tables import verdict
from mibench.result import Result, Status

Make = Callable[..., Result]
FAMILIES = ("gaussian", "staircase", "images", "student")


def board(*results: Result) -> Board:
    return Board.from_results(results)


def row(leaderboard: Board, estimator: str) -> Ranking:
    return next(r for r in leaderboard.ranking if r.estimator == estimator)


def entrant(make: Make, name: str, error: float, rng: np.random.Generator, **fields: object) -> list[Result]:
    return [
        make(name, f"{family}-{i}", seed=seed, mi=1 + error * math.exp(rng.normal(0, 0.3)), family=family, **fields)
        for family in FAMILIES
        for i in range(3)
        for seed in range(2)
    ]


def test_oracle_scores_exactly_one(make: Make) -> None:
    # awkward numbers of cells, so that weights such as 1/7 would leave rounding behind
    cells = [
        make("oracle", f"t{i}", seed=s, mi=0.3, truth=0.3, family=f"f{i % 6}", reads_task=True)
        for i in range(11)
        for s in range(7)
    ]
    oracle = row(board(*cells), "oracle")
    assert (oracle.score, oracle.low, oracle.high) == (1.0, 1.0, 1.0)
    assert oracle.yardstick and oracle.rank is None


def test_score_averages_seeds_then_sample_sizes_then_tasks_then_families(make: Make) -> None:
    good, bad = 1.0, 101.0  # scores 1 and 0
    cells = [make(task="a", seed=s, mi=good) for s in range(2)]
    cells += [make(task="b", n=10, seed=s, mi=bad) for s in range(2)]
    cells += [make(task="b", n=20, seed=0, mi=good), make(task="b", n=20, seed=1, mi=bad)]
    cells += [make(task="c", family="images", mi=bad)]
    # family gaussian: a = 1, b = (0 + 1/2) / 2; family images: 0
    assert row(board(*cells), "ksg").score == pytest.approx(((1 + 0.25) / 2 + 0) / 2)


def test_a_failed_cell_has_infinite_error_and_no_other_influence(make: Make) -> None:
    cells = [make(task=f"t{i}", mi=1.0) for i in range(3)]
    cells += [make(task="t3", mi=None, status=Status.TIMEOUT, message="too slow", wall_s=60.0)]
    got = row(board(*cells), "ksg")
    assert (got.score, got.failures, got.success, got.bias) == (0.75, 0.25, 0.75, 0.0)
    assert got.statuses == {"ok": 3, "timeout": 1}
    worse = [make(task=f"u{i}", mi=None, status=Status.UNSUPPORTED) for i in range(4)]
    assert row(board(*cells, *worse), "ksg").median_error == math.inf


def test_a_number_left_in_a_failed_cell_is_not_used(make: Make) -> None:
    got = row(board(make(mi=1.0, status=Status.NONFINITE)), "ksg")
    assert (got.score, got.failures) == (0.0, 1.0)


def test_not_installed_is_about_the_machine(make: Make) -> None:
    here = [make("ksg", "gauss"), make("flow", "gauss")]
    missing = [make(e, "mnist", mi=None, status=Status.NOT_INSTALLED, message="get it") for e in ("ksg", "flow")]
    with_missing, without = board(*here, *missing), board(*here)
    assert with_missing.ranking == without.ranking
    assert any("2 cells were left out" in note and "get it" in note for note in with_missing.notes)
    assert with_missing.failures[0].message == "get it"


def test_adding_an_entrant_never_moves_another_score(make: Make) -> None:
    rng = np.random.default_rng(0)
    first = entrant(make, "ksg", 0.1, rng) + entrant(make, "cca", 0.3, rng)
    before = board(*first)
    after = board(*first, *entrant(make, "new", 0.01, rng), *entrant(make, "hopeless", 20.0, rng))
    for name in ("ksg", "cca"):
        old, new = row(before, name), row(after, name)
        for field in ("score", "low", "high", "median_error", "bias", "sd", "success", "failures"):
            assert getattr(old, field) == getattr(new, field)


def test_order_of_results_does_not_matter(plausible_run: list[Result]) -> None:
    shuffled = random.Random(1).sample(plausible_run, len(plausible_run))
    first, second = (json.dumps(board(*results).to_json()) for results in (plausible_run, shuffled))
    assert first == second


def test_a_rerun_replaces_the_earlier_result(make: Make) -> None:
    assert row(board(make(mi=5.0), make(mi=1.0)), "ksg").cells == 1
    assert row(board(make(mi=5.0), make(mi=1.0)), "ksg").score == 1.0


def test_who_stays_away_from_a_hard_task_is_not_ranked(make: Make) -> None:
    cells = [make("ksg", "easy", mi=1.0), make("ksg", "hard", mi=2.0), make("sly", "easy", mi=1.0)]
    got = board(*cells)
    assert row(got, "sly").score > row(got, "ksg").score
    assert got.best is not None and got.best.estimator == "ksg"
    assert (row(got, "sly").rank, row(got, "sly").complete, row(got, "sly").tied) == (None, False, None)
    assert (row(got, "sly").cells, row(got, "sly").expected) == (1, 2)
    assert any("sly" in note for note in got.notes)


def test_yardsticks_neither_win_nor_set_the_tasks(make: Make) -> None:
    cells = [make("ksg", "a", mi=1.2), make("oracle", "a", reads_task=True), make("oracle", "b", reads_task=True)]
    got = board(*cells)
    assert got.best is not None and got.best.estimator == "ksg"
    assert [r.estimator for r in got.ranking] == ["ksg", "oracle"]


def test_upper_bounds_are_never_ranked(make: Make) -> None:
    cells = [
        make("ksg", mi=1.1),
        make("club", mi=1.5, quantity=Kind.UPPER_BOUND),
        make("club", "b", quantity=Kind.UPPER_BOUND),
    ]
    got = board(*cells)
    assert [r.estimator for r in got.ranking] == ["ksg"]
    assert row(got, "ksg").complete
    assert got.unranked[0].gap == pytest.approx(0.25)
    assert got.unranked[0].below == 0.0


def test_clear_winners_are_separated_and_equals_are_tied(make: Make) -> None:
    rng = np.random.default_rng(2)
    cells = entrant(make, "a", 0.05, rng) + entrant(make, "b", 0.05, rng) + entrant(make, "poor", 3.0, rng)
    got = board(*cells)
    assert {r.estimator: r.tied for r in got.ranking} == {"a": True, "b": True, "poor": False}
    best, other, poor = got.ranking
    assert got.close == [other.estimator]
    assert (best.to_best, best.to_best_low, best.to_best_high) == (0, 0, 0)
    for r in (other, poor):
        assert r.to_best == pytest.approx(r.score - best.score)
        assert r.to_best_low is not None and r.to_best is not None and r.to_best_low < r.to_best


def test_to_decline_is_not_to_be_wrong_and_gains_nothing(make: Make) -> None:
    families = {"gaussian": 1.0, "images": 1.2, "student": 1.4}
    cells = [make("ksg", f, family=f, mi=mi) for f, mi in families.items()]
    cells += [make("shy", f, family=f, mi=1.0) for f in ("gaussian", "images")]
    cells += [make("shy", "student", family="student", mi=None, status=Status.UNSUPPORTED)]
    cells += [make("frail", f, family=f, mi=None if f == "student" else 1.0) for f in families]
    got = {r.estimator: r for r in board(*cells).ranking}
    assert got["shy"].score == got["frail"].score == pytest.approx(2 / 3)
    assert got["shy"].failures == got["frail"].failures == pytest.approx(1 / 3)
    told = {name: (r.taken, r.score_taken, r.declined, r.failed) for name, r in got.items() if name != "ksg"}
    assert told == {
        "shy": (2, 1.0, pytest.approx(1 / 3), 0),
        "frail": (3, pytest.approx(2 / 3), 0, pytest.approx(1 / 3)),
    }
    assert (got["ksg"].taken, got["ksg"].score_taken, got["ksg"].declined) == (3, got["ksg"].score, 0)


def test_what_was_asked_once_has_no_interval_and_no_tie(make: Make) -> None:
    got = board(make("a", mi=1.1), make("b", mi=1.2))
    assert [(r.low, r.high, r.tied, r.to_best_high, r.over) for r in got.ranking] == [(None,) * 5] * 2
    assert (got.close, got.over, got.half_widths) == ([], None, [])
    assert any("neither interval nor test" in note for note in got.notes)


def test_interval_is_over_families(make: Make) -> None:
    from scipy import stats

    cells = entrant(make, "a", 0.1, np.random.default_rng(3))
    got = board(*cells, make("a", "fifth", family="fifth", mi=1.5))
    assert got.over is Over.FAMILIES and got.ranking[0].families == 5
    by_family = [f.score for f in got.families]
    low, high = stats.t.interval(0.95, len(by_family) - 1, np.mean(by_family), stats.sem(by_family))
    assert got.ranking[0].score == pytest.approx(np.mean(by_family))
    assert (got.ranking[0].low, got.ranking[0].high) == pytest.approx((max(low, 0), min(high, 1)))


def test_bias_and_sd_are_those_of_the_estimates(make: Make) -> None:
    values = {"a": [1.1, 1.3, 1.2], "b": [0.5, 0.9, 0.7]}
    cells = [make(task=t, seed=s, mi=v) for t, vs in values.items() for s, v in enumerate(vs)]
    got = row(board(*cells), "ksg")
    assert got.bias == pytest.approx(np.mean([np.mean(v) - 1 for v in values.values()]))
    assert got.sd == pytest.approx(np.mean([np.std(v, ddof=1) for v in values.values()]))


@pytest.mark.parametrize(
    ("kind", "interval", "held"),
    [(Kind.ESTIMATE, "±", 0.75), (Kind.LOWER_BOUND, "≥", 0.75), (Kind.UPPER_BOUND, "≤", 0.5)],
)
def test_the_interval_of_a_bound_is_one_sided(make: Make, kind: Kind, interval: str, held: float) -> None:
    """The truth is 1: one far below it, one below within 1.96 errors, one above within 1.645, one only within 1.96."""
    cells = [make(seed=s, mi=mi, stderr=0.1, quantity=kind) for s, mi in enumerate([0.2, 0.81, 1.16, 1.19])]
    got = task_row(cells)
    assert (got.interval, got.covered, got.coverage) == (interval, held, 0.75)
    assert task_row([make()]).interval is None and task_row([make()]).covered is None


def test_coverage_counts_intervals_that_hold_the_truth(make: Make) -> None:
    cells = [make(seed=0, mi=1.19, stderr=0.1), make(seed=1, mi=1.21, stderr=0.1), make(seed=2, mi=9.0)]
    assert row(board(*cells), "ksg").coverage == 0.5
    known_within = make(mi=1.21, stderr=0.1, truth_error=0.02)
    assert row(board(known_within), "ksg").coverage == 1.0
    assert row(board(make()), "ksg").coverage is None


def test_an_uncertain_truth_is_announced(make: Make) -> None:
    assert any("only to within 0.003" in note for note in board(make(truth_error=0.003)).notes)
    assert not any("truth" in note for note in board(make(truth_error=1e-6)).notes)


def test_independence_panel(make: Make) -> None:
    estimates = [(-0.02, 0.05), (0.04, 0.01), (0.2, 0.15), (0.06, 0.02)]
    cells = [make(task="ind", seed=i, mi=m, stderr=s, truth=0.0) for i, (m, s) in enumerate(estimates)]
    panel = board(*cells, make(task="gauss")).independence[0]
    assert panel.mean_abs == pytest.approx(0.08)
    assert panel.alarms == 0.5
    assert panel.significant == 0.5
    # and the task still counts in the score
    assert row(board(*cells, make(task="gauss")), "ksg").cells == 5


def test_cells_without_a_truth_are_left_out_and_said(make: Make) -> None:
    got = board(make(), make(task="other", truth=None))
    assert row(got, "ksg").cells == 1
    assert any("truth is not known" in note for note in got.notes)


def test_cells_of_several_versions_are_told(make: Make) -> None:
    of_two = [make(seed=seed, estimator_version=str(1 + seed), task_version="3") for seed in (0, 1)]
    told = "The cells of ksg are of its versions 1, 2: run it again to have all of one."
    assert [note for note in board(*of_two).notes if "version" in note] == [told]
    unrecorded = [make(seed=seed, estimator_version=version) for seed, version in enumerate(["", "2"])]
    assert not any("version" in note for note in board(*unrecorded).notes)
    by_two = [make(seed=seed, provenance={"mibench": version}) for seed, version in enumerate(["0.1.0", "0.2.0"])]
    assert any("made by mibench 0.1.0, 0.2.0" in note for note in board(*by_two).notes)


def test_equitability_compares_functions_at_equal_noise(make: Make) -> None:
    truths = {("x", 0.1): 3.0, ("x3", 0.1): 2.0, ("x", 0.9): 0.5, ("x3", 0.9): 0.4}
    cells = [
        make(
            task=f"grid[function={f},noise={s}]",
            family="equitability",
            truth=t,
            mi=0.5 * t + 0.01 * seed,
            seed=seed,
            task_params={"function": f, "noise": s},
        )
        for (f, s), t in truths.items()
        for seed in range(2)
    ]
    rows = {r.setting: r for r in board(*cells).equitability}
    assert set(rows) == {"grid[noise=0.1]", "grid[noise=0.9]"}
    assert rows["grid[noise=0.1]"].true_spread == pytest.approx(1.0)
    assert rows["grid[noise=0.1]"].spread == pytest.approx(0.5)


def test_consistency_table(make: Make) -> None:
    cells = [
        make(
            task="additive",
            seed=s,
            mi=None,
            status=Status.OK,
            truth=None,
            group="self-consistency",
            metrics={"score": v, "expected": 2.0},
        )
        for s, v in enumerate((1.8, 2.0))
    ]
    cells.append(make(task="additive", seed=2, mi=None, truth=None, group="self-consistency"))
    got = board(*cells)
    assert got.ranking == ()
    line = got.consistency[0]
    assert (line.score, line.deviation, line.se) == pytest.approx((1.9, -0.1, 0.1))
    assert (line.seeds, line.failed) == (2, 1)


def test_objective_and_learning_error_add_up(make: Make) -> None:
    nested = {"estimator": {"name": "infonce", "version": "1", "params": {"k": 3}}}
    cells = [
        make("exact-critic[estimator=infonce]", seed=s, mi=0.8 + 0.1 * s, estimator_params=nested, reads_task=True)
        for s in range(2)
    ]
    cells += [make("infonce", seed=s, mi=0.6, estimator_params={"k": 3}) for s in range(2)]
    cells += [make("infonce[k=4]", seed=s, mi=0.1, estimator_params={"k": 4}) for s in range(2)]
    (line,) = board(*cells).objective
    assert line.estimator == "infonce"
    assert line.objective_error == pytest.approx(-0.15)
    assert line.learning_error == pytest.approx(-0.25)


def downstream(make: Make, arm: str, seed: int, value: float | None, **fields: object) -> Result:
    return make(
        arm,
        f"gan[arm={arm}]",
        n=0,
        seed=seed,
        mi=None,
        status=Status.OK if value is not None else Status.NONFINITE,
        truth=None,
        group="gan",
        arm=arm,
        metrics={} if value is None else {"KL": value},
        metric_info=({"name": "KL", "better": "lower", "published": {"mine": "0.05"}},),
        **fields,
    )


def test_downstream_differences_are_paired_over_seeds(make: Make) -> None:
    from scipy import stats

    none, mine = [1.0, 2.0, 3.0, 4.0], [0.8, 1.9, 2.5, None]
    cells = [downstream(make, "none", s, v) for s, v in enumerate(none)]
    cells += [downstream(make, "mine", s, v) for s, v in enumerate(mine)]
    rows = {r.arm: r for r in board(*cells).downstream}
    assert list(rows) == ["none", "mine"]
    control, arm = rows["none"], rows["mine"]
    assert (control.control, control.difference, control.seeds) == (True, None, 4)
    paired = stats.ttest_1samp([-0.2, -0.1, -0.5], 0)
    assert arm.difference == pytest.approx(-0.8 / 3)
    assert (arm.low, arm.high) == pytest.approx(tuple(paired.confidence_interval(0.95)))
    assert (arm.pairs, arm.failed, arm.published) == (3, 1, "0.05")
    assert arm.mean == pytest.approx(np.mean([0.8, 1.9, 2.5]))


@pytest.mark.parametrize("seeds", [2, 5, 6])
def test_a_few_seeds_that_differ_alike_decide_nothing(make: Make, seeds: int) -> None:
    cells = [downstream(make, "none", s, 25.0) for s in range(seeds)]
    cells += [downstream(make, "mine", s, 20.0) for s in range(seeds)]
    arm = next(r for r in board(*cells).downstream if r.arm == "mine")
    assert (arm.difference, arm.low, arm.high) == (-5.0, *((-5.0, -5.0) if seeds == 6 else (None, None)))
    assert verdict(arm) == ("better" if seeds == 6 else "")


def test_a_few_families_that_differ_alike_leave_the_second_untold(make: Make) -> None:
    cells = [make(name, f, family=f, mi=mi) for f in ("a", "b") for name, mi in (("ksg", 1.0), ("cca", 11.0))]
    got = board(*cells)
    (second,) = (r for r in got.ranking if r.rank == 2)
    assert (second.to_best, second.to_best_low, second.to_best_high, second.tied) == (-1.0, None, None, True)
    assert got.close == ["cca"]


def test_an_interval_of_a_difference_lies_where_differences_of_scores_do(make: Make) -> None:
    scores = {"a": (1.0, 1.0), "b": (1.05, 3.0)}  # two families tell next to nothing
    got = board(*(make(name, f"f{i}", family=f"f{i}", mi=mi) for name, of in scores.items() for i, mi in enumerate(of)))
    second = row(got, "b")
    assert (second.to_best_low, second.to_best_high) == (-1.0, 1.0) and got.close == ["b"]


def test_downstream_runs_stay_out_of_the_ranking(make: Make) -> None:
    assert board(make(), downstream(make, "none", 0, 1.0)).ranking == board(make()).ranking


def test_failures_are_grouped_with_their_message(make: Make) -> None:
    cells = [make(task=f"t{i}", mi=None, status=Status.OOM, message="2 GiB") for i in range(3)]
    (line,) = board(*cells, make("cca")).failures
    assert (line.cells, line.status, line.message, line.tasks) == (3, "oom", "2 GiB", ("t0", "t1", "t2"))


def test_nothing_gives_an_empty_board() -> None:
    empty = board()
    assert empty.best is None
    assert json.loads(json.dumps(empty.to_json()))["ranking"] == []


@pytest.mark.parametrize("module", ["leaderboard.compare", "report.leaderboard", "report.comparison"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, mibench.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "mlflow", "sklearn", "numba", "matplotlib", "pandas", "jinja2", "scipy.stats"}
    assert not heavy & set(done.stdout.split())


def test_rounding_is_no_finding(make: Make) -> None:
    within = board(*(make(seed=s, mi=mi, truth=0.0, stderr=0.0) for s, mi in enumerate((1e-16, 0.0, 5e-7))))
    assert (within.independence[0].significant, within.ranking[0].coverage) == (0.0, 1.0)
    beyond = board(*(make(seed=s, mi=1e-3, truth=0.0, stderr=1e-4) for s in range(3)))
    assert (beyond.independence[0].significant, beyond.ranking[0].coverage) == (1.0, 0.0)


def test_roles_are_asked_for_and_never_names(make: Make) -> None:
    """Third parties' plug-ins play every part under names of their own."""
    inner = {"estimator": {"name": "mine", "version": "1", "params": {}}}
    cells = [make("mine", seed=s, mi=0.7) for s in range(2)]
    cells += [make("bare", seed=s, mi=0.9, role=Role.OBJECTIVE, estimator_params=inner) for s in range(2)]
    cells += [downstream(make, arm, s, 1.0 + s, role=role) for arm, role in ARMS.items() for s in range(2)]
    cells += [make("dull", task=f"t[f={f}]", truth=0.5, mi=0.0, varies="f", task_params={"f": f}) for f in "ab"]
    got = board(*cells)
    (split,) = got.objective
    assert split.estimator == "mine" and split.learning_error == pytest.approx(-0.2)
    assert [(r.arm, r.control) for r in got.downstream] == [("plain", True), ("loud", False)]
    assert [(r.estimator, r.spread) for r in got.equitability] == [("dull", 0.0)]
    assert got.named(Role.CONTROL, Role.OBJECTIVE) == {"plain", "bare"}


ARMS = {"loud": Role.ENTRANT, "plain": Role.CONTROL}
