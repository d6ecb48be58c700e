"""Names in figures: none broken within a word, none on another."""

from __future__ import annotations

import numpy as np
import pytest

from mibench.report.labels import in_lines, label_points, shorten
from mibench.report.style import new_figure, theme


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("ksg", "ksg"),
        ("f-dime[divergence=kl]", "f-dime[divergence=kl]"),
        ("exact-critic[estimator=mine-biased]", "exact-critic\n[estimator=mine-biased]"),
        ("nwj[critic=joint,learning_rate=0.001]", "nwj[critic=joint,\nlearning_rate=0.001]"),
    ],
)
def test_a_new_line_begins_only_where_a_parameter_does(name: str, lines: str) -> None:
    assert in_lines(name) == lines
    assert lines.replace("\n", "") == name


def test_a_name_that_is_too_long_for_its_lines_is_said_to_be_cut() -> None:
    for name in ("x" * 200, f"a-name[{'y' * 200}=1]", f"{'x' * 40}[a=1,b=2,c=3,{'d' * 40}=4]"):
        cut = in_lines(name, 20)
        assert "…" in cut and all(len(line) <= 20 for line in cut.splitlines())


def test_labels_meet_neither_one_another_nor_a_point_nor_a_line() -> None:
    rng = np.random.default_rng(0)
    places = [*rng.normal(0.5, 0.02, (15, 2)), *rng.uniform(0, 1, (15, 2))]
    points = [(float(x), float(y), f"name-{i}") for i, (x, y) in enumerate(places)]
    with theme():
        figure, grid = new_figure(6, 4)
        ax = grid[0, 0]
        ax.set(xlim=(-0.1, 1.1), ylim=(-0.1, 1.1))
        line = [(0.0, 0.3), (1.0, 0.3)]
        nameless = label_points(ax, points, ["black"] * len(points), line=line)
        figure.draw_without_rendering()
        drawn = [(t.get_text(), t.get_window_extent()) for t in ax.texts]
        names = [name for name, _ in drawn]
        assert sorted([*names, *nameless]) == sorted(name for *_, name in points)
        assert len(names) >= 20
        texts = [text for text in ax.texts if text.arrow_patch is None]
        boxes = [text.get_window_extent() for text in texts]
        for i, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[:i])
            assert not any(box.contains(*ax.transData.transform(point[:2])) for point in points)
            low, high = ax.transData.inverted().transform([[box.x0, box.y0], [box.x1, box.y1]])[:, 1]
            assert not low < 0.3 < high


def test_a_short_name_stays() -> None:
    assert shorten("a" * 30) == "a" * 30
