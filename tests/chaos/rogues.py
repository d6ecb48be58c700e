"""Plug-ins that misbehave in ways that only a process of their own survives; and cells that cost nothing."""

from __future__ import annotations

import ctypes
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
import warnings

import numpy as np

import mibench
from mibench import Estimate, Estimator, Task
from mibench.estimator import Array

LEAKED: list[int] = []


@mibench.register_task("cheap")
class Cheap(Task):
    """X and Y are independent uniforms."""

    family = "cheap"
    dim_x = dim_y = 1
    mutual_information = 0.0

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        return rng.random((n, 1)), rng.random((n, 1))


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
