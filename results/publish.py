"""Make a reviewed reference result of a finished run: ``python results/publish.py results/beyond_normal``.

Copies what can be read and compared as text (the records of every cell, without training curves and pictures, and the
tables) to ``results/published/NAME``; the figures and the HTML page can be made again by ``mibench report``.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import sys
from pathlib import Path

import mibench
from mibench.store import Store

PUBLISHED = Path(__file__).parent / "published"
TABLES = ("leaderboard.md", "leaderboard.csv", "tasks.csv")


def publish(directory: Path) -> Path:
    """Publish a folder of results under its own name; what was published there before is replaced."""
    results = mibench.load_results(directory)
    target = PUBLISHED / directory.resolve().name
    shutil.rmtree(target, ignore_errors=True)
    with Store(target) as store:
        for result in sorted(results, key=lambda r: (r.cell.task, r.cell.n, r.cell.estimator, r.cell.seed)):
            store.append(dataclasses.replace(result, curve={}, images={}, diagnostics={}))
    (target / ".lock").unlink()
    for name in TABLES:
        text = (directory / name).read_text(encoding="utf-8")
        (target / name).write_text(
            re.sub(r"## Figures\n.*?(?=## Provenance)", "", text, flags=re.DOTALL), encoding="utf-8"
        )
    return target


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(publish(Path(argument)))
