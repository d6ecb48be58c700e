"""Mutual information from the scores of a diffusion: the integral and the networks behind ``minde.py``.

A variable x is noised to z = alpha x + sigma e with alpha^2 + sigma^2 = 1 (variance-preserving), e ~ N(0, I). Time is
measured by the logarithm of the signal-to-noise ratio, L = log(alpha^2 / sigma^2). Whatever the schedule of a
variance-preserving diffusion, g(t)^2 dt = sigma^2 |dL|, so that no schedule appears below, and the importance
density proportional to g^2 / sigma^2 (Song et al. 2021) is the uniform one in L.

The score of z is -E[e | z] / sigma, so that sigma^2 |s(z | y) - s(z)|^2 = |E[e | z, y] - E[e | z]|^2: what y changes in
the expected noise is all that has to be known.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mibench.estimator import Array

from .folds import HeldOutEstimate
from .training import Pure, shrunk_moments

Span: TypeAlias = tuple[float, float]

# Training draws levels from a logistic distribution, cut to the span: far from its centre z is nearly all noise or all
# signal, and there is little to learn. A spiral took twice as many steps with levels spread evenly.
CENTRE, SCALE = 1.2, 1.2


def noised(x: Tensor, noise: Tensor, log_snr: Tensor) -> Tensor:
    """alpha x + sigma e for ``x`` and ``noise`` (n, dim) and L (n, 1)."""
    return torch.sigmoid(log_snr).sqrt() * x + torch.sigmoid(-log_snr).sqrt() * noise


def information(gaps: Sequence[Tensor], span: Span) -> Tensor:
    """One contribution per sample, shape (n,), whose mean estimates I(X; Y) in nats.

    I(X; Y) is half the integral over L of the mean of |E[e | z, y] - E[e | z]|^2.

    gaps : E[e | z, y] - E[e | z], each (n, dim), at levels spread evenly over ``span`` as by :func:`levels`.
    """
    return 0.5 * (span[1] - span[0]) * torch.stack([gap.square().sum(-1) for gap in gaps]).mean(0)


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


def training_levels(n: int, span: Span, generator: torch.Generator) -> Tensor:
    """Noise levels L (n, 1) for a training batch: one in each of n equally likely parts of the span."""
    low, high = (1 / (1 + math.exp((CENTRE - end) / SCALE)) for end in span)
    place = (torch.arange(n) + torch.rand(1, generator=generator)) / n
    return (CENTRE + SCALE * torch.logit(low + (high - low) * place))[:, None].clamp(*span)


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

    def noise(self, z: Tensor, log_snr: Tensor, y: Tensor | None = None) -> Tensor:
        """The expectation of e, shape (n, dim)."""
        clean = self.forward(z, log_snr, y)
        return (z - torch.sigmoid(log_snr).sqrt() * clean) / torch.sigmoid(-log_snr).sqrt()


class Correction(nn.Module):
    """A residual network that adds to an expectation of the noise; nothing at first, and little where z is all noise.

    inputs, outputs : numbers of columns. span : of the levels. width, blocks : of the network.
    """

    centres: Tensor

    def __init__(self, inputs: int, outputs: int, span: Span, width: int, blocks: int) -> None:
        super().__init__()
        features = 16
        self.register_buffer("centres", torch.linspace(*span, features))
        self.spacing = (span[1] - span[0]) / (features - 1)
        self.enter = nn.Linear(inputs + features, width)
        inner = [nn.Linear(width + features, width) for _ in range(blocks)]
        outer = [nn.Linear(width, width) for _ in range(blocks)]
        self.inner, self.outer = nn.ModuleList(inner), nn.ModuleList(outer)
        self.leave = nn.Linear(width, outputs)
        # wide enough that the features are far from linear at the start, or curved dependence is learned very slowly
        for layer in (self.enter, *inner):
            nn.init.normal_(layer.weight, std=1.2 / math.sqrt(layer.in_features))
        for layer in outer:
            nn.init.normal_(layer.weight, std=0.6 / math.sqrt(layer.in_features))
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, seen: Tensor, log_snr: Tensor) -> Tensor:
        """What is added, shape (n, outputs), for ``seen`` (n, inputs) at L (n, 1)."""
        time = torch.exp(-0.5 * ((log_snr - self.centres) / self.spacing).square())
        h = self.enter(torch.cat([seen, time], -1))
        for inner, outer in zip(self.inner, self.outer, strict=True):
            h = h + outer(F.silu(inner(torch.cat([F.silu(h), time], -1))))
        scale = (torch.sigmoid(log_snr) * torch.sigmoid(-log_snr)).sqrt()
        added: Tensor = self.leave(F.silu(h)) * scale
        return added


class ScoreNetwork(nn.Module):
    """E[e | z] and E[e | z, y] by one network, which sees y or a mark that says it is hidden.

    Each is that of Gaussian variables with the samples' means and covariances, and a correction.
    """

    def __init__(self, x: Tensor, y: Tensor, span: Span, width: int, blocks: int) -> None:
        super().__init__()
        self.without_y, self.with_y = GaussianDenoiser(x), GaussianDenoiser(x, y)
        self.correction = Correction(x.shape[1] + y.shape[1] + 1, x.shape[1], span, width, blocks)

    def forward(self, z: Tensor, log_snr: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Without and with y, each (n, dim), in one pass through the network."""
        hidden = torch.cat([z, torch.zeros_like(y), torch.zeros_like(log_snr)], -1)
        seen = torch.cat([z, y, torch.ones_like(log_snr)], -1)
        without, given = self.correction(torch.cat([hidden, seen]), log_snr.repeat(2, 1)).chunk(2)
        return self.without_y.noise(z, log_snr) + without, self.with_y.noise(z, log_snr, y) + given


