"""Lists and cards: what they say of plug-ins, in print and as JSON."""

from __future__ import annotations

import inspect
import io
import json
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from rich.console import Console

from mibench import registry
from mibench.errors import NotInstalled, UsageError
from mibench.estimator import Array, Capabilities, Estimate, Estimator, Kind
from mibench.report import cards
from mibench.report.catalogue import dimensions, truth
from mibench.task import ConsistencyTask, DownstreamTask, Metric, Outcome, Task


@dataclass(frozen=True, eq=False, repr=False)
class Guess(Estimator):
    """A guess, ``level`` nats whatever the data.

    level : the guess.
    """

    level: float = 0.5
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
    def dim_x(self) -> int:  # type: ignore[override]
        return self.dim

    dim_y: ClassVar[int] = 3  # type: ignore[misc]
    mutual_information: ClassVar[float] = 1.25  # type: ignore[assignment,misc]
    mutual_information_error: ClassVar[float] = 3e-9  # type: ignore[assignment,misc]

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        raise AssertionError("a list must not draw samples")


class Absent(Pairs):
    """A data set that is not here."""

    @property
    def dim_x(self) -> int:  # type: ignore[override]
        raise NotInstalled("the data are missing; `mibench data get it` fetches them.")


@dataclass(frozen=True, eq=False, repr=False)
class Wrapped(Task):
    """Another task, shifted."""

    base: Task

    dim_x: ClassVar[int] = 1  # type: ignore[misc]
    dim_y: ClassVar[int] = 1  # type: ignore[misc]

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        return self.base.draw(n, rng)

    @property
    def mutual_information(self) -> float:
        return self.base.mutual_information


class Ratio(ConsistencyTask):
    """Parts that add up."""

    expected: ClassVar[float] = 2.0  # type: ignore[assignment,misc]

    def parts(self, n: int, seed: int) -> list[tuple[Array, Array]]:
        return []

    def score(self, estimates: Any) -> float:
        return 0.0


class Model(DownstreamTask):
    """A model."""

    metrics: ClassVar[tuple[Metric, ...]] = (Metric("loss", "lower", "nats", "How bad.", {"none": "0.5"}),)

    def train(self, estimator: Estimator, seeds: Any) -> list[Outcome]:
        return []


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plug-ins above, and only these."""
    registry.discover()
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


def printed(rows_or_card: Any, width: int = 100) -> str:
    stream = io.StringIO()
    show = cards.show_list if isinstance(rows_or_card, list) else cards.show_card
    show(rows_or_card, Console(file=stream, width=width))
    text = stream.getvalue()
    assert "\x1b" not in text
    return text


def test_estimators_are_listed_with_what_they_are() -> None:
    (row,) = cards.list_estimators()
    assert (row.name, row.kind, row.min_n, row.discrete) == ("guess", "upper bound", 7, True)
    assert row.summary == "A guess, level nats whatever the data."
    assert json.loads(json.dumps(row.to_json()))["max_dim"] == 3
    assert "guess" in printed([row])


def test_tasks_are_listed_by_family_without_a_sample() -> None:
    rows = {row.name: row for row in cards.list_tasks()}
    assert list(rows)[-2:] == ["ratio", "model"]
    assert (dimensions(rows["pairs"]), truth(rows["pairs"])) == ("2 + 3", "1.2500 ± 3e-09 nats")
    assert dimensions(rows["pairs-of-five"]) == "5 + 3"
    # what does not depend on the data is told without them
    assert (dimensions(rows["absent"]), truth(rows["absent"])) == ("", "1.2500 ± 3e-09 nats")
    assert rows["absent"].remark.startswith("the data are missing")
    assert "needs a value for base" in rows["wrapped"].remark
    text = printed(cards.list_tasks())
    for words in ("made-up", "2 + 3", "n/a", "the data are missing", "[bold]", "6 tasks"):
        assert words in text, words


def test_task_rows_as_json() -> None:
    records = [row.to_json() for row in cards.list_tasks("pairs*")]
    assert [record["name"] for record in json.loads(json.dumps(records))] == ["pairs", "pairs-of-five"]
    assert records[0]["family"] == "made-up"
    assert records[0]["mutual_information"] == 1.25
    assert records[0]["dim_y"] == 3


def test_a_glob_that_matches_nothing() -> None:
    for listing, noun in ((cards.list_estimators, "estimator"), (cards.list_tasks, "task"), (cards.list_grids, "grid")):
        with pytest.raises(UsageError, match=f"no {noun} matches 'zz\\*'"):
            listing("zz*")


def test_the_card_of_an_estimator() -> None:
    card = cards.card("guess[level=0.75]")
    assert [(p.name, p.default, p.value) for p in card.parameters] == [
        ("level", "0.5", "0.75"),
        ("words", "(a b)", "(a b)"),
    ]
    assert card.values["capabilities"]["memory"] == 0.25
    text = printed(card)
    for words in (
        "guess[level=0.75]  estimator",
        "upper bound (not ranked)",
        "at least 7",
        "at most 3",
        "up to 4 cells together",
        "0.25 GiB per cell",
        "Nobody (1900), eq. 1",
        "0.75  (default 0.5)",
        f"{inspect.getsourcefile(Guess)}:",
    ):
        assert words in text.replace("\n", " ") or words in text, words
    json.dumps(card.to_json(), allow_nan=False)


def test_the_card_of_a_task() -> None:
    text = printed(cards.card("pairs[dim=4]"))
    for words in ("4 + 3", "1.2500 ± 3e-09 nats", "not known", "4  (default 2)", "Nothing else."):
        assert words in text, words
    missing = cards.card("absent")
    assert missing.values["dim_x"] is None
    assert missing.values["mutual_information"] == 1.25
    assert "the data are missing" in printed(missing)
    assert "pairs  (required)" in printed(cards.card("wrapped[base=pairs]"))


def test_the_cards_of_other_tasks() -> None:
    assert cards.card("ratio").values["expected"] == 2.0
    model = cards.card("model")
    assert model.to_json()["metrics"][0]["published"] == {"none": "0.5"}
    assert "How bad." in printed(model)


def test_the_card_of_a_grid(tmp_path: Any) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'description = "Mine."\nestimators = ["guess"]\nn = [100]\nseeds = 2\n[[block]]\ntasks = ["pairs"]\n'
    )
    card = cards.card(str(path))
    assert card.to_json()["blocks"] == [{"estimators": ["guess"], "tasks": ["pairs"], "n": [100], "seeds": [0, 1]}]
    assert "Mine." in printed(card)


def test_a_task_and_a_grid_of_the_same_name() -> None:
    registry.tasks.register("quick")(type("Quick", (Pairs,), {"__doc__": "Another."}))
    task = cards.card("quick")
    assert task.what == "task"
    assert "mibench info quick.toml" in printed(task)
    assert cards.card("quick.toml").what == "grid"


def test_an_unknown_name_gets_the_nearest_ones() -> None:
    with pytest.raises(UsageError, match=r"no estimator, task or grid 'gues'; did you mean 'guess'"):
        cards.card("gues")


@pytest.mark.parametrize("width", [40, 80, 200])
def test_nothing_is_wider_than_the_terminal(width: int) -> None:
    for shown in (cards.list_estimators(), cards.list_tasks(), cards.card("model"), cards.card("guess")):
        lines = printed(shown, width).splitlines()
        assert max(len(line) for line in lines if "/" not in line) <= width
