"""The published leaderboards as pages: the Markdown that was published, and beside it the page made of its records."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import measured
from plugin_pages import built_in

from mibench.engine.reading import FILE
from mibench.group import grouped
from mibench.registry import estimators
from mibench.report import figures, html
from mibench.report.flat import interval
from mibench.report.leaderboard import Leaderboard
from mibench.report.markdown import escaped
from mibench.report.tables import standing
from mibench.report.values import number, seconds
from mibench.result import Result
from mibench.submission import Submission

_FILES = ("leaderboard.csv", "tasks.csv", "downstream.csv", FILE)


def pages() -> Iterator[tuple[str, str | bytes]]:
    """Paths below the site's root and what stands there."""
    yield "leaderboards/index.md", _index()
    for name, board in measured.boards().items():
        folder = measured.PUBLISHED / name
        yield f"leaderboards/{name}.md", _page(name, (folder / "leaderboard.md").read_text(encoding="utf-8"))
        yield f"leaderboards/{name}/page.html", html.render(board, f"mibench: {name}", "nats", figures.draw(board))
        for file in _files(name):
            yield f"leaderboards/{name}/{file.name}", file.read_bytes()
    for folder in submitted():
        text = (folder / "leaderboard.md").read_text(encoding="utf-8")
        yield f"leaderboards/submitted/{folder.name}.md", f"---\nhide: [toc]\n---\n\n{text}"
        yield f"leaderboards/submitted/{folder.name}/{FILE}", (folder / FILE).read_bytes()
    for path in sorted(measured.PUBLISHED.glob("*.md")):
        yield f"leaderboards/{path.name}", path.read_text(encoding="utf-8")
    for path in sorted(measured.PUBLISHED.glob("*.jsonl")):
        yield f"leaderboards/{path.name}", path.read_bytes()


def submitted() -> list[Path]:
    """The folders of results that others handed in."""
    return sorted(path.parent for path in (measured.PUBLISHED.parent / "submitted").glob(f"*/{FILE}"))


def _files(name: str) -> list[Path]:
    """What was published beside the Markdown."""
    return [path for path in (measured.PUBLISHED / name / file for file in _FILES) if path.is_file()]


def shelf() -> list[dict[str, str]]:
    """The navigation."""
    others = [path.name for path in sorted(measured.PUBLISHED.glob("*.md"))]
    return [
        {"All of them": "leaderboards/index.md"},
        *({name: f"leaderboards/{name}.md"} for name in measured.boards()),
        *({name.removesuffix(".md").replace("_", " "): f"leaderboards/{name}"} for name in others),
        *({f"submitted: {folder.name}": f"leaderboards/submitted/{folder.name}.md"} for folder in submitted()),
    ]


def best(name: str, most: int = 10) -> str:
    """The first rows of a published leaderboard as a table."""
    board = measured.boards()[name]
    lines = ["| | estimator | score | 95 % interval | median error, nats | CPU per cell |"]
    lines.append("| ---: | --- | ---: | ---: | ---: | ---: |")
    for row in [row for row in board.ranking if row.rank][:most]:
        spread = interval(row.low, row.high, signed=False).text
        error, cpu = number(row.median_error), seconds(row.cpu_s).text
        lines.append(f"| {row.rank} | {_linked(row.estimator, '')} | {row.score:.3f} | {spread} | {error} | {cpu} |")
    return "\n".join(lines)


def _index() -> str:
    lines = [
        "# Leaderboards",
        "",
        "Reviewed reference results: every number comes from a cell in the records beside it.",
        "",
    ]
    for name, board in measured.boards().items():
        told = _counts(board)
        lines += [f"## {name}", "", f"{told}. [Tables]({name}.md), [interactive page]({name}/page.html).", ""]
        lines += [escaped(standing(board)), ""]
        if board.best is not None:
            lines += [best(name, 5).replace("](estimators/", "](../estimators/"), ""]
    lines += ["Scores are explained in [Concepts](../concepts.md#the-score)."]
    return "\n".join(lines)


def _asked(r: Result) -> tuple[str, str, int]:
    return r.cell.estimator, r.group or r.cell.task, r.cell.n


def _counts(board: Leaderboard) -> str:
    cells = board.cells
    each = [len({r.cell.seed for r in own}) for own in grouped(cells, _asked).values()]
    seeds = f"{min(each)} to {max(each)}" if min(each) < max(each) else str(max(each))
    sizes = ", ".join(f"{n:,}" for n in sorted({r.cell.n for r in cells if r.cell.n}))
    estimators, tasks = len({r.cell.estimator for r in cells}), len({r.group or r.cell.task for r in cells})
    told = [f"{estimators} estimators", f"{tasks} tasks", f"n = {sizes}" if sizes else "", f"{seeds} seeds"]
    return ", ".join(filter(None, [*told, f"{len(cells):,} cells"]))


def _page(name: str, text: str) -> str:
    text = re.sub(r"^# .*$", f"# Leaderboard: {name}", text, count=1, flags=re.M)
    own = [f"[{file.name}]({name}/{file.name})" for file in _files(name)]
    links = f"[Interactive page]({name}/page.html){{ .md-button .md-button--primary }}\n\nFiles: {', '.join(own)}.\n\n"
    head, _, rest = text.partition("\n\n")
    known = set(built_in(estimators))

    def link(match: re.Match[str]) -> str:
        label = match[3].replace("\\", "")
        if label.partition("[")[0] not in known:
            return match[0]
        return f"{match[1]}{match[2]}{_linked(label, '../')}{match[2]} |"

    rest = re.sub(r"^(\| (?:\d+|ref|–)? ?\| )(\**)([^|*]+?)\2 \|", link, rest, flags=re.M)
    return f"---\nhide: [toc]\n---\n\n{head}\n\n{links}{_moved_on(name)}{rest}"


def _moved_on(name: str) -> str:
    """A remark where plug-ins have other versions by now than when they were measured."""
    changed = Submission(measured.PUBLISHED / name).changed()
    if not changed:
        return ""
    listed = "; ".join(escaped(one) for one in changed)
    return f'!!! note "Measured with earlier versions"\n    Answers of these have changed since: {listed}.\n\n'


def _linked(label: str, up: str) -> str:
    return f"[{label.replace('[', '&#91;').replace(']', '&#93;')}]({up}estimators/{label.partition('[')[0]}.md)"
