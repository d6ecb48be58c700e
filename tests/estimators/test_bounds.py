"""The bounds against mathematics: definitions, exact critics, and distributions where every mean is a finite sum."""

from __future__ import annotations

import itertools
import math
import pickle
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from mibench.estimators.critics import methods
from mibench.estimators.critics.bounds import (
    BA,
    CLUB,
    FLO,
    NWJ,
    SMILE,
    TUBA,
    DonskerVaradhan,
    FDime,
    IAlpha,
    InfoNCE,
    InfoNCEAnchor,
    JensenShannon,
    L1Out,
    MovingAverageDV,
    PlugIn,
    ReMINE,
)
from mibench.estimators.critics.log_means import BEND, exp_or_line, log_mean_exp, log_mean_exp_without_each
from torch import Tensor

from mibench.bound import Bound, Kind
from mibench.registry import estimators

Array = npt.NDArray[np.float64]

# Slow, obvious twins: one pair at a time, in the words of the papers --------------------------------------------------


def mean_exp(values: Array) -> float:
    return float(np.mean([math.exp(v) for v in values.ravel()]))


def softplus(value: float) -> float:
    return math.log(1 + math.exp(value))


def dv(f: Array, g: Array) -> float:
    return float(f.mean()) - math.log(mean_exp(g))


def nwj(f: Array, g: Array) -> float:
    return float(f.mean()) - mean_exp(g - 1)


def smile(tau: float) -> Callable[[Array, Array], float]:
    def value(f: Array, g: Array) -> float:
        clipped = [min(max(math.exp(v), math.exp(-tau)), math.exp(tau)) for v in g.ravel()]
        return float(f.mean()) - math.log(np.mean(clipped))

    return value


def infonce(f: Array, g: Array) -> float:
    rows = [math.log(math.exp(a) / np.mean([math.exp(v) for v in (a, *row)])) for a, row in zip(f, g, strict=True)]
    return float(np.mean(rows))


def leave_one_out(f: Array, g: Array) -> float:
    return float(np.mean([a - math.log(mean_exp(row)) for a, row in zip(f, g, strict=True)]))


def logistic(f: Array, g: Array) -> float:
    return float(np.mean([softplus(-v) for v in f]) + np.mean([softplus(v) for v in g.ravel()]))


def tuba(f: Array, g: Array, log_a: Array) -> float:
    terms = [1 + a - s - mean_exp(row) / math.exp(s) for a, row, s in zip(f, g, log_a, strict=True)]
    return float(np.mean(terms))


def flo(f: Array, g: Array, u: Array) -> float:
    terms = [1 - s - math.exp(-s) * mean_exp(row - a) for a, row, s in zip(f, g, u, strict=True)]
    return float(np.mean(terms))


def ialpha(alpha: float) -> Callable[[Array, Array, Array], float]:
    def value(f: Array, g: Array, log_a: Array) -> float:
        terms = []
        for own, row, s in zip(f, g, log_a, strict=True):

            def ratio(values: Array, a: float = math.exp(s)) -> float:
                m = mean_exp(values)
                return m / (alpha * m + (1 - alpha) * a)

            h = alpha * mean_exp(np.array([own, *row])) + (1 - alpha) * math.exp(s)
            without = [ratio(np.delete(row, k)) for k in range(len(row))]
            terms.append(1 + own - math.log(h) - (2 * ratio(row) - np.mean(without)))
        return float(np.mean(terms))

    return value


def anchor_loss(v: float) -> Callable[[Array, Array], float]:
    def loss(f: Array, g: Array) -> float:
        k = g.shape[1]
        positive = [
            -math.log(math.exp(a) / (v + math.exp(a) + np.exp(row[1:]).sum())) for a, row in zip(f, g, strict=True)
        ]
        nothing = [-math.log(v / (v + np.exp(row).sum())) for row in g]
        return float(k / (k + v) * np.mean(positive) + v / (k + v) * np.mean(nothing))

    return loss


def minus(function: Callable[..., float]) -> Callable[..., float]:
    return lambda *scores: -function(*scores)


def joint_mean(f: Array, g: Array) -> float:
    return float(f.mean())


