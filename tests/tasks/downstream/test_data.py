"""Loaders on tiny files in the real formats, and one short training of each full-size task on them."""

import io
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mibench.tasks.downstream import convolutional, data, figures, labelers, metrics, nets
from mibench.tasks.downstream.gan_stacked import GanStackedMnist, GanStackedMnistUnrolled, StackedGanTask
from mibench.tasks.downstream.training import Training
from PIL import Image

from mibench import datasets
from mibench.errors import NotInstalled
from mibench.image_files import write_idx
from mibench.registry import estimators, tasks
from mibench.task import DownstreamTask, Outcome


def created(selector: str) -> DownstreamTask:
    task = tasks.create(selector)
    assert isinstance(task, DownstreamTask)
    return task


def train(selector: str, estimator: str) -> Outcome:
    return created(selector).train(estimators.create(estimator), [0])[0]


@pytest.fixture
def mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sixty upscaled digits for training and forty for tests, in idx files."""
    monkeypatch.setenv("MIBENCH_DATA", str(tmp_path))
    digits = data.digits(60, 0)
    folder = tmp_path / "mnist"
    folder.mkdir()
    parts = {"train": (digits.train, digits.train_labels), "t10k": (digits.test[:40], digits.test_labels[:40])}
    for name, (pixels, labels) in parts.items():
        large = np.zeros((len(pixels), 28, 28), np.uint8)
        large[:, 2:26, 2:26] = (pixels[:, 0] * np.uint8(15)).repeat(3, axis=1).repeat(3, axis=2)
        write_idx(folder / f"{name}-images-idx3-ubyte.gz", large)
        write_idx(folder / f"{name}-labels-idx1-ubyte", labels.astype(np.uint8))
    return tmp_path


@pytest.fixture
def celeba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve portraits of 178 x 218 with flat colours, and the two lists in their published format."""
    monkeypatch.setenv("MIBENCH_DATA", str(tmp_path))
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    names = [f"{i:06d}.jpg" for i in range(1, 13)]
    for i, name in enumerate(names):
        pixels = np.zeros((218, 178, 3), np.uint8)
        pixels[55:163, 35:143] = (20 * i, 100, 200)  # the centre square of 108 pixels
        Image.fromarray(pixels).save(folder / "img_align_celeba" / name, quality=95)
    titles = " ".join(f"Attribute_{k}" for k in range(40))
    rows = [f"{name} " + " ".join(" 1" if (i + k) % 2 else "-1" for k in range(40)) for i, name in enumerate(names)]
    (folder / "list_attr_celeba.txt").write_text("\n".join([str(len(names)), titles, *rows]) + "\n")
    parts = [0] * 8 + [1] * 1 + [2] * 3
    text = "".join(f"{name} {part}\n" for name, part in zip(names, parts, strict=True))
    (folder / "list_eval_partition.txt").write_text(text)
    return folder


def test_celeba_is_cropped_resized_and_labelled(celeba: Path) -> None:
    images = data.celeba()
    assert (images.train.shape, images.test.shape) == ((8, 3, 64, 64), (3, 3, 64, 64))
    assert images.train_labels.shape == (8, 40)
    np.testing.assert_array_equal(images.train_labels, (np.arange(8)[:, None] + np.arange(40)) % 2)
    # the square is all there is in the crop, and the image set aside for validation is left out
    for i, pixels in ((3, images.train[3]), (9, images.test[0])):
        np.testing.assert_allclose(pixels.reshape(3, -1).mean(axis=1), [20 * i, 100, 200], atol=4)
        assert pixels[:, 8:-8, 8:-8].std(axis=(1, 2)).max() < 3  # JPEG blurs the edge


def test_celeba_without_some_of_its_files(celeba: Path) -> None:
    lost = {"img_align_celeba/000002.jpg": r"1 of the images .*000002\.jpg", "list_eval_partition.txt": "txt missing"}
    for name, message in lost.items():
        (celeba / name).unlink()
        with pytest.raises(NotInstalled, match=message):
            data.celeba()


def test_mnist_from_its_files(mnist: Path) -> None:
    images = data.mnist()
    assert (images.train.shape, images.test.shape) == ((60, 1, 28, 28), (40, 1, 28, 28))
    decoded = images.decode(torch.as_tensor(images.train))
    assert decoded.dtype == torch.float32
    assert float(decoded.min()) == -1.0
    assert float(decoded.max()) == pytest.approx(15 * 16 / 255 * 2 - 1, abs=1e-6)


