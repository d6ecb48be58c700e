"""What a change does to the estimators of a repository: which of them it touches, how they do now, and how they did.

``mibench ci`` calls this; ``action.yml`` calls that.
"""

from __future__ import annotations

import contextlib
import glob
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import api, registry
from .engine.grid import choose, plan
from .engine.reading import COMPRESSED, FILE, has_results
from .engine.sameness import engine, versions
from .errors import UsageError
from .estimator import Role
from .files import explained, put
from .leaderboard.changes import Comparison
from .plugin import digest
from .report import comparison as report_of
from .report import markdown
from .result import Result, Status
from .results import Results, load_results
from .task import TaskKind
from .words import counted, heading, listed

LARGEST = 2**20
"""Bytes that a summary page takes; of a longer one GitHub shows nothing."""

_CODE = "code.txt"
_INSTALLED = {"site-packages", "dist-packages"}


@dataclass(frozen=True)
class Plugins:
    """The estimators of a repository: the names that each file registers."""

    names: dict[Path, tuple[str, ...]]

    @classmethod
    def found(cls, patterns: Sequence[str]) -> Plugins:
        """Include every Python file that the globs describe.

        Raises
        ------
        UsageError : a glob describes none, or a file cannot be included.
        """
        names: dict[Path, tuple[str, ...]] = {}
        for pattern in patterns:
            files = sorted(_real(path) for path in glob.glob(pattern, recursive=True) if path.endswith(".py"))
            if not files:
                raise UsageError(f"there is no Python file '{pattern}'.")
            for file in files:
                before = set(registry.estimators.names())
                registry.include(file)
                names.setdefault(file, tuple(n for n in registry.estimators.names() if n not in before))
        if not any(names.values()):
            raise UsageError(f"no estimator is registered in {listed([file.name for file in names])}.")
        return cls(names)

    @property
    def all(self) -> list[str]:
        """Every estimator."""
        return [name for names in self.names.values() for name in names]

    def changed(self, base: str) -> list[str]:
        """Those whose file differs from the commit ``base``; all, where a Python file differs that one of them imports.

        What is not committed yet counts as well. Other files, such as tests, touch no estimator.

        Raises
        ------
        UsageError : there is no such commit, or no repository.
        """
        top = Path(_git("rev-parse", "--show-toplevel").strip())
        told = _git("-C", str(top), "diff", "--name-only", "-z", "--merge-base", "--end-of-options", base, "--")
        told += _git("-C", str(top), "ls-files", "-z", "--others", "--exclude-standard")
        touched = {_real(top / name) for name in told.split("\0") if name.endswith(".py")}
        if any(not self.names.get(file) for file in touched & _imported()):
            return self.all
        return [name for file in self.names if file in touched for name in self.names[file]]

    def code(self) -> str:
        """A hash of the code that answers: these files, what they import that is not installed, mibench, versions."""
        library = Path(sysconfig.get_path("stdlib"))
        own = (f for f in _imported() if f.suffix == ".py" and not (_INSTALLED & {*f.parts} or library in f.parents))
        return digest([engine(), versions(), {str(file): digest(_text(file)) for file in own}])


@dataclass(frozen=True)
class Outcome:
    """How a change turned out.

    results : of the estimators that were run and of what stands beside them; None where nothing was to be run.
    comparison : with the baseline; None where there is none.
    lost : whether an estimator of the baseline is gone that must not be.
    """

    results: Results | None
    comparison: Comparison | None
    summary: str
    lost: bool = False

    @property
    def code(self) -> int:
        """The exit code: 0 no regression, 1 a regression, 3 nothing was measured or comparable, 4 cells are left."""
        if self.lost or (self.comparison is not None and self.comparison.regression):
            return 1
        if self.results is None:
            return 0
        if self.results.left:
            return 4
        compared = self.comparison is None or self.comparison.answered
        return 0 if compared and any(r.status is Status.OK for r in self.results) else 3


