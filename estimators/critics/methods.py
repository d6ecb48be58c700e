"""The variational estimators by name: each is a bound with what can be chosen about it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from mibench.errors import UsageError
from mibench.estimator import Kind
from mibench.registry import register_estimator

from .base import ConditionalDensity, FreeCritic

if TYPE_CHECKING:
    from mibench.bound import Bound

BELGHAZI = "Belghazi et al. (2018), MINE: Mutual information neural estimation"
POOLE = "Poole et al. (2019), On variational bounds of mutual information"


@register_estimator("mine-biased")
class MINEBiased(FreeCritic):
    """MINE with the plain gradient of the Donsker-Varadhan bound on a batch, which the batch's logarithm biases."""

    citation: ClassVar[str] = f"Donsker & Varadhan (1983); {BELGHAZI}, section 3.1"

    def bound(self) -> Bound:
        """Donsker-Varadhan."""
        from .bounds import DonskerVaradhan

        return DonskerVaradhan()


@register_estimator("dv")
def donsker_varadhan() -> MINEBiased:
    """The same as ``mine-biased``, which takes the hyperparameters."""
    return MINEBiased()


@register_estimator("mine-ema")
class MINE(FreeCritic):
    """MINE with the moving average that corrects the gradient's bias.

    rate : weight of the newest batch in the average.
    """

    rate: float = 0.01

    citation: ClassVar[str] = f"{BELGHAZI}, section 3.2"

    def bound(self) -> Bound:
        """Donsker-Varadhan with the corrected gradient."""
        from .bounds import MovingAverageDV

        return MovingAverageDV(self.rate)


@register_estimator("remine")
class ReMINE(FreeCritic):
    """MINE with a penalty on the squared log-partition, which keeps the critic from drifting.

    penalty : its weight.
    """

    penalty: float = 0.1

    citation: ClassVar[str] = "Choi & Lee (2020), Regularized mutual information neural estimation"

    def bound(self) -> Bound:
        """Donsker-Varadhan with the penalty in its loss."""
        from .bounds import ReMINE

        return ReMINE(self.penalty)


@register_estimator("nwj")
class NWJ(FreeCritic):
    """E_p f - E_q e^(f - 1), also known as MINE-f: unbiased on batches, of high variance where I is large."""

    offset: ClassVar[float] = 1.0
    citation: ClassVar[str] = (
        "Nguyen, Wainwright & Jordan (2010), Estimating divergence functionals and the likelihood ratio by convex risk "
        f"minimization; {BELGHAZI} (there MINE-f)"
    )

    def bound(self) -> Bound:
        """Nguyen-Wainwright-Jordan."""
        from .bounds import NWJ

        return NWJ()


@register_estimator("mine-f")
def mine_f() -> NWJ:
    """The same as ``nwj``, which takes the hyperparameters."""
    return NWJ()


@register_estimator("tuba")
class TUBA(FreeCritic):
    """Nguyen-Wainwright-Jordan with a learned baseline a(y) in place of the constant."""

    citation: ClassVar[str] = f"{POOLE}, eq. 6"

    def bound(self) -> Bound:
        """TUBA."""
        from .bounds import TUBA

        return TUBA()


@register_estimator("ialpha")
class IAlpha(FreeCritic):
    """Between InfoNCE (alpha = 1) and TUBA (alpha = 0).

    alpha : weight of the mean over the sample in the baseline.
    """

    alpha: float = 0.01

    citation: ClassVar[str] = f"{POOLE} (there I_alpha)"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.alpha <= 1:
            raise UsageError(f"{self.registered_name}: alpha = {self.alpha} is not usable; use a number in [0, 1].")

    def bound(self) -> Bound:
        """I_alpha."""
        from .bounds import IAlpha

        return IAlpha(self.alpha)


@register_estimator("infonce")
class InfoNCE(FreeCritic):
    """The log-probability of picking the true partner, above chance; never above log K, K being the test part.

    ``diagnostics`` name K, and say ``saturated`` where the estimate comes within 1 nat of log K.
    """

    citation: ClassVar[str] = (
        "van den Oord, Li & Vinyals (2018), Representation learning with contrastive predictive coding; "
        f"{POOLE}, eq. 10"
    )

    def bound(self) -> Bound:
        """InfoNCE."""
        from .bounds import InfoNCE

        return InfoNCE()

    def remarks(self, mi: float, test: int) -> dict[str, Any]:
        """K, and whether log K is near."""
        return {"K": test, **({"saturated": True} if mi > math.log(test) - 1 else {})}


@register_estimator("js")
class JensenShannon(FreeCritic):
    """Trained to tell joint from product; the value is the Nguyen-Wainwright-Jordan bound at that optimum."""

    citation: ClassVar[str] = (
        "Hjelm et al. (2019), Learning deep representations by mutual information estimation and maximization; "
        f"{POOLE}, section 2.6"
    )

    def bound(self) -> Bound:
        """Jensen-Shannon."""
        from .bounds import JensenShannon

        return JensenShannon()


