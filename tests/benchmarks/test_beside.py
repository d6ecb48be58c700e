"""What the pages beside other packages say, against what one computes by hand from the same records."""

import importlib
import json
import math
import random
import statistics
import sys
from pathlib import Path
from typing import Any

import pytest
from scipy import integrate, special

HERE = str(Path(__file__).parent)


@pytest.fixture(scope="module")
def beside() -> Any:
    """The script, which finds its neighbours as it does when it is run."""
    sys.path.insert(0, HERE)
    try:
        yield importlib.import_module("beside")
    finally:
        sys.path.remove(HERE)
        for name in ("beside", "isolated", "paired", "peers", "studies"):
            sys.modules.pop(name, None)


def record(side: str, estimator: str, task: str, seed: int, mi: float | None, **more: Any) -> dict[str, Any]:
    facts = {"side": side, "estimator": estimator, "task": task, "n": 100, "seed": seed, "truth": 1.0, "mi": mi}
    return facts | {"cpu": 2.0, "wall": 2.0, "memory": 2**20, "version": "1", "processor": "P"} | more


def keyed(*records: dict[str, Any]) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {(r["side"], r["estimator"], r["task"], r["n"], r["seed"]): r for r in records}


def quantile_of_t(freedom: int) -> float:
    """0.975, by bisection on the integral of the density."""
    scale = math.exp(special.gammaln((freedom + 1) / 2) - special.gammaln(freedom / 2)) / math.sqrt(math.pi * freedom)

    def below(t: float) -> float:
        half, _ = integrate.quad(lambda u: (1 + u * u / freedom) ** (-(freedom + 1) / 2), 0, t)
        return 0.5 + scale * float(half)

    low, high = 0.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) < 0.975 else (low, middle)
    return low


@pytest.mark.parametrize("tasks", [2, 3, 7])
def test_the_interval_of_the_paired_difference(beside: Any, tasks: int) -> None:
    chance = random.Random(tasks)
    errors = {task: [(chance.random(), chance.random()) for _ in range(chance.randint(1, 5))] for task in range(tasks)}
    found = beside.paired(errors)
    theirs = [statistics.fmean(a for a, _ in samples) for samples in errors.values()]
    ours = [statistics.fmean(b for _, b in samples) for samples in errors.values()]
    differences = [b - a for a, b in zip(theirs, ours, strict=True)]
    half = quantile_of_t(tasks - 1) * statistics.stdev(differences) / math.sqrt(tasks)
    assert (found.tasks, found.samples) == (tasks, sum(map(len, errors.values())))
    assert found.theirs == pytest.approx(statistics.fmean(theirs))
    assert found.ours == pytest.approx(statistics.fmean(ours))
    assert found.difference == pytest.approx(statistics.fmean(differences))
    assert found.half == pytest.approx(half, rel=1e-6)
    assert found.nearer == sum(d < 0 for d in differences)


def test_the_same_number_rounded_otherwise_is_not_nearer(beside: Any) -> None:
    found = beside.paired({"a": [(0.3, 0.1 + 0.2 - 1e-15)], "b": [(0.3, 0.2)], "c": [(0.3, 0.4)]})
    assert (found.nearer, found.tasks) == (1, 3)


def test_one_task_has_no_interval_and_none_no_answer(beside: Any) -> None:
    assert math.isinf(beside.paired({"a": [(0.1, 0.2)]}).half)
    assert beside.paired({"a": []}) is None


def study_of(beside: Any) -> Any:
    pair = beside.Pair("ksg", "theirs", "method")
    return beside.Study("Title", (pair,), ("easy", "hard"), (100,), 2)


def test_a_row_says_what_both_answered_and_who_did_not(beside: Any) -> None:
    """Seeds are averaged within a task; time is compared where the processor is the same."""
    known = keyed(
        record("theirs", "method", "easy", 0, 1.1, cpu=6.0),
        record("theirs", "method", "easy", 1, 1.3, cpu=8.0, processor="Q"),
        record("theirs", "method", "hard", 0, 0.5, cpu=10.0),
        record("theirs", "method", "hard", 1, None, cpu=None),
        record("mibench", "ksg", "easy", 0, 1.1),
        record("mibench", "ksg", "easy", 1, 0.9),
        record("mibench", "ksg", "hard", 0, 0.9, memory=3 * 2**20),
        record("mibench", "ksg", "hard", 1, math.nan),
    )
    study = study_of(beside)
    cells = beside.row(*beside.both(study, study.pairs[0], known))
    half = quantile_of_t(1) * statistics.stdev([-0.1, -0.4]) / math.sqrt(2)
    assert cells == [
        "2, 3",
        "0.3500",
        "0.1000",
        f"−0.2500 ± {half:.4f}",
        "2 of 2",
        "8",
        "2",
        "4",
        "1",
        "3",
        "1, 1",
    ]


