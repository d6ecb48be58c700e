"""The leaderboard at the prompt, in a notebook, in a paper and as a figure."""

from __future__ import annotations

import re

import pytest

from mibench.errors import UsageError
from mibench.report.leaderboard import Leaderboard

from .conftest import MakeResult
from .test_html import Page


def test_the_prompt_shows_the_best_ten_and_how_many_more(plausible_board: Leaderboard, make: MakeResult) -> None:
    for line, row in zip(repr(plausible_board).splitlines()[1:], plausible_board.ranking[:10], strict=False):
        assert row.estimator in line and f"{row.score:.3f}" in line
    many = Leaderboard.from_results([make(f"e{i:02d}", mi=1 + i / 10) for i in range(37)])
    assert len(repr(many).splitlines()) == 12 and repr(many).endswith("and 27 more rows: .df has them all")
    assert len(repr(Leaderboard.from_results([make()])).splitlines()) == 2
    assert repr(Leaderboard()) == "Leaderboard: no estimator to rank in 0 cells"


def test_a_notebook_shows_all_rows_and_escapes_names(make: MakeResult) -> None:
    names = ["<script>alert(1)</script>", "a&b", *(f"e{i}" for i in range(20))]
    page = Page(Leaderboard.from_results([make(name) for name in names])._repr_html_())
    assert not page.all("script") and len(page.all("tr")) == 1 + len(names)
    assert set(names) <= set(page.words) and all(head["title"] for head in page.all("th"))


def test_the_data_frame_holds_the_ranking_to_the_last_bit(plausible_board: Leaderboard) -> None:
    frame = plausible_board.df
    assert frame["score"].tolist() == [row.score for row in plausible_board.ranking]
    assert frame.columns[:3].tolist() == ["rank", "estimator", "kind"]


def test_latex_has_a_cell_per_column_and_no_bare_special_character(make: MakeResult) -> None:
    text = Leaderboard.from_results([make(r"a_b&c%d$e#f{g}~h^i\j[k=1]"), make("ksg", mi=None)]).to_latex()
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 3 and {len(re.findall(r"(?<!\\)&", line)) for line in rows} == {6}
    assert [line for line in text.splitlines() if line.endswith("rule")] == [r"\toprule", r"\midrule", r"\bottomrule"]
    bare = re.sub(r"\\[a-z]+\{\}|\\[&%$#_{}]|\{\[\}|\$[^$]*\$", "", "\n".join(rows))
    assert not re.search(r"[%$#_{}~^[]", bare), bare
    assert r"$\infty$" in text and "∞" not in text


def test_plots_are_figures_and_other_words_are_refused(plausible_board: Leaderboard, make: MakeResult) -> None:
    assert [ax.get_xlabel() for ax in plausible_board.plot().axes] == ["score"]
    assert [ax.get_xlabel() for ax in plausible_board.plot("time").axes] == ["median CPU time per cell"]
    with pytest.raises(UsageError, match="cannot plot 'colour'; write score, differences, time or truth"):
        plausible_board.plot("colour")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="too few"):
        Leaderboard.from_results([make()]).plot("time")


def test_drawing_leaves_the_settings_of_matplotlib_alone(plausible_board: Leaderboard) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    plausible_board.plot()
    assert dict(matplotlib.rcParams) == before
