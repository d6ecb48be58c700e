"""Intervals hold what they say they hold: where a method cannot know how far it misses, it states none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mibench.bound import Interval
from mibench.registry import estimators

ROOT = Path(__file__).parents[2]
FOLDERS = [str(ROOT / "tests" / "benchmarks"), str(ROOT / "results" / "reference")]
MODELS = ["cca", "gaussian-copula", "doe[max_steps=5]", "flow[max_steps=5]", "minde[max_steps=5]", "mmg[max_steps=5]"]
MODELS += ["gmm[most=2]", "vce[most=2]", "vine", "latent[folds=2,max_steps=5]", "histogram", "smile[max_steps=5]"]


@pytest.fixture(scope="module")
def intervals() -> Iterator[ModuleType]:
    sys.path[:0] = FOLDERS
    try:
        yield __import__("intervals")
    finally:
        sys.path[:] = [folder for folder in sys.path if folder not in FOLDERS]
        for name in ("intervals", *(file.stem for file in Path(FOLDERS[1]).glob("*.py"))):
            sys.modules.pop(name, None)


@pytest.mark.parametrize("name", MODELS)
def test_what_holds_under_a_model_alone_is_a_diagnostic(name: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 2))
    found = estimators.create(name).estimate(x, x + rng.standard_normal((300, 2)))
    assert found.stderr is None and 0 < found.diagnostics["sampling_error"] < 1


def test_a_sampling_error_misses_the_truth_where_its_model_does(intervals: ModuleType) -> None:
    made = {"cca": estimators.create("cca")}
    stated, sampling = (intervals.measure(made, [300], 3, 5, errors)["cca"] for errors in (False, True))
    assert stated.answers == sampling.answers == sampling.stated and stated.stated == 0
    assert sampling.coverage < 0.8


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_sided_intervals_hold_the_truth_on_families_of_every_kind(intervals: ModuleType) -> None:
    made = intervals.two_sided()
    assert {"extrapolated", "miller-madow", "histogram"} <= made.keys()
    assert all(estimator.kind.interval is Interval.TWO_SIDED for estimator in made.values())
    for name, record in intervals.measure(made, [300, 1000], 8, 92).items():
        assert record.stated >= 5 and record.coverage >= 0.88, (name, record.stated, record.coverage)
