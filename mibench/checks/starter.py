"""A first file of one's own: an estimator or a task that keeps the contract, to be changed into something new."""

from __future__ import annotations

import importlib.util
import keyword
import re
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Literal

from mibench import registry
from mibench.errors import UsageError

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 40
"""Letters of a name that fits a table and the lines of the file."""


def start(kind: Literal["estimator", "task"], name: str, folder: Path) -> Path:
    """Write a file that registers a working plug-in under ``name``: ``my-task`` goes to ``my_task.py`` in ``folder``.

    Raises
    ------
    UsageError : a name that is taken or cannot be used, or a file that is there already or cannot be written.
    """
    module = _usable(kind, name).replace("-", "_")
    path = folder / f"{module}.py"
    if not path.exists() and (keyword.iskeyword(module) or importlib.util.find_spec(module) is not None):
        raise UsageError(
            f"a file '{path.name}' would hide Python's '{module}' from programs here: choose another name."
        )
    template = Template((files(__package__) / "templates" / f"{kind}.txt").read_text(encoding="utf-8"))
    text = template.substitute(name=name, file=path.name, class_name=_class_name(kind, name, template))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"'{path.name}' is there already and stays as it is: choose another name.") from None
    except OSError as error:
        raise UsageError(f"cannot write '{path.name}': {error.strerror or error}.") from None
    return path


def _usable(kind: str, name: str) -> str:
    """The name, which nobody else has."""
    if not _NAME.fullmatch(name) or len(name) > LONGEST:
        raise UsageError(
            f"'{name}' cannot name a new {kind}: use at most {LONGEST} small letters and digits, words joined by "
            f"single hyphens, such as 'my-{kind}'."
        )
    for taken in (registry.estimators, registry.tasks):
        if name in taken.names():
            raise UsageError(f"the name '{name}' is taken by the {taken.kind} in {taken.source(name)}: choose another.")
    return name


def _class_name(kind: str, name: str, template: Template) -> str:
    """``my-task`` as ``MyTask``; what the file has a use for already gets the kind behind it."""
    words = "".join(part.capitalize() for part in name.split("-"))
    spoken_for = re.findall(r"\w+", template.template)
    return words + kind.capitalize() if keyword.iskeyword(words) or words in spoken_for else words
