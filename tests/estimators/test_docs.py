"""docs/estimators.md says what the registry says."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"
AGAIN = "run `python docs/refresh_estimators.py`"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("refresh_estimators", DOCS / "refresh_estimators.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page() -> str:
    return (DOCS / "estimators.md").read_text(encoding="utf-8")


def test_the_generated_parts_are_up_to_date(generator: ModuleType, page: str) -> None:
    stale = [line for line in generator.refreshed(page).splitlines() if line not in page.splitlines()]
    assert not stale, AGAIN
    assert generator.refreshed(page) == page, AGAIN


def test_a_stale_page_is_noticed(generator: ModuleType, page: str) -> None:
    for right, wrong in (("`k=3`", "`k=4`"), ("| lower bound |", "| estimate |"), ("### ksg\n", "### kgs\n")):
        stale = page.replace(right, wrong)
        assert stale != page
        assert generator.refreshed(stale) == generator.refreshed(page) != stale


def test_every_name_has_a_caveat_and_every_caveat_a_name(generator: ModuleType, page: str) -> None:
    section = page.split("## Known caveats")[1].split("## One by one")[0]
    named = [
        name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall(r"`(.+?)`", row)
    ]
    assert sorted(named) == generator.built_in(), "edit the table of caveats in docs/estimators.md"


def test_links_within_the_page_have_a_target(generator: ModuleType, page: str) -> None:
    targets = {f"#{heading.strip().lower()}" for heading in re.findall(r"^#+ (.*)$", page, re.MULTILINE)}
    links = re.findall(r"\]\((#.*?)\)", page)
    assert links
    assert set(links) <= targets


def test_paragraphs_of_hyperparameters_become_lists(generator: ModuleType) -> None:
    text = "One ``a``\nsentence.\n\nx, y : first\n    and more.\nz : second."
    assert generator.prose(text) == ["One `a` sentence.", "* `x, y`: first and more.\n* `z`: second."]
