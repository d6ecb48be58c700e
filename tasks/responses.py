"""What is answered to a continuous variable: yes or no, or how often yes. One side has atoms, the other has none."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, TypeAlias

import numpy as np
from scipy.special import betaln, expit, log_expit, psi, xlog1py, xlogy

from mibench.estimator import Array
from mibench.parameters import Count, between
from mibench.registry import register_task
from mibench.task import Task

Shape: TypeAlias = Annotated[float, between(0.01, 1000)]


@register_task("logistic")
class Logistic(Task):
    """X standard normal, Y = 1 with probability 1 / (1 + exp(-slope S)), otherwise 0, S the sum of X over sqrt(dim).

    S is standard normal and Y a fair coin, so that I(X; Y) = log 2 - E H_b(1 / (1 + exp(-slope S))), one integral.

    Parameters
    ----------
    dim : columns of X, all of which count alike.
    slope : of the log odds, from 0 (independent) to 1000, where Y is all but the sign of S.
    """

    dim: Count = 1
    slope: Annotated[float, between(0, 1000)] = 3.0

    family: ClassVar[str] = "logistic"
    citation: ClassVar[str] = "Cox (1958), The regression analysis of binary sequences"
    discrete: ClassVar[bool] = True
    mutual_information_error: ClassVar[float] = 1e-12
    dim_y = 1

    @property
    def dim_x(self) -> int:
        return self.dim

    @property
    def mutual_information(self) -> float:
        """The trapezoidal rule, whose error is exp(-40) as the integrand's poles are pi / slope from the real axis."""
        step = 0.5 / max(1.0, self.slope)
        reach = min(10.0, 60.0 / max(1.0, self.slope))  # where the entropy has vanished, if not the density
        s = step * np.arange(-math.ceil(reach / step), math.ceil(reach / step) + 1)
        odds = self.slope * s
        entropy = -expit(odds) * log_expit(odds) - expit(-odds) * log_expit(-odds)
        weights = np.exp(-0.5 * s * s) * (step / math.sqrt(2 * math.pi))
        return max(0.0, math.log(2) - float(weights @ entropy))

    def _odds(self, x: Array) -> Array:
        """The log odds of 1, shape (n,)."""
        odds: Array = (self.slope / math.sqrt(self.dim)) * x.sum(axis=1)
        return odds

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        x = rng.standard_normal((n, self.dim))
        return x, (rng.random(n) < expit(self._odds(x))).astype(np.float64)[:, None]

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """log 2 P(y | x) in nats, shape (n,)."""
        ratio: Array = math.log(2) + log_expit((2 * y[:, 0] - 1) * self._odds(x))
        return ratio


@register_task("beta-binomial")
class BetaBinomial(Task):
    """X ~ Beta(a, b), Y | X ~ Binomial(trials, X): a chance, and how often in so many trials it came.

    I(X; Y) = E log(B(a, b) / B(Y + a, trials - Y + b)) + trials E[X log X + (1 - X) log(1 - X)]: a sum over Y, and
    digammas.

    Parameters
    ----------
    trials : from 1 to 100,000.
    a, b : shapes of the beta distribution, from 0.01 to 1000.
    """

    trials: Annotated[int, between(1, 100_000)] = 10
    a: Shape = 2.0
    b: Shape = 2.0

    family: ClassVar[str] = "beta-binomial"
    citation: ClassVar[str] = "Skellam (1948), A probability distribution derived from the binomial distribution"
    discrete: ClassVar[bool] = True
    dim_x = dim_y = 1

    def _log_evidence(self, y: Array) -> Array:
        """log of B(a, b) / B(y + a, trials - y + b), which is the binomial coefficient over P(y)."""
        evidence: Array = betaln(self.a, self.b) - betaln(y + self.a, self.trials - y + self.b)
        return evidence

    @property
    def mutual_information(self) -> float:
        """P(Y) by the ratio of each to the one before, so that rounding does not grow with the logarithms."""
        y, a, b = np.arange(float(self.trials)), self.a, self.b
        more = np.log((self.trials - y - 1 + b) / (y + a))
        log_p = np.cumsum(np.append(0.0, np.log((self.trials - y) / (y + 1)) - more))
        p = np.exp(log_p - log_p.max())
        p /= p.sum()
        evidence = self._log_evidence(np.zeros(1)) + np.cumsum(np.append(0.0, more))
        chance, total = a / (a + b), float(psi(a + b + 1))
        given_x = chance * (float(psi(a + 1)) - total) + (1 - chance) * (float(psi(b + 1)) - total)
        return max(0.0, float(p @ (evidence + self.trials * given_x)))

    @property
    def mutual_information_error(self) -> float:
        """Rounding, of two terms that are proportional to the number of trials."""
        return 1e-12 + 1e-13 * self.trials

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        x = rng.beta(self.a, self.b, n)
        return x[:, None], rng.binomial(self.trials, x).astype(np.float64)[:, None]

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """log of x^y (1 - x)^(trials - y) B(a, b) / B(y + a, trials - y + b) in nats, shape (n,)."""
        x, y = x[:, 0], y[:, 0]
        ratio: Array = xlogy(y, x) + xlog1py(self.trials - y, -x) + self._log_evidence(y)
        return ratio