class ScoreDistance(Pure):
    """The network, trained to denoise, and the integral of the squared distance between what it expects."""

    def __init__(self, x: Tensor, y: Tensor, span: Span, width: int, blocks: int, draws: int) -> None:
        self.span, self.draws = span, draws
        self.model = ScoreNetwork(x, y, span, width, blocks).to(x.device)
        self.models = (self.model,)
        self.seed = int(torch.randint(2**62, ()))  # of the noise that all validations share

    def given(self, x: Tensor, y: Tensor, *drawn: Tensor) -> Tensor:
        """The denoising errors without and with y, shape (2,), at these levels with these noises, by turns."""
        pairs = zip(drawn[::2], drawn[1::2], strict=True)
        errors = [self._expected(x, y, log_snr, noise)[0] for log_snr, noise in pairs]
        return errors[0] if len(errors) == 1 else torch.stack(errors).mean(0)

    def drawn(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Levels that training prefers, and noises."""
        log_snr = training_levels(len(x), self.span, generator).to(x.device)
        return log_snr, torch.randn(x.shape, generator=generator).to(x.device)

    def drawn_once(self, x: Tensor) -> tuple[Tensor, ...]:
        """Levels spread evenly, and noises: always the same."""
        drawn = levels(x, self.span, 2, torch.Generator().manual_seed(self.seed))
        return tuple(itertools.chain.from_iterable(drawn))

    def value(self, losses: Array) -> Array:
        """Half the length of the span times the difference of the two errors.

        At levels spread evenly that is mutual information where the expectations are exact; the levels of training
        make more of it.
        """
        return 0.5 * (self.span[1] - self.span[0]) * (losses[:, 0] - losses[:, 1])

    def tested(self, x: Tensor, y: Tensor, generator: torch.Generator) -> HeldOutEstimate:
        found = [self._expected(x, y, *draw) for draw in levels(x, self.span, self.draws, generator)]
        contributions = information([gap for _, gap in found], self.span)
        difference = self.value(torch.stack([errors for errors, _ in found]).mean(0).double().cpu().numpy()[None])
        return HeldOutEstimate.mean(contributions.double().cpu().numpy(), error_difference=float(difference[0]))

    def _expected(self, x: Tensor, y: Tensor, log_snr: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Mean squared errors of the expected noise without and with y, shape (2,), and the gap between (n, dim)."""
        without, given = self.model(noised(x, noise, log_snr), log_snr, y)
        errors = torch.stack([(expected - noise).square().sum(-1).mean() for expected in (without, given)])
        return errors, given - without
