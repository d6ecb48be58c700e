"""The information term: adaptive clipping, the moving average in a loss, the placebo, and what bounds lose."""

import math

import numpy as np
import pytest
import torch
from mibench.estimators.critics import bounds
from mibench.tasks.downstream import nets
from mibench.tasks.downstream._training import Training
from mibench.tasks.downstream.regularizer import (
    InformationGradient,
    Regularizer,
    adaptive_clip,
    global_norm,
    gradients,
    information_gradient,
    rescaled,
    strangers,
)
from torch import nn

from mibench.errors import Unsupported

LOOSE = (torch.tensor([0.3, -0.4]), torch.tensor([[1.2]]))  # norm 1.3
SMALL = (torch.tensor([0.03, -0.04]), torch.tensor([[0.12]]))  # norm 0.13


def flat(tensors):
    return torch.cat([t.flatten() for t in tensors])


# Adaptive clipping ---------------------------------------------------------------------------------------------------


def test_norm_is_over_all_parameters_together():
    assert float(global_norm(LOOSE)) == pytest.approx(1.3)


def test_a_longer_information_gradient_is_cut_to_the_model_s_norm():
    clipped = adaptive_clip(SMALL, LOOSE)
    assert float(global_norm(clipped)) == pytest.approx(0.13)
    torch.testing.assert_close(flat(clipped) / 0.13, flat(LOOSE) / 1.3)


def test_a_shorter_one_passes_unchanged():
    torch.testing.assert_close(flat(adaptive_clip(LOOSE, SMALL)), flat(SMALL))


@pytest.mark.parametrize("seed", range(5))
def test_the_clipped_gradient_has_the_lesser_norm_and_its_own_direction(seed):
    """g_a = min(|g_u|, |g_m|) g_m / |g_m|, written out with one long vector."""
    stream = torch.Generator().manual_seed(seed)
    g_u, g_m = (
        [torch.randn(shape, generator=stream) * 10 ** torch.randn((), generator=stream) for shape in ((3, 2), (5,))]
        for _ in range(2)
    )
    u, m = flat(g_u), flat(g_m)
    torch.testing.assert_close(flat(adaptive_clip(g_u, g_m)), min(u.norm(), m.norm()) * m / m.norm())


def test_zero_gradients_stay_zero():
    zero = [torch.zeros(3)]
    assert adaptive_clip(LOOSE, zero)[0].tolist() == [0, 0, 0]
    assert adaptive_clip([torch.zeros(2)], LOOSE)[0].tolist() == [0, 0]
    assert rescaled(zero, torch.tensor(2.0))[0].tolist() == [0, 0, 0]


# The gradient in a training -----------------------------------------------------------------------------------------


def setting(clipping="adaptive", beta=1.0, bound=None, seed=0):
    """A linear generator of 8 samples with codes, and the information term over it."""
    run = Training(seed, "test")
    generator = run.module("generator", lambda: nn.Linear(3, 2))
    information = information_gradient(
        run,
        bound or bounds.MovingAverageDV(),
        lambda conditional: nets.SeparableCritic(nets.mlp([2, 8, 4]), nets.mlp([3, 8, 4])),
        1e-2,
        clipping,
        beta,
    )
    code = run.normal("code", 8, 3)
    return generator, information, code, generator(code)


def state(module):
    return torch.cat([p.detach().flatten().clone() for p in module.parameters()])


@pytest.mark.parametrize("clipping", ["adaptive", "unclipped", "placebo"])
def test_the_model_s_gradient_leaves_the_critic_alone(clipping):
    generator, information, code, fake = setting(clipping)
    information.train_critics(fake, code)
    critics = [r.critic for r in (information.regularizer, information.placebo) if r is not None]
    before = [state(critic) for critic in critics]
    grads = [[p.grad.clone() for p in critic.parameters()] for critic in critics]
    average = information.regularizer.state.clone()
    parameters = list(generator.parameters())
    g_u = gradients(fake.square().mean(), parameters, retain_graph=True)
    information.add_to(g_u, fake, code, parameters)
    for critic, was, grad in zip(critics, before, grads, strict=True):
        assert torch.equal(state(critic), was)
        assert all(torch.equal(p.grad, g) for p, g in zip(critic.parameters(), grad, strict=True))
    assert torch.equal(information.regularizer.state, average)


