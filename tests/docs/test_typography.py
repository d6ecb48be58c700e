"""Plain formulas set in HTML, LaTeX in MathML: no letter is lost, no code is touched."""

from __future__ import annotations

import html
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from mibench.registry import estimators, tasks
from mibench.report.docstring import documented

SITE = Path(__file__).parents[2] / "docs" / "_site"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SITE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def typography() -> ModuleType:
    return load("typography")


def paragraphs() -> Iterator[str]:
    for registry in (estimators, tasks):
        for name in registry.names():
            yield from documented(registry.factory(name)).paragraphs


@pytest.mark.parametrize(
    ("plain", "set_"),
    [
        ("I >= E_p f - E_q e^(f - 1)", "<i>I</i> ≥ <i>E</i><sub><i>p</i></sub> <i>f</i> − "
         "<i>E</i><sub><i>q</i></sub> <i>e</i><sup><i>f</i> − 1</sup>"),
        ("-1/2 log(1 - rho_i^2)", "−½ log(1 − ρ<sub><i>i</i></sub><sup>2</sup>)"),
        ("F^-1(Phi(v))", "<i>F</i><sup>−1</sup>(Φ(<i>v</i>))"),
        ("W ~ chi^2_dof", "<i>W</i> ∼ χ<sub>dof</sub><sup>2</sup>"),
        ("see ``max_steps`` and ``x^2``", "see `max_steps` and `x^2`"),
        ("A sentence is left alone.", "A sentence is left alone."),
        ("a < b & *c*", "a &lt; <i>b</i> &amp; &#42;<i>c</i>&#42;"),
    ],
)  # fmt: skip
def test_formulas_are_set(typography: ModuleType, plain: str, set_: str) -> None:
    assert typography.prose(plain) == set_


def test_no_letter_of_any_docstring_is_lost(typography: ModuleType) -> None:
    signs = {
        "−": "-",
        "≥": ">=",
        "≤": "<=",
        "→": "->",
        "∼": "~",
        "…": "...",
        "×": "x",
        "·": ".",
        "√": "sqrt",
        "½": "1/2",
    }
    signs |= {"⟨": "<", "⟩": ">"} | {greek: latin for latin, greek in typography.GREEK.items() if latin != "epsilon"}
    count = 0
    for text in paragraphs():
        shown = html.unescape(re.sub(r"</?(?:i|sub|sup)>", "", typography.prose(text)))
        back, told = ("".join(signs.get(letter, letter) for letter in t) for t in (shown, text))
        assert sorted(re.sub(r"[\s^_()`]", "", back)) == sorted(re.sub(r"[\s^_()`]", "", told)), text
        count += 1
    assert count > 150


def test_marks_come_in_pairs(typography: ModuleType) -> None:
    for text in paragraphs():
        found = re.findall(r"<(/?)(i|sub|sup)>", typography.prose(text))
        open_: list[str] = []
        for closing, mark in found:
            if closing:
                assert open_.pop() == mark, text
            else:
                open_.append(mark)
        assert not open_, text


def test_latex_outside_code_becomes_mathml(typography: ModuleType) -> None:
    pytest.importorskip("latex2mathml")
    kept: list[str] = []

    def keep(formula: str) -> str:
        kept.append(formula)
        return f"<{len(kept) - 1}>"

    text = "From $a_1$ to `$HOME`, for $5.\n\n```sh\necho $PATH $HOME\n```\n\n$$\\frac{1}{2}$$\n"
    assert typography.lift_latex(text, keep) == text.replace("$a_1$", "<0>").replace("$$\\frac{1}{2}$$", "<1>")
    assert all(formula.startswith("<math") for formula in kept) and "<mfrac>" in kept[1]


def test_a_flow_chart_becomes_a_picture_with_every_box_and_arrow() -> None:
    page = (SITE.parent / "architecture.md").read_text(encoding="utf-8")
    drawn = load("diagrams").drawn(page)
    assert "```mermaid" in page and "```mermaid" not in drawn
    assert drawn.count("<rect") == 16 and drawn.count('class="head"') == 23
    places = re.findall(r'<rect x="(\d+)" y="(\d+)"', drawn)
    assert len(set(places)) == 16
