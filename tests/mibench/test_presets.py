"""The harness checks itself: on every preset the oracle scores 1, and an estimator that knows nothing does not."""

import pytest

from mibench.engine.grid import expand, load_grid, presets
from mibench.engine.worker import answer
from mibench.errors import NotInstalled
from mibench.report.leaderboard import Leaderboard
from mibench.result import Result, Status
from mibench.task import Task


@pytest.mark.slow
@pytest.mark.parametrize("name", presets())
def test_the_oracle_scores_1_and_zero_does_not(name):
    grid = load_grid(name).replaced(estimators=["oracle", "zero", "none"], n=[50], seeds=[0], references=False)
    results = []
    for job in expand(grid):
        if not isinstance(job.task, Task) or job.cell.estimator == "none":
            continue
        try:
            facts = {"truth": job.task.mutual_information, "dim_x": job.task.dim_x, "dim_y": job.task.dim_y}
            job.task.sample(2)
        except NotInstalled:
            continue  # pictures that are not on this machine
        [found] = answer([job])
        assert found.status is Status.OK, found.message
        results.append(Result(job.cell, found.status, mi=found.mi, family=job.task.family, **facts))
    scores = {row.estimator: row.score for row in Leaderboard.from_results(results).ranking}
    if not scores:
        assert name.startswith(("downstream", "consistency", "real_images")), "no task of this preset has a truth"
        return
    assert scores["oracle"] == 1.0
    # zero passes only where nothing depends on anything
    assert scores["zero"] < 1.0 or max(r.truth or 0.0 for r in results) <= 0.01
