"""The control arm of the downstream tasks: no estimator at all."""

from __future__ import annotations

from typing import ClassVar

from mibench.errors import Unsupported
from mibench.estimator import Array, Capabilities, Estimate, Estimator, Kind, Role, check_samples
from mibench.registry import register_estimator


@register_estimator("none")
class NoEstimator(Estimator):
    """No mutual information in the loss: what a downstream model does on its own.

    It has no bound and estimates nothing; every downstream table compares its arms with this one.
    """

    kind: ClassVar[Kind] = Kind.OTHER
    capabilities: ClassVar[Capabilities] = Capabilities(discrete=True, role=Role.CONTROL)

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Decline: there is nothing to estimate with.

        Raises
        ------
        Unsupported : always.
        """
        check_samples(x, y)
        raise Unsupported(
            "'none' is the control arm of the downstream tasks and estimates nothing; choose another estimator."
        )
