"""Figures: what they compute before they draw."""

from __future__ import annotations

import io
import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mibench.estimator import Role
from mibench.leaderboard import scoring
from mibench.leaderboard.scoring import spearman
from mibench.report import families, figures, run_pictures
from mibench.report.figures import share_within
from mibench.report.labels import shorten
from mibench.report.leaderboard import Leaderboard
from mibench.report.run_pictures import Picture, contact_sheet
from mibench.report.style import HUES, NIGHT, WIDE, Palette, new_figure, slug, theme
from mibench.report.values import Unit
from mibench.result import Result, Status

from .conftest import MakeResult, tiny_png


def test_the_area_under_the_curve_is_the_score() -> None:
    rng = np.random.default_rng(0)
    errors = np.concatenate([rng.lognormal(-2, 2, 200) * rng.choice([-1, 1], 200), [np.inf] * 7, [0.0]])
    weights = rng.dirichlet(np.ones(len(errors)))
    tolerances = np.logspace(np.log10(scoring.FLOOR), np.log10(scoring.CEILING), 200_001)
    curve = share_within(errors, weights, tolerances)
    area = np.trapezoid(curve, np.log(tolerances)) / np.log(scoring.CEILING / scoring.FLOOR)
    assert area == pytest.approx(scoring.mean(scoring.score(errors), weights), abs=1e-5)


def test_a_share_counts_errors_at_the_tolerance() -> None:
    assert share_within([0.1, -0.2, np.inf], [0.5, 0.25, 0.25], [0.05, 0.1, 0.2, 1e9]).tolist() == [0, 0.5, 0.75, 0.75]


def test_the_sections_of_a_page_get_their_figures(plausible_report: dict[str, Path]) -> None:
    drawn = {name.removeprefix("figures/").removesuffix(".png") for name in plausible_report if "/" in name}
    main = {"scores", "pareto", "ecdf", "truth", "heatmap", "training", "equitability-mine-grid", "objective"}
    assert main <= drawn
    assert {"family-gaussian", "family-staircase", "downstream-gan-25gaussians", "curves-gan-25gaussians"} <= drawn


def test_a_family_is_swept_over_what_varies(plausible_run: list[Result], plausible_board: Leaderboard) -> None:
    rows = [row for row in plausible_board.tasks if row.family == "gaussian"]
    params = {r.cell.task: dict(r.task_params) for r in plausible_run}
    found = {sweep.heading: sweep.values for sweep in families.sweeps(rows, params)}
    assert found == {"true MI": [0.5, 1.0, 2.0, 4.0], "n": [1000, 10_000], "dim x + dim y": [2, 10, 40]}


def test_a_parameter_is_swept_where_all_else_stays(make: MakeResult) -> None:
    def of(name: str, label: str, truth: float = 1.0, **params: Any) -> Result:
        return make(task=f"{name}[{label}]", task_name=name, task_params=params, truth=truth)

    swept = [(speed, base) for speed in (0.5, 1.0, 2.0) for base in ("a", "b")]
    results = [of("spiral", f"{v},{base}", speed=v, base=base, level=2 * v) for v, base in swept]
    results += [of("tail", f"{v},{base}", dof=v, base=base) for v, base in swept]
    results += [of("spiral", "7", speed=7.0, base="c", level=1.0)]
    results += [of("noise", str(s), truth=3 - s, noise=s) for s in (0.1, 1.0, 2.0)]
    results += [of("mi", str(s), truth=s, mi=s) for s in (0.1, 0.2, 0.3)]
    rows = Leaderboard.from_results(results).tasks
    params: dict[str, dict[str, Any]] = {r.cell.task: {"": r.task_name, **r.task_params} for r in results}
    found = {sweep.heading: sweep for sweep in families.sweeps(rows, params)}
    # speed and level move together, noise moves the truth, mi is the truth: only dof varies alone
    assert set(found) == {"true MI", "n", "dim x + dim y", "dof"}
    assert found["dof"].values == [0.5, 1.0, 2.0]
    assert {row.task.partition("[")[0] for row in found["dof"].rows} == {"tail"}


def test_each_equitability_task_has_its_own_noise(make: MakeResult) -> None:
    told = {"family": "equitability", "reference": False}
    results = [
        make("ksg", f"{task}[{f},{x}]", seed=s, mi=1.0, task_params={"function": f, noise: x}, task_name=task, **told)
        for task, noise in (("equal-noise", "sigma"), ("equal-r2", "r2"))
        for f in ("line", "sine")
        for x in (0.1, 0.5)
        for s in range(2)
    ]
    drawn = {figure.name: figure for figure in figures.draw(Leaderboard.from_results(results))}
    assert "sigma" in drawn["equitability-equal-noise"].svg
    assert "r2" in drawn["equitability-equal-r2"].svg


