"""The leaderboard as people meet it in Python: a short table at the prompt, a data frame, LaTeX, a figure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from mibench.leaderboard.board import Board
from mibench.leaderboard.schema import Ranking, plain
from mibench.words import counted, printable

from . import tables
from .flat import flat
from .values import Table, Unit

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from .plots import Plot

_SHOWN = ("rank", "estimator", "score", "low", "median_error", "failed", "cpu_s")
_MOST = 10


class Leaderboard(Board):
    """All tables made of results (see :class:`Board`), and ways to look at the ranking.

    >>> board = mibench.run("*", "gauss*", n=1000).leaderboard()
    >>> board.df.query("failures == 0")
    """

    def __repr__(self) -> str:
        """The best ten, in at most a dozen lines."""
        if not self.ranking:
            return f"{type(self).__name__}: no estimator to rank in {counted(len(self.cells), 'cell')}"
        table = self._table(self.ranking[:_MOST])
        more = len(self.ranking) - _MOST
        rest = [f"and {counted(more, 'more row')}: .df has them all"] if more > 0 else []
        return "\n".join([*_text(table), *rest])

    def _repr_html_(self) -> str:
        table = self._table(self.ranking)
        heads = (f'<th title="{escape(column.meaning)}">{escape(column.heading)}</th>' for column in table.columns)
        lines = ("".join(f"<td>{escape(entry.text)}</td>" for entry in row) for row in table.rows)
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        return (
            f"<table><thead><tr>{''.join(heads)}</tr></thead><tbody>{body}</tbody></table><p>{escape(table.note)}</p>"
        )

    @property
    def df(self) -> pd.DataFrame:
        """The ranking, one row per estimator, every column of the schema; errors in nats, times in seconds."""
        import pandas as pd

        return pd.DataFrame([plain(row) for row in self.ranking])

    def to_latex(self, unit: str = "nats") -> str:
        r"""The ranking as a ``tabular`` of LaTeX, ruled by the package booktabs (``\usepackage{booktabs}``)."""
        return _latex(self._table(self.ranking, unit))

    def plot(self, what: Plot = "score", columns: int | None = None) -> Figure:
        """A matplotlib figure; its ``savefig`` writes PDF, SVG or PNG, by the name of the file.

        Parameters
        ----------
        what : ``score``, the scores with their intervals, ``differences``, those to the best, ``time``, the score
            against CPU time, or ``truth``, the estimates against the truth.
        columns : 1 or 2, for a paper: as wide as one column of its page (3.35 inches) or as two (6.9 inches), with
            smaller letters. None: as on the page of a report.

        Raises
        ------
        UsageError : another word, or too few estimators to draw.
        """
        from .plots import plot

        return plot(self, what, columns)

    def _table(self, rows: Sequence[Ranking], unit: str = "nats") -> Table:
        """The columns that fit anywhere."""
        full = tables.ranking(self, Unit(unit))
        return Table(full.name, full.title, full.note, *flat(Ranking, rows, Unit(unit), *_SHOWN, rank=tables.place))


def _text(table: Table) -> list[str]:
    """Aligned lines, the headings first."""
    lines = [[column.heading for column in table.columns], *([entry.text for entry in row] for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    align = [str.rjust if column.numeric else str.ljust for column in table.columns]
    return ["  ".join(a(text, w) for a, text, w in zip(align, line, widths, strict=True)).rstrip() for line in lines]


def _latex(table: Table) -> str:
    def line(texts: Sequence[str]) -> str:
        return " & ".join(map(_escaped, texts)) + r" \\"

    return "\n".join(
        [
            rf"\begin{{tabular}}{{{''.join('r' if column.numeric else 'l' for column in table.columns)}}}",
            r"\toprule",
            line([column.heading for column in table.columns]),
            r"\midrule",
            *(line([entry.text for entry in row]) for row in table.rows),
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        **{c: rf"\{c}" for c in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "[": "{[}",  # a bracket after the end of a line would be taken for its option
        "|": r"\textbar{}",
        "<": "$<$",
        ">": "$>$",
        "−": "$-$",
        "–": "--",
        "∞": r"$\infty$",
        "µ": r"$\mu$",
        "…": r"\ldots{}",
    }
)


def _escaped(text: str) -> str:
    return printable(text).translate(_LATEX)
