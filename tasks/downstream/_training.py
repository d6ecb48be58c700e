"""One training of a downstream model: seeded streams, modules, optimisers, curves, checkpoints.

The same seed gives the same initial weights, batches and noise whatever else is trained beside the model, because every
consumer of randomness has a stream of its own, keyed by the seed and its name. That is what pairs the arms.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from mibench import runtime
from mibench.task import DownstreamTask, Outcome

M = TypeVar("M", bound=nn.Module)

SAVE_EVERY = 60.0  # seconds between checkpoints


def due(step: int, total: int, times: int) -> bool:
    """Whether something that happens about ``times`` times in ``total`` steps, the last included, happens now."""
    return step == total or step % max(1, total // times) == 0


class Diverged(Exception):
    """A logged figure is NaN or infinite: training has broken down."""


class Training:
    """The moving parts of one training, registered by name so that they can be saved and restored together.

    ``key`` identifies the training (task, estimator, seed); with a scratch directory, it is checkpointed there once a
    minute and a later training of the same key takes up where it stopped.
    """

    def __init__(self, seed: int, key: str) -> None:
        self.seed = seed
        self.device = torch.device(runtime.device())
        self.curves: dict[str, list[tuple[int, float]]] = {}
        self.images: dict[str, bytes] = {}
        self._parts: dict[str, Any] = {}
        self._streams: dict[str, torch.Generator] = {}
        scratch = runtime.scratch_dir()
        self._path = scratch / f"{key}-{seed}.pt" if scratch is not None else None
        self._saved = time.monotonic()

    def stream(self, name: str) -> torch.Generator:
        """The stream of randomness of this name (on the CPU, so that every device sees the same numbers)."""
        if name not in self._streams:
            digest = hashlib.sha256(f"{self.seed}/{name}".encode()).digest()
            self._streams[name] = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        return self._streams[name]

    def normal(self, name: str, *shape: int) -> Tensor:
        """Standard normal numbers from stream ``name``, on the training's device."""
        return torch.randn(*shape, generator=self.stream(name)).to(self.device)

    def uniform(self, name: str, *shape: int) -> Tensor:
        """Numbers uniform on (-1, 1) from stream ``name``, on the training's device."""
        return (2.0 * torch.rand(*shape, generator=self.stream(name)) - 1.0).to(self.device)

    def integers(self, name: str, high: int, count: int) -> Tensor:
        """``count`` integers uniform in [0, high) from stream ``name``, on the training's device."""
        return torch.randint(high, (count,), generator=self.stream(name)).to(self.device)

    def module(self, name: str, build: Callable[[], M]) -> M:
        """Build a module with initial weights that depend on the seed and ``name`` alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.stream(f"weights of {name}").initial_seed() % 2**63)
            module = build().to(self.device)
        return self.part(name, module)

    def adam(self, name: str, *modules: Any, lr: float, betas: tuple[float, float] = (0.5, 0.999)) -> torch.optim.Adam:
        """Adam over the parameters of ``modules``; fused, because small nets wait for little else."""
        parameters = [p for module in modules for p in module.parameters()]
        return self.part(f"adam of {name}", torch.optim.Adam(parameters, lr=lr, betas=betas, fused=True))

    def part(self, name: str, part: Any) -> Any:
        """Register anything with ``state_dict`` and ``load_state_dict`` for the checkpoints."""
        self._parts[name] = part
        return part

    def steps(self, total: int) -> Iterator[int]:
        """Step numbers 1..total, from the checkpoint on where there is one."""
        for step in range(self._restore() + 1, total + 1):
            yield step
            # never after the last step: what a training returns is made in its last step
            if self._path is not None and step < total and time.monotonic() - self._saved > SAVE_EVERY:
                self.save(step)

    def log(self, step: int, values: Mapping[str, float | Tensor]) -> None:
        """Append one point to each named curve.

        Raises
        ------
        Diverged : a value is NaN or infinite (it is not recorded: curves hold finite numbers).
        """
        numbers = {name: float(torch.as_tensor(value).detach()) for name, value in values.items()}
        bad = [name for name, value in numbers.items() if not math.isfinite(value)]
        for name, value in numbers.items():
            if name not in bad:
                self.curves.setdefault(name, []).append((step, value))
        if bad:
            raise Diverged(f"{', '.join(bad)} is not finite at step {step}")

    def check(self, step: int, name: str, values: Tensor) -> Tensor:
        """The values, which must be finite before anything scores them.

        Raises
        ------
        Diverged : one of them is NaN or infinite.
        """
        if not bool(torch.isfinite(values).all()):
            raise Diverged(f"{name} are not finite at step {step}")
        return values

    def save(self, step: int) -> None:
        """Write the checkpoint; a crash while writing leaves the previous one."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "step": step,
            "curves": self.curves,
            "images": self.images,
            "parts": {name: part.state_dict() for name, part in self._parts.items()},
            "streams": {name: stream.get_state() for name, stream in self._streams.items()},
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        _replace(self._path, buffer.getvalue())
        self._saved = time.monotonic()

    def outcome(self, task: DownstreamTask, metrics: Mapping[str, float], **diagnostics: Any) -> Outcome:
        """What the finished training returns; its checkpoint is no longer needed."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        return Outcome(dict(metrics), self.curves, self.images, diagnostics)

    def diverged(self, task: DownstreamTask, reason: Diverged) -> Outcome:
        """What a training that broke down returns: curves and pictures up to then, and no metric that is a number."""
        return self.outcome(task, {metric.name: math.nan for metric in task.metrics}, diverged=str(reason))

    def _restore(self) -> int:
        if self._path is None or not self._path.is_file():
            return 0
        state = torch.load(self._path, map_location=self.device, weights_only=True)
        for name, part in self._parts.items():
            part.load_state_dict(state["parts"][name])
        for name, stream in state["streams"].items():
            self.stream(name).set_state(stream.cpu())
        self.curves = {name: [tuple(point) for point in curve] for name, curve in state["curves"].items()}
        self.images = state["images"]
        return int(state["step"])


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)
