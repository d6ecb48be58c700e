"""A critic that starts from a Gaussian copula and learns only what that misses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from mibench.estimator import Estimate
from mibench.parameters import Count, NotNegative, Positive
from mibench.registry import register_estimator

from ..learned import Assignment, Folds, Scaling
from . import copula
from .base import FreeCritic, TrainedCritic
from .bounds import NWJ, InfoNCE, MovingAverageDV

if TYPE_CHECKING:
    from mibench.bound import Bound

    from .critics import CriticStack

OBJECTIVES = {"mine-ema": MovingAverageDV, "nwj": NWJ, "infonce": InfoNCE}


@register_estimator("copula-critic")
class CopulaCritic(FreeCritic):
    """A lower bound with a critic that starts from a Gaussian copula and learns only what that misses.

    The critic is log(1 - w + w r) + f. Here r is the density ratio of a Gaussian in canonical variables of the normal
    scores of x and y, and f a network, which starts at 0 and so has nothing to unlearn where the copula is Gaussian.
    How far the covariances are shrunk, how many canonical variables count, and which share w of the pairs is dependent
    is what does best on the validation part; nothing, where nothing is better than nothing. The canonical variables
    are either those of the scores or those of the scores as spheres: whitened, each row with the length that a normal
    vector has at its rank, and the rank itself as one more column, for vectors that are long together (Student's).

    Every sample is tested once, by a critic which it had no part in. Ranks are taken over all samples, of x and of y
    apart from each other, so the answer is the same whatever increasing functions the columns go through. The standard
    error is the greater of two: of the contributions of single samples, and of the means of the folds. What all folds
    fail to learn is in neither, so it bounds the truth from one side only: mi - 1.645 stderr is its lower end.

    Parameters
    ----------
    objective : the bound: "mine-ema" (Donsker and Varadhan's), "nwj" or "infonce".
    standardize : as elsewhere; what is not "rank" makes r the ratio of a Gaussian without the copula.
    folds : trainings, each tested on its own part of the samples.
    """

    objective: Literal["mine-ema", "nwj", "infonce"] = "mine-ema"
    standardize: Scaling = "rank"
    weight_decay: NotNegative = 0.2
    negatives: Count | Literal["all", "auto"] = 16
    folds: Folds = 5
    train: Positive = 0.9
    validation: NotNegative = 0.1

    version: ClassVar[str] = "1"
    citation: ClassVar[str] = (
        "Belghazi et al. (2018), MINE: Mutual information neural estimation; a Gaussian copula as in Ince et al. "
        "(2017); cross-fitting as in Chernozhukov et al. (2018)"
    )

    def bound(self) -> Bound:
        """Donsker and Varadhan's bound, or the one that ``objective`` names."""
        return OBJECTIVES[self.objective]()

    def architecture(self, dim_x: int, dim_y: int) -> CriticStack:
        from .offset import OffsetCritic

        dims = dim_x + 1, dim_y + 1
        return OffsetCritic(super().architecture(*dims), dims, min(dims) + 3)

    def prepared(self, assigned: Assignment) -> dict[str, npt.NDArray[np.float32]]:
        """The columns that the network sees (scores and the rank of their length), then what the ratio is made of."""
        split = assigned.split
        plain = [copula.margins(v, split.train, self.standardize) for v in (assigned.x, assigned.y)]
        spheres = [copula.spherical(v, split.train) for v in plain]
        found = []
        for x, y in (plain, spheres):
            ratio, value = copula.chosen((x[split.train], y[split.train]), (x[split.validation], y[split.validation]))
            found.append((value, ratio, x, y))
        _, ratio, x, y = max(found, key=lambda each: each[0])
        width = min(v.shape[1] for v in spheres) + 3
        given = (np.pad(part, ((0, 0), (width - part.shape[1], 0))) for part in ratio.embeddings(x, y))
        every = zip(plain, spheres, given, strict=True)
        return assigned.parts(*(np.hstack([scores, sphere[:, -1:], part]) for scores, sphere, part in every))

    def _estimate(self, trained: Sequence[TrainedCritic]) -> Estimate:
        """As in the base, with a standard error that the spread between the folds may widen."""
        found = super()._estimate(trained)
        if len(trained) < 2 or found.stderr is None:
            return found
        means = np.array([critic.terms.mean() for critic in trained])
        between = float(means.std(ddof=1)) / math.sqrt(len(means))
        return replace(found, stderr=max(found.stderr, between))
