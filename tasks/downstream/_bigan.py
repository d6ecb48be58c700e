"""The training behind ``bigan_reconstruction.py``: one loop for points, digits, MNIST and CelebA."""

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
from .labelers import Labeler, digit_labeler, image_labeler
from .regularizer import apply_gradients, global_norm, gradients, information_gradient

if TYPE_CHECKING:
    from .bigan_reconstruction import BiganTask, ConvolutionalBigan

LOSSES, SCORES = 40, 8  # how often the losses are logged and the model is scored along training
JUDGED = 2_000  # test samples that are reconstructed, and samples that are generated, for each score


@dataclass(frozen=True)
class Problem:
    """What a bidirectional GAN is trained on and how it is judged.

    train, test : samples (N, ...); ``decode`` turns a batch of them into what the networks see.
    generator, encoder, discriminator, critic : builders. The encoder maps (x, eps) to z, the discriminator (x, z) to
        (B, 1); the critic's argument says whether it must be a log-density.
    score : metrics from test samples, their reconstructions and generated samples, as numpy arrays.
    picture : test samples and reconstructions as PNG.
    """

    train: Tensor
    test: Tensor
    generator: Callable[[], nn.Module]
    encoder: Callable[[], nn.Module]
    discriminator: Callable[[], nn.Module]
    critic: Callable[[bool], nets.Critic]
    score: Callable[[Array, Array, Array], Mapping[str, float]]
    picture: Callable[[Array, Array], bytes]
    decode: Callable[[Tensor], Tensor] = field(default=lambda batch: batch)


def train(task: BiganTask, problem: Problem, bound: Bound | None, seed: int, key: str) -> Outcome:
    """Train one bidirectional GAN; the arms of a seed start from the same weights and see the same data."""
    run = Training(seed, key)
    generator = run.module("generator", problem.generator)
    encoder = run.module("encoder", problem.encoder)
    discriminator = run.module("discriminator", problem.discriminator)
    adam_g = run.adam("generator", generator, lr=task.lr)
    adam_e = run.adam("encoder", encoder, lr=task.lr)
    adam_d = run.adam("discriminator", discriminator, lr=task.lr)
    information = information_gradient(run, bound, problem.critic, task.lr, task.clipping, task.beta)
    of_generator, of_encoder = list(generator.parameters()), list(encoder.parameters())
    reals = problem.train.to(run.device)
    test = problem.decode(problem.test[:JUDGED].to(run.device))

    def judged(step: int) -> tuple[Tensor, Array, Array]:
        """Codes of the test samples, their reconstructions, and generated samples, all in evaluation mode."""
        encoder.eval()
        generator.eval()
        with torch.no_grad():
            codes = encoder(test, run.normal("watching noise", len(test), task.noise))
            made = [generator(codes), generator(run.normal("watching prior", len(test), task.latent))]
        encoder.train()
        generator.train()
        rebuilt, samples = (run.check(step, "generated samples", part).cpu().numpy() for part in made)
        return codes, rebuilt, samples

    try:
        for step in run.steps(task.steps):
            x = problem.decode(reals[run.integers("batches", len(reals), task.batch)])
            z = run.normal("prior", task.batch, task.latent)
            code, fake = encoder(x, run.normal("noise", task.batch, task.noise)), generator(z)
            loss_d = F.softplus(-discriminator(x, code.detach())) + F.softplus(discriminator(fake.detach(), z))
            adam_d.zero_grad(set_to_none=True)
            loss_d.mean().backward()
            adam_d.step()
            logged: dict[str, Tensor | float] = {"loss/discriminator": loss_d.mean()}
            if information is not None:
                logged["bound_on_batch"] = information.train_critics(x, code)
            loss_e, loss_g = F.softplus(discriminator(x, code)).mean(), F.softplus(-discriminator(fake, z)).mean()
            loss = loss_e + loss_g
            if task.variant == "alice-l2":
                error = (generator(code) - x).flatten(1).square().sum(1).mean()
                logged["loss/reconstruction"] = error
                loss = loss + task.beta * error
            g = gradients(loss, [*of_encoder, *of_generator], retain_graph=information is not None)
            g_e, g_g = g[: len(of_encoder)], g[len(of_encoder) :]
            if information is not None:
                g_e, norms = information.add_to(g_e, x, code, of_encoder)
                logged |= norms
            else:
                logged["gradient_norm/model"] = global_norm(g_e)
            apply_gradients(adam_e, of_encoder, g_e)
            apply_gradients(adam_g, of_generator, g_g)
            if due(step, task.steps, LOSSES):
                run.log(step, {"loss/encoder": loss_e, "loss/generator": loss_g, **logged})
            if due(step, task.steps, SCORES):
                codes, rebuilt, samples = judged(step)
                scores = problem.score(test.cpu().numpy(), rebuilt, samples)
                run.log(step, {f"metric/{name}": value for name, value in scores.items()})
                if information is not None:
                    run.log(step, {"estimate": information.regularizer.value(test[:1_000], codes[:1_000])})
            if due(step, task.steps, 2):
                run.images[f"reconstructions_{step:06d}"] = problem.picture(test.cpu().numpy(), rebuilt)
    except Diverged as reason:
        return run.diverged(task, reason)
    return run.outcome(task, scores, floor=dict(perfect_model(problem).metrics))


