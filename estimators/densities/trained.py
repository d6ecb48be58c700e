"""What doe, flow, minde and latent share: the hyperparameters of a training, and how samples become an estimate.

This module imports no torch: an estimator is a value made of hyperparameters until it is asked to estimate. Each of the
four says which models stand for a problem (:meth:`Trained.problem`); the splits, the training, cross-fitting and what
happens to a training that diverges are written once, here and in ``_training.py``.
"""

from __future__ import annotations

import inspect
import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from mibench.errors import UsageError
from mibench.estimator import Array, Capabilities, Estimate, Estimator, check_samples, rng_for

from .._samples import ties
from ..critics.splits import Split, splits

if TYPE_CHECKING:
    from torch import Tensor

    from .training import Problem


@dataclass(frozen=True, eq=False, repr=False)
class Trained(Estimator):
    """Models are trained on one part of the samples, chosen on a second, and the number is computed on a third.

    max_steps, max_epochs : how long to train, whichever is less; the rate rises briefly and falls as a cosine.
    batch, learning_rate, weight_decay : of AdamW.
    average : decay of the moving average of the weights, which is what is evaluated and kept.
    patience : validations (of 50) without improvement after which training stops.
    validation, test : shares of the samples that choose the weights, and that the number is computed on.
    folds : if not 0, cross-fitting: as many trainings, each tested on its own fold, so that all samples are tested; the
        other samples are divided between training and validation in the same proportion as without.
    standardize : how columns are scaled first, by what the training part shows: "rank" (normal scores), "robust"
        (quartiles, then arcsinh), "standard" (mean and variance), "none".
    """

    max_steps: int = 1000
    max_epochs: int = 250
    batch: int = 512
    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    average: float = 0.98
    patience: int = 15
    validation: float = 0.2
    test: float = 0.2
    folds: int = 0
    standardize: Literal["rank", "robust", "standard", "none"] = "rank"

    capabilities: ClassVar[Capabilities] = Capabilities(min_n=20, trains=True, devices=("cpu", "cuda"), memory=0.2)

    def __init_subclass__(cls, **options: Any) -> None:
        """Let the docstring of a subclass, which ends with its own hyperparameters, go on with those above."""
        super().__init_subclass__(**options)
        if cls.__doc__ and Trained.__doc__:
            shared = inspect.cleandoc(Trained.__doc__).split("\n\n", 1)[1]
            cls.__doc__ = f"{inspect.cleandoc(cls.__doc__)}\n{shared}"

    def __post_init__(self) -> None:
        for name in ("max_steps", "max_epochs", "batch", "learning_rate", "patience"):
            if not getattr(self, name) > 0:
                self.refuse(f"{name} = {getattr(self, name)} trains nothing; it must be greater than 0.")
        if not 0 <= self.average < 1:
            self.refuse(f"average = {self.average} is no decay; use 0 or more and less than 1.")
        if min(self.validation, self.test) <= 0 or self.validation + self.test >= 1:
            self.refuse(
                f"validation = {self.validation} and test = {self.test} must be shares greater than 0 whose sum is "
                "below 1."
            )
        if self.folds == 1 or self.folds < 0:
            self.refuse(f"folds = {self.folds} is not usable; give 2 or more, or 0 for a single split.")
        if self.standardize not in ("rank", "robust", "standard", "none"):
            self.refuse(f"standardize '{self.standardize}' is not known; use 'rank', 'robust', 'standard' or 'none'.")

    def refuse(self, problem: str) -> None:
        """Raise UsageError about a hyperparameter."""
        raise UsageError(f"{self.registered_name}: {problem}")

    @abstractmethod
    def problem(self, x: Tensor, y: Tensor) -> Problem:
        """The models for training samples ``x`` (n, dim_x) and ``y`` (n, dim_y), their losses and what they answer."""

    def oriented(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The two variables in the order in which :meth:`problem` wants them."""
        return x, y

    def admit(self, dim_x: int, dim_y: int, test: int) -> None:
        """Raise Unsupported where ``test`` held-out samples are too few for these dimensions."""

    def warm_up(self) -> None:
        """Load torch."""
        from . import training as _training  # noqa: F401

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate I(X; Y) in nats from the samples held out.

        Raises
        ------
        Unsupported : too few samples for three parts.
        """
        x, y = check_samples(x, y, self.capabilities.min_n)
        said = ties(x, y)
        x, y = self.oriented(x, y)
        rng = rng_for(seed)
        shares = 1 - self.validation - self.test, self.validation, self.test
        parts = splits(len(x), shares, self.folds, rng)
        self.admit(x.shape[1], y.shape[1], min(len(part.test) for part in parts))
        from .training import train

        outcomes = [train(self, x, y, part, stream) for part, stream in zip(parts, rng.spawn(len(parts)), strict=True)]
        return merged(outcomes, parts, said)


@dataclass(frozen=True)
class Answer:
    """What the held-out samples of one split say.

    mi, stderr : in nats, as in :class:`Estimate`. facts : for diagnostics.
    """

    mi: float
    stderr: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def mean(cls, contributions: Array, **facts: Any) -> Answer:
        """The mean of ``contributions``, shape (n,), with its standard error."""
        return cls(float(contributions.mean()), float(contributions.std(ddof=1)) / math.sqrt(len(contributions)), facts)


@dataclass(frozen=True)
class Outcome:
    """One training: what its test gave (None where it diverged), its curve, its length and the steps that were kept."""

    tested: Answer | None
    curve: Mapping[str, Sequence[float]]
    steps: int
    best: Sequence[int]


def merged(outcomes: Sequence[Outcome], parts: Sequence[Split], said: Mapping[str, Any]) -> Estimate:
    """The mean over the folds, each weighed by its samples; NaN where one training diverged.

    The standard error takes the folds for independent: each has test samples of its own, but their training samples
    are largely the same. It says nothing of what every training misses. Where a single test has no standard error, it
    follows from the spread between the folds. Facts that are numbers are averaged as well.
    """
    first = parts[0]
    diagnostics: dict[str, Any] = {
        "samples": {"train": len(first.train), "validation": len(first.validation), "test": len(first.test)},
        "steps": max(outcome.steps for outcome in outcomes),
        "best_steps": [step for outcome in outcomes for step in outcome.best],
        **said,
    }
    tested = [outcome.tested for outcome in outcomes if outcome.tested is not None]
    curve = outcomes[0].curve
    if len(tested) < len(outcomes):
        return Estimate(math.nan, None, curve, {**diagnostics, "diverged": True})
    weights = np.array([len(part.test) for part in parts], dtype=float)
    weights /= weights.sum()
    for name, value in tested[0].facts.items():
        averaged = isinstance(value, float)
        diagnostics[name] = float(weights @ [one.facts[name] for one in tested]) if averaged else value
    numbers = np.array([one.mi for one in tested])
    mi = float(weights @ numbers)
    errors = np.array([one.stderr for one in tested if one.stderr is not None])
    if len(errors) < len(tested):
        errors = np.abs(numbers - mi) * math.sqrt(len(numbers) / max(1, len(numbers) - 1))
    stderr = float(np.linalg.norm(weights * errors)) if len(tested) > 1 or tested[0].stderr is not None else None
    return Estimate(mi, stderr, curve, diagnostics)
