"""Compare the errors of benchmark-mi's estimators and mibench's of the same name, on the same samples, in one run.

    python tests/benchmarks/accuracy.py                              # the 40 tasks of beyond_normal, seed 0
    python tests/benchmarks/accuracy.py --estimators ksg cca --seeds 3
    python tests/benchmarks/accuracy.py --print                      # the table of what has been measured so far

Both sides run at their own defaults, in a process with one thread each. Every estimate is appended to --records as it
is made, so that the same command resumes; one seed of all estimators takes about 80 CPU-minutes, nearly all of it
benchmark-mi's. The tables give the mean |error| over tasks, the paired difference with its 95 % interval over tasks
(tasks are not independent of each other: read it as a description), and the CPU-seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from peers import NEURAL, environment, footer, measure, problem, table
from scipy import stats

from mibench.engine.grid import load_grid

CLASSES = {**NEURAL, "ksg": "", "cca": "CCAMutualInformationEstimator"}  # "": its KSG, see peers.py
SIDES = "benchmark-mi", "mibench"
RECORDS = Path(__file__).parents[2] / "results" / "published" / "beside_benchmark-mi.jsonl"


def read(path: Path) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The estimates made so far, by what identifies them."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {key(record): record for record in map(json.loads, lines)}


def key(record: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(record[name] for name in ("side", "estimator", "task", "n", "seed"))


def missing(args: argparse.Namespace, known: dict[tuple[Any, ...], Any]) -> Iterator[tuple[str, int, str, list[str]]]:
    """Task, seed, estimator and the sides that are still to be run; one seed after the other."""
    for seed in range(args.seed, args.seed + args.seeds):
        for name in args.tasks:
            for estimator in args.estimators:
                sides = [side for side in SIDES if (side, estimator, name, args.n, seed) not in known]
                if sides:
                    yield name, seed, estimator, sides


def run(args: argparse.Namespace) -> None:
    """Make the estimates that are missing and append them to the records."""
    python = {"benchmark-mi": environment(args.environments, "benchmark-mi"), "mibench": Path(sys.executable)}
    todo = list(missing(args, read(args.records)))
    args.records.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, args.records.open("a", encoding="utf-8") as file:
        for i, (name, seed, estimator, sides) in enumerate(todo):
            task, data = problem(name), Path(folder) / "samples.npz"
            x, y = task.sample(args.n, seed)
            np.savez(data, x=x, y=y)
            for side in sides:
                options = {"class": CLASSES[estimator]} if side == "benchmark-mi" else {"selector": estimator}
                answer = measure(
                    python[side], side, args.limit, data=str(data), seed=seed, repeats=1, **options
                ) or dict.fromkeys(("mi", "cpu", "wall"))
                record = {"side": side, "estimator": estimator, "task": name, "n": args.n, "seed": seed}
                record |= {"truth": task.mutual_information, **answer}
                file.write(json.dumps(record) + "\n")
                file.flush()
                print(f"{i + 1}/{len(todo)} {side} {estimator} {name}, seed {seed}: {answer}", file=sys.stderr)


def compare(args: argparse.Namespace) -> None:
    """Print the tables of all that is in the records."""
    known = read(args.records)
    rows, by_task = {}, {name: ["–"] * (1 + 2 * len(args.estimators)) for name in args.tasks}
    for e, estimator in enumerate(args.estimators):
        errors, cpu = [], []
        for name in args.tasks:
            both = []
            for seed in range(args.seed, args.seed + args.seeds):
                pair = [known.get((side, estimator, name, args.n, seed)) for side in SIDES]
                answered = [record for record in pair if record and record["mi"] is not None]
                both += [answered] if len(answered) == len(SIDES) else []
            if not both:
                continue
            each = np.array([[abs(record["mi"] - record["truth"]) for record in pair] for pair in both])
            errors.append(each.mean(0))
            cpu.append(np.mean([[record["cpu"] for record in pair] for pair in both], 0))
            by_task[name][0] = f"{both[0][0]['truth']:.3f}"
            by_task[name][1 + 2 * e : 3 + 2 * e] = [f"{error:.3f}" for error in errors[-1]]
        if len(errors) < 2:
            continue
        error, seconds = np.array(errors), np.array(cpu)
        difference = error[:, 1] - error[:, 0]
        half = stats.t.ppf(0.975, len(error) - 1) * difference.std(ddof=1) / math.sqrt(len(error))
        rows[estimator] = [
            str(len(error)),
            *(f"{value:.4f}" for value in error.mean(0)),
            f"{difference.mean():+.4f} ± {half:.4f}",
            f"{(difference < 0).sum()} of {len(error)}",
            *(f"{value:.3g}" for value in seconds.mean(0)),
        ]
    columns = ["tasks", *SIDES, "difference", "mibench nearer", *(f"CPU-s, {side}" for side in SIDES)]
    title = f"Mean |error| in nats, n = {args.n}, seeds {args.seed} to {args.seed + args.seeds - 1}"
    table(title, columns, rows)
    table("|error| by task", ["truth", *(f"{e}, {s}" for e in args.estimators for s in SIDES)], by_task)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    default = Path(tempfile.gettempdir()) / "mibench-peers"
    parser.add_argument("--environments", type=Path, default=default, help=f"where to install (default {default})")
    parser.add_argument("--records", type=Path, default=RECORDS, help="where estimates are kept")
    parser.add_argument("--estimators", nargs="*", choices=list(CLASSES), default=list(CLASSES))
    parser.add_argument("--tasks", nargs="*", default=load_grid("beyond_normal").blocks()[0].tasks)
    parser.add_argument("--n", type=int, default=10_000, help="samples")
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--seeds", type=int, default=1, help="seeds per task")
    parser.add_argument("--limit", type=float, default=900.0, help="wall-clock seconds per measurement")
    parser.add_argument("--print", action="store_true", help="measure nothing more")
    args = parser.parse_args()
    if not args.print:
        run(args)
    compare(args)
    footer(args.environments, ["benchmark-mi"])


if __name__ == "__main__":
    main()
