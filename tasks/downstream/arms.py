"""What the downstream tasks share: arms, that is which estimator stands in the loss and how, and their tables.

Torch is imported inside functions here and in the tasks' modules, so that tasks can be listed without it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from mibench.errors import Unsupported, UsageError
from mibench.estimator import Estimator, Role
from mibench.selector import format_selector
from mibench.task import DownstreamTask, Outcome

if TYPE_CHECKING:
    from mibench.bound import Bound

PLAIN = "plain"
"""The loss that takes an estimator; the other variants are losses of their own."""

Clipping: TypeAlias = Literal["adaptive", "unclipped", "placebo"]
"""How the gradient of the information joins the model's; see :class:`.regularizer.InformationGradient`."""


class ArmedTask(DownstreamTask):
    """A downstream task whose arms are an estimator and some of the task's own parameters.

    ``arm_parameters`` are the fields that tell rows of one table apart; all other fields make tables of their own.
    Subclasses define :meth:`remarks` for what an arm's name says beside the estimator.
    """

    arm_parameters: ClassVar[tuple[str, ...]] = ()
    variant: str

    @property
    def group(self) -> str:
        """The table: the task without those parameters that belong to the arm."""
        defaults = type(self)().params
        shown = {k: v for k, v in self.params.items() if k not in self.arm_parameters and v != defaults[k]}
        return format_selector(self.registered_name, shown)

    def facts(self) -> dict[str, Any]:
        """Published figures are those of the default setting; other tables, such as of fewer steps, show none."""
        facts = super().facts()
        if self.group != self.registered_name:
            facts["metric_info"] = [{**metric, "published": {}} for metric in facts["metric_info"]]
        return facts

    def arm(self, estimator: Estimator) -> str:
        """The estimator, or the variant in its place, and what else sets the row apart."""
        name = estimator.label if self.variant == PLAIN else self.variant
        return ", ".join([name, *self.remarks(is_control(estimator))])

    def remarks(self, control: bool) -> Sequence[str]:
        """What else to print in the name of an arm; ``control`` where no estimator takes part."""
        return ()


class RegularizedTask(ArmedTask):
    """A model with a bound in its loss; subclasses define :meth:`train_one`."""

    def accepts(self, estimator: Estimator) -> bool:
        """The plain loss takes the control and estimators whose bound needs just a critic; others the control only."""
        return is_control(estimator) or not self._obstacle(estimator)

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
            takes = "variational estimators with a critic alone, or none" if self.variant == PLAIN else "no estimator"
            obstacle = self._obstacle(estimator) or "does not go with this setting"
            raise Unsupported(f"{estimator.label} {obstacle}; {self.label} takes {takes}.")
        return [self.train_one(estimator.bound(), seed) for seed in seeds]

    def _obstacle(self, estimator: Estimator) -> str:
        """Why the estimator cannot stand in this loss; empty where it can."""
        if self.variant != PLAIN:
            return f"and {self.variant} do not go together"
        bound = estimator.bound()
        if bound is None:
            return "has no bound that could stand in a loss"
        return "learns a second function beside the critic, which is not trained here" if bound.second else ""

    @abstractmethod
    def train_one(self, bound: Bound | None, seed: int) -> Outcome:
        """Train with this bound in the loss; without one for the control and for the other variants."""


class AdversarialTask(RegularizedTask):
    """A GAN with beta times the information in a loss; the gradients of the two meet under a rule of clipping."""

    batch: int
    beta: float
    clipping: Clipping

    arm_parameters: ClassVar[tuple[str, ...]] = ("variant", "clipping", "beta")
    weighted: ClassVar[tuple[str, ...]] = ()
    """Variants whose own loss has the weight beta."""

    def __post_init__(self) -> None:
        if self.clipping == "placebo" and self.batch < 4:  # the placebo's critic sees half of it
            raise UsageError(f"{self.registered_name}: batch={self.batch}; a placebo needs at least 4 samples.")

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Of one sample: (2,) for a point, (channels, side, side) for an image with pixels in [-1, 1]."""

    def remarks(self, control: bool) -> Sequence[str]:
        """``unclipped`` or ``placebo``, and beta unless it is 1, as far as they matter."""
        weight = [] if self.beta == 1.0 else [f"beta {self.beta:g}"]
        if control:
            return weight if self.variant in self.weighted else []
        return weight if self.clipping == "adaptive" else [self.clipping, *weight]

    def accepts(self, estimator: Estimator) -> bool:
        """As for every task; the control has nothing to clip or to weigh, so it stands once per table."""
        idle = self.clipping == "adaptive" and (self.beta == 1.0 or self.variant in self.weighted)
        return super().accepts(estimator) and (idle or not is_control(estimator))


def is_control(estimator: Estimator) -> bool:
    """Whether it stands for having no estimator."""
    return estimator.capabilities.role is Role.CONTROL
