"""Errors, time and memory of mibench's estimators beside public implementations, on the same samples.

    python tests/benchmarks/beside.py letters                # measure what is missing, write its page
    python tests/benchmarks/beside.py benchmark-mi --sides mibench --estimators copula-ksg --seeds 3
    python tests/benchmarks/beside.py benchmark-mi --reuse results/published/beyond_normal --print
    python tests/benchmarks/beside.py --print                # the pages of all studies from what has been measured

The studies are in studies.py, what each package runs in isolated.py. Every estimate is appended to the study's records
as it is made, results/published/beside_STUDY.jsonl, so that the same command resumes. The page beside it gives the
mean |error| of both (10 nats at most, as far as the leaderboard looks), the paired difference with its 95 % interval
over tasks (tasks are not independent of each other: read it as a description), CPU-seconds and, where both ran on one
kind of processor, their ratio, and what the process grew by at most, in MiB, with what it loads on first use.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import io
import json
import platform
import sys
import tempfile
from collections import defaultdict
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from isolated import COMPILE_BY_SHAPE, environment, measure_all, version
from paired import Paired, paired
from peers import problem, processor, table
from studies import STUDIES, Pair, Study

from mibench.engine.reading import read_results

PUBLISHED = Path(__file__).parents[2] / "results" / "published"
OURS = "mibench"
MOST = 10.0
"""Nats that an error counts as at most: one training that diverged would be all that a mean says."""
Key: TypeAlias = tuple[str, str, str, int, int]
"""The side, the estimator by its side's name, the task, n and the seed."""
Record: TypeAlias = dict[str, Any]
Records: TypeAlias = dict[Key, Record]
Case: TypeAlias = tuple[str, int, int]
"""A task, n and a seed."""
Answered: TypeAlias = dict[Hashable, list[tuple[Record, Record]]]
"""By task and n, the records (theirs, ours) of the samples that both answered."""


def read(path: Path) -> Records:
    """The estimates made so far, by what identifies them; of several, the last."""
    lines = path.read_text().splitlines() if path.exists() else []
    records = map(json.loads, lines)
    return {(r["side"], r["estimator"], r["task"], r["n"], r["seed"]): r for r in records}


# Measuring -----------------------------------------------------------------------------------------------------------


def entrants(study: Study) -> dict[tuple[str, str], list[str]]:
    """All sides and estimators of a study, with their tasks; each once, however many pairs it is in."""
    found: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for pair in study.pairs:
        for entrant in ((pair.package, pair.method), (OURS, pair.ours)):
            found[entrant] |= dict.fromkeys(study.tasks_of(pair))
    return {entrant: list(tasks) for entrant, tasks in found.items()}


def missing(study: Study, known: Records, seeds: range) -> Iterator[tuple[str, str, list[Case]]]:
    """A side, an estimator and the cases that one process is to answer."""
    for (side, estimator), tasks in entrants(study).items():
        parts: dict[Hashable, list[Case]] = defaultdict(list)
        for n in study.n:
            for task in tasks:
                for seed in seeds:
                    if (side, estimator, task, n, seed) not in known:
                        parts[(task, n) if side in COMPILE_BY_SHAPE else ()].append((task, n, seed))
        for cases in parts.values():
            yield side, estimator, cases