TWINS: list[tuple[Bound, Callable[..., float], Callable[..., float]]] = [  # bound, value, loss
    (DonskerVaradhan(), dv, minus(dv)),
    (MovingAverageDV(), dv, minus(dv)),
    (ReMINE(penalty=0.3), dv, lambda f, g: -dv(f, g) + 0.3 * math.log(mean_exp(g)) ** 2),
    (NWJ(), nwj, minus(nwj)),
    (InfoNCE(), infonce, minus(infonce)),
    (JensenShannon(), lambda f, g: 1 + f.mean() - mean_exp(g), logistic),
    (SMILE(1.0), smile(1.0), logistic),
    (SMILE(5.0), smile(5.0), logistic),
    (PlugIn(), joint_mean, logistic),
    (FDime("gan"), joint_mean, logistic),
    (FDime("kl"), joint_mean, lambda f, g: mean_exp(g) - f.mean()),
    (FDime("hellinger"), joint_mean, lambda f, g: mean_exp(-f / 2) + mean_exp(g / 2)),
    (InfoNCEAnchor(), joint_mean, anchor_loss(1.0)),
    (InfoNCEAnchor(anchor=2.5), joint_mean, anchor_loss(2.5)),
    (TUBA(), tuba, minus(tuba)),
    (IAlpha(0.01), ialpha(0.01), minus(ialpha(0.01))),
    (IAlpha(0.6), ialpha(0.6), minus(ialpha(0.6))),
    (FLO(), flo, minus(flo)),
    (BA(), infonce, minus(joint_mean)),
    (L1Out(), leave_one_out, minus(joint_mean)),
    (CLUB(), lambda f, g: f.mean() - g.mean(), minus(joint_mean)),
]
BOUNDS = [bound for bound, _, _ in TWINS]


every_bound = pytest.mark.parametrize("bound", BOUNDS, ids=repr)


def random_scores(bound: Bound, shape: tuple[int, ...] = (7, 5), seed: int = 0) -> tuple[Tensor, Tensor]:
    """Joint (..., B[, 2]) and product (..., B, K) of no particular critic."""
    rng = np.random.default_rng(seed)
    product = 1.5 * rng.standard_normal(shape)
    joint = rng.standard_normal((*shape[:-1], 2) if bound.second else shape[:-1])
    return torch.from_numpy(joint), torch.from_numpy(product)


@pytest.mark.parametrize(("bound", "value", "loss"), TWINS, ids=map(repr, BOUNDS))
def test_value_and_loss_are_the_papers_formulas(
    bound: Bound, value: Callable[..., float], loss: Callable[..., float]
) -> None:
    joint, product = random_scores(bound)
    columns = (joint[:, 0], product, joint[:, 1]) if bound.second else (joint, product)
    arrays = [column.numpy() for column in columns]
    assert float(bound.value(joint, product)) == pytest.approx(value(*arrays), rel=1e-12)
    assert float(bound.loss(joint, product)[0]) == pytest.approx(loss(*arrays), rel=1e-12)


# What the contract asks of every bound --------------------------------------------------------------------------------


@every_bound
def test_rows_depend_on_their_own_scores_alone_so_chunks_do_not_matter(bound: Bound) -> None:
    joint, product = random_scores(bound, (23, 9))
    chunks = [bound.rows(j, p) for j, p in zip(torch.split(joint, 4), torch.split(product, 4), strict=True)]
    contributions = bound.contributions(joint, torch.cat(chunks))
    assert contributions.shape == (23,)
    torch.testing.assert_close(contributions.mean(), bound.value(joint, product))
    shuffled = product[:, torch.randperm(9, generator=torch.Generator().manual_seed(0))]
    torch.testing.assert_close(bound.value(joint, shuffled), bound.value(joint, product))


@every_bound
def test_a_stack_is_its_members(bound: Bound) -> None:
    joint, product = random_scores(bound, (2, 3, 7, 5))
    values = bound.value(joint, product)
    losses, state = bound.loss(joint, product)
    losses, state = bound.loss(joint.flip(0), product.flip(0), state)
    assert values.shape == losses.shape == (2, 3)
    for i, j in itertools.product(range(2), range(3)):
        torch.testing.assert_close(values[i, j], bound.value(joint[i, j], product[i, j]))
        _, alone = bound.loss(joint[i, j], product[i, j])
        loss, alone = bound.loss(joint[1 - i, j], product[1 - i, j], alone)
        torch.testing.assert_close(losses[i, j], loss)
        assert (state is None) == (alone is None)
        if state is not None and alone is not None:
            torch.testing.assert_close(state[i, j], alone)


