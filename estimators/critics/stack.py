"""A stack of critics in training, and its optimiser; who calls it is in ``trainer.py``.

Every critic has its own data, its own order of batches, its own early stopping and its own best checkpoint; all of them
go through the same batched operations, and those that have stopped leave the stack. So training costs little more
than its arithmetic, and a critic's answer is the one it would have got alone.
"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mibench.bound import Bound

from .critics import CriticStack
from .evaluation import Negatives, sampled_scores, scores

Scale: TypeAlias = float | Tensor

VECTOR = 32
SHORTEST = 200  # steps that even the smallest sample gets
FASTEST_DECAY = 0.01  # per step, on average: nothing can be learned against more
BETA1, BETA2 = 0.9, 0.999  # of Adam
BULK = 64  # batches are drawn for about this many steps at once

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Optimisation:
    """How to optimise, and when to stop: AdamW with the rate ``learning_rate`` at its peak.

    schedule : "one-cycle", the rate rises linearly for the share ``warmup`` of the steps, then falls as half a cosine;
        or "constant".
    weight_decay : by how many powers of e the weights (not the biases) would shrink over the whole cycle if no gradient
        held them, at most FASTEST_DECAY per step; decoupled from the gradient (Loshchilov & Hutter 2019), in proportion
        to the rate.
    clip : greatest norm of a critic's gradient; 0 for none.
    batch : pairs per step, at most a quarter of the training sample.
    negatives : product pairs per joint pair, see :func:`evaluation.scores`, or "all" other pairs of the batch.
    max_steps, max_epochs : the length of the cycle, whichever is less.
    interval : steps between validations; fewer where the epochs allowed would else end within the patience.
    patience : validations without improvement before a critic stops.
    by_value : choose the checkpoint with the greatest value, not the least loss. Right for lower bounds alone: what is
        no bound may be greatest where it is worst.
    """

    learning_rate: float
    schedule: str
    warmup: float
    weight_decay: float
    clip: float
    batch: int
    negatives: Negatives
    max_steps: int
    max_epochs: int
    interval: int
    patience: int
    by_value: bool

    def rate(self, step: int, steps: int) -> float:
        """The learning rate at one of ``steps`` steps, counted from 1."""
        if self.schedule == "constant":
            return self.learning_rate
        rising = self.warmup * steps
        if step < rising:
            return self.learning_rate * step / rising
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rising) / (steps - rising + 1)))


def scales(rate: float, step: int) -> tuple[float, float, float]:
    """What changes from one step of Adam to the next: rate, factor of the mean gradient, share of the mean square."""
    return rate, -rate / (1 - BETA1**step), 1 - BETA2**step


class AdamW:
    """Adam with decoupled weight decay and clipping of each critic's gradient norm, on parameters (S, P)."""

    def __init__(self, theta: Tensor) -> None:
        self.step = 0
        self.fused = None if theta.device.type == "cpu" else fused(str(theta.device))
        self.mean, self.square = torch.zeros_like(theta), torch.zeros_like(theta)

    def update(self, theta: Tensor, gradient: Tensor, rate: float, decay: Tensor, clip: float) -> None:
        """One step of size ``rate``, in place."""
        self.step += 1
        self.move(theta, gradient, scales(rate, self.step), decay, clip)

    def move(self, theta: Tensor, gradient: Tensor, by: Sequence[Scale], decay: Tensor, clip: float) -> None:
        """One step in place whose :func:`scales` are given, as numbers or as tensors on the device."""
        rate, size, second = by
        if self.fused is not None and isinstance(rate, Tensor):
            self.fused(theta, gradient, (self.mean, self.square), by, decay, clip, (BETA1, BETA2))
            return
        if clip:
            gradient *= clip / gradient.norm(dim=1, keepdim=True).clamp(min=clip)
        self.mean.lerp_(gradient, 1 - BETA1)
        self.square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        spread = (self.square / second).sqrt_().add_(1e-8)
        theta.mul_(1 - rate * decay).addcdiv_(self.mean * size, spread)

    def keep(self, rows: Tensor) -> None:
        """Forget all rows but these."""
        self.mean, self.square = self.mean[rows], self.square[rows]


