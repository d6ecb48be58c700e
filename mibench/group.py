"""Items by key, and the values of nested mappings: the tools that every room uses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


def grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Items by key, in order of first appearance."""
    groups: dict[K, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return dict(groups)


def leaves(record: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The values of nested mappings, each with the keys that lead to it.

    The identity of a nested plug-in (its name, its parameters) gives its name, then its parameters.
    """
    for key, value in record.items():
        here = (*path, key)
        if isinstance(value, Mapping) and "params" in value:
            yield here, value.get("name")
            yield from leaves(value["params"], here)
        elif isinstance(value, Mapping):
            yield from leaves(value, here)
        else:
            yield here, value
