"""Parameters are held to what was declared of them: the declaration, the sentence, and every plug-in there is."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, Union

import cloudpickle
import numpy as np
import pytest

from mibench.declarations import constructor, declared
from mibench.errors import UsageError
from mibench.estimator import Array, Estimate, Estimator
from mibench.parameters import (
    Correlation,
    Count,
    Finite,
    Inner,
    Length,
    NotNegative,
    Positive,
    Share,
    Widths,
    above,
    allowed,
    at_least,
    between,
    inside,
    settle,
    unusable,
    words,
)
from mibench.registry import Registry, estimators, include, tasks
from mibench.task import AnyTask


class Constant(Estimator):
    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        return Estimate(0.0)


ONE = Constant()
OPTIONAL = Annotated[int, at_least(2)] | None


@pytest.mark.parametrize(
    ("hint", "good", "bad"),
    [
        (int, [0, -3, np.int64(4), np.uint8(4), 10**30], [1.0, True, np.True_, math.nan, "1", None, np.array([1])]),
        (float, [0.5, -2, np.float32(0.5), math.inf], [True, "0.5", None, 1j, 10**400]),
        (bool, [True, np.False_], [1, 0.0, "true", None]),
        (str, ["a", np.str_("a")], [1, None, b"a"]),
        (Count, [1, 10**9], [0, -1, 1.5, True]),
        (Positive, [1e-300, 3], [0, 0.0, -1, math.inf, math.nan]),
        (NotNegative, [0, 0.0, 7], [-1e-300, math.inf, math.nan]),
        (Share, [0, 1, 0.5], [-1e-9, 1 + 1e-9, math.nan]),
        (Inner, [0.5], [0, 1, math.nan]),
        (Correlation, [0, -0.999], [-1, 1, 1.0]),
        (Finite, [-1e300], [math.inf, -math.inf, math.nan]),
        (Annotated[Count, between(0, 3)], [1, 3], [0, 4]),
        (Annotated[float, between(0, math.inf)], [0, math.inf], [-1]),
        (Widths, [(64,), [8, 4], np.array([3, 4])], [(), (0,), (8, 0.5), 64, "64", (8, True)]),
        (tuple[int, float], [(1, 2), (1, 0.5)], [(1,), (1, 2, 3), (0.5, 1), 1]),
        (tuple[Literal["a", "b"], ...], [(), ("a", "b", "a")], [("c",), "a"]),
        (tuple[tuple[float, float], ...], [((1, 2), [3, 4])], [((1, 2, 3),), (1, 2)]),
        (tuple, [(), (1, "a")], [1, "ab"]),
        (Annotated[tuple[float, ...], above(0), Length(2)], [(1, 2)], [(1,), (1, 0)]),
        (Literal["max", 2, True], ["max", np.str_("max"), 2, np.int64(2), True], ["min", 2.0, 1, None, False]),
        (OPTIONAL, [2, None], [1, 2.5, "none", True]),
        (Optional[Literal["a"] | OPTIONAL], ["a", 3, None], ["b", 1]),  # noqa: UP045
        (Union[int, tuple[int, ...]], [1, (1, 2), [3]], [(1.5,), 1.5]),  # noqa: UP007
        (Estimator, [ONE], [Constant, "zero", None, 1]),
        (Estimator | None, [ONE, None], ["zero", Constant]),
        (tuple[Estimator, ...], [(ONE, ONE)], [(ONE, 1), ONE]),
        (AnyTask, [], [ONE, "gauss", None]),
        (Mapping[str, float], [{}], [[], 1]),
        (Any, [1, None, ...], []),
    ],
    ids=str,
)
def test_what_a_declaration_allows(hint: Any, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert allowed(value, hint), value
        settled = settle("x", "k", value, hint)
        assert settle("x", "k", settled, hint) == settled
    for value in bad:
        assert not allowed(value, hint), value
        with pytest.raises(UsageError, match=r"^x: k=.*; k must be .*\.$"):
            settle("x", "k", value, hint)
    refused = list(unusable(hint))
    assert hint is Any or refused
    assert not any(allowed(value, hint) for value in refused)


@pytest.mark.parametrize(
    ("value", "hint", "settled"),
    [
        (2, float, 2.0),
        (2, float | None, 2.0),
        (2, int | float, 2),
        (2, float | int, 2),
        (np.float64(0.1), float, 0.1),
        (np.int32(3), Count, 3),
        (np.False_, bool, False),
        (np.str_("a"), Literal["a", "b"], "a"),
        ([8, np.int64(4)], Widths, (8, 4)),
        (np.array([[1, 2], [3, 4]]), tuple[tuple[float, ...], ...], ((1.0, 2.0), (3.0, 4.0))),
        ((1, 2), tuple[float, ...] | None, (1.0, 2.0)),
        ([1, 2], Any, (1, 2)),
        (np.float64(0.1), Any, 0.1),
    ],
    ids=str,
)
def test_one_value_has_one_form(value: Any, hint: Any, settled: Any) -> None:
    found = settle("x", "k", value, hint)
    assert repr(found) == repr(settled)  # 2 is not 2.0, and numpy's numbers print otherwise


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        (int, "a whole number"),
        (Count, "a whole number, at least 1"),
        (Positive, "a number, greater than 0"),
        (Finite, "a number, finite"),
        (Annotated[float, inside(-1, 1)], "a number, greater than -1 and less than 1"),
        (OPTIONAL, "a whole number, at least 2, or none"),
        (float | None, "a number or none"),
        (Literal["max", 2], "one of 'max', 2"),
        (Widths, "a tuple of 1 or more, each a whole number, at least 1"),
        (tuple[str, ...], "a tuple of any length, each a word"),
        (tuple[int, bool], "a tuple (a whole number; true or false)"),
        (Estimator, "an estimator"),
        (AnyTask, "a task or a consistency task or a downstream task"),
    ],
    ids=str,
)
def test_in_words(hint: Any, said: str) -> None:
    assert words(hint) == said


def test_the_sentence_stays_one() -> None:
    for value in (np.zeros((40, 40)), "a" * 1000, list(range(1000)), object()):
        with pytest.raises(UsageError) as refused:
            settle("x", "k", value, int)
        assert "\n" not in str(refused.value)
        assert len(str(refused.value)) < 120


# Where annotations are written ----------------------------------------------------------------------------------------

BASE = """
from __future__ import annotations
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal
from mibench.estimator import Estimate, Estimator
from mibench.parameters import at_least
from mibench.registry import register_estimator
if TYPE_CHECKING:
    from decimal import Decimal

