"""Make a reviewed reference result of a finished run: ``python results/publish.py results/beyond_normal``.

Copies what can be read and compared as text (the records of every cell, without training curves and pictures, and the
tables) to ``results/published/NAME``; the figures and the HTML page can be made again by ``mibench report``.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import mibench
from mibench.engine.reading import FILE
from mibench.submission import write_records, write_tables

PUBLISHED = Path(__file__).parent / "published"


def publish(directory: Path) -> Path:
    """Publish a folder of results under its own name; what was published there before is replaced."""
    results = mibench.load_results(directory)
    target = PUBLISHED / directory.resolve().name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    write_records(sorted(results, key=lambda r: (r.cell.task, r.cell.n, r.cell.estimator, r.cell.seed)), target / FILE)
    # made of all that is published: a run's own tables may cover a part of what its folder holds
    write_tables(results, target, f"mibench: {target.name}")
    return target


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        folder = publish(Path(argument))
        frame = mibench.load_results(folder).df
        print(folder, "CPU-minutes by estimator:")
        print((frame.groupby("estimator")["cpu_s"].sum() / 60).round(2).to_string())
