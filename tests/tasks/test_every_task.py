"""What holds for every task with a known truth, whatever its family.

The contract's checks run on every name elsewhere (``tests/mibench/test_checks.py``); here they run at other parameters.
"""

from __future__ import annotations

import inspect
import math
import subprocess
import sys
from pathlib import Path

import mibench.tasks
import numpy as np
import pytest
from scipy.special import expit

from mibench import checks
from mibench.errors import NotInstalled, UsageError
from mibench.plugin import Plugin
from mibench.registry import tasks
from mibench.task import AnyTask, Task


def built_in(name: str) -> bool:
    return Path(tasks.source(name).rpartition(":")[0]).is_relative_to(Path(mibench.tasks.__path__[0]))


NAMES = [name for name in tasks.names() if built_in(name)]
KNOWN = {name: task for name in NAMES if isinstance(task := tasks.create(name), Task)}

VARIANTS = """
additive-uniform[eps=0.01] additive-uniform[eps=0.5] additive-uniform[eps=0.75] additive-uniform[eps=3.0]
uniform-channel[noise=0.0001] uniform-channel[noise=0.3] uniform-channel[noise=20.0]
log-gamma[mutual_information=0.05] log-gamma[mutual_information=3.0,dim=5] log-gamma[mutual_information=12.0]
concatenate[first=gauss[mutual_information=2.0,dim=2],second=half-cube[base=multinormal-sparse]]
independent-copies[base=2v1-galaxy-0.5-3.0,count=3] independent-copies[base=symmetric-channel,count=4]
independent[dim_x=3,marginal=ring,dim_y=1,marginal_y=cauchy]
discrete-uniform[letters=2] discrete-uniform[letters=50] symmetric-channel[letters=2,crossover=0.3]
symmetric-channel[letters=3,crossover=0.9] erasure-channel[letters=16,erasure=0.8]
zero-inflated-poisson[inflation=0.0] zero-inflated-poisson[inflation=0.9]
atoms-and-gauss[rho=-0.5,atoms=0.1,agreement=0.2] rounded-gauss[rho=-0.99,step=0.1] rounded-gauss[rho=0.5,step=4.0]
digits-channel[bits=3,crossover=0.2] digits-channel[bits=2,crossover=0.1,tiles=2,grain=false]
embeddings-channel[bits=3,crossover=0.1] embeddings-channel[bits=4,crossover=0.2,dim=16,separation=0.001]
equitability[function=cubic,noise=0.2] equitability[function=sine,noise=0.9] equitability[function=sine,dim=1]
reshef[function=spike,r2=0.7] reshef[function=sine-varying,r2=0.9]
blobs[side=32,mutual_information=3.0,source=uniform] blobs[mutual_information=8.0]
blobs[side=8,mutual_information=0.3,source=uniform] rectangles[side=32,mutual_information=3.0,source=uniform]
rectangles[mutual_information=8.0] rectangles[side=8,mutual_information=0.3,source=uniform]
x-shape[rho=0.5] galaxy[speed=2.0,distance=1.0] waves[count=4] concentric-gaussians[dim_x=1,count=2]
multinormal-sparse-with-inliers[dim_x=2,dim_y=2,fraction=0.5,rho=0.5]
wrapped[base=gauss[dim=2,rho=0.9]] paired-mixture[dim=1,shifts=(0.0 1.0),rhos=(-0.5 0.9)] paired-mixture[dim=16]
multinormal[covariance=((2.0 0.5 0.1) (0.5 1.0 0.2) (0.1 0.2 3.0)),dim_x=2]
rows-monotone[rows=(1 4)] rows-processing[rows=6,fewer=1]
archimedean[tau=0.0001] archimedean[tau=0.9] archimedean[copula=frank,tau=0.25,dim=5] archimedean[copula=frank,tau=0.8]
archimedean[copula=gumbel,tau=0.4,dim=5] archimedean[copula=joe,tau=0.001,dim=2] archimedean[copula=joe,tau=0.8]
uniform-ball[dim=1] uniform-ball[dim=20] chequerboard[cells=2] chequerboard[cells=20]
parity[dim=1,relevant=1] parity[dim=5,relevant=3] multiplicative-noise[spread=0.3] multiplicative-noise[spread=3.0]
product[noise=0.01] product[noise=10.0] logistic[dim=5,slope=0.5] logistic[slope=30.0]
beta-binomial[trials=1,a=0.5] beta-binomial[trials=1000,a=0.1,b=5.0]
"""


def listed(selectors: str) -> list[str]:
    """Selectors between blanks that are not in brackets."""
    found, depth = [""], 0
    for letter in selectors:
        depth += letter in "[(" or -(letter in "])")
        if letter.isspace() and not depth:
            found.append("")
        else:
            found[-1] += letter
    return [selector for selector in found if selector]


@pytest.mark.parametrize("selector", listed(VARIANTS))
def test_the_contract_is_kept_at_other_parameters(selector: str) -> None:
    task = tasks.create(selector)
    assert task.label == selector
    assert [str(result) for result in checks.run(task) if result.failed] == []


