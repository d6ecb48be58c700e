"""Critics f(x, y), many at once: each is an architecture, its parameters are rows of one matrix.

A stack of S critics of one architecture is a tensor ``theta`` (S, P): a row holds all the parameters of one critic. All
functions here take the stack's parameters as a dict of views into that matrix and work on all critics together, by
batched matrix products. What a row answers does not depend on which other rows there are.

A critic is evaluated in two steps, because many pairs share an x or a y: ``embed`` does all that concerns x or y alone,
``pairs`` and ``table`` combine the two embeddings. Bounds are in ``bounds.py``, optimisation in ``trainer.py``.
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


class ParameterMatrix:
    """The layout of one row of ``theta``: names, shapes and how each parameter starts, as mean + scale * normal."""

    def __init__(self) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._mean: list[npt.NDArray[np.float32]] = []
        self._scale: list[npt.NDArray[np.float32]] = []

    def add(self, name: str, shape: tuple[int, ...], scale: npt.ArrayLike, mean: float = 0.0) -> None:
        """Append a parameter; ``scale`` broadcasts to its shape."""
        self.shapes[name] = shape
        self._mean.append(np.full(math.prod(shape), mean, np.float32))
        self._scale.append(np.broadcast_to(np.asarray(scale, np.float32), shape).ravel())

    def initial(self, rngs: Sequence[np.random.Generator]) -> Tensor:
        """Fresh parameters (S, P), each row from its own generator."""
        mean, scale = np.concatenate(self._mean), np.concatenate(self._scale)
        rows = [mean + scale * rng.standard_normal(len(mean), np.float32) for rng in rngs]
        return torch.from_numpy(np.stack(rows))

    def unpack(self, theta: Tensor) -> Parameters:
        """Views of ``theta`` (S, P), each of shape (S, *shape of the parameter)."""
        parts = torch.split(theta, [math.prod(shape) for shape in self.shapes.values()], dim=1)
        named = zip(self.shapes.items(), parts, strict=True)
        return {name: part.unflatten(1, shape) for (name, shape), part in named}


class Perceptron:
    """A multilayer perceptron with parameters in ``layout`` under the prefix ``name``: the whole stack in one call.

    sizes : inputs, hidden layers, outputs. Hidden weights start with the variance of He et al. (2015).
    last : what the output weights start with beyond 1/sqrt(fan-in), by column; at 0 the network starts at ``mean``.
    active : the input has to go through the activation first.
    """

    def __init__(
        self,
        layout: ParameterMatrix,
        name: str,
        sizes: Sequence[int],
        activation: str,
        last: npt.ArrayLike = 0.0,
        mean: float = 0.0,
        active: bool = False,
    ) -> None:
        self.activation, self.active = ACTIVATIONS[activation], active
        self.layers = [f"{name}.{i}" for i in range(len(sizes) - 1)]
        for layer, fan_in, fan_out in zip(self.layers, sizes[:-1], sizes[1:], strict=True):
            output = layer == self.layers[-1]
            gain = np.asarray(last) if output else math.sqrt(2)
            layout.add(f"{layer}.weight", (fan_in, fan_out), gain / math.sqrt(fan_in))
            layout.add(f"{layer}.bias", (1, fan_out), 0.0 if output else 0.5, mean if output else 0.0)

    def __call__(self, p: Parameters, values: Tensor) -> Tensor:
        """Outputs (S, ..., last size) for inputs (S, ..., first size)."""
        h = values.flatten(1, -2)
        for i, layer in enumerate(self.layers):
            if i or self.active:
                h = self.activation(h)
            h = torch.baddbmm(p[f"{layer}.bias"], h, p[f"{layer}.weight"])
        return h.unflatten(1, values.shape[1:-1])


class Critic(ABC):
    """An architecture whose parameters are declared in ``layout``.

    Embeddings have the shape (S, n, width); they may be given more dimensions between the first and the last before
    they are paired.
    """

    layout: ParameterMatrix

    @property
    @abstractmethod
    def width(self) -> int:
        """How many numbers are held per pair while ``table`` works: chunks are sized by it."""

    @abstractmethod
    def embed(self, p: Parameters, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """What is needed of ``x`` (S, n, dim_x) alone and of ``y`` (S, n, dim_y) alone: two tensors (S, n, width)."""

    @abstractmethod
    def pairs(self, p: Parameters, u: Tensor, v: Tensor) -> Tensor:
        """The critic on pairs of embeddings (S, ..., width) matched by broadcasting, shape (S, ...)."""

    @abstractmethod
    def table(self, p: Parameters, u: Tensor, v: Tensor) -> Tensor:
        """All pairs of u (S, ..., m, width) and v (S, ..., c, width): entry (..., i, j) is f(x_j, y_i)."""

    def second(self, p: Parameters, x: Tensor, y: Tensor) -> Tensor | None:
        """The second function that some bounds learn, on the pairs (x_i, y_i), shape (S, n); None where none is."""
        return None


class Joint(Critic):
    """A perceptron of the concatenation [x; y] (Belghazi et al. 2018).

    The first layer splits, W [x; y] = W_x x + W_y y, and is so computed once per sample instead of once per pair.
    """

    def __init__(
        self, layout: ParameterMatrix, dims: tuple[int, int], hidden: Sequence[int], activation: str, mean: float
    ) -> None:
        self.layout = layout
        scale = math.sqrt(2 / sum(dims))
        self.layout.add("x.weight", (dims[0], hidden[0]), scale)
        self.layout.add("y.weight", (dims[1], hidden[0]), scale)
        self.layout.add("y.bias", (1, hidden[0]), 0.5)
        self.rest = Perceptron(layout, "joint", [*hidden, 1], activation, mean=mean, active=True)
        self._width = max(hidden)

    @property
    def width(self) -> int:
        """The widest layer."""
        return self._width

    def embed(self, p: Parameters, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The two summands of the first layer."""
        return torch.bmm(x, p["x.weight"]), torch.baddbmm(p["y.bias"], y, p["y.weight"])

    def pairs(self, p: Parameters, u: Tensor, v: Tensor) -> Tensor:
        """The other layers on the sums."""
        return self.rest(p, u + v).squeeze(-1)

    def table(self, p: Parameters, u: Tensor, v: Tensor) -> Tensor:
        """The other layers on all sums."""
        return self.pairs(p, u.unsqueeze(-3), v.unsqueeze(-2))


