"""What an estimator promises, as checks, on the samples of ``probe.py``; the package says how they are run.

The samples are few enough for an estimator that trains. Whatever a built-in grid holds is among them: many columns,
constant ones among them, repeated values.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mibench.errors import DataError, UsageError
from mibench.estimator import Array, Estimate, Estimator, Kind

from .common import CheckFailed, NotApplicable, finite, require, require_json, same_bits, stir_global_randomness
from .probe import NOISE, of_samples_alone, probe

NEAR_ZERO = 0.3
"""Nats that an estimate may be away from 0 for independent samples of this size."""
NEAR_TRUTH = 0.25
"""Share of the truth that an estimate may be away from it where estimating is easy; bits are 44 % more than nats."""
WIDE = 64
"""Columns of the widest samples: as many as a picture of 8 by 8 pixels has."""


def describes_itself(estimator: Estimator) -> None:
    """Kind and capabilities are declared and make sense."""
    require(isinstance(estimator.kind, Kind), f"its kind is {estimator.kind!r}; use one of mibench.Kind.")
    able = estimator.capabilities
    require(able.min_n >= 1, f"capabilities.min_n = {able.min_n}.")
    require(able.max_batch >= 1, f"capabilities.max_batch = {able.max_batch}.")
    require(able.max_dim is None or able.max_dim >= 1, f"capabilities.max_dim = {able.max_dim}.")
    require(able.memory is None or able.memory >= 0, f"capabilities.memory = {able.memory}.")


def names_its_source(estimator: Estimator) -> None:
    """An entrant says where its method comes from."""
    if estimator.capabilities.reads_task:
        raise NotApplicable("it is a yardstick.")
    probe(estimator).baseline  # noqa: B018, declined where it is no estimator at all
    require(bool(type(estimator).citation), "set `citation`: authors, year, equation.")


def answers_with_an_estimate(estimator: Estimator) -> None:
    """A finite number, a standard error or None, a rectangular curve, JSON-able diagnostics."""
    p = probe(estimator)
    estimate, given = p.first, f"{p.n} samples of correlated pairs, {p.dim} + {p.dim} columns"
    if isinstance(estimate, TypeError) and not _takes_its_arguments(estimator):
        raise CheckFailed(f"estimate{inspect.signature(estimator.estimate)} cannot be called as estimate(x, y, seed).")
    if isinstance(estimate, UsageError):  # of Estimate, in most cases
        raise estimate
    if isinstance(estimate, ModuleNotFoundError):
        raise CheckFailed(f"{estimate}: install it, or raise mibench.NotInstalled where others may lack it.")
    if isinstance(estimate, BaseException):
        raise CheckFailed(
            f"{type(estimate).__name__} on {given}: {str(estimate).rstrip('.')}. Declare what it does not take in "
            "`capabilities` (min_n, max_dim, discrete), or raise mibench.Unsupported."
        )
    require(finite(estimate.mi), f"it answers {estimate.mi!r} on {given}.")
    lengths = {len(series) for series in estimate.curve.values()}
    require(len(lengths) <= 1, "the series of its curve differ in length.")
    require_json(estimate.diagnostics, "its diagnostics")


def _takes_its_arguments(estimator: Estimator) -> bool:
    try:
        inspect.signature(estimator.estimate).bind(None, None, 0)
    except TypeError:
        return False
    return True


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
    p = of_samples_alone(estimator)
    x, y = ((1e6 * values).astype(np.int64) for values in p.samples())
    answer = p.answer(x, y)
    require(finite(answer.mi), f"for integer arrays it answers {answer.mi}.")


def takes_one_dimensional_arrays(estimator: Estimator) -> None:
    """Shape (n,) means n samples of dimension 1."""
    p = probe(estimator)
    x, y = p.task(dim=1).sample(p.n)
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
    p.baseline  # noqa: B018, what answers nothing need not refuse
    bound = estimator.bind(p.task())
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
    p = of_samples_alone(estimator)
    samples = [p.samples(), p.samples(0.0, 1)]
    xs, ys = [x for x, _ in samples], [y for _, y in samples]
    alone = p.baseline, p.answer(*p.samples(0.0, 1), seed=1)
    together = [Estimate.of(answer) for answer in estimator.estimate_batch(xs, ys, [0, 1])]
    require(len(together) == 2, f"estimate_batch answers 2 problems with {len(together)} estimates.")
    for single, fused in zip(alone, together, strict=True):
        require(
            abs(single.mi - fused.mi) <= NOISE * max(1.0, abs(single.mi)),
            f"alone it answers {single.mi:.4f}, in a batch {fused.mi:.4f} nats.",
        )


def order_of_samples_hardly_matters(estimator: Estimator) -> None:
    """The rows are independent draws: shuffling them together is the same data.

    What is fitted on a part of them may have one bad split, so that two orders of three decide.
    """
    p = probe(estimator)
    x, y = p.samples()
    answers: list[Estimate] = []
    for seed in (7, 8, 9):
        order = np.random.default_rng(seed).permutation(p.n)
        answers.append(p.answer(x[order], y[order]))
        if 2 * sum(map(p.is_near, answers)) > len(answers):
            return
    p.near(next(answer for answer in answers if not p.is_near(answer)), "when the samples are shuffled")


def order_of_columns_hardly_matters(estimator: Estimator) -> None:
    """Mutual information knows no order of coordinates."""
    p = of_samples_alone(estimator)
    if p.dim == 1:
        raise NotApplicable("it takes one column only.")
    x, y = p.samples()
    p.near(p.answer(x[:, ::-1], y), "when the columns of x are reversed")


def units_hardly_matter(estimator: Estimator) -> None:
    """Mutual information is the same in metres and in millimetres, from whatever origin."""
    p = of_samples_alone(estimator)
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


def answers_in_nats(estimator: Estimator) -> None:
    """Right within a quarter on 2,000 pairs of numbers that share 0.8 or 2.0 nats; a bound, on its own side of that.

    Bits for nats, a factor of two and a pairing that was lost all show here, and an estimate that is right at one
    scale only.
    """
    if estimator.kind is Kind.OTHER:
        raise NotApplicable(f"its number is of the kind '{estimator.kind}'.")
    p = probe(estimator)
    for rho in (0.9, 0.99):
        task = p.task(rho, 1)
        truth = task.mutual_information
        answer = p.answer(*task.sample(max(2000, p.n)), rho=rho, dim=1).mi
        low, high = (1 - NEAR_TRUTH) * truth, (1 + NEAR_TRUTH) * truth
        require(
            low <= answer and (answer <= high or not estimator.kind.ranked),
            f"it answers {answer:.3f} where X and Y share {truth:.3f} nats, {answer / truth:.2f} times that: "
            "is it in nats, of the pairs as they are given?",
        )


def copes_with_few_samples(estimator: Estimator) -> None:
    """At capabilities.min_n and at 100 samples it answers or declines; below it does nothing worse than decline."""
    p, least = probe(estimator), estimator.capabilities.min_n
    p.baseline  # noqa: B018
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
    """Repeated values are answered with a number or declined; where ``discrete`` is declared, answered."""
    p = of_samples_alone(estimator)
    p.baseline  # noqa: B018, what declines even these samples is not judged
    x, y = (np.round(values) for values in p.samples())
    try:
        answer = p.answer(x, y)
    except NotApplicable:
        require(not estimator.capabilities.discrete, "it declines tied samples, though it declares `discrete`.")
        raise
    require(finite(answer.mi), f"on tied samples it answers {answer.mi}: raise Unsupported instead.")


def survives_wide_samples(estimator: Estimator) -> None:
    """Pictures of 64 pixels, some of which never light up, are answered with a number or declined."""
    p = of_samples_alone(estimator)
    most = estimator.capabilities.max_dim
    if most is not None and most < WIDE:
        raise NotApplicable(f"it takes at most {most} columns.")
    mixing = np.random.default_rng(5).standard_normal((p.dim, WIDE))
    mixing[:, ::8] = 0
    x, y = (np.tanh(np.maximum(values @ mixing, 0)) for values in p.samples())
    answer = p.answer(x, y)
    require(
        finite(answer.mi),
        f"on {WIDE} columns, {WIDE // 8} of them constant, it answers {answer.mi}: leave out what does not vary, "
        "or raise Unsupported.",
    )


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
    answers_in_nats,
    copes_with_few_samples,
    survives_ties,
    survives_wide_samples,
)
