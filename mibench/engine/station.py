"""What runs on a node of a cluster: a station, which has one worker of its own and passes calls on to it.

The worker is a child process, as on one machine, so its limits are kept by the same code.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from mibench import runtime
from mibench.errors import MibenchError

from . import sameness
from .executor import Lost
from .local import LocalPool
from .parcels import Parcel, Unreadable, make
from .provenance import provenance
from .worker import Answer

_PATIENCE = 120.0  # seconds that a look at the machine may take: it loads all libraries


@dataclass(frozen=True)
class Greeting:
    """What a station says of itself: its node, and in a sentence why no cell may be answered there, if so."""

    node: str
    problem: str = ""


@dataclass(frozen=True)
class Here:
    """The machine that a worker is on; why it cannot train on a device, if so, and the digest of mibench's sources."""

    versions: Mapping[str, str]
    engine: str
    machine: Mapping[str, Any] = field(default_factory=dict)
    refusal: str = ""


class Station:
    """One worker on this node. Nothing is raised: what went wrong is an answer, too.

    node : the name of the machine; fetch : gets what was sent ahead; the other parameters as in :class:`LocalPool`.
    data_dir : where the data sets lie on the machine that asks, which holds here as well if there is such a folder.
    """

    def __init__(
        self, node: str, fetch: Callable[[Any], bytes], memory_limit: float, device: str, data_dir: str
    ) -> None:
        if Path(data_dir).is_dir():
            runtime.set_data_dir(data_dir)
        self._node, self._fetch, self._device = node, fetch, device
        self._kept: tempfile.TemporaryDirectory[str] | None = None
        self._same: set[str] = set()  # packages known to be as they are where calls come from
        self._machine: Mapping[str, Any] = {}
        self._pool = LocalPool(1, memory_limit, device)

    def hello(self, versions: Mapping[str, str], engine: str) -> Greeting:
        """Whether this machine answers as that does which asks; versions, engine : as they are there."""
        here = self._made(self._pool.submit(partial(look, self._device), _PATIENCE).result)
        if isinstance(here, (Lost, MibenchError)):
            return Greeting(self._node, f"no cell can be answered on the node {self._node}: {_said(here)}.")
        problem = sameness.difference(self._node, versions, here.versions)
        if not problem and here.engine != engine:
            problem = f"the node {self._node} has other sources of mibench than this process; install the same on both."
        if not problem and here.refusal:
            problem = f"the device '{self._device}' cannot be used on the node {self._node}: {here.refusal}."
        self._machine = here.machine
        return Greeting(self._node, problem)

    def answer(self, parcel: Parcel, time_limit: float, cells: int) -> Any:
        """What the call gives, with this machine written into the results; or Lost, or an error that ends the run."""
        if needed := {name: digest for name, digest in parcel.needs.items() if name not in self._same}:
            found = {name: sameness.content(name) for name in needed}
            if problem := sameness.strange(self._node, needed, found):
                return MibenchError(problem)
            self._same |= needed.keys()
        call = partial(make, parcel.call, self._with(parcel.large))
        made = self._made(self._pool.submit(call, time_limit, cells).result)
        if isinstance(made, Unreadable):
            return MibenchError(
                f"a plug-in of this run cannot be loaded on the node {self._node}: {made.reason}; install there "
                "what it imports."
            )
        match made:
            case [[*answers], float(seconds)] if all(isinstance(found, Answer) for found in answers):
                there = {"machine": self._machine}
                return [replace(found, result=replace(found.result, provenance=there)) for found in answers], seconds
        return made

    def close(self) -> None:
        """End the worker, and all that it has started."""
        self._pool.__exit__()
        if self._kept:
            self._kept.cleanup()

    def _with(self, large: Mapping[str, Any]) -> str:
        """A folder with large plug-ins, one file each: workers come and go, and all of this station read them there."""
        if large and not self._kept:
            self._kept = tempfile.TemporaryDirectory(prefix="mibench-", ignore_cleanup_errors=True)
        folder = self._kept.name if self._kept else ""
        for name, sent in large.items():
            if not Path(folder, name).exists():
                Path(folder, name).write_bytes(self._fetch(sent))
        return folder

    def _made(self, result: Callable[[], Any]) -> Any:
        try:
            return result()
        except (Lost, MibenchError) as error:
            return error


def look(device: str) -> Here:
    """This machine as a worker sees it."""
    refusal = runtime.refusal(device) if device != "cpu" else ""
    machine = provenance("cpu" if refusal else device)["machine"]
    return Here(sameness.versions(), sameness.engine(), machine, refusal)


def without(folder: str) -> None:
    """Take a package's own folders out of the module search path, so that workers do not find what it brings along."""
    with contextlib.suppress(ValueError):
        sys.path[:] = [entry for entry in sys.path if os.path.commonpath([folder, os.path.abspath(entry)]) != folder]


def _said(error: Lost | MibenchError) -> str:
    return (error.message if isinstance(error, Lost) else str(error)).rstrip(".")
