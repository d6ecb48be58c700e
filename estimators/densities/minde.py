"""Mutual information as the distance between the conditional and the marginal scores of a diffusion."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mibench.estimator import Array
from mibench.parameters import Finite
from mibench.registry import register_estimator

from .beginnings import Target
from .levels import OverLevels

if TYPE_CHECKING:
    from torch import Tensor

    from .training import Learner


@register_estimator("minde")
class MINDE(OverLevels):
    """Half the integral over noise levels of g(t)^2 E |s(x_t | y) - s(x_t)|^2, with learned scores s.

    X is noised by a variance-preserving diffusion. One network learns the scores with and without Y, as a correction
    to the scores of Gaussian variables of the same means and covariances. Errors of the two scores that differ add to
    the squared distance, while dependence that is not learned is missing from it, so that the number is neither a lower
    nor an upper bound. The difference of the two denoising errors, which does not have the first of these biases, is
    kept as the diagnostic ``error_difference``: where the two are far apart, believe neither. It is also what the
    training curve shows, in training at levels that are preferred there and have more of the information. There is
    no standard error: ``sampling_error`` in the diagnostics, that of the mean over the test samples, holds neither.

    Parameters
    ----------
    width, blocks : of the residual network.
    span : least and greatest logarithm of the signal-to-noise ratio alpha^2 / sigma^2.
    draws : noise levels per held-out sample in the integral.
    target : the variable that is noised; ``smaller`` is that of lower dimension (X where they are equal).
    """

    span: tuple[Finite, Finite] = (-7.0, 8.0)
    target: Target = "smaller"

    version: ClassVar[str] = "3"
    citation: ClassVar[str] = (
        "Franzese, Bounoua & Michiardi (2024), MINDE: Mutual information neural diffusion estimation"
    )

    def oriented(self, x: Array, y: Array) -> tuple[Array, Array]:
        """First the one that is noised."""
        turned = self.target == "y" or (self.target == "smaller" and x.shape[1] > y.shape[1])
        return (y, x) if turned else (x, y)

    def learner(self, x: Tensor, y: Tensor) -> Learner:
        from .diffusion import ScoreDistance

        return ScoreDistance(x, y, self.span, self.width, self.blocks, self.draws)
