"""Plug-ins that misbehave in ways that only a process of their own survives; and cells that cost nothing."""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import decimal
import faulthandler
import gc
import itertools
import json
import os
import pickle
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import types
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import mibench
from mibench import Estimate, Estimator, Task
from mibench.estimator import Array

LEAKED: list[int] = []
KEPT: dict[Task, tuple[Array, Array]] = {}


@mibench.register_task("cheap")
class Cheap(Task):
    """X and Y are independent uniforms, of so many dimensions each."""

    dim: int = 1
    family = "cheap"
    mutual_information = 0.0

    @property
    def dim_x(self) -> int:
        return self.dim

    dim_y = dim_x

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        return rng.random((n, self.dim)), rng.random((n, self.dim))


@mibench.register_task("same")
class Same(Cheap):
    """Hands out the same arrays again and again."""

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        if self not in KEPT:
            KEPT[self] = super().draw(n, rng)
        return KEPT[self]


@mibench.register_estimator("quiet")
class Quiet(Estimator):
    """A function of the sample and the seed, so that a value that was moved is seen."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        return Estimate(float(np.mean(x * y)) + seed)


@mibench.register_estimator("rogue")
class Rogue(Quiet):
    """Does a deed first."""

    deed: str = "nothing"

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        getattr(self, f"_{self.deed}")(x, y)
        return super().estimate(x, y, seed)

    def _hang(self, x: Array, y: Array) -> None:
        ctypes.CDLL(None).sleep(1000)

    def _spin(self, x: Array, y: Array) -> None:
        ctypes.PyDLL(None).sleep(1000)  # holds the lock of the interpreter: deaf to its own clock

    def _fork(self, x: Array, y: Array) -> None:
        if os.fork() == 0:
            time.sleep(1000)

    def _child(self, x: Array, y: Array) -> None:
        subprocess.Popen(["sleep", "1000"])

    def _hog(self, x: Array, y: Array) -> None:
        kept = []
        while True:
            kept.append(np.ones(10**7))

    def _huge(self, x: Array, y: Array) -> None:
        np.ones(10**13)

    def _exit(self, x: Array, y: Array) -> None:
        os._exit(0)

    def _leave(self, x: Array, y: Array) -> None:
        sys.exit(0)

    def _interrupt(self, x: Array, y: Array) -> None:
        raise KeyboardInterrupt

    def _segfault(self, x: Array, y: Array) -> None:
        ctypes.string_at(0)

    def _abort(self, x: Array, y: Array) -> None:
        os.abort()

    def _stop(self, x: Array, y: Array) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    def _shout(self, x: Array, y: Array) -> None:
        for _ in range(100):
            os.write(1, b"output " * (10**6 // 7))

    def _flood(self, x: Array, y: Array) -> None:
        for _ in range(500):
            os.write(1, b"output\n" * (2**20 // 7))
            os.write(2, b"o" * 2**20)

    def _tell(self, x: Array, y: Array) -> None:
        raise ValueError("much " * 20_000_000)

    def _nap(self, x: Array, y: Array) -> None:
        time.sleep(2.0)

    def _deaf(self, x: Array, y: Array) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        time.sleep(1000)

    def _patch(self, x: Array, y: Array) -> None:
        hours = itertools.count()
        time.time = time.monotonic = time.perf_counter = lambda: next(hours) * 3600.0
        os._exit = lambda code: None  # type: ignore[assignment,return-value]
        json.dumps = pickle.dumps = np.linalg.norm = lambda *_, **__: "broken"  # type: ignore[assignment]
        Cheap.draw = lambda self, n, rng: (np.ones((n, 1)), np.ones((n, 1)))  # type: ignore[method-assign]
        mibench.Task.sample = Cheap.draw  # type: ignore[assignment]

    def _jump(self, x: Array, y: Array) -> None:
        real, hours = time.time, random.Random(int(1e9 * x[0, 0]))
        time.time = lambda: real() + hours.choice([-1, 1]) * hours.expovariate(1 / 3600)

    def _strict(self, x: Array, y: Array) -> None:
        np.seterr(all="raise")
        warnings.simplefilter("error")

    def _alarm(self, x: Array, y: Array) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        signal.setitimer(signal.ITIMER_PROF, 0.2)

    def _daemon(self, x: Array, y: Array) -> None:
        twice = "os.fork() == 0 and os.setsid() is None and os.fork() == 0"
        code = f"import os\nif {twice}: os.execlp('sleep', 'sleep', '1000')"
        subprocess.run([sys.executable, "-c", code], check=True)

    def _bomb(self, x: Array, y: Array) -> None:
        for _ in range(1000):
            if os.fork() == 0:
                time.sleep(1000)
        time.sleep(1000)

    def _limits(self, x: Array, y: Array) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
        os.nice(5)

    def _stdio(self, x: Array, y: Array) -> None:
        for descriptor in (0, 1, 2):
            os.close(descriptor)

    def _leak(self, x: Array, y: Array) -> None:
        LEAKED.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(900))

    def _lost(self, x: Array, y: Array) -> None:
        folder = tempfile.mkdtemp()
        os.chdir(folder)
        os.rmdir(folder)

    def _warn(self, x: Array, y: Array) -> None:
        warnings.warn("look at this", stacklevel=1)
        print("and at this", file=sys.stderr)

    def _close(self, x: Array, y: Array) -> None:
        os.closerange(3, 256)

    def _through(self, x: Array, y: Array) -> None:
        os.fork()  # and the child goes on as if it were the worker

    def _late(self, x: Array, y: Array) -> None:
        if os.fork() == 0:
            if os.fork():
                os._exit(0)
            time.sleep(0.5)  # answers when others are asked
        else:
            os.wait()

    def _garbage(self, x: Array, y: Array) -> None:
        for descriptor in range(3, 64):
            with contextlib.suppress(OSError):
                os.write(descriptor, b"no answer")

    def _blank(self, x: Array, y: Array) -> None:
        for descriptor in range(3, 64):
            with contextlib.suppress(OSError):
                os.write(descriptor, bytes(4))

    def _later(self, x: Array, y: Array) -> None:
        faulthandler.dump_traceback_later(0.2, exit=True)
        gc.callbacks.append(lambda *_: os.abort())
        gc.disable()
        threading.settrace(lambda *_: os.abort())

    def _audit(self, x: Array, y: Array) -> None:
        armed: list[int] = []
        sys.addaudithook(lambda event, _: os.abort() if armed and event == "compile" else None)
        armed.append(1)

    def _modules(self, x: Array, y: Array) -> None:
        sys.modules["json"] = sys.modules["mibench.result"] = types.ModuleType("empty")
        builtins.__import__ = lambda *_: json

    def _torch(self, x: Array, y: Array) -> None:
        import torch

        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.use_deterministic_algorithms(True)
        torch.nn.functional.relu = torch.matmul = lambda *_: None  # type: ignore[assignment]
        torch.inference_mode().__enter__()

    def _mutate(self, x: Array, y: Array) -> None:
        x[:] = np.nan
        y[:] = np.inf

    def _seeds(self, x: Array, y: Array) -> None:
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002

    def _threads(self, x: Array, y: Array) -> None:
        for _ in range(20):
            threading.Thread(target=time.sleep, args=(1000,)).start()

    def _settings(self, x: Array, y: Array) -> None:
        os.chdir("/")
        os.environ.clear()
        sys.setrecursionlimit(100)
        sys.path.clear()


class Wordless(Exception):
    """Cannot be printed, and cannot be sent."""

    def __str__(self) -> str:
        raise KeyboardInterrupt

    def __reduce__(self) -> Any:
        raise RuntimeError("stay")


class Stop(BaseException):
    """What nobody catches."""


class Slow:
    """Is loath to go."""

    def __del__(self) -> None:
        time.sleep(1000)


class Eternal(Mapping[str, Any]):
    """Has no end."""

    def __iter__(self) -> Any:
        return map(str, itertools.count())

    def __len__(self) -> int:
        return 2**60

    def __getitem__(self, key: str) -> Any:
        return key


def _cycle() -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["self"] = [found]
    return found


ANSWERS: dict[str, Any] = {
    "float32": lambda: Estimate(np.float32(0.5)),  # type: ignore[arg-type]
    "array": lambda: Estimate(np.array(0.5)),  # type: ignore[arg-type]
    "decimal": lambda: Estimate(decimal.Decimal("0.5")),  # type: ignore[arg-type]
    "yes": lambda: Estimate(True),
    "complex": lambda: Estimate(0.5 + 1j),  # type: ignore[arg-type]
    "nothing": lambda: Estimate(None),  # type: ignore[arg-type]
    "text": lambda: Estimate("much"),  # type: ignore[arg-type]
    "matrix": lambda: Estimate(np.ones((2, 2))),  # type: ignore[arg-type]
    "digits": lambda: Estimate(10**400),
    "large": lambda: Estimate(1e200),
    "endlessly": lambda: Estimate(float("-inf")),
    "bare": lambda: 0.5,
    "void": lambda: None,
    "stderr": lambda: Estimate(0.5, stderr=float("nan")),
    "negative": lambda: Estimate(0.5, stderr=-1.0),
    "odd-stderr": lambda: Estimate(0.5, stderr="x"),  # type: ignore[arg-type]
    "no-diagnostics": lambda: Estimate(0.5, diagnostics=None),  # type: ignore[arg-type]
    "odd-diagnostics": lambda: Estimate(0.5, diagnostics=[{1, 2}]),  # type: ignore[arg-type]
    "gaps": lambda: Estimate(0.5, diagnostics={"a": float("nan"), "b": [float("inf")], "c": np.float64("nan")}),
    "cycle": lambda: Estimate(0.5, diagnostics=_cycle()),
    "keys": lambda: Estimate(0.5, diagnostics={1: 2, None: 3, (1, 2): 4, b"x": 5, "\ud800": 6}),  # type: ignore[dict-item]
    "huge": lambda: Estimate(0.5, diagnostics={"a": "x" * 10**8, "b": list(range(10**6)), "c": set(range(10**6))}),
    "digits-inside": lambda: Estimate(0.5, diagnostics={"a": 10**5000, "b": -(2**64)}),
    "things": lambda: Estimate(0.5, diagnostics={"a": object(), "b": Wordless(), "c": Quiet, "d": (i for i in "ab")}),
    "endless": lambda: Estimate(0.5, diagnostics=Eternal()),
    "curve": lambda: Estimate(0.5, curve={"step": range(10**7), "mi": [0.0] * 10**7}),
    "odd-curve": lambda: Estimate(0.5, curve=[1, 2]),  # type: ignore[arg-type]
    "uneven": lambda: Estimate(0.5, curve={"step": [1, 2], "mi": [1.0]}),
    "wordless": lambda: _raise(Wordless()),
    "stop": lambda: _raise(Stop("here")),
    "liar": lambda: _lie(),
    "group": lambda: _raise(ExceptionGroup("two", [ValueError("a"), Wordless()])),
    "chain": lambda: _raise(ValueError("a"), Wordless()),
    "slow": lambda: Estimate(0.5, diagnostics={"a": Slow()}),
}
"""What an estimator may hand back, or raise."""


def _lie() -> None:
    class Lies(type):
        def __getattribute__(cls, name: str) -> Any:
            raise RuntimeError(name)

    class Liar(Exception, metaclass=Lies):
        pass

    raise Liar


def _raise(error: BaseException, cause: BaseException | None = None) -> None:
    raise error from cause


@mibench.register_estimator("odd")
class Odd(Estimator):
    """Hands back something odd."""

    answer: str

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        return ANSWERS[self.answer]()  # type: ignore[no-any-return]


@mibench.register_estimator("lazy")
class Lazy(Quiet):
    """Computes when its answers are looked at, and gives as many as it likes."""

    extra: int = 0
    capabilities = mibench.Capabilities(max_batch=8)

    def estimate_batch(self, xs: Sequence[Array], ys: Sequence[Array], seeds: Sequence[int]) -> Any:
        for x, y, seed in itertools.islice(zip(xs, ys, seeds, strict=True), len(xs) + min(0, self.extra)):
            end = time.process_time() + 0.05
            while time.process_time() < end:
                pass
            yield self.estimate(x, y, seed)
        for _ in range(self.extra):
            yield Estimate(0.0)
