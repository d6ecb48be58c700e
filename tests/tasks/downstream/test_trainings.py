"""What holds of all three trainings: same seed same bits, paired arms, resumption, divergence, honest estimates."""

import math

import numpy as np
import pytest
import torch
from mibench.tasks.downstream import _training
from mibench.tasks.downstream.regularizer import Regularizer

from mibench.engine.grid import expand, make_grid
from mibench.errors import NotInstalled, Unsupported
from mibench.estimator import Estimate, Estimator
from mibench.registry import estimators, tasks

MINE, NONE = estimators.create("mine-ema"), estimators.create("none")

pytestmark = pytest.mark.usefixtures("scored_on_little")

TINY = {
    "gan-25gaussians": "steps=20,batch=20,generator=(16),discriminator=(16),generated=500",
    "gan-ring": "steps=10,batch=20,generator=(16),discriminator=(16),generated=500",
    "gan-spiral": "steps=10,batch=20,codes=0,code_dim=2,generator=(16),discriminator=(16),generated=500",
    "gan-stacked-digits": "steps=10,batch=20,generator=(16),discriminator=(16),generated=300,generator_steps=2",
    "bigan-digits": "steps=20,batch=20,hidden=(16)",
    "bigan-25gaussians": "steps=20,batch=20,hidden=(16)",
    "ib-digits": "steps=20,batch=20,hidden=(16),latent=4,critic_hidden=(16)",
}


def tiny(name, **changes):
    settings = dict(item.split("=") for item in TINY[name].split(","))
    settings |= {key: str(value) for key, value in changes.items()}
    return tasks.create(f"{name}[{','.join(f'{k}={v}' for k, v in settings.items())}]")


def train(name, estimator=MINE, seed=7, **changes):
    return tiny(name, **changes).train(estimator, [seed])[0]


# Every task ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("estimator", [MINE, NONE], ids=["mine", "none"])
def test_every_promised_number_curve_and_picture(name, estimator):
    task = tiny(name)
    outcome = task.train(estimator, [3])[0]
    wanted = {metric.name for metric in task.metrics}
    if name.startswith("ib"):
        wanted -= {"estimate"} if estimator is NONE else set()
    assert set(outcome.metrics) == wanted
    assert all(math.isfinite(value) for value in outcome.metrics.values())
    for curve in outcome.curves.values():
        steps = [step for step, _ in curve]
        assert steps == sorted(set(steps))
        assert steps[-1] == task.steps
    assert any(name.startswith("loss/") for name in outcome.curves)
    assert {f"metric/{name}" for name in outcome.metrics} <= set(outcome.curves)
    if estimator is MINE:
        assert "bound_on_batch" in outcome.curves
        assert {"estimate", "metric/estimate"} & set(outcome.curves)
    if not name.startswith("ib"):
        norms = {"gradient_norm/model"}
        if estimator is MINE:
            norms |= {"gradient_norm/information", "gradient_norm/information_clipped"}
        assert norms <= set(outcome.curves)
        assert set(outcome.diagnostics["floor"]) == wanted
        assert len(outcome.images) >= 2
    elif estimator is MINE:
        assert "information_plane" in outcome.images
    assert all(picture.startswith(b"\x89PNG") for picture in outcome.images.values())


@pytest.mark.parametrize("name", ["gan-25gaussians", "gan-stacked-digits", "bigan-digits", "ib-digits"])
def test_the_same_seed_gives_the_same_bits(name):
    torch.manual_seed(1)
    first = train(name)
    torch.manual_seed(2)  # the global stream plays no part
    torch.rand(5)
    again = train(name)
    assert (first.metrics, first.curves, first.images) == (again.metrics, again.curves, again.images)
    assert train(name, seed=8).metrics != first.metrics


def test_seeds_side_by_side_answer_as_alone():
    together = tiny("gan-25gaussians").train(MINE, [7, 9])
    assert together[1].metrics == train("gan-25gaussians", seed=9).metrics


