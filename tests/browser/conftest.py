"""A browser for all tests of pages: playwright with Debian's chromium, or a reason to skip."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mibench
from mibench.report import figures, html

PUBLISHED = Path(__file__).parents[2] / "results" / "published"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def page_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Makes the page of published results, and gives its address."""

    def make(name: str) -> str:
        board = mibench.load_results(PUBLISHED / name).leaderboard()
        path = tmp_path_factory.mktemp("page") / "leaderboard.html"
        path.write_text(html.render(board, name, "nats", figures.draw(board)), encoding="utf-8")
        return path.as_uri()

    return make
