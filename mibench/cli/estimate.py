"""``mibench estimate``, ``check`` and ``data``: one's own samples and plug-ins, and data sets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mibench.errors import MibenchError, UsageError
from mibench.words import nearest

from .independence import tested
from .shared import Include, Json, Unit, app, examples, include_files, print_json

if TYPE_CHECKING:
    from mibench.estimator import Estimate, Estimator
    from mibench.registry import Registry
    from mibench.samples import Pair, Remark


class Decimal(StrEnum):
    """The decimal sign of a text file."""

    POINT = "."
    COMMA = ","


class Missing(StrEnum):
    """What becomes of rows with a missing value."""

    DROP = "drop"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Answer:
    """What one estimator said: an estimate, or why there is none."""

    estimator: str
    estimate: Estimate | None = None
    reason: str = ""


@app.command(
    epilog=examples(
        "mibench estimate x.npy y.npy",
        "mibench estimate data.csv --x height,weight --y age -e ksg -e infonce",
        "mibench estimate data.csv --x 0-3 --y '\"income, k\"' --missing refuse --json",
        "mibench estimate data.csv --target y",
        "mibench estimate data.csv --all-pairs --out pairs.html",
        "zcat data.csv.gz | mibench estimate - --x a --y b --decimal ,",
    )
)
def estimate(
    files: Annotated[
        list[Path],
        typer.Argument(help="Two files, X and Y, or one with --x and --y: text, .npy, .npz or Parquet; - reads stdin."),
    ],
    x: Annotated[str | None, typer.Option("--x", help="Columns of X: names, numbers from 0, ranges 2-5.")] = None,
    y: Annotated[str | None, typer.Option("--y", help="Columns of Y likewise.")] = None,
    target: Annotated[
        str | None, typer.Option(help="Rank every other column (or those of --x) by what it shares with this one.")
    ] = None,
    all_pairs: Annotated[bool, typer.Option("--all-pairs", help="Compare all pairs of columns (or of --x).")] = False,
    time_series: Annotated[
        bool, typer.Option("--time-series", help="Rows follow one another in time: test by circular shifts.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="With --target and --all-pairs, write .html, .png, .svg or .csv.")
    ] = None,
    estimators: Annotated[
        list[str] | None,
        typer.Option("-e", "--estimator", help="Names, selectors, globs. [default: the reference ones]"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    unit: Annotated[Unit, typer.Option(help="Unit of the answers.")] = Unit.NATS,
    missing: Annotated[
        Missing, typer.Option(help="Rows with a missing value in a column used: drop and count them, or refuse.")
    ] = Missing.DROP,
    delimiter: Annotated[
        str | None,
        typer.Option(help="Of text: comma, semicolon, tab, pipe, blanks, none, or the sign. [default: found]"),
    ] = None,
    decimal: Annotated[Decimal | None, typer.Option(help="Decimal sign of text. [default: found]")] = None,
    header: Annotated[
        bool | None,
        typer.Option("--header/--no-header", help="Whether the first line of text is names. [default: found]"),
    ] = None,
    as_json: Json = False,
    include: Include = None,
) -> None:
    """Estimate the mutual information of paired samples in your own files."""
    include_files(include)
    from mibench.estimator import check_samples
    from mibench.registry import estimators as registry
    from mibench.samples import Declared, answer_remarks, read_pair, remarks

    if target is not None or all_pairs:
        from . import screen

        if y is not None or estimators or (target is not None and all_pairs):
            raise UsageError("--target, --all-pairs, --y and -e exclude each other: say what to compare once.")
        asked = screen.Asked(target, x, missing is Missing.REFUSE, time_series, seed, unit, out, as_json)
        return screen.show(files, Declared(_delimiter(delimiter), decimal, header), asked)
    if out is not None:
        raise UsageError("--out goes with --target or --all-pairs.")
    panel = registry.select(estimators) if estimators else _reference_panel(registry.select("*"))
    pair = read_pair(files, x, y, Declared(_delimiter(delimiter), decimal, header), missing)
    for source in pair.sources:
        typer.echo(f"read {source}", err=True)
    if pair.dropped:
        rows = f"{pair.dropped} of {pair.dropped + len(pair.x.values)} rows"
        typer.echo(f"dropped {rows} with a missing value in a column used", err=True)
    check_samples(pair.x.values, pair.y.values)
    found = remarks(pair, panel)
    answers = [_ask(e, pair, seed) for e in panel]
    found += answer_remarks(pair, [(a.estimator, a.estimate) for a in answers if a.estimate is not None], found)
    for remark in found:
        typer.echo(f"warning: {remark.message}", err=True)
    independence = tested(pair, seed, time_series)
    if as_json:
        print_json({**_facts(answers, pair, found, unit), "independence": independence.facts()})
    else:
        _show(answers, pair, unit)
        typer.echo(str(independence))
    if all(a.estimate is None for a in answers):
        raise UsageError("no estimator answered: " + "; ".join(f"{a.estimator}: {a.reason}" for a in answers))


def _reference_panel(estimators: Iterable[Estimator]) -> list[Estimator]:
    """The estimators that every table shows; each once, whatever other names it has."""
    from mibench.estimator import Role
    from mibench.plugin import digest

    chosen: dict[str, Estimator] = {}
    for e in estimators:
        if e.capabilities.reference and e.capabilities.role is Role.ENTRANT:
            chosen.setdefault(digest(e.identity()), e)
    return list(chosen.values())


def _delimiter(declared: str | None) -> str | None:
    from mibench.samples import DELIMITERS

    words = {word: sign for sign, word in DELIMITERS.items()} | {"space": " ", "\\t": "\t"}
    if declared is None or declared in words:
        return words.get(declared or "")
    if len(declared) != 1 or declared in '"\n\r#' or declared.isalnum() or not declared.isascii():
        raise UsageError(f"--delimiter '{declared}' is none of {', '.join(DELIMITERS.values())}, and no single sign.")
    return declared


def _ask(estimator: Estimator, pair: Pair, seed: int) -> Answer:
    """The answer of one estimator; whatever goes wrong with it says nothing about the others."""
    import warnings

    import numpy as np

    from mibench import api
    from mibench.endings import outlived

    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"), outlived():
            warnings.simplefilter("ignore")
            return Answer(estimator.label, api.estimate(pair.x.values, pair.y.values, estimator, seed))
    except MibenchError as error:
        return Answer(estimator.label, reason=str(error))
    except (Exception, SystemExit) as error:
        said = (str(error).strip().splitlines() or ["no message"])[0]
        return Answer(estimator.label, reason=f"{type(error).__name__}: {said}")


def _show(answers: Sequence[Answer], pair: Pair, unit: Unit) -> None:
    n, dim_x, dim_y = len(pair.x.values), pair.x.values.shape[1], pair.y.values.shape[1]
    typer.echo(f"n = {n}, X of dimension {dim_x}, Y of dimension {dim_y}; mutual information in {unit}")
    given = [a for a in answers if a.estimate is not None]
    width = max([len(a.estimator) for a in answers], default=0) + 2
    if given:
        typer.echo(f"  {'estimator':<{width}}{'estimate':>10}  {'standard error':>14}  diagnostics".rstrip())
    for answer in given:
        found = answer.estimate
        assert found is not None
        spread = "-" if found.stderr is None else f"{found.stderr * _scale(unit):.4f}"
        line = f"  {answer.estimator:<{width}}{found.mi * _scale(unit):>10.4f}  {spread:>14}"
        typer.echo(f"{line}  {_in_words(found.diagnostics)}".rstrip())
    for answer in answers:
        if answer.estimate is None:
            typer.echo(f"  {answer.estimator:<{width}}declined: {answer.reason}")


def _facts(answers: Sequence[Answer], pair: Pair, found: Sequence[Remark], unit: Unit) -> Any:
    estimates = []
    for a in answers:
        if a.estimate is not None:
            mi, stderr = a.estimate.mi * _scale(unit), a.estimate.stderr
            fact: dict[str, Any] = {"estimator": a.estimator, "mi": mi}
            fact["stderr"] = None if stderr is None else stderr * _scale(unit)
            if not math.isfinite(mi):
                fact["nonfinite"] = str(mi)  # JSON has no word for it: "mi" is null
            estimates.append({**fact, "diagnostics": dict(a.estimate.diagnostics)})
    return _strict(
        {
            "unit": str(unit),
            "estimates": estimates,
            "declined": [{"estimator": a.estimator, "reason": a.reason} for a in answers if a.estimate is None],
            "data": pair.facts(),
            "warnings": [remark.facts() for remark in found],
        }
    )


def _scale(unit: Unit) -> float:
    return 1 / math.log(2) if unit is Unit.BITS else 1.0


def _strict(value: Any) -> Any:
    """What JSON has words for: NaN and infinity become null, numpy's scalars and arrays plain."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(k): _strict(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_strict(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _in_words(diagnostics: Mapping[str, Any], prefix: str = "") -> str:
    """``rank x 1, ties 0.9``: facts that hold by name, numbers short, nested ones behind their name."""
    said = []
    for key, value in _strict(diagnostics).items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            said.append(_in_words(value, f"{name} "))
        elif value is True:
            said.append(name)
        elif isinstance(value, list):
            said.append(f"{name} " + "/".join(_short(v) for v in value[:8]) + ("/..." if len(value) > 8 else ""))
        elif value is not False:
            said.append(f"{name} {_short(value)}")
    return ", ".join(filter(None, said))


