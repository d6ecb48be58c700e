"""A worker process from its start to its end: calls come in through a pipe, what they give goes back."""

from __future__ import annotations

import math
import os
import signal
import sys
import warnings
from multiprocessing.connection import Connection
from pickle import dumps  # by its own name, should a plug-in change the module

from mibench import runtime

from .pristine import Pristine, reseed
from .watchdog import watchdog
from .worker import lost


def serve(descriptor: int, parent: int, memory_limit: float, device: str | None, data_dir: str) -> None:
    """Answer calls until the pipe is closed. Each is first acknowledged with an empty message.

    No reaction to Ctrl-C, for the parent decides; memory_limit : GiB; device, data_dir : see :mod:`mibench.runtime`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.set_inheritable(descriptor, False)
    warnings.simplefilter("ignore", RuntimeWarning)  # 0/0 shows in the answer, and would tear the progress bar
    runtime.set_device(device)
    runtime.set_data_dir(data_dir)
    watchdog.start(memory_limit, parent)
    pipe: Connection[bytes, bytes] = Connection(descriptor)
    pristine = Pristine(memory_limit * 2**30)
    while True:
        try:
            pickled = pipe.recv_bytes()
        except (EOFError, OSError):
            return
        pipe.send_bytes(b"")
        pipe.send_bytes(_answered(pickled))
        if not pristine.restore():
            os.killpg(os.getpid(), signal.SIGKILL)  # with its children; the executor starts another


def _answered(pickled: bytes) -> bytes:
    import cloudpickle

    _as_new()
    reseed(pickled)
    try:
        with warnings.catch_warnings():
            answer = cloudpickle.loads(pickled)()
    except BaseException as error:
        answer = lost(error)
    finally:
        watchdog.allow(math.inf)
    return dumps(answer)


def _as_new() -> None:
    """Undo what a plug-in may have changed of torch, and keep it to one thread."""
    if "torch" in sys.modules:
        import torch

        # critics are small, and estimates run side by side in processes: more threads would only be in the way
        torch.set_num_threads(1)
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)
