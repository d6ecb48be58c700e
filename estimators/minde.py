"""Mutual information as the distance between the conditional and the marginal scores of a diffusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from mibench.errors import UsageError
from mibench.estimator import Array, Capabilities, Estimate, Estimator, check_samples
from mibench.registry import estimators

from ._samples import ties

if TYPE_CHECKING:
    from torch import Tensor


@estimators.register("minde")
@dataclass(frozen=True, eq=False, repr=False)
class MINDE(Estimator):
    """Half the integral over noise levels of g(t)^2 E |s(x_t | y) - s(x_t)|^2, with learned scores s.

    X is noised by a variance-preserving diffusion. One network learns the scores with and without Y, here as a
    correction to those of Gaussian variables of the same means and covariances. Errors of the two scores that differ
    add to the squared distance, while dependence that is not learned is missing from it, so that the number is neither
    a lower nor an upper bound. The difference of the two denoising errors, which does not have the first of these
    biases, is kept as the diagnostic ``error_difference``; it is also what the training curve shows.

    width, blocks : of the residual network.
    span : least and greatest logarithm of the signal-to-noise ratio alpha^2 / sigma^2.
    draws : noise levels per held-out sample in the integral.
    target : the variable that is noised; ``smaller`` is that of lower dimension (X where they are equal).
    average : decay of the moving average of the weights, which is what is evaluated and kept.
    max_steps, batch, learning_rate, weight_decay : of AdamW, with a rate that rises briefly and falls as a cosine.
    patience : validations (of 50) without improvement after which training stops.
    validation, test : shares of the samples that choose the weights, and that the number is computed on.
    standardize : how columns are scaled first, by what the training part shows: "rank" (normal scores), "robust"
        (quartiles, then arcsinh), "standard" (mean and variance), "none".
    """

    width: int = 128
    blocks: int = 2
    span: tuple[float, float] = (-7.0, 8.0)
    draws: int = 20
    target: Literal["smaller", "x", "y"] = "smaller"
    max_steps: int = 1800
    batch: int = 512
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    average: float = 0.99
    patience: int = 15
    validation: float = 0.2
    test: float = 0.2
    standardize: Literal["rank", "robust", "standard", "none"] = "rank"

    citation: ClassVar[str] = (
        "Franzese, Bounoua & Michiardi (2024), MINDE: Mutual information neural diffusion estimation"
    )
    capabilities: ClassVar = Capabilities(min_n=20, devices=("cpu", "cuda"), memory=0.2)

    def __post_init__(self) -> None:
        if self.span[0] >= self.span[1]:
            raise UsageError(f"{self.registered_name}: span = {self.span}; give the lower end first.")
        if min(self.width, self.draws) < 1 or self.blocks < 0:
            raise UsageError(f"{self.registered_name}: width and draws are at least 1, blocks at least 0.")

    def warm_up(self) -> None:
        """Load torch."""
        from . import _diffusion, _training  # noqa: F401

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate I(X; Y) in nats from the samples held out."""
        x, y = check_samples(x, y, self.capabilities.min_n)
        import torch

        from ._diffusion import ScoreNetwork, information, levels
        from ._training import Schedule, fit, isolated, split, tensors

        schedule = Schedule.of(self)
        parts = split(len(x), seed, self.validation, self.test)
        said = {**parts.sizes, **ties(x, y)}
        if self.target == "y" or (self.target == "smaller" and x.shape[1] > y.shape[1]):
            x, y = y, x
        low, high = self.span
        with isolated(seed) as generator:
            u, v = (tensors(values, parts, self.standardize) for values in (x, y))
            model = ScoreNetwork(u[0], v[0], self.span, self.width, self.blocks).to(u[0].device)

            def losses(rows: Tensor) -> Tensor:
                # one level in each of as many equal parts of the span as there are samples
                place = (torch.arange(len(rows)) + torch.rand(1, generator=generator)) / len(rows)
                noise = torch.randn(len(rows), u[0].shape[1], generator=generator)
                level = (low + (high - low) * place)[:, None]
                return model.errors(u[0][rows], v[0][rows], level.to(u[0].device), noise.to(u[0].device))

            def mean_errors(part: int, drawn: list[tuple[Tensor, Tensor]]) -> Tensor:
                return torch.stack([model.errors(u[part], v[part], *draw) for draw in drawn]).mean(0)

            fixed = levels(u[1], self.span, 2, generator)
            history = fit([model], losses, lambda: mean_errors(1, fixed), len(u[0]), schedule, generator)
            with torch.no_grad():
                drawn = levels(u[2], self.span, self.draws, generator)
                contributions = (
                    information(model.conditional, model.marginal, u[2], v[2], self.span, drawn).double().cpu()
                )
                errors = mean_errors(2, drawn).tolist()
        half = 0.5 * (high - low)
        said |= {"best_step": history.best[0], "error_difference": half * (errors[0] - errors[1])}
        return history.estimate(contributions.numpy(), lambda losses: half * (losses[:, 0] - losses[:, 1]), said)