def examine(
    names: Sequence[str],
    grids: Sequence[str],
    out: Path,
    baseline: Path | None = None,
    *,
    code: str,
    tolerance: float | None = None,
    max_slowdown: float | None = None,
    time_budget: float | None = None,
    workers: int | None = None,
    complete: bool = False,
) -> Outcome:
    """Run estimators on grids, results in ``out``, and compare with the results in ``baseline``, if it has some.

    What ``out`` holds already counts if it was measured with the same ``code``, else it is removed: a change is to be
    seen although nobody gave the estimator another version. With ``complete`` it is a regression as well if the
    baseline has an estimator that no file registers any more, or an answer of an estimator that was run, to what the
    grids do not ask.

    Raises
    ------
    UsageError : something named is unknown or unusable, or ``out`` has results of which nobody knows with what code
        they were measured.
    """
    known = load_results(baseline) if baseline is not None and baseline.exists() else None
    gone = _unregistered(known or ())
    lost = complete and bool(gone)
    said = f"{'Regression: the' if lost else 'The'} baseline has {listed(gone, 20)}, which no file registers any more."
    missed = [f"**{said}**\n"] if gone else []
    if not names:
        nothing = "No estimator is touched by this change: nothing was run.\n"
        return Outcome(None, None, "\n".join([*missed, nothing]), lost)
    chosen = choose(list(grids), {"estimators": list(names)}, "mibench ci")
    plan(*chosen)  # what is wrong with the grids shows before anything is written or removed
    keep_those_of(code, out)
    results = api.run(grid=chosen, out=out, time_budget=time_budget, workers=workers)
    parts, comparison = [*missed, f"Run: {listed(list(names), 20)}.\n"], None
    if results.left:
        parts.append(f"**The time budget is spent, {counted(results.left, 'cell')} left.**\n")
    own = set(registry.estimators.select(list(names)))
    labels = {estimator.label for estimator in own}
    if known is None:
        where = "named" if baseline is None else f"in `{baseline}`"
        parts.append(f"There is no baseline {where} to compare with.\n")
    else:
        before = [r for r in known if r.cell.estimator in labels]
        if before:
            comparison = api.compare(
                before,
                [r for r in results if r.cell.estimator in labels],
                tolerance,
                max_slowdown,
                complete and not results.left,
            )
            parts.append(report_of.markdown(comparison, f"this change against {baseline}", "nats"))
        else:
            parts.append(f"The baseline in `{baseline}` has none of them.\n")
    if results:
        parts.append(
            markdown.render(results.leaderboard(), heading(out))
        )  # figures are files: a summary cannot show them
    return Outcome(results, comparison, shortened("\n".join(parts)), lost)


def keep_those_of(code: str, out: Path) -> None:
    """Remove the results in a folder that were measured with other code, and note that what comes is of this one.

    Raises
    ------
    UsageError : there are results without such a note, or it cannot be written.
    """
    note = out / _CODE
    with explained(f"cannot write results to '{out}'"):
        if has_results(out):
            if not note.is_file():
                raise UsageError(
                    f"'{out}' has results that `mibench ci` did not measure: name another folder with --out."
                )
            if note.read_bytes() == code.encode():
                return
            for name in (FILE, COMPRESSED):
                (out / name).unlink(missing_ok=True)
        out.mkdir(parents=True, exist_ok=True)
        put(note, code)


def _unregistered(results: Iterable[Result]) -> list[str]:
    """The names of estimators that were measured once, and are no more."""
    asked = (r for r in results if r.role is Role.ENTRANT and r.kind is TaskKind.INFORMATION)
    names = {r.cell.estimator.partition("[")[0] for r in asked}
    return sorted(names - set(registry.estimators.names()))


def shortened(text: str, most: int = LARGEST) -> str:
    """The text, cut after a line where its bytes are too many, and saying so."""
    if len(text.encode()) <= most:
        return text
    note = "\n\n*The rest is left out here; the report that was uploaded has all of it.*\n"
    kept = text.encode()[: most - len(note.encode())].decode(errors="ignore")
    return kept[: kept.rfind("\n")] + note


def _real(path: str | Path) -> Path:
    return Path(os.path.realpath(path))


def _imported() -> set[Path]:
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return {_real(file) for file in files if file}


def _text(file: Path) -> str:
    with contextlib.suppress(OSError):  # deleted since
        return file.read_text(encoding="utf-8", errors="replace")
    return ""


def _git(*arguments: str) -> str:
    with explained("cannot run git"):
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    if done.returncode:
        said = (os.fsdecode(done.stderr).strip().splitlines() or ["it failed"])[0]
        raise UsageError(f"git cannot say what changed: {said.rstrip('.')}.")
    return os.fsdecode(done.stdout)  # names of files, of any bytes
