"""Write the tables of findings.md anew from runs of the downstream presets: ``python docs/refresh_findings.py RUN...``.

Each table stands between ``<!-- table GROUP: METRIC ... -->`` and ``<!-- end -->``; the text around it is written by
hand and stays. ``<!-- runs TASK ... -->`` holds the seeds, versions and hardware of these tasks, or of
all whose names begin so, ``<!-- pictures GROUP: NAME: ARM; ... -->`` one picture of the first seed of each arm, side by
side,
``<!-- against GROUP: ARM: METRIC ... -->`` the paired differences to that arm,
``<!-- seeds GROUP: METRIC -->`` the metric of each seed, ``<!-- sweep GROUP: METRIC: ARM; ... -->`` a figure of the
metric against the weight beta of the arms whose names begin so. What the runs do not hold stays as it is.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from mibench import load_results
from mibench.leaderboard.schema import Downstream, Flag
from mibench.leaderboard.scoring import average, mean_interval
from mibench.report.style import GRID, HALF, Palette, new_figure, theme
from mibench.result import Result, Status

PAGE = Path(__file__).parent / "findings.md"
PICTURES = PAGE.parent / "images"
BLOCK = re.compile(r"<!-- (table|runs|pictures|against|seeds|sweep)(.*?) -->\n.*?<!-- end -->\n", re.DOTALL)


def main(paths: Sequence[str]) -> None:
    """Read the runs and rewrite the page."""
    results = load_results(*paths)
    board = results.leaderboard()

    def block(match: re.Match[str]) -> str:
        kind, what = match.groups()
        if kind == "runs":
            named = what.split()
            own = [r for r in results if {task := r.group.partition("[")[0], task.split("-")[0]} & set(named)]
            if not own:
                return match[0]
            body = runs(own)
        elif what.strip().partition(": ")[0] not in {r.group for r in results}:
            return match[0]
        elif kind == "pictures":
            group, name, arms = what.strip().split(": ")
            own = [r for r in results if r.group == group and r.arm in arms.split("; ")]
            if not all(name in r.images for r in own):  # published records hold no pictures
                return match[0]
            body = pictures(own, results.directory, name, arms.split("; "))
        elif kind == "seeds":
            group, metric = what.strip().split(": ")
            body = by_seed([r for r in results if r.group == group], metric)
        elif kind == "sweep":
            group, metric, arms = what.strip().split(": ")
            body = sweep(
                [row for row in board.downstream if (row.group, row.metric) == (group, metric)], arms.split("; ")
            )
        elif kind == "against":
            group, arm, metrics = what.strip().split(": ")
            body = against([r for r in results if r.group == group], arm, metrics.split())
        else:
            group, _, metrics = what.strip().rpartition(": ")
            rows = [row for row in board.downstream if row.group == group]
            body = table(rows, metrics.split(), [flag for flag in board.flags if flag.group == group])
        return f"<!-- {kind}{what} -->\n{body}<!-- end -->\n"

    PAGE.write_text(BLOCK.sub(block, PAGE.read_text()))


def table(rows: Sequence[Downstream], metrics: Sequence[str], flags: Sequence[Flag]) -> str:
    """One line per arm: mean ± standard error, and below it the paired difference to the control with its interval."""
    arms = list(dict.fromkeys(row.arm for row in rows))
    units = {row.metric: f", {row.unit}" if row.unit else "" for row in rows}
    signs = {"lower": " ↓", "higher": " ↑", "": ""}
    better = {row.metric: signs[row.better] for row in rows}
    head = ["arm", "seeds", *(f"{name.replace('_', ' ')}{units[name]}{better[name]}" for name in metrics)]
    raised = {flag.arm: f"{flag.seeds} of {flag.runs}" for flag in flags}
    if raised:
        head.append("fell while the information stayed")
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for arm in arms:
        own = {row.metric: row for row in rows if row.arm == arm}
        failed = own[metrics[0]].failed
        seeds = str(own[metrics[0]].seeds) + (f" ({failed} failed)" if failed else "")
        line = [arm, seeds, *(cell(own[name]) if name in own else "" for name in metrics)]
        lines.append(line + ([raised.get(arm, "")] if raised else []))
    return "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def cell(row: Downstream) -> str:
    """Mean ± standard error; difference to the control [interval], bold where the interval excludes zero."""
    if row.mean is None:
        return "–"
    text = number(row.mean) + (f" ± {number(row.se, 2)}" if row.se is not None else "")
    if row.difference is None or row.low is None or row.high is None:
        return text
    difference = f"{signed(row.difference)} [{signed(row.low)}, {signed(row.high)}]"
    return f"{text}<br>{f'**{difference}**' if row.low > 0 or row.high < 0 else difference}"


def pictures(runs: Sequence[Result], directory: Path | None, name: str, arms: Sequence[str]) -> str:
    """The picture ``name`` of the first seed of each arm, in one file."""
    from PIL import Image

    first = [min((r for r in runs if r.arm == arm), key=lambda r: r.cell.seed) for arm in arms]
    parts = [Image.open((directory or Path()) / r.images[name]).convert("RGB") for r in first]
    gap = 12
    width, height = sum(part.width + gap for part in parts) - gap, max(part.height for part in parts)
    strip = Image.new("RGB", (width, height), "white")
    left = 0
    for part in parts:
        strip.paste(part, (left, 0))
        left += part.width + gap
    PICTURES.mkdir(exist_ok=True)
    task = first[0].group.partition("[")[0]
    file = PICTURES / f"{task}-{name.replace('_', '-')}.png"
    strip.quantize(64).save(file, optimize=True)
    alt = f"{task}, seed {first[0].cell.seed}: {', '.join(arms)}"
    return f"\n![{alt}](images/{file.name})\n\n"


def by_seed(runs: Sequence[Result], metric: str) -> str:
    """One line per arm, one column per seed."""
    found = {(r.arm, r.cell.seed): r.metrics[metric] for r in runs if r.status is Status.OK}
    seeds = sorted({seed for _, seed in found})
    lines = [[metric.replace("_", " "), *(f"seed {seed}" for seed in seeds)], ["---"] + ["---:"] * len(seeds)]
    for arm in sorted({arm for arm, _ in found}):
        lines.append([arm, *(number(found[arm, seed]) if (arm, seed) in found else "" for seed in seeds)])
    return "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def sweep(rows: Sequence[Downstream], arms: Sequence[str]) -> str:
    """One line per family of arms: the mean against the weight, with standard errors, and the control's as a band."""
    known = {row.arm: (row.mean, row.se or 0.0) for row in rows if row.mean is not None}
    first = rows[0]
    with theme():
        figure, [[ax]] = new_figure(HALF, 3.4)
        for row in rows:
            if row.control and row.arm in known:
                mean, se = known[row.arm]
                ax.axhspan(mean - se, mean + se, color=GRID, label=f"{row.arm} (no weight)")
        ticks: set[float] = set()
        for begin in arms:
            points = sorted(
                (float(match[1]), *value)
                for arm, value in known.items()
                if arm.startswith(begin) and (match := re.search(r", beta ([\d.e+-]+)", arm))
            )
            weights, means, errors = zip(*points, strict=True)
            ticks.update(weights)
            look = Palette(arms)[begin]
            ax.errorbar(weights, means, errors, marker=look.marker, capsize=2, **look.line, label=begin)
        ax.set(xscale="log", xlabel="beta", ylabel=f"{first.metric.replace('_', ' ')}, {first.unit}".rstrip(", "))
        ax.set_xticks(sorted(ticks), [f"{weight:g}" for weight in sorted(ticks)])
        ax.minorticks_off()
        ax.legend()
        PICTURES.mkdir(exist_ok=True)
        task = first.group.partition("[")[0]
        file = PICTURES / f"{task}-{first.metric.replace('_', '-')}-against-beta.png"
        figure.savefig(file, dpi=140, facecolor="white")
    return f"\n![{task}: {first.metric.replace('_', ' ')} against beta for {', '.join(arms)}](images/{file.name})\n\n"


