"""Plug-ins that behave badly in every way a run must survive, for ``--include``; and one task that costs nothing."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import mibench
from mibench import Capabilities, ConsistencyTask, DownstreamTask, Estimate, Estimator, Metric, Outcome, Task
from mibench.estimator import Array


@mibench.register_task("copy")
class Copy(Task):
    """Y is X plus noise; both standard normal, correlation 0.6."""

    offset: float = 0.0
    family = "copies"
    dim_x = dim_y = 1

    @property
    def mutual_information(self) -> float:
        return -0.5 * float(np.log(1 - 0.36))

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        x = rng.standard_normal((n, 1))
        return x + self.offset, 0.6 * x + 0.8 * rng.standard_normal((n, 1))


@mibench.register_task("absent")
class Absent(Copy):
    """Data that nobody has."""

    @property
    def mutual_information(self) -> float:
        raise mibench.NotInstalled("the data set is not here; fetch it with `mibench data get absent`.")


@mibench.register_task("rogue")
class Rogue(Copy):
    """Does something other than saying its mutual information."""

    deed: str = "idle"

    @property
    def mutual_information(self) -> float:
        if self.deed == "exit":
            os._exit(0)
        if self.deed == "leave":
            sys.exit(0)
        if self.deed == "hang":
            time.sleep(1000)
        return float("nan") if self.deed == "nan" else 0.0


@mibench.register_task("twice")
class Twice(ConsistencyTask):
    """The same problem twice: the ratio of the answers is 1."""

    expected = 1.0

    def parts(self, n: int, seed: int) -> list[tuple[Array, Array]]:
        return [Copy().sample(n, seed), Copy().sample(n, seed)]

    def score(self, estimates: Sequence[float]) -> float:
        return estimates[1] / estimates[0]


@mibench.register_task("lesson")
class Lesson(DownstreamTask):
    """A training that diverges for seed 1."""

    metrics = (Metric("loss", "lower"),)

    def accepts(self, estimator: Estimator) -> bool:
        return estimator.label == "correlation"

    def train(self, estimator: Estimator, seeds: Sequence[int]) -> list[Outcome]:
        return [
            Outcome({"loss": float("nan") if seed == 1 else 0.5 + seed}, {"loss": [(1, 2.0)]}, {"picture": b"\x89PNG"})
            for seed in seeds
        ]


@mibench.register_estimator("correlation")
class Correlation(Estimator):
    """Gaussian formula."""

    scale: float = 1.0

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        rho = np.corrcoef(x[:, 0], y[:, 0])[0, 1]
        return Estimate(-0.5 * self.scale * float(np.log1p(-(rho**2))), stderr=0.01, diagnostics={"rho": float(rho)})


@mibench.register_estimator("stacked")
class Stacked(Correlation):
    """Fails together as soon as one problem of the batch is seed 2; alone, only seed 2 fails."""

    capabilities: ClassVar = Capabilities(max_batch=8)

    def estimate_batch(self, xs: Sequence[Array], ys: Sequence[Array], seeds: Sequence[int]) -> list[Estimate]:
        if 2 in seeds:
            raise ValueError("seed 2 is in here")
        return [self.estimate(x, y, seed) for x, y, seed in zip(xs, ys, seeds, strict=True)]


@mibench.register_estimator("stacked-killer")
class StackedKiller(Stacked):
    """Kills its process as soon as one problem of the batch is seed 2."""

    def estimate_batch(self, xs: Sequence[Array], ys: Sequence[Array], seeds: Sequence[int]) -> list[Estimate]:
        if 2 in seeds:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().estimate_batch(xs, ys, seeds)


@mibench.register_estimator("slow")
class Slow(Correlation):
    """Takes a tenth of a second."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        time.sleep(0.1)
        return super().estimate(x, y, seed)


@mibench.register_estimator("hang")
class Hang(Correlation):
    """Never answers, and leaves a child behind."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        child = subprocess.Popen(["sleep", "1000"])
        Path(os.environ.get("CHILD", os.devnull)).write_text(str(child.pid))
        time.sleep(1000)
        raise AssertionError


@mibench.register_estimator("hog")
class Hog(Correlation):
    """Takes all memory there is."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        kept = []
        while True:
            kept.append(np.ones(10**7))


@mibench.register_estimator("die")
class Die(Correlation):
    """Kills its process."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


@mibench.register_estimator("once")
class Once(Correlation):
    """Its process is killed the first time, as by somebody else."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        mark = Path(os.environ["MARKS"], str(seed))
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().estimate(x, y, seed)


@mibench.register_estimator("exit")
class Exit(Correlation):
    """Ends its process as if all were well."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        os._exit(0)


@mibench.register_estimator("leave")
class Leave(Correlation):
    """Ends the program."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        sys.exit(0)


@mibench.register_estimator("raise")
class Raise(Correlation):
    """Raises."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        raise RuntimeError("something odd")


@mibench.register_estimator("shout")
class Shout(Correlation):
    """Raises with a message that is too long, and that no encoding can write."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        raise mibench.MibenchError("\ud800" + "!" * 10**6)


@mibench.register_estimator("nan")
class Nan(Correlation):
    """Answers NaN."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        return Estimate(float("nan"))


@mibench.register_estimator("strange")
class Odd(Correlation):
    """Says things that JSON cannot hold, and a curve that is none."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        cycle: dict[Any, Any] = {"set": {1, 2}, 3: b"bytes", "array": np.arange(3), "huge": 10**5000, "path": Path("p")}
        cycle["self"] = cycle
        curve: Any = 0.5
        return Estimate(0.25, curve=curve, diagnostics=cycle)


@mibench.register_estimator("vandal")
class Vandal(Correlation):
    """Changes what all cells of its process share."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        sys.setrecursionlimit(200)
        return super().estimate(x, y, seed)


@mibench.register_estimator("deep")
class Deep(Correlation):
    """Needs the usual recursion limit."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        def down(levels: int) -> int:
            return levels and down(levels - 1)

        down(500)
        return super().estimate(x, y, seed)


@mibench.register_estimator("picky")
class Picky(Correlation):
    """Wants many samples."""

    capabilities: ClassVar = Capabilities(min_n=10**6)


@mibench.register_estimator("talk")
class Talk(Correlation):
    """Prints a hundred megabytes."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        for _ in range(100):
            os.write(1, b"talk, " * (10**6 // 6))
        return super().estimate(x, y, seed)


@mibench.register_estimator("last-words")
class LastWords(Correlation):
    """Says why it ends its process, in red."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        os.write(2, b"first\nno \x1b[31mway out.\n\n")
        os._exit(3)


@mibench.register_task("untruthful")
class Untruthful(Copy):
    """Its facts are not what they should be."""

    deed: str = "unknown"

    def facts(self) -> dict[str, Any]:
        wrong: dict[str, Any] = {"unknown": {"colour": "red"}, "type": {"dim_x": "two"}, "huge": {"dim_x": 10**400}}
        return {**super().facts(), **wrong[self.deed]}


@mibench.register_estimator("segfault")
class Segfault(Correlation):
    """Reads memory that is nobody's."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        ctypes.string_at(0)
        raise AssertionError
