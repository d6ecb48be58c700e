"""Commands that start in no time: a process that has loaded mibench forks for each, and the child is as a fresh one.

Run as a script this is that process: it reads requests, a line of JSON each, and answers likewise.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 60.0
"""Seconds after which a command is killed, for a machine that does other things beside it."""
_MEMORY = 24 << 30
_LOADED = (
    *("mibench.api", "mibench.cli.commands", "mibench.integration", "mibench.report.html", "mibench.report.terminal"),
    *("mibench.report.comparison", "mibench.report.gallery", "mibench.report.figures", "mibench.report.pictures"),
    *("mibench.submission", "mibench.samples", "mibench.checks", "mibench.dependence.screen", "mibench.advice.verdict"),
    *("mibench.mlflow.group", "mibench.report.markdown", "mibench.samples.arrays", "pandas", "matplotlib.pyplot"),
    "importlib.readers",  # which nobody may not load where Python is somebody's own
)


@dataclass(frozen=True)
class Done:
    """How a command ended; cpu : seconds, memory : most bytes that were resident; code is None where it was killed."""

    code: int | None
    out: str
    err: str
    seconds: float
    cpu: float
    memory: int


class Forks:
    """The process that forks; folder : for what the commands say."""

    def __init__(self, folder: Path) -> None:
        self._said = folder
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder
        )

    def __call__(self, folder: Path, *arguments: str, nobody: bool = False, **environment: str) -> Done:
        """Run ``mibench`` with arguments in a folder; nobody : as a user who owns nothing."""
        asked = {"folder": str(folder), "arguments": arguments, "said": str(self._said), "nobody": nobody}
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({**asked, "environment": environment}) + "\n")
        self._process.stdin.flush()
        return Done(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def _answered(asked: dict[str, Any]) -> dict[str, Any]:
    out, err = (os.path.join(asked["said"], name) for name in ("out", "err"))
    for path in (out, err):
        open(path, "w").close()
        os.chmod(path, 0o666)
    began = time.monotonic()
    if (child := os.fork()) == 0:
        _become(asked, out, err)
    code: int | None = None
    while True:
        found, status, used = os.wait4(child, os.WNOHANG)
        if found:
            code = os.waitstatus_to_exitcode(status)
            break
        if time.monotonic() > began + PATIENCE:
            os.killpg(child, signal.SIGKILL)
            _, _, used = os.wait4(child, 0)
            break
        time.sleep(0.005)
    said = {name: Path(path).read_bytes().decode(errors="replace") for name, path in (("out", out), ("err", err))}
    seconds, cpu = time.monotonic() - began, used.ru_utime + used.ru_stime
    return {"code": code, **said, "seconds": seconds, "cpu": cpu, "memory": used.ru_maxrss << 10}


def _become(asked: dict[str, Any], out: str, err: str) -> None:
    os.setsid()
    streams = (("stdin", os.devnull, "r"), ("stdout", out, "w"), ("stderr", err, "w"))
    for number, (name, path, mode) in enumerate(streams):
        os.dup2(os.open(path, os.O_RDONLY if mode == "r" else os.O_WRONLY), number)
        setattr(sys, name, os.fdopen(number, mode))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    os.chdir(asked["folder"])
    os.environ.update({"MIBENCH_DEVICE": "cpu", "MIBENCH_TRACEBACK": "", **asked["environment"]})
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    if asked["nobody"]:
        os.setgid(65534)
        os.setuid(65534)
    sys.argv[:] = ["mibench", *asked["arguments"]]
    from mibench.cli import main

    main()


def _serve() -> None:
    from importlib import import_module

    from mibench.discovery import discover

    for name in _LOADED:
        import_module(name)
    discover()
    for line in sys.stdin:
        answer = _answered(json.loads(line))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve()
