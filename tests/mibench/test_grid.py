"""Grids: files and flags to cells."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mibench.estimators import KSG

import mibench
from mibench import registry
from mibench.engine.grid import Grid, expand, load_grid, make_grid, parse_seeds, parse_size, presets
from mibench.engine.job import names_of
from mibench.engine.records import ends
from mibench.engine.runner import unfinished
from mibench.errors import UsageError
from mibench.estimator import Array
from mibench.result import Status
from mibench.task import Task


def grid(**content: Any) -> Grid:
    return make_grid(content, "test")


def labels(g: Grid) -> list[tuple[str, str, int, int]]:
    return [(j.cell.estimator, j.cell.task, j.cell.n, j.cell.seed) for j in expand(g)]


def test_a_block_is_a_product_and_a_grid_a_union() -> None:
    g = grid(
        references=False,
        estimators=["ksg", "cca"],
        n=[100, 200],
        seeds=2,
        block=[{"tasks": ["gauss"]}, {"tasks": ["gauss[dim=2]"], "estimators": ["ksg"], "n": [300], "seeds": [7]}],
    )
    expected = [(e, "gauss", n, s) for e in ("ksg", "cca") for n in (100, 200) for s in (0, 1)]
    assert labels(g) == [*expected, ("ksg", "gauss[dim=2]", 300, 7)]


def test_each_cell_appears_once_however_it_is_named() -> None:
    g = grid(references=False, estimators=["ksg", "ksg[k=3]", "ksg*"], tasks=["gauss", "gauss"], n=100, seeds=1)
    assert labels(g).count(("ksg", "gauss", 100, 0)) == 1


def test_reference_rows_join_and_can_be_left_out() -> None:
    names = {e for e, *_ in labels(grid(estimators=["ksg[k=5]"], tasks=["gauss"], n=100, seeds=1))}
    assert names == {"ksg[k=5]", "zero", "oracle", "cca", "ksg"}


def test_what_is_made_of_a_reference_is_an_entrant() -> None:
    class Seven(KSG):  # type: ignore[misc]
        """Another default."""

    [job] = expand(grid(references=False, estimators=[Seven()], tasks=["gauss"], n=100, seeds=1))
    assert Seven().capabilities.reference and not names_of(job.estimator, job.task)["reference"]
    registry.estimators.register("ksg-of-mine")(Seven)
    try:
        names = {e for e, *_ in labels(grid(estimators=["zero"], tasks=["gauss"], n=100, seeds=1))}
    finally:
        registry.estimators.forget(Seven.__module__)
    assert names == {"zero", "oracle", "cca", "ksg"}


def test_flags_replace_what_they_name_in_every_block() -> None:
    g = grid(n=[100], seeds=3, block=[{"tasks": ["gauss"], "estimators": ["ksg"], "n": [200]}])
    changed = g.replaced(n=[50], estimators=["cca"], references=False)
    assert labels(changed) == [("cca", "gauss", 50, s) for s in range(3)]
    assert {t for _, t, *_ in labels(g.replaced(tasks=["gauss[dim=3]"], references=False, estimators="ksg"))} == {
        "gauss[dim=3]"
    }
    assert g.replaced() == g


def test_plugins_and_functions_are_accepted_in_python() -> None:
    def mine(x: Array, y: Array) -> float:
        return 0.0

    task = registry.tasks.create("gauss", dim=3)
    assert labels(grid(references=False, estimators=[mine], tasks=[task], n=10, seeds=1)) == [
        ("mine", "gauss[dim=3]", 10, 0)
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"tasks": ["gauss"], "estimator": ["ksg"]}, "unknown key 'estimator'; valid keys are .*estimators"),
        (
            {"block": [{"tasks": ["gauss"], "seed": 1}]},
            "unknown key 'block.1.seed'; valid keys are tasks, est",
        ),
        ({"estimators": ["ksg"]}, "there are no tasks"),
        ({"tasks": ["gauss"], "n": [1]}, "n must be at least 2, not 1"),
        ({"tasks": ["gauss"], "n": ["many"]}, "n.1: input should be a valid integer"),
        ({"tasks": ["gauss"], "seeds": [-1]}, "seeds must not be negative"),
        ({"tasks": ["gauss"], "seeds": 0}, "must not be empty"),
        ({"tasks": ["gauss"], "time_limit": 0}, "greater than zero"),
        ({"tasks": ["gauss"], "memory_limit": float("nan")}, "greater than zero"),
        ({"tasks": 5}, "tasks: a name, a selector or a plug-in is wanted, not 5"),
        ({"tasks": ["gauss"], "estimators": [True]}, "estimators: .* not True"),
        ({"tasks": ["gauss"], "estimators": {"a": 1}}, "estimators: .* not {'a': 1}"),
        ({"tasks": ["gauss"], "seeds": 10**8}, "100,000,000 seeds"),
        ({"tasks": ["gauss"], "seeds": [10**30]}, "at most 9223372036854775807"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(content: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=f"test: .*{message}"):
        grid(**content)


def test_files_are_read_and_their_defects_named(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("tasks = [")
    with pytest.raises(UsageError, match="not valid TOML"):
        load_grid(tmp_path / "bad.toml")
    with pytest.raises(UsageError, match="no preset and no file"):
        load_grid("nothing")
    (tmp_path / "deep.toml").write_text(f"tasks = {'[' * 5000}{']' * 5000}")
    with pytest.raises(UsageError, match="not valid TOML"):
        load_grid(tmp_path / "deep.toml")
    (tmp_path / "long.toml").write_text("n = " + "1" * 5000)
    with pytest.raises(UsageError, match="is not valid TOML: Exceeds the limit"):
        load_grid(tmp_path / "long.toml")
    (tmp_path / "parts.toml").write_text("a" + ".a" * 20_000 + " = 1")
    with pytest.raises(UsageError, match="it has a key of more than 100 parts"):
        load_grid(tmp_path / "parts.toml")
    lines = f"# settings {'.' * 200}\n#{' .' * 200}\n"  # no key at all
    (tmp_path / "good.toml").write_text(f'{lines}tasks = ["gauss"]\ninclude = ["mine.py"]\n')
    assert load_grid(tmp_path / "good.toml").include == (str(tmp_path / "mine.py"),)


@pytest.mark.parametrize("name", presets())
def test_every_preset_can_be_expanded(name: str) -> None:
    chosen = load_grid(name)
    assert chosen.description
    jobs = expand(chosen)
    assert len(jobs) == len({job.cell.id for job in jobs})
    if any(isinstance(job.task, Task) for job in jobs):
        assert {"oracle", "zero"} <= {job.cell.estimator for job in jobs}


@pytest.mark.parametrize(
    ("text", "seeds"), [("3", (0, 1, 2)), ("100-102", (100, 101, 102)), ("1,7,9", (1, 7, 9)), ("1,5-6", (1, 5, 6))]
)
def test_seeds(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


def test_sizes() -> None:
    assert [parse_size(text) for text in ("1000", "1e4", "2_000", "1E3")] == [1000, 10_000, 2000, 1000]
    for text in ("x", "", "1.5", "1e400", "1e-3", "nan", "9" * 5000):
        with pytest.raises(UsageError, match="cannot read -n"):
            parse_size(text)


@pytest.mark.parametrize("text", ["", "x", "5-", "3-1", "0", "1,,2", "0-99999999999"])
def test_unreadable_seeds(text: str) -> None:
    with pytest.raises(UsageError, match="cannot read --seeds|are 100,000,000,000 seeds"):
        parse_seeds(text)


@pytest.mark.parametrize(
    ("status", "again", "with_retry"),
    [(Status.OK, False, False), (Status.ERROR, False, True), (Status.NOT_INSTALLED, True, True)],
)
def test_what_is_finished_does_not_run_again_unless_it_may_end_otherwise(
    status: Status, again: bool, with_retry: bool
) -> None:
    [job] = expand(grid(references=False, estimators="ksg", tasks="gauss", n=100, seeds=1))
    for retry, runs in ((False, again), (True, with_retry)):
        assert unfinished([job], ends([job.result(status)]), retry) == [job] * runs


@pytest.mark.parametrize("several", [range(100, 102), np.array([100, 101]), {100, 101}], ids=["range", "array", "set"])
def test_several_numbers_may_come_in_anything_that_holds_them(several: Any) -> None:
    asked = grid(references=False, estimators=["zero"], tasks=["gauss"], n=several, seeds=several)
    assert {(n, seed) for _, _, n, seed in labels(asked)} == {(n, seed) for n in (100, 101) for seed in (100, 101)}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"workers": -1}, "workers=-1; workers must be a whole number, at least 1"),
        ({"time_budget": "5"}, "time_budget must be a number"),
        ({"shard": 5}, "shard=5; shard must be"),
        ({"out": 5}, "out must be a word or a path"),
        ({"tracking": Path("x")}, "tracking must be"),
        ({"seeds": "3"}, "seeds: how many, or a list of which, is wanted, not '3'"),
        ({"estimators": KSG}, "a plug-in is wanted, KSG(), and not its class"),
        ({"tasks": len}, "is no task"),
        ({"executor": None}, "an executor is a name"),
        ({"grid": 5}, "a grid is the name of a preset, a TOML file or a Grid, not 5"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_an_argument_of_another_kind_is_one_sentence(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        mibench.run(**{"estimators": "zero", "tasks": "gauss", "n": 100, **asked})
