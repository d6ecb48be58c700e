"""Plug-ins that behave badly in every way a run must survive, for ``--include``; and one task that costs nothing."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import mibench
from mibench import Capabilities, ConsistencyTask, DownstreamTask, Estimate, Estimator, Metric, Outcome, Task


@mibench.register_task("copy")
@dataclass(frozen=True, eq=False, repr=False)
class Copy(Task):
    """Y is X plus noise; both standard normal, correlation 0.6."""

    offset: float = 0.0
    family: ClassVar[str] = "copies"
    dim_x = dim_y = 1

    @property
    def mutual_information(self) -> float:
        return -0.5 * float(np.log(1 - 0.36))

    def draw(self, n, rng):
        x = rng.standard_normal((n, 1))
        return x + self.offset, 0.6 * x + 0.8 * rng.standard_normal((n, 1))


@mibench.register_task("absent")
@dataclass(frozen=True, eq=False, repr=False)
class Absent(Copy):
    """Data that nobody has."""

    @property
    def mutual_information(self) -> float:
        raise mibench.NotInstalled("the data set is not here; fetch it with `mibench data get absent`.")


@mibench.register_task("twice")
@dataclass(frozen=True, eq=False, repr=False)
class Twice(ConsistencyTask):
    """The same problem twice: the ratio of the answers is 1."""

    expected = 1.0

    def parts(self, n, seed):
        return [Copy().sample(n, seed), Copy().sample(n, seed)]

    def score(self, estimates):
        return estimates[1] / estimates[0]


@mibench.register_task("lesson")
@dataclass(frozen=True, eq=False, repr=False)
class Lesson(DownstreamTask):
    """A training that diverges for seed 1."""

    metrics: ClassVar = (Metric("loss", "lower"),)

    def accepts(self, estimator):
        return estimator.label == "correlation"

    def train(self, estimator, seeds):
        return [
            Outcome({"loss": float("nan") if seed == 1 else 0.5 + seed}, {"loss": [(1, 2.0)]}, {"picture": b"\x89PNG"})
            for seed in seeds
        ]


@mibench.register_estimator("correlation")
@dataclass(frozen=True, eq=False, repr=False)
class Correlation(Estimator):
    """Gaussian formula."""

    scale: float = 1.0

    def estimate(self, x, y, seed=0):
        rho = np.corrcoef(x[:, 0], y[:, 0])[0, 1]
        return Estimate(-0.5 * self.scale * float(np.log1p(-(rho**2))), stderr=0.01, diagnostics={"rho": float(rho)})


@mibench.register_estimator("stacked")
@dataclass(frozen=True, eq=False, repr=False)
class Stacked(Correlation):
    """Fails together as soon as one problem of the batch is seed 2; alone, only seed 2 fails."""

    capabilities: ClassVar = Capabilities(max_batch=8)

    def estimate_batch(self, xs, ys, seeds):
        if 2 in seeds:
            raise ValueError("seed 2 is in here")
        return [self.estimate(x, y, seed) for x, y, seed in zip(xs, ys, seeds, strict=True)]


@mibench.register_estimator("stacked-killer")
class StackedKiller(Stacked):
    """Kills its process as soon as one problem of the batch is seed 2."""

    def estimate_batch(self, xs, ys, seeds):
        if 2 in seeds:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().estimate_batch(xs, ys, seeds)


@mibench.register_estimator("slow")
class Slow(Correlation):
    """Takes a tenth of a second."""

    def estimate(self, x, y, seed=0):
        time.sleep(0.1)
        return super().estimate(x, y, seed)


@mibench.register_estimator("hang")
class Hang(Correlation):
    """Never answers."""

    def estimate(self, x, y, seed=0):
        time.sleep(1000)


@mibench.register_estimator("hog")
class Hog(Correlation):
    """Takes all memory there is."""

    def estimate(self, x, y, seed=0):
        kept = []
        while True:
            kept.append(np.ones(10**7))


@mibench.register_estimator("die")
class Die(Correlation):
    """Kills its process."""

    def estimate(self, x, y, seed=0):
        os.kill(os.getpid(), signal.SIGKILL)


@mibench.register_estimator("raise")
class Raise(Correlation):
    """Raises."""

    def estimate(self, x, y, seed=0):
        raise RuntimeError("something odd")


@mibench.register_estimator("nan")
class Nan(Correlation):
    """Answers NaN."""

    def estimate(self, x, y, seed=0):
        return Estimate(float("nan"))


@mibench.register_estimator("picky")
class Picky(Correlation):
    """Wants many samples."""

    capabilities: ClassVar = Capabilities(min_n=10**6)
