"""Files with plug-ins of somebody's own: where they are, and what to say of those that cannot be imported."""

from __future__ import annotations

import ast
import importlib.util
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from .errors import UsageError

_OURS = tuple(str(Path(__file__).with_name(name)) for name in ("registry.py", "discovery.py", "endings.py"))
"""Where a plug-in's error did not come from."""
_INSTALLED = frozenset({"site-packages", "dist-packages"})
"""Folders in which packages lie that were installed."""
_LARGEST = 4 << 20  # bytes of a file of plug-ins
_LONGEST = 500  # characters of what an exception says


def source_file(path: Path) -> Path:
    """Where the file really is.

    Raises
    ------
    UsageError : there is none, it cannot be read, or it is too large for anybody to have written it.
    """
    try:
        found = path.resolve(strict=True)
        kind = "" if found.is_file() else "a folder" if found.is_dir() else "no file"
        large = not kind and found.stat().st_size > _LARGEST
        if not kind:
            found.open("rb").close()
    except FileNotFoundError:
        raise UsageError(f"cannot include '{path}': there is no such file.") from None
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links is a RuntimeError
        raise UsageError(f"cannot include '{path}': {getattr(error, 'strerror', None) or error}.") from None
    if kind:
        raise UsageError(f"cannot include '{path}': it is {kind}.")
    if large:
        raise UsageError(f"cannot include '{path}': it is larger than {_LARGEST >> 20} MiB.")
    return found


def neighbours(path: Path) -> dict[str, str]:
    """Modules that a Python file imports, also within functions, and that are not installed: where each lies."""
    tree = ast.parse(path.read_bytes())
    asked = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    asked += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level]
    found = {}
    for name in sorted({module.partition(".")[0] for module in asked} - sys.stdlib_module_names - {"", __package__}):
        with suppress(ImportError, ValueError):  # one that is half imported, or has no place
            spec = importlib.util.find_spec(name)
            places = [spec.origin] if spec and spec.origin else spec and list(spec.submodule_search_locations or ())
            if places and not _INSTALLED & set(Path(places[0]).parts):
                found[name] = places[0]
    return found


def described(error: BaseException) -> str:
    """What happened and where: ``ValueError: no such thing (plugin.py, line 3)``."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename not in _OURS]
    there = frames and not frames[-1].filename.startswith("<")  # not where Python itself gave up
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if there else ""
    try:
        name, said = type(error).__name__, " ".join(str(error).split()).rstrip(".")
    except BaseException:  # what it says of itself is a plug-in's too
        name, said = "an exception that does not say what it is", ""
    said = said if len(said) <= _LONGEST else f"{said[:_LONGEST]} …"
    return f"{name}{': ' * bool(said)}{said}{where}"


def remedy(path: Path, error: BaseException) -> str:
    """A sentence, after a blank, on what helps a file that was included and uses others; none where that is not known.

    A file is imported by its path and by itself: its folder is not searched, in which a file may be called as a module
    that somebody else wants.
    """
    if not isinstance(error, ImportError):
        return ""
    if "relative import" in str(error):
        package = path.parent
        return f" Import from '{package.name}' by its name, and set PYTHONPATH={package.parent}: it is imported alone."
    module = (error.name or "").partition(".")[0]
    for folder in (path.parent, path.parent.parent):
        if module and ((folder / f"{module}.py").is_file() or (folder / module).is_dir()):
            return f" '{module}' lies in {folder}: set PYTHONPATH={folder} for it to be found."
    return ""
