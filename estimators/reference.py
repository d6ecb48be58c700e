"""Yardsticks: rows that every table shows, so that the tables can be read and the harness checks itself."""

from __future__ import annotations

from typing import ClassVar

from mibench.errors import Unsupported
from mibench.estimator import Array, Capabilities, Distribution, Estimate, Estimator, Role, check_samples
from mibench.registry import register_estimator
from mibench.task import Task


@register_estimator("zero")
class Zero(Estimator):
    """Always answers 0: what an estimator must beat."""

    capabilities: ClassVar = Capabilities(discrete=True, reference=True, role=Role.FLOOR, memory=0.0)
    expected_failed_checks: ClassVar[dict[str, str]] = {
        "names_its_source": "0 has no author",
        "tells_dependence_from_independence": "its answer is always 0",
        "answers_in_nats": "its answer is always 0",
    }

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """0 nats, whatever the samples."""
        check_samples(x, y)
        return Estimate(0.0)


@register_estimator("oracle")
class Oracle(Estimator):
    """Answers the truth of the task it is bound to. Its score must be 1, or the harness is wrong."""

    task: Task | None = None

    capabilities: ClassVar = Capabilities(discrete=True, reads_task=True, reference=True, role=Role.CEILING, memory=0.0)

    def bind(self, task: Distribution) -> Oracle:
        """The oracle of ``task``; a task without one truth leaves it as it is."""
        return Oracle(task) if isinstance(task, Task) else self

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """The exact mutual information of the task in nats, whatever the samples.

        Raises
        ------
        Unsupported : samples alone, or a task whose truth is not a mutual information.
        """
        check_samples(x, y)
        if self.task is None:
            raise Unsupported("oracle reads the truth from a task; samples alone do not tell it.")
        return Estimate(self.task.mutual_information, stderr=0.0)
