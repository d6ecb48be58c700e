"""Autoencoders that must also predict the other variable: the representations behind ``latent.py``."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ._training import shrunk_moments


class CrossPredictor(nn.Module):
    """Codes z_x = e_x(x) and z_y = e_y(y) from which four decoders predict x and y, each from each.

    dims : dimensions of x and of y. code : most dimensions of a code. hidden : widths of the layers, from data to code.
    """

    def __init__(self, dims: tuple[int, int], code: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        codes = [min(code, dim) for dim in dims]
        self.encoders = nn.ModuleList(perceptron(dim, hidden, width) for dim, width in zip(dims, codes, strict=True))
        self.decoders = nn.ModuleList(
            perceptron(width, hidden[::-1], dim) for width, dim in itertools.product(codes, dims)
        )

    def codes(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """z_x and z_y, each (n, code)."""
        return self.encoders[0](x), self.encoders[1](y)

    def errors(self, x: Tensor, y: Tensor) -> Tensor:
        """Mean squared errors per dimension, shape (2, 2): of x and of y in columns, from z_x and from z_y in rows."""
        pairs = itertools.product(self.codes(x, y), (x, y))
        found = [(decode(z) - v).square().mean() for decode, (z, v) in zip(self.decoders, pairs, strict=True)]
        return torch.stack(found).reshape(2, 2)


def aligned(fitted: Sequence[Tensor], codes: Sequence[Tensor], floor: float = 0.1) -> list[Tensor]:
    """The two ``codes`` (n, dim) as canonical variables of ``fitted``, each times its canonical correlation there.

    A variable whose correlation is below ``floor`` (or that has no partner) is scaled by that instead, since it may
    still depend on the other code without being correlated with it.
    """
    dim = fitted[0].shape[1]
    mean, covariance = shrunk_moments(torch.cat(list(fitted), -1))
    own = covariance[:dim, :dim], covariance[dim:, dim:]
    whiten = [torch.linalg.inv(torch.linalg.cholesky(c)).T for c in own]
    left, rho, right = torch.linalg.svd(whiten[0].T @ covariance[:dim, dim:] @ whiten[1])
    made = []
    for z, m, w, rotate in zip(codes, (mean[:dim], mean[dim:]), whiten, (left, right.T), strict=True):
        scale = torch.full((z.shape[1],), floor, dtype=z.dtype)
        scale[: len(rho)] = rho.clamp_min(floor)
        made.append((z - m) @ w @ rotate * scale)
    return made


def perceptron(inputs: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    """Linear layers with SiLU between them."""
    widths = (inputs, *hidden, outputs)
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(widths):
        layers += [nn.Linear(a, b), nn.SiLU()]
    return nn.Sequential(*layers[:-1])
