"""What a cell costs beside its estimate: the CPU time of the parent, and the time until the next cell is finished.

    python tests/benchmarks/executors.py                    # one machine with 1 and 2 workers, Ray with 1 and 2 nodes
    python tests/benchmarks/executors.py --cells 10000 --repeats 5

Cells are trivial: the reference that answers 0, on 10 Gaussian samples each, in batches of one. Each measurement is a
process of its own; it begins when a tenth of the cells is in the store, and the start until the first cell is counted
apart. Ray's nodes run on this machine with one CPU each. The table has medians of the repeats.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import resource
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from peers import footer, table

import mibench
from mibench import Result
from mibench.engine.job import Job

ARRANGEMENTS = {
    "local, 1 worker": ("local", 1),
    "local, 2 workers": ("local", 2),
    "Ray, 1 node": ("ray", 1),
    "Ray, 2 nodes": ("ray", 2),
}


class Meter:
    """Watches a run from its first tenth on."""

    def __init__(self, cells: int) -> None:
        self.cells, self.count = cells, 0
        self.begun = time.perf_counter()

    def started(self, jobs: Sequence[Job], done: int) -> None:
        """Nothing yet."""

    def finished(self, result: Result) -> None:
        """One cell more."""
        assert result.mi == 0.0, result.message
        self.count += 1
        if self.count == 1:
            self.start = time.perf_counter() - self.begun
        if self.count == self.cells // 10:
            self.before = time.perf_counter(), parent()
        if self.count == self.cells:
            wall, cpu = time.perf_counter() - self.before[0], parent() - self.before[1]
            rest = self.cells - self.cells // 10
            self.found = {"start": self.start, "wall": wall / rest, "cpu": cpu / rest}

    def ended(self) -> None:
        """Nothing more."""


def parent() -> float:
    """CPU-seconds of this process, all its threads included."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(executor: str, workers: int, cells: int) -> None:
    """Print the costs of one run."""
    meter = Meter(cells)
    with tempfile.TemporaryDirectory() as folder:
        mibench.run(
            "zero",
            "gauss",
            n=10,
            seeds=cells,
            references=False,
            out=folder,
            workers=workers,
            executor=executor,
            progress=False,
            observers=[meter],
        )
    print(json.dumps(meter.found))


def one_node() -> dict[str, Any]:
    """A node with one CPU. Its ports are chosen here: on a busy machine it gives up before its agents have chosen."""
    names = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")
    with contextlib.ExitStack() as stack:
        free = [stack.enter_context(socket.socket()) for _ in names]
        for each in free:
            each.bind(("127.0.0.1", 0))
        ports = {name: each.getsockname()[1] for name, each in zip(names, free, strict=True)}
    return {"num_cpus": 1, "object_store_memory": 10**8, **ports}


@contextlib.contextmanager
def nodes(count: int) -> Iterator[str]:
    """A Ray cluster of so many nodes on this machine, and its address."""
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "300"}
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # one for all clusters: Ray reads it once
    from ray.cluster_utils import Cluster

    cluster: Any = Cluster(initialize_head=True, head_node_args={**one_node(), "include_dashboard": False})
    try:
        for _ in range(count - 1):
            cluster.add_node(**one_node())
        yield cluster.address
    finally:
        cluster.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", nargs=2, metavar=("EXECUTOR", "WORKERS"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.measure[0], int(args.measure[1]), args.cells)
        return
    rows: dict[str, list[str]] = {}
    for name, (executor, workers) in ARRANGEMENTS.items():
        with contextlib.ExitStack() as stack:
            where = stack.enter_context(nodes(workers)) if executor == "ray" else executor
            options = ["--cells", str(args.cells), "--measure", where, str(workers)]
            found = []
            for _ in range(args.repeats):
                done = subprocess.run(
                    [sys.executable, __file__, *options], stdout=subprocess.PIPE, text=True, check=True
                )
                found.append(json.loads(done.stdout.splitlines()[-1]))
        middle = {key: statistics.median(one[key] for one in found) for key in found[0]}
        cpu = [1000 * one["cpu"] for one in found]
        rows[name] = [
            f"{1000 * middle['cpu']:.2f} ms ({min(cpu):.2f} to {max(cpu):.2f})",
            f"{1000 * middle['wall']:.2f} ms",
            f"{middle['start']:.1f} s",
        ]
        print(name, *rows[name], sep="; ", file=sys.stderr)
    columns = ["parent's CPU per cell", "wall clock per cell", "until the first cell"]
    table(f"{args.cells} trivial cells, medians of {args.repeats} runs", columns, rows)
    footer(Path(), [])
    print(f"ray {importlib.metadata.version('ray')}")


if __name__ == "__main__":
    main()
