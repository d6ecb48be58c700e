"""Mutual information of jointly Gaussian latent variables, which normalizing flows make of X and of Y separately."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from mibench.errors import Unsupported, UsageError
from mibench.estimator import Array, Capabilities, Estimate, Estimator, check_samples
from mibench.registry import estimators

from ._samples import ties

if TYPE_CHECKING:
    from torch import Tensor


@estimators.register("flow")
@dataclass(frozen=True, eq=False, repr=False)
class Flow(Estimator):
    """-1/2 sum log(1 - rho_j^2) over the canonical correlations of g_x(X) and g_y(Y) on held-out samples.

    The flows g_x and g_y are injective, so they leave mutual information as it is; they are trained, by maximum
    likelihood, to make the pair jointly Gaussian. With the divergences K_x, K_y and K_xy of the latent variables from
    Gaussians of the same moments the formula gives I(X; Y) + K_x + K_y - K_xy. That is at most I(X; Y) where both
    are Gaussian by themselves, and in general at most I(X; Y) + min(K_x, K_y): close to a lower bound, but none.
    Dependence that no pair of maps turns into correlation, such as that of a common random scale, is not seen.

    The correlations are those of the held-out latent variables, less the bias that their number causes. The training
    curve is the mean log-likelihood.

    layers : of the flows; affine layers are quicker, splines also bend each coordinate.
    transforms, hidden : autoregressive layers of each flow, and the networks within them.
    average : decay of the moving average of the weights, which is what is evaluated and kept.
    max_steps, batch, learning_rate, weight_decay : of AdamW, with a rate that rises briefly and falls as a cosine.
    patience : validations (of 50) without improvement after which training stops.
    validation, test : shares of the samples that choose the weights, and that the number is computed on.
    standardize : how columns are scaled first, by what the training part shows: "rank" (normal scores), "robust"
        (quartiles, then arcsinh), "standard" (mean and variance), "none".
    """

    layers: Literal["affine", "spline"] = "affine"
    transforms: int = 4
    hidden: tuple[int, ...] = (128, 128)
    max_steps: int = 900
    batch: int = 384
    learning_rate: float = 5e-3
    weight_decay: float = 0.1
    average: float = 0.98
    patience: int = 15
    validation: float = 0.2
    test: float = 0.2
    standardize: Literal["rank", "robust", "standard", "none"] = "rank"

    citation: ClassVar[str] = (
        "Butakov et al. (2024), Mutual information estimation via normalizing flows; "
        "flows: Papamakarios et al. (2017) and Durkan et al. (2019), by zuko"
    )
    capabilities: ClassVar = Capabilities(min_n=20, devices=("cpu", "cuda"), memory=0.2)

    def __post_init__(self) -> None:
        if self.layers not in ("affine", "spline"):
            raise UsageError(f"{self.registered_name}: layers '{self.layers}' are not known; use 'affine' or 'spline'.")
        if self.transforms < 1 or not self.hidden:
            raise UsageError(f"{self.registered_name}: a flow takes at least one transform and one hidden layer.")

    def warm_up(self) -> None:
        """Load torch and zuko."""
        from ._gaussianizing import GaussianPair

        GaussianPair((1, 1), self.layers, 1, (1,))

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate I(X; Y) in nats from the samples held out.

        Raises
        ------
        Unsupported : no more held-out samples than dimensions of X and Y together.
        """
        x, y = check_samples(x, y, self.capabilities.min_n)
        import torch

        from ._gaussianizing import GaussianPair
        from ._training import Schedule, fit, isolated, split, tensors
        from .gaussian import gaussian_information

        schedule = Schedule.of(self)
        dims = x.shape[1], y.shape[1]
        parts = split(len(x), seed, self.validation, self.test)
        if len(parts.test) <= sum(dims):
            raise Unsupported(
                f"flow: {len(parts.test)} held-out samples are too few for the correlations of {dims[0]} + {dims[1]} "
                f"dimensions; give more than {round(sum(dims) / self.test)} samples or raise test = {self.test}."
            )
        with isolated(seed) as generator:
            u, v = (tensors(values, parts, self.standardize) for values in (x, y))
            model = GaussianPair(dims, self.layers, self.transforms, self.hidden).to(u[0].device)
            model.start_at_gaussian(u[0], v[0])

            def loss(u: Tensor, v: Tensor) -> Tensor:
                return -model(u, v).mean()[None]

            history = fit(
                [model],
                lambda rows: loss(u[0][rows], v[0][rows]),
                lambda: loss(u[1], v[1]),
                len(u[0]),
                schedule,
                generator,
            )
            with torch.no_grad():
                a, b = (latent.double().cpu().numpy() for latent in model.latent(u[2], v[2])[:2])
        curve = history.curve(lambda losses: -losses[:, 0])
        said = {**parts.sizes, **ties(x, y), "best_step": history.best[0]}
        if history.diverged:
            return Estimate(float("nan"), None, curve, {**said, "diverged": True})
        found = gaussian_information(a, b)
        return Estimate(found.mi, found.stderr, curve, said)
