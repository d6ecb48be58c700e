"""The passes of ``tiles.py`` as Triton kernels, which keep no distance at all. Their twin is ``tiles.TorchPasses``.

They run without a GPU as well, slowly, where the environment variable TRITON_INTERPRET is 1.
"""

# what Triton compiles has the types that it is called with
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
# mypy: disable-error-code="untyped-decorator,import-untyped,import-not-found"

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

ROWS = {torch.float32: 64, torch.float64: 32}  # samples whose distances are in a program's registers
SPAN = 32  # blocks that one program counts in
MOST = 2**31  # numbers that an index of 32 bits reaches


@triton.jit
def _tile(values, rows, others, here, there, dim, n, MAX: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr):
    """Distances (HEIGHT, WIDTH); squares are added up column by column, in the order of the definition."""
    total = tl.zeros((HEIGHT, WIDTH), dtype=values.dtype.element_ty)
    for c in range(dim):
        a = tl.load(values + c * n + rows, mask=here, other=0.0)
        b = tl.load(values + c * n + others, mask=there, other=0.0)
        gap = b[None, :] - a[:, None]
        if MAX:  # noqa: SIM108 - decided when it is compiled
            total = tl.maximum(total, tl.abs(gap))
        else:
            total = total + gap * gap
    return total


@triton.jit(do_not_specialize=["n", "count", "blocks", "dim_x", "dim_y"])
def _minima(
    x, y, which, out, n, count, blocks, dim_x, dim_y, MAX: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr
):
    i = tl.program_id(0) * HEIGHT + tl.arange(0, HEIGHT)
    block = tl.program_id(1)
    j = block * WIDTH + tl.arange(0, WIDTH)
    here, there = i < count, j < n
    rows = tl.load(which + i, mask=here, other=0)
    in_x = _tile(x, rows, j, here, there, dim_x, n, MAX, HEIGHT, WIDTH)
    in_y = _tile(y, rows, j, here, there, dim_y, n, MAX, HEIGHT, WIDTH)
    joint = tl.where(there[None, :] & (rows[:, None] != j[None, :]), tl.maximum(in_x, in_y), float("inf"))
    tl.store(out + i * blocks + block, tl.min(joint, 1), mask=here)


@triton.jit(do_not_specialize=["n", "count", "dim"])
def _within(
    values,
    which,
    low,
    high,
    skip,
    sure,
    perhaps,
    n,
    count,
    dim,
    MAX: tl.constexpr,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCKS: tl.constexpr,
):
    i = tl.program_id(0) * HEIGHT + tl.arange(0, HEIGHT)
    here = i < count
    rows = tl.load(which + i, mask=here, other=0)
    apart = tl.load(skip + i, mask=here, other=0)
    near, far = tl.load(low + i, mask=here, other=-1.0), tl.load(high + i, mask=here, other=-1.0)
    of_near, of_far = tl.zeros((HEIGHT,), dtype=tl.int32), tl.zeros((HEIGHT,), dtype=tl.int32)
    for t in range(BLOCKS):
        j = (tl.program_id(1) * BLOCKS + t) * WIDTH + tl.arange(0, WIDTH)
        there = j < n
        distance = _tile(values, rows, j, here, there, dim, n, MAX, HEIGHT, WIDTH)
        other = there[None, :] & (rows[:, None] != j[None, :]) & (apart[:, None] != j[None, :])
        of_near += tl.sum((other & (distance <= near[:, None])).to(tl.int32), 1)
        of_far += tl.sum((other & (distance <= far[:, None])).to(tl.int32), 1)
    tl.atomic_add(sure + i, of_near, mask=here)
    tl.atomic_add(perhaps + i, of_far, mask=here)


class TritonPasses:
    """The passes by Triton; ``block`` : others whose least distance is kept, a power of 2."""

    def __init__(self, block: int) -> None:
        self.block = block

    def __str__(self) -> str:
        return f"by Triton {triton.__version__}"

    def minima(self, x: Tensor, y: Tensor, rows: Tensor, max_norm: bool) -> Tensor:
        n, height = self._width(x, y), ROWS[x.dtype]
        blocks = -(-n // self.block)
        out = torch.empty((len(rows), blocks), dtype=x.dtype, device=x.device)
        sizes = n, len(rows), blocks, len(x), len(y)
        options = {"MAX": max_norm, "HEIGHT": height, "WIDTH": self.block, "enable_fp_fusion": fused(x.dtype)}
        _minima[(-(-len(rows) // height), blocks)](x, y, rows.int(), out, *sizes, **options)
        return out

    def within(
        self, values: Tensor, rows: Tensor, low: Tensor, high: Tensor, skip: Tensor, max_norm: bool
    ) -> tuple[Tensor, Tensor]:
        n, height = self._width(values), ROWS[values.dtype]
        sure, perhaps = torch.zeros((2, len(rows)), dtype=torch.int32, device=values.device).unbind()
        limits = (limit.to(values.dtype).contiguous() for limit in (low, high))
        given = values, rows.int(), *limits, skip.int(), sure, perhaps, n, len(rows), len(values)
        options = {"MAX": max_norm, "HEIGHT": height, "WIDTH": self.block, "BLOCKS": SPAN}
        options["enable_fp_fusion"] = fused(values.dtype)
        _within[(-(-len(rows) // height), -(-n // (self.block * SPAN)))](*given, **options)
        return sure.long(), perhaps.long()

    def _width(self, *values: Tensor) -> int:
        """The samples in a row of each.

        Raises
        ------
        OverflowError : more numbers than an index of 32 bits reaches.
        """
        if max(v.numel() for v in values) + self.block * SPAN >= MOST:
            raise OverflowError("too many numbers for the kernels' indices")
        return values[0].shape[1]


def fused(dtype: torch.dtype) -> bool:
    """Whether a product may be added without being rounded: not in float64, which decides as the processor does."""
    return dtype is not torch.float64
