"""Bidirectional GANs: what all of them can be set to, their networks, what they are trained on and judged by."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from mibench.estimator import Array
from mibench.parameters import Count, Positive, Widths, at_least
from mibench.task import Metric, Outcome

from .arms import AdversarialTask, Clipping
from .gan_setting import ENERGY, same

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .nets import Critic

RECONSTRUCTION = Metric(
    "reconstruction", "lower", "", "Squared error of test images, summed over pixels in [0, 1], mean over images."
)
AGREEMENT = Metric("agreement", "higher", "%", "Test images that a classifier labels like their reconstruction.")
SSIM = Metric("ssim", "higher", "", "Structural similarity of test images and reconstructions; uniform 7 x 7 window.")

JUDGED = 2_000  # test samples that are reconstructed, and samples that are generated, for each score


@dataclass(frozen=True)
class Problem:
    """The samples that a bidirectional GAN is trained on, and how those that it makes are judged.

    train, test : samples (N, ...); ``decode`` turns a batch of them into what the networks see.
    score : the task's metrics of test samples, their reconstructions and generated samples.
    picture : test samples and reconstructions as PNG.
    facts : what a Result's diagnostics should say of the judging, such as the accuracy of a labeller.
    """

    train: Tensor
    test: Tensor
    score: Callable[[Array, Array, Array], dict[str, float]]
    picture: Callable[[Array, Array], bytes]
    decode: Callable[[Tensor], Tensor] = same
    facts: Mapping[str, float] = field(default_factory=dict)

    def perfect_model(self) -> Outcome:
        """Test samples given back, and training samples in place of generated ones: the floor of every metric."""
        test = self.decode(self.test[:JUDGED]).numpy()
        real = self.decode(self.train[: len(test)]).numpy()
        pictures = {"reconstructions": self.picture(test, test)}
        return Outcome(self.score(test, test, real), images=pictures, diagnostics=dict(self.facts))


@dataclass(frozen=True, eq=False, repr=False)
class BiganSetting(AdversarialTask):
    """A GAN with a stochastic encoder E([x, eps]): parameters that all the reconstruction tasks share.

    Parameters
    ----------
    latent : dimensions of z, standard normal.
    noise : dimensions of eps, standard normal.
    hidden : hidden layers of all perceptrons.
    steps, batch, lr : training steps, batch size, Adam's learning rate (beta1 0.5) for all networks.
    beta : weight of the information, or of ALICE's squared error (summed over coordinates).
    variant : ``plain``, ``alice-l2``: the squared reconstruction error in place of the information, or
        ``perfect-sampler``: samples given back as they are, which gives the floor of every metric.
    clipping : ``adaptive`` (no longer than the encoder's adversarial gradient), ``unclipped``, or ``placebo``.
    """

    latent: Count = 10
    noise: Count = 10
    hidden: Widths = (128, 128)
    steps: Count = 1_000
    batch: Annotated[int, at_least(2)] = 100
    lr: Positive = 5e-4
    beta: Positive = 1.0
    variant: Literal["plain", "alice-l2", "perfect-sampler"] = "plain"
    clipping: Clipping = "adaptive"

    weighted: ClassVar[tuple[str, ...]] = ("alice-l2",)
    metrics: ClassVar[tuple[Metric, ...]] = (RECONSTRUCTION, AGREEMENT, SSIM, ENERGY)
    citation: ClassVar[str] = "Belghazi et al. 2018, section 5.2"

    @abstractmethod
    def problem(self, seed: int) -> Problem:
        """What this task trains on and is judged by."""

    def new_generator(self) -> nn.Module:
        """Codes z (B, latent) to samples (B, *shape)."""
        from . import nets

        return nets.generator(self.latent, self.hidden, self.shape)

    def new_encoder(self) -> nn.Module:
        """Samples and noise (B, noise) to codes (B, latent)."""
        from . import nets

        return nets.Joined(nets.mlp([math.prod(self.shape) + self.noise, *self.hidden, self.latent], batch_norm=True))

    def new_discriminator(self) -> nn.Module:
        """Samples and codes to (B, 1)."""
        from . import nets

        return nets.Joined(nets.mlp([math.prod(self.shape) + self.latent, *self.hidden, 1]))

    def new_critic(self, conditional: bool) -> Critic:
        """A critic of samples and codes; a log-density of the code where it is to be conditional."""
        from . import nets

        size, hidden = math.prod(self.shape), self.hidden
        if conditional:
            return nets.GaussianCritic(nets.flat_mlp([size, *hidden, 2 * self.latent]))
        last = hidden[-1]
        return nets.SeparableCritic(nets.flat_mlp([size, *hidden, last]), nets.mlp([self.latent, *hidden, last]))
