"""Rounded, counted, limited, coded and contaminated samples: each truth by another route than the task's own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from mibench.tasks.dirty import Coded, Contaminated, DetectionLimit, PoissonPair, RoundedPair
from mibench.tasks.discrete import RoundedGauss, SymmetricChannel
from mibench.tasks.gaussian import Gauss
from scipy import integrate, special, stats

from mibench import checks
from mibench.errors import UsageError
from mibench.estimator import Array
from mibench.registry import tasks


def information_of_table(joint: Array) -> float:
    return float(special.rel_entr(joint, joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)).sum())


def below(x: float, y: float, rho: float) -> float:
    """P(X < x, Y < y) of standard normal variables."""
    return float(stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([x, y]))


def gauss(rho: float) -> float:
    return -0.5 * math.log1p(-(rho**2))


@pytest.mark.parametrize(
    "selector",
    [
        "rounded-pair[rho=-0.999,step=0.2]",
        "rounded-pair[rho=0.999,step=4.0]",
        "poisson-pair[mean=1000.0,shared=0.9]",
        "poisson-pair[mean=0.3,shared=0.1]",
        "detection-limit[rho=-0.999,limit=-4.0]",
        "detection-limit[rho=0.5,limit=2.0]",
        "coded[base=multinormal-sparse,code=0.0,share=0.3,sides=x]",
        "coded[base=symmetric-channel,share=0.5]",
        "contaminated[rho=-0.99,share=0.5,scale=2.0]",
        "contaminated[rho=0.9,share=0.001,scale=1000000000.0]",
    ],
)
def test_the_contract_is_kept(selector: str) -> None:
    task = tasks.create(selector)
    assert task.label == selector
    assert [str(result) for result in checks.run(task) if result.failed] == []


class TestRounded:
    @pytest.mark.parametrize(("rho", "step"), [(0.8, 1.5), (-0.95, 2.0), (0.3, 3.0)])
    def test_against_rectangles_of_the_distribution_function(self, rho: float, step: float) -> None:
        edges = step * (np.arange(-6, 8) - 0.5)
        corners = np.array([[below(x, y, rho) for y in edges] for x in edges])
        squares = np.diff(np.diff(corners, axis=0), axis=1).clip(0)
        assert RoundedPair(rho, step).mutual_information == pytest.approx(information_of_table(squares), abs=1e-6)

    @pytest.mark.parametrize("rho", [0.3, 0.9])
    def test_every_rounding_loses_information(self, rho: float) -> None:
        for step in (0.1, 1.0):
            both, one = RoundedPair(rho, step).mutual_information, RoundedGauss(rho, step).mutual_information
            assert 0 < both < one < gauss(rho)
        assert RoundedPair(rho, 0.1).mutual_information == pytest.approx(gauss(rho), abs=0.01)


class TestCounts:
    @pytest.mark.parametrize("shared", [0.2, 0.9])
    def test_against_the_sum_of_the_definition(self, shared: float) -> None:
        own, common = stats.poisson(1.5 * (1 - shared)), stats.poisson(1.5 * shared)
        joint = [
            [sum(common.pmf(c) * own.pmf(x - c) * own.pmf(y - c) for c in range(min(x, y) + 1)) for y in range(16)]
            for x in range(16)
        ]
        assert PoissonPair(1.5, shared).mutual_information == pytest.approx(
            information_of_table(np.array(joint)), abs=1e-8
        )

    def test_many_counts_are_nearly_normal(self) -> None:
        assert PoissonPair(1000.0, 0.6).mutual_information == pytest.approx(gauss(0.6), abs=1e-4)

    def test_the_share_is_the_correlation(self) -> None:
        x, y = PoissonPair(4.0, 0.7).sample(50_000, 0)
        assert np.corrcoef(x[:, 0], y[:, 0])[0, 1] == pytest.approx(0.7, abs=0.015)
        for counts in (x, y):
            assert counts.mean() == pytest.approx(4, abs=0.05)
            assert counts.var() == pytest.approx(4, abs=0.15)


class TestDetectionLimit:
    @pytest.mark.parametrize(("rho", "limit"), [(0.8, -0.5), (-0.6, 0.3), (0.9, 1.0)])
    def test_against_integrals_over_the_four_regions(self, rho: float, limit: float) -> None:
        sd = math.sqrt(1 - rho**2)

        def one(x: float) -> float:
            given, alone = stats.norm.cdf((limit - rho * x) / sd), stats.norm.cdf(limit)
            return float(stats.norm.pdf(x) * special.rel_entr(given, alone))

        nodes, weights = np.polynomial.legendre.leggauss(200)
        nodes, weights = limit + (nodes + 1) * (8 - limit) / 2, weights * (8 - limit) / 2
        ratio = special.rel_entr(stats.norm.pdf(nodes, rho * nodes[:, None], sd), stats.norm.pdf(nodes))
        seen = (weights * stats.norm.pdf(nodes)) @ ratio @ weights
        half_seen = integrate.quad(one, limit, 9, epsabs=1e-12)[0]
        neither = below(limit, limit, rho)
        expected = seen + 2 * half_seen + special.rel_entr(neither, stats.norm.cdf(limit) ** 2)
        assert DetectionLimit(rho, limit).mutual_information == pytest.approx(expected, abs=1e-7)

    def test_the_higher_the_limit_the_less_is_known(self) -> None:
        truths = [DetectionLimit(0.8, limit).mutual_information for limit in (-4.0, -1.0, 0.0, 1.0, 3.0)]
        assert truths == sorted(truths, reverse=True)
        assert truths[0] == pytest.approx(gauss(0.8), abs=1e-3)

    def test_the_limit_is_reported_as_often_as_it_is_undercut(self) -> None:
        for values in DetectionLimit(0.8, -0.5).sample(40_000, 0):
            assert values.min() == -0.5
            assert (values == -0.5).mean() == pytest.approx(stats.norm.cdf(-0.5), abs=0.01)


class TestCodes:
    @pytest.mark.parametrize("sides", ["xy", "x", "y"])
    def test_against_the_table_with_a_letter_more(self, sides: Any) -> None:
        base, share = SymmetricChannel(3, 0.1), 0.3
        joint = np.full((3, 3), 0.05) + 0.85 * np.eye(3)
        erase = np.hstack([(1 - share) * np.eye(3), np.full((3, 1), share)])
        keep = np.eye(3)
        joint = (erase if "x" in sides else keep).T @ (joint / 3) @ (erase if "y" in sides else keep)
        task = Coded(base, share=share, sides=sides)
        assert task.mutual_information == pytest.approx(information_of_table(joint), abs=1e-12)
        assert task.mutual_information < base.mutual_information

    def test_codes_come_as_often_as_said_and_tell_nothing(self) -> None:
        task = Coded(Gauss(0.5), share=0.1)
        x, y = task.sample(40_000, 0)
        coded_x, coded_y = (values[:, 0] == -999 for values in (x, y))
        for coded in (coded_x, coded_y):
            assert coded.mean() == pytest.approx(0.1, abs=0.006)
        assert (coded_x & coded_y).mean() == pytest.approx(0.01, abs=0.003)
        assert (task.log_density_ratio(x, y)[coded_x | coded_y] == 0).all()


class TestContaminated:
    @pytest.mark.parametrize(("rho", "share", "scale"), [(0.8, 0.3, 2.0), (-0.5, 0.1, 5.0)])
    def test_against_the_difference_of_entropies(self, rho: float, share: float, scale: float) -> None:
        x = np.linspace(-60, 60, 6001)
        y = np.linspace(-8, 8, 401)
        wild = share * stats.norm.pdf(x, scale=scale)
        alone = (1 - share) * stats.norm.pdf(x) + wild
        given = (1 - share) * stats.norm.pdf(x, rho * y[:, None], math.sqrt(1 - rho**2)) + wild
        weights = stats.norm.pdf(y) * (y[1] - y[0])
        entropies = special.entr(alone).sum(), weights @ special.entr(given).sum(axis=1)
        expected = (entropies[0] - entropies[1]) * (x[1] - x[0])
        assert Contaminated(rho, share, scale).mutual_information == pytest.approx(expected, abs=1e-9)

    def test_not_to_know_what_is_wild_costs_ever_less_the_wilder_it_is(self) -> None:
        """Were it known, (1 - share) of the information would be left."""
        known = 0.9 * gauss(0.8)
        lost = [known - Contaminated(0.8, 0.1, scale).mutual_information for scale in (3.0, 30.0, 3e3, 3e6)]
        assert lost == sorted(lost, reverse=True)
        assert 0 < lost[-1] < 1e-6
        assert Contaminated(0.8, 0.0).mutual_information == pytest.approx(gauss(0.8), abs=1e-12)


@pytest.mark.parametrize(
    "selector",
    [
        "rounded-pair[rho=1.0]",
        "poisson-pair[mean=0.0]",
        "poisson-pair[shared=1.0]",
        "detection-limit[limit=5.0]",
        "coded[share=1.0]",
        "contaminated[scale=1.0]",
    ],
)
def test_nonsense_is_refused(selector: str) -> None:
    with pytest.raises(UsageError):
        tasks.create(selector)