def test_the_critic_s_steps_do_not_depend_on_clipping_and_leave_the_model_alone():
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
def test_clipped_gradient_and_its_norms(scale):
    """The sum is g_u + beta g_a, |g_a| <= |g_u|, and the reported norms are those of its parts."""
    generator, information, code, fake = setting(beta=0.5)
    parameters = list(generator.parameters())
    g_m = gradients(-information.regularizer.objective(fake, code), parameters, retain_graph=True)
    g_u = gradients(scale * fake.square().mean(), parameters, retain_graph=True)
    total, norms = information.add_to(g_u, fake, code, parameters)
    g_a = adaptive_clip(g_u, g_m)
    torch.testing.assert_close(flat(total), flat(g_u) + 0.5 * flat(g_a))
    assert float(norms["gradient_norm/model"]) == pytest.approx(float(global_norm(g_u)))
    assert float(norms["gradient_norm/information"]) == pytest.approx(float(global_norm(g_m)))
    assert float(norms["gradient_norm/information_clipped"]) == pytest.approx(float(global_norm(g_a)))
    assert float(global_norm(g_a)) <= float(global_norm(g_u)) * (1 + 1e-6)


def test_unclipped_gradient_is_the_plain_sum():
    generator, information, code, fake = setting("unclipped", beta=2.0)
    parameters = list(generator.parameters())
    loss = fake.square().mean() - 2.0 * information.regularizer.objective(fake, code)
    whole = gradients(loss, parameters, retain_graph=True)
    g_u = gradients(fake.square().mean(), parameters, retain_graph=True)
    torch.testing.assert_close(flat(information.add_to(g_u, fake, code, parameters)[0]), flat(whole))


def test_placebo_has_the_norm_of_the_clipped_gradient_and_another_direction():
    generator, information, code, fake = setting("placebo")
    parameters = list(generator.parameters())
    g_u = gradients(1e-3 * fake.square().mean(), parameters, retain_graph=True)
    g_m = gradients(-information.regularizer.objective(fake, code), parameters, retain_graph=True)
    total, norms = information.add_to(g_u, fake, code, parameters)
    added = flat(total) - flat(g_u)
    assert float(added.norm()) == pytest.approx(float(global_norm(adaptive_clip(g_u, g_m))), rel=1e-4)
    assert float(torch.cosine_similarity(added, flat(g_m), dim=0)) < 0.9
    assert set(norms) == {"gradient_norm/model", "gradient_norm/information", "gradient_norm/information_clipped"}


def test_strangers_never_meet_their_own():
    x, y = strangers(torch.arange(9), torch.arange(9))
    assert (x.tolist(), y.tolist()) == ([0, 1, 2, 3], [4, 5, 6, 7])


def test_gradients_leave_grad_alone_and_fill_in_zeros():
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))
    found = gradients((used**2).sum(), [used, unused])
    assert [g.tolist() for g in found] == [[2, 2], [0, 0, 0]]
    assert used.grad is None


def test_a_bound_that_needs_a_second_function_is_declined():
    second = next(b for b in vars(bounds).values() if isinstance(b, type) and getattr(b, "second", ""))
    critic = nets.SeparableCritic(nn.Identity(), nn.Identity())
    with pytest.raises(Unsupported, match="second function"):
        Regularizer(second(), critic, None)


# The moving average --------------------------------------------------------------------------------------------------


def batches(scale, count=6):
    stream = torch.Generator().manual_seed(1)
    return [
        (scale * torch.randn(10, generator=stream).double(), scale * torch.randn(10, 9, generator=stream).double())
        for _ in range(count)
    ]


