"""Networks that others have trained, once, to answer for mutual information: MIST and InfoNet.

Neither their code nor their weights come with mibench. Weights are looked for below the data directory
(``MIBENCH_DATA``), nothing is fetched, and where something is missing the cell ends ``not_installed``.
"""

from __future__ import annotations

import functools
import sys
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal

from mibench import runtime
from mibench.errors import NotInstalled, Unsupported, UsageError
from mibench.estimator import Array, Capabilities, Estimate, Estimator, check_samples, rng_for
from mibench.registry import register_estimator

from ._samples import standardized, ties

TRAINED_ON = 500
"""Rows of the greatest samples that MIST has seen."""
WEIGHTS = ("config.json", "model.safetensors")
"""The files of MIST's weights, as its authors publish them."""


class Pretrained(Estimator):
    """Estimates by a network that :meth:`network` loads from the data directory, once in a process."""

    @abstractmethod
    def network(self) -> Any:
        """What answers, on the device that was chosen.

        Raises
        ------
        NotInstalled : its code or its weights are missing.
        """

    def warm_up(self) -> None:
        """Load the network; raises what :meth:`network` does."""
        self.network()


@register_estimator("mist")
class MIST(Pretrained):
    """A set transformer that has learned mutual information from 600,000 samples whose information is known.

    It saw 10 to 500 rows of normal, Student-t and additive-noise variables, of 2 to 32 columns a side, as they are and
    after increasing functions of each column; that it was right about those says little about others. The rows of x and
    of y are put side by side, with zeros behind them up to 64 columns. Nothing tells the network where x ends, so both
    sides need as many columns. More than 500 rows are given to it as well, and ``beyond_training`` in the diagnostics
    says so.

    It takes the package ``mist-statinf`` (MIT), and of its weights (MIT, huggingface.co/grgera/MIST and MIST-QR) the
    files ``config.json`` and ``model.safetensors``, in the folder ``mist``, or ``mist-qr``, of the data directory.

    Parameters
    ----------
    head : "mean", of the network that was trained on squared errors, or "median", of MIST-QR, which also gives the
        quantiles ``lower`` (5 %) and ``upper`` (95 %) in the diagnostics. They are the network's own; how often they
        hold the truth elsewhere nobody knows, so there is no standard error.
    standardize : scale every column to variance 1 first. The authors do not, and their samples were about as wide.
    """

    head: Literal["mean", "median"] = "mean"
    standardize: bool = False

    citation: ClassVar[str] = (
        "Gritsai, Richards, Meloux, Cho & Peyrard (2025), MIST: Mutual information via supervised training; "
        "network and weights: github.com/grgera/mist"
    )
    capabilities: ClassVar = Capabilities(min_n=10, max_dim=32, devices=("cpu", "cuda"))

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate I(X; Y) in nats.

        Raises
        ------
        NotInstalled : its package or its weights are missing.
        Unsupported : x and y have not as many columns as each other.
        """
        from .learned import one_thread

        x, y = check_samples(x, y, self.capabilities.min_n)
        said: dict[str, Any] = ties(x, y)
        if x.shape[1] != y.shape[1]:
            raise Unsupported(
                f"mist: it is not told where x ends, and takes as many columns of x as of y, not {x.shape[1]} and "
                f"{y.shape[1]}."
            )
        network = self.network()
        if len(x) > TRAINED_ON:
            said["beyond_training"] = True
        if self.standardize:
            x, y = standardized(x), standardized(y)
        with one_thread():
            if self.head == "mean":
                return Estimate(float(network.estimate_point(x, y)), diagnostics=said)
            found = network.estimate_interval_qr(x, y, lower=0.05, upper=0.95, include_median=True)
        said |= {"lower": float(found["lower"]), "upper": float(found["upper"])}
        return Estimate(float(found["median"]), diagnostics=said)

    def network(self) -> Any:
        return _mist(runtime.data_dir() / ("mist" if self.head == "mean" else "mist-qr"), runtime.device())


@functools.lru_cache(maxsize=2)
def _mist(folder: Path, device: str) -> Any:
    """The network whose weights lie in a folder."""
    try:
        package = import_module("mist_statinf")
    except ImportError as error:
        raise NotInstalled(f"mist: `pip install mist-statinf` installs the network ({error}).") from None
    missing = [name for name in WEIGHTS if not (folder / name).is_file()]
    if missing:
        source = "grgera/MIST" if folder.name == "mist" else "grgera/MIST-QR"
        raise NotInstalled(
            f"mist: {' and '.join(missing)} of its weights are not in {folder}; "
            f"`hf download {source} --local-dir {folder}` fetches them."
        )
    return package.MISTForHF.from_pretrained(str(folder)).to(device).eval()


@register_estimator("infonet")
class InfoNet(Pretrained):
    """A transformer that reads the ranks of a sample and answers with a critic, whose Donsker-Varadhan value is given.

    E_p T - log E_q e^T over the sample, where T is a table over the unit square that the network makes of the same
    sample, and E_q the mean over five permutations of y. It has learned to make such tables from samples of 5,000 rows
    of two-dimensional Gaussian mixtures. The critic has seen the sample that it is evaluated on, so the number is no
    lower bound. One column a side: the authors take several by random projections, as
    ``sliced[estimator=infonet]`` does, and that is another quantity.

    It takes a clone of github.com/datou30/InfoNet (which states no licence, so neither its code nor its weights may be
    passed on) as the folder ``InfoNet`` of the data directory, at the commit a7aff8e or another whose ``infer.py`` has
    ``load_model(config_path, checkpoint_path)``; and below ``InfoNet/saved`` the checkpoint that its page links to, the
    only file that ends in .pt.
    """

    citation: ClassVar[str] = (
        "Hu, Kang, Zeng, Huang & Yang (2024), InfoNet: Neural estimation of mutual information without test-time "
        "optimization, ICML"
    )
    capabilities: ClassVar = Capabilities(min_n=10, max_dim=1, devices=("cpu", "cuda"))

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate I(X; Y) in nats; ``seed`` permutes y.

        Raises
        ------
        NotInstalled : its code or its weights are missing.
        Unsupported : more than one column a side.
        """
        x, y = check_samples(x, y, self.capabilities.min_n)
        if max(x.shape[1], y.shape[1]) > 1:
            raise Unsupported("infonet: it takes one column a side; sliced[estimator=infonet] takes more.")
        code, network = self.network()
        from .densities.training import isolated  # torch is there, now that the network is

        with isolated(rng_for(seed)):
            found = code.estimate_mi(network, x[:, 0], y[:, 0])
        return Estimate(float(found.reshape(-1)[0]), diagnostics=ties(x, y))

    def network(self) -> tuple[Any, Any]:
        return _infonet(runtime.data_dir() / "InfoNet", runtime.device())


