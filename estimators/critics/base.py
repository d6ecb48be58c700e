"""What the variational estimators have in common: their hyperparameters, and how samples become an estimate.

This module imports no torch: an estimator is a value made of hyperparameters until it is asked to estimate.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from mibench import runtime
from mibench.errors import DataError, UsageError
from mibench.estimator import Array, Capabilities, Estimate, Estimator, Kind, check_samples, rng_for

from .._samples import pooled
from .splits import Scaling, Split, scaled, splits

if TYPE_CHECKING:
    from torch import Tensor

    from mibench.bound import Bound

    from .critics import Critic
    from .trainer import Schedule

ACTIVATIONS = ("relu", "elu", "gelu", "silu", "tanh")
PARTS = ("train", "validation", "test")
# numbers of input that one stack may hold: more problems than fit are answered one stack after the other
STACK = {"cpu": 2**25, "cuda": 2**31}


@dataclass(frozen=True, eq=False, repr=False)
class Variational(Estimator):
    """A critic is trained on one part of the samples, chosen on a second, and the bound's value reported on a third.

    hidden : widths of the hidden layers of every network.
    activation : "relu", "elu", "gelu", "silu" or "tanh".
    standardize : how columns are scaled first, by what the training part shows: "standard" (mean and variance),
        "robust" (quartiles, then arcsinh), "rank" (normal scores), "none".
    batch : pairs per step, at most a quarter of the training part.
    schedule : the learning rate follows "one-cycle" (up to its peak in the share ``warmup`` of the steps, linearly,
        then down as half a cosine) or stays "constant".
    learning_rate, clip : Adam's step, and the greatest norm of the gradient (0: any).
    weight_decay : by how many powers of e weights shrink over the whole training, per column of x and of y (at most
        0.01 per step): the more inputs, the more there is to overfit.
    max_steps, max_epochs : how long to train, whichever is less.
    interval, patience : steps between validations, and how many may pass without improvement.
    train, validation, test : shares of the samples. With no validation part the critic is chosen on the test part,
        which biases the answer upwards.
    folds : if not 0, cross-fitting: as many critics, each tested on its own fold, so that all samples are tested.
    """

    hidden: tuple[int, ...] = (48, 48, 48, 48)
    activation: Literal["relu", "elu", "gelu", "silu", "tanh"] = "silu"
    standardize: Literal["robust", "standard", "rank", "none"] = "robust"
    batch: int = 256
    schedule: Literal["one-cycle", "constant"] = "one-cycle"
    learning_rate: float = 1e-2
    warmup: float = 0.2
    weight_decay: float = 0.125
    clip: float = 1.0
    max_steps: int = 1000
    max_epochs: int = 60
    interval: int = 50
    patience: int = 12
    train: float = 0.7
    validation: float = 0.1
    test: float = 0.2
    folds: int = 0

    version: ClassVar[str] = "2"
    kind: ClassVar[Kind] = Kind.LOWER_BOUND
    capabilities: ClassVar[Capabilities] = Capabilities(
        min_n=20, max_batch=16, trains=True, devices=("cpu", "cuda"), memory=0.3
    )

    def __post_init__(self) -> None:
        def refuse(problem: str) -> None:
            raise UsageError(f"{self.registered_name}: {problem}")

        if self.activation not in ACTIVATIONS:
            refuse(f"activation '{self.activation}' is not known; use one of {', '.join(ACTIVATIONS)}.")
        if not self.hidden or min(self.hidden) < 1:
            refuse(f"hidden = {self.hidden} describes no network; give one or more widths, such as (64 64).")
        for name in ("batch", "max_steps", "max_epochs", "interval", "patience", "learning_rate"):
            if not getattr(self, name) > 0:
                refuse(f"{name} = {getattr(self, name)} is not usable; it must be greater than 0.")
        if min(self.train, self.test) <= 0 or self.validation < 0:
            refuse("the shares train and test must be greater than 0, and validation at least 0.")
        if self.folds == 1 or self.folds < 0:
            refuse(f"folds = {self.folds} is not usable; give 2 or more, or 0 for a single split.")
        if self.folds and not self.validation:
            refuse("folds need a validation part of their own; give a share greater than 0.")
        if not 0 <= self.warmup < 1:
            refuse(f"warmup = {self.warmup} is not a share of the steps; use a number from 0 up to 1.")

    @abstractmethod
    def bound(self) -> Bound:
        """The variational bound: the loss that trains and the value that is reported."""

    @abstractmethod
    def architecture(self, dim_x: int, dim_y: int) -> Critic:
        """The critic for variables of these dimensions."""

    @abstractmethod
    def optimisation(self, dim: int) -> Schedule:
        """How the trainer is to proceed, with ``dim`` columns in x and y together."""

    def warm_up(self) -> None:
        """Import torch, the one thing that is slow the first time."""
        import torch  # noqa: F401

        from . import evaluation, trainer  # noqa: F401

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate I(X; Y) in nats.

        Raises
        ------
        Unsupported : too few samples for three parts.
        """
        return self.estimate_batch([x], [y], [seed])[0]

    def estimate_batch(self, xs: Sequence[Array], ys: Sequence[Array], seeds: Sequence[int]) -> list[Estimate]:
        """Answer many problems of one shape with one stack of critics (or more, where the memory asks for it).

        Raises
        ------
        DataError : problems of different shapes.
        Unsupported : too few samples for three parts.
        """
        problems = [_Problem(*check_samples(x, y), seed) for x, y, seed in zip(xs, ys, seeds, strict=True)]
        shapes = sorted({(p.x.shape, p.y.shape) for p in problems})
        if len(shapes) > 1:
            raise DataError(f"one batch needs problems of one shape, not {shapes[0]} and {shapes[1]}.")
        models = [model for problem in problems for model in self._models(problem)]
        outcomes: list[_Outcome] = []
        for stack in _stacks(models):
            outcomes += self._train(stack)
        each = max(1, self.folds)
        return [self._estimate(outcomes[i : i + each]) for i in range(0, len(outcomes), each)]

    def splits(self, n: int, seed: int) -> list[Split]:
        """Which of n rows train, validate and test with this seed: one split for each critic that is trained.

        Raises
        ------
        Unsupported : too few samples for three parts.
        """
        return splits(n, (self.train, self.validation, self.test), self.folds, rng_for(seed))

    def remarks(self, mi: float, test: int) -> dict[str, Any]:
        """What diagnostics should say of an estimate from ``test`` samples, beyond sizes and steps."""
        return {}

    def _models(self, problem: _Problem) -> list[_Model]:
        parts = self.splits(len(problem.x), problem.seed)
        streams = rng_for(problem.seed).spawn(len(parts))
        return [_Model(problem, part, stream) for part, stream in zip(parts, streams, strict=True)]

    def _train(self, models: Sequence[_Model]) -> list[_Outcome]:
        import torch

        from .evaluation import contributions
        from .trainer import fit

        # critics are small: more threads cost more than they give, and estimates run side by side
        torch.set_num_threads(1)
        device = torch.device(runtime.device())
        data = [{k: torch.from_numpy(v).to(device) for k, v in m.scaled(self.standardize).items()} for m in models]

        def stacked(part: str) -> tuple[Tensor, Tensor]:
            return torch.stack([d[f"x {part}"] for d in data]), torch.stack([d[f"y {part}"] for d in data])

        dims = models[0].problem.x.shape[1], models[0].problem.y.shape[1]
        critic, bound, schedule = self.architecture(*dims), self.bound(), self.optimisation(sum(dims))
        fitted = fit(critic, bound, schedule, stacked("train"), stacked("validation"), [m.rng for m in models])
        outcomes = []
        for i, (model, d) in enumerate(zip(models, data, strict=True)):
            # one by one, because test parts may differ by a row
            terms = contributions(bound, critic, fitted.theta[i : i + 1], d["x test"][None], d["y test"][None])[0]
            outcomes.append(
                _Outcome(
                    model.split, terms.double().cpu().numpy(), fitted.curves[i], fitted.steps[i], fitted.diverged[i]
                )
            )
        return outcomes

    def _estimate(self, outcomes: Sequence[_Outcome]) -> Estimate:
        """The mean of the contributions over all that were tested; NaN if one critic diverged."""
        mi, stderr = pooled([o.terms for o in outcomes])
        first = outcomes[0]
        sizes = {part: len(getattr(first.split, part)) for part in PARTS}
        diagnostics: dict[str, Any] = {"samples": sizes, "steps": max(o.steps for o in outcomes)}
        if any(o.diverged for o in outcomes):
            mi, diagnostics["diverged"] = math.nan, True
        diagnostics |= self.remarks(mi, len(first.terms))
        return Estimate(mi, stderr, curve=first.curve, diagnostics=diagnostics)


