"""Neighbours in tiles: the kernels beside their twin and the definition, and how much is left to float64."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from mibench.estimators.neighbours import tiles
from mibench.estimators.neighbours.compiled import Rule
from mibench.estimators.neighbours.search import count_all_pairs
from mibench.estimators.neighbours.tiles import BLOCK, Columns, TorchPasses, count_in_tiles
from torch import Tensor

from mibench.estimator import Array

INTERPRETED = """
import numpy as np, torch
from mibench.estimators.neighbours import kernels, tiles
from mibench.estimators.neighbours.chunked import count_in_chunks
from mibench.estimators.neighbours.compiled import Rule

kernels.SPAN = 4  # more than one program of them, of few samples
passes = tiles.backend("cpu")
assert isinstance(passes, kernels.TritonPasses), passes
rng = np.random.default_rng(0)
for n, dim_x, dim_y, digits in ((260, 3, 2, 9), (130, 1, 2, 1)):
    x = rng.standard_normal((n, dim_x)).round(digits)
    y = (x[:, :1] + rng.standard_normal((n, dim_y))).round(digits)
    for rule in (Rule(3, True, False, False), Rule(3, False, True, True)):
        found = np.array(tiles.count_in_tiles(x, y, rule, "cpu", passes, numbers=2**18))
        right = np.array(count_in_chunks(x, y, rule, "cpu"))
        np.testing.assert_array_equal(found, right, err_msg=f"{n} {rule}")
        twin = tiles.count_in_tiles(x, y, rule, "cpu", tiles.TorchPasses())
        np.testing.assert_array_equal(found, np.array(twin))
print("equal")
"""

UNFUSED = """
import torch, triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from mibench.estimators.neighbours import kernels

names = "values which low high skip sure perhaps n count dim".split()
types = "*fp64 *i32 *fp64 *fp64 *i32 *i32 *i32 i32 i32 i32".split()
sizes = {"MAX": False, "HEIGHT": kernels.ROWS[torch.float64], "WIDTH": 128, "BLOCKS": kernels.SPAN}
source = ASTSource(kernels._within, {**dict(zip(names, types)), **dict.fromkeys(sizes, "constexpr")}, sizes)
for fusion in (kernels.fused(torch.float64), True):
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"enable_fp_fusion": fusion})
    print("fma.rn.f64" in made.asm["ptx"], "cubin" in made.asm)
