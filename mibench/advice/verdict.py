"""The answer to "which of these estimates should I trust": one value, its interval, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from mibench.errors import DataError
from mibench.estimator import Array, check_samples
from mibench.registry import estimators
from mibench.samples import Pair, Remark, answer_remarks, remarks
from mibench.samples.clean import cleaned, paired
from mibench.samples.exact import dense_ranks, exact_line, hardly_repeats, noisy, same_order
from mibench.samples.order import apart, in_both

from .model import Model, usual_model
from .panel import Answer, Panel, ask, observe

_BEYOND = 1.0
"""Distance to the neighbours, in units of what nearly all of the table's own samples keep, from which a sample is
unlike anything tested."""


@dataclass(frozen=True)
class Typical:
    """How a member erred on the reference samples most like this one, in nats.

    error : median absolute error. bias : median error. cells : how many of them it answered.
    """

    error: float
    bias: float
    cells: int


@dataclass(frozen=True)
class Advice:
    """What to answer for a sample.

    mi, low, high : the recommended value in nats and the ends of its interval; no interval (None) where the sample is
        unlike all that was tested.
    level : the share of such intervals that hold the truth, over families of distributions that were left out.
    why : two sentences. tested : whether the reference table has samples like this one.
    answers : what each member of the panel said. typical : how each erred on samples like this one.
    warnings : what the sample and the answers say against trusting them.
    """

    mi: float
    low: float | None
    high: float | None
    level: float
    why: str
    tested: bool
    cells: int
    answers: tuple[Answer, ...]
    typical: tuple[Typical | None, ...]
    warnings: tuple[Remark, ...] = ()

    def facts(self) -> dict[str, Any]:
        """The recommended value as JSON."""
        return {k: getattr(self, k) for k in ("mi", "low", "high", "level", "why", "tested", "cells")}


def advise(x: npt.ArrayLike, y: npt.ArrayLike, seed: int = 0, fast: bool = False) -> Advice:
    """The recommended value of I(X; Y) for paired samples, (n,) or (n, dim) each, with its interval and the reason.

    Rows that are copies of earlier ones are left out, and columns in which nothing varies. Where the rows of both
    variables follow one another, as in time series, only rows as far apart as they are worth samples are used. ``why``
    says so, and ``warnings`` what else speaks against the sample.

    >>> mibench.advise(x, y).why

    fast : leave out the members that train a model; the reference table knows their absence.

    Raises
    ------
    DataError : samples that cannot be used, or so few that no member of the panel answers.
    """
    pair = cleaned(paired(*check_samples(x, y)))
    found = advise_on(pair, seed, fast)
    said = remarks(pair)
    given = [(a.estimator, a.estimate) for a in found.answers if a.estimate is not None]
    return replace(found, warnings=(*said, *answer_remarks(pair, given, said)))


def advise_on(pair: Pair, seed: int = 0, fast: bool = False) -> Advice:
    """The same, but for the warnings, for a pair that is cleaned (see ``mibench.samples.clean``)."""
    x, y = pair.x.values, pair.y.values
    rows = len(x)
    every = apart(in_both(x, y), rows)
    x, y = x[::every], y[::every]
    model, members = usual_model(), usual_members(fast)
    answers = [ask(name, x, y, seed) for name in members]
    if all(a.estimate is None for a in answers):
        raise DataError(
            f"none of the {len(answers)} estimators of the panel answers; {answers[0].estimator}: {answers[0].reason}"
        )
    observed = observe(x, y, Panel.of(model.facts).probes, seed)
    known = {a.estimator: math.nan if a.estimate is None else a.estimate.mi for a in answers} | observed
    found = _judge(model, known, answers, x, y)
    why = found.why
    if pair.repeated:
        used = f"{rows:,} of {rows + pair.repeated:,} were used"
        why += f" Rows that repeat an earlier one are no further samples: {used}."
    if every > 1:
        why += f" Rows that follow one another are alike: only every {every}th of them was used."
    return replace(found, why=why)


def usual_members(fast: bool = False) -> tuple[str, ...]:
    """The members of the panel, without those that train where it must be fast."""
    names = tuple(usual_model().facts["members"])
    return tuple(n for n in names if not (fast and estimators.create(n).capabilities.trains))


def _judge(model: Model, known: dict[str, float], answers: Sequence[Answer], x: Array, y: Array) -> Advice:
    rows, ceiling = model.reference.rows, min(_most(x), _most(y))
    exactness = _exactness(x, y) if any(_endless(a) for a in answers) and math.isinf(ceiling) else Exactness.NONE
    if exactness is Exactness.NONE:  # single values that coincide, which tell nothing
        known = {name: math.nan if told == math.inf else told for name, told in known.items()}
    nearest, distance = model.reference.near(model.recipe.alike({**known, "n": min(known["n"], rows[1])}))
    names = list(model.facts["members"])
    typical = tuple(_typical(model.reference.errors[nearest, names.index(a.estimator)]) for a in answers)
    level = float(model.facts["level"])
    found = partial(Advice, level=level, cells=len(nearest), answers=tuple(answers), typical=typical)
    value, low, high = (float(v[0]) for v in model.predict([known]))
    share = model.share_beyond(known)
    if share < 1:
        value, low, high = model.nearer(known, (value, low, high), share)
    if exactness is Exactness.EXACT:
        why = "X and Y are in an exact relation, so the mutual information is infinite as far as the digits reach."
        why += " Whatever else the panel says is the resolution of its estimators."
        return found(math.inf, low, math.inf, why=why, tested=True)
    tested = distance <= _BEYOND and len(x) >= 50
    value, low, high = (min(v, ceiling) for v in (value, low, high))
    why = _why(value, answers, typical, len(nearest), tested) + _beyond(len(x), share, rows)
    if exactness is Exactness.ORDER:
        high = math.inf
        why += " Columns of X and Y order all rows alike, which bounds their information from below only."
    ends = (low, high) if tested else (None, None)
    return found(value, *ends, why=why, tested=tested)


class Exactness(Enum):
    """Of a relation that some estimator takes for exact."""

    NONE = 0
    ORDER = 1
    EXACT = 2


def _exactness(x: Array, y: Array) -> Exactness:
    """What of x (n, dim_x) and y (n, dim_y) is tied, beyond values that repeat: a linear function, or the order."""
    if exact_line(x, y):
        return Exactness.EXACT
    bare = hardly_repeats(y)
    alike = [(i, j) for i, j, _ in same_order(dense_ranks(x), dense_ranks(y)) if bare[j]]
    pairs = [noisy(x[:, i], y[:, j]) for i, j in alike]
    if not pairs:
        return Exactness.NONE
    return Exactness.ORDER if all(pairs) else Exactness.EXACT


def _endless(answer: Answer) -> bool:
    return answer.estimate is not None and answer.estimate.mi == math.inf


def _beyond(n: int, share: float, rows: tuple[int, int]) -> str:
    """What is to be said of a sample with fewer or more rows than any of the table has."""
    if n < rows[0]:
        return f" No reference sample has so few rows: the least is {rows[0]:,}."
    if n > rows[1]:
        said = f" No reference sample has more than {rows[1]:,} rows: of what was learned from them, {share:.0%}"
        return f"{said} is kept where it leaves the range of the answers."
    return ""


def _typical(errors: Array) -> Typical | None:
    given = errors[np.isfinite(errors)]
    if len(given) < 10:
        return None
    return Typical(float(np.median(np.abs(given))), float(np.median(given)), len(given))


def _most(values: Array) -> float:
    """The most that a variable can share, in nats: the log of its distinct values, where rows repeat; else infinite."""
    distinct = len(np.unique(values, axis=0))
    return math.log(distinct) if distinct <= len(values) / 4 else math.inf


def _why(value: float, answers: Sequence[Answer], typical: Sequence[Typical | None], cells: int, tested: bool) -> str:
    pairs = [
        (a, t)
        for a, t in zip(answers, typical, strict=True)
        if a.estimate is not None and t is not None and not _endless(a)
    ]
    if not pairs:
        return "No reference sample is like this one. The value rests on what the sample looks like alone."
    pairs.sort(key=lambda pair: pair[1].error if pair[1] else math.inf)
    best, err = pairs[0]
    assert best.estimate is not None and err is not None
    low, high = (f(a.estimate.mi for a, _ in pairs if a.estimate is not None) for f in (min, max))
    said = (
        f"The panel says {low:.2f} to {high:.2f} nats; of its members {best.estimator} ({best.estimate.mi:.3f}) errs"
        f" least on the {cells} reference samples most like this one, by {err.error:.3f} nats (median)"
    )
    worst, far = pairs[-1]
    assert far is not None
    if far.error > 2 * err.error + 0.01:
        way = "low" if far.bias < 0 else "high"
        said += f", while {worst.estimator} is off by {far.error:.3f}, mostly too {way}"
    if not tested:
        return f"{said}. This sample is unlike anything in the reference table, so no interval is stated."
    where = "near its answer" if abs(value - best.estimate.mi) <= max(0.01, 2 * err.error) else "away from it"
    return f"{said}. The value is the mean of candidates weighted by how such samples have scored them, {where}."
