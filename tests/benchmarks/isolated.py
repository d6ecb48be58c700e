"""Other packages, each in an environment of its own, asked for estimates in fresh processes with one thread.

Packages are installed below a folder of the caller's, once. Compiling and loading are done before the clock starts
(JAX compiles by shape, so that benchmark-mi's KSG runs once on the same problem first). CPU-seconds are those of the
whole process, threads included; memory is what the process has grown by, at most, since it was ready.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import venv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

WITH_NUMPY = (
    "npeet-plus==0.2.0",
    "infomeasure==0.6.3",
    "ennemi==1.5.0",
    "scikit-learn==1.9.1",
    "unite-toolbox==0.2.1",
    "entropy-estimators==0.0.2",
    "copent==0.5.7",
)
REQUIREMENTS = {
    "numpy": WITH_NUMPY,
    "torch-mist": ("torch-mist==0.2.17", "pandas<3", "torch==2.13.0"),  # it imports pandas without asking for it
    "benchmark-mi": ("benchmark-mi==0.1.3", "jax==0.4.33", "jaxlib==0.4.33"),
    "gmm-mi": ("gmm-mi==0.8.2", "scikit-learn<=1.5", "numpy<2"),
    "pyvinecopulib": ("pyvinecopulib==1.0.1",),
    "diffusion-mi": ("diffusion-mi==0.1.0", "torch==2.13.0"),
}
"""What is installed into each environment; packages that agree with each other share one."""
SHARED = {requirement.partition("==")[0]: "numpy" for requirement in WITH_NUMPY}
COMPILE_BY_SHAPE = {"benchmark-mi"}
DECLINED = 3
"""The exit status of a package that does not take such samples."""

# what each process runs: `prepare` (x, y, seed) off the clock and `estimate` (x, y, seed) on it
PROGRAMS = {
    "mibench": """
from mibench.registry import estimators
estimator = estimators.create(OPTIONS["selector"])
stack = OPTIONS.get("stack", 1)
def prepare(x, y, seed):
    estimator.warm_up()
def estimate(x, y, seed):
    if stack == 1:
        return estimator.estimate(x, y, seed).mi
    return [e.mi for e in estimator.estimate_batch([x] * stack, [y] * stack, range(seed, seed + stack))][0]
""",
    "scipy": """
from scipy.spatial import KDTree
from scipy.special import digamma
def within(values, radius):
    if values.shape[1] == 1:
        column = values[:, 0]
        ordered = np.sort(column)
        return np.searchsorted(ordered, column + radius, "right") - np.searchsorted(ordered, column - radius)
    return KDTree(values).query_ball_point(values, radius, p=np.inf, return_length=True)
def estimate(x, y, seed):
    joint = np.hstack([x, y])
    radius = np.nextafter(KDTree(joint).query(joint, 4, p=np.inf)[0][:, -1], 0)
    return digamma(3) + digamma(len(x)) - (digamma(within(x, radius)) + digamma(within(y, radius))).mean()
""",
    "benchmark-mi": """
import bmi
CLASSES = {
    "mine-ema": "MINEEstimator",
    "nwj": "NWJEstimator",
    "infonce": "InfoNCEEstimator",
    "mine-biased": "DonskerVaradhanEstimator",
    "cca": "CCAMutualInformationEstimator",
}
method = OPTIONS.get("method", "ksg")
def prepare(x, y, seed):
    if method == "ksg":
        estimate(x, y, seed)
def estimate(x, y, seed):
    if method == "ksg":
        return float(bmi.estimators.KSGEnsembleFirstEstimator().estimate(x, y))
    options = {} if method == "cca" else {"verbose": False, "seed": seed + 42}
    return float(getattr(bmi.estimators, CLASSES[method])(**options).estimate(x, y))
""",
    "npeet-plus": """
import npeet_plus
def estimate(x, y, seed):
    np.random.seed(seed)
    if OPTIONS.get("method") == "micd":  # of two variables, that with fewer values is the letter
        if len(np.unique(x)) < len(np.unique(y)):
            x, y = y, x
        return npeet_plus.micd(x, y, k=3, base=np.e)
    return npeet_plus.mi(x, y, k=3, base=np.e)
""",
    "infomeasure": """
import infomeasure
method = OPTIONS.get("method", "ksg")
def letters(values):
    return np.unique(values, axis=0, return_inverse=True)[1].reshape(-1)
