"""Classifiers with an information bottleneck: what all of them can be set to, the model and its critic."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from mibench.datasets import Images
from mibench.errors import UsageError
from mibench.estimator import Estimator
from mibench.parameters import Count, Positive, Range, Widths, at_least
from mibench.task import Metric

from .arms import PLAIN, RegularizedTask, is_control
from .bottleneck_curves import CLASSES

if TYPE_CHECKING:
    from torch import Tensor

    from mibench.bound import Bound

    from .nets import Classifier, Critic
    from .regularizer import Regularizer
    from .training import Training

ERROR = Metric("test_error", "lower", "%", "Misclassified test images; class probabilities averaged over 12 codes.")
NLL = Metric("test_nll", "lower", "nats", "Mean -log probability of the right class on test images.")
ESTIMATE = Metric("estimate", "", "nats", "The bound on I(X; Z), by its own critic, on test images.")
REFERENCE = Metric(
    "reference", "", "nats", "I(X; Z) on the same test images, by Monte Carlo with the encoder's density (Gaussian)."
)


@dataclass(frozen=True, eq=False, repr=False)
class BottleneckSetting(RegularizedTask):
    """A softmax classifier of a code Z of the image X: parameters that all bottleneck tasks share.

    Parameters
    ----------
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

    encoder: Literal["deterministic", "gaussian", "additive", "propagated"] = "gaussian"
    variant: Literal["plain", "dropout", "label-smoothing", "confidence-penalty", "dvb"] = "plain"
    beta: Positive = 0.1
    latent: Count = 32
    hidden: Widths = (128,)
    noise: Positive = 0.3
    steps: Count = 600
    batch: Annotated[int, at_least(2)] = 100
    lr: Positive = 1e-3
    decay: Positive = 1.0
    decay_every: Count = 1_200
    polyak: Annotated[float, Range(0, 1, with_low=True)] = 0.0
    critic: Literal["separable", "noisy"] = "separable"
    critic_hidden: Widths = (128, 128)
    critic_steps: Count = 1
    pretraining: Annotated[int, at_least(0)] = 0

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
        if self.variant == "dvb" and self.encoder != "gaussian":
            raise UsageError(f"{self.registered_name}: dvb needs the density of its encoder; set encoder=gaussian.")
        if self.variant in ("dropout", "label-smoothing") and self.beta >= 1:
            raise UsageError(f"{self.registered_name}: beta={self.beta} must be below 1 for {self.variant}.")

    def arm(self, estimator: Estimator) -> str:
        """The estimator or variant, the encoder unless deterministic, the weight, and an unusual critic."""
        control = is_control(estimator) and self.variant == PLAIN
        if control and self.encoder != "deterministic":
            return ", ".join(["noise only", *self.remarks(control)])
        return super().arm(estimator)

    def remarks(self, control: bool) -> Sequence[str]:
        """Encoder, weight and critic, as far as they matter."""
        defaults = type(self)()
        words: list[str] = [] if self.encoder == "deterministic" else [self.encoder]
        if self.encoder == "additive" and self.noise != defaults.noise:
            words.append(f"noise {self.noise:g}")
        if control and self.variant == PLAIN:
            return words
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
        return super().accepts(estimator) and (is_control(estimator) or self.encoder != "deterministic")

    @abstractmethod
    def images(self, seed: int) -> Images:
        """The images to classify."""

    def new_classifier(self, run: Training, size: int) -> Classifier:
        """The model, of images with ``size`` pixels."""
        from . import nets

        dropout = nets.Dropout(self.beta, run.stream("dropout")) if self.variant == "dropout" else None
        encoder = nets.Encoder(self.encoder, size, self.hidden, self.latent, self.noise, dropout)
        return nets.Classifier(encoder, self.latent, CLASSES)

    def new_critic(self, run: Training, size: int, conditional: bool) -> Critic:
        """A critic of images and codes; a log-density of the code where it is to be conditional."""
        from torch import nn

        from . import nets

        hidden, z = self.critic_hidden, self.latent
        if conditional:
            return nets.GaussianCritic(nets.mlp([size, *hidden, 2 * z], nn.ReLU))
        if self.critic == "noisy":
            net = nets.noisy_mlp([size + z, *hidden, 1], run.stream("critic noise"))
            return nets.ConcatCritic(nets.Joined(net))
        return nets.SeparableCritic(
            nets.mlp([size, *hidden, hidden[-1]], nn.ReLU), nets.mlp([z, *hidden, hidden[-1]], nn.ReLU)
        )

    def regularizer(self, run: Training, bound: Bound | None, size: int) -> Regularizer | None:
        """The bound on I(X; Z) with its critic; None without a bound."""
        from .regularizer import Regularizer
        from .training import adam

        if bound is None:
            return None
        critic = run.module("critic", lambda: self.new_critic(run, size, bound.conditional))
        return Regularizer(bound, critic, adam(critic, self.lr))

    def penalty(self, model: Classifier, x: Tensor, scores: Tensor) -> Tensor | float:
        """What beta weighs in the losses that need no estimator; 0 where there is no such term."""
        from .densities import divergence_from_normal

        if self.variant == "confidence-penalty":
            return (scores.softmax(1) * scores.log_softmax(1)).sum(1).mean()  # minus the entropy
        if self.variant == "dvb":
            return divergence_from_normal(*model.encoder.gaussian(x))
        return 0.0
