"""A job: a cell with the plug-ins that answer it, and what is known of its Result before anybody has answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mibench.estimator import Estimator
from mibench.result import Cell, Result, Status
from mibench.task import AnyTask


@dataclass(frozen=True, slots=True)
class Job:
    """A cell with the plug-ins that answer it.

    facts : fields of its Result that do not depend on the answer, as far as they are known; see :func:`names_of`.
    again : in how many more runs it may be tried again, should its surroundings fail.
    """

    cell: Cell
    estimator: Estimator
    task: AnyTask
    facts: Mapping[str, Any] = field(default_factory=dict, compare=False)
    again: int = field(default=2, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return Job, (self.cell, self.estimator, self.task, self.facts, self.again)

    def result(self, status: Status = Status.OK, **answer: Any) -> Result:
        """The record of this cell."""
        return Result(self.cell, status, **{**self.facts, **answer})


def names_of(estimator: Estimator, task: AnyTask) -> dict[str, Any]:
    """The facts that no code of the task is needed for."""
    able, asked, own = estimator.capabilities, task.identity(), estimator.identity()
    return {
        "estimator_name": own["name"],
        "estimator_params": own["params"],
        "task_name": asked["name"],
        "task_params": asked["params"],
        "estimator_version": own["version"],
        "task_version": asked["version"],
        "kind": task.kind,
        "quantity": estimator.kind,
        "role": able.role,
        "reference": estimator.is_reference(),
        "reads_task": able.reads_task,
    }
