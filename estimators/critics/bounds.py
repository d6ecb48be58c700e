"""The variational bounds on mutual information, as pure functions of critic scores.

Notation: f is the critic, r = p(x, y) / (p(x) p(y)) the density ratio, E_p the mean over the joint distribution, E_q
the mean over the product of the marginals. See :class:`mibench.bound.Bound` for the shapes. Nothing here has parameters
to learn; networks are in ``critics.py``, optimisation in ``trainer.py``. Every bound with a registered name is an
estimator of that name (``methods.py``).

The bounds with a second learned function are in ``bounds_baseline.py``, those on a normalised conditional density in
``bounds_conditional.py``; all can be imported from here. No torch is imported before a bound is evaluated.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from mibench.bound import Bound, Kind
from mibench.parameters import NotNegative, Positive, Range

from .bounds_baseline import FLO as FLO
from .bounds_baseline import TUBA as TUBA
from .bounds_baseline import IAlpha as IAlpha
from .bounds_conditional import BA as BA
from .bounds_conditional import CLUB as CLUB
from .bounds_conditional import L1Out as L1Out
from .log_means import contrast, exp_or_line, log_mean_exp

if TYPE_CHECKING:
    from torch import Tensor

BELGHAZI = "Belghazi et al. (2018), MINE: Mutual information neural estimation"
POOLE = "Poole et al. (2019), On variational bounds of mutual information"


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
        return joint - log_z - (rows - log_z).expm1()


class DonskerVaradhan(LogPartition):
    """I >= E_p f - log E_q e^f, tight at f = log r + constant: MINE with the plain gradient on a batch.

    The logarithm of a mini-batch mean makes that gradient biased; the value on held-out data does not suffer.
    """

    registered_name: ClassVar[str] = "mine-biased"
    citation: ClassVar[str] = f"Donsker & Varadhan (1983); {BELGHAZI}, section 3.1"

    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The negated bound on the batch."""
        return log_mean_exp(product, (-2, -1)) - joint.mean(-1), None


class MovingAverageDV(LogPartition):
    """I >= E_p f - log E_q e^f: MINE with the moving average that corrects the gradient's bias.

    The gradient of log E_q e^f is E_q[e^f grad f] / E_q[e^f]; its denominator is replaced by an exponential moving
    average over batches, which starts at the first one. The surrogate loss w log-mean-exp(f) - E_p f with the constant
    w = batch mean / average has that gradient and stays in log space; w is at most 1 / rate.

    Parameters
    ----------
    rate : weight of the newest batch in the average.
    """

    rate: Annotated[float, Range(0, 1, with_high=True)] = 0.01

    registered_name: ClassVar[str] = "mine-ema"
    citation: ClassVar[str] = f"{BELGHAZI}, section 3.2"

    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The surrogate, whose value means nothing, and the logarithm of the average."""
        log_mean = log_mean_exp(product, (-2, -1))
        now = log_mean.detach()
        if state is None or self.rate == 1:
            average = now
        else:
            average = (state + math.log1p(-self.rate)).logaddexp(now + math.log(self.rate))
        weight = (now - average).exp()
        return weight * log_mean - joint.mean(-1), average


class ReMINE(DonskerVaradhan):
    """I >= E_p f - log E_q e^f, with a penalty on the squared log-partition, which keeps the critic from drifting.

    The bound is indifferent to a constant added to the critic; ``penalty`` (log E_q e^f)^2 in the loss holds it.

    Parameters
    ----------
    penalty : weight of the squared log-partition in the loss.
    """

    penalty: NotNegative = 0.1

    registered_name: ClassVar[str] = "remine"
    citation: ClassVar[str] = "Choi & Lee (2020), Regularized mutual information neural estimation"

    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The negated bound on the batch plus the penalty."""
        log_mean = log_mean_exp(product, (-2, -1))
        return log_mean - joint.mean(-1) + self.penalty * log_mean.square(), None


