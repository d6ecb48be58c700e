"""The log density ratio as a sum of small ones, each between distributions that lie close together."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from mibench import runtime
from mibench.estimator import Array, Kind
from mibench.parameters import Count
from mibench.registry import register_estimator

from ..learned import Assignment, Scaling
from .base import TrainedCritic, Variational
from .bounds import PlugIn
from .copula import CREDIBLE, RIDGES, GaussianRatio, margins

if TYPE_CHECKING:
    from torch import Tensor

    from mibench.bound import Bound

    from .waymarks import WaymarkCritic


@register_estimator("tre")
class TRE(Variational):
    """E_p of a sum of log ratios, each learned by telling neighbouring waymarks apart. Not a bound.

    The waymarks lead from the joint distribution to the product of the marginals: y gives way to the y of another pair
    step by step. Where p and q are so far apart that any critic tells them without fault, none learns by how much;
    neighbouring waymarks overlap, and what m critics have learned adds up to log p / q. All of them are trained in one
    stack. Each begins at the ratio of Gaussian variables at its two waymarks, those of canonical variables of the
    normal scores whose number and shrinkage do best on the validation part, and learns the rest.

    The standard error is that of the mean over the test samples, and holds nothing of what was not learned. As a bound
    in a loss it is ``demi``, which is its only ratio where there is one.

    Parameters
    ----------
    ratios : critics, and steps between the joint and the product; equally far apart for the strongest correlation.
    standardize : as elsewhere; what is not "rank" takes canonical variables of the scaled columns.
    """

    ratios: Count = 8
    standardize: Scaling = "rank"

    version: ClassVar[str] = "1"
    kind: ClassVar[Kind] = Kind.ESTIMATE
    citation: ClassVar[str] = "Rhodes, Xu & Gutmann (2020), Telescoping density-ratio estimation, NeurIPS 33, eq. 7"

    def bound(self) -> Bound:
        """The classifier's: each ratio is the log odds of its two waymarks."""
        return PlugIn()

    def architecture(self, dim_x: int, dim_y: int) -> WaymarkCritic:
        from .waymarks import WaymarkCritic

        return WaymarkCritic((dim_x, dim_y), min(dim_x, dim_y), self.hidden, self.activation)

    @property
    def product_pairs(self) -> int:
        """A pair at either waymark each."""
        return 1

    def prepared(self, assigned: Assignment) -> dict[str, npt.NDArray[np.float32]]:
        """All that a critic is given, but for the a of its waymarks: columns, canonical variables, correlations."""
        split = assigned.split
        # y is centred, so that mixing rows and taking canonical variables may change places
        x, y = (_centred(margins(v, split.train, self.standardize), split.train) for v in (assigned.x, assigned.y))
        parts = (x[split.train], y[split.train]), (x[split.validation], y[split.validation])
        ratio = fitted_ratio(*parts)
        room = (0, 0), (0, min(x.shape[1], y.shape[1]) - len(ratio.rho))
        of_x, of_y = (np.pad(v, room) for v in ratio.variables(x, y))
        rho = np.broadcast_to(np.pad(ratio.rho, room[1]), of_x.shape)
        return {**assigned.parts(np.hstack([x, of_x, rho]), np.hstack([y, of_y])), "rho": ratio.rho.astype(np.float32)}

    def _train(self, assigned: Sequence[Assignment]) -> Iterator[TrainedCritic]:
        import torch

        from .trainer import fit

        device = torch.device(runtime.device())
        dims = assigned[0].x.shape[1], assigned[0].y.shape[1]
        critic, bound, how = self.architecture(*dims), self.bound(), self.optimisation(sum(dims))
        data = [{k: torch.from_numpy(v).to(device) for k, v in self.prepared(a).items()} for a in assigned]

        rngs = [rng for a in assigned for rng in copy.deepcopy(a.rng).spawn(self.ratios)]
        fitted = fit(critic, bound, how, self._rows(data, "train"), self._rows(data, "validation"), rngs)
        for i, (a, d) in enumerate(zip(assigned, data, strict=True)):
            own = slice(i * self.ratios, (i + 1) * self.ratios)
            with torch.no_grad():
                scores = critic.at_joint(critic.layout.unpack(fitted.theta[own]), self._rows([d], "test")[0])
            numbers = scores.double().sum(0).cpu().numpy()
            steps, diverged = max(fitted.steps[own]), any(fitted.diverged[own])
            yield TrainedCritic(a.split, numbers, fitted.curves[own.start], steps, diverged)

    def _rows(self, data: Sequence[dict[str, Tensor]], part: str) -> tuple[Tensor, Tensor]:
        """One part of the samples of every problem, once for each ratio: two tensors (S, n, columns)."""
        import torch

        from .waymarks import mixing

        rows, others = [], []
        for d in data:
            x, y = d[f"x {part}"], d[f"y {part}"]
            ends = torch.from_numpy(mixing(d["rho"].cpu().numpy(), self.ratios)).to(x)
            for pair in pairwise(ends):
                rows.append(torch.cat([x, torch.stack(pair).expand(len(x), 2), y], -1))
                others.append(y)
        return torch.stack(rows), torch.stack(others)


def fitted_ratio(train: tuple[Array, Array], validation: tuple[Array, Array]) -> GaussianRatio:
    """The Gaussian ratio whose shrinkage and canonical variables have the greatest mean log on ``validation``.

    Of given marginals that mean is greatest for the correlations that ``validation`` has. No variables where it does
    not exceed 0 by ``CREDIBLE`` standard errors.
    """
    best, value = GaussianRatio.fitted(*train, RIDGES[0]).leading(0), 0.0
    for ridge in RIDGES:
        ratio = GaussianRatio.fitted(*train, ridge)
        logs = ratio.terms(*ratio.variables(*validation)).cumsum(-1)
        means = logs.mean(0)
        means[means < CREDIBLE * logs.std(0) / len(logs) ** 0.5] = 0.0
        if means.max(initial=0.0) > value:
            best, value = ratio.leading(int(means.argmax()) + 1), float(means.max())
    return best


def _centred(values: Array, train: npt.NDArray[np.intp]) -> Array:
    centred: Array = values - values[train].mean(0)
    return centred
