"""The variational estimators by name: each is a bound, and they share one base that trains and tests its critic.

This module imports no torch: an estimator is a value made of hyperparameters until it is asked to estimate.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from mibench import runtime
from mibench.errors import DataError
from mibench.estimator import Array, Capabilities, Estimate, Estimator, Kind, check_samples, rng_for
from mibench.registry import estimators

from .splits import Scaling, Split, scaled, splits

if TYPE_CHECKING:
    from mibench.bound import Bound

    from .critics import Critic
    from .trainer import Schedule

CAPABILITIES = Capabilities(min_n=20, max_batch=16, devices=("cpu", "cuda"))


@dataclass(frozen=True, eq=False, repr=False)
class Variational(Estimator):
    """A critic is trained on one part of the samples, chosen on a second, and the bound's value reported on a third.

    critic : "separable" g(x) . h(y) + a(x) + b(y), "joint" (a perceptron of both).
    hidden : widths of the hidden layers of every perceptron.
    embedding : length of g and h.
    activation : "relu", "elu", "gelu", "silu" or "tanh".
    standardize : how columns are scaled first, by what the training part shows: "standard" (mean and variance),
        "robust" (quartiles, then arcsinh), "rank" (normal scores), "none".
    batch, negatives : joint pairs per step, and product pairs for each: cyclic shifts of the batch, or "all" others.
    learning_rate, warmup, weight_decay, clip, max_steps : AdamW under one cycle of the rate with this peak, which it
        reaches after the share ``warmup`` of the steps; ``clip`` bounds the norm of the gradient.
    interval, patience : steps between validations, and how many may pass without improvement.
    averaging : decay of the moving average of the parameters that is validated and reported; 0 for none.
    train, validation, test : shares of the samples.
    folds : if not 0, cross-fitting: as many critics, each tested on its own fold, so that all samples are tested.
    """

    critic: Literal["separable", "joint"] = "separable"
    hidden: tuple[int, ...] = (64, 64)
    embedding: int = 32
    activation: Literal["relu", "elu", "gelu", "silu", "tanh"] = "relu"
    standardize: Scaling = "robust"
    batch: int = 256
    negatives: int | Literal["all"] = "all"
    learning_rate: float = 5e-3
    warmup: float = 0.2
    weight_decay: float = 1e-2
    clip: float = 1.0
    max_steps: int = 1000
    interval: int = 50
    patience: int = 8
    averaging: float = 0.0
    train: float = 0.6
    validation: float = 0.2
    test: float = 0.2
    folds: int = 0

    capabilities: ClassVar[Capabilities] = CAPABILITIES
    kind: ClassVar[Kind] = Kind.LOWER_BOUND
    offset: ClassVar[float] = 0.0  # the constant at which a critic without information has the value 0

    @abstractmethod
    def bound(self) -> Bound:
        """The variational bound: the loss that trains and the value that is reported."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate I(X; Y) in nats.

        Raises
        ------
        Unsupported : too few samples for three parts.
        """
        return self.estimate_batch([x], [y], [seed])[0]

    def estimate_batch(self, xs: Sequence[Array], ys: Sequence[Array], seeds: Sequence[int]) -> list[Estimate]:
        """Answer many problems of one shape with one stack of critics.

        Raises
        ------
        DataError : problems of different shapes.
        Unsupported : too few samples for three parts.
        """
        checked = [check_samples(x, y) for x, y in zip(xs, ys, strict=True)]
        shapes = sorted({(x.shape, y.shape) for x, y in checked})
        if len(shapes) > 1:
            raise DataError(f"one batch needs problems of one shape, not {shapes[0]} and {shapes[1]}.")
        import torch

        torch.set_num_threads(1)
        models = []
        for (x, y), seed in zip(checked, seeds, strict=True):
            rng = rng_for(seed)
            parts = splits(len(x), (self.train, self.validation, self.test), self.folds, rng)
            models += [(x, y, part, stream) for part, stream in zip(parts, rng.spawn(len(parts)), strict=True)]
        answers = self._train(models)
        each = max(1, self.folds)
        return [self._estimate(answers[i : i + each]) for i in range(0, len(answers), each)]

    def _train(self, models: Sequence[tuple[Array, Array, Split, np.random.Generator]]) -> list[dict[str, Any]]:
        import torch

        from .evaluation import contributions
        from .trainer import fit

        device = torch.device(runtime.device())
        parts: dict[str, list[torch.Tensor]] = {
            f"{v} {name}": [] for name in ("train", "validation", "test") for v in "xy"
        }
        for x, y, split, _ in models:
            for v, values in (("x", x), ("y", y)):
                values = scaled(values, split.train, self.standardize)
                for name in ("train", "validation", "test"):
                    rows = torch.as_tensor(values[getattr(split, name)], dtype=torch.float32)
                    parts[f"{v} {name}"].append(rows.to(device))

        def stacked(name: str) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.stack(parts[f"x {name}"]), torch.stack(parts[f"y {name}"])

        critic, bound = self._critic(models[0][0].shape[1], models[0][1].shape[1]), self.bound()
        result = fit(critic, bound, self._schedule(), stacked("train"), stacked("validation"), [m[3] for m in models])
        answers = []
        for s, model in enumerate(models):
            # test parts may differ by a row, so they are not stacked
            terms = contributions(
                bound, critic, result.theta[s : s + 1], parts["x test"][s][None], parts["y test"][s][None]
            )[0]
            answers.append(
                {
                    "terms": np.full(1, np.nan) if result.diverged[s] else terms.double().cpu().numpy(),
                    "curve": result.curves[s],
                    "steps": result.steps[s],
                    "diverged": result.diverged[s],
                    "sizes": {k: len(getattr(model[2], k)) for k in ("train", "validation", "test")},
                }
            )
        return answers

    def _estimate(self, answers: Sequence[dict[str, Any]]) -> Estimate:
        terms = [a["terms"] for a in answers]
        n = sum(map(len, terms))
        mi = sum(t.sum() for t in terms) / n
        variance = sum(((t - t.mean()) ** 2).sum() for t in terms) / max(1, n - len(terms))
        diagnostics: dict[str, Any] = {"samples": answers[0]["sizes"], "steps": max(a["steps"] for a in answers)}
        if any(a["diverged"] for a in answers):
            diagnostics["diverged"] = True
        return Estimate(
            float(mi), math.sqrt(variance / n), curve=answers[0]["curve"], diagnostics=self._remarks(diagnostics, mi)
        )

    def _remarks(self, diagnostics: dict[str, Any], mi: float) -> dict[str, Any]:
        return diagnostics

    def _critic(self, dim_x: int, dim_y: int) -> Critic:
        from .critics import Joint, ParameterMatrix, Separable

        layout, dims = ParameterMatrix(), (dim_x, dim_y)
        if self.critic == "joint":
            return Joint(layout, dims, self.hidden, self.activation, self.offset)
        return Separable(layout, dims, self.hidden, self.embedding, self.activation, self.offset)

    def _schedule(self) -> Schedule:
        from .trainer import Schedule

        names = Schedule.__dataclass_fields__
        return Schedule(**{name: getattr(self, name) for name in names if hasattr(self, name)})


@estimators.register("mine-biased")
@dataclass(frozen=True, eq=False, repr=False)
class MINEBiased(Variational):
    """MINE as its plain gradient trains it: the Donsker-Varadhan bound."""

    citation: ClassVar[str] = "Belghazi et al. (2018), MINE: Mutual information neural estimation, eq. 10"

    def bound(self) -> Bound:
        """Donsker-Varadhan."""
        from .bounds import DonskerVaradhan

        return DonskerVaradhan()


@estimators.register("mine-ema")
@dataclass(frozen=True, eq=False, repr=False)
class MINE(Variational):
    """MINE with the moving average that corrects the gradient's bias; rate is the weight of the newest batch in it."""

    rate: float = 0.01

    citation: ClassVar[str] = "Belghazi et al. (2018), MINE: Mutual information neural estimation, eq. 12"

    def bound(self) -> Bound:
        """Donsker-Varadhan with the corrected gradient."""
        from .bounds import MovingAverageDV

        return MovingAverageDV(self.rate)


