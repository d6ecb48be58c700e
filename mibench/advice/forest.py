"""Regression trees as plain arrays: a walk through them, and their way into and out of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees side by side. A leaf is its own child, so that a walk of ``depth`` steps ends in one.

    feature, threshold, left, right, missing_left, value (nodes,) : of every node of every tree.
    roots (trees,) : where each begins. start : what the values of the leaves are added to.
    """

    feature: npt.NDArray[np.int64]
    threshold: Floats
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    missing_left: npt.NDArray[np.bool_]
    value: Floats
    roots: npt.NDArray[np.int64]
    start: float
    depth: int

    def predict(self, inputs: Floats) -> Floats:
        """The predictions (n,) for inputs (n, features); a NaN goes where the tree learned to send it."""
        at = np.broadcast_to(self.roots, (len(inputs), len(self.roots)))
        rows = np.arange(len(inputs))[:, None]
        for _ in range(self.depth):
            seen = inputs[rows, self.feature[at]]
            goes_left = np.where(np.isnan(seen), self.missing_left[at], seen <= self.threshold[at])
            at = np.where(goes_left, self.left[at], self.right[at])
        found: Floats = self.start + self.value[at].sum(axis=1)
        return found


_STORED: Mapping[str, tuple[Any, Any]] = {
    "feature": (np.int16, np.int64),
    "threshold": (np.float64, np.float64),
    "left": (np.int32, np.int64),
    "right": (np.int32, np.int64),
    "missing_left": (np.bool_, np.bool_),
    "value": (np.float32, np.float64),
    "roots": (np.int32, np.int64),
}
"""Types in the file and in use. Thresholds stay exact: a value at a threshold shall go the same way."""


def forest_arrays(name: str, forest: Forest) -> dict[str, npt.NDArray[Any]]:
    """A forest as named arrays; :func:`read_forest` reads them back."""
    arrays = {key: getattr(forest, key).astype(stored) for key, (stored, _) in _STORED.items()}
    arrays |= {"start": np.asarray(forest.start), "depth": np.asarray(forest.depth)}
    return {f"{name}.{key}": value for key, value in arrays.items()}


def read_forest(name: str, arrays: Mapping[str, npt.NDArray[Any]]) -> Forest:
    """The forest called ``name`` among arrays; KeyError where there is none."""
    parts: dict[str, Any] = {key: arrays[f"{name}.{key}"].astype(used) for key, (_, used) in _STORED.items()}
    return Forest(**parts, start=float(arrays[f"{name}.start"]), depth=int(arrays[f"{name}.depth"]))
