"""Lists and cards: what they say of plug-ins, in print and as JSON."""

from __future__ import annotations

import inspect
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import pytest
from rich.console import Console

from mibench import registry
from mibench.discovery import discover
from mibench.errors import NotInstalled, UsageError
from mibench.estimator import Array, Capabilities, Estimate, Estimator, Kind
from mibench.parameters import Range
from mibench.report import catalogue, listing
from mibench.report.cards import Card, card
from mibench.report.catalogue import dimensions, truth
from mibench.report.docstring import parse
from mibench.task import Task

from .test_gallery import Model, Ratio


@dataclass(frozen=True, eq=False, repr=False)
class Guess(Estimator):
    """A guess, ``level`` nats whatever the data.

    level : the guess.
    words : said of it.
    """

    level: Annotated[float, Range(0, 9, with_low=True)] = 0.5
    words: tuple[str, ...] = ("a", "b")

    kind: ClassVar[Kind] = Kind.UPPER_BOUND
    citation: ClassVar[str] = "Nobody (1900), eq. 1"
    capabilities: ClassVar = Capabilities(min_n=7, max_dim=3, discrete=True, max_batch=4, memory=0.25)

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        return Estimate(self.level)


@dataclass(frozen=True, eq=False, repr=False)
class Pairs(Task):
    """X = Y, uniform on [0, 1]^dim[bold].

    Nothing else.
    """

    dim: int = 2

    family: ClassVar[str] = "made-up"

    @property
    def dim_x(self) -> int:
        return self.dim

    dim_y: ClassVar[int] = 3
    mutual_information: ClassVar[float] = 1.25
    mutual_information_error: ClassVar[float] = 3e-9

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        raise AssertionError("a list must not draw samples")


class Absent(Pairs):
    """A data set that is not here."""

    @property
    def dim_x(self) -> int:
        raise NotInstalled("the data are missing; `mibench data get it` fetches them.")


@dataclass(frozen=True, eq=False, repr=False)
class Wrapped(Task):
    """Another task, shifted."""

    base: Task

    dim_x: ClassVar[int] = 1
    dim_y: ClassVar[int] = 1

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        return self.base.draw(n, rng)

    @property
    def mutual_information(self) -> float:
        return self.base.mutual_information


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plug-ins above, and only these."""
    discover()
    for own in (registry.estimators, registry.tasks):
        monkeypatch.setattr(own, "_factories", {})
        monkeypatch.setattr(own, "_sources", {})
    registry.estimators.register("guess")(Guess)
    named = {"pairs": Pairs, "absent": Absent, "wrapped": Wrapped, "ratio": Ratio, "model": Model}
    for name, cls in named.items():
        registry.tasks.register(name)(cls)

    @registry.tasks.register("pairs-of-five")
    def five(dim: int = 5) -> Pairs:
        """Five pairs."""
        return Pairs(dim)


def printed(shown: Card | Sequence[listing.Row], width: int = 100) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width)
    if isinstance(shown, Card):
        listing.show_card(shown, console)
    else:
        listing.show_list(shown, console)
    assert "\x1b" not in stream.getvalue()
    return stream.getvalue()


def test_estimators_are_listed_with_what_they_are() -> None:
    (row,) = catalogue.list_estimators()
    assert (row.name, row.kind, row.min_n, row.discrete) == ("guess", "upper bound", 7, True)
    assert row.group == __name__.rpartition(".")[2].replace("_", " ")
    assert row.summary == "A guess, level nats whatever the data."
    assert json.loads(json.dumps(row.to_json()))["max_dim"] == 3
    assert "guess" in printed([row])


def test_a_package_of_plugins_is_listed_by_what_is_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its name: the package is the one that an entry point names."""
    point = EntryPoint("other", "somebodys.plugins", "mibench.plugins")
    monkeypatch.setattr(catalogue, "entry_points", lambda group: [point])
    for module, group in (("somebodys.plugins.nearest_ones.tree", "nearest ones"), ("elsewhere.alone", "alone")):
        monkeypatch.setattr(Guess, "__module__", module)
        assert [row.group for row in catalogue.list_estimators()] == [group]


def test_tasks_are_listed_by_family_without_a_sample() -> None:
    rows = {row.name: row for row in catalogue.list_tasks()}
    assert list(rows)[-2:] == ["ratio", "model"]
    assert (dimensions(rows["pairs"]), truth(rows["pairs"])) == ("2 + 3", "1.2500 ± 3e-09 nats")
    assert dimensions(rows["pairs-of-five"]) == "5 + 3"
    # what does not depend on the data is told without them
    assert (dimensions(rows["absent"]), truth(rows["absent"])) == ("", "1.2500 ± 3e-09 nats")
    assert rows["absent"].remark.startswith("the data are missing")
    assert "needs a value for base" in rows["wrapped"].remark
    text = printed(catalogue.list_tasks())
    for words in ("made-up", "2 + 3", "n/a", "the data are missing", "[bold]", "6 tasks"):
        assert words in text, words


