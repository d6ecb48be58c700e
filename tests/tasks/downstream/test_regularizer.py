"""The information term: adaptive clipping, the placebo, what a critic keeps and reports, and the critics."""

from collections.abc import Callable, Sequence

import pytest
import torch
from mibench.tasks.downstream import convolutional, nets
from mibench.tasks.downstream.regularizer import (
    InformationGradient,
    Regularizer,
    global_norm,
    gradients,
    information_gradient,
    rescaled,
    strangers,
)
from mibench.tasks.downstream.training import Training, adam
from torch import Tensor, nn

from mibench.bound import Bound
from mibench.errors import Unsupported
from mibench.registry import estimators

LOOSE = (torch.tensor([0.3, -0.4]), torch.tensor([[1.2]]))  # norm 1.3


def bound(name: str) -> Bound:
    found = estimators.create(name).bound()
    assert found is not None
    return found


def flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([t.flatten() for t in tensors])


# Adaptive clipping ---------------------------------------------------------------------------------------------------


def clipped(g_u: Sequence[Tensor], g_m: Sequence[Tensor]) -> Tensor:
    """g_a = min(|g_u|, |g_m|) g_m / |g_m|, written out with one long vector."""
    u, m = flat(g_u), flat(g_m)
    g_a: Tensor = min(u.norm(), m.norm()) * m / m.norm()
    return g_a


def joined(g_u: Sequence[Tensor], g_m: Sequence[Tensor]) -> list[Tensor]:
    """A model's gradient g_u with g_m, that of an information which is linear in the parameters."""
    parameters = [nn.Parameter(torch.zeros_like(g)) for g in g_m]
    descended = torch.stack([(p * g).sum() for p, g in zip(parameters, g_m, strict=True)]).sum()
    critic = nn.Linear(1, 1)
    information = InformationGradient(Regularizer(bound("nwj"), critic, adam(critic, 1e-3)), "adaptive", beta=1.0)
    total: list[Tensor] = information.add_to(g_u, [descended], parameters)[0]
    return total


@pytest.mark.parametrize("seed", range(5))
def test_the_clipped_gradient_has_the_lesser_norm_and_its_own_direction(seed: int) -> None:
    stream = torch.Generator().manual_seed(seed)
    g_u, g_m = (
        [torch.randn(shape, generator=stream) * 10 ** torch.randn((), generator=stream) for shape in ((3, 2), (5,))]
        for _ in range(2)
    )
    torch.testing.assert_close(flat(joined(g_u, g_m)), flat(g_u) + clipped(g_u, g_m))


def test_a_norm_that_is_known_is_not_computed_again() -> None:
    assert flat(rescaled(LOOSE, torch.tensor(2.0), global_norm(LOOSE))).equal(flat(rescaled(LOOSE, torch.tensor(2.0))))


def test_zero_gradients_stay_zero() -> None:
    zero = [torch.zeros_like(g) for g in LOOSE]
    assert flat(joined(LOOSE, zero)).equal(flat(LOOSE))
    assert flat(joined(zero, LOOSE)).equal(flat(zero))
    assert rescaled(zero, torch.tensor(2.0))[0].tolist() == [0, 0]


# The gradient in a training -----------------------------------------------------------------------------------------


def setting(clipping: str = "adaptive", beta: float = 1.0) -> tuple[nn.Module, InformationGradient, Tensor, Tensor]:
    """A linear generator of 8 samples with codes, and the information term over it."""
    run = Training(0)
    generator = run.module("generator", lambda: nn.Linear(3, 2))
    information = information_gradient(
        run,
        bound("mine-ema"),
        lambda conditional: nets.SeparableCritic(nets.mlp([2, 8, 4]), nets.mlp([3, 8, 4])),
        1e-2,
        clipping,
        beta,
    )
    assert isinstance(information, InformationGradient)
    code = run.normal("code", 8, 3)
    return generator, information, code, generator(code)


def state(module: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten().clone() for p in module.parameters()])


@pytest.mark.parametrize("clipping", ["adaptive", "unclipped", "placebo"])
def test_the_model_s_gradient_leaves_the_critic_alone(clipping: str) -> None:
    generator, information, code, fake = setting(clipping)
    information.train_critics(fake, code)
    critics = [r.critic for r in (information.regularizer, information.placebo) if r is not None]
    before = [state(critic) for critic in critics]
    grads = [[p.grad.clone() for p in critic.parameters()] for critic in critics]
    average = information.regularizer.state.clone()
    parameters = list(generator.parameters())
    g_u = gradients(fake.square().mean(), parameters, retain_graph=True)
    information.add_to(g_u, information.losses(fake, code), parameters)
    for critic, was, grad in zip(critics, before, grads, strict=True):
        assert torch.equal(state(critic), was)
        assert all(torch.equal(p.grad, g) for p, g in zip(critic.parameters(), grad, strict=True))
    assert torch.equal(information.regularizer.state, average)


