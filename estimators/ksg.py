"""Estimators from nearest neighbours: Kraskov, Stögbauer & Grassberger, both algorithms, and the form for mixed data.

Each is a formula over neighbour counts; the counting is in ``neighbours/``.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from scipy.special import digamma

from mibench.estimator import Array, Estimate, Estimator, check_samples
from mibench.parameters import Count
from mibench.registry import register_estimator

from ._samples import needing, standardized, ties

if TYPE_CHECKING:
    from .neighbours.search import Neighbourhoods

KRASKOV = "Kraskov, Stögbauer & Grassberger (2004), Estimating mutual information, Phys. Rev. E 69, 066138"


def _k_others(estimator: _NearestNeighbours) -> int:
    return estimator.k + 1


@dataclass(frozen=True, eq=False, repr=False)
class _NearestNeighbours(Estimator):
    """What the three have in common: their hyperparameters, the search, and what holds at atoms.

    A sample that k others repeat exactly has no positive radius. It is an atom of the joint distribution, and its term
    is psi(c) - psi(c_x) - psi(c_y) with the number of times that (x, y), x and y occur (Gao et al. 2017).

    Parameters
    ----------
    k : neighbours; fewer mean less bias and more variance.
    metric : the norm within x and within y.
    standardize : scale every column to variance 1 first.
    """

    k: Count = 3
    metric: Literal["max", "euclidean"] = "max"
    standardize: bool = True

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

    def _neighbourhoods(self, x: Array, y: Array, **shape: bool) -> tuple[Neighbourhoods, dict[str, Any]]:
        """The counts around every sample, and what to say about them in diagnostics."""
        from .neighbours.search import neighbourhoods

        x, y = check_samples(x, y, self.capabilities.min_n)
        said = ties(x, y)
        if self.standardize:
            x, y = standardized(x), standardized(y)
        return neighbourhoods(x, y, self.k, self.metric, **shape), said

    def _within_the_kth(self, x: Array, y: Array) -> tuple[Array, dict[str, Any]]:
        """psi(k_i) - psi(n_x + 1) - psi(n_y + 1) of each sample, shape (n,), and diagnostics.

        k_i is k, but at an atom the number of samples there; n_x and n_y count the samples closer than the k-th
        neighbour, at an atom those that equal it.
        """
        counts, diagnostics = self._neighbourhoods(x, y, closed=False, rectangle=False)
        k = np.where(counts.atom > 0, counts.atom, self.k)
        return digamma(k) - digamma(counts.n_x + 1) - digamma(counts.n_y + 1), diagnostics


@register_estimator("ksg")
class KSG(_NearestNeighbours):
    """KSG-1: psi(k) + psi(n) - <psi(n_x + 1) + psi(n_y + 1)>.

    The distance to the k-th neighbour in the norm max(|x_j - x_i|, |y_j - y_i|) sets the radius, n_x and n_y count the
    samples strictly within it.
    """

    citation: ClassVar[str] = f"{KRASKOV}, algorithm 1 (eq. 8)"
    capabilities: ClassVar = needing(_k_others, min_n=4, reference=True, devices=("cpu", "cuda"), memory=0.1)

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        local, diagnostics = self._within_the_kth(x, y)
        return Estimate(float(digamma(len(local)) + local.mean()), diagnostics=diagnostics)


@register_estimator("ksg2")
class KSG2(_NearestNeighbours):
    """KSG-2: psi(k) - 1/k + psi(n) - <psi(n_x) + psi(n_y)>.

    The k nearest neighbours span a rectangle: their greatest distance in x and that in y are the two radii, within
    which, the boundary included, n_x and n_y samples are counted.
    """

    citation: ClassVar[str] = f"{KRASKOV}, algorithm 2"

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        counts, diagnostics = self._neighbourhoods(x, y, closed=True, rectangle=True)
        return Estimate(float(from_rectangles(counts, self.k).mean()), diagnostics=diagnostics)


def from_rectangles(counts: Neighbourhoods, k: int) -> Array:
    """What each sample adds to KSG-2, shape (n,)."""
    regular = digamma(k) - 1 / k - digamma(counts.n_x) - digamma(counts.n_y)
    atomic = digamma(np.maximum(counts.atom, 1)) - digamma(counts.n_x + 1) - digamma(counts.n_y + 1)
    local: Array = digamma(len(counts.n_x)) + np.where(counts.atom > 0, atomic, regular)
    return local


@register_estimator("mixed-ksg")
class MixedKSG(_NearestNeighbours):
    """For discrete, continuous and mixed variables: <psi(k_i) + log n - psi(n_x + 1) - psi(n_y + 1)>.

    k_i is k, but at an atom the number of samples there; n_x and n_y count the samples closer than the k-th neighbour,
    at an atom those that equal it. The published formula has log(n_x + 1), which at small counts is biased downwards
    (by 0.07 nats with 5 categories at n = 500); psi is its unbiased form and what the authors' own program computes.
    """

    k: Count = 5

    citation: ClassVar[str] = (
        "Gao, Kannan, Oh & Viswanath (2017), Estimating mutual information for discrete-continuous mixtures, alg. 1"
    )
    capabilities: ClassVar = needing(_k_others, min_n=6, discrete=True, devices=("cpu", "cuda"), memory=0.1)

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        local, diagnostics = self._within_the_kth(x, y)
        return Estimate(float(np.log(len(local)) + local.mean()), diagnostics=diagnostics)