def test_a_resumed_run_asks_for_what_is_missing_only(beside: Any, tmp_path: Path) -> None:
    path = tmp_path / "beside_x.jsonl"
    made = [record("theirs", "method", "easy", 0, 1.0), record("mibench", "ksg", "hard", 1, None)]
    path.write_text("".join(json.dumps(r) + "\n" for r in made))
    known = beside.read(path)
    of_theirs = [("easy", 100, 1), ("hard", 100, 0), ("hard", 100, 1)]
    of_ours = [("easy", 100, 0), ("easy", 100, 1), ("hard", 100, 0)]
    found = list(beside.missing(study_of(beside), known, range(2)))
    assert found == [("theirs", "method", of_theirs), ("mibench", "ksg", of_ours)]


def test_what_compiles_by_shape_has_a_process_for_each_task(beside: Any) -> None:
    study = beside.Study("T", (beside.Pair("ksg", "benchmark-mi", "ksg"),), ("easy", "hard"), (100,), 2)
    found = [cases for side, _, cases in beside.missing(study, {}, range(2)) if side == "benchmark-mi"]
    assert found == [[(task, 100, seed) for seed in range(2)] for task in ("easy", "hard")]


def test_the_harness_measures_and_survives_what_fails(beside: Any, tmp_path: Path, capsys: Any) -> None:
    """The scipy program in this interpreter: KSG by hand, one case of three without a partner for every x."""
    isolated = sys.modules["isolated"]
    for n, of_y in ((50, 50), (55, 54), (60, 60)):
        chance = beside.np.random.default_rng(n)
        beside.np.savez(tmp_path / f"{n}.npz", x=chance.random((n, 1)), y=chance.random((of_y, 1)))
    problems = [(str(tmp_path / f"{n}.npz"), 0) for n in (50, 55, 60)]
    found = list(isolated.measure_all(Path(sys.executable), "scipy", 60.0, problems))
    assert [answer is None for answer in found] == [False, True, False]
    assert all(answer["cpu"] > 0 and answer["memory"] >= 0 for answer in (found[0], found[2]))
    alone = isolated.measure(Path(sys.executable), "scipy", 60.0, data=problems[2][0], seed=0)
    assert alone["mi"] == found[2]["mi"]
    assert "scipy: " in capsys.readouterr().err


def test_a_process_that_ends_or_hangs_costs_one_answer(
    beside: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    program = """
def prepare(x, y, seed):
    pass
def estimate(x, y, seed):
    if seed == 1:
        os._exit(9)
    if seed == 2:
        time.sleep(600)
    if seed == 3:
        raise SystemExit(3)
    print("no answer", flush=True)
    return seed
"""
    isolated = sys.modules["isolated"]
    monkeypatch.setitem(isolated.PROGRAMS, "odd", program)
    beside.np.savez(tmp_path / "a.npz", x=[[1.0]], y=[[1.0]])
    problems = [(str(tmp_path / "a.npz"), seed) for seed in range(5)]
    ending = [problems[seed] for seed in (0, 1, 3, 4)]
    found = [a and a["mi"] for a in isolated.measure_all(Path(sys.executable), "odd", 120.0, ending)]
    assert found == [0.0, None, None, 4.0]
    assert list(isolated.measure_all(Path(sys.executable), "odd", 1.0, [problems[2]])) == [None]
    said = capsys.readouterr().err.splitlines()
    assert [line.strip() for line in said] == ["odd failed: no answer", "odd: more than 1 s"]


def test_every_study_can_be_begun(beside: Any) -> None:
    """Each pair names an estimator and tasks that there are, and a program that isolated.py has."""
    from mibench.registry import estimators

    programs = sys.modules["isolated"].PROGRAMS
    for study in beside.STUDIES.values():
        for pair in study.pairs:
            assert estimators.create(pair.ours).label == pair.ours
            assert pair.package in programs
            assert set(study.tasks_of(pair)) <= set(study.tasks)
        for task in study.tasks:
            assert beside.problem(task).mutual_information >= 0


def test_pages_are_those_of_the_records(beside: Any) -> None:
    """What is published follows from the records beside it."""
    for name, study in beside.STUDIES.items():
        path = beside.PUBLISHED / f"beside_{name}.jsonl"
        if path.exists():
            written = path.with_suffix(".md").read_text(encoding="utf-8")
            made = beside.page(name, study, beside.read(path))
            assert written.rsplit("\n\n", 1)[0] == made.rsplit("\n\n", 1)[0]  # all but the versions of this machine
