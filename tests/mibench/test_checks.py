"""The contract checks: sound plug-ins pass them all, and each deliberate fault fails the check that is about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from mibench import checks, registry
from mibench.checks import CheckResult, Outcome, parametrize_with_checks
from mibench.checks import estimators as estimator_checks
from mibench.checks import tasks as task_checks
from mibench.errors import NotInstalled, Unsupported, UsageError
from mibench.estimator import Array, Capabilities, Estimate, Estimator, FunctionEstimator, Kind, check_samples, rng_for
from mibench.task import ConsistencyTask, DownstreamTask, Metric, Task
from mibench.task import Outcome as Trained


def failures(plugin: Any) -> set[str]:
    return {result.name for result in checks.run(plugin) if result.failed}


# A sound estimator, and what can be wrong with one -------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Sound(Estimator):
    """Mutual information of the Gaussian with the samples' covariance."""

    ridge: float = 1e-9

    citation: ClassVar[str] = "Cover & Thomas (2006), theorem 8.4.1"
    capabilities: ClassVar[Capabilities] = Capabilities(min_n=8)

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        x, y = check_samples(x, y)
        if len(x) < self.capabilities.min_n:
            raise Unsupported(f"{len(x)} samples are too few.")
        return Estimate(gaussian_mi(x, y, self.ridge), stderr=1 / math.sqrt(len(x)))


def gaussian_mi(x: Array, y: Array, ridge: float = 1e-9) -> float:
    correlations = np.corrcoef(np.hstack([x, y]), rowvar=False) + ridge * np.eye(x.shape[1] + y.shape[1])
    d = x.shape[1]
    parts = correlations[:d, :d], correlations[d:, d:], correlations
    log_dets = [np.linalg.slogdet(part)[1] for part in parts]
    return float(0.5 * (log_dets[0] + log_dets[1] - log_dets[2]))


class WrongKind(Sound):
    """Kind as plain text."""

    kind: ClassVar[Any] = "bound"


class NoStackSize(Sound):
    """Batches of nothing."""

    capabilities: ClassVar[Capabilities] = Capabilities(max_batch=0)


class NoSource(Sound):
    """Cites nobody."""

    citation: ClassVar[str] = ""


class Bare(Sound):
    """Answers with a number instead of an Estimate."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Any:
        return super().estimate(x, y).mi


class Altered(Sound):
    """The sound estimate with other fields."""

    fields: ClassVar[dict[str, Any]] = {}

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        mi = super().estimate(x, y).mi
        return Estimate(**{"mi": mi, **self.fields})


class NotANumber(Altered):
    """NaN for an answer."""

    fields: ClassVar[dict[str, Any]] = {"mi": math.nan}


class NegativeError(Altered):
    """An impossible standard error."""

    fields: ClassVar[dict[str, Any]] = {"stderr": -0.1}


class RaggedCurve(Altered):
    """Series of different lengths."""

    fields: ClassVar[dict[str, Any]] = {"curve": {"step": [1, 2], "train": [0.1]}}


class Unwritable(Altered):
    """Diagnostics that no store can hold."""

    fields: ClassVar[dict[str, Any]] = {"diagnostics": {"model": object()}}


class GlobalRandomness(Sound):
    """Jitters with numpy's process-wide generator."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        return Estimate(super().estimate(x, y).mi + 1e-6 * np.random.rand())  # noqa: NPY002


class Unseeded(Sound):
    """Jitters with fresh entropy."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        return Estimate(super().estimate(x, y).mi + 1e-6 * np.random.default_rng().random())


class InPlace(Sound):
    """Centres the caller's own arrays."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        answer = super().estimate(x, y)
        if x.flags.writeable:
            x -= x.mean(axis=0)
        return answer


class NeedsWriteable(Sound):
    """Fails on read-only arrays."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        answer = super().estimate(x, y)
        x += 0.0
        return answer


class MemoryOrder(Sound):
    """Reads the numbers as they lie in memory."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        x, y = check_samples(x, y)
        return Estimate(gaussian_mi(x.ravel(order="K").reshape(x.shape), y.ravel().reshape(y.shape)))


