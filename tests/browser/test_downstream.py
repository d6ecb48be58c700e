"""The page of downstream tasks in a real browser: the answer first, nothing cut, values with their differences."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mibench

from .contrast import FAINT

pytestmark = pytest.mark.slow
EXACT = Path(__file__).parents[2] / "results" / "published" / "downstream_exact"


@pytest.fixture(scope="module")
def address(page_of: Callable[[str], str]) -> str:
    return page_of("downstream_exact")


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Any, address: str) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=request.param)
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.goto(address)
    yield opened
    assert wrong == []
    context.close()


def test_the_answer_is_on_the_first_screen_and_leads_to_the_tasks(page: Any) -> None:
    box = page.locator("#downstream table").first
    assert page.locator(".lead").inner_text().startswith("On ")
    assert box.bounding_box()["y"] < 500
    link = box.locator("tbody a[href^='#downstream-']").first
    name = link.inner_text()
    link.click()
    section = page.locator("#downstream details[open]")
    assert section.count() == 1 and section.locator("summary").inner_text() == name
    assert section.locator("table").is_visible()


def test_no_table_is_cut_and_every_text_can_be_read(page: Any) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    boxes = "[...document.querySelectorAll('.scroll:has(> table)')]"
    assert page.evaluate(f"{boxes}.filter((b) => b.scrollWidth > b.clientWidth + 1).map((b) => b.ariaLabel)") == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(FAINT) == []


def test_a_value_leads_to_its_runs_and_its_difference_stands_beneath(page: Any) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    row = page.locator("#downstream-selection-gaussian tbody tr", has=page.locator("td.key:text-is('cca')"))
    cell = row.locator("td:has(small.beneath)").first
    assert re.fullmatch(r"[+−]\d\.\d{3} \[.*\]", cell.locator("small").inner_text())
    assert re.fullmatch(r"\d\.\d{3} ± \d\.\d{3}", cell.locator("a.cell").inner_text())
    cell.locator("a.cell").click()
    shown = page.locator("#cells tbody tr")
    cells = mibench.load_results(EXACT).leaderboard().cells
    told = [r for r in cells if (r.group, r.arm) == ("selection-gaussian", "cca")]
    assert shown.count() == len(told) > 1


def test_the_saved_table_has_values_and_differences_in_columns(page: Any) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    with page.expect_download() as waiting:
        page.locator("#downstream-selection-gaussian .caption button", has_text="CSV").click()
    rows = list(csv.DictReader(Path(waiting.value.path()).read_text(encoding="utf-8").splitlines()))
    board = mibench.load_results(EXACT).leaderboard()
    for told in (r for r in board.downstream if (r.group, r.metric) == ("selection-gaussian", "information")):
        (row,) = [r for r in rows if r["arm"] == told.arm]
        assert float(row["information (nats) ↑"]) == told.mean
        if not told.control:
            assert float(row["information (nats) ↑, vs none"]) == told.difference


def test_a_long_table_has_its_headings_on_every_sheet(page: Any) -> None:
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("[...document.querySelectorAll('th button')].every((b) => !b.getClientRects().length)")
    assert page.evaluate("[...document.querySelectorAll('th')].every((h) => h.innerText.trim())")
