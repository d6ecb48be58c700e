"""Projections that share as much as can be found: behind ``max_sliced.py``.

In whitened coordinates every subspace is spanned by orthonormal directions, and mutual information depends on the
subspace alone. So directions are free matrices, made orthonormal when they are used.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from mibench.estimator import Array, Estimator

from .beginnings import random_shifts, starting_at_zero
from .folds import HeldOutEstimate
from .training import Learner, shrunk_moments


class Slices(nn.Module):
    """Two projections and a critic of them, which is 0 at first.

    x, y : training samples (n, dim_x) and (n, dim_y). columns : of each projection. hidden : widths of the critic.
    canonical : start at the canonical variables that correlate the most, else anywhere.
    """

    mean: Tensor
    white_x: Tensor
    white_y: Tensor

    def __init__(self, x: Tensor, y: Tensor, columns: int, hidden: tuple[int, ...], canonical: bool) -> None:
        super().__init__()
        dim = x.shape[1]
        mean, covariance = shrunk_moments(torch.cat([x, y], -1))
        white_x, white_y = (_whitener(covariance[s, s]) for s in (slice(0, dim), slice(dim, None)))
        left, _, right = torch.linalg.svd(white_x @ covariance[:dim, dim:] @ white_y.T)
        for name, value in {"mean": mean, "white_x": white_x, "white_y": white_y}.items():
            self.register_buffer(name, value.float().to(x.device))
        starts = left[:, :columns], right[:columns].T
        if not canonical:
            starts = torch.randn(starts[0].shape), torch.randn(starts[1].shape)
        self.of_x, self.of_y = (nn.Parameter(start.float().to(x.device).contiguous()) for start in starts)
        self.critic = starting_at_zero(2 * columns, 1, hidden).to(x.device)

    def projected(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Both projections, (n, columns), of variance 1 and uncorrelated within themselves on training samples."""
        u = (x - self.mean[: x.shape[1]]) @ self.white_x.T @ torch.linalg.qr(self.of_x)[0]
        v = (y - self.mean[x.shape[1] :]) @ self.white_y.T @ torch.linalg.qr(self.of_y)[0]
        return u, v

    def loss(self, x: Tensor, y: Tensor, shifts: list[int]) -> Tensor:
        """Less Donsker and Varadhan's bound, shape (), with the pairs of cyclic shifts of y as the product."""
        u, v = self.projected(x, y)
        joint = self._score(u, v).mean()
        apart = torch.cat([self._score(u, v.roll(shift, 0)) for shift in shifts])
        return torch.logsumexp(apart, 0) - math.log(len(apart)) - joint

    def _score(self, u: Tensor, v: Tensor) -> Tensor:
        score: Tensor = self.critic(torch.cat([u, v], -1))[:, 0]
        return score


class Projections(Learner):
    """Several searches, each with its own loss, and what the best of them, by validation samples, found."""

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        columns: int,
        starts: int,
        hidden: tuple[int, ...],
        negatives: int,
        estimator: Estimator,
    ) -> None:
        self.searches = [Slices(x, y, columns, hidden, canonical=start == 0) for start in range(starts)]
        self.models = self.searches
        self.negatives, self.estimator = negatives, estimator
        self.lowest = np.full(starts, math.inf)

    def losses(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
        """One for each search, shape (starts,)."""
        shifts = random_shifts(len(x), self.negatives, generator)
        return torch.stack([model.loss(x, y, shifts) for model in self.searches])

    def validated(self, x: Tensor, y: Tensor) -> Tensor:
        spread = np.linspace(1, len(x) - 1, min(32, len(x) - 1)).astype(int).tolist()
        found = torch.stack([model.loss(x, y, spread) for model in self.searches])
        self.lowest = np.fmin(self.lowest, found.detach().double().cpu().numpy())
        return found

    def value(self, losses: Array) -> Array:
        best: Array = -losses.min(axis=1)
        return best

    def tested(self, x: Tensor, y: Tensor, generator: torch.Generator) -> HeldOutEstimate:
        best = int(self.lowest.argmin())
        u, v = (part.double().cpu().numpy() for part in self.searches[best].projected(x, y))
        found = self.estimator.estimate(u, v, int(torch.randint(2**31, (), generator=generator)))
        return HeldOutEstimate(found.mi, None, {"start": "canonical" if best == 0 else "random"})


def _whitener(covariance: Tensor) -> Tensor:
    """W with W C W' = 1, in float64."""
    inverse: Tensor = torch.linalg.inv(torch.linalg.cholesky(covariance))
    return inverse
