"""Sums of Gaussian kernels over all pairs of samples, compiled, for a whole ladder of bandwidths at once.

A kernel of half the variance is the square of a kernel. So each pair takes one exponential in x and one in y, and what
follows for narrower kernels is multiplication.
"""

from __future__ import annotations

import math

import numpy as np

from mibench.estimator import Array

from .compiled import Floats, compiler

TILE = 256  # partners at a time: what is kept of them stays in the first-level cache
MOST = 320.0  # in the exponent, so that neither a square of a kernel nor a product leaves the range of float64
LEAST = 1e-140
SQUARINGS = 10
HALVED = 2**SQUARINGS

_compiled = compiler(frozenset({"nnan", "nsz", "reassoc", "contract"}))


def kernel_sums(x: Array, y: Array, width: float, steps: int) -> Array:
    """What the n - 1 other samples add up to at each of ``x`` (n, dim_x) and ``y`` (n, dim_y): shape (3, steps, n).

    The first index: in x, in y, and in both (the product). Kernels are exp(-|difference|^2 / 2 h^2), with h^2 equal to
    ``width`` squared and halved at each step. Memory is proportional to n.
    """
    of_x, of_y = (np.ascontiguousarray((values / (math.sqrt(2) * width)).T) for values in (x, y))
    return _sums(of_x, of_y, steps)


@_compiled
def _exponential(t: float) -> float:
    """exp(-t) for 0 <= t <= MOST by a power series and squaring, which takes many t at once where math.exp takes one.

    The relative error is 1e-12 up to t = 30, and 1e-5 where the exponential is 1e-139.
    """
    s = t / HALVED
    p: float = 1 - s * (1 - s / 2 * (1 - s / 3 * (1 - s / 4 * (1 - s / 5 * (1 - s / 6 * (1 - s / 7))))))
    for _ in range(SQUARINGS):
        p *= p
    return p


@_compiled
def _sums(x: Floats, y: Floats, steps: int) -> Floats:
    n = x.shape[1]
    sums = np.zeros((3, steps, n))
    of_x, of_y = np.empty(TILE), np.empty(TILE)
    for start in range(0, n, TILE):
        size = min(TILE, n - start)
        for i in range(n):
            for kernel, columns in ((of_x, x), (of_y, y)):
                kernel[:size] = 0.0
                for column in range(len(columns)):
                    own = columns[column, i]
                    for j in range(size):
                        difference = columns[column, start + j] - own
                        kernel[j] += difference * difference
                for j in range(size):
                    kernel[j] = _exponential(min(kernel[j], MOST))
            if start <= i < start + size:
                of_x[i - start] = of_y[i - start] = 0.0
            for step in range(steps):
                in_x, in_y, in_both = 0.0, 0.0, 0.0
                for j in range(size):
                    a, b = of_x[j], of_y[j]
                    in_x += a
                    in_y += b
                    in_both += a * b
                    of_x[j], of_y[j] = max(a * a, LEAST), max(b * b, LEAST)
                sums[0, step, i] += in_x
                sums[1, step, i] += in_y
                sums[2, step, i] += in_both
    return sums
