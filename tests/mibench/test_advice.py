"""The recommended value: what it must hold whatever the model has learned."""

from __future__ import annotations

import math
from importlib.resources import files

import numpy as np
import pytest

import mibench
from mibench.advice import model as models
from mibench.advice.forest import Forest
from mibench.advice.looks import looks
from mibench.advice.model import Recipe, interval, usual_model, weighed
from mibench.advice.panel import Question, ask, observe, usual_panel
from mibench.advice.verdict import advise, usual_members
from mibench.advice.views import VIEWS, canonical, standardized, surrogate
from mibench.errors import DataError, MibenchError
from mibench.estimator import Array
from mibench.ranks import normal_scores


def gauss(n: int, mi: float, dim: int = 1, seed: int = 0) -> tuple[Array, Array]:
    task = mibench.get_task("gauss", mutual_information=mi, dim=dim)
    assert isinstance(task, mibench.Task)
    return task.sample(n, seed)


def walk(forest: Forest, tree: int, row: Array) -> float:
    """One tree, one row, one node at a time."""
    at = forest.roots[tree]
    while forest.left[at] != at:
        seen = row[forest.feature[at]]
        left = forest.missing_left[at] if math.isnan(seen) else seen <= forest.threshold[at]
        at = forest.left[at] if left else forest.right[at]
    return float(forest.value[at])


def test_a_forest_predicts_what_a_walk_through_its_trees_gives() -> None:
    forest = usual_model().median
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((20, len(usual_model().names))) * rng.choice([0.1, 1.0, 30.0], (20, 1))
    inputs[rng.random(inputs.shape) < 0.2] = np.nan
    slow = [forest.start + sum(walk(forest, t, row) for t in range(len(forest.roots))) for row in inputs]
    assert forest.predict(inputs) == pytest.approx(slow, abs=1e-9)


def test_the_model_is_small_and_holds_numbers_only() -> None:
    path = files("mibench.advice").joinpath("model.npz")
    with path.open("rb") as file:
        assert len(file.read()) < 5_000_000
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        assert all(arrays[name].dtype.kind in "fiub" for name in arrays.files)


def test_the_panel_is_the_one_that_the_model_was_fitted_to() -> None:
    facts, panel = usual_model().facts, usual_panel()
    assert tuple(facts["members"]) == panel.members
    assert tuple(facts["probes"]) == tuple(map(str, panel.probes))
    assert all(question.view in {"", *VIEWS} for question in panel.probes)
    for question in (*map(Question, panel.members), *panel.probes):
        mibench.get_estimator(question.estimator)


def test_looks_do_not_depend_on_which_variable_is_called_x_nor_on_units() -> None:
    x, y = gauss(300, 0.5, dim=3)
    y = np.exp(y[:, :2])
    seen = looks(x, y)
    assert looks(y, x) == pytest.approx(seen)
    assert looks(1e6 * x, 1e-6 * y + 3) == pytest.approx(seen)


def test_a_surrogate_has_the_information_that_it_states() -> None:
    x, y = gauss(2000, 1.0, dim=2)
    u, v, stated = surrogate(x, y, np.random.default_rng(0))
    joint = np.hstack([standardized(normal_scores(x)), standardized(normal_scores(y))])
    covariance = joint.T @ joint / len(joint) + 0.02 * np.eye(4)
    task = mibench.get_task("multinormal", covariance=tuple(map(tuple, covariance)), dim_x=2)
    assert isinstance(task, mibench.Task)
    assert stated == pytest.approx(task.mutual_information, abs=1e-9)
    assert mibench.estimate(u, v, "cca").mi == pytest.approx(stated, abs=0.1)


def test_canonical_variables_have_the_correlations_stated_but_for_the_ridge() -> None:
    x, y = (standardized(v) for v in gauss(5000, 1.0, dim=3))
    a, b, rho = canonical(x, y)
    found = [np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(3)]
    assert found == pytest.approx(rho, abs=0.02)


def test_the_greatest_answer_is_the_base_and_answers_move_the_value() -> None:
    recipe = Recipe(("a", "b"), (), (), ())
    assert recipe.base_and_scale({"a": 0.3, "b": 0.5, "n": 2500.0}) == pytest.approx((0.5, 0.22))
    assert recipe.base_and_scale({"a": -0.3, "b": math.nan, "n": 100.0}) == pytest.approx((0.0, 0.1))
    assert recipe.base_and_scale({"a": math.nan, "b": math.inf, "n": 100.0}) == (0.0, 1.0)


