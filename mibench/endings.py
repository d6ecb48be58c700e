"""Code of others runs in this process: what it does to end it becomes an exception, which can be told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def outlived() -> Iterator[None]:
    """Within this block ``os._exit`` raises SystemExit: nobody shall take an end of that kind for a success.

    What ends a process from C, by a signal or by becoming another program is not held up. Children that are forked here
    may end.
    """
    end, own = os._exit, os.getpid()

    def refuse(status: int) -> NoReturn:
        if os.getpid() != own:
            end(status)
        raise SystemExit(f"os._exit({status})")

    os._exit = refuse
    try:
        yield
    finally:
        os._exit = end
