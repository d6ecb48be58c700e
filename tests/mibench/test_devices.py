"""Devices: which worker sees which GPU, how many workers there are, and what runs where. No GPU is needed."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

import pytest

from mibench import runtime
from mibench.engine import devices
from mibench.engine.devices import assigned, crew, names, on_gpu, resolved, usable
from mibench.engine.local import LocalPool
from mibench.errors import UsageError


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """As torch would see them."""
    import torch

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda i: f"Card {i}")


def looking() -> Callable[[], str]:
    def seen() -> str:  # within a function, so that workers, which have no tests, get it by value
        return f"{runtime.device()} {os.environ.get('CUDA_VISIBLE_DEVICES', '')}"

    return seen


def test_every_worker_sees_one_of_several_gpus(two_gpus: None) -> None:
    first, second = ({"CUDA_VISIBLE_DEVICES": i} for i in "01")
    assert assigned("cuda", 3) == [("cuda", first), ("cuda", second), ("cuda", first)]
    assert assigned("cuda:1", 2) == [("cuda", second)] * 2
    assert assigned("cpu", 2) == [("cpu", {})] * 2
    assert crew("cuda", 64) == 2 * devices.WORKERS_PER_GPU and crew("cuda", 3) == 3 and crew(None, 64) == 64
    assert names() == ["cpu", "cuda:0 (Card 0)", "cuda:1 (Card 1)"]


def test_gpus_that_are_hidden_stay_so(two_gpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, 7")
    assert [place[1]["CUDA_VISIBLE_DEVICES"] for place in assigned("cuda", 3)] == ["5", "7", "5"]
    assert assigned("cuda:1", 1)[0][1] == {"CUDA_VISIBLE_DEVICES": "7"}


def test_workers_are_told_and_those_that_replace_them(two_gpus: None) -> None:
    with LocalPool(2, 8.0, "cuda") as pool:
        told = {future.result() for future in [pool.submit(looking(), 60.0) for _ in range(2)]}
        assert told == {"cuda 0", "cuda 1"}
        for future in [pool.submit(partial(os._exit, 1), 60.0) for _ in range(2)]:
            assert future.exception() is not None
        told = {future.result() for future in [pool.submit(looking(), 60.0) for _ in range(2)]}
        assert told == {"cuda 0", "cuda 1"}


def test_auto_takes_a_gpu_where_there_is_one(two_gpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    assert resolved("auto") == "cuda" and on_gpu("cuda") and not on_gpu("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolved("auto") == "cpu"
    assert resolved(None) is None
    monkeypatch.setenv("MIBENCH_DEVICE", "nonsense")
    with pytest.raises(UsageError, match=r"the device 'nonsense' of the environment \(MIBENCH_DEVICE\) cannot be used"):
        resolved(None)


def test_a_device_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(UsageError, match=r"^the device 'nonsense' cannot be used here: .*\.$"):
        resolved("nonsense")


def test_what_cannot_run_on_a_gpu_runs_on_the_processor() -> None:
    with runtime.using(device="cuda:1"):
        assert usable(("cpu",)) == "cpu"
        assert usable(("cpu", "cuda")) is None
    assert usable(("cpu",)) is None


class TestMemory:
    """A stack that is too large for the device is trained in halves, and nobody's answer changes."""

    @pytest.mark.parametrize("room", [2, 1])
    def test_a_stack_too_large_is_halved(self, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
        import numpy as np
        import torch
        from mibench.estimators.critics import trainer

        from mibench.registry import estimators

        fit, sizes = trainer.fit, []

        def cramped(*given: object) -> object:
            rngs = given[-1]
            assert isinstance(rngs, list)
            sizes.append(len(rngs))
            if len(rngs) > room:
                for rng in rngs:
                    rng.random()  # what was begun has drawn numbers
                raise torch.OutOfMemoryError("CUDA out of memory")
            return fit(*given)

        rng = np.random.default_rng(0)
        xs = [rng.standard_normal((80, 1)) for _ in range(5)]
        ys = [x + rng.standard_normal((80, 1)) for x in xs]
        estimator = estimators.create("nwj[max_steps=10]")
        expected = [e.mi for e in estimator.estimate_batch(xs, ys, range(5))]
        monkeypatch.setattr(trainer, "fit", cramped)
        assert [e.mi for e in estimator.estimate_batch(xs, ys, range(5))] == expected
        assert sizes[0] == 5 and max(size for size in sizes if size <= room) == room

    def test_one_that_does_not_fit_is_out_of_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import numpy as np
        import torch
        from mibench.estimators.critics import trainer

        from mibench.registry import estimators

        def full(*_: object) -> object:
            raise torch.OutOfMemoryError("CUDA out of memory")

        monkeypatch.setattr(trainer, "fit", full)
        x = np.random.default_rng(0).standard_normal((80, 1))
        with pytest.raises(MemoryError, match="does not fit into the device's memory"):
            estimators.create("nwj").estimate(x, x**2)
