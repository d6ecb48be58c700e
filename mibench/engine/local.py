"""Worker processes on this machine: killable, one batch each, with a hard time limit (Pebble)."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Self

from mibench.result import Status

from .worker import OOM_EXIT, TIMEOUT_EXIT, Answer, answer_batch, initialize

if TYPE_CHECKING:
    from .grid import Job

_START_UP = 120.0  # seconds that loading libraries and compiling may take
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


class LocalPool:
    """A pool of worker processes; use it as a context manager.

    Processes are spawned, never forked: a fork after torch has started threads can hang.

    workers : how many processes; memory_limit : GiB that each may use.
    """

    def __init__(self, workers: int, memory_limit: float) -> None:
        from pebble import ProcessPool

        self.memory_limit = memory_limit
        environment = dict.fromkeys(_THREADS, "1") | {k: v for k, v in os.environ.items() if k.startswith("MIBENCH_")}
        self._pool = ProcessPool(
            max_workers=workers,
            initializer=initialize,
            initargs=(memory_limit, environment),
            context=multiprocessing.get_context("spawn"),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def submit(self, jobs: Sequence[Job], seconds: float) -> Future[list[Answer]]:
        """Have a worker answer these jobs; ``seconds`` of wall time is the limit of each."""
        import cloudpickle

        # the worker keeps the limit itself; it is killed from outside where it has become deaf to its own clock
        patience = _START_UP + 2 * seconds * len(jobs)
        pickled = cloudpickle.dumps(list(jobs))
        future: Future[list[Answer]] = self._pool.schedule(answer_batch, args=(pickled, seconds), timeout=patience)
        return future

    def stop(self) -> None:
        """Kill what still runs and end all workers."""
        self._pool.stop()
        self._pool.join()

    def failure(self, error: BaseException, seconds: float) -> Answer:
        """What an exception of a future says about the one job it was for."""
        from pebble import ProcessExpired

        code = int(error.exitcode or 0) if isinstance(error, ProcessExpired) else 0
        if isinstance(error, TimeoutError) or code == TIMEOUT_EXIT:
            # a worker computes in one thread, so its CPU time is at most the wall time
            message = f"stopped at the time limit of {seconds:g} s."
            return Answer(Status.TIMEOUT, wall_s=seconds, cpu_s=seconds, message=message)
        if isinstance(error, ProcessExpired):
            if code == OOM_EXIT:
                return Answer(Status.OOM, message=f"used more than {self.memory_limit:g} GiB of memory.")
            how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
            return Answer(Status.CRASH, message=f"the worker process ended {how}.")
        return Answer(Status.ERROR, message=f"{type(error).__name__}: {error}")
