"""The trainer and the evaluation: each fast path beside its slow, obvious twin."""

import math
from typing import Any, get_args

import numpy as np
import pytest
import torch
from mibench.estimators.critics.bounds import NWJ, DonskerVaradhan, InfoNCE
from mibench.estimators.critics.critics import CriticStack, build
from mibench.estimators.critics.evaluation import contributions, sampled_scores, scores, split_matrix
from mibench.estimators.critics.networks import Parameters
from mibench.estimators.critics.stack import AdamW, Optimisation, batch_size
from mibench.estimators.critics.trainer import fit
from mibench.estimators.learned import Scaling, scaled, splits
from torch import Tensor

from mibench.bound import Bound
from mibench.errors import Unsupported


def optimisation(**changes: Any) -> Optimisation:
    settings: dict[str, Any] = {
        "learning_rate": 1e-2,
        "schedule": "one-cycle",
        "warmup": 0.2,
        "weight_decay": 1.0,
        "clip": 1.0,
        "batch": 64,
        "negatives": 32,
        "max_steps": 60,
        "max_epochs": 1000,
        "interval": 10,
        "patience": 3,
        "by_value": True,
    }
    return Optimisation(**(settings | changes))


def samples(models: int, n: int, dim: int = 2, rho: float = 0.8) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((models, n, dim))
    y = rho * x + math.sqrt(1 - rho**2) * rng.standard_normal((models, n, dim))
    return torch.as_tensor(x, dtype=torch.float32), torch.as_tensor(y, dtype=torch.float32)


def rngs(*seeds: int) -> list[np.random.Generator]:
    return [np.random.default_rng(s) for s in seeds]


