"""What a plug-in may ask about the process it runs in: device, data directory, scratch space.

The engine sets these through environment variables, so that they hold in worker processes as well.
"""

from __future__ import annotations

import os
from pathlib import Path


def device() -> str:
    """The torch device for training, as chosen with ``--device`` (default ``cpu``)."""
    return os.environ.get("MIBENCH_DEVICE", "cpu")


def data_dir() -> Path:
    """Where data sets in their standard files are looked for: ``MIBENCH_DATA``, default ``~/.cache/mibench``."""
    return Path(os.environ.get("MIBENCH_DATA", Path.home() / ".cache" / "mibench"))


def scratch_dir() -> Path | None:
    """Where a long training may keep checkpoints, or None where nothing is to be kept."""
    path = os.environ.get("MIBENCH_SCRATCH")
    return Path(path) if path else None
