"""Mutual information of low-dimensional codes that an autoencoder learns of X and of Y."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar

from mibench.estimator import Capabilities
from mibench.parameters import Count, Inner, NotNegative, at_least
from mibench.registry import register_estimator

from ..ksg import KSG
from .trained import STACKED, Trained

if TYPE_CHECKING:
    from torch import Tensor

    from .training import Learner


@register_estimator("latent")
class LatentMI(Trained):
    """KSG on codes of at most 16 dimensions from which both variables can be predicted (LMI), corrected for its bias.

    Encoders of X and of Y and four decoders, which predict X and Y from either code, are trained together; KSG is
    applied to the codes of samples that took no part in it. Codes of X and Y know no more of each other than X and Y
    do, so what they lose is a downward bias. They start as the leading canonical variables of X and Y, and only what
    the networks then add to the prediction of held-out samples is kept.

    KSG falls short where the codes have many dimensions or much information. How far is measured on Gaussian
    surrogates with the values and the correlations of the codes' columns, whose information is known. What KSG sees
    beyond Gaussian dependence stays as it is.

    The authors' program weighs all predictions alike, takes the codes as they come, and applies KSG with k = 3 without
    a correction: ``latent[code=8,own=1,align=false,k=3,surrogates=0]`` comes nearest to it.

    There is no standard error, which would have to hold what the codes lose; with folds, ``sampling_error`` in the
    diagnostics is that of the spread between them. The training curve is the weighted sum of the prediction errors, as
    fractions of the variance. The diagnostic ``uncorrected`` is KSG's own number.

    Parameters
    ----------
    code : most dimensions of a code (that of the variable where it has fewer).
    hidden : layers of the encoders; the decoders have them in reverse.
    own : weight of predicting a variable from its own code, beside 1 for predicting the other.
    align : turn the codes to their canonical variables, each scaled by its correlation on the training samples, so
        that directions without dependence do not crowd the neighbourhoods (a linear, injective map).
    k : neighbours of KSG.
    surrogates : samples from which KSG's bias is taken; 0 for KSG as it is.
    """

    weight_decay: NotNegative = 1.0
    validation: Inner = 0.15
    test: Inner = 0.5
    code: Count = 16
    hidden: tuple[Count, ...] = (64, 64, 64)
    own: NotNegative = 0.03
    align: bool = True
    k: Count = 1
    surrogates: Annotated[int, at_least(0)] = 3

    version: ClassVar[str] = "3"
    citation: ClassVar[str] = (
        "Gowri et al. (2024), Approximating mutual information of high-dimensional variables using learned "
        "representations"
    )
    capabilities: ClassVar[Capabilities] = replace(STACKED, min_n=30)

    def warm_up(self) -> None:
        from .autoencoder import CrossPredictor

        CrossPredictor((1, 1), 1, (1,))
        KSG(self.k).warm_up()

    def learner(self, x: Tensor, y: Tensor) -> Learner:
        from .autoencoder import CodeInformation, CrossPredictor

        model = CrossPredictor((x.shape[1], y.shape[1]), self.code, self.hidden).to(x.device).start_linear(x, y)
        return CodeInformation(model, (x, y), self.own, self.align, self.k, self.surrogates)
