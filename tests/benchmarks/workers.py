"""A thousand workers and one process that hands out work: a simulation of where that process is the limit.

    python tests/benchmarks/workers.py                                  # what docs/scale.md shows
    python tests/benchmarks/workers.py --call 0.5 --seconds 0.1 --workers 100 1000 10000

A worker computes a load of cells, each of exponentially distributed length, and then its answer waits until the parent
has time for it: the parent takes one answer after another, each for the same time, and gives the worker another load at
the end. In the queueing theorist's words this is the machine repairman, for single cells M/D/1//N. Cells travel alone
unless they take less than 0.2 s together; a call costs the parent its own time and that of each cell in it, as
`python tests/benchmarks/scale.py cells` measures them. The last column is the bound of Denning and Buzen (1978): N
workers get at most min(N / (load + parent), 1 / parent) answers a second, and the two lines cross at 1 + load / parent
workers.
"""

from __future__ import annotations

import argparse
import heapq
import random
from collections.abc import Callable
from functools import partial

TRIP, MOST_CELLS = 0.2, 256
"""Seconds of work that cells travel together for, and how many at most: those of the engine's queue."""


def simulate(
    workers: int, cell: Callable[[], float], parent: Callable[[], float], cells: int, warm_up: int = 0
) -> tuple[float, float, float]:
    """Cells per second, the share of the time in which the parent is at work, and how long an answer waits for it.

    cell : seconds that a worker takes for the next cell; parent : seconds that the parent takes for the next answer.
    cells : how many are counted, after ``warm_up`` more.
    """
    # when each worker hands in its answer; the parent takes them in this order
    answers = [cell() for _ in range(workers)]
    heapq.heapify(answers)
    free = worked = waited = start = 0.0
    for number in range(warm_up + cells):
        if number == warm_up:
            start, worked, waited = free, 0.0, 0.0
        cost = parent()
        waited += max(free - answers[0], 0.0)
        free = max(free, answers[0]) + cost
        worked += cost
        heapq.heapreplace(answers, free + cell())
    return cells / (free - start), worked / (free - start), waited / cells


def most(workers: int, cell: float, parent: float) -> float:
    """The most cells per second that so many workers and one parent can answer."""
    return min(workers / (cell + parent), 1 / parent)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    parser.add_argument("--call", type=float, default=0.72, help="milliseconds of the parent per call")
    parser.add_argument("--cell", type=float, default=0.13, help="and per cell in it")
    parser.add_argument("--seconds", type=float, nargs="*", default=[0.001, 0.01, 0.1, 1.0, 10.0], help="of a cell")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 10, 100, 1000, 10_000])
    parser.add_argument("--answers", type=int, default=100_000, help="answers to simulate for each figure")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    heads = [f"{workers:,}" for workers in args.workers]
    print("Cells per second, and the share of their time in which the workers compute, by the number of workers:\n")
    print("| a cell takes | they travel by | " + " | ".join(heads) + " | the parent is full with |")
    print("|---" * (len(heads) + 3) + "|")
    for seconds in args.seconds:
        together = min(MOST_CELLS, max(1, int(TRIP / seconds + 1e-9)))
        parent = (args.call + together * args.cell) / 1000
        draw, shown = partial(random.Random(args.seed).gammavariate, together, seconds), []
        for workers in args.workers:
            rate, busy, _ = simulate(workers, draw, partial(float, parent), args.answers, 2 * workers)
            assert busy <= 1.000001 and rate <= most(workers, together * seconds, parent) * 1.05
            cells = rate * together
            at_work = min(1.0, cells * seconds / workers)
            shown.append(f"{cells:,.0f}, {at_work:.0%}" if cells >= 10 else f"{cells:.2g}, {at_work:.0%}")
        full = f"{1 + together * seconds / parent:,.0f} workers"
        print(f"| {seconds:g} s | {together} | " + " | ".join(shown) + f" | {full} |")
    costs = f"{args.call:g} ms of the parent per call, {args.cell:g} ms per cell"
    print(f"\n{costs}, {args.answers:,} answers, seed {args.seed}")


if __name__ == "__main__":
    main()