def test_many_truths_share_bins_whose_place_is_their_mean() -> None:
    values = np.random.default_rng(1).uniform(0, 5, 200)
    places = families.binned(values)
    assert len(set(places.values())) <= 10
    for place in set(places.values()):
        inside = [value for value, at in places.items() if at == place]
        assert place == pytest.approx(np.mean(inside))
        assert np.ptp(inside) <= 0.5
    assert families.binned([0.1, 0.3]) == {0.1: 0.1, 0.3: 0.3}


def test_an_estimator_looks_the_same_in_every_report(make: MakeResult) -> None:
    """The best one in all of them; any other where none before it has its hue."""
    names = [f"e{i}" for i in range(1000)]
    alone = {name: Palette()[name] for name in names}
    assert {look.colour for look in alone.values()} == set(HUES)
    assert len({(look.colour, look.dashes) for look in alone.values()}) == 4 * len(HUES)
    board = Leaderboard.from_results([make(name, mi=1 + i / 10) for i, name in enumerate(names[:30])])
    palette = figures.palette_of(board)
    assert palette["e0"] == alone["e0"] == figures.palette_of(Leaderboard.from_results([make("e0")]))["e0"]
    for round_of_ten in (names[i : i + len(HUES)] for i in (0, 10, 20)):
        given = [palette[name].colour for name in round_of_ten]
        assert set(given) == set(HUES)
        for i, name in enumerate(round_of_ten):
            free = alone[name].colour not in given[:i]
            assert (palette[name] == alone[name]) == free
            assert palette[name].dashes == alone[name].dashes and palette[name].marker == alone[name].marker


