"""Mutual information as the difference of two entropies, each the held-out cross-entropy of a trained density."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mibench.estimator import Array, Capabilities
from mibench.parameters import Count, Positive
from mibench.registry import register_estimator

from .beginnings import Target
from .trained import STACKED, Trained

if TYPE_CHECKING:
    from torch import Tensor

    from .training import Learner


@register_estimator("doe")
class DoE(Trained):
    """H(Y) - H(Y | X), each term the cross-entropy of a density model on samples that it has not seen.

    A cross-entropy exceeds its entropy by a Kullback-Leibler divergence, so the difference is neither a lower nor an
    upper bound; but it has no ceiling, and its variance stays small where the information is large. The density of Y
    and that of Y given X are autoregressive products of Gaussian mixtures of the same architecture; both start as
    the Gaussian densities with the moments of the training samples. The answer is a mean over the test samples,
    ``sampling_error`` in the diagnostics that of this mean; what the densities miss is not in it, so there is no
    standard error.

    Parameters
    ----------
    components : Gaussians per one-dimensional density; 1 makes each of them Gaussian.
    hidden : layers of the networks; () leaves linear regressions.
    target : the variable whose entropies are taken; ``smaller`` is that of lower dimension (Y where they are equal).
    """

    max_steps: Count = 600
    learning_rate: Positive = 6e-3
    components: Count = 8
    hidden: tuple[Count, ...] = (128, 128, 128)
    target: Target = "smaller"

    version: ClassVar[str] = "3"
    citation: ClassVar[str] = "McAllester & Stratos (2020), Formal limitations on the measurement of mutual information"
    capabilities: ClassVar[Capabilities] = STACKED

    def oriented(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Last the one whose entropies are taken."""
        turned = self.target == "x" or (self.target == "smaller" and x.shape[1] < y.shape[1])
        return (y, x) if turned else (x, y)

    def learner(self, x: Tensor, y: Tensor) -> Learner:
        from .autoregressive import EntropyDifference

        return EntropyDifference(x, y, self.hidden, self.components)
