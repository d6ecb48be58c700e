"""What ``gpu.py`` times: each figure is a generator of lines, so that what is known is printed before the rest.

The samples are Gaussian with 1 nat in all, drawn by mibench's own task. Times are wall-clock, after one call that is
not counted, and the device's work is waited for; medians of up to three calls, fewer where time is short.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np

from mibench import runtime
from mibench.registry import estimators, tasks
from mibench.task import Task

CHECKED = 300  # samples whose neighbours are counted by definition where n is large
TRAINED = ("minde", "doe", "flow", "latent")
CRITICS = ("mine-ema", "nwj", "infonce", "smile")


class Goal(NamedTuple):
    """What is wanted, in words, and whether it is so."""

    text: str
    met: bool


Line: TypeAlias = tuple[str, str, Goal | None]


def at_most(seconds: float, limit: float) -> Goal:
    return Goal(f"<= {limit:g} s", seconds <= limit)


class Clock:
    """The device, whether sizes are small, the CPU's answers, and a stopwatch that knows when to stop repeating."""

    def __init__(self, device: str, seconds: float, stored: dict[str, Any]) -> None:
        self.device, self.stored = device, stored
        self.small = device == "cpu"
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until this figure is stopped."""
        return self._end - time.monotonic()

    def wait(self) -> None:
        """Until the device has done everything that was asked of it."""
        if self.device != "cpu":
            import torch

            torch.cuda.synchronize()

    def once(self, run: Callable[[], Any]) -> float:
        """Seconds of one call."""
        self.wait()
        start = time.perf_counter()
        run()
        self.wait()
        return time.perf_counter() - start

    def median(self, run: Callable[[], Any], most: int = 3) -> tuple[float, str]:
        """Median seconds of up to ``most`` calls after one that is not counted, and how many there were.

        The first compiles and loads what is lacking, and is told apart.
        """
        first = self.once(run)
        times: list[float] = []
        while len(times) < most and (not times or self.left > 2 * times[-1] + 3):
            if not times and self.left < 1.2 * first:
                return first, "the first call"
            times.append(self.once(run))
        return statistics.median(times), f"median of {len(times)}, first {first:.2f} s"

    def peak(self) -> str:
        """The most memory of the device so far, and what this process has of the host's."""
        if self.device == "cpu":
            return ""
        import psutil
        import torch

        host = psutil.Process().memory_info().rss
        return f", {torch.cuda.max_memory_allocated() / 2**30:.2f} + {host / 2**30:.1f} GiB"


def load() -> None:
    """Import what figures have in common, and ask no device for anything."""
    import mibench.estimators.critics.recorded
    import mibench.estimators.densities.stacked
    import mibench.estimators.neighbours.tiles
    import mibench.tasks.downstream.gan_stacked  # noqa: F401


def card(device: str) -> str:
    """The name of the device's hardware, in a process of its own: this one must stay without a CUDA context."""
    if device == "cpu":
        return "no GPU is used"
    code = f"import torch; print(torch.cuda.get_device_name({device!r}), 'CUDA', torch.version.cuda)"
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        return "the GPU did not answer in 60 s"
    return done.stdout.strip() or f"no GPU: {done.stderr.strip().splitlines()[-1:]}"


def gauss(n: int, dim: int, seed: int = 0) -> tuple[Any, Any]:
    """Gaussian samples with 1 nat."""
    task = cast(Task, tasks.create(f"gauss[dim={dim},mutual_information=1.0]"))
    return task.sample(n, seed)


# Critics -------------------------------------------------------------------------------------------------------------


def critics(stack: int, limit: float | None) -> Callable[[Clock], Iterator[Line]]:
    """A stack of mine-ema, n = 10,000, 5+5."""

    def figure(clock: Clock) -> Iterator[Line]:
        n, size = (500, min(stack, 4)) if clock.small else (10_000, stack)
        estimator = estimators.create("mine-ema")
        x, y = gauss(n, 5)
        estimator.warm_up()
        seconds, how = clock.median(lambda: estimator.estimate_batch([x] * size, [y] * size, range(size)))
        goal = None if limit is None else at_most(seconds, limit)
        yield f"mine-ema, n = {n:,}, 5+5, stack of {size}", f"{seconds:.3f} s ({how}{clock.peak()})", goal

    return figure


