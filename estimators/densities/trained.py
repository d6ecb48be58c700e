"""What estimators share that train densities, flows or codes: hyperparameters, and how samples become an estimate.

This module imports no torch: an estimator is a value made of hyperparameters until it is asked to estimate. Each says
what is learned from the training samples (:meth:`Trained.learner`); splits, training, cross-fitting and what happens to
a training that diverges are written once, here, in ``training.py`` and in ``folds.py``.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mibench.estimator import Array, Capabilities, Estimate, check_samples, rng_for
from mibench.parameters import Count, Inner, NotNegative, Positive

from .._samples import ties
from ..learned import BelowOne, Folds, Learned, Scaling, Split
from .folds import FoldResult, merged

if TYPE_CHECKING:
    from torch import Tensor

    from .training import Learner, Schedule


@dataclass(frozen=True, eq=False, repr=False)
class Trained(Learned):
    """Models are trained on one part of the samples, chosen on a second, and the number is computed on a third.

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

    capabilities: ClassVar[Capabilities] = Capabilities(min_n=20, trains=True, devices=("cpu", "cuda"), memory=0.2)

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
        x, y = check_samples(x, y, self.capabilities.min_n)
        said = ties(x, y)
        x, y = self.oriented(x, y)
        parts = self.splits(len(x), seed)
        self.admit(x.shape[1], y.shape[1], min(len(part.test) for part in parts))
        streams = rng_for(seed).spawn(len(parts))
        return merged([self._train(x, y, part, rng) for part, rng in zip(parts, streams, strict=True)], parts, said)

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

    def _train(self, x: Array, y: Array, split: Split, rng: np.random.Generator) -> FoldResult:
        import torch

        from .training import fit, isolated, tensors

        with isolated(rng) as generator:
            u, v = (tensors(values, split, self.standardize) for values in (x, y))
            training, validation, test = zip(u, v, strict=True)
            learner = self.learner(*training)
            schedule = self.schedule(len(training[0]))
            history = fit(learner, training, validation, schedule, generator)
            while not history.diverged and (follower := learner.follower()) is not None:
                learner, history = follower, history.then(fit(follower, training, validation, schedule, generator))
            tested = None
            if not history.diverged:
                with torch.no_grad():
                    tested = learner.tested(*test, generator)
        return FoldResult(tested, history.curve(learner), history.last, history.best)