@dataclass(frozen=True, eq=False, repr=False)
class FreeCritic(Variational):
    """A variational estimator whose critic may be any function of x and y.

    critic : "separable" g(x) . h(y) + a(x) + b(y), "joint" (a perceptron of x and y together), "bilinear" x'Wy with
        linear terms (no hidden layers), "conv" (separable, with convolutions where a variable is a square image).
    embedding : the length of g and h.
    negatives : product pairs per joint pair of a batch: a number (at most half the batch), or "all" other pairs; "auto"
        is half, but 4 for the joint critic, for which every pair costs a pass through the network.
    """

    critic: Literal["separable", "joint", "bilinear", "conv"] = "separable"
    embedding: int = 32
    negatives: int | Literal["all", "auto"] = "auto"

    offset: ClassVar[float] = 0.0  # the constant critic at which the bound is 0: where training starts

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.critic not in ("separable", "joint", "bilinear", "conv"):
            raise UsageError(
                f"{self.registered_name}: critic '{self.critic}' is not known; "
                "use 'separable', 'joint', 'bilinear' or 'conv'."
            )
        if self.embedding < 1:
            raise UsageError(f"{self.registered_name}: embedding = {self.embedding} is not usable; use 1 or more.")
        if self.negatives not in ("all", "auto") and (isinstance(self.negatives, str) or self.negatives < 1):
            raise UsageError(
                f"{self.registered_name}: negatives = {self.negatives} is not usable; "
                "use a number greater than 0, 'all' or 'auto'."
            )

    def warm_up(self) -> None:
        """Import torch; compile the loops of the joint critic."""
        super().warm_up()
        if self.critic == "joint" and runtime.device() == "cpu":
            from . import pairwise as _pairwise

            _pairwise.warm_up()

    def architecture(self, dim_x: int, dim_y: int) -> Critic:
        """The critic named by ``critic``, with the second function that the bound asks for."""
        from .critics import build

        second = self.bound().second
        return build(self.critic, (dim_x, dim_y), self.hidden, self.embedding, self.activation, self.offset, second)

    def optimisation(self, dim: int) -> Schedule:
        """The schedule of the same-named hyperparameters."""
        enough = 4 if self.critic == "joint" else self.batch // 2
        return _schedule(self, dim, enough if self.negatives == "auto" else self.negatives)


