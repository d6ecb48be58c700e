"""Compiled loops: machine code on disk is that of the sources as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
