"""All about one estimator, task or grid, as plain values: what ``mibench info`` shows.

``catalogue`` lists what there is; ``listing`` prints both. Nothing here draws a sample.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mibench.declarations import constructor, declared
from mibench.errors import UsageError
from mibench.estimator import Estimator
from mibench.parameters import words
from mibench.plugin import Plugin
from mibench.registry import estimators, tasks
from mibench.selector import format_value, parse_selector
from mibench.task import AnyTask, ConsistencyTask, Task
from mibench.words import OWN_FILE, nearest

from . import costs
from .catalogue import TaskRow, describe, dimensions, grids_with, truth
from .docstring import documented, plain


@dataclass(frozen=True)
class Parameter:
    """A parameter of a plug-in: what it may be in words, its default and value as in a selector, what it means."""

    name: str
    type: str
    default: str | None
    value: str | None = None
    meaning: str = ""


@dataclass(frozen=True)
class Card:
    """All about one estimator, task or grid.

    what : ``estimator``, ``task``, ``consistency task``, ``downstream task`` or ``grid``.
    facts : what to print as label and value; ``values`` holds the same for machines.
    text : the documentation, apart from the parameters.
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
    also = {"see also": f"the grid of this name: mibench info {name}.toml"} if name in presets() else {}
    if name in estimators.names():
        return _of_estimator(estimators.create(selector), estimators.factory(name), estimators.source(name), also)
    if name in tasks.names():
        return _of_task(tasks.create(selector), tasks.factory(name), tasks.source(name), also)
    if selector.endswith(".toml") or selector in presets():
        preset = selector.removesuffix(".toml")
        return _of_grid(preset if preset in presets() and not Path(selector).is_file() else selector)
    hint = nearest(name, [*estimators.names(), *tasks.names(), *presets()]) or "`mibench ls` lists what there is;"
    raise UsageError(f"there is no estimator, task or grid '{name}'; {hint} {OWN_FILE}")


def parameters(factory: Callable[..., Any], plugin: Plugin) -> list[Parameter]:
    """What the class or function takes that made the plug-in."""
    said = {**documented(type(plugin)).parameters, **documented(factory).parameters}
    meanings = {name: plain(meaning) for names, meaning in said.items() for name in names.split(", ")}
    hints = declared(factory)
    return [
        Parameter(
            name=name,
            type=words(hints[name]) if name in hints else "",
            default=None if parameter.default is parameter.empty else format_value(parameter.default),
            value=format_value(plugin.params[name]) if name in plugin.params and inspect.isclass(factory) else None,
            meaning=meanings.get(name, ""),
        )
        for name, parameter in constructor(factory).parameters.items()
    ]


def _of_estimator(estimator: Estimator, factory: Callable[..., Any], source: str, also: dict[str, str]) -> Card:
    can = estimator.capabilities
    ranked = estimator.kind.ranked and not can.reads_task
    in_a_loss = type(estimator).bound is not Estimator.bound
    values = {
        "kind": str(estimator.kind),
        "ranked": ranked,
        "capabilities": dataclasses.asdict(can) | {"devices": list(can.devices), "usual_for": list(can.usual_for)},
        "stands_in_a_loss": in_a_loss,
        "citation": estimator.citation,
        "version": estimator.version,
    }
    facts = {
        "kind": f"{estimator.kind}{'' if ranked else ' (not ranked)'}",
        "samples": f"at least {can.min_n:,}",
        "dimension": "any" if can.max_dim is None else f"at most {can.max_dim}",
        "data": "letters only" if can.letters else "continuous, discrete and mixed" if can.discrete else "continuous",
        "in a loss": "yes: it has a variational bound" if in_a_loss else "",
        "batches": f"up to {can.max_batch} cells together" if can.max_batch > 1 else "",
        "devices": ", ".join(can.devices),
        "memory": "" if can.memory is None else f"{can.memory:g} GiB per cell at n = 10,000",
        "cost": costs.known().of_estimator(estimator.label, estimator.identity()["name"]),
        "role": _role(estimator),
        "source": estimator.citation,
    }
    return _card(estimator, "estimator", facts | also, values, factory, source)


def _of_task(task: AnyTask, factory: Callable[..., Any], source: str, also: dict[str, str]) -> Card:
    row = describe(task)
    values: dict[str, Any] = {"family": task.family, "citation": task.citation, "version": task.version}
    facts = {"family": task.family}
    rows: dict[str, Sequence[Mapping[str, Any]]] = {}
    if isinstance(task, Task):
        told = ("name", "family", "kind", "summary")
        values |= {key: value for key, value in row.to_json().items() if key not in told}
        values["construction"] = task.construction
        facts |= _facts(row)
        if not documented(factory).text.startswith(task.construction):
            facts["construction"] = " ".join(task.construction.split())
        facts["remark"] = row.remark
        facts["cost"] = costs.known().of_task(task.label)
    elif isinstance(task, ConsistencyTask):
        values |= {"group": task.group, "expected": task.expected}
        facts |= {"table": task.group, "expected": f"{task.expected:g} from a perfect estimator"}
    else:
        values |= {"group": task.group}
        facts |= {"arms": f"compared with all of {task.group}" if task.group != task.label else ""}
        facts["cost"] = costs.known().of_training(task.group)
        rows["metrics"] = [{**vars(metric), "published": dict(metric.published)} for metric in task.metrics]
    values["grids"] = list(grids_with(task))
    facts["grids"] = ", ".join(values["grids"])
    facts["source"] = task.citation
    return _card(task, row.what, facts | also, values, factory, source, rows)


def _facts(row: TaskRow) -> dict[str, str]:
    return {
        "dimensions": dimensions(row),
        "MI": truth(row),
        "density": "known: log p(x, y) / (p(x) p(y)) at every pair" if row.has_density else "not known",
        "atoms": "X or Y has atoms" if row.discrete else "",
    }


def _of_grid(name: str) -> Card:
    """The blocks as they would run."""
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
    values = {key: getattr(grid, key) for key in ("description", "references", "time_limit", "memory_limit")}
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
    tables: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> Card:
    shown = {label: text for label, text in facts.items() if text}
    text = documented(factory).text or documented(type(plugin)).text
    return Card(plugin.label, what, shown, values, parameters(factory, plugin), plain(text), source, tables or {})


def _role(estimator: Estimator) -> str:
    if estimator.capabilities.reads_task:
        return "yardstick: it looks at the task itself, so it is shown and not ranked"
    return "reference: shown in every table" if estimator.is_reference() else ""
