"""Mutual information as the difference of two entropies, each the held-out cross-entropy of a trained density."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from mibench.errors import UsageError
from mibench.estimator import Array, Capabilities, Estimate, Estimator, check_samples
from mibench.registry import estimators

from ._samples import ties

if TYPE_CHECKING:
    from torch import Tensor


@estimators.register("doe")
@dataclass(frozen=True, eq=False, repr=False)
class DoE(Estimator):
    """H(Y) - H(Y | X), each term the cross-entropy of a density model on samples that it has not seen.

    A cross-entropy exceeds its entropy by a Kullback-Leibler divergence, so the difference is neither a lower nor an
    upper bound; but it has no ceiling, and its variance stays small where the information is large. The density of Y
    and that of Y given X are autoregressive products of Gaussian mixtures of the same architecture; both start as
    the Gaussian densities with the moments of the training samples.

    components : Gaussians per one-dimensional density; 1 makes each of them Gaussian.
    hidden : layers of the networks; () leaves linear regressions.
    target : the variable whose entropies are taken; ``smaller`` is that of lower dimension (Y where they are equal).
    average : decay of the moving average of the weights, which is what is evaluated and kept.
    max_steps, batch, learning_rate, weight_decay : of AdamW, with a rate that rises briefly and falls as a cosine.
    patience : validations (of 50) without improvement after which training stops.
    validation, test : shares of the samples that choose the weights, and that the number is computed on.
    standardize : how columns are scaled first, by what the training part shows: "rank" (normal scores), "robust"
        (quartiles, then arcsinh), "standard" (mean and variance), "none".
    """

    components: int = 8
    hidden: tuple[int, ...] = (128, 128, 128)
    target: Literal["smaller", "x", "y"] = "smaller"
    max_steps: int = 600
    batch: int = 512
    learning_rate: float = 6e-3
    weight_decay: float = 0.1
    average: float = 0.98
    patience: int = 15
    validation: float = 0.2
    test: float = 0.2
    standardize: Literal["rank", "robust", "standard", "none"] = "rank"

    citation: ClassVar[str] = "McAllester & Stratos (2020), Formal limitations on the measurement of mutual information"
    capabilities: ClassVar = Capabilities(min_n=20, devices=("cpu", "cuda"), memory=0.2)

    def __post_init__(self) -> None:
        if self.components < 1:
            raise UsageError(f"{self.registered_name}: components = {self.components}; a density takes 1 or more.")

    def warm_up(self) -> None:
        """Load torch."""
        from . import _autoregressive  # noqa: F401

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate I(X; Y) in nats from the samples held out."""
        x, y = check_samples(x, y, self.capabilities.min_n)
        import torch

        from ._autoregressive import MixtureDensity
        from ._training import Schedule, fit, isolated, split, tensors

        schedule = Schedule.of(self)
        parts = split(len(x), seed, self.validation, self.test)
        said = {**parts.sizes, **ties(x, y)}
        if self.target == "x" or (self.target == "smaller" and x.shape[1] < y.shape[1]):
            x, y = y, x
        with isolated(seed) as generator:
            u, v = (tensors(values, parts, self.standardize) for values in (x, y))
            marginal = MixtureDensity(y.shape[1], 0, self.hidden, self.components).to(v[0].device)
            conditional = MixtureDensity(y.shape[1], x.shape[1], self.hidden, self.components).to(v[0].device)
            marginal.start_at_gaussian(v[0])
            conditional.start_at_gaussian(v[0], u[0])

            def cross_entropies(u: Tensor, v: Tensor) -> Tensor:
                return -torch.stack([marginal(v).mean(), conditional(v, u).mean()])

            history = fit(
                [marginal, conditional],
                lambda rows: cross_entropies(u[0][rows], v[0][rows]),
                lambda: cross_entropies(u[1], v[1]),
                len(v[0]),
                schedule,
                generator,
            )
            with torch.no_grad():
                log_ratios = (conditional(v[2], u[2]) - marginal(v[2])).double().cpu().numpy()
        return history.estimate(
            log_ratios, lambda losses: losses[:, 0] - losses[:, 1], {**said, "best_steps": history.best}
        )
