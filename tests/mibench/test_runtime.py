"""Device and data directory: chosen from Python, or left to the environment."""

import contextlib
from pathlib import Path

import pytest

from mibench import runtime


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MIBENCH_DEVICE", "MIBENCH_DATA"):
        monkeypatch.delenv(name, raising=False)


def test_what_was_not_chosen_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (runtime.device(), runtime.data_dir()) == ("cpu", Path.home() / ".cache" / "mibench")
    monkeypatch.setenv("MIBENCH_DEVICE", "cuda:1")
    monkeypatch.setenv("MIBENCH_DATA", "/data")
    assert (runtime.device(), runtime.data_dir()) == ("cuda:1", Path("/data"))


def test_a_choice_precedes_the_environment_and_ends_with_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIBENCH_DEVICE", "cuda:1")
    with runtime.using(device="mps", data_dir="/data"):
        assert (runtime.device(), runtime.data_dir()) == ("mps", Path("/data"))
        with contextlib.suppress(KeyError), runtime.using(device="cpu"):
            assert (runtime.device(), runtime.data_dir()) == ("cpu", Path("/data"))
            raise KeyError
        assert runtime.device() == "mps"
    assert (runtime.device(), runtime.data_dir()) == ("cuda:1", Path.home() / ".cache" / "mibench")


def test_a_choice_for_the_whole_process_and_back() -> None:
    runtime.set_device("cuda")
    runtime.set_data_dir("/data")
    try:
        assert (runtime.device(), runtime.data_dir()) == ("cuda", Path("/data"))
    finally:
        runtime.set_device(None)
        runtime.set_data_dir(None)
    assert runtime.device() == "cpu"
