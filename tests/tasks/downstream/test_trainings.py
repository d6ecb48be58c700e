"""What holds of all the trainings: same seed same bits, paired arms, divergence, honest estimates, tables."""

import math
from typing import Any

import pytest
import torch
from mibench.tasks.downstream.regularizer import Regularizer
from mibench.tasks.downstream.selection import SelectionGaussian
from torch import Tensor

from mibench.engine.grid import expand, load_grid, make_grid, presets
from mibench.errors import Unsupported
from mibench.estimator import Array, Capabilities, Estimate, Estimator, Role
from mibench.registry import estimators, tasks
from mibench.task import DownstreamTask, Outcome

MINE, NONE = estimators.create("mine-ema"), estimators.create("none")
SMALL = {
    "steps": 20,
    "batch": 20,
    "generator": (16,),
    "discriminator": (16,),
    "hidden": (16,),
    "critic_hidden": (16,),
    "generated": 500,
}
NAMES = [
    name
    for name in tasks.names()
    if str(tasks.factory(name).__module__).startswith(("mibench.tasks.downstream.gan", "mibench.tasks.downstream.b"))
    and not any(files in name for files in ("mnist", "celeba"))
]
BOUNDS = {
    type(bound): name
    for name in estimators.names()
    if str(estimators.factory(name).__module__).startswith("mibench.estimators.")
    and (bound := estimators.create(name).bound()) is not None
}
CONTINUOUS: tuple[str, dict[str, Any]] = ("gan-spiral", {"codes": 0, "code_dim": 2})

pytestmark = pytest.mark.usefixtures("scored_on_little")


def created(selector: str, **changes: Any) -> DownstreamTask:
    task = tasks.create(selector, **changes)
    assert isinstance(task, DownstreamTask)
    return task


def tiny(name: str, **changes: Any) -> DownstreamTask:
    known = created(name).params
    return created(name, **{k: v for k, v in SMALL.items() if k in known} | changes)


def train(name: str, estimator: Estimator = MINE, seed: int = 7, **changes: Any) -> Outcome:
    return tiny(name, **changes).train(estimator, [seed])[0]


# Every GAN and bottleneck --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", [MINE, NONE], ids=["mine", "none"])
@pytest.mark.parametrize(("name", "changes"), [*((name, {}) for name in NAMES), CONTINUOUS])
def test_every_promised_number_curve_and_picture(name: str, changes: dict[str, Any], estimator: Estimator) -> None:
    task = tiny(name, **changes)
    outcome = task.train(estimator, [3])[0]
    wanted = {metric.name for metric in task.metrics} - ({"estimate"} if estimator is NONE else set())
    assert set(outcome.metrics) == wanted
    assert all(math.isfinite(value) for value in outcome.metrics.values())
    for curve in outcome.curves.values():
        steps = [step for step, _ in curve]
        assert steps == sorted(set(steps))
        assert steps[-1] == task.params["steps"]
    assert any(name.startswith("loss/") for name in outcome.curves)
    assert {f"metric/{name}" for name in outcome.metrics} <= set(outcome.curves)
    if estimator is MINE:
        assert "bound_on_batch" in outcome.curves
        assert {"estimate", "metric/estimate"} & set(outcome.curves)
    if "floor" in outcome.diagnostics:
        norms = {"gradient_norm/model"}
        if estimator is MINE:
            norms |= {"gradient_norm/information", "gradient_norm/information_clipped"}
        assert norms <= set(outcome.curves)
        assert set(outcome.diagnostics["floor"]) == wanted
        assert len(outcome.images) >= 2
    else:
        assert ("information_plane" in outcome.images) or estimator is NONE
    assert all(picture.startswith(b"\x89PNG") for picture in outcome.images.values())


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("gan-25gaussians", {"clipping": "placebo"}),
        ("gan-stacked-digits", {"generator_steps": 2}),
        ("bigan-digits", {}),
        ("ib-digits", {"polyak": 0.9, "critic": "noisy", "decay": 0.5, "decay_every": 5, "critic_steps": 2}),
    ],
)
def test_the_same_seed_gives_the_same_bits(name: str, changes: dict[str, Any]) -> None:
    torch.manual_seed(1)
    first = train(name, **changes)
    torch.manual_seed(2)  # the global stream plays no part
    torch.rand(5)
    again = train(name, **changes)
    assert (first.metrics, first.curves, first.images) == (again.metrics, again.curves, again.images)
    assert train(name, seed=8, **changes).metrics != first.metrics


def test_dropout_has_a_stream_of_its_own() -> None:
    changes: dict[str, Any] = {"encoder": "deterministic", "variant": "dropout", "beta": 0.5, "polyak": 0.9}
    first = train("ib-digits", NONE, **changes)
    torch.rand(5)
    assert train("ib-digits", NONE, **changes).curves == first.curves
    assert train("ib-digits", NONE, encoder="deterministic", polyak=0.9).curves != first.curves


