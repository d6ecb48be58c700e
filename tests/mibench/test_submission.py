"""Results that are handed in: an honest folder becomes an entry that holds as well; whatever was touched shows."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mibench
from mibench import registry
from mibench.checks.starter import start
from mibench.cli import main
from mibench.engine.reading import FILE, read_results
from mibench.engine.records import encode
from mibench.estimator import Kind, Role
from mibench.result import Result
from mibench.submission import Submission

Command = Callable[..., tuple[int, str, str]]
OWN = "handed-in"


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of results with an estimator of somebody's own, whose file lies beside it."""
    folder = tmp_path_factory.mktemp("honest")
    file = start("estimator", OWN, folder)
    mibench.include(file)
    estimators, tasks = [OWN, "cca"], ["gauss", "independent"]
    mibench.run(estimators, tasks, n=200, seeds=3, out=folder / "mine", workers=1, progress=False, references=False)
    yield folder / "mine"
    registry.estimators.forget("mibench_include_handed_in")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return int(stop.value.code or 0), out, err

    return run


def touched(honest: Path, folder: Path, change: Callable[[Result], Result | None]) -> Path:
    """The same folder with records changed or left out, each with a sound checksum."""
    folder.mkdir()
    changed = [change(result) for result in read_results(honest)]
    (folder / FILE).write_bytes(b"".join(encode(result) for result in changed if result is not None))
    return folder


def failing(folder: Path) -> set[str]:
    return {finding.name for finding in Submission(folder).findings() if not finding.holds}


def test_honest_results_become_an_entry_that_holds_as_well(honest: Path, command: Command, tmp_path: Path) -> None:
    file = honest.parent / "handed_in.py"
    code, out, err = command("submit", honest, "--name", "ours", "--include", file, "--seed", "1")
    assert code == 0, out + err
    assert out.count("run again") == 3 and "DIFFERS" not in out
    entry = tmp_path / "results" / "submitted" / "ours"
    names = {"results.jsonl", "leaderboard.md", "leaderboard.csv", "tasks.csv", "submission.json", "handed_in.py"}
    assert {path.name for path in entry.iterdir()} == names
    assert [r.mi for r in sorted(read_results(entry), key=lambda r: r.cell.id)] == [
        r.mi for r in sorted(read_results(honest), key=lambda r: r.cell.id)
    ]
    registry.estimators.forget("mibench_include_handed_in")  # what somebody else's process does not know
    code, out, err = command("submit", entry, "--check", "--share", "1")
    assert code == 0 and out.count("agrees") == 6, out + err
    assert {path.name for path in entry.iterdir()} == names
    code, _, err = command("submit", honest, "--name", "ours", "--include", file)
    assert code == 2 and "is there already" in err


