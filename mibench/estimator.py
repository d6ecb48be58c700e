"""The contract of an estimator of mutual information, and the value it returns.

Nothing here computes mutual information; see ``estimators/`` for that.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from .bound import Bound
from .bound import Kind as Kind
from .errors import DataError, UsageError
from .plugin import Plugin
from .real import real
from .words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array: TypeAlias = npt.NDArray[np.floating[Any]]

EXACT = 2.0**53
"""Beyond it float64 no longer holds every whole number."""
_LARGE = 1e140
"""Squares of larger values, and of smaller differences, leave the range of float64."""


class Role(StrEnum):
    """What a row is there for. Whoever makes tables asks for the role, never for a name."""

    ENTRANT = "entrant"
    FLOOR = "floor"
    """Knows nothing of the samples: what an estimator must beat."""
    CEILING = "ceiling"
    """Knows the truth: the harness checks itself by it."""
    OBJECTIVE = "objective"
    """Another estimator's bound on the exact critic: what its objective alone gets wrong."""
    CONTROL = "control"
    """No estimator at all: the arm with which a downstream task compares the others."""


class Nature(StrEnum):
    """What a pair of variables is, as far as it decides which estimators suit it."""

    CONTINUOUS = "continuous"
    DISCRETE = "discrete"
    MIXED = "mixed"
    """One of each, or values between the two: rounded readings, atoms."""


@dataclass(frozen=True)
class Capabilities:
    """What an estimator can take. The engine reads these fields; it never asks for names.

    min_n : least number of samples; below it the estimator answers ``unsupported``.
    max_dim : greatest dim_x and dim_y, or None.
    discrete : exact ties and atoms are handled, not only continuous data.
    letters : takes nothing but letters, values that most rows share with others; declines continuous variables.
    max_batch : how many same-shaped problems one ``estimate_batch`` call should get (1: nothing is gained by more).
    max_batch_gpu : the same on a GPU; 0 for as many as elsewhere.
    trains : fits a model in many steps, so that an estimate takes seconds where a formula takes milliseconds.
    reads_task : looks at the task itself (its truth or its density), so it is a yardstick, not an entrant.
    reference : shown in every table whatever was selected for comparison; classes that are derived from one are not.
    role : what its row is there for.
    usual_for : the natures of pairs of columns for which it is asked where thousands of pairs are and nobody chose.
    devices : where it can run; elsewhere the engine lets it run on the processor. Nothing: wherever the run is.
    memory : peak memory of one cell at n = 10,000 in GiB, measured.
    """

    min_n: int = 2
    max_dim: int | None = None
    discrete: bool = False
    letters: bool = False
    max_batch: int = 1
    max_batch_gpu: int = 0
    trains: bool = False
    reads_task: bool = False
    reference: bool = False
    role: Role = Role.ENTRANT
    usual_for: tuple[Nature, ...] = ()
    devices: tuple[str, ...] = ("cpu",)
    memory: float | None = None


