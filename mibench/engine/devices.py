"""The GPUs of this machine: which there are, and which of them each worker sees.

torch is asked, and imported only where a GPU was asked for.
"""

from __future__ import annotations

import os

from mibench import runtime
from mibench.errors import UsageError

WORKERS_PER_GPU = 4
"""While one trains, others draw samples and prepare them."""


def resolved(device: str | None) -> str | None:
    """The device that was asked for; ``"auto"`` is a GPU where there is one. None leaves it to the environment.

    Raises
    ------
    UsageError : it cannot be used here.
    """
    if device == "auto":
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"
    asked = device or runtime.device()
    if asked != "cpu" and (reason := runtime.refusal(asked)):
        whose = "" if device else "of the environment (MIBENCH_DEVICE) "
        raise UsageError(f"the device '{asked}' {whose}cannot be used here: {reason}.")
    return device


def names() -> list[str]:
    """The processor, and the GPUs that torch sees, by their names."""
    import torch

    return ["cpu", *(f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count()))]


def on_gpu(device: str | None) -> bool:
    """Whether this device, or the usual one, is a GPU."""
    return _kind(device or runtime.device()) != "cpu"


def gpus(device: str | None) -> list[str]:
    """What ``CUDA_VISIBLE_DEVICES`` would say of each GPU that a device such as "cuda" or "cuda:1" means."""
    kind, _, index = (device or runtime.device()).partition(":")
    if kind != "cuda":
        return []
    import torch

    told = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    seen = [part.strip() for part in told.split(",") if part.strip()] or list(
        map(str, range(torch.cuda.device_count()))
    )
    return [seen[int(index)]] if index and int(index) < len(seen) else seen


def crew(device: str | None, cores: int) -> int:
    """How many workers there should be on so many cores."""
    return min(cores, WORKERS_PER_GPU * max(1, len(gpus(device)))) if on_gpu(device) else cores


def assigned(device: str | None, workers: int) -> list[tuple[str | None, dict[str, str]]]:
    """The device of each worker, and what is to be added to its environment: a worker sees one GPU of several."""
    found = gpus(device)
    if not found:
        return [(device, {})] * workers
    return [("cuda", {"CUDA_VISIBLE_DEVICES": found[i % len(found)]}) for i in range(workers)]


def usable(devices: tuple[str, ...]) -> str | None:
    """The device for an estimator that can run on these, or says nothing: None for the one chosen, or the processor."""
    return None if not devices or _kind(runtime.device()) in devices else "cpu"


def _kind(device: str) -> str:
    return device.partition(":")[0]
