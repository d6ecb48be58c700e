"""What an estimator promises, as checks: see ``checks.py`` for how they are run.

They use samples of correlated Gaussian pairs, small enough for an estimator that trains; an estimator that reads the
task is bound to theirs. An estimator that declines such a problem as ``Unsupported`` is not judged by it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mibench.errors import DataError, Unsupported
from mibench.estimator import Array, Estimate, Estimator, Kind
from mibench.task import Task

from .common import CheckFailed, NotApplicable, finite, require, require_json, same_bits, stir_global_randomness

N = 500
RHO = 0.75
NEAR_ZERO = 0.3
"""Nats that an estimate may be away from 0 for independent samples of this size."""
NOISE = 0.02
"""Relative difference between two answers that should agree up to floating-point noise, which training amplifies."""


@dataclass(frozen=True, eq=False, repr=False)
class GaussianPairs(Task):
    """X and Y standard normal, corr(X_i, Y_i) = rho: I(X; Y) = -dim/2 log(1 - rho^2)."""

    rho: float
    dim: int

    @property
    def dim_x(self) -> int:
        """Pairs."""
        return self.dim

    @property
    def dim_y(self) -> int:
        """Pairs."""
        return self.dim

    @property
    def mutual_information(self) -> float:
        """In nats."""
        return abs(-0.5 * self.dim_x * math.log1p(-(self.rho**2)))

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Y = rho X + sqrt(1 - rho^2) noise."""
        x, noise = rng.standard_normal((2, n, self.dim_x))
        return x, self.rho * x + math.sqrt(1 - self.rho**2) * noise

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """Pointwise mutual information (n,)."""
        keep = 1 - self.rho**2
        squares = self.rho**2 * (x**2 + y**2) - 2 * self.rho * x * y
        ratio: Array = self.mutual_information - squares.sum(1) / (2 * keep)
        return ratio


class Probe:
    """An estimator, its answers on the standard samples, and the number of dimensions that it accepts."""

    def __init__(self, estimator: Estimator) -> None:
        self.estimator = estimator
        self.n = max(N, estimator.capabilities.min_n)
        estimator.warm_up()

    @cached_property
    def dim(self) -> int:
        """2, or 1 where the estimator takes no more."""
        most = self.estimator.capabilities.max_dim
        return 2 if most is None else min(2, most)

    def samples(self, rho: float = RHO, seed: int = 0, n: int | None = None) -> tuple[Array, Array]:
        """Standard samples, fresh arrays every time."""
        return GaussianPairs(rho, self.dim).sample(n or self.n, seed)

    def answer(
        self, x: Any, y: Any, seed: int = 0, rho: float = RHO, dim: int | None = None, twin: Estimator | None = None
    ) -> Estimate:
        """The estimate on samples with this correlation."""
        bound = (twin or self.estimator).bind(GaussianPairs(rho, dim or self.dim))
        try:
            return bound.estimate(x, y, seed)
        except Unsupported as error:
            raise NotApplicable(f"it declines: {error}") from None

    @cached_property
    def baseline(self) -> Estimate:
        """The answer on the standard samples, seed 0."""
        return self.answer(*self.samples())

    def same(self, other: Estimate, what: str) -> None:
        """Fail unless ``other`` is the baseline up to floating-point noise."""
        self._within(other, what, NOISE * max(1.0, abs(self.baseline.mi)))

    def near(self, other: Estimate, what: str) -> None:
        """Fail unless ``other`` is what another order or split of the same samples may make of the baseline."""
        errors = math.hypot(self.baseline.stderr or 0.0, other.stderr or 0.0)
        self._within(other, what, max(0.2, 0.5 * abs(self.baseline.mi), 4 * errors))

    def _within(self, other: Estimate, what: str, tolerance: float) -> None:
        first, second = self.baseline.mi, other.mi
        require(finite(second), f"{what}, it answers {second}.")
        require(
            abs(first - second) <= tolerance,
            f"{what}, the answer moves from {first:.4f} to {second:.4f} nats; at most {tolerance:.4f} is allowed.",
        )


_last: list[Probe] = []


def probe(estimator: Estimator) -> Probe:
    """The estimator's probe; the last one is kept, so that checks in a row share its answers."""
    if not _last or _last[0].estimator is not estimator:
        _last[:] = [Probe(estimator)]
    return _last[0]


def _of_samples_alone(estimator: Estimator) -> Probe:
    if estimator.capabilities.reads_task:
        raise NotApplicable("it reads the task, which says nothing about altered samples.")
    return probe(estimator)


# The checks ----------------------------------------------------------------------------------------------------------


