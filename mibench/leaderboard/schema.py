"""The schema of the leaderboard: one class per table, one field per column, with all that is said of it.

A column is declared here once: what it means, its unit, its heading, whether its sign is shown. Tables take their
columns from here and the JSON file carries meanings and units along. Nothing is computed here.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .scoring import finite

_NAMING = ("rank", "estimator", "kind", "family", "task", "n", "dim_x", "dim_y")
_LEADING = (*_NAMING, "truth", "mean", "score", "low", "high")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    heading : above it in a report; a column without one is for machines.
    unit : ``nats`` (the only unit that a report may show as bits), ``s`` (seconds), ``share`` (0 to 1), or none.
    signed : a difference, shown with its sign.
    narrow : kept where space is short; vital : kept even on a phone.
    to : the column with the upper end, where this one is the lower end of an interval.
    less : less is better, or comes first.
    beneath : says more of the column before it, and stands under its entries where a page has little room.
    """

    heading: str = ""
    meaning: str = ""
    numeric: bool = True
    narrow: bool = True
    vital: bool = False
    unit: str = ""
    signed: bool = False
    to: str = ""
    less: bool = False
    beneath: bool = False

    @property
    def first(self) -> str:
        """What who sorts by it wants to see first: ``least``, ``most`` or, of a difference, the ``nearest``."""
        return "nearest" if self.signed else "least" if self.less or not self.numeric else "most"


def column(
    meaning: str,
    unit: str = "",
    heading: str = "",
    signed: bool = False,
    narrow: bool = True,
    less: bool = False,
    vital: bool = False,
) -> Any:
    """A field of a row; of errors and times less is better."""
    less = less or unit in ("nats", "s")
    described = Column(heading, meaning, narrow=narrow, vital=vital, unit=unit, signed=signed, less=less)
    return field(metadata={"meaning": meaning, "column": described})


def lower_end(of: str, signed: bool = True) -> Any:
    """The field of the lower end of an interval, for which the heading stands; :func:`upper_end` is the other end."""
    described = Column("95 % interval", f"t interval of {of}.", signed=signed, to="high")
    return field(metadata={"meaning": f"Lower end of the 95 % t interval of {of}.", "column": described})


def upper_end(of: str) -> Any:
    """The field of the upper end of an interval."""
    return column(f"Upper end of the 95 % t interval of {of}.")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """How good, how reliable and how expensive an estimator is on a set of cells.

    Every mean is taken over seeds, then sample sizes, then tasks, then families, each with equal weight; medians use
    the same weights.
    """

    score: float = column(
        "Area under the ECDF of |error| over log-spaced tolerances from 0.01 to 10 nats; a failed "
        "cell has infinite error. 1: every error is at most 0.01 nat; 0: none is below 10 nats.",
        heading="score",
        vital=True,
    )
    median_error: float = column(
        "Median |error|; infinite where at least half of the cells failed.", "nats", "med |err|", vital=True
    )
    bias: float | None = column("Mean signed error of the cells that gave an answer.", "nats", "bias", signed=True)
    sd: float | None = column("Standard deviation over seeds, averaged over tasks and sample sizes.", "nats", "sd")
    success: float = column(
        "Cells whose error is at most 0.1 nat or 10 % of the truth, whichever is wider.", "share", "success"
    )
    failures: float = column("Cells without an answer: failed or declined.", "share", "no answer")
    interval: str | None = column(
        "What its 95 % intervals say: ± the truth is within mi ± 1.96 standard errors; ≥ of a lower bound, it is at "
        "least mi - 1.645 standard errors; ≤ of an upper bound, at most mi + 1.645 standard errors. None where no cell "
        "has a standard error.",
        heading="interval",
        narrow=False,
    )
    covered: float | None = column(
        "Of the cells with a standard error, those whose 95 % interval, as far as the error of the truth allows, holds "
        "the truth: 95 % is right for a two-sided one, 95 % or more for that of a bound.",
        "share",
        "cover",
    )
    coverage: float | None = column(
        "The same with mi ± 1.96 standard errors, whatever its number is.",
        "share",
    )
    wall_s: float | None = column("Median wall time of a cell: its share of the batch it ran in.", "s", "wall")
    cpu_s: float | None = column("Median CPU time of a cell: its share of the batch it ran in.", "s", "CPU", vital=True)
    cells: int = column("Cells in this row.")


