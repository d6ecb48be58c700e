"""Critics f(x, y), many at once: a stack of S critics is a matrix ``theta`` (S, P), see ``networks.py``.

A critic is evaluated in two steps, because many pairs share an x or a y: ``embed`` does all that concerns x or y alone,
``pairs`` and ``score_matrix`` combine the two embeddings. Bounds are in ``bounds.py``, optimisation in ``trainer.py``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from mibench.errors import Unsupported
from mibench.graphs import beside

from .networks import (
    SMALLEST_IMAGE,
    SQRT2,
    Convolutional,
    Network,
    ParameterMatrix,
    Parameters,
    Perceptron,
    image_side,
    linear,
)

COMPILED_FROM = 32  # columns of a score matrix, which the compiled loops of ``pairwise.py`` take in blocks

Function = Callable[[Parameters, Tensor, Tensor], Tensor]


class CriticStack(ABC):
    """Critics of one architecture, whose parameters are declared in ``layout``, under names that begin with ``name``.

    Embeddings have the shape (S, n, width); they may be given more dimensions between the first and the last before
    they are paired.

    second : the second function that some bounds learn, on pairs x (S, n, dim_x), y (S, n, dim_y); None where none is.
    """

    layout: ParameterMatrix
    second: Function | None = None

    def numbers_per_pair(self, device: torch.device) -> int:
        """How many numbers :meth:`score_matrix` keeps per pair while it works: chunks are sized by it."""
        return 1

    @abstractmethod
    def embed(self, p: Parameters, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """What is needed of ``x`` (S, n, dim_x) alone and of ``y`` (S, n, dim_y) alone: two tensors (S, n, width)."""

    @abstractmethod
    def pairs(self, p: Parameters, u: Tensor, v: Tensor) -> Tensor:
        """The critic on pairs of embeddings (S, ..., width) matched by broadcasting, shape (S, ...)."""

    @abstractmethod
    def score_matrix(self, p: Parameters, u: Tensor, v: Tensor) -> Tensor:
        """All pairs of u (S, ..., m, width) and v (S, ..., c, width): entry (..., i, j) is f(x_j, y_i)."""

    def __call__(self, p: Parameters, x: Tensor, y: Tensor) -> Tensor:
        """f(x_i, y_i), shape (S, n)."""
        return self.pairs(p, *self.embed(p, x, y))


class Joint(CriticStack):
    """A perceptron of the concatenation [x; y] (Belghazi et al. 2018).

    The first layer splits, W [x; y] = W_x x + W_y y, and is so computed once per sample instead of once per pair.
    """

    def __init__(
        self,
        layout: ParameterMatrix,
        name: str,
        dims: tuple[int, int],
        hidden: Sequence[int],
        activation: str,
        mean: float = 0.0,
    ) -> None:
        self.layout, self._width, self._activation = layout, max(hidden), activation
        self._names = f"{name}.x.weight", f"{name}.y.weight", f"{name}.y.bias"
        scale = SQRT2 / math.sqrt(sum(dims))
        layout.add(self._names[0], (dims[0], hidden[0]), scale)
        layout.add(self._names[1], (dims[1], hidden[0]), scale)
        layout.add(self._names[2], (1, hidden[0]), 0.5)
        self._rest = Perceptron(layout, f"{name}.joint", 1, hidden, activation, mean=mean, active=True)

    def numbers_per_pair(self, device: torch.device) -> int:
        """The widest layer; the compiled loops hold a block of pairs, however many there are."""
        return 1 if device.type == "cpu" else self._width

    def embed(self, p: Parameters, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The two summands of the first layer."""
        of_x, of_y, bias = (p[name] for name in self._names)
        return linear(x, of_x, torch.zeros_like(bias)), linear(y, of_y, bias)

    def pairs(self, p: Parameters, u: Tensor, v: Tensor) -> Tensor:
        return self._rest(p, u + v).squeeze(-1)

    def score_matrix(self, p: Parameters, u: Tensor, v: Tensor) -> Tensor:
        if u.device.type == "cpu" and u.dtype == torch.float32 and u.shape[-2] >= COMPILED_FROM:
            from . import pairwise

            layers = [p[f"{layer}.{part}"] for layer in self._rest.layers for part in ("weight", "bias")]
            # between the first dimension and the last two there may be any number of others, or none
            of_x, of_y = (t.reshape(len(t), -1, *t.shape[-2:]) for t in (u, v))
            scores = pairwise.score_matrices(of_x, of_y, layers, self._activation)
            return scores.reshape(*v.shape[:-1], u.shape[-2])
        return self.pairs(p, u.unsqueeze(-3), v.unsqueeze(-2))


class _Products(CriticStack):
    """Critics that are scalar products of embeddings: all pairs are one matrix product."""

    def pairs(self, p: Parameters, u: Tensor, v: Tensor) -> Tensor:
        return (u * v).sum(-1)

    def score_matrix(self, p: Parameters, u: Tensor, v: Tensor) -> Tensor:
        return v @ u.mT


