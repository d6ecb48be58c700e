"""The HTML page: it needs nothing but itself, its links lead somewhere, and no name can break out of its cell."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from mibench.report import figures, html, run_pictures, tables
from mibench.report.leaderboard import Leaderboard
from mibench.report.style import INK, MUTED
from mibench.report.task_cards import task_cards
from mibench.report.values import Unit
from mibench.result import Result, Status

from .conftest import MakeResult, tiny_png

_VOID = {"meta", "img", "br", "hr", "link", "input", "wbr"}


class Page(HTMLParser):
    """Elements with their attributes; checks that tags are closed in the order they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(attrs) == len(dict(attrs)), (tag, attrs)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def text(plausible_report: dict[str, Path]) -> str:
    return plausible_report["html"].read_text(encoding="utf-8")


def test_who_trains_leads_to_its_curves(text: str, plausible_run: list[Result]) -> None:
    sections = re.findall(r'<details id="estimator-[^"]*"><summary>([^<]*)</summary>(.*?)</details>', text, re.DOTALL)
    leading = {name for name, section in sections if 'href="#training"' in section}
    assert leading == {r.cell.estimator for r in plausible_run if r.curve and r.truth is not None} != set()
    assert len(sections) > len(leading) and text.count('<section id="training">') == 1


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_it_needs_nothing_else(page: Page, text: str) -> None:
    assert not page.all("link")
    assert not [s for s in page.all("script") if "src" in s]
    assert all((image["src"] or "").startswith("data:image/png;base64,") for image in page.all("img"))
    allowed = ("#", "https://doi.org/", "https://arxiv.org/abs/")
    assert all((anchor["href"] or "").startswith(allowed) for anchor in page.all("a"))
    assert not re.findall(r"url\((?!#)[^)]*\)|@import", text)


def test_links_lead_somewhere_and_ids_are_unique(page: Page, text: str) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    used = [str(anchor["href"])[1:] for anchor in page.all("a") if str(anchor["href"]).startswith("#")]
    used += re.findall(r'xlink:href="#([^"]+)"', text) + re.findall(r"url\(#([^)]+)\)", text)
    assert set(used) <= set(ids)


def test_every_picture_is_described(page: Page) -> None:
    assert all(image.get("alt") for image in page.all("img"))
    assert all(drawing.get("aria-label") for drawing in page.all("svg"))


def test_figures_follow_the_theme_of_the_page(text: str) -> None:
    drawings = "".join(re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL))
    assert "var(--ink)" in drawings
    assert INK not in drawings and MUTED not in drawings
    assert "DejaVu" not in drawings


def test_all_estimators_tasks_and_sections_are_there(
    page: Page, plausible_run: list[Result], plausible_board: Leaderboard
) -> None:
    words = set(page.words)
    assert {row.estimator for row in plausible_board.ranking} <= words
    everything = "".join(page.words)
    assert all(r.cell.task in everything for r in plausible_run if r.truth is not None)
    ids = {attributes.get("id") for _, attributes in page.elements}
    sections = {table.name for table in tables.build(plausible_board) if not table.name.startswith("downstream-")}
    sections |= {"figures", "estimates", "training", "downstream", "provenance", "estimators"}
    assert len(sections) == 14 and sections <= ids


def test_sort_keys_are_numbers(page: Page) -> None:
    keys = [attributes["data-value"] for tag, attributes in page.elements if "data-value" in attributes]
    assert len(keys) > 500
    for key in keys:
        float(key or "")


def test_the_script_finds_every_cell_in_the_page(text: str, plausible_board: Leaderboard) -> None:
    data = json.loads(text.split('id="data">')[1].split("</script>")[0])
    cells = data["cells"]
    assert {len(column) for column in cells.values()} == {len(plausible_board.cells)}
    for i, r in enumerate(plausible_board.cells):
        task, n, truth, family, group = data["points"][cells["point"][i]]
        assert (data["estimators"][cells["estimator"][i]]["name"], task, n) == (r.cell.estimator, r.cell.task, r.cell.n)
        assert (family, group, data["statuses"][cells["status"][i]]) == (r.family, r.group, r.status)
        assert cells["mi"][i] == (r.mi if r.mi is None else pytest.approx(r.mi, rel=1e-6))
        assert truth == (r.truth if r.truth is None else pytest.approx(r.truth, rel=1e-6))


