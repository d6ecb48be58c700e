"""The loop of ``training.py`` for many learners at once: where launching kernels costs more than what they compute.

The losses of all learners are one batched function, whose weights have one row for each. Every learner has its own
samples, generator, early stopping and best weights; what it draws, it draws in the order in which it would alone. Steps
are replayed (``mibench/graphs.py``): batches and noise come from the processor's generators, those of all steps until
the next evaluation together, drawn in threads while the device makes the steps before.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from typing import Self, TypeAlias

import torch
from torch import Tensor, nn

from mibench.graphs import ONE_BY_ONE, Graphs, Steps, usual_graphs

from ..critics.recorded import DRAWERS
from ..critics.stack import AdamW, scales
from .training import History, Pair, Pure, Schedule, drawn_batches

Named: TypeAlias = dict[str, Tensor]
Drawn: TypeAlias = tuple[Tensor, list[Tensor]]
"""The state of a generator before, and what was drawn for so many steps: rows of batches, and what losses draw."""


def fit_stack(
    learners: Sequence[Pure],
    training: Pair,
    validation: Pair,
    schedule: Schedule,
    generators: Sequence[torch.Generator],
    graphs: Graphs | None = None,
) -> list[History]:
    """As :func:`training.fit` for each learner, on samples x (S, n, dim_x) and y (S, n, dim_y)."""
    device = training[0].device
    here = torch.cuda.device(device) if device.type == "cuda" else nullcontext()
    with here, Stack(learners, training, validation, schedule, generators, graphs) as stack:
        stack.evaluate(0)
        for step in range(schedule.max_steps):
            if not stack.live:
                break
            stack.advance(step)
            if (step + 1) % schedule.interval == 0 or step + 1 == schedule.max_steps:
                stack.evaluate(step + 1)
        return stack.finish()


class Losses(nn.Module):
    """The losses of a learner as a module, so that they can be computed with other weights than its own."""

    def __init__(self, learner: Pure) -> None:
        super().__init__()
        self.models, self.learner = nn.ModuleList(learner.models), learner

    def forward(self, x: Tensor, y: Tensor, *drawn: Tensor) -> Tensor:
        return self.learner.given(x, y, *drawn)


class Weights:
    """The weights (S, P) of one model of every learner, their optimiser, and their moving average.

    best : for every learner, stopped or not, those of its best evaluation.
    """

    def __init__(self, every: Sequence[Named], averaged: bool, decay: float) -> None:
        self.shapes = {name: p.shape for name, p in every[0].items()}
        self.theta = torch.stack([torch.cat([p.detach().flatten() for p in own.values()]) for own in every])
        self.optimiser, self.decay = AdamW(self.theta), torch.full_like(self.theta[0], decay)
        self.average = self.theta.clone() if averaged else self.theta
        self.best = self.theta.clone()
        self.leaves = self._leaves()

    def views(self, theta: Tensor) -> Named:
        """The parameters in ``theta`` (S, P), each of shape (S, *shape)."""
        parts = torch.split(theta, [math.prod(shape) for shape in self.shapes.values()], 1)
        return {k: part.view(len(theta), *shape) for (k, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def keep(self, rows: Tensor) -> None:
        """Forget all learners but these."""
        averaged = self.average is not self.theta
        self.theta = self.theta[rows]
        self.average = self.average[rows] if averaged else self.theta
        self.optimiser.keep(rows)
        self.leaves = self._leaves()

    def _leaves(self) -> Named:
        """The parameters that gradients are taken for; they follow the updates of ``theta``."""
        return {name: view.detach().requires_grad_() for name, view in self.views(self.theta).items()}


class Stack:
    """The state of training, used as a context manager.

    Most tensors have one row per learner that has not left; ``alive`` and ``numbers`` say which these are. Recording
    anew costs as much as many steps, so learners that have stopped stay until they are half of the stack.
    """

    def __init__(
        self,
        learners: Sequence[Pure],
        training: Pair,
        validation: Pair,
        schedule: Schedule,
        generators: Sequence[torch.Generator],
        graphs: Graphs | None,
    ) -> None:
        self.learners, self.schedule, self.generators = learners, schedule, generators
        self.samples, self.held_out = list(training), list(validation)
        device, size, of_models = training[0].device, len(learners), range(len(learners[0].models))
        every = [Losses(learner) for learner in learners]
        named = [dict(losses.named_parameters()) for losses in every]
        learned = [name for name, p in named[0].items() if p.requires_grad]
        own = [[name for name in learned if name.startswith(f"models.{m}.")] for m in of_models]
        averaged, decay = schedule.average > 0, schedule.weight_decay
        self.weights = [Weights([{k: p[k] for k in names} for p in named], averaged, decay) for names in own]
        constant = [{**p, **dict(losses.named_buffers())} for p, losses in zip(named, every, strict=True)]
        self.constants = {k: torch.stack([c[k].detach() for c in constant]) for k in constant[0] if k not in learned}
        self._call = torch.func.vmap(lambda named, *given: torch.func.functional_call(every[0], named, given))
        drawn = [learner.drawn_once(x) for learner, x in zip(learners, validation[0], strict=True)]
        self.held_out += [torch.stack(each) for each in zip(*drawn, strict=True)]

        # what a step finds on the device
        maximum = schedule.learning_rate
        table = [(*scales(maximum * schedule.rate(s), s + 1), schedule.renewed(s)) for s in range(schedule.max_steps)]
        self._table = torch.tensor(table, dtype=torch.float32, device=device).reshape(-1, 4)
        self._step, self._place = (torch.zeros(1, dtype=torch.long, device=device) for _ in range(2))
        self._ahead: list[Tensor] = []
        self._since = torch.zeros_like(self._losses([w.leaves for w in self.weights], self.held_out).detach())
        self._steps, self._said = Steps(self._made, graphs or usual_graphs(device)), ""

        # what becomes of each learner
        self.numbers, self.live = list(range(size)), size
        self.alive, self.going = torch.arange(size, device=device), torch.ones(size, dtype=torch.bool, device=device)
        self._lowest = torch.full((size, len(of_models)), torch.inf, dtype=torch.double, device=device)
        self._waited = torch.zeros((size, len(of_models)), dtype=torch.long, device=device)
        self.histories = [History(best=[0 for _ in of_models]) for _ in learners]

        n = training[0].shape[1]
        self._batches = [drawn_batches(n, schedule.batch, generator) for generator in generators]
        self._like = torch.empty(min(schedule.batch, n), training[0].shape[2])
        self._pool = ThreadPoolExecutor(min(DRAWERS, os.cpu_count() or 1), "mibench-batches")
        self._begun, self._left = 0, dict[int, Tensor]()
        self._next = self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Draw no more, and let go of the recording, whose memory would else wait for Python's collector."""
        self._pool.shutdown(cancel_futures=True)
        self._steps = Steps(self._made, None)

    def advance(self, step: int) -> None:
        """One optimiser step for every learner, which the device makes when it comes to it."""
        if step % self.schedule.interval == 0:
            self._hand_over()
        self._steps()

    def evaluate(self, step: int) -> None:
        """Look at the validation samples, keep what is better, and let go of those that stop.

        Nothing but the table of losses leaves the device, once.
        """
        count = step % self.schedule.interval or min(step, self.schedule.interval)
        with torch.no_grad():
            found = self._losses([w.views(w.average) for w in self.weights], self.held_out).double()
            recent = self._since.double() / max(1, count)
            sums = found.reshape(len(found), len(self.weights), -1).sum(2)
            better = self.going[:, None] & (sums < self._lowest)
            self._lowest = torch.where(better, sums, self._lowest)
            self._waited = torch.where(better, 0, self._waited + 1)
            for m, w in enumerate(self.weights):
                w.best[self.alive] = torch.where(better[:, m : m + 1], w.average, w.best[self.alive])
            sound = found.isfinite().all(1) & recent.isfinite().all(1)
            going = self.going & sound & (self._waited.amin(1) < self.schedule.patience)
            flags = torch.stack([sound, self.going, going], 1)
            told = torch.cat([recent, found, better.double(), flags.double()], 1).tolist()
            self._since.zero_()
        losses, kept = found.shape[1], []
        for row, (s, numbers) in enumerate(zip(self.numbers, told, strict=True)):
            *improved, ok, was, still = numbers[2 * losses :]
            if was:
                self._note(s, step, bool(ok), improved, numbers[:losses], numbers[losses : 2 * losses])
            if still:
                kept.append(row)
            elif was and self._next:
                self._left[s] = self._next[row].result()[0]  # it would not have drawn these
        self.going, self.live = going, len(kept)
        if kept and 2 * self.live <= len(self.numbers):
            self._keep(kept)

    def finish(self) -> list[History]:
        """Leave each learner with its best weights, and its generator as if it had been alone."""
        self._pool.shutdown(cancel_futures=True)
        for s, learner in enumerate(self.learners):
            for m, (model, w) in enumerate(zip(learner.models, self.weights, strict=True)):
                best = {k.removeprefix(f"models.{m}."): v[0] for k, v in w.views(w.best[s : s + 1]).items()}
                model.load_state_dict(best, strict=False)
            if s in self._left:
                self.generators[s].set_state(self._left[s])
            self.histories[s].note = self._steps.note or self._said or ONE_BY_ONE
        return self.histories

    def _losses(self, weights: Sequence[Named], given: Sequence[Tensor]) -> Tensor:
        """The losses (S, losses) of all learners with these weights, on x, y and what was drawn."""
        named: Named = dict(self.constants)
        for own in weights:
            named |= own
        losses: Tensor = self._call(named, *given)
        return losses

    def _made(self) -> None:
        """The step at the place where the training is: the same kernels on the same tensors every time."""
        rows, *drawn = (ahead.index_select(1, self._place)[:, 0] for ahead in self._ahead)
        x, y = (torch.gather(v, 1, rows[..., None].expand(-1, -1, v.shape[2])) for v in self.samples)
        *by, renewed = self._table.index_select(0, self._step)[0].unbind()
        loss = self._losses([w.leaves for w in self.weights], [x, y, *drawn])
        leaves = [leaf for w in self.weights for leaf in w.leaves.values()]
        found = iter(torch.autograd.grad(loss.sum(), leaves, materialize_grads=True))
        with torch.no_grad():
            for w in self.weights:
                gradient = torch.cat([next(found).reshape(len(loss), -1) for _ in w.leaves], 1)
                w.optimiser.move(w.theta, gradient, by, w.decay, self.schedule.clip)
                if w.average is not w.theta:
                    w.average.lerp_(w.theta, renewed)
            self._since += loss
        self._step += 1
        self._place += 1

    def _note(
        self, s: int, step: int, ok: bool, improved: Sequence[float], recent: list[float], found: list[float]
    ) -> None:
        """What an evaluation says of a learner, in its history."""
        history = self.histories[s]
        history.last, history.diverged = step, not ok
        history.best = [step if new else old for new, old in zip(improved, history.best, strict=True)]
        if ok and step:  # nothing was trained before the first evaluation
            history.step.append(step)
            history.train.append(recent)
            history.validation.append(found)

    # What is drawn --------------------------------------------------------------------------------------------------

    def _begin(self) -> list[Future[Drawn]]:
        """Begin to draw for the steps until the evaluation after the next, unless there are no more."""
        steps = min(self.schedule.interval, self.schedule.max_steps - self._begun)
        self._begun += steps
        return [self._pool.submit(self._drawn, s, steps) for s in self.numbers] if steps else []

    def _drawn(self, s: int, steps: int) -> Drawn:
        learner, generator = self.learners[s], self.generators[s]
        state = generator.get_state()
        every = [(next(self._batches[s]), *learner.drawn(self._like, generator)) for _ in range(steps)]
        return state, [torch.stack(each) for each in zip(*every, strict=True)]

    def _hand_over(self) -> None:
        """Hand what was drawn for the next steps to the device, and begin to draw for those after them."""
        fresh = [torch.stack(each) for each in zip(*(own.result()[1] for own in self._next), strict=True)]
        device = self.samples[0].device
        if device.type == "cuda":
            fresh = [values.pin_memory() for values in fresh]
        if self._ahead:
            for ahead, values in zip(self._ahead, fresh, strict=True):
                ahead[:, : values.shape[1]].copy_(values, non_blocking=True)
        else:
            self._ahead = [values.to(device, non_blocking=True) for values in fresh]
        self._place.zero_()
        self._next = self._begin()

    # Stopping -------------------------------------------------------------------------------------------------------

    def _keep(self, kept: Sequence[int]) -> None:
        """Let all learners but these rows leave the stack."""
        rows = torch.tensor(kept, dtype=torch.long, device=self.alive.device)
        self._said = self._steps.note
        self._steps = Steps(self._made, self._steps.graphs)  # the old recording goes first: it holds memory
        self.numbers = [self.numbers[row] for row in kept]
        self._next = [self._next[row] for row in kept] if self._next else []
        for name in ("alive", "going", "_lowest", "_waited", "_since"):
            setattr(self, name, getattr(self, name)[rows])
        for several in (self.samples, self.held_out, self._ahead):
            several[:] = [values[rows] for values in several]
        self.constants = {name: values[rows] for name, values in self.constants.items()}
        for w in self.weights:
            w.keep(rows)
