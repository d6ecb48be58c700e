"""Results as Python users meet them: finished cells that know their tables, their data frame and their report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from .engine.reading import read_results
from .errors import UsageError
from .result import Result

if TYPE_CHECKING:
    import pandas as pd

    from .report.leaderboard import Leaderboard
    from .report.plots import Plots

_SHOWN = 5  # names in a printed line


class Results(Sequence[Result]):
    """Finished cells, in the order in which they finished.

    directory : where their pictures lie; left : cells that were asked for and not run, as the time budget was spent.
    """

    def __init__(self, results: Iterable[Result], directory: Path | None = None, left: int = 0) -> None:
        self._results = tuple(results)
        self.directory, self.left = directory, left
        self._leaderboard: Leaderboard | None = None

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> Results: ...
    def __getitem__(self, index: int | slice) -> Result | Results:
        if isinstance(index, slice):
            return Results(self._results[index], self.directory)
        return self._results[index]

    def __len__(self) -> int:
        return len(self._results)

    def __iter__(self) -> Iterator[Result]:
        return iter(self._results)

    def __repr__(self) -> str:
        return "\n".join([self._title(), *(f"  {name:<11}{text}" for name, text in self._counts().items())])

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(f"<tr><th>{name}</th><td>{escape(text)}</td></tr>" for name, text in self._counts().items())
        return f"<table><caption>{escape(self._title())}</caption>{rows}</table>"

    def _title(self) -> str:
        return f"Results({len(self)} cells{f' in {self.directory}' if self.directory else ''})"

    def _counts(self) -> dict[str, str]:
        """What is in here, each in a line."""
        if not self._results:
            return {}
        counts = {
            "status": Counter(str(r.status) for r in self._results),
            "estimators": Counter(r.cell.estimator for r in self._results),
            "tasks": Counter(r.cell.task for r in self._results),
        }
        return {name: _shortened(count) for name, count in counts.items()}

    @property
    def df(self) -> pd.DataFrame:
        """One row per cell; times in seconds, information in nats. Metrics of downstream tasks are columns."""
        import pandas as pd

        return pd.DataFrame([_row(result) for result in self._results])

    def leaderboard(self) -> Leaderboard:
        """The tables made of these results."""
        if self._leaderboard is None:
            from .report.leaderboard import Leaderboard

            self._leaderboard = Leaderboard.from_results(self._results)
        return self._leaderboard

    @property
    def plot(self) -> Plots:
        """Figures of these results: ``results.plot.truth()``, ``.score()``, ``.differences()``, ``.time()``."""
        from .report.plots import Plots

        return Plots(self.leaderboard())

    def report(self, directory: str | Path, title: str = "mibench leaderboard", unit: str = "nats") -> dict[str, Path]:
        """Write Markdown, CSV, JSON, figures and the HTML page; see :func:`mibench.report.write_report`."""
        from .report import write_report

        return write_report(self, Path(directory), title, unit)


def load_results(*paths: str | Path) -> Results:
    """Read the results of one or several runs: directories, or ``results.jsonl`` files.

    Of several records of one cell the last one counts, in the order of the paths.

    Raises
    ------
    UsageError : there are no results at a path, or none that can be read.
    """
    found = read_results(*paths)
    if not found:
        where = " or ".join(f"'{path}'" for path in paths)
        raise UsageError(f"there is no result in {where} that can be read (`mibench run` writes them).")
    first = Path(paths[0])
    return Results(found, first if first.is_dir() else first.parent)


def _shortened(count: Counter[str]) -> str:
    shown = ", ".join(f"{number} {name}" for name, number in count.most_common(_SHOWN))
    return shown + (f", … ({len(count)} in all)" if len(count) > _SHOWN else "")


def _row(result: Result) -> dict[str, Any]:
    cell = result.cell
    return {
        "estimator": cell.estimator,
        "task": cell.task,
        "n": cell.n,
        "seed": cell.seed,
        "status": str(result.status),
        "mi": result.mi,
        "stderr": result.stderr,
        "truth": result.truth,
        "error": result.error,
        "family": result.family,
        "kind": str(result.kind),
        "quantity": str(result.quantity),
        "role": str(result.role),
        "dim_x": result.dim_x,
        "dim_y": result.dim_y,
        "wall_s": result.wall_s,
        "cpu_s": result.cpu_s,
        "batch_size": result.batch_size,
        "message": result.message,
        "group": result.group,
        "arm": result.arm,
        "id": cell.id,
        **result.metrics,
    }
