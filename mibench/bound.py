"""The contract of a variational bound: pure functions of critic scores.

The same object trains a benchmark estimator and regularises a downstream model. Scores come as two tensors with any
number of leading dimensions (one per critic of a stack):

* ``joint`` (..., B): the critic on B pairs (x_i, y_i) of the joint distribution,
* ``product`` (..., B, K): the critic on (x_i, y_j) for K values y_j that are not y_i, so that it never holds the joint.

The full score matrix is the case K = B - 1; cyclic shifts of the batch give small K.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor


class Bound(ABC):
    """A training loss and a reported value, both functions of scores alone.

    conditional : the critic must be a normalised log-density log q(y | x) (BA, L1Out, CLUB) instead of a free function.
    heads : outputs per pair that the critic must have (2 where a second function is learned beside the critic).
    """

    conditional: ClassVar[bool] = False
    heads: ClassVar[int] = 1

    def initial_state(self) -> Tensor | None:
        """The state before the first batch (None: the bound keeps none)."""
        return None

    @abstractmethod
    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """What the critic minimises, shape (...), and the next state; its value is not reported."""

    @abstractmethod
    def value(self, joint: Tensor, product: Tensor) -> Tensor:
        """The bound in nats, shape (...), evaluated on all the scores given."""

    def objective(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """What a model ascends to gain information and descends to lose it: by default the negated loss."""
        loss, state = self.loss(joint, product, state)
        return -loss, state
