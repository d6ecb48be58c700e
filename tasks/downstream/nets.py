"""Networks of the downstream tasks: perceptrons, and the critics; ``convolutional.py`` has the nets of large images.

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
    """A network of two variables: features of x, by default its coordinates, beside those of y through a head."""

    def __init__(self, head: nn.Module, features: nn.Module | None = None) -> None:
        super().__init__()
        self.head, self.features = head, features or nn.Flatten()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        outputs: Tensor = self.head(torch.cat([self.features(x), y.flatten(1)], dim=1))
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
    """T(x, y) by one network of both (``net(x, y)``, shape (B, 1)); a cyclic shift of x makes the other pairs."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def scores(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return self.net(x, y)[:, 0], self.net(x.roll(1, dims=0), y)


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
