"""The training behind ``information_bottleneck.py``, and the Monte-Carlo reference for I(X; Z)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mibench.bound import Bound
from mibench.task import Outcome

from . import figures, metrics, nets
from ._training import Diverged, Training, due
from .data import Images
from .regularizer import Regularizer, apply_gradients, gradients

if TYPE_CHECKING:
    from .information_bottleneck import BottleneckTask

CLASSES = 10
CODES = 12  # codes per test image over which class probabilities are averaged
LOSSES, SCORES = 40, 20  # how often the losses are logged and the model is scored along training
HELD_OUT = 1_000  # test images on which estimate and reference are computed
FELL, STAYED = 0.2, 0.05  # a fall of the estimate worth a flag, and how far the reference may fall meanwhile


class Encoder(nn.Module):
    """Images (B, size) and standard normal noise (B, ``noise_dim``) to codes (B, latent)."""

    def __init__(self, task: BottleneckTask, size: int, dropout: nn.Module | None = None) -> None:
        super().__init__()
        self.kind, self.noise = task.encoder, task.noise
        self.noise_dim = {"deterministic": 0, "gaussian": task.latent, "additive": size, "propagated": task.latent}[
            task.encoder
        ]
        inputs = size + (self.noise_dim if self.kind == "propagated" else 0)
        outputs = task.latent * (2 if self.kind == "gaussian" else 1)
        self.net = nets.mlp([inputs, *task.hidden, outputs], activation=lambda: _with(nn.ReLU(), dropout))

    def gaussian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (B, latent) of the Gaussian encoder."""
        mean, rho = self.net(x).chunk(2, dim=1)
        return mean, F.softplus(rho - 5.0)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """One code per image."""
        if self.kind == "gaussian":
            mean, std = self.gaussian(x)
            return mean + std * noise
        if self.kind == "additive":
            return self.net(x + self.noise * noise)
        return self.net(torch.cat([x, noise], dim=1))


class Model(nn.Module):
    """Encoder and softmax decoder."""

    def __init__(self, encoder: Encoder, latent: int) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, nn.Linear(latent, CLASSES)


def _with(activation: nn.Module, dropout: nn.Module | None) -> nn.Module:
    return activation if dropout is None else nn.Sequential(activation, dropout)


def train(task: BottleneckTask, images: Images, bound: Bound | None, seed: int, key: str) -> Outcome:
    """Train one classifier; the arms of a seed start from the same weights and see the same images."""
    run = Training(seed, key)
    train_x, test_x = (_flat(images, part).to(run.device) for part in (images.train, images.test))
    train_y = torch.as_tensor(images.train_labels).to(run.device)
    size = train_x.shape[1]
    dropout = nets.Dropout(task.beta, run.stream("dropout")) if task.variant == "dropout" else None
    model = run.module("model", lambda: Model(Encoder(task, size, dropout), task.latent))
    parameters = list(model.parameters())
    adam = run.adam("model", model, lr=task.lr)
    averaged = None
    if task.polyak:
        averaged = run.part("average", AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(task.polyak)))
    regularizer = information(task, run, bound, size)
    judged: Model = model if averaged is None else averaged.module

    def encode(stream: str, x: Tensor, by: Model = model) -> Tensor:
        return by.encoder(x, run.normal(f"{stream} noise", len(x), by.encoder.noise_dim))

    def train_critic() -> Tensor:
        """On images and codes of its own streams, so that its steps do not move the model's."""
        assert regularizer is not None
        x = train_x[run.integers("critic batches", len(train_x), task.batch)]
        with torch.no_grad():
            z = encode("critic", x)
        return regularizer.train_critic(x, z)

    def judge(step: int) -> dict[str, float]:
        """All metrics on test images, also appended to the curves."""
        judged.eval()
        with torch.no_grad():
            z = [encode("watching", test_x, judged) for _ in range(CODES)]
            probabilities = torch.stack([judged.decoder(code).softmax(1) for code in z]).mean(0).cpu().numpy()
            x, code = test_x[:HELD_OUT], z[0][:HELD_OUT]
            scores = {
                "test_error": 100.0 - metrics.agreement(probabilities.argmax(1), images.test_labels),
                "test_nll": metrics.negative_log_likelihood(probabilities, images.test_labels),
            }
            if regularizer is not None:
                scores["estimate"] = regularizer.value(x, code)
            if task.encoder == "gaussian":
                scores["reference"] = reference_information(code, *judged.encoder.gaussian(x))
        judged.train()
        run.log(step, {f"metric/{name}": value for name, value in scores.items()})
        return scores

    try:
        for step in run.steps(task.steps):
            if regularizer is not None:
                for _ in range(task.critic_steps + (task.pretraining if step == 1 else 0)):
                    on_batch = train_critic()
            chosen = run.integers("batches", len(train_x), task.batch)
            x, y = train_x[chosen], train_y[chosen]
            z = encode("training", x)
            scores_y = model.decoder(z)
            loss = F.cross_entropy(scores_y, y, label_smoothing=task.beta if task.variant == "label-smoothing" else 0.0)
            logged: dict[str, Tensor | float] = {"loss/classifier": loss}
            if regularizer is not None:
                loss = loss + task.beta * regularizer.objective(x, z)
                logged["bound_on_batch"] = on_batch
            elif task.variant == "confidence-penalty":
                entropy = -(scores_y.softmax(1) * scores_y.log_softmax(1)).sum(1).mean()
                loss = loss - task.beta * entropy
            elif task.variant == "dvb":
                loss = loss + task.beta * divergence_from_normal(*model.encoder.gaussian(x))
            apply_gradients(adam, parameters, gradients(loss, parameters))
            if averaged is not None:
                averaged.update_parameters(model)
            if step % task.decay_every == 0:
                for optimizer in (adam, *([regularizer.optimizer] if regularizer is not None else [])):
                    for group in optimizer.param_groups:
                        group["lr"] *= task.decay
            if due(step, task.steps, LOSSES):
                run.log(step, {"loss": loss, **logged})
            if due(step, task.steps, SCORES):
                scores = judge(step)
    except Diverged as reason:
        return run.diverged(task, reason)
    plane = information_plane(run, math.log(min(HELD_OUT, len(test_x))))
    if plane is not None:
        run.images["information_plane"] = plane
    return run.outcome(task, scores, **hidden_information(run, min(HELD_OUT, len(test_x))))


