"""What a worker makes of whatever plug-ins do, in this process; and how cells are put together into batches."""

import dataclasses
import decimal
import importlib
import json
import math
import types
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mibench
from mibench import UsageError, checks, registry
from mibench.advice.panel import ask
from mibench.engine.batches import batches
from mibench.engine.grid import expand, make_grid
from mibench.engine.job import Job
from mibench.engine.worker import answer, describe
from mibench.result import Result, Status
from mibench.task import Outcome


@pytest.fixture(scope="module", autouse=True)
def _plugins() -> None:
    registry.include(Path(__file__).parent / "troublemakers.py")


def jobs(estimators: Any, tasks: Any = "copy", n: Any = 50, seeds: Any = 1) -> list[Job]:
    content = {"references": False, "estimators": estimators, "tasks": tasks, "n": n, "seeds": seeds}
    return expand(make_grid(content, "test"))


def results(batch: Sequence[Job]) -> list[Result]:
    return [found.result for found in answer(batch)]


def one(estimator: str, task: str = "copy") -> Result:
    [found] = results(jobs(estimator, task))
    return found


def test_an_answer_carries_all_that_the_estimate_said() -> None:
    found = one("correlation")
    assert found.status is Status.OK and found.stderr == 0.01 and "rho" in found.diagnostics
    assert found.wall_s > 0 and found.cpu_s > 0 and found.batch_size == 1
    assert found.estimator_name == "correlation" and found.estimator_params == {"scale": 1.0}


@pytest.mark.parametrize(
    ("estimator", "status", "message"),
    [
        ("raise", Status.ERROR, "RuntimeError: something odd"),
        ("leave", Status.ERROR, "SystemExit: 0"),
        ("nan", Status.NONFINITE, "the estimate is NaN."),
        ("picky", Status.UNSUPPORTED, "at least 1000000 samples, not 50"),
        ("shout", Status.ERROR, "(1,000,001 characters)"),
    ],
)
def test_misfortunes_become_statuses(estimator: str, status: Status, message: str) -> None:
    found = one(estimator)
    assert found.status is status and message in found.message and found.mi is None
    assert len(found.message.encode()) < 2100


def test_what_json_cannot_hold_is_told_in_words_and_a_curve_that_is_none_is_left_out() -> None:
    found = one("strange")
    assert found.status is Status.OK and found.mi == 0.25 and found.curve == {}
    told = found.diagnostics
    assert (told["set"], told["3"], told["array"], told["path"]) == ([1, 2], "5 bytes", [0, 1, 2], "p")
    assert told["huge"] == "an integer of 16610 bits" and "left out" in told["curve"]


def test_a_batch_that_fails_together_is_tried_one_by_one() -> None:
    found = results(jobs("stacked", seeds=4))
    assert [r.status for r in found] == [Status.OK, Status.OK, Status.ERROR, Status.OK]
    assert "seed 2" in found[2].message


def test_a_batch_gives_the_answers_of_its_cells_alone() -> None:
    batch = jobs("stacked", seeds=[0, 1, 3])
    together = results(batch)
    assert [r.mi for r in together] == [results([job])[0].mi for job in batch]
    assert all(r.batch_size == 3 for r in together)


def test_the_oracle_reads_each_task_of_its_batch() -> None:
    found = results(jobs("oracle", ["copy", "gauss"]))
    assert [r.mi for r in found] == [pytest.approx(0.2231435513), pytest.approx(1.0)]


def test_a_consistency_task_is_scored_on_all_its_parts() -> None:
    found = one("correlation", "twice")
    assert found.metrics == {"score": 1.0, "expected": 1.0} and len(found.diagnostics["estimates"]) == 2
    assert one("nan", "twice").status is Status.NONFINITE


def test_a_training_that_diverges_keeps_its_curves() -> None:
    good, bad = (answer([job])[0] for job in jobs("correlation", "lesson", seeds=2))
    assert [r.status for r in results(jobs("correlation", "lesson", seeds=2))] == [Status.OK, Status.NONFINITE]
    assert good.result.metrics == {"loss": 0.5} and good.images
    assert bad.result.curve == {"loss": [[1, 2.0]]} and bad.result.metrics == {}
    assert "loss is not finite" in bad.result.message


def test_a_downstream_task_says_whom_it_takes() -> None:
    assert [j.cell.estimator for j in jobs(["correlation", "raise"], "lesson")] == ["correlation"]


