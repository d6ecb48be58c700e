"""What the tests of several folders need."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cloudpickle
import pytest

from mibench import registry

if "PYTEST_XDIST_WORKER" in os.environ:  # whose parent has imported readline, which tells its children of 80 columns
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)


@pytest.fixture(autouse=True, scope="module")
def _excluded_again() -> Iterator[None]:
    """What a file of tests includes is unknown after it: others that meet it in this process would count it."""
    before = set(sys.modules)
    yield
    for name in [name for name in sys.modules if name.startswith("mibench_include_") and name not in before]:
        registry.estimators.forget(name)
        registry.tasks.forget(name)
        cloudpickle.unregister_pickle_by_value(sys.modules.pop(name))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the documentation as `make docs` builds it; once, because that takes minutes."""
    if importlib.util.find_spec("material") is None:
        pytest.skip("mkdocs-material is not installed: `make docs` installs it.")
    target = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(target)]
    done = subprocess.run(build, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return target
