"""The variational bounds on mutual information, as pure functions of critic scores.

Notation: f is the critic, r = p(x, y) / (p(x) p(y)) the density ratio, E_p the mean over the joint distribution, E_q
the mean over the product of the marginals. See :class:`mibench.bound.Bound` for the shapes. Nothing here has parameters
to learn; networks are in ``critics.py``, optimisation in ``trainer.py``.

The bounds with a second learned function are in ``bounds_baseline.py``, those on a normalised conditional density in
``bounds_conditional.py``; all can be imported from here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from mibench.bound import Bound
from mibench.errors import UsageError

from .bounds_baseline import FLO, TUBA, IAlpha
from .bounds_conditional import BA, CLUB, L1Out
from .log_means import exp_or_line, log_mean_exp

__all__ = [
    "BA",
    "CLUB",
    "FLO",
    "NWJ",
    "SMILE",
    "TUBA",
    "DonskerVaradhan",
    "FDime",
    "IAlpha",
    "InfoNCE",
    "InfoNCEAnchor",
    "JensenShannon",
    "L1Out",
    "LogPartition",
    "MovingAverageDV",
    "PlugIn",
    "ReMINE",
    "classification_loss",
    "log_mean_exp",
]


# Bounds with a log-partition: E_p f - log E_q w(f) -------------------------------------------------------------------


class LogPartition(Bound):
    """Value E_p f - log E_q w(f) for a weight w that subclasses may change; one mean over all pairs inside the log."""

    def log_weight(self, product: Tensor) -> Tensor:
        """log w(f), elementwise: f itself."""
        return product

    def rows(self, joint: Tensor, product: Tensor) -> Tensor:
        """log mean_j w(f(x_j, y_i))."""
        return log_mean_exp(self.log_weight(product))

    def contributions(self, joint: Tensor, rows: Tensor) -> Tensor:
        """The logarithm linearised at the mean Z of the rows: f_i - log Z - (exp(rows_i) / Z - 1)."""
        log_z = log_mean_exp(rows)[..., None]
        return joint - log_z - torch.expm1(rows - log_z)


class DonskerVaradhan(LogPartition):
    """I >= E_p f - log E_q e^f (Donsker & Varadhan 1983; Belghazi et al. 2018), tight at f = log r + constant.

    The logarithm of a mini-batch mean makes the gradient biased; the value on held-out data does not suffer.
    """

    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The negated bound on the batch."""
        return log_mean_exp(product, (-2, -1)) - joint.mean(-1), None


@dataclass(frozen=True)
class MovingAverageDV(LogPartition):
    """MINE with the bias-corrected gradient (Belghazi et al. 2018, section 3.2): value as Donsker-Varadhan.

    The gradient of log E_q e^f is E_q[e^f grad f] / E_q[e^f]; its denominator is replaced by an exponential moving
    average over batches, which starts at the first one. The surrogate loss w log-mean-exp(f) - E_p f with the constant
    w = batch mean / average has that gradient and stays in log space; w is at most 1 / rate.

    rate : weight of the newest batch in the average, in (0, 1].
    """

    rate: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1:
            raise UsageError(f"the moving average takes rate = {self.rate} of each batch; use a number in (0, 1].")

    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The surrogate, whose value means nothing, and the logarithm of the average."""
        log_mean = log_mean_exp(product, (-2, -1))
        now = log_mean.detach()
        if state is None or self.rate == 1:
            average = now
        else:
            average = torch.logaddexp(state + math.log1p(-self.rate), now + math.log(self.rate))
        weight = torch.exp(now - average)
        return weight * log_mean - joint.mean(-1), average


@dataclass(frozen=True)
class ReMINE(DonskerVaradhan):
    """Donsker-Varadhan whose log-partition is pulled towards 0 (Choi & Lee 2020): value as Donsker-Varadhan.

    The bound is indifferent to a constant added to the critic, which therefore drifts; the penalty
    ``penalty`` (log E_q e^f)^2 in the loss holds it.
    """

    penalty: float = 0.1

    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The negated bound on the batch plus the penalty."""
        log_mean = log_mean_exp(product, (-2, -1))
        return log_mean - joint.mean(-1) + self.penalty * log_mean.square(), None


# Bounds without a logarithm outside ----------------------------------------------------------------------------------


