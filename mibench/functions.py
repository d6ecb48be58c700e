"""Plain functions as estimators, known by all that decides their answers as far as that can be seen."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from .estimator import Array, Capabilities, Estimate, Estimator, check_samples
from .plugin import Plugin, digest
from .selector import format_selector

_DEEPEST = 40
_MADE = frozenset({"__module__", "__doc__", "__firstlineno__", "__qualname__"})
_PLAIN = (type(None), bool, int, float, complex, str, bytes, range, type(...))


class FunctionEstimator(Estimator):
    """A plain function ``f(x, y) -> float`` as an estimator; one that gives an :class:`Estimate` will do as well.

    Its identity is made of its code, its defaults and all that it refers to: what it closes over, global values, other
    functions of its module. What it imports is known by name only.
    """

    capabilities: ClassVar[Capabilities] = Capabilities(devices=())  # it cannot say

    def __init__(self, function: Callable[[Array, Array], float]) -> None:
        self.function = function

    @property
    def label(self) -> str:
        """The function's own name, with the parameters that ``functools.partial`` gives it."""
        return _name(self.function)

    def identity(self) -> dict[str, Any]:
        """Module, name and a digest of what decides its answers, so that an edited function is run again."""
        if "_content" not in vars(self):
            vars(self)["_content"] = _Content(self.function).of(self.function)
        where = f"{_module(self.function)}.{self.label}"
        return {"name": where, "version": vars(self)["_content"], "params": {}}

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Call the function on the samples; ``seed`` is passed on where the function has such a parameter."""
        x, y = check_samples(x, y)
        answer: Any = self.function(x, y, **({"seed": seed} if _takes_seed(self.function) else {}))
        return answer if isinstance(answer, Estimate) else Estimate(answer)


@functools.lru_cache
def _takes_seed(function: Callable[..., float]) -> bool:
    try:
        return "seed" in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def _name(function: Any) -> str:
    if isinstance(function, functools.partial):
        given = {key: value for key, value in function.keywords.items() if isinstance(value, _PLAIN)}
        return format_selector(_name(function.func), given)
    return str(getattr(function, "__name__", type(function).__name__))


def _module(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__module__", ""))


class _Content:
    """What decides the answers of a function, as a digest: the same in every process, as addresses are not."""

    def __init__(self, function: Any) -> None:
        self._module = _module(function)
        self._known: dict[int, tuple[Any, str]] = {}  # objects are kept, so that no other has their id

    def of(self, value: Any, depth: int = 0) -> str:
        """The digest of a value; one within itself, or too deep in others, is known by its class."""
        if isinstance(value, _PLAIN):
            return digest([type(value).__name__, repr(value)])
        if id(value) not in self._known:
            self._known[id(value)] = value, type(value).__qualname__
            if depth < _DEEPEST:
                self._known[id(value)] = value, digest(self._told(value, functools.partial(self.of, depth=depth + 1)))
        return self._known[id(value)][1]

    def _told(self, value: Any, of: Callable[[Any], str]) -> Any:
        match value:
            case Plugin():
                return value.identity()
            case types.FunctionType() | type():
                name = f"{value.__module__}.{value.__qualname__}"
                if value.__module__ != self._module:
                    return name
                return [name, of(_parts(value) if isinstance(value, types.FunctionType) else _members(value))]
            case functools.partial():
                return ["partial", *map(of, (value.func, value.args, value.keywords))]
            case types.MethodType():
                return ["method", of(value.__func__), of(value.__self__)]
            case types.CodeType():
                return [value.co_code.hex(), list(value.co_names), [of(constant) for constant in value.co_consts]]
            case Mapping():
                return ["mapping", sorted((repr(key), of(entry)) for key, entry in value.items())]
            case tuple() | list():
                return [type(value).__name__, *map(of, value)]
            case set() | frozenset():
                return ["set", *sorted(map(of, value))]
            case types.ModuleType() | types.BuiltinFunctionType():
                return value.__name__
        if isinstance(getattr(value, "__wrapped__", None), types.FunctionType):  # compiled, or with a memory
            return of(value.__wrapped__)
        return [of(type(value)), of(_numbers(value)), of(getattr(value, "__dict__", None))]


def _parts(function: types.FunctionType) -> tuple[Any, ...]:
    """Code, defaults, what it closes over and the global values that it, or a function within it, looks up."""
    cells = [getattr(cell, "cell_contents", None) for cell in function.__closure__ or ()]
    known = function.__globals__
    used = {name: known[name] for name in _names(function.__code__) if name in known}
    return function.__code__, function.__defaults__, function.__kwdefaults__, cells, used


def _members(cls: type) -> tuple[Any, ...]:
    """Functions and plain values of a class, and its bases."""
    own = {k: v for k, v in vars(cls).items() if isinstance(v, (*_PLAIN, types.FunctionType)) and k not in _MADE}
    return own, cls.__bases__


def _numbers(value: Any) -> Any:
    """What an array, a tensor or a table holds; None of anything else."""
    try:
        array = np.ascontiguousarray(value) if hasattr(value, "__array__") else None
    except Exception:  # it lies on another device, or carries a gradient
        return None
    if array is None or array.dtype.kind == "O":
        return None if array is None else array.tolist()
    return str(array.dtype), array.shape, array.tobytes()


def _names(code: types.CodeType) -> set[str]:
    """Of all that a function, or one within it, looks up."""
    return set(code.co_names).union(*(_names(c) for c in code.co_consts if isinstance(c, types.CodeType)))
