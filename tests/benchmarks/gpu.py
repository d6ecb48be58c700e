"""Every figure of docs/gpu.md, one after another, each in a process of its own that may fail or be too slow.

    tests/benchmarks/gpu.sh                                       # installs what is lacking, then runs this
    python tests/benchmarks/gpu.py --device cpu --only answers    # from the checkout's environment
    python tests/benchmarks/gpu.py --store                        # compute the answers of the CPU anew, and keep them

A line of the output is: what was measured, the figure, the goal where there is one, and whether it was reached. It is
printed when it is known; all goals come once more in the end. On the CPU sizes are reduced, and goals are not shown,
because they are those of one NVIDIA H100.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO

from gpu_checks import answers, replays, same_answers
from gpu_figures import Clock, Line, card, critics, gan, load, neighbours, stages, table, trained

ANSWERS = Path(__file__).with_name("gpu_answers.json")
LIMIT = 350.0  # seconds for everything
LEAST = 5.0  # seconds below which a figure is not begun any more
LOOK_EVERY = 0.05  # seconds

# what matters most first, should the time not suffice for all
FIGURES: dict[str, tuple[Callable[[Clock], Iterator[Line]], float]] = {
    "answers": (same_answers, 80.0),
    "replays": (replays, 40.0),
    "critics-1": (critics(1, 0.5), 25.0),
    "critics-1000": (critics(1000, 5.0), 50.0),
    "ksg-100000": (neighbours(((100_000, 50, 1.0),)), 45.0),
    "table": (table, 90.0),
    "gan": (gan, 40.0),
    "densities": (trained, 60.0),
    "ksg-1000000": (neighbours(((1_000_000, 5, 30.0),)), 80.0),
    "stages": (stages, 20.0),
    "critics-100": (critics(100, None), 20.0),
    "critics-10": (critics(10, None), 20.0),
    "ksg": (neighbours(((10_000, 5, None), (10_000, 25, None), (100_000, 25, None))), 40.0),
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", nargs="*", choices=list(FIGURES), default=list(FIGURES))
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for everything")
    parser.add_argument("--store", action="store_true", help="compute the answers of the CPU, and keep them")
    args = parser.parse_args()
    if args.store:
        ANSWERS.write_text(json.dumps(answers("cpu"), indent=1) + "\n")
        return 0
    end, failed = time.monotonic() + args.limit, []
    print(machine(args.device), flush=True)
    load()
    with tempfile.TemporaryFile("w+") as told:
        for name in args.only:
            start = time.monotonic()
            guard = min(FIGURES[name][1], end - start)
            problem = guarded(name, args.device, guard, told) if guard > LEAST else "not begun: the time is over"
            if problem:
                failed.append(name)
            print(f"-- {name}: {time.monotonic() - start:.1f} s{f'; {problem}' if problem else ''}", flush=True)
        told.seek(0)
        goals = told.read()
    if goals:
        print(f"\nGoals:\n{goals}", end="")
    print(f"done in {args.limit - (end - time.monotonic()):.0f} s; without an answer: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


def guarded(name: str, device: str, seconds: float, goals: IO[str]) -> str:
    """Compute one figure in at most so many seconds, in a process that has all modules and no device yet.

    What went wrong, or nothing; lines with a goal are written down in ``goals`` as well.
    """
    sys.stdout.flush()
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if not child:
            _compute(name, device, seconds, said.fileno(), goals)
        end, status = time.monotonic() + seconds, 0
        while not (ended := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < end:
            time.sleep(LOOK_EVERY)
        if not ended[0]:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return f"stopped after {seconds:.0f} s"
        status = os.waitstatus_to_exitcode(ended[1])
        if status == 0:
            return ""
        said.seek(0)
        lines = [line for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    return f"failed with exit code {status}: {' | '.join(lines[-3:])[:600]}"


def _compute(name: str, device: str, seconds: float, said: int, goals: IO[str]) -> None:
    """In the child, which does not return: print the lines of a figure as they come."""
    code = 1
    try:
        os.setsid()
        os.dup2(said, 2)
        os.environ["MIBENCH_DEVICE"] = device
        clock = Clock(device, seconds, json.loads(ANSWERS.read_text()))
        for what, figure, goal in FIGURES[name][0](clock):
            line = f"{what:<58} {figure:<50}"
            if goal is not None and not clock.small:
                line += f" goal {goal.text:<9} {'reached' if goal.met else 'MISSED'}"
                print(line.rstrip(), file=goals, flush=True)
            print(line.rstrip(), flush=True)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def machine(device: str) -> str:
    """What the figures were measured on, in one paragraph."""
    facts = [f"device {device}", card(device), f"Python {platform.python_version()}"]
    facts += [f"{os.cpu_count()} cores", *map(_version, ("mibench", "torch", "triton", "numpy", "numba", "zuko"))]
    if device != "cpu":
        query = ["nvidia-smi", "--query-gpu=driver_version,memory.total,clocks.max.sm", "--format=csv,noheader"]
        try:
            facts.append("driver " + subprocess.run(query, capture_output=True, text=True, timeout=20).stdout.strip())
        except (OSError, subprocess.TimeoutExpired):
            facts.append("driver unknown: nvidia-smi did not answer")
    return "; ".join(facts)


def _version(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} not installed"


if __name__ == "__main__":
    sys.exit(main())