@dataclass(frozen=True, repr=False)
class Estimate:
    """One answer. Numbers may be NumPy's, or arrays and tensors without dimensions; they are kept as Python's.

    mi : mutual information in nats, raw: never clipped at zero.
    stderr : standard error of ``mi`` in nats: of a bound, that of the samples; of an estimate, all that ``mi`` may be
        wrong by, the method included. None where the method knows no such number; one that is not finite is none.
    curve : named series recorded while training (same length each), such as ``step``, ``train``, ``validation``.
    diagnostics : small JSON-able facts, such as ``saturated: True`` or the sizes of the splits. ``sampling_error`` is
        how much other samples would change an estimate, in nats, where what the method misses is not known. ``columns``
        are those on which the answer rests, counted from 0: ``{"x": [4], "y": [0, 1]}``.

    Raises
    ------
    UsageError : ``mi`` or ``stderr`` is no single number, or ``stderr`` is negative.
    """

    mi: float
    stderr: float | None = None
    curve: Mapping[str, Sequence[float]] = field(default_factory=dict)
    diagnostics: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        stderr = None if self.stderr is None else real(self.stderr, "the standard error of an estimate")
        if stderr is not None and stderr < 0:
            raise UsageError(f"the standard error of an estimate cannot be negative, as {stderr:g} is.")
        object.__setattr__(self, "mi", real(self.mi, "the value of an estimate"))
        object.__setattr__(self, "stderr", stderr if stderr is not None and math.isfinite(stderr) else None)

    @classmethod
    def of(cls, answer: object) -> Estimate:
        """What an estimator has handed back, held to being an Estimate.

        Raises
        ------
        UsageError : it is something else.
        """
        if not isinstance(answer, cls):
            raise UsageError(
                f"the estimator answers with a {type(answer).__name__} where an Estimate is asked for: "
                "return mibench.Estimate(value)."
            )
        return answer

    def __repr__(self) -> str:
        return f"Estimate({self._value()})"

    def _repr_html_(self) -> str:
        told = (f"<tr><th>{escape(str(k))}</th><td>{escape(str(v))}</td></tr>" for k, v in self.diagnostics.items())
        return f"<table><caption>{self._value()}</caption>{''.join(told)}</table>"

    def _value(self) -> str:
        return f"{self.mi:.4f}{'' if self.stderr is None else f' ± {self.stderr:.4f}'} nats"

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the curve of the training, on axes of your own if you like.

        Raises
        ------
        UsageError : there is none, because nothing was trained.
        """
        series = {name: values for name, values in self.curve.items() if name != "step"}
        if not series:
            raise UsageError("this estimate has no curve: only estimators that train record one.")
        if axes is None:
            from matplotlib.figure import Figure

            axes = Figure(layout="constrained").add_subplot()
        for name, values in series.items():
            axes.plot(self.curve.get("step", range(len(values))), values, label=name)
        axes.set(xlabel="step", ylabel="mutual information, nats")
        axes.legend()
        return axes


class Distribution(Protocol):
    """What an estimator that reads its task may know of it: a joint distribution of (X, Y)."""

    @property
    def dim_x(self) -> int:
        """Columns of X."""

    @property
    def dim_y(self) -> int:
        """Columns of Y."""

    @property
    def mutual_information(self) -> float:
        """I(X; Y) in nats."""

    @property
    def has_density(self) -> bool:
        """Whether :meth:`log_density_ratio` is available."""

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """log p(x, y) / (p(x) p(y)) in nats, shape (n,), for paired rows of x and y."""


class Estimator(Plugin):
    """Base class of estimators: hyperparameters in ``__init__``, everything else in ``estimate``.

    Subclasses implement :meth:`estimate`; those that can answer many same-shaped problems at once also override
    :meth:`estimate_batch`, whose answers must not depend on which problems stand side by side.
    """

    kind: ClassVar[Kind] = Kind.ESTIMATE
    capabilities: ClassVar[Capabilities] = Capabilities()

    @classmethod
    def is_reference(cls) -> bool:
        """Whether this very class says that it is shown in every table."""
        return "capabilities" in vars(cls) and cls.capabilities.reference

    @abstractmethod
    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate I(X; Y) in nats from paired samples ``x`` (n, dim_x) and ``y`` (n, dim_y).

        Raises
        ------
        DataError : samples that cannot be used (see :func:`check_samples`).
        Unsupported : a problem outside the estimator's capabilities.
        """
        raise TypeError(f"{type(self).__name__} does not implement estimate()")

    def estimate_batch(self, xs: Sequence[Array], ys: Sequence[Array], seeds: Sequence[int]) -> list[Estimate]:
        """Answer many problems of one shape; the i-th answer equals ``estimate(xs[i], ys[i], seeds[i])``."""
        return [self.estimate(x, y, seed) for x, y, seed in zip(xs, ys, seeds, strict=True)]

    def warm_up(self) -> None:
        """Do what belongs to the process and not to an estimate (compile, load): called once, before timing starts."""

    def bound(self) -> Bound | None:
        """The variational bound that can stand in a model's loss, or None where this estimator has none."""
        return None

    def bind(self, task: Distribution) -> Estimator:
        """The estimator to use on ``task``: itself, unless ``capabilities.reads_task``."""
        return self


