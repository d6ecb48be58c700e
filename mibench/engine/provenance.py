"""What is recorded about the machine and the versions that made a result, and shown by ``mibench env``."""

from __future__ import annotations

import functools
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mibench import runtime
from mibench.masking import masked

from .plain import sentence

_PACKAGES = ("numpy", "scipy", "torch", "numba", "scikit-learn", "zuko")


@functools.cache
def provenance(device: str | None = None) -> dict[str, Any]:
    """Versions and machine as nested JSON-able values; nothing that identifies a person or a host.

    device : where workers train, None for the usual one.
    """
    return {
        "mibench": _version("mibench"),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _PACKAGES},
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "memory_gib": _memory(),
            "device": _named(device or runtime.device()),
        },
    }


def command() -> str:
    """The command line as a user would type it, as far as every record can hold it, and without a server's password."""
    program = Path(sys.argv[0]).name
    called = "mibench" if program in ("mibench", "__main__.py") else program
    return sentence(masked(" ".join([called, *sys.argv[1:]])))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory() -> float:
    import psutil

    return round(psutil.virtual_memory().total / 2**30, 1)


def _named(device: str) -> str:
    if not device.startswith("cuda"):
        return device
    import torch

    return f"{device} ({torch.cuda.get_device_name(device)})"
