"""What the README tells a newcomer to type works."""

import re
import shlex
from pathlib import Path
from typing import Any

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


def test_every_command_of_the_readme_exists(text: str) -> None:
    from typer.main import get_command

    from mibench.cli.commands import app

    group: Any = get_command(app)
    commands = [line.strip() for line in re.split(r"\n|    (?=mibench )", text) if line.strip().startswith("mibench ")]
    assert len(commands) > 10
    for line in commands:
        words = shlex.split(line, comments=True)
        command = group.commands[words[1]]
        options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in words[2:] if word.startswith("-")} <= options, line


def test_every_make_target_and_file_of_the_readme_exists(text: str) -> None:
    makefile = (README.parent / "Makefile").read_text()
    for target in set(re.findall(r"make ([a-z-]+) ", text)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for file in set(re.findall(r"\]\((docs/[^)]+)\)", text)):
        assert (README.parent / file).is_file(), file
