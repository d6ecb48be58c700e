"""The statistics behind the leaderboard: pure functions of numbers.

Nothing here knows what a Result or a table is. Only numpy and ``scipy.special`` are needed.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from mibench.ranks import ranks

Floats = npt.NDArray[np.float64]

FLOOR = 0.01
"""An absolute error of this many nats or less scores 1."""
CEILING = 10.0
"""An absolute error of this many nats or more scores 0."""
CONFIDENCE = 0.95
"""The level of every interval, and of the test for a tie with the best."""
ROUNDING = 1e-9
"""Values that differ by no more than this share of their size are equal."""


def score(error: npt.ArrayLike) -> Floats:
    """Area under the ECDF of one absolute error over log-spaced tolerances from 0.01 to 10 nats.

    The ECDF of a single error e is a step at e, so its normalised area is the share of the logarithmic interval above
    e: 1 for e <= 0.01, 0 for e >= 10 (a failure is an infinite error), linear in log e between. Areas are linear in
    the ECDF: the area under the ECDF of many errors is the mean of their scores.
    """
    with np.errstate(divide="ignore", over="ignore"):
        share = np.log(CEILING / np.abs(np.asarray(error, dtype=float))) / np.log(CEILING / FLOOR)
    clipped: Floats = np.clip(share, 0.0, 1.0)
    return clipped


def score_uncertainty(truth_error: float) -> float:
    """The most by which a truth known only to within ``truth_error`` nats can move the score of a cell.

    The score is flat below the floor and convex in the error above it, so the steepest step starts at the floor.
    """
    return float(min(1.0, np.log1p(truth_error / FLOOR) / np.log(CEILING / FLOOR)))


def success(error: npt.ArrayLike, truth: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether an estimate is within 0.1 nat or 10 % of the truth, whichever is wider."""
    allowed = np.maximum(0.1, 0.1 * np.asarray(truth, dtype=float))
    within: npt.NDArray[np.bool_] = np.abs(np.asarray(error, dtype=float)) <= allowed
    return within


def nested_weights(paths: Sequence[tuple[Hashable, ...]]) -> Floats:
    """Weights, summing to 1, that make a weighted mean equal to means taken level by level.

    ``paths[i]`` says where item i hangs in a tree, outermost level first, such as (family, task, n). Items that share
    a path (the seeds) share its weight equally; children of a node share the weight of the node equally.
    """
    known: dict[tuple[Hashable, ...], int] = {}
    codes = np.fromiter((known.setdefault(path, len(known)) for path in paths), np.intp, len(paths))
    return coded_weights(codes, list(known))


def coded_weights(codes: npt.NDArray[np.intp], paths: Sequence[tuple[Hashable, ...]]) -> Floats:
    """The weights of :func:`nested_weights` where the path of item i is ``paths[codes[i]]``, and paths differ."""
    leaves = np.bincount(codes, minlength=len(paths))
    present = [paths[code] for code in np.flatnonzero(leaves).tolist()]
    children: dict[tuple[Hashable, ...], set[tuple[Hashable, ...]]] = defaultdict(set)
    for path in present:
        for depth in range(len(path)):
            children[path[:depth]].add(path[: depth + 1])
    shares = np.zeros(len(paths))
    shares[leaves > 0] = [math.prod(len(children[path[:depth]]) for depth in range(len(path))) for path in present]
    weights: Floats = 1.0 / (shares * leaves)[codes]
    return weights


def mean(values: npt.ArrayLike, weights: npt.ArrayLike) -> float:
    """Weighted mean; the mean of ones is 1 to the last bit, so that the score of the oracle is 1 and not almost 1."""
    return float(np.average(np.asarray(values, dtype=float), weights=np.asarray(weights)))


def weighted_median(values: npt.ArrayLike, weights: npt.ArrayLike) -> float:
    """The median of values (infinite ones allowed) with positive weights; equal weights give ``numpy.median``."""
    order = np.argsort(np.asarray(values, dtype=float), kind="stable")
    sorted_values = np.asarray(values, dtype=float)[order]
    cumulative = np.cumsum(np.asarray(weights, dtype=float)[order])
    half = cumulative[-1] / 2
    slack = 1e-12 * cumulative[-1]
    lower = sorted_values[np.searchsorted(cumulative, half - slack)]
    upper = sorted_values[min(np.searchsorted(cumulative, half + slack), len(sorted_values) - 1)]
    return float(lower if lower == upper else (lower + upper) / 2)


