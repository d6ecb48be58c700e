"""One training of ``trained.py``: the samples of one split, the loop, early stopping and the best checkpoint.

The stacks of critics have their own trainer in ``critics/``. Here a handful of models of any kind are trained side
by side on one problem: each has its own loss, its own early stopping and its own best checkpoint.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from mibench import runtime
from mibench.estimator import Array

from ..learned import Scaling, Split, one_thread, scaled
from .folds import HeldOutEstimate

Pair: TypeAlias = tuple[Tensor, Tensor]  # x (n, dim_x) and y (n, dim_y) of one part of the samples


class Learner(ABC):
    """What learns from the training samples of one split: models, their losses, and the answer they give in the end.

    models : trained side by side, each by its own losses, and each left with the weights that were best by these.
    """

    models: Sequence[nn.Module]

    @abstractmethod
    def validated(self, x: Tensor, y: Tensor) -> Tensor:
        """The losses on given samples, shape (losses,): as many for each model, those of one model together.

        They are the same whenever the weights are the same.
        """

    def losses(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
        """The losses on a training batch: by default those of validation."""
        return self.validated(x, y)

    def value(self, losses: Array) -> Array:
        """What the training curve shows (evaluations,) of losses (evaluations, losses): by default the first one."""
        return losses[:, 0]

    def follower(self) -> Learner | None:
        """What is to learn from the same samples after this has learned, and answers in its place."""
        return None

    @abstractmethod
    def tested(self, x: Tensor, y: Tensor, generator: torch.Generator) -> HeldOutEstimate:
        """The answer from the test samples, by the models as they are."""


class Pure(Learner):
    """A learner whose losses follow from weights, samples and what is drawn for them: those of many at once are one
    batched function (``stacked.py``). What is no tensor in it is the same for all problems of one shape.
    """

    @abstractmethod
    def given(self, x: Tensor, y: Tensor, *drawn: Tensor) -> Tensor:
        """The losses on these samples with what was drawn for them, shape (losses,)."""

    def drawn(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """What a training step draws for a batch like ``x``; nothing by default."""
        return ()

    def drawn_once(self, x: Tensor) -> tuple[Tensor, ...]:
        """What all validations draw for their ``x``; nothing by default."""
        return ()

    def losses(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
        return self.given(x, y, *self.drawn(x, generator))

    def validated(self, x: Tensor, y: Tensor) -> Tensor:
        return self.given(x, y, *self.drawn_once(x))


@contextmanager
def isolated(rng: np.random.Generator) -> Iterator[torch.Generator]:
    """One thread, torch's own generator seeded for the initial weights, and a generator for everything after them.

    On leaving, the number of threads and torch's generator are what they were.
    """
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(rng.integers(2**62)))
        yield torch.Generator().manual_seed(int(rng.integers(2**62)))


def tensors(values: Array, split: Split, scaling: Scaling) -> list[Tensor]:
    """Training, validation and test rows of ``values`` (n, dim), scaled by what the first show.

    In float32, on the device that was chosen for training.
    """
    columns = torch.as_tensor(scaled(values, split.train, scaling), dtype=torch.float32)
    parts = split.train, split.validation, split.test
    return [columns[torch.from_numpy(rows)].to(runtime.device()) for rows in parts]


def shrunk_moments(values: Tensor, power: float = 1.0) -> tuple[Tensor, Tensor]:
    """Mean (dim,) and covariance (dim, dim) in float64 of ``values`` (n, dim), positive definite at every n.

    (dim / n)^power times the mean variance is added to the diagonal. Networks that begin with what is right for
    Gaussian variables of these moments have only the difference to learn. They are on the processor, which takes small
    matrices apart sooner than a GPU hears of it, and to the same signs wherever the samples are.
    """
    n, dim = values.shape
    centred = values.double() - values.double().mean(0)
    covariance = centred.T @ centred / n
    ridge = covariance.diagonal().mean() * (dim / n) ** power
    return values.double().mean(0).cpu(), (covariance + ridge * torch.eye(dim, device=values.device)).cpu()


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    max_steps : most updates; the rate rises linearly over the first 5 % of them and falls to 0 along a cosine.
    batch : samples per update (all of them where there are fewer).
    learning_rate, weight_decay : of AdamW.
    clip : greatest norm of a model's gradient.
    evaluations : how often the validation samples are looked at.
    patience : evaluations without a better one after which training stops.
    average : decay of the moving average of the weights that is evaluated and kept; 0 for the weights themselves.
    """

    max_steps: int
    batch: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    clip: float = 5.0
    evaluations: int = 50
    patience: int = 15
    average: float = 0.0

    @property
    def interval(self) -> int:
        """Steps between evaluations."""
        return max(1, self.max_steps // self.evaluations)

    def renewed(self, step: int) -> float:
        """By how much a step renews the moving average of the weights."""
        # at the start the average forgets faster, or it would hold on to the initial weights
        return 1 - min(self.average, (step + 1) / (step + 10))

    def rate(self, step: int) -> float:
        """The learning rate at a step, as a fraction of its maximum."""
        warm = max(1, self.max_steps // 20)
        return min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * step / self.max_steps))


