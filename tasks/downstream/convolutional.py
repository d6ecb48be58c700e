"""Convolutional networks of the full-size tasks: of the DCGAN kind, and those of Unrolled GAN's stacked MNIST.

Radford et al. 2016, Unsupervised representation learning with deep convolutional generative adversarial networks; Metz
et al. 2017, Unrolled generative adversarial networks.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .nets import Critic


def _initialised(net: nn.Module) -> nn.Module:
    """DCGAN's initial weights: N(0, 0.02) for convolutions, N(1, 0.02) for batch normalisation."""
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.normal_(layer.weight, 0.0, 0.02)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
    return net


def dcgan_generator(inputs: int, channels: int, side: int, width: int = 64) -> nn.Module:
    """(B, inputs) to images (B, channels, side, side) in [-1, 1]; side 28, or a power of two from 16."""
    start, doublings = (7, 2) if side == 28 else (4, int(math.log2(side // 4)))
    first = width * 2 ** (doublings - 1)
    layers: list[nn.Module] = [
        nn.Linear(inputs, first * start * start),
        nn.Unflatten(1, (first, start, start)),
        nn.BatchNorm2d(first),
        nn.ReLU(),
    ]
    for i in range(doublings - 1):
        wide = first // 2**i
        layers += [nn.ConvTranspose2d(wide, wide // 2, 4, 2, 1), nn.BatchNorm2d(wide // 2), nn.ReLU()]
    layers += [nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh()]
    return _initialised(nn.Sequential(*layers))


def dcgan_features(channels: int, side: int, width: int = 64, batch_norm: bool = True) -> tuple[nn.Module, int]:
    """Images to flat features (B, size), and that size."""
    halvings = 2 if side == 28 else int(math.log2(side // 4))
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for i in range(halvings - 1):
        wide = width * 2**i
        layers.append(nn.Conv2d(wide, 2 * wide, 4, 2, 1))
        layers += [nn.BatchNorm2d(2 * wide)] if batch_norm else []
        layers.append(nn.LeakyReLU(0.2))
    layers.append(nn.Flatten())
    end = side // 2**halvings
    return _initialised(nn.Sequential(*layers)), width * 2 ** (halvings - 1) * end * end


class ConditionedConv(nn.Module):
    """A scalar critic of (image, code): convolutions with ELU, each block adding a linear map of the code.

    The statistics network of the published stacked-MNIST protocol (Belghazi et al. 2018, appendix).
    """

    def __init__(self, channels: int, side: int, code: int, width: int = 64) -> None:
        super().__init__()
        halvings = 2 if side == 28 else int(math.log2(side // 4))
        sizes = [channels] + [width * 2**i for i in range(halvings)]
        pairs = list(pairwise(sizes))
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in pairs)
        self.maps = nn.ModuleList(nn.Linear(code, b) for _, b in pairs)
        self.top = nn.Linear(sizes[-1] * (side // 2**halvings) ** 2, 1)

    def forward(self, images: Tensor, code: Tensor) -> Tensor:
        return self.above(self.below(images), code)

    def below(self, images: Tensor) -> Tensor:
        """The first convolution, which no code has reached yet."""
        features: Tensor = self.convolutions[0](images)
        return features

    def above(self, features: Tensor, code: Tensor) -> Tensor:
        """All that follows the first convolution."""
        hidden = F.elu(features + self.maps[0](code)[:, :, None, None])
        for convolution, linear in zip(self.convolutions[1:], self.maps[1:], strict=True):
            hidden = F.elu(convolution(hidden) + linear(code)[:, :, None, None])
        score: Tensor = self.top(hidden.flatten(1))
        return score


class ConditionedCritic(Critic):
    """T(x, y) by a :class:`ConditionedConv`; a cyclic shift of x, and so of its first convolution, makes other pairs.

    The scores of a :class:`ConcatCritic`, which convolves all the images twice.
    """

    def __init__(self, net: ConditionedConv) -> None:
        super().__init__()
        self.net = net

    def scores(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        features = self.net.below(x)
        return self.net.above(features, y)[:, 0], self.net.above(features.roll(1, dims=0), y)


def unrolled_generator(inputs: int, width: int = 8) -> nn.Module:
    """(B, inputs) to images (B, 3, 28, 28) in [-1, 1]: three transposed convolutions and a plain one.

    Its weights lie with the channels last, which is a fifth faster on a CPU.
    """
    first = 8 * width
    layers: list[nn.Module] = [nn.Linear(inputs, first * 16), nn.Unflatten(1, (first, 4, 4))]
    for i, extra in enumerate((0, 1, 1)):  # 4 to 7 to 14 to 28 pixels
        wide = first // 2**i
        layers += [nn.BatchNorm2d(wide), nn.ReLU(), nn.ConvTranspose2d(wide, wide // 2, 3, 2, 1, extra)]
    layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, 3, 3, 1, 1), nn.Tanh()]
    net = _initialised(nn.Sequential(*layers))
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net


def unrolled_discriminator(width: int = 8) -> nn.Module:
    """Images (B, 3, 28, 28) to (B, 1): three convolutions, each with batch normalisation and a leaky ReLU."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise([3, width, 2 * width, 4 * width]):
        layers += [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.3)]
    return _initialised(nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * width, 1)))
