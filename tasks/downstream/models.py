"""The models of the tasks with exact answers: each makes pairs (x, y), through which gradients reach its weights."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .nets import mlp
from .training import Training


class PairModel(nn.Module, ABC):
    """Something that makes pairs whose mutual information depends on its weights."""

    @abstractmethod
    def pairs(self, run: Training, stream: str, count: int) -> tuple[Tensor, Tensor]:
        """So many fresh pairs, x (count, dim_x) and y (count, dim_y), from the streams of this name."""


# Inputs of channels --------------------------------------------------------------------------------------------------


class LearnedInput(nn.Module):
    """A channel's input X = g(U), U uniform on so many equal levels of (-1, 1), so that its law is finite and known.

    The input's constraint holds exactly: its second moment, or its greatest absolute value, is ``limit``.
    """

    noise: Tensor

    def __init__(self, hidden: Sequence[int], levels: int, limit: float, peak: bool) -> None:
        super().__init__()
        self.limit, self.peak = limit, peak
        self.net = mlp([1, *hidden, 1], nn.Tanh)
        self.register_buffer("noise", (2.0 * torch.arange(levels)[:, None] + 1.0) / levels - 1.0)

    def table(self) -> Tensor:
        """The input on every level, (levels, 1)."""
        values: Tensor = self.net(3.0 * self.noise)
        if self.peak:
            return self.limit * torch.tanh(values)
        values = values - values.mean()
        return math.sqrt(self.limit) * values / values.square().mean().clamp_min(1e-12).sqrt()


class GaussianChannel(PairModel):
    """Y = X + N with Var N = 1; with fading Y = (hX + N, h), h Rayleigh with E h^2 = 1, known to the receiver."""

    def __init__(self, given: LearnedInput, fading: bool) -> None:
        super().__init__()
        self.given, self.fading = given, fading

    def pairs(self, run: Training, stream: str, count: int) -> tuple[Tensor, Tensor]:
        table = self.given.table()
        x = table[run.integers(f"{stream} levels", len(table), count)]
        noise = run.normal(f"{stream} noise", count, 1)
        if not self.fading:
            return x, x + noise
        h = run.normal(f"{stream} fading", count, 2).square().mean(1, keepdim=True).sqrt()
        return x, torch.cat([h * x + noise, h], dim=1)


class BitChannel(PairModel):
    """A bit through a binary symmetric channel or, with an erasure, through one that loses it; both one-hot."""

    def __init__(self, start: float, crossover: float, erasure: float) -> None:
        super().__init__()
        self.crossover, self.erasure = crossover, erasure
        self.logit = nn.Parameter(torch.tensor(math.log(start / (1.0 - start))))

    def probability(self) -> float:
        """P(X = 1)."""
        return float(torch.sigmoid(self.logit.detach().double()))

    def log_probability(self, x: Tensor) -> Tensor:
        """log p(x) of one-hot bits, (count,)."""
        return (x * F.logsigmoid(torch.stack([-self.logit, self.logit]))).sum(1)

    def pairs(self, run: Training, stream: str, count: int) -> tuple[Tensor, Tensor]:
        drawn, hit = (0.5 * (run.uniform(f"{stream} {name}", count, 1) + 1.0) for name in ("bits", "channel"))
        bit = (drawn < torch.sigmoid(self.logit.detach())).float()
        x = torch.cat([1.0 - bit, bit], dim=1)
        if self.erasure:
            lost = (hit < self.erasure).float()
            return x, torch.cat([x * (1.0 - lost), lost], dim=1)
        return x, torch.where(hit < self.crossover, x.flip(1), x)


# Designs of experiments ----------------------------------------------------------------------------------------------


class LinearDesign(PairModel):
    """y = design theta + N, Var N = 1, theta_i ~ N(0, deviations_i^2); the design's squared norm is ``power``."""

    deviations: Tensor

    def __init__(self, deviations: Sequence[float], measurements: int, power: float) -> None:
        super().__init__()
        self.register_buffer("deviations", torch.tensor(deviations))
        self.power = power
        self.raw = nn.Parameter(torch.randn(measurements, len(deviations)))

    def design(self) -> Tensor:
        """(measurements, parameters)."""
        scaled: Tensor = math.sqrt(self.power) * self.raw / torch.linalg.matrix_norm(self.raw)
        return scaled

    def pairs(self, run: Training, stream: str, count: int) -> tuple[Tensor, Tensor]:
        theta = self.deviations * run.normal(f"{stream} theta", count, len(self.deviations))
        return theta, theta @ self.design().T + run.normal(f"{stream} noise", count, len(self.raw))


def response(theta: Tensor, design: Tensor) -> Tensor:
    """theta^3 design^2 + theta exp(-|0.2 - design|) (Huan & Marzouk 2013, section 5.1)."""
    return theta**3 * design**2 + theta * torch.exp(-(0.2 - design).abs())


