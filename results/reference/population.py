"""The population of the reference table: samples of tasks drawn at random from every family.

Sample number i is a function of i alone: a family, a task of it with random parameters, perhaps a monotone change of
the marginals, an invertible mixing of the columns, further columns of noise or torn pairs, and a log-uniform sample
size. Blocks follow one another, each of samples of some families (see ``BLOCKS``). None of this is a published preset.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from distributions import Copula, Drawn, RandomFunction, RandomMixture, RandomScale
from letters import Associations, Codes, Groups, Rules
from relations import Angles, Checkerboard, Copies, Curves, Networks, Precise, Proportions, SharedScale, Tables, Windows
from responses import Classes, GeneralLinear, Interaction, Regression

import mibench
from mibench.estimator import Array
from mibench.task import Task

Rng = np.random.Generator
MOST = 20_000


@dataclass(frozen=True)
class Sample:
    """x (n, dim_x), y (n, dim_y), and all that is known of them; informations in nats."""

    family: str
    task: str
    changes: tuple[str, ...]
    truth: float
    truth_error: float
    x: Array
    y: Array


def sample(index: int) -> Sample:
    """Sample number ``index`` of the population."""
    rng = np.random.default_rng([20, index])
    family, least, most = _part(index)
    task = ALL[family](rng)
    n = int(np.exp(rng.uniform(np.log(least), np.log(most))))
    if task.dim_x * task.dim_y > 10_000:
        n = min(n, 2000)
    x, y = task.draw(n, rng)
    truth, error = float(task.mutual_information), float(task.mutual_information_error)
    changes = []
    continuous = not task.discrete and family not in ("dirty", "mixed", "images", "discrete")
    if rng.random() < 0.1:
        y, truth, error = y[rng.permutation(n)], 0.0, 0.0
        changes.append("torn")
    if continuous and rng.random() < 0.15 and max(task.dim_x, task.dim_y) <= 16:
        x, y = (np.hstack([v, _noise(rng, n)]) for v in (x, y))
        changes.append("noise columns")
    if continuous and rng.random() < 0.2:
        x, y = _mixed(x, rng), _mixed(y, rng)
        changes.append("mixed columns")
    if continuous and rng.random() < 0.3:
        x, y = _warped(x, rng), _warped(y, rng)
        changes.append("warped")
    if rng.random() < 0.5:
        x, y = y, x
    label = task.describe() if isinstance(task, Drawn) else task.label
    return Sample(family, label, tuple(changes), truth, error, x, y)


def _part(index: int) -> tuple[str, int, int]:
    """The family of a sample, and its least and most rows."""
    first = 0
    for block in BLOCKS:
        if index < first + block.samples:
            break
        first += block.samples
    return block.families[index % len(block.families)], block.least, block.most


def _noise(rng: Rng, n: int) -> Array:
    shape = (n, int(rng.choice([1, 2, 4, 8])))
    kinds = (rng.standard_normal, rng.random, rng.standard_exponential)
    return np.asarray(kinds[int(rng.integers(len(kinds)))](shape))


def _mixed(values: Array, rng: Rng) -> Array:
    """An invertible linear map of the columns, condition number at most 10."""
    dim = values.shape[1]
    left, right = (np.linalg.qr(rng.standard_normal((dim, dim)))[0] for _ in range(2))
    found: Array = values @ (left * np.exp(rng.uniform(-1.15, 1.15, dim))) @ right
    return found


def _warped(values: Array, rng: Rng) -> Array:
    """One increasing function for all columns."""
    centred = (values - np.median(values, axis=0)) / (np.subtract(*np.percentile(values, [75, 25], axis=0)) + 1e-12)
    kind = int(rng.integers(5))
    if kind == 0:
        return np.asarray(np.sign(centred) * np.abs(centred) ** rng.uniform(1.2, 3.0))
    if kind == 1:  # log-normal near the middle, a power far out, so that no two values meet
        return np.asarray(np.exp(rng.uniform(0.3, 1.5) * np.arcsinh(centred)))
    if kind == 2:
        return np.asarray(centred / (1 + np.abs(centred)))
    if kind == 3:
        return np.asarray(np.arcsinh(3 * centred))
    return np.asarray(centred + np.sin(2.5 * centred) / 2.7)


def _mi(rng: Rng, high: float = 3.0) -> float:
    """From 0 up, small ones often."""
    return round(float(high * rng.random() ** 2 + 0.005), 4)


def _dim(rng: Rng, high: int = 32) -> int:
    return int(np.exp(rng.uniform(0, np.log(high + 0.99))))


def _task(name: str, **params: object) -> Task:
    found = mibench.get_task(name, **params)
    assert isinstance(found, Task)
    return found


def _gauss(rng: Rng) -> Task:
    dim = _dim(rng)
    if rng.random() < 0.5:
        return _task("gauss", dim=dim, mutual_information=_mi(rng))
    if rng.random() < 0.5:
        return _task("multinormal-dense", dim_x=dim, dim_y=_dim(rng), rho=float(rng.uniform(0, 0.9)))
    root = rng.standard_normal((dim + 1, dim + 3))
    covariance = root @ root.T
    return _task("multinormal", covariance=tuple(map(tuple, covariance.tolist())), dim_x=int(rng.integers(1, dim + 1)))


def _sparse(rng: Rng) -> Task:
    x, y = _dim(rng), _dim(rng)
    pairs = int(rng.integers(1, min(x, y) + 1))
    return _task("multinormal-sparse", dim_x=x, dim_y=y, pairs=pairs, mutual_information=_mi(rng))


def _base(rng: Rng, high: int = 16) -> Task:
    return _task("gauss", dim=_dim(rng, high), mutual_information=_mi(rng))


def _marginals(rng: Rng) -> Task:
    name = str(rng.choice(["normal-cdf", "half-cube", "asinh", "wiggly", "bimodal", "power"]))
    base = _base(rng) if rng.random() < 0.7 else _sparse(rng)
    return _task(name, base=base, **({"alpha": float(rng.uniform(0.4, 3.0))} if name == "power" else {}))


def _student(rng: Rng) -> Task:
    dim = _dim(rng, 8)
    base = _task("multinormal-sparse", dim_x=dim, dim_y=dim, pairs=1, rho=float(rng.uniform(0, 0.95)))
    found = _task("student", base=base, dof=float(np.exp(rng.uniform(0, np.log(12)))))
    return _task("asinh", base=found) if rng.random() < 0.5 else found


def _warp(rng: Rng) -> Task:
    kind = int(rng.integers(4))
    if kind == 0:
        dim = int(rng.integers(3, 12))
        base = _task("multinormal-sparse", dim_x=dim, dim_y=dim, pairs=min(2, dim), mutual_information=_mi(rng))
        base = _task("normal-cdf", base=base) if rng.random() < 0.3 else base
        return _task("spiral", base=base, speed=float(rng.uniform(0.2, 1.5)))
    if kind == 1:
        return _task("swiss-roll", base=_task("normal-cdf", base=_task("gauss", mutual_information=_mi(rng))))
    if kind == 2:
        return _task("cubic", base=_base(rng, 8), matrix_seed=int(rng.integers(1000)))
    base = _base(rng, 6)
    return _task("random-map", base=base, dim=base.dim_x * int(rng.integers(1, 6)), map_seed=int(rng.integers(1000)))


def _local(rng: Rng) -> Task:
    return _task("x-shape", rho=float(rng.uniform(0.3, 0.98))) if rng.random() < 0.8 else _task("ai-shape")


def _galaxies(rng: Rng) -> Task:
    if rng.random() < 0.5:
        return _task("galaxy", speed=float(rng.uniform(0.1, 1.0)), distance=float(rng.uniform(0.5, 6.0)))
    return _task(
        "waves", count=int(rng.integers(3, 16)), amplitude=float(rng.uniform(1, 8)), frequency=float(rng.uniform(1, 4))
    )


def _highdim(rng: Rng) -> Task:
    dim = int(np.exp(rng.uniform(np.log(8), np.log(64))))
    pairs = int(rng.integers(1, dim + 1))
    name = str(rng.choice(["highdim-gauss", "highdim-uniform", "highdim-gauss-mapped", "highdim-uniform-mapped"]))
    return _task(name, dim=dim, pairs=pairs, mutual_information=_mi(rng, 6.0))


def _staircase(rng: Rng) -> Task:
    name = str(rng.choice(["staircase", "staircase-cubic", "staircase-asinh", "staircase-half-cube"]))
    return _task(name, dim=int(rng.integers(4, 30)), mutual_information=_mi(rng, 10.0))


def _mixed_family(rng: Rng) -> Task:
    name = str(rng.choice(["discrete-uniform", "zero-inflated-poisson", "atoms-and-gauss", "rounded-gauss"]))
    if name == "discrete-uniform":
        return _task(name, letters=int(rng.integers(2, 30)))
    if name == "zero-inflated-poisson":
        return _task(name, inflation=float(rng.uniform(0, 0.8)))
    if name == "rounded-gauss":
        return _task(name, rho=float(rng.uniform(0, 0.98)), step=float(rng.uniform(0.3, 2.5)))
    agreement = float(rng.uniform(0.5, 0.98))
    return _task(name, rho=float(rng.uniform(0, 0.98)), atoms=float(rng.uniform(0.1, 0.9)), agreement=agreement)


def _discrete(rng: Rng) -> Task:
    letters = int(np.exp(rng.uniform(np.log(2), np.log(40))))
    if rng.random() < 0.5:
        return _task("symmetric-channel", letters=letters, crossover=float(rng.uniform(0, 0.95)))
    return _task("erasure-channel", letters=letters, erasure=float(rng.uniform(0, 1)))


def _dirty(rng: Rng) -> Task:
    rho = float(rng.uniform(0, 0.97))
    name = str(
        rng.choice(["rounded-pair", "poisson-pair", "height-and-age", "detection-limit", "coded", "contaminated"])
    )
    if name == "rounded-pair":
        return _task(name, rho=rho, step=float(rng.uniform(0.05, 1.0)))
    if name == "poisson-pair":
        return _task(name, mean=float(np.exp(rng.uniform(0, 4))), shared=float(rng.uniform(0, 0.9)))
    if name == "detection-limit":
        return _task(name, rho=rho, limit=float(rng.uniform(-1.5, 0.7)))
    if name == "coded":
        return _task(name, base=_task("gauss", mutual_information=_mi(rng)), share=float(rng.uniform(0.005, 0.1)))
    if name == "contaminated":
        return _task(name, rho=rho, share=float(rng.uniform(0.001, 0.1)), scale=float(10 ** rng.uniform(1, 4)))
    return _task(name)


def _independent(rng: Rng) -> Task:
    from mibench.tasks.independent import MARGINALS

    kinds = list(MARGINALS)
    marginal, other = (str(rng.choice(kinds)) for _ in range(2))
    return _task("independent", dim_x=_dim(rng), dim_y=_dim(rng), marginal=marginal, marginal_y=other)


def _pictures(rng: Rng) -> Task:
    kind = int(rng.integers(3))
    if kind == 0:
        return _task("digits-channel", bits=int(rng.integers(1, 4)), crossover=float(rng.uniform(0, 0.5)))
    name = "blobs" if kind == 1 else "rectangles"
    return _task(name, side=2 * int(rng.integers(4, 9)), mutual_information=_mi(rng, 2.0))


def _embeddings(rng: Rng) -> Task:
    return _task(
        "embeddings-channel",
        bits=int(rng.integers(1, 4)),
        crossover=float(rng.uniform(0, 0.5)),
        dim=int(np.exp(rng.uniform(np.log(8), np.log(64)))),
        separation=float(rng.uniform(1.0, 5.0)),
    )


def _equitability(rng: Rng) -> Task:
    from mibench.tasks.equitability import MINE_CURVES, RESHEF_CURVES

    if rng.random() < 0.5:
        function, noise = str(rng.choice(list(MINE_CURVES))), float(rng.uniform(0.05, 1.5))
        return _task("equitability", function=function, noise=noise, dim=int(rng.integers(1, 5)))
    function, r2 = str(rng.choice(list(RESHEF_CURVES))), float(rng.uniform(0.02, 0.98))
    return _task("reshef", function=function, r2=r2, dim=int(rng.integers(1, 4)))


class Composed(Drawn):  # type: ignore[misc]
    """Two independent tasks of other families side by side: their informations add up."""

    def __init__(self, rng: Rng) -> None:
        names = [name for name in FAMILIES if name not in ("compositions", "images", "embeddings", "highdim")]
        self._parts = [FAMILIES[str(name)](rng) for name in rng.choice(names, 2)]
        self.dim_x, self.dim_y = (sum(getattr(p, d) for p in self._parts) for d in ("dim_x", "dim_y"))

    @property
    def discrete(self) -> bool:
        return any(p.discrete for p in self._parts)

    @property
    def mutual_information(self) -> float:
        return float(sum(p.mutual_information for p in self._parts))

    @property
    def mutual_information_error(self) -> float:
        """The sum of the parts' errors."""
        return float(sum(p.mutual_information_error for p in self._parts))

    def draw(self, n: int, rng: Rng) -> tuple[Array, Array]:
        xs, ys = zip(*(p.draw(n, rng) for p in self._parts), strict=True)
        return np.hstack(xs), np.hstack(ys)

    def describe(self) -> str:
        return " + ".join(p.describe() if isinstance(p, Drawn) else p.label for p in self._parts)


