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

import contextlib
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from numbers import Integral
from pathlib import Path
from typing import Annotated, Any, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

from mibench import registry
from mibench.errors import UsageError
from mibench.estimator import Estimator
from mibench.functions import FunctionEstimator
from mibench.plugin import Plugin, canonical
from mibench.task import DownstreamTask, TaskKind
from mibench.words import listed, nearest

from .job import Job
from .plain import described
from .plan import Plan, Point

_MOST_SEEDS = 1_000_000
_LARGEST = 2**63 - 1  # a seed or sample size
_LONGEST_NUMBER = 20  # characters
_NO_KEY, _DEEPEST_KEY = re.compile(r"[^\w.\"' -]+|\.(?: *\.)+"), 100  # parts of a key, with one dot between


def _listed(value: Any) -> Any:
    return [value] if _single(value) else list(value)


def _single(value: Any) -> bool:
    """Whether this is one and not several, which may come in a list, a range, a set or an array."""
    return isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable) or getattr(value, "ndim", 1) == 0


def _named(value: Any) -> Any:
    values = _listed(value)
    for one in values:
        if not isinstance(one, (str, Plugin)) and not callable(one):
            raise ValueError(f"a name, a selector or a plug-in is wanted, not {one!r}")
        if isinstance(one, type) and issubclass(one, Plugin):
            raise ValueError(f"a plug-in is wanted, {one.__name__}(), and not its class")
    return values


def _seeds(value: Any) -> Any:
    if isinstance(value, Integral) and not isinstance(value, bool):
        return _spread(0, int(value))
    if _single(value):
        raise ValueError(f"how many, or a list of which, is wanted, not {value!r}")
    return list(value)


def _spread(first: int, end: int) -> list[int]:
    if end - first > _MOST_SEEDS:
        raise UsageError(f"these are {end - first:,} seeds; to run one of them, write [{end}] or --seeds {end}-{end}.")
    return list(range(first, end))


