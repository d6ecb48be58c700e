"""The Pitman-Yor mixture: evidence and entropies against processes that are played, the prior, the integral, truths."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from mibench.estimators import pitman_yor
from mibench.estimators.discrete import ENTROPIES, Counts
from mibench.estimators.pitman_yor import PitmanYor, pym
from scipy import integrate, optimize, special

from mibench.errors import Unsupported
from mibench.estimator import Array
from mibench.registry import estimators


def evidence(counts: tuple[int, ...], alpha: float, d: float) -> float:
    return float(PitmanYor(np.array(counts), np.array([special.logit(d)])).log_evidence(np.log([[alpha]])).item())


def mean_entropy(counts: tuple[int, ...], alpha: float, d: float) -> float:
    return float(PitmanYor(np.array(counts), np.array([special.logit(d)])).entropy(np.log([[alpha]])).item())


def one_by_one(letters: tuple[int, ...], alpha: float, d: float) -> float:
    """How likely it is that samples repeat as these do: each is a letter seen before, or a new one."""
    seen: Counter[int] = Counter()
    probability = 1.0
    for n, letter in enumerate(letters):
        share = seen[letter] - d if letter in seen else alpha + len(seen) * d
        probability *= share / (n + alpha) if n else 1.0
        seen[letter] += 1
    return probability


def broken(d: float, alpha: float, sticks: int, rng: np.random.Generator) -> Array:
    """Probabilities of the first letters of a process, and what is left."""
    v = rng.beta(1 - d, alpha + d * np.arange(1, sticks + 1))
    left = np.cumprod(1 - v)
    return np.append(v * np.append(1.0, left[:-1]), left[-1])


def inverse_digamma(value: float) -> float:
    return math.exp(optimize.brentq(lambda log_z: special.digamma(math.exp(log_z)) - value, -9, 80, xtol=1e-13))


def counts_of(letters: Counts) -> Counts:
    return np.unique(letters, return_counts=True)[1]


def power_law(exponent: float, letters: int) -> Array:
    p = np.arange(1, letters + 1.0) ** -exponent
    probabilities: Array = p / p.sum()
    return probabilities


def information(name: str, x: Counts, y: Counts) -> float:
    return estimators.create(name).estimate(x, y).mi


class TestProcess:
    @pytest.mark.parametrize(("alpha", "d"), [(0.5, 0.1), (3.0, 0.6), (1e-3, 0.9), (200.0, 1e-9)])
    @pytest.mark.parametrize("letters", [(0,), (0, 0, 0), (0, 1, 0, 2), (0, 1, 2, 3), (0, 1, 1, 0, 0, 2, 0)])
    def test_the_evidence_is_that_of_samples_one_by_one(self, letters: tuple[int, ...], alpha: float, d: float) -> None:
        found = evidence(tuple(Counter(letters).values()), alpha, d)
        assert found == pytest.approx(math.log(one_by_one(letters, alpha, d)), abs=1e-9)

    def test_the_evidence_of_all_partitions_is_one(self) -> None:
        """Letters are numbered as they come, so that every partition of five samples is met once."""
        total = 0.0
        for letters in itertools.product(range(5), repeat=5):
            if all(letter <= max(letters[:i], default=-1) + 1 for i, letter in enumerate(letters)):
                total += math.exp(evidence(tuple(Counter(letters).values()), 0.7, 0.3))
        assert total == pytest.approx(1, abs=1e-12)

    @pytest.mark.parametrize("counts", [(5,), (3, 1, 1), (40, 7, 2, 1, 1, 1)])
    @pytest.mark.parametrize("alpha", [0.2, 5.0])
    def test_without_discount_it_is_a_dirichlet_distribution_of_ever_more_letters(
        self, counts: tuple[int, ...], alpha: float
    ) -> None:
        """The posterior mean of H under a symmetric one, alpha / N each, is known in closed form (Wolpert and Wolf)."""
        letters = 1e10
        each = np.append(np.array(counts, dtype=float), 0) + alpha / letters
        times = np.append(np.ones(len(counts)), letters - len(counts))
        whole = sum(counts) + alpha
        expected = special.digamma(whole + 1) - (times * each * special.digamma(each + 1)).sum() / whole
        assert mean_entropy(counts, alpha, 1e-14) == pytest.approx(expected, abs=1e-8)

    @pytest.mark.parametrize(("alpha", "d"), [(2.0, 0.35), (0.3, 0.2), (6.0, 0.01)])
    def test_the_entropy_is_the_mean_over_broken_sticks(self, alpha: float, d: float) -> None:
        """A posteriori the letters seen have a Dirichlet distribution, with the rest, which is a process of its own."""
        rng, counts = np.random.default_rng(0), (9, 4, 1, 1)
        found = []
        for _ in range(6000):
            seen = rng.dirichlet([*(c - d for c in counts), alpha + len(counts) * d])
            rest = broken(d, alpha + len(counts) * d, 400, rng)
            found.append(special.entr(np.append(seen[:-1], seen[-1] * rest)).sum())
        error = np.std(found) / math.sqrt(len(found))
        assert mean_entropy(counts, alpha, d) == pytest.approx(np.mean(found), abs=4 * error)
        assert error < 0.01


class TestPrior:
    def test_mean_entropies_are_equally_likely_and_their_shares_are_not(self) -> None:
        """As many between 1 and 2 as between 3 and 4 nats; twice as many between 4 and 6; and of the shares of d those
        below 0.1 have what the integral of exp(-10 / (1 - g)) says."""
        log_alpha, logit_d = np.linspace(-12, 8, 2500), np.linspace(-25, 6, 2500)
        alpha, d = np.exp(log_alpha)[:, None], special.expit(logit_d)
        of_d = special.digamma(1) - special.digamma(1 - d)
        mean = special.digamma(alpha + 1) - special.digamma(1) + of_d
        prior = np.exp(PitmanYor(np.array([1]), logit_d).log_prior(log_alpha[:, None]))

        def mass(low: float, high: float) -> float:
            return float(prior[(low < mean) & (mean < high)].sum())

        assert mass(1, 2) == pytest.approx(mass(3, 4), rel=0.01)
        assert mass(4, 6) == pytest.approx(2 * mass(1, 2), rel=0.01)
        here = (mean > 1) & (mean < 6)
        share = prior[here & (of_d < 0.1 * mean)].sum() / prior[here].sum()

        def of(gamma: float) -> float:
            return math.exp(-10 / (1 - gamma))

        assert share == pytest.approx(integrate.quad(of, 0, 0.1)[0] / integrate.quad(of, 0, 1)[0], rel=0.01)


class TestMixture:
    @pytest.mark.parametrize("counts", [(4,), (2, 1, 1), (2, 2), (6, 3, 1, 1), (1, 1, 1, 1, 3)])
    def test_it_is_the_mean_over_h_and_gamma(self, counts: tuple[int, ...]) -> None:
        """By Gauss's quadrature in the coordinates of the prior, samples coming one by one."""
        letters = tuple(itertools.chain.from_iterable([i] * c for i, c in enumerate(counts)))

        def both(h: float, gamma: float) -> tuple[float, float]:
            alpha = inverse_digamma(h * (1 - gamma) + special.digamma(1)) - 1
            d = 1 - inverse_digamma(special.digamma(1) - h * gamma)
            weight = math.exp(10 - 10 / (1 - gamma)) * one_by_one(letters, alpha, d)
            again = np.array(counts) - d
            of_unseen = (alpha + len(counts) * d) * special.digamma(1 - d)
            whole = alpha + len(letters)
            of_all = (again * special.digamma(again + 1)).sum() + of_unseen
            return weight, weight * (special.digamma(whole + 1) - of_all / whole)

        bottom = top = 0.0
        x, of_x = special.roots_sh_legendre(60)
        gamma, of_gamma = special.roots_sh_legendre(30)
        for h, outer in zip(
            3 * x / (1.05 - x), of_x / (1.05 - x) ** 2, strict=True
        ):  # up to 60, of which e^-60 is left
            for g, inner in zip(0.8 * gamma, of_gamma, strict=True):
                weight, value = both(h, g)
                bottom += outer * inner * weight
                top += outer * inner * value
        assert pym(np.array(counts)) == pytest.approx(top / bottom, rel=1e-6)

    @pytest.mark.parametrize(
        "counts",
        [
            np.append(517, np.ones(4275, dtype=int)),  # d may be anything near 1
            counts_of(np.random.default_rng(0).integers(10**6, size=600_000)),  # a curved ridge, 0.01 wide
            counts_of(np.random.default_rng(0).zipf(1.2, size=100_000)),
            np.append(np.full(20, 29), np.ones(35, dtype=int)),
        ],
    )
    def test_more_points_make_no_difference(self, counts: Counts, monkeypatch: pytest.MonkeyPatch) -> None:
        found = pym(counts)
        for name, value in (("COARSE", 100), ("FINE", 300), ("NEGLIGIBLE", 36.0)):
            monkeypatch.setattr(pitman_yor, name, value)
        assert found == pytest.approx(pym(counts), abs=3e-8)

    @pytest.mark.parametrize("counts", [(1,), (1, 1), (1,) * 50])
    def test_without_a_letter_seen_twice_it_is_infinite(self, counts: tuple[int, ...]) -> None:
        assert pym(np.array(counts)) == math.inf
        assert math.isfinite(pym(np.array([*counts, 2])))

    def test_of_a_single_letter_it_is_small_and_vanishes(self) -> None:
        """Of order 1 / n: another letter may always come."""
        found = [pym(np.array([10**k])) * 10**k for k in (1, 3, 6, 12)]
        assert found == sorted(found, reverse=True)
        assert all(0.9 < each < 1.5 for each in found)

    @pytest.mark.filterwarnings("error")
    def test_counts_may_be_huge(self) -> None:
        few, many = 10**12 * np.array([5, 3, 2]), np.arange(1, 20_001) ** 2
        assert pym(few) == pytest.approx(math.log(10) - 0.5 * math.log(5) - 0.3 * math.log(3) - 0.2 * math.log(2))
        assert pym(many) == pytest.approx(float(special.entr(many / many.sum()).sum()), abs=1e-6)
        assert pym(np.append(10**12, np.ones(100, dtype=int))) == pytest.approx(0, abs=1e-8)

    def test_it_is_the_same_in_any_order_and_whatever_could_occur(self) -> None:
        counts = np.array([7, 3, 1, 1, 2])
        assert pym(counts[::-1], 5) == pytest.approx(pym(counts, 10**6), abs=1e-12)


