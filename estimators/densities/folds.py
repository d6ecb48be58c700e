"""What the trainings of one estimate answer, fold by fold, and the estimate that they make together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mibench.estimator import Array, Estimate

from ..learned import Split


@dataclass(frozen=True)
class HeldOutEstimate:
    """What the held-out samples of one split say.

    mi, stderr : in nats, the second of the samples alone, None where that is not known. facts : for diagnostics.
    """

    mi: float
    stderr: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def mean(cls, contributions: Array, **facts: Any) -> HeldOutEstimate:
        """The mean of ``contributions``, shape (n,), with its standard error."""
        return cls(float(contributions.mean()), float(contributions.std(ddof=1)) / math.sqrt(len(contributions)), facts)


@dataclass(frozen=True)
class FoldResult:
    """One training: what its test gave (None where it diverged), its curve, its length and the steps that were kept.

    note : how its steps were made, where that is not one by one as they are written.
    """

    tested: HeldOutEstimate | None
    curve: Mapping[str, Sequence[float]]
    steps: int
    best: Sequence[int]
    note: str = ""


def merged(results: Sequence[FoldResult], parts: Sequence[Split], said: Mapping[str, Any]) -> Estimate:
    """The mean over the folds, each weighed by its samples; NaN where one training diverged.

    What is known of its error is that of the samples, ``sampling_error`` in the diagnostics. It takes the folds for
    independent: each has test samples of its own, but their training samples are largely the same; where a single test
    has none, it follows from the spread between the folds. It says nothing of what every training misses, so it is no
    standard error of a number that is no bound. Facts that are numbers are averaged as well.
    """
    diagnostics: dict[str, Any] = {
        "samples": parts[0].sizes,
        "steps": max(result.steps for result in results),
        "best_steps": [step for result in results for step in result.best],
        **({"steps are": results[0].note} if results[0].note else {}),
        **said,
    }
    tested = [result.tested for result in results if result.tested is not None]
    curve = results[0].curve
    if len(tested) < len(results):
        return Estimate(math.nan, None, curve, {**diagnostics, "diverged": True})
    weights = np.array([len(part.test) for part in parts], dtype=float)
    weights /= weights.sum()
    for name, value in tested[0].facts.items():
        averaged = isinstance(value, float)
        diagnostics[name] = float(weights @ [one.facts[name] for one in tested]) if averaged else value
    numbers = np.array([one.mi for one in tested])
    mi = float(weights @ numbers)
    errors = np.array([one.stderr for one in tested if one.stderr is not None])
    if len(errors) < len(tested):
        errors = np.abs(numbers - mi) * math.sqrt(len(numbers) / max(1, len(numbers) - 1))
    if len(tested) > 1 or tested[0].stderr is not None:
        diagnostics["sampling_error"] = float(np.linalg.norm(weights * errors))
    return Estimate(mi, None, curve, diagnostics)
