"""Autoencoders that must also predict the other variable: the representations behind ``latent.py``."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from mibench.estimator import Array

from ..ksg import KSG
from .folds import HeldOutEstimate
from .surrogates import gaussian_bias
from .training import Pair, Pure, shrunk_moments


class CrossPredictor(nn.Module):
    """Codes z_x = e_x(x) and z_y = e_y(y) from which four decoders predict x and y, each from each.

    dims : dimensions of x and of y. code : most dimensions of a code. hidden : widths of the layers, from data to code.
    """

    def __init__(self, dims: tuple[int, int], code: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        codes = [min(code, dim) for dim in dims]
        self.lengths = codes
        self.encoders = nn.ModuleList(Curved(dim, hidden, width) for dim, width in zip(dims, codes, strict=True))
        self.decoders = nn.ModuleList(Curved(width, hidden[::-1], dim) for width, dim in itertools.product(codes, dims))

    @torch.no_grad()
    def start_linear(self, x: Tensor, y: Tensor) -> CrossPredictor:
        """Begin with the leading canonical variables for codes, and with what they predict linearly."""
        mean, covariance = shrunk_moments(torch.cat([x, y], -1))
        parts = slice(0, x.shape[1]), slice(x.shape[1], len(mean))
        maps = [turn[:length] for turn, length in zip(canonical(covariance, x.shape[1])[0], self.lengths, strict=True)]
        for encoder, turn, own in zip(self.encoders, maps, parts, strict=True):
            cast(Curved, encoder).set_linear(turn, -turn @ mean[own])
        for decoder, (seen, aim) in zip(self.decoders, itertools.product((0, 1), parts), strict=True):
            cast(Curved, decoder).set_linear(
                covariance[aim, parts[seen]] @ maps[seen].T, mean[aim]
            )  # canonical variances are 1
        return self

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
    maps, rho = canonical(covariance, dim)
    made = []
    for z, m, turn in zip(codes, (mean[:dim], mean[dim:]), maps, strict=True):
        scale = torch.full((z.shape[1],), floor, dtype=z.dtype)
        scale[: len(rho)] = rho.clamp_min(floor)
        made.append((z - m) @ turn.T * scale)
    return made


class Curved(nn.Module):
    """A linear map and a perceptron beside it, which is 0 at first."""

    def __init__(self, inputs: int, hidden: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        from zuko.nn import MLP

        self.linear = nn.Linear(inputs, outputs)
        self.network = MLP(inputs, outputs, hidden, nn.SiLU)
        for p in self.network[-1].parameters():
            nn.init.zeros_(p)

    def set_linear(self, weight: Tensor, bias: Tensor) -> None:
        """Let the linear map be this one."""
        self.linear.weight.copy_(weight)
        self.linear.bias.copy_(bias)

    def forward(self, values: Tensor) -> Tensor:
        """(n, inputs) to (n, outputs)."""
        made: Tensor = self.linear(values) + self.network(values)
        return made


def canonical(covariance: Tensor, dim: int) -> tuple[list[Tensor], Tensor]:
    """Maps of the first ``dim`` variables and of the others to their canonical variables, and the correlations.

    The maps are square, with a canonical variable in each row; those without a partner come last.
    """
    own = covariance[:dim, :dim], covariance[dim:, dim:]
    whiten = [torch.linalg.inv(torch.linalg.cholesky(c)) for c in own]
    left, rho, right = torch.linalg.svd(whiten[0] @ covariance[:dim, dim:] @ whiten[1].T)
    return [left.T @ whiten[0], right @ whiten[1]], rho


class CodeInformation(Pure):
    """The encoders and decoders, trained to predict, and KSG on the codes, less its bias for Gaussian ones."""

    def __init__(self, model: CrossPredictor, training: Pair, own: float, align: bool, k: int, surrogates: int) -> None:
        self.model, self.training = model, training
        self.models = (model,)
        self.weights = torch.tensor([[own, 1.0], [1.0, own]], device=training[0].device)
        self.align, self.surrogates = align, surrogates
        self.ksg = KSG(k, standardize=not align)

    def given(self, x: Tensor, y: Tensor, *drawn: Tensor) -> Tensor:
        """The weighted sum of the four prediction errors, shape (1,)."""
        return (self.weights * self.model.errors(x, y)).sum()[None]

    def tested(self, x: Tensor, y: Tensor, generator: torch.Generator) -> HeldOutEstimate:
        codes = [z.double().cpu() for z in self.model.codes(x, y)]
        if self.align:
            codes = aligned([z.double().cpu() for z in self.model.codes(*self.training)], codes)
        code_x, code_y = (z.numpy() for z in codes)
        found = self._neighbours(code_x, code_y)
        rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        bias = gaussian_bias(self._neighbours, code_x, code_y, self.surrogates, rng)
        return HeldOutEstimate(found - bias, None, {"codes": [z.shape[1] for z in codes], "uncorrected": found})

    def _neighbours(self, code_x: Array, code_y: Array) -> float:
        return self.ksg.estimate(code_x, code_y).mi