@dataclass(frozen=True, eq=False)
class Strata:
    """Which values were drawn together. Those of one stratum vary; the strata stay as they are.

    codes : the stratum of every value; weights : that of the mean of every stratum in the mean of all, 1 together.
    """

    codes: npt.NDArray[np.intp]
    weights: Floats

    @classmethod
    def of(cls, paths: Sequence[tuple[Hashable, ...]]) -> Self:
        """``paths[i]`` says where the stratum of value i hangs in the tree that means are taken over."""
        known: dict[tuple[Hashable, ...], int] = {}
        codes = np.fromiter((known.setdefault(path, len(known)) for path in paths), np.intp, len(paths))
        return cls(codes, nested_weights(list(known)))

    @property
    def sizes(self) -> npt.NDArray[np.intp]:
        """How many values each has."""
        return np.bincount(self.codes)

    @property
    def free(self) -> int:
        """How many values could be otherwise while the mean of every stratum stays."""
        return len(self.codes) - len(self.weights)

    def parts(self, values: Floats) -> list[Floats]:
        """The values of each, along the first axis."""
        return [values[self.codes == code] for code in range(len(self.weights))]


def _sampled(values: npt.ArrayLike, strata: Strata | None) -> tuple[Floats, Strata]:
    """Values, and how they were drawn: all together where nothing else is said."""
    x = np.asarray(values, dtype=float)
    return x, strata or Strata.of([()] * len(x))


def mean_and_error(values: npt.ArrayLike, strata: Strata | None = None) -> tuple[Floats, Floats, Floats]:
    """The mean of every column, its standard error, and the degrees of freedom of that error.

    Of one stratum they are the mean, s / sqrt(k) and k - 1. Of several the error is that of stratified sampling, with
    the degrees of freedom of Satterthwaite (1946), but no less than where all have the same spread: of a stratum with
    two or three values the own spread is at times next to nothing by chance (without that, 95 % intervals hold in 80
    to 93 % of simulated samples whose strata have 2 or 3 and 20 or 30 values; see ``test_scoring.py``). NaN where a
    stratum has fewer than two values.
    """
    x, strata = _sampled(values, strata)
    parts = strata.parts(x)
    mean: Floats = np.sum([w * part.mean(axis=0) for w, part in zip(strata.weights, parts, strict=True)], axis=0)
    if strata.sizes.min() < 2:
        nothing = np.full_like(mean, math.nan)
        return mean, nothing, nothing
    above = (slice(None), *[None] * (x.ndim - 1))
    free, share = (strata.sizes - 1.0)[above], (strata.weights / np.sqrt(strata.sizes))[above]
    spread = np.array([part.std(axis=0, ddof=1) for part in parts])
    each = (share * spread) ** 2
    total = each.sum(axis=0)
    with np.errstate(invalid="ignore"):
        freedom = total**2 / (each**2 / free).sum(axis=0)
    freedom = np.clip(np.where(total > 0, freedom, strata.free), free.min(), strata.free)
    if len(parts) > 1:
        total = np.maximum(total, (spread**2 * free).sum(axis=0) / strata.free * (share**2).sum())
    return mean, np.sqrt(total), freedom


def mean_interval(values: npt.ArrayLike, strata: Strata | None = None) -> tuple[float, float] | None:
    """The 95 % t interval of a mean from independent values, or None where they do not tell how they vary.

    That is so with fewer than two of them, in any stratum, and with a few that are equal: see :func:`told_alike`.
    Which values these are for a score, ``units`` decides.
    """
    x, strata = _sampled(values, strata)
    if len(x) < 2 or strata.sizes.min() < 2 or (_all_alike(x, strata) and not told_alike(strata.free + 1)):
        return None
    mean, error, freedom = mean_and_error(x, strata)
    half = float(stdtrit(freedom, (1 + CONFIDENCE) / 2) * error)
    return float(mean) - half, float(mean) + half


def _all_alike(values: Floats, strata: Strata) -> npt.NDArray[np.bool_]:
    """Whether the values of every stratum are equal, up to rounding."""
    equal: npt.NDArray[np.bool_] = np.all([alike(part) for part in strata.parts(values)], axis=0)
    return equal


