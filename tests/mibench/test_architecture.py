"""The order of the rooms, read from the imports: type-only ones and those within functions count like any other.

Each rule is a function of a tree of sources that returns complaints, ``file:line: what``. Small trees that break a rule
are fed to it first, so that a rule that sees nothing is seen.
"""

from __future__ import annotations

import ast
import dataclasses
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from mibench import registry
from mibench.report.leaderboard import Leaderboard

ROOT = Path(__file__).parents[2]
SOURCES = {"mibench": "mibench", "mibench.estimators": "estimators", "mibench.tasks": "tasks"}

ORDER: dict[str, set[str]] = {
    "contracts": set(),
    "leaderboard": {"contracts"},
    "dependence": {"contracts"},
    "advice": {"contracts"},
    "engine": {"contracts"},
    "checks": {"contracts"},
    "mlflow": {"contracts", "leaderboard", "engine"},
    "report": {"contracts", "leaderboard", "engine"},
    "results": {"contracts", "leaderboard", "engine", "report"},
    "api": {"contracts", "advice", "leaderboard", "engine", "mlflow", "report", "results"},
    "front": {"contracts", "advice", "engine", "checks", "dependence", "results", "api"},
    "submission": {"contracts", "engine", "results", "api"},
    "integration": {"contracts", "leaderboard", "engine", "report", "results", "api"},
    "cli": {
        *("contracts", "leaderboard", "engine", "advice", "checks", "dependence", "mlflow", "report", "results", "api"),
        *("front", "submission", "integration"),
    },
    "estimators": {"contracts"},
    "tasks": {"contracts"},
}
"""Each room and the rooms that it may import. docs/architecture.md draws the same."""

DOORS = {
    "mibench.api": "api",
    "mibench.results": "results",
    "mibench.submission": "submission",
    "mibench": "front",
    "mibench.__main__": "cli",
}
"""Modules at the root that are not contracts."""

LONGEST = 400
"""Lines of a module that is read in one sitting."""

PANELS = {field.name for field in dataclasses.fields(Leaderboard)}
"""The leaderboard's own words for its tables, one of which a task shares; to compare a name with one is no such use."""

LIGHT = {"leaderboard", "report"}
HEAVY = {"torch", "mlflow"}
"""What a reader of results need not have."""


@dataclass(frozen=True)
class Import:
    """One imported name: ``module`` holds it, or is it, where ``name`` is empty."""

    line: int
    module: str
    name: str = ""


