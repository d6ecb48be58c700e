"""Variables with letters for values: tables of association, rules with errors, and groups beside numbers."""

from __future__ import annotations

import numpy as np
from distributions import Drawn
from responses import Classes

from mibench.estimator import Array

Rng = np.random.Generator


def _between(rng: Rng, least: float, most: float) -> float:
    return float(np.exp(rng.uniform(np.log(least), np.log(most))))


def _share(rng: Rng, letters: int) -> Array:
    """Probabilities of so many letters, from nearly equal to a few frequent ones."""
    found = np.maximum(rng.dirichlet(np.full(letters, _between(rng, 0.3, 10.0))), 1e-9)
    shares: Array = found / found.sum()
    return shares


class OfTable(Drawn):  # type: ignore[misc]
    """One letter a side, with the joint probabilities ``_table`` (letters of X, letters of Y)."""

    discrete = True
    _table: Array

    def draw(self, n: int, rng: Rng) -> tuple[Array, Array]:
        x, y = divmod(rng.choice(self._table.size, n, p=self._table.ravel()), self._table.shape[1])
        return x[:, None].astype(float), y[:, None].astype(float)

    @property
    def mutual_information(self) -> float:
        return _information(self._table)


class Associations(OfTable):
    """One letter a side with p_ij = a_i b_j exp(sum over m of s u_im v_jm), the RC(M) model (Goodman 1985).

    Scores u and v increase with the code of the letter, or are drawn at random.
    """

    family = "associations"

    def __init__(self, rng: Rng) -> None:
        self.letters_x, self.letters_y = (int(_between(rng, 2, 100)) for _ in range(2))
        self.rank = int(rng.choice([1, 1, 2, 3]))
        self.ordered = int(rng.integers(0, 2))
        self.strength = _between(rng, 0.3, 6.0)
        scores = [self._scores(rng, letters) for letters in (self.letters_x, self.letters_y)]
        table = np.exp(self.strength * scores[0] @ scores[1].T)
        table *= np.outer(_share(rng, self.letters_x), _share(rng, self.letters_y))
        self._table = table / table.sum()

    def _scores(self, rng: Rng, letters: int) -> Array:
        if not self.ordered:
            return rng.standard_normal((letters, self.rank))
        steps = np.linspace(-1.7, 1.7, letters)[:, None]
        waves = np.cos(np.arccos(steps / 1.7) * np.arange(1, self.rank + 1))  # Chebyshev polynomials
        return np.asarray(waves * np.sqrt(2))


class Rules(Drawn):  # type: ignore[misc]
    """X holds independent letters, a column each; Y is a letter that a rule finds from some of them, or a wrong one."""

    family = "rules"
    discrete = True

    def __init__(self, rng: Rng) -> None:
        self.active = int(rng.integers(1, 4))
        self.levels = int(rng.integers(2, 5))
        self.answers = int(rng.integers(2, 7))
        self.errors = float(rng.uniform(0, 0.8)) if rng.random() < 0.8 else 0.0
        self.dim_x = self.active + int(rng.choice([0, 0, 1, 2, 5]))
        self._shares = [_share(rng, self.levels) for _ in range(self.dim_x)]
        shape = (self.levels,) * self.active
        self._rule = rng.integers(0, self.answers, shape)
        if rng.random() < 0.3:  # none of the letters tells anything alone
            self._rule = np.indices(shape).sum(axis=0) % self.answers

    def draw(self, n: int, rng: Rng) -> tuple[Array, Array]:
        x = np.column_stack([rng.choice(self.levels, n, p=share) for share in self._shares])
        y = self._rule[tuple(x[:, : self.active].T)]
        wrong = rng.random(n) < self.errors
        y = np.where(wrong, rng.integers(0, self.answers, n), y)
        return x.astype(float), y[:, None].astype(float)

    @property
    def mutual_information(self) -> float:
        given = np.eye(self.answers)[self._rule.ravel()] * (1 - self.errors) + self.errors / self.answers
        cells = self._shares[0]
        for share in self._shares[1 : self.active]:
            cells = np.outer(cells, share).ravel()
        return _information(cells[:, None] * given)


class Codes(OfTable):
    """Y is a code of the letter X, its own or one that several share, or by error some other letter."""

    family = "codes"

    def __init__(self, rng: Rng) -> None:
        self.letters_x = int(_between(rng, 4, 250))
        self.letters_y = self.letters_x if rng.random() < 0.5 else int(_between(rng, 3, 250))
        self.errors = float(rng.uniform(0, 0.9))
        self.wrong = str(rng.choice(["any", "usual", "near"]))
        if self.letters_x == self.letters_y:
            code = rng.permutation(self.letters_x)
        else:
            code = rng.integers(0, self.letters_y, self.letters_x)
        share = _share(rng, self.letters_x)
        right = np.eye(self.letters_y)[code]
        away = np.abs(code[:, None] - np.arange(self.letters_y))
        wrong: dict[str, Array] = {
            "any": np.ones_like(right),
            "usual": np.tile(share @ right, (len(right), 1)),
            "near": np.exp(-away / _between(rng, 0.5, 5.0)),
        }
        given = wrong[self.wrong] / wrong[self.wrong].sum(axis=1, keepdims=True)
        self._table = share[:, None] * ((1 - self.errors) * right + self.errors * given)


def _information(table: Array) -> float:
    """Of a table of joint probabilities, in nats."""
    product = np.outer(table.sum(axis=1), table.sum(axis=0))
    seen = table > 0
    return float((table[seen] * np.log(table[seen] / product[seen])).sum())


class Groups(Classes):  # type: ignore[misc]
    """Many groups: the codes are in the order of the first column's means, or in none."""

    family = "groups"

    def __init__(self, rng: Rng) -> None:
        self.count, self.dim_x = int(_between(rng, 4, 80)), int(rng.choice([1, 1, 2, 4]))
        self.noise = str(rng.choice(["normal", "student", "laplace"]))
        self.one_hot = int(self.count <= 12 and rng.random() < 0.5)
        self.dim_y = self.count if self.one_hot else 1
        self.ordered = int(rng.integers(0, 2))
        self._weights = _share(rng, self.count)
        self._centres = _between(rng, 0.3, 6.0) * rng.standard_normal((self.count, self.dim_x))
        if self.ordered:
            self._centres = self._centres[np.argsort(self._centres[:, 0])]
        self._scales = np.ones((self.count, 1))
