"""``mibench check``: the contract of plug-ins."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mibench.errors import UsageError
from mibench.words import OWN_FILE, nearest

from .shared import Include, app, examples, include_files
from .streams import say, tell

if TYPE_CHECKING:
    from mibench.registry import Registry


@app.command(epilog=examples("mibench check ksg", "mibench check my-estimator --include my_estimator.py"))
def check(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Estimators or tasks; globs work.")],
    include: Include = None,
) -> None:
    """Run the contract on estimators or tasks: what every plug-in must hold."""
    include_files(include)
    from mibench import checks

    began = time.monotonic()
    found: list[checks.CheckResult] = []
    for plugin in [plugin for name in names for plugin in _registry_of(name).select(name)]:
        for result in checks.run(plugin):
            found.append(result)
            tell(f"{plugin.label}: {result}")
    summary = checks.Summary.of(found)
    say(f"{summary}; {time.monotonic() - began:.1f} s")
    if not summary.ok:
        raise typer.Exit(1)


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
    hint = nearest(name, [*estimators.names(), *tasks.names()]) or "`mibench ls` and `mibench ls tasks` list them;"
    raise UsageError(f"there is no estimator or task '{name}'; {hint} {OWN_FILE}")
