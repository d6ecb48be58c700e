"""Critics of neighbouring waymarks between the joint distribution and the product of its marginals.

Waymark k mixes y with the y' of another pair, y_k = a_k y + sqrt(1 - a_k^2) y', from a_0 = 1, the joint, down to
a_m = 0, the product. Critic k tells (x, y_k) from (x, y_{k+1}).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mibench.estimator import Array

from .critics import CriticStack
from .networks import ParameterMatrix, Parameters, Perceptron, linear

STRONGEST = 0.95
"""The correlation that the waymarks are spaced for at least: dependence need not be correlation."""
PARTNERS = 2
"""Other pairs with which a held-out pair is mixed: enough to choose by."""


def mixing(rho: Array, ratios: int) -> Array:
    """The a_k, shape (ratios + 1,), from 1 to 0: equal steps of information in the strongest of the correlations."""
    strongest = max(STRONGEST, float(rho.max(initial=0.0)))
    left = (1 - strongest**2) ** (1 - np.arange(ratios + 1) / ratios)
    mixed: Array = np.sqrt(1 - left) / strongest
    return mixed


class WaymarkCritic(CriticStack):
    """f_k = the ratio that Gaussian variables would have + a network of (x, y) + a x b y, a^2 and b^2 with weights.

    What is learned starts at 0. Samples of x hold ``dims[0]`` columns for the network, ``pairs`` canonical variables of
    x, as many correlations, a_k and a_{k+1}, and then what the samples of y hold: ``dims[1]`` columns for the network
    and ``pairs`` canonical variables of y. So a pair of rows i and j makes (x_i, y_k) with y' = y_j at either waymark.
    """

    def __init__(self, dims: tuple[int, int], pairs: int, hidden: Sequence[int], activation: str) -> None:
        self.layout = layout = ParameterMatrix()
        self._dims, self._pairs = dims, pairs
        self._first = "critic.first.weight", "critic.first.bias"
        layout.add(self._first[0], (sum(dims), hidden[0]), (2 / sum(dims)) ** 0.5)
        layout.add(self._first[1], (1, hidden[0]), 0.5)
        self._rest = Perceptron(layout, "critic.rest", 1, hidden, activation, active=True)
        layout.add("critic.squares.weight", (3 * pairs, 1), 0.0)

    def embed(self, p: Parameters, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The samples as they are: y is mixed before anything else is done to it."""
        return x, y

    def pairs(self, p: Parameters, u: Tensor, v: Tensor) -> Tensor:
        """The critics where they should be great, at (x_i, y_k), mixed with the y of the row before: (S, n)."""
        return self._at(p, u, v.roll(1, 1), 0)

    def score_matrix(self, p: Parameters, u: Tensor, v: Tensor) -> Tensor:
        """The critics where they should be small, at (x_i, y_{k+1}), mixed with rows of ``v``: (S, ..., n, few)."""
        shifts = range(min(PARTNERS, u.shape[-2]))
        return torch.stack([self._at(p, u, v.roll(shift, -2), 1) for shift in shifts], -1)

    def at_joint(self, p: Parameters, u: Tensor) -> Tensor:
        """Every critic at the pairs of the joint, shape (S, n); their sum over the ratios is the log density ratio."""
        x, y = self._apart(u)
        return self._score(p, x, y[..., 2:])

    def _at(self, p: Parameters, u: Tensor, other: Tensor, waymark: int) -> Tensor:
        x, y = self._apart(u)
        a = y[..., waymark : waymark + 1]
        mixed = a * y[..., 2:] + (1 - a.square()).clamp(min=0).sqrt() * other
        return self._score(p, x, mixed)

    def _apart(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """What is of x with the coefficients, and the a of both waymarks with what is of y."""
        end = self._dims[0] + 2 * self._pairs
        return torch.cat([u[..., :end], u[..., end : end + 2]], -1), u[..., end:]

    def _score(self, p: Parameters, x: Tensor, y: Tensor) -> Tensor:
        (i, j), m = self._dims, self._pairs
        a, rho, b = x[..., i : i + m], x[..., i + m : i + 2 * m], y[..., j:]
        seen = torch.cat([x[..., :i], y[..., :j]], -1)
        squares = torch.cat([a * b, a.square(), b.square()], -1)
        flat = seen.flatten(1, -2)
        hidden = linear(flat, p[self._first[0]], p[self._first[1]])
        learned = self._rest(p, hidden).squeeze(-1)
        learned = learned + (squares.flatten(1, -2) * p["critic.squares.weight"].mT).sum(-1)
        known = _gaussian(a, b, rho * x[..., -2:-1]) - _gaussian(a, b, rho * x[..., -1:])
        return learned.reshape(seen.shape[:-1]) + known.sum(-1)


def _gaussian(a: Tensor, b: Tensor, rho: Tensor) -> Tensor:
    """The log density ratio of standard normal variables with this correlation, elementwise."""
    left = 1 - rho.square()
    return -0.5 * left.log() + (rho * a * b - 0.5 * rho.square() * (a.square() + b.square())) / left