def run(study: Study, path: Path, args: argparse.Namespace) -> None:
    """Make the estimates that are missing and append them to the records."""
    seeds = range(args.seed, args.seed + (args.seeds or study.seeds))
    todo = [
        each
        for each in missing(study, read(path), seeds)
        if each[0] in (args.sides or [each[0]]) and each[1] in (args.estimators or [each[1]])
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, path.open("a", encoding="utf-8") as file:
        for i, (side, estimator, cases) in enumerate(todo):
            print(f"{i + 1}/{len(todo)} {side} {estimator}: {len(cases)} cases from {cases[0]}", file=sys.stderr)
            python = environment(args.environments, side)
            problems = [(samples(Path(folder), *case), case[2]) for case in cases]
            options = {"selector": estimator} if side == OURS else {"method": estimator}
            answers = measure_all(python, side, args.limit, problems, **options)
            made_by = {"version": version(python, side), "processor": processor()}
            for (task, n, seed), answer in zip(cases, answers, strict=True):
                record = {"side": side, "estimator": estimator, "task": task, "n": n, "seed": seed}
                record |= {"truth": problem(task).mutual_information}
                record |= answer or dict.fromkeys(("mi", "cpu", "wall", "memory"))
                file.write(json.dumps(record | made_by) + "\n")
                file.flush()


def samples(folder: Path, task: str, n: int, seed: int) -> str:
    """The file of a case's samples, written when it is missing."""
    path = folder / f"{task.replace('/', '_')}-{n}-{seed}.npz"
    if not path.exists():
        x, y = problem(task).sample(n, seed)
        np.savez(path, x=x, y=y)
    return str(path)


def reuse(study: Study, path: Path, run: Path) -> None:
    """Append what mibench answered in a run to the same samples, which is the same to the last digit.

    Its times are left out, because a run may train several critics in one stack.
    """
    cases = [
        (estimator, case)
        for side, estimator, cases in missing(study, read(path), range(study.seeds))
        if side == OURS
        for case in cases
    ]
    wanted = {(estimator, *case) for estimator, case in cases}
    left_out = dict.fromkeys(("cpu", "wall", "memory", "version", "processor"))
    with path.open("a", encoding="utf-8") as file:
        for result in read_results(run):
            cell = result.cell
            if (cell.estimator, cell.task, cell.n, cell.seed) in wanted:
                record = {"side": OURS, "estimator": cell.estimator, "task": cell.task, "n": cell.n}
                record |= {"seed": cell.seed, "truth": result.truth, "mi": result.mi}
                file.write(json.dumps(record | left_out) + "\n")


# Comparing -----------------------------------------------------------------------------------------------------------


def both(study: Study, pair: Pair, known: Records) -> tuple[Answered, tuple[int, int]]:
    """What both answered; and of the samples that both were asked about, how many theirs and ours did not answer."""
    found: Answered = defaultdict(list)
    failed = [0, 0]
    for task in study.tasks_of(pair):
        for n in study.n:
            for seed in range(study.seeds):
                theirs = known.get((pair.package, pair.method, task, n, seed))
                ours = known.get((OURS, pair.ours, task, n, seed))
                if theirs is None or ours is None:
                    continue
                failed = [failed[0] + (not _answered(theirs)), failed[1] + (not _answered(ours))]
                if _answered(theirs) and _answered(ours):
                    found[task, n].append((theirs, ours))
    return found, (failed[0], failed[1])


def row(found: Answered, failed: tuple[int, int]) -> list[str] | None:
    """The cells of a pair in the table; None where both answered no sample."""
    result = paired({case: [(_error(a), _error(b)) for a, b in records] for case, records in found.items()})
    if result is None:
        return None
    pairs = [pair for records in found.values() for pair in records]
    timed = [(a["cpu"], b["cpu"]) for a, b in pairs if a["processor"] == b["processor"] and a["cpu"] and b["cpu"]]
    ratio = np.divide(*np.mean(timed, axis=0)) if timed else None
    seconds = [[pair[i]["cpu"] for pair in pairs if pair[i]["cpu"] is not None] for i in (0, 1)]
    grown = [[pair[i]["memory"] for pair in pairs if pair[i]["memory"] is not None] for i in (0, 1)]
    return [
        *_errors(result),
        *(f"{np.mean(each):.3g}" if each else "–" for each in seconds),
        "–" if ratio is None else f"{ratio:.3g}",
        *(f"{max(sizes) / 2**20:.0f}" if sizes else "–" for sizes in grown),
        f"{failed[0]}, {failed[1]}",
    ]


def _errors(result: Paired) -> list[str]:
    difference = f"{result.difference:+.4f}".replace("-", "−")
    interval = f" ± {result.half:.4f}" if np.isfinite(result.half) else ""
    return [
        f"{result.tasks}, {result.samples}",
        f"{result.theirs:.4f}",
        f"{result.ours:.4f}",
        f"{difference}{interval}",
        f"{result.nearer} of {result.tasks}",
    ]


def _answered(record: Record) -> bool:
    return record["mi"] is not None and bool(np.isfinite(record["mi"]))


def _error(record: Record) -> float:
    return min(MOST, abs(float(record["mi"]) - float(record["truth"])))


COLUMNS = ["tasks, samples", "theirs", "mibench", "difference", "mibench nearer", "CPU-s, theirs", "CPU-s, mibench"]
COLUMNS += ["ratio", "MiB, theirs", "MiB, mibench", "unanswered: theirs, mibench"]


def compare(study: Study, known: Records) -> None:
    """Print the table of a study's pairs and the one of its tasks."""
    rows = {}
    for pair in study.pairs:
        cells = row(*both(study, pair, known))
        if cells:
            rows[f"{pair.ours} beside {pair.package} {pair.method}"] = cells
    sizes = ", ".join(f"{n:,}" for n in study.n)
    seeds = "seed 0" if study.seeds == 1 else f"seeds 0 to {study.seeds - 1} as far as both answered"
    table(f"Mean |error| in nats ({MOST:g} at most), n = {sizes}, {seeds}", COLUMNS, rows)
    columns = list(entrants(study))
    tasks: dict[str, list[str]] = {}
    for task in study.tasks:
        for n in study.n:
            records = [[known.get((*c, task, n, seed)) for seed in range(study.seeds)] for c in columns]
            answered = [[r for r in here if r and _answered(r)] for here in records]
            truths = [f"{r['truth']:.3f}" for here in answered for r in here][:1]
            cells = [f"{np.mean([_error(r) for r in here]):.3f}" if here else "–" for here in answered]
            tasks[task if len(study.n) == 1 else f"{task}, n = {n:,}"] = [*(truths or ["–"]), *cells]
    table("Mean |error| by task", ["truth", *(f"{side} {name}" for side, name in columns)], tasks)
    used = [key for key in known if key[0] != OURS]
    print(f"\n{footer([known[key] for key in used], [r for key, r in known.items() if key[0] == OURS])}")


def footer(theirs: list[Record], ours: list[Record]) -> str:
    """The hardware and the versions that the records name, and those of what mibench stands on."""
    measured = [record for record in ours + theirs if record["processor"]]
    machines = sorted({record["processor"] for record in measured})
    versions = dict.fromkeys(f"{record['side']} {record['version']}" for record in measured)
    standing = [f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "numba", "torch")]
    line = f"{' and '.join(machines)}; Python {platform.python_version()}; one thread per process.\n"
    return line + ", ".join([*versions, *standing]) + "."


