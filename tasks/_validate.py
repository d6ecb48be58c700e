"""Checks of task parameters: each refuses with one sentence that states the constraint."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np

from mibench.errors import UsageError
from mibench.plugin import Plugin


def _refuse(task: Plugin, name: str, constraint: str) -> UsageError:
    value = getattr(task, name)
    return UsageError(f"{task.registered_name or type(task).__name__}: {name}={value!r}; {name} must be {constraint}.")


def _number(task: Plugin, name: str) -> float:
    value = getattr(task, name)
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise _refuse(task, name, "a number")
    return float(value)


def check_dimension(task: Plugin, *names: str, at_least: int = 1) -> None:
    """Refuse dimensions that are not whole numbers of at least ``at_least``."""
    for name in names:
        value = getattr(task, name)
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < at_least:
            raise _refuse(task, name, f"a whole number of at least {at_least}")


def check_interval(task: Plugin, name: str, low: float, high: float) -> None:
    """Refuse a value outside the open interval (low, high), or NaN."""
    value = _number(task, name)
    if not low < value < high:
        inside = f"greater than {low:g}" + (" and finite" if math.isinf(high) else f" and less than {high:g}")
        raise _refuse(task, name, inside)


def check_information(task: Plugin, name: str, most: float = math.inf) -> None:
    """Refuse a mutual information that is negative, not finite, or above ``most`` nats."""
    value = _number(task, name)
    if not 0 <= value < math.inf:
        raise _refuse(task, name, "finite and not negative")
    if value > most:
        raise _refuse(task, name, f"at most {most:g} nats here: beyond, the noise drowns in rounding")


def check_choice(task: Plugin, name: str, choices: Collection[str]) -> None:
    """Refuse a word that is not among ``choices``."""
    if getattr(task, name) not in choices:
        raise _refuse(task, name, f"one of {', '.join(choices)}")