def test_seeds_side_by_side_answer_as_alone() -> None:
    together = tiny("gan-25gaussians").train(MINE, [7, 9])
    assert together[1].metrics == train("gan-25gaussians", seed=9).metrics


@pytest.mark.parametrize("name", ["gan-25gaussians", "bigan-digits"])
def test_arms_of_a_seed_start_alike(name: str) -> None:
    """Weights, data and noise are paired: before any arm has had an effect, all see the same discriminator loss."""
    arms = [(NONE, "adaptive"), (MINE, "adaptive"), (estimators.create("js"), "adaptive"), (MINE, "unclipped")]
    first = {train(name, arm, steps=4, clipping=c).curves["loss/discriminator"][0] for arm, c in arms}
    assert len(first) == 1


def test_smile_steers_a_model_as_jensen_shannon_does() -> None:
    """Both train on the same loss; only the reported estimate differs."""
    js, smile = (train("gan-25gaussians", estimators.create(name)) for name in ("js", "smile"))
    assert js.metrics == smile.metrics
    assert js.curves["estimate"] != smile.curves["estimate"]


@pytest.mark.parametrize("name", [name for name in presets() if name.startswith("downstream")])
def test_no_two_arms_of_a_preset_train_on_one_loss(name: str) -> None:
    """Two bounds with one loss and one objective (``js`` and ``smile``, say) make one model twice."""
    torch.manual_seed(0)
    joint, product = torch.randn(8, requires_grad=True), torch.randn(8, 7, requires_grad=True)
    seen: dict[tuple[float, ...], str] = {}
    for job in expand(load_grid(name).replaced(seeds=[0])):
        bound = job.estimator.bound()
        if bound is None or isinstance(job.task, SelectionGaussian):
            continue
        loss, state = bound.loss(joint, product)
        key = [float(state is not None)]  # a first batch hides what a moving average does later
        for part in (joint, product):  # a conditional bound's critic is trained on the joint alone
            [found] = torch.autograd.grad(loss, [part], retain_graph=True, allow_unused=True)
            key += [] if found is None else found.flatten().tolist()
        assert seen.setdefault(tuple(key), job.cell.estimator) == job.cell.estimator


@pytest.mark.parametrize("estimator", [name for bound, name in BOUNDS.items() if not bound.second])
@pytest.mark.parametrize(("name", "changes"), [("gan-ring", {}), CONTINUOUS, ("bigan-digits", {}), ("ib-digits", {})])
def test_every_bound_can_stand_in_every_loss(name: str, changes: dict[str, Any], estimator: str) -> None:
    outcome = train(name, estimators.create(estimator), steps=4, **changes)
    assert all(math.isfinite(value) for value in outcome.metrics.values())


@pytest.mark.parametrize("name", ["gan-25gaussians", "bigan-digits"])
def test_the_rules_differ(name: str) -> None:
    metrics = [tuple(train(name, clipping=rule).metrics.values()) for rule in ("adaptive", "unclipped", "placebo")]
    assert len(set(metrics)) == (3 if name.startswith("gan") else 2)  # the encoder's term is short at first
    assert tuple(train(name, NONE).metrics.values()) not in metrics