def test_what_neighbours_are_told_by_is_finite_where_nothing_varies_or_nobody_answered() -> None:
    recipe = usual_model().recipe
    for told in (0.0, math.nan, math.inf):
        assert np.isfinite(recipe.alike(dict.fromkeys(recipe.likeness, told) | {"n": 50.0})).all()


def test_candidates_weigh_by_what_is_expected_of_them_and_those_without_an_answer_nothing() -> None:
    values = np.array([[1.0, 2.0], [3.0, np.nan]])
    assert weighed(values, np.array([[0.5, 0.1], [0.5, 0.9]])) == pytest.approx([2.0, 2.0])
    assert weighed(values, np.array([[0.9, 0.1], [0.1, 0.9]]))[0] == pytest.approx(1.0)


def test_intervals_hold_the_value_and_widen_with_the_stretch() -> None:
    rng = np.random.default_rng(3)
    value, base = rng.random(50), rng.random(50)
    scale, median, low, high = rng.random(50), -rng.random(50), -2 * rng.random(50), rng.random(50)
    narrow = interval(value, base, scale, median, low, high, (1.0, 1.0))
    wide = interval(value, base, scale, median, low, high, (2.0, 2.0))
    assert (narrow[0] <= value).all() and (value <= narrow[1]).all() and (narrow[0] >= 0).all()
    assert (wide[0] <= narrow[0]).all() and (wide[1] >= narrow[1]).all()


@pytest.mark.parametrize(("mi", "dim"), [(0.0, 1), (0.5, 1), (1.0, 3), (2.0, 5)])
def test_gaussian_samples_get_an_interval_around_the_truth(mi: float, dim: int) -> None:
    found = advise(*gauss(1500, mi, dim, seed=5))
    assert found.tested and found.low is not None and found.high is not None
    assert found.low <= mi + 0.01 and mi - 0.01 <= found.high
    assert abs(found.mi - mi) < 0.12
    assert found.low <= found.mi <= found.high


def test_the_same_sample_gets_the_same_advice_and_fast_leaves_out_what_trains() -> None:
    x, y = gauss(400, 0.5)
    first = advise(x, y, seed=2, fast=True)
    assert first.facts() == advise(x, y, seed=2, fast=True).facts()
    assert [a.estimator for a in first.answers] == list(usual_members(fast=True))
    assert set(usual_members(fast=True)) < set(usual_members())


def test_letters_share_no_more_than_their_alphabet_holds() -> None:
    x = np.random.default_rng(0).integers(0, 3, 600)
    found = advise(x, x, fast=True)
    assert found.mi <= math.log(3) + 1e-9
    assert found.high is None or found.high <= math.log(3) + 1e-9


def test_an_exact_relation_of_continuous_variables_is_infinite() -> None:
    x = np.random.default_rng(0).standard_normal(500)
    for y in (2 * x + 1, np.exp(x)):
        found = advise(x, y, fast=True)
        assert found.mi == found.high == math.inf and "exact relation" in found.why


def test_rows_in_the_same_order_are_no_proof_of_an_exact_relation() -> None:
    x, noise = np.random.default_rng(0).standard_normal((2, 60))
    found = advise(x, x + 1e-5 * noise, fast=True)
    assert math.isfinite(found.mi) and found.low is not None
    assert found.low < 11.5 < math.inf == found.high and "from below only" in found.why


def test_single_values_that_coincide_are_no_exact_relation() -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 400, 3))
    x[:, 2] = y[:, 2] = np.arange(400) == 17
    told = ask("cca", x, y).estimate
    assert told is not None and told.mi == math.inf
    found = advise(x, y, fast=True)
    assert found.mi < 0.1 and found.high is not None and found.high < 2 and "inf" not in found.why


def test_a_sample_unlike_all_that_was_tested_gets_no_interval() -> None:
    rng = np.random.default_rng(0)
    found = advise(rng.standard_normal((60, 400)), rng.standard_normal((60, 400)), fast=True)
    assert not found.tested and found.low is None and found.high is None
    assert "unlike anything" in found.why


def test_what_was_learned_holds_in_full_up_to_the_most_rows_of_the_table_and_ever_less_beyond() -> None:
    model = usual_model()
    most = model.reference.rows[1]
    assert model.reference.rows[0] == 45 and 19_900 < most <= 20_000

    def share(n: int, columns: int = 2) -> float:
        return model.share_beyond({"n": float(n), "dim_low": 1.0, "dim_high": columns - 1.0})

    assert share(50) == share(most) == 1
    assert share(4 * most) == pytest.approx(0.5) and share(10**9) < 0.005
    assert share(4 * most) < share(4 * most, 3) < share(4 * most, 50) < 1


