"""Codes that predict, their alignment, and KSG on held-out codes of data of low intrinsic dimension."""

import math

import numpy as np
import pytest
import torch
from mibench.estimators.densities.autoencoder import CrossPredictor, aligned
from mibench.estimators.densities.latent import LatentMI
from mibench.estimators.ksg import KSG

from .conftest import correlated


def test_errors_are_those_of_the_four_predictions() -> None:
    model = CrossPredictor((3, 20), 8, (16, 8))
    x, y = torch.randn(50, 3), torch.randn(50, 20)
    z_x, z_y = model.codes(x, y)
    assert (z_x.shape, z_y.shape) == ((50, 3), (50, 8))
    xx, xy, yx, yy = model.decoders  # from, to
    expected = [[(xx(z_x) - x), (xy(z_x) - y)], [(yx(z_y) - x), (yy(z_y) - y)]]
    means = [[float(e.square().mean().detach()) for e in row] for row in expected]
    assert model.errors(x, y).detach().numpy() == pytest.approx(np.array(means), rel=1e-5)


def test_it_starts_as_the_canonical_variables_and_their_linear_predictions() -> None:
    rng = np.random.default_rng(3)
    samples = rng.standard_normal((20_000, 9)) @ rng.standard_normal((9, 9)) + rng.standard_normal(9)
    x, y = (torch.from_numpy(v).float() for v in (samples[:, :4], samples[:, 4:]))
    model = CrossPredictor((4, 5), 3, (8,)).start_linear(x, y)
    with torch.no_grad():
        codes = [z.double().numpy() for z in model.codes(x, y)]
        errors = model.errors(x, y).numpy()
    correlations = np.corrcoef(codes[0].T, codes[1].T)
    assert correlations[:3, :3] == pytest.approx(np.eye(3), abs=0.01)
    assert correlations[3:, 3:] == pytest.approx(np.eye(3), abs=0.01)
    off = correlations[:3, 3:]
    assert off == pytest.approx(np.diag(np.diag(off)), abs=0.01)
    # the greatest correlations come first, and every decoder is the regression on its code
    roots = [np.linalg.inv(np.linalg.cholesky(np.cov(v.T))) for v in (samples[:, :4], samples[:, 4:])]
    rho = np.linalg.svd(roots[0] @ np.cov(samples.T)[:4, 4:] @ roots[1].T, compute_uv=False)
    assert np.diag(off) == pytest.approx(rho[:3], abs=0.01)
    for row, z in zip(errors, codes, strict=True):
        design = np.hstack([z, np.ones((len(z), 1))])
        for error, aim in zip(row, (samples[:, :4], samples[:, 4:]), strict=True):
            residual = aim - design @ np.linalg.lstsq(design, aim, rcond=None)[0]
            assert error == pytest.approx((residual**2).mean(), rel=0.02)


def test_alignment_is_an_affine_bijection_onto_scaled_canonical_variables() -> None:
    rng = np.random.default_rng(0)
    x, y = correlated(5000, 0.9, 2)
    fitted = []
    for values, extra in ((x, 1), (y, 3)):
        mix = np.linalg.qr(rng.standard_normal((2 + extra,) * 2))[0] * (1 + np.arange(2 + extra))
        fitted.append(torch.from_numpy(np.hstack([values, rng.standard_normal((5000, extra))]) @ mix))
    a, b = aligned(fitted, fitted)
    for before, after in zip(fitted, (a, b), strict=True):
        design = torch.cat([before, torch.ones(5000, 1, dtype=torch.float64)], 1)
        fit = torch.linalg.lstsq(design, after).solution
        assert float((design @ fit - after).abs().max()) < 1e-8
        assert torch.linalg.matrix_rank(fit[:-1]) == before.shape[1]
    correlations = np.corrcoef(a.numpy().T, b.numpy().T)[:3, 3:]
    assert np.diag(correlations)[:2] == pytest.approx([0.9, 0.9], abs=0.02)
    off = correlations[~np.eye(3, 5, dtype=bool)]
    assert np.abs(off).max() < 0.01
    assert a.std(0).numpy() == pytest.approx([0.9, 0.9, 0.1], abs=0.02)
    assert b.std(0).numpy() == pytest.approx([0.9, 0.9, 0.1, 0.1, 0.1], abs=0.02)


def test_alignment_uses_the_fitted_samples_only() -> None:
    x, y = (torch.from_numpy(values) for values in correlated(500, 0.9, 2))
    whole = aligned((x, y), (x, y))
    part = aligned((x, y), (x[:7], y[:7]))
    assert torch.allclose(whole[0][:7], part[0])
    assert torch.allclose(whole[1][:7], part[1])


def test_data_of_low_intrinsic_dimension_in_a_hundred_dimensions() -> None:
    rng = np.random.default_rng(1)
    u, v = correlated(3000, 0.9, 2)
    truth = -math.log(1 - 0.81)
    x, y = (
        np.tanh(values @ rng.standard_normal((2, 100)) / 2) + 0.3 * values @ rng.standard_normal((2, 100))
        for values in (u, v)
    )
    estimate = LatentMI(max_steps=200).estimate(x, y)
    assert estimate.mi == pytest.approx(truth, rel=0.15)
    assert estimate.diagnostics["codes"] == [16, 16]
    assert estimate.stderr is None
    assert estimate.diagnostics["samples"]["test"] == 1500


def test_dimensions_without_dependence_are_left_out_of_the_codes() -> None:
    rng = np.random.default_rng(2)
    u, v = correlated(4000, 0.9, 1)
    x, y = (np.hstack([values, rng.standard_normal((4000, 19))]) for values in (u, v))
    truth = -0.5 * math.log(1 - 0.81)
    assert KSG().estimate(x, y).mi < 0.5 * truth
    assert LatentMI(max_steps=100, surrogates=0).estimate(x, y).mi == pytest.approx(truth, rel=0.2)


def test_the_bias_of_nearest_neighbours_is_taken_off() -> None:
    x, y = correlated(3000, math.sqrt(1 - math.exp(-0.4)), 5)
    estimate = LatentMI(max_steps=60).estimate(x, y)
    assert estimate.mi == pytest.approx(1, abs=0.1)
    assert estimate.diagnostics["uncorrected"] < 0.9
    plain = LatentMI(max_steps=60, surrogates=0).estimate(x, y)
    assert plain.mi == plain.diagnostics["uncorrected"] == estimate.diagnostics["uncorrected"]


def test_codes_are_judged_on_samples_that_took_no_part() -> None:
    # with few samples in many dimensions training finds dependence where there is none
    x, y = correlated(200, 0.0, 50)
    assert abs(LatentMI(max_steps=200).estimate(x, y).mi) < 0.4