def check_samples(x: npt.ArrayLike, y: npt.ArrayLike, min_n: int = 2) -> tuple[Array, Array]:
    """Paired samples as two-dimensional float64 arrays, or one clear sentence on why not.

    One-dimensional input is read as n samples of dimension 1, complex numbers as two columns each. Integers, float32,
    read-only and Fortran-ordered arrays are all welcome; the caller's arrays are never written to.

    Raises
    ------
    DataError : different lengths, different indices of two pandas objects, too few samples, NaN, infinity or masked
        values, dates, whole numbers beyond 2^53, a scale that cannot be squared, or a variable in which nothing varies.
    """
    _require_one_index(x, y)
    checked = _check_one(x, "x"), _check_one(y, "y")
    if len(checked[0]) != len(checked[1]):
        raise DataError(
            f"x has {len(checked[0])} samples and y has {len(checked[1])}: they must be paired, row by row."
        )
    if len(checked[0]) < min_n:
        few = f"{counted(len(checked[0]), 'sample')} {'is' if len(checked[0]) == 1 else 'are'} too few"
        raise DataError(f"{few}: at least {min_n} are needed, each in a row of its own.")
    for name, values in zip("xy", checked, strict=True):
        if (values == values[0]).all():
            raise DataError(f"{name} is constant: mutual information with a constant is 0 and needs no estimator.")
    return checked


def _require_one_index(x: npt.ArrayLike, y: npt.ArrayLike) -> None:
    """Rows are paired by position; two pandas objects that pair them otherwise may not be meant so."""
    one: Any = getattr(x, "index", None)
    other: Any = getattr(y, "index", None)
    if hasattr(one, "equals") and hasattr(other, "equals") and len(one) == len(other) and not one.equals(other):
        raise DataError(
            "x and y have different indices, so that their rows may not belong together; align them by pandas.concat"
            "([x, y], axis=1, join='inner'), or give x.to_numpy() and y.to_numpy() to pair them by position."
        )


def _check_one(values: npt.ArrayLike, name: str) -> Array:
    try:
        given = np.ma.asarray(values) if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # a tensor that carries a gradient, rows of other lengths
        raise DataError(f"{name} cannot be made a NumPy array: {error}") from None
    try:
        array: npt.NDArray[Any] = np.asarray(
            np.ma.getdata(given), dtype=np.complex128 if given.dtype.kind == "c" else np.float64
        )
    except (TypeError, ValueError):
        raise DataError(f"{name} {_no_numbers(given)}") from None
    if given.dtype.kind in "mM":
        raise DataError(f"{name} holds dates or time differences; divide them by a unit to make them numbers.")
    if given.dtype.kind in "iu" and (np.abs(array) > EXACT).any():
        raise DataError(
            f"{name} holds whole numbers beyond 2^53, which a float cannot tell apart: "
            "subtract its first value from all."
        )
    if np.ma.is_masked(given):
        array = np.where(np.ma.getmaskarray(given), np.nan, array)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim == 2 and array.dtype.kind == "c":
        array = np.hstack([array.real, array.imag])
    if array.ndim != 2 or array.shape[1] == 0:
        raise DataError(f"{name} has shape {array.shape}; expected (n,) or (n, dim) with dim at least 1.")
    bad = ~np.isfinite(array)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise DataError(
            f"{name} holds {int(bad.sum())} NaN or infinite values (the first in row {row}, column {column}); "
            "drop or impute those rows first."
        )
    low, high = (array.min(axis=0), array.max(axis=0)) if len(array) else (np.zeros(1), np.zeros(1))
    spread = (high - low)[high > low]
    if max(high.max(), -low.min()) > _LARGE or spread.min(initial=1) < 1 / _LARGE:
        raise DataError(f"{name} has a column whose values are too large or too close to be squared; rescale it.")
    return array


def _no_numbers(given: npt.NDArray[Any]) -> str:
    """What an array that cannot be made numbers holds, and what to do."""
    if given.ndim == 0 and given.dtype == object:
        return f"is a {type(given.item()).__name__}, not an array of numbers; make it one first."

    def is_number(value: Any) -> bool:
        try:
            float(value)
        except (TypeError, ValueError):
            return False
        return True

    other = next((repr(value) for value in given.ravel().tolist() if not is_number(value)), str(given.dtype))
    return (
        f"does not hold numbers only, but {other:.40}: encode categories as integers, divide dates by a unit, and drop "
        "rows with missing values first."
    )


def rng_for(seed: int) -> np.random.Generator:
    """An estimator's own stream of randomness: independent of the stream that drew the data from the same seed."""
    return np.random.default_rng([1, seed])
