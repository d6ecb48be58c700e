"""Adam's step as one kernel: in Triton's interpreter beside its twin, and compiled for a GPU that is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from mibench.estimators.critics import stack

INTERPRETED = """
import torch
from mibench.estimators.critics.stack import AdamW, fused, scales

kernel = fused("cpu")
assert kernel is not None, "the trial failed"
generator = torch.Generator().manual_seed(1)
for rows, columns in ((1, 1), (2, 1024), (5, 2500)):
    decay = torch.rand(columns, generator=generator)
    start = torch.randn(rows, columns, generator=generator)
    ends = start.clone(), start.clone()
    optimisers = [AdamW(end) for end in ends]
    optimisers[1].fused = kernel
    for step in range(1, 9):
        gradient = torch.randn(rows, columns, generator=generator) * 10.0 ** (step - 4)
        by = torch.tensor(scales(0.1 / step, step)).unbind()
        for optimiser, end in zip(optimisers, ends):
            optimiser.move(end, gradient.clone(), by, decay, clip=1.0 if step % 2 else 0.0)
    moved = [(end, o.mean, o.square) for end, o in zip(ends, optimisers)]
    torch.testing.assert_close(moved[0], moved[1])
    assert not torch.equal(ends[0], start)
print("close")
"""

COMPILED = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from mibench.estimators.critics import fused

names = "theta gradient mean square rate size second decay norm".split()
constants = {"CLIP": 1.0, "BETA1": 0.9, "BETA2": 0.999, "BLOCK": fused.BLOCK}
types = {**dict.fromkeys(names, "*fp32"), "columns": "i32", **dict.fromkeys(constants, "constexpr")}
made = triton.compile(ASTSource(fused._move, types, constants), target=GPUTarget("cuda", 90, 32))
print("cubin" in made.asm)
"""


@pytest.fixture(autouse=True)
def forgotten() -> Any:
    """What was tried before is tried again."""
    stack.fused.cache_clear()
    yield
    stack.fused.cache_clear()


def run(code: str, **changes: str) -> str:
    pytest.importorskip("triton", reason="Triton is not installed")
    told = {**os.environ, **changes}
    done = subprocess.run([sys.executable, "-c", code], env=told, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_kernel_does_what_torch_does() -> None:
    assert run(INTERPRETED, TRITON_INTERPRET="1") == "close\n"


@pytest.mark.slow
def test_the_kernel_compiles_for_a_gpu() -> None:
    assert run(COMPILED) == "True\n"


@pytest.mark.parametrize("move", [lambda *_: None, lambda *_: 1 / 0], ids=["wrong", "broken"])
def test_a_kernel_that_fails_its_trial_is_not_used(move: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip("mibench.estimators.critics.fused", reason="Triton is not installed")
    monkeypatch.setattr(module, "move", move)
    assert stack.fused("cpu") is None


def test_the_processor_has_no_kernel_and_needs_no_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "mibench.estimators.critics.fused", raising=False)
    assert stack.AdamW(torch.zeros(2, 3)).fused is None
    assert stack.fused("cpu") is None
