"""The information bottleneck: classifiers that minimise H(Y | Z) + beta I(X; Z).

The critic ascends its bound, the encoder descends it (Belghazi et al. 2018, section 5.3; Alemi et al. 2017). The arms
are the encoder, what regularises it, and how hard; ``none`` is the classifier alone, without noise. The training is in
``_bottleneck.py``.
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

from .arms import CONTROL, PLAIN, RegularizedTask, check_choice, check_positive

if TYPE_CHECKING:
    from mibench.bound import Bound

    from .data import Images

DETERMINISTIC, GAUSSIAN, ADDITIVE, PROPAGATED = "deterministic", "gaussian", "additive", "propagated"
DROPOUT, SMOOTHING, PENALTY, DVB = "dropout", "label-smoothing", "confidence-penalty", "dvb"

ERROR = Metric("test_error", "lower", "%", "Misclassified test images; class probabilities averaged over 12 codes.")
NLL = Metric("test_nll", "lower", "nats", "Mean -log probability of the right class on test images.")
ESTIMATE = Metric("estimate", "", "nats", "The bound on I(X; Z), by its own critic, on test images.")
REFERENCE = Metric(
    "reference", "", "nats", "I(X; Z) on the same test images, by Monte Carlo with the encoder's density (Gaussian)."
)


@dataclass(frozen=True, eq=False, repr=False)
class BottleneckTask(RegularizedTask):
    """A softmax classifier of a code Z of the image X: parameters that all bottleneck tasks share.

    encoder : ``deterministic``; ``gaussian``: mu(x) + softplus(rho(x) - 5) eps; ``additive``: enc(x + noise eps);
        ``propagated``: enc([x, eps]).
    variant : ``plain`` (with an estimator: beta I(X; Z)), or a loss that needs none: ``dropout``, ``label-smoothing``,
        ``confidence-penalty``, ``dvb`` (deep variational bottleneck: beta KL(q(z|x) || N(0, 1)), Gaussian encoder).
    beta : the weight of the information, of DVB's divergence, of the penalty; the smoothing; the dropout rate.
    latent, hidden : dimensions of Z, hidden layers of the encoder.
    noise : standard deviation of the additive encoder's noise, in pixels from -1 to 1.
    steps, batch, lr : training steps, batch size, Adam's learning rate (beta1 0.5) for model and critic.
    decay, decay_every : the learning rates are multiplied by ``decay`` every so many steps.
    polyak : rate of the exponential average of the weights that is tested; 0 tests the last weights.
    critic : ``separable``, or ``noisy``: one network of [x, z] with noise on its input and hidden layers, as published.
    critic_hidden, critic_steps, pretraining : the critic's hidden layers, its steps per step of the model, and its
        steps before the first step of the model.
    """

    encoder: str = GAUSSIAN
    variant: str = PLAIN
    beta: float = 0.1
    latent: int = 32
    hidden: tuple[int, ...] = (128,)
    noise: float = 0.3
    steps: int = 600
    batch: int = 100
    lr: float = 1e-3
    decay: float = 1.0
    decay_every: int = 1_200
    polyak: float = 0.0
    critic: str = "separable"
    critic_hidden: tuple[int, ...] = (128, 128)
    critic_steps: int = 1
    pretraining: int = 0

    variants: ClassVar[tuple[str, ...]] = (PLAIN, DROPOUT, SMOOTHING, PENALTY, DVB)
    arm_parameters: ClassVar[tuple[str, ...]] = (
        "encoder",
        "variant",
        "beta",
        "noise",
        "critic",
        "critic_hidden",
        "critic_steps",
        "pretraining",
    )
    metrics: ClassVar[tuple[Metric, ...]] = (ERROR, NLL, ESTIMATE, REFERENCE)
    citation: ClassVar[str] = "Belghazi et al. 2018, section 5.3"

    def __post_init__(self) -> None:
        check_choice(self, "encoder", (DETERMINISTIC, GAUSSIAN, ADDITIVE, PROPAGATED))
        check_choice(self, "variant", self.variants)
        check_choice(self, "critic", ("separable", "noisy"))
        check_positive(self, "beta", "latent", "hidden", "noise", "steps", "lr", "decay", "decay_every")
        check_positive(self, "critic_hidden", "critic_steps")
        if self.batch < 2 or self.pretraining < 0 or not 0 <= self.polyak < 1:
            raise UsageError(
                f"{self.registered_name}: batch must be at least 2, pretraining at least 0 and polyak in [0, 1); "
                f"they are {self.batch}, {self.pretraining} and {self.polyak}."
            )
        if self.variant == DVB and self.encoder != GAUSSIAN:
            raise UsageError(f"{self.registered_name}: dvb needs the density of its encoder; set encoder=gaussian.")
        if self.variant in (DROPOUT, SMOOTHING) and self.beta >= 1:
            raise UsageError(f"{self.registered_name}: beta={self.beta} must be below 1 for {self.variant}.")

    def arm(self, estimator: Estimator) -> str:
        """The estimator or variant, the encoder unless deterministic, the weight, and an unusual critic."""
        control = estimator.registered_name == CONTROL and self.variant == PLAIN
        if control and self.encoder == DETERMINISTIC:
            return CONTROL
        name = "noise only" if control else estimator.label if self.variant == PLAIN else self.variant
        return ", ".join([name, *self.remarks(control)])

    def remarks(self, control: bool) -> Sequence[str]:
        """Encoder, weight and critic, as far as they matter."""
        words = [] if self.encoder == DETERMINISTIC else [self.encoder]
        if self.encoder == ADDITIVE and self.noise != type(self)().noise:
            words.append(f"noise {self.noise:g}")
        if control:
            return words
        defaults = type(self)()
        words.append(f"beta {self.beta:g}")
        if self.critic != defaults.critic:
            words.append(f"{self.critic} critic")
        if self.critic_hidden != defaults.critic_hidden:
            words.append("critic of " + " x ".join(map(str, self.critic_hidden)))
        if self.critic_steps != defaults.critic_steps:
            words.append(f"{self.critic_steps} critic steps")
        if self.pretraining != defaults.pretraining:
            words.append(f"{self.pretraining} steps of pre-training")
        return words

    def accepts(self, estimator: Estimator) -> bool:
        """As for every task; a deterministic encoder has no finite information for an estimator to take away."""
        control = estimator.registered_name == CONTROL
        return super().accepts(estimator) and (control or self.encoder != DETERMINISTIC)

    @abstractmethod
    def images(self, seed: int) -> Images:
        """The images to classify."""

    def train_one(self, bound: Bound | None, seed: int, key: str) -> Outcome:
        """Train the classifier."""
        from ._bottleneck import train

        return train(self, self.images(seed), bound, seed, key)


@register_task("ib-digits")
class BottleneckDigits(BottleneckTask):
    """scikit-learn's 8x8 digits, 500 for training and 1,297 for tests."""

    def images(self, seed: int) -> Images:
        """The split follows the seed."""
        from .data import digits

        return digits(500, seed)


@register_task("ib-mnist")
class BottleneckMnist(BottleneckTask):
    """Permutation-invariant MNIST as published: 784-1024-1024-256, 200 epochs, Polyak averaging, a noisy critic."""

    beta: float = 1e-3
    latent: int = 256
    hidden: tuple[int, ...] = (1024, 1024)
    steps: int = 120_000
    lr: float = 1e-4
    decay: float = 0.97
    polyak: float = 0.999
    critic: str = "noisy"
    critic_hidden: tuple[int, ...] = (512, 512)

    metrics: ClassVar[tuple[Metric, ...]] = (
        replace(
            ERROR,
            published={
                "none": "1.38",
                "dropout, beta 0.5": "1.34",
                "confidence-penalty, beta 0.1": "1.36",
                "label-smoothing, beta 0.1": "1.40",
                "dvb, gaussian, beta 0.001": "1.13",
            },
        ),
        NLL,
        ESTIMATE,
        REFERENCE,
    )

    def images(self, seed: int) -> Images:
        """The same images for every seed."""
        from .data import mnist

        return mnist()
