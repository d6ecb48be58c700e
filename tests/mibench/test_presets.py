"""The harness checks itself: on every preset the oracle scores 1, and an estimator that knows nothing does not."""

import dataclasses

import pytest

from mibench.engine.grid import expand, load_grid, presets
from mibench.engine.worker import answer, describe
from mibench.errors import NotInstalled
from mibench.estimator import Estimator, Role
from mibench.registry import estimators
from mibench.report.leaderboard import Leaderboard
from mibench.result import Status
from mibench.task import Task


@pytest.mark.slow
@pytest.mark.parametrize("name", presets())
def test_the_oracle_scores_1_and_zero_does_not(name: str) -> None:
    grid = load_grid(name).replaced(estimators=["oracle", "zero", "none"], n=[50], seeds=[0], references=False)
    results = []
    for job in expand(grid):
        if not isinstance(job.task, Task) or job.cell.estimator == "none":
            continue
        facts = describe(job.task, [job.estimator])
        [found] = answer([dataclasses.replace(job, facts={**job.facts, **facts.fields})])
        if Status.NOT_INSTALLED in (found.result.status, facts.problem and facts.problem.status):
            continue  # pictures that are not on this machine
        assert found.result.status is Status.OK, found.result.message
        results.append(found.result)
    scores = {row.estimator: row.score for row in Leaderboard.from_results(results).ranking}
    if not scores:
        assert name.startswith(("downstream", "consistency", "real_images")), "no task of this preset has a truth"
        return
    # what looks at the truth is shown beside the ranking
    assert scores["oracle"] == 1.0
    # zero passes only where nothing depends on anything
    assert scores["zero"] < 1.0 or max(r.truth or 0.0 for r in results) <= 0.01


def installed(estimator: Estimator) -> bool:
    """Whether what does not come with mibench, such as a trained network, is there: only few have it."""
    try:
        estimator.warm_up()
    except NotInstalled:
        return False
    return True


def test_the_full_preset_asks_every_estimator_that_takes_real_numbers() -> None:
    """By whatever name, and with parameters or without; reference rows are added by a run."""
    asked = {job.estimator.identity()["name"] for job in expand(load_grid("full"))}
    own = [name for name in estimators.names() if estimators.factory(name).__module__.startswith("mibench.estimators.")]
    known = [estimators.create(name) for name in own]  # other tests register estimators too
    entrants = [each for each in known if each.capabilities.role is Role.ENTRANT and not each.capabilities.letters]
    assert len(entrants) > 30
    left_out = [each for each in entrants if each.identity()["name"] not in asked]
    assert [each.label for each in left_out if installed(each)] == []
