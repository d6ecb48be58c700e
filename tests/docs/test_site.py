"""The pages as files (links) and as a site (`make docs`): strict, complete, and without anything from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from mibench.registry import estimators, tasks

pytestmark = pytest.mark.timeout(1200)
ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "results" / "README.md", *sorted(DOCS.rglob("*.md"))]
TABLES = [*PAGES, *sorted((ROOT / "results" / "published").rglob("*.md"))]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """Of the headings, as GitHub and the site make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", head.strip().lower())) for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    for link in LINK.findall(re.sub(r"`[^`\n]*`", "", text)):
        address = urlsplit(link)
        if address.scheme:
            assert address.scheme == "https", link
            continue
        target = (page.parent / address.path).resolve() if address.path else page
        assert target.exists() and target.is_relative_to(ROOT), f"{page.name}: {link}"
        if address.fragment:
            assert address.fragment in anchors(target), f"{page.name}: {link}"


@pytest.mark.parametrize("page", TABLES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_minus_in_a_table_is_a_minus(page: Path) -> None:
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    bare = "\n".join(re.sub(r"`[^`]*`", "", row) for row in rows)
    assert re.findall(r".*(?:\| |>|\*|\[|, )-(?!\d+/)\d.*", bare) == []


class Found(HTMLParser):
    """The addresses and the names of places in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.places |= {given[name] for name in ("id", "name") if name in given}
        for name in ("href", "src"):
            if name in given:
                (self.links if tag == "a" else self.loads).append(given[name])


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Found]:
    found = {}
    for path in site.rglob("*.html"):
        found[path] = Found()
        found[path].feed(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.slow
def test_every_built_in_plugin_has_a_page(site: Path) -> None:
    for shelf, registry in (("estimators", estimators), ("tasks", tasks)):
        for name in registry.names():
            if registry.factory(name).__module__.startswith("mibench."):
                text = (site / shelf / name / "index.html").read_text(encoding="utf-8")
                assert f"mibench info {name}" in re.sub(r"<[^>]+>", "", text), name


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(pages: dict[Path, Found]) -> None:
    for path, found in pages.items():
        assert not [a for a in found.loads if urlsplit(a).netloc and not a.startswith("data:")], path
        assert 'class="mermaid"' not in path.read_text(encoding="utf-8"), f"{path}: its script comes from a network"


@pytest.mark.slow
def test_links_of_the_site_lead_somewhere(site: Path, pages: dict[Path, Found]) -> None:
    for path, found in pages.items():
        if path.name == "404.html":
            continue  # its addresses are those of the site's root
        for link in [*found.links, *found.loads]:
            address = urlsplit(link)
            if address.scheme or address.netloc:
                continue
            target = path.parent / unquote(address.path) if address.path else path
            target = target / "index.html" if target.is_dir() else target
            assert target.is_file(), f"{path.relative_to(site)}: {link}"
            if address.fragment and target.resolve() in pages:
                assert unquote(address.fragment) in pages[target.resolve()].places, f"{path.relative_to(site)}: {link}"


@pytest.mark.slow
def test_the_published_results_are_there_as_they_are(site: Path) -> None:
    for published in (ROOT / "results" / "published").glob("*/results.jsonl"):
        for file in (published, published.with_name("leaderboard.csv"), published.with_name("tasks.csv")):
            assert (site / "leaderboards" / published.parent.name / file.name).read_bytes() == file.read_bytes()
