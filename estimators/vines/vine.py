"""Mutual information of a vine copula in which the vines of X and of Y are parts."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

from mibench.errors import Unsupported
from mibench.estimator import Array, Capabilities, Estimate, Estimator, check_samples, rng_for
from mibench.parameters import at_least
from mibench.ranks import untied_scores
from mibench.registry import register_estimator

from .._samples import pooled, ties, with_density

COLUMNS = 64
"""Of X and Y together: their pairs, and the time, grow as the square."""

ROWS_PER_COLUMN = 2
"""Training rows at least."""


@register_estimator("vine")
class Vine(Estimator):
    """The mean log ratio of a vine copula: pairs of one column of X and one of Y, given those before.

    A vine makes a density of copulas of two variables each, given others. Here the vine of X and the vine of Y are
    parts of that of both (Cooke, Kurowicka & Wilson 2015): what is not common to X and Y cancels exactly, and what
    remains are I(x_i; y_j | x_1 ... x_(i-1), y_1 ... y_(j-1)), whose sum is I(X; Y) by the chain rule. Each pair is
    independent, Gaussian, Student-t or a weighted sum of kernel densities, as the rows say. The trees within X and
    within Y follow the strongest pairs (Dissmann et al. 2013), and the columns that have most to do with the other
    variable come first.

    It sees the ranks of the columns alone, so that increasing maps of columns change nothing. Tied ranks come apart at
    random, which leaves the mutual information as it is. The copula of a pair is taken for the same whatever the
    columns are that it is given (the simplifying assumption), which the vine of a Gaussian or Student distribution
    obeys, and what depends on three columns at once does not.

    It is fitted to all folds but one. The log ratio is too high on the rows that were fitted to and, as far as the
    density is one of its kind, too low by as much on held-out rows (Akaike 1973): the answer is the mean of the two.
    Held-out rows choose the level from which on pairs are independent, and the coordinates. ``sampling_error`` in the
    diagnostics is that of the held-out rows and, of half the distance between the two, that of a uniform variable. How
    far the density is from one of its kind is in neither, so there is no standard error. ``excess`` is the log of the
    mean ratio of independent held-out pairs: where it is far above 0, X or Y has a dependence of its own that the vine
    does not know, and the answer may be too high.

    Parameters
    ----------
    folds : parts of the samples, each held out once.
    coordinates : the columns as they are given, their canonical variables, or what of both tells pairs of X and Y
        better from independent ones.
    """

    folds: Annotated[int, at_least(2)] = 5
    coordinates: Literal["either", "columns", "canonical"] = "either"

    version: ClassVar[str] = "1"
    citation: ClassVar[str] = (
        "Dissmann, Brechmann, Czado & Kurowicka (2013), Selecting and estimating regular vine copulae and application "
        "to financial returns; kernel pairs: Nagler & Czado (2016), Evading the curse of dimensionality in "
        "nonparametric density estimation with simplified vine copulas"
    )
    capabilities: ClassVar[Capabilities] = Capabilities(min_n=40, trains=True, memory=0.3)

    def warm_up(self) -> None:
        """Compile what interpolates, or load it from disk."""
        from .choice import chosen

        a, b = rng_for(0).standard_normal((2, 200))
        chosen(a, a * b)

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate I(X; Y) in nats.

        Raises
        ------
        Unsupported : more than 64 columns, too few samples for them, or columns that follow from one another.
        """
        from .merged import canonical, columns, merged, once

        x, y = check_samples(x, y, self.capabilities.min_n)
        said: dict[str, Any] = ties(x, y)
        rng = rng_for(seed)
        who, (n, dim) = self.registered_name, (len(x), x.shape[1] + y.shape[1])
        if dim > COLUMNS:
            raise Unsupported(f"{who}: {dim} columns have too many pairs; it takes {COLUMNS}, of X and Y together.")
        least = math.ceil(ROWS_PER_COLUMN * dim * self.folds / (self.folds - 1))
        if n < least:
            raise Unsupported(f"{who}: {n} samples are too few for {dim} columns; give at least {least}.")
        x, y = (with_density(who, untied_scores(values, rng)) for values in (x, y))
        fold_of = rng.permutation(n) % self.folds
        among = [once(columns)] if self.coordinates != "canonical" or dim == 2 else []
        if self.coordinates != "columns" and dim > 2:
            among.append(canonical)
        best = max((merged(x, y, fold_of, each) for each in among), key=lambda found: found.told_apart)
        (high, _), (low, error) = pooled(best.seen), pooled(best.held_out)
        spread = math.hypot(error, 0.5 * (high - low) / math.sqrt(3))
        said |= {"coordinates": best.coordinates, "level": best.level, "pairs": best.pairs, "excess": best.excess}
        said |= {"training": high, "held_out": low, "sampling_error": spread}
        return Estimate(0.5 * (high + low), diagnostics=said)
