"""What the estimators that train networks of their own share: splits, seeds, and one training loop.

The stacks of critics have their own trainer in ``variational/``. Here a handful of models of any kind are trained side
by side on one problem: each has its own loss, its own early stopping and its own best checkpoint.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mibench import runtime
from mibench.errors import Unsupported, UsageError
from mibench.estimator import Array, Estimate, rng_for

from .variational.splits import Scaling, scaled

Rows: TypeAlias = npt.NDArray[np.int64]


class Split(NamedTuple):
    """Disjoint rows: the first fit the parameters, the second say when to stop, the third are reported on."""

    train: Rows
    validation: Rows
    test: Rows

    @property
    def sizes(self) -> dict[str, int]:
        """For diagnostics."""
        return {name: len(rows) for name, rows in self._asdict().items()}


def split(n: int, seed: int, validation: float, test: float) -> Split:
    """A random split of n samples; ``validation`` and ``test`` are fractions of n.

    Raises
    ------
    UsageError : fractions that leave nothing to train on.
    Unsupported : so few samples that a part would have fewer than two.
    """
    if min(validation, test) <= 0 or validation + test >= 1:
        raise UsageError(
            f"validation = {validation} and test = {test} must be positive fractions whose sum is below 1."
        )
    counts = [round(n * test), round(n * validation)]
    if min(*counts, n - sum(counts)) < 2:
        raise Unsupported(f"{n} samples are too few to split into training, validation and test samples.")
    rows = rng_for(seed).permutation(n)
    test_rows, validation_rows, train_rows = np.split(rows, np.cumsum(counts))
    return Split(train_rows, validation_rows, test_rows)


@contextmanager
def isolated(seed: int) -> Iterator[torch.Generator]:
    """One thread, torch's own generator seeded for the initial weights, and a generator for everything after them.

    On leaving, the number of threads and torch's generator are what they were.
    """
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(rng_for(seed).integers(2**62)))
        try:
            torch.set_num_threads(1)  # small networks run slower on several
            yield torch.Generator().manual_seed(int(torch.randint(2**62, ())))
        finally:
            torch.set_num_threads(threads)


def tensors(values: Array, parts: Split, scaling: Scaling) -> list[Tensor]:
    """Training, validation and test rows of ``values`` (n, dim), scaled by what the first show.

    In float32, on the device that was chosen for training.
    """
    columns = torch.as_tensor(scaled(values, parts.train, scaling), dtype=torch.float32)
    return [columns[torch.from_numpy(rows)].to(runtime.device()) for rows in parts]


def shrunk_moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (dim,) and covariance (dim, dim) in float64 of ``values`` (n, dim), positive definite at every n.

    dim / n times the mean variance is added to the diagonal. Networks that begin with what is right for Gaussian
    variables of these moments have only the difference to learn.
    """
    n, dim = values.shape
    centred = values.double() - values.double().mean(0)
    covariance = centred.T @ centred / n
    ridge = covariance.diagonal().mean() * dim / n
    return values.double().mean(0), covariance + ridge * torch.eye(dim, device=values.device)


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

    def __post_init__(self) -> None:
        for name in ("max_steps", "batch", "learning_rate", "clip", "evaluations", "patience"):
            if getattr(self, name) <= 0:
                raise UsageError(f"{name} = {getattr(self, name)} does not train anything; use a positive number.")
        if not 0 <= self.average < 1:
            raise UsageError(f"average = {self.average} is no decay; use 0 or more and less than 1.")

    @classmethod
    def of(cls, estimator: Any) -> Schedule:
        """The schedule in an estimator's hyperparameters of these names."""
        names = [f.name for f in fields(cls) if hasattr(estimator, f.name)]
        return cls(**{name: getattr(estimator, name) for name in names})

    def rate(self, step: int) -> float:
        """The learning rate at a step, as a fraction of its maximum."""
        warm = max(1, self.max_steps // 20)
        return min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * step / self.max_steps))


