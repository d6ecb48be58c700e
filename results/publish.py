"""Make a reviewed reference result of a finished run: ``python results/publish.py results/beyond_normal``.

Copies what can be read and compared as text (the records of every cell, without training curves and pictures, and the
tables) to ``results/published/NAME``; the figures and the HTML page can be made again by ``mibench report``.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mibench
from mibench.engine.store import FILE
from mibench.result import Cell, Result, Status

PUBLISHED = Path(__file__).parent / "published"
TABLES = ("leaderboard.md", "leaderboard.csv", "tasks.csv", "downstream.csv")


def publish(directory: Path) -> Path:
    """Publish a folder of results under its own name; what was published there before is replaced."""
    results = mibench.load_results(directory)
    target = PUBLISHED / directory.resolve().name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    ordered = sorted(results, key=lambda r: (r.cell.task, r.cell.n, r.cell.estimator, r.cell.seed))
    lines = (json.dumps(record, separators=(",", ":"), allow_nan=False) + "\n" for record in records(ordered))
    (target / FILE).write_text("".join(lines), encoding="utf-8")
    # made of all that is published: a run's own tables may cover a part of what its folder holds
    with tempfile.TemporaryDirectory() as made:
        results.report(made, f"mibench: {target.name}")
        for name in filter(lambda name: (Path(made) / name).is_file(), TABLES):
            text = (Path(made) / name).read_text(encoding="utf-8")
            # the figures are not published
            text = re.sub(r"## Figures\n.*?(?=## Provenance)", "", text, flags=re.DOTALL)
            (target / name).write_text(text, encoding="utf-8")
    return target


def records(results: list[Result]) -> Iterator[dict[str, Any]]:
    """Records without what a reader fills in by itself: defaults, and the provenance where it repeats."""
    defaults = Result(Cell("", "", 0, 0, ""), Status.OK).to_json()
    seen: list[dict[str, Any]] = []
    for result in results:
        bare = dataclasses.replace(result, curve={}, images={}, diagnostics={}).to_json()
        made_by = {key: value for key, value in bare.pop("provenance").items() if key != "time"}
        if made_by not in seen:
            seen.append(made_by)
            bare["provenance"] = made_by
        yield {key: value for key, value in bare.items() if key in ("schema", "status") or value != defaults.get(key)}


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        folder = publish(Path(argument))
        frame = mibench.load_results(folder).df
        print(folder, "CPU-minutes by estimator:")
        print((frame.groupby("estimator")["cpu_s"].sum() / 60).round(2).to_string())
