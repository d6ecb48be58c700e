"""The contract checks: sound plug-ins pass them all, and each deliberate fault fails the check that is about it."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeAlias

import numpy as np
import pytest

from mibench import checks, registry
from mibench.checks import CheckResult, Summary, Verdict, parametrize_with_checks
from mibench.checks import estimators as estimator_checks
from mibench.checks import plugins as plugin_checks
from mibench.checks import tasks as task_checks
from mibench.checks.common import NotApplicable
from mibench.checks.probe import LetterPairs
from mibench.errors import NotInstalled, Unsupported, UsageError
from mibench.estimator import Array, Capabilities, Estimate, Estimator, Kind, check_samples, rng_for
from mibench.functions import FunctionEstimator
from mibench.parameters import Correlation, Positive, above
from mibench.plugin import Plugin
from mibench.task import ConsistencyTask, DownstreamTask, Metric, Outcome, Task

Fault: TypeAlias = tuple[dict[str, Any], set[str]]
"""What replaces members of a sound plug-in, and the checks that must fail for it: these and no others."""


def failures(plugin: Plugin) -> set[str]:
    return {result.name for result in checks.run(plugin) if result.failed}


def mutant(sound: type[Plugin], members: dict[str, Any], **params: Any) -> Any:
    """An instance of the sound class with other members."""
    return type("Mutant", (sound,), {"__doc__": "A fault.", "__module__": __name__, **members})(**params)


def building(effect: Callable[[Any], object]) -> dict[str, Any]:
    """Something happens when the plug-in is made."""

    def init(self: Any, ridge: float = 1e-9) -> None:
        object.__setattr__(self, "ridge", ridge)
        effect(self)

    return {"__init__": init}


def undeclared(self: Any, ridge=1e-9) -> None:  # type: ignore[no-untyped-def]
    object.__setattr__(self, "ridge", ridge)


def misdeclared(self: Any, ridge: Annotated[float, above(0)] = 0.0) -> None:
    object.__setattr__(self, "ridge", ridge)


# A sound estimator, and what can be wrong with one -------------------------------------------------------------------


def gaussian_mi(x: Array, y: Array, ridge: float = 1e-9) -> float:
    x, y = (values[:, np.ptp(values, axis=0) > 0] for values in (x, y))
    d = x.shape[1]
    correlations = np.corrcoef(np.hstack([x, y]), rowvar=False) + ridge * np.eye(d + y.shape[1])
    log_dets = [np.linalg.slogdet(part)[1] for part in (correlations[:d, :d], correlations[d:, d:], correlations)]
    return float(0.5 * (log_dets[0] + log_dets[1] - log_dets[2]))


@dataclass(frozen=True, eq=False, repr=False)
class Sound(Estimator):
    """Mutual information of the Gaussian with the samples' covariance."""

    ridge: Positive = 1e-9

    citation: ClassVar[str] = "Cover & Thomas (2006), theorem 8.4.1"
    capabilities: ClassVar[Capabilities] = Capabilities(min_n=8)

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        x, y = check_samples(x, y)
        if len(x) < self.capabilities.min_n:
            raise Unsupported(f"{len(x)} samples are too few.")
        return Estimate(gaussian_mi(x, y, self.ridge), stderr=1 / math.sqrt(len(x)))


def answers(told: Callable[[float, Any, Any], Any]) -> dict[str, Any]:
    """Something else than the sound number, made of it and of the arrays as the caller gave them."""

    def estimate(self: Sound, x: Array, y: Array, seed: int = 0) -> Estimate:
        answer = told(Sound.estimate(self, x, y, seed).mi, np.asarray(x), np.asarray(y))
        return answer if isinstance(answer, Estimate) else Estimate(answer)

    return {"estimate": estimate}


def batches(told: Callable[[list[Estimate]], list[Estimate]]) -> dict[str, Any]:
    """Something else than the sound answers to a batch."""

    def estimate_batch(self: Sound, xs: Sequence[Array], ys: Sequence[Array], seeds: Sequence[int]) -> list[Estimate]:
        return told(Sound.estimate_batch(self, xs, ys, seeds))

    return {"estimate_batch": estimate_batch}


def says(**fields: Any) -> dict[str, Any]:
    return answers(lambda mi, x, y: Estimate(**{"mi": mi, **fields}))