@functools.cache
def fused(device: str) -> Callable[..., None] | None:
    """``AdamW.move`` as one kernel, if it works on this device and does on a trial what torch does."""
    try:
        from .fused import move

        generator = torch.Generator().manual_seed(0)
        theta, *gradients = (torch.randn(3, 1500, generator=generator).to(device) for _ in range(4))
        by, decay = torch.tensor(scales(0.01, 2), device=device).unbind(), torch.full((1500,), 0.1, device=device)
        answers = []
        for how in (None, move):
            answers.append(theta.clone())
            optimiser = AdamW(answers[-1].cpu()[:0])
            optimiser.mean, optimiser.square, optimiser.fused = torch.zeros_like(theta), torch.zeros_like(theta), how
            for clip, gradient in zip((1.0, 0.0, 100.0), gradients, strict=True):
                optimiser.move(answers[-1], gradient.clone(), by, decay, clip)
        torch.testing.assert_close(answers[1], answers[0])
    except Exception as error:  # no Triton, no compiler for its launcher, or a driver that it does not know
        log.debug("steps of Adam are several kernels each, because %s: %s", type(error).__name__, error)
        return None
    return move


def batch_size(wanted: int, n: int) -> int:
    """Pairs per step: ``wanted``, at most a quarter of the training sample, and a multiple of 32 if n allows it.

    torch computes what is left over beyond whole vectors of numbers by other instructions than the rest. With whole
    vectors for every critic, its last bit does not depend on where in the stack it stands.
    """
    return min(n, max(1, min(wanted, n // 4) // VECTOR) * VECTOR)


class Stack:
    """The state of training, used as a context manager.

    Most tensors have one row per critic that has not left; ``alive`` and ``numbers`` say which critics these are.
    """

    note = ""

    def __init__(
        self,
        critic: CriticStack,
        bound: Bound,
        how: Optimisation,
        train: tuple[Tensor, Tensor],
        validation: tuple[Tensor, Tensor],
        rngs: Sequence[np.random.Generator],
    ) -> None:
        self.critic, self.bound, self.how, self.rngs = critic, bound, how, rngs
        (self.x, self.y), (self.x_val, self.y_val) = train, validation
        models, n, _ = self.x.shape
        self.batch = batch_size(how.batch, n)
        self.per_epoch = n // self.batch
        self.bulk = max(1, BULK // self.per_epoch)
        self.total = min(how.max_steps, max(SHORTEST, how.max_epochs * self.per_epoch))
        self.interval = min(how.interval, max(1, how.max_epochs * self.per_epoch // how.patience))

        device = self.x.device
        self.theta = critic.layout.initial(rngs).to(device)
        rates = sum(how.rate(step, self.total) for step in range(1, self.total + 1))
        decay = min(how.weight_decay, FASTEST_DECAY * self.total)
        self.decay = critic.layout.decays.to(device) * (decay / rates)
        self.leaves = self._leaves()
        self.optimiser = AdamW(self.theta)
        self.state: Tensor | None = None
        self.numbers = list(range(models))
        self.alive = torch.arange(models, device=device)
        self.going = torch.ones(models, dtype=torch.bool, device=device)
        self.live = models

        # what is kept of every critic, stopped or not
        self.best = self.theta.clone()
        self.best_score = torch.full((models,), -torch.inf, device=device)
        self.waited = torch.zeros(models, dtype=torch.long, device=device)
        self.curves: list[dict[str, list[float]]] = [{"step": [], "train": [], "validation": []} for _ in rngs]
        self.steps = [0] * models
        self.diverged = [False] * models

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left behind."""

    def _leaves(self) -> dict[str, Tensor]:
        """The parameters as views that gradients are taken for; they follow the updates of ``theta``."""
        return {name: view.detach().requires_grad_() for name, view in self.critic.layout.unpack(self.theta).items()}

    def advance(self, step: int) -> None:
        """One optimiser step for every critic."""
        i = (step - 1) % (self.per_epoch * self.bulk)
        if i == 0:
            self._shuffle()
        here = slice(i * self.batch, (i + 1) * self.batch)
        by = scales(self.how.rate(step, self.total), step)
        self.last = self._update(self.x_bulk[:, here], self.y_bulk[:, here], by)

    def _update(self, x: Tensor, y: Tensor, by: Sequence[Scale]) -> tuple[Tensor, Tensor]:
        """Learn from a batch (S, B, dim_x), (S, B, dim_y); the scores before that."""
        joint, product = scores(self.critic, self.leaves, x, y, self.how.negatives)
        loss, state = self.bound.loss(joint, product, self.state)
        self._remember(state)
        gradients = torch.autograd.grad(loss.sum(), list(self.leaves.values()))
        gradient = torch.cat([g.flatten(1) for g in gradients], 1)
        with torch.no_grad():
            self.optimiser.move(self.theta, gradient, by, self.decay, self.how.clip)
        return joint.detach(), product.detach()

    def _remember(self, state: Tensor | None) -> None:
        """The state of the bound for the next step."""
        self.state = state

    def _shuffle(self) -> None:
        """Draw the batches of the next ``bulk`` epochs."""
        rows = torch.arange(len(self.numbers), device=self.x.device)[:, None]
        index = torch.from_numpy(self.drawn(self.numbers)).to(self.x.device)
        self.x_bulk, self.y_bulk = self.x[rows, index], self.y[rows, index]

    def drawn(self, numbers: Sequence[int]) -> npt.NDArray[np.int64]:
        """Rows of the next ``bulk`` epochs for these critics: each epoch a permutation without its incomplete batch."""
        n, used = self.x.shape[1], self.per_epoch * self.batch
        epochs = np.broadcast_to(np.arange(n), (self.bulk, n))
        return np.stack([self.rngs[s].permuted(epochs, axis=1)[:, :used].ravel() for s in numbers])

    def validate(self, step: int) -> None:
        """Score every live critic on its validation sample, keep what is better, and let go of those that stop.

        Nothing but the table of scores leaves the device, once.
        """
        with torch.no_grad():
            p = self.critic.layout.unpack(self.theta)
            joint, product = sampled_scores(self.critic, p, self.x_val, self.y_val)
            value = self.bound.value(joint, product)
            score = value if self.how.by_value else -self.bound.loss(joint, product)[0]
            train = self.bound.value(*self.last) if step else torch.full_like(value, torch.nan)
            finite = self.theta.isfinite().all(1)
            # never better where the score is NaN
            better = self.going & (score > self.best_score[self.alive])
            self.best[self.alive] = torch.where(better[:, None], self.theta, self.best[self.alive])
            self.best_score[self.alive] = torch.where(better, score, self.best_score[self.alive])
            waited = torch.where(better, 0, self.waited[self.alive] + 1)
            self.waited[self.alive] = waited
            going = self.going & finite & (waited < self.how.patience)
            told = torch.stack([train, value, *(flag.to(value.dtype) for flag in (finite, self.going, going))], 1)
        left = []
        for row, (s, (*values, ok, was, still)) in enumerate(zip(self.numbers, told.tolist(), strict=True)):
            if still:
                left.append(row)
            if was:
                self.steps[s], self.diverged[s] = step, not ok
                for name, number in zip(("step", "train", "validation"), (step, *values), strict=True):
                    self.curves[s][name].append(number)
        self.going, self.live = going, len(left)
        if self._should_part(len(left)):
            self._keep(left)

    def _should_part(self, live: int) -> bool:
        """Whether the critics that have stopped leave the stack now: here, at once."""
        return live < len(self.numbers)

    def _keep(self, kept: Sequence[int]) -> None:
        """Let all critics but these rows leave the stack."""
        rows = torch.tensor(kept, dtype=torch.long, device=self.x.device)
        self.numbers = [self.numbers[row] for row in kept]
        self.alive, self.going, self.theta = self.alive[rows], self.going[rows], self.theta[rows]
        self.leaves = self._leaves()
        self.optimiser.keep(rows)
        self.state = None if self.state is None else self.state[rows]
        for name in ("x", "y", "x_val", "y_val", "x_bulk", "y_bulk"):
            if hasattr(self, name):
                setattr(self, name, getattr(self, name)[rows])
