"""Results made by hand: single cells for tests of the leaderboard, and a whole plausible run for the reports."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mibench.estimator import Kind, Role
from mibench.plugin import digest
from mibench.report import write_report
from mibench.report.leaderboard import Leaderboard
from mibench.result import Cell, Result, Status
from mibench.task import TaskKind

MakeResult = Callable[..., Result]

PROVENANCE = {
    "command": "mibench run gaussian equitability --seeds 3",
    "mibench": "0.1.0",
    "versions": {"python": "3.11.2", "numpy": "2.4.6", "torch": "2.13.0"},
    "machine": {"cpu": "AMD EPYC", "cores": 2},
}


ROLES = {"zero": Role.FLOOR, "oracle": Role.CEILING, "exact-critic": Role.OBJECTIVE, "none": Role.CONTROL}


def result(
    estimator: str = "ksg", task: str = "gauss", n: int = 1000, seed: int = 0, mi: float | None = 1.0, **fields: Any
) -> Result:
    """One cell: ok where ``mi`` is a number, an error otherwise, unless ``status`` says more."""
    values: dict[str, Any] = {
        "status": Status.OK if mi is not None else Status.ERROR,
        "truth": 1.0,
        "estimator_name": estimator.partition("[")[0],
        "task_name": task.partition("[")[0],
        "family": "gaussian",
        "dim_x": 1,
        "dim_y": 1,
        "wall_s": 0.1,
        "cpu_s": 0.1,
        "provenance": PROVENANCE,
        "role": ROLES.get(estimator.partition("[")[0], Role.ENTRANT),
        "varies": "function" if "function" in fields.get("task_params", {}) else "",
    } | fields
    if fields.get("group"):
        values = {"kind": TaskKind.CONSISTENCY if n else TaskKind.DOWNSTREAM} | values
    return Result(Cell(estimator, task, n, seed, digest([estimator, task, n, seed])), mi=mi, **values)


@pytest.fixture
def make() -> MakeResult:
    return result


@pytest.fixture(scope="session")
def plausible_run() -> list[Result]:
    return list(plausible_results())


@pytest.fixture(scope="session")
def plausible_board(plausible_run: list[Result]) -> Leaderboard:
    return Leaderboard.from_results(plausible_run)


@pytest.fixture(scope="session")
def plausible_report(plausible_run: list[Result], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of a report, by name; made once, because drawing takes seconds."""
    directory = tmp_path_factory.mktemp("report")
    (directory / "images").mkdir()
    for shade, arm in enumerate(("none", "mine-ema", "nwj", "js")):
        for seed in range(5):
            (directory / f"images/{arm}-{seed}.png").write_bytes(tiny_png(40 * shade + seed))
    return write_report(plausible_run, directory, "A plausible run")


@dataclass(frozen=True)
class Entrant:
    """An estimator of a plausible run: how it answers a truth in so many dimensions at n, and at what cost."""

    name: str
    kind: Kind
    answer: Callable[[float, int, int, np.random.Generator], tuple[float, float | None]]
    seconds: float
    fields: dict[str, Any] = field(default_factory=dict)


def plausible_results(seeds: int = 3) -> Iterator[Result]:
    """A run with every kind of row a report can hold; the biases and spreads are those that the field reports."""
    rng = np.random.default_rng(7)
    for task, family, dim, truth, params in _tasks():
        for n in (1000, 10_000) if family == "gaussian" else (10_000,):
            told: dict[str, Any] = {"family": family, "dim_x": dim, "dim_y": dim, "truth": truth, "task_params": params}
            told["truth_error"] = 1e-8 if family == "equitability" else 0.0
            for entrant in _entrants():
                for seed in range(seeds):
                    yield _cell(entrant, task, n, seed, told, rng)
    yield from _consistency(seeds, rng)
    yield from _downstream(seeds + 2, rng)


def _tasks() -> Iterator[tuple[str, str, int, float, dict[str, Any]]]:
    for dim in (1, 5, 20):
        for mi in (0.5, 1.0, 2.0, 4.0):
            yield f"gauss[mi={mi},dim={dim}]", "gaussian", dim, mi, {"mutual_information": mi, "dim": dim}
    for mi in (2.0, 4.0, 6.0, 8.0, 10.0):
        yield f"staircase[mi={mi}]", "staircase", 20, mi, {"mutual_information": mi}
    for dim in (1, 10):
        yield f"independent[dim={dim}]", "independent", dim, 0.0, {"dim": dim}
    for function, slope in (("linear", 1.0), ("cubic", 0.45), ("sine", 0.85)):
        for noise in (0.1, 0.3, 0.5, 0.7, 0.9):
            truth = 0.5 * math.log1p((slope / noise) ** 2 / 3)
            params = {"function": function, "noise": noise}
            yield f"mine-grid[function={function},noise={noise}]", "equitability", 2, truth, params
    for p in (0.0, 0.05, 0.2):
        truth = math.log(2) - (0 if p == 0 else -p * math.log(p) - (1 - p) * math.log(1 - p))
        yield f"digits-channel[bits=1,p={p}]", "images", 64, truth, {"bits": 1, "p": p}


