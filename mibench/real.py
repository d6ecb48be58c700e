"""The one rule for a number that somebody's code hands back: what is one, and the sentence on what is none."""

from __future__ import annotations

import inspect
import reprlib
from contextlib import suppress
from numbers import Real
from typing import Any

from .errors import UsageError


def real(value: Any, what: str) -> float:
    """The number as a float: of Python or NumPy, or all that an array or a tensor without dimensions holds.

    Raises
    ------
    UsageError : anything else, such as a text, a truth value, a complex number, or an array with dimensions.
    """
    plain = value.item() if getattr(value, "ndim", None) == 0 else value
    if isinstance(plain, Real) and not isinstance(plain, bool):
        with suppress(OverflowError):
            return float(plain)
    if inspect.ismethod(value):
        raise UsageError(f"{what} is a method: make it a property.")
    shown = " ".join(reprlib.repr(value).split())
    raise UsageError(f"{what} must be a single number, not {shown} ({type(value).__name__}).")
