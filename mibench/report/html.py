"""The report as one HTML file that needs nothing else: styles, script, tables, figures and pictures are all inside.

What it looks like is in ``templates``; this module only gathers what goes in.
"""

from __future__ import annotations

import base64
import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mibench.leaderboard import Leaderboard
from mibench.panels import grouped
from mibench.result import Result, Status

from . import tables
from .style import Drawn, slug
from .values import Unit, natural, seconds

if TYPE_CHECKING:
    from jinja2 import Environment

_MOST_PICTURES = 48
_LARGEST_PICTURE = 2_000_000
_STEP = re.compile(r"[_-]\d+$")


@dataclass(frozen=True)
class Picture:
    """A picture of a downstream run, inlined."""

    arm: str
    name: str
    seed: int
    path: Path
    uri: str = ""


def render(
    results: Sequence[Result],
    board: Leaderboard,
    title: str,
    unit: str = "nats",
    drawn: Sequence[Drawn] = (),
    sources: Sequence[Path] = (),
) -> str:
    """The page; ``drawn`` are its figures and ``sources`` the directories that hold pictures named by the results."""
    built = {table.name: table for table in tables.build(board, unit)}
    families = list(dict.fromkeys(row.family for row in board.tasks))
    groups = list(dict.fromkeys(row.group for row in board.downstream))
    page = (
        environment()
        .get_template("page.html")
        .render(
            title=title,
            unit=unit,
            board=board,
            facts=_facts(results, board),
            tied=[row.estimator for row in board.ranking if row.tied and row.rank != 1],
            how_to_read=tables.HOW_TO_READ,
            tables=built,
            estimates={family: tables.tasks(board, family, Unit(unit)) for family in sorted(families)},
            figures=grouped(drawn, lambda figure: figure.section),
            groups={group: _pictures(results, board, group, sources) for group in groups},
        )
    )
    return re.sub(r"\n\s*\n+", "\n", page)


def environment() -> Environment:
    """Where the templates are, with the filters that they use."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("mibench.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["slug"] = slug
    made.filters["marked"] = _marked
    return made


def _facts(results: Sequence[Result], board: Leaderboard) -> list[tuple[str, str]]:
    """What was run, as (number, what) pairs."""
    failed = sum(r.status not in (Status.OK, Status.NOT_INSTALLED) for r in results)
    spent = sum(r.cpu_s for r in results)
    counts = [
        (len({r.cell.estimator for r in results}), "estimator"),
        (len({r.cell.task for r in results}), "task"),
        (len({r.family for r in results}), "family"),
        (len(results), "cell"),
        (failed, "failed"),
    ]
    facts = [(f"{count:,}", _plural(noun, count)) for count, noun in counts]
    return [*facts, (seconds(spent).text, "CPU time")]


def _plural(noun: str, count: int) -> str:
    if count == 1 or noun == "failed":
        return noun
    return "families" if noun == "family" else f"{noun}s"


def _pictures(results: Sequence[Result], board: Leaderboard, group: str, sources: Sequence[Path]) -> list[Picture]:
    """The last picture of each kind from each arm's first seed, as far as it can be found; kind by kind.

    A training names its pictures by kind and step, ``samples_002000``; the page shows how it ended.
    """
    arms = {row.arm: place for place, row in enumerate(board.downstream) if row.group == group}
    runs = sorted((r for r in results if r.group == group and r.images), key=lambda r: r.cell.seed)
    found = []
    for arm, own in sorted(grouped(runs, lambda r: r.arm).items(), key=lambda item: arms.get(item[0], len(arms))):
        last = {_STEP.sub("", name): file for name, file in sorted(own[0].images.items(), key=lambda i: natural(i[0]))}
        for kind, file in last.items():
            path = next((d / file for d in sources if (d / file).is_file()), None)
            if path is not None and path.stat().st_size <= _LARGEST_PICTURE:
                found.append(Picture(arm, kind.replace("_", " "), own[0].cell.seed, path))
    shown = sorted(found, key=lambda picture: picture.name)[:_MOST_PICTURES]
    return [dataclasses.replace(picture, uri=_data_uri(picture.path)) for picture in shown]


def _data_uri(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


def _marked(text: str) -> Any:
    """Text with `code` spans."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
