"""The documentation in a real browser, served as files are: every page opens, fits a phone, and needs no network."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from .contrast import FAINT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
ROOT = Path(__file__).parents[2]
HAND_WRITTEN = sorted(str(p.relative_to(ROOT / "docs").with_suffix("")) for p in (ROOT / "docs").rglob("*.md"))


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the browser is asked what went wrong."""


@dataclass
class Visit:
    """A window on the site, and what went wrong in it."""

    page: Any
    address: str
    wrong: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        answer = self.page.goto(f"{self.address}/{path}")
        assert answer.status == 200, path


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture
def visit(browser: Any, address: str, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A window of 1280 pixels, or of what the test is called with; nothing but the site may be asked for anything."""
    width, scheme = getattr(request, "param", (1280, "light"))
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    found = Visit(context.new_page(), address)
    page, wrong = found.page, found.wrong
    page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
    page.on("console", lambda said: wrong.extend([f"{page.url}: {said.text}"] if said.type == "error" else []))
    page.on("response", lambda got: wrong.extend([f"{page.url}: {got.status} {got.url}"] if got.status >= 400 else []))
    page.on("request", lambda asked: wrong.extend([] if inside(asked.url, address) else [f"asks {asked.url}"]))
    yield found
    context.close()
    assert found.wrong == []


def inside(url: str, address: str) -> bool:
    return url.startswith((f"{address}/", "data:", "blob:", "about:"))


def paths(site: Path) -> list[str]:
    """Every page that can be reached, as the address of its folder."""
    return sorted(str(file.parent.relative_to(site)) for file in site.rglob("index.html"))


SIZES = pytest.mark.parametrize("visit", [(390, "light"), (1280, "dark")], indirect=True, ids=["phone", "desk"])


@SIZES
def test_every_page_opens_whole_and_fits(visit: Visit, site: Path) -> None:
    """On a phone all of them; on a desk those that were written by hand."""
    phone = visit.page.viewport_size["width"] < 640
    opened = [path for path in paths(site) if phone or path in {".", *HAND_WRITTEN}]
    assert len(opened) > (150 if phone else 12)
    wide, bare = [], []
    for path in opened:
        visit.open(path)
        if not visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
            wide.append(path)
        if not visit.page.locator("h1").first.inner_text().strip():
            bare.append(path)
        broken = "[...document.images].filter((i) => i.complete && !i.naturalWidth).map((i) => i.src)"
        visit.wrong += visit.page.evaluate(broken)
    assert (wide, bare) == ([], [])


@pytest.mark.parametrize("visit", [(390, "light")], indirect=True, ids=["phone"])
def test_a_sentence_in_a_table_has_room_on_a_phone(visit: Visit) -> None:
    for path in ("tasks", "estimators", "reliability", "leaderboards"):
        visit.open(f"{path}/")
        ends = "[...document.querySelectorAll('article td:last-child')].filter((td) => td.innerText.length > 60)"
        widths = visit.page.evaluate(f"{ends}.map((td) => td.getBoundingClientRect().width)")
        assert min(widths, default=999) > 150, path


def test_the_navigation_leads_to_every_page(visit: Visit, site: Path) -> None:
    """From the start page on, along links, those on pages of single estimators and tasks left out."""
    visit.open("")
    links = "[...document.querySelectorAll('a[href]')].map((a) => a.href.split('#')[0])"
    reached = {f"{visit.address}/"}
    ahead = [f"{visit.address}/"]
    single = re.compile(r"/(?:estimators|tasks)/[^/]+/$|\.\w+$")
    while ahead:
        visit.page.goto(ahead.pop())
        fresh = {url for url in visit.page.evaluate(links) if inside(url, visit.address)} - reached
        reached |= fresh
        ahead += sorted(url for url in fresh if not single.search(url))
    missing = [path for path in paths(site) if path != "." and f"{visit.address}/{path}/" not in reached]
    assert missing == []


@pytest.mark.parametrize(
    ("asked", "answer"),
    [("negative", "faq"), ("nearest neighbours", "estimators/"), ("saturation", "faq"), ("submit", "tutorials/submit")],
)
def test_what_is_searched_is_found(visit: Visit, asked: str, answer: str) -> None:
    visit.open("")
    visit.page.click(".md-search__input")
    visit.page.keyboard.type(asked)
    visit.page.wait_for_selector(".md-search-result__link", timeout=60_000)
    found = visit.page.evaluate("[...document.querySelectorAll('.md-search-result__link')].map((a) => a.href)")
    assert any(f"/{answer}" in url for url in found[:8]), found[:8]


@SIZES
def test_formulas_and_diagrams_are_drawn(visit: Visit) -> None:
    visit.open("concepts/")
    boxes = visit.page.evaluate("[...document.querySelectorAll('math')].map((m) => m.getBoundingClientRect().height)")
    assert len(boxes) > 8 and min(boxes) > 5
    assert "$" not in visit.page.locator("article").inner_text()
    visit.open("architecture/")
    names = visit.page.locator(".chart text").all_text_contents()
    assert {"estimators", "tasks", "mlflow"} <= {name.strip().partition(":")[0] for name in names}
    boxes = visit.page.evaluate(
        "[...document.querySelectorAll('.chart rect')].map((r) => r.getBoundingClientRect().width)"
    )
    assert len(boxes) == 16 and min(boxes) > 20


@pytest.mark.parametrize("visit", [(1280, "light"), (1280, "dark")], indirect=True, ids=["light", "dark"])
def test_every_text_has_the_contrast_of_wcag_aa(visit: Visit) -> None:
    faint: dict[str, list[str]] = {}
    for path in (
        "",
        "concepts/",
        "estimators/",
        "estimators/ksg/",
        "tasks/gauss/",
        "leaderboards/",
        "architecture/",
        "faq/",
    ):
        visit.open(path)
        visit.page.wait_for_timeout(300)  # until the colours have changed over
        if found := visit.page.evaluate(FAINT):
            faint[path] = found
    assert faint == {}
    visit.page.evaluate(
        "document.querySelector('article').insertAdjacentHTML('beforeend', '<p style=\"color: #7c7c7c\">pale</p>')"
    )
    assert any(text.startswith("pale: ") for text in visit.page.evaluate(FAINT))
