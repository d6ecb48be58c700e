"""Balls, boards, signs, products and answers: truths by other integrals, samples by their law."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from mibench.tasks.products import MultiplicativeNoise, Product
from mibench.tasks.responses import BetaBinomial, Logistic
from mibench.tasks.shapes import Chequerboard, Parity, UniformBall
from scipy import integrate, special, stats

LOG_2 = math.log(2)


# the ball


def test_the_disc_by_integration() -> None:
    """p(x) = 2/pi sqrt(1 - x^2); I = 2 h(X) - log pi."""

    def term(x: float) -> float:
        p = 2 / math.pi * math.sqrt(1 - x * x)
        return -p * math.log(p) if p > 0 else 0.0

    entropy = integrate.quad(term, -1, 1, epsabs=1e-13)[0]
    assert UniformBall(1).mutual_information == pytest.approx(2 * entropy - math.log(math.pi), abs=1e-10)


@pytest.mark.parametrize("dim", [1, 2, 3, 10])
def test_the_ball_by_integration_over_the_length(dim: int) -> None:
    """|X|^2 is Beta(dim/2, dim/2 + 1); the entropies from the lengths and the areas of spheres."""
    log_volume = [k / 2 * math.log(math.pi) - math.lgamma(k / 2 + 1) for k in (dim, 2 * dim)]

    def term(r: float) -> float:
        density = math.exp(log_volume[0] - log_volume[1]) * math.pow(1 - r * r, dim / 2)
        if density <= 0:
            return 0.0
        area = dim * math.exp(log_volume[0]) * math.pow(r, dim - 1)
        return -area * density * math.log(density)

    entropy = integrate.quad(term, 0, 1, epsabs=1e-13, limit=200)[0]
    assert UniformBall(dim).mutual_information == pytest.approx(2 * entropy - log_volume[1], abs=1e-9)


@pytest.mark.parametrize("dim", [1, 2, 7])
def test_the_ball_is_full(dim: int) -> None:
    x, y = UniformBall(dim).sample(20_000, seed=1)
    squares = (x**2).sum(axis=1), (y**2).sum(axis=1)
    assert stats.kstest((squares[0] + squares[1]) ** dim, "uniform").pvalue > 1e-4
    for square in squares:
        assert stats.kstest(square, stats.beta(dim / 2, dim / 2 + 1).cdf).pvalue > 1e-4
    assert np.abs(x.T @ y / len(x)).max() < 4.5 / (2 * dim + 2) / math.sqrt(len(x))


def test_beside_the_ball_there_is_nothing() -> None:
    x, y = np.array([[0.5], [0.9], [1.1]]), np.array([[0.5], [0.9], [0.0]])
    assert list(np.isneginf(UniformBall(1).log_density_ratio(x, y))) == [False, True, True]


# the board


@pytest.mark.parametrize("cells", [2, 4, 10])
def test_the_board(cells: int) -> None:
    n, task = 40_000, Chequerboard(cells)
    x, y = task.sample(n, seed=2)
    counts, _, _ = np.histogram2d(x[:, 0], y[:, 0], bins=cells, range=[[0, cells], [0, cells]])
    black = (np.add.outer(np.arange(cells), np.arange(cells)) % 2) == 0
    assert counts[~black].sum() == 0
    assert stats.chisquare(counts[black]).pvalue > 1e-4
    for values in (x, y):
        assert stats.kstest(values[:, 0] / cells, "uniform").pvalue > 1e-4
    # the information of the squares, from their table
    joint = black / black.sum()
    table = special.rel_entr(joint, joint.sum(1, keepdims=True) * joint.sum(0)).sum()
    assert task.mutual_information == pytest.approx(float(table), abs=1e-12)


def test_white_squares_and_the_table_beside_the_board() -> None:
    x, y = np.array([[0.5], [0.5], [3.5], [-0.5], [4.5]]), np.array([[0.5], [1.5], [1.2], [1.5], [0.5]])
    assert Chequerboard(4).log_density_ratio(x, y).tolist() == [LOG_2, -math.inf, LOG_2, -math.inf, -math.inf]


# signs


@pytest.mark.parametrize(("dim", "relevant"), [(1, 1), (2, 2), (5, 2), (4, 3)])
def test_signs(dim: int, relevant: int) -> None:
    n = 40_000
    x, y = Parity(dim, relevant).sample(n, seed=3)
    assert (np.sign(y[:, 0]) == np.sign(x[:, :relevant]).prod(axis=1)).all()
    for values in (*x.T, y[:, 0]):
        assert stats.kstest(values, "norm").pvalue > 1e-4
    if relevant > 1:  # all but one of those that count say nothing: every pattern of signs has as many of either
        patterns = (x[:, : relevant - 1] > 0) @ 2 ** np.arange(relevant - 1)
        table = [
            [((patterns == p) & (y[:, 0] > 0)).sum(), ((patterns == p) & (y[:, 0] < 0)).sum()] for p in set(patterns)
        ]
        assert stats.chi2_contingency(table).pvalue > 1e-4


# products


@pytest.mark.parametrize("spread", [0.1, 0.5, 1.0, 2.0])
def test_noise_of_random_scale_by_adaptive_integration(spread: float) -> None:
    """E over X of the divergence of N(0, s^2) from the marginal, in the scale itself, not its logarithm."""
    z, w = np.polynomial.hermite_e.hermegauss(160)
    scales, w = np.exp(spread * z), w / w.sum()

    def term(t: float) -> float:
        y = math.exp(t)
        p = float(w @ (np.exp(-0.5 * (y / scales) ** 2) / scales)) / math.sqrt(2 * math.pi)
        return -2 * y * p * math.log(p) if p > 0 else 0.0

    # where the density of |Y| is not negligible; the rule of Hermite holds there
    entropy = integrate.quad(term, -40 - 5 * spread, 7 * spread + 3, epsabs=1e-11, limit=400)[0]
    expected = entropy - 0.5 * math.log(2 * math.pi * math.e)
    assert MultiplicativeNoise(spread).mutual_information == pytest.approx(expected, abs=1e-7)


def test_noise_of_random_scale_in_its_limits() -> None:
    assert MultiplicativeNoise(0.0).mutual_information == pytest.approx(0, abs=1e-12)
    # by the Fisher information 2 of log |E|: spread^2 for little spread
    assert MultiplicativeNoise(0.01).mutual_information == pytest.approx(1e-4, rel=1e-3)
    # for much, h(spread X) - h(log |E|), and the variance pi^2 / 8 of the latter has the more effect the less there is
    noise = 0.5 * (1 + math.log(math.pi / 2) + np.euler_gamma + LOG_2)
    entropy = 0.5 * math.log(2 * math.pi * math.e * 25.0)
    assert 0 < MultiplicativeNoise(5.0).mutual_information - (entropy - noise) < 0.5 * math.log1p(math.pi**2 / 8 / 25)


def test_noise_of_random_scale_is_uncorrelated() -> None:
    x, y = MultiplicativeNoise(0.5).sample(40_000, seed=4)
    assert stats.kstest(y[:, 0] / np.exp(0.5 * x[:, 0]), "norm").pvalue > 1e-4
    assert stats.kstest(x[:, 0], "norm").pvalue > 1e-4
    assert abs(stats.spearmanr(x[:, 0], y[:, 0]).statistic) < 4.5 / math.sqrt(40_000)
    assert np.isfinite(MultiplicativeNoise(0.5).log_density_ratio(np.zeros((1, 1)), np.zeros((1, 1)))).all()


@pytest.mark.parametrize("noise", [0.05, 0.3, 1.0, 5.0])
def test_products_by_the_characteristic_function(noise: float) -> None:
    """That of X_1 X_2 is (1 + t^2)^(-1/2): the density of Y by its inverse, on a grid."""
    t = np.linspace(0, 9 / noise, 6001)
    weights = np.exp(-0.5 * (noise * t) ** 2) / np.sqrt(1 + t * t) * (t[1] - t[0]) / math.pi
    weights[0] *= 0.5

    def term(y: float) -> float:
        p = float(weights @ np.cos(t * y))
        return -2 * p * math.log(p) if p > 1e-15 else 0.0

    edges = (0, 0.2 * noise, noise, 1 + 3 * noise, 30 + 6 * noise)
    entropy = sum(integrate.quad(term, a, b, epsabs=1e-10, limit=200)[0] for a, b in pairwise(edges))
    expected = entropy - 0.5 * math.log(2 * math.pi * math.e * noise**2)
    assert Product(noise).mutual_information == pytest.approx(expected, abs=1e-7)


def test_products_in_their_limits() -> None:
    # much noise: half the ratio of the variances; little: the entropy of the product, whose density is K_0(|y|) / pi
    assert Product(1000.0).mutual_information == pytest.approx(0.5e-6, rel=1e-4)
    nothing = Product(0.001).mutual_information + math.log(0.001) + 0.5 * math.log(2 * math.pi * math.e)

    def term(y: float) -> float:
        p = float(special.k0(y)) / math.pi
        return -2 * p * math.log(p)

    entropy = sum(integrate.quad(term, a, b, epsabs=1e-12, limit=200)[0] for a, b in ((0, 0.01), (0.01, 1), (1, 40)))
    assert nothing == pytest.approx(entropy, abs=5e-3)
    assert nothing > entropy  # independent noise adds entropy


def test_neither_factor_tells_by_itself() -> None:
    task = Product(0.3)
    x, y = task.sample(40_000, seed=5)
    assert stats.kstest((y[:, 0] - x[:, 0] * x[:, 1]) / 0.3, "norm").pvalue > 1e-4
    for values in x.T:
        assert abs(stats.spearmanr(values, y[:, 0]).statistic) < 4.5 / math.sqrt(40_000)
    assert np.var(y) == pytest.approx(1.09, rel=0.1)


# answers


@pytest.mark.parametrize("slope", [0.1, 1.0, 3.0, 100.0])
def test_yes_or_no_by_adaptive_integration(slope: float) -> None:
    def term(s: float) -> float:
        p = float(special.expit(slope * s))
        return stats.norm.pdf(s) * float(special.entr(p) + special.entr(1 - p))

    reach = 40 / slope
    pieces = [(0, min(reach, 10) / 8), (min(reach, 10) / 8, min(reach, 10))]
    lost = 2 * sum(integrate.quad(term, a, b, epsabs=1e-13)[0] for a, b in pieces)
    assert Logistic(1, slope).mutual_information == pytest.approx(LOG_2 - lost, abs=1e-10)


def test_yes_or_no_in_its_limits() -> None:
    assert Logistic(3, 0.0).mutual_information == 0
    assert Logistic(7, 3.0).mutual_information == Logistic(1, 3.0).mutual_information
    assert Logistic(1, 0.01).mutual_information == pytest.approx(1e-4 / 8, rel=1e-3)
    # the integral of H_b over the log odds is pi^2 / 3
    lost = math.pi**2 / 3 / math.sqrt(2 * math.pi) / 1000
    assert Logistic(1, 1000.0).mutual_information == pytest.approx(LOG_2 - lost, abs=1e-6)


def test_answers_follow_the_curve() -> None:
    x, y = Logistic(4, 2.0).sample(40_000, seed=6)
    s = x.sum(axis=1) / 2
    assert set(y[:, 0]) == {0.0, 1.0}
    for low, high in ((-3, -1), (-1, 0), (0, 1), (1, 3)):
        inside = (s > low) & (s < high)
        p = special.expit(2.0 * s[inside])
        assert y[inside, 0].sum() == pytest.approx(p.sum(), abs=4 * math.sqrt((p * (1 - p)).sum()))


@pytest.mark.parametrize(("trials", "a", "b"), [(1, 2.0, 2.0), (10, 2.0, 2.0), (10, 0.5, 3.0), (50, 1.0, 1.0)])
def test_counts_by_integration_over_the_chance(trials: int, a: float, b: float) -> None:
    """H(Y) - H(Y | X), both from probabilities and nothing else."""
    y = np.arange(trials + 1)
    entropy = float(special.entr(stats.betabinom.pmf(y, trials, a, b)).sum())

    def term(t: float) -> float:
        x = float(special.expit(t))
        return float(stats.beta.pdf(x, a, b) * x * (1 - x) * special.entr(stats.binom.pmf(y, trials, x)).sum())

    given_x = sum(integrate.quad(term, *piece, epsabs=1e-11, limit=200)[0] for piece in ((-36, -3), (-3, 3), (3, 36)))
    found = BetaBinomial(trials, a, b).mutual_information
    assert found == pytest.approx(entropy - given_x, abs=1e-7)


@pytest.mark.parametrize(
    ("trials", "a", "b", "truth"),
    [
        (1000, 0.01, 0.01, 1.0903405182602774),
        (2000, 2.0, 2.0, 3.0908346607751462),
        (2000, 1000.0, 1000.0, 0.3465735642409242),
        (20_000, 0.5, 1.0, 4.535718113587452),
    ],
)
def test_counts_of_many_trials_to_the_stated_error(trials: int, a: float, b: float, truth: float) -> None:
    """Against the sum of logarithms of gamma functions to 40 digits."""
    task = BetaBinomial(trials, a, b)
    assert task.mutual_information == pytest.approx(truth, abs=task.mutual_information_error)


def test_counts_follow_their_law() -> None:
    x, y = BetaBinomial(10, 2.0, 3.0).sample(40_000, seed=7)
    assert stats.kstest(x[:, 0], stats.beta(2, 3).cdf).pvalue > 1e-4
    counts = np.bincount(y[:, 0].astype(int), minlength=11)
    assert stats.chisquare(counts, 40_000 * stats.betabinom.pmf(np.arange(11), 10, 2, 3)).pvalue > 1e-4
    residual = (y - 10 * x)[:, 0]
    assert residual.mean() == pytest.approx(0, abs=4.5 * residual.std() / 200)


def test_more_trials_say_more() -> None:
    truths = [BetaBinomial(trials).mutual_information for trials in (1, 2, 5, 20, 100, 1000)]
    assert sorted(truths) == truths
    assert BetaBinomial(1, 1000.0, 1000.0).mutual_information == pytest.approx(0.5 / 2001, rel=1e-2)