def complains(error: Exception, where: Callable[[Any, Any], Any]) -> dict[str, Any]:
    """Raise where the samples are so."""

    def told(mi: float, x: Any, y: Any) -> float:
        if where(x, y):
            raise error
        return mi

    return answers(told)


def gullible(self: Any, x: Any, y: Any, seed: int = 0) -> Estimate:
    x, y = (np.asarray(v, dtype=float).reshape(len(v), -1) for v in (x, y))
    with np.errstate(all="ignore"):
        return Estimate(gaussian_mi(x, y))


def centres_in_place(mi: float, x: Any, y: Any) -> float:
    if x.flags.writeable:
        x -= x.mean(axis=0)
    return mi


def writes(mi: float, x: Any, y: Any) -> float:
    x += 0.0
    return mi


def columns(values: Any) -> Any:
    return np.asarray(values, dtype=float).reshape(len(values), -1)


def noisy(values: Any, seed: int) -> Any:
    return columns(values) + 0.1 * rng_for(seed).standard_normal(columns(values).shape)


def tied(x: Any, y: Any = None) -> bool:
    return len(np.unique(columns(x)[:, 0])) < len(x) / 2


SCALE = {"answers_in_nats"}
ZERO = {"tells_dependence_from_independence"}
ONE_COLUMN = {"takes_one_dimensional_arrays"}
SEEDED = {"same_seed_same_answer"}
TIES = {"survives_ties", "survives_wide_samples"}