TINY_MNIST = [
    "gan-stacked-mnist[steps=2,batch=8,width=4,stacks=50,generated=100,generator_steps=1]",
    "gan-stacked-mnist-unrolled[steps=2,batch=8,width=4,code_dim=6,stacks=50,generated=100]",
    "bigan-mnist[steps=2,batch=8,width=4,hidden=(16),latent=4,noise=4]",
    "ib-mnist[steps=2,batch=8,hidden=(16),latent=4,critic_hidden=(16)]",
]
TINY_CELEBA = "bigan-celeba[steps=2,batch=4,width=4,hidden=(16),latent=4,noise=4]"


@pytest.mark.usefixtures("mnist", "celeba", "scored_on_little")
@pytest.mark.parametrize("estimator", ["mine-ema", "club", "none"])
@pytest.mark.parametrize("task", [*TINY_MNIST, TINY_CELEBA])
def test_full_size_trainings_on_tiny_files(task: str, estimator: str) -> None:
    outcome = train(task, estimator)
    names = {metric.name for metric in created(task).metrics}
    assert set(outcome.metrics) == names - ({"estimate"} if estimator == "none" else set())
    assert all(math.isfinite(value) for value in outcome.metrics.values())
    assert ("labeler_accuracy" in outcome.diagnostics) == (not task.startswith("ib"))


# Digits, stacks, planes ----------------------------------------------------------------------------------------------


def test_digits_are_split_by_seed() -> None:
    first, again, other = data.digits(500, 1), data.digits(500, 1), data.digits(500, 2)
    assert (len(first.train), len(first.test), first.levels) == (500, 1_297, 16)
    np.testing.assert_array_equal(first.train, again.train)
    assert (first.train != other.train).any()
    every = np.concatenate([first.train, first.test]).reshape(1_797, -1)
    whole = datasets.load("digits").train.reshape(1_797, -1)
    assert sorted(map(bytes, every)) == sorted(map(bytes, whole))


def test_stacks_hold_single_images() -> None:
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 2, 2), np.uint8)
    stacks = data.stack(images, 3, 400, np.random.default_rng(0))
    assert stacks.shape == (400, 3, 2, 2)
    assert (stacks == stacks[:, :, :1, :1]).all()
    assert len(np.unique(data.modes_of(stacks[:, :, 0, 0].astype(int)))) > 100  # of 125


@pytest.mark.parametrize("plane", [data.grid25(), data.ring(), data.spiral()], ids=["grid", "ring", "spiral"])
def test_planes_sample_their_noise_and_use_every_mode(plane: data.Plane) -> None:
    points = plane.sample(20_000, np.random.default_rng(0))
    counts = plane.count(points)
    assert counts.captured == plane.modes
    expected = len(points) / plane.modes
    assert np.abs(counts.nearest - expected).max() < 5 * np.sqrt(expected)


def test_spiral_is_uniform_along_its_arc() -> None:
    """Radius grows as the square root of the arc, so the outer turn holds three quarters of the points."""
    radius = np.linalg.norm(data.spiral().sample(20_000, np.random.default_rng(0)), axis=1)
    assert np.mean(radius > 2.0) == pytest.approx(0.74, abs=0.02)


# Labelling -----------------------------------------------------------------------------------------------------------


def test_digit_labeler_is_good_enough_to_judge_by() -> None:
    images = data.digits(1_297, 0)
    labels = labelers.digit_labeler(images)(images.decode(images.test))
    assert metrics.agreement(labels, images.test_labels) > 97.0


def test_image_labeler_learns_and_is_the_same_each_time(mnist: Path) -> None:
    images = data.mnist()
    torch.manual_seed(0)
    first = labelers.image_labeler(images, epochs=16, batch=10)
    torch.manual_seed(1)
    again = labelers.image_labeler(images, epochs=16, batch=10)
    labels = first(images.decode(images.train))
    np.testing.assert_array_equal(labels, again(images.decode(images.train)))
    assert metrics.agreement(labels, images.train_labels) > 90.0
    np.testing.assert_array_equal(first.test_labels, first(images.decode(images.test)))
    assert first.accuracy == metrics.agreement(first.test_labels, images.test_labels)


