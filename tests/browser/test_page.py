"""The report in a real browser: filter, sort, columns, links, phone, print."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mibench
from mibench.report import figures, html
from mibench.report.leaderboard import Leaderboard

from ..mibench.conftest import result
from .contrast import FAINT

pytestmark = pytest.mark.slow
FULL = Path(__file__).parents[2] / "results" / "published" / "full"


@pytest.fixture(scope="module")
def address(page_of: Callable[[str], str]) -> str:
    """The page of the largest published results, which is where there is the least room."""
    return page_of("full")


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
    inside = ("data:", "blob:", "about:")
    assert not wrong and {url.partition("#")[0] for url in asked if not url.startswith(inside)} == {address}
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
    if not page.locator("#ranking th", has_text=re.compile("^bias$")).is_visible():
        page.click("#ranking .chooser summary")
        page.check("#ranking .chooser label:has-text('bias') input")
        page.click("#ranking .chooser summary")
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
    assert shown() == box.is_checked() == (page.viewport_size["width"] > 640)
    for wanted in (True, False, True):
        box.set_checked(wanted)
        assert shown() == wanted


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


def test_paper_has_every_column_and_what_is_open_on_the_page(browser: Any, address: str) -> None:
    """To set the sheets takes seconds of CPU time, so it is done once."""
    page = browser.new_page(viewport={"width": 1039, "height": 720})  # A4, turned, within its margins
    page.goto(address)
    page.evaluate("document.getElementById('estimator-ksg').open = true")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    beyond = "[...document.querySelectorAll('table')].filter((t) => t.getBoundingClientRect().right > innerWidth + 1)"
    assert page.evaluate(f"{beyond}.map((t) => t.parentElement.ariaLabel)") == []
    heads = "[...document.querySelectorAll('th')].filter((h) => !h.closest('details:not([open])'))"
    assert page.evaluate(f"{heads}.filter((h) => !h.getClientRects().length).length") == 0
    assert page.locator("#estimator-ksg table").first.is_visible() and page.locator("#ranking .help dl").is_visible()
    assert not page.locator("#estimator-cca table").first.is_visible() and page.locator(".paper").is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("#ranking .help").get_attribute("open") is None
    sheets = re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True))
    assert 10 < len(sheets) < 40  # with all sections there would be 140
    page.emulate_media(media="screen")
    assert not page.locator(".paper").is_visible()
    page.close()


def test_a_name_of_any_length_stays_in_its_place_on_a_phone(browser: Any, tmp_path: Path) -> None:
    name = f"{'long-' * 20}name[first_parameter_of_the_estimator={'x' * 60},b=1]"
    board = Leaderboard.from_results([result(e, "t", seed=s, mi=1.1) for e in (name, "ksg") for s in range(3)])
    path = tmp_path / "leaderboard.html"
    path.write_text(html.render(board, "T", "nats", figures.draw(board)), encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    right = "getBoundingClientRect().right"
    spans = f"[...document.querySelectorAll('#ranking td.key span')].map((s) => s.{right} - s.closest('td').{right})"
    assert max(page.evaluate(spans)) <= 1
    page.close()


def test_a_command_can_be_copied(page: Any) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    if not page.locator(".command").count():
        pytest.skip("these results were made without a command line")
    page.locator(".command button").first.click()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator(".command code").first.inner_text()


def test_a_grey_curve_says_its_name(page: Any) -> None:
    names = page.locator("#figure-ecdf .hover title").all_text_contents()
    assert len(names) > 8 and any(name.startswith("histogram, score") for name in names)


def test_chosen_estimators_stand_side_by_side_and_figures_follow(page: Any) -> None:
    tick = "#ranking input[aria-label='Compare {}']"
    for name in ("ksg", "latent"):
        page.check(tick.format(name))
    compared = page.locator("#compare")
    assert compared.locator("h2").inner_text() == "Side by side"
    assert compared.locator("figure svg").count() == 3 and compared.locator("table").count() == 3
    scores = dict(zip(column(page, "estimator"), column(page, "score"), strict=True))
    told = compared.locator("table").first.locator("tr", has_text=re.compile("^score[^ ]")).first.locator("td")
    assert told.all_inner_texts()[1:] == [scores["ksg"], scores["latent"]]
    assert page.locator("#figure-ecdf .hover.chosen").count() == 2
    assert page.locator("#figure-truth .panel.chosen").count() == 2
    for name in ("cca", "nwj", "flow"):
        page.check(tick.format(name))
    assert page.locator(tick.format("ba")).is_disabled()
    link = page.url
    page.click("#tray button:text-is('Clear')")
    assert compared.is_hidden() and not page.locator(".hover.chosen").count()
    page.goto("about:blank")
    page.goto(link)
    assert page.locator("#ranking tbody input:checked").count() == 5
    page.locator("#compare .chips button").first.click()
    assert page.locator("#ranking tbody input:checked").count() == 4


def test_the_interval_of_a_pair_is_that_of_the_leaderboard(page: Any) -> None:
    """The first row's difference to another, computed by the page, is what the ranking says of it."""
    best, other = column(page, "estimator")[:2]
    said = dict(zip(column(page, "estimator"), column(page, "to the best"), strict=True))[other]
    for name in (other, best):
        page.check(f"#ranking input[aria-label='Compare {name}']")
    cells = page.locator("#compare table").nth(1).locator("tbody td").all_inner_texts()
    mean, low, high = (float(x) for x in re.findall(r"[+-]?\d+\.\d+", said.replace("−", "-")))
    shown = [float(x) for text in cells[1:3] for x in re.findall(r"[+-]?\d+\.\d+", text.replace("−", "-"))]
    assert shown == pytest.approx([mean, low, high], abs=0.006)


