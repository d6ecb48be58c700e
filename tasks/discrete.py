"""Discrete and mixed variables: letters through noisy channels, counts, atoms among continuous values.

Closed forms all but for ``rounded-gauss``. X and Y are numbers in one column each; letters are 0, 1, 2, ...
"""

from __future__ import annotations

import functools
import math
from typing import Annotated, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, ndtr, xlogy

from mibench.estimator import Array
from mibench.parameters import Correlation, Inner, Range, Share, at_least, between
from mibench.registry import register_task
from mibench.task import Task

from .citations import COVER_THOMAS, GAO
from .numerics.entropy import binary_entropy, log, xlogx

Letters: TypeAlias = Annotated[int, at_least(2)]
Fraction: TypeAlias = Annotated[float, Range(0, 1, with_low=True)]


class Mixed(Task):
    """One column of X and one of Y, at least one of them with atoms."""

    family: ClassVar[str] = "mixed"
    dim_x = dim_y = 1
    discrete: ClassVar[bool] = True


def column(values: npt.ArrayLike) -> Array:
    """(n,) as (n, 1) of floats."""
    return np.asarray(values, np.float64)[:, None]


@register_task("discrete-uniform")
class DiscreteUniform(Mixed):
    """X uniform on {0, ..., letters - 1} and Y uniform on (X, X + 2): I(X; Y) = ln m - (m - 1) / m ln 2, m letters."""

    letters: Letters = 5

    citation: ClassVar[str] = GAO

    @property
    def mutual_information(self) -> float:
        """The entropy of Y, ln m + ln 2 / m, less the ln 2 of its noise."""
        m = self.letters
        return math.log(m) - (m - 1) / m * math.log(2.0)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """X, then its uniform noise."""
        x = column(rng.integers(self.letters, size=n))
        return x, x + 2.0 * rng.random((n, 1))

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """ln(1/2) - ln p(y), with p(y) = 1/m where two letters reach y and 1/(2m) at either end."""
        x, y = x[:, 0], y[:, 0]
        letters_in_reach = np.where((y < 1.0) | (y > self.letters), 1.0, 2.0)
        return np.where((x <= y) & (y <= x + 2.0), math.log(self.letters) - np.log(letters_in_reach), -np.inf)


@register_task("symmetric-channel")
class SymmetricChannel(Mixed):
    """X uniform on ``letters`` letters; Y is X, or with probability ``crossover`` one of the others, each as likely."""

    letters: Letters = 4
    crossover: Fraction = 0.1

    citation: ClassVar[str] = f"{COVER_THOMAS}, section 7.2"

    @property
    def mutual_information(self) -> float:
        """ln m - H_b(p) - p ln(m - 1)."""
        m, p = self.letters, self.crossover
        return math.log(m) - binary_entropy(p) - p * math.log(m - 1)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """X, then a step of 1 to m - 1 letters, cyclically, where the letter is changed."""
        x = rng.integers(self.letters, size=n)
        step = rng.integers(1, self.letters, size=n)
        changed = rng.random(n) < self.crossover
        return column(x), column((x + changed * step) % self.letters)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """ln m (1 - p) where the letter arrived, ln m p / (m - 1) where it did not."""
        m, p = self.letters, self.crossover
        kept, lost = log(m * (1.0 - p)), log(m * p / (m - 1))
        return np.where(x[:, 0] == y[:, 0], kept, lost)


@register_task("erasure-channel")
class ErasureChannel(Mixed):
    """X uniform on ``letters`` letters; Y is X, or with probability ``erasure`` the mark -1: I(X; Y) = (1 - e) ln m."""

    letters: Letters = 4
    erasure: Fraction = 0.3

    citation: ClassVar[str] = f"{COVER_THOMAS}, chapter 7"

    @property
    def mutual_information(self) -> float:
        """(1 - e) ln m."""
        return (1.0 - self.erasure) * math.log(self.letters)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """X, then the erasures."""
        x = rng.integers(self.letters, size=n)
        return column(x), column(np.where(rng.random(n) < self.erasure, -1, x))

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """ln m where the letter arrived, 0 where it was erased."""
        x, y = x[:, 0], y[:, 0]
        return np.where(y == -1.0, 0.0, np.where(x == y, math.log(self.letters), -np.inf))