def information(task: BottleneckTask, run: Training, bound: Bound | None, size: int) -> Regularizer | None:
    """The bound on I(X; Z) with its critic; None without a bound."""
    if bound is None:
        return None
    hidden, z = task.critic_hidden, task.latent

    def critic() -> nets.Critic:
        if bound.conditional:
            return nets.GaussianCritic(nets.mlp([size, *hidden, 2 * z], nn.ReLU))
        if task.critic == "noisy":
            net = nets.noisy_mlp([size + z, *hidden, 1], run.stream("critic noise"))
            return nets.ConcatCritic(nets.Joined(net))
        return nets.SeparableCritic(
            nets.mlp([size, *hidden, hidden[-1]], nn.ReLU), nets.mlp([z, *hidden, hidden[-1]], nn.ReLU)
        )

    module = run.module("critic", critic)
    return run.part("bound of critic", Regularizer(bound, module, run.adam("critic", module, lr=task.lr)))


def divergence_from_normal(mean: Tensor, std: Tensor) -> Tensor:
    """KL(N(mean, std^2) || N(0, 1)) summed over coordinates, mean over the batch, in nats."""
    return (0.5 * (mean.square() + std.square() - 1.0) - std.log()).sum(1).mean()


def reference_information(z: Tensor, mean: Tensor, std: Tensor) -> float:
    """I(X; Z) in nats for X uniform on n images: z_i drawn from N(mean_i, diag(std_i^2)), i = 1..n.

    The mean of log q(z_i | x_i) - log (1/n) sum_j q(z_i | x_j), at most ln n. Double precision, because an encoder's
    standard deviations start near 0.007.
    """
    z, mean, std = z.double(), mean.double(), std.double()
    largest = torch.maximum(z.abs().amax(0), mean.abs().amax(0)) / std.amin(0)
    # matrix products cancel large squares; where codes run away, that would leave nothing but rounding
    cancels = float(largest.square().sum()) * torch.finfo(z.dtype).eps > 1e-6
    log_q = log_densities(z, mean, std) if cancels else nets.gaussian_log_density(z, mean, std.log())  # [j, i]
    marginal = torch.logsumexp(log_q, dim=0) - math.log(len(z))
    return float((log_q.diagonal() - marginal).mean())


def log_densities(z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """As :func:`nets.gaussian_log_density`, by plain differences: slow, and exact however large the numbers."""
    rows = []
    for m, s in zip(mean.split(50), std.split(50), strict=True):
        scaled = (z - m[:, None]) / s[:, None]
        rows.append(-0.5 * (scaled.square() + math.log(2.0 * math.pi)).sum(2) - s.log().sum(1, keepdim=True))
    return torch.cat(rows)


def hidden_information(run: Training, n: int) -> dict[str, Any]:
    """Whether the estimate fell from its peak while the information itself stayed: the flag and both falls in nats.

    Curves are smoothed by a running median over a quarter of the training, because the bound fluctuates from one score
    to the next, some bounds by orders of magnitude.
    """
    facts: dict[str, Any] = {"images": n, "reference_ceiling": math.log(n)}
    relative = {}
    for name in ("estimate", "reference"):
        values = np.array([value for _, value in run.curves.get(f"metric/{name}", [])])
        if len(values):
            window = max(1, len(values) // 4)
            smooth = np.median(np.lib.stride_tricks.sliding_window_view(values, window), axis=1)
            facts[f"{name}_fall"] = float(smooth.max() - smooth[-1])
            relative[name] = facts[f"{name}_fall"] / max(abs(float(smooth.max())), 1e-12)
    if len(relative) == 2:
        facts["estimate_fell_information_did_not"] = relative["estimate"] > FELL and relative["reference"] < STAYED
    return facts


def information_plane(run: Training, ceiling: float) -> bytes | None:
    """I(Z; Y) (a lower bound: ln 10 minus the test NLL) against I(X; Z), by estimate and by reference."""
    curves = run.curves
    relevant = [math.log(CLASSES) - value for _, value in curves["metric/test_nll"]]
    paths = {
        name: [(x, y) for (_, x), y in zip(curves[f"metric/{name}"], relevant, strict=True)]
        for name in ("estimate", "reference")
        if f"metric/{name}" in curves
    }
    if not paths:
        return None
    return figures.information_plane(paths, ceiling, "I(X; Z) in nats", "I(Z; Y) in nats, at least")


def _flat(images: Images, part: np.ndarray[Any, np.dtype[np.uint8]]) -> Tensor:
    return torch.as_tensor(images.decode(part.reshape(len(part), -1)))