def test_the_critic_s_steps_do_not_depend_on_clipping_and_leave_the_model_alone() -> None:
    states = []
    for clipping in ("adaptive", "unclipped", "placebo"):
        generator, information, code, fake = setting(clipping)
        for _ in range(3):
            information.train_critics(fake, code)
        assert all(p.grad is None for p in generator.parameters())
        states.append(state(information.regularizer.critic))
    assert torch.equal(states[0], states[1])
    assert torch.equal(states[0], states[2])


@pytest.mark.parametrize("scale", [1e-6, 1e3])
def test_clipped_gradient_and_its_norms(scale: float) -> None:
    """The sum is g_u + beta g_a, |g_a| <= |g_u|, and the reported norms are those of its parts."""
    generator, information, code, fake = setting(beta=0.5)
    parameters = list(generator.parameters())
    g_m = gradients(-information.regularizer.objective(fake, code), parameters, retain_graph=True)
    g_u = gradients(scale * fake.square().mean(), parameters, retain_graph=True)
    total, norms = information.add_to(g_u, information.losses(fake, code), parameters)
    g_a = clipped(g_u, g_m)
    torch.testing.assert_close(flat(total), flat(g_u) + 0.5 * g_a)
    assert float(norms["gradient_norm/model"]) == pytest.approx(float(global_norm(g_u)))
    assert float(norms["gradient_norm/information"]) == pytest.approx(float(global_norm(g_m)))
    assert float(norms["gradient_norm/information_clipped"]) == pytest.approx(float(g_a.norm()))
    assert float(g_a.norm()) <= float(global_norm(g_u)) * (1 + 1e-6)


def test_unclipped_gradient_is_the_plain_sum() -> None:
    generator, information, code, fake = setting("unclipped", beta=2.0)
    parameters = list(generator.parameters())
    loss = fake.square().mean() - 2.0 * information.regularizer.objective(fake, code)
    whole = gradients(loss, parameters, retain_graph=True)
    g_u = gradients(fake.square().mean(), parameters, retain_graph=True)
    torch.testing.assert_close(
        flat(information.add_to(g_u, information.losses(fake, code), parameters)[0]), flat(whole)
    )


def test_placebo_has_the_norm_of_the_clipped_gradient_and_another_direction() -> None:
    generator, information, code, fake = setting("placebo")
    parameters = list(generator.parameters())
    g_u = gradients(1e-3 * fake.square().mean(), parameters, retain_graph=True)
    g_m = gradients(-information.regularizer.objective(fake, code), parameters, retain_graph=True)
    total, norms = information.add_to(g_u, information.losses(fake, code), parameters)
    added = flat(total) - flat(g_u)
    assert float(added.norm()) == pytest.approx(float(clipped(g_u, g_m).norm()), rel=1e-4)
    assert float(torch.cosine_similarity(added, flat(g_m), dim=0)) < 0.9
    assert set(norms) == {"gradient_norm/model", "gradient_norm/information", "gradient_norm/information_clipped"}


def test_strangers_never_meet_their_own() -> None:
    x, y = strangers(torch.arange(9), torch.arange(9))
    assert (x.tolist(), y.tolist()) == ([0, 1, 2, 3], [4, 5, 6, 7])


def test_gradients_leave_grad_alone_and_fill_in_zeros() -> None:
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))
    found = gradients((used**2).sum(), [used, unused])
    assert [g.tolist() for g in found] == [[2, 2], [0, 0, 0]]
    assert used.grad is None


def test_a_bound_that_needs_a_second_function_is_declined() -> None:
    critic = nets.SeparableCritic(nn.Linear(1, 1), nn.Linear(1, 1))
    with pytest.raises(Unsupported, match="second function"):
        Regularizer(bound("tuba"), critic, adam(critic, 1e-3))


# The critic's state and value ---------------------------------------------------------------------------------------


def test_the_average_moves_with_the_critic_s_steps_and_the_reported_value_ignores_it() -> None:
    _, information, code, fake = setting()
    regularizer = information.regularizer
    information.train_critics(fake, code)
    first = regularizer.state.clone()
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    y = torch.cat([x, x[:, :1]], dim=1)
    value = regularizer.value(x, y)
    regularizer.state = first + 5.0
    assert regularizer.value(x, y) == value
    with torch.no_grad():
        joint, product = regularizer.critic.scores(x, y)
    assert value == pytest.approx(float(joint.mean() - product.exp().mean().log()), abs=1e-5)


def test_what_is_watched_is_the_bound_before_the_critic_s_step() -> None:
    _, information, code, fake = setting()
    regularizer = information.regularizer
    with pytest.raises(RuntimeError, match="not been trained"):
        regularizer.on_batch()
    for _ in range(2):
        with torch.no_grad():
            before = regularizer.bound.value(*regularizer.critic.scores(fake, code))
        information.train_critics(fake, code)
        torch.testing.assert_close(regularizer.on_batch(), before, rtol=0, atol=0)


def test_reported_value_is_that_of_an_unprejudiced_sample() -> None:
    """On independent pairs a critic that has learnt one small sample by heart is worth nothing on a fresh one."""
    torch.manual_seed(0)
    critic = nets.SeparableCritic(nets.mlp([3, 64, 16]), nets.mlp([3, 64, 16]))
    regularizer = Regularizer(bound("infonce"), critic, adam(critic, 1e-2))
    x, y = torch.randn(32, 3), torch.randn(32, 3)
    for _ in range(200):
        regularizer.train_critic(x, y)
    assert float(regularizer.on_batch()) > 1.0
    assert regularizer.value(torch.randn(1_000, 3), torch.randn(1_000, 3)) < 0.0


