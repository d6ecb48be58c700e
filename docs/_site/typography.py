"""Formulas on the site: docstrings' plain ones set as HTML, LaTeX in hand-written pages turned into MathML.

Both need nothing but the page itself: no script, no font, no network.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_LATIN = "alpha beta gamma delta eps epsilon theta kappa lambda mu pi rho sigma tau phi psi chi Phi Gamma Sigma"
GREEK = dict(zip(_LATIN.split(), "αβγδεεθκλμπρστφψχΦΓΣ", strict=True))
_WORD = "|".join(sorted(GREEK, key=len, reverse=True))
_GREEK = re.compile(rf"(?<![A-Za-z-])({_WORD})(?![A-Za-z])")
_SUB = re.compile(rf"(?<![A-Za-z])((?:[A-Za-z]'?|dim|{_WORD}|\)|\])(?:\^\d)?)_([A-Za-z0-9]{{1,3}})(?![A-Za-z0-9_])")
_SUPER = re.compile(rf"\^(\((?:[^()]|\([^()]*\))*\)|[-−]?(?:{_WORD}|dim|[A-Za-z0-9]+))")
_LETTER = re.compile(r"(?<![A-Za-z0-9'&;#-])(?:[b-hj-zB-HJ-Z]|a(?=[(']|\s?=)|I(?=[(_]|\s(?:≥|=)))(?![A-Za-z0-9-])")
_AVERAGE = re.compile(r"<((?=[A-Za-z(])[^<>=]*)>")
_SIGNS = [
    (r">=", "≥"),
    (r"<=", "≤"),
    (r"->", "→"),
    (r" ~ ", " ∼ "),
    (r"\.\.\.", "…"),
    (r"(?<=\d) ?x ?(?=\d)", " × "),
    (r"(?<=\)) \. (?=[a-z]\()", " · "),
    (r"(?<= )- (?=\S)", "− "),
    (r"(?:(?<=[=(^,:\[] )|(?<=[(^,\[])|^)-(?=[\dA-Za-z(∞])", "−"),
    (r"(?<=\w )-(?=\d)", "−"),
    (r"\bsqrt(?=[(|])", "√"),
    (r"(?<![\d/])1/2(?!\d)", "½"),
]
_MARKS = {"*": "&#42;", "_": "&#95;", "[": "&#91;", "]": "&#93;", "`": "&#96;", "\\": "&#92;", "|": "&#124;"}


def prose(text: str) -> str:
    """A docstring's paragraph as Markdown: formulas set in HTML, code as code, everything else literally."""
    pieces = re.split(r"``(.*?)``", " ".join(text.split()))
    return "".join(f"`{piece}`" if odd % 2 else _typeset(piece) for odd, piece in enumerate(pieces))


def _typeset(text: str) -> str:
    text = _AVERAGE.sub(r"⟨\1⟩", text)
    for pattern, sign in _SIGNS:
        text = re.sub(pattern, sign, text)
    kept: list[str] = []

    def keep(markup: str) -> str:
        kept.append(markup)
        return f"\x00{len(kept) - 1}\x01"

    def letters(part: str) -> str:
        part = _GREEK.sub(lambda match: GREEK[match[1]], part)
        return _LETTER.sub(lambda match: keep("<i>") + match[0] + keep("</i>"), part)

    def index(part: str) -> str:
        return keep("<i>") + keep(part) + keep("</i>") if part in ("a", "i") else part

    def lower(match: re.Match[str]) -> str:
        base, _, raised = match[1].partition("^")
        above = keep("<sup>") + raised + keep("</sup>") if raised else ""
        return base + keep("<sub>") + index(match[2]) + keep("</sub>") + above

    def upper(match: re.Match[str]) -> str:
        inner = match[1][1:-1] if match[1].startswith("(") else match[1]
        return keep("<sup>") + index(re.sub(r"^-", "−", inner)) + keep("</sup>")

    text = letters(_SUPER.sub(upper, _SUB.sub(lower, text)))
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"[*_\[\]`\\|]", lambda match: _MARKS[match[0]], text)
    return re.sub(r"\x00(\d+)\x01", lambda match: kept[int(match[1])], text)


_SKIPPED = re.compile(
    r"(^```.*?^```|^~~~.*?^~~~|`[^`\n]+`)|\$\$(.+?)\$\$|(?<![\\$\w])\$(?=\S)([^$\n]+?)(?<=\S)\$(?!\d)", re.S | re.M
)


def lift_latex(markdown: str, keep: Callable[[str], str]) -> str:
    """The page with every ``$...$`` and ``$$...$$`` outside code replaced by what ``keep`` gives for its MathML."""
    from latex2mathml.converter import convert

    def replace(match: re.Match[str]) -> str:
        if match[1]:
            return match[1]
        display = "block" if match[2] else "inline"
        made: str = convert((match[2] or match[3]).strip(), display=display)
        return keep(made)

    return _SKIPPED.sub(replace, markdown)
