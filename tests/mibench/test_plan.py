"""Plans: counted without being made, the same jobs however they are asked for, and shares that any machine finds."""

import time
import tracemalloc
from collections import Counter
from collections.abc import Collection
from dataclasses import replace

import pytest

from mibench.engine.grid import Grid, _once, expand, load_grid, make_grid, plan
from mibench.engine.plan import Shard
from mibench.engine.records import ends
from mibench.engine.runner import unfinished
from mibench.errors import UsageError
from mibench.plugin import digest
from mibench.result import Status


@pytest.fixture
def many() -> Grid:
    tasks = [f"gauss[mutual_information={i / 100}]" for i in range(1, 51)]
    names = ["ksg", "cca", "mine-ema", "kde"]
    return make_grid({"estimators": names, "tasks": tasks, "seeds": 50, "references": False}, "test")


def test_ids_are_the_hash_of_what_decides_the_answer() -> None:
    for job in expand(load_grid("quick"), load_grid("downstream"))[::31]:
        cell = job.cell
        assert cell.id == digest([job.estimator.identity(), job.task.identity(), cell.n, cell.seed])


def test_a_plan_is_counted_as_it_is_expanded_each_cell_once() -> None:
    grids = [load_grid("quick"), load_grid("full"), load_grid("quick").replaced(seeds=[1, 2, 7, 7])]
    asked = plan(*grids)
    ids = [job.cell.id for job in asked]
    assert len(asked) == len(ids) == len(set(ids)) and ids == [job.cell.id for job in expand(*grids)]


def test_a_task_that_comes_again_ten_thousand_times_is_planned_in_no_time(many: Grid) -> None:
    [first, *_] = plan(many).points
    texts: dict[int, str] = {}
    seen: dict[tuple[str, str, int], Collection[int]] = {}
    began = time.process_time()
    left = [_once(replace(first, seeds=(0, i)), seen, texts) for i in range(1, 10_001)]
    took = time.process_time() - began
    assert [seed for point in left for seed in point.seeds] == list(range(10_001)) and took < 1


def test_a_million_cells_are_counted_in_no_time_and_memory() -> None:
    tasks = [f"gauss[mutual_information={i / 100}]" for i in range(1, 101)]
    grid = make_grid({"estimators": ["ksg"], "tasks": tasks, "seeds": 10_000, "references": False}, "test")
    tracemalloc.start()
    began = time.process_time()
    assert len(plan(grid)) == 1_000_000
    took, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert took < 5 and peak < 20 * 2**20


def test_what_is_left_of_a_plan_is_what_is_left_of_its_jobs(many: Grid) -> None:
    asked = plan(many.replaced(tasks=["gauss", "independent"], seeds=5))
    jobs = list(asked)
    statuses = [Status.OK, Status.ERROR, Status.NOT_INSTALLED, Status.OOM]
    finished = ends(job.result(statuses[i % 4], again=i % 3) for i, job in enumerate(jobs) if i % 5)
    for retry in (False, True):
        left, plain = unfinished(asked, finished, retry), unfinished(jobs, finished, retry)
        assert left == plain and [job.again for job in left] == [job.again for job in plain] and 0 < len(left) < 40


def test_shards_are_disjoint_cover_the_plan_and_are_about_equal(many: Grid) -> None:
    asked = plan(many)
    parts = [asked.part(Shard(k, 5)) for k in range(1, 6)]
    ids = Counter(job.cell.id for part in parts for job in part)
    assert set(ids.values()) == {1} and set(ids) == {job.cell.id for job in asked}
    assert all(abs(len(part) - 2000) < 200 for part in parts)  # 10,000 cells; sd 40 of cells, more of stacks


def test_a_share_depends_on_the_cell_alone(many: Grid) -> None:
    third = Shard(3, 5)
    whole = {job.cell.id for job in plan(many).part(third)}
    fewer = plan(many.replaced(tasks=["gauss[mutual_information=0.07]"], seeds=[49, 3, 20]))
    assert {job.cell.id for job in fewer.part(third)} == whole & {job.cell.id for job in fewer}


def test_what_is_answered_in_one_stack_stays_together(many: Grid) -> None:
    for point in plan(many).part(Shard(2, 10)).points:
        stack = point.estimator.capabilities.max_batch
        blocks = Counter(seed // stack for seed in point.seeds)
        if stack > 1:
            assert all(count == min(stack, 50 - block * stack) for block, count in blocks.items())


@pytest.mark.parametrize(
    "text", ["0/10", "11/10", "3", "3/", "/3", "-1/2", "a/b", "1/0", "1/2/3", "", "1.0/2", "1/9999999"]
)
def test_shards_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match=r"cannot read the shard '.*': write K/N with K from 1 to N, such as 3/10\."):
        Shard.read(text)
