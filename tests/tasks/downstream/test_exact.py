"""The tasks with exact answers: what they report is true of the model, the optimum is one, and training gets nearer."""

import math
from typing import Any, cast

import numpy as np
import pytest
import torch
from mibench.tasks.downstream import exact_information as known
from mibench.tasks.downstream import models
from mibench.tasks.downstream.exact import ExactTask
from mibench.tasks.downstream.experiment import ExperimentLinear, ExperimentNonlinear, curve_gain
from mibench.tasks.downstream.leakage import LeakageBit, LeakageGaussian
from mibench.tasks.downstream.regularizer import Regularizer
from mibench.tasks.downstream.representation import RepresentationViews
from mibench.tasks.downstream.selection import mixed, searched
from mibench.tasks.downstream.training import Training

from mibench.engine.grid import expand, load_grid
from mibench.errors import Unsupported, UsageError
from mibench.estimator import Array, Estimator
from mibench.registry import estimators, tasks
from mibench.task import DownstreamTask, Outcome

NONE, INFONCE, MINE = (estimators.create(name) for name in ("none", "infonce", "mine-ema"))
SMALL: dict[str, Any] = {"steps": 6, "batch": 16, "critic_hidden": (8,), "critic_steps": 1}
HERE = "mibench.tasks.downstream."
NAMES = [
    name
    for name in tasks.names()
    if str(tasks.factory(name).__module__).startswith(HERE) and isinstance(tasks.create(name), ExactTask)
]


def created(selector: str, **changes: Any) -> DownstreamTask:
    task = tasks.create(selector, **changes)
    assert isinstance(task, DownstreamTask)
    return task


def exact(selector: str, **changes: Any) -> ExactTask:
    task = created(selector, **changes)
    assert isinstance(task, ExactTask)
    return task


def train(name: str, estimator: Estimator = INFONCE, seed: int = 3, **changes: Any) -> Outcome:
    small = {k: v for k, v in SMALL.items() if estimator is not NONE or not k.startswith("critic")}  # it has none
    return created(name, **(small | changes)).train(estimator, [seed])[0]


@pytest.fixture(autouse=True)
def few_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    from mibench.tasks.downstream import exact as module

    monkeypatch.setattr(module, "HELD_OUT", 100)
    monkeypatch.setattr(module, "CHUNKS", 2)


# All of them ---------------------------------------------------------------------------------------------------------


def test_there_are_tasks_of_every_kind() -> None:
    kinds = {name.split("-")[0] for name in NAMES}
    assert kinds == {"capacity", "experiment", "representation", "leakage"}


@pytest.mark.parametrize("name", NAMES)
def test_every_promised_number_of_every_arm(name: str) -> None:
    names = {metric.name for metric in created(name).metrics}
    about = {"estimate", "over_report", "missed"}
    for estimator, rule in ((NONE, "information"), (INFONCE, "information"), (MINE, "placebo")):
        outcome = train(name, estimator, gradient=rule)
        assert set(outcome.metrics) == (names - about if estimator is NONE else names)
        assert all(math.isfinite(value) for value in outcome.metrics.values())
        assert {f"metric/{key}" for key in outcome.metrics} <= set(outcome.curves)
        floor = outcome.diagnostics["floor"]
        assert set(floor) == names - about
        gap = next(key for key in ("gap", "regret", "above_frontier") if key in floor)
        assert floor[gap] == pytest.approx(0.0, abs=1e-9)
        assert outcome.metrics[gap] >= -1e-6  # no model is better than the best
        assert all(picture.startswith(b"\x89PNG") for picture in outcome.images.values())
    assert train(name, NONE, variant="optimum").metrics == floor


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bits_and_arms_start_alike(name: str) -> None:
    first = train(name)
    torch.rand(3)
    again = train(name)
    assert (first.metrics, first.curves) == (again.metrics, again.curves)
    untrained = dict(train(name, NONE).metrics)
    # a learning rate of nearly nothing leaves the model where it starts, whatever the bound
    if name != "experiment-nonlinear":  # which starts from several places
        still = train(name, lr=1e-12)
        assert {key: still.metrics[key] for key in untrained} == pytest.approx(untrained, abs=1e-5)


