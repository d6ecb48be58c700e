"""Lower bounds that learn a second function beside the critic: a baseline of y, or the logarithm of an expectation.

Notation as in ``bounds.py``. ``joint`` has the shape (..., B, 2): the critic, then the second function.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from mibench.bound import Bound
from mibench.parameters import Share

from .log_means import exp_or_line, log_mean_exp, log_mean_exp_without_each

if TYPE_CHECKING:
    from torch import Tensor


class _Ascended(Bound):
    """What trains is the bound itself, linear in expectations over the joint and the product."""

    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The negated bound on the batch."""
        return -self.terms(joint, product, exp_or_line).mean(-1), None

    def rows(self, joint: Tensor, product: Tensor) -> Tensor:
        return self.terms(joint, product, lambda exponents: exponents.exp())

    @abstractmethod
    def terms(self, joint: Tensor, product: Tensor, exp: Callable[[Tensor], Tensor]) -> Tensor:
        """What each row adds to the bound, shape (..., B); ``exp`` is the exponential or what trains in its place."""


class TUBA(_Ascended):
    """I >= 1 + E_p[f - log a(y)] - E_q[e^f / a(y)], the baseline log a(y) being learned.

    Tight at f = log r + c(y), log a = c(y). The constant baseline a = e gives Nguyen-Wainwright-Jordan.
    """

    registered_name: ClassVar[str] = "tuba"
    second: ClassVar[str] = "y"
    citation: ClassVar[str] = "Poole et al. (2019), On variational bounds of mutual information, eq. 6"

    def terms(self, joint: Tensor, product: Tensor, exp: Callable[[Tensor], Tensor]) -> Tensor:
        """1 + f_i - log a_i - mean_j e^f_ij / a_i."""
        f, log_a = joint.unbind(-1)
        return 1 + f - log_a - exp(log_mean_exp(product) - log_a)

    def optimal_scores(self, joint: Tensor, product: Tensor) -> tuple[Tensor, Tensor]:
        """log r with the baseline 1."""
        return _side_by_side(joint, joint.new_zeros(joint.shape)), product


class IAlpha(TUBA):
    """Between InfoNCE (alpha = 1) and TUBA (alpha = 0): I >= 1 + E_p log[e^f / h(m)] - E_q[e^f / h(m)].

    h(m) = alpha m + (1 - alpha) a(y), m the mean of e^f over y and N values of x, which include the argument of f
    itself. Never above 1 + log(N / alpha): what low variance costs.

    A row has N = K + 1 values for the joint, but K for the product, where the last term is G_K = E[m / h(m)]. Since G
    is increasing and concave in the number of values (1 / h is a mixture of the e^(-t m), whose expectations are convex
    in it), 2 G_K - G_{K-1} >= G_{K+1} keeps the inequality and is exact at both ends; G_{K-1} is the mean over the K
    rows without one value. With K = 1 there is no such row and the term is G_1.

    Parameters
    ----------
    alpha : weight of the mean over the sample in the baseline.
    """

    alpha: Share = 0.01

    registered_name: ClassVar[str] = "ialpha"
    citation: ClassVar[str] = "Poole et al. (2019), On variational bounds of mutual information (there I_alpha)"

    def terms(self, joint: Tensor, product: Tensor, exp: Callable[[Tensor], Tensor]) -> Tensor:
        """1 + f_i - log h(m_i) - (2 G_K - G_{K-1})_i."""
        if self.alpha == 0:
            return super().terms(joint, product, exp)
        f, log_a = joint.unbind(-1)
        log_m = f.logaddexp(product.logsumexp(-1)) - math.log(product.shape[-1] + 1)
        return 1 + f - self._log_h(log_m, log_a) - self._ratio_of_product(product, log_a)

    def _ratio_of_product(self, product: Tensor, log_a: Tensor) -> Tensor:
        """2 G_K - G_{K-1}, shape (..., B)."""
        if self.alpha == 1:
            return log_a.new_ones(log_a.shape)
        ratio = self._ratio(log_mean_exp(product), log_a)
        if product.shape[-1] == 1:
            return ratio
        return 2 * ratio - self._ratio(log_mean_exp_without_each(product), log_a[..., None]).mean(-1)

    def _ratio(self, log_m: Tensor, log_a: Tensor) -> Tensor:
        """m / h(m), at most 1 / alpha."""
        return (log_m - self._log_h(log_m, log_a)).exp()

    def _log_h(self, log_m: Tensor, log_a: Tensor) -> Tensor:
        """log [alpha m + (1 - alpha) a]."""
        if self.alpha == 1:
            return log_m
        return (log_m + math.log(self.alpha)).logaddexp(log_a + math.log1p(-self.alpha))


class FLO(_Ascended):
    """I >= 1 - E_p[u + e^(-u) E_q(x')[e^(f(x', y) - f(x, y))]], the function u(x, y) being learned.

    By Fenchel duality -log t = max_u 1 - u - t e^(-u), which takes the logarithm of InfoNCE apart so that the
    expectation inside needs no batch: no cap at log K. Tight at f = log r + c(y), u = -log r.
    """

    registered_name: ClassVar[str] = "flo"
    second: ClassVar[str] = "pair"
    citation: ClassVar[str] = (
        "Guo et al. (2022), Tight mutual information estimation with contrastive Fenchel-Legendre optimization"
    )

    def terms(self, joint: Tensor, product: Tensor, exp: Callable[[Tensor], Tensor]) -> Tensor:
        """1 - u_i - mean_j e^(f_ij - f_i - u_i)."""
        f, u = joint.unbind(-1)
        return 1 - u - exp(log_mean_exp(product) - f - u)

    def optimal_scores(self, joint: Tensor, product: Tensor) -> tuple[Tensor, Tensor]:
        """log r with u = -log r."""
        return _side_by_side(joint, -joint), product


def _side_by_side(critic: Tensor, second: Tensor) -> Tensor:
    import torch

    return torch.stack([critic, second], -1)
