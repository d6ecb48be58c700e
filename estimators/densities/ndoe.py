"""Mutual information as the difference of two entropies, whose densities are one normalizing flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mibench.estimator import Capabilities
from mibench.parameters import Count, Positive, Widths
from mibench.registry import register_estimator

from .beginnings import Described, Target
from .trained import STACKED, Trained

if TYPE_CHECKING:
    from torch import Tensor

    from .training import Learner


@register_estimator("ndoe")
class NDoE(Described, Trained):
    """H(Y) - H(Y | X), both from one block autoregressive flow, with what comes from x left out for H(Y).

    The flow makes standard normal variables of y, coordinate by coordinate, each by an increasing function that depends
    on the coordinates before it and on x. Where ``doe`` trains two densities, whose errors are their own, the weights
    are the same with and without x, so that what is wrong in both cancels in the difference. The flow starts from the
    Gaussian densities with the moments of the training samples. The difference of the two held-out cross-entropies is
    neither bound; ``sampling_error`` in the diagnostics is that of the mean over the test samples, and no standard
    error.

    Parameters
    ----------
    units : numbers per coordinate of y in each layer of the flow.
    hidden : layers of the network of x, and so of the flow.
    target : the variable whose entropies are taken; ``smaller`` is that of lower dimension (Y where they are equal).
    """

    max_steps: Count = 800
    learning_rate: Positive = 1e-2
    units: Count = 8
    hidden: Widths = (64, 64)
    target: Target = "smaller"

    version: ClassVar[str] = "1"
    citation: ClassVar[str] = (
        "Ni & Lotz (2025), A neural difference-of-entropies estimator for mutual information; "
        "flow: De Cao, Aziz & Titov (2019), Block neural autoregressive flow"
    )
    capabilities: ClassVar[Capabilities] = STACKED

    def learner(self, x: Tensor, y: Tensor) -> Learner:
        from .block_flow import FlowEntropies

        return FlowEntropies(x, y, self.hidden, self.units)
