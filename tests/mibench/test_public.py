"""What Python users see: the names of the package, results and estimates at a prompt."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mibench
from mibench.engine.store import Store

from .conftest import MakeResult


def test_the_package_shows_its_public_names_and_no_others() -> None:
    assert dir(mibench) == sorted(mibench.__all__)
    for name in dir(mibench):
        assert getattr(mibench, name) is getattr(mibench, name)
    assert {"run", "compare", "Leaderboard", "Status", "__version__"} <= set(dir(mibench))
    assert not {"annotations", "Any", "TYPE_CHECKING"} & set(dir(mibench))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        getattr(mibench, "nonsense")  # noqa: B009


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, mibench; heavy = {'numpy', 'torch', 'pydantic', 'rich'} & set(sys.modules);"
        "mibench.run, mibench.compare, mibench.Results, mibench.parametrize_with_checks;"
        "heavy |= {'torch', 'mlflow', 'matplotlib', 'numba', 'pandas', 'rich'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_results_at_a_prompt_are_a_few_lines(tmp_path: Path, make: MakeResult) -> None:
    with Store(tmp_path) as store:
        for number in range(10):
            store.append(make(estimator=f"<e{number}>", mi=None if number == 3 else 1.0))
    results = mibench.load_results(tmp_path)
    assert len(repr(results).splitlines()) == 4
    assert "Results(10 cells in" in repr(results) and "9 ok, 1 error" in repr(results)
    assert "… (10 in all)" in repr(results) and "&lt;e0&gt;" in results._repr_html_()
    assert len(results[2:5]) == 3 and results[2:5].directory == tmp_path
    assert repr(mibench.Results([])) == "Results(0 cells)"


def test_the_data_frame_has_a_row_per_cell(make: MakeResult) -> None:
    frame = mibench.Results([make(mi=1.5, truth=1.0), make(seed=1, mi=None)]).df
    assert list(frame["seed"]) == [0, 1]
    assert frame.loc[0, "error"] == 0.5 and frame.loc[1, "status"] == "error"


def test_folders_and_results_can_be_compared(tmp_path: Path, make: MakeResult) -> None:
    before = [make(seed=seed, mi=1.0) for seed in range(3)]
    with Store(tmp_path) as store:
        for result in before:
            store.append(result)
    assert not mibench.compare(tmp_path, before).worse
    assert mibench.compare(str(tmp_path), [make(seed=seed, mi=2.0) for seed in range(3)]).worse


def test_an_estimate_at_a_prompt_is_its_number() -> None:
    estimate = mibench.Estimate(0.51239, 0.0131, {"step": [1, 2], "train": [0.1, 0.5]}, {"<b>": 1})
    assert repr(estimate) == "Estimate(0.5124 ± 0.0131 nats)" and repr(mibench.Estimate(0.5)) == "Estimate(0.5000 nats)"
    assert "0.5124 ± 0.0131" in estimate._repr_html_() and "&lt;b&gt;" in estimate._repr_html_()
    [line] = estimate.plot().lines
    assert np.asarray(line.get_xydata()).tolist() == [[1, 0.1], [2, 0.5]]
    with pytest.raises(mibench.UsageError, match="no curve"):
        mibench.Estimate(0.5).plot()
