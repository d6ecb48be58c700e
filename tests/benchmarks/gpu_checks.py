"""What ``gpu.py`` checks: the device's answers against those of the CPU, and what the fast paths say of themselves."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
from gpu_figures import CRITICS, TRAINED, Clock, Goal, Line, gauss

from mibench import runtime
from mibench.registry import estimators, tasks

CLOSE = 0.03  # nats by which a trained answer may differ from the CPU's: what rounding makes of a training
ALIKE = 1e-3  # by which a recording may differ from its own steps


def answers(device: str) -> dict[str, float]:
    """What estimators say of small problems, by a name that begins with theirs."""
    found: dict[str, float] = {}
    with runtime.using(device=device):
        for name in CRITICS:
            x, y = gauss(2_000, 5)
            for i, estimate in enumerate(estimators.create(name).estimate_batch([x] * 3, [y] * 3, range(3))):
                found[f"{name}, n = 2,000, 5+5, seed {i}"] = estimate.mi
        for name in TRAINED:
            x, y = gauss(1_000, 2)
            found[f"{name}, n = 1,000, 2+2, seed 0"] = estimators.create(name).estimate(x, y, 0).mi
        for metric in ("max", "euclidean"):
            ksg = f"ksg[metric={metric}]"
            found[f"{ksg}, n = 5,000, 5+5"] = estimators.create(ksg).estimate(*gauss(5_000, 5)).mi
    return found


def digests(device: str) -> dict[str, int]:
    """Checksums of all counts of neighbours, by both algorithms and norms, of samples as they are and rounded."""
    found = {}
    for n, dim in ((3_000, 1), (5_000, 5), (5_000, 25), (2_000, 50)):
        x, y = gauss(n, dim)
        for metric in ("max", "euclidean"):
            for what, digits in (("", 15), (" to one digit", 1)):
                name = f"counts, n = {n:,}, {dim}+{dim}, {metric}{what}"
                found[name] = digest(np.round(x, digits), np.round(y, digits), metric, device)
    return found


def digest(x: Any, y: Any, metric: Any, device: str) -> int:
    """A checksum of all counts, of both algorithms: those of the device, or those by definition for the CPU.

    The definition is one small loop to compile, where the CPU's own searches are many.
    """
    from mibench.estimators.neighbours.compiled import Rule
    from mibench.estimators.neighbours.float64 import count_in_float64
    from mibench.estimators.neighbours.search import neighbourhoods

    sums = 0
    for closed, rectangle in ((False, False), (True, True)):
        if device == "cpu":
            rule = Rule(3, metric == "max", closed, rectangle)
            counts = count_in_float64(x, y, np.arange(len(x)), rule)
        else:
            counts = np.array(neighbourhoods(x, y, 3, metric, closed=closed, rectangle=rectangle))
        sums = zlib.crc32(np.ascontiguousarray(counts, np.int64).tobytes(), sums)
    return sums


def same_answers(clock: Clock) -> Iterator[Line]:
    """Counts must be those of this machine's processor, trainings close to what was stored."""
    found, right = digests(clock.device), digests("cpu")
    wrong = [name for name in found if found[name] != right[name]]
    yield "counts equal to those of the CPU", f"{len(found) - len(wrong)} of {len(found)}", Goal("all", not wrong)
    for name in wrong:
        yield f"  {name}", "DIFFERENT", None
    here = answers(clock.device)
    for kind in dict.fromkeys(name.partition(",")[0] for name in here):
        gap = max(abs(here[name] - clock.stored[name]) for name in here if name.startswith(f"{kind},"))
        allowed = 1e-6 if kind.startswith("ksg") else CLOSE
        yield f"{kind}: greatest difference from the CPU", f"{gap:.2g} nats", Goal(f"<= {allowed:g}", gap <= allowed)
    yield from told(clock)


def replays(clock: Clock) -> Iterator[Line]:
    """Steps from a recording against the same steps launched one by one: what went beside each other shows here."""
    from mibench.estimators.critics import recorded
    from mibench.estimators.critics.bounds import MovingAverageDV
    from mibench.estimators.densities import stacked
    from mibench.tasks.downstream import training

    x, y = gauss(2_000, 5)

    def critics() -> list[float]:
        return [e.mi for e in estimators.create("mine-ema").estimate_batch([x] * 3, [y] * 3, range(3))]

    def density() -> list[float]:
        return [estimators.create("minde[max_steps=200]").estimate(x, y, 0).mi]

    def game() -> list[float]:
        ring = cast(Any, tasks.create("gan-ring", steps=100, generated=100))
        return [value for _, value in ring.train_one(MovingAverageDV(), 0).curves["loss/generator"]]

    cases: tuple[tuple[str, Any, Callable[[], list[float]]], ...] = (
        ("mine-ema", recorded, critics),
        ("minde", stacked, density),
        ("a GAN with mine-ema", training, game),
    )
    for what, module, run in cases:
        found, usual = run(), module.usual_graphs
        module.usual_graphs = lambda where: None
        try:
            gap = max(abs(a - b) for a, b in zip(found, run(), strict=True))
        finally:
            module.usual_graphs = usual
        yield f"{what}: replayed less launched one by one", f"{gap:.2g}", Goal(f"<= {ALIKE:g}", gap <= ALIKE)


def told(clock: Clock) -> Iterator[Line]:
    """What the fast paths say of themselves."""
    x, y = gauss(1_000, 5)
    for name in ("mine-ema", *TRAINED):
        estimate = estimators.create(f"{name}[max_steps=20]").estimate(x, y, 0)
        yield f"how steps of {name} are made", str(estimate.diagnostics.get("steps are", "one by one")), None
    if clock.device != "cpu":
        from mibench.estimators.critics.stack import fused
        from mibench.estimators.neighbours.tiles import backend

        yield "how Adam steps", "one kernel" if fused(f"{clock.device}:0") else "torch", None
        yield "how neighbours are searched", str(backend(clock.device)), None
