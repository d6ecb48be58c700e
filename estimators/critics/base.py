"""What the variational estimators have in common: their hyperparameters, and how samples become an estimate.

This module imports no torch: an estimator is a value made of hyperparameters until it is asked to estimate.
"""

from __future__ import annotations

import copy
import itertools
import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mibench import runtime
from mibench.bound import Interval
from mibench.errors import DataError
from mibench.estimator import Array, Capabilities, Estimate, Kind, check_samples, rng_for
from mibench.parameters import Count, NotNegative, Positive, Widths

from .._samples import pooled
from ..learned import Assignment, BelowOne, Folds, Learned, Scaling, Split, in_halves, one_thread, scaled, threads

if TYPE_CHECKING:
    from torch import Tensor

    from mibench.bound import Bound

    from .critics import CriticStack
    from .stack import Optimisation

Activation: TypeAlias = Literal["relu", "elu", "gelu", "silu", "tanh"]
# numbers of input that one stack may hold: more problems than fit are answered one stack after the other
STACK = {"cpu": 2**25, "cuda": 2**31}
EVERY = slice(None)


@dataclass(frozen=True, eq=False, repr=False)
class Variational(Learned):
    """A critic is trained on one part of the samples, chosen on a second, and the bound's value reported on a third.

    The standard error is that of the bound on held-out samples. What the critic failed to learn is not in it, so it
    bounds the truth from one side: from below by mi - 1.645 stderr for a lower bound. A value that is no bound has
    none; its ``sampling_error`` is a diagnostic.

    Parameters
    ----------
    hidden : widths of the hidden layers of every network.
    activation : "relu", "elu", "gelu", "silu" or "tanh".
    batch : pairs per step, at most a quarter of the training part.
    schedule : the learning rate follows "one-cycle" (up to its peak in the share ``warmup`` of the steps, linearly,
        then down as half a cosine) or stays "constant".
    warmup : share of the steps in which the learning rate rises.
    learning_rate, clip : Adam's step, and the greatest norm of the gradient (0: any).
    weight_decay : by how many powers of e weights shrink over the whole training, per column of x and of y (at most
        0.01 per step): the more inputs, the more there is to overfit.
    interval, patience : steps between validations, and how many may pass without improvement.
    train, validation, test : shares of the samples. With no validation part the critic is chosen on the test part,
        which biases the answer upwards.
    """

    hidden: Widths = (48, 48, 48, 48)
    activation: Activation = "silu"
    standardize: Scaling = "robust"
    batch: Count = 256
    schedule: Literal["one-cycle", "constant"] = "one-cycle"
    learning_rate: Positive = 1e-2
    warmup: BelowOne = 0.2
    weight_decay: NotNegative = 0.125
    clip: NotNegative = 1.0
    max_steps: Count = 1000
    max_epochs: Count = 60
    interval: Count = 50
    patience: Count = 12
    train: Positive = 0.7
    validation: NotNegative = 0.1
    test: Positive = 0.2
    folds: Folds = 0

    version: ClassVar[str] = "2"
    kind: ClassVar[Kind] = Kind.LOWER_BOUND
    capabilities: ClassVar[Capabilities] = Capabilities(
        min_n=20, max_batch=16, max_batch_gpu=128, trains=True, devices=("cpu", "cuda"), memory=0.3
    )

    def __post_init__(self) -> None:
        if self.folds and not self.validation:
            self.refuse("folds need a validation part of their own; give a share greater than 0.")

    @abstractmethod
    def bound(self) -> Bound:
        """The variational bound: the loss that trains and the value that is reported."""

    @abstractmethod
    def architecture(self, dim_x: int, dim_y: int) -> CriticStack:
        """The critics for variables of these dimensions."""

    @property
    @abstractmethod
    def product_pairs(self) -> int | Literal["all"]:
        """Product pairs per joint pair of a batch."""

    @property
    def shares(self) -> tuple[float, float, float]:
        return self.train, self.validation, self.test

    def optimisation(self, dim: int) -> Optimisation:
        """How the trainer is to proceed, with ``dim`` columns in x and y together."""
        from .stack import Optimisation

        names = Optimisation.__dataclass_fields__.keys() & self.params.keys()
        chosen: dict[str, Any] = {name: getattr(self, name) for name in names}
        chosen |= {"weight_decay": self.weight_decay * dim, "negatives": self.product_pairs}
        return Optimisation(**chosen, by_value=self.kind is Kind.LOWER_BOUND)

    def warm_up(self) -> None:
        from . import evaluation, trainer  # noqa: F401

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        return self.estimate_batch([x], [y], [seed])[0]

    def estimate_batch(self, xs: Sequence[Array], ys: Sequence[Array], seeds: Sequence[int]) -> list[Estimate]:
        """Answer many problems of one shape with one stack of critics (or more, where the memory asks for it).

        Raises
        ------
        DataError : problems of different shapes.
        Unsupported : too few samples for three parts.
        """
        samples = list(threads(runtime.device(), lambda pair: check_samples(*pair), zip(xs, ys, strict=True)))
        shapes = sorted({(x.shape, y.shape) for x, y in samples})
        if len(shapes) > 1:
            raise DataError(f"one batch needs problems of one shape, not {shapes[0]} and {shapes[1]}.")
        assigned = [a for (x, y), seed in zip(samples, seeds, strict=True) for a in self._assignments(x, y, seed)]
        with one_thread():
            stacks = [in_halves(self._train, stack, self.label) for stack in _stacks(assigned)]
        trained = [critic for stack in stacks for critic in stack]
        each = max(1, self.folds)
        return [self._estimate(trained[i : i + each]) for i in range(0, len(trained), each)]

    def prepared(self, assigned: Assignment) -> dict[str, npt.NDArray[np.float32]]:
        """What the critic is given of each part of the samples, as ``"x train"`` and so on."""
        return assigned.parts(*(scaled(v, assigned.split.train, self.standardize) for v in (assigned.x, assigned.y)))

    def _assignments(self, x: Array, y: Array, seed: int) -> list[Assignment]:
        parts = self.splits(len(x), seed)
        return [Assignment(x, y, *pair) for pair in zip(parts, rng_for(seed).spawn(len(parts)), strict=True)]

    def _train(self, assigned: Sequence[Assignment]) -> Iterator[TrainedCritic]:
        import torch

        from .evaluation import contributions
        from .trainer import fit

        device = torch.device(runtime.device())
        data = list(threads(device.type, self.prepared, assigned))

        def stacked(part: str, some: slice = EVERY) -> tuple[Tensor, Tensor]:
            x, y = (torch.from_numpy(np.stack([d[f"{v} {part}"] for d in data[some]])).to(device) for v in "xy")
            return x, y

        dims = assigned[0].x.shape[1], assigned[0].y.shape[1]
        critic, bound, how = self.architecture(*dims), self.bound(), self.optimisation(sum(dims))
        rngs = [copy.deepcopy(a.rng) for a in assigned]  # a stack that is too large is tried again
        fitted = fit(critic, bound, how, stacked("train"), stacked("validation"), rngs)
        start = 0
        # test parts may differ by a row
        for _, alike in itertools.groupby(assigned, lambda a: len(a.split.test)):
            some = slice(start, start + len(list(alike)))
            terms = contributions(bound, critic, fitted.theta[some], *stacked("test", some)).double().cpu().numpy()
            for i, numbers in enumerate(terms, start):
                told = assigned[i].split, numbers, fitted.curves[i], fitted.steps[i], fitted.diverged[i], fitted.note
                yield TrainedCritic(*told)
            start = some.stop

    def _estimate(self, trained: Sequence[TrainedCritic]) -> Estimate:
        """The mean of the contributions over all that were tested; NaN if one critic diverged."""
        from .evaluation import OTHERS

        mi, error = pooled([critic.terms for critic in trained])
        first = trained[0]
        diagnostics: dict[str, Any] = {"samples": first.split.sizes, "steps": max(critic.steps for critic in trained)}
        stderr: float | None = error
        if self.kind.interval is Interval.TWO_SIDED:  # which would have to hold what no critic learned
            stderr, diagnostics["sampling_error"] = None, error
        if first.note:
            diagnostics["steps are"] = first.note
        if any(critic.diverged for critic in trained):
            mi, diagnostics["diverged"] = math.nan, True
        diagnostics |= self.bound().remarks(mi, min(len(first.terms), OTHERS + 1))
        return Estimate(mi, stderr, curve=first.curve, diagnostics=diagnostics)