@functools.lru_cache(maxsize=2)
def _infonet(folder: Path, device: str) -> tuple[Any, Any]:
    """The module ``infer`` of a clone, and the network that it makes of the checkpoint."""
    config = folder / "configs" / "config.yaml"
    if not (folder / "infer.py").is_file() or not config.is_file():
        raise NotInstalled(
            f"infonet: there is no clone in {folder}; `git clone https://github.com/datou30/InfoNet {folder}` makes "
            "one, and its README.md says where the weights are."
        )
    checkpoints = sorted((folder / "saved").rglob("*.pt"))
    if not checkpoints:
        raise NotInstalled(f"infonet: there is no checkpoint (.pt) below {folder / 'saved'}; README.md there links it.")
    if len(checkpoints) > 1:
        raise UsageError(f"infonet: {folder / 'saved'} holds {len(checkpoints)} checkpoints; leave one of them there.")
    import torch

    with _first_on_the_path(folder):
        try:
            code = import_module("infer")
        except ImportError as error:
            raise NotInstalled(f"infonet: {error}, which {folder / 'infer.py'} needs; `pip install` it.") from None
    code.device = torch.device(device)  # type: ignore[attr-defined]
    return code, code.load_model(str(config), str(checkpoints[0]))


@contextmanager
def _first_on_the_path(folder: Path) -> Iterator[None]:
    """Modules are looked for in this folder first, and those that it adds are nobody else's afterwards."""
    kept = dict(sys.modules)
    own = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    for name in [name for name in sys.modules if name.partition(".")[0] in own]:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] in own]:
            del sys.modules[name]
        sys.modules.update({name: kept[name] for name in kept if name.partition(".")[0] in own})
