"""All pairs of many samples on a GPU: approximate distances in float32 that are never kept, float64 where they decide.

A pass over all pairs leaves the least joint distance of each sample to each block of others. The blocks that can hold
one of the k nearest are few, and looked into in float64, which gives the radii. A second pass counts the samples that
are surely and those that are perhaps within a radius; where the two differ, all distances of that sample are compared
in float64. So memory is proportional to n, and the counts are those of float64.

With u = 2^-24 and coordinates c centred on where most samples are, a difference of two coordinates is wrong by at most
u (2 |c_i| + 2.1 |d|), since |c_j| <= |c_i| + |d|. So is the maximum over coordinates. A sum of ``dim`` squares D is
wrong by at most u (2 |c_i|^2 + (dim + 8) D), in whatever order it is added up, and a little more.
"""

from __future__ import annotations

import functools
import logging
import math
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from mibench.estimator import Array

from .chunked import count_in_chunks, count_rows, moved

if TYPE_CHECKING:
    from .compiled import Counts, Rule

BLOCK = 128  # samples whose least distance is kept
SPARE = 4  # blocks that are looked into besides k
SLICE = 2**26  # numbers held at a time: what the first pass leaves, and the distances within the chosen blocks
CELLS = 2**25  # distances held at a time where there is no kernel that keeps none
TILES_FROM = 4_000  # samples, below which comparing all in float64 at once is as good
LARGEST = 40  # coordinates are scaled to below 2^40, so that no square leaves float32
UNDERFLOW = 2.0**-100  # more than can be lost at the lower end
U = 2.0**-24

log = logging.getLogger(__name__)


class Columns(NamedTuple):
    """One variable: coordinates (dim, n), rounded and exact, and how far off distances from each sample may be.

    Where float64 has d, float32 has unit * d up to relative * unit * d + off (n,).
    """

    rounded: Tensor
    exact: Tensor
    unit: float
    relative: float
    off: Tensor


class Passes(Protocol):
    """Two passes over all pairs, and a look at some; ``max_norm`` as in :class:`compiled.Rule`."""

    def minima(self, x: Tensor, y: Tensor, rows: Tensor, max_norm: bool) -> Tensor:
        """The least joint distance (R, blocks) from samples ``rows`` to others in each block; inf where none is."""

    def chosen(self, values: Tensor, rows: Tensor, blocks: Tensor, max_norm: bool) -> Tensor:
        """Distances (R, B BLOCK) from samples ``rows`` to those in ``blocks`` (R, B) of each; inf where is no other."""

    def within(
        self, values: Tensor, rows: Tensor, low: Tensor, high: Tensor, skip: Tensor, max_norm: bool
    ) -> tuple[Tensor, Tensor]:
        """How many others than themselves and ``skip`` (R,) are no further than ``low``, and ``high``, from rows."""


def count_on_device(x: Array, y: Array, rule: Rule, device: str) -> tuple[Counts, Counts, Counts]:
    """The fields of ``Neighbourhoods`` for float64 samples ``x`` (n, dim_x) and ``y`` (n, dim_y)."""
    widest = max(np.ptp(x, axis=0).max(), np.ptp(y, axis=0).max())
    dim = max(x.shape[1], y.shape[1])
    if len(x) < TILES_FROM or not 1e-100 < widest < 1e100 or dim > 10_000:
        return count_in_chunks(x, y, rule, device=device)
    with torch.cuda.device(torch.device(device)) if device.startswith("cuda") else nullcontext():
        return count_in_tiles(x, y, rule, device, backend(device))


