"""KSG with a copula as its control variate: where each is right, what surrogates are, and when a critic is believed."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from mibench.estimators.copula_ksg import SCATTER_OF_ONE, CopulaKSG, CopulaKSGCritic, FittedCopula
from mibench.estimators.gaussian import GaussianCopula
from mibench.estimators.ksg import KSG
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from mibench.errors import UsageError
from mibench.estimator import Array, Estimate, Estimator, Kind
from mibench.ranks import normal_scores
from mibench.registry import estimators, tasks
from mibench.task import Task


def gaussian(n: int, dim_x: int, dim_y: int, mi: float, seed: int) -> tuple[Array, Array]:
    """min(dim_x, dim_y) pairs that share the information."""
    rng = np.random.default_rng([5, seed])
    x, y = rng.standard_normal((n, dim_x)), rng.standard_normal((n, dim_y))
    pairs = min(dim_x, dim_y)
    rho = math.sqrt(-math.expm1(-2 * mi / pairs))
    y[:, :pairs] = rho * x[:, :pairs] + math.sqrt(1 - rho**2) * y[:, :pairs]
    return x, y


def task(selector: str) -> Task:
    made = tasks.create(selector)
    assert isinstance(made, Task)
    return made


@pytest.mark.parametrize("change", [np.asarray, np.exp, np.cbrt], ids=["plain", "exp", "cube root"])
def test_a_gaussian_copula_in_many_dimensions_is_no_trouble(change: Callable[[Array], Array]) -> None:
    x, y = (change(v) for v in gaussian(1500, 12, 15, 2.0, seed=0))
    assert KSG().estimate(x, y).mi < 1.2
    assert CopulaKSG().estimate(x, y).mi == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize("selector", ["1v1-X-0.9", "student[dof=1.0]", "2v1-galaxy-0.5-3.0", "ai-shape"])
def test_sees_what_the_copula_does_not(selector: str) -> None:
    made = task(selector)
    x, y = made.draw(2000, np.random.default_rng(3))
    assert GaussianCopula().estimate(x, y).mi < made.mutual_information - 0.1
    assert CopulaKSG().estimate(x, y).mi == pytest.approx(made.mutual_information, abs=0.09)


@pytest.mark.parametrize("dims", [(1, 1), (3, 3), (8, 2), (20, 20)])
def test_no_false_alarms(dims: tuple[int, int]) -> None:
    for seed in range(6):
        rng = np.random.default_rng([6, seed])
        x, y = rng.standard_normal((1000, dims[0])), rng.standard_cauchy((1000, dims[1]))
        assert abs(CopulaKSG().estimate(x, y, seed).mi) < 0.03


def test_what_is_discrete_is_left_to_neighbours() -> None:
    made = task("erasure-channel[letters=16]")
    x, y = made.draw(2000, np.random.default_rng(0))
    assert CopulaKSG().estimate(x, y).mi == pytest.approx(made.mutual_information, abs=0.15)


def test_redundant_and_constant_columns_change_little() -> None:
    x, y = gaussian(1000, 2, 2, 0.8, seed=1)
    wider = np.hstack([x, x[:, :1], np.zeros((1000, 1))])
    assert CopulaKSG().estimate(wider, y).mi == pytest.approx(CopulaKSG().estimate(x, y).mi, abs=0.06)


def test_too_few_samples_for_a_copula_leave_the_neighbours() -> None:
    x, y = gaussian(20, 10, 10, 0.5, seed=2)
    found = CopulaKSG().estimate(x, y)
    assert found.diagnostics["copula"] is None and math.isfinite(found.mi)


def test_canonical_variables_are_those_of_the_samples() -> None:
    x, y = (normal_scores(v) for v in gaussian(500, 3, 5, 1.0, seed=3))
    copula = FittedCopula.of(x, y)
    assert copula is not None
    rho = np.sqrt(-np.expm1(-2 * copula.terms))
    np.testing.assert_allclose(copula.x.T @ copula.x / 500, np.eye(3), atol=1e-10)
    np.testing.assert_allclose(copula.x.T @ copula.y / 500, np.eye(3, 5) * rho[:, None], atol=1e-10)
    assert copula.information == pytest.approx(GaussianCopula().estimate(x, y).mi, abs=1e-9)
    scaled_x, scaled_y = copula.scaled()
    np.testing.assert_allclose(scaled_x.std(0), rho)
    np.testing.assert_allclose(scaled_y.std(0), [*rho, 0.1, 0.1])


def test_surrogates_have_the_information_of_the_copula() -> None:
    copula = FittedCopula.of(*gaussian(400, 4, 6, 0.7, seed=4))
    assert copula is not None
    rng = np.random.default_rng(0)
    drawn = np.array([copula.surrogate(rng).information for _ in range(200)])
    assert abs(drawn.mean() - copula.information) < 4 * drawn.std() / math.sqrt(200)


@pytest.mark.parametrize("mi", [0.1, 2.0])
def test_of_strong_and_weak_pairs_the_weak_ones_are_taken_for_noise(mi: float) -> None:
    """One pair of 30 depends: the surrogates' own first correlation is that of the samples."""
    x, y = gaussian(800, 30, 30, 1e-9, seed=12)
    rho = math.sqrt(-math.expm1(-2 * mi))
    y[:, 0] = rho * x[:, 0] + math.sqrt(1 - rho**2) * y[:, 0]
    copula = FittedCopula.of(x, y)
    assert copula is not None
    terms = copula.true_terms
    assert terms.sum() == pytest.approx(max(0.0, copula.information), abs=1e-9)
    taken = (copula.terms - terms)[terms > 0]
    assert np.ptp(taken) < 1e-12 and (copula.terms[terms == 0] <= taken.max() + 1e-12).all()
    if mi > 1:
        assert terms[0] == pytest.approx(mi, abs=0.1) and terms[1:].sum() < 0.15