"""


def run(code: str, **changes: str) -> str:
    """What a program prints in a process of its own, which may be told by its environment to interpret kernels."""
    pytest.importorskip("triton", reason="Triton is not installed")
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **changes}, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_kernels_count_as_their_twin_and_the_definition_do() -> None:
    assert run(INTERPRETED, TRITON_INTERPRET="1") == "equal\n"


@pytest.mark.slow
def test_kernels_compile_for_a_gpu_and_add_squares_as_the_processor_does() -> None:
    """A fused multiply-add rounds once where the definition rounds twice."""
    assert run(UNFUSED) == "False True\nTrue True\n"


def gaussian(n: int, dim: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, dim))
    return x, 0.6 * x + 0.8 * rng.standard_normal((n, dim))


class Watched(TorchPasses):  # type: ignore[misc]
    """Counts the rows that were asked for in each precision."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = {torch.float32: 0, torch.float64: 0}

    def within(self, values: Tensor, rows: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
        self.rows[values.dtype] += len(rows)
        answer: tuple[Tensor, Tensor] = super().within(values, rows, *rest)
        return answer


@pytest.mark.parametrize("max_norm", [True, False], ids=["max", "euclidean"])
def test_continuous_samples_are_decided_in_float32(max_norm: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def unwanted(*_: object) -> Any:
        raise AssertionError("a sample was left to the definition")

    monkeypatch.setattr(tiles, "_by_definition", unwanted)
    x, y = gaussian(1_500, 5)
    for rule in (Rule(3, max_norm, False, False), Rule(3, max_norm, True, True)):
        passes = Watched()
        found = count_in_tiles(x, y, rule, "cpu", passes)
        np.testing.assert_array_equal(np.array(found), count_all_pairs(x, y, rule))
        assert passes.rows[torch.float32] == 2 * len(x)
        assert passes.rows[torch.float64] < 0.01 * len(x)


@pytest.mark.parametrize("max_norm", [True, False], ids=["max", "euclidean"])
@pytest.mark.parametrize("dim", [1, 7, 200])
@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_the_error_of_a_distance_is_bounded(dim: int, max_norm: bool, shift: float) -> None:
    x, y = gaussian(300, dim)
    x[: len(x) // 3] += shift  # far from where most samples are
    for column in (tiles._columns(given, max_norm) for given in tiles._scaled_alike(x, y, "cpu")):
        rows = torch.arange(len(x))
        near, true = (tiles.tile(v, rows, 0, len(x), max_norm) for v in (column.rounded, column.exact))
        apart = ~torch.eye(len(x), dtype=torch.bool)
        gap = (near.double() - column.unit * true).abs()[apart]
        allowed = (column.relative * column.unit * true + column.off[:, None])[apart]
        assert (gap <= allowed).all()
        assert (gap > allowed / 100).any()  # nor is the bound out of all proportion


def test_without_the_bound_lattices_would_be_miscounted(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((900, 3)).round(1) / 3
    y = (x + rng.standard_normal((900, 3)).round(1)) / 7
    rule = Rule(3, False, False, False)
    right = count_all_pairs(x, y, rule)
    np.testing.assert_array_equal(np.array(count_in_tiles(x, y, rule, "cpu", TorchPasses())), right)
    original: Callable[..., Columns] = tiles._columns

    def careless(*given: Any) -> Columns:
        found = original(*given)
        return found._replace(relative=1e-12, off=torch.zeros_like(found.off))

    monkeypatch.setattr(tiles, "_columns", careless)
    assert (np.array(count_in_tiles(x, y, rule, "cpu", TorchPasses())) != right).any()


def test_memory_is_linear_in_the_samples() -> None:
    """Whatever a slice holds, it is not more numbers than it was allowed, but for one row."""

    class Measured(TorchPasses):  # type: ignore[misc]
        most = 0

        def minima(self, x: Tensor, y: Tensor, rows: Tensor, max_norm: bool) -> Tensor:
            answer: Tensor = super().minima(x, y, rows, max_norm)
            Measured.most = max(Measured.most, answer.numel(), len(rows) * (3 + tiles.SPARE) * BLOCK)
            return answer

    x, y = gaussian(2_000, 2)
    count_in_tiles(x, y, Rule(3, True, False, False), "cpu", Measured(cells=2**16), numbers=100_000)
    assert 50_000 < Measured.most <= 100_000


def test_where_kernels_fail_torch_counts_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "mibench.estimators.neighbours.kernels", raising=False)
    tiles.backend.cache_clear()
    found = tiles.backend("cpu")
    tiles.backend.cache_clear()
    assert isinstance(found, TorchPasses)
    assert str(found).startswith("by torch, because ")


def test_kernels_that_miscount_are_not_used() -> None:
    class Wrong(TorchPasses):  # type: ignore[misc]
        def within(self, *given: Any) -> tuple[Tensor, Tensor]:
            sure, perhaps = super().within(*given)
            return sure + 1, perhaps

    tiles._try(TorchPasses(cells=2**12), "cpu")
    with pytest.raises(ArithmeticError, match="do not count"):
        tiles._try(Wrong(), "cpu")


@pytest.mark.parametrize(("n", "scale"), [(50, 1.0), (5_000, 1e-120)])
def test_few_samples_and_extreme_scales_are_counted_in_float64(
    n: int, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwanted(*_: object) -> Any:
        raise AssertionError("tiles")

    monkeypatch.setattr(tiles, "count_in_tiles", unwanted)
    monkeypatch.setattr(tiles, "count_in_chunks", lambda *_, **__: "chunks")
    x, y = gaussian(n, 1)
    assert tiles.count_on_device(x * scale, y * scale, Rule(3, True, False, False), "cpu") == "chunks"


@pytest.mark.skipif("not torch.cuda.is_available()", reason="needs a GPU")
@pytest.mark.parametrize("max_norm", [True, False], ids=["max", "euclidean"])
def test_on_a_gpu_the_counts_are_those_of_the_processor(max_norm: bool) -> None:
    x, y = gaussian(6_000, 4)
    rule = Rule(3, max_norm, False, False)
    found = tiles.count_on_device(x, y, rule, "cuda")
    np.testing.assert_array_equal(np.array(found), count_all_pairs(x, y, rule))