class Separable(Critic):
    """g(x) . h(y) + a(x) + b(y) with perceptrons g, a and h, b: all pairs are one matrix product.

    Any square-integrable function is a sum of such products. The log ratio of jointly Gaussian variables, and of every
    injective transform of them, is one of few terms.
    """

    def __init__(
        self,
        layout: ParameterMatrix,
        dims: tuple[int, int],
        hidden: Sequence[int],
        embedding: int,
        activation: str,
        mean: float,
    ) -> None:
        self.layout = layout
        # g and both marginal terms start at 0, so the critic does, but h does not: else no gradient would reach g
        start = np.r_[np.ones(embedding), 0.0]
        self.g = Perceptron(layout, "x", [dims[0], *hidden, embedding + 1], activation)
        self.h = Perceptron(layout, "y", [dims[1], *hidden, embedding + 1], activation, last=start)
        self.mean = mean
        layout.add("constant", (1, 1), 0.0, mean)

    @property
    def width(self) -> int:
        """One: a table is all there is to hold."""
        return 1

    def embed(self, p: Parameters, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """[g, a, 1] and [h, 1, b], whose scalar product is the critic."""
        g, h = self.g(p, x), self.h(p, y)
        one = torch.ones_like(g[..., :1])
        return torch.cat([g, one], -1), torch.cat([h[..., :-1], one, h[..., -1:] + p["constant"]], -1)

    def pairs(self, p: Parameters, u: Tensor, v: Tensor) -> Tensor:
        """Scalar products."""
        return (u * v).sum(-1)

    def table(self, p: Parameters, u: Tensor, v: Tensor) -> Tensor:
        """All scalar products."""
        return v @ u.mT
