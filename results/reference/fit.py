"""Fit the model of the reference table and validate it: ``python results/reference/fit.py``.

Three or four families in turn are left out, and what the model of the others says of them is held against the truth:
that is the validation, ``results/reference/validation.md``, and it is what the intervals are stretched by. The model of
all families is then written to ``mibench/advice/model.npz``.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from sklearn.ensemble import HistGradientBoostingRegressor
from table import rows

import mibench.advice
from mibench.advice.forest import Floats, Forest, forest_arrays
from mibench.advice.model import GREATEST, MEDIAN, NOTHING, Recipe, candidate_values, interval, weighed
from mibench.leaderboard.scoring import score
from mibench.registry import estimators

HERE = Path(__file__).parent
LEVEL = 0.90
TREES: Mapping[str, Any] = {"max_iter": 120, "learning_rate": 0.1, "max_leaf_nodes": 8, "min_samples_leaf": 30}
STRETCHES = np.geomspace(0.5, 6.0, 60)
FOLDS = 13
ROWS = (45, 75, 130, 250, 500, 1000, 2500, 6000, 20_000)


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of the reference table as arrays; informations in nats."""

    rows: Sequence[Mapping[str, Any]]
    members: tuple[str, ...]
    recipe: Recipe

    @cached_property
    def known(self) -> list[dict[str, float]]:
        """Answers and looks by name."""
        return [_known(row, self.members) for row in self.rows]

    @cached_property
    def inputs(self) -> list[dict[str, float]]:
        """The model's inputs by name."""
        return [self.recipe.inputs(each) for each in self.known]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the inputs, in order."""
        return tuple(sorted(self.inputs[0].keys()))

    @cached_property
    def table(self) -> Floats:
        """(n, inputs)."""
        return np.array([[each.get(name, np.nan) for name in self.names] for each in self.inputs])

    def column(self, name: str) -> Floats:
        """One input (n,)."""
        return self.table[:, self.names.index(name)]

    @cached_property
    def truth(self) -> Floats:
        """(n,)."""
        return np.array([row["truth"] for row in self.rows], dtype=float)

    @cached_property
    def family(self) -> np.typing.NDArray[np.str_]:
        """(n,)."""
        return np.array([row["family"] for row in self.rows])

    @cached_property
    def fast(self) -> np.typing.NDArray[np.bool_]:
        """Which rows (n,) are others once more: see :func:`with_fast`."""
        return np.array([row.get("fast", False) for row in self.rows])

    @cached_property
    def weights(self) -> Floats:
        """Equal for all families, with mean 1."""
        counts = {f: int((self.family == f).sum()) for f in set(self.family)}
        found = np.array([1 / counts[f] for f in self.family])
        weights: Floats = found * len(found) / found.sum()
        return weights


def with_fast(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows, and each that has the answers of members that train once more without them, as ``--fast`` leaves them.

    Otherwise the absence of an answer would tell which part of the table a sample is of.
    """
    trained = {m for m in {m for row in rows for m in row["answers"]} if estimators.create(m).capabilities.trains}
    copies = [
        {**row, "answers": {m: a for m, a in row["answers"].items() if m not in trained}, "seconds": {}, "fast": True}
        for row in rows
        if trained & row["answers"].keys()
    ]
    return [*rows, *copies]


def _known(row: Mapping[str, Any], members: Sequence[str]) -> dict[str, float]:
    def number(value: Any) -> float:
        return np.nan if value is None else float(value)

    answers = {m: number((row["answers"].get(m) or [None])[0]) for m in members}
    return {**answers, **{k: number(v) for k, v in row["observed"].items()}}


def boosted(table: Table, kept: np.typing.NDArray[np.bool_], y: Floats, **loss: Any) -> Forest:
    """Trees for ``y`` (n,), fitted to the rows kept."""
    model = HistGradientBoostingRegressor(**loss, **TREES, l2_regularization=1.0, random_state=0)
    model.fit(table.table[kept], y[kept], sample_weight=table.weights[kept])
    return exported(model)


