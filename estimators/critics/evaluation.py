"""Scores of joint and product pairs from paired samples: in training batches, and over all pairs of a held-out sample.

The product of the marginals is sampled by pairing the y of a row with the x of other rows, never with its own.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor

from mibench.bound import Bound

from .critics import CriticStack
from .networks import Parameters

Negatives: TypeAlias = int | Literal["all"]

CHUNK = 2**18  # numbers held at a time while all pairs are evaluated: about the size of a second-level cache
TILE = 2**27  # likewise on a GPU, which is the faster the more it is given at a time
SAMPLED = 128  # product pairs per joint pair that a validation takes
OTHERS = 2**14  # at most so many x meet a held-out y: of a million samples, all pairs would take an hour


def scores(critic: CriticStack, p: Parameters, x: Tensor, y: Tensor, negatives: Negatives) -> tuple[Tensor, Tensor]:
    """The critics on the pairs of a batch, joint (S, B), and on product pairs (S, B, K).

    ``x`` (S, B, dim_x), ``y`` (S, B, dim_y); K is B - 1 for "all", else the greatest divisor of B that is at most
    ``negatives`` and B / 2. The batch then falls into groups of K, and every y meets all x of the next group. Where the
    bound learns a second function, joint is (S, B, 2).
    """
    u, v = critic.embed(p, x, y)
    size = x.shape[1]
    if negatives == "all":
        joint, product = split_matrix(critic.score_matrix(p, u, v))
    else:
        k = next(k for k in range(min(negatives, size // 2), 0, -1) if size % k == 0)
        groups, others = torch.unflatten(v, 1, (-1, k)), torch.unflatten(u, 1, (-1, k)).roll(-1, 1)
        joint, product = critic.pairs(p, u, v), critic.score_matrix(p, others, groups).flatten(1, 2)
    return with_second(critic, p, x, y, joint), product


def sampled_scores(critic: CriticStack, p: Parameters, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """As :func:`scores` on a held-out sample: enough pairs to choose by, at the cost of a few batches.

    The last rows are left out where they do not fill a group.
    """
    k = min(SAMPLED, x.shape[1] // 2)
    used = x.shape[1] // k * k
    return scores(critic, p, x[:, :used], y[:, :used], k)


def split_matrix(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Diagonal (..., B) and the rest (..., B, B - 1) of square score matrices (..., B, B), row by row.

    Without its diagonal a matrix in row-major order is B - 1 runs of B numbers, each behind one of the diagonal.
    """
    size = matrix.shape[-1]
    rest = torch.unflatten(matrix.flatten(-2)[..., 1:], -1, (size - 1, size + 1))[..., :-1]
    return matrix.diagonal(dim1=-2, dim2=-1), rest.reshape(*matrix.shape[:-1], size - 1)


def with_second(critic: CriticStack, p: Parameters, x: Tensor, y: Tensor, joint: Tensor) -> Tensor:
    """``joint`` and the second function side by side, where there is one."""
    return joint if critic.second is None else torch.stack([joint, critic.second(p, x, y)], -1)


def contributions(bound: Bound, critic: CriticStack, theta: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """One number (S, n) per held-out pair, from all n (n - 1) pairs of the product; their mean is the bound's value.

    Beyond ``OTHERS`` each y meets so many x that follow it, which are as good as any: the rows are in random order.
    Row by row in chunks, so memory is linear in n; on the CPU each critic by itself, so that a chunk stays in the
    cache, on a GPU as many critics as a tile holds.
    """
    numbers = x.shape[1] * min(x.shape[1], OTHERS + 1) * critic.numbers_per_pair(x.device)
    together = 1 if x.device.type == "cpu" else max(1, TILE // numbers)
    answers = []
    with torch.no_grad():
        for s in range(0, len(theta), together):
            some = slice(s, s + together)
            answers.append(_contributions(bound, critic, critic.layout.unpack(theta[some]), x[some], y[some]))
    return torch.cat(answers)


def _contributions(bound: Bound, critic: CriticStack, p: Parameters, x: Tensor, y: Tensor) -> Tensor:
    models, n = x.shape[:2]
    u, v = critic.embed(p, x, y)
    joint = with_second(critic, p, x, y, critic.pairs(p, u, v))
    most = CHUNK if x.device.type == "cpu" else TILE
    others = min(n - 1, OTHERS)
    size = max(1, most // (models * (others + 1) * critic.numbers_per_pair(x.device)))
    if others < n - 1:
        size = min(size, n - others)
    met = _all_others if others == n - 1 else _next_others
    rows: Tensor | None = None
    for start in range(0, n, size):
        here = slice(start, start + size)
        found = bound.rows(joint[:, here], met(critic, p, u, v, here))
        if rows is None:  # many small results among the chunks would keep their memory from being used again
            rows = found.new_empty(models, n, *found.shape[2:])
        rows[:, here] = found
    assert rows is not None
    return bound.contributions(joint, rows)


def _all_others(critic: CriticStack, p: Parameters, u: Tensor, v: Tensor, here: slice) -> Tensor:
    """The scores of these y with the x of all other rows."""
    matrix = critic.score_matrix(p, u, v[:, here])
    # the last column takes the place of the diagonal, and what is left of the last column is the product
    k = torch.arange(matrix.shape[1], device=matrix.device)
    matrix[:, k, here.start + k] = matrix[:, k, -1]
    return matrix[..., :-1]


def _next_others(critic: CriticStack, p: Parameters, u: Tensor, v: Tensor, here: slice) -> Tensor:
    """The scores of these y with the x of the rows that follow them, round about."""
    own = v[:, here]
    first = here.start + own.shape[1]
    others = torch.arange(first, first + OTHERS, device=u.device) % u.shape[1]
    return critic.score_matrix(p, u[:, others], own)
