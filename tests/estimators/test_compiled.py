"""Compiled loops: machine code on disk is that of the sources as they are."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import mibench.estimators
import pytest
from mibench.estimators.neighbours import compiled

INNER = "from mibench.estimators.neighbours.compiled import compiled\n@compiled\ndef inner(x):\n    return x + {by}\n"
OUTER = (
    "from mibench.estimators.neighbours.compiled import compiled\nfrom pair.inner import inner\n"
    "@compiled\ndef outer(x):\n    return 10.0 * inner(x)\n"
)


def answer(folder: Path) -> float:
    program = "from pair.outer import outer; print(outer(1.0), len(outer.stats.cache_hits))"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return float(ran.stdout.split()[0])


def test_a_change_of_a_neighbouring_module_is_noticed(tmp_path: Path) -> None:
    """What a function calls is compiled into it: the file of the function alone says nothing of it."""
    package = tmp_path / "pair"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "outer.py").write_text(OUTER)
    (package / "inner.py").write_text(INNER.format(by="1.0"))
    assert answer(tmp_path) == 20.0
    assert list(package.rglob("*.nbc"))
    (package / "inner.py").write_text(INNER.format(by="2.0"))
    assert answer(tmp_path) == 30.0


def test_the_folder_follows_the_sources_and_the_setting_is_put_back(tmp_path: Path) -> None:
    before = compiled.settings.CACHE_DIR
    (tmp_path / "a.py").write_text("1")
    first = compiled._folder(tmp_path)
    compiled._folder.cache_clear()
    (tmp_path / "a.py").write_text("2")
    assert compiled._folder(tmp_path) != first
    with compiled._kept_in(first):
        assert first == compiled.settings.CACHE_DIR
    assert before == compiled.settings.CACHE_DIR


# whoever asks for a power first decides how free numba's own function of it is, here one that is free in nothing
AFTER_ANOTHER = """
import re
import numpy as np
from numba import njit
njit(lambda a: a**2 + abs(a) + max(a, 1.0))(2.0)
from mibench.estimators.neighbours import kernel_sums
x, y = np.random.default_rng(0).random((2, 300, 2))
kernel_sums.kernel_sums(x, y, 1.0, 8)
for signature in kernel_sums._sums.signatures:
    code = kernel_sums._sums.inspect_llvm(signature)
    print(*set(re.findall(r"= f(?:add|sub|mul|div) ([a-z ]*?) ?(?:<|double)", code)), sep="\\n")
"""


def test_machine_code_does_not_depend_on_what_was_compiled_before(tmp_path: Path) -> None:
    """Every operation is as free as its function says, and as no other."""
    ran = subprocess.run(
        [sys.executable, "-c", AFTER_ANOTHER],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
    )
    assert [set(line.split()) for line in ran.stdout.splitlines()] == [{"reassoc", "nnan", "nsz", "contract"}]


SOURCES = sorted(
    path
    for path in Path(mibench.estimators.__file__).parent.rglob("*.py")
    if "compiled import" in path.read_text(encoding="utf-8") or path.name == "compiled.py"
)
BORROWED = {"sum", "mean", "var", "std", "prod", "dot", "cumsum", "pow", "power", "square"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_nothing_that_is_compiled_leaves_arithmetic_to_functions_of_numba(path: Path) -> None:
    """They are compiled once in a process, for whoever is the first, and with what that one may reorder."""
    functions = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if _is_compiled(node)]
    for node in (node for function in functions for node in ast.walk(function)):
        assert not (isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Pow, ast.MatMult))), node.lineno
        assert not (isinstance(node, ast.Attribute) and node.attr in BORROWED), node.lineno


def _is_compiled(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and any("compiled" in ast.unparse(d) for d in node.decorator_list)
