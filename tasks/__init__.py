"""The built-in tasks, one file per family: importing this package imports, and so registers, every file in it.

Every registered class is here under its own name too: ``from mibench.tasks import Asinh, StudentT``.
"""

import sys
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from .student import StudentT

for _module in iter_modules(__path__):
    if not _module.name.startswith("_"):
        _found = import_module(f"{__name__}.{_module.name}")
        for _name in getattr(_found, "PLUGINS", ()):
            import_module(f"{_found.__name__}.{_name}")

_classes = {
    name: value
    for module, found in sorted(sys.modules.items())
    if module.startswith(f"{__name__}.")
    for name, value in vars(found).items()
    if isinstance(value, type) and vars(value).get("registered_name")
}
globals().update(_classes)
__all__ = ["StudentT", *_classes]

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