# Bounds without a logarithm outside ----------------------------------------------------------------------------------


class NWJ(Bound):
    """I >= E_p f - E_q e^(f - 1), also known as MINE-f, tight at f = 1 + log r.

    Unbiased on batches, and of high variance where I is large.
    """

    registered_name: ClassVar[str] = "nwj"
    offset: ClassVar[float] = 1.0
    citation: ClassVar[str] = (
        "Nguyen, Wainwright & Jordan (2010), Estimating divergence functionals and the likelihood ratio by convex risk "
        f"minimization; {BELGHAZI} (there MINE-f)"
    )

    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The negated bound on the batch."""
        return exp_or_line(log_mean_exp(product, (-2, -1)) - 1) - joint.mean(-1), None

    def rows(self, joint: Tensor, product: Tensor) -> Tensor:
        """f_i - mean_j e^(f_ij - 1)."""
        return joint - (log_mean_exp(product) - 1).exp()


class InfoNCE(Bound):
    """I >= E [f_i - log-mean-exp of y_i's own x and K others]: the log-probability of the true partner, above chance.

    Tight at f = log r + c(y) as K grows; never above log(K + 1), and worthless as an estimate near it. An estimate's
    ``diagnostics`` name the number of held-out pairs as ``K``, and say ``saturated`` within 1 nat of its logarithm.
    """

    registered_name: ClassVar[str] = "infonce"
    citation: ClassVar[str] = (
        "van den Oord, Li & Vinyals (2018), Representation learning with contrastive predictive coding; "
        f"{POOLE}, eq. 10"
    )

    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The negated bound on the batch."""
        return -self.rows(joint, product).mean(-1), None

    def rows(self, joint: Tensor, product: Tensor) -> Tensor:
        """f_i - log [(e^f_i + sum_j e^f_ij) / (K + 1)]."""
        return contrast(joint, product)

    def remarks(self, value: float, samples: int) -> dict[str, Any]:
        return {"K": samples, **({"saturated": True} if value > math.log(samples) - 1 else {})}


# Bounds trained as classifiers of joint against product: the optimum is f = log r -------------------------------------


def classification_loss(joint: Tensor, product: Tensor) -> Tensor:
    """Logistic loss E_p softplus(-f) + E_q softplus(f) of telling the joint from the product; optimal at f = log r."""
    from torch.nn.functional import softplus

    return softplus(-joint).mean(-1) + softplus(product).mean((-2, -1))


class _Classifier(Bound):
    """Trained to tell the joint from the product."""

    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The logistic loss."""
        return classification_loss(joint, product), None


class JensenShannon(_Classifier):
    """I >= 1 + E_p f - E_q e^f, trained to tell joint from product (on the Jensen-Shannon divergence).

    The value is the Nguyen-Wainwright-Jordan bound at f + 1, because the optimal critic here is log r, not 1 + log r:
    evaluating that bound at f itself would lose exactly 1/e at the optimum.
    """

    registered_name: ClassVar[str] = "js"
    citation: ClassVar[str] = (
        "Hjelm et al. (2019), Learning deep representations by mutual information estimation and maximization; "
        f"{POOLE}, section 2.6"
    )

    def rows(self, joint: Tensor, product: Tensor) -> Tensor:
        """1 + f_i - mean_j e^f_ij."""
        return 1 + joint - log_mean_exp(product).exp()


class SMILE(_Classifier, LogPartition):
    """E_p f - log E_q clip(e^f, e^-tau, e^tau), trained to tell joint from product. Not a bound.

    The clip is for the partition alone and for the value alone; it trades variance for bias. What a model ascends is
    the negated logistic loss as well: the authors' program gives the clipped value the gradient of Jensen-Shannon.

    Parameters
    ----------
    tau : ratios in the partition are clipped to [e^-tau, e^tau].
    """

    tau: Positive = 5.0

    registered_name: ClassVar[str] = "smile"
    kind: ClassVar[Kind] = Kind.ESTIMATE
    citation: ClassVar[str] = (
        "Song & Ermon (2020), Understanding the limitations of variational mutual information estimators, eq. 17"
    )

    def log_weight(self, product: Tensor) -> Tensor:
        """f clipped to [-tau, tau]."""
        return product.clamp(-self.tau, self.tau)


# Plug-in values: E_p f of a critic trained to be log r ----------------------------------------------------------------


class PlugIn(_Classifier):
    """E_p f, the mean log odds on the joint, of a critic trained to tell joint from product. Not a bound.

    The optimal critic is log r, whose mean over the joint is the mutual information. The variance is low, and the
    critic's errors go unchecked.
    """

    registered_name: ClassVar[str] = "demi"
    kind: ClassVar[Kind] = Kind.ESTIMATE
    citation: ClassVar[str] = "Liao et al. (2020), DEMI: Discriminative estimator of mutual information"

    def rows(self, joint: Tensor, product: Tensor) -> Tensor:
        return joint


class FDime(PlugIn):
    """E_p f, the mean log ratio on the joint, of a critic trained on an f-divergence. Not a bound.

    Its authors' discriminators D are written here as functions of the same critic f = log r: ``kl`` maximises
    E_p f - E_q e^f (D = e^f), ``hellinger`` minimises E_p e^(-f/2) + E_q e^(f/2) (D = e^(-f/2)), and ``gan`` minimises
    E_p softplus(-f) + E_q softplus(f) (D = sigmoid(-f)), the same as ``demi``.

    The paper shows that a product sample which holds pairs of the joint (a permutation with fixed points) caps what can
    be learned near log B; no bound here ever gets such pairs.

    Parameters
    ----------
    divergence : what the critic is trained on: "kl", "hellinger" or "gan".
    """

    divergence: Literal["kl", "hellinger", "gan"] = "gan"

    registered_name: ClassVar[str] = "f-dime"
    citation: ClassVar[str] = (
        "Letizia, Novello & Tonello (2024), Mutual information estimation via f-divergence and data derangements"
    )

    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The negated variational form of the divergence, up to a constant."""
        if self.divergence == "gan":
            return classification_loss(joint, product), None
        if self.divergence == "kl":
            return exp_or_line(log_mean_exp(product, (-2, -1))) - joint.mean(-1), None
        return exp_or_line(log_mean_exp(-joint / 2)) + exp_or_line(log_mean_exp(product / 2, (-2, -1))), None


class InfoNCEAnchor(PlugIn):
    """E_p f of a critic trained by InfoNCE with a further class "none of them", which makes it log r. Not a bound.

    Of K values of x at most one belongs to y: each with prior probability 1 / (K + v), none with v / (K + v). The
    posterior odds are r_1 : ... : r_K : v, so unlike InfoNCE, which leaves c(y) in f = log r + c(y) open, the cross
    entropy is least at f = log r for every K and v. For K = v = 1 it is half the logistic loss of ``demi``.

    Parameters
    ----------
    anchor : the weight v of the class "none of them" relative to each of the others; 1 in the paper.
    """

    anchor: Positive = 1.0

    registered_name: ClassVar[str] = "infonce-anchor"
    citation: ClassVar[str] = (
        "Ryu et al. (2025), Contrastive predictive coding done right for mutual information estimation"
    )

    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The cross entropy; both kinds of row hold K values of x, so the first one leaves out a value that it has."""
        import torch
        from torch.nn.functional import softplus

        k, log_v = product.shape[-1], math.log(self.anchor)
        with_own = torch.cat([joint[..., None], product[..., 1:]], -1).logsumexp(-1)
        own = log_v + softplus(with_own - log_v) - joint
        none = softplus(product.logsumexp(-1) - log_v)
        return (k * own.mean(-1) + self.anchor * none.mean(-1)) / (k + self.anchor), None