@dataclass
class History:
    """What happened: losses (evaluations, losses) on training batches and validation samples, and the best steps.

    last : the last step. diverged : a loss was not finite, so that the models mean nothing. note : how steps were made,
    where that is not one by one as they are written.
    """

    step: list[int] = field(default_factory=list)
    train: list[list[float]] = field(default_factory=list)
    validation: list[list[float]] = field(default_factory=list)
    best: list[int] = field(default_factory=list)
    last: int = 0
    diverged: bool = False
    note: str = ""

    def then(self, other: History) -> History:
        """What happened to both learners, with the curve of the later one."""
        return replace(other, best=self.best + other.best, last=self.last + other.last)

    def curve(self, learner: Learner) -> dict[str, list[float]]:
        """The series of ``Estimate.curve``."""
        if not self.step:
            return {}
        train, validation = (learner.value(np.asarray(losses)).tolist() for losses in (self.train, self.validation))
        return {"step": [float(s) for s in self.step], "train": train, "validation": validation}


def fit(learner: Learner, training: Pair, validation: Pair, schedule: Schedule, generator: torch.Generator) -> History:
    """Train the models together and leave each with its best weights by its own validation losses."""
    models = learner.models
    parameters = [list(model.parameters()) for model in models]
    every: list[Tensor] = [p for own in parameters for p in own]
    optimizer = torch.optim.AdamW(every, lr=schedule.learning_rate, weight_decay=schedule.weight_decay, fused=True)
    averages = [p.detach().clone() for p in every] if schedule.average else every
    history = History(best=[0] * len(models))
    kept = [copy.deepcopy(model.state_dict()) for model in models]
    lowest = [math.inf] * len(models)
    waited = [0] * len(models)
    interval = schedule.interval
    since: list[Tensor] = []
    batches = drawn_batches(len(training[0]), schedule.batch, generator)

    for step in range(schedule.max_steps + 1):
        if step % interval == 0 or step == schedule.max_steps:
            history.last = step
            with torch.no_grad(), _holding(every, averages):
                found = learner.validated(*validation).double().cpu()
                for m, loss in enumerate(found.reshape(len(models), -1).sum(1).tolist()):
                    waited[m] += 1
                    if loss < lowest[m]:
                        lowest[m], waited[m], history.best[m] = loss, 0, step
                        kept[m] = copy.deepcopy(models[m].state_dict())
            recent = torch.stack(since).mean(0).double().cpu() if since else torch.full_like(found, math.nan)
            if not bool(torch.isfinite(found).all()) or (since and not bool(torch.isfinite(recent).all())):
                history.diverged = True
                break
            if since:  # nothing was trained before the first evaluation
                history.step.append(step)
                history.train.append(recent.tolist())
                history.validation.append(found.tolist())
            since = []
            if min(waited) >= schedule.patience or step == schedule.max_steps:
                break
        for group in optimizer.param_groups:
            group["lr"] = schedule.learning_rate * schedule.rate(step)
        optimizer.zero_grad(set_to_none=True)
        rows = next(batches).to(training[0].device)
        loss = learner.losses(training[0][rows], training[1][rows], generator)
        torch.autograd.backward(loss.sum())
        for own in parameters:
            nn.utils.clip_grad_norm_(own, schedule.clip)
        optimizer.step()
        since.append(loss.detach())
        if schedule.average:
            torch._foreach_lerp_(averages, [p.detach() for p in every], schedule.renewed(step))

    for model, state in zip(models, kept, strict=True):
        model.load_state_dict(state)
    return history


def drawn_batches(n: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Indices of batches, epoch after epoch, each epoch in a new order; what is left of an epoch is dropped."""
    size = min(size, n)
    while True:
        yield from torch.split(torch.randperm(n, generator=generator)[: n - n % size], size)


@contextmanager
def _holding(parameters: Sequence[Tensor], values: Sequence[Tensor]) -> Iterator[None]:
    """The parameters with these values for the time being."""
    if parameters is values:
        yield
        return
    own = [p.detach().clone() for p in parameters]
    torch._foreach_copy_(list(parameters), list(values))
    try:
        yield
    finally:
        torch._foreach_copy_(list(parameters), own)
