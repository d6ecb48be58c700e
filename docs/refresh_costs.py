"""Write what ``mibench info`` says of costs anew from the published results: ``python docs/refresh_costs.py``.

Estimators and trainings have the medians of all published cells that were answered. Samples of every task are drawn
here, on the same kind of machine with one thread; what has been drawn before is kept unless ``--draws`` asks for all of
them again. A test fails while the file and the results differ.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")})

import mibench
from mibench.engine.provenance import provenance
from mibench.errors import MibenchError
from mibench.leaderboard.board import usable
from mibench.registry import tasks
from mibench.report.costs import DRAWN, FILE
from mibench.result import Result, Status
from mibench.task import Task, TaskKind
from mibench.words import listed

PUBLISHED = Path(__file__).parents[1] / "results" / "published"


def main() -> None:
    """Rewrite the file."""
    parser = argparse.ArgumentParser(description="Write mibench/report/costs.json anew from the published results.")
    parser.add_argument("--draws", action="store_true", help="time the drawing of all tasks again")
    before = {} if parser.parse_args().draws or not FILE.is_file() else json.loads(FILE.read_text())["draws"]
    made = published()
    if (here := provenance()["machine"]["cpu"]) != made["machine"]:
        raise SystemExit(f"this is {here}, and the published results are of {made['machine']}.")
    FILE.write_text(written({**made, "draws": draws(before)}), encoding="utf-8")


def published() -> dict[str, Any]:
    """The machine, the estimators and the arms, from the records."""
    cells: dict[tuple[str, int], list[float]] = defaultdict(list)
    trainings: dict[tuple[str, str], list[float]] = defaultdict(list)
    machines: dict[str, None] = {}
    for result in _answered():
        if "machine" in result.provenance:  # published once for all records that share it
            machines[result.provenance["machine"]["cpu"]] = None
        if result.kind is TaskKind.INFORMATION:
            cells[result.cell.estimator, result.cell.n].append(result.cpu_s)
        elif result.kind is TaskKind.DOWNSTREAM:
            trainings[result.group, result.arm].append(result.cpu_s)
    estimators: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for (label, n), times in sorted(cells.items()):
        estimators[label].append((n, _rounded(median(times))))
    arms: dict[str, list[float]] = defaultdict(list)
    for (group, _), times in sorted(trainings.items()):
        arms[group].append(_rounded(median(times)))
    return {
        "machine": listed(list(machines), 3),
        "estimators": dict(estimators),
        "arms": {group: (min(times), max(times)) for group, times in arms.items()},
    }


def _answered() -> Iterator[Result]:
    for file in sorted(PUBLISHED.glob("*/results.jsonl")):
        yield from (result for result in usable(mibench.load_results(file.parent)) if result.status is Status.OK)


def draws(before: Mapping[str, float]) -> dict[str, float]:
    """CPU-seconds for samples of every task that comes with mibench and can be drawn here."""
    found = {}
    for name in tasks.names():
        if name in before:
            found[name] = before[name]
            continue
        try:
            task = tasks.create(name)
            if not isinstance(task, Task):
                continue
            task.sample(100, 0)  # what is made once is made now
            begun = time.process_time()
            task.sample(DRAWN, 0)
        except MibenchError as error:  # a data set that is not here, a parameter that must be given
            print(f"{name}: {error}")
            continue
        found[name] = _rounded(time.process_time() - begun)
    return found


def _rounded(value: float) -> float:
    return float(f"{value:.2g}")


def written(costs: Mapping[str, Any]) -> str:
    """One line for each."""
    parts = []
    for key, value in costs.items():
        if isinstance(value, str):
            parts.append(f"{json.dumps(key)}: {json.dumps(value)}")
        else:
            lines = ",\n  ".join(f"{json.dumps(name)}: {json.dumps(told)}" for name, told in sorted(value.items()))
            parts.append(f"{json.dumps(key)}: {{\n  {lines}\n}}")
    return "{" + ",\n".join(parts) + "}\n"


if __name__ == "__main__":
    main()
