"""Bidirectional GANs (ALI, BiGAN) that must reconstruct, with I(x; E(x)) in the encoder's loss.

With encoder joint q(x, z) and decoder joint p(x, z), the reconstruction error E_q[-log p(x | z)] is at most
KL(q || p) - I_q(x; z) + H_q(x) (after Belghazi et al. 2018, section 5.2): the adversarial game lowers the first term,
the information the second, and the third, the entropy of the data, stays. The arms are the estimator, and ALICE's
squared reconstruction error in its place; the control is ALI alone.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

from mibench.datasets import Images
from mibench.estimator import Array
from mibench.parameters import Count, Positive, Widths, at_least
from mibench.registry import register_task
from mibench.task import Metric, Outcome

from . import data, figures, metrics
from .arms import AdversarialTask, Clipping
from .gan import ENERGY, MODES, QUALITY, same

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mibench.bound import Bound

    from .labelers import Labeler
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
class BiganTask(AdversarialTask):
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

    def train_one(self, bound: Bound | None, seed: int) -> Outcome:
        """Train one bidirectional GAN; the arms of a seed start from the same weights and see the same data."""
        from .bigan_training import BiganLearner

        problem = self.problem(seed)
        if self.variant == "perfect-sampler":
            return problem.perfect_model()
        return BiganLearner(self, problem, bound, seed).train()


@register_task("bigan-digits")
class BiganDigits(BiganTask):
    """scikit-learn's 8x8 digits, 1,297 for training and 500 for tests; perceptrons; an SVC labels."""

    shape = (1, 8, 8)

    def problem(self, seed: int) -> Problem:
        from .labelers import digit_labeler

        images = data.digits(1_297, seed)
        return image_problem(images, digit_labeler(images), scale=3)


@register_task("bigan-25gaussians")
class Bigan25Gaussians(BiganTask):
    """The 25 Gaussians of ``gan-25gaussians``: reconstructions should keep the mode."""

    latent: Count = 2
    noise: Count = 2
    steps: Count = 2_000
    lr: Positive = 1e-3

    metrics: ClassVar[tuple[Metric, ...]] = (
        replace(RECONSTRUCTION, description="Squared error of test points, mean over points."),
        replace(AGREEMENT, description="Test points whose reconstruction is nearest to the same mode."),
        MODES,
        QUALITY,
        ENERGY,
    )

    shape = (2,)

    def problem(self, seed: int) -> Problem:
        import torch

        plane = data.grid25()
        rng = np.random.default_rng([2, seed])
        train, test = (torch.as_tensor(plane.sample(n, rng), dtype=torch.float32) for n in (100_000, JUDGED))

        def score(x: Array, rebuilt: Array, samples: Array) -> dict[str, float]:
            counts = plane.count(samples)
            return {
                "reconstruction": metrics.squared_error(x, rebuilt),
                "agreement": metrics.agreement(plane.nearest(x)[1], plane.nearest(rebuilt)[1]),
                "modes": float(counts.captured),
                "high_quality": counts.high_quality,
                "energy_distance": metrics.energy_distance(samples, x),
            }

        return Problem(train, test, score, lambda x, rebuilt: figures.points(rebuilt, plane.centres))


def image_problem(images: Images, labeler: Labeler, scale: int) -> Problem:
    """Images with pixels in [-1, 1], judged in [0, 1]; pictures are magnified by ``scale``."""
    import torch

    def score(x: Array, rebuilt: Array, samples: Array) -> dict[str, float]:
        unit = [pixels / 2.0 + 0.5 for pixels in (x, rebuilt, samples)]
        return {
            "reconstruction": metrics.squared_error(unit[0], unit[1]),
            "agreement": metrics.agreement(labeler(x), labeler(rebuilt)),
            "ssim": metrics.ssim(unit[0], unit[1]),
            "energy_distance": metrics.energy_distance(unit[2], unit[0]),
        }

    def picture(x: Array, rebuilt: Array) -> bytes:
        """Rows of ten test images, each above its reconstructions."""
        rows = [part[i : i + 10] for i in range(0, 30, 10) for part in (x, rebuilt)]
        return figures.tiles(np.concatenate(rows) / 2.0 + 0.5, scale=scale)

    train, test = torch.as_tensor(images.train), torch.as_tensor(images.test)
    return Problem(train, test, score, picture, images.decode)
