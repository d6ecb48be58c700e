"""Single figures for notebooks and papers."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from mibench.errors import UsageError
from mibench.report import figures
from mibench.report.leaderboard import Leaderboard
from mibench.report.plots import Plots
from mibench.result import Result
from mibench.results import Results

PLOTS = ("score", "differences", "time", "truth")


@pytest.mark.parametrize("what", PLOTS)
@pytest.mark.parametrize(("columns", "inches"), [(1, 3.35), (2, 6.9)])
def test_a_figure_for_a_paper_is_as_wide_as_its_columns_and_nothing_sticks_out(
    plausible_board: Leaderboard, what: str, columns: int, inches: float
) -> None:
    figure = getattr(Plots(plausible_board), what)(columns)
    assert figure.get_figwidth() == pytest.approx(inches) and figure.get_figheight() <= 9
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    assert box.x0 > -0.05 and box.x1 < inches + 0.05
    assert all(ax.get_position().width * inches > 0.5 for ax in figure.axes)


def test_it_is_written_as_pdf_and_svg(plausible_board: Leaderboard, tmp_path: Path) -> None:
    figure = plausible_board.plot("score", columns=1)
    figure.savefig(tmp_path / "a.pdf")
    figure.savefig(tmp_path / "a.svg")
    pdf = (tmp_path / "a.pdf").read_bytes()
    assert pdf.startswith(b"%PDF") and b"/Type3" not in pdf and b"/CIDFontType2" in pdf
    assert ">oracle</text>" in (tmp_path / "a.svg").read_text()


def test_every_figure_can_be_sent_to_another_process(plausible_board: Leaderboard) -> None:
    for drawing in figures.draw(plausible_board):
        copy = pickle.loads(pickle.dumps(drawing.figure))
        labels = [[label.get_text() for label in ax.get_xticklabels()] for ax in copy.axes]
        assert labels == [[label.get_text() for label in ax.get_xticklabels()] for ax in drawing.figure.axes]


def test_results_plot_their_truth_in_either_unit(plausible_run: list[Result]) -> None:
    results = Results(plausible_run)
    nats, bits = results.plot.truth(), results.plot.truth(unit="bits")
    assert nats._supxlabel.get_text() == "true mutual information (nats)"  # type: ignore[attr-defined]
    ratio = bits.axes[0].get_xlim()[1] / nats.axes[0].get_xlim()[1]
    assert ratio == pytest.approx(1.442695, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"what": "colour"}, "cannot plot 'colour'; write score, differences, time or truth."),
        ({"columns": 3}, "a figure is 1 or 2 columns wide, not 3."),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(
    plausible_board: Leaderboard, options: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        plausible_board.plot(**options)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_too_few_to_draw() -> None:
    with pytest.raises(UsageError, match="too few estimators to draw"):
        Leaderboard.from_results([]).plot("time")