class FloatsOnly(Sound):
    """Fails on integers."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        if np.asarray(x).dtype.kind == "i":
            raise TypeError("floats only")
        return super().estimate(x, y)


class TwoDimensional(Sound):
    """Needs columns."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        return Estimate(super().estimate(x, y).mi + 0 * np.asarray(x).shape[1])


class Gullible(Sound):
    """Checks nothing."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        x, y = (np.asarray(v, dtype=float).reshape(len(v), -1) for v in (x, y))
        with np.errstate(all="ignore"):
            return Estimate(gaussian_mi(x, y))


class Swapped(Sound):
    """Answers a batch in the wrong order."""

    def estimate_batch(self, xs: Sequence[Array], ys: Sequence[Array], seeds: Sequence[int]) -> list[Estimate]:
        return super().estimate_batch(xs, ys, seeds)[::-1]


class Pooled(Sound):
    """Answers a batch with the mean over it."""

    def estimate_batch(self, xs: Sequence[Array], ys: Sequence[Array], seeds: Sequence[int]) -> list[Estimate]:
        mean = float(np.mean([e.mi for e in super().estimate_batch(xs, ys, seeds)]))
        return [Estimate(mean) for _ in xs]


class FirstRow(Sound):
    """Its answer hangs on the first sample."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        x, y = check_samples(x, y)
        return Estimate(gaussian_mi(x, y) + 2 * abs((x[0, 0] - x[:, 0].mean()) / x[:, 0].std()))


class FirstColumnOnly(Sound):
    """Looks at one column of each."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        x, y = check_samples(x, y)
        return Estimate(gaussian_mi(x[:, :1], y[:, :1]))


class UnitsMatter(Sound):
    """Adds noise of a fixed size."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        x, y = check_samples(x, y)
        rng = rng_for(seed)
        return Estimate(gaussian_mi(x + 0.1 * rng.standard_normal(x.shape), y + 0.1 * rng.standard_normal(y.shape)))


class Constant(Sound):
    """The same for everything."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        super().estimate(x, y)
        return Estimate(0.1)


class Biased(Sound):
    """Sees information where there is none."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        return Estimate(super().estimate(x, y).mi + 1.0)


class NanWhenShort(Sound):
    """NaN below 200 samples, though it claims 8."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        answer = super().estimate(x, y)
        return answer if len(x) >= 200 else Estimate(math.nan)


class CrashesWhenShort(Sound):
    """IndexError below min_n."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        x, y = check_samples(x, y)
        x[7]
        return super().estimate(x, y)


