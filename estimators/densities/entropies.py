"""Mutual information as the difference of two entropies: what learners of two densities have in common."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mibench.estimator import Array

from .folds import HeldOutEstimate
from .training import Pure


class DensityPair(Pure):
    """The densities of y and of y given x, and the mean of log q(y | x) - log q(y).

    marginal, conditional : modules that give log q(y) and log q(y | x), shape (n,), for y, and for y and x. They may
        be one, which is trained on both losses.
    """

    def __init__(self, marginal: nn.Module, conditional: nn.Module) -> None:
        self.marginal, self.conditional = marginal, conditional
        self.models = (marginal,) if marginal is conditional else (marginal, conditional)

    def given(self, x: Tensor, y: Tensor, *drawn: Tensor) -> Tensor:
        """Both cross-entropies in nats, shape (2,)."""
        return -torch.stack([self.marginal(y).mean(), self.conditional(y, x).mean()])

    def value(self, losses: Array) -> Array:
        return losses[:, 0] - losses[:, 1]

    def tested(self, x: Tensor, y: Tensor, generator: torch.Generator) -> HeldOutEstimate:
        return HeldOutEstimate.mean((self.conditional(y, x) - self.marginal(y)).double().cpu().numpy())