def test_values_come_nearer_to_what_the_candidates_answer_and_stay_where_they_are_within() -> None:
    model = usual_model()
    known = {"ksg": 0.4, "gaussian-copula": 0.2, "copula-ksg": math.nan, "cca": 9.0, "n": 10_000.0}
    values = np.linspace(0.0, 2.0, 21)
    assert model.nearer(known, values.tolist(), 1.0) == pytest.approx(values)
    assert model.nearer(known, values.tolist(), 0.0) == pytest.approx(values.clip(0.2 - 0.01, 0.4 + 0.01))
    half = np.array(model.nearer(known, values.tolist(), 0.5))
    inside = (values > 0.19) & (values < 0.41)
    assert (np.diff(half) > 0).all() and half[inside] == pytest.approx(values[inside])
    assert model.nearer({"n": 1.0}, [0.3], 0.5) == [0.3]


def test_no_answers_of_many_rows_lift_the_lower_end_from_zero_where_they_are_scatter() -> None:
    known = {"ksg": 0.0007, "gaussian-copula": 7e-6, "n": 200_000.0}
    assert usual_model().nearer(known, [0.0, 0.1], 0.3)[0] == 0.0


def test_more_or_fewer_rows_than_any_reference_sample_are_said_and_widen_no_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, y = gauss(600, 0.5)
    usual = advise(x, y, fast=True)
    assert "No reference sample" not in usual.why
    monkeypatch.setitem(vars(usual_model().reference), "rows", (100, 200))
    more = advise(x, y, fast=True)
    assert "No reference sample has more than 200 rows" in more.why and more.tested
    assert usual.low is not None and more.low is not None and usual.high is not None and more.high is not None
    assert usual.low <= more.low <= more.mi <= more.high <= usual.high
    monkeypatch.setitem(vars(usual_model().reference), "rows", (1000, 2000))
    few = advise(x, y, fast=True)
    assert few.why.endswith("so few rows: the least is 1,000.") and (few.mi, few.low) == (usual.mi, usual.low)


def test_bad_samples_are_refused() -> None:
    with pytest.raises(DataError, match="NaN"):
        advise(np.array([1.0, np.nan, 2.0]), np.array([1.0, 2.0, 3.0]))


def test_a_damaged_model_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    class Broken:
        def joinpath(self, name: str) -> Broken:
            return self

        def open(self, mode: str) -> object:
            raise OSError("cut short")

    models.usual_model.cache_clear()
    monkeypatch.setattr(models, "files", lambda package: Broken())
    try:
        with pytest.raises(MibenchError, match="install mibench again"):
            usual_model()
    finally:
        monkeypatch.undo()
        models.usual_model.cache_clear()


def test_probes_that_decline_are_nan_and_the_rest_is_told() -> None:
    x, y = gauss(200, 0.5, dim=3)
    seen = observe(x, y, [Question("histogram"), Question("ksg", "half")], seed=0)
    assert math.isnan(seen["histogram"]) and math.isfinite(seen["ksg@half"])
    assert seen["n"] == 200 and ask("histogram", x, y).reason


def test_rows_that_follow_one_another_are_thinned_and_independent_series_share_nothing() -> None:
    rng = np.random.default_rng(4)
    noise, series = rng.standard_normal((1500, 2)), np.zeros((1500, 2))
    for i in range(1, 1500):
        series[i] = 0.9 * series[i - 1] + noise[i]
    found = advise(series[:, 0], series[:, 1], fast=True)
    assert "of them was used" in found.why and found.low is not None and found.low < 0.02
    assert "was used" not in advise(noise[:, 0], noise[:, 1], fast=True).why


@pytest.mark.parametrize("times", [2, 5])
def test_copies_of_rows_are_no_further_samples(times: int) -> None:
    x, y = gauss(400, 0.5)
    once = advise(x, y, fast=True)
    again = advise(np.repeat(x, times, axis=0), np.repeat(y, times, axis=0), fast=True)
    assert (again.mi, again.low, again.high) == (once.mi, once.low, once.high)
    assert f"400 of {400 * times:,} were used" in again.why and "were used" not in once.why


def test_where_no_member_answers_nothing_is_recommended() -> None:
    with pytest.raises(DataError, match=r"^none of the \d estimators of the panel answers; ksg: 3 samples are too few"):
        advise(np.arange(3.0), np.array([1.0, 5.0, 2.0]), fast=True)
