"""The built-in estimators, one file per family: importing this package imports, and so registers, every file in it.

Each class is here by its own name as well: ``from mibench.estimators import KSG, MINE``.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from mibench.registry import estimators as _registered

for _module in iter_modules(__path__):
    if not _module.name.startswith("_"):
        _found = import_module(f"{__name__}.{_module.name}")
        for _name in getattr(_found, "PLUGINS", ()):
            import_module(f"{_found.__name__}.{_name}")

_classes = _registered.classes(__name__)
globals().update(_classes)
__all__ = sorted(_classes)


def __dir__() -> list[str]:
    return __all__


if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
