"""Selectors: how a plug-in with parameters is written as text, ``name[key=value,...]``.

Values are numbers, ``true``/``false``/``none``, words, tuples ``(1 2 3)`` and, nested, further selectors:
``asinh[base=student-t[dof=1,dim_x=2]]``. Formatting and parsing are inverse to each other; what the values mean is
the registry's business.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

from .errors import UsageError

_OPENING, _CLOSING = "[(", "])"
_MOST_BRACKETS = 32  # in one selector


def format_selector(name: str, params: Mapping[str, Any]) -> str:
    """Write ``name[key=value,...]``, or the bare name where there are no parameters."""
    if not params:
        return name
    return name + "[" + ",".join(f"{key}={format_value(value)}" for key, value in params.items()) + "]"


def format_value(value: Any) -> str:
    """One parameter value as it stands in a selector."""
    label = getattr(value, "label", None)  # a nested plug-in; it is long to say where it is deep, so once
    if label is not None:
        return str(label)
    if isinstance(value, Enum):
        return format_value(value.value)
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    if isinstance(value, (tuple, list)):
        return "(" + " ".join(format_value(item) for item in value) + ")"
    return repr(value) if isinstance(value, float) else str(value)


def parse_selector(text: str) -> tuple[str, dict[str, Any]]:
    """Read ``name[key=value,...]`` into the name and its parameters; nested selectors stay text.

    Raises
    ------
    UsageError : unbalanced brackets or too many, an empty name, a parameter without ``=`` or given twice.
    """
    text = text.strip()
    if text.count("[") + text.count("(") > _MOST_BRACKETS or not text.isprintable():
        raise UsageError(f"cannot read the selector {text[:40]!a}: too many brackets, or no text.")
    name, bracket, rest = text.partition("[")
    name = name.strip()
    if not name or any(c in name for c in "]=,()"):
        raise UsageError(f"cannot read the selector '{text}': write NAME or NAME[key=value,...].")
    if not bracket:
        return name, {}
    if not rest.endswith("]"):
        raise UsageError(f"cannot read the selector '{text}': the bracket after '{name}' is not closed at the end.")
    params: dict[str, Any] = {}
    for item in _split(rest[:-1], ",", text):
        key, equals, value = item.partition("=")
        key = key.strip()
        if not equals or not key or not value.strip():
            raise UsageError(f"cannot read '{item.strip()}' in the selector '{text}': write key=value.")
        if key in params:
            raise UsageError(f"'{key}' is given twice in the selector '{text}'.")
        params[key] = parse_value(value)
    return name, params


def parse_value(text: str) -> Any:
    """One parameter value: a number, ``true``/``false``/``none``, a tuple ``(a b)``, or the text itself."""
    text = text.strip()
    if text.startswith("(") and text.endswith(")"):
        return tuple(parse_value(item) for item in _split(text[1:-1], " ", text))
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        value = json.loads(text)
    except ValueError:
        return _number_or_text(text)
    return value if isinstance(value, (int, float)) else text


def _number_or_text(text: str) -> Any:
    try:
        return float(text)  # .5, 1., inf: what people type and JSON refuses
    except ValueError:
        return text


def _split(text: str, separator: str, whole: str) -> list[str]:
    """Split at separators outside any bracket; empty text gives no items."""
    items, depth, start = [], 0, 0
    for i, character in enumerate(text):
        depth += (character in _OPENING) - (character in _CLOSING)
        if depth < 0:
            break
        if character == separator and depth == 0:
            items.append(text[start:i])
            start = i + 1
    if depth != 0:
        raise UsageError(f"the brackets in '{whole}' do not match.")
    items.append(text[start:])
    return [item for item in items if item.strip()]
