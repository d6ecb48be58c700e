"""Samples as people have them: rounded, counted, cut off at a detection limit, with codes for what is missing.

Every truth is exact: a sum over a table of probabilities, a quadrature whose error is stated, or a theorem.
"""

from __future__ import annotations

import functools
import math
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, log_ndtr, ndtr, xlogy

from mibench.estimator import Array
from mibench.parameters import Finite, Inner, Range, at_least, between
from mibench.registry import register_task
from mibench.task import Task

from ._made_of import MadeOf, Sides
from ._table import Table, Tabulated
from .citations import COVER_THOMAS
from .discrete import Fraction, _cell, column
from .gaussian import Gauss
from .numerics.entropy import log, xlogx
from .numerics.quadrature import panels

_BASE = Gauss()

REACH = 9.5
"""Standard deviations beyond which a normal variable is neglected: 2e-21 of it lies there."""
ORDER = 12
"""Nodes of each panel of a quadrature."""


class Dirty(Task):
    """One column of X and one of Y, not all of whose values differ."""

    dim_x = dim_y = 1
    discrete: ClassVar[bool] = True


# Tables of probabilities ---------------------------------------------------------------------------------------------


@register_task("rounded-pair")
class RoundedPair(Dirty, Tabulated):
    """X and Y standard normal with correlation ``rho``, each rounded to the nearest multiple of ``step``."""

    rho: Annotated[float, between(-0.999, 0.999)] = 0.8
    step: Annotated[float, at_least(0.05)] = 0.5

    family: ClassVar[str] = "rounded"
    citation: ClassVar[str] = f"{COVER_THOMAS}, chapter 8"

    @property
    def table(self) -> Table:
        """The probability of every square of side ``step``."""
        return _rounded(self.rho, self.step)

    def entry(self, values: Array) -> npt.NDArray[np.int64]:
        """Its distance from the lowest cell of the table, beyond whose ends nothing is."""
        most = math.ceil(REACH / self.step)
        cell: npt.NDArray[np.int64] = np.clip(np.rint(values / self.step), -most, most).astype(np.int64) + most
        return cell

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Both before rounding, then both rounded."""
        x, y = _normal_pair(self.rho, n, rng)
        return column(np.rint(x / self.step) * self.step), column(np.rint(y / self.step) * self.step)


@functools.lru_cache(maxsize=64)
def _rounded(rho: float, step: float) -> Table:
    coarse, fine = _rounded_table(rho, step, 1), _rounded_table(rho, step, 2)
    return Table(fine, abs(Table(fine, 0.0).information - Table(coarse, 0.0).information) + 1e-12)


def _rounded_table(rho: float, step: float, refine: int) -> Array:
    """P(Y in a cell | x) integrated over x in each cell."""
    sd = math.sqrt(1.0 - rho**2)
    most = math.ceil(REACH / step)
    centres = step * np.arange(-most, most + 1)
    # across a panel the mean of Y given X moves by less than its noise
    parts = math.ceil(step / min(sd, 0.5)) * refine
    edges = step * (np.arange(parts * len(centres) + 1) / parts - most - 0.5)
    x, weights = panels(edges, ORDER)
    weighted = (weights * _normal(x, 0.0, 1.0))[:, None] * _cell(centres, step, rho * x[:, None], sd)
    table: Array = weighted.reshape(len(centres), -1, len(centres)).sum(axis=1)
    return table


@register_task("poisson-pair")
class PoissonPair(Dirty, Tabulated):
    """Counts with a common part: X = A + C and Y = B + C, with A, B and C independent Poisson variables.

    Parameters
    ----------
    mean : of X and of Y.
    shared : the share of the mean that is C's, and the correlation.
    """

    mean: Annotated[float, Range(0.0, 1000.0, with_high=True)] = 10.0
    shared: Inner = 0.6

    family: ClassVar[str] = "counts"
    citation: ClassVar[str] = "Holgate (1964), Estimation for the bivariate Poisson distribution"

    @property
    def table(self) -> Table:
        """P(x, y) = sum over c of P(C = c) P(A = x - c) P(B = y - c)."""
        return _counted(self.mean, self.shared)

    def entry(self, values: Array) -> npt.NDArray[np.int64]:
        """The count itself, up to the greatest in the table."""
        return np.minimum(values.astype(np.int64), _highest(self.mean))

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """C, then A and B."""
        common = rng.poisson(self.mean * self.shared, size=n)
        x, y = common + rng.poisson(self.mean * (1.0 - self.shared), size=(2, n))
        return column(x), column(y)


def _highest(mean: float) -> int:
    """A count beyond which there is less than 1e-15 of a Poisson variable."""
    return math.ceil(mean + 9.0 * math.sqrt(mean) + 20.0)


@functools.lru_cache(maxsize=8)
def _counted(mean: float, shared: float) -> Table:
    count = np.arange(_highest(mean) + 1)
    own, common = _poisson(count, mean * (1.0 - shared)), _poisson(count, mean * shared)
    difference = count[:, None] - count
    shifted = np.where(difference >= 0, own[np.maximum(difference, 0)], 0.0)
    return Table((shifted * common) @ shifted.T, 1e-10)


def _poisson(count: npt.NDArray[np.int64], mean: float) -> Array:
    probability: Array = np.exp(xlogy(count, mean) - mean - gammaln(count + 1.0))
    return probability


@register_task("height-and-age")
class HeightAndAge(Dirty):
    """Independent whole numbers: X normal with mean 170 and deviation 10, rounded, Y uniform from 18 to 90: I = 0."""

    family: ClassVar[str] = "rounded"
    citation: ClassVar[str] = f"{COVER_THOMAS}, chapter 2"

    @property
    def mutual_information(self) -> float:
        """0."""
        return 0.0

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """X, then Y."""
        return column(np.rint(rng.normal(170.0, 10.0, size=n))), column(rng.integers(18, 91, size=n))

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """0 everywhere."""
        return np.zeros(len(x))


# Atoms beside a density ----------------------------------------------------------------------------------------------


@register_task("detection-limit")
class DetectionLimit(Dirty):
    """X and Y standard normal with correlation ``rho``; what is below ``limit`` is reported as ``limit``."""

    rho: Annotated[float, between(-0.999, 0.999)] = 0.8
    limit: Annotated[float, between(-4.0, 4.0)] = -0.5

    family: ClassVar[str] = "censored"
    citation: ClassVar[str] = "Gao, Kannan, Oh & Viswanath (2017), section 2: the ratio of a mixed joint to its product"

    @property
    def mutual_information(self) -> float:
        """The log ratio averaged over x: an atom or a density in y, where the normal's moments are closed forms."""
        return _limited_information(self.rho, self.limit, 1.0)

    @property
    def mutual_information_error(self) -> float:
        """The change from panels twice as wide, and 1e-12 for rounding."""
        return abs(self.mutual_information - _limited_information(self.rho, self.limit, 0.5)) + 1e-12

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Both, then the limit."""
        x, y = _normal_pair(self.rho, n, rng)
        return column(np.maximum(x, self.limit)), column(np.maximum(y, self.limit))

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """Of densities where both are seen, of probabilities given the other where one is, of both where none is."""
        x, y = x[:, 0], y[:, 0]
        r, sd = self.rho, math.sqrt(1.0 - self.rho**2)
        gauss = -math.log(sd) + (2.0 * r * x * y - r**2 * (x**2 + y**2)) / (2.0 * sd**2)
        below = float(log_ndtr(self.limit))
        without_y = log_ndtr((self.limit - r * x) / sd) - below
        without_x = log_ndtr((self.limit - r * y) / sd) - below
        neither = log(_both_below(r, self.limit, 1.0)) - 2.0 * below
        no_x, no_y = x <= self.limit, y <= self.limit
        return np.select([no_x & no_y, no_x, no_y], [np.full(len(x), neither), without_x, without_y], gauss)


@functools.lru_cache(maxsize=256)
def _limited_information(rho: float, limit: float, refine: float) -> float:
    sd = math.sqrt(1.0 - rho**2)
    x, weights = _normal_rule(limit, REACH, sd, refine)
    a = (limit - rho * x) / sd
    seen, peak = ndtr(-a), np.exp(-0.5 * a**2) / math.sqrt(2.0 * math.pi)
    square = seen + a * peak
    # y = rho x + sd z with z > a, and the log ratio is -ln sd - z^2 / 2 + y^2 / 2
    both = -math.log(sd) * seen - 0.5 * square
    both += 0.5 * ((rho * x) ** 2 * seen + 2.0 * rho * x * sd * peak + sd**2 * square)
    one = ndtr(a) * (log_ndtr(a) - log_ndtr(limit))
    neither = _both_below(rho, limit, refine)
    return float(weights @ (both + 2.0 * one)) + xlogx(neither) - 2.0 * neither * float(log_ndtr(limit))


@functools.lru_cache(maxsize=256)
def _both_below(rho: float, limit: float, refine: float) -> float:
    """P(X < limit, Y < limit)."""
    sd = math.sqrt(1.0 - rho**2)
    x, weights = _normal_rule(-REACH, limit, sd, refine)
    return float(weights @ ndtr((limit - rho * x) / sd))


@register_task("coded")
class Coded(MadeOf):
    """The base with X, Y or both replaced by ``code`` in a share of the rows, each independently of all else.

    A value that is missing and was written as -999, or one wild reading in a thousand. The code tells that it is one,
    so each side that it stands on erases this share of the information: I = (1 - share) I(base), squared for both.

    Parameters
    ----------
    code : stands in every column; a value that the base never takes.
    share : of the rows of X, and of those of Y.
    """

    base: Task = _BASE
    code: Finite = -999.0
    share: Fraction = 0.02
    sides: Sides = "xy"

    own_family: ClassVar[str] = "coded"
    citation: ClassVar[str] = f"{COVER_THOMAS}, section 7.1.5 (the erasure channel)"

    @property
    def discrete(self) -> bool:
        """The code repeats."""
        return self.base.discrete or self.share > 0.0

    @property
    def mutual_information(self) -> float:
        """The base's, where nothing was erased."""
        return (1.0 - self.share) ** len(self.sides) * self.base.mutual_information

    @property
    def mutual_information_error(self) -> float:
        """The base's, as much reduced."""
        return (1.0 - self.share) ** len(self.sides) * self.base.mutual_information_error

    @property
    def has_density(self) -> bool:
        return self.base.has_density

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """The base's samples, then the codes."""
        x, y = self.base.draw(n, rng)
        coded_x, coded_y = rng.random((2, n, 1)) < self.share
        return (
            np.where(coded_x & ("x" in self.sides), self.code, x),
            np.where(coded_y & ("y" in self.sides), self.code, y),
        )

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """The base's, and 0 where either is the code."""
        plain = ~((x == self.code).all(axis=1) | (y == self.code).all(axis=1))
        ratio = np.zeros(len(x))
        ratio[plain] = self.base.log_density_ratio(x[plain], y[plain])
        return ratio


