"""What several densities, flows and classifiers begin with: which variable is described, networks that say nothing yet,
pairs of rows that have nothing to do with each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from mibench.estimator import Array

from .._samples import varying, with_density

if TYPE_CHECKING:
    import torch
    from torch import nn

Target: TypeAlias = Literal["smaller", "x", "y"]
"""The variable that is described: that of lower dimension (Y where they are equal), or a given one."""


class Described:
    """An estimator of which ``target`` says whose density it models."""

    target: Target
    registered_name: ClassVar[str]

    def oriented(self, x: Array, y: Array) -> tuple[Array, Array]:
        """``x`` and ``y`` without columns that do not vary, last the variable whose density is modelled.

        Raises
        ------
        Unsupported : its columns follow from one another.
        """
        x, y = varying(x), varying(y)
        if self.target == "x" or (self.target == "smaller" and x.shape[1] < y.shape[1]):
            x, y = y, x
        return x, with_density(self.registered_name, y)


def starting_at_zero(inputs: int, outputs: int, hidden: tuple[int, ...]) -> nn.Sequential:
    """A perceptron whose last layer is 0, so that training begins at what is known without it."""
    from torch import nn
    from zuko.nn import MLP

    network: nn.Sequential = MLP(inputs, outputs, hidden, nn.SiLU)
    for p in network[-1].parameters():
        nn.init.zeros_(p)
    return network


def random_shifts(n: int, count: int, generator: torch.Generator) -> list[int]:
    """At most ``count`` different cyclic shifts of ``n`` rows, none of which leaves a row in its place."""
    import torch

    return [int(shift) for shift in 1 + torch.randperm(n - 1, generator=generator)[:count]]
