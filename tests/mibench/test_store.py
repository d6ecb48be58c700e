"""The store: what was appended is there, whatever happened to the writer."""

import errno
import fcntl
import gzip
import json
import os
import random
import stat
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from mibench.engine import reading
from mibench.engine.merge import merge_folders
from mibench.engine.reading import COMPRESSED, FILE, read_results
from mibench.engine.records import recorded
from mibench.engine.store import Store
from mibench.errors import UsageError
from mibench.result import Result, Status

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


def test_a_torn_last_line_is_told_until_a_writer_has_marked_it_and_spoils_nothing(
    tmp_path: Path, make: MakeResult, caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever it is cut; told, since what was torn may be a copy that nobody runs to its end, such as a baseline."""
    written(tmp_path, make(seed=0), make(seed=1))
    first, second, _ = (tmp_path / FILE).read_bytes().split(b"\n")
    for kept in range(1, len(second)):
        caplog.clear()
        (tmp_path / FILE).write_bytes(first + b"\n" + second[:kept])
        assert [r.cell.seed for r in read_results(tmp_path)] == [0], second[:kept]
        assert caplog.messages == [f"{tmp_path / FILE}: the last line is cut off and left out (line 2)."]
    caplog.clear()
    assert [r.cell.seed for r in read_results(written(tmp_path, make(seed=2)))] == [0, 2]
    assert not caplog.messages
    (tmp_path / FILE).write_bytes(first + b"\n" + second)
    assert [r.cell.seed for r in read_results(tmp_path)] == [0, 1] and not caplog.messages


def test_no_single_changed_bit_goes_unnoticed(
    tmp_path: Path, make: MakeResult, caplog: pytest.LogCaptureFixture
) -> None:
    """Every record that is read is one that was written, and what is missing is told."""
    before = read_results(written(tmp_path, make(seed=0), make(seed=1)))
    whole = (tmp_path / FILE).read_bytes()
    for flip in random.Random(0).sample(range(8 * len(whole)), 1500):
        changed = bytearray(whole)
        changed[flip // 8] ^= 1 << flip % 8
        (tmp_path / FILE).write_bytes(changed)
        caplog.clear()
        found = read_results(tmp_path)
        assert all(r in before for r in found)
        assert found == before or "left out (line" in caplog.text, divmod(flip, 8)


DAMAGED: list[tuple[str, Any]] = [
    ("mi", "1.0"),
    ("mi", [1.0]),
    ("truth_error", None),
    ("truth_error", float("nan")),
    ("truth", float("inf")),
    ("truth", 1e308),
    ("family", None),
    ("family", "\ud800"),
    ("message", 5),
    ("wall_s", -1.0),
    ("dim_x", 1.5),
    ("dim_x", 10**400),
    ("curve", [1, 2]),
    ("curve", {"step": 1}),
    ("metrics", {"score": None}),
    ("images", {"a": 5}),
    ("metric_info", [{"name": 1}]),
    ("provenance", "here"),
    ("diagnostics", {"a": {"\ud800": 1}}),
    ("status", "splendid"),
    ("role", None),
    ("cell", None),
    ("cell", {"estimator": "a"}),
    ("cell", {"estimator": 1, "task": "t", "n": 1, "seed": 0, "id": "i"}),
    ("cell", {"estimator": "e", "task": "t", "n": -1, "seed": 0, "id": "i"}),
]


@pytest.mark.parametrize(("field", "value"), DAMAGED, ids=lambda v: repr(v)[:30])
def test_a_value_that_no_report_can_show_costs_its_line_and_is_told(
    tmp_path: Path, make: MakeResult, field: str, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    written(tmp_path, make())
    with (tmp_path / FILE).open("a") as file:
        file.write(json.dumps({**make(seed=1).to_json(), field: value}) + "\n")
    assert [r.cell.seed for r in read_results(tmp_path)] == [0]
    assert caplog.messages == [f"{tmp_path / FILE}: 1 damaged line left out (line 2)."]


@pytest.mark.parametrize("line", ["null", "[]", "{}", '{"cell": {}}', "[" * 10_000 + "]" * 10_000 + "{}", '{"cell": '])
def test_a_line_that_is_no_record_is_told(
    tmp_path: Path, make: MakeResult, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    written(tmp_path, make())
    with (tmp_path / FILE).open("a") as file:
        file.write(f"{line}\n{line}\n")
    written(tmp_path, make(seed=1))
    assert len(read_results(tmp_path)) == 2
    assert "2 damaged lines left out (lines 2, 3)" in caplog.text


def test_what_could_not_be_read_back_is_not_written(make: MakeResult) -> None:
    assert recorded(make())[0] == make()
    odd, _ = recorded(make(truth_error=float("nan")))
    assert odd.cell == make().cell and odd.status is Status.ERROR and "cannot be recorded" in odd.message


def _later(result: Result, **changes: Any) -> bytes:
    """A record with a right checksum, as another version might write it."""
    record = json.dumps({**result.to_json(), **changes}).encode().removesuffix(b"}")
    return record + b',"checksum":"%08x"}\n' % zlib.crc32(record)


@pytest.mark.parametrize("changes", [{"schema": 99}, {"status": "splendid"}, {"cell": {"phase": "new"}}])
def test_records_of_a_later_version_are_kept_and_told_and_their_folder_is_left_alone(
    tmp_path: Path, make: MakeResult, changes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    written(tmp_path, make())
    with (tmp_path / FILE).open("ab") as file:
        file.write(_later(make(seed=1), **changes))
    before = (tmp_path / FILE).read_bytes()
    assert [r.cell.seed for r in read_results(tmp_path)] == [0]
    assert caplog.messages == [f"{tmp_path / FILE}: 1 record of another version of mibench left out (line 2)."]
    with Store(tmp_path) as store, pytest.raises(UsageError, match="holds 1 record of another version"):
        store.results()
    assert (tmp_path / FILE).read_bytes() == before


def test_a_second_writer_is_refused_and_readers_are_not(tmp_path: Path, make: MakeResult) -> None:
    with Store(tmp_path) as store:
        store.append(make())
        with pytest.raises(UsageError, match="another run is writing"):
            Store(tmp_path)
        assert len(read_results(tmp_path)) == 1
        (tmp_path / FILE).unlink()
        with pytest.raises(UsageError, match="another run is writing"):
            Store(tmp_path)
    Store(tmp_path).close()


def test_a_file_system_that_locks_no_folders_is_good_enough(
    tmp_path: Path, make: MakeResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As NFS, where a lock is for those who may write, and nobody opens a folder for that."""
    real = fcntl.flock

    def flock(descriptor: int, operation: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with Store(tmp_path / "a") as store:
        store.append(make())
        with pytest.raises(UsageError, match="another run is writing"):
            Store(tmp_path / "a")
    assert merge_folders([tmp_path / "a"], tmp_path / "b") == 1 and len(read_results(tmp_path / "b")) == 1


def test_a_file_of_nothing_but_damage_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few kilobytes that are compressed may be a thousand million lines."""
    monkeypatch.setattr(reading, "_HOPELESS", 1000)
    (tmp_path / COMPRESSED).write_bytes(gzip.compress(b"\n" * 5000))
    with pytest.raises(UsageError, match="1,000 lines of it are damaged, and more"):
        read_results(tmp_path)


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path, make: MakeResult) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write results to"):
        Store(tmp_path / "file" / "inside")
    with Store(tmp_path) as store:
        (tmp_path / FILE).unlink()
        with pytest.raises(UsageError, match="deleted while the run went on"):
            store.append(make())


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.5])
def test_a_file_that_is_cut_short_meanwhile_ends_the_run_and_costs_no_later_record(
    tmp_path: Path, make: MakeResult, kept: float
) -> None:
    """As by `> results.jsonl`; told at the next record, or where none comes, when the results are asked for."""
    with Store(tmp_path) as store:
        store.append(*(make(seed=seed) for seed in range(3)))
        os.truncate(tmp_path / FILE, int(kept * (tmp_path / FILE).stat().st_size))
        with pytest.raises(UsageError, match="cut short while the run went on; the same command runs again"):
            store.results()
        with pytest.raises(UsageError, match="cut short while the run went on; the same command runs again"):
            store.append(make(seed=3))
    whole = [r.cell.seed for r in read_results(tmp_path)]
    assert whole == [*range(int(kept * 3)), 3]
    with Store(tmp_path) as store:
        assert len(store.results()) == len(whole)


def test_what_somebody_else_writes_into_the_file_costs_no_record(tmp_path: Path, make: MakeResult) -> None:
    with Store(tmp_path) as store:
        for seed in range(2):
            with (tmp_path / FILE).open("a") as file:
                file.write("rubbish")
            store.append(make(seed=seed))
        assert [r.cell.seed for r in store.results()] == [0, 1]


def test_a_pipe_is_no_file_of_results(tmp_path: Path) -> None:
    """Nobody reads it, and a run would wait for ever once it is full."""
    os.mkfifo(tmp_path / FILE)
    with pytest.raises(UsageError, match=f"cannot write results to .*{FILE} in it is no regular file"):
        Store(tmp_path)


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