@register_task("zero-inflated-poisson")
class ZeroInflatedPoisson(Mixed):
    """X exponential with mean 1; Y is 0 with probability ``inflation``, otherwise Poisson with mean X.

    Which zeros are inflated is not observed, so the information is less than (1 - inflation) times that without.
    """

    inflation: Fraction = 0.15

    citation: ClassVar[str] = f"{GAO} (whose value for inflation > 0 is corrected here)"

    @property
    def mutual_information(self) -> float:
        """H(Y) - H(Y | X), in closed form but for E ln K! of the geometric count K, a quickly converging series."""
        p, q = self.inflation, 1.0 - self.inflation
        # without inflation Y is geometric: P(Y = k) = 2^-(k + 1)
        entropy = -xlogx(p + q / 2.0) - q * (0.5 * math.log(q) - 1.5 * math.log(2.0))
        # P(Y = 0 | X) = p + q e^-X, and e^-X is uniform on (0, 1): q E[-t ln t] is the integral of -t ln t from p to 1
        zeros = (0.25 * (1.0 - p**2) + 0.5 * p * xlogx(p)) / q
        # for k > 0, -P ln P with P = q e^-X X^k / k!; E X ln X = 1 - gamma, E X (1 - e^-X) = 3/4
        counts = -q * (0.5 * math.log(q) - 0.75 + (1.0 - np.euler_gamma) - expected_log_factorial())
        return entropy - zeros - counts

    @property
    def mutual_information_error(self) -> float:
        """Rounding."""
        return 1e-14

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """X, the counts, then the inflation."""
        x = rng.exponential(size=n)
        counts = rng.poisson(x)
        return column(x), column(np.where(rng.random(n) < self.inflation, 0, counts))

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """ln P(y | x) - ln P(y)."""
        x, y = x[:, 0], y[:, 0]
        p, q = self.inflation, 1.0 - self.inflation
        zero = np.log(p + q * np.exp(-x)) - math.log(p + q / 2.0)
        positive = xlogy(y, x) - x - gammaln(y + 1.0) + (y + 1.0) * math.log(2.0)
        return np.where(y == 0.0, zero, positive)


@functools.cache
def expected_log_factorial() -> float:
    """E ln K! in nats where P(K = k) = 2^-(k + 1)."""
    k = np.arange(400.0)
    return float(0.5 ** (k + 1.0) @ gammaln(k + 1.0))