def exported(model: HistGradientBoostingRegressor) -> Forest:
    """The trees of a fitted model as arrays."""
    trees = [predictors[0].nodes for predictors in model._predictors]
    starts = np.cumsum([0, *map(len, trees)])
    nodes = np.concatenate(trees)
    own, offset = np.arange(len(nodes)), np.repeat(starts[:-1], [len(t) for t in trees])
    leaf = nodes["is_leaf"].astype(bool)
    return Forest(
        feature=np.where(leaf, 0, nodes["feature_idx"]).astype(np.int64),
        threshold=np.where(leaf, 0.0, nodes["num_threshold"]),
        left=np.where(leaf, own, nodes["left"] + offset).astype(np.int64),
        right=np.where(leaf, own, nodes["right"] + offset).astype(np.int64),
        missing_left=nodes["missing_go_to_left"].astype(bool),
        value=np.where(leaf, nodes["value"], 0.0),
        roots=starts[:-1],
        start=float(np.ravel(model._baseline_prediction)[0]),
        depth=int(nodes["depth"].max()),
    )


LOSSES: Mapping[str, Mapping[str, Any]] = {
    "median": {"loss": "absolute_error"},
    "low": {"loss": "quantile", "quantile": 0.05},
    "high": {"loss": "quantile", "quantile": 0.95},
}


def quantile_forests(table: Table, kept: np.typing.NDArray[np.bool_]) -> dict[str, Forest]:
    """The forests of (truth - base) / scale."""
    y = (table.truth - table.column("base")) / table.column("scale")
    return {name: boosted(table, kept, y, **loss) for name, loss in LOSSES.items()}


def score_forests(
    table: Table, kept: np.typing.NDArray[np.bool_], candidates: Mapping[str, Floats]
) -> dict[str, Forest]:
    """The forest of each candidate's score, fitted where the candidate answered."""
    return {
        name: boosted(
            table, kept & np.isfinite(values), score(np.nan_to_num(values) - table.truth), loss="squared_error"
        )
        for name, values in candidates.items()
    }


def folds(table: Table) -> list[np.typing.NDArray[np.bool_]]:
    """Of each fold of families, which rows (n,) are theirs."""
    families = np.unique(table.family)
    return [np.isin(table.family, families[fold::FOLDS]) for fold in range(FOLDS)]


def _left_out(
    job: tuple[Table, np.typing.NDArray[np.bool_], Mapping[str, Floats] | None],
) -> dict[str, Floats]:
    """What forests that never saw the rows ``out`` predict of them: quantiles, or, given candidates, their scores."""
    table, out, candidates = job
    forests = quantile_forests(table, ~out) if candidates is None else score_forests(table, ~out, candidates)
    return {name: forest.predict(table.table[out]) for name, forest in forests.items()}


def leave_out(table: Table, candidates: Mapping[str, Floats] | None = None) -> dict[str, Floats]:
    """Predictions (n,) by name, every family by forests that never saw it."""
    found: dict[str, Floats] = {}
    parts = folds(table)
    with ProcessPoolExecutor(2) as pool:
        for out, predicted in zip(parts, pool.map(_left_out, [(table, out, candidates) for out in parts]), strict=True):
            for name, values in predicted.items():
                found.setdefault(name, np.full(len(table.truth), np.nan))[out] = values
    return found


def stretched_for(
    table: Table, ends: Callable[[tuple[float, float]], tuple[Floats, Floats]], families: Any
) -> tuple[float, float]:
    """The least stretches with which half of the misses allowed lie on each side, families weighing equally, and with
    which nine of ten of the families are covered in at least 80 %."""

    def by_family(hit: np.typing.NDArray[np.bool_]) -> Floats:
        return np.array([hit[table.family == f].mean() for f in families])

    chosen = [
        next(
            (s for s in STRETCHES if by_family(_covers(table, ends((s, s)), side)).mean() >= 1 - (1 - LEVEL) / 2),
            STRETCHES[-1],
        )
        for side in (0, 1)
    ]
    for more in np.geomspace(1.0, 3.0, 40):
        stretch = (float(more * chosen[0]), float(more * chosen[1]))
        both = _covers(table, ends(stretch), 0) & _covers(table, ends(stretch), 1)
        if np.quantile(by_family(both), 0.1) >= 0.8:
            break
    return stretch


def _covers(table: Table, ends: tuple[Floats, Floats], side: int) -> np.typing.NDArray[np.bool_]:
    slack = 1e-9 + np.array([row["truth_error"] for row in table.rows])
    return table.truth >= ends[0] - slack if side == 0 else table.truth <= ends[1] + slack