@register_task("contaminated")
class Contaminated(Task):
    """Y standard normal; X has correlation ``rho`` with it or, in a ``share`` of the rows, is a wild N(0, scale^2).

    Whether a reading is wild is not observed, though few that matter are in doubt.
    """

    rho: Annotated[float, between(-0.99, 0.99)] = 0.8
    share: Annotated[float, between(0.0, 0.5)] = 0.01
    scale: Annotated[float, between(2.0, 1e9)] = 1000.0

    family: ClassVar[str] = "contaminated"
    dim_x = dim_y = 1
    citation: ClassVar[str] = "Tukey (1960), A survey of sampling from contaminated distributions"

    @property
    def mutual_information(self) -> float:
        """E ln p(x | y) / p(x) by quadrature over both."""
        return _contaminated_information(self.rho, self.share, self.scale, 1.0)

    @property
    def mutual_information_error(self) -> float:
        """The change from panels twice as wide, and 1e-12 for rounding."""
        return abs(self.mutual_information - _contaminated_information(self.rho, self.share, self.scale, 0.5)) + 1e-12

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """The pairs, then which are wild and the wild readings."""
        x, y = _normal_pair(self.rho, n, rng)
        wild = rng.random(n) < self.share
        return column(np.where(wild, self.scale * rng.standard_normal(n), x)), column(y)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """ln p(x | y) - ln p(x), both mixtures of two normal densities."""
        return _contaminated_ratio(x[:, 0], y[:, 0], self.rho, self.share, self.scale)[0]


