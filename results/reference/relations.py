"""Further relations of the reference table: tables, pieces, angles, proportions, windows, and what a latent drives."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from distributions import Averaged, Drawn
from scipy import special
from scipy.special import gammaln, logsumexp, psi

from mibench.estimator import Array

Rng = np.random.Generator


class Tables(Drawn):  # type: ignore[misc]
    """Independent pairs of letters, each with a joint probability table of its own, drawn from a Dirichlet law."""

    family = "tables"
    discrete = True

    def __init__(self, rng: Rng) -> None:
        self.pairs = self.dim_x = self.dim_y = int(rng.choice([1, 1, 1, 2, 3]))
        most = (40, 9, 5)[self.pairs - 1]
        self.evenness = float(10 ** rng.uniform(-1.3, 0.7))
        sizes = rng.integers(2, most + 1, (self.pairs, 2))
        self._tables = [
            np.maximum(rng.gamma(self.evenness, size=tuple(size)), 1e-12)
            * np.outer(*(rng.dirichlet(np.full(k, 3.0)) for k in size))
            for size in sizes
        ]
        self._tables = [t / t.sum() for t in self._tables]

    def draw(self, n: int, rng: Rng) -> tuple[Array, Array]:
        cells = [divmod(rng.choice(t.size, n, p=t.ravel()), t.shape[1]) for t in self._tables]
        x, y = (np.column_stack([cell[side] for cell in cells]).astype(float) for side in (0, 1))
        return x, y

    @property
    def mutual_information(self) -> float:
        return float(sum((t * np.log(t / np.outer(t.sum(1), t.sum(0)))).sum() for t in self._tables))


class Checkerboard(Drawn):  # type: ignore[misc]
    """Pairs, uniform within the cells of a square: a mean of permutation matrices, and of the even one."""

    family = "checkerboards"

    def __init__(self, rng: Rng) -> None:
        self.pairs = self.dim_x = self.dim_y = int(rng.choice([1, 1, 2, 3]))
        self.cells = int(rng.integers(2, 16))
        self.even = float(rng.uniform(0, 0.8))
        weights = rng.dirichlet(np.ones(int(rng.integers(1, 5))))
        mean = sum(w * np.eye(self.cells)[rng.permutation(self.cells)] for w in weights)
        self._table = (1 - self.even) * np.asarray(mean) / self.cells + self.even / self.cells**2

    def draw(self, n: int, rng: Rng) -> tuple[Array, Array]:
        shape = (n, self.pairs)
        at = divmod(rng.choice(self._table.size, shape, p=self._table.ravel()), self.cells)
        x, y = ((side + rng.random(shape)) / self.cells for side in at)
        return x, y

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        i, j = ((v * self.cells).astype(int) for v in (x, y))
        return np.asarray(np.log(self._table[i, j] * self.cells**2).sum(axis=1))

    @property
    def mutual_information(self) -> float:
        t = self._table[self._table > 0]
        return float(self.pairs * (t * np.log(t * self.cells**2)).sum())


class Angles(Drawn):  # type: ignore[misc]
    """Pairs of angles, Y = winding * X + noise around the circle; as angles, or as points on circles."""

    family = "angles"

    def __init__(self, rng: Rng) -> None:
        self.pairs, self.on_circles = int(rng.choice([1, 1, 2, 3])), int(rng.integers(0, 2))
        self.winding = int(rng.integers(1, 4))
        self.concentration = float(np.exp(rng.uniform(np.log(0.3), np.log(30.0))))
        self.dim_x = self.dim_y = self.pairs * (1 + self.on_circles)

    def draw(self, n: int, rng: Rng) -> tuple[Array, Array]:
        x = rng.uniform(-np.pi, np.pi, (n, self.pairs))
        y = self.winding * x + rng.vonmises(0.0, self.concentration, x.shape)
        if self.on_circles:
            x, y = (np.hstack([np.cos(v), np.sin(v)]) for v in (x, y))
            return x, y
        return x, (y + np.pi) % (2 * np.pi) - np.pi

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        if self.on_circles:
            x, y = (np.arctan2(v[:, self.pairs :], v[:, : self.pairs]) for v in (x, y))
        # the logarithm of 2 pi times the von Mises density; i0e is exp(-k) I_0(k)
        away = self.concentration * (np.cos(y - self.winding * x) - 1)
        return np.asarray((away - np.log(special.i0e(self.concentration))).sum(axis=1))

    @property
    def mutual_information(self) -> float:
        k = self.concentration
        return float(self.pairs * (k * (special.i1e(k) / special.i0e(k) - 1) - np.log(special.i0e(k))))


class Precise(Drawn):  # type: ignore[misc]
    """Relations with noise far smaller than the distance of samples: Gaussian pairs, or sawteeth around a circle."""

    family = "precise"

    def __init__(self, rng: Rng) -> None:
        self.pairs = self.dim_x = self.dim_y = int(rng.choice([1, 1, 1, 2, 3]))
        self.teeth = int(rng.choice([0, 0, 1, 2, 3, 5]))
        self.noise = float(10 ** rng.uniform(-7, -1.5))

    def draw(self, n: int, rng: Rng) -> tuple[Array, Array]:
        if not self.teeth:
            x = rng.standard_normal((n, self.pairs))
            return x, np.sqrt(1 - self.noise**2) * x + self.noise * rng.standard_normal(x.shape)
        x = rng.random((n, self.pairs))
        return x, (self.teeth * x + self.noise * rng.uniform(-1, 1, x.shape)) % 1

    @property
    def mutual_information(self) -> float:
        return float(self.pairs * -np.log(2 * self.noise if self.teeth else self.noise))


class Proportions(Drawn):  # type: ignore[misc]
    """X some and Y other shares of a whole, Dirichlet distributed; what remains is in neither."""

    family = "proportions"

    def __init__(self, rng: Rng) -> None:
        self.dim_x, self.dim_y = (int(d) for d in rng.integers(1, 7, 2))
        rest = int(rng.integers(1, 4))
        self._weights = np.exp(rng.uniform(np.log(0.3), np.log(5.0), self.dim_x + self.dim_y + rest))

    def draw(self, n: int, rng: Rng) -> tuple[Array, Array]:
        shares = rng.dirichlet(self._weights, n)
        return shares[:, : self.dim_x], shares[:, self.dim_x : self.dim_x + self.dim_y]

    @property
    def mutual_information(self) -> float:
        def entropy(weights: Array) -> float:
            total, k = weights.sum(), len(weights)
            beta = gammaln(weights).sum() - gammaln(total)
            return float(beta + (total - k) * psi(total) - ((weights - 1) * psi(weights)).sum())

        def marginal(part: Array) -> float:
            return entropy(np.append(part, self._weights.sum() - part.sum()))

        x, y = self._weights[: self.dim_x], self._weights[self.dim_x : self.dim_x + self.dim_y]
        return marginal(x) + marginal(y) - marginal(np.concatenate([x, y]))


class Windows(Drawn):  # type: ignore[misc]
    """X and Y neighbouring windows of a stationary Gaussian process with noise: columns that resemble one another."""

    family = "windows"

    def __init__(self, rng: Rng) -> None:
        self.dim_x, self.dim_y = (int(np.exp(rng.uniform(0, np.log(40.99)))) for _ in range(2))
        self.kernel = str(rng.choice(["exponential", "smooth", "periodic"]))
        self.reach, self.noise = float(np.exp(rng.uniform(0, np.log(10)))), float(10 ** rng.uniform(-2, 0.3))
        self.gap = int(rng.integers(0, 4))
        times = np.arange(self.dim_x + self.gap + self.dim_y, dtype=float)
        away = np.abs(times[:, None] - times)
        kernels = {
            "exponential": np.exp(-away / self.reach),
            "smooth": np.exp(-0.5 * (away / self.reach) ** 2),
            "periodic": np.exp(-away / 40) * np.cos(away / self.reach),
        }
        kept = np.r_[: self.dim_x, self.dim_x + self.gap : len(times)]
        self._covariance = (kernels[self.kernel] + self.noise * np.eye(len(times)))[np.ix_(kept, kept)]

    def draw(self, n: int, rng: Rng) -> tuple[Array, Array]:
        z = rng.standard_normal((n, len(self._covariance))) @ np.linalg.cholesky(self._covariance).T
        return z[:, : self.dim_x], z[:, self.dim_x :]

    @property
    def mutual_information(self) -> float:
        c, d = self._covariance, self.dim_x
        halves = [np.linalg.slogdet(part)[1] for part in (c[:d, :d], c[d:, d:], c)]
        return max(float(0.5 * (halves[0] + halves[1] - halves[2])), 0.0)


class Latent(Averaged):  # type: ignore[misc]
    """X and Y each a function of one latent point among several hundred, with normal noise of its own."""

    draws = 20_000

    def __init__(self, rng: Rng, nodes: Array, maps: tuple[Callable[[Array], Array], Callable[[Array], Array]]) -> None:
        self.noise_x, self.noise_y = (float(np.exp(rng.uniform(np.log(0.15), np.log(1.5)))) for _ in range(2))
        self._x, self._y = (made(nodes) for made in maps)
        self.dim_x, self.dim_y = self._x.shape[1], self._y.shape[1]

    def draw(self, n: int, rng: Rng) -> tuple[Array, Array]:
        at = rng.integers(0, len(self._x), n)
        x, y = (v[at] + s * rng.standard_normal((n, v.shape[1])) for v, s in self._sides)
        return x, y

    @property
    def _sides(self) -> tuple[tuple[Array, float], tuple[Array, float]]:
        return (self._x, self.noise_x), (self._y, self.noise_y)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        def ratio(rows: slice) -> Array:
            of_x, of_y = (
                -0.5 * ((v**2).sum(1)[:, None] - 2 * v @ centres.T + (centres**2).sum(1)) / scale**2
                for v, (centres, scale) in zip((x[rows], y[rows]), self._sides, strict=True)
            )
            joint = logsumexp(of_x + of_y, axis=1) + np.log(len(self._x))
            return np.asarray(joint - logsumexp(of_x, axis=1) - logsumexp(of_y, axis=1))

        return np.concatenate([ratio(slice(i, i + 2000)) for i in range(0, len(x), 2000)])


class Curves(Latent):
    """A point on a circle, and two curves of harmonics that follow it."""

    family = "curves"

    def __init__(self, rng: Rng) -> None:
        angle = np.linspace(0, 2 * np.pi, 500, endpoint=False)[:, None]

        def curve() -> Callable[[Array], Array]:
            dim, top = int(rng.integers(1, 9)), int(rng.integers(1, 4))
            speed, phase = rng.integers(1, top + 1, dim), rng.uniform(0, 2 * np.pi, dim)
            return lambda t: np.cos(speed * t + phase)

        super().__init__(rng, angle, (curve(), curve()))


class Networks(Latent):
    """Two or three normal numbers, and two random networks of them."""

    family = "networks"

    def __init__(self, rng: Rng) -> None:
        nodes = rng.standard_normal((600, int(rng.integers(2, 4))))

        def network() -> Callable[[Array], Array]:
            dim = int(np.exp(rng.uniform(0, np.log(24.99))))
            into, shift = rng.standard_normal((nodes.shape[1], dim)), rng.standard_normal(dim)
            bent = np.tanh if rng.random() < 0.5 else np.cos
            return lambda z: np.asarray(bent(1.5 * z @ into + shift))

        super().__init__(rng, nodes, (network(), network()))


class SharedScale(Averaged):  # type: ignore[misc]
    """All columns of X and of Y normal at one random scale, as days of calm and of storm: correlated within, or not."""

    family = "shared-scale"
    draws = 50_000

    def __init__(self, rng: Rng) -> None:
        self.dim_x, self.dim_y = (int(np.exp(rng.uniform(0, np.log(12.99)))) for _ in range(2))
        self.spread = float(rng.uniform(0.3, 1.5))
        self.law = str(rng.choice(["normal", "two"]))

    @cached_property
    def _log_scales(self) -> Array:
        levels = (np.arange(400) + 0.5) / 400
        return self.spread * (special.ndtri(levels) if self.law == "normal" else np.where(levels < 0.7, -1.0, 1.5))

    def draw(self, n: int, rng: Rng) -> tuple[Array, Array]:
        scale = np.exp(rng.choice(self._log_scales, n))[:, None]
        x, y = (scale * rng.standard_normal((n, d)) for d in (self.dim_x, self.dim_y))
        return x, y

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        s = self._log_scales
        of_x, of_y = (-0.5 * (v**2).sum(1)[:, None] * np.exp(-2 * s) - v.shape[1] * s for v in (x, y))
        joint = logsumexp(of_x + of_y, axis=1) + np.log(len(s))
        return np.asarray(joint - logsumexp(of_x, axis=1) - logsumexp(of_y, axis=1))


class Copies(Drawn):  # type: ignore[misc]
    """Independent copies of one relation, side by side; perhaps rotated into one another."""

    family = "copies"

    def __init__(self, rng: Rng, base: Drawn) -> None:
        self._base = base
        self.count, self.rotated = int(np.exp(rng.uniform(np.log(2), np.log(24.99)))), int(rng.random() < 0.3)
        self.dim_x, self.dim_y = self.count * base.dim_x, self.count * base.dim_y
        self._turns = [np.linalg.qr(rng.standard_normal((d, d)))[0] for d in (self.dim_x, self.dim_y)]

    def describe(self) -> str:
        return f"{self.count} x {self._base.describe()}{', rotated' if self.rotated else ''}"

    @property
    def mutual_information(self) -> float:
        return float(self.count * self._base.mutual_information)

    @property
    def mutual_information_error(self) -> float:
        """Of the base, once for each copy."""
        return float(self.count * self._base.mutual_information_error)

    def draw(self, n: int, rng: Rng) -> tuple[Array, Array]:
        drawn = [self._base.draw(n, rng) for _ in range(self.count)]
        x, y = (np.hstack([pair[side] for pair in drawn]) for side in (0, 1))
        return (x @ self._turns[0], y @ self._turns[1]) if self.rotated else (x, y)