class Separable(_Products):
    """g(x) . h(y) + a(x) + b(y), where g and h are each a linear map plus a network between -1 and 1.

    Every square-integrable function is a sum of such products. The log ratio of jointly Gaussian variables, and of
    whatever injective transforms of X and of Y, is one of few terms; the linear maps find it at once where nothing was
    transformed. The networks are bounded because a product of two that extrapolate together makes e^f explode at a
    single pair in a million.
    """

    def __init__(
        self,
        layout: ParameterMatrix,
        name: str,
        dims: tuple[int, int],
        encoders: tuple[Callable[..., Network], Callable[..., Network]],
        embedding: int,
        mean: float = 0.0,
    ) -> None:
        self.layout = layout
        self._linear = f"{name}.x.linear.weight", f"{name}.y.linear.weight"
        self._constant = f"{name}.constant"
        # g and both marginal terms start at 0, so the critic does; h does not, else no gradient would reach g
        self._g = encoders[0](layout, f"{name}.x", embedding + 1)
        self._h = encoders[1](layout, f"{name}.y", embedding + 1, last=np.r_[np.ones(embedding), 0.0])
        layout.add(self._linear[0], (dims[0], embedding), 0.0)
        layout.add(self._linear[1], (dims[1], embedding), 0.5 / dims[1] ** 0.25)
        layout.add(self._constant, (1, 1), 0.0, mean)

    def embed(self, p: Parameters, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """[g, a, 1] and [h, 1, b], whose scalar product is the critic."""
        (g, a), (h, b) = beside(
            lambda: self._side(p, self._g, self._linear[0], x), lambda: self._side(p, self._h, self._linear[1], y)
        )
        one = torch.ones_like(a)
        return torch.cat([g, a, one], -1), torch.cat([h, one, b + p[self._constant]], -1)

    def _side(self, p: Parameters, network: Network, name: str, values: Tensor) -> tuple[Tensor, Tensor]:
        outputs = network(p, values)
        bounded = torch.tanh(outputs[..., :-1])
        # Adam moves every weight alike: the more inputs, the less each may weigh, or noise in many of them is learned
        return linear(values / values.shape[-1] ** 0.25, p[name], bounded), outputs[..., -1:]


class Bilinear(_Products):
    """x' W y + a' x + b' y + c."""

    def __init__(self, layout: ParameterMatrix, name: str, dims: tuple[int, int], mean: float = 0.0) -> None:
        self.layout, self._names = layout, (f"{name}.weight", f"{name}.constant")
        layout.add(self._names[0], (dims[0] + 1, dims[1] + 1), 0.0)
        layout.add(self._names[1], (1, 1), 0.0, mean)

    def embed(self, p: Parameters, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """[[x, 1] W, 1] and [y, 1, c]."""
        matrix, constant = (p[name] for name in self._names)
        one = torch.ones_like(x[..., :1])
        left = torch.bmm(torch.cat([x, one], -1), matrix)
        return torch.cat([left, one], -1), torch.cat([y, one, one * constant], -1)


_LEAST_LOG_VARIANCE = -16.0
"""A column of y that does not vary has a density without bound; this one is beyond what float32 tells apart."""


class GaussianConditional(_Products):
    """log q(y | x), q normal with independent coordinates whose means and variances are an encoder's outputs.

    The exponent is linear in (y^2, y, 1), so this is a scalar product as well. It starts at N(0, I) for every x.
    """

    def __init__(self, layout: ParameterMatrix, name: str, encoder: Callable[..., Network], dim_y: int) -> None:
        self.layout = layout
        self._parameters = encoder(layout, f"{name}.x", 2 * dim_y)

    def embed(self, p: Parameters, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The coefficients of y^2, y and 1, and these."""
        mean, log_variance = self._parameters(p, x).chunk(2, -1)
        log_variance = log_variance.clamp(min=_LEAST_LOG_VARIANCE)
        precision = torch.exp(-log_variance)
        rest = -0.5 * (mean.square() * precision + log_variance + math.log(2 * math.pi)).sum(-1, keepdim=True)
        return (
            torch.cat([-0.5 * precision, mean * precision, rest], -1),
            torch.cat([y.square(), y, torch.ones_like(rest)], -1),
        )


def build(
    kind: str,
    dims: tuple[int, int],
    hidden: Sequence[int],
    embedding: int,
    activation: str,
    mean: float = 0.0,
    second: str = "",
) -> CriticStack:
    """The critic that the hyperparameters describe, with the second function that a bound asks for.

    kind : "separable", "joint", "bilinear", "conv" (separable with convolutional encoders) or "gaussian" (a conditional
        density).
    mean : the constant at which the critic starts.
    second : "pair" for a second critic of the same architecture, "y" for a perceptron of y, "" for none.
    """
    layout = ParameterMatrix()

    def encoder(dim: int) -> Callable[..., Network]:
        if kind == "conv" and image_side(dim):
            return partial(Convolutional, side=image_side(dim), widths=hidden, activation=activation)
        return partial(Perceptron, widths=(dim, *hidden), activation=activation)

    def critic(name: str, mean: float) -> CriticStack:
        if kind == "joint":
            return Joint(layout, name, dims, hidden, activation, mean)
        if kind == "bilinear":
            return Bilinear(layout, name, dims, mean)
        if kind == "gaussian":
            return GaussianConditional(layout, name, encoder(dims[0]), dims[1])
        return Separable(layout, name, dims, (encoder(dims[0]), encoder(dims[1])), embedding, mean)

    if kind == "conv" and not any(map(image_side, dims)):
        raise Unsupported(
            f"critic 'conv' needs square images of at least {SMALLEST_IMAGE} x {SMALLEST_IMAGE} pixels, one row each; "
            f"x has {dims[0]} columns and y has {dims[1]}."
        )
    answer = critic("critic", mean)
    if second == "pair":
        answer.second = critic("second", 0.0)
    elif second == "y":
        baseline = encoder(dims[1])(layout, "baseline", 1)
        answer.second = lambda p, x, y: baseline(p, y).squeeze(-1)
    return answer
