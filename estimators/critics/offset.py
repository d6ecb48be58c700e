"""A critic that begins at a known log density ratio and learns the rest."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from .critics import CriticStack
from .networks import Parameters


class OffsetCritic(CriticStack):
    """f(x, y) + softplus(u(x) . v(y)) + c, where f is learned and starts at a constant, and u, v and c are given.

    Samples hold the inputs of f first, ``dims`` columns of x and of y, then ``given`` columns: u and v, and a last one,
    which is c with the y.
    """

    def __init__(self, learned: CriticStack, dims: tuple[int, int], given: int) -> None:
        self.layout, self._learned, self._dims, self._given = learned.layout, learned, dims, given

    def numbers_per_pair(self, device: torch.device) -> int:
        """One more than what is learned: what is given."""
        return 1 + self._learned.numbers_per_pair(device)

    def embed(self, p: Parameters, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of f, then what is given."""
        i, j = self._dims
        u, v = self._learned.embed(p, x[..., :i], y[..., :j])
        return torch.cat([u, x[..., i:]], -1), torch.cat([v, y[..., j:]], -1)

    def pairs(self, p: Parameters, u: Tensor, v: Tensor) -> Tensor:
        (u, given_u), (v, given_v) = self._apart(u), self._apart(v)
        exponent = (given_u[..., :-1] * given_v[..., :-1]).sum(-1)
        return self._learned.pairs(p, u, v) + softplus(exponent) + given_v[..., -1]

    def score_matrix(self, p: Parameters, u: Tensor, v: Tensor) -> Tensor:
        (u, given_u), (v, given_v) = self._apart(u), self._apart(v)
        exponents = given_v[..., :-1] @ given_u[..., :-1].mT
        return self._learned.score_matrix(p, u, v) + softplus(exponents) + given_v[..., -1:]

    def _apart(self, embedded: Tensor) -> tuple[Tensor, Tensor]:
        """What is learned and what is given."""
        return embedded[..., : -self._given].contiguous(), embedded[..., -self._given :]
