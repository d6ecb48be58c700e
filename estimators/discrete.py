"""Mutual information of discrete variables from counts: I(X; Y) = H(X) + H(Y) - H(X, Y), each by one entropy estimator.

Every distinct row of x, and of y, is a letter. An entropy estimator is a function of the counts of the letters that
occur and of how many there could be; ``ENTROPIES`` holds them by name, in nats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, digamma, polygamma, xlogy

from mibench.errors import Unsupported
from mibench.estimator import Array, Capabilities, Estimate, Estimator, Nature, check_samples
from mibench.parameters import Count
from mibench.registry import register_estimator

from ._samples import stderr_of_mean, ties
from .histogram import WELL_COVERED, cells, coverage
from .pitman_yor import pym

Counts: TypeAlias = npt.NDArray[Any]
Entropy: TypeAlias = Callable[[Counts, int], float]

# Entropies -----------------------------------------------------------------------------------------------------------


def plug_in(counts: Counts, possible: int) -> float:
    """-sum p ln p with p = c / n."""
    return _entropy(counts / counts.sum())


def miller_madow(counts: Counts, possible: int) -> float:
    """The plug-in plus (m - 1) / 2n, with m the letters that occur."""
    return plug_in(counts, possible) + (len(counts) - 1) / (2 * float(counts.sum()))


def jackknife(counts: Counts, possible: int) -> float:
    """n H - (n - 1) <H without one sample>, H being the plug-in."""
    n = int(counts.sum())
    total = xlogy(counts, counts).sum()
    without = total - xlogy(counts, counts) + xlogy(counts - 1, counts - 1)
    left_out = np.log(n - 1) - without / (n - 1)
    return float(n * plug_in(counts, possible) - (n - 1) * (counts @ left_out) / n)


def grassberger(counts: Counts, possible: int) -> float:
    """ln n - sum c G(c) / n, with G(c) = psi(c) + (-1)^c / 2 (psi((c + 1) / 2) - psi(c / 2))."""
    n = counts.sum()
    series = digamma(counts) + (-1.0) ** counts * (digamma((counts + 1) / 2) - digamma(counts / 2)) / 2
    return float(np.log(n) - counts @ series / n)


def chao_shen(counts: Counts, possible: int) -> float:
    """-sum q ln q / (1 - (1 - q)^n) with q = C c / n: seen letters stand for those that n samples could have missed."""
    n = int(counts.sum())
    q = coverage(counts) * counts / n
    return float(-(xlogy(q, q) / -np.expm1(n * np.log1p(-q))).sum()) if len(counts) > 1 else 0.0


def james_stein(counts: Counts, possible: int) -> float:
    """The plug-in of frequencies shrunk towards 1 / possible."""
    return shrunken(counts, possible, intensity(counts, possible))


def shrunken(counts: Counts, possible: int, share: float) -> float:
    """The entropy of a mixture of the observed frequencies and, with weight ``share``, equal ones."""
    unseen = (possible - len(counts)) * share / possible
    seen = _entropy((1 - share) * counts / counts.sum() + share / possible)
    return seen - float(xlogy(unseen, share / possible))


def intensity(counts: Counts, possible: int) -> float:
    """The weight of equal frequencies that minimises the estimated mean square error, between 0 and 1."""
    n = counts.sum()
    squares = float(((counts / n) ** 2).sum())
    distance = squares - 1 / possible
    return min(1.0, (1 - squares) / ((n - 1) * distance)) if distance > 0 else 1.0


def nsb(counts: Counts, possible: int) -> float:
    """The posterior mean of H over Dirichlet priors mixed so that their mean entropy is uniformly distributed.

    The integral over ln(beta) is a trapezoidal sum where the posterior is not negligible, as a coarser one shows.
    """
    if possible == 1:
        return 0.0
    n = int(counts.sum())
    sizes, times = np.unique(counts, return_counts=True)

    def log_posterior(log_beta: Array) -> Array:
        beta = np.exp(log_beta)
        prior = np.log(_below_one(beta) - _below_one(possible * beta))
        # Gamma(beta + c) / Gamma(beta) = Gamma(c) / B(c, beta), which does not cancel where beta is large
        likelihood = betaln(n, possible * beta) - betaln(sizes, beta[:, None]) @ times
        posterior: Array = prior + likelihood
        return posterior

    # towards both ends the posterior falls at least as fast as beta and 1 / beta
    log_beta = np.linspace(-np.log(possible) - 30, 2 * np.log(n) + 14, 400)
    density = log_posterior(log_beta)
    [kept] = np.nonzero(density > density.max() - 40)
    log_beta = np.linspace(log_beta[max(0, kept[0] - 1)], log_beta[min(399, kept[-1] + 1)], 1000)
    density = log_posterior(log_beta)
    weights = np.exp(density - density.max())
    beta = np.exp(log_beta)[:, None]
    whole = n + possible * beta[:, 0]
    of_seen = ((sizes + beta) * digamma(sizes + beta + 1)) @ times
    of_unseen = (possible - len(counts)) * (beta * digamma(beta + 1))[:, 0]
    entropy = digamma(whole + 1) - (of_seen + of_unseen) / whole
    return float(weights @ entropy / weights.sum())


def _below_one(z: Array) -> Array:
    """1 - z psi'(z + 1): the derivative of the mean entropy by ln(beta) is the difference of two of them."""
    below: Array = np.where(z > 1e3, 1 / (2 * z) - 1 / (6 * z**2), 1 - z * polygamma(1, z + 1))
    return below


