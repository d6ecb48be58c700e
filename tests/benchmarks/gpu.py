"""Every figure of docs/gpu.md, one after another, each in a process of its own that may fail or be too slow.

    tests/benchmarks/gpu.sh                                       # installs what is lacking, then runs this
    python tests/benchmarks/gpu.py --device cpu --only answers    # from the checkout's environment
    python tests/benchmarks/gpu.py --store                        # compute the answers of the CPU anew, and keep them

A line of the output is: what was measured, the figure, the goal where there is one, and whether it was met. On the CPU
sizes are reduced, and goals are not shown, because they are those of one NVIDIA H100.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import gpu_figures

ANSWERS = Path(__file__).with_name("gpu_answers.json")
LIMIT = 350.0  # seconds for everything
LEAST = 5.0  # seconds below which a figure is not begun any more


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", nargs="*", choices=list(gpu_figures.FIGURES), default=list(gpu_figures.FIGURES))
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for everything")
    parser.add_argument("--store", action="store_true", help="compute the answers of the CPU, and keep them")
    parser.add_argument("--figure", choices=list(gpu_figures.FIGURES), help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.store:
        ANSWERS.write_text(json.dumps(gpu_figures.answers("cpu"), indent=1) + "\n")
        return 0
    if args.figure:
        one_figure(args.figure, args.device, args.seconds)
        return 0
    print(machine(args.device), flush=True)
    end, failed = time.monotonic() + args.limit, []
    for name in args.only:
        guard = min(gpu_figures.FIGURES[name][1], end - time.monotonic())
        problem = guarded(name, args.device, guard) if guard > LEAST else "not begun: the time for everything is over"
        if problem:
            failed.append(name)
            print(f"{name:<54}{problem}", flush=True)
    print(f"done in {args.limit - (end - time.monotonic()):.0f} s; without an answer: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


def one_figure(name: str, device: str, seconds: float) -> None:
    """Compute one figure and print its lines as they come."""
    os.environ["MIBENCH_DEVICE"] = device
    clock = gpu_figures.Clock(device, seconds, json.loads(ANSWERS.read_text()))
    for what, figure, goal in gpu_figures.FIGURES[name][0](clock):
        shown = "" if goal is None or clock.small else f"goal {goal.text:<9} {'met' if goal.met else 'NOT MET'}"
        print(f"{what:<54}{figure:<42}{shown}".rstrip(), flush=True)


def guarded(name: str, device: str, seconds: float) -> str:
    """Run one figure in a process of at most so many seconds; what went wrong, or nothing."""
    start = time.monotonic()
    command = [sys.executable, __file__, "--device", device, "--figure", name, "--seconds", str(seconds)]
    with tempfile.TemporaryFile() as said:
        try:
            code = subprocess.run(command, stderr=said, timeout=seconds).returncode
        except subprocess.TimeoutExpired:
            return f"stopped after {time.monotonic() - start:.0f} s"
        if code == 0:
            return ""
        said.seek(0)
        lines = [line for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    return f"failed with exit code {code}: {' | '.join(lines[-3:])[:600]}"


def machine(device: str) -> str:
    """What the figures were measured on, in one paragraph."""
    facts = [f"device {device}", gpu_figures.card(device), f"Python {platform.python_version()}"]
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
