"""Bidirectional GANs of images with convolutional networks, which need the data's files."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from mibench.datasets import Images
from mibench.parameters import Count, Positive, Widths
from mibench.registry import register_task
from mibench.task import Metric

from . import data
from .bigan import BiganTask, image_problem
from .bigan_setting import AGREEMENT, RECONSTRUCTION, SSIM, Problem
from .gan_setting import ENERGY

if TYPE_CHECKING:
    from torch import nn

    from .nets import Critic


@dataclass(frozen=True, eq=False, repr=False)
class ConvolutionalBigan(BiganTask):
    """A bidirectional GAN of images with DCGAN networks; needs the data's files, and a GPU to be practical.

    Parameters
    ----------
    width : channels of the first convolution.
    """

    latent: Count = 64
    noise: Count = 64
    hidden: Widths = (512,)
    width: Count = 64
    steps: Count = 50_000
    lr: Positive = 1e-4

    version: ClassVar[str] = "3"

    @abstractmethod
    def images(self) -> Images:
        """The same for every seed."""

    def problem(self, seed: int) -> Problem:
        from .labelers import image_labeler

        images = self.images()
        labeler = image_labeler(images)
        made = image_problem(images, labeler, scale=1)
        return replace(made, facts={"labeler_accuracy": labeler.accuracy})

    def new_generator(self) -> nn.Module:
        from . import convolutional

        channels, side, _ = self.shape
        return convolutional.dcgan_generator(self.latent, channels, side, self.width)

    def new_encoder(self) -> nn.Module:
        return self._joined(self.noise, self.latent)

    def new_discriminator(self) -> nn.Module:
        return self._joined(self.latent, 1)

    def new_critic(self, conditional: bool) -> Critic:
        from torch import nn

        from . import nets

        features, size = self._features(batch_norm=False)
        hidden, last = self.hidden, self.hidden[-1]
        if conditional:
            return nets.GaussianCritic(nn.Sequential(features, nets.mlp([size, *hidden, 2 * self.latent])))
        return nets.SeparableCritic(
            nn.Sequential(features, nets.mlp([size, *hidden, last])), nets.mlp([self.latent, *hidden, last])
        )

    def _joined(self, other: int, outputs: int) -> nn.Module:
        """A network of images and of another variable with so many coordinates."""
        from . import nets

        features, size = self._features()
        return nets.Joined(nets.mlp([size + other, *self.hidden, outputs]), features)

    def _features(self, batch_norm: bool = True) -> tuple[nn.Module, int]:
        from . import convolutional

        channels, side, _ = self.shape
        return convolutional.dcgan_features(channels, side, self.width, batch_norm)


@register_task("bigan-mnist")
class BiganMnist(ConvolutionalBigan):
    """MNIST with DCGAN networks; a CNN labels."""

    shape = (1, 28, 28)

    def images(self) -> Images:
        return data.mnist()


@register_task("bigan-celeba")
class BiganCeleba(ConvolutionalBigan):
    """CelebA at 64 x 64 with DCGAN networks; a CNN labels the 40 attributes."""

    latent: Count = 256
    steps: Count = 150_000

    metrics: ClassVar[tuple[Metric, ...]] = (
        RECONSTRUCTION,
        replace(
            AGREEMENT, description="Attributes of test images that a classifier gives to their reconstruction too."
        ),
        SSIM,
        ENERGY,
    )

    shape = (3, 64, 64)

    def images(self) -> Images:
        return data.celeba()
