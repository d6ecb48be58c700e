"""The published tasks and the presets of the continuous families."""

from __future__ import annotations

import math

import pytest

from mibench.engine.grid import Block, expand, load_grid
from mibench.registry import tasks
from mibench.task import Task

# name -> dimensions and information by the formulas of the paper
GAUSS_075 = -0.5 * math.log(1 - 0.75**2)
TWO_PAIRS = -math.log(0.36)
PUBLISHED = {
    "1v1-normal-0.75": (1, 1, GAUSS_075),
    "normal_cdf-1v1-normal-0.75": (1, 1, GAUSS_075),
    "1v1-additive-0.1": (1, 1, 0.1 - math.log(0.2)),
    "1v1-additive-0.75": (1, 1, 1 / 3),
    "1v1-bimodal-0.75": (1, 1, GAUSS_075),
    "wiggly-1v1-normal-0.75": (1, 1, GAUSS_075),
    "half_cube-1v1-normal-0.75": (1, 1, GAUSS_075),
    "swissroll_x-normal_cdf-1v1-normal-0.75": (2, 1, GAUSS_075),
    **{f"multinormal-dense-{n}-{n}-0.5": (n, n, 0.5 * math.log((1 + n) ** 2 / (1 + 2 * n))) for n in (2, 3, 5, 25, 50)},
    **{f"multinormal-sparse-{n}-{n}-2-2.0": (n, n, TWO_PAIRS) for n in (2, 3, 5, 25)},
    **{
        f"{transform}-multinormal-sparse-{n}-{n}-2-2.0": (n, n, TWO_PAIRS)
        for n in (3, 5, 25)
        for transform in ("normal_cdf", "half_cube", "spiral", "spiral-normal_cdf")
    },
    # the values that the paper reports, to three digits
    "student-identity-1-1-1": (1, 1, 0.2242),
    "asinh-student-identity-1-1-1": (1, 1, 0.2242),
    "student-identity-2-2-1": (2, 2, 0.4319),
    "student-identity-2-2-2": (2, 2, 0.1931),
    "student-identity-3-3-2": (3, 3, 0.2909),
    "student-identity-3-3-3": (3, 3, 0.1787),
    "student-identity-5-5-2": (5, 5, 0.4482),
    "student-identity-5-5-3": (5, 5, 0.2985),
    "asinh-student-identity-2-2-1": (2, 2, 0.4319),
    "asinh-student-identity-3-3-2": (3, 3, 0.2909),
    "asinh-student-identity-5-5-2": (5, 5, 0.4482),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_task(name: str) -> None:
    task = tasks.create(name)
    dim_x, dim_y, information = PUBLISHED[name]
    assert isinstance(task, Task)
    assert (task.dim_x, task.dim_y) == (dim_x, dim_y)
    tolerance = 1e-4 if "student" in name else 1e-12
    assert task.mutual_information == pytest.approx(information, abs=tolerance)


def test_preset_holds_the_forty_in_families() -> None:
    grid = load_grid("beyond_normal")
    jobs = expand(grid)
    assert {job.task.label for job in jobs} == set(PUBLISHED)
    assert len(PUBLISHED) == 40
    assert {job.cell.n for job in jobs} == {10_000}
    assert {job.cell.seed for job in jobs} == set(range(10))
    assert len({job.task.family for job in jobs}) >= 5


def chosen_by(block: Block) -> list[Task]:
    return [task for task in tasks.select(block.tasks) if isinstance(task, Task)]


def test_staircase_preset_climbs_from_2_to_10_nats_in_20_dimensions() -> None:
    chosen = chosen_by(load_grid("staircase").blocks()[0])
    assert len(chosen) == 20
    assert {task.dim_x for task in chosen} == {20}
    assert sorted({round(task.mutual_information, 9) for task in chosen}) == [2, 4, 6, 8, 10]


@pytest.mark.parametrize("name", ["sparsity", "spiral_speed"])
def test_only_the_geometry_changes_in_a_sweep_at_one_nat(name: str) -> None:
    chosen = chosen_by(load_grid(name).blocks()[0])
    assert [task.mutual_information for task in chosen] == pytest.approx([1.0] * 10)


def test_information_sweep_reaches_from_0_to_5_nats() -> None:
    for block in load_grid("information_sweep").blocks():
        values = [task.mutual_information for task in chosen_by(block)]
        assert values == sorted(values)
        assert (values[0], values[-1]) == pytest.approx((0, 5))