@every_bound
def test_every_score_that_should_train_receives_a_finite_gradient(bound: Bound) -> None:
    joint, product = (scores.float().requires_grad_() for scores in random_scores(bound, (7, 5)))
    torch.autograd.backward(bound.loss(joint, product)[0])
    assert joint.grad is not None
    assert joint.grad.isfinite().all()
    assert (joint.grad != 0).all()
    if not bound.conditional:
        assert product.grad is not None
        assert product.grad.isfinite().all()
        assert (product.grad != 0).all()


@every_bound
def test_one_product_pair_per_row_is_enough(bound: Bound) -> None:
    joint, product = random_scores(bound, (7, 1))
    assert bound.value(joint, product).isfinite()
    assert bound.loss(joint, product)[0].isfinite()


def test_conditional_bounds_train_by_likelihood_and_move_a_model_by_their_value() -> None:
    for bound in (BA(), L1Out(), CLUB()):
        joint, product = random_scores(bound)
        objective, state = bound.objective(joint, product)
        assert bound.conditional
        assert state is None
        torch.testing.assert_close(objective, bound.value(joint, product))
        y_only = torch.randn(7, 1, dtype=torch.float64)  # log p(y) cancels
        torch.testing.assert_close(bound.value(joint + y_only[:, 0], product + y_only), bound.value(joint, product))


# A bound and the estimator made of it ---------------------------------------------------------------------------------


def test_every_named_bound_is_an_estimator_and_has_its_theorems_here() -> None:
    made = {cls.__dict__.get("made_of") for cls in map(estimators.factory, estimators.names()) if isinstance(cls, type)}
    assert made - {None} == {type(bound) for bound in BOUNDS}


def test_a_lower_bound_is_what_is_proved_to_be_one() -> None:
    proved = {type(bound) for bound in [*PARTITION, *LINEAR, *MULTI_SAMPLE]}
    assert {type(bound) for bound in BOUNDS if bound.kind is Kind.LOWER_BOUND} == proved
    assert {type(bound) for bound in BOUNDS if bound.kind is Kind.UPPER_BOUND} == {L1Out, CLUB}


@every_bound
def test_an_estimator_has_the_parameters_and_the_words_of_its_bound(bound: Bound) -> None:
    estimator = estimators.create(bound.registered_name, **bound.params)
    made = estimator.bound()
    assert made == bound
    assert (estimator.kind, estimator.citation, type(estimator).__doc__) == (bound.kind, bound.citation, bound.__doc__)
    assert bound.citation
    assert getattr(methods, type(estimator).__name__) is type(estimator)
    assert pickle.loads(pickle.dumps(estimator)) == estimator
    assert pickle.loads(pickle.dumps(bound)) == bound
    assert "bounds" in estimators.source(bound.registered_name)


# The exact critic of a Gaussian ---------------------------------------------------------------------------------------


def gaussian_scores(mi: float, batches: int = 400, size: int = 64, dim: int = 20) -> tuple[Tensor, Tensor]:
    """log r on all pairs of batches from a 20-dimensional Gaussian of equal correlations."""
    rho2 = 1 - math.exp(-2 * mi / dim)
    generator = torch.Generator().manual_seed(1)
    x, noise = torch.randn(2, batches, size, dim, generator=generator, dtype=torch.float64)
    y = math.sqrt(rho2) * x + math.sqrt(1 - rho2) * noise
    squares = rho2 * (x.square().sum(-1)[:, None, :] + y.square().sum(-1)[:, :, None])
    table = mi - (squares - 2 * math.sqrt(rho2) * y @ x.mT) / (2 * (1 - rho2))
    off = ~torch.eye(size, dtype=torch.bool)
    return table.diagonal(dim1=-2, dim2=-1), table[:, off].view(batches, size, size - 1)


def test_bounds_that_agree_at_their_optima() -> None:
    """Where the critic is exact, linear bounds are one function of log r, and so are the plug-in ones."""
    scores = gaussian_scores(4.0, batches=5)
    groups: list[list[Bound]] = [
        [*LINEAR],
        [PlugIn(), FDime("kl"), FDime("hellinger"), FDime("gan"), InfoNCEAnchor()],
        [InfoNCE(), IAlpha(1.0), BA()],
        [*PARTITION, SMILE(100.0)],
    ]
    for first, *others in groups:
        expected = first.value(*first.optimal_scores(*scores))
        for other in others:
            torch.testing.assert_close(other.value(*other.optimal_scores(*scores)), expected)


