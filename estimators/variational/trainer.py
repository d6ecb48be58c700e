"""The one trainer: it fits a whole stack of critics at once.

Every critic has its own data, its own order of batches, its own early stopping and its own best checkpoint; all of them
go through the same batched operations, and those that have stopped leave the stack. So training costs little more
than its arithmetic, and a critic's answer is the one it would have got alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mibench.bound import Bound

from .critics import Critic
from .evaluation import Negatives, embedded_scores, scores, with_second

# batches are drawn for about this many steps at once
BULK = 64


@dataclass(frozen=True)
class Schedule:
    """How to optimise: AdamW under one cycle of the learning rate, and when to stop.

    learning_rate : the peak of the cycle.
    warmup : the share of ``max_steps`` in which the rate rises, linearly; then it falls as half a cosine.
    weight_decay : decoupled (Loshchilov & Hutter 2019).
    clip : greatest norm of a critic's gradient.
    batch : pairs per step, at most the training sample.
    negatives : product pairs per joint pair, as cyclic shifts of the batch, or "all" other pairs of the batch.
    interval : steps between validations.
    patience : validations without improvement before a critic stops.
    averaging : decay per step of the moving average of the parameters that is validated and kept; 0 for none.
    """

    learning_rate: float = 5e-3
    warmup: float = 0.2
    weight_decay: float = 1e-2
    clip: float = 1.0
    batch: int = 256
    negatives: Negatives = "all"
    max_steps: int = 1000
    interval: int = 50
    patience: int = 8
    averaging: float = 0.0
    constant: bool = False


@dataclass(frozen=True)
class Fit:
    """What training leaves of each critic.

    theta : the parameters (S, P) with the best validation.
    curves : per critic the steps, the bound's value on the last batch and on the validation sample, at each validation.
    steps : per critic how many steps it took.
    diverged : per critic whether its parameters ceased to be finite.
    """

    theta: Tensor
    curves: list[dict[str, list[float]]]
    steps: list[int]
    diverged: list[bool]


class AdamW:
    """Adam with decoupled weight decay and clipping of each critic's gradient norm, on parameters (S, P)."""

    def __init__(self, theta: Tensor, betas: tuple[float, float] = (0.9, 0.999)) -> None:
        self.betas, self.step = betas, 0
        self.mean, self.square = torch.zeros_like(theta), torch.zeros_like(theta)

    def update(self, theta: Tensor, gradient: Tensor, rate: float, decay: float, clip: float) -> None:
        """One step of size ``rate``, in place."""
        self.step += 1
        b1, b2 = self.betas
        norm = gradient.norm(dim=1, keepdim=True)
        gradient *= clip / norm.clamp(min=clip)
        self.mean.lerp_(gradient, 1 - b1)
        self.square.mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
        scale = (self.square / (1 - b2**self.step)).sqrt_().add_(1e-8)
        theta.mul_(1 - rate * decay).addcdiv_(self.mean, scale, value=-rate / (1 - b1**self.step))

    def keep(self, rows: Tensor) -> None:
        """Forget all rows but these."""
        self.mean, self.square = self.mean[rows], self.square[rows]


def fit(
    critic: Critic,
    bound: Bound,
    schedule: Schedule,
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    rngs: Sequence[np.random.Generator],
) -> Fit:
    """Train one critic per row: samples x (S, n, dim_x) and y (S, n, dim_y), one generator each.

    The initial critic is validated too, so that a critic which never generalises stays what it was: 0.
    """
    stack = _Stack(critic, bound, schedule, train, validation, rngs)
    stack.validate(0)
    for step in range(1, schedule.max_steps + 1):
        stack.advance(step)
        if step % schedule.interval == 0 or step == schedule.max_steps:
            stack.validate(step)
            if not stack.alive.numel():
                break
    return Fit(stack.best, stack.curves, stack.steps, stack.diverged)


