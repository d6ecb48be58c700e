"""Time estimators beside those of other packages, one after another in one run, and print the table.

    python tests/benchmarks/peers.py                                   # KSG at 1+1 ... 25+25 dimensions
    python tests/benchmarks/peers.py --dims 1 3 --peers scipy benchmark-mi
    python tests/benchmarks/peers.py --dims --neural mine-ema nwj --stack 8   # critics, alone and eight at once

Each package is installed into an environment of its own below --environments, once. Every measurement is a fresh
process with one thread; compiling and loading are done on a small problem before the clock starts (JAX compiles by
shape, so that benchmark-mi's KSG runs once on the same problem first). CPU-seconds are those of the whole process,
threads included; memory is what the process grows by while it estimates, in bytes.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

import numpy as np

from mibench.task import Task

REQUIREMENTS = {
    "benchmark-mi": ["benchmark-mi==0.1.3", "jax==0.4.33", "jaxlib==0.4.33"],
    "npeet-plus": ["npeet-plus"],
    "infomeasure": ["infomeasure"],
    "ennemi": ["ennemi"],
    "scikit-learn": ["scikit-learn"],
}
NEURAL = {
    "mine-ema": "MINEEstimator",
    "nwj": "NWJEstimator",
    "infonce": "InfoNCEEstimator",
    "mine-biased": "DonskerVaradhanEstimator",
}
TASKS = ("multinormal-sparse-25-25-2-2.0", "spiral-multinormal-sparse-3-3-2-2.0")

# what each process runs: `prepare` (x, y, seed) off the clock and `estimate` (x, y, seed) on it
PROGRAMS = {
    "mibench": """
from mibench.registry import estimators
estimator = estimators.create(OPTIONS["selector"])
stack = OPTIONS.get("stack", 1)
def prepare(x, y, seed):
    estimator.warm_up()
def estimate(x, y, seed):
    if stack == 1:
        return estimator.estimate(x, y, seed).mi
    return [e.mi for e in estimator.estimate_batch([x] * stack, [y] * stack, range(seed, seed + stack))][0]
""",
    "scipy": """
from scipy.spatial import KDTree
from scipy.special import digamma
def within(values, radius):
    if values.shape[1] == 1:
        column = values[:, 0]
        ordered = np.sort(column)
        return np.searchsorted(ordered, column + radius, "right") - np.searchsorted(ordered, column - radius)
    return KDTree(values).query_ball_point(values, radius, p=np.inf, return_length=True)
def estimate(x, y, seed):
    joint = np.hstack([x, y])
    radius = np.nextafter(KDTree(joint).query(joint, 4, p=np.inf)[0][:, -1], 0)
    return digamma(3) + digamma(len(x)) - (digamma(within(x, radius)) + digamma(within(y, radius))).mean()
def prepare(x, y, seed):
    estimate(x[:200], y[:200], seed)
""",
    "benchmark-mi": """
import bmi
def make(seed):
    name = OPTIONS.get("class")
    if name:
        return getattr(bmi.estimators, name)(**({} if "CCA" in name else {"verbose": False, "seed": seed + 42}))
    return bmi.estimators.KSGEnsembleFirstEstimator()
def prepare(x, y, seed):
    if not OPTIONS.get("class"):
        estimate(x, y, seed)
def estimate(x, y, seed):
    return float(make(seed).estimate(x, y))
""",
    "npeet-plus": """
import npeet_plus
def estimate(x, y, seed):
    return npeet_plus.mi(x, y, k=3, base=np.e)
def prepare(x, y, seed):
    estimate(x[:200], y[:200], seed)
""",
    "infomeasure": """
import infomeasure
def estimate(x, y, seed):
    return infomeasure.mutual_information(x, y, approach="ksg", k=3, noise_level=0)
def prepare(x, y, seed):
    estimate(x[:200], y[:200], seed)
""",
    "ennemi": """
import ennemi
def estimate(x, y, seed):
    if x.shape[1] > 1:
        raise SystemExit(3)
    return ennemi.estimate_mi(y[:, 0], x[:, 0], k=3, max_threads=1).item()
def prepare(x, y, seed):
    estimate(x[:200], y[:200], seed)
""",
    "scikit-learn": """
from sklearn.feature_selection import mutual_info_regression
def estimate(x, y, seed):
    if x.shape[1] > 1:
        raise SystemExit(3)
    return mutual_info_regression(x, y[:, 0], n_neighbors=3, random_state=seed)[0]
def prepare(x, y, seed):
    estimate(x[:200], y[:200], seed)
""",
}
HARNESS = """
import json, resource, sys, time
import numpy as np
OPTIONS = json.loads(sys.argv[1])
{program}
data = np.load(OPTIONS["data"])
x, y, seed = data["x"], data["y"], OPTIONS["seed"]
prepare(x, y, seed)
with open("/proc/self/statm") as statm:
    before = int(statm.read().split()[1]) * resource.getpagesize()
best = None
for _ in range(OPTIONS["repeats"]):
    wall, cpu = time.perf_counter(), time.process_time()
    mi = estimate(x, y, seed)
    took = time.process_time() - cpu, time.perf_counter() - wall
    best = took if best is None else min(best, took)
share = OPTIONS.get("stack", 1)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps(dict(cpu=best[0] / share, wall=best[1] / share, mi=float(mi), memory=max(0, peak - before))))
"""


def environment(root: Path, name: str) -> Path:
    """The interpreter for a package, in an environment that is made when it is missing."""
    if name not in REQUIREMENTS:
        return Path(sys.executable)
    folder = root / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = folder / "ready"
    if not ready.exists():
        print(f"installing {' '.join(REQUIREMENTS[name])} into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *REQUIREMENTS[name]], check=True, stdout=sys.stderr)
        ready.touch()
    return python


def version(python: Path, name: str) -> str:
    program = f"import importlib.metadata as m; print(m.version({name!r}))"
    return subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def measure(python: Path, program: str, limit: float, **options: Any) -> dict[str, float] | None:
    """CPU-seconds, wall-clock seconds and the estimate, or None where the package declines or takes too long."""
    single = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    single["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    command = [str(python), "-W", "ignore", "-c", HARNESS.format(program=PROGRAMS[program]), json.dumps(options)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=limit, env={**os.environ, **single}
        )
    except subprocess.TimeoutExpired:
        print(f"  {program}: more than {limit:.0f} s", file=sys.stderr)
        return None
    if done.returncode == 3:
        return None
    if done.returncode:
        print(f"  {program} failed: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    answer: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


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
                theirs = measure(peer, "benchmark-mi", args.limit, **common, **{"class": NEURAL[name]})
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
    parser.add_argument("--peers", nargs="*", choices=["scipy", *REQUIREMENTS], default=["scipy", *REQUIREMENTS])
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