def estimate(x, y, seed):
    if method == "ksg":
        return infomeasure.mutual_information(x, y, approach="ksg", k=3, noise_level=0)
    return infomeasure.mutual_information(letters(x), letters(y), approach=method, base="e")
""",
    "ennemi": """
import ennemi
def estimate(x, y, seed):
    of_one_column(x)
    return ennemi.estimate_mi(y[:, 0], x[:, 0], k=3, max_threads=1).item()
""",
    "scikit-learn": """
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression
def estimate(x, y, seed):
    of_one_column(x)
    if OPTIONS.get("method") == "classif":  # of two variables, that with fewer values is the letter
        if len(np.unique(x)) < len(np.unique(y)):
            x, y = y, x
        return mutual_info_classif(x, np.unique(y, return_inverse=True)[1].reshape(-1), random_state=seed)[0]
    return mutual_info_regression(x, y[:, 0], n_neighbors=3, random_state=seed)[0]
""",
    "unite-toolbox": """
from unite_toolbox.knn_estimators import calc_knn_mutual_information
def estimate(x, y, seed):
    return calc_knn_mutual_information(x, y)
""",
    "entropy-estimators": """
from entropy_estimators import continuous
def estimate(x, y, seed):
    return continuous.get_mi(x, y, k=3)
""",
    "copent": """
from copent import copent
def estimate(x, y, seed):
    # of the columns of x and y together, less what the columns of each share among themselves
    return copent(np.hstack([x, y])) - sum(copent(part) for part in (x, y) if part.shape[1] > 1)
""",
    "gmm-mi": """
from gmm_mi.mi import EstimateMI
def estimate(x, y, seed):
    of_one_column(x, y)
    np.random.seed(seed)
    return EstimateMI().fit_estimate(x[:, 0], y[:, 0])[0]
def prepare(x, y, seed):
    pass
""",
    "torch-mist": """
import torch
from torch_mist import estimate_mi
torch.set_num_threads(1)
def estimate(x, y, seed):
    torch.manual_seed(seed)
    np.random.seed(seed)
    held = len(x) // 5
    x, y = (torch.tensor(values, dtype=torch.float32) for values in (x, y))
    answer = estimate_mi(
        data=(x[held:], y[held:]), test_data=(x[:held], y[:held]), estimator=OPTIONS["method"], hidden_dims=[128],
        verbose=False, logger=False
    )
    return float(answer[0] if isinstance(answer, tuple) else answer)
def prepare(x, y, seed):
    pass
""",
    "pyvinecopulib": """
