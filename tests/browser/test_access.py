"""Pages without a mouse, and without a script: keys reach everything, and the tables are there by themselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.slow
FOCUSED = "document.activeElement"


@pytest.fixture(scope="module")
def address(page_of: Callable[[str], str]) -> str:
    return page_of("quick")


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.goto(address)
    yield opened
    context.close()
    assert wrong == []


def tab_to(page: Any, wanted: str, most: int = 60) -> None:
    """Press Tab until what is focused answers to a selector."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate(f"{FOCUSED}.matches({wanted!r})"):
            return
    raise AssertionError(f"{wanted} is not reached in {most} steps of Tab")


def seen(page: Any) -> bool:
    """Whether what is focused shows that it is."""
    outline = page.evaluate(
        f"getComputedStyle({FOCUSED}).outlineStyle + ' ' + getComputedStyle({FOCUSED}).outlineWidth"
    )
    return not str(outline).startswith("none") and not str(outline).endswith(" 0px")


def test_filter_columns_and_order_by_keys(page: Any) -> None:
    tab_to(page, "#ranking input[type=search]")
    page.keyboard.type("mine")
    names = page.locator("#ranking tbody tr:visible .key").all_inner_texts()
    assert names and all("mine" in name for name in names)
    for _ in "mine":
        page.keyboard.press("Backspace")
    tab_to(page, "#ranking .chooser summary", 1)
    assert seen(page)
    page.keyboard.press("Enter")
    tab_to(page, "#ranking .chooser input")
    hidden = page.evaluate(f"{FOCUSED}.parentElement.textContent.trim()")
    shown = page.locator("#ranking th", has_text=re.compile(f"^{re.escape(hidden)}$"))
    before = shown.is_visible()
    page.keyboard.press("Space")
    assert shown.is_visible() != before
    tab_to(page, "#ranking th[data-first=least] button")
    assert seen(page)
    page.keyboard.press("Enter")
    assert page.evaluate(f"{FOCUSED}.closest('th').ariaSort") == "ascending"
    page.keyboard.press("Space")
    assert page.evaluate(f"{FOCUSED}.closest('th').ariaSort") == "descending"


def test_comparing_by_keys(page: Any) -> None:
    chosen = []
    for _ in range(2):
        tab_to(page, "#ranking .key input[type=checkbox]")
        chosen.append(page.evaluate(f"{FOCUSED}.ariaLabel").removeprefix("Compare "))
        page.keyboard.press("Space")
    assert page.locator("#compare h2").is_visible()
    assert [name for name in chosen if name in page.locator("#compare .chips").inner_text()] == chosen
    tab_to(page, "#tray button", 300)
    page.keyboard.press("Enter")
    assert page.locator("#compare").is_hidden()


def test_a_name_a_number_and_a_table_by_keys(page: Any) -> None:
    tab_to(page, "#ranking tbody a.cell")
    name = page.locator("#ranking tbody .key a").first.inner_text()
    heading = f"{FOCUSED}.closest('table').tHead.rows[0].cells[{FOCUSED}.closest('td').cellIndex].textContent.trim()"
    assert page.evaluate(heading) == "#"
    page.keyboard.press("ArrowRight")
    assert page.evaluate(heading) == "score"  # the name is passed over
    page.keyboard.press("ArrowDown")
    assert page.evaluate(f"{FOCUSED}.closest('tr').rowIndex") == 2
    assert page.evaluate(heading) == "score"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_selector("#cells[open] tbody tr")
    assert name in page.locator("#cells-title").inner_text()
    page.keyboard.press("Escape")
    assert page.locator("#cells").is_hidden()
    assert page.evaluate(heading) == "score"  # where one was
    page.locator("#ranking tbody .key a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#estimator-{name}[open]")


def test_the_page_says_it_all_without_a_script(browser: Any, address: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    for section in ("ranking", "families", "independence"):
        rows = page.locator(f"#{section} tbody tr")
        assert rows.count() > 10 and rows.last.is_visible(), section
    assert page.locator("#ranking tbody tr").first.inner_text().startswith("1")
    assert page.locator("#figures svg").first.is_visible()
    assert not page.locator("#ranking .tools").is_visible() and not page.locator("#compare").is_visible()
    assert not page.locator(".command button").first.is_visible()
    page.locator("#estimators summary").first.click()
    assert page.locator("#estimators details").first.locator("table").first.is_visible()
    link = page.locator("#ranking tbody .key a").first
    assert page.locator(link.get_attribute("href")).count() == 1
    context.close()