class CurveDesign(PairModel):
    """y = response(theta, design) + std N, theta uniform on so many equal levels of (0, 1), design in (0, 1)."""

    theta: Tensor

    def __init__(self, std: float, levels: int, start: float) -> None:
        super().__init__()
        self.std = std
        self.raw = nn.Parameter(torch.tensor(math.log(start / (1.0 - start))))
        self.register_buffer("theta", (torch.arange(levels)[:, None] + 0.5) / levels)

    def design(self) -> Tensor:
        """A number in (0, 1)."""
        return torch.sigmoid(self.raw)

    def pairs(self, run: Training, stream: str, count: int) -> tuple[Tensor, Tensor]:
        theta = self.theta[run.integers(f"{stream} theta", len(self.theta), count)]
        return theta, response(theta, self.design()) + self.std * run.normal(f"{stream} noise", count, 1)


# Codes ---------------------------------------------------------------------------------------------------------------


class ViewEncoders(PairModel):
    """Linear codes of two Gaussian views; view v is rotation_v (signal and nuisance), see ``representation-views``."""

    correlations: Tensor
    nuisance: Tensor

    def __init__(self, correlations: Tensor, nuisance: Tensor, rotations: Sequence[Tensor], code: int) -> None:
        super().__init__()
        self.register_buffer("correlations", correlations)
        self.register_buffer("nuisance", nuisance)
        for name, rotation in zip(("first", "second"), rotations, strict=True):
            self.register_buffer(f"{name}_rotation", rotation)
        size = len(rotations[0])
        self.first, self.second = (nn.Linear(size, code, bias=False) for _ in range(2))
        for encoder in (self.first, self.second):
            nn.init.orthogonal_(encoder.weight)

    def pairs(self, run: Training, stream: str, count: int) -> tuple[Tensor, Tensor]:
        shared = run.normal(f"{stream} shared", count, len(self.correlations))
        own = []
        for name in ("first", "second"):
            noise = run.normal(f"{stream} noise of {name}", count, len(self.correlations))
            signal = self.correlations.sqrt() * shared + (1.0 - self.correlations).sqrt() * noise
            private = self.nuisance * run.normal(f"{stream} nuisance of {name}", count, len(self.nuisance))
            rotation = self.get_buffer(f"{name}_rotation")
            own.append(torch.cat([signal, private], dim=1) @ rotation.T)
        return self.first(own[0]), self.second(own[1])


class HidingCode(PairModel):
    """Z = c U + s (a, b) . (e, N) with |(a, b)| = 1, and S_j = r_j U + sqrt(1 - r_j^2) e_j: utility as given, Z learnt.

    c^2 = 1 - exp(-2 utility), s^2 = 1 - c^2, so that I(Z; U) is the utility whatever the direction (a, b).
    """

    relevance: Tensor

    def __init__(self, relevance: Sequence[float], utility: float, noises: int) -> None:
        super().__init__()
        self.register_buffer("relevance", torch.tensor(relevance))
        self.c, self.s = math.sqrt(-math.expm1(-2.0 * utility)), math.exp(-utility)
        self.raw = nn.Parameter(torch.randn(len(relevance) + noises))

    def direction(self) -> Tensor:
        """(a, b), of norm 1."""
        return F.normalize(self.raw, dim=0)

    def pairs(self, run: Training, stream: str, count: int) -> tuple[Tensor, Tensor]:
        useful = run.normal(f"{stream} useful", count, 1)
        rest = run.normal(f"{stream} rest", count, len(self.raw))
        secret = self.relevance * useful + (1.0 - self.relevance.square()).sqrt() * rest[:, : len(self.relevance)]
        return self.c * useful + self.s * (rest @ self.direction())[:, None], secret


class BitHidingCode(PairModel):
    """Z = c X_0 + s w . X with |w| = 1, of records X_0 = U + shift S and X_j = N_j + shifts_j S of a bit S = -1 or 1.

    c^2 = 1 - exp(-2 utility), s^2 = 1 - c^2; the last ``noises`` of the X_j tell nothing of the bit. w is learnt.
    """

    shifts: Tensor

    def __init__(self, shift: float, others: Sequence[float], utility: float, noises: int) -> None:
        super().__init__()
        self.register_buffer("shifts", torch.tensor([*others, *[0.0] * noises]))
        self.shift, self.c, self.s = shift, math.sqrt(-math.expm1(-2.0 * utility)), math.exp(-utility)
        self.raw = nn.Parameter(torch.randn(len(self.shifts)))

    def direction(self) -> Tensor:
        """w, of norm 1."""
        return F.normalize(self.raw, dim=0)

    def pairs(self, run: Training, stream: str, count: int) -> tuple[Tensor, Tensor]:
        bit = 2.0 * run.integers(f"{stream} bits", 2, count)[:, None] - 1.0
        first = run.normal(f"{stream} useful", count, 1) + self.shift * bit
        rest = run.normal(f"{stream} rest", count, len(self.raw)) + self.shifts * bit
        return self.c * first + self.s * (rest @ self.direction())[:, None], bit