import pyvinecopulib
CONTROLS = {} if OPTIONS["method"] == "default" else {"family_set": [pyvinecopulib.BicopFamily.tll]}
def log_density(u):
    if u.shape[1] == 1:
        return 0.0
    fitted = evaluated = u
    if OPTIONS["method"] == "tll-held-out":
        fitted, evaluated = u[len(u) // 5 :], u[: len(u) // 5]
    controls = pyvinecopulib.FitControlsVinecop(num_threads=1, **CONTROLS)
    return pyvinecopulib.Vinecop.from_data(fitted, controls=controls).loglik(evaluated) / len(evaluated)
def estimate(x, y, seed):
    # a vine of both less one of each, at the samples that they are fitted to unless they are held out
    u, v = pyvinecopulib.to_pseudo_obs(x), pyvinecopulib.to_pseudo_obs(y)
    return log_density(np.hstack([u, v])) - log_density(u) - log_density(v)
""",
    "diffusion-mi": """
import torch
torch.set_num_threads(1)
if torch.version.cuda is None:  # it imports torchvision, which asks for two operators that load beside CUDA alone
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from dmi.estimators import MINDEEstimator, MMGEstimator
CLASSES = {"minde": MINDEEstimator, "mmg": MMGEstimator}
def estimate(x, y, seed):
    torch.manual_seed(seed)
    np.random.seed(seed)
    held = len(x) // 5
    # mean 0 and variance 1, which MMG is shown with and MINDE does itself
    x, y = ((values - values[held:].mean(axis=0)) / values[held:].std(axis=0) for values in (x, y))
    estimator = CLASSES[OPTIONS["method"]]()
    estimator.fit(x[held:], y[held:], x[:held], y[:held])
    return estimator.estimate(x[:held], y[:held])
def prepare(x, y, seed):
    pass
""",
}
HARNESS = """
import json, os, resource, sys, time
import numpy as np
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what a package prints is no answer
OPTIONS = json.loads(sys.argv[1])
def prepare(x, y, seed):  # as most packages are made ready; the others have their own
    estimate(x[:200], y[:200], seed)
def of_one_column(*sides):
    if max(values.shape[1] for values in sides) > 1:
        raise SystemExit(3)
{program}
before = None
for path, seed in OPTIONS["problems"]:
    data = np.load(path)
    x, y = data["x"], data["y"]
    try:
        if before is None:
            prepare(x, y, seed)
            with open("/proc/self/statm") as statm:
                before = int(statm.read().split()[1]) * resource.getpagesize()
        best = None
        for _ in range(OPTIONS["repeats"]):
            wall, cpu = time.perf_counter(), time.process_time()
            mi = estimate(x, y, seed)
            took = time.process_time() - cpu, time.perf_counter() - wall
            best = took if best is None else min(best, took)
    except Exception as error:
        answers.write(json.dumps(dict(failed=f"{{type(error).__name__}}: {{error}}")) + "\\n")
        answers.flush()
        continue
    share = OPTIONS.get("stack", 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    answer = dict(cpu=best[0] / share, wall=best[1] / share, mi=float(mi), memory=max(0, peak - before))
    answers.write(json.dumps(answer) + "\\n")
    answers.flush()
"""


def environment(root: Path, package: str) -> Path:
    """The interpreter for a package, in an environment that is made when it is missing."""
    name = SHARED.get(package, package)
    if name not in REQUIREMENTS:
        return Path(sys.executable)
    folder = root / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = folder / "ready"
    if not ready.exists():
        print(f"installing {' '.join(REQUIREMENTS[name])} into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "-q", "--no-compile", *REQUIREMENTS[name]]
        subprocess.run(install, check=True, stdout=sys.stderr)
        ready.touch()
    return python


def version(python: Path, name: str) -> str:
    program = f"import importlib.metadata as m; print(m.version({name!r}))"
    return subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def measure_all(
    python: Path, program: str, limit: float, problems: Sequence[tuple[str, int]], **options: Any
) -> Iterator[dict[str, Any] | None]:
    """CPU-seconds, wall-clock seconds, bytes and the estimate for each file of samples and seed, as they are made.

    None where the package declines, fails or takes more than ``limit`` wall-clock seconds. One process answers as many
    as it can, and where it ends before it has answered, the next takes over behind that problem.
    """
    left = list(problems)
    while left:
        for answer in _answers(python, program, limit, **{"repeats": 1, **options, "problems": list(left)}):
            left.pop(0)
            if "failed" in answer:
                print(f"  {program}: {answer['failed']}", file=sys.stderr)
            yield None if "failed" in answer else answer
        if left:
            left.pop(0)
            yield None


def _answers(python: Path, program: str, limit: float, **options: Any) -> Iterator[dict[str, Any]]:
    """What one process says until it ends, or does not say anything for so long."""
    single = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    single["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    command = [str(python), "-P", "-W", "ignore", "-c", HARNESS.format(program=PROGRAMS[program]), json.dumps(options)]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=said, text=True, env={**os.environ, **single}
        )
        assert process.stdout is not None
        late = threading.Event()

        def stop() -> None:
            late.set()
            process.kill()

        timer = _started(limit, stop)
        try:
            for line in process.stdout:
                timer.cancel()
                yield json.loads(line)
                timer = _started(limit, stop)
            status = process.wait()
        finally:
            timer.cancel()
            process.kill()
            process.wait()
            process.stdout.close()
        if late.is_set():
            print(f"  {program}: more than {limit:.0f} s", file=sys.stderr)
        elif status not in (0, DECLINED):
            said.seek(0)
            print(f"  {program} failed: {(said.read().strip().splitlines() or ['?'])[-1]}", file=sys.stderr)


def _started(limit: float, stop: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(limit, stop)
    timer.daemon = True
    timer.start()
    return timer


def measure(python: Path, program: str, limit: float, *, data: str, seed: int, **options: Any) -> dict[str, Any] | None:
    """The same for one file of samples."""
    return next(measure_all(python, program, limit, [(data, seed)], **options))