def test_image_labeler_is_trained_once_and_kept(mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = data.mnist()
    made = labelers.image_labeler(images, batch=10)
    [file] = (mnist / "labelers").iterdir()
    trained: list[int] = []
    train_anew = labelers._train

    def counted(*args: Any) -> None:
        trained.append(1)
        train_anew(*args)

    monkeypatch.setattr(labelers, "_train", counted)

    def weights(labeler: labelers.ImageLabeler) -> bytes:
        return b"".join(value.numpy().tobytes() for value in labeler.net.state_dict().values())

    kept = labelers.image_labeler(images, batch=10)
    assert not trained
    assert (weights(kept), kept.accuracy) == (weights(made), made.accuracy)
    labelers.image_labeler(images, batch=20)  # another training is another classifier
    assert len(trained) == 1
    whole = file.read_bytes()
    for spoilt in (whole[: len(whole) // 2], b"", whole[:-5_000] + bytes(1) + whole[-4_999:]):
        trained.clear()
        file.write_bytes(spoilt)
        assert weights(labelers.image_labeler(images, batch=10)) == weights(made)
        assert len(trained) == 1
        assert file.read_bytes() == whole  # mended


def test_weights_that_do_not_match_their_checksum_are_not_used(tmp_path: Path) -> None:
    first, second = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    file = tmp_path / "somewhere" / "new.npz"
    assert not labelers.recall(first, file)
    labelers.keep(first, file)
    assert labelers.recall(second, file)
    assert torch.equal(first.weight, second.weight)
    held = dict(np.load(file))
    np.savez(file, **(held | {"bias": held["bias"] + 1}))
    assert not labelers.recall(second, file)
    np.savez(file, **(held | {"bias": np.array(["x"], dtype=object)}))  # would need unpickling
    assert not labelers.recall(second, file)
    labelers.keep(first, file)
    assert not labelers.recall(torch.nn.Linear(4, 2), file)


def test_a_data_directory_that_cannot_be_written_to_is_let_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    assert not labelers.keep(torch.nn.Linear(3, 2), tmp_path / "file" / "below.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_beside_data_that_cannot_be_written_to_the_labeler_is_kept_in_the_cache(
    mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (mnist / "labelers").write_text("no directory")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    images = data.mnist()
    made = labelers.image_labeler(images, batch=10)
    assert len(list((tmp_path / "home" / ".cache" / "mibench" / "labelers").iterdir())) == 1
    monkeypatch.setattr(labelers, "_train", None)  # not called again
    assert labelers.image_labeler(images, batch=10).accuracy == made.accuracy


def test_image_labeler_of_attributes(celeba: Path) -> None:
    images = data.celeba()
    labels = labelers.image_labeler(images, epochs=2, batch=4)(images.decode(images.test))
    assert labels.shape == (3, 40)
    assert set(np.unique(labels)) <= {0, 1}


# Networks and pictures -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "side"), [(3, 28), (1, 28), (3, 64), (1, 16)])
def test_convolutional_nets_fit_together(channels: int, side: int) -> None:
    z = torch.randn(4, 6)
    images = convolutional.dcgan_generator(6, channels, side, width=4)(z)
    assert images.shape == (4, channels, side, side)
    assert float(images.detach().abs().max()) <= 1.0
    features, size = convolutional.dcgan_features(channels, side, width=4)
    assert features(images).shape == (4, size)
    assert convolutional.ConditionedConv(channels, side, 6, width=4)(images, z).shape == (4, 1)


def test_conditioned_critic_hears_the_code_in_every_block() -> None:
    torch.manual_seed(0)
    critic = convolutional.ConditionedConv(1, 28, 5, width=4)
    images, code = torch.randn(3, 1, 28, 28), torch.randn(3, 5)
    whole = critic(images, code)
    for linear in critic.maps:
        weight = linear.weight.detach().clone()
        linear.weight.data.zero_()
        assert not torch.equal(critic(images, code), whole)
        linear.weight.data.copy_(weight)


@pytest.mark.parametrize(("size", "parts"), [("whole", 1), ("half", 2), ("quarter", 4)])
def test_the_discriminator_of_stacked_mnist_may_be_smaller_than_the_generator(size: str, parts: int) -> None:
    task = created(f"gan-stacked-mnist[width=16,discriminator_size={size}]")
    assert isinstance(task, GanStackedMnist)
    convolutions = [layer for layer in task.new_discriminator().modules() if isinstance(layer, torch.nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [16 // parts, 32 // parts]
    assert task.group == ("gan-stacked-mnist[width=16]" if parts == 1 else task.label)
    assert task.new_generator()(torch.zeros(2, 100)).shape == (2, 3, 28, 28)


@pytest.mark.parametrize(("size", "channels"), [("whole", [8, 16, 32]), ("half", [4, 8, 16]), ("quarter", [2, 4, 8])])
def test_the_networks_of_unrolled_gan_have_their_published_channels(size: str, channels: list[int]) -> None:
    task = created(f"gan-stacked-mnist-unrolled[discriminator_size={size}]")
    assert isinstance(task, GanStackedMnistUnrolled)
    generator, discriminator = task.new_generator(), task.new_discriminator()
    images = generator(torch.zeros(2, 256))
    assert images.shape == (2, 3, 28, 28)
    assert float(images.detach().abs().max()) <= 1.0
    assert discriminator(images).shape == (2, 1)
    convolutions = [layer for layer in discriminator.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == channels
    layers = [layer for layer in generator.modules() if isinstance(layer, (torch.nn.ConvTranspose2d, torch.nn.Conv2d))]
    assert [(layer.in_channels, layer.out_channels) for layer in layers] == [(64, 32), (32, 16), (16, 8), (8, 3)]


def test_the_optimizers_of_unrolled_gan_are_of_two_rates() -> None:
    task = created("gan-stacked-mnist-unrolled")
    assert isinstance(task, GanStackedMnistUnrolled)
    made = task.new_optimizers(task.new_generator(), task.new_discriminator())
    assert [optimizer.param_groups[0]["lr"] for optimizer in made] == [1e-4, 2e-4]
    assert {optimizer.param_groups[0]["betas"] for optimizer in made} == {(0.5, 0.99)}


@pytest.mark.usefixtures("mnist")
def test_stacks_put_together_when_drawn_are_those_put_together_before() -> None:
    images = data.mnist()
    fresh, before = (created(f"{name}[stacks=30]") for name in ("gan-stacked-mnist-unrolled", "gan-stacked-mnist"))
    assert isinstance(fresh, GanStackedMnistUnrolled)
    assert isinstance(before, GanStackedMnist)
    numbers, decode = fresh.training_stacks(images, 7)
    pixels, same = before.training_stacks(images, 7)
    assert torch.equal(decode(numbers), same(pixels))


def test_codes_of_unrolled_gan_are_normal() -> None:
    task = created("gan-stacked-mnist-unrolled")
    assert isinstance(task, GanStackedMnistUnrolled)
    inputs, code = task.draw_inputs(Training(0), "any", 4_000)
    assert torch.equal(inputs, code)
    assert float(code.mean()) == pytest.approx(0.0, abs=0.01)
    assert float((code**4).mean()) == pytest.approx(3.0, abs=0.1)


def test_real_stacks_are_rated_as_if_they_were_made() -> None:
    task = created("gan-stacked-digits[channels=3]")
    assert isinstance(task, StackedGanTask)
    problem = task.problem(3)
    drawn = problem.real(3_000, np.random.default_rng([3, 5]))
    assert problem.floor(3_000, 5) == pytest.approx(problem.score(drawn), rel=1e-9)


def test_published_figures_stand_beside_the_published_setting_only() -> None:
    def published(selector: str) -> bool:
        return any(metric["published"] for metric in created(selector).facts()["metric_info"])

    # the weight and the encoder are of the arm, not of the setting
    assert published("ib-mnist[beta=1e-2,encoder=additive]")
    assert not published("ib-mnist[steps=600]")
    assert published("gan-stacked-mnist[clipping=unclipped]")
    assert not published("gan-stacked-mnist[discriminator_size=half]")


def test_noise_and_dropout_come_from_their_own_streams_and_stop_for_tests() -> None:
    x = torch.ones(1_000, 4)
    stream = torch.Generator().manual_seed(0)
    for layer in (nets.Noise(0.5, stream), nets.Dropout(0.25, stream)):
        state = torch.get_rng_state()
        out = layer(x)
        assert torch.equal(torch.get_rng_state(), state)
        assert float(out.mean()) == pytest.approx(1.0, abs=0.05)
        assert not torch.equal(out, x)
        assert torch.equal(layer.eval()(x), x)


def test_tiles_put_every_image_in_its_place() -> None:
    images = np.linspace(0, 1, 6)[:, None, None, None] * np.ones((1, 1, 2, 2))
    picture = np.asarray(Image.open(io.BytesIO(figures.tiles(images, columns=3, scale=1))))
    assert picture.shape == (7, 10)
    shown = [picture[3 * (i // 3) + 1, 3 * (i % 3) + 1] for i in range(6)]
    np.testing.assert_array_equal(shown, np.round(np.linspace(0, 255, 6)))


def test_missing_data_are_noticed_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIBENCH_DATA", str(tmp_path))
    start = time.process_time()
    for name in ("gan-stacked-mnist", "gan-stacked-mnist-unrolled", "bigan-mnist", "bigan-celeba", "ib-mnist"):
        with pytest.raises(NotInstalled, match=str(tmp_path)):
            train(name, "none")
    assert time.process_time() - start < 5