def test_every_row_of_a_table_says_which_cells_its_numbers_are_of(plausible_board: Leaderboard) -> None:
    fields = {"estimator": "estimator", "task": "task", "n": "n"}
    for table in tables.build(plausible_board):
        assert len(table.whose) == len(table.rows) and len(table.where) in (0, len(table.columns)), table.name
        for query in {f"{row}&{column or ''}" for row in table.whose for column in table.where or ("",)}:
            asked = parse_qs(query)
            for name, attribute in fields.items():
                values = {str(getattr(r.cell, attribute)) for r in plausible_board.cells}
                assert set(asked.get(name, ())) <= values


def test_a_task_is_told_with_its_source_and_every_estimator(make: MakeResult) -> None:
    results = [
        make(e, "gauss[dim=3]", n, s, 1.1, truth=1.0) for e in ("ksg", "cca") for n in (100, 200) for s in (0, 1)
    ]
    (card,) = task_cards(
        Leaderboard.from_results([*results, make("oracle", "gauss[dim=3]", 100, reads_task=True)]), Unit()
    )
    assert card.anchor == "task-gauss-dim-3" and "N(0, I)" in card.construction and card.citation
    assert ("samples", "100, 200") in card.facts and ("mutual information", "1.000 nats") in card.facts
    assert {row[0].text for row in card.estimators.rows} == {"ksg", "cca", "oracle"} and len(card.estimators.rows) == 5
    assert [row[3].mark for row in card.estimators.rows if row[0].text == "oracle"] == [""]


def test_a_task_that_is_not_installed_has_a_section_all_the_same(make: MakeResult) -> None:
    (card,) = task_cards(Leaderboard.from_results([make(task="no-such-task", mi=1.0)]), Unit())
    assert not card.construction and not card.citation and len(card.estimators.rows) == 1


def test_the_head_counts_who_is_ranked_apart(make: MakeResult) -> None:
    entrants = [make(e, f, family=f, mi=1.1) for e in ("a", "b") for f in ("x", "y")]
    others = [make("oracle", f, family=f, reads_task=True) for f in ("x", "y")]
    words = "".join(Page(html.render(Leaderboard.from_results([*entrants, *others]), "T")).words)
    assert "2 estimators ranked" in words and "1 not ranked" in words
    assert "2 estimators\n" in "".join(Page(html.render(Leaderboard.from_results(entrants), "T")).words)


def test_no_name_breaks_out(make: MakeResult) -> None:
    evil = "<script>alert(1)</script>"
    results = [make(evil, f'"><img src=x onerror=y>{t}', seed=s, mi=1.0) for t in range(2) for s in range(2)]
    results += [make("ksg", seed=9, mi=None, message=f"`{evil}` & </table>")]
    board = Leaderboard.from_results(results)
    page = Page(html.render(board, evil, drawn=figures.draw(board)))
    assert page.all("script") == [{"type": "application/json", "id": "data"}, {}]
    assert not page.all("img")
    assert "".join(page.words).count(evil) >= 2


def test_an_arm_shows_the_last_picture_of_each_kind_from_its_first_seed(tmp_path: Path, make: MakeResult) -> None:
    told = {"group": "g", "family": "downstream", "truth": None, "status": Status.OK, "metrics": {"m": 1.0}}
    names = {"samples_000500": "a", "samples_010000": "b", "samples_002000": "c"}
    names |= {"plane": "d", "absent": "e", "cut_short": "f"}
    results = []
    for seed, first in ((3, 0), (1, 100)):
        images = {name: f"{file}-{seed}.png" for name, file in names.items()}
        for shade, file in enumerate(images.values()):
            if not file.startswith("e"):
                (tmp_path / file).write_bytes(tiny_png(first + shade))
        (tmp_path / f"f-{seed}.png").write_bytes(tiny_png(0)[:45])
        results.append(make("arm", "g", 0, seed, None, arm="arm", images=images, **told))
    board = Leaderboard.from_results(results)
    pictures = run_pictures.find(board, [tmp_path])
    assert [(p.name, p.seed, p.path.name) for p in pictures["g"]] == [
        ("plane", 1, "d-1.png"),
        ("samples", 1, "b-1.png"),
    ]
    assert len(Page(html.render(board, "T", pictures=pictures)).all("img")) == 2
