"""Time estimators beside those of other packages, one after another in one run, and print the table.

    python tests/benchmarks/peers.py                                   # KSG at 1+1 ... 25+25 dimensions
    python tests/benchmarks/peers.py --dims 1 3 --peers scipy benchmark-mi
    python tests/benchmarks/peers.py --dims --neural mine-ema nwj --stack 8   # critics, alone and eight at once

What each process runs, and how it is measured, is in isolated.py.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from isolated import environment, measure, version

from mibench.task import Task

KSG = "benchmark-mi", "npeet-plus", "infomeasure", "ennemi", "scikit-learn"
NEURAL = "mine-ema", "nwj", "infonce", "mine-biased"
TASKS = ("multinormal-sparse-25-25-2-2.0", "spiral-multinormal-sparse-3-3-2-2.0")


def problem(selector: str, **params: Any) -> Task:
    """The task of a selector, which has samples and a truth."""
    from mibench.registry import tasks

    task = tasks.create(selector, **params)
    if not isinstance(task, Task):
        raise SystemExit(f"{selector} has no mutual information to compare with.")
    return task


def table(title: str, columns: list[str], rows: dict[str, list[str]]) -> None:
    print(f"\n{title}\n")
    print("| " + " | ".join(["", *columns]) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name, cells in rows.items():
        print("| " + " | ".join([name, *cells]) + " |")


def compare_ksg(args: argparse.Namespace, folder: Path) -> None:
    """KSG on Gaussians whose coordinates correlate pairwise by 0.8."""
    ours = {"mibench ksg": {}, "mibench ksg[metric=euclidean]": {"selector": "ksg[metric=euclidean]"}}
    results: dict[str, list[dict[str, float] | None]] = {name: [] for name in [*ours, *args.peers]}
    for dim in args.dims:
        rng = np.random.default_rng(args.seed)
        x = rng.standard_normal((args.n, dim))
        data = folder / f"{dim}.npz"
        np.savez(data, x=x, y=0.8 * x + 0.6 * rng.standard_normal((args.n, dim)))
        for name in results:
            print(f"{name} at {dim}+{dim}", file=sys.stderr)
            common = {"data": str(data), "seed": args.seed}
            if name in ours:
                options = {"selector": "ksg", **ours[name], "repeats": 3}
                results[name].append(measure(Path(sys.executable), "mibench", args.limit, **common, **options))
            else:
                python = environment(args.environments, name)
                results[name].append(measure(python, name, args.limit, **common, repeats=1))
    base = results["mibench ksg"]

    def cell(result: dict[str, float] | None, ours: dict[str, float] | None) -> str:
        if result is None:
            return "–"
        ratio = f" ({result['cpu'] / ours['cpu']:.0f}x)" if ours and result is not ours else ""
        return f"{result['cpu']:.3g} / {result['wall']:.3g} s{ratio}"

    dims = [f"{d}+{d}" for d in args.dims]
    title = f"KSG, n = {args.n}, seed {args.seed}: CPU / wall-clock seconds (CPU-seconds as a multiple of ksg's)"
    table(title, dims, {name: [cell(r, b) for r, b in zip(row, base, strict=True)] for name, row in results.items()})
    title = f"The estimates in nats (the truth: {-0.5 * np.log(0.36):.4f} per dimension)"
    table(title, dims, {k: [f"{r['mi']:.3f}" if r else "–" for r in row] for k, row in results.items()})


def compare_neural(args: argparse.Namespace, folder: Path) -> None:
    """Variational estimators beside benchmark-mi's, on two of its tasks: at mibench's settings and at its own."""
    rows: dict[str, list[str]] = {}
    peer = environment(args.environments, "benchmark-mi")
    for task_name in args.tasks:
        task = problem(task_name)
        for seed in range(args.seed, args.seed + args.seeds):
            data = folder / f"{task_name}-{seed}.npz"
            x, y = task.sample(args.n, seed)
            np.savez(data, x=x, y=y)
            for name in args.neural:
                print(f"{name} on {task_name}, seed {seed}", file=sys.stderr)
                common = {"data": str(data), "seed": seed, "repeats": 1}
                theirs = measure(peer, "benchmark-mi", args.limit, **common, method=name)
                cells = [f"{theirs['cpu']:.3g} / {theirs['wall']:.3g} s, {theirs['mi']:.2f}" if theirs else "–"]
                for selector in (name, f"benchmark-mi[estimator={name}]"):
                    for stack in (1, args.stack):
                        ours = measure(
                            Path(sys.executable), "mibench", args.limit, **common, selector=selector, stack=stack
                        )
                        ratio = f" ({theirs['cpu'] / ours['cpu']:.1f}x)" if ours and theirs else ""
                        cells.append(
                            f"{ours['cpu']:.3g} / {ours['wall']:.3g} s, {ours['mi']:.2f}{ratio}" if ours else "–"
                        )
                rows[f"{name}, {task_name} ({task.mutual_information:.2f}), seed {seed}"] = cells
    columns = ["benchmark-mi", "mibench, alone", f"mibench, {args.stack} at once"]
    columns += ["at benchmark-mi's settings, alone", f"at those settings, {args.stack} at once"]
    table(f"Critics, n = {args.n}: CPU / wall-clock seconds per estimate and the estimate in nats", columns, rows)


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def footer(environments: Path, used: list[str]) -> None:
    """Print the hardware and all versions."""
    versions = {p: version(environment(environments, p), p) for p in used}
    ours = {p: importlib.metadata.version(p) for p in ("mibench", "numpy", "numba", "torch")}
    print(f"\n{processor()}, {os.cpu_count()} cores; Python {platform.python_version()}; one thread per process")
    print(", ".join(f"{name} {number}" for name, number in {**ours, **versions}.items()))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    default = Path(tempfile.gettempdir()) / "mibench-peers"
    parser.add_argument("--environments", type=Path, default=default, help=f"where to install them (default {default})")
    parser.add_argument("--dims", type=int, nargs="*", default=[1, 3, 5, 10, 25], help="dimensions for KSG; none: skip")
    parser.add_argument("--peers", nargs="*", choices=["scipy", *KSG], default=["scipy", *KSG])
    parser.add_argument("--neural", nargs="*", choices=list(NEURAL), default=[], help="critics to time (default: none)")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), help="tasks for the critics")
    parser.add_argument("--stack", type=int, default=8, help="how many estimates to train at once")
    parser.add_argument("--n", type=int, default=10_000, help="samples")
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--seeds", type=int, default=1, help="seeds per task for the critics")
    parser.add_argument("--limit", type=float, default=400.0, help="wall-clock seconds per measurement")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.dims:
            compare_ksg(args, Path(folder))
        if args.neural:
            compare_neural(args, Path(folder))
    used = (["scipy", *args.peers] if args.dims else []) + (["benchmark-mi"] if args.neural else [])
    footer(args.environments, list(dict.fromkeys(used)))


if __name__ == "__main__":
    main()