class TripsOverTies(Sound):
    """Divides by a distance of 0."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        x, y = check_samples(x, y)
        answer = super().estimate(x, y)
        if len(np.unique(x[:, 0])) < len(x) / 2:
            raise ZeroDivisionError("distance")
        return answer


class FalselyDiscrete(Sound):
    """Declares atoms and answers them with infinity."""

    capabilities: ClassVar[Capabilities] = Capabilities(min_n=8, discrete=True)

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        answer = super().estimate(x, y)
        return answer if len(np.unique(x)) > np.asarray(x).size / 2 else Estimate(math.inf)


class Undocumented(Sound):
    __doc__ = None


class WrongVersion(Sound):
    """A number for a version."""

    version: ClassVar[Any] = 3


class Renamed(Sound):
    """Its identity is its address."""

    def identity(self) -> dict[str, Any]:
        return {"name": str(id(self)), "version": "1", "params": {}}


class Forgetful(Sound):
    """A pickled copy has the default parameters."""

    def __init__(self, ridge: float = 1e-9) -> None:
        object.__setattr__(self, "ridge", ridge)

    def __reduce__(self) -> tuple[Any, ...]:
        return Forgetful, ()


class Impatient(Sound):
    """Draws when it is made."""

    def __init__(self, ridge: float = 1e-9) -> None:
        super().__init__(ridge)
        np.random.default_rng(0)


class Heavy(Sound):
    """Computes a table when it is made."""

    def __init__(self, ridge: float = 1e-9) -> None:
        super().__init__(ridge)
        object.__setattr__(self, "table", np.ones(2**20))


FAULTS: list[tuple[Estimator, set[str]]] = [
    (Undocumented(), {"is_documented"}),
    (WrongVersion(), {"is_its_parameters"}),
    (Renamed(), {"is_its_parameters", "survives_pickling"}),
    (Forgetful(ridge=1e-6), {"survives_pickling"}),
    (Impatient(), {"costs_nothing_to_name"}),
    (Heavy(), {"costs_nothing_to_name"}),
    (NoStackSize(), {"describes_itself"}),
    (NoSource(), {"names_its_source"}),
    (NegativeError(), {"answers_with_an_estimate"}),
    (RaggedCurve(), {"answers_with_an_estimate"}),
    (Unwritable(), {"answers_with_an_estimate"}),
    (GlobalRandomness(), {"same_seed_same_answer", "takes_one_dimensional_arrays"}),
    (Unseeded(), {"same_seed_same_answer", "takes_one_dimensional_arrays"}),
    (InPlace(), {"leaves_its_input_alone", "takes_integers"}),
    (NeedsWriteable(), {"takes_any_memory_layout", "takes_integers"}),
    (MemoryOrder(), {"takes_any_memory_layout"}),
    (FloatsOnly(), {"takes_integers"}),
    (TwoDimensional(), {"takes_one_dimensional_arrays"}),
    (Swapped(), {"batch_answers_are_single_answers"}),
    (Pooled(), {"batch_answers_are_single_answers"}),
    (FirstRow(), {"order_of_samples_hardly_matters", "tells_dependence_from_independence"}),
    (FirstColumnOnly(), {"order_of_columns_hardly_matters"}),
    (UnitsMatter(), {"units_hardly_matter"}),
    (Constant(), {"tells_dependence_from_independence"}),
    (Biased(), {"tells_dependence_from_independence"}),
    (NanWhenShort(), {"copes_with_few_samples"}),
    (CrashesWhenShort(), {"copes_with_few_samples"}),
    (TripsOverTies(), {"survives_ties"}),
    (FalselyDiscrete(), {"survives_ties"}),
]


def test_a_sound_estimator_passes_everything() -> None:
    results = {r.name: r for r in checks.run(Sound())}
    assert {name for name, r in results.items() if r.skipped} == {"is_its_label"}  # it is not registered
    assert all(r.passed or r.skipped for r in results.values())


@pytest.mark.parametrize(("plugin", "expected"), FAULTS, ids=[type(plugin).__name__ for plugin, _ in FAULTS])
def test_each_fault_fails_the_check_that_is_about_it(plugin: Estimator, expected: set[str]) -> None:
    assert failures(plugin) == expected


def test_every_estimator_check_can_fail() -> None:
    caught = set().union(*(expected for _, expected in FAULTS))
    assert caught >= {check.__name__ for check in estimator_checks.CHECKS} - {"refuses_unusable_samples"}


def test_faults_that_many_checks_notice() -> None:
    assert "describes_itself" in failures(WrongKind())
    assert "answers_with_an_estimate" in failures(Bare())
    assert "answers_with_an_estimate" in failures(NotANumber())
    assert "refuses_unusable_samples" in failures(Gullible())


def test_an_estimator_that_declines_is_not_judged_by_its_answers() -> None:
    class Declining(Sound):
        """Declines everything."""

        def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
            check_samples(x, y)
            raise Unsupported("not today.")

    results = {r.name: r for r in checks.run(Declining())}
    assert not any(r.failed for r in results.values())
    assert results["answers_with_an_estimate"].skipped
    assert "not today" in results["answers_with_an_estimate"].message


def test_kinds_that_are_not_ranked_need_not_be_near_zero() -> None:
    class Upper(Biased):
        """An upper bound."""

        kind: ClassVar[Kind] = Kind.UPPER_BOUND

    assert failures(Upper()) == set()


def test_an_estimator_that_reads_the_task_is_bound_to_it() -> None:
    results = {r.name: r for r in checks.run(registry.estimators.create("oracle"))}
    assert not any(r.failed for r in results.values())
    assert results["answers_with_an_estimate"].passed
    assert results["tells_dependence_from_independence"].passed
    assert results["units_hardly_matter"].skipped


def test_a_plain_function_can_be_checked() -> None:
    def correlation(x: Array, y: Array) -> float:
        return gaussian_mi(x, y)

    assert failures(FunctionEstimator(correlation)) == {"names_its_source"}


@pytest.fixture
def misnamed(monkeypatch: pytest.MonkeyPatch) -> type[Estimator]:
    class Misnamed(Sound):
        """Its label lies."""

        registered_name: ClassVar[str] = "misnamed"

        @property
        def label(self) -> str:
            return "misnamed[ridge=7.0]"

    registry.estimators.names()
    monkeypatch.setitem(registry.estimators._factories, "misnamed", Misnamed)
    return Misnamed


def test_the_label_has_to_be_a_selector_of_the_same_value(misnamed: type[Estimator]) -> None:
    assert failures(misnamed()) >= {"is_its_label"}


def test_a_choice_called_none_can_be_written_as_a_selector() -> None:
    checks.is_its_label(registry.estimators.create("nwj", standardize="none"))
    assert registry.estimators.create("nwj[standardize=none]").params["standardize"] == "none"


# A sound task, and what can be wrong with one ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class SoundTask(Task):
    """Two correlated standard normal variables."""

    rho: float = 0.8

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
        return (self.mutual_information - exponent)[:, 0]


class WrongDimension(SoundTask):
    """Draws two columns where it says one."""

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        x, y = super().draw(n, rng)
        return np.hstack([x, x]), y

    log_density_ratio = Task.log_density_ratio  # type: ignore[assignment]


class SometimesInfinite(SoundTask):
    """An infinite sample."""

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        x, y = super().draw(n, rng)
        x[-1] = np.inf
        return x, y

    log_density_ratio = Task.log_density_ratio  # type: ignore[assignment]


class AcceptsNothing(SoundTask):
    """Gives n = 0 samples without complaint."""

    def sample(self, n: int, seed: int = 0) -> tuple[Array, Array]:
        return self.draw(n, np.random.default_rng([0, seed]))


class Unrepeatable(SoundTask):
    """Draws from elsewhere."""

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        return super().draw(n, np.random.default_rng())


class OneSample(SoundTask):
    """Ignores the seed."""

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        return super().draw(n, np.random.default_rng(0))


class Cached(SoundTask):
    """Hands out the same arrays again and again."""

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        key = n, rng.bit_generator.state["state"]["state"]
        if key not in CACHE:
            CACHE[key] = super().draw(n, rng)
        return CACHE[key]


CACHE: dict[Any, tuple[Array, Array]] = {}


class NegativeTruth(SoundTask):
    """A negative mutual information."""

    @property
    def mutual_information(self) -> float:
        return -0.1

    log_density_ratio = Task.log_density_ratio  # type: ignore[assignment]


class Rounded(SoundTask):
    """Has atoms and does not say so."""

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        x, y = super().draw(n, rng)
        return np.round(x), y

    log_density_ratio = Task.log_density_ratio  # type: ignore[assignment]


class ColumnRatio(SoundTask):
    """A density ratio of shape (n, 1)."""

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        return super().log_density_ratio(x, y)[:, None]


class CentredRatio(SoundTask):
    """A density ratio that looks at the whole sample."""

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        return super().log_density_ratio(x - x.mean(), y - y.mean())


class WritingRatio(SoundTask):
    """A density ratio that writes to its arguments."""

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        answer = super().log_density_ratio(x, y)
        x[:] = 0
        return answer


class FalselySilent(SoundTask):
    """Says that it has no density, and has one."""

    @property
    def has_density(self) -> bool:
        return False


class WrongTruth(SoundTask):
    """A mutual information 5 % too large."""

    @property
    def mutual_information(self) -> float:
        return 1.05 * super().mutual_information

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        return super().log_density_ratio(x, y) - 0.05 * SoundTask(self.rho).mutual_information


class Scaled(SoundTask):
    """A ratio whose mean is right and which is 10 % too wide."""

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        ratio = super().log_density_ratio(x, y)
        return self.mutual_information + 1.3 * (ratio - self.mutual_information)


class EagerTask(SoundTask):
    """Samples when it is made."""

    def __init__(self, rho: float = 0.8) -> None:
        super().__init__(rho)
        self.sample(10)


TASK_FAULTS: list[tuple[Task, set[str]]] = [
    (EagerTask(), {"costs_nothing_to_name"}),
    (WrongDimension(), {"samples_have_the_right_shape"}),
    (SometimesInfinite(), {"samples_have_the_right_shape"}),
    (AcceptsNothing(), {"samples_have_the_right_shape"}),
    (Unrepeatable(), {"same_seed_same_samples"}),
    (OneSample(), {"same_seed_same_samples"}),
    (Cached(), {"same_seed_same_samples"}),
    (NegativeTruth(), {"truth_is_a_number"}),
    (Rounded(), {"ties_are_declared"}),
    (ColumnRatio(), {"density_ratio_has_the_right_shape"}),
    (CentredRatio(), {"density_ratio_has_the_right_shape"}),
    (WritingRatio(), {"density_ratio_has_the_right_shape", "density_ratio_is_a_ratio"}),
    (FalselySilent(), {"density_ratio_has_the_right_shape"}),
    (WrongTruth(), {"density_ratio_averages_to_the_truth"}),
    (Scaled(), {"density_ratio_is_a_ratio"}),
]


def test_a_sound_task_passes_everything() -> None:
    results = {r.name: r for r in checks.run(SoundTask())}
    assert {name for name, r in results.items() if r.skipped} == {"is_its_label"}
    assert all(r.passed or r.skipped for r in results.values())


@pytest.mark.parametrize(("plugin", "expected"), TASK_FAULTS, ids=[type(task).__name__ for task, _ in TASK_FAULTS])
def test_each_fault_of_a_task_fails_the_check_that_is_about_it(plugin: Task, expected: set[str]) -> None:
    assert failures(plugin) == expected


def test_every_task_check_can_fail() -> None:
    assert set().union(*(e for _, e in TASK_FAULTS)) >= {check.__name__ for check in task_checks.CHECKS}


def test_a_missing_data_set_is_no_fault() -> None:
    class Absent(SoundTask):
        """Its data are not there."""

        def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
            raise NotInstalled("fetch them first.")

    results = {r.name: r for r in checks.run(Absent())}
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


class ConstantParts(SoundRatio):
    """The same parts for every seed."""

    def parts(self, n: int, seed: int) -> list[tuple[Array, Array]]:
        return super().parts(n, 0)


class NoScore(SoundRatio):
    """A score that is not a number."""

    def score(self, estimates: Sequence[float]) -> float:
        return math.nan


class SoundTraining(DownstreamTask):
    """Trains nothing."""

    metrics: ClassVar[tuple[Metric, ...]] = (Metric("loss", "lower"), Metric("modes", "higher"))

    def train(self, estimator: Estimator, seeds: Sequence[int]) -> list[Trained]:
        raise AssertionError("the checks must not train")


class Undirected(SoundTraining):
    """A metric of which nobody knows what is better."""

    metrics: ClassVar[tuple[Metric, ...]] = (Metric("loss", "smaller"),)


class Nameless(SoundTraining):
    """An arm without a name."""

    def arm(self, estimator: Estimator) -> str:
        return ""


def test_consistency_and_downstream_tasks() -> None:
    assert failures(SoundRatio()) == set()
    assert failures(ConstantParts()) == {"parts_are_paired_samples"}
    assert failures(NoScore()) == {"score_is_a_number"}
    registered = {"arms_have_names"}  # the table's name is the registered one, which these do not have
    assert failures(SoundTraining()) == registered
    assert failures(Undirected()) == {"metrics_are_described", *registered}
    assert failures(registry.tasks.create("gan-25gaussians")) == set()


# Running them --------------------------------------------------------------------------------------------------------


def test_expected_failures_are_reported_as_such() -> None:
    results = {r.name: r for r in checks.run(Constant(), {"tells_dependence_from_independence": "it is a constant"})}
    told = results["tells_dependence_from_independence"]
    assert told.expected
    assert not told.failed
    assert str(told) == "tells_dependence_from_independence: failed as expected (it is a constant)"
    assert not any(r.failed for r in results.values())


def test_a_class_may_announce_its_failures() -> None:
    class Announced(Constant):
        """A constant that says so."""

        expected_failed_checks: ClassVar[dict[str, str]] = {"tells_dependence_from_independence": "it is a constant"}

    assert failures(Announced()) == set()
    assert failures(registry.estimators.create("zero")) == set()


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
    found = next(r for r in checks.run(FloatsOnly()) if r.name == "takes_integers")
    assert found == CheckResult("takes_integers", Outcome.FAILED, "TypeError: floats only")
    assert not found.passed
    assert str(found) == "takes_integers: failed (TypeError: floats only)"


@parametrize_with_checks([Sound(), Sound(ridge=1e-8), SoundTask()])
def test_the_decorator_makes_one_test_of_each_pair(plugin: Any, check: Any) -> None:
    check(plugin)


@parametrize_with_checks([Constant()], {"tells_dependence_from_independence": "it is a constant"})
def test_the_decorator_marks_expected_failures(plugin: Any, check: Any) -> None:
    check(plugin)


def test_what_the_decorator_makes() -> None:
    mark = parametrize_with_checks(
        [Sound(), Constant()],
        lambda plugin: {"survives_ties": "why not"} if isinstance(plugin, Constant) else {},
    ).mark
    names, cases = mark.args
    assert names == ("plugin", "check")
    assert len(cases) == 2 * len(checks.checks_for(Sound()))
    marked = [case.id for case in cases if case.marks]
    assert marked == ["Constant-survives_ties"]
    ties = next(case for case in cases if case.id == "Sound-is_its_label")
    with pytest.raises(pytest.skip.Exception):
        ties.values[1](Sound())


# The built-in ones ---------------------------------------------------------------------------------------------------


LEARNS_NOTHING = {
    *("none", "zero", "oracle", "exact-critic", "cca", "gaussian", "gaussian-copula"),
    *("ksg", "ksg2", "mixed-ksg", "lnc", "histogram", "kde", "sliced"),
}
"""Estimators whose contract is checked within seconds; the others train a dozen times."""

TRAINS = [pytest.mark.slow, pytest.mark.timeout(1800)]


def complaints(plugin: Any) -> list[str]:
    return [str(result) for result in checks.run(plugin) if result.failed]


@pytest.mark.parametrize(
    "name",
    [
        "infonce[max_steps=60,interval=20]",
        *(pytest.param(n, marks=[] if n in LEARNS_NOTHING else TRAINS) for n in registry.estimators.names()),
    ],
)
def test_built_in_estimators_keep_the_contract(name: str) -> None:
    assert complaints(registry.estimators.create(name)) == []


@pytest.mark.parametrize("name", registry.tasks.names())
def test_built_in_tasks_keep_the_contract(name: str) -> None:
    assert complaints(registry.tasks.create(name)) == []
