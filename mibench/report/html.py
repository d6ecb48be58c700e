"""The report as one HTML file that needs nothing else: styles, script, tables, figures and pictures are all inside.

What it looks like is in ``templates``; this module only gathers what goes in.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mibench.group import grouped
from mibench.leaderboard.board import Board
from mibench.result import Status
from mibench.words import plural

from . import excerpt, tables
from .embedded import embedded
from .portraits import portraits
from .run_pictures import Picture
from .style import HUES, NIGHT, Drawing, anchors, slug
from .task_cards import task_cards
from .values import Table, Unit, recorded, seconds

if TYPE_CHECKING:
    from jinja2 import Environment

_MOST_ROWS = 2_000  # of one table


def render(
    board: Board,
    title: str,
    unit: str = "nats",
    drawn: Sequence[Drawing] = (),
    pictures: Mapping[str, Sequence[Picture]] | None = None,
) -> str:
    """The page; ``drawn`` are its figures, ``pictures`` those that the runs of each downstream task left."""
    built = {table.name: _cut(table) for table in tables.build(board, unit)}
    painted = portraits(board, Unit(unit))
    most = excerpt.share(len(painted))
    painted = [replace(p, tasks=_cut(p.tasks, most), failures=_cut(p.failures, most)) for p in painted]
    every = task_cards(board, Unit(unit))
    most = excerpt.share(len(every))
    cards = grouped((replace(c, estimators=_cut(c.estimators, most)) for c in every), lambda card: card.family)
    groups = list(dict.fromkeys(row.group for row in board.downstream))
    shown, left_out = excerpt.cells_of(board.cells)
    return fill(
        "page.html",
        title=title,
        unit=unit,
        board=board,
        recorded=recorded(board.provenance, 4),
        facts=_facts(board),
        standing=tables.standing(board),
        portraits=painted,
        anchors={portrait.name: portrait.anchor for portrait in painted},
        cards=cards,
        task_anchors={card.name: card.anchor for own in cards.values() for card in own},
        family_anchors=anchors("family", cards),
        group_anchors=anchors("downstream", groups),
        data=embedded(board, Unit(unit), shown),
        left_out=left_out,
        how_to_read=tables.how_to_read(board),
        tables=built,
        estimates={family: _cut(tables.tasks(board, family, Unit(unit))) for family in cards},
        figures=grouped(drawn, lambda figure: figure.section),
        groups={group: (pictures or {}).get(group, ()) for group in groups},
    )


def _cut(table: Table, most: int = _MOST_ROWS) -> Table:
    return excerpt.rows_of(table, most, "leaderboard.json")


def fill(template: str, **values: Any) -> str:
    """A template with values in it, without empty lines."""
    return re.sub(r"\n\s*\n+", "\n", _environment().get_template(template).render(**values))


def _environment() -> Environment:
    """Where the templates are, with the filters that they use."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("mibench.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["hues"] = list(zip(HUES, NIGHT, strict=True))
    made.filters["slug"] = slug
    made.filters["broken"] = _broken
    made.filters["marked"] = _marked
    made.filters["data_uri"] = lambda path: data_uri(path.read_bytes())
    return made


def _facts(board: Board) -> list[tuple[str, str]]:
    """What was run, as (number, what) pairs; who has no place in the ranking is counted apart."""
    ranked = sum(row.rank is not None for row in board.ranking)
    every = len({r.cell.estimator for r in board.cells})
    facts = [(f"{every:,}", plural("estimator", every))]
    if 0 < ranked < every:
        facts = [(f"{ranked:,}", f"{plural('estimator', ranked)} ranked"), (f"{every - ranked:,}", "not ranked")]
    counts = {
        "task": len({r.group or r.cell.task for r in board.cells}),
        "family": len({r.family for r in board.cells}),
        "cell": len(board.cells),
    }
    facts += [(f"{count:,}", plural(noun, count)) for noun, count in counts.items()]
    failed = sum(r.status.failed for r in board.ran)
    declined = sum(r.status is Status.UNSUPPORTED for r in board.ran)
    facts += [(f"{failed:,}", "failed"), *([(f"{declined:,}", "declined")] if declined else [])]
    return [*facts, (seconds(sum(r.cpu_s for r in board.cells)).text, "CPU time")]


def data_uri(png: bytes) -> str:
    """A picture as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _broken(name: str) -> Any:
    """A name that may go on in the next line only where a parameter or part of a path begins, or after a semicolon."""
    from markupsafe import Markup, escape

    parts = re.split(r"(?<=[\[,/])|(?<=; )", name)
    if len(parts) == 1:
        return escape(name)
    return Markup("<wbr>").join(Markup("<span>{}</span>").format(part) for part in parts if part)


def _marked(text: str) -> Any:
    """Text with `code` spans."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
