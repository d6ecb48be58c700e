"""Mutual information from a classifier of four classes, two of which are a Gaussian copula's."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mibench.parameters import Count, Positive, Widths
from mibench.registry import register_estimator

from .trained import Trained

if TYPE_CHECKING:
    from torch import Tensor

    from .training import Learner


@register_estimator("mime")
class MIME(Trained):
    """E_p of the log ratio by a classifier of four classes: joint, product, and a Gaussian copula's joint and product.

    Where joint and product hardly overlap, a classifier between them learns little of their ratio. The copula lies
    between: its joint is near that of the samples, its product near theirs, and the ratio of the two is known. So the
    logits of four classes at once hold the log ratio as what the copula says, and what the samples' joint and product
    differ from it by. All three begin at the copula's, with nothing to learn where it is right. Not a bound;
    ``sampling_error`` in the diagnostics, that of the mean over the test samples, holds nothing of what was not learned
    and is no standard error. The training curve is the cross-entropy of the four classes, ln 4 where none can be told
    from another.

    Parameters
    ----------
    standardize : as elsewhere; what is not "rank" makes the references Gaussians of the scaled columns.
    hidden : layers of the networks.
    negatives : pairs of the product, and of each reference, for every pair of a batch.
    """

    max_steps: Count = 800
    learning_rate: Positive = 5e-3
    hidden: Widths = (64, 64)
    negatives: Count = 1

    version: ClassVar[str] = "1"
    citation: ClassVar[str] = "Chen, Ou, Weller & Li (2024), Mutual information multinomial estimation"

    def learner(self, x: Tensor, y: Tensor) -> Learner:
        from .bridges import Bridged

        return Bridged(x, y, self.hidden, self.negatives)
