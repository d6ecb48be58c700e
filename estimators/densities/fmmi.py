"""Mutual information from the flow that makes dependent pairs of independent ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mibench.parameters import Count, Finite
from mibench.registry import register_estimator

from .beginnings import Described, Target
from .levels import OverLevels

if TYPE_CHECKING:
    from torch import Tensor

    from .training import Learner


@register_estimator("fmmi")
class FMMI(Described, OverLevels):
    """Minus the integral over t of E div v, for the velocity v of a flow from independent pairs to the joint ones.

    Flow matching learns v from pairs: of samples (x, y) and an independent y', y' moves to y in a straight line, and v
    is the mean velocity of all that pass a point at a time. Only Y is moved, so that the flow goes from its density to
    that given x, and the divergence says by how much that is denser. Points at time t are drawn like those of training,
    from held-out samples, and nothing has to be integrated along a path. The velocity is that of Gaussian variables
    with the moments of the training samples, whose part of the integral is known, and a correction by a network.

    Errors of v add or take away, so that the number is neither bound. The mean over held-out samples hardly scatters,
    but the samples that v was learned from do: with folds, ``sampling_error`` in the diagnostics is that of the spread
    between them. There is no standard error. The training curve is the squared error, less that of the Gaussian
    velocity. ``gaussian`` in the diagnostics is the known part, without the bias that its number of samples causes.

    Parameters
    ----------
    width, blocks : of the residual network.
    span : least and greatest logarithm of t / (1 - t).
    draws : times per held-out sample in the integral.
    probes : directions in which the divergence is taken: all coordinates where Y has no more, else random signs.
    target : the variable that is moved; ``smaller`` is that of lower dimension (Y where they are equal).
    """

    span: tuple[Finite, Finite] = (-4.0, 7.0)
    probes: Count = 5
    target: Target = "smaller"

    version: ClassVar[str] = "1"
    citation: ClassVar[str] = (
        "Butakov et al. (2025), FMMI: Flow matching mutual information estimation; "
        "flow matching: Lipman et al. (2023), Flow matching for generative modeling, ICLR"
    )

    def learner(self, x: Tensor, y: Tensor) -> Learner:
        from .velocity import FlowMatching

        return FlowMatching(x, y, self.span, self.width, self.blocks, self.draws, self.probes)
