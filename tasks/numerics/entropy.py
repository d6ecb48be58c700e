"""Entropies of finite distributions in nats."""

from __future__ import annotations

import math


def binary_entropy(p: float) -> float:
    """H_b(p) = -p ln p - (1 - p) ln(1 - p)."""
    return -xlogx(p) - xlogx(1.0 - p)


def xlogx(p: float) -> float:
    """p ln p, which is 0 at 0."""
    return p * math.log(p) if p > 0 else 0.0


def log(p: float) -> float:
    """ln p, which is -inf at 0."""
    return math.log(p) if p > 0 else -math.inf
