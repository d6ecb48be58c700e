"""Whatever is typed, written in a grid or found in a store: an answer or a sentence, soon, and no traceback."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mibench import registry
from mibench.engine.grid import expand, load_grid, parse_seeds, parse_size
from mibench.engine.reading import FILE, read_results
from mibench.engine.records import decode, encode
from mibench.errors import UsageError
from mibench.report.leaderboard import Leaderboard
from mibench.result import Cell, Result, Status

from .conftest import Say

Run = Callable[[Any], None]

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["gauss", "ksg", "gauss*", "ksg[k=5]", "asinh[base=gauss]", "", "*", 10**400, -1, 0, 1e308]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
SELECTORS = st.one_of(
    st.text(max_size=40),
    st.text("gaus[]()=,. k1e-n", max_size=40),
    st.builds(
        "{}[{}={}]".format,
        st.sampled_from(["gauss", "ksg", "asinh", "student", "mine-ema", "*", "gauss*"]),
        st.sampled_from(["k", "dim", "rho", "base", "mutual_information", "seed"]),
        st.one_of(st.integers().map(str), st.floats().map(str), st.text(max_size=5), st.just("gauss[dim=2]")),
    ),
)
KEYS = ["estimators", "tasks", "n", "seeds", "references", "time_limit", "memory_limit", "include", "block", "odd"]


@contextlib.contextmanager
def soon() -> Iterator[None]:
    """What is wrong is a UsageError, and within ten seconds."""
    started = time.monotonic()
    with contextlib.suppress(UsageError):
        yield
    assert time.monotonic() - started < 10


def each(strategy: st.SearchStrategy[Any], check: Run, examples: int, tally: Say) -> None:
    health = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]

    @settings(max_examples=examples, deadline=None, suppress_health_check=health, database=None)
    @given(strategy)
    def holds(value: Any) -> None:
        check(value)

    holds()
    tally("no traceback, nothing over 10 s, no value that was not written", examples=examples)


FEW = pytest.param(200, id="few")
MANY = pytest.param(5000, id="many", marks=[pytest.mark.slow, pytest.mark.timeout(3600)])
both = pytest.mark.parametrize("examples", [FEW, MANY])


@both
def test_seeds_and_sizes(examples: int, tally: Say) -> None:
    def check(text: str) -> None:
        with soon():
            seeds = parse_seeds(text)
            assert seeds and min(seeds) >= 0
        with soon():
            assert parse_size(text) is not None

    each(st.text(max_size=30) | st.from_regex(r"[-0-9,e_ .]{0,25}", fullmatch=True), check, examples, tally)


@both
def test_selectors(examples: int, tally: Say) -> None:
    def check(text: str) -> None:
        for known in (registry.estimators, registry.tasks):
            with soon():
                assert all(plugin.label for plugin in known.select(text))

    each(SELECTORS, check, examples, tally)


@both
def test_grid_files(tmp_path: Path, examples: int, tally: Say) -> None:
    file = tmp_path / "grid.toml"

    def check(content: dict[str, Any] | bytes) -> None:
        text = content if isinstance(content, bytes) else as_toml(content).encode("utf-8", "replace")
        file.write_bytes(text)
        with soon():
            grid = load_grid(file)
            if not grid.include and len(grid.seeds) * len(grid.n) < 1000 and "*" not in str(grid):
                assert expand(grid)

    each(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5) | st.binary(max_size=60), check, examples, tally)


def as_toml(content: Any) -> str:
    """The lines of a table, as far as TOML can say it."""
    return "\n".join(f"{key} = {_inline(value)}" for key, value in content.items())


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_inline(v)}" for key, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return str(value) if isinstance(value, float) else json.dumps(value)


def a_result(seed: int = 0) -> Result:
    told = {"truth": 1.0, "family": "gaussian", "dim_x": 1, "dim_y": 1, "wall_s": 0.1, "cpu_s": 0.1}
    return Result(Cell("ksg", "gauss", 100, seed, f"id{seed}"), Status.OK, mi=0.5 + seed, **told)  # type: ignore[arg-type]


@both
def test_store_lines(tmp_path: Path, examples: int, caplog: pytest.LogCaptureFixture, tally: Say) -> None:
    """A line is read as a result that tables can be made of, or it is left out and told."""
    whole, fields = encode(a_result()), list(a_result().to_json())
    changed = st.dictionaries(st.sampled_from(fields) | st.text(max_size=5), VALUES, min_size=1, max_size=3)
    cells = st.dictionaries(st.sampled_from(["estimator", "task", "n", "seed", "id", "odd"]), VALUES, max_size=2)
    flips = st.integers(0, 8 * len(whole) - 1)
    written = [decode(encode(a_result(seed))) for seed in (0, 1)]
    caplog.set_level(logging.WARNING)

    def check(change: Any) -> None:
        record = a_result().to_json()
        if isinstance(change, int):
            flipped = bytearray(whole)
            flipped[change // 8] ^= 1 << change % 8
            line = bytes(flipped)
        elif isinstance(change, bytes):
            line = change.replace(b"\n", b"") + b"\n"
        elif isinstance(change, tuple):
            line = json.dumps({**record, "cell": {**record["cell"], **change[0]}}).encode() + b"\n"
        else:
            line = json.dumps({**record, **change}).encode() + b"\n"
        (tmp_path / FILE).write_bytes(line + encode(a_result(1)))
        caplog.clear()
        with soon():
            found = read_results(tmp_path)
            assert len(found) == 2 or "left out (line" in caplog.text or found[0].cell.id == "id1"
            board = Leaderboard.from_results(found)
            json.dumps(board.to_json(), allow_nan=False).encode()
            if isinstance(change, int):
                assert all(r in written for r in found)

    each(changed | cells.map(lambda cell: (cell,)) | flips | st.binary(max_size=80), check, examples, tally)
    assert decode(whole).to_json() == a_result().to_json()