def _entrants() -> Iterator[Entrant]:
    def near(value: float, spread: float, rng: np.random.Generator) -> float:
        return value + float(rng.normal(0, spread))

    yield Entrant("zero", Kind.LOWER_BOUND, lambda t, d, n, r: (0.0, None), 1e-5, {"reference": True})
    yield Entrant("oracle", Kind.ESTIMATE, lambda t, d, n, r: (t, 0.0), 1e-5, {"reference": True, "reads_task": True})
    yield Entrant(
        "cca", Kind.LOWER_BOUND, lambda t, d, n, r: (near(t * (0.98 if d < 20 else 0.8), 0.01, r), 0.01), 2e-3
    )
    yield Entrant("ksg", Kind.ESTIMATE, lambda t, d, n, r: (near(t * math.exp(-0.025 * d * t), 0.01, r), None), 0.2)
    for name, cap, spread, seconds in (
        ("mine-biased", 9.0, 0.06, 6.0),
        ("mine-ema", 9.0, 0.05, 5.0),
        ("nwj", 8.0, 0.08, 5.5),
        ("infonce", 5.5, 0.02, 7.0),
        ("smile", 14.0, 0.05, 5.0),
    ):

        def answer(
            t: float, d: int, n: int, r: np.random.Generator, cap: float = cap, s: float = spread
        ) -> tuple[float, float | None]:
            mean = cap * math.tanh(t / cap) * (0.97 if n > 1000 else 0.85) - 0.01 * d**0.5
            return near(mean, s * (1 + t / 4) * (1 if n > 1000 else 2), r), s * (1 + t / 4)

        yield Entrant(name, Kind.LOWER_BOUND if name != "smile" else Kind.ESTIMATE, answer, seconds)
    inner = {"estimator": {"name": "infonce", "version": "1", "params": {}}}
    yield Entrant(
        "exact-critic[estimator=infonce]",
        Kind.LOWER_BOUND,
        lambda t, d, n, r: (near(6.0 * math.tanh(t / 6.0), 0.02, r), 0.02),
        0.3,
        {"reads_task": True, "estimator_params": inner},
    )
    yield Entrant("club", Kind.UPPER_BOUND, lambda t, d, n, r: (near(t * 1.6 + 0.05, 0.1, r), None), 4.0)
    yield Entrant("sliced", Kind.OTHER, lambda t, d, n, r: (near(0.3 * t / d**0.5, 0.01, r), None), 1.0)


def _cell(by: Entrant, task: str, n: int, seed: int, told: dict[str, Any], rng: np.random.Generator) -> Result:
    mi: float | None
    mi, stderr = by.answer(told["truth"], told["dim_x"], n, rng)
    fields: dict[str, Any] = {**told, **by.fields, "stderr": stderr}
    if by.seconds > 3:
        steps = np.arange(0, 2001, 100)
        rise = (1 - np.exp(-steps / 400)) * mi
        fields["curve"] = {"step": steps.tolist(), "train": (1.05 * rise).tolist(), "validation": rise.tolist()}
    failure = None
    if by.name == "cca" and told["family"] == "images":
        failure = Status.UNSUPPORTED, "cca needs continuous data."
    if by.name == "nwj" and told["truth"] > 7 and seed == 1:
        failure = Status.NONFINITE, "the estimate is NaN."
    if by.name == "mine-biased" and told["family"] == "images":
        failure = Status.TIMEOUT, "stopped at the time limit of 60 s."
    if failure is not None:
        mi, fields["stderr"] = None, None
        fields["status"], fields["message"] = failure
    cost = by.seconds * (1 + told["dim_x"] / 40)
    batch = 10 if by.seconds > 3 else 1
    wall = cost * rng.uniform(0.8, 1.2)
    return result(by.name, task, n, seed, mi, quantity=by.kind, wall_s=wall, cpu_s=cost, batch_size=batch, **fields)


def _consistency(seeds: int, rng: np.random.Generator) -> Iterator[Result]:
    for task, expected in (("rows-monotone", 1.0), ("rows-additive", 2.0)):
        for name, ratio in (("ksg", 0.7), ("infonce", 0.95), ("mine-ema", 0.9)):
            for seed in range(seeds):
                metrics = {"score": expected * ratio + float(rng.normal(0, 0.03)), "expected": expected}
                group = {"group": "self-consistency", "family": "self-consistency"}
                yield result(name, task, 5000, seed, None, status=Status.OK, truth=None, metrics=metrics, **group)


def _downstream(seeds: int, rng: np.random.Generator) -> Iterator[Result]:
    info = (
        {"name": "high quality", "better": "higher", "unit": "%", "description": "samples within 3 std of a mode"},
        {
            "name": "KL",
            "better": "lower",
            "unit": "nats",
            "description": "mode counts to uniform",
            "published": {"mine-ema": "0.05"},
        },
    )
    for arm, quality, kl in (("none", 5, 0.15), ("mine-ema", 38, 0.01), ("nwj", 30, 0.02), ("js", 33, 0.02)):
        for seed in range(seeds):
            failed = arm == "nwj" and seed == 3
            metrics = {"high quality": quality + float(rng.normal(0, 3)), "KL": kl * float(rng.lognormal(0, 0.2))}
            yield result(
                arm,
                f"gan-25gaussians[arm={arm}]",
                0,
                seed,
                None,
                status=Status.NONFINITE if failed else Status.OK,
                message="the generator's loss is NaN from step 900." if failed else "",
                truth=None,
                family="downstream",
                group="gan-25gaussians",
                arm=arm,
                metrics={} if failed else metrics,
                metric_info=info,
                images={"samples": f"images/{arm}-{seed}.png"},
                curve={"generator": [(s, 1 + math.exp(-s / 500)) for s in range(0, 2000, 100)]},
                wall_s=20.0,
                cpu_s=20.0,
            )


def tiny_png(shade: int) -> bytes:
    """A 16 x 16 grey square, written by the definition of the format."""
    rows = b"".join(b"\0" + bytes([shade] * 16) for _ in range(16))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 16, 16, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
