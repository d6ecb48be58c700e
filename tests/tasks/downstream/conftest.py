"""Shared by the tests of the downstream tasks."""

import pytest


@pytest.fixture
def scored_on_little(monkeypatch):
    """Scores and pictures, most of the cost of a tiny training, are made on few samples and seldom."""
    from mibench.tasks.downstream import _bigan, _bottleneck, _gan, metrics

    monkeypatch.setattr(metrics, "ENERGY_ROWS", 200)
    monkeypatch.setattr(_gan, "SCORED", 200)
    for module in (_gan, _bottleneck):
        monkeypatch.setattr(module, "HELD_OUT", 200)
    monkeypatch.setattr(_bigan, "JUDGED", 200)
    for module in (_gan, _bigan, _bottleneck):
        monkeypatch.setattr(module, "SCORES", 2)
