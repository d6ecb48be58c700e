"""Batches that travel together: every one once, none that takes long in company, and nobody suffers for another."""

import random
from pathlib import Path
from typing import Any

import pytest

import mibench
from mibench.engine.batches import Loads, batches
from mibench.engine.grid import expand, make_grid
from mibench.engine.job import Job
from mibench.engine.reading import FILE
from mibench.registry import tasks
from mibench.result import Status


@pytest.fixture
def jobs() -> list[Job]:
    names = {"estimators": ["ksg", "cca"], "tasks": ["gauss", "independent"], "seeds": 300, "references": False}
    return expand(make_grid({**names, "n": [100, 200]}, "test"))


def taken(queue: Loads, seconds: float, workers: int = 2) -> list[list[list[Job]]]:
    """Everything, as workers take it that need so long for each cell."""
    loads: list[list[list[Job]]] = []
    at_work: list[list[list[Job]]] = []
    while queue or at_work:
        while queue and len(at_work) < workers + 2:
            at_work.append(queue.popleft())
        load = at_work.pop(0)
        loads.append(load)
        queue.took(load, seconds * sum(map(len, load)))
    return loads


@pytest.mark.parametrize(("seconds", "most"), [(1e-4, 256), (0.01, 20), (0.15, 1), (30.0, 1)])
def test_every_batch_once_and_as_many_as_take_a_fifth_of_a_second(jobs: list[Job], seconds: float, most: int) -> None:
    made = batches(jobs, 2)
    loads = taken(Loads(made, 2), seconds)
    assert sorted(id(b) for load in loads for b in load) == sorted(map(id, made))
    sizes = [sum(map(len, load)) for load in loads]
    assert most - 1 <= max(sizes) <= most
    assert len(loads) < len(jobs) / 5 or most == 1
    assert sizes[-4:] == [1] * 4, "the last ones are shared among the workers"


def test_what_is_not_known_travels_alone(jobs: list[Job]) -> None:
    queue = Loads([[job] for job in jobs], 2)
    assert all(len(queue.popleft()) == 1 for _ in range(50))
    one = [[job] for job in jobs if job.cell.estimator == "ksg" and job.cell.n == 100]
    queue = Loads(one, 1)
    queue.took([one[0]], 1e-4)  # ksg on gauss
    load = queue.popleft()
    assert len(load) > 100 and {b[0].cell.task for b in load} == {"gauss"}, "of the other task nothing is known"


def test_a_load_that_comes_to_grief_is_tried_batch_by_batch_and_a_batch_job_by_job(jobs: list[Job]) -> None:
    queue = Loads([], 2)
    a, b, c = jobs[:2], jobs[2:3], jobs[3:4]
    queue.divide([a, b, c])
    assert [queue.popleft() for _ in range(3)] == [[a], [b], [c]] and not queue
    queue.divide([a])
    assert [queue.popleft() for _ in range(2)] == [[[a[0]]], [[a[1]]]]
    queue.appendleft([a])
    queue.clear()
    assert len(queue) == 0


def test_cells_that_crash_in_company_cost_nobody_else_an_answer(tmp_path: Path) -> None:
    def brittle(x: Any, y: Any) -> float:
        import os

        if x[0, 0] > 2:
            os._exit(3)
        return float(x[0, 0])

    seeds, task = list(range(250)), tasks.create("gauss")
    random.Random(0).shuffle(seeds)
    found = mibench.run(
        [brittle], "gauss", n=10, seeds=seeds, references=False, workers=2, out=tmp_path, progress=False
    )
    first = {seed: float(task.sample(10, seed)[0][0, 0]) for seed in seeds}  # type: ignore[union-attr]
    assert 1 <= sum(x > 2 for x in first.values()) <= 15
    assert {r.cell.seed: r.status for r in found} == {
        seed: Status.CRASH if x > 2 else Status.OK for seed, x in first.items()
    }
    assert all(r.mi == first[r.cell.seed] and r.batch_size == 1 for r in found if r.status is Status.OK)
    assert len((tmp_path / FILE).read_bytes().splitlines()) == 250