def against(runs: Sequence[Result], arm: str, metrics: Sequence[str]) -> str:
    """One line per other arm: the mean over seeds of its difference to this arm, with the 95 % t interval."""
    found = {(r.arm, r.cell.seed): r.metrics for r in runs if r.status is Status.OK}
    arms = dict.fromkeys(r.arm for r in runs if r.arm != arm)
    lines = [[f"difference to {arm}", "seeds", *(name.replace("_", " ") for name in metrics)]]
    lines.append(["---"] + ["---:"] * (len(metrics) + 1))
    for other in sorted(arms):
        seeds = [seed for name, seed in found if name == other and (arm, seed) in found]
        line = [other, str(len(seeds))]
        for metric in metrics:
            differences = [found[other, seed][metric] - found[arm, seed][metric] for seed in seeds]
            mean, interval = average(differences), mean_interval(differences)
            if mean is None:
                line.append("–")
            elif interval is None:
                line.append(signed(mean))
            else:
                text = f"{signed(mean)} [{signed(interval[0])}, {signed(interval[1])}]"
                line.append(f"**{text}**" if interval[0] > 0 or interval[1] < 0 else text)
        lines.append(line)
    return "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def signed(value: float) -> str:
    """A difference, with its sign."""
    return number(value) if value < 0 else f"+{number(value)}"


def number(value: float, digits: int = 3) -> str:
    """So many digits, without exponents for anything of everyday size; rounding errors are 0."""
    size = abs(value)
    if size < 1e-9:
        return "0"
    text = f"{size:.{digits}g}" if size < 100 else f"{size:,.0f}" if size < 1e6 else f"{size:.1e}"
    return f"−{text}" if value < 0 else text


def runs(results: Iterable[Result]) -> str:
    """Seeds, cost, versions and hardware."""
    listed = [r for r in results if r.group]
    seeds = sorted({r.cell.seed for r in listed})
    facts = next((r.provenance for r in reversed(listed) if r.provenance), {})  # published once for each run
    versions = ", ".join(f"{name} {v}" for name, v in facts.get("versions", {}).items())
    machine = facts.get("machine", {})
    minutes = sum(r.cpu_s for r in listed) / 60
    return (
        f"\n{len(listed)} trainings with seeds {seeds[0]} to {seeds[-1]}, {minutes:.0f} minutes of CPU time in all, "
        f"one thread each, on {machine.get('cores')} cores of {machine.get('cpu')} ({machine.get('memory_gib')} GiB); "
        f"Python {facts.get('python')}, {versions}.\n\n"
    )


if __name__ == "__main__":
    main(sys.argv[1:] or ["results/downstream"])