@dataclass(frozen=True, eq=False, repr=False)
class ConditionalDensity(Variational):
    """A variational estimator on a model q(y | x): normal, with means and variances that are networks of x.

    ``standardize`` is "standard" by default: bending y would make a normal conditional something else.
    """

    standardize: Literal["robust", "standard", "rank", "none"] = "standard"

    def architecture(self, dim_x: int, dim_y: int) -> Critic:
        """The normal conditional density."""
        from .critics import build

        return build("gaussian", (dim_x, dim_y), self.hidden, 0, self.activation)

    def optimisation(self, dim: int) -> Schedule:
        """The schedule of the same-named hyperparameters; likelihood needs no product pairs, so there is one each."""
        return _schedule(self, dim, 1)


def _schedule(estimator: Variational, dim: int, negatives: int | Literal["all"]) -> Schedule:
    from .trainer import Schedule

    names = set(Schedule.__dataclass_fields__) & set(estimator.params) - {"negatives"}
    chosen: dict[str, Any] = {name: getattr(estimator, name) for name in names}
    chosen["weight_decay"] = estimator.weight_decay * dim
    return Schedule(**chosen, negatives=negatives, by_value=estimator.kind is Kind.LOWER_BOUND)


@dataclass(frozen=True)
class _Problem:
    """One pair of samples and its seed."""

    x: Array
    y: Array
    seed: int


@dataclass(frozen=True)
class _Model:
    """One critic to train: a split of a problem, and a stream of randomness of its own."""

    problem: _Problem
    split: Split
    rng: np.random.Generator

    def scaled(self, scaling: Scaling) -> dict[str, npt.NDArray[np.float32]]:
        """The parts of the scaled samples, as ``"x train"`` and so on."""
        answer: dict[str, npt.NDArray[np.float32]] = {}
        for name, values in (("x", self.problem.x), ("y", self.problem.y)):
            columns = scaled(values, self.split.train, scaling).astype(np.float32)
            answer |= {f"{name} {part}": columns[getattr(self.split, part)] for part in PARTS}
        return answer


@dataclass(frozen=True)
class _Outcome:
    """A trained and tested critic."""

    split: Split
    terms: npt.NDArray[np.float64]
    curve: dict[str, list[float]] = field(default_factory=dict)
    steps: int = 0
    diverged: bool = False


def _stacks(models: list[_Model]) -> Iterator[list[_Model]]:
    """Models in groups whose samples fit into memory together."""
    each = models[0].problem.x.size + models[0].problem.y.size
    size = max(1, STACK[runtime.device().partition(":")[0]] // each)
    for i in range(0, len(models), size):
        yield models[i : i + size]
