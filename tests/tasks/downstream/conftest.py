"""Shared by the tests of the downstream tasks."""

import pytest


@pytest.fixture
def scored_on_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores and pictures, most of the cost of a tiny training, are made on few samples and seldom."""
    from mibench.tasks.downstream import (
        bigan_setting,
        bigan_training,
        bottleneck_training,
        gan_training,
        metrics,
    )

    monkeypatch.setattr(metrics, "ENERGY_ROWS", 200)
    monkeypatch.setattr(gan_training, "SCORED", 200)
    for module in (bigan_setting, bigan_training):
        monkeypatch.setattr(module, "JUDGED", 200)
    for module in (gan_training, bottleneck_training):
        monkeypatch.setattr(module, "HELD_OUT", 200)
    for module in (gan_training, bigan_training, bottleneck_training):
        monkeypatch.setattr(module, "SCORES", 2)
