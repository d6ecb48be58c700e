"""Conditional densities q(v | u) as products of one-dimensional mixtures: the models behind ``doe.py``."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .entropies import DensityPair
from .training import shrunk_moments


class MixtureDensity(nn.Module):
    """log q(v | u) = sum_i log q_i(v_i | v_1 ... v_{i-1}, u), each q_i a mixture of Gaussians.

    A masked network (Germain et al. 2015) gives the weights, means and log standard deviations of all q_i at once. A
    masked linear map of the means beside it, which all components share, makes Gaussian dependence easy; without
    hidden layers it is all there is. With one component each q_i is Gaussian.

    dim : of v. context : dimension of u, 0 for a marginal density. hidden : widths of the layers.
    """

    mask: Tensor
    floor = -10.0  # least log standard deviation, so that the density of a repeated value stays finite

    def __init__(self, dim: int, context: int, hidden: tuple[int, ...], components: int) -> None:
        super().__init__()
        from zuko.nn import MaskedMLP

        sees = torch.ones(dim, dim + context, dtype=torch.bool)
        sees[:, :dim] = torch.ones(dim, dim).tril(-1).bool()
        per = 3 * components
        self.components = components
        self.register_buffer("mask", sees.float())
        self.linear = nn.Parameter(torch.zeros(dim, dim + context))
        self.offset = nn.Parameter(self._spread(dim))
        self.network = (
            MaskedMLP(sees.repeat_interleave(per, 0), hidden_features=hidden, activation=nn.SiLU)
            if hidden and sees.any()
            else None
        )
        if self.network is not None:
            final = self.network[-1]
            nn.init.zeros_(final.weight)
            nn.init.zeros_(final.bias)

    def _spread(self, dim: int) -> Tensor:
        """Initial weights, means and log standard deviations (dim, 3, components): together of variance 1."""
        k = self.components
        if k == 1:
            return torch.zeros(dim, 3, 1)
        means = torch.special.ndtri((torch.arange(k) + 0.5) / k)
        means *= math.sqrt(0.75) / means.std(correction=0)
        return torch.stack([torch.zeros(k), means, torch.full((k,), math.log(0.5))]).expand(dim, 3, k).clone()

    @torch.no_grad()
    def start_at_gaussian(self, v: Tensor, u: Tensor | None = None) -> MixtureDensity:
        """Begin with the conditional density of the Gaussian that has the samples' moments (shrunk if they are few)."""
        u = v[:, :0] if u is None else u
        mean, covariance = shrunk_moments(torch.cat([u, v], -1))
        # each row of the inverse factor is a regression on the columns before it, divided by its residual deviation
        inverse = torch.linalg.inv(torch.linalg.cholesky(covariance))[u.shape[1] :]
        residual = 1 / torch.diagonal(inverse, u.shape[1])
        slopes = -inverse * residual[:, None]
        slopes = torch.cat([slopes[:, u.shape[1] :], slopes[:, : u.shape[1]]], 1)
        slopes.fill_diagonal_(0.0)
        intercept = mean[u.shape[1] :] - slopes @ torch.cat([mean[u.shape[1] :], mean[: u.shape[1]]])
        self.linear.copy_(slopes)
        residual, intercept = residual.to(self.offset.device), intercept.to(self.offset.device)
        self.offset[:, 1] = self.offset[:, 1] * residual[:, None] + intercept[:, None]
        self.offset[:, 2] += residual.log()[:, None]
        return self

    def forward(self, v: Tensor, u: Tensor | None = None) -> Tensor:
        """log q(v | u), shape (n,), of ``v`` (n, dim) given ``u`` (n, context)."""
        seen = v if u is None else torch.cat([v, u], dim=-1)
        parameters = self.offset.expand(len(v), *self.offset.shape)
        if self.network is not None:
            parameters = parameters + self.network(seen).unflatten(-1, self.offset.shape)
        weights, means, widths = parameters.unbind(-2)
        means = means + F.linear(seen, self.linear * self.mask)[..., None]
        widths = self.floor + F.softplus(widths - self.floor)
        z = (v[..., None] - means) * torch.exp(-widths)
        terms = torch.log_softmax(weights, -1) - 0.5 * z.square() - widths
        return (torch.logsumexp(terms, -1) - 0.5 * math.log(2 * math.pi)).sum(-1)


class EntropyDifference(DensityPair):
    """The two densities as products of mixtures, which start as the Gaussians with the samples' moments."""

    def __init__(self, x: Tensor, y: Tensor, hidden: tuple[int, ...], components: int) -> None:
        marginal, conditional = (MixtureDensity(y.shape[1], c, hidden, components) for c in (0, x.shape[1]))
        super().__init__(marginal.to(y.device).start_at_gaussian(y), conditional.to(y.device).start_at_gaussian(y, x))