@dataclass(frozen=True, eq=False)
class Validation:
    """What models of other families said of every sample: values and ends of intervals (n,), in nats."""

    table: Table
    value: Floats
    low: Floats
    high: Floats

    def markdown(self, facts: str) -> str:
        """The tables of results/reference/validation.md."""
        whole = np.logical_and.reduce([self._asked(member) for member in self.table.members])
        parts = [
            "# The recommended value, families left out\n",
            facts,
            "Every family is predicted by a model that never saw it. Scores are means over families of the mean score"
            " of their samples; differences are paired by family, with 95 % intervals (t). Widths, errors in nats.\n",
        ]
        fast = self.table.fast
        for title, kept in (
            ("All samples", ~fast),
            ("Samples about which the whole panel was asked", whole),
            ("The same, with those left out that train", fast),
        ):
            parts += [f"## {title} ({int(kept.sum())})\n", self._scores(kept), self._coverage(kept)]
        families = {str(f): ~fast & (self.table.family == f) for f in np.unique(self.table.family)}
        n = np.array([row["n"] for row in self.table.rows])
        rows = {f"{least} to {most - 1}": ~fast & (n >= least) & (n < most) for least, most in itertools.pairwise(ROWS)}
        parts += ["## By family, all samples\n", self._groups("family", families)]
        parts += ["## By rows, all samples\n", self._groups("rows", rows)]
        return "\n".join(parts)

    def _asked(self, member: str) -> np.typing.NDArray[np.bool_]:
        """About which samples (n,): dear members about some."""
        return np.array([member in row["answers"] for row in self.table.rows])

    def _by_family(self, values: Floats, kept: np.typing.NDArray[np.bool_]) -> Floats:
        return np.array([values[kept & (self.table.family == f)].mean() for f in np.unique(self.table.family)])

    def _scores(self, kept: np.typing.NDArray[np.bool_]) -> str:
        ours = self._by_family(score(self.value - self.table.truth), kept)
        lines = ["| | score | recommended is better by | median error |", "|---|---|---|---|"]
        error = np.median(np.abs(self.value - self.table.truth)[kept])
        lines.append(f"| **recommended** | {ours.mean():.3f} | | {error:.3f} |")
        others = {m: self.table.column(m) for m in self.table.members}
        others["greatest of the base"] = self.table.column("base")
        for name, values in others.items():
            if name in self.table.members and not self._asked(name)[kept].all():
                continue
            theirs = self._by_family(
                np.where(np.isnan(values), 0.0, score(np.nan_to_num(values) - self.table.truth)), kept
            )
            apart = ours - theirs
            half = stats.t.ppf(0.975, len(apart) - 1) * apart.std(ddof=1) / np.sqrt(len(apart))
            miss = np.median(np.abs(np.nan_to_num(values, nan=np.inf) - self.table.truth)[kept])
            lines.append(f"| {name} | {theirs.mean():.3f} | {apart.mean():+.3f} ± {half:.3f} | {miss:.3f} |")
        return "\n".join(lines) + "\n"

    def _coverage(self, kept: np.typing.NDArray[np.bool_]) -> str:
        hit = _covers(self.table, (self.low, self.high), 0) & _covers(self.table, (self.low, self.high), 1)
        by_family = self._by_family(hit.astype(float), kept)
        width, spread = self.high - self.low, self.table.column("scale")
        return (
            f"The 90 % interval covers {by_family.mean():.1%} (families weighing equally; {hit[kept].mean():.1%} of the"
            f" samples), at least 80 % in {int((by_family >= 0.8).sum())} of {len(by_family)} families. Width: mean"
            f" {self._by_family(width, kept).mean():.2f}, median {np.median(width[kept]):.2f}; spread of the panel's"
            f" base and 1 / sqrt(n): mean {self._by_family(spread, kept).mean():.2f},"
            f" median {np.median(spread[kept]):.2f}.\n"
        )

    def _groups(self, kind: str, groups: Mapping[str, np.typing.NDArray[np.bool_]]) -> str:
        """One line for each group of samples, given as masks (n,)."""
        lines = [f"| {kind} | samples | covered | median width | median error | score |", "|---|---|---|---|---|---|"]
        hit = _covers(self.table, (self.low, self.high), 0) & _covers(self.table, (self.low, self.high), 1)
        width, error = self.high - self.low, np.abs(self.value - self.table.truth)
        for name, k in groups.items():
            lines.append(
                f"| {name} | {int(k.sum())} | {hit[k].mean():.0%} | {np.median(width[k]):.3f} |"
                f" {np.median(error[k]):.3f} | {score(error[k]).mean():.3f} |"
            )
        return "\n".join(lines) + "\n"