@pytest.mark.parametrize("estimator", ["mine-biased", "nwj", "js", "smile", "club", "ba", "l1out"])
@pytest.mark.parametrize("name", ["capacity-peak", "capacity-bsc", "leakage-gaussian"])
def test_other_bounds_can_guide_too(name: str, estimator: str) -> None:
    outcome = train(name, estimators.create(estimator))
    assert all(math.isfinite(value) for value in outcome.metrics.values())


def test_the_model_moves_along_the_bound_and_the_placebo_as_far_elsewhere() -> None:
    real, placebo = (
        train("experiment-linear", steps=1, gradient=rule).curves["gradient_norm"]
        for rule in ("information", "placebo")
    )
    assert placebo[0][1] == pytest.approx(real[0][1], rel=1e-4)
    assert train("experiment-linear", gradient="placebo").metrics != train("experiment-linear").metrics


@pytest.mark.parametrize(
    ("selector", "estimator", "group", "arm"),
    [
        ("capacity-awgn", NONE, "capacity-awgn", "none"),
        ("capacity-awgn[snr=1.0]", INFONCE, "capacity-awgn[snr=1.0]", "infonce"),
        ("capacity-awgn[gradient=placebo]", INFONCE, "capacity-awgn", "infonce, placebo"),
        (
            "capacity-awgn[critic_steps=5,critic_hidden=(9)]",
            MINE,
            "capacity-awgn",
            "mine-ema, critic of 9, 5 critic steps",
        ),
        ("capacity-awgn[variant=optimum]", NONE, "capacity-awgn", "optimum"),
        ("selection-gaussian[search=ranking]", INFONCE, "selection-gaussian", "infonce, ranking"),
        ("selection-gaussian[shape=cubed]", INFONCE, "selection-gaussian[shape=cubed]", "infonce"),
        ("selection-gaussian[variant=exact,search=ranking]", NONE, "selection-gaussian", "exact, ranking"),
    ],
)
def test_arms_and_groups(selector: str, estimator: Estimator, group: str, arm: str) -> None:
    task = created(selector)
    assert (task.group, task.arm(estimator)) == (group, arm)
    assert task.accepts(estimator)


@pytest.mark.parametrize("setting", ["gradient=placebo", "critic_steps=5", "critic_hidden=(9)"])
def test_the_control_stands_once_per_table(setting: str) -> None:
    assert created(f"capacity-awgn[{setting}]").accepts(INFONCE)
    assert not created(f"capacity-awgn[{setting}]").accepts(NONE)


def test_divergence_ends_without_metrics() -> None:
    outcome = train("representation-views", lr=1e38)
    assert all(math.isnan(value) for value in outcome.metrics.values())
    assert "not finite" in outcome.diagnostics["diverged"]


def test_the_preset_holds_every_task_with_a_control() -> None:
    cells = [job.cell for job in expand(load_grid("downstream_exact"))]
    assert {cell.task.split("[")[0] for cell in cells} == {*NAMES, "selection-gaussian"}
    for name in [*NAMES, "selection-gaussian"]:
        assert {"none", "infonce"} <= {cell.estimator for cell in cells if cell.task == name}


# Channels ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["capacity-awgn", "capacity-peak", "capacity-fading"])
def test_the_input_keeps_its_limit_and_what_is_sampled_is_what_is_judged(name: str) -> None:
    task = exact(name)
    torch.manual_seed(0)
    model = cast(models.GaussianChannel, task.new_model(0))
    table = model.given.table().detach()
    if name == "capacity-peak":
        assert float(table.abs().max()) <= 2.5
    else:
        assert float(table.square().mean()) == pytest.approx(10.0, rel=1e-5)
    x, y = (part.detach() for part in model.pairs(Training(1), "any", 200_000))
    assert set(x.flatten().tolist()) <= set(table.flatten().tolist())
    if y.shape[1] == 2:
        h = y[:, 1].numpy()
        assert (h**2).mean() == pytest.approx(1.0, abs=0.02)
        y = y[:, :1] - y[:, 1:] * x
        assert abs(np.corrcoef(h, y[:, 0].numpy())[0, 1]) < 0.01
    else:
        y = y - x
    assert float(y.std()) == pytest.approx(1.0, abs=0.01)
    assert abs(float((y * (x - x.mean())).mean() / x.std())) < 0.01


