"""All tasks on one HTML page that needs nothing else, each with a picture of a sample."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mibench.errors import MibenchError, UsageError
from mibench.files import explained, put
from mibench.group import grouped
from mibench.task import AnyTask, ConsistencyTask, Task, TaskKind

from .catalogue import TaskRow, describe, dimensions, grids_with, truth
from .html import data_uri, fill
from .pictures import thumbnail
from .portraits import linked
from .style import slug


@dataclass(frozen=True)
class Exhibit:
    """One task on the page; ``grids`` are the presets that have it, ``picture`` is a data URI or empty."""

    row: TaskRow
    dims: str
    truth: str
    construction: str
    citation: str
    grids: str = ""
    picture: str = ""

    @property
    def anchor(self) -> str:
        """Where it is on the page."""
        return f"task-{slug(self.row.name)}"

    @property
    def cited(self) -> list[tuple[str, str]]:
        """Its source in pieces, each with the address that it links to."""
        return linked(self.citation)

    @property
    def command(self) -> str:
        """What tells more about it, as a shell takes it."""
        return f"mibench info {shlex.quote(self.row.name)}"


def write_gallery(tasks: Sequence[AnyTask], path: Path) -> None:
    """Write the page: tasks by family with dimensions, mutual information, construction, source and a picture.

    Raises
    ------
    UsageError : no tasks, or a file that cannot be written.
    """
    if not tasks:
        raise UsageError("there are no tasks for a gallery; `mibench ls tasks` lists the known ones.")
    exhibits = [_exhibit(task) for task in tasks]
    families = grouped(
        sorted(exhibits, key=lambda e: (e.row.kind is not TaskKind.INFORMATION, e.row.group)), lambda e: e.row.group
    )
    page = fill("gallery.html", title="Tasks of mibench", families=families, count=len(exhibits))
    with explained(f"cannot write the gallery to '{path}'"):
        put(path, page)


def _exhibit(task: AnyTask) -> Exhibit:
    row = describe(task)
    picture = ""
    if isinstance(task, (Task, ConsistencyTask)):
        try:
            picture = data_uri(thumbnail(task))
        except MibenchError as error:  # a data set that is missing costs its picture, not the page
            row = dataclasses.replace(row, remark=str(error))
    known = truth(row) if isinstance(task, Task) else ""
    construction = " ".join(task.construction.split()) if isinstance(task, Task) else row.summary
    grids = ", ".join(grids_with(task))
    return Exhibit(row, dimensions(row), known, construction.replace("``", "`"), task.citation, grids, picture)
