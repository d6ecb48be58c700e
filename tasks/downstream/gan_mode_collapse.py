"""GANs that must cover many modes, with mutual information between code and sample in the generator's loss.

The generator maximises its adversarial objective + beta I(G([eps, c]); c) (Belghazi et al. 2018, section 5.1). The arms
are the estimator and the way its gradient joins the generator's; ``none`` is the GAN alone. The training is in
``_gan.py``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from mibench.errors import UsageError
from mibench.estimator import Estimator
from mibench.registry import register_task
from mibench.task import Metric, Outcome

from .arms import CLIPPINGS, CONTROL, PERFECT, PLAIN, RegularizedTask, check_choice, check_positive

if TYPE_CHECKING:
    from mibench.bound import Bound

    from ._gan import Problem

MODES = Metric("modes", "higher", "", "Modes with at least one generated sample close to them.")
QUALITY = Metric("high_quality", "higher", "%", "Generated samples within 3 standard deviations of a mode.")
KL = Metric("kl_to_uniform", "lower", "nats", "KL(generated || uniform) over the nearest modes, plug-in.")
REVERSE_KL = Metric(
    "kl_from_uniform", "lower", "nats", "KL(uniform || generated) over the nearest modes, half a sample added to each."
)
ENERGY = Metric("energy_distance", "lower", "", "Energy distance of 2,000 generated samples to 2,000 real ones.")


@dataclass(frozen=True, eq=False, repr=False)
class GanTask(RegularizedTask):
    """A GAN with a code: parameters that all the mode-collapse tasks share.

    codes : discrete codes, one-hot beside the noise; 0 for a continuous code.
    code_dim : dimensions of the continuous code, uniform on (-1, 1).
    noise : dimensions of the Gaussian noise.
    generator, discriminator : hidden layers of the perceptrons (the critic has the discriminator's).
    steps, batch, lr : training steps, batch size, Adam's learning rate (beta1 0.5) for all three networks.
    generator_steps : steps of the generator (and critic) per step of the discriminator.
    generated : samples on which the final metrics are computed.
    beta : weight of the information.
    clipping : ``adaptive`` (no longer than the adversarial gradient), ``unclipped``, or ``placebo`` (the gradient of a
        critic of shuffled pairs, at the norm of the clipped one).
    variant : ``plain``, or ``perfect-sampler``: real samples in place of a GAN, which gives the floor of every metric.
    """

    codes: int = 25
    code_dim: int = 10
    noise: int = 2
    generator: tuple[int, ...] = (128, 128)
    discriminator: tuple[int, ...] = (128, 128)
    steps: int = 2_000
    batch: int = 100
    lr: float = 1e-3
    generator_steps: int = 1
    generated: int = 10_000
    beta: float = 1.0
    clipping: str = "adaptive"
    variant: str = PLAIN

    arm_parameters: ClassVar[tuple[str, ...]] = ("variant", "clipping", "beta")
    variants: ClassVar[tuple[str, ...]] = (PLAIN, PERFECT)
    metrics: ClassVar[tuple[Metric, ...]] = (MODES, QUALITY, KL, REVERSE_KL, ENERGY)
    citation: ClassVar[str] = "Belghazi et al. 2018, section 5.1"

    def __post_init__(self) -> None:
        check_positive(
            self, "code_dim", "generator", "discriminator", "steps", "lr", "generator_steps", "generated", "beta"
        )
        check_choice(self, "clipping", tuple(CLIPPINGS))
        check_choice(self, "variant", self.variants)
        least = 4 if self.clipping == "placebo" else 2  # the placebo's critic sees half the batch
        if self.batch < least:
            raise UsageError(f"{self.registered_name}: batch={self.batch}; at least {least} samples make a batch.")
        if self.codes < 0 or self.codes == 1:
            raise UsageError(f"{self.registered_name}: codes={self.codes}; give 2 or more, or 0 for a continuous code.")

    def remarks(self, control: bool) -> Sequence[str]:
        """``unclipped`` or ``placebo``, and beta unless it is 1."""
        if control:
            return []
        weight = [] if self.beta == 1.0 else [f"beta {self.beta:g}"]
        return [*filter(None, [CLIPPINGS[self.clipping]]), *weight]

    def accepts(self, estimator: Estimator) -> bool:
        """As for every task; ``none`` has nothing to clip or to weigh, so it stands once per table."""
        settings = (self.clipping, self.beta) == ("adaptive", 1.0)
        return super().accepts(estimator) and (settings or estimator.registered_name != CONTROL)

    @abstractmethod
    def problem(self, seed: int) -> Problem:
        """Data, networks and scores of this task."""

    def train_one(self, bound: Bound | None, seed: int, key: str) -> Outcome:
        """Train the GAN, or score the perfect sampler."""
        from ._gan import perfect_sampler, train

        if self.variant == PERFECT:
            return perfect_sampler(self, self.problem(seed), seed)
        return train(self, self.problem(seed), bound, seed, key)


class PlaneGanTask(GanTask):
    """A GAN of points in the plane."""

    target: ClassVar[str]

    def problem(self, seed: int) -> Problem:
        """Points, perceptrons and mode counts."""
        from . import data
        from ._gan import plane_problem

        return plane_problem(self, getattr(data, self.target)(), seed)


@register_task("gan-25gaussians")
class Gan25Gaussians(PlaneGanTask):
    """25 Gaussians on a 5 x 5 grid with spacing 2 and standard deviation 0.05.

    The default of 25 codes uses knowledge of the number of modes: compare it with ``codes=10`` and ``codes=50``.
    """

    target: ClassVar[str] = "grid25"


@register_task("gan-ring")
class GanRing(PlaneGanTask):
    """8 Gaussians on a circle of radius 2, standard deviation 0.02; 8 codes."""

    codes: int = 8
    target: ClassVar[str] = "ring"


@register_task("gan-spiral")
class GanSpiral(PlaneGanTask):
    """A spiral of two turns with noise of standard deviation 0.05; its modes are 50 pieces of equal length."""

    target: ClassVar[str] = "spiral"


class StackedGanTask(GanTask):
    """A GAN of stacks of digits, one digit per channel: 10 ** channels modes."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        replace(MODES, description="Distinct label tuples among the generated stacks."),
        replace(KL, description="KL(generated || uniform) over label tuples, plug-in."),
        replace(REVERSE_KL, description="KL(uniform || generated) over label tuples, half a sample added to each."),
        replace(ENERGY, description="Energy distance of 2,000 generated stacks to 2,000 real ones, in pixels [0, 1]."),
    )