def test_estimates_are_made_on_samples_the_critic_was_not_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row that reaches the reported value is compared with every row any critic step has seen before."""
    seen: set[bytes] = set()
    reported: list[int] = []
    train_critic, value = Regularizer.train_critic, Regularizer.value

    def watched_training(self: Regularizer, x: Tensor, y: Tensor) -> None:
        seen.update(row.numpy().tobytes() for row in y.detach())
        train_critic(self, x, y)

    def watched_value(self: Regularizer, x: Tensor, y: Tensor) -> float:
        reported.append(sum(row.numpy().tobytes() in seen for row in y))
        return float(value(self, x, y))

    monkeypatch.setattr(Regularizer, "train_critic", watched_training)
    monkeypatch.setattr(Regularizer, "value", watched_value)
    for name, changes in (CONTINUOUS, ("bigan-digits", {}), ("ib-digits", {})):  # codes are continuous: rows are unique
        train(name, **changes, steps=10)
        assert reported
        assert not any(reported)
        seen.clear()
        reported.clear()


@pytest.mark.parametrize("name", ["gan-25gaussians", "gan-stacked-digits", "bigan-digits", "ib-digits"])
def test_divergence_ends_without_metrics_but_with_its_curves(name: str) -> None:
    task = tiny(name, lr=1e38)
    outcome = task.train(MINE, [0])[0]
    assert set(outcome.metrics) == {metric.name for metric in task.metrics}
    assert all(math.isnan(value) for value in outcome.metrics.values())
    assert "not finite at step" in outcome.diagnostics["diverged"]
    points = [value for curve in outcome.curves.values() for _, value in curve]
    assert points
    assert all(math.isfinite(value) for value in points)


@pytest.mark.parametrize("name", ["gan-25gaussians", "gan-stacked-digits", "bigan-digits"])
def test_the_perfect_sampler_is_the_floor_that_every_run_reports(name: str) -> None:
    perfect = train(name, NONE, variant="perfect-sampler")
    assert perfect.metrics == train(name, NONE).diagnostics["floor"]
    if name == "bigan-digits":
        assert (perfect.metrics["reconstruction"], perfect.metrics["agreement"]) == (0.0, 100.0)
        assert perfect.metrics["ssim"] == pytest.approx(1.0)


# Tables --------------------------------------------------------------------------------------------------------------


class Nothing(Estimator):
    """It has no bound."""

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        return Estimate(0.0)


class AnotherControl(Nothing):
    registered_name = "bare"
    capabilities = Capabilities(role=Role.CONTROL)


@pytest.mark.parametrize(
    ("task", "estimator", "group", "arm"),
    [
        ("gan-25gaussians", MINE, "gan-25gaussians", MINE.label),
        ("gan-25gaussians", NONE, "gan-25gaussians", "none"),
        ("gan-25gaussians", AnotherControl(), "gan-25gaussians", "bare"),
        ("gan-25gaussians[clipping=unclipped]", MINE, "gan-25gaussians", f"{MINE.label}, unclipped"),
        ("gan-25gaussians[clipping=placebo,beta=2]", MINE, "gan-25gaussians", f"{MINE.label}, placebo, beta 2"),
        ("gan-25gaussians[codes=10]", MINE, "gan-25gaussians[codes=10]", MINE.label),
        ("gan-25gaussians[variant=perfect-sampler]", NONE, "gan-25gaussians", "perfect-sampler"),
        ("bigan-digits[variant=alice-l2,beta=2]", NONE, "bigan-digits", "alice-l2, beta 2"),
        ("ib-digits[encoder=deterministic]", NONE, "ib-digits", "none"),
        ("ib-digits", NONE, "ib-digits", "noise only, gaussian"),
        (
            "ib-digits[encoder=additive,noise=0.5,beta=0.01,critic_steps=10,pretraining=5]",
            MINE,
            "ib-digits",
            f"{MINE.label}, additive, noise 0.5, beta 0.01, 10 critic steps, 5 steps of pre-training",
        ),
        ("ib-digits[encoder=deterministic,variant=dropout,beta=0.5]", NONE, "ib-digits", "dropout, beta 0.5"),
    ],
)
def test_arms_and_groups(task: str, estimator: Estimator, group: str, arm: str) -> None:
    made = created(task)
    assert (made.group, made.arm(estimator)) == (group, arm)


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("gan-ring[variant=perfect-sampler]", "do not go together"),
        ("bigan-digits[variant=alice-l2]", "do not go together"),
        ("ib-digits[variant=dvb]", "do not go together"),
        ("ib-digits[encoder=deterministic]", "does not go with this setting"),
    ],
)
def test_losses_without_room_for_an_estimator_take_the_control(task: str, reason: str) -> None:
    made = created(task)
    assert made.accepts(NONE)
    assert not made.accepts(MINE)
    with pytest.raises(Unsupported, match=reason):
        made.train(MINE, [0])


@pytest.mark.parametrize("task", ["gan-ring[clipping=unclipped]", "gan-ring[beta=2]", "bigan-digits[clipping=placebo]"])
def test_where_nothing_is_clipped_or_weighed_the_control_stands_but_once(task: str) -> None:
    assert created(task).accepts(MINE)
    assert not created(task).accepts(NONE)
    assert not created(task).accepts(AnotherControl())


@pytest.mark.parametrize("name", ["gan-ring", "bigan-digits", "ib-digits"])
def test_the_plain_loss_takes_the_control_and_bounds_with_a_critic_alone(name: str) -> None:
    task = created(name)
    assert all(task.accepts(each) for each in (NONE, AnotherControl(), MINE))
    assert not task.accepts(Nothing())
    with pytest.raises(Unsupported, match="takes variational estimators"):
        task.train(Nothing(), [0])


@pytest.mark.parametrize("name", [name for bound, name in BOUNDS.items() if bound.second])
def test_bounds_with_a_second_function_are_left_out_of_the_grid(name: str) -> None:
    with pytest.raises(Unsupported, match="learns a second function"):
        created("gan-ring").train(estimators.create(name), [0])
    grid = make_grid({"estimators": ["nwj", name], "tasks": ["gan-ring"], "seeds": 1}, "test")
    assert [job.cell.estimator for job in expand(grid)] == ["nwj"]
