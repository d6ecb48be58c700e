"""Discrete and mixed tasks: closed forms against sums over tables, adaptive quadrature, inequalities and samples."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from mibench.tasks.discrete import (
    AtomsAndGauss,
    DiscreteUniform,
    ErasureChannel,
    RoundedGauss,
    SymmetricChannel,
    ZeroInflatedPoisson,
)
from scipy import integrate, special, stats

from mibench.errors import UsageError
from mibench.estimator import Array
from mibench.registry import tasks
from mibench.task import Task

EVERY = [name for name in tasks.names() if tasks.create(name).family == "mixed"]


def information_of_table(joint: Array) -> float:
    """Sum p ln p / (p p) over a table of probabilities."""
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    return float(special.rel_entr(joint, independent).sum())


class TestTruth:
    def test_values_from_the_literature(self) -> None:
        assert DiscreteUniform(5).mutual_information == pytest.approx(1.054920, abs=5e-7)
        # Gao et al. give 0.3012 for counts without inflation, rightly, and (1 - p) 0.3012 with it, which is too much
        assert ZeroInflatedPoisson(0.0).mutual_information == pytest.approx(0.3012, abs=5e-5)
        assert ZeroInflatedPoisson(0.15).mutual_information < 0.85 * 0.3012 - 0.02

    @pytest.mark.parametrize("letters", [2, 5, 30])
    def test_discrete_uniform_against_the_entropy_of_its_histogram(self, letters: int) -> None:
        # Y falls into the unit interval k when X is k or k - 1 and its noise is in the right half
        joint = np.zeros((letters, letters + 1))
        for x in range(letters):
            joint[x, x : x + 2] = 0.5 / letters
        assert DiscreteUniform(letters).mutual_information == pytest.approx(information_of_table(joint), abs=1e-12)

    @pytest.mark.parametrize(("letters", "p"), [(2, 0.1), (4, 0.0), (4, 0.1), (10, 0.95), (3, 2 / 3)])
    def test_symmetric_channel_against_its_table(self, letters: int, p: float) -> None:
        joint = np.full((letters, letters), p / (letters - 1) / letters)
        np.fill_diagonal(joint, (1 - p) / letters)
        assert SymmetricChannel(letters, p).mutual_information == pytest.approx(information_of_table(joint), abs=1e-12)

    @pytest.mark.parametrize(("letters", "e"), [(2, 0.0), (4, 0.3), (16, 0.99)])
    def test_erasure_channel_against_its_table(self, letters: int, e: float) -> None:
        joint = np.hstack([np.eye(letters) * (1 - e), np.full((letters, 1), e)]) / letters
        assert ErasureChannel(letters, e).mutual_information == pytest.approx(information_of_table(joint), abs=1e-12)

    @pytest.mark.parametrize("p", [0.0, 0.15, 0.5, 0.95])
    def test_counts_against_adaptive_quadrature(self, p: float) -> None:
        """Sum over y of the integral over x, of the definition and nothing else."""
        total = 0.0
        for y in range(60):
            marginal = (y == 0) * p + (1 - p) * 0.5 ** (y + 1)

            def integrand(x: float, y: float = y, marginal: float = marginal) -> float:
                conditional = (y == 0) * p + (1 - p) * stats.poisson.pmf(y, x)
                return math.exp(-x) * float(special.xlogy(conditional, conditional / marginal))

            total += sum(integrate.quad(integrand, *part, epsabs=1e-12)[0] for part in ((0, 2), (2, 10), (10, 60)))
        task = ZeroInflatedPoisson(p)
        assert task.mutual_information == pytest.approx(total, abs=1e-9)

    def test_gaussian_with_atoms_against_a_histogram(self) -> None:
        # cells of equal probability per part; the Gaussian part's information comes from below as they shrink
        task = AtomsAndGauss(rho=0.6, atoms=0.3, agreement=0.8)
        edges = stats.norm.ppf(np.linspace(0, 1, 25))[1:-1]
        grid = np.array(
            [[stats.multivariate_normal.cdf([a, b], cov=[[1, 0.6], [0.6, 1]]) for b in edges] for a in edges]
        )
        u = np.linspace(0, 1, 25)
        cumulative = np.block([[np.zeros((1, 25))], [np.zeros((23, 1)), grid, u[1:-1, None]], [u[None]]])
        gauss = np.diff(np.diff(cumulative, axis=0), axis=1)
        joint = np.zeros((26, 26))
        joint[:24, :24] = 0.7 * gauss
        joint[24:, 24:] = 0.3 * np.array([[0.4, 0.1], [0.1, 0.4]])
        histogram = information_of_table(joint)
        assert histogram < task.mutual_information < histogram + 0.02

    @pytest.mark.parametrize(("rho", "step"), [(0.9, 1.0), (-0.5, 0.3), (0.99, 2.0)])
    def test_rounding_against_adaptive_quadrature(self, rho: float, step: float) -> None:
        """I = sum over y of the integral of p(x) P(y | x) ln P(y | x) / P(y)."""
        most, sd = math.ceil(9 / step), math.sqrt(1 - rho**2)
        total = 0.0
        for k in range(-most, most + 1):
            low, high = (k - 0.5) * step, (k + 0.5) * step
            marginal = stats.norm.cdf(high) - stats.norm.cdf(low)

            def integrand(x: float, low: float = low, high: float = high, marginal: float = marginal) -> float:
                conditional = float(special.ndtr((high - rho * x) / sd) - special.ndtr((low - rho * x) / sd))
                return math.exp(-0.5 * x * x) * float(special.xlogy(conditional, conditional / marginal))

            if marginal > 1e-13:
                edges = np.linspace(-8.5, 8.5, 9)
                parts = itertools.pairwise(edges)
                total += sum(integrate.quad(integrand, a, b, epsabs=1e-11, limit=100)[0] for a, b in parts)
        task = RoundedGauss(rho, step)
        assert task.mutual_information == pytest.approx(total / math.sqrt(2 * math.pi), abs=1e-8)
        assert task.mutual_information_error < 1e-9

    @pytest.mark.parametrize("rho", [0.3, 0.9, -0.99])
    def test_rounding_loses_information_and_the_more_the_coarser(self, rho: float) -> None:
        gauss = -0.5 * math.log1p(-(rho**2))
        truths = [RoundedGauss(rho, step).mutual_information for step in (0.02, 0.1, 0.5, 2.5)]
        assert truths == sorted(truths, reverse=True)
        assert truths[0] < gauss
        assert truths[0] == pytest.approx(gauss, abs=3e-3)

    def test_rounding_to_signs_and_zero_tells_less_than_their_entropy(self) -> None:
        for step in (1.0, 5.0):
            p = [stats.norm.cdf((k + 0.5) * step) - stats.norm.cdf((k - 0.5) * step) for k in range(-9, 10)]
            assert RoundedGauss(0.99, step).mutual_information < stats.entropy(p)


class TestSamples:
    @pytest.mark.parametrize("name", EVERY)
    def test_values_repeat_where_it_is_said(self, name: str) -> None:
        task = tasks.create(name)
        assert isinstance(task, Task)
        assert task.discrete
        assert min(len(np.unique(v)) for v in task.sample(2_000, 0)) < 2_000

    def test_discrete_uniform(self) -> None:
        x, y = DiscreteUniform(4).sample(40_000, 0)
        assert np.bincount(x[:, 0].astype(int)) / 40_000 == pytest.approx(0.25, abs=4 * math.sqrt(0.25 * 0.75 / 40_000))
        assert stats.kstest((y - x)[:, 0] / 2, "uniform").pvalue > 1e-4

    def test_symmetric_channel_changes_to_all_other_letters_alike(self) -> None:
        x, y = SymmetricChannel(4, 0.3).sample(60_000, 0)
        step = ((y - x)[:, 0] % 4).astype(int)
        expected = np.array([0.7, 0.1, 0.1, 0.1])
        assert (np.abs(np.bincount(step) / 60_000 - expected) < 4 * np.sqrt(expected / 60_000)).all()

    def test_counts_have_the_moments_of_their_mixture(self) -> None:
        x, y = ZeroInflatedPoisson(0.15).sample(100_000, 0)
        assert x.mean() == pytest.approx(1, abs=4 / math.sqrt(100_000))
        assert y.mean() == pytest.approx(0.85, abs=4 * y.std() / math.sqrt(100_000))
        assert (y == 0).mean() == pytest.approx(0.15 + 0.85 / 2, abs=4 * 0.5 / math.sqrt(100_000))

    def test_atoms_come_together(self) -> None:
        x, y = AtomsAndGauss(rho=0.8, atoms=0.3, agreement=0.9).sample(60_000, 0)
        atom = np.abs(x) == 1
        assert np.array_equal(atom, np.abs(y) == 1)
        assert atom.mean() == pytest.approx(0.3, abs=4 * math.sqrt(0.21 / 60_000))
        assert (x == y)[atom].mean() == pytest.approx(0.9, abs=4 * math.sqrt(0.09 / atom.sum()))
        assert np.corrcoef(x[~atom], y[~atom])[0, 1] == pytest.approx(0.8, abs=4 * 0.36 / math.sqrt((~atom).sum()))

    def test_rounded_values_are_multiples_of_the_step(self) -> None:
        x, y = RoundedGauss(0.7, 0.25).sample(50_000, 0)
        assert np.array_equal(y, np.rint(y / 0.25) * 0.25)
        # rounding adds a nearly independent error of variance step^2 / 12
        assert np.cov(x[:, 0], y[:, 0])[0, 1] == pytest.approx(0.7, abs=0.03)
        assert y.var() == pytest.approx(1 + 0.25**2 / 12, abs=0.03)

    def test_impossible_pairs(self) -> None:
        assert DiscreteUniform(5).log_density_ratio(np.array([[0.0]]), np.array([[3.0]]))[0] == -math.inf
        assert ErasureChannel().log_density_ratio(np.array([[0.0]]), np.array([[1.0]]))[0] == -math.inf
        assert AtomsAndGauss().log_density_ratio(np.array([[1.0]]), np.array([[0.3]]))[0] == -math.inf


@pytest.mark.parametrize(
    "selector",
    [
        "symmetric-channel[letters=1]",
        "erasure-channel[erasure=-0.1]",
        "zero-inflated-poisson[inflation=1.0]",
        "atoms-and-gauss[atoms=0.0]",
        "atoms-and-gauss[agreement=1.1]",
        "rounded-gauss[rho=0.99999]",
        "rounded-gauss[step=0.0]",
    ],
)
def test_nonsense_is_refused(selector: str) -> None:
    with pytest.raises(UsageError):
        tasks.create(selector)
