"""The contract as checks that anybody can run on an estimator or a task of their own.

``mibench check NAME`` runs them; so does :func:`run`, and in a test suite :func:`parametrize_with_checks`::

    @parametrize_with_checks([MyEstimator(), MyEstimator(k=5)])
    def test_contract(plugin, check):
        check(plugin)

What is checked of estimators is in ``estimators.py``, of tasks in ``tasks.py``, of both in ``plugins.py``; here is how
they are run and told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from mibench.endings import outlived
from mibench.errors import NotInstalled, UsageError
from mibench.estimator import Estimator
from mibench.plugin import Plugin
from mibench.task import ConsistencyTask, DownstreamTask, Task
from mibench.words import counted, nearest

from .common import CheckFailed, NotApplicable

if TYPE_CHECKING:
    import pytest

Check: TypeAlias = Callable[[Any], None]
ExpectedFailures: TypeAlias = Mapping[str, str]


class Verdict(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    EXPECTED = "failed as expected"


@dataclass(frozen=True)
class CheckResult:
    """What one check found: its name, how it ended and, unless it passed, one sentence."""

    name: str
    verdict: Verdict
    message: str = ""

    @property
    def passed(self) -> bool:
        """The contract holds."""
        return self.verdict is Verdict.PASSED

    @property
    def failed(self) -> bool:
        """The contract is broken, and nobody said so before."""
        return self.verdict is Verdict.FAILED

    @property
    def skipped(self) -> bool:
        """The check says nothing about this plug-in."""
        return self.verdict is Verdict.SKIPPED

    @property
    def expected(self) -> bool:
        """The check failed, as was announced."""
        return self.verdict is Verdict.EXPECTED

    def __str__(self) -> str:
        return f"{self.name.replace('_', ' ')}: {self.verdict}" + (f" ({self.message})" if self.message else "")


@dataclass(frozen=True)
class Summary:
    """How many checks ended in which way: the last line of ``mibench check``."""

    passed: int = 0
    skipped: int = 0
    expected: int = 0
    failed: int = 0

    @classmethod
    def of(cls, results: Iterable[CheckResult]) -> Summary:
        """The count over the results of one plug-in, or of many."""
        counts = Counter(result.verdict for result in results)
        return cls(counts[Verdict.PASSED], counts[Verdict.SKIPPED], counts[Verdict.EXPECTED], counts[Verdict.FAILED])

    @property
    def ok(self) -> bool:
        """Nothing failed, unless it was announced."""
        return not self.failed

    def __str__(self) -> str:
        total = self.passed + self.skipped + self.expected + self.failed
        counts = {"passed": self.passed, "skipped": self.skipped, Verdict.EXPECTED: self.expected}
        said = [f"{number} {word}" for word, number in counts.items() if number]
        return f"{counted(total, 'check')}: {', '.join([*said, f'{self.failed} failed'])}"


def run(plugin: Plugin, expected_failed_checks: ExpectedFailures | None = None) -> list[CheckResult]:
    """Run every check on an estimator or a task.

    Parameters
    ----------
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
) -> pytest.MarkDecorator:
    """Decorator for a test function of ``plugin`` and ``check``: one test for each pair, to call ``check(plugin)``.

    Parameters
    ----------
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
    from . import plugins as plugin_checks
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
    return {check.__name__: check for check in (*plugin_checks.CHECKS, *own)}


def _outcome(name: str, check: Check, plugin: Plugin, reason: str | None) -> CheckResult:
    try:
        with outlived():
            check(plugin)
    except (NotApplicable, NotInstalled) as error:
        return CheckResult(name, Verdict.SKIPPED, str(error))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plug-in may call sys.exit()
        message = str(error) if isinstance(error, (CheckFailed, UsageError)) else f"{type(error).__name__}: {error}"
        if reason is not None:
            return CheckResult(name, Verdict.EXPECTED, reason)
        return CheckResult(name, Verdict.FAILED, message)
    if reason is not None:
        return CheckResult(name, Verdict.FAILED, f"it passes although it was expected to fail: {reason}")
    return CheckResult(name, Verdict.PASSED)


def _expected(plugin: Plugin, given: ExpectedFailures | None) -> dict[str, str]:
    expected = {**getattr(type(plugin), "expected_failed_checks", {}), **(given or {})}
    known = checks_for(plugin)
    for name in expected:
        if name not in known:
            hint = nearest(name, known) or f"the checks are {', '.join(known)}."
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
