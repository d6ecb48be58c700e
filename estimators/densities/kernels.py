"""Conditional densities q(v | u) as mixtures of Gaussian kernels in all coordinates at once: behind ``knife.py``."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .beginnings import starting_at_zero
from .entropies import DensityPair
from .training import shrunk_moments


class KernelMixture(nn.Module):
    """q(v | u) = sum_k w_k(u) N(v; A u + m_k(u), P_k(u)^-1), with P = T' T and T = diag(exp(-s_k(u))) (I + L_k).

    L_k is strictly lower triangular, so that no determinant has to be computed: log det T is -sum s_k. A network of u,
    which starts at 0, adds to the logarithms of the weights w, to m and to s; A and L are free of u, but which kernel
    is meant is not. Where there is no u, the network has a constant to see, so that either density learns at the same
    pace. Without hidden layers there is none.

    dim : of v. context : dimension of u, 0 for a marginal density. hidden : widths of the layers. components : kernels.
    """

    floor = -10.0  # least s, so that the density of a repeated value stays finite

    def __init__(self, dim: int, context: int, hidden: tuple[int, ...], components: int) -> None:
        super().__init__()
        self.components = components
        self.linear = nn.Parameter(torch.zeros(dim, context))
        self.offset = nn.Parameter(torch.zeros(components, 1 + 2 * dim))
        self.lower = nn.Parameter(torch.zeros(components, dim, dim))
        self.network = starting_at_zero(max(1, context), self.offset.numel(), hidden) if hidden else None

    @torch.no_grad()
    def start_at_gaussian(self, v: Tensor, u: Tensor | None = None) -> KernelMixture:
        """Begin near the conditional density of the Gaussian that has the samples' moments (shrunk if they are few).

        The kernels lie apart, so that they can part ways; mean and covariance of the mixture are nearly the Gaussian's.
        """
        u = v[:, :0] if u is None else u
        dim, context = v.shape[1], u.shape[1]
        mean, covariance = shrunk_moments(torch.cat([u, v], -1))
        # the last rows of the inverse Cholesky factor whiten v given u
        inverse = torch.linalg.inv(torch.linalg.cholesky(covariance))[context:]
        root = inverse[:, context:]
        scale = root.diagonal()
        slopes = -torch.linalg.solve_triangular(root, inverse[:, :context], upper=False)
        apart = torch.linalg.solve_triangular(root, self._places(dim).to(root).T, upper=False).T
        between = 0.0 if self.components == 1 else 0.75 / dim
        self.linear.copy_(slopes)
        self.offset[:, 1 : dim + 1] = mean[context:] - slopes @ mean[:context] + math.sqrt(between) * apart
        self.offset[:, dim + 1 :] = 0.5 * math.log(1 - between) - scale.log()
        self.lower.copy_((root / scale[:, None]).tril(-1))
        return self

    def _places(self, dim: int) -> Tensor:
        """As many points (components, dim) as kernels, with mean 0 and variance 1 in every coordinate."""
        k = self.components
        if k == 1:
            return torch.zeros(1, dim)
        places = torch.special.ndtri((torch.arange(k) + 0.5) / k)[:, None] if dim == 1 else torch.randn(k, dim)
        places = places - places.mean(0)
        return places / places.std(0, correction=0)

    def forward(self, v: Tensor, u: Tensor | None = None) -> Tensor:
        """log q(v | u), shape (n,), of ``v`` (n, dim) given ``u`` (n, context)."""
        weights, means, widths = self.kernels(len(v), u)
        apart = (self._centred(v, u)[:, None] - means).transpose(0, 1)
        z = (apart + apart @ self.lower.tril(-1).mT).transpose(0, 1) * torch.exp(-widths)
        log_kernel = -0.5 * (z.square().sum(-1) + v.shape[1] * math.log(2 * math.pi)) - widths.sum(-1)
        return torch.logsumexp(torch.log_softmax(weights, -1) + log_kernel, -1)

    @torch.no_grad()
    def sample(self, n: int, u: Tensor | None, generator: torch.Generator) -> Tensor:
        """One draw of v for each of the n rows of u, shape (n, dim)."""
        weights, means, widths = self.kernels(n, u)
        chosen = torch.multinomial(torch.softmax(weights, -1).cpu(), 1, generator=generator)[:, 0]
        rows = torch.arange(n)
        means, widths = means[rows, chosen], widths[rows, chosen]
        v = torch.randn(means.shape, generator=generator).to(means) * torch.exp(widths)
        eye = torch.eye(v.shape[1], device=v.device)
        for k in range(self.components if v.shape[1] > 1 else 0):
            own = chosen == k
            factor = eye + self.lower[k].tril(-1)
            v[own] = torch.linalg.solve_triangular(factor, v[own].T, upper=False, unitriangular=True).T
        v = v + means
        return v if u is None else v + F.linear(u, self.linear)

    def _centred(self, v: Tensor, u: Tensor | None) -> Tensor:
        return v if u is None else v - F.linear(u, self.linear)

    def kernels(self, n: int, u: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Logarithms of weights (n, components), means and widths s (n, components, dim)."""
        parameters = self.offset.expand(n, *self.offset.shape)
        if self.network is not None:
            seen = torch.ones(1, 1, device=parameters.device) if u is None else u
            parameters = parameters + self.network(seen).unflatten(-1, self.offset.shape)
        dim = (parameters.shape[-1] - 1) // 2
        widths = self.floor + F.softplus(parameters[..., dim + 1 :] - self.floor)
        return parameters[..., 0], parameters[..., 1 : dim + 1], widths


class KernelEntropies(DensityPair):
    """Mixtures of kernels for y and for y given x."""

    marginal: KernelMixture
    conditional: KernelMixture

    def __init__(self, x: Tensor, y: Tensor, hidden: tuple[int, ...], components: int) -> None:
        marginal, conditional = (KernelMixture(y.shape[1], c, hidden, components) for c in (0, x.shape[1]))
        super().__init__(marginal.to(y.device).start_at_gaussian(y), conditional.to(y.device).start_at_gaussian(y, x))