def test_results_of_a_plug_in_that_is_not_included_say_what_is_wanted(
    honest: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(registry.estimators._factories, OWN)
    code, out, err = command("submit", honest, "--name", "without")
    assert code == 2 and not out and f"'{OWN}'" in err and "--include FILE" in err
    assert failing(honest) == {"identities"}  # and nothing else of what is asked ends in an error


def test_a_file_that_needs_its_neighbours_makes_no_entry(
    honest: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "beside_it.py").write_text("FACTOR = 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "handed_in.py"
    text = (honest.parent / "handed_in.py").read_text()
    file.write_text(f"{text}\n\ndef later():\n    import json, numpy.linalg\n    from beside_it import FACTOR\n")
    monkeypatch.delitem(registry.estimators._factories, OWN)
    code, out, err = command("submit", honest, "--name", "needy", "--include", file)
    assert code == 1 and "write what a file uses into the file" in err and "run again" not in out
    [line] = [line for line in out.splitlines() if "FAILS" in line]
    assert f"handed_in.py, which imports 'beside_it' from {tmp_path / 'beside_it.py'}" in line
    assert "numpy" not in line and "mibench'" not in line and not (tmp_path / "results").exists()


def test_a_plug_in_of_another_package_is_in_no_entry(honest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.estimators.factory(OWN), "__module__", "somebodys.package")
    assert failing(honest) == {"files"}


@pytest.mark.parametrize("name", ["../ours", "", "Ours", "a b"])
def test_an_entry_cannot_lie_anywhere(honest: Path, name: str, tmp_path: Path) -> None:
    with pytest.raises(mibench.UsageError, match="cannot name an entry"):
        Submission(honest).write(tmp_path / "to", name, [], [])
    assert not list(tmp_path.iterdir())


def only(estimator: str, **fields: Any) -> Callable[[Result], Result]:
    return lambda r: dataclasses.replace(r, **fields) if r.cell.estimator == estimator else r


def without_a_seed(result: Result) -> Result | None:
    return None if result.cell.estimator == OWN and result.cell.seed == 2 else result


def other_n(result: Result) -> Result:
    return dataclasses.replace(result, cell=dataclasses.replace(result.cell, n=400))


def other_parameters(result: Result) -> Result:
    name = f"{OWN}[ridge=0.1]" if result.cell.estimator == OWN else result.cell.estimator
    return dataclasses.replace(result, cell=dataclasses.replace(result.cell, estimator=name))


FAULTS: dict[str, tuple[Callable[[Result], Result | None], str]] = {
    "another version of mibench": (only("cca", provenance={"mibench": "0.0.1"}), "versions"),
    "truths": (lambda r: dataclasses.replace(r, truth=r.mi), "truths"),
    "dimensions": (only("cca", dim_x=7), "truths"),
    "a bad seed left out": (without_a_seed, "seeds"),
    "another n": (other_n, "identities"),
    "other parameters": (other_parameters, "identities"),
    "no entrant any more": (only("cca", role=Role.CEILING), "identities"),
    "no bound any more": (only(OWN, quantity=Kind.UPPER_BOUND), "identities"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_was_touched_shows(fault: str, honest: Path, tmp_path: Path) -> None:
    assert failing(honest) == set()
    change, name = FAULTS[fault]
    assert failing(touched(honest, tmp_path / "touched", change)) == {name}


@pytest.mark.parametrize("recorded", [True, False])
def test_a_version_that_has_moved_on_is_named(
    recorded: bool, honest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    def as_recorded(result: Result) -> Result:
        return result if recorded else dataclasses.replace(result, estimator_version="", task_version="")

    folder = touched(honest, tmp_path / "earlier", as_recorded)
    monkeypatch.setattr(registry.estimators.factory("cca"), "version", "3")
    [wrong] = [finding for finding in Submission(folder).findings() if not finding.holds]
    assert "cca (measured as version 2, here version 3; 2 tasks)" in wrong.message and OWN not in wrong.message
    code, _, err = command("submit", folder, "--check")
    assert code == 1 and "measures again what has changed" in err


def test_a_line_that_is_no_record_and_a_cell_that_was_tried_until_it_fitted(honest: Path, tmp_path: Path) -> None:
    shutil.copytree(honest, tmp_path / "mine")
    file = tmp_path / "mine" / FILE
    first = read_results(honest)[0]
    whole = file.read_bytes()
    file.write_bytes(whole + b"nonsense\n")
    assert failing(file.parent) == {"records"}
    file.write_bytes(whole + encode(dataclasses.replace(first, mi=first.truth)))
    assert failing(file.parent) == {"answers"}
    file.write_bytes(whole + encode(first))
    assert failing(file.parent) == set()


def test_better_answers_than_the_estimator_gives_show_when_cells_run_again(
    honest: Path, command: Command, tmp_path: Path
) -> None:
    folder = touched(honest, tmp_path / "better", lambda r: dataclasses.replace(r, mi=r.truth))
    assert failing(folder) == set()
    code, out, err = command("submit", folder, "--include", honest.parent / "handed_in.py", "--seed", "3")
    assert code == 1 and out.count("DIFFERS") == 3 and "could not be repeated" in err
    assert not (tmp_path / "results").exists()


def test_a_seed_decides_which_cells_run_again_and_chance_does_without(honest: Path) -> None:
    submission = Submission(honest)
    drawn = [[r.cell.id for r in submission.rerun(0.5, seed)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(len(set(cells)) == 3 for cells in drawn)  # half of its own; the others are of a reference row


def test_nothing_to_submit_is_one_sentence(command: Command, tmp_path: Path) -> None:
    code, _, err = command("submit", tmp_path / "nowhere")
    assert code == 2 and "there are no results" in err and len(err.strip().splitlines()) == 1


def test_no_script_of_a_folder_that_holds_no_results_is_run(command: Command, tmp_path: Path) -> None:
    (tmp_path / "tidy.py").write_text(f"open({str(tmp_path / 'done')!r}, 'w')")
    code, _, err = command("submit", tmp_path, "--check")
    assert code == 2 and "there are no results at" in err and not (tmp_path / "done").exists()


def test_cells_of_reference_rows_are_not_run_again_while_there_are_others(honest: Path, tmp_path: Path) -> None:
    assert {r.cell.estimator for r in read_results(honest)} == {OWN, "cca"}
    assert {again.cell.estimator for again in Submission(honest).rerun(1.0, seed=0)} == {OWN}
    alone = touched(honest, tmp_path / "alone", lambda r: r if r.cell.estimator == "cca" else None)
    assert {again.cell.estimator for again in Submission(alone).rerun(1.0, seed=0)} == {"cca"}
