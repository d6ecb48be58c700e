"""Compiling numerical loops with numba, and the small loops that every search for neighbours shares."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from numba import config as numba_config
from numba import njit

F = TypeVar("F", bound=Callable[..., Any])
Numbers: TypeAlias = npt.NDArray[Any]
Floats: TypeAlias = npt.NDArray[np.float64]
Counts: TypeAlias = npt.NDArray[np.int64]
Found: TypeAlias = tuple[Floats, Counts, Floats, Floats]
"""The k nearest so far, each shape (k,): distances, indices, and the distances in x and in y alone."""

# distances are never NaN and the sign of a zero distance does not matter, so maxima and minima can be vectorised;
# sums keep their order, or the same two samples would be at different distances in different searches
ORDERED = frozenset({"nnan", "nsz"})

Function: TypeAlias = Callable[..., Any]
settings: Any = numba_config  # whose names are made at run time


class Rule(NamedTuple):
    """What is counted around a sample.

    k : neighbours that set the radii.
    max_norm : the norm within x and within y is the maximum; otherwise the Euclidean one, and distances are squares.
    closed : samples at the radius itself count; otherwise only closer ones do (but at radius 0, those at 0).
    rectangle : the radii in x and in y are the extents of the k neighbours in each; otherwise both are the distance to
        the k-th. Of neighbours equally far away those with the lower index are nearer.
    slack : distances count as equal up to this: what rounding makes of equal steps between readings.
    """

    k: int
    max_norm: bool
    closed: bool
    rectangle: bool
    slack: float = 0.0


def compiler(fastmath: frozenset[str], **options: Any) -> Callable[[F], F]:
    """A decorator that compiles a function on first use, free to reorder arithmetic as ``fastmath`` says.

    The machine code is kept on disk wherever a folder for it can be written, and is made anew when any module beside
    that of the function changes: what a function calls is compiled into it, and numba looks at its own file alone.
    """
    options |= {"nogil": True, "fastmath": set(fastmath)}

    def decorate(function: F) -> F:
        made: F
        try:
            with _kept_in(_folder(Path(function.__code__.co_filename).parent)):
                made = njit(function, cache=True, **options)
        except RuntimeError:  # neither __pycache__ nor the user's cache folder is writable, and NUMBA_CACHE_DIR not set
            made = njit(function, **options)
        return made

    return decorate


@contextlib.contextmanager
def _kept_in(folder: str) -> Iterator[None]:
    """Functions compiled meanwhile have their machine code there; those of others are where they were."""
    before, settings.CACHE_DIR = settings.CACHE_DIR, folder
    try:
        yield
    finally:
        settings.CACHE_DIR = before


@functools.cache
def _folder(sources: Path) -> str:
    """Where the machine code of these sources is kept: another place for every state that they are in.

    Where that cannot be written numba takes a folder of its own choice.
    """
    state = hashlib.sha256()
    for source in sorted(sources.glob("*.py")):
        state.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return str(Path(settings.CACHE_DIR or sources / "__pycache__") / f"compiled-{state.hexdigest()[:16]}")


compiled = compiler(ORDERED)


@compiled
def squared(value: float) -> float:
    """The square, in place of ``value**2``, as everywhere in what is compiled.

    A power is a function of numba's own, made once in a process, and as free to reorder arithmetic as whoever happened
    to ask for it first: the last bits of an answer would depend on what had been compiled before.
    """
    return value * value


@compiled
def nobody_found(k: int, index: int) -> Found:
    """Room for k neighbours, all of them infinitely far away and of this index."""
    return np.full(k, np.inf), np.full(k, index), np.zeros(k), np.zeros(k)


@compiled
def insert(found: Found, in_x: float, in_y: float, j: int) -> None:
    """Put sample j, at the distances ``in_x`` and ``in_y``, among the k nearest if it belongs there.

    They ascend by (distance, index), so that ties are broken alike in every search.
    """
    nearest, index, extent_x, extent_y = found
    distance = max(in_x, in_y)
    place = len(nearest)
    while place > 0 and (distance < nearest[place - 1] or (distance == nearest[place - 1] and j < index[place - 1])):
        place -= 1
    if place == len(nearest):
        return
    for i in range(len(nearest) - 1, place, -1):
        nearest[i] = nearest[i - 1]
        index[i] = index[i - 1]
        extent_x[i] = extent_x[i - 1]
        extent_y[i] = extent_y[i - 1]
    nearest[place], index[place], extent_x[place], extent_y[place] = distance, j, in_x, in_y


@compiled
def radii(found: Found, rule: Rule) -> tuple[float, float]:
    """The greatest distances in x and in y at which a sample still counts."""
    nearest, _, extent_x, extent_y = found
    radius_x = extent_x.max() if rule.rectangle else nearest[-1]
    radius_y = extent_y.max() if rule.rectangle else nearest[-1]
    return moved(radius_x, rule), moved(radius_y, rule)


@compiled
def moved(radius: float, rule: Rule) -> float:
    """The radius with what counts as equal to it, or without; at radius 0 samples at 0 count in any case."""
    by = rule.slack if rule.closed else -rule.slack
    moved = max(0.0, radius + by) if rule.max_norm else squared(max(0.0, np.sqrt(radius) + by))
    if rule.closed:
        return max(radius, moved) if rule.slack > 0 else radius
    below: float = max(0.0, np.nextafter(radius, 0.0))
    return min(below, moved) if rule.slack > 0 else below