FAULTS: dict[str, Fault] = {
    # what every plug-in promises
    "undocumented": ({"__doc__": None}, {"is_documented"}),
    "a number for a version": ({"version": 3}, {"is_its_parameters"}),
    "identity is an address": (
        {"identity": lambda self: {"name": str(id(self)), "version": "1", "params": {}}},
        {"is_its_parameters", "survives_pickling"},
    ),
    "pickled without parameters": ({"__reduce__": lambda self: (type(self), ())}, {"survives_pickling"}),
    "draws when made": (building(lambda self: np.random.default_rng(0)), {"costs_nothing_to_name"}),
    "a table when made": (
        building(lambda self: object.__setattr__(self, "table", np.ones(2**20))),
        {"costs_nothing_to_name"},
    ),
    "takes any parameter": ({"__init__": undeclared}, {"declares_its_parameters"}),
    "a default beyond its range": ({"__init__": misdeclared}, {"declares_its_parameters"}),
    # what it says of itself
    "batches of nothing": ({"capabilities": Capabilities(min_n=8, max_batch=0)}, {"describes_itself"}),
    "cites nobody": ({"citation": ""}, {"names_its_source"}),
    # the form of an answer
    "a bare number": ({"estimate": lambda *given: Sound.estimate(*given).mi}, {"answers_with_an_estimate"}),
    "an array": ({"estimate": lambda *given: np.array([0.5])}, {"answers_with_an_estimate"}),
    "an estimate that is an array": (says(mi=np.array([0.5])), {"answers_with_an_estimate"}),
    "an estimate that is complex": (says(mi=1j), {"answers_with_an_estimate"}),
    "no seed": ({"estimate": lambda self, x, y: Sound.estimate(self, x, y)}, {"answers_with_an_estimate"}),
    "one column at most, and does not say so": (
        complains(ValueError("one column."), lambda x, y: columns(x).shape[1] > 1),
        {"answers_with_an_estimate"},
    ),
    "leaves": (complains(SystemExit(0), lambda x, y: True), {"answers_with_an_estimate"}),  # type: ignore[arg-type]
    "impossible standard error": (says(stderr=-0.1), {"answers_with_an_estimate"}),
    "ragged curve": (says(curve={"step": [1, 2], "train": [0.1]}), {"answers_with_an_estimate"}),
    "diagnostics that no store can hold": (says(diagnostics={"m": object()}), {"answers_with_an_estimate"}),
    # the samples as they come
    "global randomness": (answers(lambda mi, x, y: mi + 1e-6 * np.random.rand()), SEEDED | ONE_COLUMN),  # noqa: NPY002
    "fresh entropy": (answers(lambda mi, x, y: mi + 1e-6 * np.random.default_rng().random()), SEEDED | ONE_COLUMN),
    "centres the caller's arrays": (answers(centres_in_place), {"leaves_its_input_alone", "takes_integers"}),
    "writes nothing new": (answers(writes), {"takes_any_memory_layout", "takes_integers"}),
    "reads numbers as they lie in memory": (
        answers(lambda mi, x, y: gaussian_mi(columns(x.ravel(order="K").reshape(x.shape)), columns(y))),
        {"takes_any_memory_layout"},
    ),
    "floats only": (complains(TypeError("floats only"), lambda x, y: x.dtype.kind == "i"), {"takes_integers"}),
    "needs columns": (answers(lambda mi, x, y: mi + 0 * x.shape[1]), ONE_COLUMN),
    # many problems at once
    "a batch in the wrong order": (batches(lambda found: found[::-1]), {"batch_answers_are_single_answers"}),
    "a batch's mean": (
        batches(lambda found: [Estimate(float(np.mean([e.mi for e in found])))] * len(found)),
        {"batch_answers_are_single_answers"},
    ),
    # symmetries
    "hangs on the first sample": (
        answers(lambda mi, x, y: mi + 2 * abs(columns(x)[0, 0] - x.mean()) / x.std()),
        {"order_of_samples_hardly_matters", *ZERO, *SCALE},
    ),
    "sees the first column": (
        answers(lambda mi, x, y: gaussian_mi(columns(x)[:, :1], columns(y)[:, :1])),
        {"order_of_columns_hardly_matters"},
    ),
    "noise of a fixed size": (
        answers(lambda mi, x, y: gaussian_mi(noisy(x, 1), noisy(y, 2))),
        {"units_hardly_matter"},
    ),
    # the number itself
    "a constant": (says(mi=0.1), ZERO | SCALE),
    "information where there is none": (answers(lambda mi, x, y: mi + 1.0), ZERO | SCALE),
    "bits": (answers(lambda mi, x, y: mi / math.log(2)), SCALE),
    "halved": (answers(lambda mi, x, y: mi / 2), SCALE),
    "doubled": (answers(lambda mi, x, y: 2 * mi), SCALE),
    "powers of ten": (answers(lambda mi, x, y: mi / math.log(10)), SCALE),
    "right at one scale": (answers(lambda mi, x, y: mi**2 / 0.83), SCALE),
    "never above 1": (answers(lambda mi, x, y: min(mi, 1.0)), SCALE),
    "lost the pairing": (
        answers(lambda mi, x, y: gaussian_mi(columns(x), columns(y)[rng_for(0).permutation(len(y))])),
        SCALE,
    ),
    "an upper bound that is below": (answers(lambda mi, x, y: 0.5 * mi) | {"kind": Kind.UPPER_BOUND}, SCALE),
    # samples at the edge
    "NaN when short": (answers(lambda mi, x, y: mi if len(x) >= 200 else math.nan), {"copes_with_few_samples"}),
    "crashes when short": (
        {"estimate": lambda self, x, y, seed=0: Estimate(gaussian_mi(*check_samples(x, y)) + 0 * columns(x)[7, 0])},
        {"copes_with_few_samples"},
    ),
    "trips over ties": (complains(ZeroDivisionError("distance"), tied), TIES),
    "infinite for ties": (answers(lambda mi, x, y: math.inf if tied(x) else mi), TIES),
    "falsely discrete": (
        {"capabilities": Capabilities(min_n=8, discrete=True)} | complains(Unsupported("ties."), tied),
        {"survives_ties"},
    ),
    "NaN for a constant column": (
        answers(lambda mi, x, y: np.nan if (np.ptp(columns(x), axis=0) == 0).any() else mi),
        {"survives_wide_samples"},
    ),
}

ALSO: dict[str, Fault] = {
    "kind as text": ({"kind": "bound"}, {"describes_itself"}),
    "NaN": (says(mi=math.nan), {"answers_with_an_estimate", *SCALE}),
    "checks nothing": ({"estimate": gullible}, {"refuses_unusable_samples"}),
}
"""Faults that many checks notice, these among them."""