def test_club_at_the_truth_is_the_jeffreys_divergence() -> None:
    mi, dim = 2.0, 20
    rho2 = 1 - math.exp(-2 * mi / dim)
    jeffreys = dim * rho2 / (1 - rho2)
    values = CLUB().value(*gaussian_scores(mi))
    assert float(values.mean()) == pytest.approx(jeffreys, abs=4 * float(values.std()) / 20)


# CLUB's product varies with x as well as with y, and contributions go by y
@pytest.mark.parametrize("bound", [b for b in BOUNDS if not isinstance(b, CLUB)], ids=repr)
def test_contributions_show_the_sampling_error(bound: Bound) -> None:
    """The spread of contributions within a batch predicts the spread of values over batches (exact critic, 1 nat)."""
    joint, product = bound.optimal_scores(*gaussian_scores(1.0))
    contributions = bound.contributions(joint, bound.rows(joint, product))
    predicted = float((contributions.var(-1) / contributions.shape[-1]).mean().sqrt())
    observed = float(contributions.mean(-1).std())
    assert predicted == pytest.approx(observed, rel=0.15)


# Distributions on a few points, where expectations are finite sums ----------------------------------------------------

COUNTS = np.array([[3, 1, 0], [1, 2, 2]])  # 9 pairs: p(x, y) = COUNTS / 9, one cell impossible
P = COUNTS / COUNTS.sum()
Q = P.sum(1, keepdims=True) * P.sum(0)
MI = float(sum(p * math.log(p / q) for p, q in zip(P.ravel(), Q.ravel(), strict=True) if p > 0))
PAIRS = [(x, y) for x, y in np.ndindex(*COUNTS.shape) for _ in range(COUNTS[x, y])]
XS = [x for x, _ in PAIRS]


def log_ratio() -> Tensor:
    """log r as a table (x, y); -30 stands for the impossible cell."""
    with np.errstate(divide="ignore"):
        return torch.from_numpy(np.maximum(np.log(P / Q), -30.0))


def arbitrary(seed: int) -> Tensor:
    """A critic without rhyme or reason on the same six cells."""
    return torch.from_numpy(2 * np.random.default_rng(seed).standard_normal(COUNTS.shape))


def exact_scores(f: Tensor) -> tuple[Tensor, Tensor]:
    """Scores whose means over the joint and the product are the expectations themselves."""
    joint = torch.stack([f[x, y] for x, y in PAIRS])
    product = torch.stack([f[XS, y] for _, y in PAIRS])
    return joint, product