FAMILIES: dict[str, Callable[[Rng], Task]] = {
    "additive-noise": lambda rng: _task("additive-uniform", eps=float(np.exp(rng.uniform(np.log(0.02), np.log(6))))),
    "compositions": Composed,
    "concentric": lambda rng: _task("concentric-gaussians", dim_x=_dim(rng, 16), count=int(rng.integers(2, 13))),
    "copulas": Copula,
    "dirty": _dirty,
    "discrete": _discrete,
    "embeddings": _embeddings,
    "equitability": _equitability,
    "gaussian": _gauss,
    "highdim": _highdim,
    "images": _pictures,
    "independent": _independent,
    "inliers": lambda rng: _task(
        "multinormal-sparse-with-inliers",
        dim_x=int(rng.integers(2, 26)),
        dim_y=int(rng.integers(2, 26)),
        fraction=float(rng.uniform(0.05, 0.9)),
        rho=float(rng.uniform(0.1, 0.98)),
    ),
    "local-dependence": _local,
    "log-gamma": lambda rng: _task("log-gamma", dim=_dim(rng, 12), mutual_information=_mi(rng, 4.0)),
    "marginals": _marginals,
    "mixed": _mixed_family,
    "near-deterministic": lambda rng: (
        _task("uniform-channel", noise=float(np.exp(rng.uniform(-6, 0))))
        if rng.random() < 0.5
        else _task("circle", mutual_information=_mi(rng, 6.0), winding=int(rng.integers(1, 5)))
    ),
    "random-functions": RandomFunction,
    "random-mixtures": RandomMixture,
    "scale-noise": RandomScale,
    "sparse-gaussian": _sparse,
    "staircase": _staircase,
    "student": _student,
    "warped": _warp,
    "warped-mixtures": _galaxies,
}


