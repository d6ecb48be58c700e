"""Networks of the downstream tasks: perceptrons, convolutional nets of the DCGAN kind, and the critics.

A critic here is an ``nn.Module`` whose :meth:`scores` gives what a :class:`~mibench.bound.Bound` wants: the scores of
the B given pairs, shape (B,), and those of (x_j, y_i) for values x_j of other pairs, in row i, shape (B, K). How
critics are trained is in ``regularizer.py``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .densities import gaussian_log_density

Activation = Callable[[], nn.Module]


def leaky() -> nn.Module:
    """Leaky ReLU with the slope 0.02 used throughout the GANs on points and digits."""
    return nn.LeakyReLU(0.02)


def mlp(sizes: Sequence[int], activation: Activation = leaky, batch_norm: bool = False) -> nn.Sequential:
    """A perceptron of these layer sizes; batch normalisation, if any, stands after each hidden linear layer."""
    layers: list[nn.Module] = []
    for i, (inputs, outputs) in enumerate(pairwise(sizes)):
        layers.append(nn.Linear(inputs, outputs))
        if i < len(sizes) - 2:
            if batch_norm:
                layers.append(nn.BatchNorm1d(outputs))
            layers.append(activation())
    return nn.Sequential(*layers)


def flat_mlp(sizes: Sequence[int]) -> nn.Sequential:
    """A perceptron of points or images (B, ...), of which the first size is the number of coordinates."""
    return nn.Sequential(nn.Flatten(), mlp(sizes))


def generator(inputs: int, hidden: Sequence[int], shape: Sequence[int]) -> nn.Sequential:
    """A perceptron with batch normalisation to points (d,), or to images (channels, side, side) in [-1, 1]."""
    image = [nn.Tanh(), nn.Unflatten(1, tuple(shape))] if len(shape) > 1 else []
    return nn.Sequential(mlp([inputs, *hidden, math.prod(shape)], batch_norm=True), *image)


class Noise(nn.Module):
    """Gaussian noise of this standard deviation, from a given stream; none in evaluation mode."""

    def __init__(self, std: float, stream: torch.Generator) -> None:
        super().__init__()
        self.std, self.stream = std, stream

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        return x + self.std * torch.randn(x.shape, generator=self.stream).to(x.device)


class Dropout(nn.Module):
    """Dropout with a given rate, its masks from a given stream; the identity in evaluation mode."""

    def __init__(self, rate: float, stream: torch.Generator) -> None:
        super().__init__()
        self.rate, self.stream = rate, stream

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        kept = torch.rand(x.shape, generator=self.stream).to(x.device) >= self.rate
        return x * kept / (1.0 - self.rate)


def noisy_mlp(sizes: Sequence[int], stream: torch.Generator) -> nn.Sequential:
    """The published critic of the bottleneck: noise of 0.3 on the input, 0.5 after each hidden layer, ELU."""
    layers: list[nn.Module] = [Noise(0.3, stream)]
    for inputs, outputs in pairwise(sizes[:-1]):
        layers += [nn.Linear(inputs, outputs), nn.ELU(), Noise(0.5, stream)]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


class Joined(nn.Module):
    """A network of two variables: their features side by side through a head. ``features`` default to flattening."""

    def __init__(self, head: nn.Module, features_x: nn.Module | None = None, features_y: nn.Module | None = None):
        super().__init__()
        self.head = head
        self.features_x = features_x or nn.Flatten()
        self.features_y = features_y or nn.Flatten()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        outputs: Tensor = self.head(torch.cat([self.features_x(x), self.features_y(y)], dim=1))
        return outputs


class Encoder(nn.Module):
    """Images (B, size) and standard normal noise (B, ``noise_dim``) to codes (B, latent).

    kind : ``deterministic``, ``gaussian``, ``additive`` (noise of standard deviation ``std`` on the image) or
        ``propagated`` (noise beside the image), see :class:`.bottleneck.BottleneckTask`.
    dropout : stands after each activation.
    """

    def __init__(
        self, kind: str, size: int, hidden: Sequence[int], latent: int, std: float, dropout: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.kind, self.std = kind, std
        self.noise_dim = {"deterministic": 0, "gaussian": latent, "additive": size, "propagated": latent}[kind]
        inputs = size + (latent if kind == "propagated" else 0)
        outputs = latent * (2 if kind == "gaussian" else 1)
        activation = nn.ReLU if dropout is None else lambda: nn.Sequential(nn.ReLU(), dropout)
        self.net = mlp([inputs, *hidden, outputs], activation)

    def gaussian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (B, latent) of the Gaussian encoder."""
        mean, rho = self.net(x).chunk(2, dim=1)
        return mean, F.softplus(rho - 5.0)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        if self.kind == "gaussian":
            mean, std = self.gaussian(x)
            return mean + std * noise
        codes: Tensor = self.net(x + self.std * noise if self.kind == "additive" else torch.cat([x, noise], dim=1))
        return codes

    def coding(self, x: Tensor) -> Callable[[Tensor], Tensor]:
        """Codes of these images as a function of the noise; what the noise does not reach is computed once."""
        if self.kind == "gaussian":
            mean, std = self.gaussian(x)
            return lambda noise: mean + std * noise
        if self.kind == "deterministic":
            codes = self(x, x[:, :0])
            return lambda noise: codes
        return lambda noise: self(x, noise)