def test_a_sound_estimator_passes_everything() -> None:
    results = {r.name: r for r in checks.run(Sound())}
    assert {name for name, r in results.items() if r.skipped} == {"is_its_label"}  # it is not registered
    assert all(r.passed or r.skipped for r in results.values())


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_fails_the_check_that_is_about_it(fault: str) -> None:
    members, expected = FAULTS[fault]
    assert failures(mutant(Sound, members, ridge=1e-6)) == expected


def test_an_estimator_that_cannot_be_called_is_told_how_it_is_called() -> None:
    results = {r.name: r for r in checks.run(mutant(Sound, {"estimate": lambda self, x, y: Estimate(0.5)}))}
    assert results["answers_with_an_estimate"].message == "estimate(x, y) cannot be called as estimate(x, y, seed)."


@pytest.mark.parametrize("fault", ALSO)
def test_faults_that_many_checks_notice(fault: str) -> None:
    members, expected = ALSO[fault]
    assert failures(mutant(Sound, members)) >= expected


def test_every_check_of_an_estimator_can_fail() -> None:
    caught = set().union(*(expected for _, expected in [*FAULTS.values(), *ALSO.values()]))
    named = {check.__name__ for check in (*estimator_checks.CHECKS, *plugin_checks.CHECKS)}
    assert caught == named - {"is_its_label"}  # which needs a registered one: below


def test_an_estimator_that_declines_is_not_judged_by_its_answers() -> None:
    declining = mutant(Sound, complains(Unsupported("not today."), lambda x, y: True))
    results = {r.name: r for r in checks.run(declining)}
    assert not any(r.failed for r in results.values())
    assert results["answers_with_an_estimate"].skipped
    assert "not today" in results["answers_with_an_estimate"].message


def test_an_estimator_of_letters_is_asked_about_letters() -> None:
    """Nothing is skipped, and what is wrong with its numbers shows as it would of any other."""
    plain = registry.estimators.create("plug-in")
    assert all(r.passed for r in checks.run(plain))

    def in_bits(self: Estimator, x: Array, y: Array, seed: int = 0) -> Estimate:
        return Estimate(plain.estimate(x, y, seed).mi / math.log(2))

    results = {r.name: r for r in checks.run(mutant(type(plain), {"estimate": in_bits}))}
    assert results["answers_in_nats"].failed and results["survives_ties"].passed


@pytest.mark.parametrize(("rho", "dim"), [(0.0, 1), (0.75, 2), (1.0, 1)])
def test_pairs_of_letters_share_what_they_say(rho: float, dim: int) -> None:
    """By the sum over the table of probabilities, and by the mean of the pointwise information."""
    task = LetterPairs(rho, dim)
    table = np.full((3, 3), (1 - rho) / 9) + rho * np.eye(3) / 3
    terms = np.where(table > 0, table * np.log(np.maximum(9 * table, 1e-300)), 0)
    assert task.mutual_information == pytest.approx(dim * terms.sum(), abs=1e-12)
    x, y = task.sample(20_000, 0)
    assert np.corrcoef(x[:, 0], y[:, 0])[0, 1] == pytest.approx(rho, abs=0.02)
    assert task.log_density_ratio(x, y).mean() == pytest.approx(task.mutual_information, abs=0.03)


def test_an_upper_bound_may_lie_above() -> None:
    assert failures(mutant(Sound, answers(lambda mi, x, y: 2 * mi + 1) | {"kind": Kind.UPPER_BOUND})) == set()
    assert failures(mutant(Sound, answers(lambda mi, x, y: mi / 9) | {"kind": Kind.OTHER})) == set()


def test_an_estimator_that_reads_the_task_is_bound_to_it() -> None:
    results = {r.name: r for r in checks.run(registry.estimators.create("oracle"))}
    assert not any(r.failed for r in results.values())
    assert results["answers_in_nats"].passed
    assert results["tells_dependence_from_independence"].passed
    assert results["units_hardly_matter"].skipped


def test_a_plain_function_can_be_checked() -> None:
    assert failures(FunctionEstimator(lambda x, y: gaussian_mi(x, y))) == {"names_its_source"}


def test_the_label_has_to_be_a_selector_of_the_same_value(monkeypatch: pytest.MonkeyPatch) -> None:
    lying = mutant(Sound, {"registered_name": "misnamed", "label": "misnamed[ridge=7.0]"})
    registry.estimators.names()
    monkeypatch.setitem(registry.estimators._factories, "misnamed", type(lying))
    assert failures(lying) >= {"is_its_label"}


