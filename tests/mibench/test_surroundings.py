"""What code of others changes in a process is put back; what cannot be is seen."""

from __future__ import annotations

import builtins
import decimal
import gc
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mibench.result import Result
from mibench.surroundings import Names, Surroundings, left_as_found


def _leave_a_deleted_folder() -> None:
    os.mkdir("gone")
    os.chdir("gone")
    os.rmdir("../gone")


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "directory": (os.getcwd, lambda: os.chdir("/")),
    "deleted directory": (os.getcwd, _leave_a_deleted_folder),
    "recursion": (sys.getrecursionlimit, lambda: sys.setrecursionlimit(200)),
    "switches": (sys.getswitchinterval, lambda: sys.setswitchinterval(1.0)),
    "signals": (lambda: signal.getsignal(signal.SIGTERM), lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN)),
    "alarm": (lambda: signal.getitimer(signal.ITIMER_VIRTUAL), lambda: signal.setitimer(signal.ITIMER_VIRTUAL, 900.0)),
    "errors of numpy": (np.geterr, lambda: np.seterr(all="raise")),
    "warnings": (lambda: list(warnings.filters), lambda: warnings.simplefilter("error")),
    "trace": (sys.gettrace, lambda: sys.settrace(lambda *_: None)),
    "profile": (sys.getprofile, lambda: sys.setprofile(lambda *_: None)),
    "trace of threads": (threading.gettrace, lambda: threading.settrace(lambda *_: None)),
    "collector": (gc.isenabled, gc.disable),
    "callbacks": (lambda: list(gc.callbacks), lambda: gc.callbacks.append(lambda *_: None)),
    "thresholds": (gc.get_threshold, lambda: gc.set_threshold(1)),
    "digits": (sys.get_int_max_str_digits, lambda: sys.set_int_max_str_digits(700)),
    "decimals": (lambda: decimal.getcontext().prec, lambda: setattr(decimal.getcontext(), "prec", 3)),
    "finders": (lambda: len(sys.meta_path), sys.meta_path.clear),
}


@pytest.mark.parametrize("what", CHANGES)
def test_settings_are_put_back(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    look, change = CHANGES[what]
    with warnings.catch_warnings():
        before, found = look(), Surroundings()
        change()
        changed = what.startswith("deleted") or look() != before
        found.put_back()
    assert changed and look() == before


def test_a_tracer_and_an_alarm_of_the_surrounding_program_stay() -> None:
    found = Surroundings()
    signal.setitimer(signal.ITIMER_VIRTUAL, 900.0)
    inner = Surroundings()
    inner.put_back()
    assert signal.getitimer(signal.ITIMER_VIRTUAL)[0] > 0
    found.put_back()
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def _replace_a_module() -> None:
    sys.modules["json"] = types.ModuleType("json")


PATCHES: dict[str, Callable[[], Any]] = {
    "json.dumps": lambda: setattr(json, "dumps", None),
    "builtins.__import__": lambda: setattr(builtins, "__import__", None),
    "sys.stdin": lambda: setattr(sys, "stdin", None),
    "mibench.result.Result.to_json": lambda: setattr(Result, "to_json", None),
    "json": _replace_a_module,
    "json.JSONEncoder.encode": lambda: setattr(json.JSONEncoder, "encode", None),
}


@pytest.mark.parametrize("name", PATCHES)
def test_names_are_watched_and_put_back(name: str) -> None:
    names = Names(["json", "builtins", "sys"])
    assert names.hold()
    PATCHES[name]()
    held, changed = names.hold(), names.put_back()
    assert not held and changed == [name]
    assert names.hold() and not names.put_back()


def test_what_is_added_or_worked_out_is_no_harm() -> None:
    import tempfile

    before = tempfile.tempdir
    names = Names(["tempfile", "json"])
    try:
        tempfile.tempdir = "/"
        json.another = 5  # type: ignore[attr-defined]
        sys.modules["another"] = types.ModuleType("another")
        assert names.hold()
    finally:
        tempfile.tempdir = before
        del json.another, sys.modules["another"]  # type: ignore[attr-defined]


def test_what_an_import_changes_is_undone_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    before = json.dumps, sys.stdout, os.getcwd(), [os.fstat(number).st_ino for number in (0, 1, 2)]
    with caplog.at_level(logging.WARNING), left_as_found("mine.py"):
        json.dumps = None  # type: ignore[assignment]
        sys.stdout = None
        os.chdir("/")
        for number in (0, 1, 2):
            os.close(number)
        os.environ["MINE"] = "stays"
    assert (json.dumps, sys.stdout, os.getcwd(), [os.fstat(number).st_ino for number in (0, 1, 2)]) == before
    assert os.environ.pop("MINE") == "stays"
    assert caplog.messages == ["'mine.py' changes json.dumps; that is undone, because workers would not see it."]


def test_no_library_that_plugins_use_is_taken_for_a_vandal() -> None:
    """In a process of its own, as they are loaded once."""
    code = """
from mibench.engine import pristine
pristine.keep(8 * 2.0**30)
for name in ("scipy.stats", "numba", "sklearn.neighbors", "pandas", "torch", "torch.nn", "torch.optim", "zuko"):
    __import__(name)
    assert pristine.as_it_was(), name
import torch
torch.optim.Adam(torch.nn.Linear(1, 1).parameters()).step()
assert pristine.as_it_was(), "a step"
torch.nn.functional.relu = None
assert not pristine.as_it_was()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


FOR_GOOD = {
    "rounding": "ctypes.CDLL('libm.so.6').fesetround(0x800)",
    "a limit": "resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))",
    "a method": "torch.nn.Linear.reset_parameters = lambda self: None",
    "hooks": "torch.nn.modules.module.register_module_forward_hook(lambda *_: None)",
    "a mode": "torch.overrides.BaseTorchFunctionMode().__enter__()",
    "the user": "os.setegid(65534); os.seteuid(65534)",
    "the root": "os.chroot('/tmp')",
}
"""What moves the numbers of whoever comes next, or takes something from them, and is not put back."""


def test_what_cannot_be_put_back_is_seen() -> None:
    """In a copy of a process for each."""
    if os.geteuid():
        del FOR_GOOD["the user"], FOR_GOOD["the root"]
    code = f"""
import ctypes, os, resource
from mibench.engine import pristine
pristine.keep(8 * 2.0**30)
import torch
for change, whole in [("", True), *((change, False) for change in {list(FOR_GOOD.values())})]:
    if os.fork() == 0:
        exec(change)
        os._exit(pristine.as_it_was() != whole)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 0, change
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
