"""Plug-ins as values, and the registry that finds them."""

from __future__ import annotations

import copy
import functools
import importlib
import os
import pickle
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import scipy.sparse

from mibench import registry
from mibench.errors import DataError, UsageError
from mibench.estimator import Array, Estimate, Estimator, check_samples
from mibench.functions import FunctionEstimator
from mibench.registry import Registry
from mibench.result import Cell


@dataclass(frozen=True, eq=False, repr=False)
class Scaled(Estimator):
    k: int = 3
    scale: float = 1.0
    widths: tuple[int, ...] = (64, 64)
    inner: Estimator | None = None

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        return Estimate(self.scale)


class TestValues:
    def test_equality_and_hash_follow_the_parameters(self) -> None:
        assert Scaled(k=5) == Scaled(5) and hash(Scaled(k=5)) == hash(Scaled(5))
        assert Scaled(k=5) != Scaled() and Scaled(scale=2.0) != Scaled()
        assert Scaled(inner=Scaled(k=4)) != Scaled(inner=Scaled(k=5))

    def test_pickling_keeps_value_and_alias(self) -> None:
        value = Scaled(k=7, widths=(8,)).aliased("seven")
        twin = pickle.loads(pickle.dumps(value))
        assert twin == value and twin.label == "seven"

    def test_label_shows_only_what_differs_from_the_defaults(self) -> None:
        assert Scaled().label == "Scaled"
        assert Scaled(k=5, widths=(8, 4)).label == "Scaled[k=5,widths=(8 4)]"

    def test_an_integer_for_a_float_is_the_same_value(self) -> None:
        assert Scaled(scale=2) == Scaled(scale=2.0)
        assert (Scaled(scale=2).label, Scaled(scale=1).label) == ("Scaled[scale=2.0]", "Scaled")

    def test_an_alias_does_not_change_the_identity(self) -> None:
        assert Scaled(k=5).aliased("five").identity() == Scaled(k=5).identity()

    def test_a_wrong_parameter_is_a_sentence(self) -> None:
        with pytest.raises(UsageError, match="unexpected keyword argument 'q'"):
            Scaled(q=1)  # type: ignore[call-arg]

    def test_the_version_is_part_of_the_identity(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = Scaled().identity()
        monkeypatch.setattr(Scaled, "version", "2")
        assert Scaled().identity() != before

    def test_a_default_is_as_declared_too(self) -> None:
        @dataclass(frozen=True, eq=False, repr=False)
        class Whole(Scaled):
            scale: float = 3

        assert (Whole().label, repr(Whole().scale)) == ("Whole", "3.0")

    def test_parameters_are_named_one_by_one(self) -> None:
        class Open(Scaled):
            def __init__(self, **options: int) -> None: ...

        with pytest.raises(UsageError, match=r"'\*\*options.*name every parameter"):
            Open(k=1)


@dataclass
class Thawed(Estimator):
    """A dataclass that its author has not frozen."""

    k: int = 3
    widths: tuple[int, ...] = (64, 64)

    def __post_init__(self) -> None:
        self.k = abs(self.k)  # the constructor may settle what it was given

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        return Estimate(0.0)


class Plain(Estimator):
    """A class with a constructor of its own, and no annotations."""

    def __init__(self, k=3, widths=(64, 64)) -> None:  # type: ignore[no-untyped-def]
        self.k, self.widths, self.calls = k, widths, 0

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        self.calls += 1
        return Estimate(0.0)


@pytest.mark.parametrize("kind", [Scaled, Thawed, Plain])
class TestParametersStay:
    """Whatever its author left open: label and identity are those of the parameters it has."""

    def test_a_parameter_is_not_changed_and_not_deleted(self, kind: Any) -> None:
        made = kind(k=5)
        changes: list[tuple[Any, ...]] = [(setattr, "k", 6), (delattr, "k"), (setattr, "params", {})]
        for change, *arguments in changes:
            with pytest.raises(FrozenInstanceError):
                change(made, *arguments)
        assert (made.k, made.label) == (5, f"{kind.__name__}[k=5]")

    def test_no_value_can_be_changed_from_outside(self, kind: Any) -> None:
        widths = [8, 4]
        made = kind(widths=widths)
        widths.append(2)
        assert made.widths == made.params["widths"] == (8, 4)
        assert made == kind(widths=(8, 4)) == pickle.loads(pickle.dumps(made))
        with pytest.raises(TypeError):
            made.params["widths"] = (1,)

    def test_numpy_numbers_are_numbers(self, kind: Any) -> None:
        widths = (8, 4) if kind is Plain else np.array([8, 4])  # one that declares nothing may want an array
        made = kind(k=np.int64(5), widths=widths)
        assert repr((made.k, made.widths)) == "(5, (8, 4))"
        assert made.label == kind(k=5, widths=(8, 4)).label

    def test_copies_are_made_by_the_constructor(self, kind: Any) -> None:
        made = kind(k=5)
        for twin in (copy.copy(made), copy.deepcopy(made)):
            assert twin == made
            assert twin.label == made.label


class Speed(StrEnum):
    FAST = "fast"
    SLOW = "slow"


class TestOddParameters:
    def test_a_default_that_is_made_is_a_value_of_its_own(self) -> None:
        own: Registry[Estimator] = Registry("estimator")

        @own.register("listing")
        class Listing(Estimator):
            numbers: list[int] = field(default_factory=lambda: [1, 2])
            speed: Speed = Speed.FAST

            def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
                return Estimate(0.0)

        one, other = Listing(), Listing()
        one.numbers.append(3)
        assert other.numbers == Listing().numbers == [1, 2] and Listing(**other.params) == other
        slow = own.create("listing[speed=slow,numbers=(4 5)]")
        assert slow.label == "listing[numbers=(4 5),speed=slow]" and own.create(slow.label) == slow
        assert type(slow.identity()["params"]["speed"]) is str  # a worker's class is nowhere to be imported from
        assert "speed must be one of 'fast', 'slow'" in str(_refusal(own, "listing[speed=quick]"))


def _refusal(own: Registry[Estimator], selector: str) -> UsageError:
    with pytest.raises(UsageError) as refused:
        own.create(selector)
    return refused.value


def test_what_is_no_parameter_may_change() -> None:
    made = Plain()
    made.estimate(np.zeros(2), np.zeros(2))
    assert (made.calls, made.label) == (1, "Plain")


class TestRegistry:
    @pytest.fixture
    def own(self, monkeypatch: pytest.MonkeyPatch) -> Registry[Estimator]:
        monkeypatch.setattr(registry, "discover", lambda: None)
        own: Registry[Estimator] = Registry("estimator")
        own.register("scaled")(type("Scaled2", (Scaled,), {"__module__": __name__}))
        own.register("other")(type("Other", (Scaled,), {"__module__": __name__}))
        return own

    def test_labels_round_trip_through_the_registry(self, own: Registry[Estimator]) -> None:
        for selector in ("scaled", "scaled[k=5]", "scaled[scale=2.0,widths=(8 4)]"):
            made = own.create(selector)
            assert made.label == selector
            assert own.create(made.label) == made

    def test_types_follow_the_annotations(self, own: Registry[Estimator]) -> None:
        assert own.create("scaled[scale=2]").params["scale"] == 2.0
        assert own.create("scaled[k=1e1,widths=(64.0 32)]").label == "scaled[k=10,widths=(64 32)]"
        with pytest.raises(UsageError, match=r"^scaled: k='five'; k must be a whole number\.$"):
            own.create("scaled[k=five]")

    def test_unknown_names_and_parameters_get_a_hint(self, own: Registry[Estimator]) -> None:
        with pytest.raises(UsageError, match="did you mean 'scaled'"):
            own.create("scald")
        with pytest.raises(UsageError, match="no parameter 'kk'; it has: k, scale"):
            own.create("scaled[kk=5]")

    def test_selectors_stand_for_plug_ins_wherever_one_is_expected(self, own: Registry[Estimator]) -> None:
        @own.register("several")
        @dataclass(frozen=True, eq=False, repr=False)
        class Several(Scaled):
            parts: tuple[Estimator, ...] = ()

        registry.estimators.register("constant-part")(type("Part", (Scaled,), {"__module__": __name__}))
        made = own.create("several[inner=constant-part[k=2],parts=(constant-part constant-part[k=4])]")
        assert [made.params["inner"].k, *(part.k for part in made.params["parts"])] == [2, 3, 4]
        assert own.create(made.label) == made
        registry.estimators.forget(__name__)

    def test_a_dataclass_that_is_not_frozen_can_be_hashed_once_registered(self, own: Registry[Estimator]) -> None:
        @dataclass
        class Open(Estimator):
            more: int = 0

            def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
                return Estimate(0.0)

        own.register("open")(Open)
        assert hash(Open(more=1)) == hash(own.create("open[more=1]")) != hash(Open())

    def test_what_is_derived_from_a_registered_class_is_something_else(self, own: Registry[Estimator]) -> None:
        class Derived(own.factory("scaled")):  # type: ignore[misc]
            pass

        assert Derived().label == "Derived"
        assert Derived().identity() != own.create("scaled").identity()

    def test_a_module_and_what_it_registered_are_forgotten(self, own: Registry[Estimator]) -> None:
        assert own.defined_in(__name__).keys() == {"scaled", "other"}
        assert own.classes(__name__.rpartition(".")[0]).keys() == {"Scaled2", "Other"}
        own.forget(__name__)
        assert own.names() == []

    def test_a_second_definition_names_both_places(self, own: Registry[Estimator]) -> None:
        with pytest.raises(UsageError, match=r"defined twice: in .* and in "):
            own.register("scaled")(Scaled)

    @pytest.mark.parametrize("name", ["", "a[b", "a b", "a=b", "a*"])
    def test_names_that_no_selector_could_hold_are_refused(self, own: Registry[Estimator], name: str) -> None:
        with pytest.raises(UsageError, match="selector syntax"):
            own.register(name)

    def test_globs_select_each_once_in_order(self, own: Registry[Estimator]) -> None:
        assert [e.label for e in own.select(["*", "scaled", "scaled[k=5]"])] == ["scaled", "other", "scaled[k=5]"]
        assert [e.label for e in own.select("*[k=5]")] == ["scaled[k=5]", "other[k=5]"]
        with pytest.raises(UsageError, match="no estimator matches"):
            own.select("x*")


def test_built_in_names_are_found_without_torch() -> None:
    code = (
        "import sys; from mibench import registry as r; "
        "assert {'ksg', 'oracle', 'zero', 'cca'} <= set(r.estimators.names()); assert 'gauss' in r.tasks.names(); "
        "heavy = {'torch', 'mlflow', 'matplotlib', 'numba', 'sklearn'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class TestInclude:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (
                "class Odd:\n    pass",
                "Odd cannot be the estimator 'odd-one', because it is derived from no",
            ),
            ("class Odd(mibench.Task):\n    pass", "Odd cannot be the estimator 'odd-one'"),
            ("class Odd(mibench.Estimator):\n    pass", "Odd does not define estimate, which its contract asks for"),
            ("class Odd(mibench.Estimator):\n    def __init__(self, **given): pass", "'**given' has no value"),
        ],
    )
    def test_what_can_never_be_made_is_refused_where_it_is_registered(
        self, tmp_path: Path, text: str, said: str
    ) -> None:
        file = tmp_path / "never_made.py"
        if "__init__" in text:
            text += "\n    def estimate(self, x, y, seed=0): pass"
        file.write_text(f"import mibench\n@mibench.register_estimator('odd-one')\n{text}\n")
        with pytest.raises(UsageError, match=re.escape(said)) as refused:
            registry.include(file)
        assert str(file) in str(refused.value) and "odd-one" not in registry.estimators.names()

    def test_a_folder_is_refused_in_one_sentence(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError) as refused:
            registry.include(tmp_path)
        assert str(refused.value) == f"cannot include '{tmp_path}': it is a folder."

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("1 / 0", "ZeroDivisionError: division by zero (broken.py, line 6)"),
            ("import sys; sys.exit()", "SystemExit (broken.py, line 6)"),
            ("import sys; sys.exit('bye')", "SystemExit: bye (broken.py, line 6)"),
            ("class Odd(BaseException): ...\nraise Odd('a\\nb')", "Odd: a b (broken.py, line 7)"),
            ("import os; os._exit(0)", "SystemExit: os._exit(0) (broken.py, line 6)"),
            ("from os import _exit; _exit(0)", "SystemExit: os._exit(0) (broken.py, line 6)"),
            ("def", "SyntaxError: invalid syntax (broken.py, line 6)"),
        ],
    )
    def test_a_broken_file_is_a_sentence_and_leaves_nothing(self, tmp_path: Path, text: str, said: str) -> None:
        file = tmp_path / "broken.py"
        good = (
            "from mibench.estimator import Estimate, Estimator\nfrom mibench.registry import register_estimator\n"
            "@register_estimator('half-done')\nclass HalfDone(Estimator):\n"
            "    def estimate(self, x, y, seed=0): return Estimate(0.0)\n"
        )
        file.write_text(good + text)
        with pytest.raises(UsageError) as refused:
            registry.include(file)
        assert str(refused.value) == f"cannot include '{file}': {said}."
        assert "half-done" not in registry.estimators.names()
        file.write_text(good)
        registry.include(file)
        assert "half-done" in registry.estimators.names()
        registry.estimators.forget("mibench_include_broken")
        del sys.modules["mibench_include_broken"]

    @pytest.mark.parametrize(
        ("text", "remedy"),
        [
            ("import beside_me", "'beside_me' lies in {folder}: set PYTHONPATH={folder}"),
            ("from package.beside import there", "'package' lies in {above}: set PYTHONPATH={above}"),
            ("from .beside import there", "Import from 'package' by its name, and set PYTHONPATH={above}"),
            ("import nowhere_to_be_found", None),
        ],
    )
    def test_a_file_that_needs_its_neighbours_is_told_how(self, tmp_path: Path, text: str, remedy: str | None) -> None:
        folder = tmp_path / "package"
        folder.mkdir()
        for name in ("__init__", "beside", "beside_me"):
            (folder / f"{name}.py").write_text("there = 1\n")
        file = folder / "needy.py"
        file.write_text(text)
        with pytest.raises(UsageError) as refused:
            registry.include(file)
        if remedy is None:
            assert str(refused.value).endswith("(needy.py, line 1).")
        else:
            assert remedy.format(folder=folder, above=tmp_path) in str(refused.value)
        file.write_text("from package.beside import there")  # and that helps
        with mock.patch("sys.path", [*sys.path, str(tmp_path)]):
            registry.include(file)
        for name in ("mibench_include_needy", "package", "package.beside"):
            del sys.modules[name]

    def test_an_interrupt_stays_one(self, tmp_path: Path) -> None:
        (tmp_path / "slow.py").write_text("raise KeyboardInterrupt")
        with pytest.raises(KeyboardInterrupt):
            registry.include(tmp_path / "slow.py")

    @pytest.mark.parametrize("command", [("check", "ksg"), ("run", "-e", "ksg", "-t", "gauss", "-n", "100")])
    @pytest.mark.parametrize("text", ["import sys; sys.exit(0)", "import os; os._exit(0)"])
    def test_no_command_succeeds_without_doing_anything(
        self, tmp_path: Path, command: tuple[str, ...], text: str
    ) -> None:
        (tmp_path / "ends.py").write_text(text)
        arguments = [sys.executable, "-m", "mibench", *command, "--include", "ends.py"]
        done = subprocess.run(arguments, capture_output=True, text=True, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"mibench: cannot include '{tmp_path / 'ends.py'}': SystemExit")
        assert done.stderr.count("\n") == 1

    def test_an_estimator_that_ends_the_process_is_one_that_declined(self, tmp_path: Path) -> None:
        text = "import os, mibench\n@mibench.register_estimator('ends')\nclass Ends(mibench.Estimator):\n"
        (tmp_path / "ends.py").write_text(text + "    def estimate(self, x, y, seed=0): os._exit(0)\n")
        (tmp_path / "data.csv").write_text("a,b\n1,2\n2,4.5\n3,5\n5,9\n7,15\n8,17\n")
        arguments = ["estimate", "data.csv", "--x", "a", "--y", "b", "--include", "ends.py", "-e", "ends", "-e", "cca"]
        done = subprocess.run(
            [sys.executable, "-m", "mibench", *arguments], capture_output=True, text=True, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert "declined: SystemExit: os._exit(0)" in done.stdout
        assert re.search(r"cca +\d\.\d+", done.stdout)

    def test_a_child_that_it_forks_may_end(self, tmp_path: Path) -> None:
        text = "import os\nchild = os.fork()\nif not child: os._exit(7)\n"
        (tmp_path / "forks.py").write_text(text + "status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])")
        end = os._exit
        registry.include(tmp_path / "forks.py")
        assert sys.modules.pop("mibench_include_forks").status == 7
        assert os._exit is end

    def test_a_file_that_takes_long_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(registry, "_LONG", 0.02)
        (tmp_path / "long.py").write_text("import time; time.sleep(0.2)")
        registry.include(tmp_path / "long.py")
        del sys.modules["mibench_include_long"]
        assert [r.getMessage() for r in caplog.records] == [
            f"'{tmp_path / 'long.py'}' has been importing for 0.02 s; Ctrl-C gives up."
        ]

    def test_a_missing_file_is_a_sentence(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="no such file"):
            registry.include(tmp_path / "nothing.py")


@pytest.mark.parametrize(
    "text", ["1 / 0", "import sys; sys.exit()", "import os; os._exit(0)", "import no_such_package"]
)
def test_a_broken_package_costs_a_warning_and_nothing_else(tmp_path: Path, text: str) -> None:
    installed = tmp_path / "broken_package-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-package\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[mibench.plugins]\nall = broken_plugins\n")
    (tmp_path / "broken_plugins.py").write_text(text)
    code = "from mibench import registry as r; print(len(r.estimators.names()) > 20, len(r.tasks.names()) > 20)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (0, "True True\n"), done.stderr
    assert done.stderr.count("'broken-package' are left out: importing broken_plugins failed with") == 1