@pytest.mark.parametrize("name", ["gan-25gaussians", "bigan-digits"])
def test_arms_of_a_seed_start_alike(name):
    """Weights, data and noise are paired: before any arm has had an effect, all see the same discriminator loss."""
    arms = [(NONE, {}), (MINE, {}), (estimators.create("js"), {}), (MINE, {"clipping": "unclipped"})]
    first = {train(name, arm, steps=4, **changes).curves["loss/discriminator"][0] for arm, changes in arms}
    assert len(first) == 1


def test_smile_steers_a_model_as_jensen_shannon_does():
    """Both train on the same loss; only the reported estimate differs."""
    js, smile = (train("gan-25gaussians", estimators.create(name)) for name in ("js", "smile"))
    assert js.metrics == smile.metrics
    assert js.curves["estimate"] != smile.curves["estimate"]


@pytest.mark.parametrize("name", ["mine-biased", "nwj", "infonce", "js", "smile", "club", "ba", "l1out"])
@pytest.mark.parametrize("task", ["gan-25gaussians", "gan-spiral", "bigan-digits", "ib-digits"])
def test_every_bound_can_stand_in_every_loss(name, task):
    assert all(math.isfinite(value) for value in train(task, estimators.create(name), steps=4).metrics.values())


@pytest.mark.parametrize("name", ["gan-25gaussians", "bigan-digits"])
def test_the_rules_differ(name):
    metrics = [tuple(train(name, clipping=rule).metrics.values()) for rule in ("adaptive", "unclipped", "placebo")]
    assert len(set(metrics)) == (3 if name.startswith("gan") else 2)  # the encoder's term is short at first
    assert tuple(train(name, NONE).metrics.values()) not in metrics


@pytest.mark.parametrize("name", ["gan-25gaussians", "bigan-digits"])
def test_clipping_bounds_the_information_gradient(name):
    curves = train(name).curves
    for (_, u), (_, m), (_, a) in zip(
        *(curves[f"gradient_norm/{k}"] for k in ("model", "information", "information_clipped")), strict=True
    ):
        assert a == pytest.approx(min(u, m), rel=1e-4)


def test_estimates_are_made_on_samples_the_critic_was_not_trained_on(monkeypatch):
    """Every row that reaches the reported value is compared with every row any critic step has seen before."""
    seen, reported = set(), []
    train_critic, value = Regularizer.train_critic, Regularizer.value

    def watched_training(self, x, y):
        seen.update(row.numpy().tobytes() for row in y.detach())
        return train_critic(self, x, y)

    def watched_value(self, x, y):
        reported.append(sum(row.numpy().tobytes() in seen for row in y))
        return value(self, x, y)

    monkeypatch.setattr(Regularizer, "train_critic", watched_training)
    monkeypatch.setattr(Regularizer, "value", watched_value)
    for name in ("gan-spiral", "bigan-digits", "ib-digits"):  # codes or latents are continuous, so rows are unique
        train(name)
        assert reported
        assert not any(reported)
        seen.clear()
        reported.clear()


# Resumption ----------------------------------------------------------------------------------------------------------


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("gan-25gaussians", {}),
        ("gan-25gaussians", {"clipping": "placebo"}),
        ("bigan-digits", {}),
        ("ib-digits", {"polyak": 0.9, "critic": "noisy", "decay": 0.5, "decay_every": 5, "critic_steps": 2}),
    ],
)
def test_an_interrupted_training_goes_on_where_it_stopped(name, changes, monkeypatch, tmp_path):
    whole = train(name, **changes)
    monkeypatch.setenv("MIBENCH_SCRATCH", str(tmp_path))
    monkeypatch.setattr(_training, "SAVE_EVERY", -1.0)  # after every step
    log, reached, kill_at = _training.Training.log, [], tiny(name).steps // 2

    def dying(self, step, values):
        reached.append(step)
        if step == kill_at:
            raise Killed
        log(self, step, values)

    monkeypatch.setattr(_training.Training, "log", dying)
    with pytest.raises(Killed):
        train(name, **changes)
    assert len(list(tmp_path.iterdir())) == 1
    reached.clear()
    kill_at = None
    resumed = train(name, **changes)
    assert min(reached) == tiny(name).steps // 2  # it did not begin again
    assert resumed.metrics == whole.metrics
    assert resumed.curves == whole.curves
    assert resumed.images == whole.images
    assert not list(tmp_path.iterdir())