def stages(clock: Clock) -> Iterator[Line]:
    """Where the time of a large stack goes: each stage is waited for, so they add up to a little more."""
    from mibench.estimators.critics import base, evaluation, trainer

    spent: dict[str, float] = {}

    def watched(where: Any, name: str) -> None:
        function = getattr(where, name)

        def run(*args: Any, **options: Any) -> Any:
            clock.wait()
            start = time.perf_counter()
            answer = function(*args, **options)
            clock.wait()
            spent[name] = spent.get(name, 0.0) + time.perf_counter() - start
            return answer

        setattr(where, name, run)

    size, n = (4, 500) if clock.small else (200, 10_000)
    x, y = gauss(n, 5)
    estimator = estimators.create("mine-ema")
    estimator.estimate(x, y, 0)
    for where, name in (
        (base.Variational, "_assignments"),
        (base.Variational, "prepared"),
        (trainer, "fit"),
        (trainer.Stack, "validate"),
        (evaluation, "contributions"),
    ):
        watched(where, name)
    total = clock.once(lambda: estimator.estimate_batch([x] * size, [y] * size, range(size)))
    parts = ", ".join(f"{name.strip('_')} {seconds:.2f}" for name, seconds in spent.items())
    yield f"stages of a stack of {size} (validate is part of fit)", f"{total:.2f} s: {parts}", None


# Neighbours ----------------------------------------------------------------------------------------------------------


def neighbours(cases: tuple[tuple[int, int, float | None], ...]) -> Callable[[Clock], Iterator[Line]]:
    """KSG in both norms, and the counts of some samples against the definition."""

    def figure(clock: Clock) -> Iterator[Line]:
        for n, dim, limit in cases:
            size = n // 100 if clock.small else n
            x, y = gauss(size, dim)
            for metric in ("max", "euclidean"):
                ksg = estimators.create(f"ksg[metric={metric}]")
                ksg.warm_up()
                seconds, how = clock.median(lambda ksg=ksg, x=x, y=y: ksg.estimate(x, y), 1 if n > 200_000 else 3)  # type: ignore[misc]
                goal = None if limit is None else at_most(seconds, limit)
                yield f"ksg, n = {size:,}, {dim}+{dim}, {metric}", f"{seconds:.3f} s ({how}{clock.peak()})", goal
                yield by_definition(x, y, metric)

    return figure


def by_definition(x: Any, y: Any, metric: Any) -> Line:
    """The counts of some samples against those of the float64 search of the CPU."""
    from mibench.estimators.neighbours.compiled import Rule
    from mibench.estimators.neighbours.float64 import count_in_float64
    from mibench.estimators.neighbours.search import neighbourhoods

    which = np.unique(np.linspace(0, len(x) - 1, CHECKED).astype(np.int64))
    found = np.array(neighbourhoods(x, y, 3, metric, closed=False, rectangle=False))[:, which]
    right = count_in_float64(x, y, which, Rule(3, metric == "max", closed=False, rectangle=False))
    equal = int((found == right).all(0).sum())
    goal = Goal("all", equal == len(which))
    return "  counts equal to those in float64 on the CPU", f"{equal} of {len(which)} samples", goal


# Other models --------------------------------------------------------------------------------------------------------


def trained(clock: Clock) -> Iterator[Line]:
    """Density estimators alone and side by side."""
    n, stack = (200, 2) if clock.small else (10_000, 10)
    x, y = gauss(n, 5)
    for name in TRAINED:
        changes = "[max_steps=20]" if clock.small else ""
        estimator = estimators.create(name + changes)
        clock.once(lambda estimator=estimator: estimator.estimate(x, y, 0))  # type: ignore[misc]
        alone = clock.once(lambda estimator=estimator: estimator.estimate(x, y, 0))  # type: ignore[misc]
        seconds = clock.once(
            lambda estimator=estimator: estimator.estimate_batch([x] * stack, [y] * stack, range(stack))  # type: ignore[misc]
        )
        gain = alone * stack / seconds
        what = f"alone {alone:.2f} s, {stack} side by side {seconds:.2f} s: {gain:.1f}x"
        yield f"{name}, n = {n:,}, 5+5", what, Goal(">= 5x", gain >= 5)


