"""Plug-ins of installed packages: modules that register on import, named by entry points in ``mibench.plugins``."""

from __future__ import annotations

import threading
import warnings
from importlib.metadata import EntryPoint, entry_points

from .endings import outlived
from .sources import described
from .surroundings import left_as_found

_turn = threading.RLock()  # another thread waits until everything is known
_begun = False


def discover() -> None:
    """Import every module that an entry point in ``mibench.plugins`` names; once.

    A package that cannot be imported costs a warning and its own plug-ins, not everybody else's. A module that asks for
    plug-ins while it is imported finds those that were registered before.
    """
    global _begun
    with _turn:
        if _begun:
            return
        _begun = True
        try:
            for point in entry_points(group="mibench.plugins"):
                _load(point)
        except BaseException:
            _begun = False
            raise


def _load(point: EntryPoint) -> None:
    try:
        if _ours(point):
            point.load()
        else:
            with outlived(), left_as_found(_package(point)):
                point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module may call sys.exit()
        if _ours(point):
            raise
        warnings.warn(
            f"the plug-ins of the package '{_package(point)}' are left out: importing {point.value} failed with "
            f"{described(error)}.",
            stacklevel=4,
        )


def _ours(point: EntryPoint) -> bool:
    return point.value.partition(".")[0] == __package__


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value
