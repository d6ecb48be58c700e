"""Every command and snippet of the README and of the docs is run, page by page, in a folder with the files they name.

What a page shows as the output of a snippet is what it prints. `mibench run` runs as it stands where it says `--out`,
as the small ones of the tutorials do; the others, which take minutes, plan with `--dry-run`. What serves, or asks
a network or a machine's owner, is held to its options alone.
"""

from __future__ import annotations

import ast
import contextlib
import gzip
import importlib.util
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mibench import registry
from mibench.cli import main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```(?:\n\n```text\n(.*?)^```)?", re.S | re.M)
INDENTED = re.compile(r"^    (?=(?:mibench|make|python|zcat) ).*$", re.M)
NOT_RUN = ("ui", "sync", "data")
"""Commands that serve, or that talk to a server."""


def blocks(page: Path) -> Iterator[tuple[str, str, str | None]]:
    """(language, text, output) in the order of the page; what is indented is shell."""
    text = page.read_text(encoding="utf-8")
    found = [(m.start(), m[1], m[2], m[3]) for m in FENCE.finditer(text)]
    outside = FENCE.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)
    found += [(m.start(), "sh", m[0].strip() + "\n", None) for m in INDENTED.finditer(outside)]
    yield from (block[1:] for block in sorted(found, key=lambda block: block[0]))


def commands(text: str) -> Iterator[str]:
    """Lines, and those that stand beside each other."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            yield from (part.strip() for part in re.split(r" {3,}(?=(?:mibench|make) )", line))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A reader's folder: samples, a table, results that were published and some of their own."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(300)
    y = x + rng.standard_normal(300)
    for name, values in (("x", x), ("y", y)):
        np.save(tmp_path / f"{name}.npy", values)
        np.savetxt(tmp_path / f"{name}.csv", values)
    rows = zip(*(v.tolist() for v in (170 + x, 70 + y, 40 + x - y, x, 3 * y, y)), strict=True)
    lines = ['height,weight,age,a,"income, k",b', *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "data.csv").write_text("\n".join(lines))
    (tmp_path / "data.csv.gz").write_bytes(gzip.compress((tmp_path / "data.csv").read_bytes()))
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "published").symlink_to(ROOT / "results" / "published")
    shutil.copytree(ROOT / "results" / "published" / "quick", tmp_path / "results" / "quick")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("PYTHONPATH", "")
    for who in ("AUTHOR", "COMMITTER"):
        for what in ("NAME", "EMAIL"):
            monkeypatch.setenv(f"GIT_{who}_{what}", "reader@example.org")
    forget()
    yield tmp_path
    forget()


def forget() -> None:
    """What was included: every command of a shell is a process that knows nothing of the one before."""
    for name in [name for name in sys.modules if name.startswith("mibench_include_")]:
        registry.estimators.forget(name)
        registry.tasks.forget(name)
        del sys.modules[name]


PAGES_WITH_CODE = [page for page in PAGES if any(kind in ("sh", "python", "toml") for kind, *_ in blocks(page))]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("page", PAGES_WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_does_what_it_says(page: Path, folder: Path) -> None:
    for kind, text, _ in blocks(page):
        name = re.match(r'"""(\w+\.py):', text)
        if kind == "python" and name:
            (folder / name[1]).write_text(text)
        if kind == "toml":
            (folder / "my_grid.toml").write_text(text)
    for kind, text, output in blocks(page):
        if kind == "sh":
            for command in commands(text):
                shell(command)
        elif kind == "python" and not text.startswith('"""'):
            printed = python(text, folder)
            assert output is None or printed == output, f"the page shows {output}, and it prints {printed}"


@pytest.mark.parametrize("page", PAGES_WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of_a_page_have_the_options_that_it_names(page: Path) -> None:
    for kind, text, _ in blocks(page):
        for command in commands(text) if kind == "sh" else ():
            for part in re.split(r" && | \| ", command):
                words = shlex.split(part, comments=True)
                if words[0] == "mibench":
                    known(words[1:], command)
        if kind == "python":
            compile(text, str(page), "exec")


def shell(line: str) -> None:
    words = shlex.split(line, comments=True)
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), line
    elif words[0] == "python":
        script = ROOT / words[1]
        options = {word for word in words[2:] if word.startswith("--")}
        literals = {n.value for n in ast.walk(ast.parse(script.read_text())) if isinstance(n, ast.Constant)}
        assert options <= literals, line
    elif words[0] == "mibench" and "|" not in words and ">" not in words and ">>" not in words:
        mibench(words[1:], line)
    elif words[0] == "ray":
        ray(words[1:], line)
    elif words[0] == "cd" and len(words) == 2:
        os.chdir(words[1])  # for what follows, as in the shell of a reader
    else:
        done = subprocess.run(["bash", "-ec", line], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stderr}"


def mibench(arguments: list[str], line: str) -> None:
    if arguments[0] in NOT_RUN:
        known(arguments, line)
        return
    if arguments[0] == "run":
        small = "--out" in arguments and "--dry-run" not in arguments
        arguments = [*arguments, *(["-j", "1", "--no-mlflow"] if small else ["--dry-run"])]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), pytest.raises(SystemExit) as stop:
        main(arguments)
    forget()
    assert not stop.value.code, f"{line}\n{said.getvalue()}"


def known(arguments: list[str], line: str) -> None:
    """The command and its options exist."""
    from typer.main import get_command

    from mibench.cli.commands import app

    command: Any = get_command(app)
    while hasattr(command, "commands"):
        command, arguments = command.commands[arguments[0]], arguments[1:]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in arguments if re.match(r"--?[a-z]", word)} <= options, line


def ray(arguments: list[str], line: str) -> None:
    """It starts what goes on running, so the command and its options are looked up, where Ray is installed."""
    if importlib.util.find_spec("ray") is None:
        return
    from ray.scripts.scripts import cli

    options = {name for parameter in cli.commands[arguments[0]].params for name in parameter.opts}
    assert {word.partition("=")[0] for word in arguments if word.startswith("-")} <= options, line


def python(text: str, folder: Path) -> str:
    if "def test_" in text:
        (folder / "test_page.py").write_text(text)
        asked = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_page.py"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and " passed" in done.stdout, done.stdout
        return done.stdout
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(text, "snippet", "exec"), {"__name__": "snippet"})
    return printed.getvalue()


def test_enough_is_found() -> None:
    found = [command for page in PAGES for kind, text, _ in blocks(page) if kind == "sh" for command in commands(text)]
    assert len(found) >= 55 and {"make", "mibench", "python", "zcat", "cd"} <= {command.split()[0] for command in found}


def test_a_command_that_does_not_exist_is_noticed(folder: Path) -> None:
    for line in ("mibench estimate x.csv z.csv", "mibench run quick --sedes 3", "mibench ui --prot 3", "make nonsense"):
        with pytest.raises(AssertionError):
            shell(line)
