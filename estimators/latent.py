"""Mutual information of low-dimensional codes that an autoencoder learns of X and of Y."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from mibench.errors import UsageError
from mibench.estimator import Array, Capabilities, Estimate, Estimator, check_samples
from mibench.registry import estimators

from ._samples import ties
from .ksg import KSG

if TYPE_CHECKING:
    from torch import Tensor


@estimators.register("latent")
@dataclass(frozen=True, eq=False, repr=False)
class LatentMI(Estimator):
    """KSG on codes of at most 8 dimensions from which both variables can be predicted (LMI).

    Encoders of X and of Y and four decoders, which predict X and Y from either code, are trained together; KSG is
    applied to the codes of samples that took no part in it. Codes of X and Y know no more of each other than X and Y
    do, so what is lost is a downward bias; KSG's own bias comes on top. The training curve is the weighted sum of the
    prediction errors, as fractions of the variance. The authors' program gives all predictions the same weight, takes
    the codes as they come, and estimates with k = 3 on the samples that chose the weights.

    code : most dimensions of a code (that of the variable where it has fewer).
    hidden : layers of the encoders; the decoders have them in reverse.
    own : weight of predicting a variable from its own code, beside 1 for predicting the other.
    align : turn the codes to their canonical variables, each scaled by its correlation on the training samples, so
        that directions without dependence do not crowd the neighbourhoods (a linear, injective map).
    k : neighbours of KSG.
    max_steps, batch, learning_rate, weight_decay : of AdamW, with a rate that rises briefly and falls as a cosine.
    patience : validations (of 50) without improvement after which training stops.
    validation, test : shares of the samples that choose the weights, and that the number is computed on.
    standardize : how columns are scaled first, by what the training part shows: "rank" (normal scores), "robust"
        (quartiles, then arcsinh), "standard" (mean and variance), "none".
    """

    code: int = 8
    hidden: tuple[int, ...] = (128, 64)
    own: float = 0.1
    align: bool = True
    k: int = 1
    max_steps: int = 1000
    batch: int = 512
    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    average: float = 0.98
    patience: int = 15
    validation: float = 0.15
    test: float = 0.5
    standardize: Literal["rank", "robust", "standard", "none"] = "rank"

    citation: ClassVar[str] = (
        "Gowri et al. (2024), Approximating mutual information of high-dimensional variables using learned "
        "representations"
    )
    capabilities: ClassVar = Capabilities(min_n=20, devices=("cpu", "cuda"), memory=0.2)

    def __post_init__(self) -> None:
        if self.code < 1 or self.k < 1:
            raise UsageError(f"{self.registered_name}: code and k are at least 1.")
        if self.own < 0:
            raise UsageError(f"{self.registered_name}: own = {self.own}; a weight is not negative.")

    def warm_up(self) -> None:
        """Load torch, and compile KSG."""
        from . import _autoencoder, _training  # noqa: F401

        KSG(self.k).warm_up()

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate I(X; Y) in nats from the codes of the samples held out."""
        x, y = check_samples(x, y, self.capabilities.min_n)
        import torch

        from ._autoencoder import CrossPredictor, aligned
        from ._training import Schedule, fit, isolated, split, tensors

        schedule = Schedule.of(self)
        parts = split(len(x), seed, self.validation, self.test)
        said = {**parts.sizes, **ties(x, y)}
        with isolated(seed) as generator:
            u, v = (tensors(values, parts, self.standardize) for values in (x, y))
            model = CrossPredictor((x.shape[1], y.shape[1]), self.code, self.hidden).to(u[0].device)
            weights = torch.tensor([[self.own, 1.0], [1.0, self.own]], device=u[0].device)

            def loss(u: Tensor, v: Tensor) -> Tensor:
                return (weights * model.errors(u, v)).sum()[None]

            history = fit(
                [model],
                lambda rows: loss(u[0][rows], v[0][rows]),
                lambda: loss(u[1], v[1]),
                len(u[0]),
                schedule,
                generator,
            )
            with torch.no_grad():
                train, test = ([z.double().cpu() for z in model.codes(u[part], v[part])] for part in (0, 2))
        curve = history.curve(lambda losses: losses[:, 0])
        said |= {"best_step": history.best[0], "codes": [z.shape[1] for z in test]}
        if history.diverged:
            return Estimate(math.nan, None, curve, {**said, "diverged": True})
        code_x, code_y = (z.numpy() for z in (aligned(train, test) if self.align else test))
        found = KSG(self.k, standardize=not self.align).estimate(code_x, code_y)
        return Estimate(found.mi, None, curve, said)
