"""What the parts of a training step with MINE in its loss cost: ``python tests/benchmarks/downstream_steps.py``.

Networks and batches are those of the preset ``downstream_mnist``, the images random; no data are needed. Medians in
milliseconds of CPU time, one thread.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from mibench.tasks.downstream import convolutional, nets
from mibench.tasks.downstream.bottleneck import BottleneckMnist
from mibench.tasks.downstream.gan_stacked import GanStackedMnist
from mibench.tasks.downstream.regularizer import (
    InformationGradient,
    Regularizer,
    adaptive_clip,
    apply_gradients,
    gradients,
    information_gradient,
)
from mibench.tasks.downstream.training import Training, adam

from mibench.bound import Bound
from mibench.registry import estimators

REPEATS = 40


def clock(part: Callable[[], object], repeats: int = REPEATS) -> float:
    """Milliseconds of CPU time of one call, the median of many after two that do not count."""
    taken = []
    for _ in range(repeats + 2):
        start = time.process_time()
        part()
        taken.append(1e3 * (time.process_time() - start))
    return statistics.median(taken[2:])


def beside(parts: dict[str, Callable[[], object]]) -> dict[str, float]:
    """As :func:`clock`, of several parts by turns, so that they share what else the machine is doing."""
    taken = [{name: clock(part, 2) for name, part in parts.items()} for _ in range(REPEATS)]
    return {name: statistics.median(each[name] for each in taken) for name in parts}


def table(title: str, parts: dict[str, float], plain: set[str]) -> None:
    """The parts, and the step with and without the estimator as sums of them."""
    print(f"\n{title}")
    for name, value in parts.items():
        print(f"  {value:7.2f} ms  {name}")
    alone = sum(value for name, value in parts.items() if name in plain)
    whole = sum(parts.values())
    print(f"  a step without: {alone:.2f} ms, with: {whole:.2f} ms, {whole / alone:.2f} times")


def mine() -> Bound:
    bound = estimators.create("mine-ema").bound()
    assert bound is not None
    return bound


def stacked() -> None:
    """The GAN of stacks with a discriminator of a quarter."""
    task, run = GanStackedMnist(width=16, discriminator_size="quarter"), Training(0)
    generator = run.module("generator", task.new_generator)
    discriminator = run.module("discriminator", task.new_discriminator)
    adam_g, adam_d = adam(generator, 1e-3), adam(discriminator, 1e-3)
    information = information_gradient(run, mine(), task.new_critic, 1e-3, "adaptive", 1.0)
    assert isinstance(information, InformationGradient)
    regularizer, parameters = information.regularizer, list(generator.parameters())
    inputs, code = task.draw_inputs(run, "training", task.batch)
    real, fake = run.uniform("images", task.batch, *task.shape), generator(inputs)

    def discriminate() -> None:
        loss = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake.detach())).mean()
        adam_d.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        adam_d.step()

    def adversarial() -> list[torch.Tensor]:
        loss: torch.Tensor = F.softplus(-discriminator(fake)).mean()
        return list(gradients(loss, parameters, retain_graph=True))

    def informative() -> list[torch.Tensor]:
        return list(gradients(-regularizer.objective(fake, code), parameters, retain_graph=True))

    g_u, g_m = adversarial(), informative()
    plain = {
        "generator, forward": clock(lambda: generator(inputs)),
        "discriminator, a step": clock(discriminate),
        "generator's adversarial gradient": clock(adversarial),
        "generator, Adam": clock(lambda: apply_gradients(adam_g, parameters, g_u)),
    }
    fake = generator(inputs)
    extra = {
        "critic, a step": clock(lambda: regularizer.train_critic(fake, code)),
        "generator's information gradient": clock(informative),
        "clipping": clock(lambda: adaptive_clip(g_u, g_m)),
    }
    table("gan-stacked-mnist, width 16, discriminator of a quarter, batch 64", plain | extra, set(plain))
    whole = nets.ConcatCritic(cast("convolutional.ConditionedCritic", regularizer.critic).net)
    ways = {"once": regularizer, "twice": Regularizer(mine(), whole, regularizer.optimizer)}
    whole_steps = {name: critic_and_gradient(way, fake, code, parameters) for name, way in ways.items()}
    for name, value in beside(whole_steps).items():
        print(f"  {value:7.2f} ms  the last but clipping, with the first convolution of the images done {name}")


def critic_and_gradient(
    regularizer: Regularizer, x: torch.Tensor, y: torch.Tensor, parameters: Sequence[torch.nn.Parameter]
) -> Callable[[], object]:
    def both() -> object:
        regularizer.train_critic(x, y)
        return gradients(-regularizer.objective(x, y), parameters, retain_graph=True)

    return both


def bottleneck() -> None:
    """The bottleneck with the noisy critic."""
    task, run = BottleneckMnist(hidden=(128, 128), latent=32, critic_hidden=(128, 128)), Training(0)
    model = run.module("model", lambda: task.new_classifier(run, 784))
    optimizer, parameters = adam(model, 1e-3), list(model.parameters())
    regularizer = task.regularizer(run, mine(), 784)
    assert regularizer is not None
    x, y = run.uniform("images", task.batch, 784), run.integers("labels", 10, task.batch)

    def encode() -> torch.Tensor:
        code: torch.Tensor = model.encoder(x, run.normal("noise", len(x), model.encoder.noise_dim))
        return code

    def step(beta: float) -> None:
        z = encode()
        loss = F.cross_entropy(model.decoder(z), y)
        if beta:
            loss = loss + beta * regularizer.objective(x, z)
        apply_gradients(optimizer, parameters, gradients(loss, parameters))

    z = encode().detach()
    plain = clock(lambda: step(0.0))
    extra = {
        "critic, a step": clock(lambda: regularizer.train_critic(x, z)),
        "the model's gradient through the critic": clock(lambda: step(1e-3)) - plain,
    }
    table("ib-mnist, 784-128-128-32, noisy critic of 128 x 128, batch 100", {"model": plain} | extra, {"model"})
    test = run.uniform("test", 10_000, 784)
    noise = run.normal("test noise", 10_000, model.encoder.noise_dim)
    with torch.no_grad():
        each = clock(lambda: [model.encoder(test, noise) for _ in range(12)], 3)
        coding = clock(lambda: [coded(noise) for coded in [model.encoder.coding(test)] for _ in range(12)], 3)
    print(f"  12 codes of 10,000 test images: {each:.0f} ms one by one, {coding:.0f} ms as a score does it")


if __name__ == "__main__":
    torch.set_num_threads(1)
    stacked()
    bottleneck()
