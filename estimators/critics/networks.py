"""Networks, many at once: the parameters of each are a row of one matrix.

A stack of S networks of one architecture is a tensor ``theta`` (S, P): a row holds all the parameters of one. They are
used as a dict of views into that matrix, and all networks work together by batched matrix products. What a row answers
does not depend on which other rows there are.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

Parameters = dict[str, Tensor]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "elu": F.elu,
    "gelu": F.gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
}

SQRT2 = math.sqrt(2)
SMALLEST_IMAGE = 4


class ParameterMatrix:
    """The layout of one row of ``theta``: names, shapes and how each parameter starts, as mean + scale * normal."""

    def __init__(self) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._mean: list[npt.NDArray[np.float32]] = []
        self._scale: list[npt.NDArray[np.float32]] = []
        self._decays: list[npt.NDArray[np.float32]] = []

    def add(self, name: str, shape: tuple[int, ...], scale: npt.ArrayLike, mean: float = 0.0) -> None:
        """Append a parameter; ``scale`` broadcasts to its shape."""
        self.shapes[name] = shape
        self._mean.append(np.full(math.prod(shape), mean, np.float32))
        self._scale.append(np.broadcast_to(np.asarray(scale, np.float32), shape).ravel())
        self._decays.append(np.full(math.prod(shape), name.endswith("weight"), np.float32))

    @property
    def decays(self) -> Tensor:
        """Shape (P,): 1 for weights, 0 for biases and constants, which are free to settle where they have to."""
        return torch.from_numpy(np.concatenate(self._decays))

    def initial(self, rngs: Sequence[np.random.Generator]) -> Tensor:
        """Fresh parameters (S, P), each row from its own generator."""
        mean, scale = np.concatenate(self._mean), np.concatenate(self._scale)
        rows = [mean + scale * rng.standard_normal(len(mean), np.float32) for rng in rngs]
        return torch.from_numpy(np.stack(rows))

    def unpack(self, theta: Tensor) -> Parameters:
        """Views of ``theta`` (S, P), each of shape (S, *shape of the parameter)."""
        parts = torch.split(theta, [math.prod(shape) for shape in self.shapes.values()], dim=1)
        named = zip(self.shapes.items(), parts, strict=True)
        return {name: torch.unflatten(part, 1, shape) for (name, shape), part in named}


def linear(values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """values (S, n, a) times weight (S, a, b) plus bias (S, 1 or n, b).

    A batched matrix product whose matrices are vectors takes other routes for one critic than for many, and rounds
    differently; these are sums and products instead.
    """
    if weight.shape[1] == 1:
        return values * weight + bias
    if weight.shape[2] == 1:
        return (values * weight.mT).sum(-1, keepdim=True) + bias
    return torch.baddbmm(bias, values, weight)


class Network(ABC):
    """A stack of networks with one vector of outputs per sample; ``last`` scales how the output weights start.

    ``last`` may differ by column and counts in units of 1/sqrt(fan-in); at 0 the network starts at 0. Hidden weights
    start with the variance of He et al. (2015).
    """

    @abstractmethod
    def __call__(self, p: Parameters, values: Tensor) -> Tensor:
        """Outputs (S, ..., outputs) for inputs (S, ..., inputs)."""


class Perceptron(Network):
    """A multilayer perceptron.

    widths : inputs and hidden layers.
    mean : where the outputs start.
    active : the input has to go through the activation first.
    """

    def __init__(
        self,
        layout: ParameterMatrix,
        name: str,
        outputs: int,
        widths: Sequence[int],
        activation: str,
        last: npt.ArrayLike = 0.0,
        mean: float = 0.0,
        active: bool = False,
    ) -> None:
        self.activation, self.active = ACTIVATIONS[activation], active
        self.layers = [f"{name}.{i}" for i in range(len(widths))]
        for layer, fan_in, fan_out in zip(self.layers, widths, [*widths[1:], outputs], strict=True):
            output = layer == self.layers[-1]
            layout.add(f"{layer}.weight", (fan_in, fan_out), (np.asarray(last) if output else SQRT2) / fan_in**0.5)
            layout.add(f"{layer}.bias", (1, fan_out), 0.0 if output else 0.5, mean if output else 0.0)

    def __call__(self, p: Parameters, values: Tensor) -> Tensor:
        h = values.flatten(1, -2)
        for i, layer in enumerate(self.layers):
            if i or self.active:
                h = self.activation(h)
            h = linear(h, p[f"{layer}.weight"], p[f"{layer}.bias"])
        return torch.unflatten(h, 1, values.shape[1:-1])


class Convolutional(Network):
    """Two convolutions of 3 x 3 pixels with stride 2, then a perceptron; inputs are square images, row by row.

    A stack of convolutions is a batched matrix product as well, of the image's patches.

    widths : channels of the two convolutions, then hidden layers; one width serves for all.
    """

    def __init__(
        self,
        layout: ParameterMatrix,
        name: str,
        outputs: int,
        side: int,
        widths: Sequence[int],
        activation: str,
        last: npt.ArrayLike = 0.0,
    ) -> None:
        self.activation, self.side = ACTIVATIONS[activation], side
        channels = [1, widths[0], widths[min(1, len(widths) - 1)]]
        self.layers = [f"{name}.convolution{i}" for i in range(2)]
        for layer, before, after in zip(self.layers, channels[:-1], channels[1:], strict=True):
            layout.add(f"{layer}.weight", (9 * before, after), SQRT2 / math.sqrt(9 * before))
            layout.add(f"{layer}.bias", (1, after), 0.5)
            side = (side + 1) // 2
        dense = [side * side * channels[-1], *widths[2:]]
        self.rest = Perceptron(layout, f"{name}.dense", outputs, dense, activation, last=last, active=True)

    def __call__(self, p: Parameters, values: Tensor) -> Tensor:
        stack, n = values.shape[:2]
        side, h = self.side, values.reshape(stack * n, 1, self.side, self.side)
        for i, layer in enumerate(self.layers):
            if i:
                h = self.activation(h)
            patches = F.unfold(h, 3, padding=1, stride=2)  # (S n, 9 channels, pixels)
            side = (side + 1) // 2
            columns = torch.unflatten(patches, 0, (stack, n)).mT.flatten(1, 2)
            out = linear(columns, p[f"{layer}.weight"], p[f"{layer}.bias"])
            h = torch.unflatten(out, 1, (n, side * side)).mT.reshape(stack * n, -1, side, side)
        return self.rest(p, h.reshape(stack, n, -1))


def image_side(dim: int) -> int:
    """The side of a square image with ``dim`` pixels; 0 where there is none, or too small a one."""
    side = math.isqrt(dim)
    return side if side * side == dim and side >= SMALLEST_IMAGE else 0