def _short(value: Any) -> str:
    return "unknown" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


@app.command(epilog=examples("mibench check ksg", "mibench check my-estimator --include my_estimator.py"))
def check(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Estimators or tasks; globs work.")],
    include: Include = None,
) -> None:
    """Run the contract on estimators or tasks: what every plug-in must hold."""
    include_files(include)
    import time

    from mibench import checks

    began = time.monotonic()
    found: list[checks.CheckResult] = []
    for plugin in [plugin for name in names for plugin in _registry_of(name).select(name)]:
        for result in checks.run(plugin):
            found.append(result)
            typer.echo(f"{plugin.label}: {result}")
    summary = checks.Summary.of(found)
    typer.echo(f"{summary}; {time.monotonic() - began:.1f} s", err=True)
    if not summary.ok:
        raise typer.Exit(1)


data_app = typer.Typer(help="Data sets that tasks read from their standard files.", no_args_is_help=True)
app.add_typer(data_app, name="data")


@data_app.command("get", epilog=examples("mibench data get mnist", "MIBENCH_DATA=/data mibench data get cifar10"))
def data_get(name: Annotated[str, typer.Argument(help="mnist, fashion-mnist or cifar10.")]) -> None:
    """Fetch a data set from openml.org and write its standard files into the data directory (MIBENCH_DATA)."""
    from mibench import datasets, runtime

    typer.echo(f"fetching {name} from openml.org ...", err=True)
    typer.echo(f"wrote {datasets.get(name, runtime.data_dir())}")


def _registry_of(selector: str) -> Registry[Any]:
    """Where the plug-ins lie that a selector names."""
    from fnmatch import filter as matching

    from mibench.registry import estimators, tasks
    from mibench.selector import parse_selector

    name = parse_selector(selector)[0]
    registries: tuple[Registry[Any], ...] = (estimators, tasks)
    for registry in registries:
        if matching(registry.names(), name):
            return registry
    hint = nearest(name, [*estimators.names(), *tasks.names()])
    raise UsageError(
        f"there is no estimator or task '{name}'; {hint or '`mibench ls` and `mibench ls tasks` list them.'}"
    )
