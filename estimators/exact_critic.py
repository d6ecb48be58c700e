"""The error that a bound makes by itself: its value on the critic that training can only hope to reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from mibench.errors import Unsupported
from mibench.estimator import Array, Capabilities, Distribution, Estimate, Estimator, Role, check_samples
from mibench.parameters import Count
from mibench.registry import register_estimator
from mibench.task import Task

from ._samples import pooled
from .critics.methods import NWJ
from .learned import Learned

if TYPE_CHECKING:
    from mibench.bound import Bound

DEFAULT = NWJ()

SCORES = 2**19
"""Scores held at a time, 4 MiB."""
NUMBERS = 2**20
"""Numbers of x and y handed to a task's density at a time, 8 MiB; a mixture needs many times that."""


@register_estimator("exact-critic")
class ExactCritic(Estimator):
    """The variational bound of another estimator on the task's own log density ratio: nothing is learned.

    It uses the samples that the trained estimator reports on: its test part (or folds) for the same seed, all of them
    where it has none. The two answers then differ by what learning adds and by nothing else.

    Parameters
    ----------
    estimator : whose bound it is.
    max_pairs : most pairs of the product of the marginals in one part; beyond it each y meets as many other x as that
        allows, by cyclic shifts of the sample, instead of all. A multi-sample bound is then that of fewer samples.
    task : set by :meth:`bind`.
    """

    estimator: Estimator = DEFAULT
    max_pairs: Count = 4_000_000
    task: Task | None = None

    citation: ClassVar[str] = (
        "Poole et al. (2019), On variational bounds of mutual information; "
        "Song & Ermon (2020), Understanding the limitations of variational mutual information estimators"
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        min_n=4, discrete=True, reads_task=True, role=Role.OBJECTIVE, memory=0.6
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", self.estimator.kind)  # what the number is follows from the bound

    def bind(self, task: Distribution) -> ExactCritic:
        """This evaluation on the density of ``task``; a task without one truth leaves it as it is."""
        return ExactCritic(self.estimator, self.max_pairs, task) if isinstance(task, Task) else self

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """The bound in nats on the exact critic; ``seed`` decides on the test part as it does in training.

        Raises
        ------
        Unsupported : samples alone, a task without density, or an estimator without a variational bound.
        """
        x, y = check_samples(x, y, self.capabilities.min_n)
        bound = self.estimator.bound()
        if bound is None:
            raise Unsupported(f"{self.estimator.label} has no variational bound that could be given the exact critic.")
        if self.task is None:
            raise Unsupported("exact-critic reads the density ratio of a task; samples alone do not tell it.")
        if not self.task.has_density:
            raise Unsupported(f"{self.task.label} does not know its density, so no exact critic.")
        terms, pairs = [], []
        for part in reported_rows(self.estimator, len(x), seed):
            found, each = exact_contributions(bound, self.task, x[part], y[part], self.max_pairs)
            terms.append(found)
            pairs.append(each)
        mi, stderr = pooled(terms)
        diagnostics = {"samples": sum(map(len, terms)), "parts": len(terms), "product_per_sample": min(pairs)}
        return Estimate(mi, stderr, diagnostics=diagnostics)


def reported_rows(estimator: Estimator, n: int, seed: int) -> list[npt.NDArray[np.intp]]:
    """The rows on which ``estimator`` would report with this seed, one array for each critic it would train."""
    if not isinstance(estimator, Learned):
        return [np.arange(n)]
    return [split.test for split in estimator.splits(n, seed)]


def exact_contributions(bound: Bound, task: Task, x: Array, y: Array, max_pairs: int) -> tuple[Array, int]:
    """The bound's contribution (n,) of each pair on the exact critic, and how many other x each y was paired with."""
    import torch

    n = len(x)
    others = min(n - 1, max(1, max_pairs // n))
    log_ratio = torch.from_numpy(_log_ratios(task, x, y, np.arange(n), np.zeros(1, np.intp))[:, 0])
    joint, _ = bound.optimal_scores(log_ratio, log_ratio[:, None])
    shifts, size, rows = np.arange(1, others + 1), max(1, SCORES // others), []
    for start in range(0, n, size):
        here = slice(start, start + size)
        product = torch.from_numpy(_log_ratios(task, x, y, np.arange(n)[here], shifts))
        rows.append(bound.rows(*bound.optimal_scores(log_ratio[here], product)))
    answer: Any = bound.contributions(joint, torch.cat(rows)).numpy()
    return answer, others


def _log_ratios(task: Task, x: Array, y: Array, rows: npt.NDArray[np.intp], shifts: npt.NDArray[np.intp]) -> Array:
    """log r(x_{i + s}, y_i) for every row i and shift s, shape (rows, shifts)."""
    i = np.repeat(rows, len(shifts))
    j = ((rows[:, None] + shifts) % len(x)).ravel()
    size = max(1, NUMBERS // (x.shape[1] + y.shape[1]))
    blocks = [task.log_density_ratio(x[j[k : k + size]], y[i[k : k + size]]) for k in range(0, len(i), size)]
    return np.concatenate(blocks).astype(np.float64, copy=False).reshape(len(rows), len(shifts))
