"""Parameters of which one decides the other, such as a correlation and the information in it."""

from __future__ import annotations

from mibench.errors import UsageError
from mibench.plugin import Plugin


def either(task: Plugin, default: dict[str, float], **given: float | None) -> tuple[str, float]:
    """Name and value of the one that is given, or of the default."""
    chosen = {name: value for name, value in given.items() if value is not None}
    if len(chosen) > 1:
        raise UsageError(f"{task.registered_name}: give {' or '.join(given)}, not both; either decides the other.")
    [(name, value)] = (chosen or default).items()
    return name, float(value)


def settle(task: Plugin, default: dict[str, float], **given: float | None) -> None:
    """Set the one that is given, or the default, and evaluate the others, which are cached properties of it."""
    setattr(task, *either(task, default, **given))
    for name in given:
        getattr(task, name)  # a parameter that has its value cannot be set any more
