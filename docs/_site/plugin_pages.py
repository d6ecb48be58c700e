"""One page per estimator and per task, made of what the registry says and of the published results."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import measured
from typography import prose

from mibench.errors import MibenchError
from mibench.group import grouped
from mibench.registry import Registry, estimators, tasks
from mibench.report import catalogue, pictures
from mibench.report.cards import Card, card
from mibench.report.docstring import documented
from mibench.report.portraits import linked
from mibench.task import ConsistencyTask, Task
from mibench.words import plural

_SHELF = {"estimators": "Estimators", "tasks": "Tasks"}


def built_in(registry: Registry[Any]) -> list[str]:
    """The names that mibench itself registers."""
    return [name for name in registry.names() if registry.factory(name).__module__.startswith("mibench.")]


def pages() -> Iterator[tuple[str, str | bytes]]:
    """Paths below the site's root and what stands there."""
    for name in built_in(estimators):
        yield f"estimators/{name}.md", _estimator(name)
    ours = set(built_in(tasks))
    rows = [row for row in catalogue.list_tasks() if row.name in ours]
    yield "tasks/index.md", _index(rows)
    for row in rows:
        picture = _picture(row.name)
        if picture:
            yield f"tasks/{row.name}.png", picture
        yield f"tasks/{row.name}.md", _task(row, bool(picture))


def shelves() -> dict[str, list[Any]]:
    """The navigation: the pages of estimators by kind, those of tasks by family."""
    ours = {kind: set(built_in(registry)) for kind, registry in (("e", estimators), ("t", tasks))}
    rows = sorted((r for r in catalogue.list_estimators() if r.name in ours["e"]), key=lambda r: r.group)
    kinds = grouped(rows, lambda row: "yardsticks" if row.reads_task else plural(str(row.kind), 2))
    families = grouped([row for row in catalogue.list_tasks() if row.name in ours["t"]], lambda row: row.family)
    return {
        "estimators": [{k: [{r.name: f"estimators/{r.name}.md"} for r in of]} for k, of in sorted(kinds.items())],
        "tasks": [{f: [{r.name: f"tasks/{r.name}.md"} for r in of]} for f, of in sorted(families.items())],
    }


def _estimator(name: str) -> str:
    found = card(name)
    lines = [
        *_head(found),
        *_facts(found),
        measured.of_estimator(name, "../"),
        "## Try it",
        "",
        "```sh",
        f"mibench info {name}",
        f"mibench estimate x.csv y.csv -e {name}",
        f"mibench run quick -e {name}",
        "```",
        "",
        *_parameters(found, name),
    ]
    return "\n".join(lines)


def _task(row: catalogue.TaskRow, picture: bool) -> str:
    try:
        found = card(row.name)
    except MibenchError as error:  # a data set that is missing, a parameter that must be given
        return f"# {row.name}\n\n{prose(row.summary)}\n\n{prose(str(error))}\n"
    lines = _head(found)
    if picture:
        what = "A sample; the colour of a point is the first coordinate of X."
        lines += [
            f'<figure markdown="span">![A sample of {row.name}]({row.name}.png)'
            f"<figcaption>{what}</figcaption></figure>",
            "",
        ]
    lines += [*_facts(found), measured.of_task(row.name, "../")]
    lines += ["## Try it", "", "```sh", f"mibench info {row.name}"]
    if found.what == "task":
        lines += [f"mibench run -t {row.name} -e ksg -e infonce -n 1000 --seeds 3"]
    lines += ["```", "", *_parameters(found, row.name), *_tables(found)]
    return "\n".join(lines)


def _head(found: Card) -> list[str]:
    first, *rest = [p for p in _text(found).split("\n\n") if p.strip()] or [""]
    if re.match(r"Raises\s*\n", first):
        first = ""
    rest = [p for p in rest if not p.startswith("Raises")]
    construction = found.facts.get("construction", "")
    lines = [f"# {found.name}", ""]
    if first:
        lines += [f'<p class="lead" markdown="span">{prose(first)}</p>', ""]
    if construction:
        rest = [construction.removeprefix(" ".join(first.split())).strip(), *rest]
    return [*lines, *(f"{prose(p)}\n" for p in rest)]


def _text(found: Card) -> str:
    """The documentation with its marks of code, which a card leaves out."""
    name = found.name.partition("[")[0]
    factory = estimators.known(name) or tasks.known(name)
    text: str = documented(factory).text or found.text
    return re.sub(r":\w+:`~?(.*?)`", r"``\1``", text)


def _facts(found: Card) -> list[str]:
    told = {label: text for label, text in found.facts.items() if label not in ("construction", "source", "see also")}
    lines = ["| | |", "| --- | --- |"]
    plain = {"cost"}  # whose letters are units
    lines += [f"| {label} | {text if label in plain else prose(text)} |" for label, text in told.items()]
    source = found.facts.get("source")
    if source:
        pieces = (f"[{text}]({address})" if address else text for text, address in linked(source))
        lines.append(f"| source | {''.join(pieces).replace('|', '&#124;')} |")
    return [*lines, ""]


def _parameters(found: Card, name: str) -> list[str]:
    if not found.parameters:
        return []
    lines = ["## Parameters", "", f"Written as `{name}[{found.parameters[0].name}=...]`.", ""]
    lines += ["| name | default | what it may be | meaning |", "| --- | --- | --- | --- |"]
    for p in found.parameters:
        default = "" if p.default is None else f"`{p.default}`"
        lines.append(f"| `{p.name}` | {default} | {prose(p.type)} | {prose(p.meaning)} |")
    return [*lines, ""]


def _tables(found: Card) -> list[str]:
    rows = found.tables.get("metrics", ())
    if not rows:
        return []
    lines = ["## Metrics", "", "| metric | better | unit | meaning |", "| --- | --- | --- | --- |"]
    return [*lines, *(f"| {r['name']} | {r['better']} | {r['unit']} | {prose(r['description'])} |" for r in rows), ""]


def _picture(name: str) -> bytes:
    try:
        task = tasks.create(name)
        return pictures.thumbnail(task) if isinstance(task, (Task, ConsistencyTask)) else b""
    except MibenchError:
        return b""


def _index(rows: Sequence[catalogue.TaskRow]) -> str:
    lines = [
        "# Tasks",
        "",
        f"{len(rows)} names in families; every one takes parameters, and wrappers compose with any.",
        "",
    ]
    for family, members in sorted(grouped(rows, lambda row: row.family).items()):
        lines += [f"## {family}", "", "| task | dimensions | MI | what it is |", "| --- | --- | --- | --- |"]
        for row in members:
            told = catalogue.truth(row) if row.mutual_information is not None else ""
            about = prose(row.summary or row.remark)
            lines.append(f"| [{row.name}]({row.name}.md) | {catalogue.dimensions(row)} | {told} | {about} |")
        lines.append("")
    return "\n".join(lines)