def describes_itself(estimator: Estimator) -> None:
    """Kind and capabilities are declared and make sense."""
    require(isinstance(estimator.kind, Kind), f"its kind is {estimator.kind!r}; use one of mibench.Kind.")
    able = estimator.capabilities
    require(able.min_n >= 1, f"capabilities.min_n = {able.min_n}.")
    require(able.max_batch >= 1, f"capabilities.max_batch = {able.max_batch}.")
    require(able.max_dim is None or able.max_dim >= 1, f"capabilities.max_dim = {able.max_dim}.")
    require(bool(able.devices), "capabilities.devices is empty.")
    require(able.memory is None or able.memory >= 0, f"capabilities.memory = {able.memory}.")


def names_its_source(estimator: Estimator) -> None:
    """An entrant says where its method comes from."""
    if estimator.capabilities.reads_task:
        raise NotApplicable("it is a yardstick.")
    probe(estimator).baseline  # noqa: B018, declined where it is no estimator at all
    require(bool(type(estimator).citation), "set `citation`: authors, year, equation.")


def answers_with_an_estimate(estimator: Estimator) -> None:
    """A finite number, a standard error or None, a rectangular curve, JSON-able diagnostics."""
    estimate = probe(estimator).baseline
    require(isinstance(estimate, Estimate), f"estimate() returns {type(estimate).__name__}, not an Estimate.")
    require(finite(estimate.mi), f"it answers {estimate.mi!r} on {probe(estimator).n} samples of a Gaussian.")
    require(
        estimate.stderr is None or (finite(estimate.stderr) and estimate.stderr >= 0),
        f"its standard error is {estimate.stderr!r}.",
    )
    lengths = {len(series) for series in estimate.curve.values()}
    require(len(lengths) <= 1, "the series of its curve differ in length.")
    require_json(estimate.diagnostics, "its diagnostics")


def same_seed_same_answer(estimator: Estimator) -> None:
    """A new instance gives the same answer again, whatever the process-wide random generators do."""
    p = probe(estimator)
    p.baseline  # noqa: B018
    stir_global_randomness()
    again = p.answer(*p.samples(), twin=type(estimator)(**estimator.params))
    require(
        again.mi == p.baseline.mi or (again.mi != again.mi and p.baseline.mi != p.baseline.mi),
        f"the same samples and seed give {p.baseline.mi!r} and then {again.mi!r}: use mibench.rng_for(seed) only.",
    )


def leaves_its_input_alone(estimator: Estimator) -> None:
    """The caller's arrays keep every bit."""
    p = probe(estimator)
    x, y = p.samples()
    before = x.copy(), y.copy()
    p.answer(x, y)
    require(same_bits(x, before[0]) and same_bits(y, before[1]), "it writes to the arrays that it is given.")


def takes_any_memory_layout(estimator: Estimator) -> None:
    """Read-only and Fortran-ordered arrays are the same samples; float32 nearly so."""
    p = probe(estimator)
    x, y = (np.asfortranarray(values) for values in p.samples())
    x.flags.writeable = y.flags.writeable = False
    p.same(p.answer(x, y), "for read-only arrays in Fortran order")
    # rounding makes other samples of them, which long training may tell apart
    x, y = p.samples()
    p.near(p.answer(x.astype(np.float32), y.astype(np.float32)), "for float32")


def takes_integers(estimator: Estimator) -> None:
    """Integer arrays are numbers like any other."""
    p = _of_samples_alone(estimator)
    x, y = ((1e6 * values).astype(np.int64) for values in p.samples())
    answer = p.answer(x, y)
    require(finite(answer.mi), f"for integer arrays it answers {answer.mi}.")


def takes_one_dimensional_arrays(estimator: Estimator) -> None:
    """Shape (n,) means n samples of dimension 1."""
    p = probe(estimator)
    x, y = GaussianPairs(RHO, 1).sample(p.n)
    column, flat = p.answer(x, y, dim=1), p.answer(x[:, 0], y[:, 0], dim=1)
    require(column.mi == flat.mi, f"shape (n, 1) gives {column.mi} and shape (n,) {flat.mi}.")


def refuses_unusable_samples(estimator: Estimator) -> None:
    """NaN, infinity, constants, unpaired rows and odd shapes raise DataError."""
    p = probe(estimator)

    def broken(where: str, value: float) -> tuple[Array, Array]:
        x, y = p.samples()
        (x if where == "x" else y)[3, 0] = value
        return x, y

    x, y = p.samples()
    cases: dict[str, tuple[Any, Any]] = {
        "NaN in x": broken("x", math.nan),
        "NaN in y": broken("y", math.nan),
        "infinity in x": broken("x", math.inf),
        "infinity in y": broken("y", -math.inf),
        "a constant x": (np.ones_like(x), y),
        "a constant y": (x, np.ones_like(y)),
        "x and y of different lengths": (x, y[:-1]),
        "three-dimensional x": (x[:, :, None], y),
        "text": (np.full(x.shape, "a"), y),
    }
    bound = estimator.bind(GaussianPairs(RHO, p.dim))
    for what, samples in cases.items():
        try:
            answer = bound.estimate(*samples)
        except DataError:
            continue
        except Exception as error:
            name = type(error).__name__
            raise CheckFailed(f"{what} raises {name}, not DataError: start with check_samples.") from None
        raise CheckFailed(f"{what} gives {answer.mi}; it should raise DataError: start with check_samples.")


