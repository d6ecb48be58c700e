"""Mutual information of jointly Gaussian latent variables, which normalizing flows make of X and of Y separately."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

from mibench.errors import Unsupported
from mibench.estimator import Capabilities
from mibench.parameters import Count, Positive, Widths
from mibench.registry import register_estimator

from .trained import STACKED, Trained

if TYPE_CHECKING:
    from torch import Tensor

    from .training import Learner


@register_estimator("flow")
class Flow(Trained):
    """-1/2 sum log(1 - rho_j^2) over the canonical correlations of g_x(X) and g_y(Y) on held-out samples.

    The flows g_x and g_y are injective, so they leave mutual information as it is; they are trained, by maximum
    likelihood, to make the pair jointly Gaussian. With the divergences K_x, K_y and K_xy of the latent variables from
    Gaussians of the same moments the formula gives I(X; Y) + K_x + K_y - K_xy. That is at most I(X; Y) where both
    are Gaussian by themselves, and in general at most I(X; Y) + min(K_x, K_y): close to a lower bound, but none.
    Dependence that no pair of maps turns into correlation is not seen, however many the samples: that of a common
    random scale (Student's t), or of a mixture of opposite correlations.

    The correlations are those of the held-out latent variables, less the bias that their number causes;
    ``sampling_error`` in the diagnostics is that of the formula for given flows. There is no standard error, which
    would have to hold what is not seen. The training curve is the mean log-likelihood.

    Parameters
    ----------
    layers : of the flows; affine layers are quicker, splines also bend each coordinate.
    transforms, hidden : autoregressive layers of each flow, and the networks within them.
    """

    max_steps: Count = 900
    batch: Count = 384
    learning_rate: Positive = 5e-3
    layers: Literal["affine", "spline"] = "affine"
    transforms: Count = 4
    hidden: Widths = (128, 128)

    version: ClassVar[str] = "3"
    citation: ClassVar[str] = (
        "Butakov et al. (2024), Mutual information estimation via normalizing flows; "
        "flows: Papamakarios et al. (2017) and Durkan et al. (2019), by zuko"
    )
    capabilities: ClassVar[Capabilities] = STACKED

    def warm_up(self) -> None:
        from .gaussianizing import GaussianPair

        GaussianPair((1, 1), self.layers, 1, (1,))

    def admit(self, dim_x: int, dim_y: int, test: int) -> None:
        """Refuse as many dimensions as held-out samples, which leave nothing to see correlation by."""
        if test <= dim_x + dim_y:
            share = 1 / self.folds if self.folds else self.test
            raise Unsupported(
                f"flow: {test} held-out samples are too few for the correlations of {dim_x} + {dim_y} dimensions; "
                f"give more than {math.ceil((dim_x + dim_y) / share)} samples"
                + (f" or fewer folds than {self.folds}." if self.folds else f" or raise test = {self.test}.")
            )

    def learner(self, x: Tensor, y: Tensor) -> Learner:
        from .gaussianizing import LatentCorrelation

        return LatentCorrelation(x, y, self.layers, self.transforms, self.hidden)