class _Stack:
    """The state of training. Tensors with the suffix _live have one row per critic that has not stopped."""

    def __init__(
        self,
        critic: Critic,
        bound: Bound,
        schedule: Schedule,
        train: tuple[Tensor, Tensor],
        validation: tuple[Tensor, Tensor],
        rngs: Sequence[np.random.Generator],
    ) -> None:
        self.critic, self.bound, self.schedule, self.rngs = critic, bound, schedule, rngs
        self.x, self.y = train
        self.x_val, self.y_val = validation
        self.batch = min(schedule.batch, self.x.shape[1])
        self.per_epoch = self.x.shape[1] // self.batch
        device = self.x.device

        self.theta = critic.layout.initial(rngs).to(device)
        self.average = self.theta.clone()
        self.optimiser = AdamW(self.theta)
        self.leaves = self._leaves()
        self.state: Tensor | None = None

        models = len(rngs)
        self.alive = torch.arange(models, device=device)
        self.best = self.theta.clone()
        self.best_score = torch.full((models,), -torch.inf, device=device)
        self.waited = torch.zeros(models, dtype=torch.long, device=device)
        self.curves: list[dict[str, list[float]]] = [{"step": [], "train": [], "validation": []} for _ in range(models)]
        self.steps = [0] * models
        self.diverged = [False] * models
        self.x_bulk, self.y_bulk = self.x, self.y
        self.bulk = max(1, BULK // self.per_epoch)  # epochs drawn at once
        self.train_value: Tensor | None = None

    def _leaves(self) -> dict[str, Tensor]:
        """The parameters as views that gradients are taken for; they follow the updates of ``theta``."""
        return {n: v.detach().requires_grad_() for n, v in self.critic.layout.unpack(self.theta).items()}

    def rate(self, step: int) -> float:
        """The learning rate at a step."""
        s = self.schedule
        if s.constant:
            return s.learning_rate
        rising = s.warmup * s.max_steps
        if step <= rising:
            return s.learning_rate * step / rising
        return s.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rising) / (s.max_steps - rising + 1)))

    def advance(self, step: int) -> None:
        """One optimiser step for every live critic."""
        i = (step - 1) % (self.per_epoch * self.bulk)
        if i == 0:
            self._shuffle()
        here = slice(i * self.batch, (i + 1) * self.batch)
        joint, product = scores(
            self.critic, self.leaves, self.x_bulk[:, here], self.y_bulk[:, here], self.schedule.negatives
        )
        loss, self.state = self.bound.loss(joint, product, self.state)
        gradients = torch.autograd.grad(loss.sum(), list(self.leaves.values()))
        with torch.no_grad():
            gradient = torch.cat([g.flatten(1) for g in gradients], 1)
            self.optimiser.update(self.theta, gradient, self.rate(step), self.schedule.weight_decay, self.schedule.clip)
            if self.schedule.averaging:
                # a plain mean at first, so that the start is forgotten
                self.average.lerp_(self.theta, 1 - min(self.schedule.averaging, step / (step + 10)))
        self.last = joint.detach(), product.detach()

    def _shuffle(self) -> None:
        """Draw the batches of the next ``bulk`` epochs: every epoch a permutation, its incomplete batch dropped."""
        n, used = self.x.shape[1], self.per_epoch * self.batch
        epochs = np.broadcast_to(np.arange(n), (self.bulk, n))
        order = np.stack([self.rngs[int(s)].permuted(epochs, axis=1)[:, :used].ravel() for s in self.alive])
        rows = torch.arange(len(order), device=self.x.device)[:, None]
        index = torch.from_numpy(order).to(self.x.device)
        self.x_bulk, self.y_bulk = self.x[rows, index], self.y[rows, index]

    def validate(self, step: int) -> None:
        """Score every live critic on its validation sample, keep what is better, and let go of those that stop."""
        theta = self.average if self.schedule.averaging else self.theta
        with torch.no_grad():
            p = self.critic.layout.unpack(theta)
            u, v = self.critic.embed(p, self.x_val, self.y_val)
            size = min(256, u.shape[1])
            blocks = u.shape[1] // size
            u, v = (t[:, : blocks * size].unflatten(1, (blocks, size)) for t in (u, v))
            joint, product = embedded_scores(self.critic, p, u, v, 16 if self.critic.width > 1 else "all")
            joint = joint.flatten(1, 2)
            product = product.flatten(1, 2)
            joint = with_second(self.critic, p, self.x_val[:, : blocks * size], self.y_val[:, : blocks * size], joint)
            value = self.bound.value(joint, product)
            score = -self.bound.loss(joint, product)[0]
            finite = theta.isfinite().all(1)
            train = self.bound.value(*self.last) if step else torch.full_like(value, torch.nan)
        score = torch.where(score.isnan(), -torch.inf, score)
        better = score > self.best_score[self.alive]
        improved = self.alive[better]
        self.best[improved] = theta[better]
        self.best_score[improved] = score[better]
        self.waited[self.alive] += 1
        self.waited[improved] = 0
        for s, t, val, ok in zip(self.alive.tolist(), train.tolist(), value.tolist(), finite.tolist(), strict=True):
            self.steps[s] = step
            self.diverged[s] = not ok
            for name, number in (("step", step), ("train", t), ("validation", val)):
                self.curves[s][name].append(number)
        going = finite & (self.waited[self.alive] < self.schedule.patience)
        if not going.all():
            self._keep(torch.nonzero(going).flatten())

    def _keep(self, rows: Tensor) -> None:
        self.alive = self.alive[rows]
        self.theta, self.average = self.theta[rows], self.average[rows]
        self.optimiser.keep(rows)
        self.leaves = self._leaves()
        self.state = None if self.state is None else self.state[rows]
        self.x, self.y, self.x_val, self.y_val = (t[rows] for t in (self.x, self.y, self.x_val, self.y_val))
        self.x_bulk, self.y_bulk = self.x_bulk[rows], self.y_bulk[rows]
