"""Merging: whole or not at all, the same in any order, and nothing that differs is passed over in silence."""

import gzip
import itertools
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import mibench
from mibench.engine.merge import merge_folders
from mibench.engine.reading import FILE, read_results
from mibench.engine.store import Store
from mibench.errors import UsageError
from mibench.result import Result, Status

from .conftest import MakeResult, tiny_png


def folder(directory: Path, *results: Result) -> Path:
    with Store(directory) as store:
        store.append(*results)
    return directory


def content(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def test_cells_of_all_folders_each_once_in_any_order_and_again(tmp_path: Path, make: MakeResult) -> None:
    results = [make(seed=seed, mi=seed / 7) for seed in range(9)]
    parts = [folder(tmp_path / name, *results[i : i + 5]) for name, i in (("a", 0), ("b", 2), ("c", 4))]
    made = []
    for number, order in enumerate(itertools.permutations(parts)):
        assert merge_folders(order, tmp_path / f"m{number}") == 9
        made.append(content(tmp_path / f"m{number}"))
    assert all(one == made[0] for one in made) and list(made[0]) == [FILE]
    assert {r.cell.id: r for r in read_results(tmp_path / "m0")} == {r.cell.id: r for r in read_results(*parts)}
    assert merge_folders([tmp_path / "m0", *parts, tmp_path / "m1"], tmp_path / "n") == 9
    assert content(tmp_path / "n") == made[0]
    assert merge_folders(parts, tmp_path / "n") == 9, "the same once more is no error"


def test_an_answer_stands_before_a_failure_and_the_last_record_of_a_folder_counts(
    tmp_path: Path, make: MakeResult
) -> None:
    failed = make(mi=None, status=Status.TIMEOUT, message="late.")
    a = folder(tmp_path / "a", make(mi=3.0), failed)
    b = folder(tmp_path / "b", make(mi=2.0))
    for number, order in enumerate(([a, b], [b, a])):
        merge_folders(order, tmp_path / str(number))
        assert [r.mi for r in read_results(tmp_path / str(number))] == [2.0]


def test_two_answers_are_a_conflict_that_is_named_and_can_be_decided(tmp_path: Path, make: MakeResult) -> None:
    a = folder(tmp_path / "a", make(mi=-1.0, seed=3), make(seed=4), make(seed=5, metrics={"s": 1.0}))
    b = folder(tmp_path / "b", make(mi=-2.0, seed=3), make(seed=4, wall_s=9.0), make(seed=5, metrics={"s": 2.0}))
    with pytest.raises(UsageError) as said:
        merge_folders([a, b], tmp_path / "m")
    assert "different answers to ksg on gauss, n = 1,000, seed 3 (and 1 more cell)" in str(said.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"], "nothing is left behind"
    for keep, mi in (("first", -1.0), ("last", -2.0)):
        merge_folders([a, b], tmp_path / keep, keep)
        assert {r.cell.seed: r.mi for r in read_results(tmp_path / keep)}[3] == mi
    with pytest.raises(UsageError, match="keep is first or last, not 'best'"):
        merge_folders([a, b], tmp_path / "m", "best")


def test_versions_are_not_mixed(tmp_path: Path, make: MakeResult) -> None:
    a = folder(tmp_path / "a", make())
    b = folder(tmp_path / "b", make(seed=1, provenance={"mibench": "9.9"}))
    with pytest.raises(UsageError, match="'.*a' was made by mibench 0.1.0 and '.*b' by 9.9: run both with one version"):
        merge_folders([a, b], tmp_path / "m")
    cell = make().cell
    newer = make(mi=1.5)
    object.__setattr__(newer, "cell", type(cell)(cell.estimator, cell.task, cell.n, cell.seed, "0" * 16))
    with pytest.raises(UsageError, match="hold different versions, or other parameters, of ksg on gauss, n = 1,000"):
        merge_folders([a, folder(tmp_path / "c", newer)], tmp_path / "m")
    merge_folders([folder(tmp_path / "d", make(), newer)], tmp_path / "m")
    assert [r.mi for r in read_results(tmp_path / "m")] == [1.5], "of one folder the last version counts"


def test_what_is_in_the_way_stays(tmp_path: Path, make: MakeResult) -> None:
    a = folder(tmp_path / "a", make())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").write_text("dear")
    with pytest.raises(UsageError, match="'.*full' is not empty: name a new folder"):
        merge_folders([a], tmp_path / "full")
    with pytest.raises(UsageError, match="is one of the folders to merge"):
        merge_folders([a], a)
    with pytest.raises(UsageError, match="there are no results at"):
        merge_folders([a, tmp_path / "b"], tmp_path / "m")
    with pytest.raises(UsageError, match="cannot write '/proc/nowhere"):
        merge_folders([a], "/proc/nowhere/m")
    assert content(tmp_path / "full") == {"letter": b"dear"} and not (tmp_path / "m").exists()


def test_damaged_lines_are_told_and_later_records_refuse(
    tmp_path: Path, make: MakeResult, caplog: pytest.LogCaptureFixture
) -> None:
    a = folder(tmp_path / "a", make(), make(seed=1))
    whole = (a / FILE).read_bytes()
    (a / FILE).write_bytes(whole.replace(b'"mi":1.0', b'"mi":2.0', 1) + b'{"half')
    assert merge_folders([a], tmp_path / "m") == 1
    told = ["1 damaged line left out (line 1).", "the last line is cut off and left out (line 3)."]
    assert caplog.messages == [f"{a / FILE}: {what}" for what in told]
    (a / FILE).write_bytes(whole + b'{"schema":99,"cell":{}}\n')
    with pytest.raises(UsageError, match=r"1 record of another version of mibench \(line 3\)"):
        merge_folders([a], tmp_path / "n")


def test_pictures_and_downstream_results_come_along_and_no_other_file(tmp_path: Path, make: MakeResult) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    told: dict[str, Any] = {"n": 0, "mi": None, "status": Status.OK, "group": "gan", "arm": "js", "truth": None}
    with Store(tmp_path / "a") as store:
        cell = make(**told).cell
        images = store.save_images(cell, {"samples": tiny_png(1)})
        store.append(make(**told, metrics={"KL": 0.1}, images={**images, "other": "../secret.png", "no": "images/x"}))
    merge_folders([tmp_path / "a"], tmp_path / "m")
    assert set(content(tmp_path / "m")) == {FILE, *images.values()}
    assert (tmp_path / "m" / images["samples"]).read_bytes() == tiny_png(1)
    assert read_results(tmp_path / "m")[0].metrics == {"KL": 0.1}


def test_compressed_folders_and_a_run_that_goes_on_beside(tmp_path: Path, make: MakeResult) -> None:
    a = folder(tmp_path / "a", make(), make(seed=1, mi=0.5))
    plain = read_results(a)
    packed = tmp_path / "a" / f"{FILE}.gz"
    packed.write_bytes(gzip.compress((a / FILE).read_bytes()))
    (a / FILE).unlink()
    assert read_results(a) == read_results(packed) == plain
    folder(a, make(seed=1, mi=0.7), make(seed=2))
    assert [(r.cell.seed, r.mi) for r in read_results(a)] == [(0, 1.0), (1, 0.7), (2, 1.0)]
    with Store(a) as store:
        assert store.results() == read_results(a)
    assert merge_folders([a], tmp_path / "m") == 3
    packed.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(UsageError, match="is cut short or damaged"):
        read_results(a)


def test_a_kill_leaves_the_whole_or_nothing(tmp_path: Path, make: MakeResult) -> None:
    a = folder(tmp_path / "a", *(make(seed=seed) for seed in range(300)))
    script = f"from mibench.engine.merge import merge_folders; merge_folders([{str(a)!r}], {str(tmp_path / 'm')!r})"
    killed_early = 0
    for wait in (0.4, 0.7, 1.0, 1.3):
        with subprocess.Popen([sys.executable, "-c", script]) as process:
            try:
                process.wait(wait + random.Random(wait).random() / 10)
            except subprocess.TimeoutExpired:
                process.kill()
                killed_early += 1
        assert not (tmp_path / "m").exists() or len(read_results(tmp_path / "m")) == 300
    assert merge_folders([a], tmp_path / "m") == 300
    assert sorted(os.listdir(tmp_path)) == ["a", "m"]


def test_shards_of_a_run_are_the_run(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"tasks": ["gauss", "independent"], "n": 50, "seeds": 6, "workers": 1, "progress": False}
    whole = mibench.run(["cca", "zero"], **asked)
    parts = [tmp_path / f"{k}" for k in (1, 2, 3)]
    for k, part in enumerate(parts, 1):
        mibench.run(["cca", "zero"], **asked, out=part, shard=(k, 3))
    merged = mibench.merge(parts, out=tmp_path / "m")
    assert {r.cell.id: (r.status, r.mi) for r in merged} == {r.cell.id: (r.status, r.mi) for r in whole}
    sizes = [len(read_results(part)) for part in parts]
    assert sum(sizes) == len(whole) and max(sizes) < len(whole)
    assert mibench.run(["cca", "zero"], **asked, out=tmp_path / "m").left == 0
    assert len((tmp_path / "m" / FILE).read_bytes().splitlines()) == len(whole), "all was finished"