def test_log_space_average_equals_the_naive_one():
    bound, log_average, average = bounds.MovingAverageDV(rate=0.1), None, None
    for joint, product in batches(0.5):
        log_average = bound.loss(joint, product, log_average)[1]
        mean = product.exp().mean()
        average = mean if average is None else 0.9 * average + 0.1 * mean
        assert float(log_average) == pytest.approx(math.log(average), rel=1e-12)


def test_surrogate_has_the_batch_gradient_times_batch_mean_over_average():
    bound, log_average = bounds.MovingAverageDV(rate=0.1), None
    for joint, product in batches(0.5):
        product.requires_grad_()
        loss, log_average = bound.loss(joint, product, log_average)
        (found,) = torch.autograd.grad(loss, product)
        (biased,) = torch.autograd.grad(product.exp().mean().log(), product)
        torch.testing.assert_close(found, biased * float(product.detach().exp().mean() / log_average.exp()))


def test_average_stays_finite_where_the_naive_one_overflows():
    bound, log_average = bounds.MovingAverageDV(), None
    assert not math.isfinite(float(torch.tensor(200.0).exp()))
    for joint, product in batches(1.0):
        joint, product = joint.float() + 200.0, (product.float() + 200.0).requires_grad_()
        loss, log_average = bound.loss(joint, product, log_average)
        (found,) = torch.autograd.grad(loss, product)
        assert bool(torch.isfinite(loss))
        assert bool(torch.isfinite(found).all())
        assert bool(torch.isfinite(log_average))


def test_the_average_moves_with_the_critic_s_steps_and_the_reported_value_ignores_it():
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


def test_reported_value_is_that_of_an_unprejudiced_sample():
    """On independent pairs a critic that has learnt one small sample by heart is worth nothing on a fresh one."""
    torch.manual_seed(0)
    critic = nets.SeparableCritic(nets.mlp([3, 64, 16]), nets.mlp([3, 64, 16]))
    regularizer = Regularizer(bounds.InfoNCE(), critic, torch.optim.Adam(critic.parameters(), lr=1e-2))
    x, y = torch.randn(32, 3), torch.randn(32, 3)
    for _ in range(200):
        seen = regularizer.train_critic(x, y)
    assert float(seen) > 1.0
    assert regularizer.value(torch.randn(1_000, 3), torch.randn(1_000, 3)) < 0.0


# What is true of every critic ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_donsker_varadhan_gap_is_the_divergence_from_the_gibbs_density(seed):
    """I - DV(T) = KL(p || G) >= 0 with dG = e^T dq / E_q e^T, for every critic T (a table here)."""
    rng = np.random.default_rng(seed)
    xs, ys = rng.integers(3, size=60), rng.integers(4, size=60)
    ys[:30] = xs[:30]
    table = rng.normal(size=(3, 4)) * rng.choice([0.1, 1.0, 5.0])
    # the full matrix of scores averages over the product of the empirical marginals
    joint, full = torch.as_tensor(table[xs, ys]), torch.as_tensor(table[xs][:, ys].T.copy())
    value = float(bounds.DonskerVaradhan().value(joint, full))
    p = np.zeros((3, 4))
    np.add.at(p, (xs, ys), 1 / 60)
    q = p.sum(1, keepdims=True) * p.sum(0)
    gibbs = np.exp(table) * q / (np.exp(table) * q).sum()
    seen = p > 0
    information = (p[seen] * np.log(p[seen] / q[seen])).sum()
    gap = (p[seen] * np.log(p[seen] / gibbs[seen])).sum()
    assert gap >= 0
    assert information - value == pytest.approx(gap, abs=1e-12)


# Critics -------------------------------------------------------------------------------------------------------------


def pairs():
    stream = torch.Generator().manual_seed(2)
    return torch.randn(6, 3, generator=stream), torch.randn(6, 2, generator=stream)


