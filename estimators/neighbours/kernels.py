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

ROWS = {torch.float32: 16, torch.float64: 8}  # samples whose distances are in a program's registers
ABREAST = 4  # blocks that one number of a row is compared with when it has been read
SPAN = 32  # blocks that one program counts in, a multiple of ABREAST
MOST = 2**31  # numbers that an index of 32 bits reaches


@triton.jit
def _further(total, a, values, others, n, MAX: tl.constexpr):
    """Distances after one more column."""
    gap = tl.load(values + others, mask=others < n, other=0.0)[None, :] - a
    if MAX:  # noqa: SIM108 - decided when it is compiled
        total = tl.maximum(total, tl.abs(gap))
    else:
        total = total + gap * gap
    return total


@triton.jit
def _tiles(values, rows, others, here, dim, n, MAX: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr):
    """Distances (HEIGHT, WIDTH) to each of ABREAST blocks; squares are added up column by column, as defined."""
    p = tl.zeros((HEIGHT, WIDTH), dtype=values.dtype.element_ty)
    q = tl.zeros((HEIGHT, WIDTH), dtype=values.dtype.element_ty)
    r = tl.zeros((HEIGHT, WIDTH), dtype=values.dtype.element_ty)
    s = tl.zeros((HEIGHT, WIDTH), dtype=values.dtype.element_ty)
    for c in range(dim):
        column = values + c * n
        a = tl.load(column + rows, mask=here, other=0.0)[:, None]
        p = _further(p, a, column, others, n, MAX)
        q = _further(q, a, column, others + WIDTH, n, MAX)
        r = _further(r, a, column, others + 2 * WIDTH, n, MAX)
        s = _further(s, a, column, others + 3 * WIDTH, n, MAX)
    return p, q, r, s


@triton.jit
def _other(rows, others, n):
    """Whether each is another sample."""
    return (others < n)[None, :] & (rows[:, None] != others[None, :])


@triton.jit
def _keep(out, in_x, in_y, rows, others, here, n):
    """The least joint distance within one block."""
    joint = tl.where(_other(rows, others, n), tl.maximum(in_x, in_y), float("inf"))
    tl.store(out, tl.min(joint, 1), mask=here)


@triton.jit(do_not_specialize=["n", "count", "blocks", "dim_x", "dim_y"])
def _minima(
    x, y, which, out, n, count, blocks, dim_x, dim_y, MAX: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr
):
    i = tl.program_id(0) * HEIGHT + tl.arange(0, HEIGHT)
    block = tl.program_id(1) * 4
    j = block * WIDTH + tl.arange(0, WIDTH)
    here = i < count
    rows = tl.load(which + i, mask=here, other=0)
    p_x, q_x, r_x, s_x = _tiles(x, rows, j, here, dim_x, n, MAX, HEIGHT, WIDTH)
    p_y, q_y, r_y, s_y = _tiles(y, rows, j, here, dim_y, n, MAX, HEIGHT, WIDTH)
    to = out + i * blocks + block
    _keep(to, p_x, p_y, rows, j, here, n)
    _keep(to + 1, q_x, q_y, rows, j + WIDTH, here, n)
    _keep(to + 2, r_x, r_y, rows, j + 2 * WIDTH, here, n)
    _keep(to + 3, s_x, s_y, rows, j + 3 * WIDTH, here, n)


@triton.jit
def _counted(of_near, of_far, distance, rows, others, apart, near, far, n):
    """Counts (HEIGHT, WIDTH) with those of one more block."""
    other = _other(rows, others, n) & (apart[:, None] != others[None, :])
    of_near += (other & (distance <= near[:, None])).to(tl.int32)
    of_far += (other & (distance <= far[:, None])).to(tl.int32)
    return of_near, of_far


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
    a, b = tl.zeros((HEIGHT, WIDTH), dtype=tl.int32), tl.zeros((HEIGHT, WIDTH), dtype=tl.int32)
    for t in range(0, BLOCKS, 4):
        j = (tl.program_id(1) * BLOCKS + t) * WIDTH + tl.arange(0, WIDTH)
        p, q, r, s = _tiles(values, rows, j, here, dim, n, MAX, HEIGHT, WIDTH)
        a, b = _counted(a, b, p, rows, j, apart, near, far, n)
        a, b = _counted(a, b, q, rows, j + WIDTH, apart, near, far, n)
        a, b = _counted(a, b, r, rows, j + 2 * WIDTH, apart, near, far, n)
        a, b = _counted(a, b, s, rows, j + 3 * WIDTH, apart, near, far, n)
    tl.atomic_add(sure + i, tl.sum(a, 1), mask=here)
    tl.atomic_add(perhaps + i, tl.sum(b, 1), mask=here)


@triton.jit(do_not_specialize=["n", "several", "dim"])
def _chosen(values, which, blocks, out, n, several, dim, MAX: tl.constexpr, WIDTH: tl.constexpr):
    place = tl.program_id(0) * several + tl.program_id(1)
    row = tl.load(which + tl.program_id(0))
    k = tl.arange(0, WIDTH)
    j = tl.load(blocks + place) * WIDTH + k
    total = tl.zeros((WIDTH,), dtype=values.dtype.element_ty)
    for c in range(dim):
        column = values + c * n
        gap = tl.load(column + j, mask=j < n, other=0.0) - tl.load(column + row)
        if MAX:  # noqa: SIM108 - decided when it is compiled
            total = tl.maximum(total, tl.abs(gap))
        else:
            total = total + gap * gap
    tl.store(out + place * WIDTH + k, tl.where((j < n) & (j != row), total, float("inf")))


class TritonPasses:
    """The passes by Triton; ``block`` : others whose least distance is kept, a power of 2."""

    def __init__(self, block: int) -> None:
        self.block = block

    def __str__(self) -> str:
        return f"by Triton {triton.__version__}"

    def minima(self, x: Tensor, y: Tensor, rows: Tensor, max_norm: bool) -> Tensor:
        n, height = self._width(x, y), ROWS[x.dtype]
        blocks, programs = -(-n // self.block), -(-n // (self.block * ABREAST))
        out = torch.empty((len(rows), programs * ABREAST), dtype=x.dtype, device=x.device)
        sizes = n, len(rows), out.shape[1], len(x), len(y)
        options = {"MAX": max_norm, "HEIGHT": height, "WIDTH": self.block, "enable_fp_fusion": fused(x.dtype)}
        _minima[(-(-len(rows) // height), programs)](x, y, rows.int(), out, *sizes, **options)
        return out[:, :blocks]

    def chosen(self, values: Tensor, rows: Tensor, blocks: Tensor, max_norm: bool) -> Tensor:
        n, several = self._width(values), blocks.shape[1]
        out = torch.empty((len(rows), several * self.block), dtype=values.dtype, device=values.device)
        options = {"MAX": max_norm, "WIDTH": self.block, "enable_fp_fusion": fused(values.dtype), "num_warps": 1}
        given = values, rows.int(), blocks.int().contiguous(), out, n, several, len(values)
        _chosen[(len(rows), several)](*given, **options)
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