def main() -> None:
    """Validate, fit to all, write both."""
    spec = json.loads(files(mibench.advice).joinpath("panel.json").read_text(encoding="utf-8"))
    recipe, members = Recipe.of(spec), tuple(spec["members"])
    table = Table(with_fast([row for _, row in sorted(rows().items()) if "observed" in row]), members, recipe)
    base, scale, everything = table.column("base"), table.column("scale"), np.ones(len(table.truth), bool)
    names = [GREATEST, MEDIAN, NOTHING, *recipe.candidates]

    out = leave_out(table)
    print("quantiles are fitted", flush=True)
    values = candidate_values(table.inputs, np.maximum(base + scale * out["median"], 0.0), names)
    candidates = dict(zip(names, values, strict=True))
    scores = leave_out(table, candidates)
    value = weighed(values, np.array([scores[name] for name in names]))

    def ends(stretch: tuple[float, float]) -> tuple[Floats, Floats]:
        return interval(value, base, scale, out["median"], out["low"], out["high"], stretch)

    families = np.unique(table.family)
    low, high = np.empty(len(value)), np.empty(len(value))
    for family in families:  # stretched by what the other families ask for
        k = table.family == family
        own = ends(stretched_for(table, ends, families[families != family]))
        low[k], high[k] = own[0][k], own[1][k]
    stretch = stretched_for(table, ends, families)

    n = np.array([row["n"] for row in table.rows])
    torn, samples = float((table.truth[~table.fast] == 0).mean()), int((~table.fast).sum())
    facts = (
        f"{samples} samples of {len(families)} families, n from {n.min()} to {n.max()}; {torn:.0%}"
        f" of them independent. Stretch of the quantiles: {stretch[0]:.2f} down, {stretch[1]:.2f} up.\n"
    )
    text = Validation(table, value, low, high).markdown(facts)
    (HERE / "validation.md").write_text(text, encoding="utf-8")
    print(text, flush=True)

    arrays: dict[str, Any] = {}
    for name, forest in {
        **quantile_forests(table, everything),
        **{f"score.{k}": f for k, f in score_forests(table, everything, candidates).items()},
    }.items():
        arrays |= forest_arrays(name, forest)
    near, reach = neighbours(table)
    arrays |= near
    told = {**spec, "names": table.names, "scores": names, "stretch": stretch, "reach": reach, "samples": samples}
    told |= {"families": families.tolist(), "level": LEVEL, "seconds": typical_seconds(table)}
    arrays["facts"] = np.frombuffer(json.dumps(told).encode(), np.uint8)
    np.savez_compressed(Path(mibench.advice.__file__).parent / "model.npz", **arrays)


def neighbours(table: Table) -> tuple[dict[str, Any], float]:
    """The samples of the table as neighbours: see :class:`mibench.advice.model.Reference`.

    They are those about which every member was asked that tells what is alike.
    """
    telling = set(table.members) & set(table.recipe.likeness)
    kept = [i for i, row in enumerate(table.rows) if telling <= row["answers"].keys() and not table.fast[i]]
    alike = np.array([table.recipe.alike(table.known[number]) for number in kept])
    centre, spread = alike.mean(axis=0), alike.std(axis=0)
    at = (alike - centre) / spread
    errors = np.column_stack([table.column(m) - table.truth for m in table.members])[kept]
    errors = np.where(np.isfinite(errors), errors, np.nan)
    away = [np.sort(np.sqrt(((at - one) ** 2).mean(axis=1)))[100] for one in at]
    stored = {"alike": at, "centre": centre, "spread": spread, "errors": errors}
    return {f"near.{k}": v.astype(np.float32) for k, v in stored.items()}, float(np.quantile(away, 0.995))


def typical_seconds(table: Table) -> dict[str, float]:
    """The mean CPU time of each member and of the probes, in seconds."""
    names = [*table.members, "observed"]
    return {k: round(float(np.mean([r["seconds"][k] for r in table.rows if k in r["seconds"]])), 3) for k in names}


if __name__ == "__main__":
    main()
