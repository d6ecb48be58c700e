"""What a worker makes of whatever plug-ins do, in this process; and how cells are put together into batches."""

from pathlib import Path

import pytest

from mibench import registry
from mibench.engine.batches import batches
from mibench.engine.grid import Job, expand, make_grid
from mibench.engine.worker import answer
from mibench.result import Status


@pytest.fixture(scope="module", autouse=True)
def _plugins():
    registry.include(Path(__file__).parent / "troublemakers.py")


def jobs(estimators, tasks="copy", n=50, seeds=1) -> list[Job]:
    content = {"references": False, "estimators": estimators, "tasks": tasks, "n": n, "seeds": seeds}
    return expand(make_grid(content, "test"))


def one(estimator, task="copy", **kw):
    [found] = answer(jobs(estimator, task, **kw))
    return found


def test_an_answer_carries_all_that_the_estimate_said():
    found = one("correlation")
    assert found.status is Status.OK and found.stderr == 0.01 and "rho" in found.diagnostics
    assert found.wall_s > 0 and found.cpu_s > 0 and found.batch_size == 1


@pytest.mark.parametrize(
    ("estimator", "status", "message"),
    [
        ("raise", Status.ERROR, "RuntimeError: something odd"),
        ("nan", Status.NONFINITE, "the estimate is NaN."),
        ("picky", Status.UNSUPPORTED, "at least 1000000 samples, not 50"),
    ],
)
def test_misfortunes_become_statuses(estimator, status, message):
    found = one(estimator)
    assert found.status is status and message in found.message and found.mi is None


def test_a_batch_that_fails_together_is_tried_one_by_one():
    found = answer(jobs("stacked", seeds=4))
    assert [a.status for a in found] == [Status.OK, Status.OK, Status.ERROR, Status.OK]
    assert "seed 2" in found[2].message


def test_a_batch_gives_the_answers_of_its_cells_alone():
    together = answer(jobs("stacked", seeds=[0, 1, 3]))
    alone = [answer([job])[0] for job in jobs("stacked", seeds=[0, 1, 3])]
    assert [a.mi for a in together] == [a.mi for a in alone]
    assert all(a.batch_size == 3 for a in together)


def test_the_oracle_reads_each_task_of_its_batch():
    found = answer(jobs("oracle", ["copy", "gauss"], n=50))
    assert [a.mi for a in found] == [pytest.approx(0.2231435513), pytest.approx(1.0)]


def test_a_consistency_task_is_scored_on_all_its_parts():
    found = one("correlation", "twice")
    assert found.metrics == {"score": 1.0, "expected": 1.0} and len(found.diagnostics["estimates"]) == 2
    assert one("nan", "twice").status is Status.NONFINITE


def test_a_training_that_diverges_keeps_its_curves():
    found = answer(jobs("correlation", "lesson", seeds=2))
    good, bad = (a for job in jobs("correlation", "lesson", seeds=2) for a in answer([job]))
    assert [a.status for a in found] == [Status.OK, Status.NONFINITE]
    assert good.metrics == {"loss": 0.5} and good.images
    assert bad.curve == {"loss": [(1, 2.0)]} and bad.metrics == {} and "loss is not finite" in bad.message


def test_a_downstream_task_says_whom_it_takes():
    assert [j.cell.estimator for j in jobs(["correlation", "raise"], "lesson")] == ["correlation"]


class TestBatches:
    def test_every_job_is_in_one_batch_of_one_estimator_and_shape(self):
        every = jobs(["stacked", "correlation"], ["copy", "copy[offset=1.0]", "gauss[dim=2]"], n=[50, 60], seeds=5)
        made = batches(every, workers=2)
        assert sorted(j.cell.id for b in made for j in b) == sorted(j.cell.id for j in every)
        for batch in made:
            assert len({(j.cell.estimator, j.cell.n, j.task.dim_x, j.task.dim_y) for j in batch}) == 1

    def test_sizes_respect_the_estimator_and_leave_work_for_every_worker(self):
        assert {len(b) for b in batches(jobs("correlation", seeds=5), 2)} == {1}
        assert sorted(len(b) for b in batches(jobs("stacked", seeds=20), 2)) == [6, 7, 7]
        assert sorted(len(b) for b in batches(jobs("stacked", seeds=6), 2)) == [3, 3]
        assert sorted(len(b) for b in batches(jobs("stacked", seeds=1), 2)) == [1]

    def test_tasks_of_one_shape_train_together(self):
        made = batches(jobs("stacked", ["copy", "copy[offset=1.0]"], seeds=4), 1)
        assert [len(b) for b in made] == [8]