@dataclass(frozen=True, eq=False, repr=False)
class Base(Estimator):
    rule: Literal["a", "b"] = "a"
    size: Annotated[int, at_least(1)] = 1

    def estimate(self, x, y, seed=0):
        return Estimate(0.0)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path with the module ``far_base``; what its files register is forgotten again."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "far_base.py").write_text(BASE)
    before = set(sys.modules)
    yield tmp_path
    for module in set(sys.modules) - before:
        if module == "far_base" or module.startswith("mibench_include_"):
            estimators.forget(module)
            del sys.modules[module]


def registered(name: str) -> str:
    """The module of the base class as a file that registers it."""
    return BASE.replace("@dataclass(frozen=True, eq=False, repr=False)", f"@register_estimator('{name}')")


def include_text(folder: Path, text: str, name: str = "far_plugin") -> None:
    file = folder / f"{name}.py"
    file.write_text(text)
    include(file)


DERIVED = """
from far_base import Base
from mibench.registry import register_estimator

@register_estimator("far-derived")
class Derived(Base):
    more: float = 1.0
"""


def test_annotations_are_read_where_they_were_written(folder: Path) -> None:
    """The file includes neither Literal nor Annotated: the module of the base class does."""
    include_text(folder, DERIVED)
    hints = declared(estimators.factory("far-derived"))
    assert list(hints) == ["rule", "size", "more"]
    assert estimators.create("far-derived[rule=b,size=2]").label == "far-derived[rule=b,size=2]"
    with pytest.raises(UsageError, match=r"^far-derived: rule='c'; rule must be one of 'a', 'b'\.$"):
        estimators.create("far-derived[rule=c]")