@register_estimator("demi")
class DEMI(FreeCritic):
    """Trained to tell joint from product; the value is the mean log odds on the joint. Not a bound."""

    kind: ClassVar[Kind] = Kind.ESTIMATE
    citation: ClassVar[str] = "Liao et al. (2020), DEMI: Discriminative estimator of mutual information"

    def bound(self) -> Bound:
        """The plug-in value."""
        from .bounds import PlugIn

        return PlugIn()


@register_estimator("smile")
class SMILE(FreeCritic):
    """Trained to tell joint from product; Donsker-Varadhan with density ratios clipped in the partition. Not a bound.

    tau : ratios in the partition are clipped to [e^-tau, e^tau].
    """

    tau: float = 5.0

    kind: ClassVar[Kind] = Kind.ESTIMATE
    citation: ClassVar[str] = (
        "Song & Ermon (2020), Understanding the limitations of variational mutual information estimators, eq. 17"
    )

    def bound(self) -> Bound:
        """SMILE."""
        from .bounds import SMILE

        return SMILE(self.tau)


@register_estimator("flo")
class FLO(FreeCritic):
    """InfoNCE whose logarithm is a second learned function u(x, y), so that no batch size caps it."""

    citation: ClassVar[str] = (
        "Guo et al. (2022), Tight mutual information estimation with contrastive Fenchel-Legendre optimization"
    )

    def bound(self) -> Bound:
        """Fenchel-Legendre optimisation."""
        from .bounds import FLO

        return FLO()


@register_estimator("f-dime")
class FDime(FreeCritic):
    """Trained on an f-divergence; the value is the mean log ratio on the joint. Not a bound.

    divergence : "kl", "hellinger" or "gan".
    """

    divergence: Literal["kl", "hellinger", "gan"] = "gan"

    kind: ClassVar[Kind] = Kind.ESTIMATE
    citation: ClassVar[str] = (
        "Letizia, Novello & Tonello (2024), Mutual information estimation via f-divergence and data derangements"
    )

    def bound(self) -> Bound:
        """f-DIME."""
        from .bounds import FDime

        return FDime(self.divergence)


@register_estimator("infonce-anchor")
class InfoNCEAnchor(FreeCritic):
    """InfoNCE trained with a further class "none of them", so that its critic is the log ratio itself. Not a bound.

    anchor : the weight of that class relative to each of the others.
    """

    anchor: float = 1.0

    kind: ClassVar[Kind] = Kind.ESTIMATE
    citation: ClassVar[str] = (
        "Ryu et al. (2025), Contrastive predictive coding done right for mutual information estimation"
    )

    def bound(self) -> Bound:
        """InfoNCE with an anchor."""
        from .bounds import InfoNCEAnchor

        return InfoNCEAnchor(self.anchor)


@register_estimator("ba")
class BA(ConditionalDensity):
    """The expected log q(y | x) over its mixture on the sample, which is the entropy term."""

    citation: ClassVar[str] = (
        "Barber & Agakov (2003), The IM algorithm: a variational approach to information maximization"
    )

    def bound(self) -> Bound:
        """Barber-Agakov."""
        from .bounds import BA

        return BA()


@register_estimator("l1out")
class L1Out(ConditionalDensity):
    """The expected log q(y | x) over the mixture of the other samples: an upper bound where q is exact."""

    kind: ClassVar[Kind] = Kind.UPPER_BOUND
    citation: ClassVar[str] = f"{POOLE} (there the leave-one-out upper bound)"

    def bound(self) -> Bound:
        """Leave-one-out."""
        from .bounds import L1Out

        return L1Out()


@register_estimator("club")
class CLUB(ConditionalDensity):
    """The expected log q(y | x) on the joint less that on the product: an upper bound where q is exact."""

    kind: ClassVar[Kind] = Kind.UPPER_BOUND
    citation: ClassVar[str] = "Cheng et al. (2020), CLUB: A contrastive log-ratio upper bound of mutual information"

    def bound(self) -> Bound:
        """CLUB."""
        from .bounds import CLUB

        return CLUB()


@register_estimator("benchmark-mi")
def benchmark_mi(estimator: Literal["mine-biased", "mine-ema", "nwj", "infonce"] = "mine-ema") -> FreeCritic:
    """An estimator with the settings of the package benchmark-mi (Czyż et al. 2023), for like-for-like comparison.

    A joint critic (16, 8), Adam at 0.1, at most 10,000 steps, and the greatest value among the checkpoints on the
    half of the samples that was not trained on, which biases it upwards.
    """
    cls = {"mine-biased": MINEBiased, "mine-ema": MINE, "nwj": NWJ, "infonce": InfoNCE}[estimator]
    return cls(
        critic="joint",
        hidden=(16, 8),
        activation="relu",
        standardize="standard",
        negatives=1 if estimator == "mine-ema" else "all",
        schedule="constant",
        learning_rate=0.1,
        weight_decay=0.0,
        clip=0.0,
        max_steps=10_000,
        max_epochs=10_000,
        interval=250,
        patience=2,
        train=0.5,
        validation=0.0,
        test=0.5,
    )