def test_the_mean_of_the_ratio_is_that_of_the_densities(monkeypatch: pytest.MonkeyPatch) -> None:
    copula = FittedCopula.of(*gaussian(60, 2, 3, 0.6, seed=5))
    assert copula is not None
    terms, order = 1.1 * copula.terms, np.random.default_rng(1).permutation(60)
    rho = np.sqrt(-np.expm1(-2 * terms))
    joint = multivariate_normal(cov=np.block([[np.eye(2), np.diag(rho)], [np.diag(rho), np.eye(2)]]))
    each, b = multivariate_normal(cov=np.eye(2)), copula.y[:, :2]
    apart = [
        joint.logpdf(np.concatenate([copula.x[j], b[i]])) - each.logpdf(copula.x[j]) - each.logpdf(b[i])
        for i in order[:40]
        for j in order[:50]
        if i != j
    ]
    log_mean = float(logsumexp(np.minimum(apart, math.log(60)))) - math.log(len(apart))
    monkeypatch.setattr("mibench.estimators.copula_ksg.ROWS", 40)
    monkeypatch.setattr("mibench.estimators.copula_ksg.OTHERS", 50)
    assert copula.log_mean(order, terms) == pytest.approx(log_mean, abs=1e-9)


def test_a_ratio_that_is_none_counts_for_nothing() -> None:
    made = task("embeddings-channel[dim=32]")
    x, y = made.draw(2000, np.random.default_rng(1))
    assert GaussianCopula().estimate(x, y).mi > made.mutual_information + 0.3
    found = CopulaKSG().estimate(x, y)
    assert found.mi == pytest.approx(made.mutual_information, abs=0.06) and found.diagnostics["bound"] < found.mi
    normal = FittedCopula.of(*gaussian(1000, 5, 5, 1.0, seed=8))
    assert normal is not None and abs(normal.log_mean(np.arange(1000), normal.terms)) < 0.1


@pytest.mark.parametrize(("dim", "mi"), [(1, 3.0), (3, 9.0), (5, 14.0), (20, 30.0), (100, 4.0)])
def test_of_much_information_a_gaussian_copula_stays_one(dim: int, mi: float) -> None:
    for seed in range(4):
        x, y = gaussian(1000, dim, dim, mi, seed=20 + seed)
        assert CopulaKSG().estimate(np.exp(x), y, seed).mi == pytest.approx(mi, rel=0.1, abs=0.2)


@pytest.mark.parametrize(("nats", "columns"), [(2.0, 32), (4.0, 32)])
def test_what_the_ratio_of_the_copula_overstates_is_taken_off(nats: float, columns: int) -> None:
    """Few variables behind many columns: neighbours say too little, the copula too much."""
    made = task(f"random-map[base=gauss[mutual_information={nats},dim=5],dim={columns}]")
    x, y = made.draw(1500, np.random.default_rng(2))
    assert KSG().estimate(x, y).mi < nats - 0.25 and GaussianCopula().estimate(x, y).mi > nats + 0.25
    assert CopulaKSG().estimate(x, y).mi == pytest.approx(nats, abs=0.2)


def test_below_a_detection_limit_the_neighbours_answer() -> None:
    made = task("detection-limit[rho=0.8,limit=0.5]")
    x, y = made.draw(2000, np.random.default_rng(4))
    found = CopulaKSG().estimate(x, y)
    assert found.diagnostics["copula"] is None and found.mi == pytest.approx(made.mutual_information, abs=0.08)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_answers_on_a_line_lead_to_where_it_begins(k: int) -> None:
    scatter, slope = 0.05, -0.2
    assert slope * (1 - k) > 0.1
    wide = np.array([1 + 5 * slope, 1 + 5 * slope * k])
    assert CopulaKSG(k)._extrapolated(wide, scatter) == pytest.approx(1.0)
    within = np.array([1.0 + 0.9 * SCATTER_OF_ONE * scatter, 1.0])
    assert CopulaKSG(k)._extrapolated(within, scatter) == 1.0


class Says(Estimator):
    """A lower bound that says what it is told."""

    kind = Kind.LOWER_BOUND

    def __init__(self, mi: float, stderr: float = 0.1) -> None:
        self.mi, self.stderr = mi, stderr

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        return Estimate(self.mi, self.stderr, curve={"step": [0.0]})


@pytest.mark.parametrize(("said", "believed"), [(0.9, False), (1.05, False), (1.3, True), (math.nan, False)])
def test_a_critic_is_believed_where_its_bound_is_credibly_greater(said: float, believed: bool) -> None:
    x, y = gaussian(1000, 1, 1, 1.0, seed=9)
    plain = CopulaKSG().estimate(x, y, 4)
    assert plain.mi == pytest.approx(1.0, abs=0.04)
    found = CopulaKSGCritic(critic=Says(said)).estimate(x, y, 4)
    assert found.mi == (said if believed else plain.mi)
    assert found.stderr is None and found.curve == {"step": [0.0]}


def test_a_critic_finds_what_neighbours_miss_in_many_dimensions() -> None:
    made = task("concentric-gaussians[dim_x=12,count=6]")
    x, y = made.draw(2000, np.random.default_rng(1))
    alone, with_critic = CopulaKSG().estimate(x, y).mi, CopulaKSGCritic().estimate(x, y).mi
    assert alone < made.mutual_information - 0.3
    assert with_critic == pytest.approx(made.mutual_information, abs=0.15)


@pytest.mark.parametrize("name", ["club", "smile", "ksg"])
def test_what_is_no_lower_bound_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="must give a lower bound"):
        CopulaKSGCritic(critic=estimators.create(name))