@pytest.mark.parametrize(
    ("selector", "constraint"),
    [
        ("gauss[rho=0.5,mutual_information=1]", "not both"),
        ("gauss[mutual_information=26]", "at most 25 nats"),
        ("multinormal-sparse[pairs=4]", "pairs must be from 1 to 3"),
        ("multinormal-dense[rho=0.5,mutual_information=1]", "not both"),
        ("multinormal[covariance=((1 2) (2 1))]", "positive definite"),
        ("multinormal[covariance=((1 1) (1 1))]", "positive definite"),
        ("multinormal[covariance=((0 0) (0 1))]", "positive definite, but a variance is 0"),
        ("multinormal[covariance=((1 .2) (.3 1))]", "symmetric"),
        ("multinormal[covariance=((1 .2) (.2))]", "rows of numbers of equal length"),
        ("multinormal[covariance=((1 .2 .1) (.2 1 0))]", "square"),
        ("multinormal[covariance=((1 nan) (nan 1))]", "finite"),
        ("multinormal[dim_x=2]", "leaves none"),
        ("highdim-gauss[pairs=33]", "pairs must be from 1 to dim=32"),
        ("staircase[mutual_information=501]", "at most 500 nats"),
        ("student[base=asinh]", "base must be a gaussian"),
        ("highdim-student[mutual_information=0.1]", "must be at least that"),
        ("spiral[base=gauss]", "second and third of Y"),
        ("spiral[base=gauss[dim=2]]", "second and third of Y"),
        ("swiss-roll[base=gauss[dim=2]]", "only a one-dimensional X"),
        ("random-map[base=gauss[dim=3],dim=2]", "3 dimensions, so it must be at least that"),
        ("asinh[base=gan-ring]", "base must be a task"),
        ("additive-uniform[eps=.1,mutual_information=1]", "not both"),
        ("log-gamma[mutual_information=1e-9]", "at least 1e-6 nats"),
        ("log-gamma[mutual_information=31,dim=2]", "and at most 15"),
        ("archimedean[tau=0]", "at least 0.0001"),
        ("archimedean[tau=0.995]", "at most 0.99"),
        ("archimedean[copula=gauss]", "one of 'clayton', 'frank', 'gumbel', 'joe'"),
        ("chequerboard[cells=5]", "must be even"),
        ("parity[dim=2,relevant=3]", "at most dim=2"),
        ("concatenate[second=gan-ring]", "second must be a task"),
        ("gan-ring[batch=3,clipping=placebo]", "at least 4"),
        ("ib-digits[encoder=additive,variant=dvb]", "set encoder=gaussian"),
        ("ib-digits[variant=dropout,beta=1]", "below 1"),
    ],
)
def test_parameters_that_do_not_go_together_are_refused_with_their_constraint(selector: str, constraint: str) -> None:
    with pytest.raises(UsageError, match=constraint):
        tasks.create(selector)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_short_for_what_it_is_made_of(name: str) -> None:
    task = tasks.create(name)
    plain: AnyTask = type(task)(**task.params)
    assert task.label == name
    assert tasks.create(plain.label) == task


@pytest.mark.parametrize("name", KNOWN)
def test_every_task_knows_its_density_everywhere(name: str) -> None:
    task = KNOWN[name]
    assert task.has_density
    try:
        x, y = task.sample(500, seed=7)
    except NotInstalled as missing:
        pytest.skip(str(missing))
    assert not np.isnan(task.log_density_ratio(x, y[::-1])).any()


@pytest.mark.slow
@pytest.mark.parametrize("name", KNOWN)
def test_density_ratio_in_large_samples(name: str) -> None:
    """The mean over the joint distribution is the truth, and it is the ratio of the joint to the product."""
    task = KNOWN[name]
    try:
        n = min(200_000, 20_000_000 // (task.dim_x + task.dim_y + 1))
        x, y = task.sample(2 * n, seed=2024)
    except NotInstalled as missing:
        pytest.skip(str(missing))
    log_ratio = task.log_density_ratio(x[:n], y[:n])
    stderr = log_ratio.std() / math.sqrt(n)
    assert abs(log_ratio.mean() - task.mutual_information) <= 4 * stderr + task.mutual_information_error + 1e-12
    # E_p[g(r)] = E_q[r g(r)]; g = 1 / (1 + r) keeps both within 0 and 1
    joint, product = expit(-log_ratio), expit(task.log_density_ratio(x[n:], np.roll(y[n:], 1, axis=0)))
    gap, stderr = abs(joint.mean() - product.mean()), math.sqrt((joint.var() + product.var()) / n)
    assert gap / (stderr + 1e-12) < 4


# from Python


def test_every_registered_class_can_be_imported_by_its_name() -> None:
    registered = {f for name in NAMES if inspect.isclass(f := tasks.factory(name))}
    exported = {getattr(mibench.tasks, name) for name in mibench.tasks.__all__}
    assert registered == {value for value in exported if inspect.isclass(value)}
    assert all(issubclass(value, Plugin) for value in registered)
    assert mibench.tasks.StudentT is tasks.factory("student-identity")


def test_classes_compose_as_the_mathematics_does() -> None:
    from mibench.tasks import Asinh, StudentT

    task = Asinh(StudentT(dim_x=2, dim_y=2, dof=1))
    assert task == tasks.create("asinh-student-identity-2-2-1")
    assert [str(result) for result in checks.run(task) if result.failed] == []


def test_importing_the_tasks_is_cheap() -> None:
    heavy = ("torch", "matplotlib", "sklearn", "pandas", "scipy.stats", "scipy.optimize", "mlflow", "numba")
    code = f"import mibench.tasks, sys; print([name for name in {heavy} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
