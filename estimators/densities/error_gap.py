"""The gap between two denoising errors, its levels drawn where they matter: what is behind ``mmg.py``.

Symbols are those of ``diffusion.py``: L is the logarithm of the signal-to-noise ratio, e the noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .diffusion import ScoreDistance, Span, noised, training_levels
from .folds import HeldOutEstimate

BINS = 30
"""Of equal width in L, each with a share of the levels and a factor of its own."""
FORGETTING = 0.02
"""By how much a training step renews what is known of the distance at its levels."""
EVERYWHERE = 0.2
"""Share of the levels of a test that are spread evenly, so that no weight is greater than 1 / EVERYWHERE."""
SMOOTHED = 2
"""Bins on either side whose samples count for a factor too."""


class Levels:
    """A density of L that is constant in each of BINS parts of ``span``: ``shares`` (BINS,) of the levels, sum 1."""

    def __init__(self, shares: Tensor, span: Span) -> None:
        self.shares, self.low, self.width = shares, span[0], (span[1] - span[0]) / BINS
        self.ends = torch.cat([shares.new_zeros(1), shares.cumsum(0)])

    def at(self, places: Tensor) -> Tensor:
        """The quantiles of ``places`` in [0, 1), same shape."""
        bins = (torch.searchsorted(self.ends, places, right=True) - 1).clamp(0, BINS - 1)
        within = ((places - self.ends[bins]) / self.shares[bins].clamp(min=1e-12)).clamp(0, 1)
        return (self.low + self.width * (bins + within)).float()

    def bins(self, log_snr: Tensor) -> Tensor:
        """The number of the part in which each level lies, same shape."""
        return ((log_snr - self.low) / self.width).long().clamp(0, BINS - 1)

    def weights(self, bins: Tensor) -> Tensor:
        """1 / density, by which a mean over levels becomes an integral over the span."""
        return self.width / self.shares[bins]


@dataclass(frozen=True)
class Terms:
    """At one level for each sample, shape (n,): its bin, the squared distance d^2, and d (e - E[e | x_t])."""

    bins: Tensor
    distance: Tensor
    product: Tensor


class ErrorGap(ScoreDistance):
    """The network of ``minde``, trained at adaptive levels, and the integral of the gap between its errors."""

    def __init__(self, x: Tensor, y: Tensor, span: Span, width: int, blocks: int, draws: int, adaptive: float) -> None:
        super().__init__(x, y, span, width, blocks, draws)
        self.adaptive = adaptive
        self.known = torch.full((BINS,), 1 / BINS)  # of the squared distance, by bin
        self.held_out = x[:0], y[:0]

    def losses(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
        """The denoising errors without and with y, shape (2,), at the usual levels and where the distance is great."""
        log_snr = training_levels(len(x), self.span, generator)
        spread = Levels(self.known / self.known.sum(), self.span)
        elsewhere = torch.rand(len(x), generator=generator) < self.adaptive
        log_snr[elsewhere, 0] = spread.at(torch.rand(int(elsewhere.sum()), generator=generator))
        noise = torch.randn(x.shape, generator=generator).to(x.device)
        errors, gap = self._expected(x, y, log_snr.to(x.device), noise)
        distance, bins = gap.detach().square().sum(-1).cpu(), spread.bins(log_snr[:, 0])
        count = torch.bincount(bins, minlength=BINS)
        mean = torch.bincount(bins, distance, minlength=BINS) / count.clamp(min=1)
        self.known = torch.where(count > 0, self.known.lerp(mean, FORGETTING), self.known)
        return errors

    def validated(self, x: Tensor, y: Tensor) -> Tensor:
        """As of ``minde``; the samples are kept, because the factors and the levels of the test come from them."""
        self.held_out = x, y
        return super().validated(x, y)

    def tested(self, x: Tensor, y: Tensor, generator: torch.Generator) -> HeldOutEstimate:
        even = Levels(torch.full((BINS,), 1 / BINS), self.span)
        seen = self._terms(*self.held_out, even, generator)
        factors = stretching(seen)
        levels = Levels(shares(seen, factors), self.span)
        found = self._terms(x, y, levels, generator)
        weighed = [levels.weights(t.bins) * gap_of(t, factors) for t in found]
        distance = torch.stack([levels.weights(t.bins) * t.distance for t in found]).mean()
        contributions = 0.5 * torch.stack(weighed).mean(0)
        return HeldOutEstimate.mean(contributions.numpy(), score_distance=0.5 * float(distance))

    def _terms(self, x: Tensor, y: Tensor, levels: Levels, generator: torch.Generator) -> list[Terms]:
        """``draws`` levels for every sample, evenly spaced from a start of its own as by :func:`diffusion.levels`."""
        n, found = len(x), []
        start = (torch.randperm(n, generator=generator) + torch.rand(n, generator=generator)) / n
        for i in range(self.draws):
            log_snr = levels.at(torch.remainder(start + i / self.draws, 1.0))
            noise = torch.randn(x.shape, generator=generator).to(x.device)
            at = log_snr[:, None].to(x.device)
            without, given = self.model(noised(x, noise, at), at, y)
            gap = given - without
            numbers = gap.square().sum(-1), (gap * (noise - without)).sum(-1)
            found.append(Terms(levels.bins(log_snr), *(v.double().cpu() for v in numbers)))
        return found


def gap_of(terms: Terms, factors: Tensor) -> Tensor:
    """|e - E[e | x_t]|^2 less |e - E[e | x_t] - f d|^2, shape (n,), for the factor f of each bin."""
    f = factors[terms.bins]
    return 2 * f * terms.product - f.square() * terms.distance


def stretching(found: list[Terms]) -> Tensor:
    """The factors (BINS,) between 0 and 2 that make the mean gap greatest in each bin and its neighbours."""
    distance, product = (_smoothed(_by_bin(found, name)) for name in ("distance", "product"))
    return torch.where(distance > 0, product / distance.clamp(min=1e-30), 1.0).clamp(0, 2)


def shares(found: list[Terms], factors: Tensor) -> Tensor:
    """The share of the levels for each bin (BINS,): as the root mean square of the gap, and some everywhere."""
    squares = [gap_of(terms, factors).square() for terms in found]
    bins = torch.cat([terms.bins for terms in found])
    count = torch.bincount(bins, minlength=BINS).clamp(min=1)
    spread = (torch.bincount(bins, torch.cat(squares), minlength=BINS) / count).sqrt()
    total = spread.sum()
    return EVERYWHERE / BINS + (1 - EVERYWHERE) * (spread / total if total > 0 else torch.full_like(spread, 1 / BINS))


def _by_bin(found: list[Terms], name: str) -> Tensor:
    bins = torch.cat([terms.bins for terms in found])
    return torch.bincount(bins, torch.cat([getattr(terms, name) for terms in found]), minlength=BINS)


def _smoothed(values: Tensor) -> Tensor:
    """The sums over each bin and SMOOTHED bins on either side."""
    padded = torch.nn.functional.pad(values, (SMOOTHED, SMOOTHED))
    return padded.unfold(0, 2 * SMOOTHED + 1, 1).sum(-1)
