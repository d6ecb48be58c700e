"""What the curves of a bottleneck's training say: the information plane, and what the estimate hides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from . import figures

CLASSES = 10
FELL, STAYED = 0.2, 0.05  # a fall of the estimate worth a flag, and how far the reference may fall meanwhile

Curves: TypeAlias = Mapping[str, Sequence[tuple[int, float]]]


def hidden_information(curves: Curves, n: int) -> dict[str, Any]:
    """Whether the estimate fell from its peak while the information itself stayed: the flag and both falls in nats.

    Curves are smoothed by a running median over a quarter of the training, because the bound fluctuates from one score
    to the next, some bounds by orders of magnitude.
    """
    facts: dict[str, Any] = {"images": n, "reference_ceiling": math.log(n)}
    relative = {}
    for name in ("estimate", "reference"):
        values = np.array([value for _, value in curves.get(f"metric/{name}", [])])
        if len(values):
            window = max(1, len(values) // 4)
            smooth = np.median(np.lib.stride_tricks.sliding_window_view(values, window), axis=1)
            facts[f"{name}_fall"] = float(smooth.max() - smooth[-1])
            relative[name] = facts[f"{name}_fall"] / max(abs(float(smooth.max())), 1e-12)
    if len(relative) == 2:
        facts["estimate_fell_information_did_not"] = relative["estimate"] > FELL and relative["reference"] < STAYED
    return facts


def information_plane(curves: Curves, ceiling: float) -> bytes | None:
    """I(Z; Y) (a lower bound: ln 10 minus the test NLL) against I(X; Z), by estimate and by reference."""
    relevant = [math.log(CLASSES) - value for _, value in curves["metric/test_nll"]]
    paths = {
        name: [(x, y) for (_, x), y in zip(curves[f"metric/{name}"], relevant, strict=True)]
        for name in ("estimate", "reference")
        if f"metric/{name}" in curves
    }
    if not paths:
        return None
    return figures.information_plane(paths, ceiling, "I(X; Z) in nats", "I(Z; Y) in nats, at least")
