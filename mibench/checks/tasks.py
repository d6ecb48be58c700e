"""What a task promises, as checks: the package says how they are run.

A task whose data set is not installed is not judged by what needs it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np

from mibench import registry
from mibench.errors import NotInstalled, UsageError
from mibench.estimator import Array, Estimate, Estimator, Role
from mibench.task import ConsistencyTask, DownstreamTask, Metric, Task

from .common import NotApplicable, finite, require, same_bits, stir_global_randomness

N = 200
NUMBERS = 800_000
"""Numbers of x and y in the sample on which a density is judged, at most 20,000 rows and at least 1,000."""
SIGMAS = 4.0
FEW = 3
"""Columns up to which estimates can tell whether a truth is plausible: with more, all of them may be far below it."""
MANY = 32
"""Columns up to which some estimate that only computes should find a fifth of the truth, if it is one."""
PAIRS = 4
"""Columns of each side that are taken one by one, where there are many."""


# Tasks with a known truth --------------------------------------------------------------------------------------------


def samples_have_the_right_shape(task: Task) -> None:
    """(n, dim_x) and (n, dim_y) finite numbers in which something varies; n = 0 is refused."""
    require(isinstance(task.family, str) and bool(task.family), "its family is empty.")
    for n in (1, N):
        x, y = task.sample(n, 0)
        for name, values in (("x", x), ("y", y)):
            require(bool(np.isfinite(values).all()), f"{name} holds NaN or infinity.")
            require(n == 1 or bool((values != values[0]).any()), f"{name} is constant.")
    try:
        task.sample(0, 0)
    except UsageError:
        return
    require(False, "sample(0) should raise UsageError: leave sample() as it is and implement draw().")


def same_seed_same_samples(task: Task) -> None:
    """Bit for bit, from a new instance, whatever the process-wide generators do and the caller did to the first."""
    first = _sample(task, N, 3)
    kept = [values.copy() for values in first]
    for values in first:
        if values.flags.writeable:
            values.fill(0)
    stir_global_randomness()
    for again in (_sample(task, N, 3), _sample(type(task)(**task.params), N, 3)):
        require(
            all(same_bits(a, b) for a, b in zip(again, kept, strict=True)),
            "the same seed gives other samples: draw from the generator that draw() is handed, and from it alone.",
        )
    other = _sample(task, N, 4)
    require(
        not any(same_bits(a, b) for a, b in zip(other, kept, strict=True)), "different seeds give the same samples."
    )


def truth_is_a_number(task: Task) -> None:
    """The mutual information is finite and not negative, and its error is stated."""
    facts = task.facts()
    truth, error = facts["truth"], facts["truth_error"]
    require(finite(truth) and truth >= 0, f"its mutual information is {truth!r}.")
    require(finite(error) and error >= 0, f"the stated error of its mutual information is {error!r}.")
    twin = type(task)(**task.params)
    require(twin.facts()["truth"] == truth, "a second instance states another mutual information.")


def ties_are_declared(task: Task) -> None:
    """Repeated values appear only where ``discrete`` says so."""
    if task.discrete:
        raise NotApplicable("it declares atoms.")
    for name, values in zip("xy", _sample(task, N, 0), strict=True):
        repeated = len(values) - len(np.unique(values, axis=0))
        require(repeated == 0, f"{repeated} of {N} rows of {name} repeat others, though `discrete` is False.")


def density_ratio_has_the_right_shape(task: Task) -> None:
    """One finite number per pair, which depends on that pair alone; without density, UsageError."""
    x, y = _sample(task, N, 1)
    if not task.has_density:
        try:
            task.log_density_ratio(x, y)
        except UsageError:
            raise NotApplicable("its densities are not known.") from None
        require(False, "`has_density` is False, but log_density_ratio() answers.")
    before = x.copy(), y.copy()
    ratio = task.log_density_ratio(x, y)
    require(same_bits(x, before[0]) and same_bits(y, before[1]), "log_density_ratio() writes to its arguments.")
    require(ratio.shape == (N,), f"log_density_ratio() has shape {ratio.shape}, not {(N,)}.")
    require(bool(np.isfinite(ratio).all()), "log_density_ratio() is not finite on samples of the joint distribution.")
    few = task.log_density_ratio(x[:7], y[:7])
    require(
        bool(np.allclose(few, ratio[:7], rtol=1e-6, atol=1e-6)),
        "log_density_ratio() of a pair depends on the pairs beside it.",
    )


def density_ratio_averages_to_the_truth(task: Task) -> None:
    """The mean of log r over the joint distribution is the mutual information, within 4 standard errors."""
    ratio = _log_ratio(task)[0]
    mean, stderr = float(ratio.mean()), float(ratio.std(ddof=1)) / math.sqrt(len(ratio))
    allowed = SIGMAS * stderr + task.mutual_information_error + 1e-9
    require(
        abs(mean - task.mutual_information) <= allowed,
        f"log_density_ratio() averages {mean:.5f} ± {stderr:.5f}; the truth is said to be "
        f"{task.mutual_information:.5f} nats.",
    )


def truth_is_what_estimators_find(task: Task) -> None:
    """Without a density, some estimator that only computes comes within a quarter of the truth, on 5,000 samples."""
    if task.has_density:
        raise NotApplicable("its density ratio is what its truth is held to.")
    if max(task.dim_x, task.dim_y) > FEW:
        raise NotApplicable(f"with more than {FEW} columns no estimate can speak against a truth.")
    found = _found(task, *_sample(task, 5000, 2))
    if not found:
        raise NotApplicable("no estimator that only computes takes such samples.")
    truth = task.facts()["truth"]
    nearest = min(found, key=lambda label: abs(found[label] - truth))
    require(
        abs(found[nearest] - truth) <= _slack(task),
        f"the truth is said to be {truth:.3f} nats, but the nearest of {len(found)} estimates is {found[nearest]:.3f} "
        f"({nearest}); if the truth is right, implement log_density_ratio() to show it.",
    )


def truth_of_many_columns_is_within_reach(task: Task) -> None:
    """Without a density: no column of x says more of one of y than x of y, and some estimate finds a fifth of it all.

    A column of x and one of y share no more than x and y do, and estimates of that are good. Of many columns together
    estimates fall short, but hardly ever all of them by so much: of the built-in tasks, some estimate finds a quarter.
    """
    if task.has_density:
        raise NotApplicable("its density ratio is what its truth is held to.")
    if max(task.dim_x, task.dim_y) <= FEW:
        raise NotApplicable("its columns are few.")
    x, y = _sample(task, 2000, 2)
    truth = task.facts()["truth"]
    for i, j in itertools.product(*(np.flatnonzero(np.ptp(values, axis=0))[:PAIRS] for values in (x, y))):
        found = _found(task, x[:, [i]], y[:, [j]])
        least = min(found, key=lambda label: found[label], default="")
        require(
            not found or found[least] <= truth + _slack(task),
            f"the truth is said to be {truth:.3f} nats, but column {i} of x and column {j} of y alone share more: the "
            f"least of {len(found)} estimates is {found.get(least, math.nan):.3f} ({least}).",
        )
    found = _found(task, x, y) if max(task.dim_x, task.dim_y) <= MANY else {}
    greatest = max(found, key=lambda label: found[label], default="")
    require(
        not found or found[greatest] >= truth / 5 - 0.2 - task.mutual_information_error,
        f"the truth is said to be {truth:.3f} nats, but the greatest of {len(found)} estimates is "
        f"{found.get(greatest, math.nan):.3f} ({greatest}); if the truth is right, implement log_density_ratio() to "
        "show it.",
    )


def _slack(task: Task) -> float:
    """What an estimate may be away from the truth where estimating is easy, in nats."""
    return max(0.2, task.mutual_information / 4) + task.mutual_information_error


def _found(task: Task, x: Array, y: Array) -> dict[str, float]:
    """The finite estimates in nats of those that compute and do not train, by label."""
    found: dict[str, float] = {}
    for estimator in _references(task):
        try:
            found[estimator.label] = estimator.estimate(x, y).mi
        except Exception:  # it declines, or breaks, which is no fault of the task
            continue
    return {label: mi for label, mi in found.items() if math.isfinite(mi)}


def _references(task: Task) -> list[Estimator]:
    """The estimators that compute and do not train, of those made for such a task.

    Only those that state what they cost: what else a user may have included can take hours, or end the process.
    """
    chosen = []
    for name in registry.estimators.names():
        estimator = registry.estimators.create(name)
        able = estimator.capabilities
        entrant = able.role is Role.ENTRANT and estimator.kind.ranked and not able.reads_task
        cheap = able.memory is not None and not able.trains
        if entrant and cheap and (able.discrete or not task.discrete):
            chosen.append(estimator)
    return chosen


def density_ratio_is_a_ratio(task: Task) -> None:
    """E_p[g(r)] = E_q[r g(r)] for every function g; here g = 1 / (1 + r), which keeps both sides within [0, 1]."""
    joint, product = _log_ratio(task)
    left, right = _sigmoid(-joint), _sigmoid(product)
    stderr = math.sqrt(left.var() / len(left) + right.var() / len(right))
    gap = float(left.mean() - right.mean())
    require(
        abs(gap) <= SIGMAS * stderr + 1e-9,
        f"log_density_ratio() is not that of the joint to the product: E_p[1/(1+r)] = {left.mean():.5f} but "
        f"E_q[r/(1+r)] = {right.mean():.5f}, {abs(gap) / max(stderr, 1e-12):.0f} standard errors apart.",
    )


def _sample(task: Task, n: int, seed: int) -> tuple[Array, Array]:
    """A sample; not applicable where there is none, which the check of its shape says for all."""
    try:
        return task.sample(n, seed)
    except NotInstalled:
        raise
    except Exception as error:
        if n == N:
            raise NotApplicable("it cannot be sampled.") from error
        _sample(task, N, seed)
        raise


def _log_ratio(task: Task) -> tuple[Array, Array]:
    """log r on samples of the joint distribution, and on pairs of the x of one half with the y of the other."""
    if not task.has_density:
        raise NotApplicable("its densities are not known.")
    n = min(20_000, max(1000, NUMBERS // max(1, task.dim_x + task.dim_y)))
    x, y = _sample(task, n, 2)
    half = n // 2
    return task.log_density_ratio(x, y), task.log_density_ratio(x[:half], y[half : 2 * half])


def _sigmoid(values: Array) -> Array:
    with np.errstate(over="ignore"):
        answer: Array = 1 / (1 + np.exp(-values))
    return answer


CHECKS: tuple[Callable[[Task], None], ...] = (
    samples_have_the_right_shape,
    same_seed_same_samples,
    truth_is_a_number,
    ties_are_declared,
    density_ratio_has_the_right_shape,
    density_ratio_averages_to_the_truth,
    density_ratio_is_a_ratio,
    truth_is_what_estimators_find,
    truth_of_many_columns_is_within_reach,
)


# Consistency tasks ---------------------------------------------------------------------------------------------------


def parts_are_paired_samples(task: ConsistencyTask) -> None:
    """Each part holds n rows of x and of y, all finite; the same seed gives the same bits."""
    parts, again, other = task.parts(N, 3), type(task)(**task.params).parts(N, 3), task.parts(N, 4)
    require(len(parts) >= 1, "it has no parts.")
    for number, (x, y) in enumerate(parts):
        require(x.ndim == y.ndim == 2 and len(x) == len(y) == N, f"part {number} has shapes {x.shape} and {y.shape}.")
        require(bool(np.isfinite(x).all() and np.isfinite(y).all()), f"part {number} holds NaN or infinity.")

    def alike(one: list[tuple[Array, Array]], two: list[tuple[Array, Array]]) -> bool:
        return all(same_bits(a[0], b[0]) and same_bits(a[1], b[1]) for a, b in zip(one, two, strict=True))

    require(alike(parts, again), "the same seed gives other samples.")
    require(not alike(parts, other), "different seeds give the same samples.")


def score_is_a_number(task: ConsistencyTask) -> None:
    """From one estimate per part comes one finite score, and what a perfect estimator gets is finite."""
    estimates = [1.0 + 0.1 * i for i in range(len(task.parts(2, 0)))]
    require(finite(task.score(estimates)), f"score({estimates}) is {task.score(estimates)!r}.")
    require(finite(task.expected), f"expected is {task.expected!r}.")
    require(bool(task.group), "its group is empty.")


CONSISTENCY_CHECKS: tuple[Callable[[ConsistencyTask], None], ...] = (parts_are_paired_samples, score_is_a_number)


# Downstream tasks ----------------------------------------------------------------------------------------------------


class _Nothing(Estimator):
    """An estimator without a bound."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """0."""
        return Estimate(0.0)


def metrics_are_described(task: DownstreamTask) -> None:
    """It has metrics with different names, and says which direction is better ("" where neither is)."""
    require(bool(task.metrics), "it declares no metrics.")
    require(all(isinstance(metric, Metric) for metric in task.metrics), "its metrics are not of the type Metric.")
    names = [metric.name for metric in task.metrics]
    require(len(set(names)) == len(names), f"the names of its metrics repeat: {', '.join(names)}.")
    for metric in task.metrics:
        require(metric.better in ("lower", "higher", ""), f"metric '{metric.name}': better is {metric.better!r}.")


def arms_have_names(task: DownstreamTask) -> None:
    """Every estimator has a row to stand in, within a table with a name."""
    estimator = _Nothing()
    require(isinstance(task.arm(estimator), str) and bool(task.arm(estimator)), "arm() gives no name.")
    require(isinstance(task.accepts(estimator), bool), "accepts() gives neither True nor False.")
    require(isinstance(task.group, str) and bool(task.group), "its group is empty.")


DOWNSTREAM_CHECKS: tuple[Callable[[DownstreamTask], None], ...] = (metrics_are_described, arms_have_names)
