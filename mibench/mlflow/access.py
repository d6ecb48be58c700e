"""How an MLflow store is reached: whether anybody answers, whose turn it is, and what is said while one waits.

Imports no mlflow.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import re
import socket
import ssl
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from mibench.errors import MibenchError, UsageError
from mibench.masking import masked
from mibench.plugin import digest

from .uri import sqlite_file

log = logging.getLogger(__name__)

PATIENCE = 3.0  # seconds of waiting before it is said for what, and again after ever longer ones
KNOCK = 5.0  # seconds in which a server must answer
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}


_REFUSED = frozenset({5060, 5061, 6000, 6566, *range(6665, 6670), 6679, 6697, 10080})  # ports that browsers refuse


class TrackingError(MibenchError):
    """The MLflow store cannot be used."""


@contextlib.contextmanager
def waiting(uri: str, what: str, progress: Callable[[], tuple[int, int]]) -> Iterator[None]:
    """While the block runs it is said, ever more rarely, that MLflow is waited for, how far it is and how long to go.

    progress : how much is written, and of how much; what : the name of it.
    """
    done = threading.Event()
    before, _ = progress()

    def tell() -> None:
        began, pause = time.monotonic(), PATIENCE
        while not done.wait(pause):
            waited = pause = time.monotonic() - began
            written, asked = progress()
            told = f"waiting for MLflow at {masked(uri)}: {written:,} of {asked:,} {what} written in {waited:.0f} s"
            if written > before:
                left = waited * (asked - written) / (written - before)
                told += f", about {left:.0f} s to go" if left < 120 else f", about {left / 60:.0f} min to go"
            log.warning("%s; Ctrl-C leaves the rest to a later `mibench sync`.", told)

    teller = threading.Thread(target=tell, name="mibench-waiting", daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def turn(uri: str) -> Path:
    """Where those who bring a store up to date queue: beside an embedded one, else among the user's temporary files."""
    if database := sqlite_file(uri):
        return database.with_suffix(".sync.lock")
    return Path(tempfile.gettempdir()) / f"mibench-{os.getuid()}-{digest(uri)}.lock"


@contextlib.contextmanager
def lock(path: Path, busy: str = "") -> Iterator[None]:
    """Held by one process at a time: two that migrate the same fresh store break it for good.

    busy : what to say where it is held by another.
    """
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if busy:
                log.warning("%s", busy)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def knock(uri: str) -> None:
    """Try whether a server is there: MLflow itself would be silent for a while before it gives up.

    Raises
    ------
    TrackingError : nothing answers, or what is written there is lost when the process ends.
    """
    place, mark, query = uri.partition("?")
    if re.fullmatch(r"sqlite:/*(:memory:)?", place):
        raise unusable(uri, "it names no file, and what is kept in memory only is lost; write sqlite:///FILE")
    if place.startswith("sqlite:") and mark and not re.fullmatch(r"\w+=[^/]*", query):
        raise unusable(uri, "an address ends where there is a '?', which the name of its file has; name another one")
    try:
        address = urlsplit(uri)
        scheme = address.scheme.partition("+")[0]
        if scheme in ("http", "https"):
            bare = address._replace(netloc=address.netloc.rpartition("@")[2], query="", fragment="")
            _in_time(lambda: urllib.request.urlopen(bare.geturl(), timeout=KNOCK).close())
        elif scheme in _PORTS and address.hostname:
            socket.create_connection((address.hostname, address.port or _PORTS[scheme]), KNOCK).close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(error, urllib.error.HTTPError) or isinstance(reason, ssl.SSLError):
            return  # it answers: the rest is between MLflow and its server
        said = getattr(reason, "strerror", None) or reason
        if isinstance(reason, TimeoutError):
            said = f"no answer in {KNOCK:.0f} s"
        elif isinstance(error, (ValueError, http.client.InvalidURL)):  # whose words may be a part of a password
            said = "it is no address that can be read"
        raise unusable(uri, said) from None


def _in_time(ask: Callable[[], None]) -> None:
    """Ask a server that may let an answer drip: each drop is in time, and the whole of it never comes.

    Raises
    ------
    TimeoutError : it takes twice as long as one drop may. What asking raises is raised.
    """
    raised: list[Exception] = []

    def run() -> None:
        try:
            ask()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="mibench-knock", daemon=True)
    thread.start()
    thread.join(2 * KNOCK)
    if thread.is_alive():
        raise TimeoutError
    if raised:
        raise raised[0]


def unusable(uri: str, reason: object) -> TrackingError:
    """The error as one sentence, without the password in ``uri``."""
    return TrackingError(masked(f"cannot use the MLflow store at {uri}: {reason}"))


def free_port(host: str, port: int, tries: int = 20) -> int:
    """The first port from ``port`` on that nobody listens on and that browsers do not refuse.

    Raises
    ------
    UsageError : there is none, or the host is not this machine.
    """
    for candidate in range(port, port + tries):
        if candidate in _REFUSED:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
            except OverflowError:
                break
            except socket.gaierror:
                raise UsageError(f"'{host}' is no address of this machine; use 127.0.0.1 or 0.0.0.0.") from None
            except OSError:
                continue
            return candidate
    raise UsageError(f"no port from {port} to {port + tries - 1} is free on {host}; choose another with --port.")
