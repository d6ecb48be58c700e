"""Codes that must hide variables or a bit: the least information on them at a given information on what is useful.

The utility is held exactly, by construction; the code loses information on the sensitive variable along the gradient of
a bound that its critic raises. How much leaks, and the least that must, is known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, cast

import numpy as np

from mibench.estimator import Array
from mibench.parameters import Correlation, Length, NotNegative, Positive, at_least
from mibench.registry import register_task
from mibench.task import Metric

from . import exact_information as known
from .exact import ESTIMATE, ExactTask

if TYPE_CHECKING:
    from .models import BitHidingCode, HidingCode, PairModel

LEAKAGE = Metric("leakage", "lower", "nats", "True I(Z; S) of the code with the sensitive variable.")
ABOVE = Metric("above_frontier", "lower", "nats", "How much more leaks than must at this utility.")
MISSED = Metric("missed", "lower", "nats", "How much of the leakage the estimate does not see; 0 where it sees all.")
GUESSED = Metric("guessed", "lower", "%", "Bits that the best guess from the code gets right; 50 by chance.")


@dataclass(frozen=True, eq=False, repr=False)
class LeakageTask(ExactTask):
    """A code that loses information: its model descends the bound."""

    lr: Positive = 1e-2

    gains: ClassVar[bool] = False
    truth: ClassVar[str] = "leakage"

    def about_estimate(self, estimate: float, truth: float) -> dict[str, float]:
        return {"estimate": estimate, "missed": max(0.0, truth - estimate)}


@register_task("leakage-gaussian")
class LeakageGaussian(LeakageTask):
    """A code Z = c U + s (a e + b N) of a useful U and of what else of the sensitive S is known; (a, b) is learnt.

    S_j = r_j U + sqrt(1 - r_j^2) e_j, all of U, e, N standard normal, |a|^2 + |b|^2 = 1. I(Z; U) is the utility
    whatever (a, b); by the right a the code can take back what U tells of S, wholly where s is large enough.

    Parameters
    ----------
    relevance : correlations r_j of the sensitive variables with the useful one.
    utility : I(Z; U) in nats.
    noises : coordinates of N.
    """

    relevance: Annotated[tuple[Correlation, ...], Length(1)] = (0.8, 0.5)
    utility: Positive = 0.5
    noises: Annotated[int, at_least(0)] = 4

    metrics: ClassVar[tuple[Metric, ...]] = (LEAKAGE, ABOVE, ESTIMATE, MISSED)
    citation: ClassVar[str] = "Makhdoumi et al. 2014"

    def new_model(self, seed: int) -> PairModel:
        from .models import HidingCode

        return HidingCode(self.relevance, self.utility, self.noises)

    def leakage(self, direction: Array) -> float:
        """I(Z; S) of the code with this (a, b) of norm 1, by the covariance of Z and S."""
        r = np.array(self.relevance)
        c, s = math.sqrt(-math.expm1(-2.0 * self.utility)), math.exp(-self.utility)
        across = c * r + s * np.sqrt(1.0 - r**2) * direction[: len(r)]
        own = np.diag(1.0 - r**2) + np.outer(r, r)
        return known.gaussian_information(np.block([[np.ones((1, 1)), across[None]], [across[:, None], own]]), 1)

    def exact(self, model: PairModel) -> dict[str, float]:
        leakage = self.leakage(cast("HidingCode", model).direction().detach().double().cpu().numpy())
        least = known.least_leakage(np.array(self.relevance), self.utility)
        return {"leakage": leakage, "above_frontier": leakage - least}

    def optimum(self, seed: int) -> dict[str, float]:
        return {"leakage": known.least_leakage(np.array(self.relevance), self.utility), "above_frontier": 0.0}


@register_task("leakage-bit")
class LeakageBit(LeakageTask):
    """A linear code Z = c X_0 + s w . X of records that a sensitive bit S = -1 or 1, both equally likely, moves.

    X_0 = U + shift S holds what is useful, X_j = N_j + others_j S does not; U and N are standard normal, |w| = 1. To
    one who knows the bit Z tells of U exactly the utility, I(Z; U | S), whatever w is learnt. Of the bit it tells what
    a Gaussian channel does with the inputs -d and d, d = c shift + s w . others, which the right w makes 0 where s is
    large enough.

    Parameters
    ----------
    shift : how far the bit moves the useful record, in its standard deviations.
    others : how far it moves other records.
    utility : I(Z; U | S) in nats.
    noises : records that the bit does not move.
    """

    shift: NotNegative = 1.0
    others: Annotated[tuple[NotNegative, ...], Length(1)] = (0.8, 0.5)
    utility: Positive = 0.5
    noises: Annotated[int, at_least(0)] = 4

    metrics: ClassVar[tuple[Metric, ...]] = (LEAKAGE, ABOVE, GUESSED, ESTIMATE, MISSED)

    def new_model(self, seed: int) -> PairModel:
        from .models import BitHidingCode

        return BitHidingCode(self.shift, self.others, self.utility, self.noises)

    def exact(self, model: PairModel) -> dict[str, float]:
        w = cast("BitHidingCode", model).direction().detach().double().cpu().numpy()
        scale = math.exp(-self.utility)
        return self.judged(abs(self.passed() + scale * float(w[: len(self.others)] @ np.array(self.others))))

    def optimum(self, seed: int) -> dict[str, float]:
        return self.judged(self.least())

    def passed(self) -> float:
        """c shift: how far the bit moves the part of the code that is useful."""
        return self.shift * math.sqrt(-math.expm1(-2.0 * self.utility))

    def least(self) -> float:
        """The least |d|: w against the shifts of the others takes back s |others| at most."""
        return max(0.0, self.passed() - math.exp(-self.utility) * float(np.linalg.norm(self.others)))

    def judged(self, distance: float) -> dict[str, float]:
        """The metrics of a code that the bit moves by so many of its standard deviations to either side."""
        from scipy.special import ndtr

        leakage, least = (known.bit_information(d) for d in (distance, self.least()))
        return {"leakage": leakage, "above_frontier": leakage - least, "guessed": 100.0 * float(ndtr(distance))}
