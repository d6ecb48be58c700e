"""Exponentials of scores that would overflow: their means in log space, and a stand-in for losses."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def log_mean_exp(scores: Tensor, dim: int | tuple[int, ...] = -1) -> Tensor:
    """log mean exp over the given dimensions, without overflow."""
    dims = (dim,) if isinstance(dim, int) else dim
    count = math.prod(scores.shape[d] for d in dims)
    return torch.logsumexp(scores, dims) - math.log(count)


BEND = 20.0
"""Where :func:`exp_or_line` leaves the exponential: at 5e8, which no useful critic comes near."""


def exp_or_line(exponents: Tensor) -> Tensor:
    """exp, continued above ``BEND`` by its tangent: for losses, whose gradients must not overflow before clipping."""
    return torch.exp(exponents.clamp(max=BEND)) * (1 + torch.relu(exponents - BEND))


def log_mean_exp_without_each(scores: Tensor) -> Tensor:
    """log mean exp of each row without one of its K > 1 scores in turn, shape (..., K) like ``scores``.

    Taking a score off the sum is exact enough for all but the largest, which may be the whole sum; the row without
    that one is summed afresh.
    """
    at = scores.argmax(-1, keepdim=True)
    others = scores.scatter(-1, at, -math.inf)
    total = torch.logsumexp(scores, -1, keepdim=True)
    finite = total.clamp_min(torch.finfo(total.dtype).min)  # scores may all be -inf: outside of the support
    rest = total + torch.log1p(-torch.exp(others - finite))
    rest = rest.scatter(-1, at, torch.logsumexp(others, -1, keepdim=True))
    return rest - math.log(scores.shape[-1] - 1)