class Recognisable(CriticStack):  # type: ignore[misc]
    """f(x, y) = x y, through broadcasting alone."""

    def embed(self, p: Parameters, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return x, y

    def pairs(self, p: Parameters, u: Tensor, v: Tensor) -> Tensor:
        return (u * v).squeeze(-1)

    def score_matrix(self, p: Parameters, u: Tensor, v: Tensor) -> Tensor:
        return self.pairs(p, u.unsqueeze(-3), v.unsqueeze(-2))


@pytest.mark.parametrize(("negatives", "others"), [(1, 1), (3, 3), (4, 4), (7, 6), ("all", 11)])
def test_product_pairs_never_hold_the_joint_and_keep_y(negatives: Any, others: int) -> None:
    # x = 2^i and y = 3^i, whose products tell the pair
    n = 12
    x, y = (base ** torch.arange(n, dtype=torch.float64)[None, :, None] for base in (2.0, 3.0))
    joint, product = scores(Recognisable(), {}, x, y, negatives)
    values = {2.0**j * 3.0**i: (i, j) for i in range(n) for j in range(n)}
    assert [values[v] for v in joint[0].tolist()] == [(i, i) for i in range(n)]
    for i in range(n):
        met = [values[v] for v in product[0, i].tolist()]
        assert all(a == i and b != i for a, b in met)
        assert len(set(met)) == len(met) == others


@pytest.mark.parametrize("bound", [DonskerVaradhan(), NWJ(), InfoNCE()], ids=lambda b: type(b).__name__)
@pytest.mark.parametrize("kind", ["separable", "joint"])
def test_chunked_evaluation_equals_the_full_matrix(bound: Bound, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mibench.estimators.critics.evaluation.CHUNK", 500)  # a few rows at a time
    critic = build(kind, (2, 2), (5,), 3, "silu")
    theta = critic.layout.initial(rngs(0, 1))
    theta += 0.4 * torch.randn(theta.shape, generator=torch.Generator().manual_seed(0))
    x, y = samples(2, 37)
    p = critic.layout.unpack(theta)
    joint, product = split_matrix(critic.score_matrix(p, *critic.embed(p, x, y)))
    expected = bound.contributions(joint, bound.rows(joint, product))
    found = contributions(bound, critic, theta, x, y)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.mean(-1), bound.value(joint, product), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bound", [DonskerVaradhan(), NWJ(), InfoNCE()], ids=lambda b: type(b).__name__)
@pytest.mark.parametrize(("n", "chunk", "rows"), [(37, 60, 4), (37, 200, 15), (15, 1000, 3)])
def test_beyond_a_limit_each_y_meets_so_many_other_x(
    bound: Bound, n: int, chunk: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that follow the rows that are evaluated at a time."""
    monkeypatch.setattr("mibench.estimators.critics.evaluation.CHUNK", chunk)
    monkeypatch.setattr("mibench.estimators.critics.evaluation.OTHERS", 12)
    critic = build("separable", (2, 2), (5,), 3, "silu")
    theta = critic.layout.initial(rngs(0))
    theta += 0.4 * torch.randn(theta.shape, generator=torch.Generator().manual_seed(0))
    x, y = samples(1, n)
    p = critic.layout.unpack(theta)
    met = {i: [(min(i // rows * rows + rows, n) + j) % n for j in range(12)] for i in range(n)}
    assert all(i not in others for i, others in met.items())
    product = torch.stack([critic(p, x[:, met[i]], y[:, [i] * 12]) for i in range(n)], 1)
    joint = critic(p, x, y)
    expected = bound.contributions(joint, bound.rows(joint, product))
    torch.testing.assert_close(contributions(bound, critic, theta, x, y), expected, rtol=1e-4, atol=1e-5)


def test_sampled_scores_leave_out_what_fills_no_group() -> None:
    critic = build("separable", (2, 2), (5,), 3, "silu")
    p = critic.layout.unpack(critic.layout.initial(rngs(0)))
    joint, product = sampled_scores(critic, p, *samples(1, 300))
    assert joint.shape == (1, 256)
    assert product.shape == (1, 256, 128)


def test_adamw_is_that_of_torch() -> None:
    theta = torch.randn(1, 20, generator=torch.Generator().manual_seed(9))
    reference = torch.nn.Parameter(theta.clone())
    mine, torchs = AdamW(theta), torch.optim.AdamW([reference], lr=0.03, weight_decay=0.2)
    for i in range(5):
        gradient = torch.randn(1, 20, generator=torch.Generator().manual_seed(i))
        reference.grad = gradient.clone()
        torchs.step()
        mine.update(theta, gradient.clone(), 0.03, torch.full((20,), 0.2), clip=0.0)
    torch.testing.assert_close(theta, reference.data, rtol=1e-4, atol=1e-6)


def test_clipping_is_per_critic() -> None:
    theta = torch.zeros(2, 4)
    gradient = torch.tensor([[3.0, 4.0, 0.0, 0.0], [0.3, 0.4, 0.0, 0.0]])
    AdamW(theta).update(theta, gradient, 0.1, torch.zeros(4), clip=1.0)
    torch.testing.assert_close(gradient, torch.tensor([[0.6, 0.8, 0.0, 0.0], [0.3, 0.4, 0.0, 0.0]]))


def test_weights_shrink_by_the_decay_where_no_gradient_holds_them() -> None:
    x, y = samples(1, 256)
    critic = build("separable", (2, 2), (4,), 3, "relu")
    start = critic.layout.initial(rngs(0))
    found = fit(critic, Indifferent(), optimisation(weight_decay=0.4, by_value=False), (x, y), (x, y), rngs(0))
    weights = critic.layout.decays.bool()
    torch.testing.assert_close(found.theta[:, ~weights], start[:, ~weights])
    torch.testing.assert_close(found.theta[:, weights], start[:, weights] * math.exp(-0.4), rtol=5e-3, atol=1e-6)


class Indifferent(Bound):
    """A loss without gradient that falls at every validation, so that the last checkpoint is the best."""

    def __init__(self) -> None:
        self.calls = 0

    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        self.calls += 1
        return 0 * joint.sum(-1) - self.calls, None

    def rows(self, joint: Tensor, product: Tensor) -> Tensor:
        return joint


@pytest.mark.parametrize("kind", ["separable", "joint"])
def test_a_critic_does_not_depend_on_its_stack(kind: str) -> None:
    train, validation = samples(4, 300), samples(4, 100)
    critic = build(kind, (2, 2), (8, 8), 4, "silu")
    settings = optimisation(patience=2, interval=5)
    together = fit(critic, DonskerVaradhan(), settings, train, validation, rngs(0, 1, 2, 3))
    for s in range(4):
        one = slice(s, s + 1)
        parts = [tuple(t[one] for t in part) for part in (train, validation)]
        alone = fit(critic, DonskerVaradhan(), settings, *parts, rngs(s))
        torch.testing.assert_close(together.theta[one], alone.theta, rtol=1e-4, atol=1e-5)
        assert together.steps[s] == alone.steps[0]
        assert together.curves[s]["validation"] == pytest.approx(alone.curves[0]["validation"], abs=1e-4)


def test_stopped_critics_leave_and_the_best_checkpoint_stays() -> None:
    # the first critic trains on noise and stops; the second has something to learn
    x, y = samples(2, 300)
    y[0] = torch.randn(300, 2, generator=torch.Generator().manual_seed(0))
    val = samples(2, 200)
    val[1][0] = torch.randn(200, 2, generator=torch.Generator().manual_seed(1))
    critic = build("separable", (2, 2), (32, 32), 8, "silu")
    found = fit(critic, DonskerVaradhan(), optimisation(max_steps=400, patience=4), (x, y), val, rngs(0, 1))
    assert found.steps[0] < found.steps[1]
    for s in range(2):
        p = critic.layout.unpack(found.theta[s : s + 1])
        value = DonskerVaradhan().value(*sampled_scores(critic, p, val[0][s : s + 1], val[1][s : s + 1]))
        assert value.item() == pytest.approx(max(found.curves[s]["validation"]), abs=1e-4)


def test_divergence_is_told_of_one_critic_and_does_not_touch_another() -> None:
    train, validation = samples(2, 300), samples(2, 100)
    train[0][0] = torch.inf
    critic = build("separable", (2, 2), (8,), 4, "relu")
    found = fit(critic, NWJ(), optimisation(), train, validation, rngs(0, 1))
    assert found.diverged == [True, False]
    assert found.theta[1].isfinite().all()


def test_one_cycle() -> None:
    s = optimisation(warmup=0.25, learning_rate=0.1)
    rates = [s.rate(step, 100) for step in range(1, 101)]
    assert max(rates) == pytest.approx(0.1)
    assert rates.index(max(rates)) == 24
    assert rates[0] == pytest.approx(0.1 / 25)
    assert 0 < rates[-1] < 1e-4


@pytest.mark.parametrize(("n", "expected"), [(6000, 256), (600, 128), (130, 32), (60, 32), (20, 20)])
def test_batches_shrink_with_the_sample(n: int, expected: int) -> None:
    assert batch_size(256, n) == expected


@pytest.mark.parametrize("folds", [0, 3, 7])
@pytest.mark.parametrize("n", [50, 101])
def test_splits_are_disjoint_and_folds_test_everything(n: int, folds: int) -> None:
    parts = splits(n, (0.6, 0.2, 0.2), folds, np.random.default_rng(0))
    assert len(parts) == max(1, folds)
    assert len({(len(p.train), len(p.validation)) for p in parts}) == 1
    for part in parts:
        together = np.concatenate([part.train, part.validation, part.test])
        assert len(set(together)) == len(together) >= n - 1
    if folds:
        assert sorted(np.concatenate([p.test for p in parts])) == list(range(n))


def test_too_few_samples_are_declined() -> None:
    with pytest.raises(Unsupported, match="too few"):
        splits(10, (0.6, 0.2, 0.2), 0, np.random.default_rng(0))


SCALINGS: list[Scaling] = [scaling for scaling in get_args(Scaling) if scaling != "none"]


@pytest.mark.parametrize("scaling", SCALINGS)
def test_scaling_is_monotone_and_learned_from_the_training_part(scaling: Scaling) -> None:
    values = np.random.default_rng(0).standard_cauchy((200, 2))
    train = np.arange(100)
    found = scaled(values, train, scaling)
    inside = (values >= values[train].min(0)) & (values <= values[train].max(0))
    for v, f, known in zip(values.T, found.T, inside.T, strict=True):
        order = np.argsort(v[known])
        assert (np.diff(f[known][order]) > 0).all()
    changed = values.copy()
    changed[150] = 1e6
    np.testing.assert_array_equal(scaled(changed, train, scaling)[:150], found[:150])


def test_constant_columns_become_zero() -> None:
    values = np.column_stack([np.ones(50), np.arange(50.0)])
    for scaling in SCALINGS:
        found = scaled(values, np.arange(30), scaling)
        assert np.ptp(found[:, 0]) == 0
        assert np.isfinite(found).all()
