"""How the cost of every estimator grows with the samples and with the dimensions, on one core.

    python tests/benchmarks/growth.py                             # every estimator that is not in the file yet
    python tests/benchmarks/growth.py ksg mine-ema --fresh        # these again
    python tests/benchmarks/growth.py --print                     # the table of docs/speed.md
    python tests/benchmarks/growth.py --figure growth.svg         # its figure

Samples are Gaussian, with 1 nat in all: n = 10^3 to 10^6 with one column a side, and 1 to 1,024 columns a side with
n = 4,000. (Those that count letters get the columns as integers from -3 to 3, one a side.) Every point has a process of
its own with one thread, which is killed beyond --limit seconds or --memory GiB. An estimator stops growing in one
direction at the first point that is killed; a point that would take --hopeless times the limit, as the growth up to
there says, is not begun. Each point is a line of the file: CPU-seconds, what the process grows by, and what came of it.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")})

import numpy as np
from costs import entrants
from peers import footer, problem, table

from mibench.errors import Unsupported
from mibench.estimator import Array, Estimator
from mibench.registry import estimators

PUBLISHED = Path(__file__).parents[2] / "results" / "published" / "growth.jsonl"
SAMPLES = (1_000, 10_000, 100_000, 1_000_000)
DIMS = (1, 16, 128, 1024)
N = 4_000
Point = dict[str, Any]


def samples(n: int, dim: int, letters: bool) -> tuple[Array, Array]:
    """Gaussian variables with 1 nat, or the same rounded."""
    x, y = problem("gauss", dim=dim, mutual_information=1.0).sample(n, 0)
    return (np.clip(np.round(x), -3, 3), np.clip(np.round(y), -3, 3)) if letters else (x, y)


def point(estimator: Estimator, n: int, dim: int, limit: float, memory: float) -> Point:
    """One estimate in a process of its own; ``status`` is ok, unsupported, timeout, memory or error."""
    ours, theirs = Pipe(duplex=False)
    child = get_context("fork").Process(target=_estimate, args=(theirs, estimator, n, dim), daemon=True)
    child.start()
    theirs.close()
    found: Point = {"status": "error", "why": "it ended without a word"}
    base, peak, used = 0, 0, 0.0
    where = {"estimator": estimator.label, "n": n, "dim": dim}
    while True:
        if ours.poll(0.05):
            try:
                said = ours.recv()
            except EOFError:
                break
            if "begun" not in said:
                found = said
                break
            base, used = said["begun"], _cpu(child.pid)
        now = _memory(child.pid, "VmRSS")
        peak = max(peak, now)
        if base and now - base > memory * 2**30:
            found = {"status": "memory", "memory": round((peak - base) / 2**30, 3)}
            break
        if base and _cpu(child.pid) - used > limit:
            found = {"status": "timeout", "memory": round(max(0, peak - base) / 2**30, 3)}
            break
    if child.is_alive():
        child.kill()
    child.join()
    return {**where, **found}


def _estimate(pipe: Connection[Any, Any], estimator: Estimator, n: int, dim: int) -> None:
    warnings.simplefilter("ignore")
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: do not outlive the one who asks
    estimator.warm_up()
    x, y = samples(n, dim, _letters(estimator))
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    base = _memory(os.getpid(), "VmRSS")
    pipe.send({"begun": base})
    before = time.process_time()
    try:
        mi = float(estimator.estimate(x, y, 0).mi)
        answer: Point = {"status": "ok", "mi": round(mi, 4) if math.isfinite(mi) else None}
    except Unsupported as error:
        answer = {"status": "unsupported", "why": str(error)}
    except MemoryError:
        answer = {"status": "memory"}
    except Exception as error:
        answer = {"status": "error", "why": f"{type(error).__name__}: {error}"[:200]}
    cpu = time.process_time() - before
    peak = _memory(os.getpid(), "VmHWM")
    pipe.send({**answer, "cpu": float(f"{cpu:.3g}"), "memory": round(max(0, peak - base) / 2**30, 3)})


def _letters(estimator: Estimator) -> bool:
    return estimator.capabilities.letters


def _memory(pid: int | None, field: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))
    except (OSError, StopIteration):
        return 0


def _cpu(pid: int | None) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return 0.0


def growth(estimator: Estimator, args: argparse.Namespace) -> Iterator[Point]:
    """The points of one estimator, first along n, then along the dimensions."""
    letters = _letters(estimator)
    ways = [[(n, 1) for n in SAMPLES], [] if letters else [(N, dim) for dim in DIMS]]
    for way in ways:
        grown: list[tuple[float, float]] = []
        for n, dim in way:
            size = float(n * dim)
            expected = _extrapolated(grown, size)
            if expected > args.hopeless * args.limit:
                yield {"estimator": estimator.label, "n": n, "dim": dim, "status": "not begun", "cpu": expected}
                break
            found = point(estimator, n, dim, args.limit, args.memory)
            yield found
            if found["status"] in ("timeout", "memory"):
                break
            if found["status"] == "ok":
                grown.append((size, found["cpu"]))


def _extrapolated(grown: Sequence[tuple[float, float]], size: float) -> float:
    if len(grown) < 2:
        return 0.0
    (a, before), (b, last) = grown[-2:]
    exponent = max(0.0, math.log(max(last, 1e-3) / max(before, 1e-3)) / math.log(b / a))
    return float(f"{last * (size / b) ** exponent:.3g}")


def read(path: Path) -> list[Point]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def along(points: Sequence[Point], direction: str) -> list[Point]:
    """The points that grow in ``n`` or in ``dim``, in order."""
    return [p for p in points if (p["n"] == N) == (direction == "dim")]


def exponent(points: Sequence[Point], direction: str, what: str, least: float) -> float | None:
    """The slope of log cost on log size over the last two points that cost at least so much."""
    known = [(p[direction], p[what]) for p in along(points, direction) if p["status"] == "ok" and p[what] >= least]
    if len(known) < 2:
        return None
    (a, before), (b, last) = known[-2:]
    return math.log(last / before) / math.log(b / a)


def show(points: list[Point]) -> None:
    """The table: CPU-seconds along n and along the dimensions, exponents, memory at the largest n that was reached."""
    rows: dict[str, list[str]] = {}
    for label in sorted({p["estimator"] for p in points}):
        own = [p for p in points if p["estimator"] == label]
        found = {(p["n"], p["dim"]): p for p in own}
        places = [*((n, 1) for n in SAMPLES), *((N, dim) for dim in DIMS[1:])]
        cells = [_cell(found.get(place)) for place in places]
        reached = [p for p in along(own, "n") if p["status"] == "ok"]
        most = max((p["memory"] for p in own if "memory" in p and p["status"] == "ok"), default=0.0)
        slopes = [
            exponent(own, "n", "cpu", 0.02),
            exponent(own, "n", "memory", 0.01),
            exponent(own, "dim", "cpu", 0.02),
        ]
        told = ["–" if slope is None else f"{slope:.1f}" for slope in slopes]
        last = f"{reached[-1]['memory']:.2f}" if reached else "–"
        rows[f"`{label}`"] = [*cells, *told, f"{last}, {most:.2f}"]
    columns = [*(f"n = {n:,}" for n in SAMPLES), *(f"{d} + {d}" for d in DIMS[1:])]
    columns += ["time ~ n^", "memory ~ n^", "time ~ d^", "GiB: at the last n, at most"]
    table(f"CPU-seconds of one estimate; 1 + 1 columns, then n = {N:,}", columns, rows)
    footer(Path(), [])


def _cell(found: Point | None) -> str:
    if found is None:
        return ""
    if found["status"] == "ok":
        return f"{found['cpu']:.2g}" if found["cpu"] < 10 else f"{found['cpu']:.0f}"
    if found["status"] == "not begun":
        return f"({found['cpu']:,.0f})"
    return {"timeout": "too long", "unsupported": "declined", "memory": "memory"}.get(found["status"], "failed")


def draw(points: list[Point], path: Path) -> None:
    """Two panels, along n and along the dimensions: a line per estimator, those that stand out by name."""
    from matplotlib.figure import Figure

    from mibench.report.style import theme

    with theme():
        figure = Figure(figsize=(9, 4.2), layout="constrained")
        axes = figure.subplots(1, 2, sharey=True)
        for ax, direction, name in zip(axes, ("n", "dim"), ("samples", "columns of x, and of y"), strict=True):
            ends = []
            ax.set(xscale="log", yscale="log", xlabel=name)
            for label in sorted({p["estimator"] for p in points}):
                own = [p for p in along(points, direction) if p["estimator"] == label and p["status"] == "ok"]
                if len(own) > 1:
                    place, cost = [p[direction] for p in own], [max(p["cpu"], 1e-3) for p in own]
                    ax.plot(place, cost, color="0.6", linewidth=0.8, marker=".", markersize=3)
                    ends.append((place[-1], cost[-1], label))
            _named(ax, ends)
            sizes = SAMPLES if direction == "n" else DIMS
            ax.set_xlim(sizes[0] / 1.5, sizes[-1] * 8)
            ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
            ax.set_yticks([10.0**power for power in range(-3, 2)], ["0.001", "0.01", "0.1", "1", "10"])
            ax.minorticks_off()
        axes[0].set_ylabel("CPU-seconds of one estimate")
        figure.savefig(path)


def _named(ax: Any, ends: list[tuple[float, float, str]]) -> None:
    """Names at the ends of the lines, as many as have room beside each other, the dearest first."""
    taken: dict[float, list[float]] = {}
    for place, cost, label in sorted(ends, key=lambda end: -end[1]):
        height = math.log10(cost)
        if all(abs(height - other) > 0.22 for other in taken.get(place, [])):
            taken.setdefault(place, []).append(height)
            ax.annotate(label, (place, cost), (3, 0), textcoords="offset points", fontsize=6, va="center")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    parser.add_argument("estimators", nargs="*", help="selectors (default: all)")
    parser.add_argument("--results", type=Path, default=PUBLISHED, help="the file of points, which is added to")
    parser.add_argument("--fresh", action="store_true", help="measure again what is in the file")
    parser.add_argument("--limit", type=float, default=60.0, help="CPU-seconds of one point")
    parser.add_argument("--memory", type=float, default=8.0, help="GiB that one point may take")
    parser.add_argument("--hopeless", type=float, default=1.5, help="times the limit, beyond which none is begun")
    parser.add_argument("--print", action="store_true", help="print the table, measure nothing")
    parser.add_argument("--figure", type=Path, help="draw the figure, measure nothing")
    args = parser.parse_args()
    points = read(args.results)
    if args.print:
        return show(points)
    if args.figure:
        return draw(points, args.figure)
    import torch

    torch.set_num_threads(1)
    for name in args.estimators or entrants():
        estimator = estimators.create(name)
        if any(p["estimator"] == estimator.label for p in points):
            if not args.fresh:
                continue
            points = [p for p in points if p["estimator"] != estimator.label]
        for found in growth(estimator, args):
            print(json.dumps(found), file=sys.stderr)
            points.append(found)
            points.sort(key=lambda p: (p["estimator"], p["n"] == N, p["n"], p["dim"]))
            args.results.write_text("".join(json.dumps(p) + "\n" for p in points), encoding="utf-8")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{(used.ru_utime + used.ru_stime) / 60:.1f} CPU-minutes in all", file=sys.stderr)


if __name__ == "__main__":
    main()
