"""What the README tells a newcomer to write works; its commands are run in tests/docs."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from mibench import registry
from mibench.api import estimate
from mibench.checks import run as run_checks

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def text() -> str:
    return README.read_text()


def test_the_example_plugin_keeps_the_contract(text: str, tmp_path: Path) -> None:
    code = re.search(r"<!-- plugin:begin -->\n```python\n(.*?)```", text, re.DOTALL)
    assert code is not None
    file = tmp_path / "my_estimator.py"
    file.write_text(code[1])
    registry.include(file)
    outcomes = run_checks(registry.estimators.create("my-estimator"))
    assert [str(o) for o in outcomes if o.failed] == []
    assert estimate([1.0, 2.0, 3.0, 5.0], [1.1, 2.0, 3.2, 4.9], "my-estimator").mi > 1


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("refresh_readme", README.parent / "docs" / "refresh_readme.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("page", "tables"), [("README.md", 2), ("docs/boards.md", 8)])
def test_what_pages_tell_of_the_published_results_is_what_they_say(
    generator: ModuleType, page: str, tables: int
) -> None:
    text = (README.parent / page).read_text()
    fresh = generator.refreshed(text)
    stale = [line for line in fresh.splitlines() if line not in text.splitlines()]
    assert not stale and fresh == text, "run `python docs/refresh_readme.py`"
    assert [match[1] for match in generator.BLOCK.finditer(text)].count("table") == tables


def test_a_stale_figure_is_noticed(generator: ModuleType, text: str) -> None:
    for figure in (r"\| 1 \| [a-z-]+ \| (0\.\d+) \|", r"(\d+) cells of \d+"):
        found = re.search(figure, text)
        assert found is not None
        stale = text[: found.start(1)] + "7" + text[found.end(1) :]
        assert stale != text and generator.refreshed(stale) == text


def test_every_make_target_and_file_of_the_readme_exists(text: str) -> None:
    makefile = (README.parent / "Makefile").read_text()
    for target in set(re.findall(r"make ([a-z-]+) ", text)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for file in set(re.findall(r"\]\((docs/[^)]+)\)", text)):
        assert (README.parent / file).is_file(), file
