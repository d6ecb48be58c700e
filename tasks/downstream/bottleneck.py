"""The information bottleneck: classifiers that minimise H(Y | Z) + beta I(X; Z).

The critic ascends its bound, the encoder descends it (Belghazi et al. 2018, section 5.3; Alemi et al. 2017). The arms
are the encoder, what regularises it, and how hard; the control is the classifier alone, without noise.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from mibench.datasets import Images
from mibench.parameters import Count, Positive, Range, Widths
from mibench.registry import register_task
from mibench.task import Metric, Outcome

from . import data
from .bottleneck_setting import ERROR, ESTIMATE, NLL, REFERENCE, BottleneckSetting

if TYPE_CHECKING:
    from mibench.bound import Bound


class BottleneckTask(BottleneckSetting):
    """A classifier that is trained."""

    def train_one(self, bound: Bound | None, seed: int) -> Outcome:
        """Train one classifier; the arms of a seed start from the same weights and see the same images."""
        from .bottleneck_training import BottleneckLearner

        learner = BottleneckLearner(self, self.images(seed), bound, seed)
        learner.pretrain(self.pretraining)
        return learner.train()


@register_task("ib-digits")
class BottleneckDigits(BottleneckTask):
    """scikit-learn's 8x8 digits, 500 for training and 1,297 for tests."""

    def images(self, seed: int) -> Images:
        return data.digits(500, seed)


@register_task("ib-mnist")
class BottleneckMnist(BottleneckTask):
    """Permutation-invariant MNIST as published: 784-1024-1024-256, 200 epochs, Polyak averaging, a noisy critic."""

    beta: Positive = 1e-3
    latent: Count = 256
    hidden: Widths = (1024, 1024)
    steps: Count = 120_000
    lr: Positive = 1e-4
    decay: Positive = 0.97
    polyak: Annotated[float, Range(0, 1, with_low=True)] = 0.999
    critic: Literal["separable", "noisy"] = "noisy"
    critic_hidden: Widths = (512, 512)

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
        return data.mnist()
