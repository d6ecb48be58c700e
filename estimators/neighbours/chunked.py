"""All pairs of samples with torch, chunk by chunk: neighbour counts on a GPU, with memory proportional to n.

The differences, maxima and sums are those of the compiled search, operation by operation in float64, so that the counts
agree with it wherever a device follows IEEE arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mibench.estimator import Array

if TYPE_CHECKING:
    import torch

    from .compiled import Counts, Rule

CELLS = 1 << 25  # distances held at once, in x and in y each: half a gigabyte in all


def count_in_chunks(x: Array, y: Array, rule: Rule, device: str, cells: int = CELLS) -> tuple[Counts, Counts, Counts]:
    """The fields of ``Neighbourhoods`` for float64 samples ``x`` (n, dim_x) and ``y`` (n, dim_y)."""
    import torch

    columns_x, columns_y = (
        torch.tensor(np.ascontiguousarray(values.T), dtype=torch.float64, device=device) for values in (x, y)
    )
    n = len(x)
    size, every = max(1, cells // n), torch.arange(n, device=device)
    parts = [count_rows(columns_x, columns_y, rows, rule) for rows in torch.split(every, size)]
    n_x, n_y, atom = (torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))
    return n_x, n_y, atom


def count_rows(
    columns_x: torch.Tensor, columns_y: torch.Tensor, rows: torch.Tensor, rule: Rule
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same for some samples, of coordinates (dim, n)."""
    import torch

    in_x, in_y = (_distances(columns, rows, rule.max_norm) for columns in (columns_x, columns_y))
    joint = torch.maximum(in_x, in_y)
    kth = joint.topk(rule.k, largest=False).values[:, -1:]
    if rule.rectangle:  # of neighbours equally far away those with the lower index are nearer
        closer, level = joint < kth, joint == kth
        chosen = closer | (level & (level.cumsum(1) <= rule.k - closer.sum(1, keepdim=True)))
        radius_x, radius_y = (d.masked_fill(~chosen, 0.0).amax(1, keepdim=True) for d in (in_x, in_y))
    else:
        radius_x = radius_y = kth
    radius_x, radius_y = moved(radius_x, rule), moved(radius_y, rule)
    atom = torch.where(kth[:, 0] == 0, (joint == 0).sum(1) + 1, 0)
    return (in_x <= radius_x).sum(1), (in_y <= radius_y).sum(1), atom


def moved(radius: torch.Tensor, rule: Rule) -> torch.Tensor:
    """The radius with what counts as equal to it, or without; at radius 0 samples at 0 count in any case."""
    import torch

    by = rule.slack if rule.closed else -rule.slack
    moved = (radius + by).clamp(min=0) if rule.max_norm else (radius.sqrt() + by).clamp(min=0) ** 2
    if rule.closed:
        return torch.maximum(radius, moved) if rule.slack > 0 else radius
    below = torch.nextafter(radius, torch.zeros_like(radius))
    return torch.minimum(below, moved) if rule.slack > 0 else below


def _distances(columns: torch.Tensor, rows: torch.Tensor, max_norm: bool) -> torch.Tensor:
    """From some samples to all, shape (R, n); a sample is infinitely far from itself."""
    import torch

    distances = torch.zeros(len(rows), columns.shape[1], dtype=columns.dtype, device=columns.device)
    for column in columns:
        difference = column[rows, None] - column
        if max_norm:
            torch.maximum(distances, difference.abs_(), out=distances)
        else:
            distances += difference.mul_(difference)
    distances.scatter_(1, rows[:, None], torch.inf)
    return distances
