"""Mutual information as the difference of two entropies, each a cross-entropy that a critic has corrected."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mibench.estimator import Capabilities
from mibench.parameters import Count, Widths
from mibench.registry import register_estimator

from .knife import KNIFE
from .trained import ALONE

if TYPE_CHECKING:
    from torch import Tensor

    from .training import Learner


@register_estimator("remedi")
class REMEDI(KNIFE):
    """The cross-entropies of ``knife``, each less what a critic finds that separates the samples from the mixture's.

    A cross-entropy exceeds its entropy by the Kullback-Leibler divergence of the samples' density from the mixture q.
    Donsker and Varadhan's bound E_p T - log E_q e^T, on held-out samples and on samples drawn from q, takes off as much
    of it as the critic T has learned to see. What is to be learned is small where the mixture fits, whatever the
    mutual information, so that the exponential does not make the bound scatter. The critic of the density of Y given X
    sees x as well. The mixtures are trained first; the critics then learn what is left.

    Two upper bounds are subtracted, so the difference is neither bound. In the diagnostics, ``sampling_error`` is that
    of the means over the test samples, which is no standard error, and ``uncorrected`` the difference of the
    cross-entropies.

    Parameters
    ----------
    critic : widths of the layers of both critics.
    draws : samples of the mixture for each of the data.
    """

    critic: Widths = (64, 64)
    draws: Count = 4

    version: ClassVar[str] = "1"
    citation: ClassVar[str] = (
        "Nilsson, Samaddar, Madireddy & Nyquist (2024), REMEDI: Corrective transformations for improved neural entropy "
        f"estimation, ICML; {KNIFE.citation}"
    )
    capabilities: ClassVar[Capabilities] = ALONE

    def learner(self, x: Tensor, y: Tensor) -> Learner:
        from .correction import Kernels

        return Kernels(x, y, self.hidden, self.components, self.critic, self.draws)
