"""Files that appear together, each wholly."""

from __future__ import annotations

from pathlib import Path

from mibench.files import put, together


def test_long_names_that_differ_at_their_end_are_different_files(tmp_path: Path) -> None:
    names = [f"{'a-long-name-' * 12}{end}.png" for end in ("half", "quarter")]
    with together() as put:
        for name in names:
            put(tmp_path / name, name)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {name: name for name in names}


def test_what_is_put_twice_is_there_once(tmp_path: Path) -> None:
    with together() as put:
        put(tmp_path / "a", "first")
        put(tmp_path / "a", "last")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["last"]


def test_nothing_is_there_before_all_is(tmp_path: Path) -> None:
    put(tmp_path / "a", "before")
    try:
        with together() as write:
            write(tmp_path / "a", "after")
            write(tmp_path / "b", "after")
            raise OSError
    except OSError:
        assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a", "before")]