@dataclass(frozen=True, kw_only=True)
class Ranking(Summary):
    """One estimator in the leaderboard."""

    rank: int | None = column(
        "Place by score among the entrants that ran on everything; none for the others.",
        heading="#",
        less=True,
        vital=True,
    )
    estimator: str = column(
        "The estimator, with the hyperparameters that differ from its defaults.", heading="estimator", vital=True
    )
    kind: str = column(
        "What its number is: a lower bound on mutual information or an estimate of it.", heading="kind", narrow=False
    )
    failures: float = column("Cells without an answer: failed or declined.", "share")
    low: float | None = lower_end("the score", signed=False)
    high: float | None = upper_end("the score")
    tied: bool | None = column(
        "Not separable from the best score by the paired t test over what ``over`` names, Holm-adjusted, at the 5 % "
        "level. None where there is nothing to test. It takes the best as given: the interval of ``to_best`` does not."
    )
    p_value: float | None = column("The Holm-adjusted p-value of that test.")
    over: str | None = column(
        "What the intervals and tests of this table are over. families: other kinds of data; tasks: other tasks of "
        "these families; seeds: other samples of these tasks; None where nothing was repeated."
    )
    families: int = column("Families that the estimator ran on.")
    expected: int = column("Cells that a full row of this table has.")
    complete: bool = column("Ran on every task and sample size of the table; other rows are not ranked.")
    reference: bool = column("Shown in every table for comparison.")
    yardstick: bool = column("Looks at the task itself (its truth or its density): not an entrant.")
    statuses: Mapping[str, int] = column("Cells by the way they ended.")
    to_best: float | None = column(
        "Score minus the best score, with an interval: the mean of the paired differences, and t intervals over what "
        "``over`` names, which hold for all pairs of entrants together in 95 % of boards. Where it reaches 0, the two "
        "cannot be told apart, and neither where it is missing, because the few differences are all equal.",
        heading="to the best",
        signed=True,
    )
    to_best_low: float | None = column("Lower end of that interval.")
    to_best_high: float | None = column("Upper end of that interval.")
    taken: int = column("Families of which the estimator took at least one cell: not unsupported.", heading="takes")
    score_taken: float | None = column(
        "The score on the cells that it took alone, with its failures, without what it declined as unsupported.",
        heading="score there",
    )
    declined: float = column("Cells that it declined as unsupported.", "share")
    failed: float = column("Cells that it took and gave no answer to.", "share", "failed", less=True)


@dataclass(frozen=True, kw_only=True)
class Family(Summary):
    """One estimator on one family of tasks."""

    estimator: str = column("The estimator.")
    family: str = column("The family of tasks.")


@dataclass(frozen=True, kw_only=True)
class TaskRow(Summary):
    """One estimator on one task at one sample size."""

    estimator: str = column("The estimator.")
    kind: str = column("What its number is.")
    family: str = column("The family of the task.")
    task: str = column("The task.", heading="task")
    n: int = column("Number of samples.", heading="n", less=True)
    dim_x: int = column("Dimension of X.")
    dim_y: int = column("Dimension of Y.")
    truth: float = column("The exact mutual information.", "nats", "truth")
    truth_error: float = column("A bound on the numerical error of the truth; 0 for a closed form.", "nats")
    mean: float | None = column("Mean estimate over the seeds that gave an answer.", "nats")
    statuses: Mapping[str, int] = column("Cells by the way they ended.")


@dataclass(frozen=True, kw_only=True)
class Independence:
    """One estimator on independent variables, whose mutual information is 0."""

    estimator: str = column("The estimator.", heading="estimator")
    kind: str = column("What its number is.")
    mean_abs: float | None = column("Mean |estimate|; the truth is 0.", "nats", "mean |est|")
    bias: float | None = column("Mean estimate.", "nats", "mean est", signed=True)
    alarms: float | None = column("False alarms: estimates above 0.05 nat.", "share", "false alarms", less=True)
    significant: float | None = column(
        "Of the estimates with a standard error, those above twice it; 2.3 % is right for a normal error.",
        "share",
        "> 2 std. err.",
    )
    failures: float = column("Cells without an answer: failed or declined.", "share", "no answer", less=True)
    cells: int = column("Cells in this row.", heading="cells", narrow=False)


@dataclass(frozen=True, kw_only=True)
class Unranked:
    """An upper bound or another quantity: its distance to the truth is no measure of its quality."""

    estimator: str = column("The estimator.", heading="estimator")
    kind: str = column("What its number is.", heading="kind")
    gap: float | None = column("Mean of the number minus the true mutual information.", "nats", "mean gap", signed=True)
    below: float | None = column(
        "Cells where the number is below the true mutual information.", "share", "below truth", less=True
    )
    correlation: float | None = column(
        "Spearman correlation of the mean numbers with the truths, over tasks.", heading="rank corr.", signed=True
    )
    sd: float | None = column("Standard deviation over seeds, averaged over tasks and sample sizes.", "nats", "sd")
    failures: float = column("Cells without an answer: failed or declined.", "share", "no answer", less=True)
    wall_s: float | None = column("Median wall time of a cell.", "s", "wall")
    cpu_s: float | None = column("Median CPU time of a cell.", "s", "CPU")
    cells: int = column("Cells in this row.")


