"""What ``mibench info`` says of costs is what the published results say."""

import importlib.util
import itertools
import json
from pathlib import Path
from statistics import median
from types import ModuleType

import pytest

import mibench
from mibench.errors import MibenchError, NotInstalled
from mibench.registry import estimators, tasks
from mibench.report.cards import card
from mibench.report.costs import FILE, Costs, known
from mibench.result import Status
from mibench.task import Task

ROOT = Path(__file__).parents[2]
COSTS = Costs(
    "a machine",
    {"a": [(100, 0.5), (1000, 20.0)], "b[k=3]": [(100, 1e-5)]},
    {"model": (2.0, 90.0), "other[size=1]": (3.0, 3.0)},
    {"task": 0.25},
)


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("refresh_costs", ROOT / "docs" / "refresh_costs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_file_has_what_the_published_results_say(generator: ModuleType) -> None:
    text = FILE.read_text(encoding="utf-8")
    fresh = generator.published()
    assert generator.written({**fresh, "draws": json.loads(text)["draws"]}) == text, (
        "run `python docs/refresh_costs.py`"
    )


def test_a_cost_is_the_median_of_the_published_cells() -> None:
    files = sorted((ROOT / "results" / "published").glob("*/results.jsonl"))
    found = itertools.chain.from_iterable(mibench.load_results(file.parent) for file in files)
    times = [r.cpu_s for r in found if (r.cell.estimator, r.cell.n, r.status) == ("ksg", 5000, Status.OK)]
    assert dict(known().estimators["ksg"])[5000] == pytest.approx(median(times), rel=0.06)


def _installed(name: str) -> bool:
    try:
        estimators.create(name).warm_up()
    except NotInstalled:
        return False
    return True


def test_whatever_can_be_run_here_has_a_cost_or_says_that_it_has_none() -> None:
    unknown = []
    for name in estimators.names():
        if estimators.factory(name).__module__.startswith("mibench."):
            said = card(name).facts["cost"]
            assert "CPU time of a cell" in said or "not published" in said
            unknown += [name] if "not published" in said and _installed(name) else []
    assert unknown == ["none"]
    for name in tasks.names():
        if tasks.factory(name).__module__.startswith("mibench."):
            try:
                task = tasks.create(name)
                task.sample(10, 0) if isinstance(task, Task) else None
            except MibenchError:  # a data set that is not here
                continue
            assert not isinstance(task, Task) or "CPU time" in card(name).facts["cost"], name


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (COSTS.of_estimator("a"), "500 ms at n = 100, 20 s at n = 1,000: CPU time of a cell"),
        (COSTS.of_estimator("a"), "(a machine)"),
        (COSTS.of_estimator("a[k=2]"), "of a cell of a, median"),
        (COSTS.of_estimator("b"), "of a cell of b[k=3], median"),
        (COSTS.of_estimator("c"), "not published"),
        (COSTS.of_training("model"), "2.0 s to 90 s: CPU time of a training"),
        (COSTS.of_training("other"), "3.0 s: CPU time"),
        (COSTS.of_training("none"), "not published"),
        (COSTS.of_task("task[dim=3]"), "250 ms for 10,000 samples of task: CPU time (a machine)"),
    ],
)
def test_costs_are_said_in_words(said: str, expected: str) -> None:
    assert expected in said
    assert COSTS.of_task("a task of somebody else") == ""
