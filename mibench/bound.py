"""The contract of a variational bound: pure functions of critic scores.

The same object trains a benchmark estimator and regularises a downstream model. Scores come as two tensors with any
number of leading dimensions (one per critic of a stack):

* ``joint`` (..., B): the critic on B pairs (x_i, y_i) of the joint distribution,
* ``product`` (..., B, K): in row i the critic on (x_j, y_i) for K values x_j of other pairs, so that it never holds the
  joint; y stays, x changes.

The full score matrix is the case K = B - 1; cyclic shifts of the batch give small K.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

from .plugin import Plugin

if TYPE_CHECKING:
    from torch import Tensor


class Interval(StrEnum):
    """What an answer and its standard error say of the mutual information, at 95 % confidence."""

    TWO_SIDED = "±"
    """mi ± 1.96 standard errors, which contain all that the answer may be wrong by."""
    FROM = "≥"
    """At least mi - 1.645 standard errors: they hold the sampling error of a bound, not how far the truth is above."""
    UP_TO = "≤"
    """At most mi + 1.645 standard errors."""

    def ends(self, mi: float, stderr: float) -> tuple[float, float]:
        """The lower and the upper end in nats; infinite on the side on which nothing is said."""
        if self is Interval.TWO_SIDED:
            return mi - 1.959964 * stderr, mi + 1.959964 * stderr
        reach = 1.644854 * stderr
        return (mi - reach, math.inf) if self is Interval.FROM else (-math.inf, mi + reach)


class Kind(StrEnum):
    """What an estimator's number is. Only lower bounds and estimates are ranked by their error."""

    LOWER_BOUND = "lower bound"
    UPPER_BOUND = "upper bound"
    ESTIMATE = "estimate"
    OTHER = "other quantity"

    @property
    def ranked(self) -> bool:
        """Whether distance to the true mutual information is the right measure of it."""
        return self in (Kind.LOWER_BOUND, Kind.ESTIMATE)

    @property
    def interval(self) -> Interval:
        """What its standard error is for."""
        sides = {Kind.LOWER_BOUND: Interval.FROM, Kind.UPPER_BOUND: Interval.UP_TO}
        return sides.get(self, Interval.TWO_SIDED)


@dataclass_transform(frozen_default=True, eq_default=False)
class Bound(Plugin):
    """A training loss and a reported value, both functions of scores alone.

    The value is the mean of one contribution per pair. All that a bound does with the product goes row by row
    (:meth:`rows`), so that it can be evaluated over all pairs of a large sample in chunks of rows.

    A subclass states its formula in its docstring and its parameters as annotated class attributes with defaults.

    Class attributes
    ----------------
    registered_name : the name of the estimator that trains a critic on this bound; none where it is empty.
    kind : what the value is with the best critic that can be learned.
    citation : where the bound comes from.
    conditional : the critic must be a normalised log-density log q(y | x) (BA, L1Out, CLUB) instead of a free function.
    second : a second function is learned beside the critic: of the ``"pair"`` (x, y) or of ``"y"`` alone; "" for none.
        ``joint`` then has the shape (..., B, 2) and holds the critic and that function; ``product`` is the critic's.
    offset : the constant critic at which the value is 0, where training starts.
    """

    kind: ClassVar[Kind] = Kind.LOWER_BOUND
    conditional: ClassVar[bool] = False
    second: ClassVar[str] = ""
    offset: ClassVar[float] = 0.0

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" not in vars(cls):
            dataclass(frozen=True, eq=False, repr=False)(cls)

    @abstractmethod
    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """What the critic minimises, shape (...), and the next state; its value is not reported.

        ``state`` is what the last call returned, None before the first batch and for bounds that keep none.
        """

    @abstractmethod
    def rows(self, joint: Tensor, product: Tensor) -> Tensor:
        """What each row adds to the value, shape (..., B): a function of that row's scores alone."""

    def contributions(self, joint: Tensor, rows: Tensor) -> Tensor:
        """One number per pair, shape (..., B): their mean is the value, their spread its sampling error.

        ``rows`` are those of :meth:`rows` for all pairs. By default they are the contributions already; a bound with
        an expectation inside a logarithm replaces it by its linearisation at the mean.
        """
        return rows

    def value(self, joint: Tensor, product: Tensor) -> Tensor:
        """The bound in nats, shape (...), on all the scores given."""
        return self.contributions(joint, self.rows(joint, product)).mean(-1)

    def objective(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """What a model ascends to gain information and descends to lose it: by default the negated loss."""
        loss, state = self.loss(joint, product, state)
        return -loss, state

    def optimal_scores(self, joint: Tensor, product: Tensor) -> tuple[Tensor, Tensor]:
        """The scores at which this bound is tightest, from the log density ratio (..., B) and (..., B, K).

        By default the log density ratio itself, plus ``offset``. For a conditional bound too: log p(y | x) differs from
        it by log p(y), which must cancel in :meth:`rows`. With a second function, ``joint`` gains the last dimension
        that holds it.
        """
        return joint + self.offset, product + self.offset

    def remarks(self, value: float, samples: int) -> dict[str, Any]:
        """What an estimate's diagnostics should say of a value from so many pairs; by default nothing."""
        return {}
