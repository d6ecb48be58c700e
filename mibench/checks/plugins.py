"""What every plug-in promises, as checks: it is a value made of its parameters, which costs nothing to name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mibench import registry
from mibench.declarations import constructor, declared
from mibench.estimator import Estimator
from mibench.parameters import allowed, words
from mibench.plugin import Plugin

from .common import CheckFailed, NotApplicable, require, require_json, without_randomness


def is_documented(plugin: Plugin) -> None:
    """The class says in a docstring what it is."""
    doc = type(plugin).__dict__.get("__doc__") or ""
    # a dataclass without docstring gets its signature for one
    require(bool(doc.strip()) and not doc.startswith(f"{type(plugin).__name__}("), "its class has no docstring.")


def is_its_parameters(plugin: Plugin) -> None:
    """The constructor takes its own parameters back; equality, hash and identity follow from them."""
    twin = type(plugin)(**plugin.params)
    require(twin == plugin, "the same parameters make an instance that is not equal.")
    require(hash(twin) == hash(plugin), "equal instances have different hashes.")
    require(twin.identity() == plugin.identity(), "equal instances have different identities.")
    require_json(plugin.identity(), "its identity")
    require(isinstance(type(plugin).version, str) and bool(type(plugin).version), "its version is not a text.")


def declares_its_parameters(plugin: Plugin) -> None:
    """Every parameter has an annotation, which its default obeys: other values are refused by it alone."""
    hints = declared(type(plugin))
    for name, parameter in constructor(type(plugin)).parameters.items():
        require(name in hints, f"the parameter {name} has no annotation, so that any value would be taken.")
        if parameter.default is not parameter.empty and not allowed(parameter.default, hints[name]):
            raise CheckFailed(f"the default {name}={parameter.default!r} is not {words(hints[name])}, as declared.")


def is_its_label(plugin: Plugin) -> None:
    """The label, typed as a selector, gives the same plug-in back."""
    own: registry.Registry[Any] = registry.estimators if isinstance(plugin, Estimator) else registry.tasks
    name = type(plugin).registered_name
    if name not in own.names():
        raise NotApplicable("it is not registered under a name.")
    twin = own.create(plugin.label)
    require(twin.label == plugin.label, f"its label '{plugin.label}' gives something labelled '{twin.label}'.")
    require(twin.identity() == plugin.identity(), f"its label '{plugin.label}' gives something else.")


def survives_pickling(plugin: Plugin) -> None:
    """Worker processes get the same value."""
    import cloudpickle

    twin = cloudpickle.loads(cloudpickle.dumps(plugin))
    require(twin.identity() == plugin.identity(), "a pickled copy has another identity.")
    require(twin.label == plugin.label, "a pickled copy has another label.")


def costs_nothing_to_name(plugin: Plugin) -> None:
    """Constructing, printing and listing draw no random numbers and hold no large arrays."""
    import tracemalloc

    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        with without_randomness():
            twin = type(plugin)(**plugin.params)
            twin.label, repr(twin), twin.identity()
        used = tracemalloc.get_traced_memory()[1] - before
    finally:
        if not running:
            tracemalloc.stop()
    require(used < 4 * 2**20, f"being constructed and named takes {used / 2**20:.0f} MiB: compute lazily.")


CHECKS: tuple[Callable[[Plugin], None], ...] = (
    is_documented,
    is_its_parameters,
    declares_its_parameters,
    is_its_label,
    survives_pickling,
    costs_nothing_to_name,
)
