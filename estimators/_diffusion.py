"""Mutual information from the scores of a diffusion: the integral and the network behind ``minde.py``.

A variable x is noised to z = alpha x + sigma e with alpha^2 + sigma^2 = 1 (variance-preserving), e ~ N(0, I). Time is
measured by the logarithm of the signal-to-noise ratio, L = log(alpha^2 / sigma^2). Whatever the schedule of a
variance-preserving diffusion, g(t)^2 dt = sigma^2 |dL|, so that no schedule appears below, and the importance
density proportional to g^2 / sigma^2 (Song et al. 2021) is the uniform one in L.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mibench.estimator import Array

from ._trained import Answer
from ._training import Problem, shrunk_moments

Span: TypeAlias = tuple[float, float]
MarginalScore: TypeAlias = Callable[[Tensor, Tensor], Tensor]  # of z (n, dim) and L (n, 1)
ConditionalScore: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]  # of z, L and y (n, dim_y)


def noised(x: Tensor, noise: Tensor, log_snr: Tensor) -> Tensor:
    """alpha x + sigma e for ``x`` and ``noise`` (n, dim) and L (n, 1)."""
    return torch.sigmoid(log_snr).sqrt() * x + torch.sigmoid(-log_snr).sqrt() * noise


def information_rate(
    conditional: ConditionalScore, marginal: MarginalScore, x: Tensor, y: Tensor, log_snr: Tensor, noise: Tensor
) -> Tensor:
    """sigma^2 |s(z | y) - s(z)|^2 / 2, shape (n,): nats per unit of L. The integral of its mean over L is I(X; Y).

    With s(z | y) and s(z) the gradients of log p(z | y) and log p(z) with respect to z.
    """
    z = noised(x, noise, log_snr)
    gap = conditional(z, log_snr, y) - marginal(z, log_snr)
    return 0.5 * torch.sigmoid(-log_snr)[:, 0] * gap.square().sum(-1)


def information(
    conditional: ConditionalScore,
    marginal: MarginalScore,
    x: Tensor,
    y: Tensor,
    span: Span,
    drawn: Sequence[tuple[Tensor, Tensor]],
) -> Tensor:
    """One contribution per sample, shape (n,), whose mean estimates the integral over ``span`` in nats.

    drawn : levels and noises as :func:`levels` draws them.
    """
    rates = [information_rate(conditional, marginal, x, y, log_snr, noise) for log_snr, noise in drawn]
    return (span[1] - span[0]) * torch.stack(rates).mean(0)


def levels(x: Tensor, span: Span, draws: int, generator: torch.Generator) -> list[tuple[Tensor, Tensor]]:
    """``draws`` pairs of noise levels L (n, 1) and noises (n, dim) for ``x`` (n, dim).

    The levels of a sample are evenly spaced from a start of its own, and the starts cover the span evenly.
    """
    n = len(x)
    place = (torch.randperm(n, generator=generator) + torch.rand(n, generator=generator)) / n
    made = []
    for i in range(draws):
        log_snr = span[0] + (span[1] - span[0]) * torch.remainder(place + i / draws, 1.0)[:, None]
        made.append((log_snr.to(x.device), torch.randn(x.shape, generator=generator).to(x.device)))
    return made


class GaussianDenoiser(nn.Module):
    """E[x | z, y] for jointly Gaussian x and y, or E[x | z] for Gaussian x, from means and covariances.

    With x | y ~ N(m, C): E[x | z, y] = m + alpha C (alpha^2 C + sigma^2 I)^-1 (z - alpha m).
    """

    slopes: Tensor
    shift: Tensor
    variances: Tensor
    directions: Tensor

    def __init__(self, x: Tensor, y: Tensor | None = None) -> None:
        super().__init__()
        dim = x.shape[1]
        mean, covariance = shrunk_moments(x if y is None else torch.cat([x, y], -1))
        own, cross, other = covariance[:dim, :dim], covariance[:dim, dim:], covariance[dim:, dim:]
        slopes = torch.linalg.solve(other, cross.T).T
        variances, directions = torch.linalg.eigh(own - slopes @ cross.T)
        shift = mean[:dim] - slopes @ mean[dim:]
        for name, value in {"slopes": slopes, "shift": shift, "variances": variances, "directions": directions}.items():
            self.register_buffer(name, value.float())

    def forward(self, z: Tensor, log_snr: Tensor, y: Tensor | None = None) -> Tensor:
        """The expectation of x, shape (n, dim)."""
        mean = self.shift if y is None else self.shift + y @ self.slopes.T
        alpha, variance = torch.sigmoid(log_snr).sqrt(), torch.sigmoid(-log_snr)
        gain = alpha * self.variances / (alpha.square() * self.variances + variance)
        return mean + (((z - alpha * mean) @ self.directions) * gain) @ self.directions.T


class ScoreNetwork(nn.Module):
    """The scores s(z | y) and s(z) by one network, which sees y or a mark that says it is hidden.

    The network predicts v = alpha e - sigma x, as a correction to what Gaussian variables of the same means and
    covariances would give; it starts without any. The score follows from it: s = -e / sigma.
    """

    centres: Tensor

    def __init__(self, x: Tensor, y: Tensor, span: Span, width: int, blocks: int) -> None:
        super().__init__()
        self.with_y, self.without_y = GaussianDenoiser(x, y), GaussianDenoiser(x)
        features = 16
        self.register_buffer("centres", torch.linspace(*span, features))
        self.spacing = (span[1] - span[0]) / (features - 1)
        self.enter = nn.Linear(x.shape[1] + y.shape[1] + 1 + features, width)
        inner = [nn.Linear(width + features, width) for _ in range(blocks)]
        outer = [nn.Linear(width, width) for _ in range(blocks)]
        self.inner, self.outer = nn.ModuleList(inner), nn.ModuleList(outer)
        self.leave = nn.Linear(width, x.shape[1])
        # wide enough that the features are far from linear at the start, or curved dependence is learned very slowly
        for layer, gain in ((self.enter, 2.3), *((layer, 1.2) for layer in inner)):
            nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.in_features))
        for layer in outer:
            nn.init.normal_(layer.weight, std=0.6 / math.sqrt(layer.in_features))
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def correction(self, z: Tensor, log_snr: Tensor, y: Tensor, seen: float) -> Tensor:
        """What is added to v, shape (n, dim)."""
        time = torch.exp(-0.5 * ((log_snr - self.centres) / self.spacing).square())
        mark = torch.full_like(log_snr, seen)
        h = self.enter(torch.cat([z, y * seen, mark, time], -1))
        for inner, outer in zip(self.inner, self.outer, strict=True):
            h = h + outer(F.silu(inner(torch.cat([F.silu(h), time], -1))))
        correction: Tensor = self.leave(F.silu(h)) * torch.sigmoid(-log_snr).sqrt()
        return correction

    def noise(self, z: Tensor, log_snr: Tensor, y: Tensor, seen: bool) -> Tensor:
        """The expectation of e given z, and given y where it is seen, shape (n, dim)."""
        alpha, sigma = torch.sigmoid(log_snr).sqrt(), torch.sigmoid(-log_snr).sqrt()
        clean = self.with_y(z, log_snr, y) if seen else self.without_y(z, log_snr)
        return (z - alpha * clean) / sigma + alpha * self.correction(z, log_snr, y, float(seen))

    def conditional(self, z: Tensor, log_snr: Tensor, y: Tensor) -> Tensor:
        """s(z | y), shape (n, dim)."""
        return -self.noise(z, log_snr, y, True) / torch.sigmoid(-log_snr).sqrt()

    def marginal(self, z: Tensor, log_snr: Tensor) -> Tensor:
        """s(z), shape (n, dim)."""
        hidden = z.new_zeros(len(z), self.enter.in_features - z.shape[1] - 1 - len(self.centres))
        return -self.noise(z, log_snr, hidden, False) / torch.sigmoid(-log_snr).sqrt()

    def errors(self, x: Tensor, y: Tensor, log_snr: Tensor, noise: Tensor) -> Tensor:
        """Mean squared errors of the noise with y hidden and with y seen, shape (2,): the losses of training."""
        z = noised(x, noise, log_snr)
        found = [self.noise(z, log_snr, y, seen) - noise for seen in (False, True)]
        return torch.stack([error.square().sum(-1).mean() for error in found])


class ScoreDistance(Problem):
    """The network, trained to denoise, and the integral of the squared distance between its two scores."""

    def __init__(self, model: ScoreNetwork, span: Span, draws: int) -> None:
        self.model, self.span, self.draws = model, span, draws
        self.models = (model,)
        self.seed = int(torch.randint(2**62, ()))  # of the noise that all validations share

    def losses(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
        """The denoising errors without and with y, shape (2,)."""
        # one level in each of as many equal parts of the span as there are samples
        place = (torch.arange(len(x)) + torch.rand(1, generator=generator)) / len(x)
        noise = torch.randn(x.shape, generator=generator)
        log_snr = (self.span[0] + (self.span[1] - self.span[0]) * place)[:, None]
        return self.model.errors(x, y, log_snr.to(x.device), noise.to(x.device))

    def validated(self, x: Tensor, y: Tensor) -> Tensor:
        """The denoising errors at levels and noises that are always the same, shape (2,)."""
        return self._errors(x, y, levels(x, self.span, 2, torch.Generator().manual_seed(self.seed)))

    def value(self, losses: Array) -> Array:
        """The integral of the difference of the two errors, which is mutual information where the scores are exact."""
        difference: Array = 0.5 * (self.span[1] - self.span[0]) * (losses[:, 0] - losses[:, 1])
        return difference

    def tested(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Answer:
        """The mean of the contributions of test samples."""
        drawn = levels(x, self.span, self.draws, generator)
        found = information(self.model.conditional, self.model.marginal, x, y, self.span, drawn)
        difference = self.value(self._errors(x, y, drawn).double().cpu().numpy()[None])
        return Answer.mean(found.double().cpu().numpy(), error_difference=float(difference[0]))

    def _errors(self, x: Tensor, y: Tensor, drawn: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        return torch.stack([self.model.errors(x, y, *draw) for draw in drawn]).mean(0)
