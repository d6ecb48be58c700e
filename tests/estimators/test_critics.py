"""Critics: what all architectures have in common, and what each is."""

import math
from typing import get_args

import numpy as np
import pytest
import torch
from mibench.estimators.critics import networks, pairwise
from mibench.estimators.critics.base import Activation, FreeCritic
from mibench.estimators.critics.critics import CriticStack, build
from mibench.estimators.critics.networks import Convolutional, ParameterMatrix, Perceptron
from torch import Tensor

from mibench.declarations import declared
from mibench.errors import Unsupported

FREE = get_args(declared(FreeCritic)["critic"])
KINDS = [*FREE, "gaussian"]
DIMS = 16, 3


def critic_and_samples(
    kind: str, second: str = "", models: int = 3, n: int = 8, spread: float = 0.3
) -> tuple[CriticStack, Tensor, Tensor, Tensor]:
    critic = build(kind, DIMS, (6, 5), 4, "silu", 0.0, second)
    rngs = [np.random.default_rng(i) for i in range(models)]
    theta = critic.layout.initial(rngs)
    theta += spread * torch.randn(theta.shape, generator=torch.Generator().manual_seed(1))
    x, y = (torch.randn(models, n, d, generator=torch.Generator().manual_seed(d)) for d in DIMS)
    return critic, theta, x, y


