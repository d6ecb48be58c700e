"""The flow that carries the product of the marginals to the joint distribution: behind ``fmmi.py``.

Only y moves: y_t = (1 - t) y' + t y, from an independent y' of the same distribution to the y of x. The velocity of the
flow is v(t, z, x) = E[y - y' | y_t = z, x]. Along it the log density changes by -div v, so that

    I(X; Y) = H(Y) - H(Y | X) = - integral over t of E div v(t, y_t, x),

where y_t needs no more than pairs of samples. Time is measured by L = log(t / (1 - t)), with dt = t (1 - t) dL: what is
narrow in the joint distribution shows near t = 1 alone.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..gaussian import gaussian_bias
from .diffusion import Correction, Span, levels, training_levels
from .folds import HeldOutEstimate
from .training import Pure, shrunk_moments


class GaussianVelocity(nn.Module):
    """v of jointly Gaussian x and y, with y in coordinates of variance 1 that are independent given x.

    There y | x is N(m(x), diag(variances)), so y_t | x has the mean t m(x) and the variances (1 - t)^2 + t^2 variances,
    and v = m(x) + gain (z - t m(x)) with gain = (t variances - (1 - t)) / ((1 - t)^2 + t^2 variances).
    """

    mean: Tensor
    white: Tensor
    slopes: Tensor
    shift: Tensor
    variances: Tensor

    def __init__(self, x: Tensor, y: Tensor) -> None:
        super().__init__()
        dim = x.shape[1]
        # nobody would learn what is shrunk away where there are many samples
        mean, covariance = shrunk_moments(torch.cat([x, y], -1), power=2.0)
        own, cross, other = covariance[:dim, :dim], covariance[dim:, :dim], covariance[dim:, dim:]
        white = torch.linalg.inv(torch.linalg.cholesky(other))
        slopes = white @ torch.linalg.solve(own, cross.T).T
        explained, directions = torch.linalg.eigh(slopes @ own @ slopes.T)
        slopes = directions.T @ slopes
        buffers = {
            "mean": mean[dim:],
            "white": directions.T @ white,
            "slopes": slopes,
            "shift": -slopes @ mean[:dim],
            "variances": 1 - explained,
        }
        for name, value in buffers.items():
            self.register_buffer(name, value.float())

    @property
    def information(self) -> float:
        """-1/2 sum log variances, which is minus the integral of div v, in nats."""
        return -0.5 * float(self.variances.double().log().sum())

    def coordinates(self, y: Tensor) -> Tensor:
        """y (n, dim) in the coordinates of all other methods."""
        return F.linear(y - self.mean, self.white)

    def forward(self, z: Tensor, x: Tensor, log_time: Tensor) -> tuple[Tensor, Tensor]:
        """v, and what z is beyond its mean in units of its standard deviation, both (n, dim)."""
        mean = F.linear(x, self.slopes) + self.shift
        t, left = torch.sigmoid(log_time), torch.sigmoid(-log_time)
        variance = left.square() + t.square() * self.variances
        apart = z - t * mean
        return mean + (t * self.variances - left) / variance * apart, apart / variance.sqrt()


class Velocity(nn.Module):
    """v of the Gaussian, and a correction, which a network learns; it fades at both ends."""

    def __init__(self, x: Tensor, y: Tensor, span: Span, width: int, blocks: int) -> None:
        super().__init__()
        dim = y.shape[1]
        self.gaussian = GaussianVelocity(x, y)
        self.correction = Correction(x.shape[1] + 2 * dim, dim, span, width, blocks)

    def corrected(self, z: Tensor, x: Tensor, log_time: Tensor) -> tuple[Tensor, Tensor]:
        """v of the Gaussian and what is added to it, both (n, dim)."""
        plain, standard = self.gaussian(z, x, log_time)
        return plain, self.correction(torch.cat([z, standard, x], -1), log_time)

    def divergence(self, z: Tensor, x: Tensor, log_time: Tensor, directions: Tensor) -> Tensor:
        """Of the correction, shape (n,): the mean over ``directions`` (probes, n, dim) of e . (dv/dz) e."""
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            added = self.corrected(z, x, log_time)[1]
            products = [torch.autograd.grad(added, z, e, retain_graph=True)[0] * e for e in directions]
        return torch.stack(products).sum(-1).mean(0)


class FlowMatching(Pure):
    """The velocity, learned from pairs of pairs, and the integral of its divergence.

    draws : times per held-out sample in the integral. probes : directions for the divergence.
    """

    def __init__(self, x: Tensor, y: Tensor, span: Span, width: int, blocks: int, draws: int, probes: int) -> None:
        self.span, self.draws, self.probes = span, draws, probes
        self.model = Velocity(x, y, span, width, blocks).to(x.device)
        self.models = (self.model,)
        n, dims = len(x), (x.shape[1], y.shape[1])
        # of the known part, which the moments of few samples make too great
        plug_in = self.model.gaussian.information
        self.known = max(0.0, plug_in - gaussian_bias(n, *dims)) if n > sum(dims) + 1 else plug_in
        self.seed = int(torch.randint(2**62, ()))  # of the times and pairs that all validations share

    def given(self, x: Tensor, y: Tensor, *drawn: Tensor) -> Tensor:
        """The mean squared error of y - y', less that of the Gaussian velocity, shape (1,), for L and partners."""
        errors = [self._error(x, y, *pair) for pair in zip(drawn[::2], drawn[1::2], strict=True)]
        return torch.stack(errors).mean()[None]

    def drawn(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        log_time = training_levels(len(x), self.span, generator)
        return log_time.to(x.device), _partners(len(x), generator).to(x.device)

    def drawn_once(self, x: Tensor) -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(self.seed)
        times = [log_time for log_time, _ in levels(x, self.span, 4, generator)]
        return tuple(v for log_time in times for v in (log_time, _partners(len(x), generator).to(x.device)))

    def tested(self, x: Tensor, y: Tensor, generator: torch.Generator) -> HeldOutEstimate:
        goal, total = self.model.gaussian.coordinates(y), torch.zeros(len(x), dtype=torch.double)
        for log_time, _ in levels(x, self.span, self.draws, generator):
            z = self._between(goal, log_time, generator)
            e = self._directions(z, generator)
            weight = torch.sigmoid(log_time) * torch.sigmoid(-log_time)
            total += (weight[:, 0] * self.model.divergence(z, x, log_time, e)).double().cpu()
        learned = -(self.span[1] - self.span[0]) * float(total.mean()) / self.draws
        return HeldOutEstimate(self.known + learned, None, {"gaussian": self.known})

    def _error(self, x: Tensor, y: Tensor, log_time: Tensor, partners: Tensor) -> Tensor:
        goal = self.model.gaussian.coordinates(y)
        start = goal[partners]
        t = torch.sigmoid(log_time)
        plain, added = self.model.corrected((1 - t) * start + t * goal, x, log_time)
        missing = goal - start - plain
        return ((missing - added).square() - missing.square()).sum(-1).mean()

    def _between(self, goal: Tensor, log_time: Tensor, generator: torch.Generator) -> Tensor:
        t = torch.sigmoid(log_time)
        return (1 - t) * goal[_partners(len(goal), generator).to(goal.device)] + t * goal

    def _directions(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """Times sqrt(dim), unit vectors along all coordinates, or random signs where there are too many of these."""
        n, dim = z.shape
        if dim <= self.probes:
            axes = math.sqrt(dim) * torch.eye(dim, device=z.device)
            return axes[:, None].expand(dim, n, dim)
        signs = torch.randint(0, 2, (self.probes, n, dim), generator=generator)
        return 2 * signs.to(z) - 1


def _partners(n: int, generator: torch.Generator) -> Tensor:
    """Another row for each of n rows: a permutation without a fixed point."""
    order = torch.randperm(n, generator=generator)
    partners = torch.empty_like(order)
    partners[order] = order.roll(1)
    return partners