def batch_answers_are_single_answers(estimator: Estimator) -> None:
    """estimate_batch gives what estimate gives, whatever stands beside it."""
    p = _of_samples_alone(estimator)
    samples = [p.samples(), p.samples(0.0, 1)]
    xs, ys = [x for x, _ in samples], [y for _, y in samples]
    alone = p.baseline, p.answer(*p.samples(0.0, 1), seed=1)
    together = estimator.estimate_batch(xs, ys, [0, 1])
    require(len(together) == 2, f"estimate_batch answers 2 problems with {len(together)} estimates.")
    for single, fused in zip(alone, together, strict=True):
        require(
            abs(single.mi - fused.mi) <= NOISE * max(1.0, abs(single.mi)),
            f"alone it answers {single.mi:.4f}, in a batch {fused.mi:.4f} nats.",
        )


def order_of_samples_hardly_matters(estimator: Estimator) -> None:
    """The rows are independent draws: shuffling them together is the same data."""
    p = probe(estimator)
    x, y = p.samples()
    order = np.random.default_rng(7).permutation(p.n)
    p.near(p.answer(x[order], y[order]), "when the samples are shuffled")


def order_of_columns_hardly_matters(estimator: Estimator) -> None:
    """Mutual information knows no order of coordinates."""
    p = _of_samples_alone(estimator)
    if p.dim == 1:
        raise NotApplicable("it takes one column only.")
    x, y = p.samples()
    p.near(p.answer(x[:, ::-1], y), "when the columns of x are reversed")


def units_hardly_matter(estimator: Estimator) -> None:
    """Mutual information is the same in metres and in millimetres, from whatever origin."""
    p = _of_samples_alone(estimator)
    x, y = p.samples()
    p.near(p.answer(1000 * x + 5000, 0.001 * y - 3), "in other units")


def tells_dependence_from_independence(estimator: Estimator) -> None:
    """Near 0 where X and Y are independent, above that where they are not."""
    if not estimator.kind.ranked:
        raise NotApplicable(f"its number is of the kind '{estimator.kind}'.")
    p = probe(estimator)
    nothing = p.answer(*p.samples(0.0), rho=0.0).mi
    require(abs(nothing) <= NEAR_ZERO, f"on {p.n} independent samples it answers {nothing:.3f} nats.")
    require(p.baseline.mi > nothing, f"it answers {p.baseline.mi:.3f} for dependent, {nothing:.3f} for independent.")


def copes_with_few_samples(estimator: Estimator) -> None:
    """At capabilities.min_n and at 100 samples it answers or declines; below it does nothing worse than decline."""
    p, least = probe(estimator), estimator.capabilities.min_n
    for n in sorted({least, max(least, 100)}):
        try:
            answer = p.answer(*p.samples(n=n))
        except NotApplicable:
            continue
        require(finite(answer.mi), f"on {n} samples it answers {answer.mi}, though capabilities.min_n = {least}.")
    if least > 1:
        try:
            p.answer(*p.samples(n=least - 1))
        except (NotApplicable, DataError):
            return


def survives_ties(estimator: Estimator) -> None:
    """Repeated values are answered or declined; where ``discrete`` is declared, the answer is a number."""
    p = _of_samples_alone(estimator)
    x, y = (np.round(values) for values in p.samples())
    answer = p.answer(x, y)
    if estimator.capabilities.discrete:
        require(finite(answer.mi), f"on tied samples it answers {answer.mi}, though it declares `discrete`.")


CHECKS: tuple[Callable[[Estimator], None], ...] = (
    describes_itself,
    names_its_source,
    answers_with_an_estimate,
    same_seed_same_answer,
    leaves_its_input_alone,
    takes_any_memory_layout,
    takes_integers,
    takes_one_dimensional_arrays,
    refuses_unusable_samples,
    batch_answers_are_single_answers,
    order_of_samples_hardly_matters,
    order_of_columns_hardly_matters,
    units_hardly_matter,
    tells_dependence_from_independence,
    copes_with_few_samples,
    survives_ties,
)
