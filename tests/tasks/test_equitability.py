"""The equitability tasks: truths by another quadrature, by closed forms, by inequalities and by samples."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from mibench.tasks.equitability import MINE_CURVES, RESHEF_CURVES, Equitability, Reshef
from mibench.tasks.numerics.noisy import Curve, Noisy, information
from scipy import integrate, special

from mibench.estimator import Array
from mibench.registry import tasks

ALL_CURVES = {**{f"mine-{k}": c for k, c in MINE_CURVES.items()}, **RESHEF_CURVES}
HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def fine_rule(curve: Curve, panels: int = 400) -> tuple[Array, Array]:
    """Gauss-Legendre on many equal panels between the breaks: what is obvious and slow."""
    points, weights = np.polynomial.legendre.leggauss(12)
    smooth = [curve.low, *curve.breaks, curve.high]
    x, w = [], []
    for a, b in itertools.pairwise(smooth):
        edges = np.linspace(a, b, max(8, round(panels * (b - a) / (curve.high - curve.low))) + 1)
        half = 0.5 * np.diff(edges)[:, None]
        x.append((edges[:-1, None] + half * (points + 1)).ravel())
        w.append((half * weights / (curve.high - curve.low)).ravel())
    return np.concatenate(x), np.concatenate(w)


def slow_log_density(curve: Curve, sigma: float, y: Array, panels: int = 400) -> Array:
    """ln p(y) as one sum over all of the fine rule."""
    x, w = fine_rule(curve, panels)
    f = curve.function(x)
    parts = [special.logsumexp(-0.5 * ((v[:, None] - f) / sigma) ** 2, axis=1, b=w) for v in np.array_split(y, 50)]
    return np.concatenate(parts) - math.log(sigma) - HALF_LOG_2PI


def information_over_both(curve: Curve, sigma: float, panels: int) -> float:
    """E ln p(y | x) / p(y): two-dimensional, Gauss-Legendre in x times Gauss-Hermite in the noise."""
    x, w = fine_rule(curve, panels)
    e, v = np.polynomial.hermite_e.hermegauss(40)
    v = v / v.sum()
    y = curve.function(x)[:, None] + sigma * e
    log_p = slow_log_density(curve, sigma, y.ravel(), panels).reshape(y.shape)
    conditional = -0.5 * e**2 - math.log(sigma) - HALF_LOG_2PI
    return float(w @ ((conditional - log_p) @ v))


class TestTruth:
    @pytest.mark.parametrize(("function", "value"), [("linear", 0.837), ("cubic", 0.451), ("sine", 0.729)])
    def test_the_three_functions_differ_at_equal_noise(self, function: str, value: float) -> None:
        assert Equitability(function, noise=0.5).mutual_information == pytest.approx(value, abs=5e-4)

    @pytest.mark.parametrize("noise", [0.003, 0.1, 0.5, 0.9, 4.0])
    def test_linear_agrees_with_adaptive_quadrature_of_its_closed_density(self, noise: float) -> None:
        def integrand(y: float) -> float:
            p = float(0.5 * (special.ndtr((y + 1) / noise) - special.ndtr((y - 1) / noise)))
            return float(-special.xlogy(p, p))

        edge = 1 + 9 * noise
        inner = max(1 - 9 * noise, 0.0)
        parts = [(-edge, -inner), (-inner, inner), (inner, edge)] if inner else [(-edge, 0), (0, edge)]
        entropy = sum(integrate.quad(integrand, *part, epsabs=1e-12, limit=200)[0] for part in parts)
        truth = 2 * (entropy - 0.5 * math.log(2 * math.pi * math.e * noise**2))
        task = Equitability("linear", noise)
        assert task.mutual_information == pytest.approx(truth, abs=2e-10)
        assert task.mutual_information_error < 1e-10

    @pytest.mark.parametrize("name", ["mine-cubic", "mine-sine", "sigmoid", "spike", "l-shape", "sine-low"])
    def test_agrees_with_two_dimensional_quadrature(self, name: str) -> None:
        value, error = information(ALL_CURVES[name], 0.3)
        assert error < 1e-9
        assert value == pytest.approx(information_over_both(ALL_CURVES[name], 0.3, 24), abs=2e-7)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ALL_CURVES)
    def test_every_function_agrees_with_two_dimensional_quadrature(self, name: str) -> None:
        curve = ALL_CURVES[name]
        sigma = 0.5 * math.sqrt(curve.variance)
        assert information(curve, sigma)[0] == pytest.approx(information_over_both(curve, sigma, 100), abs=1e-6)

    @pytest.mark.parametrize("name", RESHEF_CURVES)
    @pytest.mark.parametrize("r2", [0.01, 0.3, 0.9, 0.999])
    def test_no_function_tells_more_than_a_gaussian_of_equal_r2(self, name: str, r2: float) -> None:
        # the Gaussian has the greatest entropy of all laws with the variance of Y
        task = Reshef(name, r2)
        assert 0 < task.mutual_information < -0.5 * math.log1p(-r2)
        assert task.mutual_information_error < 1e-9
        if r2 == 0.01:  # noise drowns the shape
            assert task.mutual_information == pytest.approx(-0.5 * math.log1p(-r2), rel=0.01)

    @pytest.mark.parametrize("function", MINE_CURVES)
    def test_more_noise_tells_less(self, function: str) -> None:
        truths = [Equitability(function, noise / 10).mutual_information for noise in range(1, 10)]
        assert all(more > less for more, less in itertools.pairwise(truths))

    def test_coordinates_add(self) -> None:
        one, five = (Equitability("sine", 0.4, dim) for dim in (1, 5))
        assert five.mutual_information == pytest.approx(5 * one.mutual_information, rel=1e-12)

    def test_waves_over_whole_half_periods_have_one_law(self) -> None:
        # f(U) is arcsine distributed for each of them, so all that follows is equal
        waves = ("sine-low", "sine-high", "cosine-high", "cosine-non-fourier")
        truths = [Reshef(name, 0.8).mutual_information for name in waves]
        assert np.ptp(truths) < 1e-10

    def test_small_noise_approaches_the_entropy_of_the_curve(self) -> None:
        # I -> h(f(U)) - h(noise); for the line h(f(U)) = 0 and the edges cost a term of order sigma
        sigma = 0.002
        limit = -0.5 * math.log(2 * math.pi * math.e * sigma**2)
        assert 0 < information(RESHEF_CURVES["line"], sigma)[0] - limit < 2 * sigma


PUBLISHED = {
    "line-periodic-low": ".2*sin(12*x-6) + 1.1*(x-1) + 1",
    "line-periodic-medium": ".15*sin(11*pi*x) + x + .05",
    "line-periodic-high": ".1*sin(48*x) + 2*x - .5",
    "line-periodic-strong": ".2*sin(48*x) + 2*x - .5",
    "cosine-non-fourier": ".4*cos(7*pi*x) + .5",
    "cosine-high": ".4*cos(14*pi*x) + .5",
    "cubic": "10*(x-.6)**3 + 2*x**2 + 1.5 - 3*x",
    "exponential-2": "2**x - 1",
    "exponential-8": "8**(x-.3) - 1",
    "line": "x",
    "parabola": "4*(x-.5)**2 + .1",
    "sine-non-fourier": ".4*sin(9*pi*x) + .5",
    "sine-low": ".4*sin(8*pi*x) + .5",
    "sine-high": ".4*sin(16*pi*x) + .5",
    "sigmoid": ".05 if x < .491 else .95 if x > .509 else 50*(x-.5) + .5",
    "cosine-varying": ".4*cos(5*pi*x*(1+x)) + .5",
    "sine-varying": ".4*sin(6*pi*x*(1+x)) + .5",
    "l-shape": "x/99 if x <= .99 else 99*x - 98",
    "spike": "18*x if x <= .0528 else -18*x + 1.9 if x <= .1 else -x/9 + 1/9",
    "lopsided-l": "190*x if x <= .0051 else -198*x + 1.99 if x <= .01 else -x/99 + 1/99",
}


@pytest.mark.parametrize("name", RESHEF_CURVES)
def test_functions_are_those_that_were_published(name: str) -> None:
    x = np.r_[np.random.default_rng(0).random(100), np.linspace(0, 0.12, 50), np.linspace(0.48, 0.52, 20), 0.999]
    names = {"sin": math.sin, "cos": math.cos, "pi": math.pi}
    expected = [eval(PUBLISHED[name], names, {"x": value}) for value in x]
    assert RESHEF_CURVES[name].function(x) == pytest.approx(np.array(expected), abs=1e-12)


class TestNoiseFromR2:
    def test_variances_in_closed_form(self) -> None:
        known = {"line": 1 / 12, "parabola": 16 / 180, "sine-low": 0.08, "sine-high": 0.08, "cosine-high": 0.08}
        for name, variance in known.items():
            assert RESHEF_CURVES[name].variance == pytest.approx(variance, rel=1e-12)
        mine = {"linear": 1 / 3, "cubic": 1 / 7, "sine": 0.5 - math.sin(2) / 4}
        for name, variance in mine.items():
            assert MINE_CURVES[name].variance == pytest.approx(variance, rel=1e-12)

    @pytest.mark.parametrize("name", RESHEF_CURVES)
    def test_samples_have_the_r2_that_was_asked_for(self, name: str) -> None:
        task = Reshef(name, r2=0.6)
        x, y = task.sample(200_000, 1)
        residual = y - task.curve.function(x)
        # for the heaviest-tailed of them the sample variance has a standard error of 2 %
        assert 1 - residual.var() / y.var() == pytest.approx(0.6, abs=0.03)
        assert task.r_squared == pytest.approx(0.6, rel=1e-12)


class TestDensity:
    @pytest.mark.parametrize("name", ["mine-cubic", "parabola", "spike", "cosine-varying"])
    @pytest.mark.parametrize("sigma", [0.02, 0.4])
    def test_blocks_agree_with_the_plain_sum(self, name: str, sigma: float) -> None:
        curve = ALL_CURVES[name]
        values = curve.function(np.linspace(curve.low, curve.high, 500))
        law, span = Noisy(curve, sigma), 6 * sigma
        y = np.random.default_rng(0).uniform(values.min() - span, values.max() + span, 60)
        assert law.log_density(y) == pytest.approx(slow_log_density(curve, sigma, y), abs=1e-8)
        # far beyond, the rule is too coarse for more than a few digits, but nothing underflows
        far = np.array([values.min() - 40 * sigma, values.max() + 40 * sigma])
        assert law.log_density(far) == pytest.approx(slow_log_density(curve, sigma, far), rel=1e-3)

    def test_it_integrates_to_one(self) -> None:
        law = Noisy(RESHEF_CURVES["lopsided-l"], 0.03)
        total, _ = integrate.quad(lambda y: math.exp(law.log_density(np.array([y]))[0]), -0.4, 1.4, limit=400)
        assert total == pytest.approx(1, abs=1e-7)


class TestSamplesAndNames:
    def test_samples_follow_the_construction(self) -> None:
        x, y = Equitability("cubic", 0.3, dim=3).sample(50_000, 0)
        assert x.shape == y.shape == (50_000, 3)
        assert -1 <= x.min() < -0.999 < 0.999 < x.max() <= 1
        noise = (y - x**3) / 0.3
        assert abs(noise.mean()) < 4 / math.sqrt(noise.size)
        assert noise.var() == pytest.approx(1, abs=4 * math.sqrt(2 / noise.size))
        assert np.abs(np.corrcoef(np.hstack([x, noise]).T) - np.eye(6)).max() < 4 / math.sqrt(len(x))

    def test_functions_share_their_settings_and_differ_in_function_only(self) -> None:
        for name, curves in (("equitability", MINE_CURVES), ("reshef", RESHEF_CURVES)):
            cells = [tasks.create(name, function=function) for function in curves]
            settings = [{k: v for k, v in cell.params.items() if k != "function"} for cell in cells]
            assert all(setting == settings[0] for setting in settings)
            assert {cell.params["function"] for cell in cells} == set(curves)
            assert {cell.family for cell in cells} == {"equitability"}

    def test_a_truth_costs_nothing_until_it_is_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise AssertionError("computed too early")

        monkeypatch.setattr(Curve, "rule", fail)
        task = Reshef("sine-high", r2=0.123)
        assert task.label and task.dim_x == 1 and task.identity()
