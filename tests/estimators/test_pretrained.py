"""Networks that others trained: what they are given, what is made of their answers, and what is said without them.

Stand-ins have the interface of the published code: ``MISTForHF`` of mist-statinf 0.1.1, and ``infer.py`` of InfoNet at
the commit a7aff8e.
"""

from __future__ import annotations

import json
import math
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mibench.estimators import pretrained
from mibench.estimators.pretrained import MIST, InfoNet

from mibench import runtime
from mibench.errors import NotInstalled, Unsupported, UsageError
from mibench.estimator import Array
from mibench.registry import estimators

from .conftest import correlated


@pytest.fixture(autouse=True)
def data(tmp_path: Path) -> Iterator[Path]:
    """An empty data directory, and no network from elsewhere."""
    pretrained._mist.cache_clear()
    pretrained._infonet.cache_clear()
    with runtime.using(data_dir=tmp_path):
        yield tmp_path


class MISTForHF(torch.nn.Module):
    """Gaussian information of 2 d columns, the second half against the first, times the weight in ``config.json``."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(weight))

    @classmethod
    def from_pretrained(cls, folder: str) -> MISTForHF:
        return cls(json.loads((Path(folder) / "config.json").read_text())["weight"])

    def estimate_point(self, x: Array, y: Array, tau: float | None = None) -> float:
        assert not self.training and tau is None
        rows = torch.tensor(np.concatenate([x, y], axis=1), dtype=torch.float32, device=self.scale.device)
        dim = rows.shape[1] // 2
        whole = torch.linalg.slogdet(torch.cov(rows.T))[1]
        halves = [torch.log(torch.var(rows[:, i])) for i in range(2 * dim)]
        return float(0.5 * self.scale.detach() * (sum(halves) - whole))

    def estimate_interval_qr(
        self, x: Array, y: Array, lower: float = 0.05, upper: float = 0.95, include_median: bool = True
    ) -> dict[str, float]:
        middle = self.estimate_point(x, y)
        return {"lower": lower * middle, "upper": 2 * upper * middle, "median": middle}


@pytest.fixture
def mist(data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = types.ModuleType("mist_statinf")
    package.MISTForHF = MISTForHF  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mist_statinf", package)
    for name, weight in (("mist", 1.0), ("mist-qr", 0.5)):
        (data / name).mkdir()
        (data / name / "config.json").write_text(json.dumps({"weight": weight}))
        (data / name / "model.safetensors").write_bytes(b"")
    return data


def test_mist_answers_in_nats(mist: Path) -> None:
    """The first columns are x and the others y: within a side nothing correlates, so only that makes 3 pairs."""
    x, y = correlated(400, 0.8, 3)
    found = MIST().estimate(x, y)
    assert found.mi == pytest.approx(-1.5 * math.log(1 - 0.64), abs=0.15)
    assert found.stderr is None
    assert "beyond_training" not in found.diagnostics


def test_the_median_has_its_own_weights_and_quantiles(mist: Path) -> None:
    x, y = correlated(400, 0.8)
    mean, median = MIST().estimate(x, y), MIST(head="median").estimate(x, y)
    assert median.mi == pytest.approx(0.5 * mean.mi)
    assert median.diagnostics["lower"] == pytest.approx(0.05 * median.mi)
    assert median.diagnostics["upper"] == pytest.approx(1.9 * median.mi)


def test_mist_sees_columns_as_they_are_unless_it_is_told_otherwise(mist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Array, Array]] = []

    def half(self: MISTForHF, x: Array, y: Array) -> float:
        seen.append((x, y))
        return 0.5

    monkeypatch.setattr(MISTForHF, "estimate_point", half)
    x, y = correlated(100, 0.8, 2)
    assert MIST().estimate(10 * x, y).mi == MIST(standardize=True).estimate(10 * x, y).mi == 0.5
    np.testing.assert_array_equal(seen[0][0], 10 * x)
    np.testing.assert_allclose(np.hstack(seen[1]).std(axis=0), 1)


def test_what_mist_was_not_trained_for_is_said_or_declined(mist: Path) -> None:
    assert MIST().estimate(*correlated(501, 0.5)).diagnostics["beyond_training"]
    x, y = correlated(100, 0.5, 3)
    with pytest.raises(Unsupported, match="not 3 and 2"):
        MIST().estimate(x, y[:, :2])


def test_without_the_package_or_the_weights(data: Path, monkeypatch: pytest.MonkeyPatch, mist: Path) -> None:
    (data / "mist-qr" / "model.safetensors").unlink()
    MIST().warm_up()
    with pytest.raises(NotInstalled, match=r"model\.safetensors of its weights.*hf download grgera/MIST-QR --local"):
        MIST(head="median").warm_up()
    pretrained._mist.cache_clear()
    monkeypatch.setitem(sys.modules, "mist_statinf", None)
    with pytest.raises(NotInstalled, match="pip install mist-statinf"):
        MIST().estimate(*correlated(50, 0.5))


INFER = """
import torch
from scipy.stats import rankdata
from model.critic import Critic

