"""What every estimator costs: CPU-seconds and memory for one estimate, alone, in a process with one thread.

    python tests/benchmarks/costs.py                          # all, at 1+1, 5+5 and 25+25 dimensions
    python tests/benchmarks/costs.py ksg mine-ema --dims 2 --n 100000

Samples are Gaussian, with 1 nat in all. Loading and compiling are done on the side. In the table, memory is what the
process grows by, the most of all dimensions; `mibench info NAME` states it rounded up.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from isolated import measure
from peers import footer, problem, table

from mibench.estimator import Role
from mibench.registry import estimators


def entrants() -> list[str]:
    """All estimators by their first names, without references, what asks for the task, and what has to be installed."""
    seen, names = set(), []
    for name in estimators.names():
        estimator = estimators.create(name)
        special = estimator.capabilities.role is not Role.ENTRANT or name == "benchmark-mi"
        here = estimator.capabilities.memory is not None  # no network that does not come with mibench
        if here and not special and str(estimator) not in seen:
            seen.add(str(estimator))
            names.append(name)
    return names


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    parser.add_argument("estimators", nargs="*", help="selectors (default: all)")
    parser.add_argument("--dims", type=int, nargs="*", default=[1, 5, 25], help="dimensions of x, and of y")
    parser.add_argument("--n", type=int, default=10_000, help="samples")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=600.0, help="wall-clock seconds per measurement")
    args = parser.parse_args()
    rows: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for dim in args.dims:
            x, y = problem("gauss", dim=dim, mutual_information=1.0).sample(args.n, args.seed)
            np.savez(Path(folder) / f"{dim}.npz", x=x, y=y)
        for name in args.estimators or entrants():
            print(name, file=sys.stderr)
            memory, cells = 0.0, []
            for dim in args.dims:
                data = str(Path(folder) / f"{dim}.npz")
                options = {"data": data, "seed": args.seed, "repeats": 1, "selector": name}
                answer = measure(Path(sys.executable), "mibench", args.limit, **options)
                cells.append(f"{answer['cpu']:.3g} s, {answer['mi']:.2f}" if answer else "–")
                memory = max(memory, answer["memory"] / 2**30) if answer else memory
            estimator = estimators.create(name)
            kind = "" if estimator.kind.ranked else f" ({estimator.kind.value})"
            stated = estimator.capabilities.memory
            rows[f"`{name}`{kind}"] = [*cells, f"{memory:.2f} GiB", "–" if stated is None else f"{stated:g} GiB"]
    columns = [*(f"{dim}+{dim}" for dim in args.dims), "memory", "stated"]
    table(f"CPU-seconds and the estimate in nats (the truth is 1); n = {args.n}, seed {args.seed}", columns, rows)
    footer(Path(), [])


if __name__ == "__main__":
    main()