def test_true_information_of_a_learnt_input_against_its_samples() -> None:
    """log p(y | x) / p(y) averaged over samples of the model, with p(y) summed over the model's own levels."""
    task = exact("capacity-peak")
    torch.manual_seed(1)
    model = cast(models.GaussianChannel, task.new_model(0))
    x, y = (part.detach().double() for part in model.pairs(Training(2), "any", 20_000))
    table = model.given.table().detach().double()[:, 0]
    mixture = torch.logsumexp(-0.5 * (y - table) ** 2, dim=1) - math.log(len(table))
    pointwise = -0.5 * (y - x)[:, 0] ** 2 - mixture
    assert task.exact(model)["information"] == pytest.approx(
        float(pointwise.mean()), abs=4 * float(pointwise.std()) / 141
    )


@pytest.mark.parametrize(("name", "width"), [("capacity-bsc", 2), ("capacity-erasure", 3)])
def test_binary_channels_sample_their_tables(name: str, width: int) -> None:
    task = exact(name, start=0.3)
    model = cast(models.BitChannel, task.new_model(0))
    x, y = model.pairs(Training(0), "any", 100_000)
    assert x.shape[1] == 2
    assert y.shape[1] == width
    assert bool((x.sum(1) == 1).all() & (y.sum(1) == 1).all())
    joint = (x.T @ y / len(x)).double().numpy()
    p, e = 0.3, 0.1 if width == 2 else 0.3
    exact_joint = (
        np.array([[0.7 * (1 - e), 0.7 * e], [p * e, p * (1 - e)]])
        if width == 2
        else np.array([[0.7 * (1 - e), 0.0, 0.7 * e], [0.0, p * (1 - e), p * e]])
    )
    np.testing.assert_allclose(joint, exact_joint, atol=0.006)
    np.testing.assert_allclose(model.log_probability(torch.eye(2)).exp().detach(), [0.7, 0.3], rtol=1e-5)


