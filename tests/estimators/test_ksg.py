"""Nearest-neighbour estimators: their formulas by definition, known mutual informations, invariances, ties."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mibench.estimators._samples import standardized
from mibench.estimators.ksg import KSG, KSG2, MixedKSG
from mibench.estimators.lnc import LNC
from scipy.special import digamma, ndtr, rel_entr
from scipy.stats import poisson

from mibench.errors import DataError
from mibench.estimator import Array, Estimator


def gaussian(n: int, dim: int, rho: float, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, dim))
    return x, rho * x + np.sqrt(1 - rho**2) * rng.standard_normal((n, dim))


def plug_in(x: Array, y: Array) -> float:
    """Mutual information in nats of the empirical distribution of two columns of categories."""
    joint = np.histogram2d(np.unique(x, return_inverse=True)[1], np.unique(y, return_inverse=True)[1], bins=10)[0]
    joint /= joint.sum()
    product = joint.sum(1, keepdims=True) * joint.sum(0)
    present = joint > 0
    return float((joint[present] * np.log(joint[present] / product[present])).sum())


def by_definition(estimator: KSG | KSG2 | MixedKSG, x: Array, y: Array) -> float:
    """Kraskov et al. (2004), eqs. 8 and 9, and the counts of ``within_the_kth`` where values repeat, by sample."""
    tied = max(1 - len(np.unique(column)) / len(x) for column in np.hstack([x, y]).T)
    x, y = standardized(x), standardized(y)
    n, k, terms = len(x), estimator.k, []

    def distances(values: Array, i: int) -> Array:
        gaps = np.abs(np.delete(values, i, axis=0) - values[i])
        # squares are summed one after the other: another order rounds differently, and ties would not be ties
        return gaps.max(axis=1) if estimator.metric == "max" else np.cumsum(gaps**2, axis=1)[:, -1]

    for i in range(n):
        in_x, in_y = distances(x, i), distances(y, i)
        joint = np.maximum(in_x, in_y)
        nearest = np.argsort(joint, kind="stable")[:k]
        kth = joint[nearest[-1]]
        if tied:
            same = 1e-9  # squares of the least distances here are 1e-4
            c, c_x, c_y = ((where <= kth + same).sum() for where in (joint, in_x, in_y))
            n_x, n_y = (((where < kth - same) | (where == 0)).sum() for where in (in_x, in_y))
            w = 1 - k / c
            terms.append(digamma(c + w) - digamma(max(n_x + 1, c_x + w)) - digamma(max(n_y + 1, c_y + w)))
        elif isinstance(estimator, KSG2):
            n_x, n_y = (in_x <= in_x[nearest].max()).sum(), (in_y <= in_y[nearest].max()).sum()
            terms.append(digamma(k) - 1 / k - digamma(n_x) - digamma(n_y))
        else:
            terms.append(digamma(k) - digamma((in_x < kth).sum() + 1) - digamma((in_y < kth).sum() + 1))
    return float(np.mean(terms) + (np.log(n) if isinstance(estimator, MixedKSG) else digamma(n)))


@pytest.mark.parametrize("kind", [KSG, KSG2, MixedKSG])
@pytest.mark.parametrize("metric", ["max", "euclidean"])
@pytest.mark.parametrize(
    ("n", "dim", "digits"), [(150, 1, 9), (120, 3, 9), (60, 12, 9), (11, 1, 9), (300, 3, 0), (300, 1, 0)]
)
def test_estimates_are_those_of_the_definition(kind: Any, metric: str, n: int, dim: int, digits: int) -> None:
    for k in (1, 3, 10):
        x, y = (np.round(values, digits) for values in gaussian(n, dim, 0.7, seed=k))
        estimator = kind(k, metric)
        assert estimator.estimate(x, y).mi == pytest.approx(by_definition(estimator, x, y), abs=1e-10)


@pytest.mark.parametrize(
    "estimator", [KSG(), KSG2(), MixedKSG(), KSG(metric="euclidean"), KSG2(metric="euclidean")], ids=str
)
def test_truth_of_gaussians_and_of_independence(estimator: Estimator) -> None:
    # the standard deviation over samples is about 0.011 at n = 4,000 (measured); the bias is below that here
    for rho in (0.0, 0.6, 0.9):
        x, y = gaussian(4000, 1, rho, seed=1)
        assert estimator.estimate(x, y).mi == pytest.approx(-0.5 * np.log(1 - rho**2), abs=0.045)
    x, y = gaussian(4000, 2, 0.6, seed=2)
    assert estimator.estimate(x, y).mi == pytest.approx(-np.log(1 - 0.36), abs=0.07)


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [KSG(), KSG2(), KSG(k=5, metric="euclidean")], ids=str)
def test_nearly_unbiased_over_many_samples(estimator: Estimator) -> None:
    errors = [estimator.estimate(*gaussian(1000, 1, 0.8, seed)).mi + 0.5 * np.log(0.36) for seed in range(100)]
    assert abs(np.mean(errors)) < 4 * np.std(errors) / 10 + 0.005


@pytest.mark.parametrize("estimator", [KSG(), KSG2(), MixedKSG(), KSG(metric="euclidean")], ids=str)
def test_invariances(estimator: Estimator) -> None:
    rng = np.random.default_rng(3)
    x, y = gaussian(300, 3, 0.8, seed=3)
    mi = estimator.estimate(x, y).mi
    order = rng.permutation(len(x))
    assert estimator.estimate(x[order], y[order]).mi == pytest.approx(mi, abs=1e-10)
    assert estimator.estimate(y, x).mi == pytest.approx(mi, abs=1e-10)
    # powers of two scale without rounding; a shift rounds, which can move single counts
    assert estimator.estimate(x * [2.0, 4.0, 0.5], -8 * y[:, ::-1]).mi == pytest.approx(mi, abs=1e-10)
    assert estimator.estimate(x + 5.0, y).mi == pytest.approx(mi, abs=1e-3)
    euclidean = KSG(metric="euclidean", standardize=False)
    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    assert euclidean.estimate(x @ rotation, y).mi == pytest.approx(euclidean.estimate(x, y).mi, abs=1e-3)


def test_data_processing_by_noise() -> None:
    x, y = gaussian(3000, 1, 0.9, seed=4)
    noisy = y + np.random.default_rng(40).standard_normal(y.shape)
    for estimator in (KSG(), KSG2(), MixedKSG()):
        assert estimator.estimate(x, noisy).mi < estimator.estimate(x, y).mi - 0.3


def test_raw_values_may_be_negative() -> None:
    assert min(KSG().estimate(*gaussian(200, 1, 0.0, seed)).mi for seed in range(8)) < 0


@pytest.mark.parametrize("estimator", [KSG(), KSG2(), MixedKSG()], ids=str)
def test_discrete_variables_are_counted(estimator: Estimator) -> None:
    rng = np.random.default_rng(5)
    x = rng.integers(0, 3, 1500).astype(float)
    y = np.where(rng.random(1500) < 0.7, x, rng.integers(0, 3, 1500))
    estimate = estimator.estimate(x, y)
    # psi in place of log: the difference is of the order (categories)^2 / 2n = 0.003
    assert estimate.mi == pytest.approx(plug_in(x, y), abs=0.01)
    assert estimate.diagnostics["ties"] > 0.99


def test_mixed_variables() -> None:
    """Gao et al. (2017), section 4: X uniform on 0...4 and Y uniform on [X, X + 2]; X exponential, Y Poisson or 0."""
    rng = np.random.default_rng(6)
    n = 4000
    x = rng.integers(0, 5, n).astype(float)
    truth = np.log(5) - 4 * np.log(2) / 5
    assert MixedKSG().estimate(x, x + 2 * rng.random(n)).mi == pytest.approx(truth, abs=0.03)
    x = rng.exponential(size=n)
    y = rng.poisson(x) * (rng.random(n) < 0.85)
    truth = 0.85 * (2 * np.log(2) - np.euler_gamma - sum(np.log(i) * 2.0**-i for i in range(1, 60)))
    assert MixedKSG().estimate(x, y).mi == pytest.approx(truth, abs=0.05)


@pytest.mark.parametrize("estimator", [KSG(), KSG2(), MixedKSG()], ids=str)
def test_duplicates_do_not_break_it(estimator: Estimator) -> None:
    x, y = gaussian(500, 2, 0.8, seed=7)
    once = estimator.estimate(x, y)
    assert "ties" not in once.diagnostics
    few = estimator.estimate(np.vstack([x, x[:10]]), np.vstack([y, y[:10]]))
    assert few.mi == pytest.approx(once.mi, abs=0.1)
    one = estimator.estimate(np.vstack([x, x[:1]]), np.vstack([y, y[:1]]))
    assert one.mi == pytest.approx(once.mi, abs=0.02)  # nothing jumps at the first value that repeats
    assert 0 < few.diagnostics["ties"] < 0.05
    every = estimator.estimate(np.repeat(x, 8, axis=0), np.repeat(y, 8, axis=0))
    # 500 different atoms: the information of their empirical distribution is the logarithm of their number
    assert every.mi == pytest.approx(np.log(500), abs=0.1)


def test_strict_inequality_at_the_radius() -> None:
    """On a line of equidistant samples all distances tie; each term counts only what is strictly closer."""
    x = np.arange(8.0)
    # k = 1: the nearest is one step away, and none is closer: psi(1) + psi(8) - 2 psi(1)
    assert KSG(1, standardize=False).estimate(x, x).mi == pytest.approx(digamma(8) - digamma(1), abs=1e-12)


# Readings that repeat ------------------------------------------------------------------------------------------------

EVERY: list[Any] = [KSG(), MixedKSG(), KSG2(), LNC(), KSG(metric="euclidean"), KSG(k=10), KSG2(metric="euclidean")]
NEAREST = pytest.mark.parametrize("estimator", EVERY, ids=str)


def rounded(name: str, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    if name == "height in cm, age in years":
        return np.rint(rng.normal(170, 9, n)), rng.integers(18, 80, n).astype(float)
    if name == "counts":
        return rng.poisson(30, n).astype(float), rng.poisson(100, n).astype(float)
    if name == "one of two, to a tenth":
        return np.round(rng.standard_normal(n), 1), rng.standard_normal(n)
    if name == "labels":
        return rng.standard_normal(n), rng.integers(0, 3, n).astype(float)
    return np.rint(rng.standard_normal((n, 3))), np.rint(rng.standard_normal((n, 3)))


@NEAREST
@pytest.mark.parametrize("name", ["height in cm, age in years", "counts", "one of two, to a tenth", "labels", "3 + 3"])
@pytest.mark.parametrize("n", [300, 1000])
def test_independent_readings_that_repeat_have_no_information(estimator: Estimator, name: str, n: int) -> None:
    values = [estimator.estimate(*rounded(name, n, np.random.default_rng(seed))).mi for seed in range(4)]
    assert np.mean(values) == pytest.approx(0, abs=0.07)  # with k in place of the number: 0.2 to 0.4, or -0.5


def of_rounded_gaussians(step: float, rho: float) -> float:
    """Mutual information of two standard normal variables rounded to multiples of ``step``, by quadrature."""
    middles = np.arange(-40 * 0.1, 40.5 * 0.1, step)
    fine = np.linspace(-step / 2, step / 2, 21)[:-1] + step / 40
    x = (middles[:, None] + fine).ravel()
    edges = np.append(middles - step / 2, np.inf)
    edges[0] = -np.inf
    given_x = np.diff(ndtr((edges - rho * x[:, None]) / np.sqrt(1 - rho**2)), axis=1) * np.exp(-(x[:, None] ** 2) / 2)
    joint = given_x.reshape(len(middles), len(fine), -1).sum(axis=1)
    joint /= joint.sum()
    return float(rel_entr(joint, joint.sum(1, keepdims=True) * joint.sum(0)).sum())


def of_poissons(private: float, shared: float) -> float:
    """Mutual information of A + C and B + C, Poisson with means private, private, shared, by summation."""
    counts = np.arange(400)
    alone = poisson.pmf(counts, private)
    joint = sum(
        p * np.outer(np.roll(alone, c) * (counts >= c), np.roll(alone, c) * (counts >= c))
        for c, p in enumerate(poisson.pmf(np.arange(200), shared))
    )
    assert isinstance(joint, np.ndarray)
    return float(rel_entr(joint, joint.sum(1, keepdims=True) * joint.sum(0)).sum())


@NEAREST
def test_dependent_readings_that_repeat_have_what_they_have(estimator: Estimator) -> None:
    by_quadrature, by_summation = of_rounded_gaussians(0.1, 0.8), of_poissons(30, 70)
    assert by_quadrature == pytest.approx(0.5093, abs=1e-3)
    assert by_summation == pytest.approx(0.3366, abs=1e-3)
    errors = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        x, y = (np.round(values, 1) for values in gaussian(1000, 1, 0.8, seed))
        both = rng.poisson(70, 1000)
        errors += [
            estimator.estimate(x, y).mi - by_quadrature,
            estimator.estimate(*(both + rng.poisson(30, (2, 1000)))).mi - by_summation,
        ]
    assert np.mean(errors[::2]) == pytest.approx(0, abs=0.07)
    assert np.mean(errors[1::2]) == pytest.approx(0, abs=0.07)


@NEAREST
def test_a_label_beside_a_continuous_column_has_no_offset(estimator: Estimator) -> None:
    x = np.random.default_rng(0).standard_normal(1000)
    assert estimator.estimate(x, np.sign(x)).mi == pytest.approx(np.log(2), abs=0.02)


@NEAREST
def test_readings_are_the_same_in_every_unit(estimator: Estimator) -> None:
    """Decimal steps are no binary numbers: equal distances differ in their last bits, and are equal nevertheless."""
    x, y = rounded("height in cm, age in years", 400, np.random.default_rng(1))
    mi = estimator.estimate(x, y).mi
    for scale, shift in ((0.01, 0.0), (0.1, 1.7e5), (1 / 3, 0.1), (1e-90, 0.0)):
        assert estimator.estimate(x * scale + shift, y).mi == pytest.approx(mi, abs=1e-3)
    assert estimator.estimate(-x, y).mi == pytest.approx(mi, abs=1e-3)


@pytest.mark.parametrize("estimator", [KSG(), KSG2(), MixedKSG()], ids=str)
def test_names_of_categories_do_not_matter_where_each_is_met_often(estimator: Estimator) -> None:
    rng = np.random.default_rng(2)
    x = rng.integers(0, 6, 2000).astype(float)
    y = np.where(rng.random(2000) < 0.5, x, rng.integers(0, 6, 2000))
    codes, other_codes = rng.permutation(6) * 1.0, rng.permutation(6) * 1.0
    mi = estimator.estimate(x, y).mi
    assert estimator.estimate(codes[x.astype(int)], other_codes[y.astype(int)]).mi == pytest.approx(mi, abs=1e-10)
    letters = rng.integers(0, 26, 1000)
    assert estimator.estimate(letters * 1.0, 1.0 * rng.permutation(26)[letters]).mi == pytest.approx(
        np.log(26), abs=0.02
    )


@pytest.mark.parametrize("estimator", [KSG(), KSG2(), MixedKSG(), LNC()], ids=str)
def test_one_wild_value_does_not_squeeze_the_others(estimator: Estimator) -> None:
    x, y = gaussian(1000, 1, 0.8, seed=3)
    usual = estimator.estimate(x, y)
    assert "outliers" not in usual.diagnostics
    for wild in (1e3, 1e6, -1e90):
        spoiled = x.copy()
        spoiled[7] = wild
        estimate = estimator.estimate(spoiled, y)
        assert estimate.mi == pytest.approx(usual.mi, abs=0.03)
        assert estimate.diagnostics["outliers"] > 10
    assert estimator.estimate(np.exp(4 * x), y).mi == pytest.approx(usual.mi, abs=0.05)


def read_only(values: Array) -> Array:
    values = values.copy()
    values.flags.writeable = False
    return values


@pytest.mark.parametrize(
    "convert",
    [
        lambda v: v.astype(np.float32),
        np.asfortranarray,
        read_only,
        lambda v: (v * 1000).astype(np.int64),
        lambda v: v.tolist(),
    ],
    ids=["float32", "fortran", "read only", "integer", "list"],
)
def test_numbers_of_every_kind_are_taken_as_they_are(convert: Callable[[Array], Any]) -> None:
    x, y = (convert(values) for values in gaussian(400, 2, 0.8, seed=8))
    for estimator in (KSG(), KSG(metric="euclidean", standardize=False)):
        wide = estimator.estimate(np.array(x, np.float64), np.array(y, np.float64))
        assert estimator.estimate(x, y).mi == pytest.approx(wide.mi, abs=1e-10)


def test_it_takes_more_samples_than_neighbours() -> None:
    x, y = gaussian(5, 1, 0.5)
    with pytest.raises(DataError, match="too few"):
        KSG(5).estimate(x, y)
    assert np.isfinite(KSG(4).estimate(x, y).mi)


def test_a_fresh_process_estimates_and_warms_up() -> None:
    program = (
        "import numpy as np; from mibench.registry import estimators\n"
        "rng = np.random.default_rng(0); x, y = rng.standard_normal((2, 50, 2))\n"
        "for name in ('ksg', 'ksg2', 'mixed-ksg', 'cca', 'gaussian-copula', 'zero'):\n"
        "    estimator = estimators.create(name); estimator.warm_up(); print(name, estimator.estimate(x, y, 0).mi)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 50, 2))
    answers = dict(line.split() for line in done.stdout.splitlines())
    assert float(answers["ksg"]) == KSG().estimate(x, y).mi
    assert float(answers["zero"]) == 0.0
    assert len(answers) == 6
