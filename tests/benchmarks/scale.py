"""What many cells cost the process that hands them out: CPU-seconds, wall-clock seconds and memory.

    python tests/benchmarks/scale.py                          # all, with a million cells: half an hour
    python tests/benchmarks/scale.py cells --cells 50000      # a run of cells that take next to no time
    python tests/benchmarks/scale.py plan resume report merge gzip --million 100000

cells: `zero` on Gaussian tasks at n = 10, 2 workers; what a cell costs is the difference between two runs of different
size. The rest: 40 estimators on 250 tasks of five families, whose seeds make up the number; records are those of this
version, with answers made up. Each measurement is a fresh process, and its workers are not counted.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from peers import footer, table

from mibench.engine.grid import load_grid, plan
from mibench.engine.provenance import provenance
from mibench.engine.reading import FILE
from mibench.engine.records import encode

ESTIMATORS = [f"ksg[k={k}]" for k in range(1, 41)]
FAMILIES = ("gauss", "multinormal-sparse", "additive-uniform", "log-gamma", "staircase")
TASKS = [f"{name}[mutual_information={i / 20}]" for name in FAMILIES for i in range(1, 51)]

PROGRAM = """
import json, resource, sys, time
began = time.monotonic()
told = {}
class Started:
    def started(self, jobs, done):
        told["ready"], told["left"] = time.process_time(), len(jobs)
    def finished(self, result): pass
    def ended(self): pass
try:
    exec(sys.argv[1])
except SystemExit as end:
    assert not end.code, end.code
