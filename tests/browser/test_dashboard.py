"""What ``mibench ui`` opens on, in a real browser: the answer, in a mode of MLflow that clicking does not leave."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

import mibench

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PATIENCE = 240_000  # milliseconds


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[str]:
    pytest.importorskip("mlflow")
    folder = tmp_path_factory.mktemp("run")
    mibench.run(["ksg", "cca"], ["gauss", "independent"], n=200, seeds=2, out=folder, tracking=True, progress=False)
    command = [sys.executable, "-m", "mibench", "ui", str(folder), "--port", "5430"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            found = re.search(r"http://\S+", server.stdout.readline() if server.stdout else "")
            assert found is not None
            for _ in range(240):
                try:
                    urllib.request.urlopen(f"{found[0].partition('#')[0]}health", timeout=5)
                    break
                except OSError:
                    time.sleep(1)
            yield found[0]
        finally:
            server.terminate()


def shown(page: Any) -> None:
    """Wait for the runs, in the mode that has them."""
    page.get_by_text("matching runs").first.wait_for(timeout=PATIENCE)
    page.get_by_role("link", name="oracle").first.wait_for(timeout=PATIENCE)


@pytest.mark.parametrize("begin", ["page", "root"])
def test_it_opens_on_the_leaderboard_and_stays_there(browser: Any, address: str, begin: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 760})
    page = context.new_page()
    page.goto(address if begin == "page" else address.partition("#")[0])
    shown(page)
    assert "tags.role = 'place'" in page.locator("input").evaluate_all("(all) => all.map((box) => box.value)")
    page.get_by_role("link", name="ksg").first.click()
    page.get_by_role("heading", name="ksg").wait_for(timeout=PATIENCE)
    assert "Judges" not in page.inner_text("body") and "Prompts" not in page.inner_text("body")
    page.goto(f"{address.partition('#')[0]}#/experiments")
    page.get_by_role("link", name="mibench").first.wait_for(timeout=PATIENCE)
    assert not page.get_by_role("link", name="Default", exact=True).count()
    context.close()