def test_a_choice_called_none_can_be_written_as_a_selector() -> None:
    plugin_checks.is_its_label(registry.estimators.create("nwj", standardize="none"))
    assert registry.estimators.create("nwj[standardize=none]").params["standardize"] == "none"


# A sound task, and what can be wrong with one ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class SoundTask(Task):
    """Two correlated standard normal variables."""

    rho: Correlation = 0.8

    dim_x = dim_y = 1

    @property
    def mutual_information(self) -> float:
        return -0.5 * math.log(1 - self.rho**2)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        x, noise = rng.standard_normal((2, n, 1))
        return x, self.rho * x + math.sqrt(1 - self.rho**2) * noise

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        keep = 1 - self.rho**2
        exponent = (self.rho**2 * (x**2 + y**2) - 2 * self.rho * x * y) / (2 * keep)
        ratio: Array = (TRUTH - exponent)[:, 0]
        return ratio


TRUTH = SoundTask().mutual_information
SILENT: dict[str, Any] = {"log_density_ratio": Task.log_density_ratio}
CACHE: dict[Any, tuple[Array, Array]] = {}


def draws(told: Callable[[Array, Array], tuple[Array, Array]]) -> dict[str, Any]:
    """Other samples, made of the sound ones; their density is not known."""

    def draw(self: SoundTask, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        return told(*SoundTask.draw(self, n, rng))

    return {"draw": draw, **SILENT}


def draws_from(source: Callable[[np.random.Generator], np.random.Generator]) -> dict[str, Any]:
    return {"draw": lambda self, n, rng: SoundTask.draw(self, n, source(rng))}


def cached(self: SoundTask, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    key = n, rng.bit_generator.state["state"]["state"]
    if key not in CACHE:
        CACHE[key] = SoundTask.draw(self, n, rng)
    return CACHE[key]


def ratio(told: Callable[[SoundTask, Array, Array], Array]) -> dict[str, Any]:
    return {"log_density_ratio": told}


def writing_ratio(self: SoundTask, x: Array, y: Array) -> Array:
    answer = SoundTask.log_density_ratio(self, x, y)
    x[:] = 0
    return answer


def states(truth: float) -> dict[str, Any]:
    """A truth of which only the samples can tell whether it is one."""
    return {"mutual_information": truth, **SILENT}


sound_ratio = SoundTask.log_density_ratio
SHAPE, PAIRS = {"samples_have_the_right_shape"}, {"density_ratio_has_the_right_shape"}
SEEDS, FOUND = {"same_seed_same_samples"}, {"truth_is_what_estimators_find"}
REACH = {"truth_of_many_columns_is_within_reach"}
MEAN, RATIO = {"density_ratio_averages_to_the_truth"}, {"density_ratio_is_a_ratio"}

TASK_FAULTS: dict[str, Fault] = {
    "samples when made": (building(lambda self: np.random.default_rng(0)), {"costs_nothing_to_name"}),
    "two columns for one": (draws(lambda x, y: (np.hstack([x, x]), y)), SHAPE),
    "an infinite sample": (draws(lambda x, y: (np.vstack([x[:-1], [[np.inf]]]), y)), SHAPE),
    "no samples are welcome": (
        {"sample": lambda self, n, seed=0: self.draw(n, np.random.default_rng([0, seed]))},
        SHAPE,
    ),
    "draws from elsewhere": (draws_from(lambda rng: np.random.default_rng()), SEEDS),
    "ignores the seed": (draws_from(lambda rng: np.random.default_rng(0)), SEEDS),
    "hands out the same arrays": ({"draw": cached}, SEEDS),
    "a negative truth": (states(-0.3), {"truth_is_a_number"} | FOUND),
    "atoms that it does not declare": (draws(lambda x, y: (np.round(x), y)), {"ties_are_declared"}),
    "a ratio in a column": (ratio(lambda self, x, y: sound_ratio(self, x, y)[:, None]), PAIRS),
    "a ratio of the whole sample": (ratio(lambda self, x, y: sound_ratio(self, x - x.mean(), y - y.mean())), PAIRS),
    "a ratio that writes": (ratio(writing_ratio), PAIRS | RATIO),
    "a density that it denies": ({"has_density": False}, PAIRS),
    "a truth of another ratio": ({"mutual_information": 1.05 * TRUTH}, MEAN),
    "bits beside a ratio in nats": ({"mutual_information": TRUTH / math.log(2)}, MEAN),
    "a truth that the ratio repeats": (
        {"mutual_information": 5.0, **ratio(lambda self, x, y: sound_ratio(self, x, y) + 5.0 - TRUTH)},
        RATIO,
    ),
    "a ratio too wide": (ratio(lambda self, x, y: TRUTH + 1.3 * (sound_ratio(self, x, y) - TRUTH)), RATIO),
    "a truth from nowhere": (states(5.0), FOUND),
    "a truth in bits": (states(TRUTH / math.log(2)), FOUND),
    "half the truth": (states(TRUTH / 2), FOUND),
    "twice the truth": (states(2 * TRUTH), FOUND),
    "samples that lost their pairing": (draws(lambda x, y: (x, np.roll(y, 1, axis=0))), FOUND),
}


@pytest.mark.parametrize("members", [{}, SILENT], ids=["with density", "without"])
def test_a_sound_task_passes_everything(members: dict[str, Any]) -> None:
    results = {r.name: r for r in checks.run(mutant(SoundTask, members))}
    silent = {check for check in results if check.startswith("density_ratio_")}
    not_asked = {"is_its_label", *REACH, *(silent if members else FOUND)}
    assert {name for name, r in results.items() if r.skipped} == not_asked
    assert all(r.passed or r.skipped for r in results.values())


@pytest.mark.parametrize("fault", TASK_FAULTS)
def test_each_fault_of_a_task_fails_the_check_that_is_about_it(fault: str) -> None:
    members, expected = TASK_FAULTS[fault]
    assert failures(mutant(SoundTask, members)) == expected


@pytest.mark.parametrize("stated", [1.2, 5.0])
def test_a_truth_of_many_columns_is_held_to_what_any_estimate_finds(stated: float) -> None:
    """Five pairs that share 0.35 nats together: a few times that may be right for all one knows, 5 nats are not."""
    assert failures(wide(truth=0.35, stated=stated)) == (REACH if stated == 5.0 else set())


def test_a_truth_of_many_columns_is_no_less_than_what_two_of_them_share() -> None:
    """Five pairs that share 0.8 nats each."""
    assert failures(wide(truth=4.0, stated=4.0)) == set()
    assert failures(wide(truth=4.0, stated=0.35)) == REACH


def wide(truth: float, stated: float) -> Task:
    """Five Gaussian pairs without a density."""
    rho = math.sqrt(-math.expm1(-2 * truth / 5))

    def draw(self: Task, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        x, noise = rng.standard_normal((2, n, 5))
        return x, rho * x + math.sqrt(1 - rho**2) * noise

    task: Task = mutant(SoundTask, {"dim_x": 5, "dim_y": 5, "draw": draw, **states(stated)})
    return task


def test_every_task_check_can_fail() -> None:
    found = set().union(REACH, *(e for _, e in TASK_FAULTS.values()))
    assert found >= {check.__name__ for check in task_checks.CHECKS}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", registry.tasks.names())
def test_what_estimators_find_speaks_against_no_built_in_truth(name: str) -> None:
    task = registry.tasks.create(name)
    if not isinstance(task, Task):
        pytest.skip("it states no mutual information.")
    blind = type("Blind", (type(task),), {"has_density": False})(**task.params)
    asked = 0
    for check in (task_checks.truth_is_what_estimators_find, task_checks.truth_of_many_columns_is_within_reach):
        try:
            check(blind)
            asked += 1
        except NotApplicable:
            continue
        except NotInstalled as error:
            pytest.skip(str(error))
    assert asked == 1


def test_no_truth_is_held_to_what_trains_or_says_not_what_it_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    def unasked(self: Sound, x: Array, y: Array, seed: int = 0) -> Estimate:
        raise KeyboardInterrupt("it ends the process.")

    registry.estimators.names()
    for able in (Capabilities(), Capabilities(memory=0.1, trains=True), Capabilities(memory=0.1, reads_task=True)):
        rogue = type(mutant(Sound, {"estimate": unasked, "capabilities": able}))
        monkeypatch.setitem(registry.estimators._factories, "rogue", rogue)
        task_checks.truth_is_what_estimators_find(mutant(SoundTask, SILENT))
    broken = mutant(Sound, {"capabilities": Capabilities(memory=0.1), **complains(TypeError("?"), lambda x, y: True)})
    monkeypatch.setitem(registry.estimators._factories, "rogue", type(broken))
    task_checks.truth_is_what_estimators_find(mutant(SoundTask, SILENT))


def test_a_missing_data_set_is_no_fault() -> None:
    def absent(self: Task, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        raise NotInstalled("fetch them first.")

    results = {r.name: r for r in checks.run(mutant(SoundTask, {"draw": absent}))}
    assert not any(r.failed for r in results.values())
    assert results["samples_have_the_right_shape"].skipped


class SoundRatio(ConsistencyTask):
    """Twice the information in two independent pairs."""

    @property
    def expected(self) -> float:
        return 2.0

    def parts(self, n: int, seed: int) -> list[tuple[Array, Array]]:
        task = SoundTask()
        (x, y), (u, v) = task.sample(n, 2 * seed), task.sample(n, 2 * seed + 1)
        return [(x, y), (np.hstack([x, u]), np.hstack([y, v]))]

    def score(self, estimates: Sequence[float]) -> float:
        return estimates[1] / estimates[0]


class SoundTraining(DownstreamTask):
    """Trains nothing."""

    metrics: ClassVar[tuple[Metric, ...]] = (Metric("loss", "lower"), Metric("modes", "higher"))

    @property
    def group(self) -> str:
        return "trainings"

    def train(self, estimator: Estimator, seeds: Sequence[int]) -> list[Outcome]:
        raise AssertionError("the checks must not train")


OTHER_FAULTS: dict[str, tuple[type[Plugin], dict[str, Any], set[str]]] = {
    "sound parts": (SoundRatio, {}, set()),
    "no parts": (SoundRatio, {"parts": lambda self, n, seed: []}, {"parts_are_paired_samples", "score_is_a_number"}),
    "the same parts for every seed": (
        SoundRatio,
        {"parts": lambda self, n, seed: SoundRatio.parts(self, n, 0)},
        {"parts_are_paired_samples"},
    ),
    "no score": (SoundRatio, {"score": lambda self, estimates: math.nan}, {"score_is_a_number"}),
    "a sound training": (SoundTraining, {}, set()),
    "a metric of no direction": (SoundTraining, {"metrics": (Metric("loss", "less"),)}, {"metrics_are_described"}),
    "an arm without a name": (SoundTraining, {"arm": lambda self, estimator: ""}, {"arms_have_names"}),
}


@pytest.mark.parametrize("fault", OTHER_FAULTS)
def test_consistency_and_downstream_tasks(fault: str) -> None:
    sound, members, expected = OTHER_FAULTS[fault]
    assert failures(mutant(sound, members)) == expected


# Running them --------------------------------------------------------------------------------------------------------

CONSTANT = FAULTS["a constant"][0]
REASONS = dict.fromkeys(sorted(ZERO | SCALE), "it is a constant")


def test_expected_failures_are_reported_as_such() -> None:
    results = {r.name: r for r in checks.run(mutant(Sound, CONSTANT), REASONS)}
    told = results["answers_in_nats"]
    assert told.expected
    assert not told.failed
    assert str(told) == "answers in nats: failed as expected (it is a constant)"
    assert not any(r.failed for r in results.values())


def test_a_class_may_announce_its_failures() -> None:
    assert failures(mutant(Sound, {**CONSTANT, "expected_failed_checks": REASONS})) == set()


def test_an_announced_failure_that_does_not_come_is_a_failure() -> None:
    results = {r.name: r for r in checks.run(Sound(), {"survives_ties": "it divides by zero"})}
    assert results["survives_ties"].failed
    assert "divides by zero" in results["survives_ties"].message


def test_an_unknown_check_cannot_be_expected_to_fail() -> None:
    with pytest.raises(UsageError, match="did you mean 'survives_ties'"):
        checks.run(Sound(), {"survive_ties": "?"})
    with pytest.raises(UsageError, match="neither an estimator nor a task"):
        checks.run("ksg")  # type: ignore[arg-type]


def test_an_unforeseen_exception_is_a_failure_with_its_name() -> None:
    found = next(r for r in checks.run(mutant(Sound, FAULTS["floats only"][0])) if r.name == "takes_integers")
    assert found == CheckResult("takes_integers", Verdict.FAILED, "TypeError: floats only")
    assert not found.passed
    assert str(found) == "takes integers: failed (TypeError: floats only)"


def test_a_summary_counts_every_verdict() -> None:
    results = checks.run(mutant(Sound, CONSTANT), {"answers_in_nats": "it is a constant"})
    summary = Summary.of(results)
    assert (summary.failed, summary.expected, summary.skipped) == (1, 1, 1)
    assert summary.passed == len(results) - 3
    assert not summary.ok
    assert str(summary) == (
        f"{len(results)} checks: {len(results) - 3} passed, 1 skipped, 1 failed as expected, 1 failed"
    )
    assert Summary.of(checks.run(Sound())).ok
    assert str(Summary(passed=1)) == "1 check: 1 passed, 0 failed"


@parametrize_with_checks([Sound(), Sound(ridge=1e-8), SoundTask()])
def test_the_decorator_makes_one_test_of_each_pair(plugin: Plugin, check: checks.Check) -> None:
    check(plugin)


@parametrize_with_checks([mutant(Sound, CONSTANT)], REASONS)
def test_the_decorator_marks_expected_failures(plugin: Plugin, check: checks.Check) -> None:
    check(plugin)


def test_what_the_decorator_makes() -> None:
    constant = mutant(Sound, CONSTANT)
    expected = {constant.label: {"survives_ties": "why not"}}
    mark = parametrize_with_checks([Sound(), constant], lambda plugin: expected.get(plugin.label, {})).mark
    names, cases = mark.args
    assert names == ("plugin", "check")
    assert len(cases) == 2 * len(checks.checks_for(Sound()))
    assert [case.id for case in cases if case.marks] == ["Mutant-survives_ties"]
    label = next(case for case in cases if case.id == "Sound-is_its_label")
    with pytest.raises(pytest.skip.Exception):
        label.values[1](Sound())


# The built-in ones ---------------------------------------------------------------------------------------------------

TRAINS = [pytest.mark.slow, pytest.mark.timeout(1800)]


def complaints(plugin: Plugin) -> list[str]:
    return [str(result) for result in checks.run(plugin) if result.failed]


def trains(name: str) -> bool:
    return registry.estimators.create(name).capabilities.trains


@pytest.mark.parametrize(
    "name",
    [
        "infonce[max_steps=60,interval=20]",  # one that trains, briefly
        *(pytest.param(name, marks=TRAINS if trains(name) else []) for name in registry.estimators.names()),
    ],
)
def test_built_in_estimators_keep_the_contract(name: str) -> None:
    assert complaints(registry.estimators.create(name)) == []


@pytest.mark.parametrize("name", registry.tasks.names())
def test_built_in_tasks_keep_the_contract(name: str) -> None:
    assert complaints(registry.tasks.create(name)) == []


@pytest.mark.parametrize(
    ("name", "hint"), [("ksgg", "did you mean 'ksg'"), ("gausss", "did you mean 'gauss'"), ("?!", "`mibench ls` and")]
)
def test_a_name_that_is_none_is_looked_for_among_estimators_and_tasks(
    name: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from mibench.cli import main

    with pytest.raises(SystemExit) as stop:
        main(["check", name])
    assert stop.value.code == 2
    assert f"there is no estimator or task '{name}'; {hint}" in capsys.readouterr().err


def test_a_check_reads_as_a_sentence() -> None:
    assert (
        str(checks.CheckResult("takes_any_memory_layout", checks.Verdict.PASSED)) == "takes any memory layout: passed"
    )


@pytest.mark.parametrize("name", ["exit", "_exit"])
def test_an_estimator_that_ends_the_process_fails_its_checks(name: str) -> None:
    class Ending(Estimator):
        """It has better things to do."""

        def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
            getattr(sys if name == "exit" else os, name)(0)
            return Estimate(0.0)

    found = {result.name: result for result in checks.run(Ending())}
    assert found["is_documented"].passed
    assert found["answers_with_an_estimate"].failed
    assert "SystemExit" in found["answers_with_an_estimate"].message
