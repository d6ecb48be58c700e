"""mibench: which mutual-information estimator can you trust, on data like yours, at what cost?

The names below load on first use, so that ``import mibench`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import estimate, get_estimator, get_task, list_estimators, list_tasks, run
    from .engine.store import Results, load_results
    from .errors import DataError, MibenchError, NotInstalled, Unsupported, UsageError
    from .estimator import Capabilities, Estimate, Estimator, Kind, check_samples, rng_for
    from .registry import include, register_estimator, register_task
    from .task import ConsistencyTask, DownstreamTask, Metric, Outcome, Task

_HOME = {
    "api": ("estimate", "get_estimator", "get_task", "list_estimators", "list_tasks", "run"),
    "errors": ("DataError", "MibenchError", "NotInstalled", "Unsupported", "UsageError"),
    "estimator": ("Capabilities", "Estimate", "Estimator", "Kind", "check_samples", "rng_for"),
    "registry": ("include", "register_estimator", "register_task"),
    "engine.store": ("Results", "load_results"),
    "task": ("ConsistencyTask", "DownstreamTask", "Metric", "Outcome", "Task"),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "Capabilities",
    "ConsistencyTask",
    "DataError",
    "DownstreamTask",
    "Estimate",
    "Estimator",
    "Kind",
    "Metric",
    "MibenchError",
    "NotInstalled",
    "Outcome",
    "Results",
    "Task",
    "Unsupported",
    "UsageError",
    "check_samples",
    "estimate",
    "get_estimator",
    "get_task",
    "include",
    "list_estimators",
    "list_tasks",
    "load_results",
    "register_estimator",
    "register_task",
    "rng_for",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'mibench' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f".{_MODULE[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