@dataclass(frozen=True, kw_only=True)
class Equitability:
    """One estimator at one noise level, over functions of the same noise."""

    estimator: str = column("The estimator.")
    setting: str = column("The noise level that the functions share.", heading="equal noise")
    n: int = column("Number of samples.", heading="n", less=True)
    functions: int = column("Functions compared.")
    spread: float | None = column("Greatest minus least mean estimate over the functions.", "nats")
    true_spread: float = column(
        "Greatest minus least true mutual information over the same functions.", "nats", "true spread"
    )
    sd: float | None = column("Standard deviation of the mean estimates over the functions.", "nats")
    true_sd: float = column("Standard deviation of the truths over the same functions.", "nats")
    error: float | None = column("Mean |error| of the mean estimates over the functions.", "nats")
    tasks: Sequence[str] = column("The tasks compared.")


@dataclass(frozen=True, kw_only=True)
class Consistency:
    """One estimator on one self-consistency task, where a ratio is known and no truth is."""

    estimator: str = column("The estimator.")
    task: str = column("The task.", heading="task")
    n: int = column("Number of samples of each part.", heading="n")
    score: float | None = column("Mean over seeds of the ratio that the task defines.")
    se: float | None = column("Standard error of that mean over seeds.")
    expected: float = column("The ratio of a perfect estimator.", heading="expected")
    deviation: float | None = column("The mean ratio minus the expected one.")
    seeds: int = column("Seeds that gave an answer.")
    failed: int = column("Seeds without an answer.")


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The error of a bound split in two, on one task at one sample size."""

    estimator: str = column("The estimator.", heading="estimator")
    family: str = column("The family of the task.", heading="family")
    task: str = column("The task.")
    n: int = column("Number of samples.")
    truth: float = column("The exact mutual information.", "nats")
    exact: float | None = column(
        "Mean value of the bound on the exact critic, the task's own log density ratio.", "nats"
    )
    trained: float | None = column("Mean value of the bound on the trained critic.", "nats")
    objective_error: float | None = column(
        "What the bound itself gets wrong: exact critic minus truth.", "nats", "objective error", signed=True
    )
    learning_error: float | None = column(
        "What training adds: trained critic minus exact critic, over the seeds that have both.",
        "nats",
        "learning error",
        signed=True,
    )
    seeds: int = column("Seeds with both values.")


@dataclass(frozen=True, kw_only=True)
class Downstream:
    """One metric of one arm of a downstream task."""

    group: str = column("The downstream task; its arms are compared with each other.")
    arm: str = column("What stands in the loss.", heading="arm")
    metric: str = column("The metric.")
    unit: str = column("The unit of the metric.")
    better: str = column("Which direction is better: lower or higher.")
    description: str = column("How the metric is defined.")
    mean: float | None = column("Mean over seeds.")
    se: float | None = column("Standard error of the mean over seeds.")
    seeds: int = column("Seeds with a value.", heading="seeds")
    failed: int = column("Seeds without one.")
    difference: float | None = column("Mean paired difference to the control, over the seeds that both have.")
    low: float | None = lower_end("the paired difference")
    high: float | None = upper_end("the paired difference")
    pairs: int = column("Seeds in the paired difference.")
    control: bool = column("Whether this is the control arm.")
    published: str = column("The published figure for the same set-up, where there is one.", heading="published")
    floor: float | None = column("What a perfect model scores, where the task computes it: mean over its runs.")
    wall_s: float | None = column("Median wall time of a run.", "s")
    cpu_s: float | None = column("Median CPU time of a run.", "s", "CPU")


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One yes-or-no finding about the runs of one arm of a downstream task."""

    group: str = column("The downstream task.")
    arm: str = column("What stands in the loss.")
    flag: str = column("The finding, as the task names it.")
    seeds: int = column("Seeds where it holds.")
    runs: int = column("Seeds where it was looked at.")


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What went wrong, grouped by estimator, status and message."""

    estimator: str = column("The estimator.", heading="estimator")
    status: str = column("How the cells ended.", heading="status")
    message: str = column("What happened.", heading="what happened")
    cells: int = column("How many cells.", heading="cells")
    tasks: Sequence[str] = column("On which tasks.", heading="tasks")


def columns(row: type) -> dict[str, Column]:
    """The columns of a table by name, what names its rows first."""
    hints = typing.get_type_hints(row)
    words = (str, str | None, Sequence[str])
    of = {f.name: dataclasses.replace(f.metadata["column"], numeric=hints[f.name] not in words) for f in _fields(row)}
    return _ordered(of)


def schema(row: type) -> dict[str, dict[str, str]]:
    """All columns of a table with their meanings and units, for the JSON file."""
    return {f.name: {"meaning": f.metadata["meaning"], "unit": f.metadata["column"].unit} for f in _fields(row)}


def plain(row: Any) -> dict[str, Any]:
    """A row as JSON-able values, what names it first; what is infinite or undefined becomes None."""
    values = _ordered(dataclasses.asdict(row))
    return {k: finite(v) if isinstance(v, float) else v for k, v in values.items()}


def _fields(row: type) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(row)


def _ordered(values: dict[str, Any]) -> dict[str, Any]:
    names = [*(name for name in _LEADING if name in values), *(name for name in values if name not in _LEADING)]
    return {name: values[name] for name in names}
