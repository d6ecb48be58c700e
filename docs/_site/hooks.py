"""What mkdocs calls while it builds the site: adds the generated pages, their navigation, and formulas."""

from __future__ import annotations

import logging
import re
from typing import Any

import board_pages
import plugin_pages
from diagrams import drawn
from mkdocs.structure.files import File
from typography import lift_latex, prose

_OUTSIDE = re.compile(r"\]\(\.\./((?:results/published/|README\.md|CITATION\.cff|action\.yml)[^)#]*)(#[^)]*)?\)")
_BOARD = re.compile(r"<!-- board: ([\w-]+) -->")
_formulas: dict[str, list[str]] = {}


def on_config(config: Any) -> Any:
    """Puts the generated pages where the navigation says ``generated: NAME``."""
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    shelves: dict[str, list[Any]] = {**plugin_pages.shelves(), "leaderboards": board_pages.shelf()}
    config.nav = [_filled(entry, shelves) for entry in config.nav]
    return config


def _filled(entry: Any, shelves: dict[str, list[Any]]) -> Any:
    if not isinstance(entry, dict):
        return entry
    filled = {}
    for title, content in entry.items():
        if isinstance(content, list):
            parts = [shelves[part.split(": ")[1]] if _is_shelf(part) else [_filled(part, shelves)] for part in content]
            content = [one for part in parts for one in part]
        filled[title] = content
    return filled


def _is_shelf(part: Any) -> bool:
    return isinstance(part, str) and part.startswith("generated: ")


def on_files(files: Any, config: Any) -> Any:
    """Adds what is made of the registry and of the published results."""
    for path, content in [*plugin_pages.pages(), *board_pages.pages()]:
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links that leave the folder of the docs, tables of results, formulas."""
    source = page.file.src_uri
    up = "../" * source.count("/")
    if source == "estimators.md":
        markdown = _without_cards(markdown)
    markdown = re.sub(r"\]\((?:\.\./)+((?:results|README|CITATION)[^)]*)\)", r"](../\1)", markdown)
    markdown = _OUTSIDE.sub(lambda match: f"]({up}{_inside(match[1])}{match[2] or ''})", markdown)
    markdown = _BOARD.sub(lambda match: board_pages.best(match[1]), markdown)
    kept = _formulas.setdefault(source, [])
    kept.clear()
    if source.startswith(("estimators/", "tasks/", "leaderboards/")):
        return markdown

    def keep(formula: str) -> str:
        kept.append(formula)
        return f"FORMULA{len(kept) - 1}ALUMROF"

    lifted: str = lift_latex(drawn(markdown), keep)
    return lifted


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Puts the formulas where they stood."""
    kept = _formulas.get(page.file.src_uri, [])
    return re.sub(r"FORMULA(\d+)ALUMROF", lambda match: kept[int(match[1])], html)


def _inside(path: str) -> str:
    """Where on the site something of the repository is."""
    if path == "README.md":
        return "index.md"
    if path == "CITATION.cff":
        return "cite.md"
    if path == "action.yml":
        return "tutorials/ci.md"
    return re.sub(r"^results/published/([^/]+?)(?:/leaderboard)?\.md$", r"leaderboards/\1.md", path)


def _typeset(match: re.Match[str]) -> str:
    """A summary in the table of estimators, which stands there as plain text for a reader of the file."""
    plain = re.sub(r"\\([_<|])", r"\1", match[2]).replace("`", "``")
    typeset: str = prose(plain)
    return match[1] + typeset + match[3]


def _without_cards(markdown: str) -> str:
    """On the site, every estimator has a page of its own."""
    head, _, _ = markdown.partition("## One by one")
    head = re.sub(r"(^\| \S+ \| [\w ]+ \| )(.*?)( \| \d+ \|)", _typeset, head, flags=re.M)
    head = re.sub(r"^\| (`([\w-]+)`) \|(?= [\w ]+ \| .* \| \d+ \|)", r"| [\1](#\2) |", head, flags=re.M)
    return re.sub(r"\]\(#([\w-]+)\)", r"](estimators/\1.md)", head)
