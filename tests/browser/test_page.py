"""The report in a real browser: filter, sort, columns, links, phone, print. Needs playwright and Debian's chromium."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mibench
from mibench.report import figures, html

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FULL = Path(__file__).parents[2] / "results" / "published" / "full"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the largest published results, which is where there is the least room."""
    board = mibench.load_results(FULL).leaderboard()
    path = tmp_path_factory.mktemp("page") / "leaderboard.html"
    path.write_text(html.render(board, "full", "nats", figures.draw(board)), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(params=[1280, 390], ids=["desk", "phone"])
def page(request: pytest.FixtureRequest, browser: Any, address: str) -> Iterator[Any]:
    """The page in a window; anything that goes wrong in it, or that it asks of a network, fails the test."""
    context = browser.new_context(viewport={"width": request.param, "height": 900})
    opened = context.new_page()
    asked: list[str] = []
    wrong: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.goto(address)
    yield opened
    assert not wrong and [url for url in asked if not url.startswith("data:")] == [address]
    context.close()


def column(page: Any, heading: str) -> list[str]:
    """The texts of a column of the ranking, from the top."""
    found: list[str] = page.evaluate(
        """(heading) => {
          const table = document.querySelector('#ranking table');
          const index = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent.trim() === heading);
          return [...table.tBodies[0].rows].map((row) => row.cells[index].textContent.trim());
        }""",
        heading,
    )
    return found


def sort(page: Any, heading: str) -> list[str]:
    exact = re.compile(rf"^{re.escape(heading)}$")
    page.locator("#ranking th button", has_text=exact).click()
    return column(page, heading)


def numbers(texts: list[str]) -> list[float]:
    return [float(text.replace("−", "-").replace("∞", "inf").replace("%", "")) for text in texts if text != "–"]


def test_the_filter_leaves_the_rows_that_hold_every_word(page: Any) -> None:
    page.fill("#ranking input[type=search]", "mine")
    shown = page.locator("#ranking tbody tr:visible .key").all_inner_texts()
    assert shown and all("mine" in name for name in shown)
    assert page.locator("#ranking .count").inner_text().startswith(f"{len(shown)} of ")
    page.fill("#ranking input[type=search]", "")
    assert page.locator("#ranking tbody tr:visible").count() == page.locator("#ranking tbody tr").count()


def test_a_first_click_shows_the_best_and_a_second_the_worst(page: Any) -> None:
    errors = numbers(sort(page, "med |err|"))
    assert errors == sorted(errors) and numbers(sort(page, "med |err|")) == sorted(errors, reverse=True)
    scores = numbers(sort(page, "score"))
    assert scores == sorted(scores, reverse=True)
    biases = [abs(bias) for bias in numbers(sort(page, "bias"))]
    assert biases == sorted(biases) and biases[0] < biases[-1]


def test_columns_are_chosen(page: Any) -> None:
    def shown() -> bool:
        return bool(page.locator("#ranking th", has_text=re.compile("^bias$")).is_visible())

    page.click("#ranking .chooser summary")
    box = page.locator("#ranking .chooser label", has_text=re.compile("^bias$")).locator("input")
    assert shown()
    box.uncheck()
    assert not shown()
    box.check()
    assert shown()


def test_a_row_leads_to_its_estimator_whose_section_opens(page: Any) -> None:
    page.click("#ranking tbody a:text-is('ksg')")
    section = page.locator("#estimator-ksg")
    page.wait_for_selector("#estimator-ksg[open]")
    assert section.locator("table").first.is_visible() and "Kraskov" in section.inner_text()


def test_nothing_sticks_out_and_no_name_is_broken(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    lines = page.evaluate(
        """[...document.querySelectorAll('#ranking td.key')].map((cell) => {
          const pieces = cell.querySelectorAll('span');
          const parts = pieces.length ? [...pieces] : [cell.querySelector('a') ?? cell];
          return parts.map((part) => part.getClientRects().length);
        })"""
    )
    assert lines and all(count == 1 for row in lines for count in row)
    if page.viewport_size["width"] >= 1280:
        page.evaluate("document.querySelectorAll('details:not(.chooser)').forEach((d) => (d.open = true))")
        boxes = "[...document.querySelectorAll('.scroll:has(> table)')]"
        wide = f"{boxes}.filter((box) => box.scrollWidth > box.clientWidth + 1)"
        assert page.evaluate(f"{wide}.map((box) => box.ariaLabel)") == []


def test_paper_has_every_column_and_every_section(page: Any) -> None:
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 1039, "height": 720})  # A4, turned, within its margins
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    beyond = "[...document.querySelectorAll('table')].filter((t) => t.getBoundingClientRect().right > innerWidth + 1)"
    assert page.evaluate(f"{beyond}.map((t) => t.parentElement.ariaLabel)") == []
    assert page.evaluate("[...document.querySelectorAll('th')].filter((h) => !h.getClientRects().length).length") == 0
    assert page.locator("#estimator-ksg table").first.is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("#estimator-ksg").get_attribute("open") is None
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")


def test_a_command_can_be_copied(page: Any) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    if not page.locator(".command").count():
        pytest.skip("these results were made without a command line")
    page.locator(".command button").first.click()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator(".command code").first.inner_text()


def test_a_grey_curve_says_its_name(page: Any) -> None:
    names = page.locator("#figure-ecdf .hover title").all_text_contents()
    assert len(names) > 8 and any(name.startswith("histogram, score") for name in names)
