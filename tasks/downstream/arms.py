"""What the downstream tasks share: arms, that is which estimator stands in the loss and how, and their tables.

Torch-free, as is everything that is imported when tasks are listed: the trainings live in the private modules beside
this one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from mibench.errors import Unsupported, UsageError
from mibench.estimator import Estimator
from mibench.plugin import digest
from mibench.selector import format_selector
from mibench.task import DownstreamTask, Outcome

if TYPE_CHECKING:
    from mibench.bound import Bound

CONTROL = "none"
"""The registered name of the estimator that stands for having none."""

PLAIN = "plain"
"""The loss that takes an estimator; the other variants are losses of their own."""

PERFECT = "perfect-sampler"
"""The variant that trains nothing and scores real samples: the floor of every metric."""

CLIPPINGS = {"adaptive": "", "unclipped": "unclipped", "placebo": "placebo"}
"""How the gradient of the information joins the model's, and what that is called in the name of an arm."""


class RegularizedTask(DownstreamTask):
    """A downstream task whose arms are an estimator and some of the task's own parameters.

    ``arm_parameters`` are the fields that tell rows of one table apart; all other fields make tables of their own.
    Subclasses define :meth:`train_one`, and :meth:`remarks` for what an arm's name says beside the estimator.
    """

    arm_parameters: ClassVar[tuple[str, ...]] = ()
    variants: ClassVar[tuple[str, ...]] = (PLAIN,)
    variant: str = PLAIN

    @property
    def group(self) -> str:
        """The table: the task without those parameters that belong to the arm."""
        defaults = type(self)().params
        shown = {k: v for k, v in self.params.items() if k not in self.arm_parameters and v != defaults[k]}
        return format_selector(self.registered_name, shown)

    def arm(self, estimator: Estimator) -> str:
        """The estimator, or the variant in its place, and what else sets the row apart."""
        name = estimator.label if self.variant == PLAIN else self.variant
        return ", ".join([name, *self.remarks(estimator.registered_name == CONTROL)])

    def remarks(self, control: bool) -> Sequence[str]:
        """What else to print in the name of an arm; ``control`` where no estimator stands in the loss."""
        return ()

    def accepts(self, estimator: Estimator) -> bool:
        """The plain loss takes ``none`` and estimators whose bound needs just a critic; others take ``none`` only."""
        return estimator.registered_name == CONTROL or not self._obstacle(estimator)

    def train(self, estimator: Estimator, seeds: Sequence[int]) -> list[Outcome]:
        """Train once per seed, one after the other.

        Seeds in one stack were 1.6 times faster for nets of this size, but rounding differs in a stack, and adversarial
        training amplifies it: the answer would depend on which seeds stand side by side.

        Raises
        ------
        Unsupported : the estimator has no bound, or one that learns a second function, or this variant takes none.
        NotInstalled : the task's data are missing.
        """
        if not self.accepts(estimator):
            takes = "variational estimators with a critic alone, and 'none'" if self.variant == PLAIN else "'none' only"
            obstacle = self._obstacle(estimator) or "does not go with this setting"
            raise Unsupported(f"{estimator.label} {obstacle}; {self.label} takes {takes}.")
        key = digest([estimator.identity(), self.identity()])
        return [self.train_one(estimator.bound(), seed, key) for seed in seeds]

    def _obstacle(self, estimator: Estimator) -> str:
        """Why the estimator cannot stand in this loss; empty where it can."""
        if self.variant != PLAIN:
            return f"and {self.variant} do not go together"
        bound = estimator.bound()
        if bound is None:
            return "has no bound that could stand in a loss"
        return "learns a second function beside the critic, which is not trained here" if bound.second else ""

    @abstractmethod
    def train_one(self, bound: Bound | None, seed: int, key: str) -> Outcome:
        """Train with this bound in the loss; ``key`` names the checkpoint."""


def check_choice(task: DownstreamTask, name: str, choices: Sequence[str]) -> None:
    """Refuse a word that is not one of ``choices``."""
    value = task.params[name]
    if value not in choices:
        raise UsageError(f"{task.registered_name}: {name}={value!r} is not known; choose from {', '.join(choices)}.")


def check_positive(task: DownstreamTask, *names: str) -> None:
    """Refuse parameters that are not greater than zero (every entry of a tuple)."""
    for name in names:
        value = task.params[name]
        if any(not entry > 0 for entry in (value if isinstance(value, tuple) else (value,))):
            raise UsageError(f"{task.registered_name}: {name}={value!r} must be greater than zero.")
