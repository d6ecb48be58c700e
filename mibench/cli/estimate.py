"""``mibench estimate``, ``check`` and ``data``: one's own samples and plug-ins, and data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .shared import Include, Json, app, examples, include_files, print_json


@app.command(
    epilog=examples(
        "mibench estimate x.npy y.npy",
        "mibench estimate data.csv --x height,weight --y age -e ksg -e infonce",
    )
)
def estimate(
    files: Annotated[list[Path], typer.Argument(help="Two .npy or .csv files, X and Y; or one with --x and --y.")],
    x: Annotated[str | None, typer.Option("--x", help="Columns of X by name or number, separated by commas.")] = None,
    y: Annotated[str | None, typer.Option("--y", help="Columns of Y likewise.")] = None,
    estimators: Annotated[list[str] | None, typer.Option("-e", "--estimator", help="[default: cca, ksg]")] = None,
    seed: int = 0,
    as_json: Json = False,
    include: Include = None,
) -> None:
    """Estimate the mutual information of paired samples in your own files, in nats."""
    include_files(include)
    from mibench.api import estimate as estimate_one
    from mibench.samples import read_pair

    xs, ys = read_pair(files, x, y)
    answers: dict[str, Any] = {}
    for selector in estimators or ["cca", "ksg"]:
        found = estimate_one(xs, ys, selector, seed)
        answers[selector] = {"mi": found.mi, "stderr": found.stderr, "diagnostics": dict(found.diagnostics)}
    if as_json:
        print_json({"n": len(xs), "dim_x": xs.shape[1], "dim_y": ys.shape[1], "estimates": answers})
        return
    typer.echo(f"n = {len(xs)}, X of dimension {xs.shape[1]}, Y of dimension {ys.shape[1]}; mutual information in nats")
    for selector, found in answers.items():
        spread = f" ± {1.96 * found['stderr']:.3f}" if found["stderr"] is not None else ""
        said = ", ".join(f"{key}: {value}" for key, value in found["diagnostics"].items())
        typer.echo(f"  {selector:<28}{found['mi']:8.4f}{spread}" + (f"   ({said})" if said else ""))


@app.command(epilog=examples("mibench check ksg", "mibench check my-estimator --include my_estimator.py"))
def check(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Estimators or tasks; globs work.")],
    include: Include = None,
) -> None:
    """Run the contract on estimators or tasks: what every plug-in must hold."""
    include_files(include)
    from mibench import checks, registry

    failed = 0
    for name in names:
        own = registry.estimators if _is_estimator(name) else registry.tasks
        for plugin in own.select(name):
            for outcome in checks.run(plugin):
                failed += outcome.failed
                typer.echo(f"{plugin.label}: {outcome}")
    if failed:
        typer.echo(f"{failed} check{'s' if failed != 1 else ''} failed", err=True)
        raise typer.Exit(1)


data_app = typer.Typer(help="Data sets that tasks read from their standard files.", no_args_is_help=True)
app.add_typer(data_app, name="data")


@data_app.command("get", epilog=examples("mibench data get mnist", "MIBENCH_DATA=/data mibench data get cifar10"))
def data_get(name: Annotated[str, typer.Argument(help="mnist, fashion-mnist or cifar10.")]) -> None:
    """Fetch a data set from openml.org and write its standard files into the data directory (MIBENCH_DATA)."""
    from mibench import datasets, runtime

    typer.echo(f"fetching {name} from openml.org ...", err=True)
    typer.echo(f"wrote {datasets.get(name, runtime.data_dir())}")


def _is_estimator(selector: str) -> bool:
    from fnmatch import filter as matching

    from mibench.registry import estimators
    from mibench.selector import parse_selector

    return bool(matching(estimators.names(), parse_selector(selector)[0]))