@pytest.mark.parametrize("kind", KINDS)
def test_the_score_matrix_holds_the_critic_of_every_pair(kind: str) -> None:
    critic, theta, x, y = critic_and_samples(kind)
    p = critic.layout.unpack(theta)
    matrix = critic.score_matrix(p, *critic.embed(p, x, y))
    for j in range(x.shape[1]):
        paired = critic(p, x[:, j : j + 1].expand_as(x), y)
        torch.testing.assert_close(matrix[:, :, j], paired, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("second", ["", "pair", "y"])
def test_a_row_answers_the_same_alone(kind: str, second: str) -> None:
    critic, theta, x, y = critic_and_samples(kind, second, n=32)
    both = critic(critic.layout.unpack(theta), x, y)
    alone = critic(critic.layout.unpack(theta[1:2]), x[1:2], y[1:2])
    assert torch.equal(both[1:2], alone)
    assert (critic.second is not None) == bool(second)
    if critic.second is not None:
        of_stack = critic.second(critic.layout.unpack(theta), x, y)
        assert of_stack.shape == both.shape
        assert torch.equal(of_stack[1:2], critic.second(critic.layout.unpack(theta[1:2]), x[1:2], y[1:2]))


@pytest.mark.parametrize("kind", FREE)
def test_free_critics_start_at_the_constant_they_are_given(kind: str) -> None:
    critic = build(kind, DIMS, (6, 5), 4, "relu", 1.0)
    theta = critic.layout.initial([np.random.default_rng(0)])
    x, y = (torch.randn(1, 9, d) for d in DIMS)
    torch.testing.assert_close(critic(critic.layout.unpack(theta), x, y), torch.ones(1, 9))


@pytest.mark.parametrize("kind", FREE)
def test_gradients_reach_a_free_critic_at_its_start(kind: str) -> None:
    critic = build(kind, DIMS, (6, 5), 4, "relu")
    theta = critic.layout.initial([np.random.default_rng(0)]).requires_grad_()
    x, y = (torch.randn(1, 9, d) for d in DIMS)
    (gradient,) = torch.autograd.grad(critic(critic.layout.unpack(theta), x, y).square().sum() + 0 * theta.sum(), theta)
    assert gradient.abs().sum() == 0  # it is 0 everywhere, so the square is flat
    (gradient,) = torch.autograd.grad(critic(critic.layout.unpack(theta), x, y)[0, 0], theta)
    assert gradient.abs().sum() > 0


def test_every_activation_that_can_be_asked_for_is_there() -> None:
    assert set(get_args(Activation)) == set(networks.ACTIVATIONS) == set(pairwise.CODES)


def test_joint_critic_is_a_perceptron_of_the_concatenation() -> None:
    critic, theta, x, y = critic_and_samples("joint")
    p = critic.layout.unpack(theta)
    h = torch.cat([x, y], -1) @ torch.cat([p["critic.x.weight"], p["critic.y.weight"]], 1) + p["critic.y.bias"]
    for layer in ("critic.joint.0", "critic.joint.1"):
        h = torch.nn.functional.silu(h) @ p[f"{layer}.weight"] + p[f"{layer}.bias"]
    torch.testing.assert_close(critic(p, x, y), h.squeeze(-1), rtol=1e-4, atol=1e-5)


def test_gaussian_conditional_is_a_normalised_density() -> None:
    critic = build("gaussian", (2, 1), (6,), 0, "tanh")
    theta = critic.layout.initial([np.random.default_rng(0)])
    theta += 0.5 * torch.randn(theta.shape, generator=torch.Generator().manual_seed(0))
    grid = torch.linspace(-30, 30, 20001)
    x = torch.tensor([[0.3, -1.2]]).expand(1, len(grid), 2)
    density = critic(critic.layout.unpack(theta), x, grid[None, :, None]).exp()
    assert torch.trapezoid(density, grid).item() == pytest.approx(1, abs=1e-4)


def test_gaussian_conditional_starts_at_the_standard_normal() -> None:
    critic = build("gaussian", (2, 3), (6,), 0, "tanh")
    theta = critic.layout.initial([np.random.default_rng(0)])
    x, y = torch.randn(1, 5, 2), torch.randn(1, 5, 3)
    expected = -0.5 * (y.square() + math.log(2 * math.pi)).sum(-1)
    torch.testing.assert_close(critic(critic.layout.unpack(theta), x, y), expected)


def test_convolutions_are_those_of_torch() -> None:
    layout = ParameterMatrix()
    network = Convolutional(layout, "c", 2, side=5, widths=(3, 4, 6), activation="relu", last=1.0)
    theta = layout.initial([np.random.default_rng(i) for i in range(2)])
    p = layout.unpack(theta)
    images = torch.randn(2, 7, 25)
    found = network(p, images)
    for s in range(2):
        h = images[s].reshape(7, 1, 5, 5)
        for i, (before, after) in enumerate([(1, 3), (3, 4)]):
            kernel = p[f"c.convolution{i}.weight"][s].T.reshape(after, before, 3, 3)
            h = torch.conv2d(h, kernel, p[f"c.convolution{i}.bias"][s, 0], stride=2, padding=1).relu()
        h = h.reshape(7, -1)
        h = (h @ p["c.dense.0.weight"][s] + p["c.dense.0.bias"][s]).relu()
        expected = h @ p["c.dense.1.weight"][s] + p["c.dense.1.bias"][s]
        torch.testing.assert_close(found[s], expected, rtol=1e-4, atol=1e-4)


def test_perceptron_of_one_column_and_one_output() -> None:
    layout = ParameterMatrix()
    network = Perceptron(layout, "n", 1, (1, 4), "tanh", last=1.0)
    p = layout.unpack(layout.initial([np.random.default_rng(0), np.random.default_rng(1)]))
    values = torch.randn(2, 6, 1)
    expected = torch.tanh(values @ p["n.0.weight"] + p["n.0.bias"]) @ p["n.1.weight"] + p["n.1.bias"]
    torch.testing.assert_close(network(p, values), expected)


def test_only_weights_decay() -> None:
    critic = build("separable", (2, 2), (4,), 3, "relu")
    decays = critic.layout.unpack(critic.layout.decays[None])
    assert all(bool((value == name.endswith("weight")).all()) for name, value in decays.items())


def test_convolutional_critic_wants_an_image() -> None:
    with pytest.raises(Unsupported, match="square images"):
        build("conv", (5, 3), (4,), 3, "relu")
