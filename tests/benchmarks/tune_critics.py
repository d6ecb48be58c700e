"""The development set on which the defaults of the variational estimators are chosen: no task of any preset is in it.

``python tests/benchmarks/tune_critics.py -e 'mine-ema' -e 'mine-ema[hidden=(128 128)]'`` prints, for every selector,
the estimate over the truth on each task, the mean absolute error and the CPU seconds per estimate.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.special import digamma, gammaln, ndtr

Sampler = Callable[[int, np.random.Generator], tuple[np.ndarray, np.ndarray]]
Map = Callable[[np.ndarray], np.ndarray]


def pairs(dim_x: int, dim_y: int, rho: float, correlated: int) -> Sampler:
    """Standard normal X and Y whose first ``correlated`` coordinates are correlated by rho, one by one."""

    def draw(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        x, y = rng.standard_normal((n, dim_x)), rng.standard_normal((n, dim_y))
        c = slice(correlated)
        y[:, c] = rho * x[:, c] + math.sqrt(1 - rho**2) * y[:, c]
        return x, y

    return draw


def equicorrelated(dim_x: int, dim_y: int, rho: float) -> Sampler:
    """All pairs of the dim_x + dim_y standard normal coordinates have correlation rho."""

    def draw(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        z = math.sqrt(rho) * rng.standard_normal((n, 1)) + math.sqrt(1 - rho) * rng.standard_normal((n, dim_x + dim_y))
        return z[:, :dim_x], z[:, dim_x:]

    return draw


def equicorrelated_information(dim_x: int, dim_y: int, rho: float) -> float:
    def log_determinant(d: int) -> float:
        return (d - 1) * math.log(1 - rho) + math.log(1 + (d - 1) * rho)

    return 0.5 * (log_determinant(dim_x) + log_determinant(dim_y) - log_determinant(dim_x + dim_y))


def pairs_information(rho: float, correlated: int) -> float:
    return -0.5 * correlated * math.log(1 - rho**2)


def through(base: Sampler, f: Map, g: Map | None = None) -> Sampler:
    def draw(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        x, y = base(n, rng)
        return f(x), (g or f)(y)

    return draw


def spiral(plane: tuple[int, int], speed: float) -> Map:
    def turn(z: np.ndarray) -> np.ndarray:
        angle = speed / z.shape[1] * (z**2).sum(1)
        i, j = plane
        out = z.copy()
        out[:, i] = np.cos(angle) * z[:, i] - np.sin(angle) * z[:, j]
        out[:, j] = np.sin(angle) * z[:, i] + np.cos(angle) * z[:, j]
        return out

    return turn


def student(dim_x: int, dim_y: int, dof: float, rho: float = 0.0) -> Sampler:
    base = pairs(dim_x, dim_y, rho, 1)

    def draw(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        x, y = base(n, rng)
        scale = np.sqrt(rng.chisquare(dof, (n, 1)) / dof)
        return x / scale, y / scale

    return draw


def student_information(m: int, n: int, dof: float, rho: float = 0.0) -> float:
    def h(k: int) -> float:
        a = (dof + k) / 2
        return -gammaln(a) + gammaln(dof / 2) + k / 2 * math.log(dof * math.pi) + a * (digamma(a) - digamma(dof / 2))

    return float(h(m) + h(n) - h(m + n)) + pairs_information(rho, 1)


def additive(eps: float) -> Sampler:
    def draw(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        x = rng.uniform(size=(n, 1))
        return x, x + rng.uniform(-eps, eps, (n, 1))

    return draw


def crossed(rho: float) -> Sampler:
    """Half the samples have correlation rho, half -rho."""

    def draw(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        x, y = rng.standard_normal((2, n, 1))
        sign = rng.choice([-1, 1], (n, 1))
        return x, sign * rho * x + math.sqrt(1 - rho**2) * y

    return draw


def crossed_information(rho: float) -> float:
    t = np.linspace(-9, 9, 3001)
    x, y = np.meshgrid(t, t)
    s = 1 - rho**2

    def half(r: float) -> np.ndarray:
        return np.exp(-(x**2 - 2 * r * x * y + y**2) / (2 * s)) / (2 * math.pi * math.sqrt(s))

    p = 0.5 * (half(rho) + half(-rho))
    q = np.exp(-(x**2 + y**2) / 2) / (2 * math.pi)
    keep = p > 1e-300
    return float((p[keep] * np.log(p[keep] / q[keep])).sum() * (t[1] - t[0]) ** 2)


def half_cube(z: np.ndarray) -> np.ndarray:
    bent: np.ndarray = z * np.sqrt(np.abs(z))
    return bent


DEVELOPMENT: dict[str, tuple[Sampler, float]] = {
    "gauss 4+4": (pairs(4, 4, 0.6, 4), pairs_information(0.6, 4)),
    "gauss 18+18": (pairs(18, 18, 0.6, 18), pairs_information(0.6, 18)),
    "sparse 15+15": (pairs(15, 15, 0.75, 2), pairs_information(0.75, 2)),
    "sparse 40+40": (pairs(40, 40, 0.75, 2), pairs_information(0.75, 2)),
    "dense 35+35": (equicorrelated(35, 35, 0.4), equicorrelated_information(35, 35, 0.4)),
    "spiral 4+4": (
        through(pairs(4, 4, 0.78, 2), spiral((0, 1), 1.2), spiral((1, 2), 1.2)),
        pairs_information(0.78, 2),
    ),
    "spiral 12+12": (
        through(pairs(12, 12, 0.78, 2), spiral((0, 1), 1.0), spiral((1, 2), 1.0)),
        pairs_information(0.78, 2),
    ),
    "uniform 7+7": (through(pairs(7, 7, 0.75, 2), ndtr), pairs_information(0.75, 2)),
    "half-cube 2+2": (through(pairs(2, 2, 0.7, 2), half_cube), pairs_information(0.7, 2)),
    "student 2+3, 1.5": (student(2, 3, 1.5, 0.5), student_information(2, 3, 1.5, 0.5)),
    "asinh student 4+4, 2.5": (through(student(4, 4, 2.5, 0.5), np.arcsinh), student_information(4, 4, 2.5, 0.5)),
    "additive 0.2": (additive(0.2), 0.2 - math.log(0.4)),
    "crossed 0.85": (crossed(0.85), crossed_information(0.85)),
    "independent 6+6": (pairs(6, 6, 0.0, 0), 0.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("-e", "--estimator", action="append", required=True, help="a selector; repeatable")
    parser.add_argument("-t", "--task", action="append", help="names of tasks, by their beginning; default all")
    parser.add_argument("-n", type=int, default=10000)
    parser.add_argument("--seeds", type=int, default=4)
    arguments = parser.parse_args()

    from mibench.registry import estimators

    chosen = [k for k in DEVELOPMENT if not arguments.task or k.startswith(tuple(arguments.task))]
    for selector in arguments.estimator:
        estimator = estimators.create(selector)
        print(f"\n{selector}, n = {arguments.n}, {arguments.seeds} seeds")
        errors, seconds, ratios = [], [], []
        for name in chosen:
            sampler, truth = DEVELOPMENT[name]
            data = [sampler(arguments.n, np.random.default_rng([7, s])) for s in range(arguments.seeds)]
            started = time.process_time()
            xs, ys = zip(*data, strict=True)
            answers = estimator.estimate_batch(xs, ys, range(arguments.seeds))
            spent = (time.process_time() - started) / arguments.seeds
            values = np.array([a.mi for a in answers])
            errors.append(np.abs(values - truth).mean())
            seconds.append(spent)
            if truth:
                ratios.append(values.mean() / truth)
            steps = [a.diagnostics["steps"] for a in answers]
            best = [a.curve["step"][int(np.nanargmax(a.curve["validation"]))] for a in answers]
            print(
                f"  {name:24s} truth {truth:6.3f}  mean {values.mean():7.4f}  sd {values.std():6.4f}  "
                f"ratio {values.mean() / truth if truth else math.nan:6.3f}"
                f"  CPU s {spent:5.2f}  steps {steps} best {best}",
                flush=True,
            )
        print(f"  mean |error| {np.mean(errors):.4f}  mean ratio {np.mean(ratios):.4f}  CPU s {np.mean(seconds):.2f}")


if __name__ == "__main__":
    main()
