"""``mibench estimate``: one's own samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperOption

from mibench.errors import UsageError

from .answers import Told
from .independence import tested
from .shared import Include, Json, Unit, app, examples, include_files, print_json, writable, write
from .streams import say, tell

if TYPE_CHECKING:
    from mibench.estimator import Estimator
    from mibench.samples.table import Declared, Pair


class _Once(TyperCommand):
    """Columns asked for by one option given twice would be those of the last alone, without a word."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, given = self.make_parser(ctx).parse_args(args=[*args])
        for option, often in Counter(given).items():
            if often > 1 and isinstance(option, TyperOption) and not (option.multiple or option.is_flag):
                ctx.fail(f"{option.opts[-1]} is given {often} times and has one value")
        return super().parse_args(ctx, args)


class Decimal(StrEnum):
    """The decimal sign of a text file."""

    POINT = "."
    COMMA = ","


class Missing(StrEnum):
    """What becomes of rows with a missing value."""

    DROP = "drop"
    REFUSE = "refuse"


@app.command(
    cls=_Once,
    epilog=examples(
        "mibench estimate x.npy y.npy",
        "mibench estimate data.csv --x height,weight --y age -e ksg -e infonce",
        "mibench estimate data.csv --x 0-3 --y '\"income, k\"' --missing refuse --json",
        "mibench estimate data.csv --x a --y b --out page.html",
        "mibench estimate data.csv --target age",
        "mibench estimate data.csv --all-pairs --out pairs.html",
        "zcat data.csv.gz | head -5001 | mibench estimate - --x a --y b",
    ),
)
def estimate(
    files: Annotated[
        list[Path],
        typer.Argument(help="Two files, X and Y, or one with --x and --y: text, .npy, .npz or Parquet; - reads stdin."),
    ],
    x: Annotated[str | None, typer.Option("--x", help="Columns of X: names, a*, a:f, numbers from 0, 2-5.")] = None,
    y: Annotated[str | None, typer.Option("--y", help="Columns of Y likewise.")] = None,
    target: Annotated[
        str | None, typer.Option(help="Rank every other column (or those of --x) by what it shares with this one.")
    ] = None,
    all_pairs: Annotated[bool, typer.Option("--all-pairs", help="Compare all pairs of columns (or of --x).")] = False,
    time_series: Annotated[
        bool, typer.Option("--time-series", help="Rows follow one another in time: test by circular shifts.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write a page, .html, with figures; of --target and --all-pairs also .png, .svg, .csv.",
            callback=writable,
        ),
    ] = None,
    estimators: Annotated[
        list[str] | None,
        typer.Option(
            "-e", "--estimator", help="Names, selectors, globs. [default: the panel of the recommended value]"
        ),
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Ask no estimator that trains: seconds.")] = False,
    thorough: Annotated[bool, typer.Option("--thorough", help="Ask all other estimators too: minutes.")] = False,
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
    from mibench.advice.panel import ask
    from mibench.advice.verdict import advise_on
    from mibench.registry import estimators as registry
    from mibench.samples import Declared, answer_remarks, remarks

    declared = Declared(_delimiter(delimiter), decimal, header)
    if target is not None or all_pairs:
        from . import screen

        if y is not None or estimators or (target is not None and all_pairs):
            raise UsageError("--target, --all-pairs, --y and -e exclude each other: say what to compare once.")
        asked = screen.Asked(target, x, missing is Missing.REFUSE, time_series, seed, unit, out, as_json)
        return screen.show(files, declared, asked)
    if out is not None and out.suffix.lower() != ".html":
        raise UsageError(
            f"--out '{out}': the page of an estimate is .html; other endings go with --target or --all-pairs."
        )
    if estimators and (fast or thorough):
        raise UsageError("--fast and --thorough choose the panel, and so does -e: give one of them.")
    if fast and thorough:
        raise UsageError("--fast and --thorough exclude each other.")
    chosen = registry.select(estimators) if estimators else []
    pair = _read(files, x, y, declared, missing)
    panel = chosen if estimators else _panel(fast, thorough, pair)
    found = remarks(pair, panel)
    advice = None if estimators else advise_on(pair, seed, fast)
    known = {a.estimator: a for a in advice.answers} if advice else {}
    answers = [known.get(e.label) or ask(e, pair.x.values, pair.y.values, seed) for e in panel]
    found += answer_remarks(pair, [(a.estimator, a.estimate) for a in answers if a.estimate is not None], found)
    for remark in found:
        say(f"warning: {remark.message}")
    told = Told(answers, pair, advice, tested(pair, seed, time_series), tuple(found), unit)
    if as_json:
        print_json(told.facts())
    else:
        tell(told.text())
    if out is not None:  # after the answer, which a full disk is not to cost
        write(out, told.page().encode())
        say(f"wrote {out}")
    if all(a.estimate is None for a in answers):
        raise UsageError(
            "no estimator answered: " + "; ".join(f"{a.estimator}: {a.reason.rstrip('.')}" for a in answers) + "."
        )


def _read(files: Sequence[Path], x: str | None, y: str | None, declared: Declared, missing: Missing) -> Pair:
    """The pair in the files, cleaned; how it was understood is said."""
    from mibench.estimator import check_samples
    from mibench.samples import read_pair
    from mibench.samples.clean import cleaned

    pair = read_pair(files, x, y, declared, missing)
    for source in pair.sources:
        say(f"read {source}")
    if pair.dropped:
        rows = f"{pair.dropped} of {pair.dropped + len(pair.x.values)} rows"
        say(f"dropped {rows} with a missing value in a column used")
    pair = cleaned(pair)
    check_samples(pair.x.values, pair.y.values)
    return pair


def _panel(fast: bool, thorough: bool, pair: Pair) -> list[Estimator]:
    """The panel of the recommended value; with ``thorough`` every other entrant after it, each once.

    What takes nothing but letters is left out where a column is continuous: it would only decline.
    """
    from mibench.advice.verdict import usual_members
    from mibench.estimator import Nature, Role
    from mibench.plugin import digest
    from mibench.registry import estimators as registry
    from mibench.samples.natures import natures

    chosen = {digest(e.identity()): e for e in map(registry.create, usual_members(fast))}
    if thorough:
        for e in registry.select("*"):
            if e.capabilities.role is Role.ENTRANT and e.kind.ranked:
                chosen.setdefault(digest(e.identity()), e)
    continuous = Nature.CONTINUOUS in natures(pair.x) + natures(pair.y)
    return [e for e in chosen.values() if not (e.capabilities.letters and continuous)]


def _delimiter(declared: str | None) -> str | None:
    from mibench.samples import DELIMITERS

    words = {word: sign for sign, word in DELIMITERS.items()} | {"space": " ", "\\t": "\t"}
    if declared is None or declared in words:
        return words.get(declared or "")
    if len(declared) != 1 or declared in '"\n\r#' or declared.isalnum() or not declared.isascii():
        raise UsageError(f"--delimiter '{declared}' is none of {', '.join(DELIMITERS.values())}, and no single sign.")
    return declared