@register_task("gan-stacked-digits")
class GanStackedDigits(StackedGanTask):
    """Stacks of scikit-learn's 8x8 digits, one per channel; an SVC labels each channel.

    channels : 2 (100 modes) or 3 (1,000 modes).
    """

    channels: int = 2
    codes: int = 0
    noise: int = 20
    generator: tuple[int, ...] = (256, 256)
    discriminator: tuple[int, ...] = (256, 256)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels not in (2, 3):
            raise UsageError(f"{self.registered_name}: channels={self.channels}; choose 2 (100 modes) or 3 (1,000).")

    def problem(self, seed: int) -> Problem:
        """Stacks of digits, perceptrons and the SVC."""
        from ._gan import stacked_digits_problem

        return stacked_digits_problem(self, seed)


@register_task("gan-stacked-mnist")
class GanStackedMnist(StackedGanTask):
    """Stacked MNIST as published: 128,000 stacks of three digits, DCGAN networks, a CNN labels each channel.

    The code is all of the noise, uniform on (-1, 1); the critic is convolutional, each block adding a linear map of the
    code. Two generator steps follow each discriminator step. Needs the MNIST files, and a GPU to be practical.
    """

    codes: int = 0
    code_dim: int = 100
    noise: int = 0
    width: int = 64
    steps: int = 100_000
    batch: int = 64
    lr: float = 2e-4
    stacks: int = 128_000
    generator_steps: int = 2
    generated: int = 26_000

    metrics: ClassVar[tuple[Metric, ...]] = (
        replace(StackedGanTask.metrics[0], published={"none": "99.0", "mine-ema": "1000.0"}),
        replace(StackedGanTask.metrics[1], published={"none": "3.40"}),
        *StackedGanTask.metrics[2:],
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "width", "stacks")

    def problem(self, seed: int) -> Problem:
        """Stacks of MNIST digits, DCGAN networks and the CNN."""
        from ._gan import stacked_mnist_problem

        return stacked_mnist_problem(self, seed)