def enumerated_scores(f: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """A row for each joint pair and each draw of k further x, all equally likely: rows average to expectations."""
    draws = list(itertools.product(XS, repeat=k))
    joint = torch.stack([f[x, y] for x, y in PAIRS for _ in draws])
    index = torch.tensor(draws)
    product = torch.cat([f[:, y][index] for _, y in PAIRS])
    return joint, product


def with_second(bound: Bound, joint: Tensor, seed: int) -> Tensor:
    """A second function without rhyme or reason: of y alone where it must be, else of the pair."""
    rng = np.random.default_rng(seed)
    table = rng.standard_normal(COUNTS.shape if bound.second == "pair" else (1, COUNTS.shape[1]))
    values = torch.tensor([table[x if bound.second == "pair" else 0, y] for x, y in PAIRS])
    return torch.stack([joint, values.repeat_interleave(len(joint) // len(PAIRS))], -1)


PARTITION = [DonskerVaradhan(), MovingAverageDV(), ReMINE()]
LINEAR = [NWJ(), JensenShannon(), TUBA(), IAlpha(0.0), FLO()]
MULTI_SAMPLE = [InfoNCE(), BA(), IAlpha(0.01), IAlpha(0.3), IAlpha(0.9), IAlpha(1.0)]


def test_the_gap_of_donsker_varadhan_is_the_divergence_from_the_gibbs_measure() -> None:
    for seed in range(20):
        f = arbitrary(seed)
        gibbs = Q * np.exp(f.numpy())
        gibbs /= gibbs.sum()
        gap = sum(p * math.log(p / g) for p, g in zip(P.ravel(), gibbs.ravel(), strict=True) if p > 0)
        for bound in PARTITION:
            value = float(bound.value(*exact_scores(f)))
            assert value == pytest.approx(MI - gap, abs=1e-12)
            assert value < MI


def test_the_gap_of_nwj_is_that_of_donsker_varadhan_and_of_the_normalisation() -> None:
    for seed in range(20):
        joint, product = exact_scores(arbitrary(seed))
        z = float(torch.exp(product - 1).mean())
        dv_value = float(DonskerVaradhan().value(joint, product))
        assert float(NWJ().value(joint, product)) == pytest.approx(dv_value - (z - 1 - math.log(z)), abs=1e-12)


@pytest.mark.parametrize("bound", LINEAR, ids=repr)
def test_linear_bounds_are_lower_bounds_and_tight(bound: Bound) -> None:
    for seed in range(20):
        joint, product = exact_scores(arbitrary(seed))
        joint = with_second(bound, joint, seed) if bound.second else joint
        assert float(bound.value(joint, product)) < MI
    assert float(bound.value(*bound.optimal_scores(*exact_scores(log_ratio())))) == pytest.approx(MI, abs=1e-9)


@pytest.mark.parametrize(
    ("bound", "k"),
    # with K = 1 there is no row to leave one out of, and I_alpha promises nothing
    [(b, k) for b in MULTI_SAMPLE for k in (1, 2, 3) if k > 1 or not isinstance(b, IAlpha)],
)
def test_multi_sample_bounds_are_lower_bounds(bound: Bound, k: int) -> None:
    critics = [log_ratio(), 3 * log_ratio().clamp(-3), *(arbitrary(seed) for seed in range(6 if k == 3 else 20))]
    for seed, f in enumerate(critics):
        joint, product = enumerated_scores(f, k)
        joint = with_second(bound, joint, seed) if bound.second else joint
        assert float(bound.value(joint, product)) < MI


def test_the_last_term_of_ialpha_bounds_the_next_ratio_from_above() -> None:
    """2 G_K - G_{K-1} >= G_{K+1}, all three as exact expectations."""
    for seed, alpha in itertools.product(range(4), (0.01, 0.5, 0.99)):
        f, bound = arbitrary(seed), IAlpha(alpha)
        expected = []
        for k in (1, 2, 3):
            product = enumerated_scores(f, k)[1]
            expected.append(
                float(bound._ratio(log_mean_exp(product), torch.zeros(len(product), dtype=torch.float64)).mean())
            )
        product = enumerated_scores(f, 2)[1]
        term = float(bound._ratio_of_product(product, torch.zeros(len(product), dtype=torch.float64)).mean())
        assert term == pytest.approx(2 * expected[1] - expected[0], abs=1e-12)
        assert term >= expected[2] - 1e-12


@pytest.mark.parametrize("k", [1, 2, 3])
def test_upper_bounds_at_the_true_conditional(k: int) -> None:
    conditional = torch.from_numpy(np.maximum(np.log(np.maximum(P, 1e-300) / P.sum(1, keepdims=True)), -30.0))
    scores = enumerated_scores(conditional, k)
    assert float(L1Out().value(*scores)) > MI
    assert float(CLUB().value(*scores)) > MI
    assert float(BA().value(*scores)) < MI


TRAINED_TO_LOG_R = [b for b in BOUNDS if not b.conditional and not isinstance(b, (InfoNCE, IAlpha, InfoNCEAnchor))]


@pytest.mark.parametrize("bound", TRAINED_TO_LOG_R, ids=repr)
def test_the_loss_is_stationary_at_the_optimal_scores(bound: Bound) -> None:
    """The gradient in every cell of the critic's table, with the expectations themselves."""
    f = log_ratio().requires_grad_()
    joint, product = bound.optimal_scores(*exact_scores(f))
    gradient = torch.autograd.grad(bound.loss(joint, product)[0], f)[0]
    torch.testing.assert_close(gradient[COUNTS > 0], torch.zeros_like(gradient[COUNTS > 0]), atol=1e-9, rtol=0)
    worse = exact_scores(log_ratio() + 0.1 * arbitrary(0))
    assert bound.loss(*bound.optimal_scores(*worse))[0] > bound.loss(joint, product)[0]


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("bound", [InfoNCE(), InfoNCEAnchor(), InfoNCEAnchor(0.2), InfoNCEAnchor(3.0)], ids=repr)
def test_the_contrastive_losses_are_stationary_at_log_r_for_every_k(bound: Bound, k: int) -> None:
    f = log_ratio().requires_grad_()
    gradient = torch.autograd.grad(bound.loss(*enumerated_scores(f, k))[0], f)[0]
    torch.testing.assert_close(gradient[COUNTS > 0], torch.zeros_like(gradient[COUNTS > 0]), atol=1e-9, rtol=0)
    shifted = enumerated_scores(log_ratio() + torch.tensor([0.5, -0.3, 0.2], dtype=torch.float64), k)
    change = float(bound.loss(*shifted)[0] - bound.loss(*enumerated_scores(log_ratio(), k))[0])
    if isinstance(bound, InfoNCE):
        assert change == pytest.approx(0, abs=1e-12)  # any function of y may be added
    else:
        assert change > 1e-3  # the anchor forbids it


# Single facts ---------------------------------------------------------------------------------------------------------


def test_jensen_shannon_reports_no_loss_of_1_over_e_at_its_optimum() -> None:
    scores = exact_scores(log_ratio())
    assert float(JensenShannon().value(*scores)) == pytest.approx(MI, abs=1e-9)
    assert float(NWJ().value(*scores)) == pytest.approx(MI - 1 / math.e, abs=1e-9)


@pytest.mark.parametrize("scale", [0.1, 3.0, 1000.0])
def test_caps_of_the_multi_sample_bounds(scale: float) -> None:
    for seed, k in itertools.product(range(10), (1, 5, 50)):
        joint, product = random_scores(TUBA(), (8, k), seed)
        joint, product = scale * joint, scale * product
        for bound in (InfoNCE(), BA()):
            assert (bound.rows(joint[:, 0], product) <= math.log(k + 1) + 1e-9).all()
        for alpha in (0.01, 0.5, 1.0):
            assert (IAlpha(alpha).rows(joint, product) <= 1 + math.log((k + 1) / alpha) + 1e-9).all()
    certain = torch.full((4,), 1e4), torch.zeros(4, 63)
    assert float(InfoNCE().value(*certain)) == pytest.approx(math.log(64))


def test_ends_of_ialpha() -> None:
    joint, product = random_scores(TUBA(), (9, 6))
    torch.testing.assert_close(IAlpha(0.0).value(joint, product), TUBA().value(joint, product))
    torch.testing.assert_close(IAlpha(1.0).value(joint, product), InfoNCE().value(joint[:, 0], product))
    torch.testing.assert_close(IAlpha(1e-9).value(joint, product), TUBA().value(joint, product), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        IAlpha(1 - 1e-9).value(joint, product), InfoNCE().value(joint[:, 0], product), atol=1e-6, rtol=0
    )


def test_known_special_cases() -> None:
    joint, product = random_scores(NWJ(), (9, 6))
    at_one = torch.stack([joint, torch.ones_like(joint)], -1)
    torch.testing.assert_close(TUBA().value(at_one, product), NWJ().value(joint, product))
    single = product[:, :1]
    half = PlugIn().loss(joint, single)[0] / 2
    torch.testing.assert_close(InfoNCEAnchor().loss(joint, single)[0], half)
    best_u = log_mean_exp(product) - joint  # the inner maximum of FLO undoes its duality
    torch.testing.assert_close(FLO().value(torch.stack([joint, best_u], -1), product), L1Out().value(joint, product))


def test_donsker_varadhan_ignores_a_constant_and_remine_fixes_it() -> None:
    joint, product = random_scores(NWJ())
    for bound in PARTITION:
        torch.testing.assert_close(bound.value(joint + 3, product + 3), bound.value(joint, product))
    plain, penalised = DonskerVaradhan(), ReMINE(penalty=0.5)
    shift = 3 - float(log_mean_exp(product, (-2, -1)))
    joint, product = joint + shift, product + shift  # the partition is e^3
    difference = penalised.loss(joint, product)[0] - plain.loss(joint, product)[0]
    assert float(difference) == pytest.approx(0.5 * 9)


# The moving average of MINE -------------------------------------------------------------------------------------------


def test_the_moving_average_is_the_naive_one_and_starts_at_the_first_batch() -> None:
    bound, state, average = MovingAverageDV(rate=0.1), None, None
    for seed in range(30):
        joint, product = random_scores(bound, (7, 5), seed)
        product.requires_grad_()
        loss, state = bound.loss(joint, product, state)
        batch = torch.exp(product.detach()).mean()
        average = batch if average is None else 0.9 * average + 0.1 * batch
        torch.testing.assert_close(torch.exp(state), average)
        gradient = torch.autograd.grad(loss, product)[0]
        torch.testing.assert_close(gradient, torch.exp(product.detach()) / product.numel() / average)


@pytest.mark.parametrize("level", [200.0, -200.0])
def test_the_moving_average_survives_scores_whose_exponentials_do_not(level: float) -> None:
    bound, state = MovingAverageDV(), None
    for seed, offset in enumerate((level, 0.0, level, 2 * level)):
        joint, product = (s.float() + offset for s in random_scores(bound, (7, 5), seed))
        product.requires_grad_()
        loss, state = bound.loss(joint, product, state)
        gradient = torch.autograd.grad(loss, product)[0]
        assert loss.isfinite()
        assert state.isfinite()
        assert gradient.isfinite().all()
        assert float(gradient.sum()) <= 1 / bound.rate * (1 + 1e-4)
        assert bound.value(joint, product.detach()).isfinite()


def test_a_rate_of_one_is_plain_donsker_varadhan() -> None:
    state = None
    for seed in range(3):
        joint, product = random_scores(DonskerVaradhan(), (7, 5), seed)
        loss, state = MovingAverageDV(rate=1.0).loss(joint, product, state)
        torch.testing.assert_close(loss, DonskerVaradhan().loss(joint, product)[0])


EXPONENTIAL = [NWJ(), TUBA(), IAlpha(0.0), IAlpha(0.01), FLO(), FDime("kl"), FDime("hellinger")]


@pytest.mark.parametrize("level", [30.0, 200.0, 5000.0])
@pytest.mark.parametrize("bound", EXPONENTIAL, ids=repr)
def test_losses_with_exponentials_keep_finite_gradients_far_out(bound: Bound, level: float) -> None:
    """In single precision and where the exponential itself overflows; the direction is still downwards."""
    joint, product = (scores.float() for scores in random_scores(bound))
    product = (product + level).requires_grad_()
    loss = bound.loss(joint, product)[0]
    gradient = torch.autograd.grad(loss, product)[0]
    assert loss.isfinite()
    assert gradient.isfinite().all()
    assert (gradient >= 0).all()
    assert float(gradient.norm()) < 1e12  # its square does not overflow either


def test_the_exponential_for_losses_is_one_up_to_its_bend_and_convex_beyond() -> None:
    z = torch.linspace(-30, 40, 1401, dtype=torch.float64, requires_grad=True)
    value = exp_or_line(z)
    slope = torch.autograd.grad(value.sum(), z)[0]
    below = z <= BEND
    torch.testing.assert_close(value[below], torch.exp(z[below]))
    torch.testing.assert_close(slope[z < BEND], torch.exp(z[z < BEND]))
    assert (slope.diff() >= 0).all()
    torch.testing.assert_close(value[-1], math.exp(BEND) * (1 + z[-1] - BEND))


# Means in log space ---------------------------------------------------------------------------------------------------


def test_log_means_without_each_score() -> None:
    scores = torch.from_numpy(np.random.default_rng(0).standard_normal((4, 6)))
    scores[1] = 0.0
    scores[2, 3] = 60.0  # more than the precision above the rest
    scores[3] += 1000.0
    answer = log_mean_exp_without_each(scores)
    for i, k in itertools.product(range(4), range(6)):
        rest = torch.cat([scores[i, :k], scores[i, k + 1 :]])
        torch.testing.assert_close(answer[i, k], torch.logsumexp(rest, 0) - math.log(5))


@pytest.mark.parametrize(
    "bound", [NWJ(), TUBA(), IAlpha(0.3), FLO(), InfoNCE(), DonskerVaradhan(), SMILE(1.0), JensenShannon()], ids=repr
)
def test_pairs_outside_of_the_support_do_not_break_a_value(bound: Bound) -> None:
    """log r = -inf is what the exact critic says of impossible pairs, even of a whole row."""
    joint, product = torch.zeros(4), torch.zeros(4, 5)
    product[0], product[1, 2] = -math.inf, -math.inf
    assert bound.value(*bound.optimal_scores(joint, product)).isfinite()
