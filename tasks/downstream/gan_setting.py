"""GANs with a code: what all of them can be set to, their networks, and what they are trained on and judged by."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

import numpy as np

from mibench.estimator import Array
from mibench.parameters import Count, Positive, Widths, at_least
from mibench.task import Metric

from .arms import AdversarialTask, Clipping

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from .nets import Critic
    from .training import Training

MODES = Metric("modes", "higher", "", "Modes with at least one generated sample close to them.")
QUALITY = Metric("high_quality", "higher", "%", "Generated samples within 3 standard deviations of a mode.")
KL = Metric("kl_to_uniform", "lower", "nats", "KL(generated || uniform) over the nearest modes, plug-in.")
REVERSE_KL = Metric(
    "kl_from_uniform", "lower", "nats", "KL(uniform || generated) over the nearest modes, half a sample added to each."
)
ENERGY = Metric("energy_distance", "lower", "", "Energy distance of 2,000 generated samples to 2,000 real ones.")

SCORES = 8  # how often a model is scored along training

Codes: TypeAlias = Literal[0] | Annotated[int, at_least(2)]


def same(batch: Tensor) -> Tensor:
    """Samples that the networks see as they are stored."""
    return batch


@dataclass(frozen=True)
class Problem:
    """The samples that a GAN is trained on, and how those that it makes are judged.

    samples : real ones (N, ...); ``decode`` turns a batch of them into what the networks see.
    score : the task's metrics of generated samples (n, ...).
    real : draws n real samples that no model has seen: what a perfect sampler would give.
    picture : generated samples as PNG.
    score_real : the metrics of n real samples, where there is a shorter way than to draw and to score them.
    facts : what a Result's diagnostics should say of the judging, such as the accuracy of a labeller.
    """

    samples: Tensor
    score: Callable[[Array], dict[str, float]]
    real: Callable[[int, np.random.Generator], Array]
    picture: Callable[[Array], bytes]
    decode: Callable[[Tensor], Tensor] = same
    score_real: Callable[[int, np.random.Generator], dict[str, float]] | None = None
    facts: Mapping[str, float] = field(default_factory=dict)

    def floor(self, n: int, seed: int) -> dict[str, float]:
        """The metrics of n real samples."""
        rng = np.random.default_rng([3, seed])
        return self.score_real(n, rng) if self.score_real else self.score(self.real(n, rng))


@dataclass(frozen=True, eq=False, repr=False)
class GanSetting(AdversarialTask):
    """A GAN with a code: parameters that all the mode-collapse tasks share.

    Parameters
    ----------
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

    codes: Codes = 25
    code_dim: Count = 10
    noise: Annotated[int, at_least(0)] = 2
    generator: Widths = (128, 128)
    discriminator: Widths = (128, 128)
    steps: Count = 2_000
    batch: Annotated[int, at_least(2)] = 100
    lr: Positive = 1e-3
    generator_steps: Count = 1
    generated: Count = 10_000
    beta: Positive = 1.0
    clipping: Clipping = "adaptive"
    variant: Literal["plain", "perfect-sampler"] = "plain"

    metrics: ClassVar[tuple[Metric, ...]] = (MODES, QUALITY, KL, REVERSE_KL, ENERGY)
    citation: ClassVar[str] = "Belghazi et al. 2018, section 5.1"
    watched: ClassVar[int] = 0
    """How often the model is scored along training; 0 for as often as every other task."""

    @abstractmethod
    def problem(self, seed: int) -> Problem:
        """What this task trains on and is judged by."""

    @property
    def code_size(self) -> int:
        """Coordinates of the code."""
        return self.codes or self.code_dim

    def new_generator(self) -> nn.Module:
        """(B, noise + code size) to samples (B, *shape)."""
        from . import nets

        return nets.generator(self.noise + self.code_size, self.generator, self.shape)

    def new_discriminator(self) -> nn.Module:
        """Samples to (B, 1)."""
        from . import nets

        return nets.flat_mlp([math.prod(self.shape), *self.discriminator, 1])

    def new_critic(self, conditional: bool) -> Critic:
        """A critic of samples and codes; a log-density of the code where it is to be conditional."""
        from . import nets

        hidden, code = self.discriminator, self.code_size

        def body(outputs: int) -> nn.Module:
            return nets.flat_mlp([math.prod(self.shape), *hidden, outputs])

        if self.codes:
            return nets.CodeCritic(body(code), conditional)
        if conditional:
            return nets.GaussianCritic(body(2 * code))
        return nets.SeparableCritic(body(hidden[-1]), nets.mlp([code, *hidden]))

    def draw_inputs(self, run: Training, stream: str, count: int) -> tuple[Tensor, Tensor]:
        """Generator inputs (count, noise + code size), and the codes in them: one-hot, or continuous."""
        import torch
        import torch.nn.functional as F

        if self.codes:
            code = F.one_hot(run.integers(f"{stream} codes", self.codes, count), self.codes).float()
        else:
            code = self.draw_code(run, f"{stream} codes", count)
        return torch.cat([run.normal(f"{stream} noise", count, self.noise), code], dim=1), code

    def draw_code(self, run: Training, stream: str, count: int) -> Tensor:
        """Continuous codes (count, code_dim), uniform on (-1, 1)."""
        return run.uniform(stream, count, self.code_dim)

    def new_optimizers(self, generator: nn.Module, discriminator: nn.Module) -> tuple[Optimizer, Optimizer]:
        """Of the generator and of the discriminator."""
        from .training import adam

        return adam(generator, self.lr), adam(discriminator, self.lr)
