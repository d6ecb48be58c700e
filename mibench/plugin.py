"""What estimators and tasks have in common: they are values made of their hyperparameters.

A :class:`Plugin` remembers the arguments of its constructor. Equality, hashing, pickling, its printed name and the
identity under which results are stored all follow from them, so an author writes a constructor and nothing else.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from abc import ABCMeta
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeVar

from . import declarations
from .errors import UsageError
from .selector import format_selector

T = TypeVar("T")


class Declared(ABCMeta):
    """The class of plug-in classes: their constructors see values as their parameters were declared, or are not called.

    Raises
    ------
    UsageError : a value that a parameter cannot have, or a class that lacks what its contract asks for.
    """

    def __call__(cls: type[T], *args: Any, **kwargs: Any) -> T:
        require_complete(cls)
        made: T = super().__call__(**declarations.arguments(cls, args, kwargs))  # type: ignore[misc]
        vars(made)["_complete"] = True
        return made


def require_complete(cls: type) -> None:
    """Refuse a class of which no instance can be made.

    Raises
    ------
    UsageError : it lacks what its contract asks for.
    """
    lacking = sorted(getattr(cls, "__abstractmethods__", ()))
    if lacking:
        them = "it" if len(lacking) == 1 else "them"
        raise UsageError(
            f"{cls.__name__} does not define {', '.join(lacking)}, which its contract asks for; define {them} in the "
            "class: as attribute, method, property or declared parameter (set in __init__ will not do)."
        )


class Plugin(metaclass=Declared):
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
    _complete: bool

    def __new__(cls, *_: Any, **params: Any) -> Self:
        self = super().__new__(cls)
        vars(self).update(params=MappingProxyType(params), _alias="", _complete=False)
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        self._keep(name)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        self._keep(name)
        super().__delattr__(name)

    def _keep(self, name: str) -> None:
        """Plug-ins are values: when the constructor is done its parameters stay, or label and identity would be untrue.

        Raises
        ------
        FrozenInstanceError : ``name`` is a parameter of a finished plug-in.
        """
        if self._complete and (name in self.params or name == "params"):
            raise dataclasses.FrozenInstanceError(
                f"{name} is a parameter of {type(self).__name__}, which cannot change: make another one instead."
            )

    @property
    def label(self) -> str:
        """The name as a user would type it: ``ksg``, ``ksg[k=5]``, or the alias it was asked for by."""
        if self._alias:
            return self._alias
        defaults = declarations.defaults(type(self))
        shown = {k: v for k, v in self.params.items() if k not in defaults or not _same(v, defaults[k])}
        return format_selector(_own_name(type(self)) or type(self).__name__, shown)

    def aliased(self, alias: str) -> Self:
        """The same value under another printed name (the identity does not change)."""
        return _rebuild(type(self), dict(self.params), alias)

    def identity(self) -> dict[str, Any]:
        """All that decides this plug-in's answers, as JSON: registered name, version, every parameter."""
        cls = type(self)
        name = _own_name(cls) or f"{cls.__module__}.{cls.__qualname__}"
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


def _own_name(cls: type) -> str:
    """The registered name of this very class: one that is derived from it is something else."""
    return str(vars(cls).get("registered_name", ""))


def digest(identity: Any) -> str:
    """A short stable hash of JSON-able content."""
    return hashlib.sha256(canonical(identity).encode()).hexdigest()[:16]


def canonical(identity: Any) -> str:
    """JSON-able content as the text that is hashed."""
    return json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=True)


def _rebuild(cls: type[T], params: dict[str, Any], alias: str) -> T:
    self = cls(**params)
    vars(self)["_alias"] = alias
    return self


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(_jsonable(a) == _jsonable(b))


def _jsonable(value: Any) -> Any:
    if isinstance(value, Plugin):
        return value.identity()
    if isinstance(value, Enum):
        return _jsonable(value.value)
    if isinstance(value, (tuple, list)):
        return [_jsonable(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return value.tolist()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
