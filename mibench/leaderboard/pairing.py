"""Which cells of two sets of results belong together, and what of either is left over."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from mibench.result import Result, Status
from mibench.task import TaskKind

from .changes import LeftOut

NOISE = 1e-6
"""Answers that differ by this much or less, relative to 1 or to their size if that is greater, are equal."""


@dataclass(frozen=True)
class Pair:
    """One cell in both sets of results."""

    base: Result
    new: Result

    @property
    def point(self) -> tuple[str, str, int]:
        return self.new.family, self.new.cell.task, self.new.cell.n

    @property
    def ranked(self) -> bool:
        """Whether distance to the true mutual information is the right measure of it."""
        return self.new.kind is TaskKind.INFORMATION and self.new.quantity.ranked

    @property
    def answered(self) -> bool:
        return self.base.status is Status.OK and self.new.status is Status.OK

    @property
    def broken(self) -> bool:
        return self.base.status is Status.OK and self.new.status is not Status.OK

    @property
    def mended(self) -> bool:
        return self.base.status is not Status.OK and self.new.status is Status.OK

    @property
    def same(self) -> bool:
        """Whether both ended alike, and with equal answers."""
        if not self.answered:
            return self.base.status is self.new.status
        old, new = ({"mi": r.mi, **r.metrics} for r in (self.base, self.new))
        return old.keys() == new.keys() and all(equal(old[name], new[name]) for name in old)


def equal(a: float | None, b: float | None) -> bool:
    """Up to floating-point noise; what is not there equals what is not there."""
    return a is b or (a is not None and b is not None and abs(a - b) <= NOISE * max(1.0, abs(a), abs(b)))


def _key(r: Result) -> tuple[str, str, int, int]:
    return r.cell.estimator, r.cell.task, r.cell.n, r.cell.seed


def paired(base: Sequence[Result], new: Sequence[Result]) -> tuple[list[Pair], dict[str, list[Result]]]:
    """What can be compared, and the rest by the reason why it cannot."""
    left: dict[str, list[Result]] = defaultdict(list)
    old, fresh = ({_key(r): r for r in side} for side in (base, new))
    pairs = []
    for key in sorted(old.keys() | fresh.keys()):
        a, b = old.get(key), fresh.get(key)
        if a is None or b is None:
            left["only in BASE" if b is None else "only in NEW"].append(a or b)  # type: ignore[arg-type]
        elif Status.NOT_INSTALLED in (a.status, b.status):
            where = [name for name, r in (("BASE", a), ("NEW", b)) if r.status is Status.NOT_INSTALLED]
            left[f"something is not installed where {' and '.join(where)} ran"].append(b)
        elif a.kind is TaskKind.INFORMATION and a.truth is None and b.truth is None:
            left["the truth is not known"].append(b)
        elif a.truth is not None and b.truth is not None and not _same_truth(a, b):
            left["the truth of the task is not the same in both"].append(b)
        else:
            pairs.append(Pair(a, b))
    return pairs, left


def _same_truth(a: Result, b: Result) -> bool:
    known_to = a.truth_error + b.truth_error
    return abs(a.truth - b.truth) <= known_to or equal(a.truth, b.truth)  # type: ignore[operator]


def lost(base: Sequence[Result], new: Sequence[Result]) -> LeftOut | None:
    """The answers of BASE of which NEW has nothing: no cell, or not what the estimator needs installed."""
    held = {_key(r) for r in new if r.status is not Status.NOT_INSTALLED}
    absent = {_key(r): r for r in base if r.status is Status.OK and _key(r) not in held}
    return left_out("missing in NEW", list(absent.values())) if absent else None


def left_out(reason: str, cells: Sequence[Result]) -> LeftOut:
    """Named with the most cells first, so that what is wholly absent stands in front."""

    def names(label: str) -> tuple[str, ...]:
        count = Counter(getattr(r.cell, label) for r in cells)
        return tuple(sorted(count, key=lambda name: (-count[name], name)))

    return LeftOut(reason=reason, cells=len(cells), estimators=names("estimator"), tasks=names("task"))
