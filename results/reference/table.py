"""Make the reference table, or go on with it: ``python results/reference/table.py --samples 9200 --workers 2``.

One line of JSON a sample, in ``results/reference/table.jsonl``: what it is (family, task, n, truth), what the panel
and its probes answered, what each took, and what the sample looks like. A sample that has all its answers is not
asked again, nor one that the published ``table.jsonl.gz`` holds; a member that is new to the panel is asked alone.
``--pack`` publishes what there is. The estimates are those of ``mibench estimate``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from mibench.advice.panel import ask, observe, usual_panel

TABLE = Path(__file__).parent / "table.jsonl"
PUBLISHED = TABLE.with_suffix(".jsonl.gz")


def row(index: int, members: Sequence[str], observed: bool) -> dict[str, Any]:
    """What is still to be known of sample number ``index``: the members' answers, and the looks and probes."""
    from population import sample

    warnings.simplefilter("ignore")
    drawn = sample(index)
    found: dict[str, Any] = {"index": index}
    answers, seconds = {}, {}
    for name in members:
        began = time.process_time()
        answer = ask(name, drawn.x, drawn.y, seed=index).estimate
        seconds[name] = round(time.process_time() - began, 3)
        answers[name] = None if answer is None else [_rounded(answer.mi), _rounded(answer.stderr)]
    found |= {"answers": answers, "seconds": seconds}
    if not observed:
        facts = {k: getattr(drawn, k) for k in ("family", "task", "changes", "truth", "truth_error")}
        dims = {"n": len(drawn.x), "dim_x": drawn.x.shape[1], "dim_y": drawn.y.shape[1]}
        began = time.process_time()
        seen = {k: _rounded(v) for k, v in observe(drawn.x, drawn.y, usual_panel().probes, index).items()}
        seconds["observed"] = round(time.process_time() - began, 3)
        found |= {**facts, **dims, "observed": seen}
    return found


def _rounded(value: float | None) -> float | str | None:
    if value is None or math.isnan(value):
        return None
    return float(f"{value:.5g}") if math.isfinite(value) else str(value)


def rows() -> dict[int, dict[str, Any]]:
    """The table's rows by sample number; what later lines add is joined to the first. A torn last line is no line."""
    table: dict[int, dict[str, Any]] = {}
    lines = gzip.decompress(PUBLISHED.read_bytes()).decode("utf-8").splitlines() if PUBLISHED.exists() else []
    for line in [*lines, *(TABLE.read_text(encoding="utf-8").splitlines() if TABLE.exists() else [])]:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        known = table.setdefault(found["index"], {"answers": {}, "seconds": {}})
        answers, seconds = known["answers"] | found.pop("answers"), known["seconds"] | found.pop("seconds")
        known |= found | {"answers": answers, "seconds": seconds}
    return table


def missing(samples: int, members: Sequence[str]) -> Iterator[tuple[int, list[str], bool]]:
    """For each sample whose row is not complete: its number, the members left to ask, whether it was looked at."""
    table = rows()
    for index in range(samples):
        known = table.get(index, {"answers": {}})
        todo, observed = [m for m in members if m not in known["answers"]], "observed" in known
        if todo or not observed:
            yield index, todo, observed


def pack() -> None:
    """Publish the table: one line a sample, the same bytes for the same rows; and say what it cost."""
    table = sorted(rows().items())
    lines = (json.dumps(row, separators=(",", ":")) + "\n" for _, row in table)
    spent = [(name, seconds) for _, row in table for name, seconds in row["seconds"].items()]
    for name in sorted({name for name, _ in spent}):
        own = [seconds for other, seconds in spent if other == name]
        print(f"{name}: {len(own)} samples, {sum(own) / 60:.1f} CPU-minutes, {sum(own) / len(own):.3f} s each")
    PUBLISHED.write_bytes(gzip.compress("".join(lines).encode("utf-8"), mtime=0))
    TABLE.unlink(missing_ok=True)


def main() -> None:
    """Ask about every sample that is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=9200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--members", nargs="*", default=list(usual_panel().members), help="the panel's, by default")
    parser.add_argument("--pack", action="store_true", help="publish the table and ask nothing")
    asked = parser.parse_args()
    if asked.pack:
        return pack()
    todo = sorted(missing(asked.samples, asked.members), key=lambda each: each[2])  # what was never seen comes first
    print(f"{len(todo)} of {asked.samples} samples to ask about", flush=True)
    began = time.monotonic()
    with TABLE.open("a", encoding="utf-8") as file, ProcessPoolExecutor(asked.workers) as pool:
        running = [pool.submit(row, *each) for each in todo]
        for count, future in enumerate(as_completed(running), 1):
            file.write(json.dumps(future.result(), separators=(",", ":")) + "\n")
            file.flush()
            if count % 100 == 0 or count == len(todo):
                spent = time.monotonic() - began
                left = spent / count * (len(todo) - count)
                print(f"{count}/{len(todo)} samples, {spent / 60:.1f} min, about {left / 60:.0f} min left", flush=True)


if __name__ == "__main__":
    main()