@register_task("atoms-and-gauss")
class AtomsAndGauss(Mixed):
    """With probability ``atoms``, X and Y are each 1 or -1, equal with probability ``agreement``; otherwise Gaussian.

    X and Y both tell which part they come from, so I(X; Y) is the entropy of that, plus the mean over the parts.

    Parameters
    ----------
    rho : correlation of the Gaussian part, whose variances are 1.
    """

    rho: Correlation = 0.9
    atoms: Inner = 0.5
    agreement: Share = 0.9

    citation: ClassVar[str] = GAO

    @property
    def mutual_information(self) -> float:
        """H_b(w) + w (ln 2 - H_b(agreement)) - (1 - w) / 2 ln(1 - rho^2), with w the share of atoms."""
        w = self.atoms
        gauss = -0.5 * math.log1p(-(self.rho**2))
        return binary_entropy(w) + w * (math.log(2.0) - binary_entropy(self.agreement)) + (1.0 - w) * gauss

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Both parts, then which of them is shown."""
        atom_x = 2.0 * rng.integers(2, size=n) - 1.0
        atom_y = np.where(rng.random(n) < self.agreement, atom_x, -atom_x)
        gauss_x, noise = rng.standard_normal((2, n))
        gauss_y = self.rho * gauss_x + math.sqrt(1.0 - self.rho**2) * noise
        atom = rng.random(n) < self.atoms
        return column(np.where(atom, atom_x, gauss_x)), column(np.where(atom, atom_y, gauss_y))

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """That of the part both come from, less the logarithm of its share."""
        x, y = x[:, 0], y[:, 0]
        r = self.rho
        gauss = -0.5 * math.log1p(-(r**2)) + (2.0 * r * x * y - r**2 * (x**2 + y**2)) / (2.0 * (1.0 - r**2))
        agree, differ = log(2.0 * self.agreement), log(2.0 * (1.0 - self.agreement))
        atoms = np.where(x == y, agree, differ)
        atom_x, atom_y = np.abs(x) == 1.0, np.abs(y) == 1.0
        ratio = np.where(atom_x, atoms - math.log(self.atoms), gauss - math.log1p(-self.atoms))
        return np.where(atom_x == atom_y, ratio, -np.inf)


@register_task("rounded-gauss")
class RoundedGauss(Mixed):
    """X standard normal, Y the multiple of ``step`` nearest to a standard normal with correlation ``rho`` to X."""

    rho: Annotated[float, between(-0.99995, 0.99995)] = 0.9
    step: Annotated[float, at_least(0.01)] = 1.0

    citation: ClassVar[str] = f"{COVER_THOMAS}, chapter 8"

    @property
    def mutual_information(self) -> float:
        """H(Y) - H(Y | X) in nats, the latter averaged over X by quadrature."""
        return _rounded_information(self.rho, self.step, 1)

    @property
    def mutual_information_error(self) -> float:
        """The change when the quadrature's step is halved, and 1e-12 for rounding."""
        return abs(self.mutual_information - _rounded_information(self.rho, self.step, 2)) + 1e-12

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """X, then the noise of Y before rounding."""
        x, noise = rng.standard_normal((2, n))
        y = self.rho * x + math.sqrt(1.0 - self.rho**2) * noise
        return column(x), column(np.rint(y / self.step) * self.step)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """ln P(y | x) - ln P(y)."""
        x, y = x[:, 0], y[:, 0]
        with np.errstate(divide="ignore"):
            conditional = np.log(_cell(y, self.step, self.rho * x, math.sqrt(1.0 - self.rho**2)))
            ratio: Array = conditional - np.log(_cell(y, self.step, 0.0, 1.0))
        return ratio


def _cell(centre: Array, width: float, mean: Array | float, sd: float) -> Array:
    """The probability that N(mean, sd^2) falls within width / 2 of the centre."""
    # by symmetry of the normal law the nearer edge is put below the mean, where ndtr does not cancel
    distance = np.abs(centre - mean)
    cell: Array = ndtr((width / 2.0 - distance) / sd) - ndtr((-width / 2.0 - distance) / sd)
    return cell


@functools.lru_cache(maxsize=256)
def _rounded_information(rho: float, step: float, refine: int) -> float:
    sd = math.sqrt(1.0 - rho**2)
    most = math.ceil(9.5 / step)
    values = step * np.arange(-most, most + 1)
    # the mean of Y given X must move by less than its noise from node to node
    nodes = math.ceil(19.0 / (0.2 * sd)) * refine
    x = np.linspace(-9.5, 9.5, nodes + 1)
    weights = np.exp(-0.5 * x**2) * ((x[1] - x[0]) / math.sqrt(2.0 * math.pi))
    conditional = np.empty_like(x)
    for part in np.array_split(np.arange(len(x)), max(1, len(x) * len(values) // 1_000_000)):
        p = _cell(values, step, rho * x[part, None], sd)
        conditional[part] = -xlogy(p, p).sum(axis=1)
    marginal = _cell(values, step, 0.0, 1.0)
    return float(-xlogy(marginal, marginal).sum() - weights @ conditional)