def alike(values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether the values along the first axis are equal, up to rounding."""
    x = np.asarray(values, dtype=float)
    equal: npt.NDArray[np.bool_] = np.ptp(x, axis=0) <= ROUNDING * np.abs(x).max(axis=0)
    return equal


def told_alike(count: int, tests: int = 1) -> bool:
    """Whether so many equal values say something of the next one: six do, fewer do not.

    Counts of modes, rates of success and whatever else takes few values are often equal on two or three seeds. Their
    spread is then 0, and a t interval would have no width: the least evidence would look like the greatest. What is
    left to go by is that all lie on one side of any other value. Differences that are as likely to be positive as
    negative all have one sign in 2^(1 - count) of samples: the p-value of the sign test. Where that is 5 % or less,
    over ``tests`` such tests together, equal values make an interval of no width; where it is more, they make none.
    """
    return alike_p(count) * tests <= 1 - CONFIDENCE


def alike_p(count: int) -> float:
    """Two-sided p-value of the sign test for values that all have the same sign."""
    return min(1.0, 2.0 ** (1 - count))


def differences(columns: npt.ArrayLike, to: int, strata: Strata | None = None) -> tuple[Floats, Floats]:
    """Mean paired difference of every column to one of them, and the half-width of its simultaneous 95 % interval.

    ``columns`` has a row per unit, such as a family, and a column per entrant. ``to`` may be chosen by the same data,
    as the best of them: the intervals are t intervals with Bonferroni's correction over all pairs, so that they hold
    together for every pair, and so for whichever pairs are picked. (Corrected for the comparisons with the winner alone
    they hold in 63 to 97 % of simulated boards; see ``test_scoring.py``.) No variances are pooled over pairs: those of
    different pairs may differ. A half-width is NaN where a difference is the same in every unit and these are too few
    for :func:`told_alike`, or where a stratum has fewer than two.
    """
    x, strata = _sampled(columns, strata)
    pairs = _pairs(x.shape[1])
    d = x - x[:, [to]]
    mean, error, freedom = mean_and_error(d, strata)
    half: Floats = stdtrit(freedom, 1 - (1 - CONFIDENCE) / (2 * pairs)) * error
    if not told_alike(strata.free + 1, pairs):
        half[_all_alike(d, strata)] = math.nan
    half[to] = 0.0
    return mean, half


def _pairs(entrants: int) -> int:
    return max(1, entrants * (entrants - 1) // 2)


def standard_error(values: npt.ArrayLike) -> float:
    """Standard error of the mean, s / sqrt(k); NaN with fewer than two values."""
    x = np.asarray(values, dtype=float)
    return float(x.std(ddof=1) / np.sqrt(len(x))) if len(x) > 1 else float("nan")


def paired_p(differences: npt.ArrayLike, strata: Strata | None = None) -> float:
    """Two-sided p-value of the t test that paired differences have mean zero.

    Where all are equal there is no spread to compare them with: then it is that of the sign test, and 1 of zeros.
    """
    d, strata = _sampled(differences, strata)
    if not d.any():
        return 1.0
    if _all_alike(d, strata):
        return alike_p(strata.free + 1)
    mean, error, freedom = mean_and_error(d, strata)
    return float(2 * stdtr(freedom, -abs(mean) / error))


def holm(p_values: npt.ArrayLike) -> Floats:
    """P-values adjusted for the number of tests (Holm 1979, step-down): reject where the result is below the level."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    adjusted = np.minimum(1.0, np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order]))
    result = np.empty_like(p)
    result[order] = adjusted
    return result


def spearman(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Rank correlation, or None where either side has fewer than three different values."""
    if len(set(a)) < 3 or len(set(b)) < 3:
        return None
    one, other = (ranks(np.array(side, dtype=float)[:, None])[:, 0] for side in (a, b))
    return finite(float(np.corrcoef(one, other)[0, 1]))


def average(values: Iterable[float]) -> float | None:
    """The mean with equal weights, or None of nothing."""
    listed = list(values)
    return float(np.mean(listed)) if listed else None


def finite(value: float) -> float | None:
    """The value, or None where it is infinite or undefined."""
    return value if math.isfinite(value) else None
