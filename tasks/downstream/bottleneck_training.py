"""The training of a classifier whose code is to hold little information of the image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.lr_scheduler import StepLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mibench.datasets import Bytes, Images
from mibench.task import Outcome

from . import metrics
from .bottleneck_curves import hidden_information, information_plane
from .bottleneck_setting import BottleneckSetting
from .densities import reference_information
from .nets import Classifier
from .regularizer import apply_gradients, gradients
from .training import Learner, adam

if TYPE_CHECKING:
    from mibench.bound import Bound

CODES = 12  # codes per test image over which class probabilities are averaged
SCORES = 20  # how often the model is scored along training
HELD_OUT = 1_000  # test images on which estimate and reference are computed


class BottleneckLearner(Learner):
    """A classifier, the average of its weights where that is tested, and the critic where there is a bound."""

    recorded: ClassVar[bool] = False  # dropout and noisy critics draw as they go, and learning rates decay

    def __init__(self, task: BottleneckSetting, images: Images, bound: Bound | None, seed: int) -> None:
        super().__init__(task, seed, task.steps, SCORES)
        run = self.run
        self.task = task
        self.train_x, self.test_x = (_flat(images, part).to(run.device) for part in (images.train, images.test))
        self.train_y, self.test_labels = torch.as_tensor(images.train_labels).to(run.device), images.test_labels
        size = self.train_x.shape[1]
        self.model = run.module("model", lambda: task.new_classifier(run, size))
        self.parameters = list(self.model.parameters())
        self.judged, self.average = self.model, None
        if task.polyak:
            average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(task.polyak))  # type: ignore[no-untyped-call]
            self.judged, self.average = cast(Classifier, average.module), average
        self.regularizer = task.regularizer(run, bound, size)
        self.optimizer = adam(self.model, task.lr)
        optimizers = [self.optimizer, *([self.regularizer.optimizer] if self.regularizer else [])]
        self.decays = [StepLR(optimizer, task.decay_every, task.decay) for optimizer in optimizers]

    def pretrain(self, steps: int) -> None:
        """Steps of the critic alone."""
        for _ in range(steps):
            self._train_critic()

    def draw(self) -> tuple[Tensor, Tensor]:
        """Images and their labels."""
        chosen = self.run.integers("batches", len(self.train_x), self.task.batch)
        return self.train_x[chosen], self.train_y[chosen]

    def learn(self, *drawn: Tensor) -> dict[str, Tensor]:
        """The critic's steps, then one of the model; the losses of the latter."""
        x, y = drawn
        for _ in range(self.task.critic_steps):
            self._train_critic()
        z = self._encode("training", x)
        scores = self.model.decoder(z)
        smoothing = self.task.beta if self.task.variant == "label-smoothing" else 0.0
        classified = F.cross_entropy(scores, y, label_smoothing=smoothing)
        added = self.regularizer.objective(x, z) if self.regularizer else self.task.penalty(self.model, x, scores)
        loss = classified + self.task.beta * added
        apply_gradients(self.optimizer, self.parameters, gradients(loss, self.parameters))
        if self.average is not None:
            self.average.update_parameters(self.model)
        for decay in self.decays:
            decay.step()
        return {"loss": loss, "loss/classifier": classified}

    def _encode(self, stream: str, x: Tensor) -> Tensor:
        code: Tensor = self.model.encoder(x, self.run.normal(f"{stream} noise", len(x), self.model.encoder.noise_dim))
        return code

    def _train_critic(self) -> None:
        """On images and codes of its own streams, so that its steps do not move the model's."""
        if self.regularizer is None:
            return
        x = self.train_x[self.run.integers("critic batches", len(self.train_x), self.task.batch)]
        with torch.no_grad():
            z = self._encode("critic", x)
        self.regularizer.train_critic(x, z)

    def watched(self) -> dict[str, Tensor]:
        return {"bound_on_batch": self.regularizer.on_batch()} if self.regularizer else {}

    def judge(self, step: int) -> None:
        """All metrics on test images."""
        model, run = self.judged, self.run
        model.eval()
        with torch.no_grad():
            coding, dim = model.encoder.coding(self.test_x), model.encoder.noise_dim
            z = [coding(run.normal("watching noise", len(self.test_x), dim)) for _ in range(CODES)]
            probabilities = torch.stack([model.decoder(code).softmax(1) for code in z]).mean(0).cpu().numpy()
            x, code = self.test_x[:HELD_OUT], z[0][:HELD_OUT]
            self._scores = {
                "test_error": 100.0 - metrics.agreement(probabilities.argmax(1), self.test_labels),
                "test_nll": metrics.negative_log_likelihood(probabilities, self.test_labels),
            }
            if self.regularizer is not None:
                self._scores["estimate"] = self.regularizer.value(x, code)
            if self.task.encoder == "gaussian":
                self._scores["reference"] = reference_information(code, *model.encoder.gaussian(x))
        model.train()
        run.log_scores(step, self._scores)

    def outcome(self) -> Outcome:
        """The metrics after the last step, and the curve in the information plane."""
        seen = min(HELD_OUT, len(self.test_x))
        plane = information_plane(self.run.curves, math.log(seen))
        if plane is not None:
            self.run.images["information_plane"] = plane
        return self.run.outcome(self._scores, **hidden_information(self.run.curves, seen))


def _flat(images: Images, part: Bytes) -> Tensor:
    return torch.as_tensor(images.decode(part.reshape(len(part), -1)))