@dataclass(frozen=True)
class Module:
    """One source file."""

    name: str
    path: str
    text: str
    package: bool = False

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def room(self) -> str:
        if self.name in DOORS:
            return DOORS[self.name]
        parts = self.name.split(".")
        return parts[1] if parts[1] in ORDER else "contracts"

    def imports(self) -> Iterator[Import]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (Import(node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                package = self.name.split(".") if self.package else self.name.split(".")[:-1]
                base = package[: len(package) + 1 - node.level] if node.level else []
                module = ".".join([*base, *([node.module] if node.module else [])])
                yield from (Import(node.lineno, module, alias.name) for alias in node.names)


Sources: TypeAlias = dict[str, Module]
Rule: TypeAlias = Callable[[Sources], list[str]]


def sources() -> Sources:
    found = {}
    for package, folder in SOURCES.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            whole = parts[-1] == "__init__"
            name = ".".join([package, *(parts[:-1] if whole else parts)])
            found[name] = Module(name, str(path.relative_to(ROOT)), path.read_text(), whole)
    return found


def target(found: Sources, wanted: Import) -> Module | None:
    """The module of ours that is imported, if it is one of ours."""
    return found.get(f"{wanted.module}.{wanted.name}") or found.get(wanted.module)


def edges(found: Sources) -> Iterator[tuple[Module, Module, int]]:
    for module in found.values():
        for wanted in module.imports():
            other = target(found, wanted)
            if other is not None and other is not module:
                yield module, other, wanted.line


# The rules -----------------------------------------------------------------------------------------------------------


def circles(found: Sources) -> list[str]:
    """Each circle once, from its first module, with the line of every import on the way."""
    ways: dict[str, dict[str, int]] = {name: {} for name in found}
    for module, other, line in edges(found):
        ways[module.name].setdefault(other.name, line)
    complaints: list[str] = []
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> None:
        if name in path:
            loop = [*path[path.index(name) :], name]
            steps = [f"{found[a].path}:{ways[a][b]}" for a, b in itertools.pairwise(loop)]
            complaints.append(f"{steps[0]}: a circle of imports: {' -> '.join(steps[1:] + steps[:1])}")
        elif name not in done:
            for other in ways[name]:
                walk(other, [*path, name])
            done.add(name)

    for name in ways:
        walk(name, [])
    return complaints


def rooms_out_of_order(found: Sources) -> list[str]:
    """A room imports only what ORDER says; of the rest of mibench nothing imports estimators or tasks."""
    return [
        f"{module.path}:{line}: {module.room} imports {other.name}, of {other.room}"
        for module, other, line in edges(found)
        if module.room != other.room and other.room not in ORDER[module.room]
    ]


def heavy_imports(found: Sources) -> list[str]:
    """One module imports mlflow; leaderboard and report import neither it nor torch."""
    complaints = []
    with_mlflow: dict[str, str] = {}
    for module in found.values():
        for wanted in module.imports():
            top = wanted.module.partition(".")[0]
            if top in HEAVY and module.room in LIGHT:
                complaints.append(f"{module.path}:{wanted.line}: {module.room} imports {top}")
            if top == "mlflow":
                with_mlflow.setdefault(module.path, f"{module.path}:{wanted.line}: imports mlflow")
    return complaints + (sorted(with_mlflow.values()) if len(with_mlflow) > 1 else [])


def plugins_by_name(found: Sources) -> list[str]:
    """No registered name stands as a word of its own in the code of mibench, estimators and tasks apart."""
    kinds: tuple[registry.Registry[Any], ...] = (registry.estimators, registry.tasks)
    # those that come with mibench: other tests register names of their own
    names = {name for kind in kinds for name in kind.names() if kind.factory(name).__module__.startswith("mibench.")}
    return [
        f"{module.path}:{node.lineno}: names {node.value!r}"
        for module in found.values()
        if module.room not in ("estimators", "tasks")
        for node in _words(module.tree)
        if node.value in names
    ]


def _words(tree: ast.Module) -> Iterator[ast.Constant]:
    """Text constants, but for docstrings and for those that mean something else by their place."""
    spared: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            spared.update(s.value for s in node.body if isinstance(s, ast.Expr))
        spared.update(_nothings(node))
    compared = {part for node in ast.walk(tree) if isinstance(node, ast.Compare) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value in PANELS and node not in compared:
                continue
            if node not in spared:
                yield node


def _nothings(node: ast.AST) -> Iterator[ast.AST]:
    """Where "none" is the word for None, for an empty list or for no colour, and not the control arm."""
    found: Iterator[ast.AST] = iter(())
    match node:
        case ast.Dict():  # a word for a key, or the key of None
            void = [k for k, v in zip(node.keys, node.values, strict=True) if k and _is_none(v)]
            found = iter([*node.values, *void])
        case ast.BoolOp(op=ast.Or()):
            found = iter(node.values[-1:])
        case ast.keyword(arg=str(name)) if name.endswith("color"):
            found = iter([node.value])
        case ast.If() if any(map(_is_none, ast.walk(node.test))):
            found = (part for child in (node.test, *node.body) for part in ast.walk(child))
    yield from (part for part in found if isinstance(part, ast.Constant) and part.value == "none")


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def undocumented(found: Sources) -> list[str]:
    """Every module says what lives in it."""
    return [f"{m.path}:1: has no docstring" for m in found.values() if not ast.get_docstring(m.tree)]


def too_long(found: Sources) -> list[str]:
    """No module has more than LONGEST lines."""
    lengths = ((m.path, len(m.text.splitlines())) for m in found.values())
    return [f"{path}:{length}: {length} lines, more than {LONGEST}" for path, length in lengths if length > LONGEST]


def private_names(found: Sources) -> list[str]:
    """A name with an underscore, of a module or in it, stays in its room; those of the contracts in their module."""
    complaints = []
    for module in found.values():
        for wanted in module.imports():
            other = target(found, wanted)
            if other is None or other is module:
                continue
            near = module.room == other.room and (module.room != "contracts")
            if not near and any(re.match(r"_[^_]", part) for part in f"{wanted.module}.{wanted.name}".split(".")):
                complaints.append(
                    f"{module.path}:{wanted.line}: imports {wanted.module}.{wanted.name}, which is private"
                )
    return complaints


RULES: tuple[Rule, ...] = (
    circles,
    rooms_out_of_order,
    heavy_imports,
    plugins_by_name,
    undocumented,
    too_long,
    private_names,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_is_in_order(rule: Rule) -> None:
    complaints = rule(sources())
    assert not complaints, "\n" + "\n".join(complaints)


def tree(**modules: str) -> Sources:
    """A small tree; ``a__b`` stands for ``mibench.a.b``, and a name that ends with ``__`` for a package."""
    found = {}
    for key, text in modules.items():
        name = ".".join(["mibench", *(part for part in key.split("__") if part)])
        found[name] = Module(name, f"{name}.py", f'"""It is documented."""\n{text}\n', key.endswith("__"))
    return found


SOUND = tree(
    errors="",
    plugin="from .errors import UsageError",
    engine__="",
    engine___inner="import numpy",
    engine__grid="from mibench.plugin import Plugin\nfrom ._inner import _own",
    mlflow__tracking="def client():\n    import mlflow",
    report__="from .figures import draw",
    report__figures="from mibench.engine import grid\nWORDS = {None: 'none'}\nTABLE = 'equitability'",
    api="def run():\n    from .report import figures",
    tasks__gauss="from mibench.errors import UsageError\nNAME = 'gauss'",
)

BROKEN: dict[str, tuple[Rule, Sources]] = {
    "a circle": (circles, tree(errors="from .plugin import Plugin", plugin="from . import errors")),
    "a circle of types": (
        circles,
        tree(task="if TYPE_CHECKING:\n    from .estimator import E", estimator="def f():\n    from .task import T"),
    ),
    "a long circle": (circles, tree(a="from . import b", b="from . import c", c="from mibench.a import x")),
    "a circle through a package": (circles, tree(a="from . import b", b__="from .c import x", b__c="import mibench.a")),
    "the engine draws": (rooms_out_of_order, tree(engine__grid="from mibench.report import x", report__="")),
    "the engine draws later": (
        rooms_out_of_order,
        tree(engine__grid="def f():\n    import mibench.report.figures", report__figures=""),
    ),
    "a contract runs": (rooms_out_of_order, tree(task="from .engine.grid import Job", engine__grid="")),
    "a report asks the command line": (rooms_out_of_order, tree(report__html="from ..cli import app", cli__="")),
    "a room knows an estimator": (
        rooms_out_of_order,
        tree(checks__tasks="from mibench.estimators.ksg import KSG", estimators__ksg=""),
    ),
    "a task knows an estimator": (
        rooms_out_of_order,
        tree(tasks__gauss="from mibench.estimators import ksg", estimators__ksg=""),
    ),
    "a second door to mlflow": (
        heavy_imports,
        tree(mlflow__tracking="import mlflow", mlflow__runs="def f():\n    from mlflow.entities import Metric"),
    ),
    "a leaderboard with torch": (heavy_imports, tree(leaderboard__board="def f():\n    import torch")),
    "a report with mlflow": (heavy_imports, tree(report__html="if TYPE_CHECKING:\n    from mlflow import Run")),
    "a default estimator": (plugins_by_name, tree(api="def estimate(x, y, estimator='ksg'): ...")),
    "a control by name": (plugins_by_name, tree(report__html="quiet = arm == 'none'")),
    "a control in a set": (plugins_by_name, tree(report__html="quiet = {'none'}")),
    "a control looked for where nothing is": (
        plugins_by_name,
        tree(report__html="if arm is None:\n    pass\nelse:\n    f('none')"),
    ),
    "a panel by its task": (plugins_by_name, tree(report__html="if result.task_name == 'equitability': ...")),
    "no docstring": (undocumented, {"mibench.a": Module("mibench.a", "a.py", "x = 1")}),
    "a long module": (too_long, tree(a="x = 1\n" * LONGEST)),
    "a private name": (private_names, tree(api="from .engine.grid import _expand", engine__grid="")),
    "a private module": (private_names, tree(api="from .engine._inner import expand", engine___inner="")),
    "a private name of a contract": (private_names, tree(task="from .plugin import _same", plugin="")),
}


def test_a_sound_tree_breaks_no_rule() -> None:
    assert [complaint for rule in RULES for complaint in rule(SOUND)] == []


@pytest.mark.parametrize("fault", BROKEN)
def test_each_broken_tree_breaks_its_rule_and_no_other(fault: str) -> None:
    broken, found = BROKEN[fault]
    complaints = {rule.__name__: rule(found) for rule in RULES}
    assert {name for name, said in complaints.items() if said} == {broken.__name__}
    for complaint in complaints[broken.__name__]:
        path, line, what = complaint.split(":", 2)
        assert path in {module.path for module in found.values()}
        assert int(line) >= 1 and what.strip()


def test_every_rule_is_broken_once() -> None:
    assert {rule for rule, _ in BROKEN.values()} == set(RULES)


def test_the_page_says_the_same_order() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| `([\w/]+)` \|[^|]*\|([^|]*)\|$", page, re.MULTILINE)
    assert {room: set(re.findall(r"`(\w+)`", allowed)) for room, allowed in rows} == ORDER