# Critics -------------------------------------------------------------------------------------------------------------


def pairs() -> tuple[Tensor, Tensor]:
    stream = torch.Generator().manual_seed(2)
    return torch.randn(6, 3, generator=stream), torch.randn(6, 2, generator=stream)


@torch.no_grad()
def by_hand(score: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor) -> tuple[list[float], list[list[float]]]:
    """Scores pair by pair: the joint, and in row i every other x with y_i."""
    rows = [[float(score(x[j : j + 1], y[i : i + 1])) for j in range(len(x)) if j != i] for i in range(len(x))]
    return [float(score(x[i : i + 1], y[i : i + 1])) for i in range(len(x))], rows


def assert_same(slow: tuple[list[float], list[list[float]]], joint: Tensor, product: Tensor) -> None:
    for found, expected in zip((joint, product), slow, strict=True):
        torch.testing.assert_close(found, torch.tensor(expected))


def test_separable_critic() -> None:
    x, y = pairs()
    f, g = nn.Linear(3, 4), nn.Linear(2, 4)
    joint, product = nets.SeparableCritic(f, g).scores(x, y)
    assert_same(by_hand(lambda a, b: (f(a) * g(b)).sum() / 2, x, y), joint, product)


@pytest.mark.parametrize("conditional", [False, True])
def test_code_critic(conditional: bool) -> None:
    x, _ = pairs()
    code = torch.eye(4)[[0, 1, 1, 3, 2, 0]]
    body = nn.Linear(3, 4)
    joint, product = nets.CodeCritic(body, conditional).scores(x, code)

    def score(a: Tensor, b: Tensor) -> Tensor:
        outputs: Tensor = body(a).log_softmax(1) if conditional else body(a)
        return (outputs * b).sum()

    assert_same(by_hand(score, x, code), joint, product)


def test_gaussian_critic_is_a_normalised_density() -> None:
    x, y = pairs()
    body = nn.Linear(3, 4)
    joint, product = nets.GaussianCritic(body).scores(x, y)

    def score(a: Tensor, b: Tensor) -> Tensor:
        mean, log_std = body(a).chunk(2, dim=1)
        std = (5 * torch.tanh(log_std / 5)).exp()
        log_q: Tensor = torch.distributions.Normal(mean, std).log_prob(b)  # type: ignore[no-untyped-call]
        return log_q.sum()

    assert_same(by_hand(score, x, y), joint, product)


def test_concatenated_critic_pairs_every_y_with_another_x() -> None:
    x = torch.arange(5.0)[:, None]
    net = nets.Joined(nn.Linear(2, 1))
    joint, product = nets.ConcatCritic(net).scores(x, 10 * x)
    assert product.shape == (5, 1)
    joint_by_hand, rows = by_hand(lambda a, b: net(a, b), x, 10 * x)
    torch.testing.assert_close(joint, torch.tensor(joint_by_hand))
    for row, every in zip(product.tolist(), rows, strict=True):
        assert all(min(abs(value - other) for other in every) < 1e-5 for value in row)


def test_images_convolved_once_score_as_images_convolved_twice() -> None:
    """Scores to the bit, and gradients by weights, images and codes but for rounding."""
    torch.manual_seed(0)
    net = convolutional.ConditionedConv(3, 28, 5, 4)
    x, y = torch.randn(6, 3, 28, 28, requires_grad=True), torch.randn(6, 5, requires_grad=True)
    found = []
    for critic in (convolutional.ConditionedCritic(net), nets.ConcatCritic(net)):
        joint, product = critic.scores(x, y)
        total = joint.square().sum() + product.exp().sum()
        found.append((joint, product, torch.autograd.grad(total, [x, y, *net.parameters()])))
    (joint, product, once), (joint_again, product_again, twice) = found
    assert joint.equal(joint_again)
    assert product.equal(product_again)
    for a, b in zip(once, twice, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_without_a_bound_the_model_s_gradient_stays_as_it_is() -> None:
    generator, _, code, fake = setting()
    information = information_gradient(Training(0), None, lambda _: nn.Identity(), 1e-3, "adaptive", 1.0)
    information.train_critics(fake, code)
    g, norms = information.add_to(LOOSE, information.losses(fake, code), list(generator.parameters()))
    assert all(map(torch.equal, g, LOOSE))
    assert norms == {"gradient_norm/model": global_norm(LOOSE)}
    assert information.on_batch() == information.on_fresh(fake, code) == {}


def test_conditional_bounds_get_a_density() -> None:
    asked = []

    def critic(conditional: bool) -> nets.Critic:
        asked.append(conditional)
        return nets.GaussianCritic(nn.Linear(2, 6))

    made = information_gradient(Training(0), bound("club"), critic, 1e-3, "adaptive", 1.0)
    assert isinstance(made, InformationGradient)
    assert asked == [True]
