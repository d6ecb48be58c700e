"""GANs of stacks of digits, one digit per channel: 10 ** channels modes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

from mibench.datasets import Images
from mibench.estimator import Array
from mibench.parameters import Count, Positive, Range, Widths, at_least
from mibench.registry import register_task
from mibench.task import Metric

from . import data, figures, metrics
from .gan import GanTask, mode_metrics
from .gan_setting import ENERGY, KL, MODES, REVERSE_KL, Codes, Problem

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from .labelers import Labeler
    from .metrics import Labels
    from .nets import Critic
    from .training import Training


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

        drawn = data.stack(images.train, self.shape[0], stacks, np.random.default_rng([2, seed]))
        return self.judged(images, labeler, torch.as_tensor(drawn), images.decode, seed, scale)

    def judged(
        self,
        images: Images,
        labeler: Labeler,
        samples: Tensor,
        decode: Callable[[Tensor], Tensor],
        seed: int,
        scale: int,
        test_labels: Labels | None = None,
    ) -> Problem:
        """Training on ``samples``; generated stacks are labelled, and compared with stacks of test images.

        ``test_labels`` are the labeller's of the test images, where they are known already.
        """
        channels = self.shape[0]

        def real(n: int, rng: np.random.Generator) -> Array:
            return np.asarray(images.decode(data.stack(images.test, channels, n, rng)))

        others = real(metrics.ENERGY_ROWS, np.random.default_rng([4, seed]))
        distance = metrics.energy_distance_to(others / 2.0)

        def rated(labels: Labels, made: Array) -> dict[str, float]:
            mode = data.modes_of(labels)
            counts = metrics.count_modes(mode, np.ones(len(mode), bool), 10**channels)
            return mode_metrics(counts) | {"energy_distance": distance(made / 2.0)}

        def score(made: Array) -> dict[str, float]:
            return rated(labeler(made.reshape(-1, 1, *made.shape[2:])).reshape(len(made), channels), made)

        def score_real(n: int, rng: np.random.Generator) -> dict[str, float]:
            """Each test image is labelled once, however often it is drawn."""
            numbers = data.drawn(images.test, channels, n, rng)
            first = images.decode(images.test[numbers[: metrics.ENERGY_ROWS], 0])
            found = labeler(images.decode(images.test)) if test_labels is None else test_labels
            return rated(found[numbers], first)

        return Problem(
            samples=samples,
            decode=decode,
            score=score,
            score_real=score_real,
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

    version: ClassVar[str] = "3"
    watched: ClassVar[int] = 2  # labelling takes about as long as training with nets that finish on a CPU
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
        stacks, decode = self.training_stacks(images, seed)
        made = self.judged(images, labeler, stacks, decode, seed, scale=1, test_labels=labeler.test_labels)
        return replace(made, facts={"labeler_accuracy": labeler.accuracy})

    def training_stacks(self, images: Images, seed: int) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """What is drawn from in training, and what makes stacks of a batch of it."""
        import torch

        drawn = data.stack(images.train, 3, self.stacks, np.random.default_rng([2, seed]))
        return torch.as_tensor(drawn), images.decode

    @property
    def discriminator_width(self) -> int:
        """Channels of the discriminator's first convolution."""
        return max(1, self.width // {"whole": 1, "half": 2, "quarter": 4}[self.discriminator_size])

    def new_generator(self) -> nn.Module:
        from . import convolutional

        return convolutional.dcgan_generator(self.noise + self.code_size, 3, 28, self.width)

    def new_discriminator(self) -> nn.Module:
        from torch import nn

        from . import convolutional

        features, size = convolutional.dcgan_features(3, 28, self.discriminator_width)
        return nn.Sequential(features, nn.Linear(size, 1))

    def new_critic(self, conditional: bool) -> Critic:
        from torch import nn

        from . import convolutional, nets

        if not conditional:
            return convolutional.ConditionedCritic(convolutional.ConditionedConv(3, 28, self.code_size, self.width))
        features, size = convolutional.dcgan_features(3, 28, self.width, batch_norm=False)
        return nets.GaussianCritic(nn.Sequential(features, nn.Linear(size, 2 * self.code_size)))


@register_task("gan-stacked-mnist-unrolled")
class GanStackedMnistUnrolled(GanStackedMnist):
    """Stacked MNIST as in Unrolled GAN (Metz et al. 2017): small networks, the discriminator a part of the generator.

    The networks and settings are those of Lin et al. 2018 (PacGAN), who published their code: a generator of 64, 32,
    16 and 8 channels from 256 normal numbers, a discriminator of 2, 4 and 8 (``quarter``) or 4, 8 and 16 (``half``),
    batches of 128, 500,000 steps of each, 25,600 samples labelled by a CNN. Their stacks are drawn afresh in every
    step; here they come from a million that are drawn once.

    Parameters
    ----------
    lr : Adam's learning rate of discriminator and critic.
    generator_lr : of the generator; ``beta2`` is Adam's second rate of decay for both networks.
    """

    code_dim: Count = 256
    width: Count = 8
    steps: Count = 500_000
    batch: Annotated[int, at_least(2)] = 128
    stacks: Count = 1_000_000
    generator_steps: Count = 1
    generated: Count = 25_600
    discriminator_size: Literal["whole", "half", "quarter"] = "quarter"
    generator_lr: Positive = 1e-4
    beta2: Annotated[float, Range(0, 1)] = 0.99

    version: ClassVar[str] = "2"
    metrics: ClassVar[tuple[Metric, ...]] = StackedGanTask.metrics
    citation: ClassVar[str] = "Metz et al. 2017, appendix; Lin et al. 2018; Belghazi et al. 2018, section 5.1"

    def training_stacks(self, images: Images, seed: int) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """The numbers of the images in each stack, which are put together when they are drawn."""
        import torch

        pixels = torch.as_tensor(images.train[:, 0])
        numbers = data.drawn(images.train, 3, self.stacks, np.random.default_rng([2, seed]))

        def decode(chosen: Tensor) -> Tensor:
            stacks: Tensor = images.decode(pixels[chosen.cpu()].to(chosen.device))
            return stacks

        return torch.as_tensor(numbers), decode

    def draw_code(self, run: Training, stream: str, count: int) -> Tensor:
        """Standard normal codes (count, code_dim)."""
        return run.normal(stream, count, self.code_dim)

    def new_optimizers(self, generator: nn.Module, discriminator: nn.Module) -> tuple[Optimizer, Optimizer]:
        """Of different learning rates."""
        from .training import adam

        return adam(generator, self.generator_lr, self.beta2), adam(discriminator, self.lr, self.beta2)

    def new_generator(self) -> nn.Module:
        from . import convolutional

        return convolutional.unrolled_generator(self.noise + self.code_size, self.width)

    def new_discriminator(self) -> nn.Module:
        from . import convolutional

        return convolutional.unrolled_discriminator(self.discriminator_width)