def test_annotations_go_with_a_class_that_travels_without_its_module(folder: Path) -> None:
    include_text(folder, registered("far-own"))
    sent = folder / "sent"
    sent.write_bytes(cloudpickle.dumps(estimators.create("far-own[size=3]")))
    program = (
        "import pickle, sys; found = pickle.load(open(sys.argv[1], 'rb')); print(found.label)\n"
        "try: type(found)(size=0)\nexcept ValueError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(sent)], capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "far-own[size=3]",
        "far-own: size=0; size must be a whole number, at least 1.",
    ], done.stderr


def test_two_files_of_one_name_keep_their_own_names(folder: Path) -> None:
    for where, choices in (("one", "'a'"), ("two", "'b'")):
        (folder / where).mkdir()
        include_text(
            folder / where,
            "from __future__ import annotations\nfrom typing import Literal\nfrom far_base import Base\n"
            f"from mibench.registry import register_estimator\nChoice = Literal[{choices}]\n"
            f"@register_estimator('far-{where}')\nclass Same(Base):\n    choice: Choice = {choices}\n",
        )
    assert [estimators.create(f"far-{where}").params["choice"] for where in ("one", "two")] == ["a", "b"]
    with pytest.raises(UsageError, match="choice must be one of 'a'"):
        estimators.create("far-one[choice=b]")


def test_a_name_for_type_checkers_only_is_a_sentence(folder: Path) -> None:
    with pytest.raises(UsageError) as refused:
        include_text(folder, registered("far").replace("    size:", "    exact: Decimal | None = None\n    size:"))
    assert str(refused.value) == (
        f"cannot include '{folder / 'far_plugin.py'}': "
        "far: the annotation 'Decimal | None' of exact cannot be read (name 'Decimal' is not defined); import what it "
        "names at run time, not only under TYPE_CHECKING."
    )
    assert "far" not in estimators.names()


# What there is --------------------------------------------------------------------------------------------------------


def every_parameter() -> list[Any]:
    """(registry, name, parameter, hint) of all that mibench itself registers."""
    return [
        pytest.param(registry, name, parameter, hint, id=f"{name}-{parameter}")
        for registry in (estimators, tasks)
        for name in registry.names()
        if (factory := registry.factory(name)).__module__.startswith("mibench.")
        for parameter, hint in declared(factory).items()
    ]


@pytest.mark.parametrize(("registry", "name", "parameter", "hint"), every_parameter())
def test_no_parameter_takes_a_bad_value(registry: Registry[Any], name: str, parameter: str, hint: Any) -> None:
    factory = registry.factory(name)
    given = constructor(factory).parameters
    others = {k: _some(declared(factory)[k]) for k, p in given.items() if p.default is p.empty and k != parameter}
    # the registry, and not the function itself, holds the arguments of a function to its annotations
    build = factory if isinstance(factory, type) else partial(registry.create, name)
    for value in unusable(hint):
        if value is given[parameter].default or (build is not factory and isinstance(value, str)):
            continue
        with pytest.raises(UsageError) as refused:
            build(**others, **{parameter: value})
        said = str(refused.value)
        assert said.startswith(f"{name}: {parameter}=")
        assert said.endswith(".")
        assert "\n" not in said


@pytest.mark.parametrize(("registry", "name", "parameter", "hint"), every_parameter())
def test_every_default_is_allowed(registry: Registry[Any], name: str, parameter: str, hint: Any) -> None:
    default = constructor(registry.factory(name)).parameters[parameter].default
    assert default is Parameter.empty or allowed(default, hint)


def _some(hint: Any) -> Any:
    """A value for a parameter that must be given."""
    return next(v for v in (1, 0.5, (1,), tasks.create("gauss"), ONE) if allowed(v, hint))