@estimators.register("nwj")
@dataclass(frozen=True, eq=False, repr=False)
class NWJ(Variational):
    """E_p f - E_q e^(f - 1), whose mini-batch gradient is unbiased."""

    offset: ClassVar[float] = 1.0
    citation: ClassVar[str] = (
        "Nguyen, Wainwright & Jordan (2010), Estimating divergence functionals and the likelihood ratio by convex risk "
        "minimization"
    )

    def bound(self) -> Bound:
        """Nguyen-Wainwright-Jordan."""
        from .bounds import NWJ

        return NWJ()


@estimators.register("infonce")
@dataclass(frozen=True, eq=False, repr=False)
class InfoNCE(Variational):
    """The share of the true partner's score among all, never above the logarithm of their number."""

    citation: ClassVar[str] = "van den Oord, Li & Vinyals (2018), Representation learning with CPC, eq. 4"

    def bound(self) -> Bound:
        """InfoNCE."""
        from .bounds import InfoNCE

        return InfoNCE()


@estimators.register("js")
@dataclass(frozen=True, eq=False, repr=False)
class JensenShannon(Variational):
    """Trained to tell joint from product; the value is the Nguyen-Wainwright-Jordan bound at the classifier's optimum."""

    citation: ClassVar[str] = "Hjelm et al. (2019), Deep InfoMax, eq. 4; value: Poole et al. (2019), section 2.3"

    def bound(self) -> Bound:
        """Jensen-Shannon."""
        from .bounds import JensenShannon

        return JensenShannon()


@estimators.register("smile")
@dataclass(frozen=True, eq=False, repr=False)
class SMILE(Variational):
    """Trained to tell joint from product; density ratios in the partition are clipped to [e^-tau, e^tau]."""

    tau: float = 5.0

    kind: ClassVar[Kind] = Kind.ESTIMATE
    citation: ClassVar[str] = "Song & Ermon (2020), Understanding the limitations of variational MI estimators, eq. 17"

    def bound(self) -> Bound:
        """SMILE."""
        from .bounds import SMILE

        return SMILE(self.tau)
