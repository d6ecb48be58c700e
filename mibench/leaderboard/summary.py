"""How good, how reliable and how expensive an estimator is on a set of cells: the columns of ``schema.Summary``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mibench.bound import Interval
from mibench.group import grouped
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
        self.cells = cells
        self.weights = scoring.nested_weights([point(r) for r in cells])

    def where(self, keep: Callable[[Result], bool]) -> Weighted:
        """The cells of which this is true, weighed anew if any other is left out."""
        kept = [r for r in self.cells if keep(r)]
        return self if len(kept) == len(self.cells) else Weighted(kept)

    @property
    def answered(self) -> Weighted:
        """The cells that gave an answer."""
        return self.where(lambda r: math.isfinite(r.error))

    def mean(self, value: Callable[[Result], float]) -> float | None:
        """The weighted mean of a number of each cell, or None without cells."""
        return scoring.mean([value(r) for r in self.cells], self.weights) if self.cells else None

    def median(self, value: Callable[[Result], float]) -> float | None:
        """Likewise the weighted median."""
        return scoring.weighted_median([value(r) for r in self.cells], self.weights) if self.cells else None


def summary(cells: Sequence[Result]) -> dict[str, Any]:
    """The columns of :class:`Summary` for the cells of one estimator."""
    every = Weighted(cells)
    weights = every.weights
    errors = np.array([r.error for r in cells])
    truths = np.array([r.truth for r in cells], dtype=float)
    answered = np.isfinite(errors)
    stated = every.answered.where(lambda r: r.stderr is not None)
    timed = every.where(lambda r: r.status in (Status.OK, Status.TIMEOUT))  # worked on to the end or to the time limit
    return {
        "score": scoring.mean(scoring.score(errors), weights),
        "median_error": scoring.weighted_median(np.abs(errors), weights),
        "bias": scoring.mean(errors[answered], weights[answered]) if answered.any() else None,
        "sd": _sd(every.answered.cells),
        "success": scoring.mean(scoring.success(errors, truths), weights),
        "failures": scoring.mean(~answered, weights),
        "interval": str(cells[0].quantity.interval) if stated.cells else None,
        "covered": stated.mean(lambda r: _holds_the_truth(r, r.quantity.interval)),
        "coverage": stated.mean(lambda r: _holds_the_truth(r, Interval.TWO_SIDED)),
        "wall_s": timed.median(lambda r: r.wall_s),
        "cpu_s": timed.median(lambda r: r.cpu_s),
        "cells": len(cells),
    }


def statuses(cells: Sequence[Result]) -> dict[str, int]:
    """How many cells ended in which way."""
    return dict(Counter(str(r.status) for r in cells))


def estimates(cells: Sequence[Result]) -> list[float]:
    """The answers of cells, failed ones left out."""
    return [float(r.mi) for r in cells if r.status is Status.OK and r.mi is not None]


def _sd(answered: Sequence[Result]) -> float | None:
    """Over the points with at least two answers, each point with its weight."""
    repeated = {where: rs for where, rs in grouped(answered, point).items() if len(rs) > 1}
    spreads = [float(np.std(estimates(rs), ddof=1)) for rs in repeated.values()]
    return scoring.mean(spreads, scoring.nested_weights(list(repeated))) if repeated else None


def _holds_the_truth(result: Result, interval: Interval) -> bool:
    low, high = interval.ends(result.error, result.stderr or 0.0)
    slack = result.truth_error + ROUNDING
    return low - slack <= 0 <= high + slack