def page(name: str, study: Study, known: Records) -> str:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        compare(study, known)
    records = f"[beside_{name}.jsonl](beside_{name}.jsonl)"
    made = f"Printed by `python tests/benchmarks/beside.py {name}`, whose estimates are in {records}."
    return f"# {study.title}\n\n{made}\n{text.getvalue()}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    default = Path(tempfile.gettempdir()) / "mibench-peers"
    parser.add_argument("studies", nargs="*", metavar="STUDY", help=f"of {', '.join(STUDIES)} (default: all)")
    parser.add_argument("--environments", type=Path, default=default, help=f"where to install (default {default})")
    parser.add_argument("--records", type=Path, default=PUBLISHED, help="the folder of records and pages")
    parser.add_argument("--sides", nargs="*", help="measure only these packages")
    parser.add_argument("--estimators", nargs="*", help="measure only these, by their side's names")
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--seeds", type=int, help="seeds per task (default: the study's)")
    parser.add_argument("--limit", type=float, default=900.0, help="wall-clock seconds per estimate")
    parser.add_argument("--reuse", type=Path, help="a run of mibench that has answered the same samples")
    parser.add_argument("--print", action="store_true", help="measure nothing more")
    args = parser.parse_args()
    unknown = [name for name in args.studies if name not in STUDIES]
    if unknown:
        parser.error(f"no study named {', '.join(unknown)}; there are {', '.join(STUDIES)}.")
    for name in args.studies or STUDIES:
        path = args.records / f"beside_{name}.jsonl"
        if args.reuse:
            reuse(STUDIES[name], path, args.reuse)
        if not args.print:
            run(STUDIES[name], path, args)
        if path.exists():
            text = page(name, STUDIES[name], read(path))
            path.with_suffix(".md").write_text(text, encoding="utf-8")
            print(text)


if __name__ == "__main__":
    main()
