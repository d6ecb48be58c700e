"""Classifiers that label generated and reconstructed images: an SVC for 8x8 digits, a small CNN for larger images."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

from mibench import runtime
from mibench.datasets import Images
from mibench.estimator import Array

from .metrics import Labels, agreement

RECIPE = "2"
"""Raised when the networks or their training change, so that what was kept is not taken for what would be trained."""

Labeler: TypeAlias = Callable[[Array], Labels]
"""Images (N, channels, side, side) with pixels in [-1, 1] to labels (N,), or attributes (N, A) of 0 and 1."""


def digit_labeler(images: Images) -> Labeler:
    """A support-vector classifier with a Gaussian kernel, trained on the training images."""
    from sklearn.svm import SVC

    classifier = SVC(C=10.0, gamma="scale").fit(
        images.decode(images.train).reshape(len(images.train), -1), images.train_labels
    )
    return lambda pixels: np.asarray(classifier.predict(pixels.reshape(len(pixels), -1)))


@dataclass(frozen=True, eq=False)
class ImageLabeler:
    """A trained convolutional classifier.

    several : it labels binary attributes, not classes.
    accuracy : percentage of right labels (or attributes) among the test images.
    test_labels : what it says of the test images.
    """

    net: nn.Module
    several: bool
    accuracy: float
    test_labels: Labels

    @torch.no_grad()
    def __call__(self, pixels: Array) -> Labels:
        device = next(self.net.parameters()).device
        parts = torch.split(torch.as_tensor(pixels), 100)  # no larger than what the cache of a CPU holds
        scores = torch.cat([self.net(part.to(device)).cpu() for part in parts]).numpy()
        return (scores > 0).astype(np.int64) if self.several else scores.argmax(axis=1)


def image_labeler(images: Images, epochs: int = 6, batch: int = 128) -> ImageLabeler:
    """A convolutional classifier (of classes, or of each binary attribute), trained on the training images.

    The same images give the same classifier: it has a seed of its own. It is trained once and kept beside the data, or
    in the user's cache where nothing can be written beside them, see :func:`recall`. Four epochs on MNIST leave 1.05 %
    of the test images wrong, which is too much to judge by.
    """
    several = images.train_labels.ndim == 2
    outputs = images.train_labels.shape[1] if several else int(images.train_labels.max()) + 1
    device = torch.device(runtime.device())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = _cnn(images.channels, images.side, outputs).to(device)
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # twice as fast on a CPU
        order = torch.cat([torch.randperm(len(images.train)) for _ in range(epochs)])
    name = f"{_fingerprint(images, epochs, batch)}.npz"
    files = [folder / "labelers" / name for folder in (runtime.data_dir(), runtime.cache_dir())]
    if not any(recall(net, file) for file in files):
        _train(net, images, order, batch)
        any(keep(net, file) for file in files)  # in the first place that can be written to
    net.eval()
    labeler = ImageLabeler(net, several, 0.0, np.zeros(0, np.int64))
    found = np.concatenate([labeler(images.decode(part)) for part in np.array_split(images.test, 10) if len(part)])
    return replace(labeler, accuracy=agreement(found, images.test_labels), test_labels=found)


def _train(net: nn.Module, images: Images, order: torch.Tensor, batch: int) -> None:
    device = next(net.parameters()).device
    pixels, labels = torch.as_tensor(images.train), torch.as_tensor(images.train_labels)
    parts = torch.split(order, batch)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=len(parts))
    for chosen in parts:
        scores = net(images.decode(pixels[chosen].to(device)))
        target = labels[chosen].to(device)
        loss = F.binary_cross_entropy_with_logits(scores, target.float()) if labels.ndim == 2 else None
        loss = F.cross_entropy(scores, target) if loss is None else loss
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        falling.step()


def _fingerprint(images: Images, epochs: int, batch: int) -> str:
    """What decides the classifier: the training images with their labels, and how it is trained."""
    digest = hashlib.sha256(f"{RECIPE}/{epochs}/{batch}/{images.levels}/{images.train.shape}".encode())
    for part in (images.train, images.train_labels):
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()[:24]


def _checksum(weights: Mapping[str, npt.NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + np.ascontiguousarray(weights[name]).tobytes())
    return digest.hexdigest()


def keep(net: nn.Module, file: Path) -> bool:
    """Write the weights with their checksum, whole or not at all; False where the directory cannot be written to."""
    weights = {name: value.detach().cpu().numpy() for name, value in net.state_dict().items()}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".part", delete=False) as part:
            np.savez(part, checksum=np.array(_checksum(weights)), **weights)
        Path(part.name).replace(file)
    except OSError:
        return False
    return True


def recall(net: nn.Module, file: Path) -> bool:
    """Load weights that were kept; False where there are none, or not those that were written.

    The file holds plain arrays (nothing is unpickled), and their checksum.
    """
    try:
        with np.load(file, allow_pickle=False) as held:
            weights = {name: held[name] for name in held.files if name != "checksum"}
            right = str(held["checksum"]) == _checksum(weights)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return False
    own = net.state_dict()
    if not right or {k: v.shape for k, v in weights.items()} != {k: tuple(v.shape) for k, v in own.items()}:
        return False
    net.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
    return True


def _cnn(channels: int, side: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * (side // 4) ** 2, 128),
        nn.ReLU(),
        nn.Linear(128, outputs),
    )
