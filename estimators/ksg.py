"""Estimators from nearest neighbours: Kraskov, Stögbauer & Grassberger, both algorithms, and the form for mixed data.

Each is a formula over neighbour counts; the counting is in ``neighbours/``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
from scipy.special import digamma

from mibench import runtime
from mibench.estimator import Array, Estimate, Estimator, Nature, check_samples
from mibench.parameters import Count
from mibench.registry import register_estimator

from ._samples import needing, outliers, tamed, ties
from .learned import threads

if TYPE_CHECKING:
    from .neighbours.search import Metric

KRASKOV = "Kraskov, Stögbauer & Grassberger (2004), Estimating mutual information, Phys. Rev. E 69, 066138"

FEW_TIES = 0.05  # the share of repeated values in a column up to which it is taken for continuous


def _k_others(estimator: _NearestNeighbours) -> int:
    return estimator.k + 1


@dataclass(frozen=True, eq=False, repr=False)
class _NearestNeighbours(Estimator):
    """What the three have in common: their hyperparameters and the preparation of samples.

    Parameters
    ----------
    k : neighbours; fewer mean less bias and more variance.
    metric : the norm within x and within y.
    standardize : scale every column to variance 1 first; one with outliers is replaced by the normal scores of its
        ranks, which changes no mutual information.
    """

    k: Count = 3
    metric: Literal["max", "euclidean"] = "max"
    standardize: bool = True

    version: ClassVar[str] = "2"
    capabilities: ClassVar = needing(_k_others, min_n=4, devices=("cpu", "cuda"), memory=0.1)

    def __init_subclass__(cls, **options: Any) -> None:
        """Let the docstring of a subclass end with the parameters above."""
        super().__init_subclass__(**options)
        shared = inspect.cleandoc(_NearestNeighbours.__doc__ or "").partition("Parameters\n")
        cls.__doc__ = f"{inspect.cleandoc(cls.__doc__ or '')}\n\n{''.join(shared[1:])}"

    def warm_up(self) -> None:
        """Compile, or load from disk, what :meth:`estimate` calls."""
        from .neighbours.search import warm_up

        warm_up(self.k, self.metric)

    def _prepared(self, x: Array, y: Array) -> Prepared:
        x, y = check_samples(x, y, self.capabilities.min_n)
        return prepared(x, y, self.standardize)


class Prepared(NamedTuple):
    """Samples to search: ``slack`` is the distance up to which distances are equal, 0 where no value repeats."""

    x: Array
    y: Array
    slack: float
    diagnostics: dict[str, Any]

    @property
    def tied(self) -> bool:
        """Whether so many values repeat that the samples cannot be taken for continuous."""
        return bool(self.diagnostics.get("ties", 0) > FEW_TIES)


def prepared(x: Array, y: Array, standardize: bool) -> Prepared:
    """Checked samples scaled for the search, and what to say about them."""
    scale: Callable[[Array], Array] = tamed if standardize else np.asarray
    parts: list[Callable[[], Any]] = [lambda: scale(x), lambda: scale(y), lambda: outliers(x, y), lambda: ties(x, y)]
    scaled_x, scaled_y, wild, repeated = threads(runtime.device(), lambda part: part(), parts)
    diagnostics = {**repeated, **wild}
    slack = max(_rounding(x, scaled_x), _rounding(y, scaled_y)) if "ties" in diagnostics else 0.0
    return Prepared(scaled_x, scaled_y, slack, diagnostics)


def _rounding(values: Array, scaled: Array) -> float:
    """How much two distances in ``scaled`` may differ that are the same number of decimal steps in ``values``."""
    varying = np.ptp(values, axis=0) > 0
    values, scaled = values[:, varying], scaled[:, varying]
    factor = np.ptp(scaled, axis=0) / np.ptp(values, axis=0)
    return float(8 * np.finfo(float).eps * (np.abs(values).max(axis=0) * factor).max())


def within_the_kth(samples: Prepared, k: int, metric: Metric) -> Array:
    """psi(k_i) - psi(k_x) - psi(k_y) of each sample, shape (n,), with the radius of its k-th neighbour.

    Among continuous values k_i is k, and k_x and k_y are one more than the samples closer than the radius. Where values
    repeat, c >= k samples are within the closed radius, and c_x and c_y in x and in y alone; those at the radius count
    as well: k_i = c + w, k_x is the greater of n_x + 1 and c_x + w, and k_y likewise, with w = 1 - k / c. That is the
    same without ties. At w = 0 the radius has just been reached by its k-th sample, as in a continuous variable; at
    w = 1 it is as good as given, as at an atom that many samples share, whose own count is c + 1 (Gao et al. 2017).
    """
    from .neighbours.search import around_the_kth, neighbourhoods

    x, y, slack, _ = samples
    if slack == 0:
        inside = neighbourhoods(x, y, k, metric, closed=False, rectangle=False, slack=slack)
        k_i = np.where(inside.atom > 0, inside.atom, k)
        return digamma(k_i) - digamma(inside.n_x + 1) - digamma(inside.n_y + 1)
    inside, reached, c = around_the_kth(x, y, k, metric, slack)
    w = 1 - k / c
    k_x, k_y = np.maximum(inside.n_x + 1, reached.n_x + w), np.maximum(inside.n_y + 1, reached.n_y + w)
    local: Array = digamma(c + w) - digamma(k_x) - digamma(k_y)
    return local


@register_estimator("ksg")
class KSG(_NearestNeighbours):
    """KSG-1: psi(k) + psi(n) - <psi(n_x + 1) + psi(n_y + 1)>.

    The distance to the k-th neighbour in the norm max(|x_j - x_i|, |y_j - y_i|) sets the radius, n_x and n_y count the
    samples strictly within it. Where values repeat (counts, rounded readings, categories) more than k samples can be as
    near as the k-th: psi then takes the number that really is within the closed radius.
    """

    citation: ClassVar[str] = f"{KRASKOV}, algorithm 1 (eq. 8)"
    capabilities: ClassVar = needing(
        _k_others, min_n=4, reference=True, usual_for=(Nature.CONTINUOUS,), devices=("cpu", "cuda"), memory=0.1
    )

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        samples = self._prepared(x, y)
        local = within_the_kth(samples, self.k, self.metric)
        return Estimate(float(digamma(len(local)) + local.mean()), diagnostics=samples.diagnostics)


@register_estimator("ksg2")
class KSG2(_NearestNeighbours):
    """KSG-2: psi(k) - 1/k + psi(n) - <psi(n_x) + psi(n_y)>.

    The k nearest neighbours span a rectangle: their greatest distance in x and that in y are the two radii, within
    which, the boundary included, n_x and n_y samples are counted. 1/k stands for a side of it that a sample reaches by
    chance; where more than 5 % of the values of a column repeat there is no such side, and the term is that of ``ksg``.
    """

    citation: ClassVar[str] = f"{KRASKOV}, algorithm 2"

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        samples = self._prepared(x, y)
        return Estimate(float(from_rectangles(samples, self.k, self.metric).mean()), diagnostics=samples.diagnostics)


def from_rectangles(samples: Prepared, k: int, metric: Metric) -> Array:
    """What each sample adds to KSG-2, shape (n,)."""
    from .neighbours.search import neighbourhoods

    if samples.tied:
        return within_the_kth(samples, k, metric) + float(digamma(len(samples.x)))
    counts = neighbourhoods(samples.x, samples.y, k, metric, closed=True, rectangle=True)
    regular = digamma(k) - 1 / k - digamma(counts.n_x) - digamma(counts.n_y)
    atomic = digamma(np.maximum(counts.atom, 1)) - digamma(counts.n_x + 1) - digamma(counts.n_y + 1)
    local: Array = digamma(len(counts.n_x)) + np.where(counts.atom > 0, atomic, regular)
    return local


@register_estimator("mixed-ksg")
class MixedKSG(_NearestNeighbours):
    """For discrete, continuous and mixed variables: <psi(k_i) + log n - psi(n_x + 1) - psi(n_y + 1)>.

    k_i is k, but where samples are equally far away the number of them within the radius; n_x and n_y count the samples
    closer than the k-th neighbour and, where values repeat, those at its distance (as ``ksg`` does). The published
    formula has log(n_x + 1), which at small counts is biased downwards (by 0.07 nats with 5 categories at n = 500); psi
    is its unbiased form and what the authors' own program computes. So is k_i = k wherever k samples do not coincide,
    which reports up to 0.4 nats between independent counts.
    """

    k: Count = 5

    citation: ClassVar[str] = (
        "Gao, Kannan, Oh & Viswanath (2017), Estimating mutual information for discrete-continuous mixtures, alg. 1"
    )
    capabilities: ClassVar = needing(
        _k_others, min_n=6, discrete=True, usual_for=(Nature.MIXED,), devices=("cpu", "cuda"), memory=0.1
    )

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        samples = self._prepared(x, y)
        local = within_the_kth(samples, self.k, self.metric)
        return Estimate(float(np.log(len(local)) + local.mean()), diagnostics=samples.diagnostics)
