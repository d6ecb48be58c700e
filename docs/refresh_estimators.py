"""Write the generated parts of estimators.md anew from the registry: ``python docs/refresh_estimators.py``.

They stand between ``<!-- NAME -->`` and ``<!-- end -->``; the text around them, caveats included, is written by hand. A
test fails while the page and the registry differ.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from mibench.estimators.critics.base import FreeCritic, Variational
from mibench.estimators.densities.gmm import OfMixture
from mibench.estimators.densities.trained import Trained
from mibench.estimators.learned import Learned

from mibench.registry import estimators
from mibench.report.cards import parameters
from mibench.report.docstring import documented, parse

PAGE = Path(__file__).parent / "estimators.md"
BLOCK = re.compile(r"<!-- (table|shared|cards) -->\n.*?<!-- end -->\n", re.DOTALL)


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(refreshed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def refreshed(page: str) -> str:
    """The page with its generated parts as the registry has them now."""
    parts = {"table": table(), "shared": shared(), "cards": cards()}
    return BLOCK.sub(lambda match: f"<!-- {match[1]} -->\n{parts[match[1]]}<!-- end -->\n", page)


def built_in() -> list[str]:
    """The names that mibench itself registers, sorted."""
    return sorted(name for name in estimators.names() if estimators.factory(name).__module__.startswith("mibench."))


def table() -> str:
    """One line per name: its kind, what it is, what it needs."""
    lines = ["| name | kind | what it is | least n | data | fused | memory, GiB |", "|---|---|---|---:|---|---:|---:|"]
    for name in built_in():
        factory, estimator = estimators.factory(name), estimators.create(name)
        able = estimator.capabilities
        cells = [
            f"[`{name}`](#{name})" if inspect.isclass(factory) else f"`{name}`",
            "reads the task" if able.reads_task else estimator.kind.value,
            markdown(documented(factory).summary),
            str(able.min_n),
            "letters" if able.letters else "any" if able.discrete else "continuous",
            str(able.max_batch) if able.max_batch > 1 else "",
            "" if able.memory is None else f"{able.memory:g}",
        ]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def shared() -> str:
    """What the hyperparameters mean that estimators which train share, from the widest family to the narrowest."""
    families = {
        "All that train": Learned,
        "Critics": Variational,
        "Free critics": FreeCritic,
        "Densities": Trained,
        "Mixtures": OfMixture,
    }
    lists = (f"{title}:\n\n{prose(inspect.getdoc(family) or '')[-1]}\n" for title, family in families.items())
    return "\n".join(lists)


def cards() -> str:
    """A section per estimator: what it trains on and reports, its defaults and its source."""
    return "\n".join(card(name) for name in built_in() if inspect.isclass(estimators.factory(name)))


def card(name: str) -> str:
    """One section."""
    factory, estimator = estimators.factory(name), estimators.create(name)
    lines = [f"### {name}", "", *(f"{text}\n" for text in prose(inspect.getdoc(factory) or ""))]
    bound = estimator.bound()
    if bound is not None:
        first, loss = (markdown(documented(of).summary) for of in (type(bound), type(bound).loss))
        lines += [f"* Bound: {first}", f"* Trained on: {sentence(loss)}"]
    defaults = [f"`{p.name}={p.default}`" for p in parameters(factory, estimator) if p.default is not None]
    if defaults:
        lines.append(f"* Defaults: {', '.join(defaults)}")
    if estimator.citation:
        lines.append(f"* Source: {estimator.citation}.")
    return "\n".join(lines).rstrip() + "\n"


def prose(text: str) -> list[str]:
    """A docstring as Markdown: its paragraphs, then its parameters as a list."""
    docs = parse(text)
    listed = "\n".join(f"* `{names}`: {markdown(meaning)}" for names, meaning in docs.parameters.items())
    return [*map(markdown, docs.paragraphs), *filter(None, [listed])]


def markdown(text: str) -> str:
    """Text on one line, with code and without accidental markup."""
    text = re.sub(r"``(.*?)``", r"`\1`", " ".join(text.split()))
    return text.replace("<", "\\<").replace("E_", "E\\_").replace("K_", "K\\_")


def sentence(text: str) -> str:
    """With a small first letter, to stand after a colon."""
    return text[:1].lower() + text[1:]


if __name__ == "__main__":
    main()
