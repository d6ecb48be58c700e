"""mibench: which mutual-information estimator can you trust, on data like yours, at what cost?

The public names stand in ``__init__.pyi`` and load on first use, so that ``import mibench`` costs nothing.
"""


def _public():  # type: ignore[no-untyped-def]  # the stub is what type checkers read
    """Modules by the public name that they define."""
    import os
    import re

    with open(os.path.join(__path__[0], "__init__.pyi"), encoding="utf-8") as file:
        stub = file.read()
    return {name: module for module, name in re.findall(r"^from (\S+) import (\w+) as", stub, re.MULTILINE)}


_MODULES = _public()
__all__ = sorted([*_MODULES, "__version__"])


def __getattr__(name):  # type: ignore[no-untyped-def]
    from importlib import import_module, metadata

    if name == "__version__":
        value = metadata.version("mibench")
    elif name in _MODULES:
        value = getattr(import_module(_MODULES[name], __name__), name)
    else:
        raise AttributeError(f"module 'mibench' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__():  # type: ignore[no-untyped-def]
    return __all__
