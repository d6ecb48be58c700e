"""Gaussian densities of codes, and the information that a Gaussian encoder keeps, by Monte Carlo."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def gaussian_log_density(y: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Matrix (A, B) of log N(y_j; mean_i, diag(std_i^2)) for A densities and B points of one dimension d."""
    precision = torch.exp(-2.0 * log_std)
    # the square expanded, so that no (A, B, d) tensor is made
    square = (
        precision @ y.square().T - 2.0 * (mean * precision) @ y.T + (mean.square() * precision).sum(1, keepdim=True)
    )
    constant = log_std.sum(1, keepdim=True) + 0.5 * y.shape[1] * math.log(2.0 * math.pi)
    return -0.5 * square - constant


def exact_log_density(y: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """As :func:`gaussian_log_density`, by plain differences: slow, and exact however large the numbers."""
    rows = []
    for m, s in zip(torch.split(mean, 50), torch.split(std, 50), strict=True):
        scaled = (y - m[:, None]) / s[:, None]
        rows.append(-0.5 * (scaled.square() + math.log(2.0 * math.pi)).sum(2) - s.log().sum(1, keepdim=True))
    return torch.cat(rows)


def divergence_from_normal(mean: Tensor, std: Tensor) -> Tensor:
    """KL(N(mean, std^2) || N(0, 1)) summed over coordinates, mean over the batch, in nats."""
    return (0.5 * (mean.square() + std.square() - 1.0) - std.log()).sum(1).mean()


def reference_information(z: Tensor, mean: Tensor, std: Tensor) -> float:
    """I(X; Z) in nats for X uniform on n images: z_i drawn from N(mean_i, diag(std_i^2)), i = 1..n.

    The mean of log q(z_i | x_i) - log (1/n) sum_j q(z_i | x_j), at most ln n. Double precision, because an encoder's
    standard deviations start near 0.007.
    """
    z, mean, std = z.double(), mean.double(), std.double()
    largest = torch.maximum(z.abs().amax(0), mean.abs().amax(0)) / std.amin(0)
    # matrix products cancel large squares; where codes run away, that would leave nothing but rounding
    cancels = float(largest.square().sum()) * torch.finfo(z.dtype).eps > 1e-6
    log_q = exact_log_density(z, mean, std) if cancels else gaussian_log_density(z, mean, std.log())  # [j, i]
    marginal = torch.logsumexp(log_q, dim=0) - math.log(len(z))
    return float((log_q.diagonal() - marginal).mean())