@dataclass(frozen=True, eq=False, repr=False)
class FreeCritic(Variational):
    """A variational estimator whose critic may be any function of x and y.

    Parameters
    ----------
    critic : "separable" g(x) . h(y) + a(x) + b(y), "joint" (a perceptron of x and y together), "bilinear" x'Wy with
        linear terms (no hidden layers), "conv" (separable, with convolutions where a variable is a square image).
    embedding : the length of g and h.
    negatives : product pairs per joint pair of a batch: a number (at most half the batch), or "all" other pairs; "auto"
        is half, but 4 for the joint critic, for which every pair costs a pass through the network.
    """

    critic: Literal["separable", "joint", "bilinear", "conv"] = "separable"
    embedding: Count = 32
    negatives: Count | Literal["all", "auto"] = "auto"

    def warm_up(self) -> None:
        """Import torch; compile the loops of the joint critic."""
        super().warm_up()
        if self.critic == "joint" and runtime.device() == "cpu":
            from . import pairwise

            pairwise.warm_up()

    def architecture(self, dim_x: int, dim_y: int) -> CriticStack:
        from .critics import build

        bound = self.bound()
        dims = dim_x, dim_y
        return build(self.critic, dims, self.hidden, self.embedding, self.activation, bound.offset, bound.second)

    @property
    def product_pairs(self) -> int | Literal["all"]:
        if self.negatives != "auto":
            return self.negatives
        return 4 if self.critic == "joint" else self.batch // 2


@dataclass(frozen=True, eq=False, repr=False)
class ConditionalDensity(Variational):
    """A variational estimator on a model q(y | x): normal, with means and variances that are networks of x.

    ``standardize`` is "standard" by default: bending y would make a normal conditional something else.
    """

    standardize: Scaling = "standard"

    def architecture(self, dim_x: int, dim_y: int) -> CriticStack:
        from .critics import build

        return build("gaussian", (dim_x, dim_y), self.hidden, 0, self.activation)

    @property
    def product_pairs(self) -> int:
        """Likelihood needs none, so there is one each."""
        return 1


@dataclass(frozen=True)
class TrainedCritic:
    """What is left of a critic that was trained and tested: its contributions, its curve, its length.

    note : how its steps were made, where that is not one by one as they are written.
    """

    split: Split
    terms: npt.NDArray[np.float64]
    curve: dict[str, list[float]] = field(default_factory=dict)
    steps: int = 0
    diverged: bool = False
    note: str = ""


def _stacks(assigned: list[Assignment]) -> Iterator[list[Assignment]]:
    """As many at a time as their samples fit into memory together."""
    each = assigned[0].x.size + assigned[0].y.size
    size = max(1, STACK["cpu" if runtime.device() == "cpu" else "cuda"] // each)
    for i in range(0, len(assigned), size):
        yield assigned[i : i + size]
