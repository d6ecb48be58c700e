"""Mutual information of a mixture fitted to the samples, or to what maps of X and of Y make of them: gmm and vce."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NoReturn

import numpy as np

from mibench.errors import Unsupported
from mibench.estimator import Array, Capabilities, Estimate, Estimator, check_samples, rng_for
from mibench.parameters import Count, at_least
from mibench.ranks import untied_scores
from mibench.registry import register_estimator

from .._samples import outliers, pooled, ties

if TYPE_CHECKING:
    from .ladder import Chosen, Margins

ROWS_PER_COLUMN = 2
"""Training rows that the covariance of that many columns takes at least."""
ROUNDING = 1e-12
"""Eigenvalues of the correlations of columns that follow from one another, which are 0 up to rounding, are less."""
FOLLOWING = 0.1
"""Share of the columns of X, or of Y, that may do so."""


@dataclass(frozen=True, eq=False, repr=False)
class OfMixture(Estimator):
    """The mean of log q(x, y) - log q(x) - log q(y) under mixtures q that are fitted to all folds but one.

    It is too high on the rows that q was fitted to and, as far as the density is one of its kind, too low by as much on
    held-out rows (Akaike 1973), so the answer is the mean of the two. ``sampling_error`` in the diagnostics is that of
    the held-out rows and, of half the distance between the two, that of a uniform variable. How far the density is from
    one of its kind is in neither, so there is no standard error. Where one Gaussian component is best, whose bias is
    known exactly, the answer is that of ``cca`` on the mapped variables.

    Values that repeat have no density. Their ranks, with ties in random order, have one and the same mutual
    information. One Gaussian for the mean ranks of ties, as in ``gaussian-copula``, stands beside them, and is taken
    where it is clearly better at telling held-out pairs from independent ones.

    Parameters
    ----------
    most : the greatest number of components; 1, 2, 4 ... are tried for as long as held-out rows become more likely.
    components : "normal", "student" (each with its own degrees of freedom), or "either", by the held-out rows.
    folds : parts of the samples, each held out once.
    restarts : random ways to split the components of one number for the next.
    iterations : of expectation-maximization, at most, for each of them.
    """

    most: Count = 32
    components: Literal["either", "normal", "student"] = "either"
    folds: Annotated[int, at_least(2)] = 5
    restarts: Count = 2
    iterations: Count = 100

    version: ClassVar[str] = "3"
    by_ratio: ClassVar[bool] = False
    """Between maps the ratio of densities decides, where it clearly does, and not the density."""
    capabilities: ClassVar[Capabilities] = Capabilities(min_n=40, trains=True, memory=0.5)

    @abstractmethod
    def margins(self, x: Array, y: Array, rng: np.random.Generator) -> Sequence[Margins]:
        """What the variables are mapped to, in several ways."""

    def warm_up(self) -> None:
        """Load what fits mixtures."""
        from . import ladder  # noqa: F401

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate I(X; Y) in nats.

        Raises
        ------
        Unsupported : too few samples for the covariance of all columns, or columns that follow from one another.
        """
        from .ladder import MANY, Ladder

        x, y = check_samples(x, y, self.capabilities.min_n)
        said: dict[str, Any] = {**ties(x, y), **outliers(x, y)}
        x, y = (values[:, np.ptp(values, axis=0) > 0] for values in (x, y))
        n, dim = len(x), x.shape[1] + y.shape[1]
        least = math.ceil(ROWS_PER_COLUMN * dim * self.folds / (self.folds - 1))
        if n < least:
            raise Unsupported(
                f"{self.registered_name}: {n} samples are too few for the covariance of {dim} columns; "
                f"give at least {least}."
            )
        if dim > MANY and (_without_density(x) or _without_density(y)):
            self._refuse_what_follows()
        rng = rng_for(seed)
        held_out = rng.permutation(n) % self.folds
        parts = np.array([held_out != fold for fold in range(self.folds)])
        kinds = {"either": (False, True), "normal": (False,), "student": (True,)}[self.components]
        ladder = Ladder(self.most, self.restarts, self.iterations, kinds, self.by_ratio)
        try:
            chosen = ladder.search(self.margins(x, y, rng), parts, x.shape[1], seed)
        except np.linalg.LinAlgError:
            self._refuse_what_follows()
        return _answer(chosen, parts, x.shape[1], said)

    def _refuse_what_follows(self) -> NoReturn:
        raise Unsupported(
            f"{self.registered_name}: columns follow from one another, so that the samples have no density; "
            "leave out what follows from the rest."
        ) from None


