"""``mibench submit``: results handed in for publication."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from mibench.words import counted

from .shared import RESULTS, Include, app, examples, include_files
from .streams import say, tell

_REMEDIES = {
    "identities": "`mibench run` with the same grid and --out measures again what has changed.",
    "files": "an entry holds by itself: write what a file uses into the file, and name it with --include.",
}


@app.command(
    epilog=examples(
        "mibench submit results/quick --name my-estimator --include my_estimator.py",
        "mibench submit results/submitted/my-estimator --check",
    )
)
def submit(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of results.")],
    name: Annotated[str | None, typer.Option(help="Name of the entry. [default: the folder's]")] = None,
    check: Annotated[bool, typer.Option("--check", help="Examine the results, and write nothing.")] = False,
    share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the cells to run again, at least 3.")] = 0.01,
    seed: Annotated[int | None, typer.Option(help="Decides which cells are run again. [default: chance]")] = None,
    to: Annotated[Path, typer.Option(help="Where entries lie.")] = RESULTS / "submitted",
    include: Include = None,
) -> None:
    """Check results that are to be published: versions, seeds, truths, and cells run again; then write the entry.

    Python files that lie in DIR, as in an entry, are included by themselves. Exit codes: 0 all holds, 1 something does
    not, 2 bad usage.
    """
    from mibench.submission import Submission

    called = name or Path(os.path.realpath(directory)).name
    if not check:
        Submission.place(to, called)
    submission = Submission(directory)  # no file of a folder that holds no results is run
    files = list(include or ()) or sorted(directory.glob("*.py"))
    include_files(files)
    submission.require_known()
    failed = set()
    for finding in submission.findings(files):
        tell(str(finding))
        if not finding.holds:
            failed.add(finding.name)
    if failed:
        say("mibench: not fit for submission; no cell was run again.")
        for name in failed & _REMEDIES.keys():
            say(_REMEDIES[name])
        raise typer.Exit(1)
    reruns = submission.rerun(share, seed)
    for rerun in reruns:
        cell = rerun.cell
        said = "agrees" if rerun.agrees else "DIFFERS"
        what = f"{cell.estimator} on {cell.task}, n = {cell.n}, seed {cell.seed}"
        tell(f"run again: {what}: {said} ({_number(rerun.recorded)}, here {_number(rerun.again)} nats)")
    differ = sum(not rerun.agrees for rerun in reruns)
    if differ:
        say(f"mibench: {counted(differ, 'cell')} of {len(reruns)} could not be repeated.")
        raise typer.Exit(1)
    if check:
        tell(f"{directory} holds: {counted(len(reruns), 'cell')} repeated.")
        return
    entry = submission.write(to, called, files, reruns)
    tell(f"wrote {entry}: add it to a branch of the repository of mibench and open a pull request with it.")


def _number(value: float | None) -> str:
    return "no answer" if value is None else f"{value:.6f}"
