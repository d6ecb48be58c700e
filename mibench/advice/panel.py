"""The panel that is asked about a sample: estimators by selector, on the sample itself and on views of it."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

from mibench import registry
from mibench.bound import Interval
from mibench.endings import outlived
from mibench.errors import MibenchError
from mibench.estimator import Array, Estimate, Estimator, check_samples

from .looks import looks
from .views import VIEWS, surrogate

_ROWS, _CELLS = 3000, 200_000
"""Rows, and numbers, that views and looks are taken of at most: they guide, they do not answer."""


@dataclass(frozen=True)
class Answer:
    """What one estimator said: an estimate and what its standard error is for, or why there is none."""

    estimator: str
    estimate: Estimate | None = None
    reason: str = ""
    interval: Interval = Interval.TWO_SIDED


@dataclass(frozen=True)
class Question:
    """``ksg@half``: an estimator by selector, and the view of the sample that it is asked about; none: the sample."""

    estimator: str
    view: str = ""

    @classmethod
    def of(cls, text: str) -> Question:
        """From ``estimator@view`` or ``estimator``."""
        return cls(*text.partition("@")[::2])

    def __str__(self) -> str:
        return f"{self.estimator}@{self.view}" if self.view else self.estimator


@dataclass(frozen=True)
class Panel:
    """Who is asked.

    members : those whose answers are shown; each answers about the sample itself.
    probes : further questions whose answers only show how the members err.
    """

    members: tuple[str, ...]
    probes: tuple[Question, ...]

    @classmethod
    def of(cls, facts: Any) -> Panel:
        """From the ``members`` and ``probes`` of a JSON object."""
        return cls(tuple(facts["members"]), tuple(Question.of(text) for text in facts["probes"]))


@lru_cache
def usual_panel() -> Panel:
    """The panel that comes with the package, the one that the reference table asked."""
    return Panel.of(json.loads(files(__package__).joinpath("panel.json").read_text(encoding="utf-8")))


def ask(estimator: str | Estimator, x: Array, y: Array, seed: int = 0) -> Answer:
    """The answer of one estimator; whatever goes wrong with it says nothing about the others."""
    name = estimator if isinstance(estimator, str) else estimator.label
    try:
        chosen = registry.estimators.create(estimator) if isinstance(estimator, str) else estimator
        if chosen.capabilities.reads_task:
            return Answer(name, reason="it reads the answer from a task; it cannot estimate from samples.")
        checked = check_samples(x, y, chosen.capabilities.min_n)
        with warnings.catch_warnings(), np.errstate(all="ignore"), outlived():
            warnings.simplefilter("ignore")
            return Answer(name, Estimate.of(chosen.estimate(*checked, seed)), interval=chosen.kind.interval)
    except MibenchError as error:
        return Answer(name, reason=str(error))
    except (Exception, SystemExit) as error:
        said = (str(error).strip().splitlines() or ["no message"])[0]
        return Answer(name, reason=f"{type(error).__name__}: {said}")


def observe(x: Array, y: Array, probes: Sequence[Question], seed: int = 0) -> dict[str, float]:
    """What the sample looks like and what the probes answer, by name; NaN where a probe declines."""
    with np.errstate(all="ignore"):
        return {**_looks(x, y, seed), **dict(_probed(x, y, probes, seed))}


def _some(x: Array, y: Array, seed: int) -> tuple[Array, Array]:
    most = min(_ROWS, max(_CELLS // (x.shape[1] + y.shape[1]), 400))
    if len(x) <= most:
        return x, y
    rows = np.sort(np.random.default_rng([2, seed]).permutation(len(x))[:most])
    return x[rows], y[rows]


def _looks(x: Array, y: Array, seed: int) -> dict[str, float]:
    n = len(x)
    x, y = _some(x, y, seed)
    found = looks(x, y)
    found["n"] = float(n)
    found["surrogate_truth"] = surrogate(x, y, np.random.default_rng([3, seed]))[2]
    return found


def _probed(x: Array, y: Array, probes: Sequence[Question], seed: int) -> Iterator[tuple[str, float]]:
    x, y = _some(x, y, seed)
    seen: dict[str, tuple[Array, Array]] = {"": (x, y)}
    for probe in probes:
        if probe.view not in seen:
            seen[probe.view] = VIEWS[probe.view](x, y, np.random.default_rng([3, seed]))
        answer = ask(probe.estimator, *seen[probe.view], seed).estimate
        yield str(probe), math.nan if answer is None else answer.mi
