"""``python -m mibench`` and the console script: the command line, which an interrupt ends well from its first line."""

import _signal  # type: ignore[import-not-found]  # at hand without an import that an interrupt could meet
import os
import sys


def _end(*_: object) -> None:
    os.write(2, b"interrupted before anything was begun.\n")
    os._exit(130)


if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _end)
    _signal.signal(_signal.SIGTERM, _end)
    _signal.signal(_signal.SIGHUP, _end)

if __name__ == "__main__" and not sys.flags.safe_path:
    sys.path.append(sys.path.pop(0))  # a file of this folder must not stand in for a module of the same name

from .cli import main  # noqa: E402

if __name__ == "__main__":
    main()
