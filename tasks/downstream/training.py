"""One training of a downstream model: seeded streams, modules, optimisers, curves, pictures, and the loop of its steps.

The same seed gives the same initial weights, batches and noise whatever else is trained beside the model, because every
consumer of randomness has a stream of its own, keyed by the seed and its name. That is what pairs the arms.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from mibench import runtime
from mibench.graphs import Replayed, usual_graphs
from mibench.task import DownstreamTask, Outcome

M = TypeVar("M", bound=nn.Module)

LOSSES, PICTURES = 40, 2  # how often the losses are logged, and pictures made, along training


def due(step: int, total: int, times: int) -> bool:
    """Whether something that happens about ``times`` times in ``total`` steps, the last included, happens now."""
    return step == total or step % max(1, total // times) == 0


class Diverged(Exception):
    """A logged figure is NaN or infinite: training has broken down."""


class Training:
    """The randomness of one training, and what it leaves behind: curves and pictures."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.device = torch.device(runtime.device())
        self.curves: dict[str, list[tuple[int, float]]] = {}
        self.images: dict[str, bytes] = {}
        self._streams: dict[str, torch.Generator] = {}

    def stream(self, name: str) -> torch.Generator:
        """The stream of randomness of this name (on the CPU, so that every device sees the same numbers)."""
        if name not in self._streams:
            digest = hashlib.sha256(f"{self.seed}/{name}".encode()).digest()
            self._streams[name] = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        return self._streams[name]

    def normal(self, name: str, *shape: int) -> Tensor:
        """Standard normal numbers from stream ``name``, on the training's device."""
        return self.sent(torch.randn(*shape, generator=self.stream(name)))

    def uniform(self, name: str, *shape: int) -> Tensor:
        """Numbers uniform on (-1, 1) from stream ``name``, on the training's device."""
        return self.sent(2.0 * torch.rand(*shape, generator=self.stream(name)) - 1.0)

    def integers(self, name: str, high: int, count: int) -> Tensor:
        """``count`` integers uniform in [0, high) from stream ``name``, on the training's device."""
        return self.sent(torch.randint(high, (count,), generator=self.stream(name)))

    def sent(self, drawn: Tensor) -> Tensor:
        """What was drawn, on the training's device; what is drawn next need not wait until a GPU has it."""
        if self.device.type == "cuda":
            return drawn.pin_memory().to(self.device, non_blocking=True)
        return drawn.to(self.device)

    def module(self, name: str, build: Callable[[], M]) -> M:
        """Build a module with initial weights that depend on the seed and ``name`` alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.stream(f"weights of {name}").initial_seed() % 2**63)
            return build().to(self.device)

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

    def log_scores(self, step: int, scores: Mapping[str, float]) -> None:
        """Append to the curves of the task's metrics; see :meth:`log`."""
        self.log(step, {f"metric/{name}": value for name, value in scores.items()})

    def check(self, step: int, samples: Tensor) -> Tensor:
        """The generated samples, which must be finite before anything scores them.

        Raises
        ------
        Diverged : one of them is NaN or infinite.
        """
        if not bool(torch.isfinite(samples).all()):
            raise Diverged(f"generated samples are not finite at step {step}")
        return samples

    def outcome(self, metrics: Mapping[str, float], **diagnostics: Any) -> Outcome:
        """What the finished training returns."""
        return Outcome(dict(metrics), self.curves, self.images, diagnostics)

    def diverged(self, task: DownstreamTask, reason: Diverged) -> Outcome:
        """What a training that broke down returns: curves and pictures up to then, and no metric that is a number."""
        return self.outcome({metric.name: math.nan for metric in task.metrics}, diverged=str(reason))


def adam(module: nn.Module, lr: float, beta2: float = 0.999) -> torch.optim.Adam:
    """Adam over the parameters of a module, beta1 0.5; fused, because small nets wait for little else.

    On a GPU its steps can be recorded.
    """
    parameters = list(module.parameters())
    on_gpu = any(p.is_cuda for p in parameters)
    return torch.optim.Adam(parameters, lr=lr, betas=(0.5, beta2), fused=True, capturable=on_gpu)


class Learner(ABC):
    """A model in training: its networks, what a step of them draws and learns, and how they are judged.

    run : the randomness of the training, and what it leaves behind.
    steps, scores : steps of the training, and how often the model is judged along them.
    """

    recorded: ClassVar[bool] = True
    """Whether a GPU may record a step: :meth:`learn` then draws nothing, and no learning rate changes."""

    def __init__(self, task: DownstreamTask, seed: int, steps: int, scores: int) -> None:
        self._task, self.steps, self.scores = task, steps, scores
        self.run = Training(seed)

    @abstractmethod
    def draw(self) -> Sequence[Tensor]:
        """What the next step is given, of the same shapes for every step."""

    @abstractmethod
    def learn(self, *drawn: Tensor) -> dict[str, Tensor]:
        """A step of every network; the losses, to be logged."""

    @abstractmethod
    def judge(self, step: int) -> None:
        """Score the model as it is, and append to the curves."""

    @abstractmethod
    def outcome(self) -> Outcome:
        """What the training leaves, after its last step."""

    def watched(self) -> Mapping[str, Tensor]:
        """What is logged beside the losses."""
        return {}

    def pictures(self) -> Mapping[str, bytes]:
        """Of what was judged last, as PNG."""
        return {}

    def train(self) -> Outcome:
        """All steps; of a training that breaks down, what there was until then."""
        learn = Replayed(self.learn, usual_graphs(self.run.device) if self.recorded else None)
        try:
            for step in range(1, self.steps + 1):
                losses = learn(*self.draw())
                if due(step, self.steps, LOSSES):
                    self.run.log(step, {**losses, **self.watched()})
                if due(step, self.steps, self.scores):
                    self.judge(step)
                if due(step, self.steps, PICTURES):
                    self.run.images |= {f"{name}_{step:06d}": png for name, png in self.pictures().items()}
            return self.outcome()
        except Diverged as reason:
            return self.run.diverged(self._task, reason)
