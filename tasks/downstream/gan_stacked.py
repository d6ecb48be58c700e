"""GANs of stacks of digits, one digit per channel: 10 ** channels modes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

from mibench.datasets import Images
from mibench.estimator import Array
from mibench.parameters import Count, Positive, Widths, at_least
from mibench.registry import register_task
from mibench.task import Metric

from . import data, figures, metrics
from .gan import ENERGY, KL, MODES, REVERSE_KL, Codes, GanTask, Problem, mode_metrics

if TYPE_CHECKING:
    from torch import nn

    from .labelers import Labeler
    from .nets import Critic


class StackedGanTask(GanTask):
    """A GAN of stacks of digits."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        replace(MODES, description="Distinct label tuples among the generated stacks."),
        replace(KL, description="KL(generated || uniform) over label tuples, plug-in."),
        replace(REVERSE_KL, description="KL(uniform || generated) over label tuples, half a sample added to each."),
        replace(ENERGY, description="Energy distance of 2,000 generated stacks to 2,000 real ones, in pixels [0, 1]."),
    )

    def stacked(self, images: Images, labeler: Labeler, stacks: int, seed: int, scale: int) -> Problem:
        """So many stacks of training images; generated ones are compared with stacks of test images."""
        import torch

        channels = self.shape[0]

        def real(n: int, rng: np.random.Generator) -> Array:
            return np.asarray(images.decode(data.stack(images.test, channels, n, rng)))

        others = real(metrics.ENERGY_ROWS, np.random.default_rng([4, seed]))

        def score(made: Array) -> dict[str, float]:
            labels = labeler(made.reshape(-1, 1, *made.shape[2:])).reshape(len(made), channels)
            mode = data.modes_of(labels)
            counts = metrics.count_modes(mode, np.ones(len(mode), bool), 10**channels)
            return mode_metrics(counts) | {"energy_distance": metrics.energy_distance(made / 2.0, others / 2.0)}

        return Problem(
            samples=torch.as_tensor(data.stack(images.train, channels, stacks, np.random.default_rng([2, seed]))),
            decode=images.decode,
            score=score,
            real=real,
            picture=lambda made: figures.tiles(made[:60] / 2.0 + 0.5, scale=scale),
        )


@register_task("gan-stacked-digits")
class GanStackedDigits(StackedGanTask):
    """Stacks of scikit-learn's 8x8 digits, one per channel; an SVC labels each channel.

    Parameters
    ----------
    channels : 2 (100 modes) or 3 (1,000 modes).
    """

    channels: Literal[2, 3] = 2
    codes: Codes = 0
    noise: Annotated[int, at_least(0)] = 20
    generator: Widths = (256, 256)
    discriminator: Widths = (256, 256)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.channels, 8, 8)

    def problem(self, seed: int) -> Problem:
        from .labelers import digit_labeler

        images = data.digits(1_297, seed)
        return self.stacked(images, digit_labeler(images), 20_000, seed, scale=3)


@register_task("gan-stacked-mnist")
class GanStackedMnist(StackedGanTask):
    """Stacked MNIST as published: 128,000 stacks of three digits, DCGAN networks, a CNN labels each channel.

    The code is all of the noise, uniform on (-1, 1); the critic is convolutional, each block adding a linear map of the
    code. Two generator steps follow each discriminator step. Needs the MNIST files, and a GPU to be practical.

    The published protocols differ. That of Srivastava et al. 2017 (VEEGAN), kept by Lin et al. 2018 (PacGAN) and here,
    has a discriminator of the generator's width; that of Metz et al. 2017 (Unrolled GAN) one of a quarter or a half of
    it, which collapses where the former need not.

    Parameters
    ----------
    width : channels of the generator's last hidden layer, and of the critic's first.
    discriminator_size : the discriminator's channels in parts of ``width``: ``whole``, ``half`` or ``quarter``.
    stacks : stacks for training.
    """

    codes: Codes = 0
    code_dim: Count = 100
    noise: Annotated[int, at_least(0)] = 0
    width: Count = 64
    steps: Count = 100_000
    batch: Annotated[int, at_least(2)] = 64
    lr: Positive = 2e-4
    stacks: Count = 128_000
    generator_steps: Count = 2
    generated: Count = 26_000
    discriminator_size: Literal["whole", "half", "quarter"] = "whole"

    version: ClassVar[str] = "2"
    metrics: ClassVar[tuple[Metric, ...]] = (
        replace(StackedGanTask.metrics[0], published={"none": "99.0", "mine-ema": "1000.0"}),
        replace(StackedGanTask.metrics[1], published={"none": "3.40"}),
        *StackedGanTask.metrics[2:],
    )

    shape = (3, 28, 28)

    def problem(self, seed: int) -> Problem:
        """Stacks labelled by the CNN: the protocol of Srivastava et al. 2017 and Lin et al. 2018."""
        from .labelers import image_labeler

        images = data.mnist()
        labeler = image_labeler(images)
        made = self.stacked(images, labeler, self.stacks, seed, scale=1)
        return replace(made, facts={"labeler_accuracy": labeler.accuracy})

    def new_generator(self) -> nn.Module:
        from . import nets

        return nets.dcgan_generator(self.noise + self.code_size, 3, 28, self.width)

    def new_discriminator(self) -> nn.Module:
        from torch import nn

        from . import nets

        parts = {"whole": 1, "half": 2, "quarter": 4}[self.discriminator_size]
        features, size = nets.dcgan_features(3, 28, max(1, self.width // parts))
        return nn.Sequential(features, nn.Linear(size, 1))

    def new_critic(self, conditional: bool) -> Critic:
        from torch import nn

        from . import nets

        if not conditional:
            return nets.ConcatCritic(nets.ConditionedConv(3, 28, self.code_size, self.width))
        features, size = nets.dcgan_features(3, 28, self.width, batch_norm=False)
        return nets.GaussianCritic(nn.Sequential(features, nn.Linear(size, 2 * self.code_size)))
