"""Max-sliced mutual information: that of the projections that share the most."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from mibench.estimator import Estimator, Kind
from mibench.parameters import Count, Inner, Positive, Widths
from mibench.registry import register_estimator

from .._samples import needing
from ..ksg import KSG
from .trained import Trained

if TYPE_CHECKING:
    from torch import Tensor

    from .training import Learner

_KSG = KSG()


def _least(sliced: MaxSliced) -> int:
    """Samples of which the test part is enough for the estimator."""
    return max(20, round(sliced.estimator.capabilities.min_n / sliced.test) + 1)


@register_estimator("max-sliced")
class MaxSliced(Trained):
    """The greatest I(A'X; B'Y) over matrices A and B with ``directions`` columns each.

    Whatever A and B are, projections hold no more than X and Y do. So it never exceeds the mutual information and is 0
    exactly at independence, as the mean over slices (``sliced``) is, but it does not fade as the dimension grows. It
    is another quantity all the same, and not ranked. Of Gaussian variables it is the part of the greatest canonical
    correlations; with as many directions as columns it is the mutual information.

    A and B are learned together with a critic of the projections, by the gradient of Donsker and Varadhan's bound on
    training samples. Several such trainings go side by side, one from the canonical variables, where dependence shows
    in correlations, the others from random directions, and validation samples choose between them. What the chosen
    projections share is then estimated from test samples, which had no part in choosing them, so that nothing is found
    where nothing is; directions that were missed make the number too low. The training curve is the bound of the best.

    Parameters
    ----------
    standardize : "standard" or "none"; other scalings would turn projections into other functions of the columns.
    directions : columns of A, and of B; no more than x, and y, have.
    starts : of the search.
    hidden : widths of the critic's layers.
    negatives : product pairs per joint pair of a batch.
    estimator : what estimates the information of the projections.
    """

    max_steps: Count = 400
    learning_rate: Positive = 1e-2
    validation: Inner = 0.2
    test: Inner = 0.4
    standardize: Literal["standard", "none"] = "standard"
    directions: Count = 1
    starts: Count = 4
    hidden: Widths = (64, 64)
    negatives: Count = 4
    estimator: Estimator = _KSG

    kind: ClassVar[Kind] = Kind.OTHER
    citation: ClassVar[str] = "Tsur, Goldfeld & Greenewald (2023), Max-sliced mutual information, NeurIPS"
    capabilities: ClassVar = needing(_least, min_n=20, trains=True, devices=("cpu", "cuda"), memory=0.2)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.estimator.capabilities.reads_task:
            self.refuse(
                f"{self.estimator.label} does not learn from samples; there are no projections that it can see."
            )

    def warm_up(self) -> None:
        super().warm_up()
        self.estimator.warm_up()

    def learner(self, x: Tensor, y: Tensor) -> Learner:
        from .slicing import Projections

        columns = min(self.directions, x.shape[1], y.shape[1])
        return Projections(x, y, columns, self.starts, self.hidden, self.negatives, self.estimator)
