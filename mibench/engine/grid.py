"""Grids: what to run, as a TOML file or as flags, and its expansion into cells.

A grid is a union of blocks, each a product of estimators, tasks, sample sizes and seeds::

    description = "How estimators of three kinds grow with n."
    estimators = ["ksg", "mine-ema[learning_rate=1e-3]"]
    n = [1000, 10000]
    seeds = 5               # or a list: [100, 101]

    [[block]]
    tasks = ["gauss*"]

    [[block]]               # a block may replace any of the defaults above
    tasks = ["staircase*"]
    n = [10000]
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

from mibench import registry
from mibench.errors import UsageError
from mibench.estimator import Estimator
from mibench.plugin import Plugin
from mibench.result import Cell
from mibench.task import AnyTask, DownstreamTask, Task


def _listed(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else [value]


def _seeds(value: Any) -> Any:
    return list(range(value)) if isinstance(value, int) and not isinstance(value, bool) else value


Names: TypeAlias = Annotated[tuple[Any, ...], BeforeValidator(_listed)]
"""Names, selectors, globs, or (in Python) plug-ins and plain functions; one alone need not be in a list."""
Numbers: TypeAlias = Annotated[tuple[int, ...], BeforeValidator(_listed)]
Seeds: TypeAlias = Annotated[tuple[int, ...], BeforeValidator(_seeds)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Block(_Strict):
    """A product of tasks with estimators, sample sizes and seeds; what is None comes from the grid."""

    tasks: Names
    estimators: Names | None = None
    n: Numbers | None = None
    seeds: Seeds | None = None


class Grid(_Strict):
    """A union of blocks.

    estimators, n, seeds : for the blocks that do not say otherwise; ``tasks`` is short for one block of them.
    references : whether the reference rows (estimators that declare themselves one) run as well.
    time_limit : seconds of wall time for one cell; memory_limit : GiB of memory for one worker process.
    include : Python files with plug-ins, relative to the grid's file.
    """

    description: str = ""
    include: tuple[str, ...] = ()
    estimators: Names = ()
    tasks: Names = ()
    n: Numbers = (1000,)
    seeds: Seeds = (0, 1, 2)
    references: bool = True
    time_limit: float = 600.0
    memory_limit: float = 8.0
    block: tuple[Block, ...] = ()

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if not self.tasks and not self.block:
            raise ValueError("there are no tasks: give 'tasks' or at least one [[block]]")
        if self.time_limit <= 0 or self.memory_limit <= 0:
            raise ValueError("time_limit and memory_limit must be greater than zero")
        for sizes, seeds in ((self.n, self.seeds), *((block.n, block.seeds) for block in self.block)):
            if any(n < 2 for n in sizes or ()):
                raise ValueError(f"n must be at least 2, not {min(sizes or ())}")
            if any(seed < 0 for seed in seeds or ()):
                raise ValueError("seeds must not be negative")
            if sizes == () or seeds == ():
                raise ValueError("'n' and 'seeds' must not be empty")
        return self

    def blocks(self) -> list[Block]:
        """All blocks, with nothing left to inherit."""
        own = [Block(tasks=self.tasks)] if self.tasks else []
        return [
            Block(
                tasks=block.tasks,
                estimators=self.estimators if block.estimators is None else block.estimators,
                n=block.n or self.n,
                seeds=block.seeds or self.seeds,
            )
            for block in (*own, *self.block)
        ]

    def replaced(self, **changes: Any) -> Grid:
        """The grid with these settings in every block; those that are None stay.

        New tasks replace the blocks altogether.
        """
        changes = {key: value for key, value in changes.items() if value is not None}
        if "tasks" in changes:
            changes["block"] = ()
        else:
            shared = {key: changes[key] for key in ("estimators", "n", "seeds") if key in changes}
            changes["block"] = [Block(**dict(block) | shared) for block in self.block]
        return make_grid({**dict(self), **changes}, "the command line")


@dataclass(frozen=True)
class Job:
    """A cell with the plug-ins that answer it."""

    cell: Cell
    estimator: Estimator
    task: AnyTask


def expand(grid: Grid) -> list[Job]:
    """All cells of a grid, each once, in the grid's order.

    Reference rows join every block but those of downstream tasks, and pairs that do not go together by the task's own
    word (a downstream task and an estimator without a bound) are left out.

    Raises
    ------
    UsageError : an unknown name or parameter; nothing left to run.
    """
    references = _references() if grid.references else []
    jobs: dict[str, Job] = {}
    for block in grid.blocks():
        chosen = registry.estimators.select(_plugins(block.estimators or ()))
        for task in registry.tasks.select(block.tasks):
            downstream = isinstance(task, DownstreamTask)
            estimators = chosen if downstream else _distinct([*chosen, *references])
            for estimator in estimators:
                if isinstance(task, DownstreamTask) and not task.accepts(estimator):
                    continue
                if not isinstance(task, Task) and estimator.capabilities.reads_task:
                    continue
                for n in (0,) if downstream else block.n or ():
                    for seed in block.seeds or ():
                        cell = Cell.of(estimator, task, n, seed)
                        jobs.setdefault(cell.id, Job(cell, estimator, task))
    if not jobs:
        raise UsageError("this grid has no cells: no estimator in it goes with any of its tasks; choose some with -e.")
    return list(jobs.values())


def _references() -> list[Estimator]:
    found = []
    for name in registry.estimators.names():
        factory = registry.estimators.factory(name)
        if getattr(getattr(factory, "capabilities", None), "reference", False):
            found.append(registry.estimators.create(name))
    return found


def _distinct(estimators: Iterable[Estimator]) -> list[Estimator]:
    return list({estimator.label: estimator for estimator in estimators}.values())


def _plugins(values: Iterable[Any]) -> list[Any]:
    """Plain functions become estimators; the rest is the registry's business."""
    from mibench.estimator import FunctionEstimator

    return [FunctionEstimator(v) if callable(v) and not isinstance(v, Plugin) else v for v in values]


