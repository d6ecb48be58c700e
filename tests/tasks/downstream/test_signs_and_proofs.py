"""Which way the information moves in each training; what theory says of it, where all terms are known."""

import math

import numpy as np
import pytest
import torch
from mibench.tasks.downstream import densities, nets
from mibench.tasks.downstream.bottleneck_curves import hidden_information
from mibench.tasks.downstream.regularizer import Regularizer, apply_gradients, gradients
from torch import Tensor

from mibench.estimator import Array
from mibench.registry import estimators, tasks
from mibench.task import DownstreamTask, Outcome

BETA_SMALL, BETA_LARGE = 1e-4, 3.0


# Signs ---------------------------------------------------------------------------------------------------------------


class Fixture:
    """A Gaussian encoder of five-dimensional points and a trained critic."""

    def __init__(self, name: str) -> None:
        torch.manual_seed(0)
        self.x, self.noise = torch.randn(200, 5), torch.randn(200, 2)
        self.encoder = nets.mlp([5, 16, 4])
        bound = estimators.create(name).bound()
        assert bound is not None
        self.critic: nets.Critic = nets.SeparableCritic(nets.mlp([5, 32, 16]), nets.mlp([2, 32, 16]))
        if bound.conditional:
            self.critic = nets.GaussianCritic(nets.mlp([5, 32, 4]))
        self.regularizer = Regularizer(bound, self.critic, torch.optim.Adam(self.critic.parameters(), lr=3e-3))
        for _ in range(60):
            self.regularizer.train_critic(self.x, self.code())

    def code(self) -> Tensor:
        mean, rho = self.encoder(self.x).chunk(2, dim=1)
        code: Tensor = mean + torch.nn.functional.softplus(rho - 1) * self.noise
        return code

    def value(self) -> float:
        return float(self.regularizer.value(self.x, self.code()))


@pytest.mark.parametrize("name", ["mine-ema", "nwj", "infonce", "js", "club"])
def test_one_step_of_the_bottleneck_s_encoder_lowers_the_estimate(name: str) -> None:
    made = Fixture(name)
    parameters, before = list(made.encoder.parameters()), made.value()
    loss = 0.1 * made.regularizer.objective(made.x, made.code())  # as the training adds it
    apply_gradients(torch.optim.SGD(parameters, lr=1e-2), parameters, gradients(loss, parameters))
    assert made.value() < before


@pytest.mark.parametrize("name", ["mine-ema", "nwj", "infonce", "js"])
def test_one_step_of_the_critic_raises_it(name: str) -> None:
    made = Fixture(name)
    made.regularizer.optimizer = torch.optim.SGD(made.critic.parameters(), lr=1e-4)
    before = made.value()
    made.regularizer.train_critic(made.x, made.code())
    assert made.value() > before


def train(selector: str, estimator: str) -> Outcome:
    task = tasks.create(selector)
    assert isinstance(task, DownstreamTask)
    return task.train(estimators.create(estimator), [0])[0]


def last_estimate(task: str) -> float:
    """The held-out estimate at the end of a short training."""
    outcome = train(task, "infonce")
    curve = outcome.curves.get("metric/estimate") or outcome.curves["estimate"]
    return curve[-1][1]


@pytest.mark.usefixtures("scored_on_little")
@pytest.mark.parametrize(
    ("task", "direction"),
    [
        ("gan-ring[steps=100,batch=64,generator=(32),discriminator=(32),generated=500,clipping=unclipped", +1),
        ("bigan-digits[steps=100,batch=64,hidden=(32),clipping=unclipped", +1),
        ("ib-digits[steps=150,batch=64,hidden=(32),latent=4,critic_hidden=(32),encoder=additive,noise=1.0", -1),
    ],
)
def test_gans_gain_information_and_bottlenecks_lose_it(task: str, direction: int) -> None:
    """By a whole training with a heavy weight beside the same training with next to none."""
    small, large = (last_estimate(f"{task},beta={beta}]") for beta in (BETA_SMALL, BETA_LARGE))
    assert direction * (large - small) > 0.2


