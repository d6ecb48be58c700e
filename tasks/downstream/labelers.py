"""Classifiers that label generated and reconstructed images: an SVC for 8x8 digits, a small CNN for larger images."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from mibench import runtime
from mibench.datasets import Images
from mibench.estimator import Array

from .metrics import Labels

Labeler: TypeAlias = Callable[[Array], Labels]
"""Images (N, channels, side, side) with pixels in [-1, 1] to labels (N,), or attributes (N, A) of 0 and 1."""


def digit_labeler(images: Images) -> Labeler:
    """A support-vector classifier with a Gaussian kernel, trained on the training images."""
    from sklearn.svm import SVC

    classifier = SVC(C=10.0, gamma="scale").fit(
        images.decode(images.train).reshape(len(images.train), -1), images.train_labels
    )
    return lambda pixels: np.asarray(classifier.predict(pixels.reshape(len(pixels), -1)))


def image_labeler(images: Images, epochs: int = 2, batch: int = 128) -> Labeler:
    """A convolutional classifier (of classes, or of each binary attribute), trained on the training images.

    The same images give the same classifier: it has a seed of its own.
    """
    several = images.train_labels.ndim == 2
    outputs = images.train_labels.shape[1] if several else int(images.train_labels.max()) + 1
    device = torch.device(runtime.device())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = _cnn(images.channels, images.side, outputs).to(device)
        order = torch.cat([torch.randperm(len(images.train)) for _ in range(epochs)])
    pixels, labels = torch.as_tensor(images.train), torch.as_tensor(images.train_labels)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for chosen in torch.split(order, batch):
        scores = net(images.decode(pixels[chosen].to(device)))
        target = labels[chosen].to(device)
        loss = (
            F.binary_cross_entropy_with_logits(scores, target.float()) if several else F.cross_entropy(scores, target)
        )
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
    net.eval()

    @torch.no_grad()
    def label(pixels: Array) -> Labels:
        scores = torch.cat([net(part.to(device)).cpu() for part in torch.split(torch.as_tensor(pixels), 1_000)]).numpy()
        return (scores > 0).astype(np.int64) if several else scores.argmax(axis=1)

    return label


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
