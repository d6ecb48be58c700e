"""Autoencoders that must also predict the other variable: the representations behind ``latent.py``."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mibench.estimator import Array

from ._trained import Answer
from ._training import Problem, shrunk_moments
from .ksg import KSG


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


class CodeInformation(Problem):
    """The encoders and decoders, trained to predict, and KSG on the codes."""

    def __init__(self, model: CrossPredictor, x: Tensor, y: Tensor, own: float, align: bool, k: int) -> None:
        self.model, self.align, self.k = model, align, k
        self.models = (model,)
        self.training = x, y
        self.weights = torch.tensor([[own, 1.0], [1.0, own]], device=x.device)

    def losses(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
        """The weighted sum of the four prediction errors."""
        return self.validated(x, y)

    def validated(self, x: Tensor, y: Tensor) -> Tensor:
        """The weighted sum of the four prediction errors, shape (1,)."""
        return (self.weights * self.model.errors(x, y)).sum()[None]

    def value(self, losses: Array) -> Array:
        """The same."""
        value: Array = losses[:, 0]
        return value

    def tested(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Answer:
        """KSG on the codes of the test samples, aligned by those of the training samples."""
        codes = [z.double().cpu() for z in self.model.codes(x, y)]
        if self.align:
            codes = aligned([z.double().cpu() for z in self.model.codes(*self.training)], codes)
        code_x, code_y = (z.numpy() for z in codes)
        found = KSG(self.k, standardize=not self.align).estimate(code_x, code_y)
        return Answer(found.mi, None, {"codes": [z.shape[1] for z in codes]})