def gan(clock: Clock) -> Iterator[Line]:
    """A step of the DCGAN of stacked MNIST, without and with mine-ema: random pixels take as long as digits."""
    import torch
    from mibench.estimators.critics.bounds import MovingAverageDV
    from mibench.tasks.downstream import gan_training
    from mibench.tasks.downstream.gan_setting import Problem
    from mibench.tasks.downstream.gan_stacked import GanStackedMnist
    from torch.utils.flop_counter import FlopCounterMode

    class RandomPixels(GanStackedMnist):  # type: ignore[misc]
        def problem(self, seed: int) -> Problem:
            pixels = torch.rand(2_000, 3, 28, 28, generator=torch.Generator().manual_seed(seed)) * 2 - 1
            real = pixels.numpy()
            return Problem(pixels, lambda made: {}, lambda n, rng: real[:n], lambda made: b"")

    def multiplications(steps: int, bound: Any) -> int:
        with runtime.using(device="cpu"), FlopCounterMode(display=False) as counted:
            RandomPixels(steps=steps, generated=100, batch=2).train_one(bound, 0)
        return int(counted.get_total_flops())

    times = {}
    few, many = (2, 6) if clock.small else (40, 1040)
    for name, bound in (("alone", None), ("with mine-ema", MovingAverageDV())):

        def steps(count: int, bound: Any = bound) -> Callable[[], Any]:
            task = RandomPixels(steps=count, generated=100, width=8 if clock.small else 64)
            return lambda: task.train_one(bound, 0)

        clock.once(steps(few))
        # what comes before and after the steps takes the same time in both
        times[name] = (clock.once(steps(many)) - clock.once(steps(few))) / (many - few)
        yield f"a step of gan-stacked-mnist {name}", f"{times[name] * 1e3:.2f} ms", None
    ratio = times["with mine-ema"] / times["alone"]
    yield "  with mine-ema / alone", f"{ratio:.2f}", Goal("<= 1.7", ratio <= 1.7)
    gan_training.SCORED = gan_training.HELD_OUT = 100
    without, with_mine = (multiplications(6, b) - multiplications(4, b) for b in (None, MovingAverageDV()))
    yield "  in multiplications, of networks of 64 channels", f"{with_mine / without:.2f}", None


# End to end ----------------------------------------------------------------------------------------------------------


def table(clock: Clock) -> Iterator[Line]:
    """``mibench run beyond_normal``: four critics on 40 tasks with 10 seeds, store and report included."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mibench", "run", "beyond_normal", "--no-mlflow", "--no-references"]
        command += [part for name in CRITICS for part in ("-e", name)]
        command += ["--device", clock.device, "--out", folder]
        if clock.small:
            command += ["-t", "*v1-*-0.75", "-n", "300", "--seeds", "2"]
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=folder)
        try:
            _, said = process.communicate(timeout=max(1.0, clock.left - 5))
        except subprocess.TimeoutExpired:
            process.terminate()
            said = ""
        seconds = time.perf_counter() - start
        results = Path(folder) / "results.jsonl"
        lines = results.read_text().splitlines() if results.exists() else []
        statuses = [json.loads(line).get("status") for line in lines]
        ok = statuses.count("ok")
        what = f"{seconds:.1f} s, {ok} of {len(lines)} cells ok"
        done = process.returncode == 0
        yield "beyond_normal, 4 critics x 40 tasks x 10 seeds", what, Goal("<= 60 s", done and seconds <= 60)
        if not done:
            yield "  stopped, or ended with", f"{process.returncode}: {said.strip()[-300:]}", None
