"""What a plug-in may ask about the process it runs in: the device, and where data sets lie.

Both hold for the whole process. Whoever starts the work chooses them, in each process that does some of it; what was
not chosen is read from the environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_device: str | None = None
_data_dir: Path | None = None


def device() -> str:
    """The torch device for training: the one chosen, else ``MIBENCH_DEVICE``, else ``cpu``."""
    return _device or os.environ.get("MIBENCH_DEVICE") or "cpu"


def data_dir() -> Path:
    """Where data sets in their standard files lie: as chosen, else ``MIBENCH_DATA``, else :func:`cache_dir`."""
    if chosen := os.environ.get("MIBENCH_DATA"):
        return _data_dir or Path(chosen)
    return _data_dir or cache_dir()


def cache_dir() -> Path:
    """Where a user's own files may be kept: ``~/.cache/mibench``.

    A user without a home has them in the working directory's ``.cache/mibench``.
    """
    try:
        home = Path.home()
    except RuntimeError:
        home = Path()
    return home / ".cache" / "mibench"


def refusal(name: str) -> str:
    """Why torch cannot use a device in this process; empty where it can."""
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        return str(error).strip().splitlines()[0].rstrip(".")
    return ""


def set_device(name: str | None) -> None:
    """Choose the device of this process from now on; None leaves it to the environment."""
    global _device
    _device = name


def set_data_dir(path: str | Path | None) -> None:
    """Choose the data directory of this process from now on; None leaves it to the environment."""
    global _data_dir
    _data_dir = Path(path) if path is not None else None


@contextmanager
def using(*, device: str | None = None, data_dir: str | Path | None = None) -> Iterator[None]:
    """Choose for as long as the block runs; what is None stays as it is."""
    before = _device, _data_dir
    set_device(device or _device)
    set_data_dir(data_dir or _data_dir)
    try:
        yield
    finally:
        set_device(before[0])
        set_data_dir(before[1])
