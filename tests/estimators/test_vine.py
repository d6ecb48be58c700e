import math
from dataclasses import dataclass

import numpy as np
import pytest
from mibench.estimators.gaussian import CCA
from mibench.estimators.vines.choice import chosen, strength
from mibench.estimators.vines.grids import POINTS, STEP, OnGrid, stacked
from mibench.estimators.vines.merged import canonical, columns, merged
from mibench.estimators.vines.pairs import Gaussian, Independent, Pair, Student, fitted_student
from mibench.estimators.vines.trees import Node, independent, vine
from mibench.estimators.vines.vine import Vine
from scipy import stats
from scipy.special import ndtr

from mibench.errors import Unsupported
from mibench.estimator import Array
from mibench.ranks import normal_scores
from mibench.registry import tasks
from mibench.task import Task


def drawn(name: str, n: int, seed: int = 0) -> tuple[Array, Array, float]:
    task = tasks.create(name)
    assert isinstance(task, Task)
    return *task.sample(n, seed), task.mutual_information


def kernel_pair(name: str, n: int = 2000) -> OnGrid:
    """What is fitted to the scores of a task's samples."""
    x, y, _ = drawn(name, n)
    a, b = normal_scores(np.hstack([x, y])).T
    rho = float(np.corrcoef(a, b)[0, 1])
    return stacked(a, b, rho, [Gaussian(rho)]).pair(n)


PAIRS: dict[str, Pair] = {
    "independent": Independent(),
    "gaussian": Gaussian(-0.6),
    "student": Student(0.5, 4.0),
    "tails": Student(-0.3, 2.0),
    "x-shape": kernel_pair("x-shape"),
    "sine": kernel_pair("equitability[function=sine,noise=0.3,dim=1]"),
    "correlated": kernel_pair("gauss[rho=0.9]"),
}


def log_margin(pair: Pair, which: int, values: Array) -> Array:
    """The log density of a (0) or b (1) that the pair is relative to: normal, but for a grid, which has its own."""
    if not isinstance(pair, OnGrid):
        return np.asarray(stats.norm.logpdf(values))
    return np.asarray(np.interp(values, POINTS, pair.log_margins[1 - which]))


@pytest.mark.parametrize("name", PAIRS)
def test_conditional_distributions_are_integrals_of_the_density(name: str) -> None:
    """F(b | a) is the integral of c(a, t) over the distribution of t up to b, 1 at its end; likewise F(a | b)."""
    pair = PAIRS[name]
    line = np.linspace(-6, 6, 6001)
    places = POINTS[np.abs(POINTS) < 2][::6]
    # between the lines of a grid all three are interpolated, with errors of either sign
    for given, within in [*((place, 0.005) for place in places), *((0.5 * STEP + place, 0.04) for place in places)]:
        for which in (0, 1):
            ends = [np.full(len(line), given)] * 2
            ends[which] = line
            density = np.exp(pair.log_density(*ends) + log_margin(pair, which, line)) * (line[1] - line[0])
            tight = within if isinstance(pair, OnGrid) else 2e-4
            assert density.sum() == pytest.approx(1, abs=tight)
            np.testing.assert_allclose(
                ndtr(pair.conditional(*ends)[which]), np.cumsum(density) - 0.5 * density, atol=tight
            )


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_left_of_a_pair_is_uniform_and_independent_of_what_is_given(name: str) -> None:
    rng = np.random.default_rng(5)
    pair = PAIRS[name]
    a, b = rng.standard_normal((2, 400_000))
    ratio = np.exp(
        pair.log_density(a, b) + sum(log_margin(pair, k, v) - stats.norm.logpdf(v) for k, v in enumerate((a, b)))
    )
    kept = rng.random(len(a)) < ratio / ratio.max()  # rows of the copula, drawn by rejection
    assert kept.sum() > 500
    of_a, of_b = pair.conditional(a[kept], b[kept])
    for left, given in ((of_a, b[kept]), (of_b, a[kept])):
        assert stats.kstest(ndtr(left), "uniform").pvalue > 1e-4
        assert strength(normal_scores(left[:, None])[:, 0], normal_scores(given[:, None])[:, 0]) < 0.1


def test_a_student_pair_is_the_ratio_of_its_densities() -> None:
    rng = np.random.default_rng(1)
    u = rng.uniform(0.001, 0.999, (200, 2))
    z, t = stats.norm.ppf(u), stats.t(3).ppf(u)
    expected = stats.multivariate_t([0, 0], [[1, 0.7], [0.7, 1]], df=3).logpdf(t) - stats.t(3).logpdf(t).sum(axis=1)
    np.testing.assert_allclose(Student(0.7, 3.0).log_density(*z.T), expected, atol=1e-4)


