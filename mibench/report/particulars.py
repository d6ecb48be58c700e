"""All about one estimator, task or grid, as plain values: what ``mibench info`` shows.

``catalogue`` lists what there is; ``cards`` prints both. Nothing here draws a sample.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mibench.errors import UsageError
from mibench.estimator import Estimator
from mibench.parameters import constructor
from mibench.plugin import Plugin
from mibench.registry import estimators, tasks
from mibench.selector import format_value, parse_selector
from mibench.task import AnyTask, ConsistencyTask, Task

from .catalogue import describe, dimensions, truth


@dataclass(frozen=True)
class Parameter:
    """A parameter of a plug-in: its type and default as they are written in a selector."""

    name: str
    type: str
    default: str | None
    value: str | None = None


@dataclass(frozen=True)
class Card:
    """All about one estimator, task or grid.

    what : ``estimator``, ``task``, ``self-consistency``, ``downstream`` or ``grid``.
    facts : what to print as label and value; ``values`` holds the same for machines.
    text : the documentation in full.
    """

    name: str
    what: str
    facts: Mapping[str, str]
    values: Mapping[str, Any]
    parameters: Sequence[Parameter] = ()
    text: str = ""
    source: str = ""
    tables: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "what": self.what,
            **self.values,
            "parameters": [dataclasses.asdict(parameter) for parameter in self.parameters],
            "documentation": self.text,
            "source": self.source,
            **{name: [dict(row) for row in rows] for name, rows in self.tables.items()},
        }


def card(selector: str) -> Card:
    """All about an estimator or task (with parameters, where given) or a grid.

    Where a task and a grid share a name, the name is the task's and ``NAME.toml`` the grid's.

    Raises
    ------
    UsageError : there is nothing of this name; the message offers the nearest ones.
    """
    from mibench.engine.grid import presets

    name = parse_selector(selector)[0]
    found: Card | None = None
    if name in estimators.names():
        found = estimator_card(estimators.create(selector), estimators.factory(name), estimators.source(name))
    elif name in tasks.names():
        found = task_card(tasks.create(selector), tasks.factory(name), tasks.source(name))
    if found is not None:
        also = {"see also": f"the grid of this name: mibench info {name}.toml"} if name in presets() else {}
        return dataclasses.replace(found, facts={**found.facts, **also})
    if selector.endswith(".toml") or selector in presets():
        preset = selector.removesuffix(".toml")
        return grid_card(preset if preset in presets() and not Path(selector).is_file() else selector)
    import difflib

    near = difflib.get_close_matches(name, [*estimators.names(), *tasks.names(), *presets()], n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "`mibench ls` lists what there is."
    raise UsageError(f"there is no estimator, task or grid '{name}'; {hint}")


def estimator_card(estimator: Estimator, factory: Callable[..., Any] | None = None, source: str = "") -> Card:
    """The card of an estimator; ``factory`` is what made it, where that is not its class."""
    can = estimator.capabilities
    memory = None if can.memory is None else f"{can.memory:g} GiB per cell at n = 10,000"
    bound = type(estimator).bound is not Estimator.bound
    values = {
        "kind": str(estimator.kind),
        "ranked": estimator.kind.ranked and not can.reads_task,
        "capabilities": dataclasses.asdict(can) | {"devices": list(can.devices)},
        "stands_in_a_loss": bound,
        "citation": estimator.citation,
        "version": estimator.version,
    }
    facts = {
        "kind": str(estimator.kind) + ("" if values["ranked"] else " (not ranked)"),
        "samples": f"at least {can.min_n:,}",
        "dimension": "any" if can.max_dim is None else f"at most {can.max_dim}",
        "data": "continuous, discrete and mixed" if can.discrete else "continuous",
        "in a loss": "yes: it has a variational bound" if bound else "",
        "batches": f"up to {can.max_batch} cells together" if can.max_batch > 1 else "",
        "devices": ", ".join(can.devices),
        "memory": memory or "",
        "role": _role(can),
        "source": estimator.citation,
    }
    return _card(estimator, "estimator", facts, values, factory or type(estimator), source)


def task_card(task: AnyTask, factory: Callable[..., Any] | None = None, source: str = "") -> Card:
    """The card of a task; ``factory`` is what made it, where that is not its class."""
    row = describe(task)
    values: dict[str, Any] = {"family": task.family, "citation": task.citation, "version": task.version}
    facts = {"family": task.family}
    rows: dict[str, Sequence[Mapping[str, Any]]] = {}
    documented = inspect.getdoc(factory or type(task)) or ""
    if isinstance(task, Task):
        told = ("name", "family", "what", "summary")
        values |= {key: value for key, value in row.to_json().items() if key not in told}
        values["construction"] = task.construction
        facts |= {
            "dimensions": dimensions(row),
            "MI": truth(row),
            "density": "known: log p(x, y) / (p(x) p(y)) at every pair" if row.has_density else "not known",
            "atoms": "X or Y has atoms" if row.discrete else "",
            "construction": "" if documented.startswith(task.construction) else " ".join(task.construction.split()),
            "remark": row.remark,
        }
    elif isinstance(task, ConsistencyTask):
        values |= {"group": task.group, "expected": task.expected}
        facts |= {"table": task.group, "expected": f"{task.expected:g} from a perfect estimator"}
    else:
        values |= {"group": task.group}
        facts |= {"table": task.group}
        rows["metrics"] = [{**vars(metric), "published": dict(metric.published)} for metric in task.metrics]
    facts["source"] = task.citation
    made = factory or type(task)
    return dataclasses.replace(_card(task, row.what, facts, values, made, source), tables=rows)


def grid_card(name: str) -> Card:
    """The card of a grid: its blocks as they would run."""
    from mibench.engine.grid import load_grid, presets

    grid = load_grid(name)
    blocks = [
        {
            "estimators": [str(e) for e in block.estimators or ()],
            "tasks": [str(t) for t in block.tasks],
            "n": list(block.n or ()),
            "seeds": list(block.seeds or ()),
        }
        for block in grid.blocks()
    ]
    values = {
        "description": grid.description,
        "references": grid.references,
        "time_limit": grid.time_limit,
        "memory_limit": grid.memory_limit,
    }
    facts = {
        "about": grid.description,
        "references": "run as well" if grid.references else "left out",
        "limits": f"{grid.time_limit:g} s per cell, {grid.memory_limit:g} GiB per worker",
    }
    return Card(name, "grid", facts, values, source=str(presets().get(name, name)), tables={"blocks": blocks})


def _card(
    plugin: Plugin,
    what: str,
    facts: Mapping[str, str],
    values: Mapping[str, Any],
    factory: Callable[..., Any],
    source: str,
) -> Card:
    shown = {label: text for label, text in facts.items() if text}
    documented = inspect.getdoc(factory) or inspect.getdoc(type(plugin)) or ""
    return Card(plugin.label, what, shown, values, _parameters(factory, plugin), documented, source)


def _parameters(factory: Callable[..., Any], plugin: Plugin) -> list[Parameter]:
    found = []
    for name, parameter in constructor(factory).parameters.items():
        default = None if parameter.default is parameter.empty else format_value(parameter.default)
        value = format_value(plugin.params[name]) if name in plugin.params and inspect.isclass(factory) else None
        found.append(Parameter(name, _type_name(parameter.annotation), default, value))
    return found


def _type_name(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return text.replace("AnyTask", "task").replace("Estimator", "estimator").replace("Task", "task")


def _role(can: Any) -> str:
    if can.reads_task:
        return "yardstick: it looks at the task itself, so it is shown and not ranked"
    return "reference: shown in every table" if can.reference else ""
