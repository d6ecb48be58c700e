"""How good, how reliable and how expensive an estimator is on a set of cells: the columns of ``schema.Summary``."""

from __future__ import annotations

import copy
import functools
import itertools
import math
from collections import Counter
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from mibench.bound import Interval
from mibench.result import Result, Status

from . import scoring

ROUNDING = 1e-6
"""Nats by which an estimate without any spread may miss the truth: critics answer in float32."""

Point = tuple[str, str, int]


def point(result: Result) -> Point:
    """Where a cell hangs in the tree that means are taken over: family, task, sample size."""
    return result.family, result.cell.task, result.cell.n


class Weighted:
    """Cells of one estimator, each with its weight: equal over seeds, then sample sizes, then tasks, then families."""

    def __init__(self, cells: Sequence[Result]) -> None:
        known: dict[Point, int] = {}
        self.cells = cells
        self._codes = np.fromiter((known.setdefault(point(r), len(known)) for r in cells), np.intp, len(cells))
        self._points = list(known)
        self._columns: dict[str, scoring.Floats] = {}

    @functools.cached_property
    def weights(self) -> scoring.Floats:
        """They add up to 1."""
        return scoring.coded_weights(self._codes, self._points)

    def column(self, name: str) -> scoring.Floats:
        """A number of every cell, NaN where there is none: error, mi, stderr, truth, truth_error, wall_s or cpu_s."""
        if name not in self._columns:
            values = map(attrgetter(name), self.cells)
            self._columns[name] = np.array([math.nan if value is None else value for value in values], dtype=float)
        return self._columns[name]

    def among(self, kept: npt.NDArray[np.bool_]) -> Weighted:
        """The cells of which this is true, weighed anew if any other is left out."""
        if kept.all():
            return self
        part = copy.copy(self)
        part.__dict__.pop("weights", None)
        part.cells = list(itertools.compress(self.cells, kept))
        part._codes = self._codes[kept]
        part._columns = {name: values[kept] for name, values in self._columns.items()}
        return part

    def where(self, keep: Callable[[Result], bool]) -> Weighted:
        """The cells of which this is true, weighed anew if any other is left out."""
        return self.among(np.fromiter(map(keep, self.cells), np.bool_, len(self.cells)))

    @property
    def answered(self) -> Weighted:
        """The cells that gave an answer."""
        return self.among(np.isfinite(self.column("error")))

    def mean(self, value: Callable[[Result], float]) -> float | None:
        """The weighted mean of a number of each cell, or None without cells."""
        return self.average([value(r) for r in self.cells])

    def average(self, values: npt.ArrayLike) -> float | None:
        """Likewise of numbers in the order of the cells."""
        return scoring.mean(values, self.weights) if self.cells else None

    def median(self, name: str) -> float | None:
        """The weighted median of a column, or None without cells."""
        return scoring.weighted_median(self.column(name), self.weights) if self.cells else None

    def spread(self) -> float | None:
        """The standard deviation of the estimates over the points with at least two, each point with its weight."""
        _, first, inverse = np.unique(self._codes, return_index=True, return_inverse=True)
        groups = np.split(self.column("mi")[np.argsort(inverse, kind="stable")], np.cumsum(np.bincount(inverse))[:-1])
        repeated = [place for place in np.argsort(first) if len(groups[place]) > 1]
        if not repeated:
            return None
        spreads = [float(np.std(groups[place], ddof=1)) for place in repeated]
        return scoring.mean(spreads, scoring.nested_weights([point(self.cells[first[place]]) for place in repeated]))


def summary(cells: Sequence[Result]) -> dict[str, Any]:
    """The columns of :class:`Summary` for the cells of one estimator."""
    every = Weighted(cells)
    weights, errors = every.weights, every.column("error")
    answered = every.answered
    stated = answered.among(~np.isnan(answered.column("stderr")))
    # worked on to the end or to the time limit
    timed = every.where(lambda r: r.status is Status.OK or r.status is Status.TIMEOUT)
    return {
        "score": scoring.mean(scoring.score(errors), weights),
        "median_error": scoring.weighted_median(np.abs(errors), weights),
        "bias": scoring.mean(errors[np.isfinite(errors)], weights[np.isfinite(errors)]) if answered.cells else None,
        "sd": answered.spread() if answered.cells else None,
        "success": scoring.mean(scoring.success(errors, every.column("truth")), weights),
        "failures": scoring.mean(~np.isfinite(errors), weights),
        "interval": str(cells[0].quantity.interval) if stated.cells else None,
        "covered": stated.average(_hold_the_truth(stated, cells[0].quantity.interval)),
        "coverage": stated.average(_hold_the_truth(stated, Interval.TWO_SIDED)),
        "wall_s": timed.median("wall_s"),
        "cpu_s": timed.median("cpu_s"),
        "cells": len(cells),
    }


def statuses(cells: Sequence[Result]) -> dict[str, int]:
    """How many cells ended in which way."""
    return dict(Counter(str(r.status) for r in cells))


def estimates(cells: Sequence[Result]) -> list[float]:
    """The answers of cells, failed ones left out."""
    return [float(r.mi) for r in cells if r.status is Status.OK and r.mi is not None]


def _hold_the_truth(stated: Weighted, interval: Interval) -> npt.NDArray[np.bool_]:
    error, stderr = stated.column("error"), stated.column("stderr")
    slack = stated.column("truth_error") + ROUNDING
    held = np.ones(len(error), np.bool_)
    low, high = interval.ends(0.0, 1.0)
    if math.isfinite(low):
        held &= error + low * stderr <= slack
    if math.isfinite(high):
        held &= error + high * stderr >= -slack
    return held
