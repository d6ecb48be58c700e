"""Scores on random tasks of the first 26 families of the reference table, none of which is in a preset.

``python tests/benchmarks/families.py -e copula-ksg -e mine-ema --seed 77 --tasks 2`` draws so many tasks of every
family, n samples of each, and prints for every selector the score (mean over families), the median error and the CPU
seconds per estimate; with ``--families`` also the scores of each family. Other seeds are other tasks.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from mibench.errors import Unsupported
from mibench.leaderboard.scoring import score
from mibench.registry import estimators

sys.path.insert(0, str(Path(__file__).parents[2] / "results" / "reference"))

from population import FAMILIES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-e", "--estimator", action="append", required=True)
    parser.add_argument("-n", type=int, default=2000)
    parser.add_argument("--tasks", type=int, default=2, help="of every family")
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--families", action="store_true", help="show each")
    given = parser.parse_args()
    made = {name: estimators.create(name) for name in given.estimator}
    for estimator in made.values():
        estimator.warm_up()
    errors = {name: np.full((len(FAMILIES), given.tasks), np.inf) for name in made}
    seconds = dict.fromkeys(made, 0.0)
    warnings.simplefilter("ignore")
    for i, draw in enumerate(FAMILIES.values()):
        for j in range(given.tasks):
            rng = np.random.default_rng([given.seed, i, j])
            task = draw(rng)
            x, y = task.draw(given.n, rng)
            for name, estimator in made.items():
                began = time.process_time()
                try:
                    with np.errstate(all="ignore"):
                        errors[name][i, j] = (
                            estimator.estimate(x, y, seed=i * given.tasks + j).mi - task.mutual_information
                        )
                except Unsupported:
                    pass
                seconds[name] += time.process_time() - began
    print(f"{len(FAMILIES)} families, {given.tasks} tasks of each, n = {given.n}, seed {given.seed}")
    print(f"{'estimator':40s} {'score':>6s} {'med |err|':>10s} {'CPU s':>7s}")
    for name, found in errors.items():
        median, cpu = np.median(np.abs(found)), seconds[name] / found.size
        print(f"{name:40s} {score(found).mean():6.3f} {median:10.3f} {cpu:7.3f}")
    if given.families:
        for i, family in enumerate(FAMILIES):
            print(
                f"{family:24s}", *(f"{name} {score(found[i]).mean():.2f}" for name, found in errors.items()), sep="  "
            )


if __name__ == "__main__":
    main()
