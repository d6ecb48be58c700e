"""Mixtures by expectation-maximization, the maps before them, and the mutual information that they answer with."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from mibench.estimators.densities.gmm import GaussianMixtureModel, VectorCopula
from mibench.estimators.densities.ladder import Chosen, Ladder, Margins, paired
from mibench.estimators.densities.margins import ranked, scaled, spacing_entropy, unmixed
from mibench.estimators.densities.mixture import Fit, Pattern, Stack, fit, single, split
from mibench.estimators.densities.unmixing import scores, unmixing_matrix
from mibench.estimators.gaussian import gaussian_information
from scipy import stats

from mibench.errors import Unsupported
from mibench.estimator import Array, Estimator
from mibench.registry import tasks
from mibench.task import Task


def drawn(name: str, n: int, seed: int = 0) -> tuple[Array, Array, float]:
    task = tasks.create(name)
    assert isinstance(task, Task)
    return *task.sample(n, seed), task.mutual_information


def stack(dofs: tuple[float, ...]) -> Stack:
    """Two mixtures of some components in 3 dimensions."""
    rng = np.random.default_rng(7)
    k = len(dofs)
    roots = rng.standard_normal((2, k, 3, 3))
    weights = rng.dirichlet(np.ones(k), 2)
    scatters = roots @ roots.transpose(0, 1, 3, 2) + 0.3 * np.eye(3)
    return Stack(np.log(weights), rng.standard_normal((2, k, 3)), scatters, np.tile(dofs, (2, 1)), Pattern.full(3))


def reference(mixture: Stack, b: int, values: Array) -> Array:
    """The density by scipy."""
    total = np.zeros(len(values))
    for w, m, s, v in zip(*(a[b] for a in mixture.arrays), strict=True):
        one = stats.multivariate_normal(m, s) if math.isinf(v) else stats.multivariate_t(m, s, df=int(v))
        total += math.exp(w) * one.pdf(values)
    return np.asarray(np.log(total))


@pytest.mark.parametrize("dofs", [(math.inf,) * 3, (1.0, 4.0, 30.0)])
def test_densities_and_their_marginals(dofs: tuple[float, ...]) -> None:
    mixture = stack(dofs)
    values = np.random.default_rng(0).standard_normal((50, 3))
    for b in (0, 1):
        np.testing.assert_allclose(mixture.log_density(values)[:, b], reference(mixture, b, values), rtol=1e-9)
        x, y = mixture.marginal(slice(0, 1)), mixture.marginal(slice(1, None))
        apart = reference(x, b, values[:, :1]) + reference(y, b, values[:, 1:])
        np.testing.assert_allclose(mixture.log_ratio(values, 1)[:, b], reference(mixture, b, values) - apart, atol=1e-9)


@pytest.mark.parametrize("student", [False, True])
def test_every_iteration_makes_the_training_rows_more_likely(student: bool) -> None:
    x, y, _ = drawn("student-identity-3-3-2" if student else "1v1-AI", 1000)
    values = np.hstack([x, y])
    everything = np.ones((1, len(values)), bool)
    start = split(split(single(values, everything, student), np.random.default_rng(0)), np.random.default_rng(1))
    found = [float(fit(start, values, everything, steps).train[0]) for steps in range(8)]
    assert all(later >= earlier - 1e-9 for earlier, later in itertools.pairwise(found))
    assert found[-1] > found[0] + 0.05


def test_parts_are_fitted_as_if_each_were_alone() -> None:
    x, y, _ = drawn("1v1-X-0.9", 600)
    values = np.hstack([x, y])
    parts = np.arange(600) % 3 != np.arange(3)[:, None]
    together = fit(split(single(values, parts, False), np.random.default_rng(0)), values, parts, 5, patience=99)
    for b, part in enumerate(parts):
        alone = split(single(values, part[None], False), np.random.default_rng(0))
        found = fit(alone, values, part[None], 5, patience=99)
        assert found.train[0] == pytest.approx(together.train[b], rel=1e-9)
        assert found.test[0] == pytest.approx(together.stack.log_density(values[~part])[:, b].mean(), rel=1e-9)


def test_degrees_of_freedom_and_scatter_of_a_student_sample() -> None:
    rng = np.random.default_rng(3)
    scatter = np.array([[1.0, 0.5], [0.5, 2.0]])
    values = stats.multivariate_t(np.array([1.0, -2.0]), scatter, df=3).rvs(20_000, random_state=rng)
    everything = np.ones((1, len(values)), bool)
    found = fit(single(values, everything, True), values, everything, 60).stack
    assert float(found.dofs[0, 0]) == pytest.approx(3, abs=0.15)
    np.testing.assert_allclose(found.scatters[0, 0], scatter, atol=0.06)
    np.testing.assert_allclose(found.means[0, 0], [1, -2], atol=0.05)


def test_pairs_are_full_covariances_without_the_other_entries() -> None:
    pairs = Pattern.pairs(2, 3)
    assert sorted(zip(*(side.tolist() for side in pairs.entries), strict=True)) == sorted(
        [(i, i) for i in range(5)] + [(0, 2), (1, 3)]
    )
    x, y, _ = drawn("multinormal-sparse", 3000)
    values = np.hstack([x, y])
    everything = np.ones((1, len(values)), bool)
    full = single(values, everything, False)
    kept = np.zeros((6, 6), bool)
    rows, columns = Pattern.pairs(3, 3).entries
    kept[rows, columns] = kept[columns, rows] = True
    few = replace(full, scatters=full.scatters * kept, pattern=Pattern.pairs(3, 3))
    same = replace(few, pattern=Pattern.full(6))
    np.testing.assert_allclose(few.log_ratio(values[:50], 3), same.log_ratio(values[:50], 3), atol=1e-9)
    # coordinates of one variable are independent here, so nothing is lost
    assert float(fit(few, values, everything, 3).train[0]) == pytest.approx(
        float(fit(full, values, everything, 0).train[0]), abs=0.01
    )


def test_canonical_pairs_are_the_same_density() -> None:
    x, y, _ = drawn("multinormal-dense[dim_x=3,dim_y=2]", 500)
    parts = np.arange(500) % 2 != np.arange(2)[:, None]
    start = Ladder(1, 1, 10, (False,)).search([Margins("", np.hstack([x, y]), 0.0)], parts, 3, 0)
    turned = paired(start, parts, 3)
    for before, after in zip(start.log_ratios(parts, 3), turned.log_ratios(parts, 3), strict=True):
        for a, b in zip(before, after, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


def gaussian_choice(values: Array, parts: Array, rho: float) -> Chosen:
    """One standard normal component a fold, with this correlation."""
    scatters = np.tile([[1.0, rho], [rho, 1.0]], (len(parts), 1, 1, 1))
    made = replace(single(values, parts, False), means=np.zeros((len(parts), 1, 2)), scatters=scatters)
    return Chosen(Margins("", values, 0.0), [values], [Fit(made, np.zeros(3), np.zeros(3))], "full", 0.0)


def test_the_true_ratio_tells_pairs_from_independent_ones_the_best() -> None:
    """A proper score: greatest at the correlation of the samples, and ln(1/4) where pairs are taken for independent."""
    rng = np.random.default_rng(3)
    x, noise = rng.standard_normal((2, 6000))
    values = np.stack([x, 0.7 * x + math.sqrt(1 - 0.49) * noise], 1)
    parts = np.arange(6000) % 3 != np.arange(3)[:, None]
    told = {rho: gaussian_choice(values, parts, rho).told_apart(parts, 1) for rho in (0.0, 0.5, 0.7, 0.85)}
    np.testing.assert_allclose(told[0.0], math.log(0.25))
    means = {rho: found.mean() for rho, found in told.items()}
    assert max(means, key=lambda rho: means[rho]) == 0.7

    # by quadrature over both distributions
    def both(y: float, x: float) -> float:
        ratio = stats.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]]).pdf([x, y]) / (
            product := float(stats.norm.pdf(x) * stats.norm.pdf(y))
        )
        return product * (ratio * math.log(ratio / (1 + ratio)) - math.log1p(ratio))

    grid = np.linspace(-6, 6, 121)
    expected = 0.01 * sum(both(float(a), float(b)) for a in grid for b in grid)
    assert means[0.7] == pytest.approx(expected, abs=4 * told[0.7].std() / math.sqrt(6000))


def test_every_fold_is_told_apart_by_its_own_fit() -> None:
    x, y, _ = drawn("gauss[dim=2]", 300)
    parts = np.arange(300) % 3 != np.arange(3)[:, None]
    start = Ladder(1, 1, 10, (False,)).search([Margins("", np.hstack([x, y]), 0.0)], parts, 2, 0)
    together, apart = start.told_apart(parts, 2), paired(start, parts, 2).told_apart(parts, 2)
    np.testing.assert_allclose(together, apart, atol=1e-6)
    assert together.shape == (300,)


# Maps ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", [stats.norm(2, 3), stats.cauchy(), stats.expon(), stats.uniform(0, 5)])
def test_entropies_from_spacings(law: stats.rv_continuous) -> None:
    column = law.rvs(10_000, random_state=np.random.default_rng(0))
    assert spacing_entropy(column) == pytest.approx(float(law.entropy()), abs=0.06)


def test_volumes_are_mean_log_derivatives() -> None:
    x = np.random.default_rng(1).standard_normal((20_000, 2))
    stretched = np.sinh(x)  # whose normal scores are arcsinh
    expected = -float(np.log(np.cosh(x)).mean(axis=0).sum())
    assert ranked(stretched).log_volume == pytest.approx(expected, abs=0.08)
    affine = scaled(x * [2.0, 5.0] + 3)
    assert affine.log_volume == pytest.approx(-math.log(10), abs=0.05)
    assert np.abs(affine.values - x).max() < 0.2


@pytest.mark.parametrize(
    ("selector", "within"),
    [
        ("symmetric-channel[letters=2,crossover=0.1]", 0.1),
        ("discrete-uniform[letters=3]", 0.12),
        ("erasure-channel[letters=4,erasure=0.3]", 0.3),
        ("rounded-gauss[rho=0.9,step=1.0]", 0.06),
        ("zero-inflated-poisson[inflation=0.5]", 0.03),
    ],
)
@pytest.mark.parametrize("estimator", [GaussianMixtureModel(restarts=1), VectorCopula(restarts=1)])
def test_values_that_repeat(estimator: Estimator, selector: str, within: float) -> None:
    x, y, truth = drawn(selector, 1500)
    assert estimator.estimate(x, y, 3).mi == pytest.approx(truth, abs=within)


def test_independent_components_are_found() -> None:
    rng = np.random.default_rng(2)
    sources = np.stack([rng.uniform(-1, 1, 5000), rng.laplace(size=5000), rng.exponential(size=5000)], axis=1)
    mixed = sources @ rng.standard_normal((3, 3))
    centred = mixed - mixed.mean(axis=0)
    recovered = centred @ unmixing_matrix(centred, np.random.default_rng(0))
    match = np.abs(np.corrcoef(recovered.T, sources.T)[:3, 3:])
    assert sorted(match.argmax(axis=1)) == [0, 1, 2]
    assert match.max(axis=1).min() > 0.998
    # a linear map and monotone ones leave the rank order of every component
    found = unmixed(mixed, np.random.default_rng(0)).values
    assert np.abs(stats.spearmanr(found, sources).statistic[:3, 3:]).max(axis=1).min() > 0.995


def test_scores_and_fisher_informations() -> None:
    rng = np.random.default_rng(4)
    logistic = stats.logistic(scale=math.sqrt(3) / math.pi)  # variance 1
    samples = np.stack([rng.standard_normal(50_000), logistic.rvs(50_000, random_state=rng)], axis=1)
    psi, information = scores(samples)
    scale = math.sqrt(3) / math.pi
    exact = np.tanh(samples[:, 1] / (2 * scale)) / scale
    assert np.abs(psi[:, 0] - samples[:, 0]).mean() < 0.05
    assert np.abs(psi[:, 1] - exact).mean() < 0.07
    assert information == pytest.approx([1.02, 1 / (3 * scale**2)], abs=0.03)


# Estimates -----------------------------------------------------------------------------------------------------------


def test_one_gaussian_is_answered_with_its_exact_bias() -> None:
    x, y, truth = drawn("multinormal-dense[dim_x=4,dim_y=4]", 1000)
    estimate = GaussianMixtureModel(components="normal").estimate(x, y)
    assert estimate.diagnostics["components"] == 1
    if estimate.diagnostics["margins"] == "scale":
        assert estimate.mi == pytest.approx(gaussian_information(x, y).mi, abs=1e-9)
    assert estimate.mi == pytest.approx(truth, abs=3 * estimate.diagnostics["sampling_error"])


@pytest.mark.parametrize(
    "name", ["1v1-X-0.9", "1v1-AI", "mult-sparse-w-inliers-5-5-2-2.0-0.2", "student-identity-3-3-2", "wrapped"]
)
def test_what_a_mixture_can_say_is_said(name: str) -> None:
    x, y, truth = drawn(name, 2000)
    estimator = VectorCopula(most=8) if name == "wrapped" else GaussianMixtureModel(most=8)
    estimate = estimator.estimate(x, y)
    error = estimate.diagnostics["sampling_error"]
    assert 0.005 < error < 0.06
    assert estimate.mi == pytest.approx(truth, abs=3 * error)


def test_the_map_with_the_better_ratio_is_taken_before_that_with_the_better_density() -> None:
    """Ranks make any margins likely, here uniform ones, and bend what is straight between the variables."""
    rng = np.random.default_rng(8)
    x = rng.uniform(size=(1000, 1))
    y = x + rng.uniform(-0.1, 0.1, size=(1000, 1))
    truth = 0.1 - math.log(0.2)  # the entropy of a trapezoid less that of the noise
    by_density, by_ratio = VectorCopula(most=16).estimate(x, y), GaussianMixtureModel(most=16).estimate(x, y)
    assert (by_density.diagnostics["margins"], by_ratio.diagnostics["margins"]) == ("ranks", "scale")
    assert abs(by_ratio.mi - truth) < 0.6 * abs(by_density.mi - truth)


def test_a_single_student_component_finds_what_the_common_scale_carries() -> None:
    x, y, truth = drawn("student[base=gauss[dim=8,rho=0.7],dof=1.0]", 2000)
    estimate = GaussianMixtureModel(most=2).estimate(x, y)
    assert (estimate.diagnostics["kind"], estimate.diagnostics["margins"]) == ("student", "scale")
    assert estimate.mi == pytest.approx(truth, abs=0.15)


def test_independent_variables_carry_nothing() -> None:
    x, y = np.random.default_rng(5).laplace(size=(2, 1000, 2))
    for estimator in (GaussianMixtureModel(most=4), VectorCopula(most=4)):
        assert estimator.estimate(x, y).mi == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("estimator", [GaussianMixtureModel(most=4), VectorCopula(most=4)], ids=["gmm", "vce"])
def test_letters_have_an_answer(estimator: GaussianMixtureModel | VectorCopula) -> None:
    """They have no density, and no component sinks to one of them, where the ratio would be without limit."""
    x, y, truth = drawn("erasure-channel[letters=16]", 500)
    assert 0 < estimator.estimate(x, y).mi < truth


def test_monotone_maps_hardly_matter_on_ranks() -> None:
    x, y, truth = drawn("1v1-X-0.9", 1000)
    assert GaussianMixtureModel(most=4).estimate(np.exp(3 * x), y**3).mi == pytest.approx(truth, abs=0.06)


def test_columns_as_many_as_rows_are_refused() -> None:
    x, y = np.random.default_rng(6).standard_normal((2, 100, 25))
    with pytest.raises(Unsupported, match="too few for the covariance of 50 columns; give at least 125"):
        GaussianMixtureModel().estimate(x, y)


@pytest.mark.parametrize("estimator", [GaussianMixtureModel(), VectorCopula()])
def test_columns_that_follow_from_one_another_are_refused(
    estimator: GaussianMixtureModel | VectorCopula, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pixels of pictures with few degrees of freedom: some covariance on the way is not positive definite."""

    def singular(*_: object) -> None:
        np.linalg.cholesky(np.ones((2, 2)) - 2 * np.eye(2))

    monkeypatch.setattr(Ladder, "search", singular)
    with pytest.raises(Unsupported, match="leave out what follows from the rest"):
        estimator.estimate(*np.random.default_rng(6).standard_normal((2, 100, 2)))


