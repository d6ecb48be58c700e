"""Write the generated parts of estimators.md anew from the registry: ``python docs/refresh_estimators.py``.

They stand between ``<!-- NAME -->`` and ``<!-- end -->``; the text around them, caveats included, is written by hand. A
test fails while the page and the registry differ.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from mibench.estimator import Estimator
from mibench.parameters import constructor
from mibench.registry import estimators
from mibench.selector import format_value

PAGE = Path(__file__).parent / "estimators.md"
BLOCK = re.compile(r"<!-- (table|cards) -->\n.*?<!-- end -->\n", re.DOTALL)


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(refreshed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def refreshed(page: str) -> str:
    """The page with its generated parts as the registry has them now."""
    parts = {"table": table(), "cards": cards()}
    return BLOCK.sub(lambda match: f"<!-- {match[1]} -->\n{parts[match[1]]}<!-- end -->\n", page)


def built_in() -> list[str]:
    """The names that mibench itself registers, sorted."""
    return sorted(name for name in estimators.names() if estimators.factory(name).__module__.startswith("mibench."))


def table() -> str:
    """One line per name: its kind, what it is, what it needs."""
    lines = ["| name | kind | what it is | least n | data | fused | memory, GiB |", "|---|---|---|---:|---|---:|---:|"]
    for name in built_in():
        estimator = estimators.create(name)
        able = estimator.capabilities
        cells = [
            f"[`{name}`](#{name})" if inspect.isclass(estimators.factory(name)) else f"`{name}`",
            "reads the task" if able.reads_task else estimator.kind.value,
            " ".join(paragraphs(name)[0].split()),
            str(able.min_n),
            "any" if able.discrete else "continuous",
            str(able.max_batch) if able.max_batch > 1 else "",
            "" if able.memory is None else f"{able.memory:g}",
        ]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def cards() -> str:
    """A section per estimator: what it trains on and reports, its defaults and its source."""
    return "\n".join(card(name) for name in built_in() if inspect.isclass(estimators.factory(name)))


def card(name: str) -> str:
    """One section."""
    estimator = estimators.create(name)
    lines = [f"### {name}", "", *(f"{text}\n" for text in paragraphs(name))]
    bound = estimator.bound()
    if bound is not None:
        first, loss = (prose(inspect.getdoc(of) or "")[0] for of in (type(bound), type(bound).loss))
        lines += [f"* Bound: {first}", f"* Trained on: {sentence(loss)}"]
    hyperparameters = defaults(estimator)
    if hyperparameters:
        lines.append(f"* Defaults: {hyperparameters}")
    if estimator.citation:
        lines.append(f"* Source: {estimator.citation}.")
    return "\n".join(lines).rstrip() + "\n"


def defaults(estimator: Estimator) -> str:
    """Every hyperparameter with its default, as one would type them."""
    typed = [
        f"`{key}={format_value(p.default)}`"
        for key, p in constructor(type(estimator)).parameters.items()
        if p.default is not p.empty
    ]
    return ", ".join(typed)


def paragraphs(name: str) -> list[str]:
    """The docstring behind a name, as Markdown."""
    return prose(inspect.getdoc(estimators.factory(name)) or "")


def prose(text: str) -> list[str]:
    """Paragraphs as Markdown; a paragraph of hyperparameters (``name : meaning``) as a list."""
    found = []
    text = re.sub(r"^Parameters\n-+\n", "", text, flags=re.MULTILINE)
    for paragraph in re.sub(r"``(.*?)``", r"`\1`", text).split("\n\n"):
        entries = re.split(r"\n(?=\S)", paragraph)
        if all(re.match(r"[\w, ]+ : ", entry) for entry in entries):
            listed = (entry.split(" : ", 1) for entry in entries)
            paragraph = "\n".join(f"* `{names}`: {' '.join(meaning.split())}" for names, meaning in listed)
        else:
            paragraph = " ".join(paragraph.split())
        found.append(paragraph.replace("<", "\\<").replace("E_", "E\\_").replace("K_", "K\\_"))
    return found


def sentence(text: str) -> str:
    """With a small first letter, to stand after a colon."""
    return text[:1].lower() + text[1:]


if __name__ == "__main__":
    main()