@register_estimator("gmm")
class GaussianMixtureModel(OfMixture):
    """A mixture of Gaussian or of Student-t components for (X, Y), on the scale or on the normal scores of its columns.

    Gaussian or Student-t, how many components, and whether with all covariances or only those of canonical pairs:
    whatever makes held-out rows the most likely. Scale or scores: where one is clearly better at telling held-out pairs
    from pairs of rows that have nothing to do with each other, that one, and else what makes held-out rows the more
    likely, as samples of the original variables. The answer is the mean of what the mixtures say of the rows that they
    were fitted to, which is too much, and of held-out rows, which is too little by about as much; where one Gaussian is
    best it is that of ``cca``.
    """

    version: ClassVar[str] = "4"
    by_ratio: ClassVar[bool] = True
    citation: ClassVar[str] = (
        "Piras et al. (2023), A robust estimator of mutual information for deep learning interpretability; "
        "Peel & McLachlan (2000), Robust mixture modelling using the t distribution"
    )

    def margins(self, x: Array, y: Array, rng: np.random.Generator) -> Sequence[Margins]:
        from .margins import ranked, scaled

        return _of_ties(x, y, rng) or [_both("ranks", ranked(x), ranked(y)), _both("scale", scaled(x), scaled(y))]


@register_estimator("vce")
class VectorCopula(OfMixture):
    """A mixture for (X, Y) after maps of X and of Y, each learned alone, that take as much structure out as they can.

    Beside the scale and the normal scores of the columns, as in ``gmm``, the normal scores of independent components of
    X and of those of Y. What is left of dependence then lies between X and Y, most of it in pairs. Maps leave mutual
    information as it is, and held-out rows, as samples of the original variables, decide between them too.
    """

    citation: ClassVar[str] = (
        "Chen, Ou, Weller & Gutmann (2025), Neural mutual information estimation with vector copulas, NeurIPS; "
        "maps: Pham & Garat (1997), Blind separation of mixture of independent sources through a quasi-maximum "
        "likelihood approach"
    )

    def margins(self, x: Array, y: Array, rng: np.random.Generator) -> Sequence[Margins]:
        from .margins import ranked, scaled, unmixed

        if tied := _of_ties(x, y, rng):
            return tied
        found = [_both("ranks", ranked(x), ranked(y)), _both("scale", scaled(x), scaled(y))]
        if max(x.shape[1], y.shape[1]) > 1:
            found.append(_both("components", unmixed(x, rng), unmixed(y, rng)))
        return found


def _of_ties(x: Array, y: Array, rng: np.random.Generator) -> Sequence[Margins]:
    """The maps of samples in which values repeat, whose density is infinite on their own scale; else none."""
    from .ladder import Margins
    from .margins import ranked

    if not ties(x, y):
        return []
    together = replace(_both("ranks", ranked(x), ranked(y)), atoms=True)
    return [Margins("random ranks", np.hstack([untied_scores(x, rng), untied_scores(y, rng)]), math.nan), together]


def _both(name: str, x: Any, y: Any) -> Margins:
    """Two :class:`~.margins.Mapped` side by side."""
    from .ladder import Margins

    return Margins(name, np.hstack([x.values, y.values]), x.log_volume + y.log_volume)


def _without_density(values: Array) -> bool:
    """Whether so many columns (n, dim) follow from the others that no fit in single precision makes sense of them.

    As in smooth or two-coloured pictures; a few such columns are no harm.
    """
    correlations = np.atleast_2d(np.corrcoef(values.T))
    return bool((np.linalg.eigvalsh(correlations) < ROUNDING).mean() > FOLLOWING)


def _answer(chosen: Chosen, parts: Any, dim_x: int, said: dict[str, Any]) -> Estimate:
    from ..gaussian import gaussian_information

    diagnostics = {
        **said,
        "margins": chosen.margins.name,
        "components": chosen.components,
        "kind": "normal" if chosen.normal else "student",
        "structure": chosen.structure,
    }
    if chosen.normal and chosen.components == 1:
        values = chosen.margins.values
        found = gaussian_information(values[:, :dim_x], values[:, dim_x:])
        diagnostics["sampling_error"] = found.diagnostics.get("sampling_error")
        return Estimate(found.mi, diagnostics=diagnostics)
    seen, held_out = zip(*chosen.log_ratios(parts, dim_x), strict=True)
    (high, _), (low, error) = pooled(seen), pooled(held_out)
    spread = math.hypot(error, 0.5 * (high - low) / math.sqrt(3))
    diagnostics |= {"training": high, "held_out": low, "sampling_error": spread}
    return Estimate(0.5 * (high + low), diagnostics=diagnostics)