def test_the_score_function_has_the_gradient_of_the_information_at_the_best_critic() -> None:
    """With log p(y | x) / p(y) for a critic, dI / dlogit = p (1 - p) (D(1) - D(0)), D(x) = KL(p(y | x) || p(y))."""
    task = exact("capacity-bsc")
    model = cast(models.BitChannel, task.new_model(0))
    p, e = 0.1, 0.1
    one = p * (1 - e) + (1 - p) * e
    log_ratio = torch.tensor([[(1 - e) / (1 - one), e / one], [e / (1 - one), (1 - e) / one]]).log()

    class Best(torch.nn.Module):
        def scores(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            matrix: torch.Tensor = y @ log_ratio.T @ x.T
            return matrix.diagonal(), matrix[~torch.eye(len(matrix), dtype=torch.bool)].view(len(matrix), -1)

    bound = INFONCE.bound()
    assert bound is not None
    critic = Best()
    critic.weight = torch.nn.Parameter(torch.zeros(1))
    regularizer = Regularizer(bound, critic, torch.optim.Adam(critic.parameters()))
    found = []
    for batch in range(100):
        x, y = model.pairs(Training(batch), "any", 1_000)
        [g] = torch.autograd.grad(task.objective(model, regularizer, x, y), [model.logit])
        found.append(float(g))
    step = 1e-5
    logit = math.log(p / (1 - p))
    up, down = (known.symmetric_information(1 / (1 + math.exp(-logit - d)), e) for d in (step, -step))
    assert np.mean(found) == pytest.approx((up - down) / (2 * step), abs=4 * float(np.std(found)) / 10)


@pytest.mark.parametrize("name", ["capacity-bsc", "capacity-awgn"])
def test_training_closes_most_of_the_gap(name: str) -> None:
    start, end = (created(name, steps=300).train(e, [0])[0].metrics["gap"] for e in (NONE, INFONCE))
    assert end < 0.4 * start


# Designs -------------------------------------------------------------------------------------------------------------


def test_the_best_linear_design_beats_random_ones_and_has_its_gain() -> None:
    task = ExperimentLinear()
    best = task.best()
    rng = np.random.default_rng(0)
    designs = rng.standard_normal((3_000, 3, 6))
    designs *= math.sqrt(3.0) / np.linalg.norm(designs, axis=(1, 2), keepdims=True)
    assert max(task.gain(design) for design in designs) < best
    powers = known.water_filling(np.array([9.0, 4.0, 1.0]), 3.0)
    assert task.gain(np.sqrt(powers)[:, None] * np.eye(3, 6)) == pytest.approx(best)


def test_linear_gain_is_the_information_of_the_samples_covariance() -> None:
    task = ExperimentLinear()
    torch.manual_seed(0)
    model = cast(models.LinearDesign, task.new_model(0))
    assert float(model.design().detach().square().sum()) == pytest.approx(3.0, rel=1e-5)
    theta, y = (part.detach().double().numpy() for part in model.pairs(Training(0), "any", 200_000))
    sampled = known.gaussian_information(np.cov(np.hstack([theta, y]).T), theta.shape[1])
    assert task.exact(model)["gain"] == pytest.approx(sampled, abs=0.01)


def test_nonlinear_gain_has_two_maxima_and_the_estimate_chooses_between_starts() -> None:
    gains = {d: curve_gain(d, 0.05, 2_048) for d in (0.0, 0.2, 0.5, 1.0)}
    assert gains[0.2] > gains[0.0]
    assert gains[0.5] < min(gains[0.2], gains[1.0])
    task = ExperimentNonlinear()
    assert task.optimum(0)["gain"] == pytest.approx(max(gains.values()), abs=1e-6)
    model = task.at(0.7)
    theta, y = model.pairs(Training(0), "any", 50_000)
    assert float((y - models.response(theta, model.design())).detach().std()) == pytest.approx(0.05, rel=0.02)
    curves = train("experiment-nonlinear").curves
    ends = [values[-1][1] for key, values in curves.items() if key.startswith("metric/start") and "estimate" in key]
    assert len(ends) == 2
    assert curves["metric/estimate"][-1][1] == max(ends)


# Views ---------------------------------------------------------------------------------------------------------------


def test_information_and_probe_of_views_against_samples() -> None:
    task = RepresentationViews(code=3, nuisance=1.5)
    torch.manual_seed(0)
    model = task.new_model(0)
    run = Training(0)
    z1, z2 = (part.detach().double().numpy() for part in model.pairs(run, "any", 200_000))
    scores = task.exact(model)
    sampled = known.gaussian_information(np.cov(np.hstack([z1, z2]).T), 3)
    assert scores["information"] == pytest.approx(sampled, abs=0.003)
    again = Training(0)
    label = again.normal("any shared", 200_000, 4).sum(1).double().numpy()
    weights = np.linalg.lstsq(z1, label, rcond=None)[0]
    assert scores["probe"] == pytest.approx(100 * float((np.sign(z1 @ weights) == np.sign(label)).mean()), abs=0.4)


def test_canonical_codes_are_best_and_whole_codes_keep_everything() -> None:
    task = RepresentationViews()
    best = task.optimum(0)
    assert best["information"] == pytest.approx(known.of_correlations(np.array([0.95, 0.9])))
    rng = np.random.default_rng(0)
    for _ in range(200):
        first, second = rng.standard_normal((2, 2, 12))
        assert task.judged(first, second)["information"] < best["information"]
    whole = RepresentationViews(code=12)
    everything = known.of_correlations(np.array(whole.correlations))
    for _ in range(5):
        first, second = rng.standard_normal((2, 12, 12))
        scores = whole.judged(first, second)
        assert scores["information"] == pytest.approx(everything)
        assert scores["probe"] == pytest.approx(whole.optimum(0)["probe"])


def test_a_code_larger_than_the_view_is_declined() -> None:
    with pytest.raises(UsageError, match="code=13 exceeds the 12 coordinates"):
        RepresentationViews(code=13)


# Leakage -------------------------------------------------------------------------------------------------------------


def test_utility_is_as_given_and_leakage_that_of_the_samples() -> None:
    task = LeakageGaussian(utility=0.7)
    torch.manual_seed(3)
    model = task.new_model(0)
    run = Training(0)
    z, secret = (part.detach().double().numpy() for part in model.pairs(run, "any", 300_000))
    useful = Training(0).normal("any useful", 300_000, 1).double().numpy()
    assert known.gaussian_information(np.cov(np.hstack([z, useful]).T), 1) == pytest.approx(0.7, abs=0.01)
    sampled = known.gaussian_information(np.cov(np.hstack([z, secret]).T), 1)
    assert task.exact(model)["leakage"] == pytest.approx(sampled, abs=0.005)
    np.testing.assert_allclose(np.corrcoef(np.hstack([useful, secret]).T)[0, 1:], [0.8, 0.5], atol=0.01)


def test_a_bit_leaks_what_it_does_in_samples_and_whoever_knows_it_gets_the_utility() -> None:
    """log p(z | s) / p(z) averaged over samples, and the correlation with U left when the bit's part is taken out."""
    task = LeakageBit(utility=0.7)
    torch.manual_seed(3)
    model = task.new_model(0)
    z, bit = (part.detach().double().numpy()[:, 0] for part in model.pairs(Training(0), "any", 300_000))
    assert set(bit) == {-1.0, 1.0}
    d = float((z * bit).mean())
    useful = Training(0).normal("any useful", 300_000, 1).double().numpy()
    both = np.hstack([(z - d * bit)[:, None], useful])
    assert known.gaussian_information(np.cov(both.T), 1) == pytest.approx(0.7, abs=0.01)
    pointwise = math.log(2.0) - np.log1p(np.exp(-2.0 * d * z * bit))
    scores = task.exact(model)
    assert scores["leakage"] == pytest.approx(float(pointwise.mean()), abs=0.004)
    assert scores["guessed"] == pytest.approx(100.0 * float((np.sign(z * d) == bit).mean()), abs=0.3)


@pytest.mark.parametrize("utility", [0.2, 0.5, 1.0, 2.0])
def test_no_direction_leaks_less_of_a_bit_than_the_best(utility: float) -> None:
    task = LeakageBit(utility=utility)
    model = cast(models.BitHidingCode, task.new_model(0))
    best = task.optimum(0)["leakage"]

    def leakage(w: Array) -> float:
        with torch.no_grad():
            model.raw.copy_(torch.as_tensor(w))
        return float(task.exact(model)["leakage"])

    rng = np.random.default_rng(0)
    assert min(leakage(w) for w in rng.standard_normal((300, 6))) >= best
    along = -np.array([0.8, 0.5]) / math.hypot(0.8, 0.5)
    taken = min(1.0, task.passed() / (math.exp(-utility) * math.hypot(0.8, 0.5)))  # all of it, or as much as is needed
    w = np.concatenate([taken * along, [math.sqrt(1.0 - taken**2), 0.0, 0.0, 0.0]])
    assert leakage(w) == pytest.approx(best, abs=1e-7)
    assert (best == 0) == (utility < 0.4)


@pytest.mark.parametrize("name", ["leakage-gaussian", "leakage-bit"])
def test_training_hides_most_of_what_need_not_leak(name: str) -> None:
    start, end = (created(name, steps=200).train(e, [0])[0].metrics for e in (NONE, INFONCE))
    assert end["above_frontier"] < 0.2 * start["above_frontier"]


# Selection -----------------------------------------------------------------------------------------------------------


def test_the_features_are_what_they_are_said_to_be() -> None:
    features = mixed(0.3)
    alone = [features.information((each,)) for each in range(12)]
    assert alone[4] == pytest.approx(0.0, abs=1e-12)  # the mask
    assert max(alone[7:]) == pytest.approx(0.0, abs=1e-12)
    assert features.information((3, 4)) > alone[3] + alone[4] + 0.1  # synergy
    for copy in (1, 2):
        assert features.information((0, copy)) == pytest.approx(alone[0], abs=1e-9)  # redundancy
    assert features.best(4) == (0, 3, 4, 5)
    x, y = features.sample(300_000, np.random.default_rng(0))
    sampled = known.gaussian_information(np.cov(np.hstack([x[:, [0, 3, 4, 5]], y]).T), 4)
    assert features.information((0, 3, 4, 5)) == pytest.approx(sampled, abs=0.01)


def test_searches_with_exact_values() -> None:
    features = mixed(0.3)

    def chosen(search: str, size: int) -> set[int]:
        return set(searched(search, 12, size, lambda subsets: [features.information(s) for s in subsets]))

    assert chosen("all", 4) == chosen("greedy", 4) == {0, 3, 4, 5}
    assert chosen("ranking", 4) == {0, 1, 2, 5}
    assert chosen("all", 3) == {0, 3, 4}
    assert chosen("greedy", 3) == {0, 3, 5}  # the mask shows its worth too late


def test_selection_by_an_estimator_that_is_right_for_gaussians() -> None:
    cca = estimators.create("cca")
    right = created("selection-gaussian").train(cca, [0])[0]
    assert right.metrics["regret"] == pytest.approx(0.0, abs=1e-9)
    assert right.metrics["hits"] == 100.0
    assert right.metrics["estimate"] == pytest.approx(right.metrics["information"], abs=0.15)
    [ranked] = created("selection-gaussian[search=ranking]").train(cca, [0])
    assert ranked.metrics["regret"] > 0.3
    exact_arm = created("selection-gaussian[variant=exact]").train(NONE, [0])[0]
    assert exact_arm.metrics == pytest.approx(exact_arm.diagnostics["floor"], abs=1e-9)


def test_cubing_changes_no_truth_and_no_rank() -> None:
    copula = estimators.create("gaussian-copula")
    plain, cubed = (created("selection-gaussian", shape=s, n=500).train(copula, [1])[0] for s in ("gaussian", "cubed"))
    assert plain.metrics == pytest.approx(cubed.metrics)


def test_a_sample_of_its_own_judges_the_chosen_features() -> None:
    """An estimate on the sample that chose the features would be that of the winner of a contest: too high."""

    class Noise(Estimator):
        """An answer that depends on the sample and on nothing that matters."""

        def estimate(self, x: Any, y: Any, seed: int = 0) -> Any:
            from mibench.estimator import Estimate

            return Estimate(float(np.abs(x).sum() * 1e3 % 1.0))

    outcome = created("selection-gaussian", n=50).train(Noise(), [0])[0]
    chosen = outcome.diagnostics["chosen"]
    x, y = mixed(0.3).sample(50, np.random.default_rng([2, 0]))
    assert outcome.metrics["estimate"] != Noise().estimate(x[:, chosen], y).mi


def test_who_may_choose() -> None:
    task = created("selection-gaussian")
    assert task.accepts(NONE)
    assert not created("selection-gaussian[search=ranking]").accepts(NONE)  # chance has no search
    assert created("selection-gaussian[search=ranking,variant=exact]").accepts(NONE)
    for name in ("oracle", "exact-critic", "zero"):
        assert not task.accepts(estimators.create(name))
    with pytest.raises(Unsupported, match="takes no estimator"):
        created("selection-gaussian[variant=exact]").train(INFONCE, [0])