class Classifier(nn.Module):
    """An encoder of images, and a linear decoder of its codes into the scores of the classes."""

    def __init__(self, encoder: Encoder, latent: int, classes: int) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, nn.Linear(latent, classes)


# Critics -------------------------------------------------------------------------------------------------------------


def split_matrix(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The diagonal (B,) and the off-diagonal entries (B, B - 1), row by row, of a (B, B) matrix."""
    size = len(matrix)
    # dropping the first entry and cutting rows one longer puts the diagonal in the last column
    off = matrix.flatten()[1:].view(size - 1, size + 1)[:, :-1].reshape(size, size - 1)
    return matrix.diagonal(), off


class Critic(nn.Module, ABC):
    """A critic of pairs (x, y) of one batch."""

    @abstractmethod
    def scores(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of the pairs, (B,), and of (x_j, y_i) for other x_j of the batch, in row i, (B, K)."""


class CodeCritic(Critic):
    """A critic of (x, code) for K discrete codes given one-hot: T(x, c) = body(x)_c.

    With discrete codes this form is fully general, and one pass of the body gives the scores of every code.
    A conditional bound gets log q(c | x), the log-softmax of the same outputs.
    """

    def __init__(self, body: nn.Module, conditional: bool = False) -> None:
        super().__init__()
        self.body = body
        self.conditional = conditional

    def scores(self, x: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self.body(x)
        if self.conditional:
            outputs = F.log_softmax(outputs, dim=1)
        return split_matrix(code @ outputs.T)


class SeparableCritic(Critic):
    """T(x, y) = <f(x), g(y)> / sqrt(dim): 2 B network passes for the whole matrix of B * B scores."""

    def __init__(self, f: nn.Module, g: nn.Module) -> None:
        super().__init__()
        self.f, self.g = f, g

    def scores(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        u, v = self.f(x), self.g(y)
        return split_matrix(v @ u.T / math.sqrt(u.shape[1]))


class ConcatCritic(Critic):
    """T(x, y) by one network of both (``net(x, y)``, shape (B, 1)); cyclic shifts of x make the other pairs."""

    def __init__(self, net: nn.Module, shifts: int = 1) -> None:
        super().__init__()
        self.net, self.shifts = net, shifts

    def scores(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        shifts = min(self.shifts, len(x) - 1)
        product = [self.net(x.roll(k, dims=0), y)[:, 0] for k in range(1, shifts + 1)]
        return self.net(x, y)[:, 0], torch.stack(product, dim=1)


class GaussianCritic(Critic):
    """log q(y | x) of a Gaussian with diagonal covariance, for conditional bounds such as CLUB.

    ``body`` maps x to 2 dim_y numbers: the mean and, through a soft bound, the log standard deviation.
    """

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def scores(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.body(x).chunk(2, dim=1)
        return split_matrix(gaussian_log_density(y.flatten(1), mean, 5.0 * torch.tanh(log_std / 5.0)).T)


class Standardized(nn.Module):
    """An affine map that gives the columns of the sample it was made of mean 0 and standard deviation 1, once and for
    all."""

    mean: Tensor
    std: Tensor

    def __init__(self, sample: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", sample.detach().mean(0))
        self.register_buffer("std", sample.detach().std(0).clamp_min(1e-6))

    def forward(self, values: Tensor) -> Tensor:
        scaled: Tensor = (values - self.mean) / self.std
        return scaled


class ScaledCritic(Critic):
    """A critic of values that pass through a map each first; of fixed affine maps, which leave the information alone.

    A conditional bound takes log q(y | x) less its mean over others, in which the constant that the map adds cancels.
    """

    def __init__(self, critic: Critic, scale_x: nn.Module, scale_y: nn.Module) -> None:
        super().__init__()
        self.critic, self.scale_x, self.scale_y = critic, scale_x, scale_y

    def scores(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return self.critic.scores(self.scale_x(x), self.scale_y(y))


# Convolutional nets of the full-size tasks (Radford et al. 2016, DCGAN) ----------------------------------------------


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


# Nets of Unrolled GAN's stacked MNIST (Metz et al. 2017), images of 28 x 28 -------------------------------------------


def unrolled_generator(inputs: int, channels: int, width: int = 8) -> nn.Module:
    """(B, inputs) to images (B, channels, 28, 28) in [-1, 1]: three transposed convolutions and a plain one.

    Its weights lie with the channels last, which is a fifth faster on a CPU.
    """
    first = 8 * width
    layers: list[nn.Module] = [nn.Linear(inputs, first * 16), nn.Unflatten(1, (first, 4, 4))]
    for i, extra in enumerate((0, 1, 1)):  # 4 to 7 to 14 to 28 pixels
        wide = first // 2**i
        layers += [nn.BatchNorm2d(wide), nn.ReLU(), nn.ConvTranspose2d(wide, wide // 2, 3, 2, 1, extra)]
    layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, channels, 3, 1, 1), nn.Tanh()]
    net = _initialised(nn.Sequential(*layers))
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net


def unrolled_discriminator(channels: int, width: int = 8) -> nn.Module:
    """Images (B, channels, 28, 28) to (B, 1): three convolutions, each with batch normalisation and a leaky ReLU."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise([channels, width, 2 * width, 4 * width]):
        layers += [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.3)]
    return _initialised(nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * width, 1)))