# Files ---------------------------------------------------------------------------------------------------------------


def presets() -> dict[str, Path]:
    """The grids that come with mibench, by name."""
    folder = Path(str(files("mibench.grids")))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_grid(name: str | Path) -> Grid:
    """A preset by name, or a TOML file by path.

    Raises
    ------
    UsageError : no such preset or file, malformed TOML, unknown or unusable keys.
    """
    known = presets()
    path = known.get(str(name)) or Path(name)
    if not path.is_file():
        near = difflib.get_close_matches(str(name), known, n=2, cutoff=0.5)
        hint = f"did you mean {' or '.join(repr(n) for n in near)}?" if near else f"presets: {', '.join(known)}."
        raise UsageError(f"there is no preset and no file '{name}'; {hint}")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}.") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}.") from None
    grid = make_grid(content, str(path))
    return grid.model_copy(update={"include": tuple(str(path.parent / file) for file in grid.include)})


def make_grid(content: dict[str, Any], source: str) -> Grid:
    """Validate the content of a grid; ``source`` is named in errors.

    Raises
    ------
    UsageError : unknown or unusable keys; the message lists the valid ones.
    """
    try:
        return Grid.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"{source}: {_explained(error)}.") from None


def _explained(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part + 1) if isinstance(part, int) else str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        model = Block if first["loc"][0] == "block" else Grid
        return f"unknown key '{place}'; valid keys are {', '.join(model.model_fields)}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message[0].lower()}{message[1:]}" if place else message


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds from a flag: ``5`` is 0 to 4, ``100-104`` a range, ``1,7,9`` a list.

    Raises
    ------
    UsageError : anything else.
    """
    try:
        if "," in text or "-" in text.strip()[1:]:
            seeds: list[int] = []
            for part in text.split(","):
                first, dash, last = part.strip().partition("-")
                seeds += range(int(first), int(last) + 1) if dash else [int(first)]
        else:
            seeds = list(range(int(text)))
    except ValueError:
        seeds = []
    if not seeds:
        raise UsageError(f"cannot read --seeds '{text}': write a count (5), a range (100-104) or a list (1,7,9).")
    return tuple(dict.fromkeys(seeds))
