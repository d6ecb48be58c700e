"""A thousand workers and one process that hands out work: a simulation of where that process is the limit.

    python tests/benchmarks/workers.py                                  # what docs/scale.md shows
    python tests/benchmarks/workers.py --parent 0.3 --seconds 0.1 --workers 100 1000 10000

A worker computes a cell, of exponentially distributed length, and then its answer waits until the parent has time for
it: the parent takes one answer after another, each for the same time, and gives the worker another cell at the end. In
the queueing theorist's words this is the machine repairman, M/D/1//N; cells of no time travel together in loads, so
that a call costs its own time and then the time of each cell. The closed form of the table is the bound of Denning and
Buzen (1978): N workers answer at most min(N / (cell + parent), 1 / parent) cells a second, and the two lines cross at
1 + cell / parent workers.
"""

from __future__ import annotations

import argparse
import heapq
import random
from collections.abc import Callable
from functools import partial


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
    parser.add_argument("--parent", type=float, default=0.3, help="milliseconds of the parent per cell")
    parser.add_argument("--seconds", type=float, nargs="*", default=[0.01, 0.1, 1.0, 10.0], help="of a cell")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 10, 100, 1000, 10_000])
    parser.add_argument("--cells", type=int, default=200_000, help="cells to simulate for each figure")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    parent = args.parent / 1000
    heads = [f"{workers:,} workers" for workers in args.workers]
    print("Cells per second, and the share of their time in which workers compute:\n")
    print("| a cell takes | " + " | ".join(heads) + " | the parent is full with |")
    print("|---" * (len(heads) + 2) + "|")
    for seconds in args.seconds:
        draw, shown = partial(random.Random(args.seed).expovariate, 1 / seconds), []
        for workers in args.workers:
            rate, busy, _ = simulate(workers, draw, lambda: parent, args.cells, 2 * workers)
            at_work = min(1.0, rate * seconds / workers)
            shown.append(
                f"{rate:,.3g} cells/s, {at_work:.0%}" if rate < 1000 else f"{rate:,.0f} cells/s, {at_work:.0%}"
            )
            assert busy <= 1.000001 and rate <= most(workers, seconds, parent) * 1.05
        print(f"| {seconds:g} s | " + " | ".join(shown) + f" | {1 + seconds / parent:,.0f} workers |")
    print(f"\n{args.parent:g} ms of the parent per cell, {args.cells:,} cells each, seed {args.seed}")


if __name__ == "__main__":
    main()