@pytest.mark.usefixtures("scored_on_little")
def test_dvb_loses_information_by_the_reference() -> None:
    task = "ib-digits[steps=100,batch=64,hidden=(32),latent=4,variant=dvb,beta={}]"
    small, large = (train(task.format(beta), "none").metrics["reference"] for beta in (1e-4, 1.0))
    assert large < small - 1.0


# The reference I(X; Z) -----------------------------------------------------------------------------------------------


def test_reference_information_of_far_codes_is_the_entropy_of_the_images() -> None:
    mean = 100.0 * torch.arange(50.0)[:, None]
    std = torch.full((50, 1), 0.5)
    assert densities.reference_information(mean + std * 0.3, mean, std) == pytest.approx(math.log(50))


def test_reference_information_of_equal_codes_is_zero() -> None:
    mean, std = torch.zeros(40, 3), torch.ones(40, 3)
    assert densities.reference_information(torch.randn(40, 3), mean, std) == pytest.approx(0.0, abs=1e-6)


def test_reference_information_against_quadrature() -> None:
    """Two images, one coordinate: I = ln 2 minus the entropy of the posterior, integrated on a grid."""
    means, stds = np.array([-0.7, 0.6]), np.array([0.5, 1.1])
    z = np.linspace(-9, 9, 40_001)
    density = np.exp(-0.5 * ((z - means[:, None]) / stds[:, None]) ** 2) / (stds[:, None] * np.sqrt(2 * np.pi))
    mixture = density.mean(axis=0)
    exact = (density * np.log(density / mixture)).mean(axis=0).sum() * (z[1] - z[0])
    stream = torch.Generator().manual_seed(0)
    found = []
    for _ in range(4_000):
        mean, std = torch.as_tensor(means)[:, None], torch.as_tensor(stds)[:, None]
        noise = torch.randn(2, 1, generator=stream)
        found.append(densities.reference_information(mean + std * noise, mean, std))
    assert np.mean(found) == pytest.approx(exact, abs=4 * np.std(found) / np.sqrt(len(found)))


@pytest.mark.parametrize("kind", ["deterministic", "gaussian", "additive", "propagated"])
def test_codes_of_the_same_images_for_many_noises_are_those_of_the_encoder(kind: str) -> None:
    torch.manual_seed(0)
    encoder = nets.Encoder(kind, 6, (8,), 3, 0.3)
    x = torch.randn(9, 6)
    coding = encoder.coding(x)
    for _ in range(3):
        noise = torch.randn(9, encoder.noise_dim)
        assert coding(noise).equal(encoder(x, noise))


def test_reference_information_of_codes_that_have_run_away() -> None:
    stream = torch.Generator().manual_seed(0)
    mean, std = 1e9 * torch.randn(120, 8, generator=stream), torch.full((120, 8), 0.007)
    z = mean.double() + std.double() * torch.randn(120, 8, generator=stream).double()
    assert densities.reference_information(z, mean, std) == pytest.approx(math.log(120))


def test_log_densities_by_differences_and_by_products() -> None:
    stream = torch.Generator().manual_seed(0)
    z, mean = (torch.randn(70, 3, generator=stream).double() for _ in range(2))
    std = 0.01 + torch.rand(70, 3, generator=stream).double()
    slow = densities.exact_log_density(z, mean, std)
    torch.testing.assert_close(densities.gaussian_log_density(z, mean, std.log()), slow)
    density = torch.distributions.Normal(mean[:, None], std[:, None]).log_prob(z)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(slow, density.sum(2))


def test_divergence_from_the_normal() -> None:
    mean, std = torch.randn(6, 3), torch.rand(6, 3) + 0.2
    normal = torch.distributions.Normal
    slow = torch.distributions.kl_divergence(normal(mean, std), normal(torch.zeros(6, 3), torch.ones(6, 3)))
    torch.testing.assert_close(densities.divergence_from_normal(mean, std), slow.sum(1).mean())