def test_degrees_of_freedom_and_correlation_of_a_student_sample() -> None:
    t = stats.multivariate_t([0, 0], [[1, 0.7], [0.7, 1]], df=4).rvs(20_000, random_state=np.random.default_rng(2))
    pair, likelihood = fitted_student(*normal_scores(t).T, 0.5)
    assert pair.dof == 4
    assert pair.rho == pytest.approx(0.7, abs=0.02)
    a, b = normal_scores(t).T
    assert likelihood == pytest.approx(float(pair.log_density(a, b).sum()), rel=1e-3)


def test_the_vine_of_a_gaussian_with_its_partial_correlations_is_its_density() -> None:
    """The merged vine's pairs given those before, at their true partial correlations: exact, row by row."""
    rng = np.random.default_rng(7)
    root = rng.standard_normal((5, 5))
    covariance = root @ root.T + np.eye(5)
    scale = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(scale, scale)
    z = rng.multivariate_normal(np.zeros(5), correlation, 200)
    first, second = [0, 1, 2], [3, 4]

    def partial(i: int, j: int, given: list[int]) -> float:
        precision = np.linalg.inv(correlation[np.ix_([i, j, *given], [i, j, *given])])
        return float(-precision[0, 1] / math.sqrt(precision[0, 0] * precision[1, 1]))

    def conditional(i: int, given: list[int]) -> Array:
        """The score of F(z_i | given)."""
        slope = np.linalg.solve(correlation[np.ix_(given, given)], correlation[given, i]) if given else np.zeros(0)
        return np.asarray((z[:, i] - z[:, given] @ slope) / math.sqrt(1 - correlation[i, given] @ slope))

    a, b = [conditional(i, first[:i]) for i in first], [conditional(j, second[: j - 3]) for j in second]
    total = np.zeros(len(z))
    for i in range(3):
        for j in range(2):
            pair = Gaussian(partial(first[i], second[j], first[:i] + second[:j]))
            total += pair.log_density(a[i], b[j])
            a[i], b[j] = pair.conditional(a[i], b[j])

    def log_density(which: list[int]) -> Array:
        return np.asarray(
            stats.multivariate_normal(np.zeros(len(which)), correlation[np.ix_(which, which)]).logpdf(z[:, which])
        )

    expected = log_density(first + second) - log_density(first) - log_density(second)
    np.testing.assert_allclose(total, expected, atol=1e-8)


def test_every_tree_joins_nodes_that_differ_by_one_column() -> None:
    """The regular vine's proximity condition, all the way down, and one edge for each pair of columns."""
    values = normal_scores(drawn("multinormal-dense[dim_x=5,dim_y=2]", 400)[0])
    seen: dict[frozenset[int], Node] = {}

    def walk(node: Node) -> None:
        if node.columns in seen:
            return
        seen[node.columns] = node
        if node.joins:
            left, right = node.joins
            assert len(left.columns & right.columns) == len(node.columns) - 2
            assert left.columns | right.columns == node.columns
            assert set(node.scores) == left.columns ^ right.columns
            if left.joins:
                assert {one.columns for one in left.joins} & {one.columns for one in right.joins}
            walk(left)
            walk(right)

    walk(vine(values))
    assert sorted(len(each) for each in seen) == [1] * 5 + [2] * 4 + [3] * 3 + [4] * 2 + [5]
    conditioned = {frozenset(node.scores) for columns, node in seen.items() if len(columns) > 1}
    assert len(conditioned) == 10


def test_the_first_tree_has_the_strongest_pairs() -> None:
    """A chain of columns is its own tree."""
    rng = np.random.default_rng(0)
    chain = np.cumsum(rng.standard_normal((3000, 5)) * 0.7, axis=1)
    node, pairs = vine(normal_scores(chain)), set()

    def walk(node: Node) -> None:
        if len(node.columns) == 2:
            pairs.add(tuple(sorted(node.columns)))
        for one in node.joins:
            walk(one)

    walk(node)
    assert pairs == {(i, i + 1) for i in range(4)}


def test_the_vine_makes_gaussian_columns_independent_and_the_relevant_one_first() -> None:
    x = normal_scores(drawn("multinormal-dense[dim_x=4,dim_y=1,rho=0.7]", 4000)[0])
    relevance = np.array([0.0, 0.0, 0.0, 1.0])
    apart = independent(x, relevance)
    correlation = np.corrcoef(apart.T)
    assert np.abs(correlation - np.eye(4)).max() < 0.03
    assert np.corrcoef(apart[:, 0], x[:, 3])[0, 1] > 0.999


@dataclass(frozen=True)
class Problem:
    """A task, how far the answer may be off, in nats, and the samples."""

    name: str
    within: float
    n: int = 2000


