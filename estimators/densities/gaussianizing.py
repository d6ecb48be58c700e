"""Two normalizing flows whose latent variables are jointly Gaussian: the model behind ``flow.py``."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from mibench.estimator import Array

from ..gaussian import gaussian_information
from .folds import HeldOutEstimate
from .training import Pure, shrunk_moments

Layers: TypeAlias = Literal["affine", "spline"]


class GaussianPair(nn.Module):
    """log q(x, y) of the model (g_x(X), g_y(Y)) ~ N(0, S), with g_x and g_y normalizing flows.

    S is written as g_x(X) ~ N(0, I) and g_y(Y) | g_x(X) ~ N(slopes g_x(X), (R^T R)^-1) with R lower triangular: the
    scale of a latent variable does not matter, its dependence on the other does.

    dims : dimensions of x and of y. layers : affine or spline (rational-quadratic on [-5, 5], the identity beyond).
    transforms : autoregressive layers of each flow, alternating in their order. hidden : of the networks in them.
    """

    def __init__(self, dims: tuple[int, int], layers: Layers, transforms: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        dim_x, dim_y = dims
        self.flow_x, self.flow_y = (_flow(dim, layers, transforms, hidden) for dim in dims)
        self.slopes = nn.Parameter(torch.zeros(dim_y, dim_x))
        self.shift = nn.Parameter(torch.zeros(dim_y))
        self.log_scale = nn.Parameter(torch.zeros(dim_y))
        self.lower = nn.Parameter(torch.zeros(dim_y, dim_y))

    @torch.no_grad()
    def start_at_gaussian(self, x: Tensor, y: Tensor) -> GaussianPair:
        """Begin with the Gaussian of the samples' moments (shrunk if they are few); the flows are the identity yet."""
        mean, covariance = shrunk_moments(torch.cat([x, y], -1))
        dim = x.shape[1]
        # the last rows of the inverse Cholesky factor whiten y given x
        inverse = torch.linalg.inv(torch.linalg.cholesky(covariance))[dim:]
        root = inverse[:, dim:]
        self.slopes.copy_(-torch.linalg.solve_triangular(root, inverse[:, :dim], upper=False))
        self.shift.copy_(mean[dim:] - self.slopes.cpu().double() @ mean[:dim])
        self.log_scale.copy_(root.diagonal().log())
        self.lower.copy_(root.tril(-1))
        return self

    def latent(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """g_x(x) (n, dim_x), g_y(y) (n, dim_y), and the sum of their log Jacobian determinants (n,)."""
        (a, log_a), (b, log_b) = (t().call_and_ladj(v) for t, v in ((self.flow_x, x), (self.flow_y, y)))
        return a, b, log_a + log_b

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        a, b, log_jacobian = self.latent(x, y)
        root = self.lower.tril(-1) + torch.diag(self.log_scale.exp())
        c = (b - self.shift - a @ self.slopes.T) @ root.T
        dims = a.shape[1] + b.shape[1]
        square = a.square().sum(-1) + c.square().sum(-1)
        return log_jacobian + self.log_scale.sum() - 0.5 * (square + dims * math.log(2 * math.pi))


class LatentCorrelation(Pure):
    """The pair of flows, trained on its likelihood, and what the correlations of the latent variables give."""

    def __init__(self, x: Tensor, y: Tensor, layers: Layers, transforms: int, hidden: tuple[int, ...]) -> None:
        self.model = GaussianPair((x.shape[1], y.shape[1]), layers, transforms, hidden).to(x.device)
        self.model.start_at_gaussian(x, y)
        self.models = (self.model,)

    def given(self, x: Tensor, y: Tensor, *drawn: Tensor) -> Tensor:
        loss: Tensor = -self.model(x, y).mean()[None]
        return loss

    def value(self, losses: Array) -> Array:
        return -losses[:, 0]

    def tested(self, x: Tensor, y: Tensor, generator: torch.Generator) -> HeldOutEstimate:
        found = gaussian_information(*(latent.double().cpu().numpy() for latent in self.model.latent(x, y)[:2]))
        return HeldOutEstimate(found.mi, found.diagnostics.get("sampling_error"))


def _flow(dim: int, layers: Layers, transforms: int, hidden: tuple[int, ...]) -> nn.Module:
    """Autoregressive transforms that begin as the identity."""
    from zuko.flows import MAF, NSF

    family = {"affine": MAF, "spline": NSF}[layers]
    transform = family(dim, transforms=transforms, hidden_features=hidden, activation=nn.SiLU).transform
    for part in transform.transforms:
        # one-dimensional transforms have parameters of their own instead of a network
        for p in part.hyper[-1].parameters() if hasattr(part, "hyper") else part.parameters():
            nn.init.zeros_(p)
    flow: nn.Module = transform
    return flow