def perfect_model(problem: Problem) -> Outcome:
    """Every test sample given back, and training samples in place of generated ones: the floor of every metric."""
    test = problem.decode(problem.test[:JUDGED]).numpy()
    real = problem.decode(problem.train[: len(test)]).numpy()
    return Outcome(dict(problem.score(test, test, real)), images={"reconstructions": problem.picture(test, test)})


# Problems ------------------------------------------------------------------------------------------------------------


def perceptrons(task: BiganTask, size: int, shape: tuple[int, ...] = ()) -> dict[str, Any]:
    """All networks as perceptrons of samples with ``size`` coordinates; ``shape`` as in the GANs."""
    image = [nn.Tanh(), nn.Unflatten(1, shape)] if shape else []
    z, hidden = task.latent, task.hidden

    def critic(conditional: bool) -> nets.Critic:
        if conditional:
            return nets.GaussianCritic(nn.Sequential(nn.Flatten(), nets.mlp([size, *hidden, 2 * z])))
        return nets.SeparableCritic(
            nn.Sequential(nn.Flatten(), nets.mlp([size, *hidden, hidden[-1]])), nets.mlp([z, *hidden, hidden[-1]])
        )

    return {
        "generator": lambda: nn.Sequential(nets.mlp([z, *hidden, size], batch_norm=True), *image),
        "encoder": lambda: nets.Joined(nets.mlp([size + task.noise, *hidden, z], batch_norm=True)),
        "discriminator": lambda: nets.Joined(nets.mlp([size + z, *hidden, 1])),
        "critic": critic,
    }


def plane_problem(task: BiganTask, seed: int) -> Problem:
    """The 25 Gaussians: 100,000 points for training."""
    plane = data.grid25()
    rng = np.random.default_rng([2, seed])
    points = [torch.as_tensor(plane.sample(n, rng), dtype=torch.float32) for n in (100_000, JUDGED)]

    def score(x: Array, rebuilt: Array, samples: Array) -> dict[str, float]:
        counts = plane.count(samples)
        return {
            "reconstruction": metrics.squared_error(x, rebuilt),
            "agreement": metrics.agreement(plane.nearest(x)[1], plane.nearest(rebuilt)[1]),
            "modes": float(counts.captured),
            "high_quality": counts.high_quality,
            "energy_distance": metrics.energy_distance(samples, x),
        }

    return Problem(
        train=points[0],
        test=points[1],
        score=score,
        picture=lambda x, rebuilt: figures.points(rebuilt, plane.centres),
        **perceptrons(task, 2),
    )


def image_score(labeler: Labeler) -> Callable[[Array, Array, Array], dict[str, float]]:
    """Metrics of images with pixels in [-1, 1], computed in [0, 1]."""

    def score(x: Array, rebuilt: Array, samples: Array) -> dict[str, float]:
        unit = [images / 2.0 + 0.5 for images in (x, rebuilt, samples)]
        return {
            "reconstruction": metrics.squared_error(unit[0], unit[1]),
            "agreement": metrics.agreement(labeler(x), labeler(rebuilt)),
            "ssim": metrics.ssim(unit[0], unit[1]),
            "energy_distance": metrics.energy_distance(unit[2], unit[0]),
        }

    return score


def pairs_picture(x: Array, rebuilt: Array, scale: int = 3) -> bytes:
    """Rows of ten test images, each above its reconstructions."""
    rows = [part[i : i + 10] for i in range(0, 30, 10) for part in (x, rebuilt)]
    return figures.tiles(np.concatenate(rows) / 2.0 + 0.5, scale=scale)


def digits_problem(task: BiganTask, seed: int) -> Problem:
    """scikit-learn's digits."""
    images = data.digits(1_297, seed)
    return Problem(
        train=torch.as_tensor(images.train),
        test=torch.as_tensor(images.test),
        decode=images.decode,
        score=image_score(digit_labeler(images)),
        picture=pairs_picture,
        **perceptrons(task, 64, (1, 8, 8)),
    )


def convolutional_problem(task: ConvolutionalBigan, images: data.Images, seed: int) -> Problem:
    """Images through DCGAN networks; the same data for every seed."""
    z, hidden, shape = task.latent, task.hidden, (images.channels, images.side, task.width)

    def joined(outputs: int, other: int) -> nn.Module:
        features, size = nets.dcgan_features(*shape)
        return nets.Joined(nets.mlp([size + other, *hidden, outputs]), features)

    def critic(conditional: bool) -> nets.Critic:
        features, size = nets.dcgan_features(*shape, batch_norm=False)
        if conditional:
            return nets.GaussianCritic(nn.Sequential(features, nets.mlp([size, *hidden, 2 * z])))
        return nets.SeparableCritic(
            nn.Sequential(features, nets.mlp([size, *hidden, hidden[-1]])), nets.mlp([z, *hidden, hidden[-1]])
        )

    return Problem(
        train=torch.as_tensor(images.train),
        test=torch.as_tensor(images.test),
        decode=images.decode,
        generator=lambda: nets.dcgan_generator(z, *shape),
        encoder=lambda: joined(z, task.noise),
        discriminator=lambda: joined(1, z),
        critic=critic,
        score=image_score(image_labeler(images)),
        picture=lambda x, rebuilt: pairs_picture(x, rebuilt, scale=1),
    )
