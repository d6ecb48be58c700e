"""Measure the test of independence: its level, its power beside other tests, its level for time series, its speed.

    python tests/benchmarks/independence.py level     # 2,000 independent samples of each kind
    python tests/benchmarks/independence.py power     # 200 dependent samples of each kind
    python tests/benchmarks/independence.py series    # 1,000 pairs of independent AR(1) series
    python tests/benchmarks/independence.py screen    # p-values of pairs of independent columns, and their tails
    python tests/benchmarks/independence.py speed
    python tests/benchmarks/independence.py pairs     # all pairs of 200 columns, 1,000 rows: seconds

Each prints one table of Markdown, in which a level is given with the share's standard error. Run it with
OMP_NUM_THREADS=1; --samples and --n make it shorter or sharper.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from scipy.signal import lfilter
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr

from mibench.dependence import independence_test
from mibench.dependence.rank_tests import p_values, prepare
from mibench.dependence.screen import screen as compare
from mibench.estimator import Array
from mibench.samples import Table
from mibench.samples.cells import kinds_of

PERMUTATIONS = 199
Rng: TypeAlias = np.random.Generator
Draw: TypeAlias = Callable[[Rng, int], tuple[Any, Any]]

INDEPENDENT: dict[str, tuple[Callable[[Rng, int], Any], Callable[[Rng, int], Any]]] = {
    "normal, 1 + 1": (lambda g, n: g.standard_normal(n), lambda g, n: g.standard_normal(n)),
    "Cauchy, 1 + 1": (lambda g, n: g.standard_cauchy(n), lambda g, n: g.standard_cauchy(n)),
    "Cauchy, 5 + 5": (lambda g, n: g.standard_cauchy((n, 5)), lambda g, n: g.standard_cauchy((n, 5))),
    "normal, 100 + 1": (lambda g, n: g.standard_normal((n, 100)), lambda g, n: g.standard_normal(n)),
    "rounded to one decimal": (
        lambda g, n: np.round(g.standard_normal(n), 1),
        lambda g, n: np.round(g.exponential(size=n), 1),
    ),
    "counts, Poisson(1)": (lambda g, n: g.poisson(1, n), lambda g, n: g.poisson(1, n)),
    "binary and normal": (lambda g, n: g.random(n) < 0.3, lambda g, n: g.standard_normal(n)),
    "binary and binary": (lambda g, n: g.random(n) < 0.5, lambda g, n: g.random(n) < 0.3),
    "half an atom at 0, Cauchy": (
        lambda g, n: np.maximum(g.standard_normal(n), 0),
        lambda g, n: g.standard_cauchy(n),
    ),
}
"""Two margins each, drawn without regard to each other."""


def _circle(g: Rng, n: int) -> tuple[Array, Array]:
    angle = g.uniform(0, 2 * np.pi, n)
    return np.cos(angle) + 0.4 * g.standard_normal(n), np.sin(angle) + 0.4 * g.standard_normal(n)


def _waves(g: Rng, n: int) -> tuple[Array, Array]:
    x = g.uniform(size=n)
    return x, np.sin(8 * np.pi * x) + g.standard_normal(n)


def _linear(g: Rng, n: int) -> tuple[Array, Array]:
    x = g.standard_normal(n)
    return x, 0.2 * x + g.standard_normal(n)


def _parabola(g: Rng, n: int) -> tuple[Array, Array]:
    x = g.standard_normal(n)
    return x, 0.35 * x**2 + g.standard_normal(n)


def _student(g: Rng, n: int) -> tuple[Array, Array]:
    scale = np.sqrt(g.chisquare(2, n) / 2)
    return g.standard_normal(n) / scale, g.standard_normal(n) / scale


def _spread(g: Rng, n: int) -> tuple[Array, Array]:
    x = g.integers(0, 2, n).astype(float)
    return x, g.standard_normal(n) * (1 + 0.5 * x)


def _one_pair(g: Rng, n: int) -> tuple[Array, Array]:
    x, y = g.standard_normal((2, n, 30))
    y[:, 7] += 0.3 * x[:, 3]
    return x, y


def _all_pairs(g: Rng, n: int) -> tuple[Array, Array]:
    x, y = g.standard_normal((2, n, 30))
    return x, y + 0.1 * x


def _sign(g: Rng, n: int) -> tuple[Array, Array]:
    x = g.standard_normal((n, 2))
    return x, 0.4 * np.sign(x[:, 0] * x[:, 1]) + g.standard_normal(n)


DEPENDENT: dict[str, Draw] = {
    "y = 0.2 x + noise": _linear,
    "y = 0.35 x² + noise": _parabola,
    "noisy circle": _circle,
    "y = sin(8 pi x) + noise": _waves,
    "Student t_2, uncorrelated": _student,
    "spread of y by a binary x": _spread,
    "one pair of 30 + 30 columns": _one_pair,
    "30 weak pairs of 30 + 30 columns": _all_pairs,
    "y by the sign of x1 x2": _sign,
}
"""X and Y that depend: how, in words."""


def level(args: argparse.Namespace) -> None:
    """How often p <= 0.05 where x and y are independent."""
    print(f"| {args.samples:,} independent samples, n = {args.n} | p ≤ 0.05 | p ≤ 0.01 |\n|---|---|---|")
    for name, (draw_x, draw_y) in INDEPENDENT.items():
        found = []
        for seed in range(args.samples):
            g = np.random.default_rng([2, seed])
            found.append(independence_test(draw_x(g, args.n), draw_y(g, args.n), seed, PERMUTATIONS).p)
        print(f"| {name} | {_share(found, 0.05)} | {_share(found, 0.01)} |", flush=True)


def power(args: argparse.Namespace) -> None:
    """How often p <= 0.05 where they are not."""
    samples = min(args.samples, 200)
    print(
        f"| {samples} dependent samples, n = {args.n} | this test | distance covariance | Pearson |\n|---|---|---|---|"
    )
    for name, draw in DEPENDENT.items():
        found: dict[str, list[float]] = {"own": [], "distances": [], "pearson": []}
        for seed in range(samples):
            x, y = draw(np.random.default_rng([3, seed]), args.n)
            found["own"].append(independence_test(x, y, seed, PERMUTATIONS).p)
            found["distances"].append(distance_covariance(x, y, np.random.default_rng([4, seed])))
            if np.ndim(x) == 1:
                found["pearson"].append(float(pearsonr(x, y).pvalue))
        shares = (f"{np.mean(np.array(p) <= 0.05):.0%}".replace("%", " %") if p else "–" for p in found.values())
        print(f"| {name} | {' | '.join(shares)} |", flush=True)


def distance_covariance(x: Array, y: Array, g: Rng, permutations: int = PERMUTATIONS) -> float:
    """The p of the permutation test of Székely, Rizzo & Bakirov (2007)."""
    a, b = (squareform(pdist(np.reshape(v, (len(v), -1)))) for v in (x, y))
    a = a - a.mean(0) - a.mean(1)[:, None] + a.mean()
    observed = (a * b).sum()
    orders = (g.permutation(len(b)) for _ in range(permutations))
    at_least = sum(bool((a * b[np.ix_(o, o)]).sum() >= observed * (1 - 1e-12)) for o in orders)
    return (1 + at_least) / (1 + permutations)


def series(args: argparse.Namespace) -> None:
    """How often p <= 0.05 for independent series, with and without being told that they are series."""
    samples = min(args.samples, 1000)
    print(f"| {samples} pairs of AR(1), n = 500 | for time series, p ≤ 0.05 | plain, p ≤ 0.05 | effective n | warned |")
    print("|---|---|---|---|---|")
    for phi in (0.0, 0.5, 0.9, 0.95):
        told, plain, worth, warned = [], [], [], 0
        for seed in range(samples):
            g = np.random.default_rng([5, seed])
            x, y = (lfilter([1], [1, -phi], g.standard_normal(1000))[500:] for _ in "xy")
            of_series = independence_test(x, y, seed, PERMUTATIONS, time_series=True)
            told.append(of_series.p)
            worth.append(of_series.effective_n)
            if seed < samples // 5:
                of_rows = independence_test(x, y, seed, PERMUTATIONS)
                plain.append(of_rows.p)
                warned += bool(of_rows.warning)
        said = f"{warned} of {len(plain)}"
        print(f"| {phi} | {_share(told, 0.05)} | {_share(plain, 0.05)} | {np.mean(worth):.0f} | {said} |", flush=True)


def screen(args: argparse.Namespace) -> None:
    """How often p is small among pairs of independent columns of a table, far into the tail."""
    kinds: dict[str, Callable[[Rng, int], Any]] = {
        "continuous": lambda g, n: g.standard_cauchy(n),
        "counts, Poisson(2)": lambda g, n: g.poisson(2, n),
        "binary, 10 % ones": lambda g, n: g.random(n) < 0.1,
        "three values in four the same": lambda g, n: np.maximum(g.standard_normal(n) - 0.67, 0),
    }
    print("| pairs of independent columns | " + " | ".join(f"p ≤ {a:g}" for a in (0.05, 0.01, 1e-3, 1e-4)) + " |")
    print("|---|---|---|---|---|")
    for n in (100, 1000):
        for name, draw in kinds.items():
            found: list[float] = []
            for seed in range(max(1, args.samples // 400)):
                g = np.random.default_rng([6, seed])
                columns = [prepare(np.asarray(draw(g, n), float)) for _ in range(300)]
                found.extend(p_values(columns[:150], columns[150:]).ravel())
            print(f"| {name}, n = {n} ({len(found):,}) | ", end="")
            print(" | ".join(_share(found, a) for a in (0.05, 0.01, 1e-3, 1e-4)) + " |", flush=True)


def speed(args: argparse.Namespace) -> None:
    """Seconds of CPU and of wall-clock of one test."""
    print("| CPU / wall-clock, 199 permutations | n = 1,000 | n = 10,000 | n = 100,000 |\n|---|---|---|---|")
    for dim in (1, 10, 100, 300):
        cells = []
        for n in (1000, 10_000, 100_000):
            g = np.random.default_rng(0)
            x, y = g.standard_normal((2, n, dim))
            cpu, wall = time.process_time(), time.perf_counter()
            found = independence_test(x, y, permutations=PERMUTATIONS)
            cells.append(f"{time.process_time() - cpu:.2f} / {time.perf_counter() - wall:.2f} s, {found.rows:,} rows")
        print(f"| {dim} + {dim} | {' | '.join(cells)} |", flush=True)


def pairs(args: argparse.Namespace) -> None:
    """Seconds of all pairs of 200 columns: continuous ones, and with a third of them rounded to integers."""
    print("| all 19,900 pairs of 200 columns, 1,000 rows | CPU / wall-clock |\n|---|---|")
    for name, rounded in (("continuous", 0), ("a third of the columns are integers", 67)):
        values = np.random.default_rng(0).standard_normal((1000, 200))
        values[:, :rounded] = np.round(2 * values[:, :rounded])
        table = Table(tuple(map(str, range(200))), kinds_of(values), values)
        cpu, wall = time.process_time(), time.perf_counter()
        compare(table)
        print(f"| {name} | {time.process_time() - cpu:.0f} / {time.perf_counter() - wall:.0f} s |", flush=True)


def _share(found: list[float], alpha: float) -> str:
    share = float(np.mean(np.array(found) <= alpha))
    digits = max(1, -math.floor(math.log10(alpha)) - 1)
    error = 100 * math.sqrt(alpha * (1 - alpha) / len(found))
    return f"{100 * share:.{digits}f} ± {error:.{digits}f} %"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    measured = {"level": level, "power": power, "series": series, "screen": screen, "speed": speed, "pairs": pairs}
    parser.add_argument("what", choices=list(measured))
    parser.add_argument("--samples", type=int, default=2000, help="samples of each kind")
    parser.add_argument(
        "--n", type=int, default=None, help="rows of a sample (default 60 for the level, 300 for power)"
    )
    args = parser.parse_args()
    args.n = args.n or (60 if args.what == "level" else 300)
    measured[args.what](args)


if __name__ == "__main__":
    main()
