"""How often stated 95 % intervals hold the truth, on random tasks of the families of the reference table.

``python tests/benchmarks/intervals.py --tasks 8`` draws so many tasks of every family, none of which is in a preset,
n samples of each, and prints for every estimator that states a standard error: in how many cells it answers and in how
many of these it states one; of those, how many intervals hold the truth (mean over families, and over cells); and the
median reach of the interval. ``-e`` chooses estimators; with ``--sampling`` the diagnostic ``sampling_error`` counts
where no standard error is stated, which shows why none is; ``--families`` shows each. Other seeds are other tasks.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from mibench.bound import Interval
from mibench.errors import NotInstalled, Unsupported
from mibench.estimator import Array, Estimate, Estimator
from mibench.registry import estimators
from mibench.task import Task

sys.path.insert(0, str(Path(__file__).parents[2] / "results" / "reference"))

from population import FAMILIES

ROUNDING = 1e-9


@dataclass
class Record:
    """What one estimator stated: how many answers, and of every stated interval whether it held, by family."""

    answers: int = 0
    held: dict[str, list[bool]] = field(default_factory=dict)
    reaches: list[float] = field(default_factory=list)

    @property
    def stated(self) -> int:
        """How many intervals."""
        return len(self.reaches)

    @property
    def coverage(self) -> float:
        """The mean over the families of the share of intervals that held; NaN where none was stated."""
        return float(np.mean([np.mean(each) for each in self.held.values()])) if self.held else float("nan")

    @property
    def of_cells(self) -> float:
        """The share of all intervals that held."""
        return float(np.mean([each for family in self.held.values() for each in family])) if self.held else float("nan")


def cells(sizes: Sequence[int], tasks: int, seed: int) -> Iterator[tuple[str, Task, Array, Array]]:
    """Samples of ``tasks`` random tasks of every family, the sizes in turn."""
    for i, (family, draw) in enumerate(FAMILIES.items()):
        for j in range(tasks):
            rng = np.random.default_rng([seed, i, j])
            task = draw(rng)
            yield family, task, *task.draw(sizes[j % len(sizes)], rng)


def measure(
    made: Mapping[str, Estimator], sizes: Sequence[int], tasks: int, seed: int, sampling: bool = False
) -> dict[str, Record]:
    """Ask each estimator about every cell that it takes."""
    found = {name: Record() for name in made}
    for number, (family, task, x, y) in enumerate(cells(sizes, tasks, seed)):
        for name, estimator in made.items():
            try:
                with warnings.catch_warnings(), np.errstate(all="ignore"):
                    warnings.simplefilter("ignore")
                    answer = estimator.estimate(x, y, seed=number)
            except Unsupported:
                continue
            record, error = found[name], _error(answer, sampling)
            record.answers += 1
            if error is None or not np.isfinite(answer.mi):
                continue
            low, high = estimator.kind.interval.ends(answer.mi, error)
            slack = task.mutual_information_error + ROUNDING
            record.held.setdefault(family, []).append(low - slack <= task.mutual_information <= high + slack)
            record.reaches.append(min(high - answer.mi, answer.mi - low))
    return found


def _error(answer: Estimate, sampling: bool) -> float | None:
    return answer.diagnostics.get("sampling_error") if answer.stderr is None and sampling else answer.stderr


def two_sided() -> dict[str, Estimator]:
    """The entrants that state an interval with two ends on one of a few small samples, by name."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((100, 1))
    letters = rng.integers(3, size=(100, 1)).astype(float)
    probes = (x, x + rng.standard_normal((100, 1))), (letters, (letters + rng.integers(2, size=(100, 1))) % 3)
    found = {}
    for name in estimators.names():
        estimator = estimators.create(name)
        has_ends = estimator.kind.interval is Interval.TWO_SIDED and not estimator.capabilities.reads_task
        if has_ends and any(_states(estimator, *probe) for probe in probes):
            found[name] = estimator
    return found


def _states(estimator: Estimator, x: Array, y: Array) -> bool:
    try:
        return estimator.estimate(x, y).stderr is not None
    except (NotInstalled, Unsupported):
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-e", "--estimator", action="append", help="default: all that state a two-sided interval")
    parser.add_argument("-n", type=int, action="append", help="sizes, in turn; default: 500 and 2000")
    parser.add_argument("--tasks", type=int, default=8, help="of every family")
    parser.add_argument("--seed", type=int, default=91)
    parser.add_argument("--sampling", action="store_true", help="sampling errors where no standard error is stated")
    parser.add_argument("--families", action="store_true", help="show each")
    given = parser.parse_args()
    made = {name: estimators.create(name) for name in given.estimator} if given.estimator else two_sided()
    sizes = given.n or [500, 2000]
    found = measure(made, sizes, given.tasks, given.seed, given.sampling)
    print(f"{len(FAMILIES)} families, {given.tasks} tasks of each, n = {sizes}, seed {given.seed}")
    print(f"{'estimator':30s} {'answers':>8s} {'stated':>7s} {'covered':>8s} {'of cells':>9s} {'reach':>7s}")
    for name, record in found.items():
        reach = np.median(record.reaches) if record.reaches else np.nan
        print(
            f"{name:30s} {record.answers:8d} {record.stated:7d} {record.coverage:8.3f} {record.of_cells:9.3f}"
            f" {reach:7.3f}"
        )
    if given.families:
        for family in FAMILIES:
            shares = (f"{name} {np.mean(r.held[family]):.2f}" for name, r in found.items() if family in r.held)
            print(f"{family:24s}", *shares, sep="  ")


if __name__ == "__main__":
    main()