@torch.no_grad()
def by_hand(score, x, y):
    """Scores pair by pair: the joint, and in row i every other x with y_i."""
    rows = [[float(score(x[j : j + 1], y[i : i + 1])) for j in range(len(x)) if j != i] for i in range(len(x))]
    return [float(score(x[i : i + 1], y[i : i + 1])) for i in range(len(x))], rows


def test_separable_critic():
    x, y = pairs()
    f, g = nn.Linear(3, 4), nn.Linear(2, 4)
    joint, product = nets.SeparableCritic(f, g).scores(x, y)
    slow = by_hand(lambda a, b: (f(a) * g(b)).sum() / 2, x, y)
    torch.testing.assert_close(joint, torch.tensor(slow[0]))
    torch.testing.assert_close(product, torch.tensor(slow[1]))


@pytest.mark.parametrize("conditional", [False, True])
def test_code_critic(conditional):
    x, _ = pairs()
    code = torch.eye(4)[[0, 1, 1, 3, 2, 0]]
    body = nn.Linear(3, 4)
    joint, product = nets.CodeCritic(body, conditional).scores(x, code)

    def score(a, b):
        outputs = body(a).log_softmax(1) if conditional else body(a)
        return (outputs * b).sum()

    slow = by_hand(score, x, code)
    torch.testing.assert_close(joint, torch.tensor(slow[0]))
    torch.testing.assert_close(product, torch.tensor(slow[1]))


def test_gaussian_critic_is_a_normalised_density():
    x, y = pairs()
    body = nn.Linear(3, 4)
    joint, product = nets.GaussianCritic(body).scores(x, y)

    def score(a, b):
        mean, log_std = body(a).chunk(2, dim=1)
        return torch.distributions.Normal(mean, (5 * torch.tanh(log_std / 5)).exp()).log_prob(b).sum()

    slow = by_hand(score, x, y)
    torch.testing.assert_close(joint, torch.tensor(slow[0]))
    torch.testing.assert_close(product, torch.tensor(slow[1]))


@pytest.mark.parametrize("shifts", [1, 3, 50])
def test_concatenated_critic_pairs_every_y_with_other_x(shifts):
    x = torch.arange(5.0)[:, None]
    net = nets.Joined(nn.Linear(2, 1))
    joint, product = nets.ConcatCritic(net, shifts).scores(x, 10 * x)
    assert product.shape == (5, min(shifts, 4))
    joint_by_hand, rows = by_hand(lambda a, b: net(a, b), x, 10 * x)
    torch.testing.assert_close(joint, torch.tensor(joint_by_hand))
    for row, every in zip(product.tolist(), rows, strict=True):
        assert all(min(abs(value - other) for other in every) < 1e-5 for value in row)
        assert len({round(value, 4) for value in row}) == len(row)


def test_the_sign_of_the_term():
    """Along the gradient that is added, the model gains information by the critic's own measure."""
    generator, information, code, fake = setting("unclipped")
    for _ in range(20):
        information.train_critics(fake, code)
    parameters = list(generator.parameters())
    total, _ = information.add_to([torch.zeros_like(p) for p in parameters], fake, code, parameters)
    before = float(information.regularizer.bound.value(*information.regularizer.critic.scores(fake, code)))
    with torch.no_grad():
        for parameter, gradient in zip(parameters, total, strict=True):
            parameter -= 1e-3 * gradient
    after = float(information.regularizer.bound.value(*information.regularizer.critic.scores(generator(code), code)))
    assert after > before


def test_information_gradient_is_none_without_a_bound():
    assert information_gradient(Training(0, "test"), None, lambda _: nn.Identity(), 1e-3, "adaptive", 1.0) is None


def test_conditional_bounds_get_a_density():
    asked = []

    def critic(conditional):
        asked.append(conditional)
        return nets.GaussianCritic(nn.Linear(2, 6))

    made = information_gradient(Training(0, "test"), bounds.CLUB(), critic, 1e-3, "adaptive", 1.0)
    assert isinstance(made, InformationGradient)
    assert asked == [True]
