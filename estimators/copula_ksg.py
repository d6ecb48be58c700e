"""KSG and a Gaussian copula, each where the other is wrong: nearest neighbours with the copula as control variate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt

from mibench.errors import UsageError
from mibench.estimator import Array, Capabilities, Estimate, Estimator, Kind, check_samples, rng_for
from mibench.parameters import Count, at_least
from mibench.ranks import normal_scores
from mibench.registry import estimators, register_estimator

from ._samples import commonest, needing, outliers, tamed, ties
from .critics import methods as methods  # registers the critic
from .critics.copula import STRONGEST, whitening
from .gaussian import gaussian_bias
from .ksg import KRASKOV, KSG, prepared
from .selected_ksg import Chosen, SelectedKSG

_MINE = estimators.create("mine-ema")

FLOOR = 0.1
"""The scale of canonical variables without correlation: they may still depend, but should not crowd neighbourhoods."""
SCATTER = 3.0
"""Nats times sqrt(n) by which two answers differ credibly. Where nothing depends the corrected answer has a standard
deviation of 0.9 with k = 3, the difference to that with k = 1 one of 1.5, and the answer of chosen columns one of 0.7,
all times 1 / sqrt(n)."""
SCATTER_OF_ONE = 1.5 * SCATTER
"""The same for the answers with 1 and with k neighbours."""
NORMALISED = 0.25
"""Nats by which the log of the mean of a density ratio over the product of the marginals may exceed that on surrogates,
be it the ratio as fitted or without what the fit overstates; half of the information, if that is more, as fitted. (All
of them at least log ROWS below 0: where hardly any pair of the product is near the samples, they say nothing.)"""
ROWS, OTHERS = 400, 10_000
"""Samples whose y, and at most how many whose x, make the product over which that mean is taken."""
MOST = 0.5
"""The share of one value in a column above which less than half of it has an order, and scores say little; and the
share of such columns above which the copula says little."""


@register_estimator("copula-ksg")
class CopulaKSG(Estimator):
    """KSG less the bias that it has on a Gaussian copula fitted to the samples, whose information is known.

    KSG is asked about canonical variables of the normal scores, each as wide as its correlation (at least 0.1), so that
    what does not depend does not crowd the neighbourhoods; and about surrogates, drawn from the Gaussian copula with
    these correlations and treated likewise. The mean error on the surrogates is taken off. So many dimensions or much
    information do no harm as far as the copula is Gaussian, and what is not Gaussian is seen as KSG sees it.

    KSG loses information, in proportion to k, where the density varies within a neighbourhood: where the answer with
    one neighbour is credibly greater, the line through both is followed to k = 0. The same is done without the copula,
    on the scale of the samples, and the greater counts. Where it does not exceed the information of the Gaussian copula
    by more than its scatter, the answer is that of the copula, which scatters less and is a lower bound.

    The surrogates are not like the samples where the density ratio of the Gaussian is no ratio of densities (categories
    behind many columns, manifolds, tails), which shows in a mean over the product of the marginals that exceeds that on
    surrogates. What KSG then says of canonical variables holds the correlations that so many columns have by chance,
    and nothing takes that off. The answer is KSG's without the copula or, if that is greater, the information of the
    copula less the logarithm of the excess: the lower bound of Donsker and Varadhan (1983). Where one value is more
    than half of most columns (detection limits), scores say little, and the answer is KSG's.

    Where few of many columns depend, or many columns each on one other, all of this sees little but what is Gaussian.
    KSG of the columns that say most, alone or summed over blocks, chosen on the other half of the samples as
    ``selected-ksg`` does, is the answer where it is credibly greater.

    There is no standard error: the scatter is the smaller part of what may be wrong.

    Parameters
    ----------
    k : the greater number of neighbours; the other is 1.
    surrogates : samples of the copula from which the bias is taken.
    """

    k: Annotated[int, at_least(2)] = 3
    surrogates: Count = 3

    version: ClassVar[str] = "5"
    citation: ClassVar[str] = (
        f"{KRASKOV}; Ince et al. (2017), A statistical framework for neuroimaging data analysis based on mutual "
        "information estimated via a Gaussian copula; bias by surrogates as a control variate: Glasserman (2003), "
        "Monte Carlo methods in financial engineering, section 4.1"
    )
    capabilities: ClassVar[Capabilities] = needing(lambda found: found.k + 2, min_n=5, memory=0.2)

    def warm_up(self) -> None:
        """Compile what compares neighbours, or load it from disk."""
        KSG(self.k).warm_up()

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        x, y = check_samples(x, y, self.capabilities.min_n)
        rng = rng_for(seed)
        of_all = self._of_all(x, y, rng)
        if x.shape[1] + y.shape[1] == 2 or len(x) < SelectedKSG(self.k).capabilities.min_n:
            return of_all
        chosen = Chosen.of(prepared(x, y, standardize=True), self.k, rng)
        scatter = math.sqrt(chosen.count / len(x))  # blocks scatter apart
        of_chosen = self._extrapolated(np.array([chosen.mean(k) for k in (1, self.k)]), scatter)
        if of_chosen < of_all.mi + SCATTER * scatter:
            return of_all
        return Estimate(of_chosen, diagnostics={**of_all.diagnostics, "all_columns": of_all.mi, **chosen.said})

    def _of_all(self, x: Array, y: Array, rng: np.random.Generator) -> Estimate:
        """From all columns together."""
        said: dict[str, Any] = {**ties(x, y), **outliers(x, y)}
        scatter = 1 / math.sqrt(len(x))
        found = self._extrapolated(self._neighbours(tamed(x), tamed(y)), scatter)
        copula = FittedCopula.of(normal_scores(x), normal_scores(y))
        if copula is None or max(np.mean(commonest(values) > MOST) for values in (x, y)) > MOST:
            return Estimate(found, diagnostics={**said, "copula": None})
        said["copula"] = copula.information
        drawn = [copula.surrogate(rng) for _ in range(self.surrogates)]
        means = log_means([copula, *drawn], rng.permutation(len(x)))
        fitted, true = map(_excess, np.maximum(means, -math.log(ROWS)))
        if fitted > max(NORMALISED, copula.information / 2) or true > NORMALISED:
            bound = copula.information - _excess(means[0])
            return Estimate(max(found, bound), diagnostics={**said, "bound": bound})
        answers = self._neighbours(*copula.scaled())
        bias = np.mean([self._neighbours(*each.scaled()) for each in drawn], axis=0) - float(copula.true_terms.sum())
        corrected = self._extrapolated(answers - bias, scatter)
        found = max(found, corrected)
        said["corrected"] = corrected
        if found < copula.information + SCATTER * scatter:
            found = copula.information
        return Estimate(found, diagnostics=said)

    def _neighbours(self, x: Array, y: Array) -> Array:
        """The answers with 1 and with k neighbours."""
        return np.array([KSG(k, standardize=False).estimate(x, y).mi for k in (1, self.k)])

    def _extrapolated(self, answers: Array, scatter: float) -> float:
        """The answer with k neighbours, or with none where it falls credibly short of that with one."""
        one, more = (float(answer) for answer in answers)
        if one - more < SCATTER_OF_ONE * scatter:
            return more
        return one + (one - more) / (self.k - 1)


def log_means(copulas: Sequence[FittedCopula], order: npt.NDArray[np.intp]) -> Array:
    """Of every copula that of the ratio as fitted, and of the ratio without what the terms overstate, (2, copulas)."""
    return np.array([[each.log_mean(order, terms) for terms in (each.terms, each.true_terms)] for each in copulas]).T


def _excess(log_means: Array) -> float:
    """Of the first over those of its surrogates, which follow."""
    return float(log_means[0] - log_means[1:].mean())


@register_estimator("copula-ksg-critic")
class CopulaKSGCritic(Estimator):
    """The estimate of ``copula-ksg``, or the lower bound of a critic where that is credibly greater.

    A critic can find what nearest neighbours miss in many dimensions and no Gaussian copula has: a shell, a spiral, a
    curved surface. Its bound on held-out samples is the answer where it exceeds the estimate by more than its standard
    error, since the truth then does as well. There is no standard error of the answer, as for ``copula-ksg``. The
    training curve is the critic's; ``diagnostics`` hold both numbers.

    Parameters
    ----------
    k, surrogates : those of ``copula-ksg``.
    critic : what gives the lower bound, with a standard error.
    """

    k: Annotated[int, at_least(2)] = 3
    surrogates: Count = 3
    critic: Estimator = _MINE

    version: ClassVar[str] = "5"
    citation: ClassVar[str] = (
        f"{CopulaKSG.citation}; Belghazi et al. (2018), MINE: Mutual information neural estimation"
    )
    capabilities: ClassVar[Capabilities] = needing(
        lambda found: max(found.k + 2, found.critic.capabilities.min_n),
        min_n=20,
        max_batch=16,
        trains=True,
        devices=("cpu", "cuda"),
        memory=0.3,
    )

    def __post_init__(self) -> None:
        if self.critic.kind is not Kind.LOWER_BOUND:
            raise UsageError(
                f"{self.registered_name}: critic must give a lower bound; {self.critic.label}: {self.critic.kind}."
            )

    @property
    def neighbours(self) -> CopulaKSG:
        """The estimator without the critic."""
        return CopulaKSG(self.k, self.surrogates)

    def warm_up(self) -> None:
        self.neighbours.warm_up()
        self.critic.warm_up()

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        return self.estimate_batch([x], [y], [seed])[0]

    def estimate_batch(self, xs: Sequence[Array], ys: Sequence[Array], seeds: Sequence[int]) -> list[Estimate]:
        """Train the critics together, then answer one by one."""
        bounds = self.critic.estimate_batch(xs, ys, seeds)
        found = Estimator.estimate_batch(self.neighbours, xs, ys, seeds)
        return [_credible(*pair) for pair in zip(found, bounds, strict=True)]


def _credible(found: Estimate, bound: Estimate) -> Estimate:
    diagnostics = {**found.diagnostics, "neighbours": found.mi, "critic": bound.mi}
    # a bound that is not finite is credible of nothing
    mi = bound.mi if found.mi + (bound.stderr or 0.0) < bound.mi < math.inf else found.mi
    return Estimate(mi, curve=bound.curve, diagnostics=diagnostics)


@dataclass(frozen=True)
class FittedCopula:
    """A Gaussian fitted to normal scores, in canonical variables.

    x, y : (n, rank) of variance 1, in pairs; the wider has further columns. terms : what every pair adds to the
    information of the fit, (pairs,), which overstates it. information : without the bias of that.
    """

    x: Array
    y: Array
    terms: Array
    information: float

    @classmethod
    def of(cls, x: Array, y: Array) -> FittedCopula | None:
        """The copula of scores (n, dim_x) and (n, dim_y); None where there are too few samples for their rank."""
        n = len(x)
        u, v = (centred @ whitening(centred, 0.0) for centred in (x - x.mean(0), y - y.mean(0)))
        p, q = u.shape[1], v.shape[1]
        if n - 1 <= p + q:
            return None
        left, rho, right = np.linalg.svd(u.T @ v / n)
        terms = -0.5 * np.log1p(-(np.minimum(rho, STRONGEST) ** 2))
        return cls(u @ left, v @ right.T, terms, float(terms.sum()) - gaussian_bias(n, p, q))

    @property
    def true_terms(self) -> Array:
        """The terms less what all of them overstate, as far as they are greater, so that their sum is the information.

        What is taken off is the same of every pair, which multiplies all 1 - rho^2 by one number.
        """
        greatest = np.sort(self.terms)[::-1]
        over = (np.cumsum(greatest) - max(0.0, self.information)) / np.arange(1, len(greatest) + 1)
        found: Array = np.maximum(0.0, self.terms - max(0.0, float(over.max())))
        return found

    def scaled(self) -> tuple[Array, Array]:
        """The canonical variables, each as wide as its correlation, or as ``FLOOR``."""
        rho = np.maximum(np.sqrt(-np.expm1(-2 * self.terms)), FLOOR)
        x, y = (np.full(values.shape[1], FLOOR) for values in (self.x, self.y))
        x[: len(rho)] = y[: len(rho)] = rho
        return self.x * x, self.y * y

    def surrogate(self, rng: np.random.Generator) -> FittedCopula:
        """What is fitted to as many samples of this copula, with its true information."""
        terms = self.true_terms
        x, y = rng.standard_normal(self.x.shape), rng.standard_normal(self.y.shape)
        pairs = len(terms)
        rho = np.sqrt(-np.expm1(-2 * terms))
        y[:, :pairs] = rho * x[:, :pairs] + np.exp(-terms) * y[:, :pairs]
        found = FittedCopula.of(x, y)
        assert found is not None  # it has the shape of this one
        return found

    def log_mean(self, order: npt.NDArray[np.intp], terms: Array) -> float:
        """The log of the mean of the density ratio with these terms over the product of the marginals.

        That is over the y of the first ROWS samples in this order, each with the x of the others of the first OTHERS.
        Ratios above n count as n: of much information a few pairs would decide about the mean.
        """
        order, rows, pairs = order[:OTHERS], order[:ROWS], len(terms)
        square, precision = -np.expm1(-2 * terms), np.exp(2 * terms)
        a, b = self.x[order, :pairs], self.y[rows, :pairs]
        of_x, of_y = ((0.5 * v**2) @ (square * precision) for v in (a, b))
        ratios = b @ (a * (np.sqrt(square) * precision)).T  # their logs, in place: the greatest array by far
        ratios -= of_x
        ratios += terms.sum() - of_y[:, None]
        np.fill_diagonal(ratios, -np.inf)
        np.minimum(ratios, math.log(len(self.x)), out=ratios)
        greatest = float(ratios.max())
        total = float(np.exp(np.subtract(ratios, greatest, out=ratios), out=ratios).sum())
        return greatest + math.log(total / (len(rows) * (len(order) - 1)))
