"""A step of :class:`stack.AdamW` as one Triton kernel, which reads and writes every number once; its twin is ``move``.

It runs without a GPU as well, slowly, where the environment variable TRITON_INTERPRET is 1.
"""

# what Triton compiles has the types that it is called with
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
# mypy: disable-error-code="untyped-decorator,import-untyped,import-not-found"

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024  # parameters of one network in a program


@triton.jit(do_not_specialize=["columns"])
def _move(
    theta,
    gradient,
    mean,
    square,
    rate,
    size,
    second,
    decay,
    norm,
    columns,
    CLIP: tl.constexpr,
    BETA1: tl.constexpr,
    BETA2: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    here = c < columns
    at = row * columns + c
    g = tl.load(gradient + at, mask=here, other=0.0)
    if CLIP > 0:
        g *= CLIP / tl.maximum(tl.load(norm + row), CLIP)
    m = tl.load(mean + at, mask=here, other=0.0)
    m += (1 - BETA1) * (g - m)
    s = BETA2 * tl.load(square + at, mask=here, other=0.0) + (1 - BETA2) * g * g
    kept = 1 - tl.load(rate) * tl.load(decay + c, mask=here, other=0.0)
    step = m * tl.load(size) / (tl.sqrt(s / tl.load(second)) + 1e-8)
    tl.store(theta + at, tl.load(theta + at, mask=here, other=0.0) * kept + step, mask=here)
    tl.store(mean + at, m, mask=here)
    tl.store(square + at, s, mask=here)


def move(
    theta: Tensor,
    gradient: Tensor,
    moments: tuple[Tensor, Tensor],
    by: Sequence[Tensor],
    decay: Tensor,
    clip: float,
    betas: tuple[float, float],
) -> None:
    """One step of ``theta`` (S, P) and its two moments in place, with the three :func:`stack.scales` on the device."""
    rows, columns = theta.shape
    norm = torch.linalg.vector_norm(gradient, dim=1) if clip else gradient
    options = {"CLIP": clip, "BETA1": betas[0], "BETA2": betas[1], "BLOCK": BLOCK}
    _move[(rows, triton.cdiv(columns, BLOCK))](theta, gradient, *moments, *by, decay, norm, columns, **options)