def _copies(rng: Rng) -> Task:
    kinds: tuple[Callable[[Rng], Drawn], ...] = (Checkerboard, Copula, RandomFunction, RandomScale)
    base = kinds[int(rng.integers(len(kinds)))](rng)
    base.pairs = base.dim_x = base.dim_y = 1
    copies: Task = Copies(rng, base)
    return copies


FURTHER: dict[str, Callable[[Rng], Task]] = {
    "angles": Angles,
    "checkerboards": Checkerboard,
    "classes": Classes,
    "copies": _copies,
    "curves": Curves,
    "interactions": Interaction,
    "networks": Networks,
    "proportions": Proportions,
    "regressions": Regression,
    "responses": GeneralLinear,
    "shared-scale": SharedScale,
    "tables": Tables,
    "windows": Windows,
}

LATEST: dict[str, Callable[[Rng], Task]] = {
    "associations": Associations,
    "groups": Groups,
    "precise": Precise,
    "rules": Rules,
}

ALL = {**FAMILIES, **FURTHER, **LATEST, "codes": Codes}


@dataclass(frozen=True)
class Block:
    """So many samples of some families in turn, with log-uniform numbers of rows."""

    samples: int
    families: tuple[str, ...]
    least: int
    most: int


BLOCKS = (
    Block(5000, tuple(FAMILIES), 100, MOST),
    Block(1560, tuple(FURTHER), 50, MOST),
    Block(546, (*FAMILIES, *FURTHER), 45, 130),
    Block(600, tuple(LATEST), 45, MOST),
    Block(1290, (*FAMILIES, *FURTHER, *LATEST), 45, 250),
    Block(204, ("codes",), 45, MOST),
)
