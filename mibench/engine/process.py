"""A worker process from its start to its end: calls come in through a pipe, what they give goes back."""

from __future__ import annotations

import math
import os
import signal
import warnings
from multiprocessing.connection import Connection
from os import _exit as exit_now  # by names of their own, should a plug-in change the modules
from pickle import dumps

from mibench import runtime

from . import pristine
from .watchdog import watchdog
from .worker import lost

NUMBER = 8
"""Bytes of the number of a call."""


def serve(descriptor: int, parent: int, memory_limit: float, device: str | None, data_dir: str) -> None:
    """Answer calls until the pipe is closed. Each begins with a number, which is sent back as soon as it is there.

    The number stands before the answer as well: what somebody else has written into the pipe is none. No reaction to
    Ctrl-C, for the parent decides; memory_limit : GiB; device, data_dir : see :mod:`mibench.runtime`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.set_inheritable(descriptor, False)
    warnings.simplefilter("ignore", RuntimeWarning)  # 0/0 shows in the answer, and would tear the progress bar
    runtime.set_device(device)
    runtime.set_data_dir(data_dir)
    watchdog.start(memory_limit, parent)
    pipe: Connection[bytes, bytes] = Connection(descriptor)
    own = os.getpid()
    pristine.keep(memory_limit * 2**30)
    while True:
        try:
            call = pipe.recv_bytes()
        except (EOFError, OSError):
            return
        number, pickled = call[:NUMBER], call[NUMBER:]
        pipe.send_bytes(number)
        answer = _answered(pickled)
        if os.getpid() != own:
            exit_now(0)  # a plug-in has forked, and its child takes itself for the worker
        pipe.send_bytes(number + answer)
        if not pristine.as_it_was():
            os.killpg(os.getpid(), signal.SIGKILL)  # with its children; the executor starts another


def _answered(pickled: bytes) -> bytes:
    import cloudpickle

    pristine.reseed(pickled)
    try:
        with warnings.catch_warnings():
            answer = cloudpickle.loads(pickled)()
    except BaseException as error:
        answer = lost(error)
    finally:
        watchdog.allow(math.inf)
    return dumps(answer)
