"""The small vocabulary of the checks: what it means that one fails, and that one does not apply."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from typing import Any

import numpy as np

from mibench.estimator import Array


class CheckFailed(AssertionError):
    """The plug-in breaks the contract; the message says how."""


class NotApplicable(Exception):
    """The check says nothing about this plug-in; the message says why."""


def require(condition: bool, message: str) -> None:
    """Fail with ``message`` unless the condition holds."""
    if not condition:
        raise CheckFailed(message)


def finite(value: Any) -> bool:
    """Whether ``value`` is a real number (numpy's included, booleans not) and neither NaN nor infinite."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def require_json(content: Mapping[str, Any], what: str) -> None:
    """Fail unless ``content`` could stand in a stored record."""
    try:
        json.dumps(dict(content), default=_plain)
    except (TypeError, ValueError) as error:
        raise CheckFailed(f"{what} cannot be written as JSON: {error}.") from None


def _plain(value: Any) -> Any:
    """Numbers and arrays of NumPy and torch as Python's, as which they are recorded."""
    if not hasattr(value, "tolist"):
        raise TypeError(f"there is a {type(value).__name__} in it")
    return value.tolist()


def same_bits(a: Array, b: Array) -> bool:
    """Whether two arrays agree in shape, type and every bit."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


_stirs = itertools.count(1)


def stir_global_randomness() -> None:
    """Put the process-wide generators into a state they have not been in: no answer may depend on them."""
    import random
    import sys

    seed = next(_stirs)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


@contextmanager
def without_randomness() -> Iterator[None]:
    """Within this block, making a numpy generator fails the check."""
    original = np.random.default_rng

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise CheckFailed("it draws random numbers before a sample is asked for.")

    np.random.default_rng = refuse
    try:
        yield
    finally:
        np.random.default_rng = original