class TestTruths:
    @pytest.mark.parametrize(("exponent", "n"), [(1.5, 500), (1.5, 2000), (2.0, 500)])
    def test_power_laws_of_more_letters_than_samples(self, exponent: float, n: int) -> None:
        """Others see what occurred: too little."""
        p = power_law(exponent, 100_000)
        samples = [counts_of(np.random.default_rng(seed).choice(len(p), size=n, p=p)) for seed in range(20)]

        def error(name: str) -> float:
            return float(np.mean([ENTROPIES[name](c, len(c)) for c in samples]) - special.entr(p).sum())

        assert error("plug-in") < 2 * error("nsb") / 1.5 < 0
        assert abs(error("pym")) < 0.6 * abs(error("nsb"))

    def test_processes_of_the_prior_are_what_it_is_for(self) -> None:
        """Over them the error of a posterior mean is centred, but for their mean entropies, which end somewhere here,
        and its square is the least."""
        rng = np.random.default_rng(1)
        errors: dict[str, list[float]] = {"plug-in": [], "nsb": [], "pym": []}
        while len(errors["pym"]) < 200:
            h, gamma = rng.uniform(0.5, 5), rng.uniform()
            if rng.random() > math.exp(10 - 10 / (1 - gamma)):
                continue
            alpha = inverse_digamma(h * (1 - gamma) + special.digamma(1)) - 1
            p = broken(1 - inverse_digamma(special.digamma(1) - h * gamma), alpha, 5000, rng)
            counts = counts_of(rng.choice(len(p), size=150, p=p / p.sum()))
            for name, found in errors.items():
                found.append(ENTROPIES[name](counts, len(counts)) - float(special.entr(p).sum()))
        spread = np.std(errors["pym"]) / math.sqrt(200)
        assert abs(np.mean(errors["pym"])) < 3 * spread
        assert np.mean(errors["nsb"]) < -8 * spread
        least = np.mean(np.square(errors["pym"]))
        assert all(least < np.mean(np.square(errors[name])) / 1.5 for name in ("plug-in", "nsb"))

    @pytest.mark.parametrize(("exponent", "n", "reported"), [(2.0, 500, 0.184), (2.0, 2000, 0.118)])
    def test_independent_letters_of_a_power_law(self, exponent: float, n: int, reported: float) -> None:
        """Where the plug-in reports what docs/estimators.md says, hardly anything is."""
        p = power_law(exponent, 1000)
        found: dict[str, list[float]] = {"plug-in": [], "nsb": [], "pym": []}
        for seed in range(20):
            x, y = np.random.default_rng(seed).choice(1000, size=(2, n), p=p)
            for name, answers in found.items():
                answers.append(information(name, x, y))
        assert np.mean(found["plug-in"]) == pytest.approx(reported, abs=0.001)
        assert np.mean(found["nsb"]) > 0.03
        assert abs(np.mean(found["pym"])) < 0.01

    def test_frequent_pairs_among_many_rare_ones_are_taken_for_a_power_law(self) -> None:
        """What docs/estimators.md warns of: the joint entropy is overestimated."""
        rng = np.random.default_rng(0)
        x = rng.integers(100, size=2000)
        y = np.where(rng.random(2000) < 0.5, x, rng.integers(100, size=2000))
        joint = np.eye(100) / 200 + 1 / 20_000
        truth = 2 * math.log(100) - float(special.entr(joint).sum())
        assert truth == pytest.approx(1.64, abs=0.005)
        assert information("pym", x, y) < 0.5
        assert information("plug-in", x, y) > 2.7

    def test_few_samples_of_many_pairs_that_are_equally_likely(self) -> None:
        """Of independent letters, 12 a side: the second warning, and that it passes."""

        def mean(n: int) -> float:
            rngs = map(np.random.default_rng, range(20))
            return float(np.mean([information("pym", *rng.integers(12, size=(2, n))) for rng in rngs]))

        assert mean(200) == pytest.approx(-0.26, abs=0.01)
        assert abs(mean(2000)) < 0.005

    def test_pairs_that_never_repeat_are_declined(self) -> None:
        x, y = np.arange(24) % 4, np.arange(24) // 4
        with pytest.raises(Unsupported, match="pym: all 24 rows of x and y together differ"):
            information("pym", x, y)
        assert math.isfinite(information("pym", np.append(x, x[0]), np.append(y, y[0])))
