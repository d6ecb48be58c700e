"""The one trainer: it fits a whole stack of critics at once.

How a stack makes its steps, and how critics leave it, is in ``stack.py``, and in ``recorded.py`` for a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mibench.bound import Bound

from .critics import CriticStack
from .stack import Optimisation, Stack


@dataclass(frozen=True)
class Fit:
    """What training leaves of each critic.

    theta : the parameters (S, P) with the best validation.
    curves : per critic the steps, the bound's value on the last batch and on the validation sample, at each validation.
    steps : per critic how many steps it took.
    diverged : per critic whether its parameters ceased to be finite.
    note : how steps were made, where that is not one by one as they are written.
    """

    theta: Tensor
    curves: list[dict[str, list[float]]]
    steps: list[int]
    diverged: list[bool]
    note: str = ""


def fit(
    critic: CriticStack,
    bound: Bound,
    how: Optimisation,
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    rngs: Sequence[np.random.Generator],
) -> Fit:
    """Train one critic per row: samples x (S, n, dim_x) and y (S, n, dim_y), one generator each.

    The initial critic is validated too, so that a critic which never generalises stays what it was: 0.
    """
    device = train[0].device
    kind: Callable[..., Stack] = Stack
    if device.type != "cpu":
        from .recorded import RecordedStack

        kind = RecordedStack
    here = torch.cuda.device(device) if device.type == "cuda" else nullcontext()
    with here:
        return trained(kind(critic, bound, how, train, validation, rngs))


def trained(stack: Stack) -> Fit:
    """All steps of a stack, and what they leave."""
    with stack:
        stack.validate(0)
        for step in range(1, stack.total + 1):
            stack.advance(step)
            if step % stack.interval == 0 or step == stack.total:
                stack.validate(step)
            if not stack.live:
                break
    return Fit(stack.best, stack.curves, stack.steps, stack.diverged, stack.note)
