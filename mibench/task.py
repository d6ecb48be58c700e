"""The contracts of a task: a generator of samples with known mutual information, a consistency
problem with a known ratio, or a downstream training problem.

Nothing here draws a sample; see ``tasks/`` for that.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from .errors import UsageError
from .estimator import Array
from .plugin import Plugin
from .real import real

if TYPE_CHECKING:
    from .estimator import Estimator


class TaskKind(StrEnum):
    """What a task asks for, and so which fields of a Result hold the answer."""

    INFORMATION = "information"
    CONSISTENCY = "consistency"
    DOWNSTREAM = "downstream"


class Task(Plugin):
    """A joint distribution of (X, Y) that can be sampled and whose mutual information is known exactly.

    Constructing, printing and listing a task must cost next to nothing: no sampling, no quadrature.

    Subclasses set ``family``, define ``dim_x``, ``dim_y`` and ``mutual_information``, and implement :meth:`draw`. Where
    the densities are known they implement :meth:`log_density_ratio` and leave ``has_density`` True.

    varies : the parameter whose values are compared with each other, all others being equal: an equitable estimator
        answers the same for each of them. Empty where there is none.
    pixels : whether the columns are the pixels of images, as which pictures of a sample then show them.
    """

    kind: ClassVar[TaskKind] = TaskKind.INFORMATION
    varies: ClassVar[str] = ""
    pixels: ClassVar[bool] = False

    @property
    def family(self) -> str:
        """What the leaderboard averages over before it averages over families; a class attribute will do."""
        return "other"

    @property
    def family_rank(self) -> int:
        """What is made of other tasks belongs to the family of the one with the highest rank, at a tie to its base's.

        0 for plain Gaussians, 1 for what has other marginals and no more, 2 for everything else.
        """
        return 2

    @property
    @abstractmethod
    def dim_x(self) -> int:
        """Columns of X; a parameter of that name will do."""

    @property
    @abstractmethod
    def dim_y(self) -> int:
        """Columns of Y; a parameter of that name will do."""

    @property
    @abstractmethod
    def mutual_information(self) -> float:
        """I(X; Y) in nats."""

    @property
    def mutual_information_error(self) -> float:
        """A bound on the numerical error of :attr:`mutual_information` in nats; 0 for a closed form."""
        return 0.0

    @property
    def has_density(self) -> bool:
        """Whether :meth:`log_density_ratio` is available."""
        return type(self).log_density_ratio is not Task.log_density_ratio

    @property
    def discrete(self) -> bool:
        """Whether X or Y has atoms (exact ties occur with positive probability)."""
        return False

    def facts(self) -> dict[str, Any]:
        """What a Result says of this task beside its name; the truth may cost a quadrature, so workers are asked."""
        return {
            "dim_x": int(self.dim_x),
            "dim_y": int(self.dim_y),
            "truth": real(self.mutual_information, "mutual_information"),
            "truth_error": real(self.mutual_information_error, "mutual_information_error"),
        }

    @property
    def construction(self) -> str:
        """How the variables are made, in one or two sentences of mathematics (shown by ``mibench info``)."""
        return (type(self).__doc__ or "").strip().split("\n\n")[0]

    @abstractmethod
    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw ``x`` (n, dim_x) and ``y`` (n, dim_y) from ``rng``; wrappers call their base's ``draw``."""

    def sample(self, n: int, seed: int = 0) -> tuple[Array, Array]:
        """Draw n paired samples; the same seed gives the same bits.

        Raises
        ------
        UsageError : n is less than 1, or what is drawn are not numbers of the shapes declared.
        """
        if n < 1:
            raise UsageError(f"{self.label}: cannot draw {n} samples; n must be at least 1.")
        x, y = self.draw(n, np.random.default_rng([0, seed]))
        return self._drawn("x", x, (n, self.dim_x)), self._drawn("y", y, (n, self.dim_y))

    def _drawn(self, name: str, values: Any, shape: tuple[int, int]) -> Array:
        array = np.ascontiguousarray(values)
        if array.shape != shape:
            raise UsageError(f"{self.label}: draw() gives {name} of shape {array.shape}, not {shape}.")
        if not np.issubdtype(array.dtype, np.number):
            raise UsageError(f"{self.label}: draw() gives {name} of type {array.dtype}; encode categories as integers.")
        return array

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """Pointwise mutual information log p(x, y) / (p(x) p(y)) in nats, shape (n,), for paired rows of x and y.

        Raises
        ------
        UsageError : the densities of this task are not known.
        """
        raise UsageError(f"{self.label} does not know its density; use a task with `has_density`.")