device = "nowhere"


def load_model(config_path, checkpoint_path):
    with open(config_path) as file:
        assert "latent_dim" in file.read()
    network = Critic()
    network.load_state_dict(torch.load(checkpoint_path, map_location="cpu"))
    return network.to(device)


def estimate_mi(model, x, y):
    x, y = (torch.tensor(rankdata(v) / len(v), dtype=torch.float32) for v in (x, y))
    batch = torch.stack([x, y], dim=1).unsqueeze(0).to(device)
    with torch.no_grad():
        return model(batch)
"""
CRITIC = '''
import torch


class Critic(torch.nn.Module):
    """The log density ratio of a Gaussian copula, and its Donsker-Varadhan value."""

    def __init__(self):
        super().__init__()
        self.rho = torch.nn.Parameter(torch.zeros(()))

    def table(self, pairs):
        a, b = torch.special.ndtri(pairs.clamp(1e-3, 1 - 1e-3)).unbind(-1)
        square = self.rho**2
        quadratic = (self.rho * a * b - 0.5 * square * (a**2 + b**2)) / (1 - square)
        return quadratic - 0.5 * torch.log(1 - square)

    def forward(self, batch):
        partition = 0.0
        for _ in range(5):
            order = torch.randperm(batch.shape[1])
            apart = torch.stack([batch[..., 0], batch[:, order, 1]], -1)
            partition += torch.log(torch.exp(self.table(apart)).mean(1)) / 5
        return self.table(batch).mean(1) - partition
'''


@pytest.fixture
def clone(data: Path) -> Path:
    folder = data / "InfoNet"
    for name in ("configs", "model", "saved/uniform"):
        (folder / name).mkdir(parents=True)
    (folder / "infer.py").write_text(INFER)
    (folder / "model" / "critic.py").write_text(CRITIC)
    (folder / "configs" / "config.yaml").write_text("model:\n  latent_dim: 256\n")
    torch.save({"rho": torch.tensor(0.8)}, folder / "saved" / "uniform" / "epoch.pt")
    return folder


def test_infonet_gives_the_value_of_the_critic_on_ranks(clone: Path) -> None:
    x, y = correlated(2000, 0.8)
    found = InfoNet().estimate(x, y)
    assert found.mi == pytest.approx(-0.5 * math.log(1 - 0.64), abs=0.1)
    assert InfoNet().estimate(np.exp(x), y**3).mi == pytest.approx(found.mi)
    assert InfoNet().estimate(x, y, seed=1).mi != found.mi == InfoNet().estimate(x, y).mi


def test_infonet_leaves_the_process_as_it_was(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules of the same names, torch's generator, and where modules are looked for."""
    own: dict[str, Any] = {name: types.ModuleType(name) for name in ("infer", "model")}
    for name, module in own.items():
        monkeypatch.setitem(sys.modules, name, module)
    path, state = list(sys.path), torch.random.get_rng_state()
    InfoNet().estimate(*correlated(100, 0.5))
    assert all(sys.modules[name] is module for name, module in own.items())
    assert "model.critic" not in sys.modules
    assert sys.path == path
    assert torch.equal(torch.random.get_rng_state(), state)


def test_several_columns_are_sliced(clone: Path) -> None:
    x, y = correlated(300, 0.9, 2)
    with pytest.raises(Unsupported, match="one column a side"):
        InfoNet().estimate(x, y)
    sliced = estimators.create("sliced[slices=5,estimator=infonet]")
    sliced.warm_up()
    assert math.isfinite(sliced.estimate(x, y).mi)


def test_without_a_clone_or_one_checkpoint(data: Path, clone: Path) -> None:
    second = clone / "saved" / "other.pt"
    second.write_bytes(b"")
    with pytest.raises(UsageError, match="holds 2 checkpoints"):
        InfoNet().warm_up()
    for file in (clone / "saved").rglob("*.pt"):
        file.unlink()
    with pytest.raises(NotInstalled, match="no checkpoint"):
        InfoNet().warm_up()
    (clone / "infer.py").unlink()
    with pytest.raises(NotInstalled, match="git clone https://github.com/datou30/InfoNet"):
        InfoNet().estimate(*correlated(50, 0.5))


def test_a_module_that_the_clone_needs_is_named(clone: Path) -> None:
    (clone / "infer.py").write_text("import torchsort_of_nowhere\n")
    with pytest.raises(NotInstalled, match="torchsort_of_nowhere"):
        InfoNet().warm_up()