@pytest.mark.parametrize(
    "problem",
    [
        Problem("gauss[mutual_information=0.7,dim=3]", 0.06),
        Problem("multinormal-dense[dim_x=4,dim_y=3,rho=0.4]", 0.05),
        Problem("multinormal-sparse[dim_x=8,dim_y=8,pairs=2,rho=0.7]", 0.07),
        Problem("x-shape[rho=0.8]", 0.05),
        Problem("student-identity[dim_x=2,dim_y=3,dof=3]", 0.06),
        Problem("equitability[function=sine,noise=0.3,dim=2]", 0.08),
        Problem("concentric-gaussians[dim_x=2,count=4]", 0.06),
        Problem("log-gamma[mutual_information=1.5]", 0.07),
    ],
    ids=lambda problem: problem.name,
)
def test_known_mutual_information(problem: Problem) -> None:
    x, y, truth = drawn(problem.name, problem.n, 5)
    assert Vine().estimate(x, y, 5).mi == pytest.approx(truth, abs=problem.within)


@pytest.mark.parametrize(("dim", "n"), [(1, 500), (3, 1000), (6, 300)])
def test_independence(dim: int, n: int) -> None:
    x, y = np.random.default_rng(dim).standard_normal((2, n, dim))
    assert abs(Vine().estimate(x, y).mi) < 0.02


def test_dependence_of_the_columns_of_one_variable_alone_cancels() -> None:
    """X on a thin parabola, Y likewise, independent of each other: nothing is common."""
    rng = np.random.default_rng(3)
    first, noise = rng.standard_normal((2, 2, 1500))
    x, y = (np.stack([a, a * a + 0.1 * e], axis=1) for a, e in zip(first, noise, strict=True))
    assert abs(Vine().estimate(x, y).mi) < 0.02


def test_increasing_maps_of_columns_change_nothing() -> None:
    x, y, _ = drawn("student[base=multinormal-sparse[dim_x=2,dim_y=2,pairs=1],dof=4]", 600)
    expected = Vine().estimate(x, y, 1).mi
    assert Vine().estimate(np.arctan(x), y * y * y, 1).mi == pytest.approx(expected, abs=1e-12)


def test_a_gaussian_is_about_the_same_as_by_its_formula() -> None:
    x, y, _ = drawn("multinormal-dense[dim_x=5,dim_y=5,rho=0.5]", 2000, 3)
    formula = CCA().estimate(normal_scores(x), normal_scores(y)).mi
    assert Vine(coordinates="canonical").estimate(x, y, 3).mi == pytest.approx(formula, abs=0.02)
    assert Vine(coordinates="columns").estimate(x, y, 3).mi == pytest.approx(formula, abs=0.04)


def test_canonical_variables_put_a_gaussian_into_few_pairs() -> None:
    x, y, _ = drawn("multinormal-dense[dim_x=6,dim_y=6,rho=0.5]", 2000)
    x, y, fold_of = normal_scores(x), normal_scores(y), np.arange(2000) % 2
    few, many = (merged(x, y, fold_of, each).pairs for each in (canonical, columns))
    assert few.get("independent", 0) > 50 > 20 > many.get("independent", 0)


def test_the_answer_is_the_mean_of_both_sides() -> None:
    x, y, _ = drawn("x-shape", 800)
    found = Vine().estimate(x, y)
    said = found.diagnostics
    assert said["held_out"] < found.mi < said["training"]
    assert found.mi == pytest.approx(0.5 * (said["held_out"] + said["training"]), abs=1e-12)
    assert found.stderr is None


def test_ties_come_apart_at_random_and_keep_their_information() -> None:
    x, y, truth = drawn("symmetric-channel", 2000)
    assert Vine().estimate(x, y).mi == pytest.approx(truth, abs=0.12)
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 3, (2, 1500, 2)).astype(float)
    assert abs(Vine().estimate(x, y).mi) < 0.02


def test_columns_that_do_not_vary_tell_nothing() -> None:
    x, y, _ = drawn("gauss", 500)
    expected = Vine().estimate(x, y).mi
    assert Vine().estimate(np.hstack([x, np.ones_like(x)]), y).mi == pytest.approx(expected, abs=0.02)


def test_what_it_declines() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 100, 40))
    with pytest.raises(Unsupported, match="80 columns have too many pairs"):
        Vine().estimate(x, y)
    with pytest.raises(Unsupported, match="follow from one another"):
        Vine().estimate(np.hstack([x[:, :1], np.exp(x[:, :1])]), y[:, :1])
    with pytest.raises(Unsupported, match="too few"):
        Vine().estimate(rng.standard_normal((50, 32)), rng.standard_normal((50, 32)))


def test_nothing_is_gained_from_independent_scores() -> None:
    """Most are taken for independent, and those that are not gain little."""
    rng = np.random.default_rng(4)
    found = [chosen(*rng.standard_normal((2, 500))) for _ in range(60)]
    assert sum(isinstance(each.pair, Independent) for each in found) > 40
    assert max(each.gain for each in found) < 8