def test_the_facts_of_a_task_are_fields_of_its_results() -> None:
    task, estimator = registry.tasks.create("copy"), registry.estimators.create("correlation")
    facts = describe(task, [estimator])
    assert facts.problem is None and facts.fields["family"] == "copies"
    assert facts.fields.keys() <= {f.name for f in dataclasses.fields(Result)}
    lesson = describe(registry.tasks.create("lesson"), [estimator])
    assert lesson.fields["group"] == "lesson" and lesson.arms == {"correlation": "correlation"}
    assert lesson.fields["metric_info"][0]["name"] == "loss"


@pytest.mark.parametrize(
    ("task", "status", "message"),
    [
        ("absent", Status.NOT_INSTALLED, "mibench data get absent"),
        ("rogue[deed=leave]", Status.ERROR, "the task cannot be used: SystemExit: 0"),
        ("untruthful", Status.ERROR, "unexpected keyword argument 'colour'"),
        ("untruthful[deed=type]", Status.ERROR, "one of its facts is not of the type asked for"),
        ("untruthful[deed=huge]", Status.ERROR, "one of its facts is not of the type asked for"),
        ("rogue[deed=nan]", Status.ERROR, "its mutual information is not finite"),
    ],
)
def test_a_task_that_does_not_know_its_facts_is_a_status(task: str, status: Status, message: str) -> None:
    facts = describe(registry.tasks.create(task), [])
    assert facts.problem is not None and facts.problem.status is status and message in facts.problem.message
    assert facts.fields["family"] == "copies"


class TestBatches:
    @staticmethod
    def described(*args: Any, **kw: Any) -> list[Job]:
        return [dataclasses.replace(j, facts=describe(j.task, [j.estimator]).fields) for j in jobs(*args, **kw)]

    def test_every_job_is_in_one_batch_of_one_estimator_and_shape(self) -> None:
        tasks = ["copy", "copy[offset=1.0]", "gauss[dim=2]"]
        every = self.described(["stacked", "correlation"], tasks, n=[50, 60], seeds=5)
        made = batches(every, workers=2)
        assert sorted(j.cell.id for b in made for j in b) == sorted(j.cell.id for j in every)
        for batch in made:
            assert len({(j.cell.estimator, j.cell.n, j.facts["dim_x"], j.facts["dim_y"]) for j in batch}) == 1

    @pytest.mark.parametrize(
        ("estimator", "seeds", "sizes"),
        [("correlation", 5, [1] * 5), ("stacked", 20, [6, 7, 7]), ("stacked", 6, [3, 3]), ("stacked", 1, [1])],
    )
    def test_sizes_respect_the_estimator_and_leave_work_for_every_worker(
        self, estimator: str, seeds: int, sizes: list[int]
    ) -> None:
        assert sorted(len(b) for b in batches(jobs(estimator, seeds=seeds), 2)) == sizes

    def test_a_gpu_gets_whole_stacks_of_what_can_run_there(self) -> None:
        critics = self.described("mine-ema", ["copy", "copy[offset=1.0]"], n=50, seeds=100)
        assert [len(b) for b in batches(critics, 4, gpu=True)] == [100, 100]
        assert max(len(b) for b in batches(critics, 4)) == 16
        # on the processor all the same: it does not say that it can run on a GPU
        assert sorted(len(b) for b in batches(jobs("stacked", seeds=20), 2, gpu=True)) == [6, 7, 7]

    def test_tasks_of_one_shape_train_together(self) -> None:
        made = batches(self.described("stacked", ["copy", "copy[offset=1.0]"], seeds=4), 1)
        assert [len(b) for b in made] == [8]


def test_pictures_beyond_measure_are_left_out_with_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    from mibench.engine import worker

    [job] = jobs("correlation")
    outcome = Outcome({f"m{i}": 1.0 for i in range(5000)}, images={"all": b"x" * 100})
    assert worker._trained(job, outcome, {}).images == {"all": b"x" * 100}
    monkeypatch.setattr(worker, "_MOST_BYTES", 99)
    found = worker._trained(job, outcome, {})
    assert not found.images and "left out" in found.result.diagnostics["images"] and len(found.result.metrics) == 1000


def test_what_a_plugin_says_is_of_bounded_size() -> None:
    from mibench.engine.plain import plain

    for said in ({"texts": ["x" * 2000] * 10**5}, {"y" * 1000 + str(i): i for i in range(10**5)}, [[1] * 10**4] * 100):
        told = json.dumps(plain(said))
        assert 10**5 < len(told) < 6 * 10**6


