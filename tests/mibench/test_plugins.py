"""Plug-ins as values, and the registry that finds them."""

import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mibench import registry
from mibench.errors import DataError, UsageError
from mibench.estimator import Estimate, Estimator, FunctionEstimator, check_samples
from mibench.registry import Registry
from mibench.result import Cell


@dataclass(frozen=True, eq=False, repr=False)
class Scaled(Estimator):
    k: int = 3
    scale: float = 1.0
    widths: tuple[int, ...] = (64, 64)
    inner: Estimator | None = None

    def estimate(self, x, y, seed=0):
        return Estimate(self.scale)


class TestValues:
    def test_equality_and_hash_follow_the_parameters(self):
        assert Scaled(k=5) == Scaled(5) and hash(Scaled(k=5)) == hash(Scaled(5))
        assert Scaled(k=5) != Scaled() and Scaled(scale=2.0) != Scaled()
        assert Scaled(inner=Scaled(k=4)) != Scaled(inner=Scaled(k=5))

    def test_pickling_keeps_value_and_alias(self):
        value = Scaled(k=7, widths=(8,)).aliased("seven")
        twin = pickle.loads(pickle.dumps(value))
        assert twin == value and twin.label == "seven"

    def test_label_shows_only_what_differs_from_the_defaults(self):
        assert Scaled().label == "Scaled"
        assert Scaled(k=5, widths=(8, 4)).label == "Scaled[k=5,widths=(8 4)]"

    def test_an_integer_for_a_float_is_the_same_value(self):
        assert Scaled(scale=2) == Scaled(scale=2.0)
        assert (Scaled(scale=2).label, Scaled(scale=1).label) == ("Scaled[scale=2.0]", "Scaled")

    def test_an_alias_does_not_change_the_identity(self):
        assert Scaled(k=5).aliased("five").identity() == Scaled(k=5).identity()

    def test_a_wrong_parameter_is_a_sentence(self):
        with pytest.raises(UsageError, match="unexpected keyword argument 'q'"):
            Scaled(q=1)

    def test_the_version_is_part_of_the_identity(self, monkeypatch):
        before = Scaled().identity()
        monkeypatch.setattr(Scaled, "version", "2")
        assert Scaled().identity() != before


class TestRegistry:
    @pytest.fixture
    def own(self, monkeypatch) -> Registry[Estimator]:
        monkeypatch.setattr(registry, "discover", lambda: None)
        own: Registry[Estimator] = Registry("estimator")
        own.register("scaled")(type("Scaled2", (Scaled,), {"__module__": __name__}))
        own.register("other")(type("Other", (Scaled,), {"__module__": __name__}))
        return own

    def test_labels_round_trip_through_the_registry(self, own):
        for selector in ("scaled", "scaled[k=5]", "scaled[scale=2.0,widths=(8 4)]"):
            made = own.create(selector)
            assert made.label == selector
            assert own.create(made.label) == made

    def test_types_follow_the_annotations(self, own):
        assert own.create("scaled[scale=2]").scale == 2.0
        with pytest.raises(UsageError, match="k = 'five' is not usable"):
            own.create("scaled[k=five]")

    def test_unknown_names_and_parameters_get_a_hint(self, own):
        with pytest.raises(UsageError, match="did you mean 'scaled'"):
            own.create("scald")
        with pytest.raises(UsageError, match="no parameter 'kk'; it has: k, scale"):
            own.create("scaled[kk=5]")

    def test_a_second_definition_names_both_places(self, own):
        with pytest.raises(UsageError, match=r"defined twice: in .* and in "):
            own.register("scaled")(Scaled)

    @pytest.mark.parametrize("name", ["", "a[b", "a b", "a=b", "a*"])
    def test_names_that_no_selector_could_hold_are_refused(self, own, name):
        with pytest.raises(UsageError, match="selector syntax"):
            own.register(name)

    def test_globs_select_each_once_in_order(self, own):
        assert [e.label for e in own.select(["*", "scaled", "scaled[k=5]"])] == ["scaled", "other", "scaled[k=5]"]
        assert [e.label for e in own.select("*[k=5]")] == ["scaled[k=5]", "other[k=5]"]
        with pytest.raises(UsageError, match="no estimator matches"):
            own.select("x*")


def test_built_in_names_are_found_without_torch():
    import subprocess
    import sys

    code = (
        "import sys; from mibench import registry as r; "
        "assert {'ksg', 'oracle', 'zero', 'cca'} <= set(r.estimators.names()); assert 'gauss' in r.tasks.names(); "
        "heavy = {'torch', 'mlflow', 'matplotlib', 'numba', 'sklearn'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class TestInclude:
    def test_a_missing_or_broken_file_is_a_sentence(self, tmp_path: Path):
        with pytest.raises(UsageError, match="no such file"):
            registry.include(tmp_path / "nothing.py")
        (tmp_path / "broken_plugin.py").write_text("1 / 0\n")
        with pytest.raises(UsageError, match="ZeroDivisionError"):
            registry.include(tmp_path / "broken_plugin.py")


class TestFunctions:
    def test_a_plain_function_is_an_estimator(self):
        def constant(x, y):
            return 0.25

        made = FunctionEstimator(constant)
        assert made.label == "constant"
        assert made.estimate(np.arange(5.0), np.arange(5.0)).mi == 0.25

    def test_an_edited_function_is_another_cell(self):
        from mibench.api import get_task

        def first(x, y):
            return 0.25

        def second(x, y):
            return 0.26

        second.__name__, second.__qualname__ = first.__name__, first.__qualname__
        cells = {Cell.of(FunctionEstimator(f), get_task("gauss"), 100, 0).id for f in (first, second)}
        assert len(cells) == 2

    def test_the_seed_is_passed_where_it_is_wanted(self):
        assert FunctionEstimator(lambda x, y, seed: float(seed)).estimate([1.0, 2.0], [1.0, 2.0], seed=7).mi == 7


class TestCheckSamples:
    @pytest.mark.parametrize(
        "x",
        [
            np.arange(6),
            np.arange(6, dtype=np.float32),
            np.asfortranarray(np.arange(12.0).reshape(6, 2)),
            [1, 2, 3, 4, 5, 6],
        ],
    )
    def test_all_kinds_of_numbers_become_matrices(self, x):
        checked, _ = check_samples(x, np.arange(6.0))
        assert checked.ndim == 2 and checked.dtype == np.float64 and len(checked) == 6

    @pytest.mark.parametrize(
        ("x", "y", "message"),
        [
            ([1.0, 2.0, 3.0], [1.0, 2.0], "x has 3 samples and y has 2"),
            ([1.0, np.nan, 3.0], [1.0, 2.0, 3.0], "x holds 1 NaN or infinite value.*row 1, column 0"),
            ([1.0, 2.0, 3.0], [1.0, np.inf, 3.0], "y holds 1 NaN or infinite"),
            ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], "x is constant"),
            (["a", "b"], [1.0, 2.0], "does not hold numbers only"),
            (np.zeros((2, 2, 2)), [1.0, 2.0], "has shape"),
            ([1.0], [2.0], "1 samples are too few"),
        ],
    )
    def test_each_defect_is_named(self, x, y, message):
        with pytest.raises(DataError, match=message):
            check_samples(x, y)

    def test_nothing_is_written_to_the_caller(self):
        x = np.arange(6.0)
        x.flags.writeable = False
        check_samples(x, x)
