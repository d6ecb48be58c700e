"""What MLflow's dashboard opens on: views of the experiment with their filter, columns, order and charts.

A view is a tag of the experiment whose value is the state of MLflow's page as JSON. Values only, no MLflow.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

DESCRIPTION = """\
Estimators of mutual information against known truths, by mibench.

| runs with the tag | are | view |
|---|---|---|
| `role = place` | one estimator of the leaderboard: score, errors in nats, CPU seconds, training curves | Leaderboard |
| `role = estimate` | one estimator on one task at one sample size; the seeds are the steps | Estimates |
| `role = arm` | one arm of a downstream task: its metrics, mean over seeds | Downstream |
| `role = downstream` | one training of a downstream task: losses, gradient norms, pictures | Trainings |
| `role = summary` | one call of `mibench run`: the leaderboard, its figures and the HTML page as artifacts | Reports |

The score is the area under the share of errors within a tolerance, over tolerances from 0.01 to 10 nats: 1 is perfect.
"""
_PREFIX = "mlflow.sharedViewState."
_MOST_BARS = 50
_PLACE = ("score", "median_error", "cpu_s")
Chart = dict[str, Any]


def landing(roles: Iterable[str]) -> str:
    """The key of the view to open first, where there are runs of these roles."""
    known = set(roles)
    return next((key for key, role in _FIRST.items() if role in known), "leaderboard")


_FIRST = {"leaderboard": "place", "downstream": "arm", "estimates": "estimate", "trainings": "downstream"}


def saved_views(metrics: Mapping[str, Sequence[str]] | None = None) -> dict[str, str]:
    """The views as tags of the experiment.

    metrics : what the runs of a role have measured, by role; the charts and columns of a view are of these.
    """
    of = metrics or {}
    curves = [name for name in of.get("place", ()) if name.startswith("curve/")]
    arms = [name for name in of.get("arm", ()) if "/" not in name]
    errors = [_bar("score", "Score"), _bar("median_error", "Median |error| (nats)")]
    errors += [_scatter("cpu_s", "median_error", "Median |error| against CPU seconds")]
    states = {
        "leaderboard": _state(
            "Leaderboard",
            "place",
            [*(f"metrics.`{name}`" for name in _PLACE), "tags.`kind`", "tags.`title`"],
            "metrics.`score`",
            {"Leaderboard": errors, "Training, task by task": [_line(name) for name in curves]},
        ),
        "estimates": _state(
            "Estimates",
            "estimate",
            [f"metrics.`mean/{name}`" for name in ("truth", "mi", "abs_error", "cpu_s")]
            + ["tags.`estimator`", "tags.`task`", "tags.`n`", "tags.`status`"],
            "metrics.`mean/abs_error`",
            {"Estimates": [_scatter("mean/truth", "mean/mi", "Estimate against truth (nats)")]},
            least_first=True,
        ),
        "downstream": _state(
            "Downstream",
            "arm",
            ["attributes.`Description`"] + [f"metrics.`{name}`" for name in arms] + ["tags.`seeds`"],
            "tags.`group`",
            {"Arms": [_bar(name, name) for name in arms]},
        ),
        "trainings": _state(
            "Trainings",
            "downstream",
            ["tags.`group`", "tags.`arm`", "tags.`seed`", "tags.`status`"],
            "",
            {},
            group_by=("arm", "group"),
        ),
        "reports": _state("Reports", "summary", ["params.`best`", "params.`best score`", "params.`cells`"], "", {}),
    }
    return {f"{_PREFIX}{key}": value for key, value in states.items()}


def _state(
    name: str,
    role: str,
    columns: Sequence[str],
    order: str,
    sections: Mapping[str, Sequence[Chart]],
    least_first: bool = False,
    group_by: Sequence[str] = (),
) -> str:
    state: dict[str, Any] = {"searchFilter": f"tags.role = '{role}'", "selectedColumns": list(columns)}
    if order:
        state |= {"orderByKey": order, "orderByAsc": least_first}
    if group_by:
        keys = [{"mode": "tag", "groupByData": tag} for tag in group_by]
        state |= {"groupBy": {"aggregateFunction": "average", "groupByKeys": keys}, "groupsExpanded": {}}
        state |= {"useGroupedValuesInCharts": True}
    drawn = {title: charts for title, charts in sections.items() if charts}
    if drawn:
        ids = {title: f"mibench-{place}" for place, title in enumerate(drawn)}
        state["compareRunSections"] = [
            {"uuid": ids[title], "name": title, "display": True, "isReordered": True} for title in drawn
        ]
        state["compareRunCharts"] = [
            {**chart, "uuid": f"{ids[title]}-{place}", "metricSectionId": ids[title]}
            for title, charts in drawn.items()
            for place, chart in enumerate(charts)
        ]
        state |= {"isAccordionReordered": True, "autoRefreshEnabled": False}
    state |= {"hideEmptyCharts": True, "runsHiddenMode": "SHOWALL"}
    return json.dumps({"name": name, "createdAt": 0, "updatedAt": 0, "state": json.dumps(state)})


_CHART: Chart = {"runsCountToCompare": _MOST_BARS, "deleted": False, "isGenerated": False}


def _bar(metric: str, title: str) -> Chart:
    return {**_CHART, "type": "BAR", "metricKey": metric, "displayName": title}


def _scatter(x: str, y: str, title: str) -> Chart:
    axes = {axis: {"key": key, "type": "METRIC"} for axis, key in (("xaxis", x), ("yaxis", y))}
    return {**_CHART, "type": "SCATTER", "displayName": title, **axes}


def _line(metric: str) -> Chart:
    title = metric.removeprefix("curve/")
    axes = {"xAxisKey": "step", "yAxisKey": "metric", "scaleType": "linear", "xAxisScaleType": "linear"}
    look = {"lineSmoothness": 0, "useGlobalLineSmoothing": False, "selectedXAxisMetricKey": "", "ignoreOutliers": True}
    selected = {"metricKey": metric, "selectedMetricKeys": [metric], "selectedYAxisMetricKey": metric}
    bounds = {"range": dict.fromkeys(("xMin", "xMax", "yMin", "yMax"))}
    return {**_CHART, "type": "LINE", "displayName": title, **axes, **look, **selected, **bounds}
