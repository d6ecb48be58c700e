"""Write the tallies of reliability.md anew from what `make chaos` left: ``python docs/refresh_tallies.py FILE``.

The table stands between ``<!-- tallies -->`` and ``<!-- end -->``. A test that did not run this time keeps its
line, and one that counts nothing has none.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mibench.engine.provenance import provenance

PAGE = Path(__file__).parent / "reliability.md"
BLOCK = re.compile(r"(<!-- tallies -->\n)(.*?)(<!-- end -->\n)", re.DOTALL)
ROW = re.compile(r"^\| `(.+?)` \|.*$", re.MULTILINE)


def main(paths: Sequence[str]) -> None:
    """Read the tallies and rewrite the table."""
    told = [json.loads(line) for path in paths for line in Path(path).read_text().splitlines()]
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(BLOCK.sub(lambda found: found[1] + block(told, found[2]) + found[3], page), encoding="utf-8")


def block(told: Sequence[dict[str, Any]], before: str) -> str:
    """The machine and the table, in which tests of which nothing is told stay as they were."""
    machine = provenance("cpu")["machine"]
    rows = {match[1]: match[0] for match in ROW.finditer(before)}
    rows |= {str(tally["test"]): row(tally) for tally in told if "held" in tally}
    cores = len(os.sched_getaffinity(0))
    return "\n".join(
        [
            f"On {cores} cores ({machine['cpu']}), each line by its test when it held:",
            "",
            "| test | seconds | tally | what held |",
            "| --- | ---: | --- | --- |",
            *rows.values(),
            "",
        ]
    )


def row(tally: dict[str, Any]) -> str:
    """One line: counts as the test gave them."""
    counts = [f"{value:,} {name}" for name, value in tally.items() if name not in ("test", "seconds", "held")]
    return f"| `{tally['test']}` | {tally['seconds']:,.0f} | {', '.join(counts)} | {tally.get('held', '')} |"


if __name__ == "__main__":
    main(sys.argv[1:])
