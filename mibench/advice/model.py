"""The model of the reference table: boosted trees as plain arrays, read from a file without any code in it.

It learns, from what the panel answered and what a sample looks like, where the truth lies relative to the answers:
(truth - base) / scale, with the greatest of a few answers as the base and their spread as the scale, so that whatever
is learned moves with the answers. Three forests give its median and its 5 % and 95 % quantiles; the quantiles are then
moved outwards by what families left out of the fit have asked for (conformalised quantile regression, Romano, Patterson
& Candes 2019, with families as the unit). The value is a mean of candidates (the greatest answer, the median, zero,
some members), each weighted by how well a forest of its own expects it to score on such a sample.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from mibench.errors import MibenchError

from .forest import Floats, Forest, read_forest

NARROWEST = 0.05
"""The least distance of a quantile from the median, in units of the scale."""
SHARPNESS = 50.0
"""A candidate that is expected to score 0.02 more than another weighs e times as much."""
_MOST = 100.0
"""Answers are held to this many nats either way: infinite ones are told apart elsewhere."""

GREATEST, MEDIAN, NOTHING = "greatest", "median", "nothing"
"""Candidates beside members of the panel: the base, the learned median, and no information at all."""


@dataclass(frozen=True)
class Recipe:
    """How answers become the inputs of the model.

    base : the answers whose greatest is the base, and whose spread is the scale.
    candidates : members whose own answer may be the value.
    differences : pairs of answers whose difference is an input of its own.
    likeness : what must be alike for two samples to be neighbours.
    """

    base: tuple[str, ...]
    candidates: tuple[str, ...]
    differences: tuple[tuple[str, str], ...]
    likeness: tuple[str, ...]

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Recipe:
        """From a JSON object with these names."""
        pairs = tuple((str(a), str(b)) for a, b in facts["differences"])
        return cls(tuple(facts["base"]), tuple(facts["candidates"]), pairs, tuple(facts["likeness"]))

    def inputs(self, known: Mapping[str, float]) -> dict[str, float]:
        """All inputs by name: what is known, held to a range, and differences, in nats and in units of the scale."""
        base, scale = self.base_and_scale(known)
        found = {k: float(np.clip(v, -_MOST, _MOST)) for k, v in known.items()} | {"base": base, "scale": scale}
        for a, b in (*self.differences, *(("base", name) for name in self.base)):
            apart = found.get(a, np.nan) - found.get(b, np.nan)
            found |= {f"{a} - {b}": apart, f"({a} - {b}) / scale": apart / scale}
        return found

    def base_and_scale(self, known: Mapping[str, float]) -> tuple[float, float]:
        """The greatest of the base answers, at least 0, and their spread, both in nats.

        The scatter of a sample is added to the spread, 1 / sqrt(n): equal answers err together by as much.
        """
        given = [float(np.clip(known[k], -_MOST, _MOST)) for k in self.base if np.isfinite(known.get(k, np.nan))]
        if not given:
            return 0.0, 1.0
        return max(*given, 0.0), max(given) - min(given) + 1 / np.sqrt(known["n"])

    def alike(self, known: Mapping[str, float]) -> Floats:
        """What neighbours are told by, (1 + likeness,): sizes as logarithms, log n first and twice as heavy."""
        rest = [np.nan_to_num(known.get(name, np.nan), nan=-1.0, posinf=20.0, neginf=-1.0) for name in self.likeness]
        sizes = [
            np.log(max(v, 1.0)) if name.startswith(("dim", "rank")) else np.arcsinh(2 * v)
            for name, v in zip(self.likeness, rest, strict=True)
        ]
        return np.array([2 * np.log(known["n"]), *sizes])


@dataclass(frozen=True, eq=False)
class Reference:
    """The samples of the table as neighbours of another sample.

    alike (m, features) : standardised by ``centre`` and ``spread``. errors (m, members) : in nats, NaN for no answer.
    reach : the distance to the ``count``-th neighbour that 99.5 % of the table's own samples stay within.
    """

    alike: Floats
    centre: Floats
    spread: Floats
    errors: Floats
    reach: float
    count: int = 100

    @cached_property
    def rows(self) -> tuple[int, int]:
        """The least and the greatest number of rows of a sample of the table (see :meth:`Recipe.alike`)."""
        sizes = np.exp((self.alike[:, 0] * self.spread[0] + self.centre[0]) / 2)
        return round(sizes.min()), round(sizes.max())

    def near(self, alike: Floats) -> tuple[npt.NDArray[np.int64], float]:
        """The ``count`` samples that are most alike, and how far the last of them is, in units of ``reach``."""
        away = np.sqrt((((alike - self.centre) / self.spread - self.alike) ** 2).mean(axis=1))
        nearest = np.argsort(away, kind="stable")[: self.count]
        return nearest, float(away[nearest[-1]] / self.reach)


@dataclass(frozen=True, eq=False)
class Model:
    """Forests, the inputs they take by name, and what is known of the table that they were fitted to."""

    names: tuple[str, ...]
    recipe: Recipe
    median: Forest
    low: Forest
    high: Forest
    scores: Mapping[str, Forest]
    stretch: tuple[float, float]
    reference: Reference
    facts: Mapping[str, Any]

    def predict(self, known: Sequence[Mapping[str, float]]) -> tuple[Floats, Floats, Floats]:
        """For each sample, the value and the ends of its interval in nats, all at least 0.

        known : the answers and looks of each sample by name, as the panel gives them.
        """
        inputs = [self.recipe.inputs(each) for each in known]
        table = np.array([[each.get(name, np.nan) for name in self.names] for each in inputs])
        base, scale = np.array([[each["base"], each["scale"]] for each in inputs]).T
        median, low, high = (f.predict(table) for f in (self.median, self.low, self.high))
        candidates = candidate_values(inputs, np.maximum(base + scale * median, 0.0), list(self.scores))
        value = weighed(candidates, np.array([forest.predict(table) for forest in self.scores.values()]))
        return value, *interval(value, base, scale, median, low, high, self.stretch)

    def share_beyond(self, known: Mapping[str, float]) -> float:
        """How much of what was learned holds for a sample with more rows than any of the table: 1 to 0.

        Errors of neighbours fall as n^(-1/d) with d columns (Gao, Oh & Viswanath 2018), and none faster than the
        scatter of a sample, as n^(-1/2).
        """
        columns = known["dim_low"] + known["dim_high"]
        return float(min(1.0, (self.reference.rows[1] / known["n"]) ** (1 / columns)))

    def nearer(self, known: Mapping[str, float], values: Sequence[float], share: float) -> list[float]:
        """Values in nats, with ``share`` of what they lie above or below all that the candidates answer.

        Answers about one sample err together by its scatter, of the order of 1 / sqrt(n): so far apart is no distance.
        """
        told = [known[name] for name in self.recipe.candidates if np.isfinite(known.get(name, np.nan))]
        if not told:
            return list(values)
        scatter = 1 / np.sqrt(known["n"])
        least, most = (max(end, 0.0) for end in (min(told) - scatter, max(told) + scatter))
        within = [min(max(value, least), most) for value in values]
        return [inside + share * (value - inside) for value, inside in zip(values, within, strict=True)]


def candidate_values(inputs: Sequence[Mapping[str, float]], median: Floats, names: Sequence[str]) -> Floats:
    """The values (candidates, n) in nats, at least 0; NaN where a member gave no answer."""
    own: dict[str, Floats] = {
        GREATEST: np.array([each["base"] for each in inputs]),
        MEDIAN: median,
        NOTHING: np.zeros(len(inputs)),
    }
    told = [own[k] if k in own else [each.get(k, np.nan) for each in inputs] for k in names]
    found: Floats = np.maximum(np.array(told, dtype=float), 0.0)
    return found


def weighed(values: Floats, scores: Floats) -> Floats:
    """The mean (n,) of candidates (candidates, n), by the scores expected of them."""
    expected = np.where(np.isfinite(values), scores, -np.inf)
    weights = np.exp(SHARPNESS * (expected - expected.max(axis=0)))
    mean: Floats = (weights * np.nan_to_num(values)).sum(axis=0) / weights.sum(axis=0)
    return mean


def interval(
    value: Floats,
    base: Floats,
    scale: Floats,
    median: Floats,
    low: Floats,
    high: Floats,
    stretch: tuple[float, float],
) -> tuple[Floats, Floats]:
    """The ends (n,) in nats: quantiles moved away from the median, each side by its factor; the value lies within."""
    down, up = np.maximum(median - low, NARROWEST), np.maximum(high - median, NARROWEST)
    lowest = np.maximum(base + scale * (median - stretch[0] * down), 0.0)
    highest = np.maximum(base + scale * (median + stretch[1] * up), 0.0)
    return np.minimum(lowest, value), np.maximum(highest, value)


@lru_cache
def usual_model() -> Model:
    """The model that comes with the package.

    Raises
    ------
    MibenchError : the file is damaged or of another version.
    """
    try:
        with files(__package__).joinpath("model.npz").open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = dict(stored)
        facts = json.loads(bytes(arrays["facts"]).decode("utf-8"))
        near = {key: arrays[f"near.{key}"].astype(float) for key in ("alike", "centre", "spread", "errors")}
        return Model(
            names=tuple(facts["names"]),
            recipe=Recipe.of(facts),
            median=read_forest("median", arrays),
            low=read_forest("low", arrays),
            high=read_forest("high", arrays),
            scores={name: read_forest(f"score.{name}", arrays) for name in facts["scores"]},
            stretch=(facts["stretch"][0], facts["stretch"][1]),
            reference=Reference(**near, reach=facts["reach"]),
            facts=facts,
        )
    except (OSError, ValueError, KeyError) as error:
        raise MibenchError(
            f"the model of the reference table cannot be read ({error}): install mibench again."
        ) from None