class NWJ(Bound):
    """I >= E_p f - E_q e^(f - 1) (Nguyen, Wainwright & Jordan 2010; "MINE-f"), tight at f = 1 + log r."""

    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The negated bound on the batch."""
        return exp_or_line(log_mean_exp(product, (-2, -1)) - 1) - joint.mean(-1), None

    def rows(self, joint: Tensor, product: Tensor) -> Tensor:
        """f_i - mean_j e^(f_ij - 1)."""
        return joint - torch.exp(log_mean_exp(product) - 1)

    def optimal_scores(self, joint: Tensor, product: Tensor) -> tuple[Tensor, Tensor]:
        """1 + log r."""
        return 1 + joint, 1 + product


class InfoNCE(Bound):
    """I >= E [f_i - log-mean-exp of y_i's own x and K others] (van den Oord et al. 2018; Poole et al. 2019, Eq. 10).

    Tight at f = log r + c(y) as K grows; never above log(K + 1), and worthless as an estimate near it.
    """

    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The negated bound on the batch."""
        return -self.rows(joint, product).mean(-1), None

    def rows(self, joint: Tensor, product: Tensor) -> Tensor:
        """f_i - log [(e^f_i + sum_j e^f_ij) / (K + 1)]."""
        return joint - torch.logaddexp(joint, torch.logsumexp(product, -1)) + math.log(product.shape[-1] + 1)


# Bounds trained as classifiers of joint against product: the optimum is f = log r -------------------------------------


def classification_loss(joint: Tensor, product: Tensor) -> Tensor:
    """Logistic loss E_p softplus(-f) + E_q softplus(f) of telling the joint from the product; optimal at f = log r."""
    return F.softplus(-joint).mean(-1) + F.softplus(product).mean((-2, -1))


class JensenShannon(Bound):
    """Trained on the Jensen-Shannon divergence (Nowozin et al. 2016; Hjelm et al. 2019), I >= 1 + E_p f - E_q e^f.

    The value is the Nguyen-Wainwright-Jordan bound at f + 1, because the optimal critic here is log r, not 1 + log r
    (Poole et al. 2019, section 2.6): evaluating that bound at f itself would lose exactly 1/e at the optimum.
    """

    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The logistic loss."""
        return classification_loss(joint, product), None

    def rows(self, joint: Tensor, product: Tensor) -> Tensor:
        """1 + f_i - mean_j e^f_ij."""
        return 1 + joint - torch.exp(log_mean_exp(product))


@dataclass(frozen=True)
class SMILE(LogPartition):
    """Trained as Jensen-Shannon; E_p f - log E_q clip(e^f, e^-tau, e^tau) (Song & Ermon 2020, Eq. 17). Not a bound.

    The clip is for the partition alone and for the value alone; it trades variance for bias. What a model ascends is
    the negated logistic loss as well: the authors' program gives the clipped value the gradient of Jensen-Shannon.
    """

    tau: float = 5.0

    def __post_init__(self) -> None:
        if not self.tau > 0:
            raise UsageError(f"clipping scores to [-tau, tau] needs tau above 0, not {self.tau}.")

    def log_weight(self, product: Tensor) -> Tensor:
        """f clipped to [-tau, tau]."""
        return product.clamp(-self.tau, self.tau)

    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The logistic loss."""
        return classification_loss(joint, product), None


# Plug-in values: E_p f of a critic trained to be log r ----------------------------------------------------------------


class PlugIn(Bound):
    """E_p f of a critic trained as Jensen-Shannon (DEMI: Liao et al. 2020). Not a bound; low variance.

    The optimal critic is log r, whose mean over the joint is the mutual information; the critic's errors go unchecked.
    """

    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The logistic loss."""
        return classification_loss(joint, product), None

    def rows(self, joint: Tensor, product: Tensor) -> Tensor:
        """f_i."""
        return joint


@dataclass(frozen=True)
class FDime(PlugIn):
    """E_p f of a critic trained on an f-divergence (f-DIME: Letizia, Novello & Tonello 2024). Not a bound.

    Its authors' discriminators D are written here as functions of the same critic f = log r:

    * ``kl``: maximise E_p f - E_q e^f (D = e^f),
    * ``hellinger``: minimise E_p e^(-f/2) + E_q e^(f/2) (D = e^(-f/2)),
    * ``gan``: minimise E_p softplus(-f) + E_q softplus(f) (D = sigmoid(-f)): the same as :class:`PlugIn`.

    The paper shows that a product sample which holds pairs of the joint (a permutation with fixed points) caps what can
    be learned near log B; no bound here ever gets such pairs.
    """

    divergence: Literal["kl", "hellinger", "gan"] = "gan"

    def __post_init__(self) -> None:
        if self.divergence not in ("kl", "hellinger", "gan"):
            raise UsageError(f"divergence '{self.divergence}' is not known; use 'kl', 'hellinger' or 'gan'.")

    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The negated variational form of the divergence, up to a constant."""
        if self.divergence == "gan":
            return classification_loss(joint, product), None
        if self.divergence == "kl":
            return exp_or_line(log_mean_exp(product, (-2, -1))) - joint.mean(-1), None
        return exp_or_line(log_mean_exp(-joint / 2)) + exp_or_line(log_mean_exp(product / 2, (-2, -1))), None


@dataclass(frozen=True)
class InfoNCEAnchor(PlugIn):
    """E_p f of a critic trained by InfoNCE with an additional class "none of them" (Ryu et al. 2025). Not a bound.

    Of K values of x at most one belongs to y: each with prior probability 1 / (K + v), none with v / (K + v). The
    posterior odds are r_1 : ... : r_K : v, so unlike InfoNCE, which leaves c(y) in f = log r + c(y) open, the cross
    entropy is least at f = log r for every K and v. For K = v = 1 it is half the logistic loss of :class:`PlugIn`.

    anchor : the weight v of the class "none of them" relative to each of the others; 1 in the paper.
    """

    anchor: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.anchor < math.inf:
            raise UsageError(f"the anchor class needs a finite weight above 0, not {self.anchor}.")

    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The cross entropy; both kinds of row hold K values of x, so the first one leaves out a value that it has."""
        k, log_v = product.shape[-1], math.log(self.anchor)
        with_own = torch.logsumexp(torch.cat([joint[..., None], product[..., 1:]], -1), -1)
        own = log_v + F.softplus(with_own - log_v) - joint
        none = F.softplus(torch.logsumexp(product, -1) - log_v)
        return (k * own.mean(-1) + self.anchor * none.mean(-1)) / (k + self.anchor), None
