"""What there is to run, as plain values: one row per estimator, task or grid.

``listing`` prints these; ``to_json`` gives them to machines; ``cards`` tells all about a single one. Nothing here draws
a sample. A truth by quadrature is computed where it is shown; a data set that is missing is a remark, not an
error.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, ClassVar

from mibench.errors import MibenchError, NotInstalled, UsageError
from mibench.registry import Registry, estimators, tasks
from mibench.selector import parse_selector
from mibench.task import AnyTask, Task, TaskKind
from mibench.words import nearest

from .docstring import documented, parse, plain


@dataclass(frozen=True)
class Row:
    """What a list says of one name."""

    name: str

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class EstimatorRow(Row):
    """One registered estimator; ``group`` is the file or package that defines it."""

    group: str
    kind: str
    summary: str
    min_n: int
    max_dim: int | None
    discrete: bool
    reference: bool
    reads_task: bool


@dataclass(frozen=True)
class TaskRow(Row):
    """One task.

    kind : what is asked for; only where it is the information there are dimensions and a truth.
    mutual_information, mutual_information_error : nats.
    remark : why something is not known: a data set that is missing, a parameter that must be given.
    """

    family: str
    kind: TaskKind = TaskKind.INFORMATION
    summary: str = ""
    dim_x: int | None = None
    dim_y: int | None = None
    mutual_information: float | None = None
    mutual_information_error: float = 0.0
    has_density: bool = False
    discrete: bool = False
    remark: str = ""

    @property
    def group(self) -> str:
        """Its family."""
        return self.family

    @property
    def what(self) -> str:
        """The kind in words: ``task``, ``downstream task``."""
        return "task" if self.kind is TaskKind.INFORMATION else f"{self.kind} task"


@dataclass(frozen=True)
class GridRow(Row):
    """One grid that comes with mibench."""

    group: ClassVar[str] = ""

    description: str
    estimators: Sequence[str]
    n: Sequence[int]
    seeds: int


_ABLE = ("min_n", "max_dim", "discrete", "reference", "reads_task")


def list_estimators(pattern: str = "*") -> list[EstimatorRow]:
    """Registered estimators whose names match the glob, in groups.

    Raises
    ------
    UsageError : none matches.
    """
    rows = []
    for name in _matching(estimators, pattern):
        factory = estimators.factory(name)
        cls: Any = factory if inspect.isclass(factory) else type(estimators.create(name))
        able = {key: getattr(cls.capabilities, key) for key in _ABLE}
        rows.append(EstimatorRow(name, _group(factory), str(cls.kind), _summary(factory), **able))
    return sorted(rows, key=lambda row: row.group)


def list_tasks(pattern: str = "*") -> list[TaskRow]:
    """Registered tasks whose names match the glob, with their default parameters, in families.

    Raises
    ------
    UsageError : none matches.
    """
    rows = [_task_row(name) for name in _matching(tasks, pattern)]
    return sorted(rows, key=lambda row: (list(TaskKind).index(row.kind), row.group))


def list_grids(pattern: str = "*") -> list[GridRow]:
    """The grids that come with mibench.

    Raises
    ------
    UsageError : none matches.
    """
    from mibench.engine.grid import load_grid, presets

    names = fnmatch.filter(presets(), pattern)
    if not names:
        raise UsageError(f"no grid matches '{pattern}'; `mibench ls grids` lists the known ones.")
    rows = []
    for name in names:
        grid = load_grid(name)
        blocks = grid.blocks()
        rows.append(
            GridRow(
                name=name,
                description=grid.description,
                estimators=tuple(dict.fromkeys(str(e) for block in blocks for e in block.estimators or ())),
                n=tuple(sorted({n for block in blocks for n in block.n or () if not _only_downstream(block.tasks)})),
                seeds=max(len(block.seeds or ()) for block in blocks),
            )
        )
    return rows


def describe(task: AnyTask) -> TaskRow:
    """The row of a task at hand."""
    if not isinstance(task, Task):
        return TaskRow(task.label, task.family, task.kind, _summary(type(task)))
    known: dict[str, Any] = {"summary": plain(parse(task.construction).summary), "has_density": task.has_density}
    asked = {"discrete": bool, "dim_x": int, "dim_y": int}
    asked |= {"mutual_information": float, "mutual_information_error": float}
    for name, type_ in asked.items():
        try:
            known[name] = type_(getattr(task, name))
        except NotInstalled as error:
            known["remark"] = str(error)
    return TaskRow(task.label, task.family, **known)


@functools.cache
def _by_name() -> Mapping[str, tuple[str, ...]]:
    """The presets by the name of a task that they have."""
    from mibench.engine.grid import load_grid, presets

    found: dict[str, list[str]] = {}
    for preset in sorted(presets()):
        names = {parse_selector(str(task))[0] for block in load_grid(preset).blocks() for task in block.tasks}
        for name in names:
            found.setdefault(name, []).append(preset)
    return {name: tuple(grids) for name, grids in found.items()}


def grids_with(task: AnyTask) -> tuple[str, ...]:
    """The presets that have a task of this name, with whatever parameters."""
    return _by_name().get(parse_selector(task.label)[0], ())


def dimensions(row: TaskRow) -> str:
    """``3 + 2``, or nothing where they are not known."""
    return f"{row.dim_x} + {row.dim_y}" if row.dim_x and row.dim_y else ""


def truth(row: TaskRow) -> str:
    """The mutual information with its error: ``1.2345 ± 1e-09 nats``; ``n/a`` where it cannot be had."""
    if row.mutual_information is None:
        return "n/a"
    error = f" ± {row.mutual_information_error:.0e}" if row.mutual_information_error else ""
    return f"{row.mutual_information:.4f}{error} nats"


def _task_row(name: str) -> TaskRow:
    try:
        return dataclasses.replace(describe(tasks.create(name)), name=name)
    except MibenchError as error:  # a parameter that must be given, or a file that must be there
        factory = tasks.factory(name)
        family = getattr(factory, "family", None)  # of a class it may be a property, which says nothing
        known = family if isinstance(family, str) else "other"
        return TaskRow(name, known, remark=str(error), summary=_summary(factory))


def _matching(registry: Registry[Any], pattern: str) -> list[str]:
    names = fnmatch.filter(registry.names(), pattern)
    if not names:
        hint = nearest(pattern.strip("*?"), registry.names()) or f"`mibench ls {registry.kind}s` lists the known ones."
        raise UsageError(f"no {registry.kind} matches '{pattern}'; {hint}")
    return names


def _only_downstream(patterns: Sequence[Any]) -> bool:
    """Whether these are all downstream tasks, which decide on their own sample."""
    try:
        return all(task.kind is TaskKind.DOWNSTREAM for task in tasks.select(patterns))
    except MibenchError:  # a task of this grid is not installed
        return False


def _group(factory: Callable[..., Any]) -> str:
    """The package or module that defines it, below the package of plug-ins that it came with."""
    module = factory.__module__
    packages = (point.module for point in entry_points(group="mibench.plugins"))
    package = next((p for p in packages if module.startswith(f"{p}.")), module.rpartition(".")[0])
    return module.removeprefix(f"{package}.").split(".")[0].strip("_").replace("_", " ")


def _summary(factory: Callable[..., Any]) -> str:
    return plain(documented(factory).summary)
