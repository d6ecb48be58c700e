"""What is recorded on a GPU keeps the rules of recordings, seen on a machine without one.

Steps are made on the device "meta", whose tensors have no numbers: whoever asks for one fails, as does an operation
whose result has a size that depends on numbers. Nothing may cross from the processor or be made there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from mibench.estimators.critics.recorded import RecordedStack
from mibench.estimators.densities import stacked
from mibench.estimators.densities.training import Pure, isolated
from torch import Tensor
from torch.utils import _python_dispatch
from torch.utils._pytree import tree_leaves

from mibench.registry import estimators

Mode: Any = _python_dispatch.TorchDispatchMode  # which has no types

CRITICS = [
    *("mine-biased", "mine-ema", "remine", "nwj", "js", "smile", "infonce", "infonce-anchor", "demi", "f-dime"),
    *("f-dime[divergence=kl]", "f-dime[divergence=hellinger]", "tuba", "ialpha", "flo", "ba", "club", "l1out"),
    *("mine-ema[critic=joint,negatives=all]", "infonce[critic=bilinear]", "mine-ema[critic=conv]", "nwj[clip=0]"),
]
DENSITIES = ["minde", "doe", "flow", "flow[layers=spline]", "latent", "knife", "ndoe", "fmmi"]


class OnTheDevice(Mode):  # type: ignore[misc]
    """Refuses every operation that the processor has a part in."""

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        answer = operation(*args, **given)
        for value in tree_leaves((args, given, answer)):
            if isinstance(value, Tensor) and value.device.type != "meta":
                raise AssertionError(f"{operation} has to do with the {value.device.type}")
        return answer


def samples(n: int, dims: tuple[int, int]) -> tuple[Tensor, Tensor]:
    x, y = (torch.empty(2, n, dim, device="meta") for dim in dims)
    return x, y


def twice(made: Any) -> None:
    """The first step may find nothing where the second finds what the first has left."""
    with OnTheDevice():
        made()
        made()


@pytest.mark.parametrize("name", CRITICS)
def test_steps_of_critics(name: str) -> None:
    estimator: Any = estimators.create(name)
    dims = (16, 3) if "conv" in name else (4, 3)
    critic, bound, how = estimator.architecture(*dims), estimator.bound(), estimator.optimisation(sum(dims))
    rngs = [np.random.default_rng(seed) for seed in range(2)]
    with RecordedStack(critic, bound, how, samples(400, dims), samples(100, dims), rngs) as stack:
        stack.advance(1)  # batches come from the processor
        twice(stack._made)


@pytest.mark.parametrize("name", DENSITIES)
def test_steps_of_densities(name: str) -> None:
    estimator: Any = estimators.create(name)
    dims = 2, 3
    learners: list[Pure] = []
    generators = []
    for seed in range(2):
        with isolated(np.random.default_rng(seed)) as generator:
            learners.append(_moved(estimator.learner(torch.randn(200, dims[0]), torch.randn(200, dims[1]))))
            generators.append(generator)
    given = samples(200, dims), samples(60, dims), estimator.schedule(200), generators
    with stacked.Stack(learners, *given, None) as stack:
        stack.advance(0)
        twice(stack._made)


def _moved(learner: Any) -> Pure:
    """The learner as if it had been made of samples on the device."""
    for model in learner.models:
        model.to("meta")
    for name, value in vars(learner).items():
        if isinstance(value, Tensor):
            setattr(learner, name, value.to("meta"))
    return learner


def test_what_breaks_the_rules_is_noticed() -> None:
    breaches: list[Callable[[Tensor], Any]] = [
        lambda v: v * torch.ones(3),
        lambda v: v.to("cpu"),
        lambda v: v + torch.zeros(3).to("meta"),
        lambda v: v[v > 0],
        lambda v: v.sum().item(),
        lambda v: v if v.sum() > 0 else -v,
    ]
    for breach in breaches:
        with OnTheDevice(), pytest.raises((AssertionError, RuntimeError, NotImplementedError)):
            breach(torch.empty(3, device="meta"))