def test_task_rows_as_json() -> None:
    first, second = (json.loads(json.dumps(row.to_json())) for row in catalogue.list_tasks("pairs*"))
    assert (first["name"], second["name"], first["family"], first["kind"]) == (
        *("pairs", "pairs-of-five", "made-up"),
        "information",
    )
    assert (first["mutual_information"], first["dim_y"]) == (1.25, 3)


@pytest.mark.parametrize("kind", ["estimator", "task", "grid"])
def test_a_glob_that_matches_nothing(kind: str) -> None:
    with pytest.raises(UsageError, match=f"no {kind} matches 'zz\\*'"):
        getattr(catalogue, f"list_{kind}s")("zz*")


def test_the_card_of_an_estimator() -> None:
    found = card("guess[level=0.75]")
    assert [(p.name, p.default, p.value, p.type, p.meaning) for p in found.parameters] == [
        ("level", "0.5", "0.75", "a number, at least 0 and less than 9", "the guess."),
        ("words", "(a b)", "(a b)", "a tuple of any length, each a word", "said of it."),
    ]
    assert found.values["capabilities"]["memory"] == 0.25
    assert found.text == "A guess, level nats whatever the data."
    text = printed(found, 300)
    for words in (
        *("guess[level=0.75]  estimator", "upper bound (not ranked)", "at least 7", "at most 3"),
        *("up to 4 cells together", "0.25 GiB per cell", "Nobody (1900), eq. 1", "0.75  (default 0.5)"),
        *("the guess (a number, at least 0 and less than 9)", f"{inspect.getsourcefile(Guess)}:"),
    ):
        assert words in text, words
    json.dumps(found.to_json(), allow_nan=False)


def test_what_a_class_does_not_say_of_a_parameter_its_base_may() -> None:
    registry.estimators.register("bolder")(type("Bolder", (Guess,), {"__doc__": "A guess.\n\nlevel : a bold one."}))
    assert [p.meaning for p in card("bolder").parameters] == ["a bold one.", "said of it."]


def test_the_card_of_a_task() -> None:
    text = printed(card("pairs[dim=4]"))
    for words in ("4 + 3", "1.2500 ± 3e-09 nats", "not known", "4  (default 2)", "Nothing else."):
        assert words in text, words
    missing = card("absent")
    assert (missing.values["dim_x"], missing.values["mutual_information"]) == (None, 1.25)
    assert "the data are missing" in printed(missing)
    assert "pairs  (required)" in printed(card("wrapped[base=pairs]"))


def test_the_cards_of_other_tasks() -> None:
    assert card("ratio").values["expected"] == 2.0
    model = card("model")
    assert (card("ratio").what, model.what) == ("consistency task", "downstream task")
    assert model.to_json()["metrics"][0]["published"] == {"none": "0.5"}
    assert "loss  How bad (better: lower; unit: nats; published: none 0.5)" in printed(model)


def test_the_card_of_a_grid(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'description = "Mine."\nestimators = ["guess"]\nn = [100]\nseeds = 2\n[[block]]\ntasks = ["pairs"]\n'
    )
    found = card(str(path))
    assert found.to_json()["blocks"] == [{"estimators": ["guess"], "tasks": ["pairs"], "n": [100], "seeds": [0, 1]}]
    assert "Mine." in printed(found)


def test_a_task_and_a_grid_of_the_same_name() -> None:
    registry.tasks.register("quick")(type("Quick", (Pairs,), {"__doc__": "Another."}))
    assert card("quick").what == "task"
    assert "mibench info quick.toml" in printed(card("quick"))
    assert card("quick.toml").what == "grid"


def test_an_unknown_name_gets_the_nearest_ones() -> None:
    with pytest.raises(UsageError, match=r"no estimator, task or grid 'gues'; did you mean 'guess'"):
        card("gues")


@pytest.mark.parametrize("width", [40, 80, 200])
def test_nothing_is_wider_than_the_terminal(width: int) -> None:
    for shown in (catalogue.list_estimators(), catalogue.list_tasks(), card("model"), card("guess")):
        lines = printed(shown, width).splitlines()
        assert max(len(line) for line in lines if "/" not in line) <= width


PARAMETERS = "x, y : first\n    and more.\nz : second, of\n    two lines."


@pytest.mark.parametrize("heading", ["", "Parameters\n----------\n"])
def test_parameters_are_read_with_a_heading_and_without(heading: str) -> None:
    docs = parse(f"One ``a``\nsentence.\n\nAnd : this is\nprose.\n\n{heading}{PARAMETERS}\n\nThe end.")
    assert docs.parameters == {"x, y": "first and more.", "z": "second, of two lines."}
    assert docs.paragraphs == ("One ``a``\nsentence.", "And : this is\nprose.", "The end.")
    assert docs.summary == "One ``a`` sentence."


def test_a_glob_that_matches_nothing_offers_what_is_near() -> None:
    known = max((row.name for row in catalogue.list_tasks()), key=len)
    with pytest.raises(UsageError, match=f"no task matches '{known}x'; did you mean '{known}'"):
        catalogue.list_tasks(f"{known}x")
    with pytest.raises(UsageError, match="`mibench ls tasks` lists the known ones"):
        catalogue.list_tasks("qqqqqq")
