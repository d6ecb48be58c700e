"""A block autoregressive flow of v, given u or not, by the same weights: behind ``ndoe.py``."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .entropies import DensityPair
from .training import shrunk_moments


class BlockLinear(nn.Module):
    """A linear map of ``dim`` blocks, block i of the output seeing blocks 1 ... i of the input (De Cao et al. 2019).

    The weights within a block are positive, and the rows of the whole matrix have the norms exp(log_norm).

    dim : blocks. inputs, outputs : numbers per block. start : log_norm at first.
    """

    own: Tensor
    before: Tensor

    def __init__(self, dim: int, inputs: int, outputs: int, start: float = 0.0) -> None:
        super().__init__()
        self.dim, self.inputs, self.outputs = dim, inputs, outputs
        block = torch.ones(outputs, inputs)
        self.register_buffer("own", torch.kron(torch.eye(dim), block).bool(), persistent=False)
        self.register_buffer("before", torch.kron(torch.ones(dim, dim).tril(-1), block), persistent=False)
        self.weight = nn.Parameter(torch.randn(dim * outputs, dim * inputs) / math.sqrt(dim * inputs))
        self.bias = nn.Parameter(torch.randn(dim * outputs))
        self.log_norm = nn.Parameter(torch.full((dim * outputs, 1), start))

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs (n, dim outputs), and the logarithms of the weights within blocks (dim, outputs, inputs)."""
        positive = torch.where(self.own, torch.exp(self.weight), self.weight * self.before)
        scale = self.log_norm - 0.5 * torch.log(positive.square().sum(1, keepdim=True))
        blocks = self.weight.view(self.dim, self.outputs, self.dim, self.inputs).diagonal(dim1=0, dim2=2)
        inside = blocks.movedim(-1, 0) + scale.view(self.dim, self.outputs, 1)
        return F.linear(values, positive * torch.exp(scale), self.bias), inside


class BlockFlow(nn.Module):
    """log q(v) and log q(v | u) of one flow to standard normal variables, r -> exp(s) r + g(r, h(u)) coordinate by
    coordinate, each seeing those before it.

    r is v whitened by its mean and covariance, or by those given u. g is a network of blocks, increasing in the
    coordinate itself; its layers are moved by those of a network h of u, which are left out where u is not given. So
    what the shape of the distribution has in common with and without u is learned once. g is nearly 0 at first.

    hidden : widths of the layers of h. units : numbers per coordinate in each of the layers of g, as many as h has.
    """

    def __init__(self, v: Tensor, u: Tensor, hidden: tuple[int, ...], units: int) -> None:
        super().__init__()
        dim, context = v.shape[1], u.shape[1]
        widths = [1, *[units] * len(hidden), 1]
        starts = [0.0] * len(hidden) + [-2.0]
        layers = [BlockLinear(dim, i, o, start) for i, o, start in zip(widths, widths[1:], starts, strict=False)]
        nn.init.zeros_(layers[-1].bias)
        self.layers = nn.ModuleList(layers)
        self.streams = nn.ModuleList(nn.Linear(i, o) for i, o in zip((context, *hidden), hidden, strict=False))
        moves = [nn.Linear(width, dim * units) for width in hidden]
        for p in [p for move in moves for p in move.parameters()]:
            nn.init.zeros_(p)
        self.moves = nn.ModuleList(moves)
        self.log_slope = nn.Parameter(torch.zeros(dim))
        mean, covariance = shrunk_moments(torch.cat([u, v], -1))
        given = torch.linalg.inv(torch.linalg.cholesky(covariance))[context:]
        alone = torch.linalg.inv(torch.linalg.cholesky(covariance[context:, context:]))
        self.mean = nn.Parameter(mean.float(), requires_grad=False)
        self.white_given, self.white_alone = (nn.Parameter(w.float()) for w in (given, alone))

    def forward(self, v: Tensor, u: Tensor | None = None) -> Tensor:
        """log q(v), or log q(v | u), shape (n,)."""
        dim = v.shape[1]
        context = len(self.mean) - dim
        if u is None:
            white = self.white_alone.tril()
            r = F.linear(v - self.mean[context:], white)
        else:
            white = torch.cat([self.white_given[:, :context], self.white_given[:, context:].tril()], 1)
            r = F.linear(torch.cat([u, v], -1) - self.mean, white)
        log_scale = white[:, -dim:].diagonal().abs().log().sum()
        moved, log_slope = self._network(r, u)
        z = torch.exp(self.log_slope) * r + moved
        log_slope = torch.logaddexp(self.log_slope.expand_as(log_slope), log_slope)
        normal = -0.5 * (z.square().sum(-1) + dim * math.log(2 * math.pi))
        density: Tensor = normal + log_slope.sum(-1) + log_scale
        return density

    def _network(self, r: Tensor, u: Tensor | None) -> tuple[Tensor, Tensor]:
        """g and the logarithm of its derivative with respect to the coordinate itself, each (n, dim)."""
        n, dim = r.shape
        values, log_slope = r, torch.zeros(n, dim, 1, device=r.device)
        stream = u
        for i, layer in enumerate(self.layers):
            values, inside = layer(values)
            log_slope = torch.logsumexp(inside + log_slope[:, :, None], -1)
            if i == len(self.moves):
                break
            if stream is not None:
                stream = F.silu(self.streams[i](stream))
                values = values + self.moves[i](stream)
            # the derivative of tanh is 4 exp(-2 |a|) / (1 + exp(-2 |a|))^2
            a = values.abs().view(n, dim, -1)
            log_slope = log_slope + 2 * (math.log(2) - a - F.softplus(-2 * a))
            values = torch.tanh(values)
        return values, log_slope[..., 0]


class FlowEntropies(DensityPair):
    """One flow for the densities of y and of y given x."""

    def __init__(self, x: Tensor, y: Tensor, hidden: tuple[int, ...], units: int) -> None:
        flow = BlockFlow(y, x, hidden, units).to(y.device)
        super().__init__(flow, flow)