class TestFunctions:
    def test_a_plain_function_is_an_estimator(self) -> None:
        def constant(x: Array, y: Array) -> float:
            return 0.25

        made = FunctionEstimator(constant)
        assert made.label == "constant"
        assert made.estimate(np.arange(5.0), np.arange(5.0)).mi == 0.25

    def test_an_edited_function_is_another_cell(self) -> None:
        from mibench.api import get_task

        def first(x: Array, y: Array) -> float:
            return 0.25

        def second(x: Array, y: Array) -> float:
            return 0.26

        second.__name__, second.__qualname__ = first.__name__, first.__qualname__
        cells = {Cell.of(FunctionEstimator(f), get_task("gauss"), 100, 0).id for f in (first, second)}
        assert len(cells) == 2

    @pytest.mark.parametrize(
        "written",
        [
            "def made(x, y, k={k}): return k",
            "def made(x, y, *, k={k}): return k",
            "def outer(k):\n    def made(x, y): return k\n    return made\nmade = outer({k})",
            "k = {k}\ndef made(x, y): return k",
            "k = np.full(3, {k})\ndef made(x, y): return k[0]",
            "def helper(): return {k}\ndef made(x, y): return helper()",
            "def helper(): return {k}\ndef made(x, y): return sum(helper() for _ in x)",
            "@functools.lru_cache\ndef helper(): return {k}\ndef made(x, y): return helper()",
            "def base(x, y, k): return k\nmade = functools.partial(base, k={k})",
            "class Called:\n    def __init__(self, k): self.k = k\n    def __call__(self, x, y): return self.k\n"
            "made = Called({k})",
            "class Called:\n    def __call__(self, x, y): return {k}\nmade = Called()",
            "class Holder:\n    k = {k}\n    def method(self, x, y): return self.k\nmade = Holder().method",
            "def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return {k} and even(n - 1)\n"
            "def made(x, y): return float(even(3))",
            "def made(x, y): return 1.0 if 'a' in {{'a', 'b', 'c', {k}}} else 0.0",
        ],
    )
    def test_what_a_function_refers_to_is_part_of_it(self, written: str) -> None:
        def version(k: int) -> str:
            names: dict[str, Any] = {"np": np, "functools": functools, "__name__": "notebook"}
            exec(written.format(k=k), names)
            return str(FunctionEstimator(names["made"]).identity()["version"])

        assert version(1) == version(1) != version(2)

    def test_a_function_is_known_by_the_same_name_in_every_process(self) -> None:
        text = """if True:
            import functools, numpy as np
            from mibench.functions import FunctionEstimator
            K, WORDS, RNG = np.arange(3), {"a", "b", "c"}, np.random.default_rng(0)
            def helper(x): return float(x[0, 0]) if "a" in WORDS else len({"p", "q", "r"})
            def made(x, y, k=0.5): return helper(x) + K[0] + np.log(2) + RNG.random()
            print([FunctionEstimator(f).identity() for f in (made, functools.partial(made, k=2))])"""
        run = [sys.executable, "-c", text]
        said = {
            subprocess.run(
                run, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONHASHSEED": s}
            ).stdout
            for s in "12"
        }
        assert len(said) == 1

    def test_functions_of_one_name_and_other_settings_stand_side_by_side(self) -> None:
        def scaled(x: Array, y: Array, k: float) -> float:
            return k

        labels = [FunctionEstimator(functools.partial(scaled, k=k)).label for k in (0.5, 2)]
        assert labels == ["scaled[k=0.5]", "scaled[k=2]"]

    def test_a_function_may_answer_with_an_estimate(self) -> None:
        def sure(x: Array, y: Array) -> Any:
            return Estimate(0.25, stderr=0.1)

        assert FunctionEstimator(sure).estimate(np.arange(5.0), np.arange(5.0)).stderr == 0.1

    def test_the_seed_is_passed_where_it_is_wanted(self) -> None:
        def seeded(x: Array, y: Array, seed: int = 0) -> float:
            return float(seed)

        assert FunctionEstimator(seeded).estimate(np.arange(2.0), np.arange(2.0), seed=7).mi == 7


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
    def test_all_kinds_of_numbers_become_matrices(self, x: npt.ArrayLike) -> None:
        checked, _ = check_samples(x, np.arange(6.0))
        assert checked.ndim == 2 and checked.dtype == np.float64 and len(checked) == 6

    @pytest.mark.parametrize(
        ("x", "y", "message"),
        [
            ([1.0, 2.0, 3.0], [1.0, 2.0], "x has 3 samples and y has 2"),
            ([1.0, np.nan, 3.0], [1.0, 2.0, 3.0], "x holds 1 NaN or infinite value.*row 1, column 0"),
            ([1.0, 2.0, 3.0], [1.0, np.inf, 3.0], "y holds 1 NaN or infinite"),
            ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], "x is constant"),
            (["a", "b"], [1.0, 2.0], "does not hold numbers only, but 'a': encode categories"),
            (pd.Series([True, None], dtype="boolean"), [1.0, 2.0], "but <NA>.*drop rows with missing"),
            (pd.Series(pd.date_range("2020", periods=2, tz="UTC")), [1.0, 2.0], "Timestamp.*divide dates by a unit"),
            (scipy.sparse.csr_array(np.eye(2)), [1.0, 2.0], "x is a csr_array, not an array of numbers"),
            ([[1.0], [2.0, 3.0]], [1.0, 2.0], "x cannot be made a NumPy array"),
            (np.zeros((2, 2, 2)), [1.0, 2.0], "has shape"),
            ([1.0], [2.0], "1 sample is too few: .*each in a row of its own"),
            (2**60 + np.arange(3), [1.0, 2.0, 4.0], "x holds whole numbers beyond 2\\^53"),
        ],
    )
    def test_each_defect_is_named(self, x: npt.ArrayLike, y: npt.ArrayLike, message: str) -> None:
        with pytest.raises(DataError, match=message):
            check_samples(x, y)

    def test_two_pandas_objects_that_pair_rows_otherwise_than_by_position_are_refused(self) -> None:
        x, y = pd.Series([1.0, np.nan, 2.0, 3.0]), pd.Series([np.nan, 1.0, 2.0, 3.0])
        with pytest.raises(DataError, match="different indices"):
            check_samples(x.dropna(), y.dropna())
        same, other = check_samples(x.dropna().to_numpy(), y.dropna())
        assert same.tolist() == other.tolist() == [[1.0], [2.0], [3.0]]
        check_samples(x[2:], pd.DataFrame({"y": y})[2:])

    def test_nothing_is_written_to_the_caller(self) -> None:
        x = np.arange(6.0)
        x.flags.writeable = False
        check_samples(x, x)


@pytest.mark.parametrize(("package", "registered"), [("estimators", registry.estimators)])
def test_every_built_in_class_is_exported_by_its_name(package: str, registered: Registry[Any]) -> None:
    registered.names()
    module: Any = importlib.import_module(f"mibench.{package}")
    classes = {f for f in map(registered.factory, registered.names()) if f.__module__.startswith(module.__name__)}
    assert {getattr(module, name) for name in dir(module)} == {f for f in classes if isinstance(f, type)}
    assert dir(module) == list(module.__all__) == sorted(made.__name__ for made in classes if isinstance(made, type))