@pytest.mark.parametrize(("hues", "paper"), [(HUES, "#fefefe"), (NIGHT, "#14171c")])
def test_colours_can_be_read_by_day_and_by_night(hues: tuple[str, ...], paper: str) -> None:
    """The contrast that WCAG 2 asks for at its level AA."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    for hue in hues:
        low, high = sorted((luminance(hue), luminance(paper)))
        assert (high + 0.05) / (low + 0.05) >= 4.5


def test_of_many_curves_eight_are_coloured_and_all_say_their_names(make: MakeResult) -> None:
    board = Leaderboard.from_results([make(f"e{i:02d}", f"t{k}", mi=1.1 + i / 50) for i in range(20) for k in (1, 2)])
    (ecdf,) = [d for d in figures.draw(board) if d.name == "ecdf"]
    named = re.findall(r'<g class="hover" data-of="e\d\d"><title>(e\d\d), score 0\.\d+</title>', ecdf.svg)
    assert sorted(named) == [f"e{i:02d}" for i in range(20)]
    assert ecdf.svg.count("stroke-opacity: 0.35") == 12


def test_rank_correlation_is_that_of_scipy() -> None:
    from scipy.stats import spearmanr

    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 6, 40).astype(float), rng.normal(size=40)
    assert spearman(a.tolist(), b.tolist()) == pytest.approx(float(spearmanr(a, b).statistic))
    assert spearman([1.0, 1.0, 2.0], [1.0, 2.0, 3.0]) is None


def test_nothing_to_show_gives_no_figures(make: MakeResult) -> None:
    for results in ([], [make(mi=None)], [make(mi=None, truth=None, status=Status.NOT_INSTALLED)]):
        drawn = figures.draw(Leaderboard.from_results(results))
        assert {figure.name for figure in drawn} <= {"scores", "ecdf", "heatmap"}


def test_a_parameter_of_a_nested_plugin_follows_the_name_of_its_holder(make: MakeResult) -> None:
    base = {"name": "gauss", "version": "1", "params": {"dim_x": 3, "inner": {"name": "mix", "params": {"p": 0.5}}}}
    named = families.parameters(make(task_params={"base": base, "scale_by": 2.0}))
    assert named == {"base": "gauss", "base dim x": 3, "base inner": "mix", "base inner p": 0.5, "scale by": 2.0}


def test_informations_are_told_by_their_unit_and_have_no_better_direction(make: MakeResult) -> None:
    info = (
        {"name": "loss", "better": "lower", "unit": "nats", "description": "What is lost."},
        {"name": "by_critic", "better": "", "unit": "nats", "description": "The bound."},
        {"name": "by_density", "better": "", "unit": "nats", "description": "The truth."},
    )
    told = {"group": "g", "family": "downstream", "truth": None, "status": Status.OK, "metric_info": info}
    values = {"loss": 0.1, "by_critic": 1.0, "by_density": 2.0}
    results = [make(arm, "g", 0, 0, None, arm=arm, metrics=values, **told) for arm in ("a", "b")]
    (plane,) = [d for d in figures.draw(Leaderboard.from_results(results)) if d.name == "plane-g"]
    assert plane.caption.endswith("Filled, by density: The truth. Hollow, by critic: The bound.")


def test_one_information_is_the_axis_and_no_axis_shows_rounding(make: MakeResult) -> None:
    info = (
        {"name": "gain", "better": "higher", "unit": "nats", "description": "What is won."},
        {"name": "estimate", "better": "", "unit": "nats", "description": "I(X_S; Y) as estimated."},
    )
    told = {"group": "g", "family": "downstream", "truth": None, "status": Status.OK, "metric_info": info}
    equal = {"a": 2.728286, "b": 2.728286 + 1e-12}
    results = [
        make(arm, "g", 0, 0, None, arm=arm, metrics={"gain": v, "estimate": 1.0}, **told) for arm, v in equal.items()
    ]
    drawn = {d.name: d for d in figures.draw(Leaderboard.from_results(results))}
    plane = drawn["plane-g"]
    assert plane.title == "g: gain against estimate" and plane.caption.endswith("I(X_S; Y) as estimated.")
    assert plane.figure.axes[0].get_xlabel() == "estimate (nats)"
    for drawing in (plane, drawn["downstream-g"]):
        for ax in drawing.figure.axes:
            assert {ax.xaxis.get_offset_text().get_text(), ax.yaxis.get_offset_text().get_text()} == {""}
    low, high = drawn["downstream-g"].figure.axes[0].get_xlim()
    assert high - low >= 0.02 * equal["a"]


def test_who_knows_nothing_is_drawn_in_the_background(make: MakeResult) -> None:
    fields: dict[str, dict[str, Any]] = {"dull": {"role": Role.FLOOR}, "all-knowing": {"reads_task": True}, "ksg": {}}
    results = [
        make(name, f"t{n}", n=n, mi=1.0 - (n / 10_000 if name == "ksg" else 0.0), **more)
        for name, more in fields.items()
        for n in (100, 1000)
    ]
    board = Leaderboard.from_results(results)
    palette = figures.palette_of(board)
    assert palette["dull"] == palette["all-knowing"] != palette["ksg"]
    (truth,) = [d for d in figures.draw(board) if d.name == "truth"]
    assert truth.alt == "Estimates against truth for ksg"


@pytest.mark.parametrize(("estimators", "tasks", "rows"), [(3, 50, 50), (50, 8, 50), (30, 30, 30), (50, 100, 50)])
def test_a_heat_map_of_many_fits_the_page(make: MakeResult, estimators: int, tasks: int, rows: int) -> None:
    """The longer side goes downwards; every cell has its number, and no name is outside."""
    results = [
        make(f"e{i:02d}", f"t{k:03d}", family=f"a family with a long name {k % 20}", mi=1.1 + i / 9)
        for i in range(estimators)
        for k in range(tasks)
    ]
    with theme():
        drawing = figures.heat_map(Leaderboard.from_results(results), Unit())
        assert drawing is not None and drawing.figure.get_figwidth() <= WIDE
        (ax,) = drawing.figure.axes
        across, down = len(ax.get_xticks()), len(ax.get_yticks())
        assert down == rows and len(ax.texts) == across * down
        ends = [label.get_window_extent() for label in (*ax.get_xticklabels(), *ax.get_yticklabels())]
        page = drawing.figure.bbox
        assert all(page.x0 <= end.x0 and end.x1 <= page.x1 and end.y1 <= page.y1 for end in ends)
        numbers = sorted((text.get_window_extent() for text in ax.texts), key=lambda box: (round(box.y0), box.x0))
        pairs = itertools.pairwise(numbers)
        assert all(left.x1 <= right.x0 for left, right in pairs if abs(left.y0 - right.y0) < 1)


def test_a_text_is_as_wide_in_every_export() -> None:
    """Or what fits where the places are computed would be cut in the file."""
    widths = []
    with theme():
        for dpi in (72, 100, 150, 300):
            figure, _ = new_figure(8, 3)
            figure.set_dpi(dpi)
            text = figure.text(0, 0, "coded[base=gauss[rho=0.8],code=1000000.0,share=0.001,sides=x]", fontsize=7.5)
            widths.append(text.get_window_extent().width / dpi)
    assert np.ptp(widths) < 0.005 * widths[0]


def test_differences_are_drawn_with_their_families(make: MakeResult) -> None:
    results = [make(e, f, family=f, mi=1.1 + k / 7) for k, e in enumerate(("a", "b", "c")) for f in ("x", "y", "z")]
    board = Leaderboard.from_results(results)
    (drawing,) = [d for d in figures.draw(board) if d.name == "differences"]
    assert drawing.alt == f"Differences to a: b {board.ranking[1].to_best:.3f}, c {board.ranking[2].to_best:.3f}"
    assert len(re.findall(r"<title>[bc] on [xyz]: 0\.\d+, a 0\.\d+</title>", drawing.svg)) == 6


def test_names() -> None:
    assert len(shorten("x" * 50 + "y" * 50)) == 30
    assert shorten("a" * 30) == "a" * 30
    assert slug("gan-25gaussians[codes=10]") == "gan-25gaussians-codes-10"


def test_a_sheet_shows_every_picture_once(tmp_path: Path) -> None:
    shown = []
    for i, shade in enumerate((10, 90, 170, 220, 60)):
        path = tmp_path / f"{i}.png"
        path.write_bytes(tiny_png(shade))
        shown.append(Picture("g", f"arm {i}", "samples", 0, path))
    pixels = np.asarray(Image.open(io.BytesIO(contact_sheet(shown))).convert("L"))
    for shade in (10, 90, 170, 220, 60):
        assert (pixels == shade).sum() >= 320 * 320


def test_a_picture_of_a_few_bytes_makes_no_sheet_of_gigabytes(tmp_path: Path) -> None:
    Image.new("L", (1, 60_000)).save(tmp_path / "tall.png")
    sheet = Image.open(io.BytesIO(contact_sheet([Picture("g", "arm", "samples", 0, tmp_path / "tall.png")])))
    assert sheet.height < 1500


def test_a_dollar_in_a_name_is_a_dollar(make: MakeResult) -> None:
    """Names are drawn as text, and what mathtext could not parse does not cost the figure."""
    for name in (r"$\frac{$", "$x^2$", "a\x1b[0m", "_hidden"):
        drawn = figures.draw(Leaderboard.from_results([make(name, f"{name}{i}", n=i, mi=1.1) for i in (10, 20)]))
        shown = [d for d in drawn if d.name in ("scores", "truth")]
        assert len(shown) == 2 and all(d.png for d in drawn)
        if name.startswith("$"):
            assert name in shown[0].svg


def test_only_pictures_of_the_results_are_shown(tmp_path: Path, make: MakeResult) -> None:
    """Not what lies elsewhere, what is no PNG, or what nobody could look at, whatever a record says."""
    inside, outside = tmp_path / "results", tmp_path / "secret.png"
    inside.mkdir()
    outside.write_bytes(tiny_png(1))
    (inside / "good.png").write_bytes(tiny_png(2))
    (inside / "link.png").symlink_to(outside)
    Image.new("L", (4, 4)).save(inside / "other.png", format="JPEG")
    Image.new("1", (6000, 6000)).save(inside / "huge.png")
    assert (inside / "huge.png").stat().st_size < 50_000
    names = {
        "h": "huge.png",
        "a": "good.png",
        "b": "../secret.png",
        "c": str(outside),
        "d": "link.png",
        "e": "other.png",
        "f": "a\0b",
    }
    told = {"group": "g", "family": "downstream", "truth": None, "status": Status.OK, "metrics": {"m": 1.0}}
    board = Leaderboard.from_results([make("arm", "g", 0, 0, None, arm="arm", images=names, **told)])
    assert [picture.name for picture in run_pictures.find(board, [inside])["g"]] == ["a"]


@pytest.mark.filterwarnings("error")
def test_long_names_leave_room_for_the_rows_of_the_heat_map(make: MakeResult) -> None:
    names = ["cca", f"{'long-' * 20}name[first={'x' * 60}]"]
    results = [make(name, "t", seed=seed, mi=1.1) for name in names for seed in range(2)]
    drawing = figures.heat_map(Leaderboard.from_results(results), Unit())
    assert drawing is not None
    assert drawing.figure.axes[0].get_position().height * drawing.figure.get_figheight() > 0.2  # inches, of one row