def test_dropout_resumes_too(monkeypatch, tmp_path):
    changes = {"encoder": "deterministic", "variant": "dropout", "beta": 0.5, "polyak": 0.9}
    whole = train("ib-digits", NONE, **changes)
    monkeypatch.setenv("MIBENCH_SCRATCH", str(tmp_path))
    monkeypatch.setattr(_training, "SAVE_EVERY", -1.0)
    with monkeypatch.context() as patch:
        log = _training.Training.log

        def dying(self, step, values):
            if step == 10:
                raise Killed
            log(self, step, values)

        patch.setattr(_training.Training, "log", dying)
        with pytest.raises(Killed):
            train("ib-digits", NONE, **changes)
    assert train("ib-digits", NONE, **changes).metrics == whole.metrics


def test_other_trainings_have_other_checkpoints(monkeypatch, tmp_path):
    monkeypatch.setenv("MIBENCH_SCRATCH", str(tmp_path))
    monkeypatch.setattr(_training, "SAVE_EVERY", -1.0)
    monkeypatch.setattr(_training.Training, "outcome", lambda self, task, metrics, **_: None)  # nothing is tidied away
    for estimator, seed, changes in ((MINE, 1, {}), (MINE, 2, {}), (NONE, 1, {}), (MINE, 1, {"beta": 0.5})):
        train("gan-25gaussians", estimator, seed, steps=3, **changes)
    assert len(list(tmp_path.iterdir())) == 4


# Divergence ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gan-25gaussians", "gan-stacked-digits", "bigan-digits", "ib-digits"])
def test_divergence_ends_without_metrics_but_with_its_curves(name):
    task = tiny(name, lr=1e38)
    outcome = task.train(MINE, [0])[0]
    assert set(outcome.metrics) == {metric.name for metric in task.metrics}
    assert all(math.isnan(value) for value in outcome.metrics.values())
    assert "not finite at step" in outcome.diagnostics["diverged"]
    points = [value for curve in outcome.curves.values() for _, value in curve]
    assert points
    assert all(math.isfinite(value) for value in points)


# Tables --------------------------------------------------------------------------------------------------------------


def test_arms_and_groups():
    def named(task, estimator=MINE):
        made = tasks.create(task)
        return made.group, made.arm(estimator)

    mine = MINE.label
    assert named("gan-25gaussians") == ("gan-25gaussians", mine)
    assert named("gan-25gaussians", NONE) == ("gan-25gaussians", "none")
    assert named("gan-25gaussians[clipping=unclipped]") == ("gan-25gaussians", f"{mine}, unclipped")
    assert named("gan-25gaussians[clipping=placebo,beta=2]") == ("gan-25gaussians", f"{mine}, placebo, beta 2")
    assert named("gan-25gaussians[codes=10]") == ("gan-25gaussians[codes=10]", mine)
    assert named("gan-25gaussians[variant=perfect-sampler]", NONE) == ("gan-25gaussians", "perfect-sampler")
    assert named("bigan-digits[variant=alice-l2,beta=2]", NONE) == ("bigan-digits", "alice-l2, beta 2")
    assert named("ib-digits[encoder=deterministic]", NONE) == ("ib-digits", "none")
    assert named("ib-digits", NONE) == ("ib-digits", "noise only, gaussian")
    assert named("ib-digits[encoder=additive,noise=0.5,beta=0.01,critic_steps=10,pretraining=5]") == (
        "ib-digits",
        f"{mine}, additive, noise 0.5, beta 0.01, 10 critic steps, 5 steps of pre-training",
    )
    assert named("ib-digits[encoder=deterministic,variant=dropout,beta=0.5]", NONE)[1] == "dropout, beta 0.5"


