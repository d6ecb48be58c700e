"""Channel capacity: an input distribution that maximises the estimated information through a known channel.

The true information of the learnt input follows by quadrature, the capacity by closed form or from the best input. A
bound that is maximised over its samples' distribution is a guide that can be fooled: what the estimate says beside what
the channel carries is the point (after Letizia, Tonello & Poor 2023, who learn capacities with such a bound).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, cast

import numpy as np

from mibench.estimator import Array
from mibench.parameters import Count, Inner, Positive, Widths, inside
from mibench.registry import register_task

from . import exact_information as known
from . import figures
from .exact import ExactTask

if TYPE_CHECKING:
    from torch import Tensor

    from .models import BitChannel, GaussianChannel, PairModel
    from .regularizer import Regularizer


@dataclass(frozen=True, eq=False, repr=False)
class CapacityTask(ExactTask):
    """A channel whose input is learnt: what the capacity tasks share."""

    citation: ClassVar[str] = "Letizia, Tonello & Poor 2023; Tsur et al. 2023"

    @property
    @abstractmethod
    def capacity(self) -> float:
        """In nats per use."""

    @abstractmethod
    def information(self, model: PairModel) -> float:
        """True I(X; Y) of the model's input, in nats."""

    def exact(self, model: PairModel) -> dict[str, float]:
        information = float(self.information(model))
        return {"information": information, "gap": self.capacity - information}

    def optimum(self, seed: int) -> dict[str, float]:
        return {"information": self.capacity, "gap": 0.0}


@dataclass(frozen=True, eq=False, repr=False)
class GaussianCapacity(CapacityTask):
    """Y = X + N with Var N = 1, X a perceptron's function of noise on 1,024 levels.

    Parameters
    ----------
    hidden : hidden layers of the perceptron that makes the input.
    """

    hidden: Widths = (32, 32)

    fading: ClassVar[bool] = False
    LEVELS: ClassVar[int] = 1_024

    @property
    @abstractmethod
    def limit(self) -> float:
        """Of the input's second moment, or of its absolute value."""

    def new_model(self, seed: int) -> PairModel:
        from .models import GaussianChannel, LearnedInput

        peak = isinstance(self, CapacityPeak)
        return GaussianChannel(LearnedInput(self.hidden, self.LEVELS, self.limit, peak), self.fading)

    def levels(self, model: PairModel) -> Array:
        """The input's values, all equally likely."""
        table = cast("GaussianChannel", model).given.table()
        return np.asarray(table.detach().double().cpu().numpy()[:, 0])

    def information(self, model: PairModel) -> float:
        values = self.levels(model)
        return known.noisy_information(values, np.full(len(values), 1.0 / len(values)), 1.0)

    def picture(self, model: PairModel) -> bytes:
        return figures.quantiles(self.levels(model), self.best_quantiles())

    def best_quantiles(self) -> Array:
        """Quantiles of the best input at the middles of as many equal steps as there are levels."""
        from scipy.special import ndtri

        return float(np.sqrt(self.limit)) * np.asarray(ndtri((np.arange(self.LEVELS) + 0.5) / self.LEVELS))


@register_task("capacity-awgn")
class CapacityAwgn(GaussianCapacity):
    """The power-limited Gaussian channel Y = X + N, E X^2 = SNR Var N: capacity 1/2 log(1 + SNR), input Gaussian.

    Parameters
    ----------
    snr : signal-to-noise ratio.
    """

    snr: Positive = 10.0

    @property
    def limit(self) -> float:
        return self.snr

    @property
    def capacity(self) -> float:
        return known.awgn_capacity(self.snr)


@register_task("capacity-peak")
class CapacityPeak(GaussianCapacity):
    """The peak-limited Gaussian channel Y = X + N, |X| <= peak, Var N = 1: the best input is discrete (Smith 1971).

    Parameters
    ----------
    peak : the greatest amplitude, in standard deviations of the noise.
    """

    peak: Annotated[float, inside(0, 8)] = 2.5

    @property
    def limit(self) -> float:
        return self.peak

    @property
    def capacity(self) -> float:
        return float(known.peak_capacity(self.peak).low)

    def best_quantiles(self) -> Array:
        best = known.peak_capacity(self.peak)
        at = (np.arange(self.LEVELS) + 0.5) / self.LEVELS
        which = np.searchsorted(best.probabilities.cumsum(), at).clip(max=len(best.levels) - 1)
        return np.asarray(best.levels[which])


@register_task("capacity-fading")
class CapacityFading(GaussianCapacity):
    """Rayleigh fading known to the receiver, Y = (hX + N, h), E h^2 = 1, E X^2 = SNR: E_h 1/2 log(1 + h^2 SNR).

    Parameters
    ----------
    snr : mean signal-to-noise ratio.
    """

    snr: Positive = 10.0

    fading = True

    @property
    def limit(self) -> float:
        return self.snr

    @property
    def capacity(self) -> float:
        return known.fading_capacity(self.snr)

    def information(self, model: PairModel) -> float:
        values = self.levels(model)
        return known.fading_information(values, np.full(len(values), 1.0 / len(values)))


@dataclass(frozen=True, eq=False, repr=False)
class BinaryCapacity(CapacityTask):
    """A channel of bits, whose probability of a 1 is learnt; it is best at 1/2.

    Bits have no gradient. The probability climbs by the score function instead (Tsur et al. 2023): the mean of
    (c_i - c) grad log p(x_i), where c_i is what pair i contributes to the bound's value and c their mean. With the best
    critic, whose pair contributes log p(x, y) / (p(x) p(y)), that is the gradient of the information itself.

    Parameters
    ----------
    start : P(X = 1) before training.
    """

    start: Inner = 0.1
    steps: Count = 500
    lr: Positive = 1e-2

    def objective(self, model: PairModel, regularizer: Regularizer, x: Tensor, y: Tensor) -> Tensor:
        joint, product = regularizer.critic.scores(x, y)
        given = regularizer.bound.contributions(joint, regularizer.bound.rows(joint, product)).detach()
        return ((given - given.mean()) * cast("BitChannel", model).log_probability(x)).mean()

    def probability(self, model: PairModel) -> float:
        """P(X = 1)."""
        return cast("BitChannel", model).probability()


@register_task("capacity-bsc")
class CapacityBsc(BinaryCapacity):
    """The binary symmetric channel: capacity log 2 - H(crossover).

    Parameters
    ----------
    crossover : probability that a bit is flipped.
    """

    crossover: Annotated[float, inside(0, 0.5)] = 0.1

    @property
    def capacity(self) -> float:
        return known.symmetric_information(0.5, self.crossover)

    def new_model(self, seed: int) -> PairModel:
        from .models import BitChannel

        return BitChannel(self.start, self.crossover, 0.0)

    def information(self, model: PairModel) -> float:
        return known.symmetric_information(self.probability(model), self.crossover)


@register_task("capacity-erasure")
class CapacityErasure(BinaryCapacity):
    """The binary erasure channel: capacity (1 - erasure) log 2.

    Parameters
    ----------
    erasure : probability that a bit is lost, which the receiver sees.
    """

    erasure: Inner = 0.3

    @property
    def capacity(self) -> float:
        return known.erasure_information(0.5, self.erasure)

    def new_model(self, seed: int) -> PairModel:
        from .models import BitChannel

        return BitChannel(self.start, 0.0, self.erasure)

    def information(self, model: PairModel) -> float:
        return known.erasure_information(self.probability(model), self.erasure)
