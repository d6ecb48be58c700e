"""Fixed random matrices."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, TypeAlias

import numpy as np

from mibench.estimator import Array
from mibench.parameters import at_least

Seed: TypeAlias = Annotated[int, at_least(0)]
"""Which of the random matrices."""


@lru_cache(maxsize=16)
def random_isometry(dim_out: int, dim_in: int, seed: int) -> Array:
    """A fixed random matrix (dim_out, dim_in) with orthonormal columns, uniformly distributed over such matrices."""
    gaussian = np.random.default_rng([2, seed, dim_out, dim_in]).standard_normal((dim_out, dim_in))
    q, r = np.linalg.qr(gaussian)
    matrix: Array = q * np.sign(np.diag(r))  # the signs make the factorisation unique, on any machine
    matrix.setflags(write=False)
    return matrix