def test_a_number_leads_to_its_cells(page: Any) -> None:
    results = [r for r in mibench.load_results(FULL) if r.cell.estimator == "ksg" and r.family == "gaussian"]
    row = page.locator("#families tbody tr", has=page.locator("a:text-is('ksg')"))
    place = page.evaluate(
        "[...document.querySelectorAll('#families th button')].findIndex((b) => b.textContent.trim() === 'gaussian')"
    )
    row.locator("td").nth(place).locator("a").click()
    shown = page.locator("#cells tbody tr")
    assert shown.count() == len(results) > 0
    estimates = page.locator("#cells tbody tr").first.inner_text()
    assert any(f"{r.mi:.3f}" in estimates for r in results if r.mi is not None)
    assert "cells?estimator=ksg&family=gaussian" in page.url
    page.keyboard.press("Escape")
    assert page.locator("#cells").is_hidden() and "cells?" not in page.url


def test_every_number_with_cells_has_some(page: Any) -> None:
    """In every table of the page, whatever its rows and columns stand for."""
    page.evaluate("document.querySelectorAll('details:not(.chooser)').forEach((d) => (d.open = true))")
    page.wait_for_function("document.querySelector('#estimator-ksg a.cell')")
    empty = page.evaluate(
        """[...new Set([...document.querySelectorAll('a.cell')].map((a) => a.hash.split('?')[1]))]
             .filter((query) => !cellsOf(query).length)"""
    )
    assert empty == []
    without = "[...document.querySelectorAll('.scroll:has(table)')].filter((b) => !b.querySelector('a.cell'))"
    assert page.evaluate(f"{without}.map((box) => box.ariaLabel)") == []


def test_a_family_leads_to_its_tasks_and_they_to_their_source(page: Any) -> None:
    page.locator("#families th a[aria-label='The tasks of gaussian']").click()
    page.wait_for_selector("#family-gaussian[open]")
    task = page.locator("#family-gaussian details.task").first
    assert task.locator("table").is_visible() and "mutual information" in task.inner_text()
    assert page.locator("#family-student .task dd a[href^='https://']").count()


def test_every_table_can_be_saved(page: Any) -> None:
    with page.expect_download() as waiting:
        page.locator("#ranking .caption button").first.click()
    lines = Path(waiting.value.path()).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + page.locator("#ranking tbody tr").count() and lines[0].startswith("#,")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_of_wcag_aa(browser: Any, address: str, scheme: Any) -> None:
    """4.5 to 1, for text that stands on the page, in tables with or without colours, and in figures."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    for name in ("ksg", "latent"):
        page.check(f"#ranking input[aria-label='Compare {name}']")
    page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    faint = page.evaluate(FAINT)
    context.close()
    assert faint == []


def test_on_a_phone_the_columns_that_matter_fit(browser: Any, address: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(address)
    shown = page.locator("#ranking th:visible button").all_inner_texts()
    assert [text.replace("\n", " ") for text in shown] == ["#", "estimator", "score", "med |err|", "CPU"]
    box = page.locator("#ranking .scroll")
    assert box.evaluate("(box) => box.scrollWidth <= box.clientWidth + 1")
    page.click("#ranking .chooser summary")
    page.check("#ranking .chooser label:has-text('bias') input")
    assert "bias" in page.locator("#ranking th:visible button").all_inner_texts()
    context.close()