@dataclass(frozen=True)
class Outcome:
    """What a downstream task returns.

    metrics : final figures by name; a metric without a finite value is left out and the run is ``nonfinite``.
    curves : named series over training; each holds (step, value) pairs.
    images : named pictures as PNG bytes (sample grids, reconstructions, final figures).
    diagnostics : small JSON-able facts (floors of the metrics, flags, sizes).
    """

    metrics: Mapping[str, float]
    curves: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    images: Mapping[str, bytes] = field(default_factory=dict)
    diagnostics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Metric:
    """How to read one downstream metric: which direction is better, its unit, and its floor from a perfect model."""

    name: str
    better: str  # "lower" or "higher"
    unit: str = ""
    description: str = ""
    published: Mapping[str, str] = field(default_factory=dict)  # arm -> published figure, for the same set-up only


class ConsistencyTask(Plugin):
    """Several related problems whose mutual informations stand in a known relation, though no truth is known.

    The engine runs the estimator on every part and scores the answers together (Song & Ermon 2020).
    """

    kind: ClassVar[TaskKind] = TaskKind.CONSISTENCY
    family: ClassVar[str] = "self-consistency"
    varies: ClassVar[str] = ""
    pixels: ClassVar[bool] = False

    @property
    def group(self) -> str:
        """The table this task's scores belong to."""
        return "self-consistency"

    def facts(self) -> dict[str, Any]:
        """What a Result says of this task beside its name."""
        return {"group": str(self.group)}

    @property
    @abstractmethod
    def expected(self) -> float:
        """What :meth:`score` gives for a perfect estimator."""

    @abstractmethod
    def parts(self, n: int, seed: int) -> list[tuple[Array, Array]]:
        """The paired samples of each part, n rows each; the same seed gives the same bits."""

    @abstractmethod
    def score(self, estimates: Sequence[float]) -> float:
        """One number (usually a ratio) from the estimates in nats on the parts, in their order."""


class DownstreamTask(Plugin):
    """A model trained with a mutual-information estimator inside its loss.

    ``train`` is handed the estimator (``none`` for the control arm) and asks it for what it needs (its bound); it
    imports no estimator itself.
    """

    kind: ClassVar[TaskKind] = TaskKind.DOWNSTREAM
    family: ClassVar[str] = "downstream"
    varies: ClassVar[str] = ""
    metrics: ClassVar[tuple[Metric, ...]] = ()

    @property
    def group(self) -> str:
        """The table this task's runs belong to: tasks that differ only in the arm share a group."""
        return self.registered_name

    def facts(self) -> dict[str, Any]:
        """What a Result says of this task beside its name."""
        return {"group": str(self.group), "metric_info": [dataclasses.asdict(metric) for metric in self.metrics]}

    def arm(self, estimator: Estimator) -> str:
        """The name of the row: by default the estimator's label."""
        return estimator.label

    def accepts(self, estimator: Estimator) -> bool:
        """Whether this estimator can stand in this task's loss."""
        return True

    @abstractmethod
    def train(self, estimator: Estimator, seeds: Sequence[int]) -> list[Outcome]:
        """Train once per seed (together where that pays; the answers are those of training alone)."""


AnyTask: TypeAlias = Task | ConsistencyTask | DownstreamTask
