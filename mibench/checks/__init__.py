"""The contract as checks that anybody can run on an estimator or a task of their own.

``mibench check NAME`` runs them; so does :func:`run`, and in a test suite :func:`parametrize_with_checks`::

    @parametrize_with_checks([MyEstimator(), MyEstimator(k=5)])
    def test_contract(plugin, check):
        check(plugin)

What is checked of estimators is in ``estimators.py``, of tasks in ``tasks.py``; what all plug-ins have in
common is here.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from mibench import registry
from mibench.errors import NotInstalled, UsageError
from mibench.estimator import Estimator
from mibench.plugin import Plugin
from mibench.task import ConsistencyTask, DownstreamTask, Task

from .common import CheckFailed, NotApplicable, require, require_json, without_randomness

Check: TypeAlias = Callable[[Any], None]
ExpectedFailures: TypeAlias = Mapping[str, str]


class Outcome(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    EXPECTED = "failed as expected"


@dataclass(frozen=True)
class CheckResult:
    """What one check found: its name, how it ended and, unless it passed, one sentence."""

    name: str
    outcome: Outcome
    message: str = ""

    @property
    def passed(self) -> bool:
        """The contract holds."""
        return self.outcome is Outcome.PASSED

    @property
    def failed(self) -> bool:
        """The contract is broken, and nobody said so before."""
        return self.outcome is Outcome.FAILED

    @property
    def skipped(self) -> bool:
        """The check says nothing about this plug-in."""
        return self.outcome is Outcome.SKIPPED

    @property
    def expected(self) -> bool:
        """The check failed, as was announced."""
        return self.outcome is Outcome.EXPECTED

    def __str__(self) -> str:
        return f"{self.name}: {self.outcome}" + (f" ({self.message})" if self.message else "")


def run(plugin: Plugin, expected_failed_checks: ExpectedFailures | None = None) -> list[CheckResult]:
    """Run every check on an estimator or a task.

    expected_failed_checks : checks that are known to fail, and why; they are reported as such. A plug-in's class may
        carry a mapping of that name. A check that passes although it was announced to fail is reported as failed.

    Raises
    ------
    UsageError : a check that does not exist is expected to fail, or ``plugin`` is neither estimator nor task.
    """
    expected = _expected(plugin, expected_failed_checks)
    return [_outcome(name, check, plugin, expected.get(name)) for name, check in checks_for(plugin).items()]


def parametrize_with_checks(
    plugins: Sequence[Plugin],
    expected_failed_checks: ExpectedFailures | Callable[[Plugin], ExpectedFailures] | None = None,
) -> Any:
    """Decorator for a test function of ``plugin`` and ``check``: one test for each pair, to call ``check(plugin)``.

    expected_failed_checks : a mapping as in :func:`run`, or a function of the plug-in that gives one; such tests are
        marked ``xfail(strict=True)``.
    """
    import pytest

    cases = []
    for plugin in plugins:
        given = expected_failed_checks(plugin) if callable(expected_failed_checks) else expected_failed_checks
        expected = _expected(plugin, given)
        for name, check in checks_for(plugin).items():
            marks = [pytest.mark.xfail(reason=expected[name], strict=True)] if name in expected else []
            cases.append(pytest.param(plugin, _InPytest(check), id=f"{plugin.label}-{name}", marks=marks))
    return pytest.mark.parametrize(("plugin", "check"), cases)


def checks_for(plugin: Plugin) -> dict[str, Check]:
    """The checks that apply to this kind of plug-in, by name; each takes the plug-in and raises where it fails.

    Raises
    ------
    UsageError : neither an estimator nor a task.
    """
    from . import estimators as estimator_checks
    from . import tasks as task_checks

    own: Sequence[Check]
    if isinstance(plugin, Estimator):
        own = estimator_checks.CHECKS
    elif isinstance(plugin, Task):
        own = task_checks.CHECKS
    elif isinstance(plugin, ConsistencyTask):
        own = task_checks.CONSISTENCY_CHECKS
    elif isinstance(plugin, DownstreamTask):
        own = task_checks.DOWNSTREAM_CHECKS
    else:
        raise UsageError(f"{plugin!r} is neither an estimator nor a task, so there is no contract to check.")
    return {check.__name__: check for check in (*PLUGIN_CHECKS, *own)}


def _outcome(name: str, check: Check, plugin: Plugin, reason: str | None) -> CheckResult:
    try:
        check(plugin)
    except (NotApplicable, NotInstalled) as error:
        return CheckResult(name, Outcome.SKIPPED, str(error))
    except Exception as error:
        message = str(error) if isinstance(error, CheckFailed) else f"{type(error).__name__}: {error}"
        if reason is not None:
            return CheckResult(name, Outcome.EXPECTED, reason)
        return CheckResult(name, Outcome.FAILED, message)
    if reason is not None:
        return CheckResult(name, Outcome.FAILED, f"it passes although it was expected to fail: {reason}")
    return CheckResult(name, Outcome.PASSED)


def _expected(plugin: Plugin, given: ExpectedFailures | None) -> dict[str, str]:
    expected = {**getattr(type(plugin), "expected_failed_checks", {}), **(given or {})}
    known = checks_for(plugin)
    for name in expected:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"the checks are {', '.join(known)}."
            raise UsageError(f"there is no check '{name}' for {plugin.label}; {hint}")
    return expected


class _InPytest:
    """A check that skips the test where it does not apply."""

    def __init__(self, check: Check) -> None:
        self.check = check

    def __call__(self, plugin: Plugin) -> None:
        import pytest

        try:
            self.check(plugin)
        except (NotApplicable, NotInstalled) as error:
            pytest.skip(str(error))


# What all plug-ins have in common ------------------------------------------------------------------------------------


def is_documented(plugin: Plugin) -> None:
    """The class says in a docstring what it is."""
    doc = type(plugin).__dict__.get("__doc__") or ""
    # a dataclass without docstring gets its signature for one
    require(bool(doc.strip()) and not doc.startswith(f"{type(plugin).__name__}("), "its class has no docstring.")


def is_its_parameters(plugin: Plugin) -> None:
    """The constructor takes its own parameters back; equality, hash and identity follow from them."""
    twin = type(plugin)(**plugin.params)
    require(twin == plugin, "the same parameters make an instance that is not equal.")
    require(hash(twin) == hash(plugin), "equal instances have different hashes.")
    require(twin.identity() == plugin.identity(), "equal instances have different identities.")
    require_json(plugin.identity(), "its identity")
    require(isinstance(type(plugin).version, str) and bool(type(plugin).version), "its version is not a text.")


def is_its_label(plugin: Plugin) -> None:
    """The label, typed as a selector, gives the same plug-in back."""
    own: registry.Registry[Any] = registry.estimators if isinstance(plugin, Estimator) else registry.tasks
    name = type(plugin).registered_name
    if name not in own.names():
        raise NotApplicable("it is not registered under a name.")
    twin = own.create(plugin.label)
    require(twin.label == plugin.label, f"its label '{plugin.label}' gives something labelled '{twin.label}'.")
    require(twin.identity() == plugin.identity(), f"its label '{plugin.label}' gives something else.")


def survives_pickling(plugin: Plugin) -> None:
    """Worker processes get the same value."""
    import cloudpickle

    twin = cloudpickle.loads(cloudpickle.dumps(plugin))
    require(twin.identity() == plugin.identity(), "a pickled copy has another identity.")
    require(twin.label == plugin.label, "a pickled copy has another label.")


def costs_nothing_to_name(plugin: Plugin) -> None:
    """Constructing, printing and listing draw no random numbers and hold no large arrays."""
    import tracemalloc

    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        with without_randomness():
            twin = type(plugin)(**plugin.params)
            twin.label, repr(twin), twin.identity()
        used = tracemalloc.get_traced_memory()[1] - before
    finally:
        if not running:
            tracemalloc.stop()
    require(used < 4 * 2**20, f"being constructed and named takes {used / 2**20:.0f} MiB: compute lazily.")


PLUGIN_CHECKS: tuple[Check, ...] = (
    is_documented,
    is_its_parameters,
    is_its_label,
    survives_pickling,
    costs_nothing_to_name,
)