def _entropy(p: Array) -> float:
    return -float(xlogy(p, p).sum())


ENTROPIES: dict[str, Entropy] = {
    "plug-in": plug_in,
    "miller-madow": miller_madow,
    "jackknife": jackknife,
    "grassberger": grassberger,
    "chao-shen": chao_shen,
    "james-stein": james_stein,
    "nsb": nsb,
    "pym": pym,
}


# Estimators ----------------------------------------------------------------------------------------------------------


class _FromCounts(Estimator):
    """What they have in common: counting, the standard error of the influence function, and what is said of a sample.

    No standard error is given where it would miss a bias of its own size: from samples that leave a percent of the
    distribution of (X, Y) unseen, and by estimators whose bias of order 1 / n grows with the number of letters.

    corrected : whether that bias is removed or, as in trials of NSB, small beside the spread.
    """

    corrected: ClassVar[bool] = True

    capabilities: ClassVar = Capabilities(min_n=4, discrete=True, letters=True, memory=0.01)

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate I(X; Y) in nats.

        Raises
        ------
        Unsupported : the rows of x or of y do not repeat as letters do, or there are more letters than were declared.
        """
        x, y = check_samples(x, y, self.capabilities.min_n)
        n = len(x)
        in_x, in_y = self._letters(x, "x"), self._letters(y, "y")
        in_joint = cells([in_x, in_y])
        count_x, count_y, count = np.bincount(in_x), np.bincount(in_y), np.bincount(in_joint)
        all_x, all_y = self.possible(len(count_x), len(count_y))
        of_x, of_y, of_both = self.entropies((count_x, all_x), (count_y, all_y), (count, all_x * all_y))
        mi = of_x + of_y - of_both
        seen = coverage(count)
        said: dict[str, Any] = {"letters_x": len(count_x), "letters_y": len(count_y), "occupied": len(count)}
        said["coverage"] = round(seen, 6)
        if mi > np.log(min(all_x, all_y)) + 1e-12:  # the greatest entropy of so many letters
            said["above_entropy"] = True
        stderr = None
        if self.corrected and seen >= WELL_COVERED:
            log_ratios = np.log(n * count[in_joint] / (count_x[in_x] * count_y[in_y]))
            # at independence 2 n I is chi-squared with this many degrees of freedom, of variance twice as many
            freedom = (len(count_x) - 1) * (len(count_y) - 1)
            stderr = stderr_of_mean(log_ratios, freedom / (2 * n**2))
        return Estimate(mi, stderr, diagnostics={**said, **ties(x, y)})

    def possible(self, seen_x: int, seen_y: int) -> tuple[int, int]:
        """How many letters X and Y have: here, as many as occur."""
        return seen_x, seen_y

    def entropies(self, *tables: tuple[Counts, int]) -> list[float]:
        """H(X), H(Y) and H(X, Y), each from its counts and its number of possible letters."""
        entropy = ENTROPIES[self.registered_name]
        return [entropy(counts, possible) for counts, possible in tables]

    def _letters(self, values: Array, name: str) -> npt.NDArray[np.int64]:
        """0, 1, ... for the distinct rows, shape (n,)."""
        letters = cells([np.unique(column, return_inverse=True)[1] for column in values.T])
        _, once, twice = np.bincount(np.bincount(letters), minlength=3)[:3]
        # of letters some are seen twice where many are seen once; of values of a density, none beside an atom's
        if 2 * once > len(values) or (once > max(10, len(values) / 20) and 10 * twice < once):
            raise Unsupported(
                f"{self.label} counts letters, and of {len(values)} rows of {name} {once} occur only once, {2 * twice} "
                "in pairs: use an estimator for continuous or mixed variables, or round them first."
            )
        return letters


@register_estimator("plug-in")
class PlugIn(_FromCounts):
    """The mutual information of the observed frequencies: biased upwards by about (m_x - 1)(m_y - 1) / 2n.

    m_x and m_y count the letters of x and of y. Never negative and never above the entropy of x or of y.
    """

    citation: ClassVar[str] = "Shannon (1948), A mathematical theory of communication"
    corrected: ClassVar[bool] = False


@register_estimator("miller-madow")
class MillerMadow(_FromCounts):
    """Plug-in entropies, each plus its first-order bias (m - 1) / 2n, with m the letters that occur."""

    citation: ClassVar[str] = "Miller (1955), Note on the bias of information estimates"


@register_estimator("jackknife")
class Jackknife(_FromCounts):
    """Plug-in entropies, each less its bias of order 1 / n as leaving out every sample in turn shows it."""

    citation: ClassVar[str] = "Zahl (1977), Jackknifing an index of diversity, Ecology 58, 907"


@register_estimator("grassberger")
class Grassberger(_FromCounts):
    """Entropies ln n - <G(c)> over the samples, with c how often the sample's letter occurs.

    G(c) = psi(c) + (-1)^c / 2 (psi((c + 1) / 2) - psi(c / 2)): for Poisson counts of mean z the expectation of c G(c)
    is z ln z + z E_1(2z). So of the bias only 1 / 2n is left, and what vanishes exponentially with the expected counts.
    """

    citation: ClassVar[str] = "Grassberger (2003, 2008), Entropy estimates from insufficient samplings, eq. 27 and 35"
    capabilities: ClassVar = replace(_FromCounts.capabilities, usual_for=(Nature.DISCRETE,))


@register_estimator("chao-shen")
class ChaoShen(_FromCounts):
    """Entropies over the letters seen, each weighted by 1 / (the probability that n samples show it).

    Frequencies are first lowered by the probability of what was not seen, for which the share of the samples whose
    letter occurs once stands (Good and Turing).
    """

    citation: ClassVar[str] = (
        "Chao & Shen (2003), Nonparametric estimation of Shannon's index of diversity when there are unseen species"
    )
    corrected: ClassVar[bool] = False


@dataclass(frozen=True, eq=False, repr=False)
class _OfAlphabet(_FromCounts):
    """An estimator to which it matters how many letters there are."""

    letters_x: Count | None = None
    letters_y: Count | None = None

    def possible(self, seen_x: int, seen_y: int) -> tuple[int, int]:
        """As many letters as were declared.

        Raises
        ------
        Unsupported : more occur.
        """
        x, y = self.letters_x or seen_x, self.letters_y or seen_y
        if x < seen_x or y < seen_y:
            raise Unsupported(f"{self.label}: {seen_x} letters of x and {seen_y} of y occur; declare no fewer.")
        return x, y


@register_estimator("james-stein")
class JamesStein(_OfAlphabet):
    """The mutual information of the joint frequencies after shrinking them towards equal ones.

    The intensity minimises the estimated mean square error of the frequencies. The answer is that of a distribution:
    never negative and never above the entropy of x or of y.

    Parameters
    ----------
    letters_x, letters_y : how many letters X and Y have; by default, as many as occur.
    """

    citation: ClassVar[str] = (
        "Hausser & Strimmer (2009), Entropy inference and the James-Stein estimator, JMLR 10, 1469, eq. 4 and 8"
    )
    corrected: ClassVar[bool] = False

    def entropies(self, *tables: tuple[Counts, int]) -> list[float]:
        """Of the shrunken joint table and its margins."""
        share = intensity(*tables[-1])
        return [shrunken(counts, possible, share) for counts, possible in tables]


@register_estimator("nsb")
class NSB(_OfAlphabet):
    """Posterior means of the entropies under Nemenman, Shafee and Bialek's prior: all values of H equally likely.

    The three entropies have three priors, which no prior of the joint distribution unites, so there is no posterior
    standard deviation of the sum.

    Parameters
    ----------
    letters_x, letters_y : how many letters X and Y have; by default, as many as occur. X and Y together have as many as
        there are pairs.
    """

    citation: ClassVar[str] = "Nemenman, Shafee & Bialek (2002), Entropy and inference, revisited, NIPS 14"


@register_estimator("pym")
class PYM(_FromCounts):
    """Posterior means of the entropies under a mixture of Pitman-Yor processes, whose letters are infinitely many.

    For alphabets of unknown size of which the samples show a part. All mean entropies are equally likely a priori, and
    probabilities may fall with the rank as a power does, or faster. Many letters that are equally likely are what such
    a process hardly ever makes: where few of them were seen twice their entropy is overestimated.
    """

    citation: ClassVar[str] = (
        "Archer, Park & Pillow (2014), Bayesian entropy estimation for countable discrete distributions, JMLR 15, 2833"
    )
    corrected: ClassVar[bool] = False

    def entropies(self, *tables: tuple[Counts, int]) -> list[float]:
        """Of x, of y and of both.

        Raises
        ------
        Unsupported : no row of x and y together occurs twice, so that the posterior mean of H(X, Y) is infinite.
        """
        of_x, of_y, of_both = super().entropies(*tables)
        if np.isinf(of_both):
            raise Unsupported(
                f"{self.label}: all {len(tables[-1][0])} rows of x and y together differ, so that their entropy may be "
                "of any size: use more samples, or merge letters."
            )
        return [of_x, of_y, of_both]