def _contaminated_ratio(x: Array, y: Array, rho: float, share: float, scale: float) -> tuple[Array, Array]:
    """ln p(x | y) / p(x), and p(x | y)."""
    sd = math.sqrt(1.0 - rho**2)
    wild = share * _normal(x, 0.0, scale)
    given = (1.0 - share) * _normal(x, rho * y, sd) + wild
    alone = (1.0 - share) * _normal(x, 0.0, 1.0) + wild
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(given) - np.log(alone)
    return np.where(given > 0.0, ratio, -np.inf), given


@functools.lru_cache(maxsize=64)
def _contaminated_information(rho: float, share: float, scale: float, refine: float) -> float:
    sd = math.sqrt(1.0 - rho**2)
    y, weight_y = _normal_rule(0.0, REACH, sd, refine)  # one half: (x, y) and (-x, -y) are as likely
    # farther out X is wild for certain, and tells nothing
    x, weight_x = panels(_edges(-2.0 * REACH, 2.0 * REACH, sd, refine), ORDER)
    total = 0.0
    for part in np.array_split(np.arange(len(y)), max(1, len(x) * len(y) // 1_000_000)):
        ratio, given = _contaminated_ratio(x, y[part, None], rho, share, scale)
        total += 2.0 * float(
            weight_y[part] @ (np.multiply(given, ratio, where=given > 0.0, out=np.zeros_like(given)) @ weight_x)
        )
    return total


# Normal variables ----------------------------------------------------------------------------------------------------


def _normal_pair(rho: float, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Two standard normal variables with correlation rho, each of shape (n,)."""
    x, noise = rng.standard_normal((2, n))
    return x, rho * x + math.sqrt(1.0 - rho**2) * noise


def _normal(values: Array, mean: Array | float, sd: float) -> Array:
    """The density of N(mean, sd^2)."""
    density: Array = np.exp(-0.5 * ((values - mean) / sd) ** 2) / (sd * math.sqrt(2.0 * math.pi))
    return density


def _normal_rule(low: float, high: float, sd: float, refine: float) -> tuple[Array, Array]:
    """Nodes on an interval, and weights for the mean over a standard normal variable of what changes within ``sd``."""
    nodes, weights = panels(_edges(low, high, sd, refine), ORDER)
    return nodes, weights * _normal(nodes, 0.0, 1.0)


def _edges(low: float, high: float, sd: float, refine: float) -> Array:
    """Of panels that are narrower than the noise, by the factor ``refine``."""
    return np.linspace(low, high, math.ceil((high - low) / min(sd, 0.5) * refine) + 1)
