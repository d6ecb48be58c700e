"""Max-sliced information: canonical correlations, the data-processing inequality, and what only some directions see."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from mibench.estimators.densities.max_sliced import MaxSliced
from mibench.estimators.densities.slicing import Projections, Slices
from mibench.estimators.gaussian import CCA
from mibench.estimators.ksg import KSG
from mibench.estimators.sliced import Sliced

from mibench.errors import UsageError
from mibench.estimator import Array, Kind
from mibench.registry import estimators

RHOS = (0.9, 0.6, 0.0)
QUICK = MaxSliced(max_steps=60, starts=1, hidden=(16,), estimator=CCA())


def mixed(n: int, seed: int = 0) -> tuple[Array, Array]:
    """Gaussian variables of 3 + 3 columns with these canonical correlations, behind random linear maps."""
    rng = np.random.default_rng(seed)
    x, noise = rng.standard_normal((2, n, 3))
    y = np.array(RHOS) * x + np.sqrt(1 - np.array(RHOS) ** 2) * noise
    return x @ rng.standard_normal((3, 3)), y @ rng.standard_normal((3, 3)) + 5


@pytest.mark.parametrize("directions", [1, 2, 7])
def test_the_greatest_canonical_correlations_of_gaussian_variables(directions: int) -> None:
    truth = -0.5 * sum(math.log(1 - rho**2) for rho in RHOS[:directions])
    found = [
        MaxSliced(max_steps=60, starts=1, directions=directions, estimator=CCA()).estimate(*mixed(2000, s)).mi
        for s in range(3)
    ]
    assert float(np.mean(found)) == pytest.approx(truth, abs=0.06)


def test_more_than_the_mean_and_no_more_than_all() -> None:
    x, y = mixed(2000)
    assert Sliced(50, CCA()).estimate(x, y).mi < 0.5 * QUICK.estimate(x, y).mi
    assert QUICK.estimate(x, y).mi < CCA().estimate(x, y).mi + 0.02


def test_directions_whose_dependence_is_no_correlation() -> None:
    """y_2 is near (a'x)^2 in 3 + 2 dimensions: canonical variables say nothing, and half of what is there is found."""
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((1500, 3)), rng.standard_normal((1500, 2))
    hidden = x @ np.array([0.6, 0.0, 0.8])
    y[:, 1] = hidden**2 + 0.3 * y[:, 1]
    along = KSG().estimate(hidden[:, None], y[:, 1:]).mi
    found = MaxSliced(max_steps=200, max_epochs=200).estimate(x, y, seed=1)
    assert found.mi > 0.5 * along
    assert Sliced(50).estimate(x, y).mi < 0.25 * along


def test_nothing_is_found_where_nothing_is() -> None:
    """Not in training samples either: with as many directions as these, some pair correlates by 0.3 among them."""
    rng = np.random.default_rng(2)
    found = [QUICK.estimate(*rng.standard_normal((2, 300, 10)), seed=seed) for seed in range(6)]
    assert abs(float(np.mean([each.mi for each in found]))) < 0.02
    first = found[0]
    assert first.diagnostics["samples"] == {"train": 120, "validation": 60, "test": 120}


def test_linear_maps_of_a_side_change_little() -> None:
    x, y = mixed(1000)
    turned = MaxSliced(max_steps=60, starts=1, estimator=CCA()).estimate(
        x @ np.array([[2, 1, 0], [0, 1, 0], [1, 0, 3]]), y
    )
    assert turned.mi == pytest.approx(QUICK.estimate(x, y).mi, abs=0.03)


def test_projections_are_white_and_start_at_the_canonical_variables() -> None:
    x, y = (torch.from_numpy(v).float() for v in mixed(4000))
    torch.manual_seed(0)
    slices = Slices(x, y, 2, (8,), canonical=True)
    with torch.no_grad():
        u, v = slices.projected(x, y)
    torch.testing.assert_close(torch.cov(u.T), torch.eye(2), atol=0.01, rtol=0)
    across = torch.abs(torch.corrcoef(torch.cat([u, v], 1).T)[:2, 2:])
    torch.testing.assert_close(across, torch.diag(torch.tensor(RHOS[:2])), atol=0.04, rtol=0)


def test_a_critic_that_knows_nothing_bounds_by_nothing() -> None:
    x, y = (torch.from_numpy(v).float() for v in mixed(100))
    torch.manual_seed(0)
    learner = Projections(x, y, 1, 3, (8,), 2, CCA())
    torch.testing.assert_close(learner.validated(x, y), torch.zeros(3))
    assert len(learner.losses(x, y, torch.Generator().manual_seed(0))) == 3


def test_the_best_search_answers() -> None:
    x, y = (torch.from_numpy(v).float() for v in mixed(500))
    torch.manual_seed(0)
    learner = Projections(x, y, 1, 2, (8,), 2, CCA())
    learner.lowest = np.array([-0.1, -0.2])
    with torch.no_grad():
        said = learner.tested(x, y, torch.Generator().manual_seed(0)).facts
    assert said == {"start": "random"}


def test_it_is_another_quantity() -> None:
    sliced = estimators.create("max-sliced[directions=2,estimator=cca]")
    assert sliced == MaxSliced(directions=2, estimator=CCA())
    assert sliced.kind is Kind.OTHER
    with pytest.raises(UsageError, match="does not learn from samples"):
        estimators.create("max-sliced[estimator=oracle]")
