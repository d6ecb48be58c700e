"""The store: what was appended is there, whatever happened to the writer."""

import json
import os
import subprocess
import sys

import pytest

from mibench.engine.store import FILE, Store, load_results
from mibench.errors import UsageError


def test_records_come_back_equal(tmp_path, make):
    written = [make(seed=seed, mi=0.5 + seed, curve={"step": [1, 2], "train": [0.1, 0.2]}) for seed in range(5)]
    with Store(tmp_path) as store:
        for result in written:
            store.append(result)
    assert [r.to_json() for r in load_results(tmp_path)] == [r.to_json() for r in written]


def test_nan_and_infinity_become_null(tmp_path, make):
    with Store(tmp_path) as store:
        store.append(make(mi=float("nan"), diagnostics={"loss": float("inf")}))
    record = json.loads((tmp_path / FILE).read_text())
    assert record["mi"] is None and record["diagnostics"] == {"loss": None}


def test_the_last_record_of_a_cell_counts(tmp_path, make):
    with Store(tmp_path) as store:
        for mi in (1.0, 2.0):
            store.append(make(mi=mi))
        store.append(make(seed=1, mi=3.0))
    assert [r.mi for r in load_results(tmp_path)] == [2.0, 3.0]


@pytest.mark.parametrize("kept", [1, 40, -1])
def test_a_torn_last_line_is_skipped_and_spoils_nothing(tmp_path, make, kept):
    with Store(tmp_path) as store:
        store.append(make(seed=0))
        store.append(make(seed=1))
    first, second, _ = (tmp_path / FILE).read_bytes().split(b"\n")
    (tmp_path / FILE).write_bytes(first + b"\n" + second[:kept])
    assert [r.cell.seed for r in load_results(tmp_path)] == [0]
    with Store(tmp_path) as store:
        store.append(make(seed=2))
    assert [r.cell.seed for r in load_results(tmp_path)] == [0, 2]


def test_a_second_writer_is_refused_and_readers_are_not(tmp_path, make):
    with Store(tmp_path) as store:
        store.append(make())
        with pytest.raises(UsageError, match="another run is writing"):
            Store(tmp_path)
        assert len(load_results(tmp_path)) == 1
    Store(tmp_path).close()


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write results to"):
        Store(tmp_path / "file" / "inside")


def test_missing_results_are_a_sentence(tmp_path):
    with pytest.raises(UsageError, match="there are no results at"):
        load_results(tmp_path)
    with pytest.raises(UsageError, match="at least one"):
        load_results()


def test_several_folders_are_merged(tmp_path, make):
    for name, mi in (("a", 1.0), ("b", 2.0)):
        with Store(tmp_path / name) as store:
            store.append(make(mi=mi))
            store.append(make(estimator=name, mi=mi))
    merged = load_results(tmp_path / "a", tmp_path / "b")
    assert sorted((r.cell.estimator, r.mi) for r in merged) == [("a", 1.0), ("b", 2.0), ("ksg", 2.0)]


def test_the_data_frame_has_a_row_per_cell(tmp_path, make):
    with Store(tmp_path) as store:
        store.append(make(mi=1.5, truth=1.0))
        store.append(make(seed=1, mi=None))
    frame = load_results(tmp_path).df
    assert list(frame["seed"]) == [0, 1]
    assert frame.loc[0, "error"] == 0.5 and frame.loc[1, "status"] == "error"


def test_acknowledged_records_survive_a_kill(tmp_path):
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
        lines = [writer.stdout.readline() for _ in range(30)]
        writer.kill()
        lines += writer.stdout.readlines()
    acknowledged = {int(line) for line in lines if line.endswith("\n")}
    assert len(acknowledged) >= 30
    assert acknowledged <= {r.cell.seed for r in load_results(tmp_path)}
