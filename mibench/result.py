"""Cells and Results: the unit of work and the record of what became of it.

A cell's id is a hash of all that decides its answer, so results can be resumed, merged and compared by id alone.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter
from typing import Any

from .estimator import Capabilities, Estimator, Kind, Role
from .plugin import canonical
from .task import AnyTask, TaskKind

SCHEMA = 2
"""The form of a record; raise it when a reader would have to know."""


class Status(StrEnum):
    """How a cell ended."""

    OK = "ok"
    NONFINITE = "nonfinite"
    TIMEOUT = "timeout"
    OOM = "oom"
    CRASH = "crash"
    ERROR = "error"
    UNSUPPORTED = "unsupported"
    NOT_INSTALLED = "not_installed"

    @property
    def failed(self) -> bool:
        """Something went wrong; an estimator that declines, or lacks what is not installed, has not failed."""
        return self not in (Status.OK, Status.UNSUPPORTED, Status.NOT_INSTALLED)

    @property
    def final(self) -> bool:
        """Whether running the cell again on another day would change nothing by itself."""
        return self is not Status.NOT_INSTALLED


@dataclass(frozen=True, slots=True)
class Cell:
    """One (estimator, task, n, seed). ``id`` identifies its answer; the labels are for people.

    n is 0 for downstream tasks, which decide on their own sample.
    """

    estimator: str
    task: str
    n: int
    seed: int
    id: str

    @classmethod
    def of(cls, estimator: Estimator, task: AnyTask, n: int, seed: int) -> Cell:
        """The cell of these plug-ins, its id computed from their identities."""
        return cls(estimator.label, task.label, n, seed, cell_ids(estimator, task, n)(seed))

    def __reduce__(self) -> tuple[Any, ...]:
        return Cell, (self.estimator, self.task, self.n, self.seed, self.id)


def cell_ids(estimator: Estimator, task: AnyTask, n: int) -> Callable[[int], str]:
    """The id of the cell of each seed: a hash of the identities of both, of n and of the seed."""
    beginning = canonical([estimator.identity(), task.identity(), n]).removesuffix("]")
    hashed = hashlib.sha256(beginning.encode())

    def id_of(seed: int) -> str:
        whole = hashed.copy()
        whole.update(b",%d]" % seed)
        return whole.hexdigest()[:16]

    return id_of


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one cell. All that a leaderboard needs is in here: no plug-in has to be loaded to read it.

    mi, stderr, truth, truth_error : nats; None where there is none (a failure, a downstream task).
    estimator_name, estimator_params, task_name, task_params : registered names and all parameters, defaults included,
        so that reports can group by them (nested plug-ins appear as their identity).
    estimator_version, task_version : of the plug-ins; empty in records that were made before these were kept.
    kind : what the task asks for, and so which of the fields hold the answer.
    quantity : what the estimator's number is (:class:`mibench.Kind`); role, reference, reads_task : its capabilities
        of these names.
    varies : the task's own: the parameter whose values are compared with each other.
    wall_s, cpu_s : the cell's share of its batch; batch_size : how many cells shared it.
    message : for anything but ``ok``, one sentence on what happened.
    again : how many more runs try this cell by themselves, because its surroundings failed and not a plug-in.
    metrics : figures other than mi: those of a downstream task; ``score`` and ``expected`` of a consistency task.
    group, arm, metric_info : the table, the row and the Metrics (as dicts) of a downstream or consistency task.
    images : relative file names by image name (downstream).
    provenance : versions, machine, time.
    """

    cell: Cell
    status: Status
    mi: float | None = None
    stderr: float | None = None
    truth: float | None = None
    truth_error: float = 0.0
    estimator_name: str = ""
    estimator_params: Mapping[str, Any] = field(default_factory=dict)
    task_name: str = ""
    task_params: Mapping[str, Any] = field(default_factory=dict)
    estimator_version: str = ""
    task_version: str = ""
    kind: TaskKind = TaskKind.INFORMATION
    quantity: Kind = Kind.ESTIMATE
    role: Role = Role.ENTRANT
    varies: str = ""
    reference: bool = False
    reads_task: bool = False
    family: str = "other"
    dim_x: int = 0
    dim_y: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    batch_size: int = 1
    message: str = ""
    again: int = 0
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    curve: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    group: str = ""
    arm: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    metric_info: Sequence[Mapping[str, Any]] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def error(self) -> float:
        """Signed error in nats; infinite for a failed cell, NaN where there is no truth to compare with."""
        if self.truth is None and self.status is Status.OK:
            return math.nan
        if self.mi is None or self.truth is None or self.status is not Status.OK:
            return math.inf
        return self.mi - self.truth

    def __reduce__(self) -> tuple[Any, ...]:
        return Result, _values(self)

    def fields(self) -> dict[str, Any]:
        """What a line of the store says, as it stands: values may be of types that JSON does not have."""
        record = dict(zip(("schema", *_NAMES), (SCHEMA, *_values(self)), strict=True))
        cell = self.cell
        named = {"estimator": cell.estimator, "task": cell.task, "n": cell.n, "seed": cell.seed, "id": cell.id}
        return {**record, "cell": named}

    def to_json(self) -> dict[str, Any]:
        """A plain dict for one line of the store; ``from_json`` reads it back."""
        return {name: _finite(value) for name, value in self.fields().items()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Result:
        """The inverse of :meth:`to_json`; fields of later versions are ignored."""
        known = {f.name for f in dataclasses.fields(cls)}
        values = {k: v for k, v in record.items() if k in known}
        if record.get("schema", 1) < 2:
            values |= _unsaid(record)
        values["cell"] = Cell(**record["cell"])
        for name, enum in ENUMS.items():
            if name in values:
                values[name] = enum(values[name])
        return cls(**values)


_NAMES = tuple(f.name for f in dataclasses.fields(Result))
_values = attrgetter(*_NAMES)


def _unsaid(record: Mapping[str, Any]) -> dict[str, Any]:
    """What records of the first schema leave to be known: their kind by their shape, roles by the plug-ins' names."""
    from . import registry

    kind = TaskKind.INFORMATION
    if record.get("group"):
        kind = TaskKind.CONSISTENCY if record["cell"]["n"] else TaskKind.DOWNSTREAM
    estimator = registry.estimators.known(record.get("estimator_name", ""))
    task = registry.tasks.known(record.get("task_name", ""))
    return {
        "kind": kind,
        "quantity": record.get("kind", Kind.ESTIMATE),
        "role": getattr(estimator, "capabilities", Capabilities()).role,
        "varies": getattr(task, "varies", ""),
    }


ENUMS: Mapping[str, Callable[[Any], StrEnum]] = {"status": Status, "kind": TaskKind, "quantity": Kind, "role": Role}


def _finite(value: Any) -> Any:
    """JSON has no NaN or infinity: they are written as null, and the status says what happened."""
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
