"""The simulation of many workers against closed forms."""

import importlib.util
import math
import random
from pathlib import Path
from typing import Any

import pytest

spec = importlib.util.spec_from_file_location("workers", Path(__file__).with_name("workers.py"))
assert spec is not None and spec.loader is not None
workers: Any = importlib.util.module_from_spec(spec)
spec.loader.exec_module(workers)


@pytest.mark.parametrize("crew", [1, 2, 5, 11, 12, 40])
def test_without_chance_the_bound_is_reached_and_the_lines_cross_where_they_should(crew: int) -> None:
    cell, parent = 1.0, 0.1  # full with 11 workers
    rate, busy, _ = workers.simulate(crew, lambda: cell, lambda: parent, 20_000, 1000)
    assert rate == pytest.approx(min(crew / 1.1, 10.0), rel=1e-3) == workers.most(crew, cell, parent)
    assert busy == pytest.approx(min(crew / 11, 1.0), rel=1e-3)


@pytest.mark.parametrize("crew", [1, 3, 10, 30])
def test_the_machine_repairman(crew: int) -> None:
    """M/M/1//N: the parent idles with probability 1 / sum_k N! / (N - k)! (parent / cell)^k."""
    cell, parent, chance = 1.0, 0.1, random.Random(crew)
    idle = 1 / sum(math.perm(crew, k) * (parent / cell) ** k for k in range(crew + 1))
    rate, busy, _ = workers.simulate(
        crew, lambda: chance.expovariate(1 / cell), lambda: chance.expovariate(1 / parent), 200_000, 2000
    )
    assert busy == pytest.approx(1 - idle, rel=0.02)
    assert rate == pytest.approx((1 - idle) / parent, rel=0.02)


def test_of_very_many_workers_with_little_to_do_the_queue_is_m_d_1() -> None:
    """An answer waits as long as Pollaczek and Khinchine say: rho parent / 2 (1 - rho)."""
    crew, parent, load, chance = 2000, 1.0, 0.6, random.Random(1)
    cell = crew * parent / load
    _, busy, wait = workers.simulate(crew, lambda: chance.expovariate(1 / cell), lambda: parent, 300_000, 10_000)
    assert busy == pytest.approx(load, rel=0.02)
    assert wait == pytest.approx(load * parent / (2 * (1 - load)), rel=0.06)


def test_cells_travel_together_as_the_engine_lets_them() -> None:
    from mibench.engine import batches

    assert (workers.TRIP, workers.MOST_CELLS) == (batches._TRIP, batches._MOST_CELLS)
