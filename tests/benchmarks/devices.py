"""Stacks of critics and large KSG problems on the processor and, where there is one, on a GPU.

    python tests/benchmarks/devices.py                              # both devices, stacks of 1 to 1,000
    python tests/benchmarks/devices.py --devices cpu --stacks 1 8 --ksg 20000

The time is wall-clock per estimate, after one that is not counted, and the GPU's work is waited for. Critics are
mine-ema at its defaults on Gaussian samples with 1 nat; the estimate shown is the first of the stack. Where a GPU is
measured, both devices must agree: KSG to rounding, critics to what training makes of it.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
from peers import footer, problem, table

from mibench.registry import estimators


def timed(device: str, run: Callable[[], float]) -> tuple[float, float]:
    """Seconds of the second call, and its answer."""
    os.environ["MIBENCH_DEVICE"] = device
    run()
    start = time.perf_counter()
    answer = run()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start, answer


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    found = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    parser.add_argument("--devices", nargs="*", default=found)
    parser.add_argument("--estimator", default="mine-ema", help="the critics (default mine-ema)")
    parser.add_argument("--stacks", type=int, nargs="*", default=[1, 10, 100, 1000])
    parser.add_argument("--n", type=int, default=10_000, help="samples for the critics")
    parser.add_argument("--dim", type=int, default=5, help="dimensions of x, and of y, for the critics")
    parser.add_argument("--ksg", type=int, nargs="*", default=[10_000, 100_000], help="samples for KSG")
    parser.add_argument("--ksg-dims", type=int, nargs="*", default=[5, 25])
    args = parser.parse_args()

    critics = estimators.create(args.estimator)
    x, y = problem("gauss", dim=args.dim, mutual_information=1.0).sample(args.n, 0)
    rows: dict[str, list[str]] = {}
    for stack in args.stacks:

        def train(stack: int = stack) -> float:
            return critics.estimate_batch([x] * stack, [y] * stack, range(stack))[0].mi

        answers = [timed(device, train) for device in args.devices]
        rows[str(stack)] = [f"{seconds / stack:.3g} s, {mi:.3f}" for seconds, mi in answers]
    table(f"{args.estimator}: seconds per estimate by stack, n = {args.n}, {args.dim}+{args.dim}", args.devices, rows)

    ksg, rows = estimators.create("ksg"), {}
    for n in args.ksg:
        for dim in args.ksg_dims:
            x, y = problem("gauss", dim=dim, mutual_information=1.0).sample(n, 0)
            answers = [timed(device, lambda: ksg.estimate(x, y).mi) for device in args.devices]  # noqa: B023
            rows[f"n = {n}, {dim}+{dim}"] = [f"{seconds:.3g} s, {mi:.6f}" for seconds, mi in answers]
    table("ksg: seconds per estimate", args.devices, rows)
    footer(Path(), [])
    if torch.cuda.is_available():
        print(torch.cuda.get_device_name())


if __name__ == "__main__":
    main()
