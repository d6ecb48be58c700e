"""Finite distributions: checks of their probabilities, entropies in nats."""

from __future__ import annotations

import math

from mibench.errors import UsageError
from mibench.plugin import Plugin


def check_probability(task: Plugin, name: str, most: float = 1.0, reached: bool = True) -> None:
    """Refuse a value outside [0, most], or outside [0, most) where ``most`` may not be reached.

    Raises
    ------
    UsageError : it states the constraint.
    """
    value = getattr(task, name)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0.0 <= value <= most or (value == most and not reached):
        limit = f"at most {most:g}" if reached else f"less than {most:g}"
        raise UsageError(f"{task.registered_name}: {name}={value!r}; {name} must be at least 0 and {limit}.")


def binary_entropy(p: float) -> float:
    """H_b(p) = -p ln p - (1 - p) ln(1 - p)."""
    return -xlogx(p) - xlogx(1.0 - p)


def xlogx(p: float) -> float:
    """p ln p, which is 0 at 0."""
    return p * math.log(p) if p > 0 else 0.0


def log(p: float) -> float:
    """ln p, which is -inf at 0."""
    return math.log(p) if p > 0 else -math.inf
