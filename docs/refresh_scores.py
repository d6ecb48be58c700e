"""Draw the picture at the top of the README anew from the published results: ``python docs/refresh_scores.py``."""

from __future__ import annotations

from pathlib import Path

import mibench

ROOT = Path(__file__).parents[1]


def main() -> None:
    """The scores on the 40 tasks of ``beyond_normal`` with their intervals."""
    board = mibench.load_results(ROOT / "results" / "published" / "beyond_normal").leaderboard()
    figure = board.plot("score")
    figure.savefig(ROOT / "docs" / "images" / "beyond-normal-scores.png", dpi=140, facecolor="white")


if __name__ == "__main__":
    main()
