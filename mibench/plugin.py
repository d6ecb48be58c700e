"""What estimators and tasks have in common: they are values made of their hyperparameters.

A :class:`Plugin` remembers the arguments of its constructor. Equality, hashing, pickling, its printed name and the
identity under which results are stored all follow from them, so an author writes a constructor and nothing else.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing
from abc import ABC
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self

from . import parameters
from .errors import UsageError
from .parameters import constructor
from .selector import format_selector


class Plugin(ABC):
    """Base class of estimators and tasks.

    Class attributes
    ----------------
    registered_name : the name given by the registry's decorator.
    version : raise it whenever the answer for the same parameters changes; results of other versions are not reused.
    citation : where the method comes from (authors, year, equation).

    Constructors take named parameters only (no ``*args`` or ``**kwargs``): numbers, strings, booleans, tuples of
    these, or other plug-ins, so that every instance can be written down as a selector such as ``ksg[k=5]``.
    """

    registered_name: ClassVar[str] = ""
    version: ClassVar[str] = "1"
    citation: ClassVar[str] = ""

    params: Mapping[str, Any]
    _alias: str

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        lacking = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        if lacking:
            how = "as methods, properties or declared parameters (attributes set in __init__ will not do)"
            raise UsageError(
                f"{cls.__name__} does not define {lacking}, which its contract asks for; define them {how}."
            )
        self = super().__new__(cls)
        try:
            bound = constructor(cls).bind(*args, **kwargs)
        except TypeError as error:
            raise UsageError(f"{cls.registered_name or cls.__name__}: {error}") from None
        bound.apply_defaults()
        hints = parameters.declared(cls)
        params = {k: _as_declared(v, hints.get(k)) for k, v in bound.arguments.items()}
        for name, value in params.items():
            if name in hints and value is not bound.signature.parameters[name].default:
                parameters.check(cls.registered_name or cls.__name__, name, value, hints[name])
        # object.__setattr__, because plug-ins may be frozen dataclasses
        object.__setattr__(self, "params", MappingProxyType(params))
        object.__setattr__(self, "_alias", "")
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        """Plug-ins are values: a parameter is set once, by the constructor.

        Raises
        ------
        FrozenInstanceError : a parameter is changed, after which label and identity would no longer be true.
        """
        if name in self.params and name in vars(self):
            raise dataclasses.FrozenInstanceError(
                f"{name} is a parameter of {type(self).__name__}, which cannot change: make another one instead."
            )
        super().__setattr__(name, value)

    @property
    def label(self) -> str:
        """The name as a user would type it: ``ksg``, ``ksg[k=5]``, or the alias it was asked for by."""
        if self._alias:
            return self._alias
        defaults = {name: p.default for name, p in constructor(type(self)).parameters.items()}
        shown = {k: v for k, v in self.params.items() if k not in defaults or not _same(v, defaults[k])}
        return format_selector(self.registered_name or type(self).__name__, shown)

    def aliased(self, alias: str) -> Self:
        """The same value under another printed name (the identity does not change)."""
        twin: Self = _rebuild(type(self), dict(self.params), alias)
        return twin

    def identity(self) -> dict[str, Any]:
        """All that decides this plug-in's answers, as JSON: registered name, version, every parameter."""
        cls = type(self)
        name = cls.registered_name or f"{cls.__module__}.{cls.__qualname__}"
        params = {k: _jsonable(v) for k, v in sorted(self.params.items())}
        return {"name": name, "version": cls.version, "params": params}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plugin) and type(self) is type(other) and self.identity() == other.identity()

    def __hash__(self) -> int:
        return hash(json.dumps(self.identity(), sort_keys=True))

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.params.items())
        return f"{type(self).__name__}({arguments})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), dict(self.params), self._alias)


def digest(identity: Any) -> str:
    """A short stable hash of JSON-able content."""
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _rebuild(cls: type[Any], params: dict[str, Any], alias: str) -> Any:
    self = cls(**params)
    object.__setattr__(self, "_alias", alias)
    return self


def _as_declared(value: Any, hint: Any) -> Any:
    """An integer where a float is declared is the float it stands for, so that 2 and 2.0 are one value."""
    return float(value) if type(value) is int and {float, int} & _types(hint) == {float} else value


def _types(hint: Any) -> set[Any]:
    """The types that an annotation is made of."""
    return {hint} if isinstance(hint, type) else {t for part in typing.get_args(hint) for t in _types(part)}


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(_jsonable(a) == _jsonable(b))


def _jsonable(value: Any) -> Any:
    if isinstance(value, Plugin):
        return value.identity()
    if isinstance(value, (tuple, list)):
        return [_jsonable(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return value.tolist()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
