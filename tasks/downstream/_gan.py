"""The training behind ``gan_mode_collapse.py``: one loop for points, stacked digits and stacked MNIST."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mibench.bound import Bound
from mibench.estimator import Array
from mibench.task import Outcome

from . import data, figures, metrics, nets
from ._training import Diverged, Training, due
from .data import Plane
from .labelers import Labeler, digit_labeler, image_labeler
from .regularizer import apply_gradients, global_norm, gradients, information_gradient

if TYPE_CHECKING:
    from .gan_mode_collapse import GanStackedDigits, GanStackedMnist, GanTask

LOSSES, SCORES = 40, 8  # how often the losses are logged and the model is scored along training
SCORED = 2_000  # samples of each score along training
HELD_OUT = 1_000  # fresh pairs on which the bound is reported


@dataclass(frozen=True)
class Problem:
    """What a GAN is trained on and how it is judged.

    data : real samples (N, ...); ``decode`` turns a batch of them into what the networks see.
    code : draws codes (count, code size) from a training's stream of the given name.
    generator, discriminator, critic : builders; the critic's argument says whether it must be a log-density.
    score : metrics of generated samples (n, ...).
    real : draws n real samples that no model has seen: what a perfect sampler would give.
    picture : generated samples as PNG.
    """

    data: Tensor
    generator: Callable[[], nn.Module]
    discriminator: Callable[[], nn.Module]
    critic: Callable[[bool], nets.Critic]
    score: Callable[[Array], Mapping[str, float]]
    real: Callable[[int, np.random.Generator], Array]
    picture: Callable[[Array], bytes]
    decode: Callable[[Tensor], Tensor] = field(default=lambda batch: batch)


class Latent:
    """What the generator is fed: Gaussian noise beside a code, either one-hot or uniform on (-1, 1)."""

    def __init__(self, task: GanTask, run: Training) -> None:
        self.task, self.run = task, run

    @staticmethod
    def code_size(task: GanTask) -> int:
        """Coordinates of the code."""
        return task.codes or task.code_dim

    def draw(self, stream: str, count: int) -> tuple[Tensor, Tensor]:
        """Generator inputs (count, noise + code size) and the codes among them."""
        task, run = self.task, self.run
        if task.codes:
            code = F.one_hot(run.integers(f"{stream} codes", task.codes, count), task.codes).float()
        else:
            code = run.uniform(f"{stream} codes", count, task.code_dim)
        return torch.cat([run.normal(f"{stream} noise", count, task.noise), code], dim=1), code


def train(task: GanTask, problem: Problem, bound: Bound | None, seed: int, key: str) -> Outcome:
    """Train one GAN; the arms of a seed start from the same weights and see the same data in the same order."""
    run = Training(seed, key)
    latent = Latent(task, run)
    generator = run.module("generator", problem.generator)
    discriminator = run.module("discriminator", problem.discriminator)
    adam_g = run.adam("generator", generator, lr=task.lr)
    adam_d = run.adam("discriminator", discriminator, lr=task.lr)
    information = information_gradient(run, bound, problem.critic, task.lr, task.clipping, task.beta)
    parameters = list(generator.parameters())
    reals = problem.data.to(run.device)

    def generate(step: int, stream: str, count: int) -> tuple[Tensor, Tensor]:
        """Samples for judging: in evaluation mode, so that each depends on its own input alone."""
        generator.eval()
        with torch.no_grad():
            pairs = [latent.draw(stream, min(1_000, count - done)) for done in range(0, count, 1_000)]
            made = torch.cat([generator(inputs) for inputs, _ in pairs])
        generator.train()
        return run.check(step, "generated samples", made), torch.cat([code for _, code in pairs])

    try:
        for step in run.steps(task.steps):
            logged: dict[str, Tensor | float] = {}
            inputs, code = latent.draw("training", task.batch)
            fake = generator(inputs)
            real = problem.decode(reals[run.integers("batches", len(reals), task.batch)])
            loss_d = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake.detach())).mean()
            adam_d.zero_grad(set_to_none=True)
            loss_d.backward()
            adam_d.step()
            for repeat in range(task.generator_steps):
                if repeat:
                    inputs, code = latent.draw("training", task.batch)
                    fake = generator(inputs)
                if information is not None:
                    logged["bound_on_batch"] = information.train_critics(fake, code)
                loss_g = F.softplus(-discriminator(fake)).mean()
                g = gradients(loss_g, parameters, retain_graph=information is not None)
                if information is not None:
                    g, norms = information.add_to(g, fake, code, parameters)
                    logged |= norms
                else:
                    logged["gradient_norm/model"] = global_norm(g)
                apply_gradients(adam_g, parameters, g)
            if due(step, task.steps, LOSSES):
                run.log(step, {"loss/discriminator": loss_d, "loss/generator": loss_g, **logged})
            if due(step, task.steps, SCORES):
                samples = generate(step, "watching", SCORED)[0].cpu().numpy()
                run.log(step, {f"metric/{k}": v for k, v in problem.score(samples).items()})
                if information is not None:
                    run.log(step, {"estimate": information.regularizer.value(*generate(step, "held out", HELD_OUT))})
            if due(step, task.steps, 2):
                run.images[f"samples_{step:06d}"] = problem.picture(samples)
        samples = generate(task.steps, "final", task.generated)[0].cpu().numpy()
    except Diverged as reason:
        return run.diverged(task, reason)
    return run.outcome(task, problem.score(samples), floor=dict(perfect_sampler(task, problem, seed).metrics))


def perfect_sampler(task: GanTask, problem: Problem, seed: int) -> Outcome:
    """Real samples in place of generated ones: the floor of every metric."""
    samples = problem.real(task.generated, np.random.default_rng([3, seed]))
    return Outcome(dict(problem.score(samples)), images={"samples": problem.picture(samples)})


# Problems ------------------------------------------------------------------------------------------------------------


def perceptrons(task: GanTask, size: int, shape: tuple[int, ...] = ()) -> dict[str, Any]:
    """Generator, discriminator and critic as perceptrons of samples with ``size`` coordinates.

    ``shape`` is that of an image with pixels in [-1, 1]; without it, samples are points.
    """
    code = Latent.code_size(task)
    image = [nn.Tanh(), nn.Unflatten(1, shape)] if shape else []
    hidden = task.discriminator

    def critic(conditional: bool) -> nets.Critic:
        def body(outputs: int) -> nn.Module:
            return nn.Sequential(nn.Flatten(), nets.mlp([size, *hidden, outputs]))

        if task.codes:
            return nets.CodeCritic(body(code), conditional)
        if conditional:
            return nets.GaussianCritic(body(2 * code))
        return nets.SeparableCritic(body(hidden[-1]), nets.mlp([code, *hidden]))

    return {
        "generator": lambda: nn.Sequential(
            nets.mlp([task.noise + code, *task.generator, size], batch_norm=True), *image
        ),
        "discriminator": lambda: nn.Sequential(nn.Flatten(), nets.mlp([size, *hidden, 1])),
        "critic": critic,
    }


def plane_problem(task: GanTask, plane: Plane, seed: int) -> Problem:
    """100,000 points in the plane."""

    def score(points: Array) -> dict[str, float]:
        counts = plane.count(points)
        real = plane.sample(metrics.ENERGY_ROWS, np.random.default_rng([4, seed]))
        return mode_metrics(counts) | {
            "high_quality": counts.high_quality,
            "energy_distance": metrics.energy_distance(points, real),
        }

    return Problem(
        data=torch.as_tensor(plane.sample(100_000, np.random.default_rng([2, seed])), dtype=torch.float32),
        score=score,
        real=plane.sample,
        picture=lambda points: figures.points(points, plane.centres),
        **perceptrons(task, 2),
    )


def mode_metrics(counts: metrics.ModeCounts) -> dict[str, float]:
    """The figures that every mode-collapse task has."""
    return {
        "modes": float(counts.captured),
        "kl_to_uniform": counts.kl_to_uniform,
        "kl_from_uniform": counts.kl_from_uniform,
    }


def stack_score(labeler: Labeler, channels: int, real: Array) -> Callable[[Array], dict[str, float]]:
    """Metrics of stacks (n, channels, side, side) with pixels in [-1, 1]."""

    def score(stacks: Array) -> dict[str, float]:
        labels = labeler(stacks.reshape(-1, 1, *stacks.shape[2:])).reshape(len(stacks), channels)
        mode = data.modes_of(labels)
        counts = metrics.count_modes(mode, np.ones(len(mode), bool), 10**channels)
        return mode_metrics(counts) | {"energy_distance": metrics.energy_distance(stacks / 2.0, real / 2.0)}

    return score


def stacked_digits_problem(task: GanStackedDigits, seed: int) -> Problem:
    """20,000 stacks of the digits for training; scores compare with stacks of digits not trained on."""
    images = data.digits(1_297, seed)
    shape = (task.channels, 8, 8)
    real = images.decode(data.stack(images.test, task.channels, metrics.ENERGY_ROWS, np.random.default_rng([4, seed])))
    return Problem(
        data=torch.as_tensor(data.stack(images.train, task.channels, 20_000, np.random.default_rng([2, seed]))),
        decode=images.decode,
        score=stack_score(digit_labeler(images), task.channels, real),
        real=lambda n, rng: images.decode(data.stack(images.test, task.channels, n, rng)),
        picture=lambda stacks: figures.tiles(stacks[:60] / 2.0 + 0.5),
        **perceptrons(task, 64 * task.channels, shape),
    )


def stacked_mnist_problem(task: GanStackedMnist, seed: int) -> Problem:
    """Stacks of MNIST digits and DCGAN networks, the protocol of Srivastava et al. 2017 and Lin et al. 2018."""
    images = data.mnist()
    side, width = images.side, task.width
    code = Latent.code_size(task)

    def discriminator() -> nn.Module:
        features, size = nets.dcgan_features(3, side, width)
        return nn.Sequential(features, nn.Linear(size, 1))

    def critic(conditional: bool) -> nets.Critic:
        if conditional:
            features, size = nets.dcgan_features(3, side, width, batch_norm=False)
            return nets.GaussianCritic(nn.Sequential(features, nn.Linear(size, 2 * code)))
        return nets.ConcatCritic(nets.ConditionedConv(3, side, code, width))

    real = images.decode(data.stack(images.test, 3, metrics.ENERGY_ROWS, np.random.default_rng([4, seed])))
    return Problem(
        data=torch.as_tensor(data.stack(images.train, 3, task.stacks, np.random.default_rng([2, seed]))),
        decode=images.decode,
        generator=lambda: nets.dcgan_generator(task.noise + code, 3, side, width),
        discriminator=discriminator,
        critic=critic,
        score=stack_score(image_labeler(images), 3, real),
        real=lambda n, rng: images.decode(data.stack(images.test, 3, n, rng)),
        picture=lambda stacks: figures.tiles(stacks[:60] / 2.0 + 0.5, scale=1),
    )
