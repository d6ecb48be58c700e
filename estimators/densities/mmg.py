"""Mutual information as the gap between the errors of denoising X with and without Y."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mibench.estimator import Capabilities
from mibench.parameters import Share
from mibench.registry import register_estimator

from .minde import MINDE
from .trained import ALONE

if TYPE_CHECKING:
    from torch import Tensor

    from .training import Learner


@register_estimator("mmg")
class MMG(MINDE):
    """Half the integral over ln SNR of E |e - E[e | x_t]|^2 - E |e - E[e | x_t, y]|^2, the gap of two least errors.

    X is noised, x_t = alpha x + sigma e, and the network of ``minde`` predicts the noise e without and with Y. The gap
    is taken on samples that were not trained on, where an error of the prediction with Y makes it smaller and one of
    the prediction without Y greater, so that the number is neither bound; ``minde`` integrates the squared distance of
    the two predictions, to which both errors add. The distance d is orthogonal to the error with Y, and so the gap is
    d^2 plus a term 2 d (e - E[e | x_t, y]) whose mean is 0 where the predictions are right. Where they are not, that
    mean says by how much d should be stretched: each level has a factor of its own, the best on the validation samples.

    Noise levels are drawn where they matter: in training partly where the distance is great, on the test samples in
    proportion to the spread of the term. ``score_distance`` in the diagnostics is the number of ``minde``, and
    ``sampling_error`` that of the mean over the test samples. There is no standard error, which would have to hold what
    the predictions miss.

    Parameters
    ----------
    adaptive : share of the training levels that are drawn where the distance is great so far.
    """

    adaptive: Share = 0.5

    version: ClassVar[str] = "2"
    citation: ClassVar[str] = (
        "Yu et al. (2025), MMG: Mutual information estimation via the MMSE gap in diffusion; "
        "Guo, Shamai & Verdú (2005), Mutual information and minimum mean-square error in Gaussian channels, eq. 42"
    )
    capabilities: ClassVar[Capabilities] = ALONE

    def learner(self, x: Tensor, y: Tensor) -> Learner:
        from .error_gap import ErrorGap

        return ErrorGap(x, y, self.span, self.width, self.blocks, self.draws, self.adaptive)