told |= {"cpu": time.process_time(), "wall": time.monotonic() - began}
told["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print("\\n" + json.dumps(told))
"""


def measured(program: str) -> dict[str, float]:
    """CPU- and wall-clock seconds and the peak of memory (bytes) of a fresh process that does this."""
    settings = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", PROGRAM, program], capture_output=True, text=True, env=settings)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def command(*words: str) -> str:
    return f"from mibench.cli import main; main({list(words)!r})"


def line(found: dict[str, float], cells: int) -> list[str]:
    seconds = [f"{found['cpu']:.1f} s", f"{found['wall']:.1f} s"]
    return [f"{cells:,}", *seconds, f"{found['memory'] / 2**20:.0f} MiB", f"{found['cpu'] / cells * 1e3:.3f} ms"]


def of_no_time(folder: Path, args: argparse.Namespace) -> dict[str, list[str]]:
    """A whole run with its report; then what one cell more adds to it, in company and in a call of its own."""
    grids, rows = {}, {}
    for cells in (args.cells // 5, args.cells):
        grids[cells] = folder / f"{cells}.toml"
        content = 'estimators = ["zero"]\ntasks = ["gauss", "independent"]\nn = [10]\nreferences = false\n'
        grids[cells].write_text(f"{content}seeds = {cells // 2}\n")
    whole = command("run", str(grids[args.cells]), "--out", str(folder / "whole"), "-j", "2", "--no-mlflow")
    rows["a run of cells that take no time, with its report"] = line(measured(whole), args.cells)
    alone = "import mibench.engine.batches\nmibench.engine.batches._MOST_CELLS = 1\n"
    for how, before in (("", ""), (", each in a call of its own", alone)):
        few, many = (
            measured(f"{before}import mibench; mibench.run(grid={str(grid)!r}, workers=2, progress=False)")
            for grid in grids.values()
        )
        rows[f"the run alone, from Python{how}"] = line(many, args.cells)
        each = (many["cpu"] - few["cpu"]) / (args.cells - args.cells // 5) * 1e3
        rows[f"one cell more{how}"] = ["1", "", "", "", f"{each:.3f} ms"]
    return rows


def made_up(folder: Path, args: argparse.Namespace) -> tuple[Path, Path, int]:
    """A grid and a folder in which all of it is finished, but for the last seed of one estimator."""
    seeds = args.million // (len(ESTIMATORS) * len(TASKS))
    grid, out = folder / "many.toml", folder / "many"
    text = f"estimators = {json.dumps(ESTIMATORS)}\ntasks = {json.dumps(TASKS)}\nn = [1000]\n"
    grid.write_text(f"{text}seeds = {seeds}\nreferences = false\n")
    out.mkdir()
    rng = np.random.default_rng(0)
    asked = plan(load_grid(grid))
    origin = {"command": "mibench run many.toml", **provenance(), "time": "2026-01-01T00:00:00+0000"}
    with (out / FILE).open("wb") as file:
        for point in asked.points:
            truth = float(point.task.params["mutual_information"])
            facts: dict[str, Any] = {"family": point.task.family, "dim_x": 1, "dim_y": 1, "truth": truth}
            jobs = list(point.jobs())
            answers = truth + rng.normal(0, 0.05, len(jobs))
            costs = rng.gamma(5, 2e-3, (len(jobs), 2))
            first = jobs[0].result(mi=7.25, wall_s=0.125, cpu_s=0.375, **facts, provenance=origin)
            if jobs[0].cell.estimator == ESTIMATORS[0]:
                jobs.pop()
            text = encode(first).decode().rpartition(',"checksum"')[0]
            for job, mi, (wall, cpu) in zip(jobs, answers.tolist(), costs.tolist(), strict=False):
                record = text.replace(f'"seed":{first.cell.seed},"id":"{first.cell.id}"', _own(job.cell), 1)
                record = record.replace('"mi":7.25', f'"mi":{mi!r}', 1)
                record = record.replace('"wall_s":0.125,"cpu_s":0.375', f'"wall_s":{wall!r},"cpu_s":{cpu!r}', 1)
                raw = record.encode()
                file.write(raw + b',"checksum":"%08x"}\n' % zlib.crc32(raw))
    return grid, out, len(asked)


def _own(cell: Any) -> str:
    return f'"seed":{cell.seed},"id":"{cell.id}"'


def resumed(grid: Path, out: Path, cells: int) -> dict[str, list[str]]:
    """Until the first cell can be handed out, and until all results are in Python's hands; nothing is run."""
    call = f"import mibench\nmibench.run(grid={str(grid)!r}, out={str(out)!r}, workers=2, progress=False, "
    found = measured(f"{call}observers=[Started()], time_budget=1e-9)")
    until = {**found, "cpu": found["ready"], "wall": found["wall"] * found["ready"] / found["cpu"]}
    return {f"resume, {found['left']:.0f} cells left: until they begin": line(until, cells)} | {
        "resume: until all results are read": line(found, cells)
    }


def merged(folder: Path, out: Path, cells: int) -> dict[str, list[str]]:
    found = measured(command("merge", str(out), "--out", str(folder / "merged")))
    return {"merge": line(found, cells)}


def compressed(folder: Path, out: Path, cells: int) -> dict[str, list[str]]:
    packed = folder / "packed"
    packed.mkdir()
    subprocess.run(["gzip", "-c", str(out / FILE)], stdout=(packed / f"{FILE}.gz").open("wb"), check=True)
    found = measured(f"import mibench; mibench.load_results({str(packed)!r})")
    sizes = [
        f"{(folder_ / name).stat().st_size / 2**20:.0f}" for folder_, name in ((out, FILE), (packed, f"{FILE}.gz"))
    ]
    return {f"read compressed ({sizes[1]} MiB in place of {sizes[0]})": line(found, cells)}


def tracked(folder: Path, out: Path, cells: int) -> dict[str, list[str]]:
    """MLflow has a run for each estimator, task and sample size; here 200 of them, in an embedded store."""
    few = folder / "few"
    few.mkdir()
    seeds = cells // (len(ESTIMATORS) * len(TASKS))
    with (out / FILE).open("rb") as lines, (few / FILE).open("wb") as file:
        file.writelines(itertools.islice(lines, 200 * seeds))
    found = measured(command("sync", str(few), "--mlflow", f"sqlite:///{few / 'mlflow.db'}"))
    size = sum(path.stat().st_size for path in few.glob("mlflow.db*"))
    return {f"sync of 200 runs with {seeds} seeds each ({size / 200 / 1024:.0f} KiB a run)": line(found, 200 * seeds)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    every = ["cells", "plan", "resume", "report", "merge", "gzip", "mlflow"]
    parser.add_argument("what", nargs="*", choices=[*every, []], default=[], help=f"of {' '.join(every)}")
    parser.add_argument("--cells", type=int, default=50_000, help="cells that take no time")
    parser.add_argument("--million", type=int, default=1_000_000, help="cells of all else")
    parser.add_argument("--folder", type=Path, help="where to work, instead of a temporary folder")
    args = parser.parse_args()
    args.what = args.what or every
    rows: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        if "cells" in args.what:
            rows |= of_no_time(folder, args)
        if set(args.what) - {"cells"}:
            grid, out, cells = made_up(folder, args)
            fresh = str(folder / "nothing")
            steps: dict[str, Callable[[], dict[str, list[str]]]] = {
                "plan": lambda: {
                    "run --dry-run": line(measured(command("run", str(grid), "--dry-run", "--out", fresh)), cells)
                },
                "resume": lambda: resumed(grid, out, cells),
                "report": lambda: {"report": line(measured(command("report", str(out))), cells)},
                "merge": lambda: merged(folder, out, cells),
                "gzip": lambda: compressed(folder, out, cells),
                "mlflow": lambda: tracked(folder, out, cells),
            }
            for step in (step for step in every[1:] if step in args.what):
                rows |= steps[step]()
                print(step, rows[list(rows)[-1]], file=sys.stderr)
            page = out / "leaderboard.html"
            if page.is_file():
                rows["the page of the report"] = ["", "", "", f"{page.stat().st_size / 2**20:.1f} MiB", ""]
    table("", ["cells", "CPU", "wall clock", "memory", "CPU per cell"], rows)
    footer(folder, [])


if __name__ == "__main__":
    main()
