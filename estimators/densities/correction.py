"""A density and what a critic finds that it lacks: behind ``remedi.py``.

The entropy of p is the cross-entropy -E_p log q with a density q, less the Kullback-Leibler divergence of p from q.
Donsker and Varadhan's bound on that, E_p T - log E_q e^T, corrects the cross-entropy; E_q is a mean over samples of q,
which a mixture of kernels gives at once. Given u, both means are over u as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mibench.estimator import Array

from .beginnings import starting_at_zero
from .folds import HeldOutEstimate
from .kernels import KernelEntropies, KernelMixture
from .training import Learner


class Critic(nn.Module):
    """T(v, u), which is 0 at first.

    It sees u, and of v what it is beyond its linear regression on u, whitened: so it has the scale of the density that
    is corrected, however narrow that is.

    v, u : training samples (n, dim) and (n, context), u None for a marginal density. hidden : widths of the layers.
    """

    white: Tensor
    shift: Tensor

    def __init__(self, v: Tensor, u: Tensor | None, hidden: tuple[int, ...]) -> None:
        super().__init__()
        context = 0 if u is None else u.shape[1]
        gaussian = KernelMixture(v.shape[1], context, (), 1).to(v.device).start_at_gaussian(v, u)
        _, means, widths = gaussian.kernels(1, None)
        factor = (torch.eye(v.shape[1], device=v.device) + gaussian.lower[0]) * torch.exp(-widths[0, 0])[:, None]
        self.register_buffer("white", torch.cat([factor, -factor @ gaussian.linear], 1).detach())
        self.register_buffer("shift", (factor @ means[0, 0]).detach())
        self.network = starting_at_zero(v.shape[1] + context, 1, hidden).to(v.device)

    def forward(self, v: Tensor, u: Tensor | None) -> Tensor:
        """T, shape (n,)."""
        whole = v if u is None else torch.cat([v, u], -1)
        seen = F.linear(whole, self.white) - self.shift
        score: Tensor = self.network(seen if u is None else torch.cat([seen, u], -1))[:, 0]
        return score


@dataclass(frozen=True)
class Terms:
    """Of held-out or training samples, shape (n,): log q, T, and log of the mean of e^T over samples of q."""

    log_density: Tensor
    score: Tensor
    drawn: Tensor

    @property
    def partition(self) -> Tensor:
        """log E_q e^T, shape ()."""
        return torch.logsumexp(self.drawn, 0) - math.log(len(self.drawn))

    @property
    def entropy(self) -> Tensor:
        """The corrected cross-entropy in nats, shape ()."""
        return self.partition - self.score.mean() - self.log_density.mean()

    @property
    def contributions(self) -> Tensor:
        """One number per sample, whose mean is less the entropy: the logarithm of a mean to first order."""
        return self.log_density + self.score - self.partition - torch.expm1(self.drawn - self.partition)


class CorrectedEntropies(Learner):
    """Critics of the densities of y and of y given x, which are as they are, and the corrected difference."""

    def __init__(self, x: Tensor, y: Tensor, trained: KernelEntropies, critic: tuple[int, ...], draws: int) -> None:
        self.bases = trained.marginal, trained.conditional
        self.models = Critic(y, None, critic), Critic(y, x, critic)
        self.draws = draws
        self.seed = int(torch.randint(2**62, ()))  # of the samples of q that all validations share

    def losses(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
        """The corrected entropies of y and of y given x, shape (2,)."""
        return torch.stack([terms.entropy for terms in self._terms(x, y, generator)])

    def validated(self, x: Tensor, y: Tensor) -> Tensor:
        return self.losses(x, y, torch.Generator().manual_seed(self.seed))

    def value(self, losses: Array) -> Array:
        difference: Array = losses[:, 0] - losses[:, 1]
        return difference

    def tested(self, x: Tensor, y: Tensor, generator: torch.Generator) -> HeldOutEstimate:
        marginal, conditional = self._terms(x, y, generator)
        found = (conditional.contributions - marginal.contributions).double().cpu().numpy()
        uncorrected = float((conditional.log_density - marginal.log_density).mean())
        return HeldOutEstimate.mean(found, uncorrected=uncorrected)

    def _terms(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Iterator[Terms]:
        for base, critic, u in zip(self.bases, self.models, (None, x), strict=True):
            with torch.no_grad():
                log_density = base(y, u)
                drawn = [base.sample(len(y), u, generator) for _ in range(self.draws)]
            of_drawn = torch.stack([critic(v, u) for v in drawn])
            yield Terms(log_density, critic(y, u), torch.logsumexp(of_drawn, 0) - math.log(self.draws))


class Kernels(KernelEntropies):
    """The mixtures, and the critics that learn after them."""

    def __init__(
        self, x: Tensor, y: Tensor, hidden: tuple[int, ...], components: int, critic: tuple[int, ...], draws: int
    ) -> None:
        super().__init__(x, y, hidden, components)
        self.samples, self.critic, self.draws = (x, y), critic, draws

    def follower(self) -> Learner:
        return CorrectedEntropies(*self.samples, self, self.critic, self.draws)
