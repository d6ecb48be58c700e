"""Take the pictures of dashboard.md anew, in a browser: ``python docs/refresh_dashboard.py RUN DOWNSTREAM_RUN``.

Both are folders of finished runs with an MLflow store of their own; the page says which commands make them. `mibench
ui` serves them as it serves anybody's. Needs playwright and chromium.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

PICTURES = Path(__file__).parent / "images"
SIZE: Any = {"width": 1280, "height": 760}
PATIENCE = 240_000  # milliseconds


def main(run: str, downstream: str) -> None:
    """Serve one folder after the other and take what they open on, and its charts."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(viewport=SIZE).new_page()
        with served(run) as address:
            shoot(page, address, "oracle", "dashboard-leaderboard")
            page.locator("input[name='runs-view-mode'][value='CHART']").evaluate("(box) => box.click()")
            page.wait_for_selector(".js-plotly-plot .bars", timeout=PATIENCE)
            shoot(page, "", "", "dashboard-charts")
        page = browser.new_context(
            viewport=SIZE
        ).new_page()  # a browser keeps the columns of a store, whatever store is there now
        with served(downstream) as address:
            shoot(page, address, "|", "dashboard-downstream")
        browser.close()


@contextmanager
def served(folder: str) -> Iterator[str]:
    """The address that ``mibench ui`` announces, while it serves."""
    command = [sys.executable, "-m", "mibench", "ui", folder, "--port", "5400"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            told = server.stdout.readline() if server.stdout else ""
            found = re.search(r"http://\S+", told)
            if found is None:
                raise SystemExit(f"mibench ui did not start: {told}")
            yield found[0]
        finally:
            server.terminate()


def shoot(page: Any, address: str, name: str, picture: str) -> None:
    """Open the address, wait until a run of such a name is there and nothing moves, and keep the window."""
    if address:
        opened(page, address)
        page.get_by_role("link", name=name).first.wait_for(timeout=PATIENCE)
        page.get_by_text("You're viewing a shared view").wait_for(timeout=PATIENCE)
    page.wait_for_timeout(4_000)
    seen = Image.open(io.BytesIO(page.screenshot()))
    seen.convert("RGB").save(PICTURES / f"{picture}.webp", quality=80, method=6)


def opened(page: Any, address: str) -> None:
    """Go there as soon as the server answers."""
    from playwright.sync_api import Error

    for _ in range(PATIENCE // 2_000):
        try:
            page.goto(address)
            return
        except Error:
            page.wait_for_timeout(2_000)
    raise SystemExit(f"nothing answers at {address}.")


def arguments(given: Sequence[str]) -> tuple[str, str]:
    """The two folders."""
    if len(given) != 2:
        raise SystemExit("usage: python docs/refresh_dashboard.py RUN DOWNSTREAM_RUN")
    return given[0], given[1]


if __name__ == "__main__":
    main(*arguments(sys.argv[1:]))