Names: TypeAlias = Annotated[tuple[Any, ...], BeforeValidator(_named)]
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
        for name in ("time_limit", "memory_limit"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be greater than zero")
        for sizes, seeds in ((self.n, self.seeds), *((block.n, block.seeds) for block in self.block)):
            if any(n < 2 for n in sizes or ()):
                raise ValueError(f"n must be at least 2, not {min(sizes or ())}")
            if any(seed < 0 for seed in seeds or ()):
                raise ValueError("seeds must not be negative")
            if any(number > _LARGEST for number in (*(sizes or ()), *(seeds or ()))):
                raise ValueError(f"n and seeds are at most {_LARGEST}")
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

    def replaced(self, source: str = "the settings", **changes: Any) -> Grid:
        """The grid with these settings in every block; those that are None stay.

        New tasks replace the blocks altogether.
        """
        changes = {key: value for key, value in changes.items() if value is not None}
        if "tasks" in changes:
            changes["block"] = ()
        else:
            shared = {key: changes[key] for key in ("estimators", "n", "seeds") if key in changes}
            changes["block"] = [Block(**dict(block) | shared) for block in self.block]
        return make_grid({**dict(self), **changes}, source)


def choose(
    grids: str | Path | Grid | Sequence[str | Path | Grid] | None, settings: Mapping[str, Any], source: str
) -> list[Grid]:
    """The grids that names, files and settings describe; a setting that is None leaves the grid's own.

    Raises
    ------
    UsageError : a grid that does not exist or cannot be used; ``source`` is named in what is said of the settings.
    """
    given = {key: value for key, value in settings.items() if value is not None}
    named = [grids] if isinstance(grids, (str, Path, Grid, Mapping)) else grids
    if not named:
        return [make_grid(given, source)]
    if other := [g for g in _listed(named) if not isinstance(g, (str, Path, Grid))]:
        raise UsageError(f"a grid is the name of a preset, a TOML file or a Grid, not {other[0]!r}.")
    return [(g if isinstance(g, Grid) else load_grid(g)).replaced(source, **given) for g in named]


def expand(*grids: Grid) -> list[Job]:
    """All cells of the grids as jobs; see :func:`plan`."""
    return list(plan(*grids))


def plan(*grids: Grid) -> Plan:
    """All cells of the grids, each once, in the grids' order; their plug-in files are included first.

    Reference rows join every block but those of downstream tasks, and pairs that do not go together by the task's own
    word (a downstream task and an estimator without a bound) are left out.

    Raises
    ------
    UsageError : an unknown name or parameter; nothing left to run.
    """
    for file in dict.fromkeys(file for grid in grids for file in grid.include):
        registry.include(file)
    points: list[Point] = []
    seen: dict[tuple[str, str, int], Collection[int]] = {}
    for grid in grids:
        references = _references() if grid.references else []
        before = len(points)
        for block in grid.blocks():
            points += _points(block, references)
        if len(points) == before:
            raise UsageError(
                "this grid has no cells: no estimator in it goes with any of its tasks; choose some with -e."
            )
    texts: dict[int, str] = {}
    return Plan(_once(point, seen, texts) for point in points)


def _once(point: Point, seen: dict[tuple[str, str, int], Collection[int]], texts: dict[int, str]) -> Point:
    """The point without the seeds that were there before."""
    for plugin in (point.estimator, point.task):
        if id(plugin) not in texts:
            texts[id(plugin)] = canonical(plugin.identity())
    key = texts[id(point.estimator)], texts[id(point.task)], point.n
    earlier = seen.get(key)
    if earlier is None:  # as of nearly all points, which need no set of their own
        seen[key] = point.seeds
        return point
    known = seen[key] = earlier if isinstance(earlier, set) else set(earlier)
    point = replace(point, seeds=[seed for seed in point.seeds if seed not in known])
    known.update(point.seeds)
    return point


def _points(block: Block, references: Sequence[Estimator]) -> Iterator[Point]:
    chosen = registry.estimators.select(_plugins(block.estimators or ()))
    seeds = tuple(dict.fromkeys(block.seeds or ()))
    for task in registry.tasks.select(block.tasks):
        downstream = task.kind is TaskKind.DOWNSTREAM
        for estimator in chosen if downstream else _distinct([*chosen, *references]):
            if isinstance(task, DownstreamTask) and not _accepts(task, estimator):
                continue
            if task.kind is not TaskKind.INFORMATION and estimator.capabilities.reads_task:
                continue
            for n in (0,) if downstream else block.n or ():
                yield Point(estimator, task, n, seeds)


def _accepts(task: DownstreamTask, estimator: Estimator) -> bool:
    try:
        return bool(task.accepts(estimator))
    except (Exception, SystemExit) as error:
        said = described(error).rstrip(".")
        raise UsageError(f"the task {task.label} cannot say whether it takes {estimator.label}: {said}.") from error


def _references() -> list[Estimator]:
    found = []
    for name in registry.estimators.names():
        factory = registry.estimators.factory(name)
        if isinstance(factory, type) and issubclass(factory, Estimator) and factory.is_reference():
            found.append(registry.estimators.create(name))
    return found


def _distinct(estimators: Iterable[Estimator]) -> list[Estimator]:
    return list({estimator.label: estimator for estimator in estimators}.values())


def _plugins(values: Iterable[Any]) -> list[Any]:
    """Plain functions become estimators; the rest is the registry's business."""
    made = [FunctionEstimator(v) if callable(v) and not isinstance(v, Plugin) else v for v in values]
    functions: dict[str, FunctionEstimator] = {}
    for one in made:
        if isinstance(one, FunctionEstimator) and functions.setdefault(one.label, one) != one:
            raise UsageError(f"two functions have the name '{one.label}', under which results are told; rename one.")
    return made


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
    if not _is_file(path):
        raise UsageError(_missing(str(name), known))
    try:
        text = path.read_text(encoding="utf-8")
        if max(part.count(".") for part in _NO_KEY.split(text)) > _DEEPEST_KEY:  # which would take minutes
            raise UsageError(f"{path} is no grid: it has a key of more than {_DEEPEST_KEY} parts.")
        content = tomllib.loads(text)
    except UsageError:
        raise
    except (ValueError, RecursionError) as error:  # also a number of more digits than Python reads
        raise UsageError(f"{path} is not valid TOML: {str(error).partition(';')[0].rstrip('.')}.") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}.") from None
    grid = make_grid(content, str(path))
    return grid.model_copy(update={"include": tuple(str(path.parent / file) for file in grid.include)})


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or has a null in it
        return False


def _missing(name: str, known: Iterable[str]) -> str:
    if name.endswith(".toml"):
        beside = Path(name).parent
        files = sorted(str(beside / path.name) for path in beside.glob("*.toml")) if beside.is_dir() else []
        return f"there is no file '{name}'; TOML files there are: {listed(files) or 'none'}."
    return f"there is no preset and no file '{name}'; {nearest(name, known) or f'presets: {listed(list(known))}.'}"


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
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{place}: {message[0].lower()}{message[1:]}" if place else message


def parse_size(text: str) -> int:
    """A sample size from a flag: ``10000``, ``10_000`` or ``1e4``.

    Raises
    ------
    UsageError : anything else.
    """
    with contextlib.suppress(ValueError, OverflowError):
        if len(text) <= _LONGEST_NUMBER and (value := float(text)).is_integer():
            return int(value) if "e" in text.lower() else int(text)
    raise UsageError(f"cannot read -n '{text}': write a whole number, such as 1000 or 1e4.")


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds from a flag: ``5`` is 0 to 4, ``100-104`` a range, ``1,7,9`` a list.

    Raises
    ------
    UsageError : anything else.
    """
    seeds: list[int] = []
    try:
        if "," in text or "-" in text.strip()[1:]:
            for part in text.split(","):
                first, dash, last = part.strip().partition("-")
                seeds += _spread(int(first), int(last if dash else first) + 1)
        else:
            seeds = _spread(0, int(text))
    except UsageError:
        raise
    except ValueError:
        seeds = []
    if not seeds:
        raise UsageError(f"cannot read --seeds '{text}': write a count (5), a range (100-104) or a list (1,7,9).")
    return tuple(dict.fromkeys(seeds))
