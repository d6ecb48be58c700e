"""Bidirectional GANs (ALI, BiGAN) that must reconstruct, with I(x; E(x)) in the encoder's loss.

With encoder joint q(x, z) and decoder joint p(x, z), the reconstruction error E_q[-log p(x | z)] is at most
KL(q || p) - I_q(x; z) + H_q(x) (after Belghazi et al. 2018, section 5.2): the adversarial game lowers the first term,
the information the second, and the third, the entropy of the data, stays. The arms are the estimator, and ALICE's
squared reconstruction error in its place; ``none`` is ALI alone. The training is in ``_bigan.py``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from mibench.errors import UsageError
from mibench.estimator import Estimator
from mibench.registry import register_task
from mibench.task import Metric, Outcome

from .arms import CLIPPINGS, CONTROL, PERFECT, PLAIN, RegularizedTask, check_choice, check_positive
from .gan_mode_collapse import ENERGY, MODES, QUALITY

if TYPE_CHECKING:
    from mibench.bound import Bound

    from ._bigan import Problem

ALICE = "alice-l2"

RECONSTRUCTION = Metric(
    "reconstruction", "lower", "", "Squared error of test images, summed over pixels in [0, 1], mean over images."
)
AGREEMENT = Metric("agreement", "higher", "%", "Test images that a classifier labels like their reconstruction.")
SSIM = Metric("ssim", "higher", "", "Structural similarity of test images and reconstructions; uniform 7 x 7 window.")


@dataclass(frozen=True, eq=False, repr=False)
class BiganTask(RegularizedTask):
    """A GAN with a stochastic encoder E([x, eps]): parameters that all the reconstruction tasks share.

    latent : dimensions of z, standard normal.
    noise : dimensions of eps, standard normal.
    hidden : hidden layers of all perceptrons.
    steps, batch, lr : training steps, batch size, Adam's learning rate (beta1 0.5) for all networks.
    beta : weight of the information, or of ALICE's squared error (summed over coordinates).
    variant : ``plain``, ``alice-l2``: the squared reconstruction error in place of the information, or
        ``perfect-sampler``: samples given back as they are, which gives the floor of every metric.
    clipping : ``adaptive`` (no longer than the encoder's adversarial gradient), ``unclipped``, or ``placebo``.
    """

    latent: int = 10
    noise: int = 10
    hidden: tuple[int, ...] = (128, 128)
    steps: int = 1_000
    batch: int = 100
    lr: float = 5e-4
    beta: float = 1.0
    variant: str = PLAIN
    clipping: str = "adaptive"

    arm_parameters: ClassVar[tuple[str, ...]] = ("variant", "clipping", "beta")
    variants: ClassVar[tuple[str, ...]] = (PLAIN, ALICE, PERFECT)
    metrics: ClassVar[tuple[Metric, ...]] = (RECONSTRUCTION, AGREEMENT, SSIM, ENERGY)
    citation: ClassVar[str] = "Belghazi et al. 2018, section 5.2"

    def __post_init__(self) -> None:
        check_positive(self, "latent", "noise", "hidden", "steps", "lr", "beta")
        check_choice(self, "variant", self.variants)
        check_choice(self, "clipping", tuple(CLIPPINGS))
        least = 4 if self.clipping == "placebo" else 2  # the placebo's critic sees half the batch
        if self.batch < least:
            raise UsageError(f"{self.registered_name}: batch={self.batch}; at least {least} samples make a batch.")

    def remarks(self, control: bool) -> Sequence[str]:
        """``unclipped`` or ``placebo``, and beta unless it is 1."""
        weight = [] if self.beta == 1.0 else [f"beta {self.beta:g}"]
        if control:
            return weight if self.variant == ALICE else []
        return [*filter(None, [CLIPPINGS[self.clipping]]), *weight]

    def accepts(self, estimator: Estimator) -> bool:
        """As for every task; ``none`` has nothing to clip, and without ALICE nothing to weigh."""
        idle = self.clipping == "adaptive" and (self.beta == 1.0 or self.variant == ALICE)
        return super().accepts(estimator) and (idle or estimator.registered_name != CONTROL)

    @abstractmethod
    def problem(self, seed: int) -> Problem:
        """Data, networks and scores of this task."""

    def train_one(self, bound: Bound | None, seed: int, key: str) -> Outcome:
        """Train the bidirectional GAN, or score the perfect one."""
        from ._bigan import perfect_model, train

        if self.variant == PERFECT:
            return perfect_model(self.problem(seed))
        return train(self, self.problem(seed), bound, seed, key)


@register_task("bigan-digits")
class BiganDigits(BiganTask):
    """scikit-learn's 8x8 digits, 1,297 for training and 500 for tests; perceptrons; an SVC labels."""

    def problem(self, seed: int) -> Problem:
        """Digits, perceptrons and the SVC."""
        from ._bigan import digits_problem

        return digits_problem(self, seed)


@register_task("bigan-25gaussians")
class Bigan25Gaussians(BiganTask):
    """The 25 Gaussians of ``gan-25gaussians``: reconstructions should keep the mode."""

    latent: int = 2
    noise: int = 2
    steps: int = 2_000
    lr: float = 1e-3

    metrics: ClassVar[tuple[Metric, ...]] = (
        replace(RECONSTRUCTION, description="Squared error of test points, mean over points."),
        replace(AGREEMENT, description="Test points whose reconstruction is nearest to the same mode."),
        MODES,
        QUALITY,
        ENERGY,
    )

    def problem(self, seed: int) -> Problem:
        """Points and perceptrons."""
        from ._bigan import plane_problem

        return plane_problem(self, seed)


@dataclass(frozen=True, eq=False, repr=False)
class ConvolutionalBigan(BiganTask):
    """A bidirectional GAN of images with DCGAN networks; needs the data's files, and a GPU to be practical.

    width : channels of the first convolution.
    """

    latent: int = 64
    noise: int = 64
    hidden: tuple[int, ...] = (512,)
    width: int = 64
    steps: int = 50_000
    lr: float = 1e-4
    data: ClassVar[str]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "width")

    def problem(self, seed: int) -> Problem:
        """Images, DCGAN networks and a CNN."""
        from . import data
        from ._bigan import convolutional_problem

        return convolutional_problem(self, getattr(data, self.data)(), seed)


@register_task("bigan-mnist")
class BiganMnist(ConvolutionalBigan):
    """MNIST with DCGAN networks; a CNN labels."""

    data: ClassVar[str] = "mnist"


@register_task("bigan-celeba")
class BiganCeleba(ConvolutionalBigan):
    """CelebA at 64 x 64 with DCGAN networks; a CNN labels the 40 attributes."""

    latent: int = 256
    steps: int = 150_000
    data: ClassVar[str] = "celeba"

    metrics: ClassVar[tuple[Metric, ...]] = (
        RECONSTRUCTION,
        replace(
            AGREEMENT, description="Attributes of test images that a classifier gives to their reconstruction too."
        ),
        SSIM,
        ENERGY,
    )