HANDED_BACK: dict[str, tuple[Any, bool]] = {
    "a float": (lambda: mibench.Estimate(0.4), True),
    "a float of NumPy": (lambda: mibench.Estimate(np.float32(0.5)), True),  # type: ignore[arg-type]
    "an array without dimensions": (lambda: mibench.Estimate(np.array(0.5)), True),  # type: ignore[arg-type]
    "an array of one": (lambda: mibench.Estimate(np.array([0.5])), False),  # type: ignore[arg-type]
    "a text": (lambda: mibench.Estimate("0.5"), False),  # type: ignore[arg-type]
    "a truth value": (lambda: mibench.Estimate(True), False),
    "a decimal": (lambda: mibench.Estimate(decimal.Decimal("0.5")), False),  # type: ignore[arg-type]
    "too many digits": (lambda: mibench.Estimate(10**400), False),
    "nothing in it": (lambda: mibench.Estimate(None), False),  # type: ignore[arg-type]
    "a standard error as text": (lambda: mibench.Estimate(0.5, "0.1"), False),  # type: ignore[arg-type]
    "a standard error below 0": (lambda: mibench.Estimate(0.5, -0.1), False),
    "a standard error that is not known": (lambda: mibench.Estimate(0.5, math.nan), True),
    "a bare number": (lambda: 0.5, False),
    "what looks like an estimate": (lambda: types.SimpleNamespace(mi=0.5, stderr=None), False),
}


@pytest.mark.parametrize("answer", HANDED_BACK)
def test_check_run_and_estimate_take_the_same_answers_for_answers(answer: str) -> None:
    made, fine = HANDED_BACK[answer]

    class Hands(mibench.Estimator):
        def estimate(self, x: Any, y: Any, seed: int = 0) -> Any:
            mibench.check_samples(x, y)
            return made()

    cell = replace(jobs("correlation")[0], estimator=Hands())
    checked = next(r for r in checks.run(Hands()) if r.name == "answers_with_an_estimate")
    ran = results([cell])[0]
    x, y = np.random.default_rng(0).random((2, 50))
    said = ask(Hands(), x, y)
    assert (checked.passed, ran.status is Status.OK, said.estimate is not None) == (fine, fine, fine)
    if not fine:
        assert checked.message == ran.message == said.reason
        with pytest.raises(UsageError):
            mibench.estimate(x, y, Hands())


def test_what_is_not_installed_is_no_failure_and_is_tried_again() -> None:
    class Needs(mibench.Estimator):
        def estimate(self, x: Any, y: Any, seed: int = 0) -> Any:
            return importlib.import_module("a_package_that_nobody_has")

    found = results([replace(jobs("correlation")[0], estimator=Needs())])[0]
    assert found.status is Status.NOT_INSTALLED and not found.status.final
    assert "a_package_that_nobody_has" in found.message


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda n, rng: (rng.random(n), rng.random((n, 1))), "draw() gives x of shape (50,), not (50, 1)."),
        (lambda n, rng: (rng.random((n, 1)), np.full((n, 1), "a")), "draw() gives y of type <U1"),
        (lambda n, rng: 1 / 0, "ZeroDivisionError: division by zero"),
    ],
)
def test_a_task_that_cannot_be_sampled_is_to_blame_and_no_estimator(draw: Any, message: str) -> None:
    class Draws(mibench.Task):
        dim_x = dim_y = 1
        mutual_information = 0.0

        def draw(self, n: int, rng: Any) -> Any:
            return draw(n, rng)

    found = results([replace(jobs("correlation")[0], task=Draws())])[0]
    assert found.status is Status.ERROR
    assert found.message.startswith("the task cannot be sampled: ") and message in found.message
    failed = [r.name for r in checks.run(Draws()) if r.failed]
    assert "samples_have_the_right_shape" in failed and "same_seed_same_samples" not in failed


def test_a_truth_that_is_a_method_is_told_so() -> None:
    class Methodical(mibench.Task):
        dim_x = dim_y = 1

        def mutual_information(self) -> float:  # type: ignore[override]
            return 0.5

        def draw(self, n: int, rng: Any) -> Any:
            return rng.random((2, n, 1))

    problem = describe(Methodical()).problem
    assert problem is not None and "mutual_information is a method: make it a property" in problem.message