def test_what_goes_together():
    def accepts(task, estimator):
        return tasks.create(task).accepts(estimator)

    class Boundless(Estimator):
        def estimate(self, x, y, seed=0):
            return Estimate(0.0)

    for task in ("gan-ring", "bigan-digits", "ib-digits"):
        assert accepts(task, NONE)
        assert accepts(task, MINE)
        assert not accepts(task, Boundless())
    for task in ("gan-ring[clipping=unclipped]", "gan-ring[beta=2]", "bigan-digits[clipping=placebo]"):
        assert accepts(task, MINE)
        assert not accepts(task, NONE)  # it would be the control once more
    for task in ("gan-ring[variant=perfect-sampler]", "bigan-digits[variant=alice-l2]", "ib-digits[variant=dvb]"):
        assert accepts(task, NONE)
        assert not accepts(task, MINE)
    assert not accepts("ib-digits[encoder=deterministic]", MINE)
    with pytest.raises(Unsupported, match="takes variational estimators"):
        tasks.create("gan-ring").train(Boundless(), [0])
    with pytest.raises(Unsupported, match="does not go with this setting"):
        tasks.create("ib-digits[encoder=deterministic]").train(MINE, [0])
    with pytest.raises(Unsupported, match="do not go together"):
        tasks.create("bigan-digits[variant=alice-l2]").train(MINE, [0])


@pytest.mark.parametrize("name", ["tuba", "ialpha", "flo"])
def test_bounds_with_a_second_function_are_left_out_of_the_grid(name):
    two = estimators.create(name)
    for task in ("gan-ring", "bigan-digits", "ib-digits"):
        assert not tasks.create(task).accepts(two)
    with pytest.raises(Unsupported, match="learns a second function"):
        tasks.create("gan-ring").train(two, [0])
    grid = make_grid({"estimators": ["nwj", name], "tasks": ["gan-ring"], "seeds": 1}, "test")
    assert [job.cell.estimator for job in expand(grid)] == ["nwj"]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("gan-ring[clipping=never]", "choose from adaptive, unclipped, placebo"),
        ("gan-ring[beta=0]", "greater than zero"),
        ("gan-ring[codes=1]", "2 or more, or 0"),
        ("gan-ring[batch=3,clipping=placebo]", "at least 4"),
        ("gan-stacked-digits[channels=4]", "2 .100 modes. or 3"),
        ("bigan-digits[variant=alice]", "choose from plain, alice-l2"),
        ("bigan-digits[hidden=(8 0)]", "greater than zero"),
        ("ib-digits[encoder=additive,variant=dvb]", "set encoder=gaussian"),
        ("ib-digits[variant=dropout,beta=1]", "below 1"),
        ("ib-digits[polyak=1]", "polyak"),
    ],
)
def test_nonsense_is_refused(task, message):
    with pytest.raises(ValueError, match=message):
        tasks.create(task)


@pytest.mark.parametrize("name", ["gan-25gaussians", "gan-stacked-digits", "bigan-digits"])
def test_the_perfect_sampler_is_the_floor_that_every_run_reports(name):
    perfect = train(name, NONE, variant="perfect-sampler")
    assert perfect.metrics == train(name, NONE).diagnostics["floor"]
    if name == "bigan-digits":
        assert (perfect.metrics["reconstruction"], perfect.metrics["agreement"]) == (0.0, 100.0)
        assert perfect.metrics["ssim"] == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["gan-stacked-mnist", "bigan-mnist", "bigan-celeba", "ib-mnist"])
def test_full_size_tasks_say_that_their_data_are_missing(name, monkeypatch, tmp_path):
    from mibench.tasks.downstream import data

    data.celeba.cache_clear()
    monkeypatch.setenv("MIBENCH_DATA", str(tmp_path))
    with pytest.raises(NotInstalled, match=str(tmp_path)):
        tasks.create(name).train(NONE, [0])


def test_importing_the_tasks_is_cheap():
    import subprocess
    import sys

    code = "import mibench.tasks.downstream, sys; print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]


def test_a_metric_name_is_unique_in_its_task():
    for name in ("gan-ring", "bigan-25gaussians", "bigan-celeba", "ib-mnist"):
        names = [metric.name for metric in tasks.create(name).metrics]
        assert len(names) == len(set(names))
        assert np.isin([metric.better for metric in tasks.create(name).metrics], ["lower", "higher", ""]).all()