def count_in_tiles(
    x: Array, y: Array, rule: Rule, device: str, passes: Passes, numbers: int = SLICE
) -> tuple[Counts, Counts, Counts]:
    """The same by two passes, ``numbers`` of which are held at a time."""
    n = len(x)
    of_x, of_y = (_columns(given, rule.max_norm) for given in _scaled_alike(x, y, device))
    blocks = -(-n // BLOCK)
    each = max(blocks, min(blocks, rule.k + SPARE) * BLOCK)
    size = max(1, numbers // each)
    parts = []
    for start in range(0, n, size):
        rows = torch.arange(start, min(start + size, n), device=device)
        parts.append(_count(of_x, of_y, rows, rule, passes))
    n_x, n_y, atom = (torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))
    return n_x, n_y, atom


def _scaled_alike(x: Array, y: Array, device: str) -> list[tuple[Tensor, Tensor, float]]:
    """Coordinates (dim, n) of each variable, the same centred and in a common power of two, and that."""
    exact = [torch.tensor(values, dtype=torch.float64, device=device).T.contiguous() for values in (x, y)]
    middles = (torch.from_numpy(np.median(v[:: -(-len(v) // 1000)], axis=0)).to(device) for v in (x, y))
    centred = [columns - middle[:, None] for columns, middle in zip(exact, middles, strict=True)]
    scale = 2.0 ** (LARGEST - math.frexp(max(float(c.abs().max()) for c in centred))[1])
    return [(columns, c * scale, scale) for columns, c in zip(exact, centred, strict=True)]


def _columns(given: tuple[Tensor, Tensor, float], max_norm: bool) -> Columns:
    exact, scaled, scale = given
    if max_norm:
        return Columns(scaled.float(), exact, scale, 2.2 * U, 2.02 * U * scaled.abs().amax(0) + UNDERFLOW)
    off = 2.05 * U * scaled.square().sum(0) + UNDERFLOW
    return Columns(scaled.float(), exact, scale**2, 1.02 * (len(exact) + 8) * U, off)


def _count(of_x: Columns, of_y: Columns, rows: Tensor, rule: Rule, passes: Passes) -> tuple[Tensor, Tensor, Tensor]:
    """Counts around some samples."""
    minima = passes.minima(of_x.rounded, of_y.rounded, rows, rule.max_norm)
    relative = max(of_x.relative, of_y.relative)
    off = torch.maximum(of_x.off, of_y.off)[rows]
    blocks, complete = _chosen_blocks(minima, rule.k, relative, off)
    blocks = blocks.sort(1).values
    in_x, in_y = (passes.chosen(v.exact, rows, blocks, rule.max_norm) for v in (of_x, of_y))
    joint = torch.maximum(in_x, in_y)
    nearest = joint.topk(rule.k, largest=False, sorted=True)
    kth = nearest.values[:, -1:]
    if rule.rectangle:  # of neighbours equally far away those with the lower index are nearer, and come first
        closer, level = joint < kth, joint == kth
        chosen = closer | (level & (level.cumsum(1) <= rule.k - closer.sum(1, keepdim=True)))
        extents = [d.masked_fill(~chosen, 0.0).max(1, keepdim=True) for d in (in_x, in_y)]
        radii = [(extent.values, extent.indices) for extent in extents]
    else:
        radii = [(kth, nearest.indices[:, -1:])] * 2
    atom = torch.where(kth[:, 0] == 0, (joint == 0).sum(1) + 1, 0)
    counts = []
    for variable, distances, (radius, at) in zip((of_x, of_y), (in_x, in_y), radii, strict=True):
        # the sample that sets the radius lies at it: it is told apart, or no row could be decided in float32
        limit = moved(radius, rule)[:, 0]
        own = distances.gather(1, at)[:, 0] <= limit
        skip = (blocks.gather(1, at // BLOCK) * BLOCK + at % BLOCK)[:, 0]
        counts.append(_within(variable, rows, limit, skip, complete, rule, passes) + own)
    answer = torch.stack([*counts, atom])
    failed = torch.nonzero(~complete).flatten()
    if len(failed):
        answer[:, failed] = _by_definition(of_x.exact, of_y.exact, rows[failed], rule)
    n_x, n_y, found = answer.unbind()
    return n_x, n_y, found


def _chosen_blocks(minima: Tensor, k: int, relative: float, off: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers of the blocks (R, B) to look into, and for which rows they hold all of the k nearest."""
    size = min(k + SPARE, minima.shape[1])
    least = minima.topk(size, largest=False, sorted=True)
    # k samples at least are as near as the k-th of the minima, approximately
    reach = (least.values[:, min(k, size) - 1].double() + off) / (1 - relative)
    complete = least.values[:, -1].double() > reach * (1 + relative) + off
    return least.indices, complete if size < minima.shape[1] else torch.ones_like(complete)


def _within(
    variable: Columns, rows: Tensor, limit: Tensor, skip: Tensor, wanted: Tensor, rule: Rule, passes: Passes
) -> Tensor:
    """How many others than ``skip`` are within ``limit``; where not ``wanted``, anything."""
    middle = limit * variable.unit
    margin = variable.relative * middle + variable.off[rows]
    ends = torch.full_like(middle, torch.inf, dtype=torch.float32)
    low, high = (torch.nextafter(v.float(), end) for v, end in ((middle - margin, -ends), (middle + margin, ends)))
    sure, perhaps = passes.within(variable.rounded, rows, low, high, skip, rule.max_norm)
    open_ = torch.nonzero((sure != perhaps) & wanted).flatten()
    if len(open_):
        radius = limit[open_]
        sure[open_] = passes.within(variable.exact, rows[open_], radius, radius, skip[open_], rule.max_norm)[0]
    return sure


def _by_definition(x: Tensor, y: Tensor, rows: Tensor, rule: Rule) -> Tensor:
    """All three counts (3, R) from all distances in float64, some rows at a time."""
    size = max(1, CELLS // x.shape[1])
    return torch.cat([torch.stack(count_rows(x, y, some, rule)) for some in torch.split(rows, size)], 1)


class TorchPasses:
    """The passes in plain torch, tile by tile. ``reason`` : why there is no better one."""

    def __init__(self, reason: str = "", cells: int = CELLS) -> None:
        self.reason, self.cells = reason, cells

    def __str__(self) -> str:
        return f"by torch{f', because {self.reason}' if self.reason else ''}"

    def minima(self, x: Tensor, y: Tensor, rows: Tensor, max_norm: bool) -> Tensor:
        n = x.shape[1]
        wide, size = BLOCK * max(1, min(self.cells // BLOCK // 64, -(-n // BLOCK))), 64
        answer = torch.full((len(rows), -(-n // BLOCK)), torch.inf, dtype=x.dtype, device=x.device)
        for r in range(0, len(rows), size):
            some = rows[r : r + size]
            for start in range(0, n, wide):
                stop = min(start + wide, n)
                joint = torch.maximum(*(tile(v, some, start, stop, max_norm) for v in (x, y)))
                padded = torch.nn.functional.pad(joint, (0, -(stop - start) % BLOCK), value=torch.inf)
                first = start // BLOCK
                least = torch.unflatten(padded, 1, (-1, BLOCK)).amin(2)
                answer[r : r + size, first : first + least.shape[1]] = least
        return answer

    def chosen(self, values: Tensor, rows: Tensor, blocks: Tensor, max_norm: bool) -> Tensor:
        n = values.shape[1]
        others = (blocks[..., None] * BLOCK + torch.arange(BLOCK, device=rows.device)).flatten(1)
        at = others.clamp(max=n - 1)
        distances = torch.zeros(others.shape, dtype=values.dtype, device=values.device)
        for column in values:
            gap = column[at].sub_(column[rows][:, None])
            if max_norm:
                torch.maximum(distances, gap.abs_(), out=distances)
            else:
                distances += gap.mul_(gap)
        return distances.masked_fill_((others >= n) | (others == rows[:, None]), torch.inf)

    def within(
        self, values: Tensor, rows: Tensor, low: Tensor, high: Tensor, skip: Tensor, max_norm: bool
    ) -> tuple[Tensor, Tensor]:
        n = values.shape[1]
        size = max(1, self.cells // n)
        counts = []
        for r in range(0, len(rows), size):
            some = slice(r, r + size)
            distances = tile(values, rows[some], 0, n, max_norm)
            distances.scatter_(1, skip[some, None], torch.inf)
            counts.append(torch.stack([(distances <= limit[some, None]).sum(1) for limit in (low, high)]))
        sure, perhaps = torch.cat(counts, 1).unbind()
        return sure, perhaps


def tile(columns: Tensor, rows: Tensor, start: int, stop: int, max_norm: bool) -> Tensor:
    """Distances (R, stop - start) from samples ``rows`` to these; a sample is infinitely far from itself."""
    distances = torch.zeros(len(rows), stop - start, dtype=columns.dtype, device=columns.device)
    for column in columns:
        gap = column[start:stop] - column[rows][:, None]
        if max_norm:
            torch.maximum(distances, gap.abs_(), out=distances)
        else:
            distances += gap.mul_(gap)
    others = torch.arange(start, stop, device=columns.device)
    return distances.masked_fill_(others == rows[:, None], torch.inf)


@functools.cache
def backend(device: str) -> Passes:
    """The fastest passes that work on this device: Triton's kernels, if they count as torch does on a trial."""
    try:
        from .kernels import TritonPasses

        fast = TritonPasses(BLOCK)
        _try(fast, device)
    except Exception as error:  # no Triton, no compiler for its launcher, or a driver that it does not know
        first = (str(error).strip().splitlines() or [""])[0]
        slow = TorchPasses(f"{type(error).__name__}: {first[:200]}")
        log.debug("neighbours are searched %s", slow)
        return slow
    return fast


def _try(passes: Passes, device: str) -> None:
    """Compare with plain torch on a small problem, in both norms and both precisions.

    Raises
    ------
    ArithmeticError : they differ.
    """
    generator = torch.Generator().manual_seed(0)
    n, slow = 700, TorchPasses()
    x, y = (torch.randn(dim, n, generator=generator, dtype=torch.float64).to(device) for dim in (3, 2))
    rows, skip = torch.arange(5, 205, device=device), torch.arange(100, 300, device=device)
    blocks = torch.stack([rows % 3, 3 + rows % 3], 1)
    # whole numbers: neither float32 nor the order of additions makes a difference
    x, y = x.mul(4).round(), y.mul(4).round()
    for max_norm in (True, False):
        found: list[Tensor] = []
        right: list[Tensor] = []
        for who, told in ((passes, found), (slow, right)):
            told.append(who.minima(x.float(), y.float(), rows, max_norm))
            told.append(who.chosen(x, rows, blocks, max_norm))
            for values in (x, x.float()):
                limits = torch.full((len(rows),), 9.0, dtype=values.dtype, device=device)
                told.extend(who.within(values, rows, limits, limits + 3, skip, max_norm))
        if not all(torch.equal(f, r) for f, r in zip(found, right, strict=True)):
            raise ArithmeticError("the kernels do not count as torch does")
