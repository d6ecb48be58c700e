"""What estimators share that learn a velocity or a score at all levels of time or noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from mibench.estimator import Capabilities
from mibench.parameters import Count, Finite, NotNegative, Positive, at_least

from ..learned import BelowOne
from .trained import STACKED, Trained


@dataclass(frozen=True, eq=False, repr=False)
class OverLevels(Trained):
    """A residual network corrects what is known of Gaussian variables, and an integral over levels is the answer.

    What a level is each says for itself: ``span`` has the least and the greatest, on a logarithmic scale.
    """

    max_epochs: Count = 500
    learning_rate: Positive = 6e-3
    weight_decay: NotNegative = 1e-2
    average: BelowOne = 0.99
    width: Count = 64
    blocks: Annotated[int, at_least(0)] = 2
    span: tuple[Finite, Finite] = (-7.0, 8.0)
    draws: Count = 20

    capabilities: ClassVar[Capabilities] = STACKED

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.span[0] >= self.span[1]:
            self.refuse(f"span = {self.span}; give the lower end first.")
