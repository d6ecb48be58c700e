"""What estimators share that train densities, flows or codes: hyperparameters, and how samples become an estimate.

This module imports no torch: an estimator is a value made of hyperparameters until it is asked to estimate. Each says
what is learned from the training samples (:meth:`Trained.learner`); splits, training, cross-fitting and what happens to
a training that diverges are written once, here, in ``training.py`` and in ``folds.py``.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from mibench import runtime
from mibench.estimator import Array, Capabilities, Estimate, check_samples, rng_for
from mibench.group import grouped
from mibench.parameters import Count, Inner, NotNegative, Positive

from .._samples import ties
from ..learned import Assignment, BelowOne, Folds, Learned, Scaling, in_halves, one_thread, threads
from .folds import FoldResult, HeldOutEstimate, merged

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from .training import History, Learner, Pair, Pure, Schedule


ALONE = Capabilities(min_n=20, trains=True, devices=("cpu", "cuda"), memory=0.2)
STACKED = replace(ALONE, max_batch_gpu=64)


@dataclass(frozen=True, eq=False, repr=False)
class Trained(Learned):
    """Models are trained on one part of the samples, chosen on a second, and the number is computed on a third.

    On a GPU, those whose capabilities are ``STACKED`` are trained side by side: their learners are ``training.Pure``.

    Parameters
    ----------
    batch, learning_rate, weight_decay : of AdamW; the rate rises briefly and falls as a cosine.
    average : decay of the moving average of the weights, which is what is evaluated and kept.
    patience : validations (of 50) without improvement after which training stops.
    validation, test : shares of the samples that choose the weights, and that the number is computed on.
    """

    max_steps: Count = 1000
    max_epochs: Count = 250
    batch: Count = 512
    learning_rate: Positive = 3e-3
    weight_decay: NotNegative = 0.1
    average: BelowOne = 0.98
    patience: Count = 15
    validation: Inner = 0.2
    test: Inner = 0.2
    folds: Folds = 0
    standardize: Scaling = "rank"

    capabilities: ClassVar[Capabilities] = ALONE

    def __post_init__(self) -> None:
        if self.validation + self.test >= 1:
            self.refuse(f"validation = {self.validation} and test = {self.test} leave nothing to train on.")

    @abstractmethod
    def learner(self, x: Tensor, y: Tensor) -> Learner:
        """What is to learn from training samples ``x`` (n, dim_x) and ``y`` (n, dim_y), and answers in the end."""

    @property
    def shares(self) -> tuple[float, float, float]:
        return 1 - self.validation - self.test, self.validation, self.test

    def oriented(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The two variables in the order in which :meth:`learner` wants them."""
        return x, y

    def admit(self, dim_x: int, dim_y: int, test: int) -> None:
        """Raise Unsupported where ``test`` held-out samples are too few for these dimensions."""

    def warm_up(self) -> None:
        from . import training  # noqa: F401

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        return self.estimate_batch([x], [y], [seed])[0]

    def estimate_batch(self, xs: Sequence[Array], ys: Sequence[Array], seeds: Sequence[int]) -> list[Estimate]:
        given = zip(xs, ys, seeds, strict=True)
        problems = list(threads(runtime.device(), lambda one: self._problem(*one), given))
        every = [assigned for own, _ in problems for assigned in own]
        results = iter(self._side_by_side(every) if self._stacks else map(self._train, every))
        return [merged([next(results) for _ in own], [a.split for a in own], said) for own, said in problems]

    def schedule(self, n: int) -> Schedule:
        """How ``n`` training samples are used."""
        from .training import Schedule

        per_epoch = max(1, n // self.batch)
        return Schedule(
            max_steps=min(self.max_steps, self.max_epochs * per_epoch),
            batch=self.batch,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.patience,
            average=self.average,
        )

    def _problem(self, x: Array, y: Array, seed: int) -> tuple[list[Assignment], Mapping[str, Any]]:
        """The trainings that samples and a seed ask for, and what the samples' diagnostics are."""
        x, y = check_samples(x, y, self.capabilities.min_n)
        said = ties(x, y)
        x, y = self.oriented(x, y)
        parts = self.splits(len(x), seed)
        self.admit(x.shape[1], y.shape[1], min(len(part.test) for part in parts))
        streams = rng_for(seed).spawn(len(parts))
        return [Assignment(x, y, part, rng) for part, rng in zip(parts, streams, strict=True)], said

    def _train(self, assigned: Assignment) -> FoldResult:
        from .training import fit, isolated

        with isolated(assigned.rng) as generator:
            training, validation, test = self._parts(assigned)
            learner = self.learner(*training)
            schedule = self.schedule(len(training[0]))
            history = fit(learner, training, validation, schedule, generator)
            while not history.diverged and (follower := learner.follower()) is not None:
                learner, history = follower, history.then(fit(follower, training, validation, schedule, generator))
            return _result(learner, history, test, generator)

    @property
    def _stacks(self) -> bool:
        return runtime.device() != "cpu" and self.capabilities.max_batch_gpu > 0

    def _side_by_side(self, every: Sequence[Assignment]) -> list[FoldResult]:
        """As :meth:`_train`, those of one shape in one stack."""
        results: dict[int, FoldResult] = {}
        shapes = [(a.x.shape, a.y.shape, len(a.split.train)) for a in every]
        with one_thread():
            for alike in grouped(range(len(every)), shapes.__getitem__).values():
                found = in_halves(self._train_stack, [every[i] for i in alike], self.label)
                results |= zip(alike, found, strict=True)
        return [results[i] for i in range(len(every))]

    def _train_stack(self, every: Sequence[Assignment]) -> list[FoldResult]:
        import torch

        from .stacked import fit_stack
        from .training import isolated

        data = list(threads(runtime.device(), self._parts, every))
        learners, generators = [], []
        for assigned, (training, _, _) in zip(every, data, strict=True):
            with isolated(copy.deepcopy(assigned.rng)) as generator:  # a stack that is too large is tried again
                learners.append(cast("Pure", self.learner(*training)))
                generators.append(generator)
        training, validation = (
            (torch.stack([d[i][0] for d in data]), torch.stack([d[i][1] for d in data])) for i in (0, 1)
        )
        histories = fit_stack(learners, training, validation, self.schedule(training[0].shape[1]), generators)
        tests = (test for _, _, test in data)
        return [_result(*trained) for trained in zip(learners, histories, tests, generators, strict=True)]

    def _parts(self, assigned: Assignment) -> list[Pair]:
        """The samples that train, validate and test."""
        from .training import tensors

        u, v = (tensors(values, assigned.split, self.standardize) for values in (assigned.x, assigned.y))
        return list(zip(u, v, strict=True))


def _result(learner: Learner, history: History, test: Pair, generator: Generator) -> FoldResult:
    import torch

    tested: HeldOutEstimate | None = None
    if not history.diverged:
        with torch.no_grad():
            tested = learner.tested(*test, generator)
    return FoldResult(tested, history.curve(learner), history.last, history.best, history.note)
