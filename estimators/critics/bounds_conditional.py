"""Bounds on a model q(y | x) of the conditional density, fitted by maximum likelihood.

The critic is log q(y | x), normalised over y. Every value here compares densities at the same y, so that log p(y) may
be added to the scores without changing it: the exact critic is log r as well as log p(y | x) = log r + log p(y).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mibench.bound import Bound, Kind

from .log_means import contrast, log_mean_exp

if TYPE_CHECKING:
    from torch import Tensor


class _Conditional(Bound):
    """Trained by maximum likelihood; a model's information is what the bound says, not that likelihood."""

    conditional: ClassVar[bool] = True

    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """-E_p log q(y | x)."""
        return -joint.mean(-1), None

    def objective(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The value: the likelihood alone would also move with the entropy of y."""
        return self.value(joint, product), None


class BA(_Conditional):
    """I >= H(Y) + E_p log q(y | x), with H(Y) from the model's own mixture over the sample.

    The bound needs an entropy that is not overestimated. -log of the mean of q(y | x_j) over y's own x and K others is
    such a value: the sum is InfoNCE with the critic log q, hence a lower bound for every q, and never above log(K + 1).
    Its slack at the true conditional is that of InfoNCE.
    """

    registered_name: ClassVar[str] = "ba"
    citation: ClassVar[str] = (
        "Barber & Agakov (2003), The IM algorithm: a variational approach to information maximization"
    )

    def rows(self, joint: Tensor, product: Tensor) -> Tensor:
        """log q(y_i | x_i) - log [(q(y_i | x_i) + sum_j q(y_i | x_j)) / (K + 1)]."""
        return contrast(joint, product)


class L1Out(_Conditional):
    """E_p[log q(y | x) - log mean q(y | x_j)] over the x of K other samples: an upper bound where q is exact.

    The mixture that leaves out y's own x overestimates H(Y); with a model q that is not p the value may fall below I.
    """

    registered_name: ClassVar[str] = "l1out"
    kind: ClassVar[Kind] = Kind.UPPER_BOUND
    citation: ClassVar[str] = (
        "Poole et al. (2019), On variational bounds of mutual information (there the leave-one-out upper bound)"
    )

    def rows(self, joint: Tensor, product: Tensor) -> Tensor:
        """log q(y_i | x_i) - log mean_j q(y_i | x_j)."""
        return joint - log_mean_exp(product)


class CLUB(_Conditional):
    """E_p log q(y | x) - E_q log q(y | x): an upper bound where q is exact.

    There it is the Jeffreys divergence KL(p || q) + KL(q || p) of the joint and the product, never near I where I is
    large. As all rows share their x, it varies more than the spread of its contributions says (by a fifth at 1 nat).
    """

    registered_name: ClassVar[str] = "club"
    kind: ClassVar[Kind] = Kind.UPPER_BOUND
    citation: ClassVar[str] = "Cheng et al. (2020), CLUB: A contrastive log-ratio upper bound of mutual information"

    def rows(self, joint: Tensor, product: Tensor) -> Tensor:
        """log q(y_i | x_i) - mean_j log q(y_i | x_j)."""
        return joint - product.mean(-1)