def test_many_such_columns_are_refused_before_anything_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    few, maps = rng.standard_normal((200, 5)), rng.standard_normal((2, 5, 12))
    monkeypatch.setattr(Ladder, "search", lambda *_: pytest.fail("it is fitted"))
    for estimator in (GaussianMixtureModel(), VectorCopula()):
        with pytest.raises(Unsupported, match="leave out what follows from the rest"):
            estimator.estimate(few @ maps[0], rng.standard_normal((200, 12)))
        with pytest.raises(pytest.fail.Exception, match="it is fitted"):  # one of twelve is no harm
            estimator.estimate(np.hstack([x := rng.standard_normal((200, 11)), x[:, :1] + x[:, 1:2]]), few)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "short_by"),
    [
        ("wrapped[base=gauss[dim=64,rho=0.7]]", 0.4),
        ("paired-mixture[dim=64]", 1.0),
        ("student[base=gauss[dim=64,rho=0.7],dof=1.0]", 0.4),
        ("spiral[base=gauss[dim=64,rho=0.7],speed=1.57]", 0.4),
    ],
)
def test_high_information_in_64_and_64_dimensions(name: str, short_by: float) -> None:
    x, y, truth = drawn(name, 10_000)
    assert truth - short_by < VectorCopula().estimate(x, y).mi < truth + 0.2
