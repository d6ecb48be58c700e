"""InfoMax: linear encoders of two views that should keep what the views share.

The information that two linear codes of Gaussian views share has a closed form, its maximum over codes is given by the
canonical correlations, and so is the accuracy of the best linear probe. Where the code has as many coordinates as the
view, every invertible encoder keeps everything: whatever the estimate gains then is not information (Tschannen et al.
2020).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar, cast

import numpy as np

from mibench.errors import UsageError
from mibench.estimator import Array
from mibench.parameters import Count, Inner, Length, Positive
from mibench.registry import register_task
from mibench.task import Metric

from ..numerics.isometry import random_isometry
from . import exact_information as known
from .exact import ESTIMATE, EXCESS, GAP, INFORMATION, ExactTask

if TYPE_CHECKING:
    from .models import PairModel, ViewEncoders

PROBE = Metric("probe", "higher", "%", "Accuracy of the best linear probe of the first code for a sign of the signal.")


@register_task("representation-views")
class RepresentationViews(ExactTask):
    """Two views, each a rotation of a few signals, which correlate across views, and of private nuisances.

    The probe asks for the sign of the sum of the first view's signals before their noise; with R the multiple
    correlation of that sum and the code, the best linear probe is right with probability 1/2 + arcsin(R) / pi.

    Parameters
    ----------
    correlations : of the signals across views.
    nuisances, nuisance : private coordinates of a view, and their standard deviation (that of a signal is 1).
    code : coordinates of each code.
    """

    correlations: Annotated[tuple[Inner, ...], Length(1)] = (0.95, 0.9, 0.8, 0.6)
    nuisances: Count = 8
    nuisance: Positive = 3.0
    code: Count = 2
    lr: Positive = 3e-3

    metrics: ClassVar[tuple[Metric, ...]] = (INFORMATION, GAP, PROBE, ESTIMATE, EXCESS)
    citation: ClassVar[str] = "Tschannen et al. 2020"

    def __post_init__(self) -> None:
        if self.code > self.size:
            raise UsageError(
                f"{self.registered_name}: code={self.code} exceeds the {self.size} coordinates of a view; "
                "take a smaller code."
            )

    @property
    def size(self) -> int:
        """Coordinates of a view."""
        return len(self.correlations) + self.nuisances

    def new_model(self, seed: int) -> PairModel:
        import torch

        from .models import ViewEncoders

        rotations = [torch.tensor(random_isometry(self.size, self.size, each), dtype=torch.float32) for each in (1, 2)]
        spread = torch.full((self.nuisances,), self.nuisance)
        return ViewEncoders(torch.tensor(self.correlations), spread, rotations, self.code)

    def covariances(self) -> tuple[Array, Array]:
        """Of a view's unrotated coordinates, and across views: both diagonal."""
        rest = np.zeros(self.nuisances)
        own = np.concatenate([np.ones(len(self.correlations)), rest + self.nuisance**2])
        return np.diag(own), np.diag(np.concatenate([self.correlations, rest]))

    def judged(self, first: Array, second: Array) -> dict[str, float]:
        """The metrics of two codes, given as matrices (code, size) of the unrotated coordinates."""
        own, across = self.covariances()
        within = [code @ own @ code.T for code in (first, second)]
        between = first @ across @ second.T
        information = known.gaussian_information(np.block([[within[0], between], [between.T, within[1]]]), len(first))
        r = np.sqrt(np.concatenate([self.correlations, np.zeros(self.nuisances)]))  # covariance with each shared signal
        towards = first @ r
        square = float(towards @ np.linalg.solve(within[0], towards)) / len(self.correlations)
        probe = 50.0 + 100.0 * math.asin(min(1.0, math.sqrt(square))) / math.pi
        best = known.of_correlations(np.sort(self.correlations)[::-1][: self.code])
        return {"information": information, "gap": best - information, "probe": probe}

    def exact(self, model: PairModel) -> dict[str, float]:
        views = cast("ViewEncoders", model)
        codes = []
        for name in ("first", "second"):
            weight, rotation = views.get_submodule(name).get_parameter("weight"), views.get_buffer(f"{name}_rotation")
            codes.append((weight.detach().double() @ rotation.double()).cpu().numpy())
        return self.judged(*codes)

    def optimum(self, seed: int) -> dict[str, float]:
        """Of the code that keeps the most correlated signals (the probe's own optimum may lie elsewhere)."""
        order = np.argsort(-np.array(self.correlations))[: self.code]
        keep = np.eye(self.size)[order]
        if self.code > len(self.correlations):
            keep = np.eye(self.size)[: self.code]
        return self.judged(keep, keep)