@pytest.mark.parametrize(
    ("estimate", "reference", "flag"),
    [
        ([1, 2, 3, 3, 3, 2, 1.5, 1.5], [6] * 8, True),  # it hides
        ([1, 2, 3, 3, 3, 2, 1.5, 1.5], [6, 6, 6, 6, 5, 4, 3, 3], False),  # it forgets
        ([1, 2, 3, 3, 3, 3, 3, 3], [6] * 8, False),  # nothing happens
        ([1, 2, 3, 3, -9e9, 3, 3, 3], [6] * 8, False),  # one wild value
    ],
)
def test_flag_for_hidden_information(estimate: list[float], reference: list[float], flag: bool) -> None:
    curves = {"metric/estimate": list(enumerate(estimate)), "metric/reference": list(enumerate(reference))}
    assert hidden_information(curves, 1_000)["estimate_fell_information_did_not"] is flag


# The bound on the reconstruction error -------------------------------------------------------------------------------


class LinearGaussian:
    """q: x ~ N(0, S), z = A x + N(0, s I);  p: z ~ N(0, I), x = B z + N(0, t I). Every term in closed form."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        root = rng.normal(size=(3, 3))
        s_xx = root @ root.T + 0.1 * np.eye(3)
        a, self.s = rng.normal(size=(2, 3)), 0.3 + rng.random()
        self.b, self.t = rng.normal(size=(3, 2)), 0.3 + rng.random()
        self.q = np.block([[s_xx, s_xx @ a.T], [a @ s_xx, a @ s_xx @ a.T + self.s * np.eye(2)]])
        self.p = np.block([[self.b @ self.b.T + self.t * np.eye(3), self.b], [self.b.T, np.eye(2)]])

    @staticmethod
    def entropy(cov: Array) -> float:
        return float(0.5 * (np.linalg.slogdet(cov)[1] + len(cov) * np.log(2 * np.pi * np.e)))

    @staticmethod
    def divergence(cov: Array, other: Array) -> float:
        ratio = np.linalg.solve(other, cov)
        return float(0.5 * (np.trace(ratio) - len(cov) - np.linalg.slogdet(ratio)[1]))

    def terms(self) -> tuple[float, ...]:
        """Reconstruction error E_q[-log p(x | z)], KL(q || p), I_q(x; z), H_q(x), H_q(z), KL(q(z) || p(z))."""
        q_x, q_z = self.q[:3, :3], self.q[3:, 3:]
        residual = np.hstack([np.eye(3), -self.b])
        error = 0.5 * (np.trace(residual @ self.q @ residual.T) / self.t + 3 * np.log(2 * np.pi * self.t))
        information = self.entropy(q_x) + self.entropy(q_z) - self.entropy(self.q)
        return (
            error,
            self.divergence(self.q, self.p),
            information,
            self.entropy(q_x),
            self.entropy(q_z),
            self.divergence(q_z, np.eye(2)),
        )


@pytest.mark.parametrize("seed", range(8))
def test_reconstruction_error_is_bounded_by_divergence_minus_information_plus_entropy(seed: int) -> None:
    error, divergence, information, h_x, _, prior_gap = LinearGaussian(seed).terms()
    assert error <= divergence - information + h_x + 1e-9
    # and the slack is known: what the encoder's marginal lacks of the prior
    assert error == pytest.approx(divergence - information + h_x - prior_gap)


def test_terms_of_the_linear_gaussian_against_samples() -> None:
    model = LinearGaussian(3)
    rng = np.random.default_rng(0)
    sample = rng.multivariate_normal(np.zeros(5), model.q, size=200_000)
    x, z = sample[:, :3], sample[:, 3:]
    log_p = -0.5 * (((x - z @ model.b.T) ** 2).sum(1) / model.t + 3 * np.log(2 * np.pi * model.t))
    assert model.terms()[0] == pytest.approx(-log_p.mean(), abs=4 * log_p.std() / np.sqrt(len(x)))


def test_the_entropy_in_the_bound_is_that_of_the_data() -> None:
    """With H_q(z) in its place, as the theorem is also quoted, a perfect model of wide data would break it."""
    model = LinearGaussian(0)
    model.p = model.q = np.diag([50.0, 50.0, 50.0, 1.0, 1.0])
    model.b, model.t = np.zeros((3, 2)), 50.0
    error, divergence, information, h_x, h_z, _ = model.terms()
    assert error == pytest.approx(divergence - information + h_x)
    assert error > divergence - information + h_z
