"""Transforms: inverses, invariance of the pointwise information, marginals, geometry."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mibench.tasks._made_of import Side, Transform
from mibench.tasks.maps import Spiral, SwissRoll
from mibench.tasks.numerics.inverse import invert
from mibench.tasks.numerics.isometry import random_isometry
from mibench.tasks.student import student_identity
from mibench.tasks.transforms import NormalCdf
from scipy import optimize, stats

from mibench.errors import UsageError
from mibench.estimator import Array
from mibench.registry import tasks
from mibench.task import Task

SIDES: tuple[Side, Side] = ("x", "y")
TRANSFORMED = [
    "normal-cdf[base=gauss[dim=2]]",
    "half-cube[base=multinormal-sparse]",
    "asinh[base=student[base=multinormal-dense,dof=1]]",
    "asinh[base=gauss,sides=x]",
    "power[base=gauss[mutual_information=3.0],alpha=0.1]",
    "power[base=gauss,alpha=5.0]",
    "wiggly[base=gauss[dim=2]]",
    "wiggly[base=student-identity[dof=1]]",
    "bimodal[base=gauss[dim=2]]",
    "cubic[base=staircase[mutual_information=10.0]]",
    "cubic[base=gauss[dim=3],sides=xy,matrix_seed=4]",
    "wrapped[base=gauss[dim=16,rho=0.7]]",
    "spiral",
    "spiral[base=normal-cdf[base=multinormal-sparse[dim_x=5,dim_y=4]],speed=8.0]",
    "swiss-roll",
    "random-map[base=gauss[dim=3]]",
    "random-map[base=student[base=gauss[dim=2]],dim=40,map_seed=3]",
    "half-cube[base=wiggly[base=bimodal]]",
    "highdim-gauss-mapped[pairs=1]",
    "highdim-student-mapped",
    "highdim-uniform-mapped[dim=16]",
    "asinh[base=mult-sparse-w-inliers-5-5-2-2.0-0.2]",
]


@pytest.mark.parametrize("selector", TRANSFORMED)
def test_a_transform_can_be_undone_and_keeps_the_pointwise_information(selector: str) -> None:
    task = tasks.create(selector)
    assert isinstance(task, Transform)
    x, y = task.sample(2000, seed=5)
    u, v = task.base.sample(2000, seed=5)
    plain: tuple[tuple[Side, Array, Array], ...] = (("x", x, u), ("y", y, v))
    for side, mapped, expected in plain:
        if side in task.sides:
            np.testing.assert_allclose(task.backward(mapped, side), expected, rtol=1e-8, atol=1e-9)
        else:
            np.testing.assert_array_equal(mapped, expected)
    ratio = task.log_density_ratio(x, y)
    np.testing.assert_allclose(ratio, task.base.log_density_ratio(u, v), rtol=1e-6, atol=1e-6)
    assert task.mutual_information == task.base.mutual_information
    assert (x.shape[1], y.shape[1]) == (task.dim_x, task.dim_y)


@pytest.mark.parametrize("seed", range(8))
def test_any_stack_of_transforms_can_be_undone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    stackable = ["half-cube", "asinh", "wiggly", "spiral", "cubic", "random-map", "power[alpha=1.5]"]
    selector = "multinormal-dense[dim_x=3,dim_y=3]"
    for name in rng.choice(stackable, size=4):
        selector = f"{name[:-1]},base={selector}]" if name.endswith("]") else f"{name}[base={selector}]"
    task = tasks.create(selector)
    assert isinstance(task, Transform)
    assert tasks.create(task.label) == task
    inner = task
    while isinstance(inner, Transform):
        inner = inner.base
    expected = inner.log_density_ratio(*inner.sample(1000, seed=seed))
    np.testing.assert_allclose(task.log_density_ratio(*task.sample(1000, seed=seed)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["normal-cdf", "half-cube", "asinh", "power", "wiggly", "bimodal"])
def test_coordinatewise_transforms_increase(name: str) -> None:
    task = tasks.create(name)
    grid = np.linspace(-6, 6, 4001)[:, None]
    assert isinstance(task, Transform)
    for side in SIDES:
        image = task.forward(grid.copy(), side)
        assert (np.diff(image[:, 0]) > 0).all()


def test_formulas() -> None:
    v = np.array([[-2.0], [0.0], [0.5], [3.0]])
    flat = v[:, 0]

    def images(name: str) -> tuple[Array, Array]:
        task = tasks.create(name)
        assert isinstance(task, Transform)
        return task.forward(v.copy(), "x")[:, 0], task.forward(v.copy(), "y")[:, 0]

    for image in images("half-cube"):
        np.testing.assert_allclose(image, [-(2**1.5), 0, 0.5**1.5, 3**1.5])
    for image in images("power[alpha=3.0]"):
        np.testing.assert_allclose(image, flat**3)
    for image in images("normal-cdf"):
        np.testing.assert_allclose(image, stats.norm.cdf(flat))
    for image in images("asinh"):
        np.testing.assert_allclose(np.sinh(image), flat, atol=1e-15)
    x, y = images("wiggly")
    np.testing.assert_allclose(
        x, flat + 0.4 * np.sin(flat) + 0.2 * np.sin(1.7 * flat + 1) + 0.03 * np.sin(3.3 * flat - 2.5)
    )
    np.testing.assert_allclose(
        y, flat - 0.4 * np.sin(0.4 * flat) + 0.17 * np.sin(1.3 * flat + 3.5) + 0.02 * np.sin(4.3 * flat - 2.5)
    )


def create(selector: str) -> Task:
    task = tasks.create(selector)
    assert isinstance(task, Task)
    return task


def test_normal_marginals_become_uniform() -> None:
    for column in create("normal-cdf").sample(20_000, seed=1):
        assert stats.kstest(column[:, 0], "uniform").pvalue > 1e-4


def test_bimodal_marginals_are_the_mixtures() -> None:
    x, y = create("bimodal").sample(20_000, seed=1)
    normal = stats.norm.cdf
    assert stats.kstest(x[:, 0], lambda v: 0.3 * normal(v) + 0.7 * normal(v - 5)).pvalue > 1e-4
    assert stats.kstest(y[:, 0], lambda v: 0.5 * normal(v + 1) + 0.5 * normal(v - 3)).pvalue > 1e-4


def test_bimodal_tails_are_exact() -> None:
    task = tasks.create("bimodal")
    far = np.array([[-20.0], [-9.0], [9.0], [20.0]])
    assert isinstance(task, Transform)
    np.testing.assert_allclose(task.backward(task.forward(far, "x"), "x"), far, rtol=1e-13)


def test_normal_cdf_at_its_limits_stays_finite() -> None:
    task = NormalCdf()
    ones, zeros = np.ones((1, 1)), np.zeros((1, 1))
    assert np.isfinite(task.log_density_ratio(ones, zeros)).all()


def test_spiral_turns_by_its_formula() -> None:
    task = Spiral(tasks.create("multinormal-sparse[dim_x=3,dim_y=4]"), speed=2.0)
    x, y = task.sample(20, seed=2)
    u, v = task.base.sample(20, seed=2)
    for row in range(20):
        for mapped, plain, plane in ((x[row], u[row], (0, 1)), (y[row], v[row], (1, 2))):
            angle = 2.0 / len(plain) * float(plain @ plain)
            turn = np.eye(len(plain))
            turn[np.ix_(plane, plane)] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
            np.testing.assert_allclose(mapped, turn @ plain, rtol=1e-12, atol=1e-12)


def test_swiss_roll_lies_on_its_spiral() -> None:
    x, _ = SwissRoll().sample(500, seed=1)
    t = np.linspace(1.5 * math.pi, 4.5 * math.pi, 200_000)
    radius, angle = np.hypot(*x.T), np.unwrap(np.arctan2(x[:, 1], x[:, 0]))
    assert radius.min() >= t[0] / 21 - 1e-12
    assert radius.max() <= t[-1] / 21 + 1e-12
    np.testing.assert_allclose(np.cos(21 * radius), np.cos(angle), atol=1e-9)


def test_cubic_is_a_rotation_cubed() -> None:
    task = tasks.create("staircase-cubic[dim=4]")
    assert isinstance(task, Transform)
    _, y = task.sample(4000, seed=1)
    _, v = task.base.sample(4000, seed=1)
    rotated = np.cbrt(y)
    np.testing.assert_allclose((rotated**2).sum(axis=1), (v**2).sum(axis=1), rtol=1e-10)
    assert np.abs(rotated - v).max() > 0.1


def test_random_map_mixes_and_spreads() -> None:
    task = tasks.create("random-map[base=gauss,dim=30]")
    assert isinstance(task, Transform)
    x, _ = task.sample(5000, seed=1)
    u, _ = task.base.sample(5000, seed=1)
    correlations = [abs(stats.spearmanr(u[:, 0], column).statistic) for column in x.T]
    assert min(correlations) > 0.999  # one source: every coordinate is a monotone function of it
    spread = x.std(axis=0)
    assert spread.min() > 0
    assert np.abs(x).max() < 100
    other = create("random-map[base=gauss,dim=30,map_seed=1]").sample(5000, seed=1)[0]
    assert np.abs(other - x).max() > 0.1


@pytest.mark.parametrize(("rows", "columns"), [(5, 5), (30, 4), (1, 1)])
def test_random_isometries_keep_lengths(rows: int, columns: int) -> None:
    matrix = random_isometry(rows, columns, seed=1)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(columns), atol=1e-13)
    np.testing.assert_array_equal(matrix, random_isometry(rows, columns, seed=1))


def test_invert_agrees_with_one_root_at_a_time() -> None:
    def function(v: Array) -> tuple[Array, Array]:
        return v + 0.99 * np.sin(v), 1 + 0.99 * np.cos(v)

    target = np.random.default_rng(0).uniform(-20, 20, (40, 3))
    found = invert(function, target, target - 1, target + 1)
    for row, t in zip(found.ravel(), target.ravel(), strict=True):
        root = optimize.brentq(lambda v, t=t: float(function(np.array(v))[0]) - t, t - 1, t + 1, xtol=1e-14, rtol=1e-14)
        assert row == pytest.approx(root, abs=1e-11)


def test_families_of_transforms() -> None:
    families = {
        "half-cube": "marginals",
        "spiral": "warped",
        "spiral[base=normal-cdf[base=multinormal-sparse]]": "warped",
        "asinh[base=student]": "student",
        "cubic[base=staircase]": "staircase",
        "random-map[base=highdim-gauss]": "highdim",
        "normal-cdf[base=independent]": "independent",
        "half-cube[base=spiral]": "warped",
        "half-cube[base=asinh]": "marginals",
        "cubic[base=half-cube[base=independent]]": "independent",
        "spiral[base=student-identity[dim_x=3,dim_y=3]]": "student",
        "student[base=highdim-gauss]": "highdim",
        "half-cube[base=concatenate]": "marginals",
        "concatenate[first=cubic]": "warped",
    }
    assert {name: tasks.create(name).family for name in families} == families


def test_a_transform_of_a_task_without_density_has_none() -> None:
    class Opaque(Task):
        dim_x = dim_y = 1
        mutual_information = 1.0

        def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
            return rng.random((n, 1)), rng.random((n, 1))

    task = NormalCdf(Opaque())
    assert not task.has_density
    assert NormalCdf(student_identity(1, 1, 5.0)).has_density
    with pytest.raises(UsageError, match="does not know its density"):
        task.log_density_ratio(*task.sample(3))


def test_swiss_roll_needs_the_unit_interval() -> None:
    with pytest.raises(UsageError, match=r"not in \[0, 1\]"):
        create("swiss-roll[base=gauss]").sample(100)
