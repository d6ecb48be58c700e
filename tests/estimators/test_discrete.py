"""Estimators from counts: exact expectations over all samples, theorems, invariances, intervals, refusals."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from mibench.estimators.discrete import ENTROPIES, Counts, intensity, nsb
from mibench.estimators.histogram import coverage
from scipy import special, stats

from mibench import checks
from mibench.checks import Verdict
from mibench.errors import Unsupported
from mibench.estimator import Array, Capabilities, Estimate, Estimator, check_samples
from mibench.registry import estimators

NAMES = list(ENTROPIES)
WITH_ERROR = ["miller-madow", "jackknife", "grassberger"]
FAIR = np.full(3, 1 / 3)
SKEWED = np.array([0.6, 0.3, 0.1])


def entropy(p: Array) -> float:
    return float(special.entr(p).sum())


def expectation(of: Callable[[Counts], float], p: Array, n: int) -> float:
    """Over all samples of n letters with probabilities p: of the counts above 0."""
    total = 0.0
    for first in itertools.product(range(n + 1), repeat=len(p) - 1):
        if sum(first) <= n:
            counts = np.array([*first, n - sum(first)])
            total += float(stats.multinomial.pmf(counts, n, p)) * of(counts[counts > 0])
    return total


def bias(name: str, p: Array, n: int) -> float:
    return expectation(lambda counts: ENTROPIES[name](counts, len(p)), p, n) - entropy(p)


def linked(n: int, letters: int, kept: float, seed: int) -> tuple[Counts, Counts]:
    """Y is X with probability ``kept``, otherwise any letter."""
    rng = np.random.default_rng(seed)
    x = rng.integers(letters, size=n)
    return x, np.where(rng.random(n) < kept, x, rng.integers(letters, size=n))


def information(letters: int, kept: float) -> float:
    joint = kept * np.eye(letters) / letters + (1 - kept) / letters**2
    return 2 * math.log(letters) - entropy(joint)


def answer(name: str, x: Counts, y: Counts) -> Estimate:
    return estimators.create(name).estimate(x, y)


class TestEntropies:
    @pytest.mark.parametrize("name", ["miller-madow", "jackknife"])
    @pytest.mark.parametrize("p", [FAIR, SKEWED])
    def test_the_bias_of_order_1_over_n_is_gone(self, name: str, p: Array) -> None:
        assert 2 * 40 * bias("plug-in", p, 40) == pytest.approx(-2, rel=0.1)
        assert abs(40 * bias(name, p, 40)) < 0.11
        assert abs(bias(name, p, 40)) < 0.6 * abs(bias(name, p, 20)) + 1e-12

    @pytest.mark.parametrize("p", [FAIR, SKEWED, np.array([0.5, 0.5])])
    def test_grassbergers_bias_does_not_know_how_many_letters_there_are(self, p: Array) -> None:
        """1 / 2n, by which the fixed n differs from one with a Poisson distribution."""
        assert 40 * bias("grassberger", p, 40) == pytest.approx(0.5, abs=0.1)

    def test_leaving_out_one_sample_by_one(self) -> None:
        sample = np.array([0, 0, 0, 0, 1, 1, 2, 3, 3, 3])

        def of(values: Array) -> float:
            return entropy(np.bincount(values.astype(int)) / len(values))

        without = np.mean([of(np.delete(sample, i)) for i in range(10)])
        counts = np.bincount(sample)
        assert ENTROPIES["jackknife"](counts, 4) == pytest.approx(10 * of(sample) - 9 * without, abs=1e-12)

    @pytest.mark.parametrize("mean", [0.3, 1.0, 2.5, 8.0])
    def test_grassbergers_series_has_its_expectation_at_poisson_counts(self, mean: float) -> None:
        """E c G(c) = z ln z + z E_1(2z)."""

        def weighted(count: int) -> float:
            # n H of one letter is n ln n - c G(c)
            return count * (math.log(count) - float(ENTROPIES["grassberger"](np.array([count]), 1)))

        total = sum(stats.poisson.pmf(c, mean) * weighted(c) for c in range(1, 80))
        assert total == pytest.approx(mean * math.log(mean) + mean * special.exp1(2 * mean), abs=1e-12)

    def test_what_was_not_seen_is_estimated_without_bias(self) -> None:
        """Good and Turing: the share of letters seen once has the mean of what n - 1 samples miss."""
        n, p = 9, SKEWED
        # where all letters occurred once the share is taken for (n - 1) / n, which n > 3 excludes
        assert expectation(lambda c: 1 - coverage(c), p, n) == pytest.approx(p @ (1 - p) ** (n - 1), abs=1e-12)

    def test_chao_and_shen_reweight_by_the_probability_of_being_seen(self) -> None:
        """Where all letters were seen often nothing is missing, and each stands for 1 / P(seen) like it."""
        p = SKEWED
        counts = np.array([60, 30, 10])
        seen = special.entr(p) / (1 - (1 - p) ** 100)
        assert ENTROPIES["chao-shen"](counts, 3) == pytest.approx(seen.sum(), abs=1e-12)

    def test_shrinkage_minimises_the_expected_square_error(self) -> None:
        """At the expectations of its parts: the best weight is Var / E distance^2, which the estimate approaches."""
        n, p = 400, SKEWED
        variance = (p * (1 - p)).sum() / n
        best = variance / (variance + ((p - 1 / 3) ** 2).sum())
        assert expectation(lambda c: intensity(c, 3), p, 60) == pytest.approx(best * n / 60, rel=0.15)
        assert intensity(np.array([20, 20, 20]), 3) == 1.0
        assert 0 < intensity(np.array([30, 20, 10]), 3) < 1

    @pytest.mark.parametrize("counts", [(1, 1), (3, 1), (10, 2)])
    def test_nsb_is_a_posterior_mean(self, counts: tuple[int, int]) -> None:
        """Two letters: the mean of H over p and beta by sums over both, the prior being flat in the mean of H."""
        a, b = counts
        logit = np.linspace(-60, 60, 4001)
        log_p, log_q = special.log_expit(logit), special.log_expit(-logit)
        of_p = special.entr(special.expit(logit)) + special.entr(special.expit(-logit))
        log_beta = np.linspace(-14, 22, 1201)
        mean_entropy = special.digamma(2 * np.exp(log_beta) + 1) - special.digamma(np.exp(log_beta) + 1)
        prior = np.gradient(mean_entropy)
        top = bottom = 0.0
        for beta, weight in zip(np.exp(log_beta), prior, strict=True):
            evidence = weight * math.exp(special.betaln(a + beta, b + beta) - special.betaln(beta, beta))
            density = (a + beta) * log_p + (b + beta) * log_q
            density = np.exp(density - density.max())
            top += evidence * float(density @ of_p / density.sum())
            bottom += evidence
        assert nsb(np.array(counts), 2) == pytest.approx(top / bottom, abs=1e-4)

    def test_nsb_knows_many_letters_of_which_few_are_seen(self) -> None:
        """Half a thousand of a thousand equally likely letters, or few of them: plug-ins cannot tell."""
        rng = np.random.default_rng(0)
        counts = np.unique(rng.integers(1000, size=300), return_counts=True)[1]
        assert nsb(counts, 1000) == pytest.approx(math.log(1000), abs=0.1)
        assert ENTROPIES["plug-in"](counts, 1000) < math.log(1000) - 1.2

    @pytest.mark.parametrize("name", NAMES)
    def test_all_are_consistent(self, name: str) -> None:
        counts = np.round(1e6 * SKEWED).astype(int)
        assert ENTROPIES[name](counts, 3) == pytest.approx(entropy(SKEWED), abs=1e-5)


class TestInformation:
    @pytest.mark.parametrize("name", NAMES)
    def test_letters_are_names(self, name: str) -> None:
        """No order, no distance, no dimension; and X and Y can change places."""
        x, y = linked(300, 5, 0.5, seed=0)
        first = answer(name, x, y)
        relabelled = np.array([[3.5, 0], [3.5, 1], [-1e6, 0], [0, 0], [2, 2]])[x]
        for other in (answer(name, relabelled, y), answer(name, y, x), answer(name, x[::-1], y[::-1])):
            assert other.mi == pytest.approx(first.mi, abs=1e-12)
            assert other.stderr == (first.stderr and pytest.approx(first.stderr, abs=1e-12))

    @pytest.mark.parametrize("name", NAMES)
    def test_the_truth_is_approached(self, name: str) -> None:
        x, y = linked(100_000, 4, 0.6, seed=1)
        assert answer(name, x, y).mi == pytest.approx(information(4, 0.6), abs=0.012)

    @pytest.mark.parametrize("name", ["jackknife", "grassberger", "james-stein", "nsb"])
    def test_hardly_anything_where_the_plug_in_finds_a_lot(self, name: str) -> None:
        samples = [linked(200, 12, 0.0, seed) for seed in range(20)]
        assert np.mean([answer("plug-in", *s).mi for s in samples]) > 0.3
        assert abs(np.mean([answer(name, *s).mi for s in samples])) < 0.05

    @pytest.mark.parametrize("name", ["plug-in", "james-stein"])
    def test_what_is_the_information_of_a_distribution_has_its_bounds(self, name: str) -> None:
        for seed in range(30):
            x, y = linked(12, 4, 0.5, seed)
            if len(set(x)) > 1 < len(set(y)):
                estimate = answer(name, x, y)
                assert -1e-12 <= estimate.mi <= math.log(4)
                assert "above_entropy" not in estimate.diagnostics

    @pytest.mark.parametrize("name", NAMES)
    def test_no_answer_above_an_entropy_goes_unremarked(self, name: str) -> None:
        """X and Y equal, of few letters: corrected entropies can exceed the logarithm of their number."""
        x = np.arange(20) % 2
        estimate = answer(name, x, x)
        assert name not in ("miller-madow", "jackknife") or estimate.mi > math.log(2) + 0.02
        assert ("above_entropy" in estimate.diagnostics) == (estimate.mi > math.log(2) + 1e-12)

    @pytest.mark.parametrize("name", NAMES)
    def test_a_function_of_y_tells_all_of_itself_and_no_more(self, name: str) -> None:
        """H(X, Y) is then H(Y), and no estimate of the latter is above that of the former."""
        for seed in range(20):
            y = np.random.default_rng(seed).integers(12, size=60)
            assert answer(name, y % 2, y).mi <= ENTROPIES[name](np.bincount(y % 2), 2) + 1e-9

    @pytest.mark.parametrize("name", WITH_ERROR)
    @pytest.mark.parametrize(("kept", "least"), [(0.0, 0.8), (0.5, 0.89)])
    def test_intervals_cover(self, name: str, kept: float, least: float) -> None:
        truth, found = information(4, kept), [answer(name, *linked(400, 4, kept, seed)) for seed in range(100)]
        assert np.mean([abs(e.mi - truth) < 1.96 * e.stderr for e in found if e.stderr is not None]) >= least
        assert all(e.stderr is not None for e in found)

    @pytest.mark.parametrize("name", NAMES)
    def test_no_standard_error_where_the_bias_would_exceed_it(self, name: str) -> None:
        estimate = answer(name, *linked(100, 12, 0.3, seed=0))
        assert estimate.diagnostics["coverage"] < 0.8
        assert estimate.stderr is None
        assert (answer(name, *linked(2000, 4, 0.5, seed=0)).stderr is None) == (name not in WITH_ERROR)

    @pytest.mark.parametrize("name", ["james-stein", "nsb"])
    def test_letters_that_do_not_occur_can_be_declared(self, name: str) -> None:
        x, y = linked(40, 3, 0.5, seed=2)
        plain = answer(name, x, y).mi
        assert answer(f"{name}[letters_x=3,letters_y=3]", x, y).mi == plain
        assert answer(f"{name}[letters_x=30]", x, y).mi != pytest.approx(plain, abs=1e-4)
        with pytest.raises(Unsupported, match="3 letters of x and 3 of y occur"):
            answer(f"{name}[letters_y=2]", x, y)

    @pytest.mark.parametrize("name", NAMES)
    def test_readings_that_hardly_repeat_are_no_letters(self, name: str) -> None:
        rng = np.random.default_rng(0)
        with pytest.raises(Unsupported, match="of 100 rows of y 100 occur only once, 0 in pairs"):
            answer(name, rng.integers(3, size=100), rng.standard_normal(100))

    @pytest.mark.parametrize("name", NAMES)
    def test_a_density_beside_an_atom_is_declined_and_rare_letters_are_not(self, name: str) -> None:
        rng = np.random.default_rng(0)
        y = rng.integers(3, size=500)
        with pytest.raises(Unsupported, match=r"of 500 rows of x 1\d\d occur only once"):
            answer(name, np.maximum(rng.standard_normal(500), 0.7), y)
        rare = rng.geometric(0.01, size=500)
        assert (np.unique(rare, return_counts=True)[1] == 1).sum() > 50
        assert answer(name, rare, y).diagnostics["letters_x"] > 150


class Rounded(Estimator):
    """An estimator from counts, asked about samples that were rounded to a third of their deviation."""

    citation = "this file"
    capabilities = Capabilities(min_n=4, max_dim=1, discrete=True)

    def __init__(self, name: str = "plug-in") -> None:
        self.name = name

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        x, y = (np.rint(3 * (v - v.mean(axis=0)) / v.std(axis=0)) for v in check_samples(x, y, 4))
        return answer(self.name, x, y)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "plug-in"])
def test_the_contract_is_kept_where_the_samples_of_the_checks_are_letters(name: str) -> None:
    """They are continuous otherwise, and declined."""
    found = checks.run(Rounded(name))
    assert [str(result) for result in found if result.failed] == []
    assert sum(not result.failed and result.verdict is not Verdict.SKIPPED for result in found) >= 20
