"""The pages that `mibench estimate --out` writes: on a desk and on a phone, light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mibench.cli import main

from .contrast import FAINT

pytestmark = pytest.mark.slow
PAGES = {
    "recommended": ["--x", "height", "--y", "weight", "--fast"],
    "chosen": ["--x", "height", "--y", "weight,age", "-e", "ksg", "-e", "cca"],
    "pairs": ["--all-pairs"],
    "target": ["--target", "weight"],
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Their addresses, of one table of a person's height, weight, age and shoe size."""
    folder = tmp_path_factory.mktemp("pages")
    rng = np.random.default_rng(0)
    height, age = rng.normal(170, 10, 300), rng.normal(40, 12, 300)
    table = np.column_stack([height, 0.9 * height - 90 + rng.normal(0, 8, 300), age, np.round(height / 4)])
    np.savetxt(folder / "people.csv", table, "%.3f", ",", header="height,weight,age,shoe size", comments="")
    for name, arguments in PAGES.items():
        with pytest.raises(SystemExit) as stop:
            main(["estimate", str(folder / "people.csv"), *arguments, "--out", str(folder / f"{name}.html")])
        assert not stop.value.code
    return {name: Path(folder / f"{name}.html").as_uri() for name in PAGES}


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_and_can_be_read(browser: Any, pages: dict[str, str], name: str, scheme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(pages[name])
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(FAINT) == []
    assert page.locator("svg").first.is_visible() and page.locator("tbody tr").count() > 1
    assert asked == [pages[name]]
    context.close()


def test_a_page_speaks_only_of_what_it_shows(browser: Any, pages: dict[str, str]) -> None:
    page = browser.new_page()
    page.goto(pages["chosen"])
    text = page.locator("body").inner_text()
    assert "recommended" not in text and "typical error" not in text and "Grey" not in text
    assert "ksg " in page.locator(".headline").inner_text()
    page.goto(pages["recommended"])
    text = page.locator("body").inner_text()
    assert "recommended" in page.locator(".headline").inner_text() and "typical error" in text and "Grey" in text
    page.close()
