"""Calls as they travel to another machine: a plug-in that is large travels there once, and not with every cell.

A plug-in may carry large things: a function the data that it closes over, an included file a table that it has loaded.
"""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cloudpickle

from mibench.plugin import Plugin
from mibench.result import Status

from . import sameness
from .executor import Lost
from .plain import described

LARGE = 2**16
"""Bytes from which a plug-in travels by itself."""

_EVERYWHERE = ("", "mibench", "__main__", "builtins")


@dataclass(frozen=True)
class Parcel:
    """A pickled call.

    large : what it refers to by digest, and where that can be had.
    needs : digests of the packages that its plug-ins are found in by name; they have to be the same there.
    """

    call: bytes
    large: Mapping[str, Any] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)


class Packer:
    """Makes parcels. put : sends bytes ahead, and says where they can be had."""

    def __init__(self, put: Callable[[bytes], Any]) -> None:
        self._put = put
        self._known: dict[int, tuple[Plugin, str | None]] = {}  # plug-ins are kept, so that no other has their id
        self._sent: dict[str, Any] = {}
        self._needs: dict[str, str] = {}

    def pack(self, call: Callable[[], Any]) -> Parcel:
        """A call that can be sent.

        Raises
        ------
        Lost : it cannot.
        """
        pickler = _Pickler(self)
        try:
            pickled = pickler.pickled(call)
        except (Exception, SystemExit) as error:
            raise Lost(Status.ERROR, f"it cannot be sent to another process: {described(error)}") from None
        return Parcel(pickled, {name: self._sent[name] for name in pickler.large}, dict(self._needs))

    def digest(self, plugin: Plugin) -> str | None:
        """The digest of a large plug-in, which has been sent ahead; None of one that travels with its call."""
        if id(plugin) not in self._known:
            pickled = _Pickler(self, plugin).pickled(plugin)
            name = hashlib.sha256(pickled).hexdigest() if len(pickled) >= LARGE else None
            if name is not None and name not in self._sent:
                self._sent[name] = self._put(pickled)
            self._known[id(plugin)] = plugin, name
        return self._known[id(plugin)][1]

    def note(self, plugin: Plugin) -> None:
        """Remember the package that a plug-in, or the function that it is made of, is found in by name."""
        for made_of in (type(plugin), *filter(callable, plugin.params.values())):
            module = str(getattr(made_of, "__module__", ""))
            top = module.partition(".")[0]
            if top not in self._needs and top not in _EVERYWHERE and not _by_value(module):
                self._needs[top] = sameness.content(top)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Writes the digest of a large plug-in in its place. whole : one that is written whatever its size."""

    def __init__(self, packer: Packer, whole: Plugin | None = None) -> None:
        self._file = io.BytesIO()
        super().__init__(self._file)
        self._packer, self._whole = packer, whole
        self.large: set[str] = set()

    def pickled(self, value: Any) -> bytes:
        self.dump(value)
        return self._file.getvalue()

    def persistent_id(self, value: Any) -> str | None:
        """As the library asks for: None for what is to be pickled here."""
        if not isinstance(value, Plugin):
            return None
        if self._whole is not None:  # it travels with all that is in it
            self._packer.note(value)
            return None
        name = self._packer.digest(value)
        if name is not None:
            self.large.add(name)
        return name


class _Unpickler(cloudpickle.pickle.Unpickler):  # type: ignore[misc]
    """Reads what :class:`_Pickler` has written; large plug-ins lie in a folder under their digests."""

    def __init__(self, pickled: bytes, folder: Path) -> None:
        super().__init__(io.BytesIO(pickled))
        self._folder = folder
        self._read: dict[str, Any] = {}

    def persistent_load(self, name: str) -> Any:
        """As the library asks for: one object per call, as if it had travelled in it."""
        if name not in self._read:
            self._read[name] = cloudpickle.loads((self._folder / name).read_bytes())
        return self._read[name]


@dataclass(frozen=True)
class Unreadable:
    """In the place of an answer: this machine lacks what the call is made of."""

    reason: str


def make(call: bytes, folder: str) -> Any:
    """Make a call that has travelled."""
    try:
        made = _Unpickler(call, Path(folder)).load()
    except ImportError as error:
        return Unreadable(f"{type(error).__name__}: {error}".rstrip("."))
    return made()


def _by_value(module: str) -> bool:
    """Whether the classes of a module travel with what is made of them."""
    top = module.partition(".")[0]
    return bool({module, top} & cloudpickle.list_registry_pickle_by_value()) or module not in sys.modules
