"""What a cell costs: the medians of the published results, which ``docs/refresh_costs.py`` put into ``costs.json``."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from .values import seconds

FILE = Path(__file__).with_name("costs.json")
DRAWN = 10_000
"""Samples whose drawing was timed."""

Medians: TypeAlias = Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Costs:
    """CPU-seconds by label; where a label is not known, another with the same name stands for it, and is named.

    machine : what processor they were measured on.
    estimators : (n, median over the published cells), in the order of n. Of cells that are answered together each has
        its share.
    arms : the least and the greatest median over the published arms of a downstream task, each trained once per seed.
    draws : of DRAWN samples of a task.
    """

    machine: str
    estimators: Mapping[str, Medians]
    arms: Mapping[str, tuple[float, float]]
    draws: Mapping[str, float]

    def of_estimator(self, label: str, name: str = "") -> str:
        """One cell at every published number of samples, in words; ``name``: what the label is another name of."""
        found, other = _nearest(self.estimators, label, name)
        if not found:
            return "not published: a run of your own says it"
        sizes = ", ".join(f"{seconds(cpu).text} at n = {n:,}" for n, cpu in found)
        return f"{sizes}: CPU time of a cell{other}, median of the published ones ({self.machine})"

    def of_training(self, label: str) -> str:
        """One training with each arm, in words."""
        found, other = _nearest(self.arms, label)
        if not found:
            return "not published: a run of your own says it"
        ends = " to ".join(dict.fromkeys(seconds(cpu).text for cpu in found))
        return f"{ends}: CPU time of a training{other}, by arm, median of the published ones ({self.machine})"

    def of_task(self, label: str) -> str:
        """Drawing samples, in words; empty for a task that does not come with mibench."""
        found, other = _nearest(self.draws, label)
        return "" if found is None else f"{seconds(found).text} for {DRAWN:,} samples{other}: CPU time ({self.machine})"


@functools.cache
def known() -> Costs:
    """What comes with mibench."""
    return Costs(**json.loads(FILE.read_text(encoding="utf-8")))


def _nearest(table: Mapping[str, Any], label: str, name: str = "") -> tuple[Any, str]:
    """What is known of a label, or of one that has its name; and whose it is, where that is another."""
    if label in table:
        return table[label], ""
    name = name or label.partition("[")[0]
    other = next((own for own in table if own.partition("[")[0] == name), None)
    return (table[other], f" of {other}") if other else (None, "")
