"""Samples that the tests of many estimators look at."""

import math

import numpy as np

from mibench.estimator import Array


def correlated(n: int, rho: float, dim: int = 1, seed: int = 0) -> tuple[Array, Array]:
    """Standard normal x and y, each (n, dim), with corr(x_i, y_i) = rho: -dim/2 log(1 - rho^2) nats."""
    x, noise = np.random.default_rng(seed).standard_normal((2, n, dim))
    return x, rho * x + math.sqrt(1 - rho**2) * noise
