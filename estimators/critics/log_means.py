"""Exponentials of scores that would overflow: their means in log space, and a stand-in for losses.

Like the bounds, it works by the methods of the tensors it is given: importing it imports no torch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

BEND = 20.0
"""Where :func:`exp_or_line` leaves the exponential: at 5e8, which no useful critic comes near."""


def log_mean_exp(scores: Tensor, dim: int | tuple[int, ...] = -1) -> Tensor:
    """log mean exp over the given dimensions, without overflow."""
    dims = (dim,) if isinstance(dim, int) else dim
    count = math.prod(scores.shape[d] for d in dims)
    return scores.logsumexp(dims) - math.log(count)


def contrast(own: Tensor, others: Tensor) -> Tensor:
    """A score (...) less the log mean exp of it and K others (..., K) together; at most log(K + 1)."""
    return own - own.logaddexp(others.logsumexp(-1)) + math.log(others.shape[-1] + 1)


def exp_or_line(exponents: Tensor) -> Tensor:
    """exp, continued above ``BEND`` by its tangent: for losses, whose gradients must not overflow before clipping."""
    return exponents.clamp(max=BEND).exp() * (1 + (exponents - BEND).relu())


def log_mean_exp_without_each(scores: Tensor) -> Tensor:
    """log mean exp of each row without one of its K > 1 scores in turn, shape (..., K) like ``scores``.

    Taking a score off the sum is exact enough for all but the largest, which may be the whole sum; the row without
    that one is summed afresh.
    """
    import torch

    at = scores.argmax(-1, keepdim=True)
    others = scores.scatter(-1, at, -math.inf)
    total = scores.logsumexp(-1, keepdim=True)
    finite = total.clamp_min(torch.finfo(total.dtype).min)  # scores may all be -inf: outside of the support
    rest = total + torch.log1p(-torch.exp(others - finite))
    rest = rest.scatter(-1, at, others.logsumexp(-1, keepdim=True))
    return rest - math.log(scores.shape[-1] - 1)
