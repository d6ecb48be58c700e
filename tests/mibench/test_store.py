"""The store: what was appended is there, whatever happened to the writer."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mibench.engine.store import FILE, Store, read_results
from mibench.errors import UsageError
from mibench.result import Result

from .conftest import MakeResult


def written(directory: Path, *results: Result) -> Path:
    with Store(directory) as store:
        for result in results:
            store.append(result)
    return directory


def test_records_come_back_equal(tmp_path: Path, make: MakeResult) -> None:
    results = [make(seed=seed, mi=0.5 + seed, curve={"step": [1, 2], "train": [0.1, 0.2]}) for seed in range(5)]
    assert [r.to_json() for r in read_results(written(tmp_path, *results))] == [r.to_json() for r in results]


def test_nan_and_infinity_become_null(tmp_path: Path, make: MakeResult) -> None:
    written(tmp_path, make(mi=float("nan"), diagnostics={"loss": float("inf")}))
    record = json.loads((tmp_path / FILE).read_text())
    assert record["mi"] is None and record["diagnostics"] == {"loss": None}


def test_the_last_record_of_a_cell_counts(tmp_path: Path, make: MakeResult) -> None:
    written(tmp_path, make(mi=1.0), make(mi=2.0), make(seed=1, mi=3.0))
    assert [r.mi for r in read_results(tmp_path)] == [2.0, 3.0]


@pytest.mark.parametrize("kept", [1, 40, -1])
def test_a_torn_last_line_is_skipped_and_spoils_nothing(
    tmp_path: Path, make: MakeResult, kept: int, caplog: pytest.LogCaptureFixture
) -> None:
    written(tmp_path, make(seed=0), make(seed=1))
    first, second, _ = (tmp_path / FILE).read_bytes().split(b"\n")
    (tmp_path / FILE).write_bytes(first + b"\n" + second[:kept])
    assert [r.cell.seed for r in read_results(tmp_path)] == [0]
    assert [r.cell.seed for r in read_results(written(tmp_path, make(seed=2)))] == [0, 2]
    assert not caplog.messages


def test_no_single_changed_bit_goes_unnoticed(
    tmp_path: Path, make: MakeResult, caplog: pytest.LogCaptureFixture
) -> None:
    """Every record that is read is one that was written, and what is missing is told."""
    before = read_results(written(tmp_path, make(seed=0), make(seed=1)))
    whole = (tmp_path / FILE).read_bytes()
    for position in range(0, len(whole) - 3, 7):
        for bit in range(8):
            changed = bytearray(whole)
            changed[position] ^= 1 << bit
            (tmp_path / FILE).write_bytes(changed)
            caplog.clear()
            found = read_results(tmp_path)
            assert all(r in before for r in found)
            assert found == before or "damaged lines are left out" in caplog.text, (position, bit)


@pytest.mark.parametrize("line", ["null", "[]", "{}", '{"cell": {}}', "[" * 10_000 + "]" * 10_000 + "{}"])
def test_a_line_that_is_no_record_is_told(
    tmp_path: Path, make: MakeResult, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    written(tmp_path, make())
    with (tmp_path / FILE).open("a") as file:
        file.write(line + "\n")
    assert len(read_results(tmp_path)) == 1
    assert line[-1] != "}" or "1 damaged lines are left out, the first is line 2" in caplog.text


def test_records_of_a_later_version_are_refused(tmp_path: Path, make: MakeResult) -> None:
    (tmp_path / FILE).write_text(json.dumps({**make().to_json(), "schema": 99}) + "\n")
    with pytest.raises(UsageError, match="a later version of mibench"):
        read_results(tmp_path)


def test_a_second_writer_is_refused_and_readers_are_not(tmp_path: Path, make: MakeResult) -> None:
    with Store(tmp_path) as store:
        store.append(make())
        with pytest.raises(UsageError, match="another run is writing"):
            Store(tmp_path)
        assert len(read_results(tmp_path)) == 1
    Store(tmp_path).close()


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path, make: MakeResult) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write results to"):
        Store(tmp_path / "file" / "inside")
    with Store(tmp_path) as store:
        (tmp_path / FILE).unlink()
        with pytest.raises(UsageError, match="deleted while the run went on"):
            store.append(make())


def test_missing_results_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are no results at"):
        read_results(tmp_path)
    with pytest.raises(UsageError, match="at least one"):
        read_results()


def test_several_folders_are_merged(tmp_path: Path, make: MakeResult) -> None:
    for name, mi in (("a", 1.0), ("b", 2.0)):
        written(tmp_path / name, make(mi=mi), make(estimator=name, mi=mi))
    merged = read_results(tmp_path / "a", tmp_path / "b")
    assert sorted((r.cell.estimator, r.mi) for r in merged) == [("a", 1.0), ("b", 2.0), ("ksg", 2.0)]


def test_pictures_lie_beside_the_records_whatever_their_names(tmp_path: Path, make: MakeResult) -> None:
    with Store(tmp_path) as store:
        [file] = store.save_images(make().cell, {"../" + "x" * 500: b"png"}).values()
    assert (tmp_path / "images").resolve() == (tmp_path / file).resolve().parent
    assert (tmp_path / file).read_bytes() == b"png"


def test_acknowledged_records_survive_a_kill(tmp_path: Path) -> None:
    code = f"""
import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})
from conftest import result
from mibench.engine.store import Store
with Store({str(tmp_path)!r}) as store:
    seed = 0
    while True:
        store.append(result(seed=seed)); print(seed, flush=True); seed += 1
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        lines = [writer.stdout.readline() for _ in range(30)]
        writer.kill()
        lines += writer.stdout.readlines()
    acknowledged = {int(line) for line in lines if line.endswith("\n")}
    assert len(acknowledged) >= 30
    assert acknowledged <= {r.cell.seed for r in read_results(tmp_path)}
