"""What answers themselves say against trusting them, beside the sample that they are about."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from mibench.estimator import Array, Estimate
from mibench.words import listed

from .natures import is_discrete, tied_share
from .remarks import Remark
from .table import Pair, Table

NEAR_LOG_N = 1.5
"""Nats below log n from which on an answer is near it."""

_SURELY_ALL = 5


def answer_remarks(pair: Pair, answers: Sequence[tuple[str, Estimate]], known: Sequence[Remark] = ()) -> list[Remark]:
    """Remarks on answers by the labels of their estimators; ``known`` are those on the sample (see ``remarks``)."""
    few, above = [*_few_columns(pair, answers)], [*_above_entropy(pair, answers)]
    said = {name for remark in above for name in remark.columns}
    if any(remark.code == "deterministic" for remark in known):
        return [*few, *above]  # which is the better word for the same
    others = [(label, found) for label, found in answers if label not in said]
    return [*few, *above, *_saturated(len(pair.x.values), others)]


def _few_columns(pair: Pair, answers: Sequence[tuple[str, Estimate]]) -> Iterator[Remark]:
    """Answers that rest on some of the columns."""
    chosen: dict[tuple[str, ...], list[str]] = {}
    for label, found in answers:
        if columns := found.diagnostics.get("columns"):
            names = tuple(t.names[i] for t, side in ((pair.x, "x"), (pair.y, "y")) for i in columns[side])
            chosen.setdefault(names, []).append(label)
    for names, labels in chosen.items():
        if rest := len(pair.x.names) + len(pair.y.names) - len(names):
            yield Remark(
                "few-columns",
                f"{listed(labels, 3)} {'finds' if len(labels) == 1 else 'find'} the most in {listed(names, 8)} alone; "
                f"the {'other column says' if rest == 1 else f'{rest} other columns say'} nothing more that shows.",
                names,
            )


def _above_entropy(pair: Pair, answers: Sequence[tuple[str, Estimate]]) -> Iterator[Remark]:
    for table in (pair.x, pair.y):
        most = greatest_entropy(table)
        if most is None:
            continue
        beyond = [
            label for label, found in answers if found.mi > most + 2 / len(table.values)
        ]  # as their corrections err
        if beyond:
            names = listed(table.names, 3)
            yield Remark(
                "above-entropy",
                f"{listed(beyond, 3)} {'answers' if len(beyond) == 1 else 'answer'} more than the {most:.3f} nats that "
                f"{names} can hold: an error, whatever the truth is.",
                tuple(beyond),
            )


def greatest_entropy(table: Table) -> float | None:
    """An upper limit in nats of the entropy of discrete columns, from their counts; None where they are not discrete.

    The plug-in entropy, its first-order bias (m - 1) / 2n (Miller 1955) and three standard errors; at most log m where
    each letter occurs so often that hardly any can be missing.
    """
    tied = tied_share(table.values).tolist()
    if not all(is_discrete(kind, share) for kind, share in zip(table.kinds, tied, strict=True)):
        return None
    _, counts = np.unique(table.values, axis=0, return_counts=True)
    n, m = int(counts.sum()), len(counts)
    if 4 * m > n:  # too many letters for their number to be known
        return None
    p: Array = counts / n
    surprise = -np.log(p)
    entropy = float(p @ surprise)
    error = math.sqrt(max(0.0, float(p @ surprise**2) - entropy**2) / n)
    most = entropy + (m - 1) / (2 * n) + 3 * error
    return min(math.log(m), most) if counts.min() >= _SURELY_ALL else most


def _saturated(n: int, answers: Sequence[tuple[str, Estimate]]) -> Iterator[Remark]:
    """Answers at the end of what n samples can show without a model (McAllester & Stratos 2020)."""
    told = [label for label, found in answers if found.diagnostics.get("saturated") is True]
    near = [label for label, found in answers if math.log(n) - NEAR_LOG_N < found.mi < math.inf and label not in told]
    if told:
        said = f"{listed(told, 3)} {'has' if len(told) == 1 else 'have'} reached the most that the method can answer"
        yield Remark("saturated", f"{said}: the truth may be larger.", tuple(told))
    if near:
        yield Remark(
            "saturated",
            f"{listed(near, 3)} {'answers' if len(near) == 1 else 'answer'} near or above log n = "
            f"{math.log(n):.2f} nats, beyond which n samples show nothing without a model: the truth may be larger, or "
            "the model wrong.",
            tuple(near),
        )
