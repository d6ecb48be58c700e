"""The variational estimators by name: one for each bound that has a name, with a critic to train on it.

A bound says all that there is to say of it once: what it is, where it comes from, its parameters and their ranges. Its
estimator adds the hyperparameters of the critic and of the training, which come first. The classes made here can be
imported and pickled like any other.
"""

from __future__ import annotations

import types
from typing import Any, Literal

from mibench.bound import Bound, Kind
from mibench.declarations import constructor, declared
from mibench.registry import register_estimator

from . import bounds, bounds_baseline, bounds_conditional
from .base import ConditionalDensity, FreeCritic, Variational

CLASS_NAMES = {"mine-biased": "MINEBiased", "mine-ema": "MINE", "demi": "DEMI"}
"""Estimators that are known by another name than their bounds; it is what their repr shows."""


def estimator_of(bound: type[Bound]) -> type[Variational]:
    """Make and register the estimator that trains a critic on ``bound``, under the bound's name."""
    hints, own = declared(bound), constructor(bound).parameters

    def of_parameters(self: Variational) -> Bound:
        """The bound with the parameters of this estimator."""
        return bound(**{name: self.params[name] for name in own})

    members = {
        "__module__": __name__,
        "__doc__": bound.__doc__,
        "__annotations__": hints,
        **{name: parameter.default for name, parameter in own.items()},
        "kind": bound.kind,
        "version": Variational.version if bound.kind is not Kind.ESTIMATE else "3",  # which states no standard error
        "citation": bound.citation,
        "bound": of_parameters,
        "made_of": bound,
    }
    base: type[Variational] = ConditionalDensity if bound.conditional else FreeCritic
    name = CLASS_NAMES.get(bound.registered_name, bound.__name__)
    made: Any = types.new_class(name, (base,), exec_body=lambda body: body.update(members))
    estimator: type[Variational] = register_estimator(bound.registered_name)(made)
    return estimator


_MADE = {
    made.__name__: made
    for module in (bounds, bounds_baseline, bounds_conditional)
    for bound in vars(module).values()
    if isinstance(bound, type) and issubclass(bound, Bound)
    if bound.__module__ == module.__name__ and "registered_name" in vars(bound)
    for made in [estimator_of(bound)]
}


def __getattr__(name: str) -> Any:
    if name in _MADE:
        return _MADE[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@register_estimator("dv")
def donsker_varadhan() -> Variational:
    """The same as ``mine-biased``, which takes the hyperparameters."""
    return _MADE["MINEBiased"]()


@register_estimator("mine-f")
def mine_f() -> Variational:
    """The same as ``nwj``, which takes the hyperparameters."""
    return _MADE["NWJ"]()


@register_estimator("benchmark-mi")
def benchmark_mi(estimator: Literal["mine-biased", "mine-ema", "nwj", "infonce"] = "mine-ema") -> Variational:
    """An estimator with the settings of the package benchmark-mi (Czyż et al. 2023), for like-for-like comparison.

    A joint critic (16, 8), Adam at 0.1, at most 10,000 steps, and the greatest value among the checkpoints on the
    half of the samples that was not trained on, which biases it upwards.
    """
    settings: dict[str, Any] = {
        "critic": "joint",
        "hidden": (16, 8),
        "activation": "relu",
        "standardize": "standard",
        "negatives": 1 if estimator == "mine-ema" else "all",
        "schedule": "constant",
        "learning_rate": 0.1,
        "weight_decay": 0.0,
        "clip": 0.0,
        "max_steps": 10_000,
        "max_epochs": 10_000,
        "interval": 250,
        "patience": 2,
        "train": 0.5,
        "validation": 0.0,
        "test": 0.5,
    }
    return next(made for made in _MADE.values() if made.registered_name == estimator)(**settings)