@dataclass
class History:
    """What happened: losses (evaluations, models) on training batches and validation samples, and the best steps.

    diverged : a loss was not finite, so that the models mean nothing.
    """

    step: list[int] = field(default_factory=list)
    train: list[list[float]] = field(default_factory=list)
    validation: list[list[float]] = field(default_factory=list)
    best: list[int] = field(default_factory=list)
    diverged: bool = False

    def curve(self, value: Callable[[Array], Array]) -> dict[str, list[float]]:
        """The series of ``Estimate.curve``; ``value`` makes of losses (evaluations, models) what is to be shown."""
        if not self.step:
            return {}
        train, validation = (value(np.asarray(losses)).tolist() for losses in (self.train, self.validation))
        return {"step": [float(s) for s in self.step], "train": train, "validation": validation}

    def estimate(
        self, contributions: Array, value: Callable[[Array], Array], diagnostics: Mapping[str, Any]
    ) -> Estimate:
        """The mean of held-out ``contributions``, shape (n,), with its standard error; NaN where training diverged."""
        if self.diverged:
            return Estimate(math.nan, None, self.curve(value), {**diagnostics, "diverged": True})
        stderr = float(contributions.std(ddof=1)) / math.sqrt(len(contributions))
        return Estimate(float(contributions.mean()), stderr, self.curve(value), diagnostics)


def fit(
    models: Sequence[nn.Module],
    losses: Callable[[Tensor], Tensor],
    validate: Callable[[], Tensor],
    n_train: int,
    schedule: Schedule,
    generator: torch.Generator,
) -> History:
    """Train ``models`` together and leave each with its best weights by its own validation loss.

    losses : the training losses, shape (models,), on the training samples of these indices; each in 0 ... n_train - 1.
        A model may have several, which are summed: all have the same number, and those of a model stand together.
    validate : the validation losses, of the same shape, of the models as they are; called without gradients.
    """
    parameters = [list(model.parameters()) for model in models]
    every: list[Tensor] = [p for own in parameters for p in own]
    optimizer = torch.optim.AdamW(every, lr=schedule.learning_rate, weight_decay=schedule.weight_decay, foreach=True)
    averages = [p.detach().clone() for p in every] if schedule.average else every
    history = History(best=[0] * len(models))
    kept = [copy.deepcopy(model.state_dict()) for model in models]
    lowest = [math.inf] * len(models)
    waited = [0] * len(models)
    interval = max(1, schedule.max_steps // schedule.evaluations)
    since: list[Tensor] = []
    batches = _batches(n_train, schedule.batch, generator)

    for step in range(schedule.max_steps + 1):
        if step % interval == 0 or step == schedule.max_steps:
            for model in models:
                model.eval()
            with torch.no_grad(), _holding(every, averages):
                found = validate().detach().double().cpu()
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
        for model in models:
            model.train()
        for group in optimizer.param_groups:
            group["lr"] = schedule.learning_rate * schedule.rate(step)
        optimizer.zero_grad(set_to_none=True)
        loss = losses(next(batches))
        loss.sum().backward()  # type: ignore[no-untyped-call]
        for own in parameters:
            nn.utils.clip_grad_norm_(own, schedule.clip)
        optimizer.step()
        since.append(loss.detach())
        if schedule.average:
            # at the start the average forgets faster, or it would hold on to the initial weights
            decay = min(schedule.average, (step + 1) / (step + 10))
            torch._foreach_lerp_(averages, [p.detach() for p in every], 1 - decay)

    for model, state in zip(models, kept, strict=True):
        model.load_state_dict(state)
        model.eval()
    return history


def _batches(n: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Indices of batches, epoch after epoch, each epoch in a new order; what is left of an epoch is dropped."""
    size = min(size, n)
    while True:
        yield from torch.randperm(n, generator=generator)[: n - n % size].split(size)


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
