"""Files of results that two writers, a bad disk or an editor have been at: what is read was written, or it is told."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from mibench.engine import reading
from mibench.engine.merge import merge_folders
from mibench.engine.reading import COMPRESSED, FILE, read_results
from mibench.engine.records import decode, encode
from mibench.engine.store import Store
from mibench.errors import UsageError
from mibench.result import Result, Status

from .conftest import Say
from .test_fuzz import a_result, both, each

Bytes = Callable[[bytes], bytes]


def records(writer: int) -> list[Result]:
    """Of one writer: cells of its own, one that both have, a failure, and one that comes twice."""
    own = [dataclasses.replace(a_result(10 * writer + seed), message=f"of {writer} \u2028,") for seed in range(3)]
    shared = dataclasses.replace(a_result(99), mi=writer + 0.25)
    failed = dataclasses.replace(a_result(10 * writer + 5), status=Status.ERROR, mi=None, message='a "}\n{" of')
    return [*own, shared, failed, dataclasses.replace(own[0], mi=writer + 0.125)]


WRITTEN = {writer: [encode(record) for record in records(writer)] for writer in (0, 1)}
LINES = [line for lines in WRITTEN.values() for line in lines]
PLACES = st.floats(0, 1, exclude_max=True)


def _part(data: bytes, a: float, b: float) -> tuple[int, int]:
    first, last = sorted((int(a * len(data)), int(b * len(data))))
    return first, last


def flipped(bits: list[float]) -> Bytes:
    def change(data: bytes) -> bytes:
        made = bytearray(data)
        for place in bits if data else []:
            bit = int(place * 8 * len(data))
            made[bit // 8] ^= 1 << bit % 8
        return bytes(made)

    return change


def cut(a: float, b: float) -> Bytes:
    def change(data: bytes) -> bytes:
        first, last = _part(data, a, b)
        return data[:first] + data[last:]

    return change


def moved(a: float, b: float, to: float, copied: bool) -> Bytes:
    def change(data: bytes) -> bytes:
        first, last = _part(data, a, b)
        rest = data if copied else data[:first] + data[last:]
        at = int(to * len(rest))
        return rest[:at] + data[first:last] + rest[at:]

    return change


def lines_in_order(order: list[int]) -> Bytes:
    def change(data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        return b"".join(lines[i % len(lines)] for i in order) if lines else data

    return change


def overwritten(at: float, with_: bytes) -> Bytes:
    def change(data: bytes) -> bytes:
        first = int(at * len(data))
        return data[:first] + with_ + data[first + len(with_) :]

    return change


def crossed(a: int, b: int, at: float) -> Bytes:
    """The head of one line and the tail of another, of the same length or not."""

    def change(data: bytes) -> bytes:
        one, other = LINES[a % len(LINES)], LINES[b % len(LINES)]
        place = int(at * min(len(one), len(other)))
        return data + one[:place] + other[place:]

    return change


CHANGES = st.one_of(
    st.builds(flipped, st.lists(PLACES, min_size=1, max_size=4)),
    st.builds(cut, PLACES, PLACES),
    st.builds(moved, PLACES, PLACES, PLACES, st.booleans()),
    st.builds(lines_in_order, st.lists(st.integers(0, 20), max_size=12)),
    st.builds(overwritten, PLACES, st.binary(min_size=1, max_size=30) | st.sampled_from([bytes(512), b"\x1f\x8b"])),
    st.builds(crossed, st.integers(0, 20), st.integers(0, 20), PLACES),
)


def interleaved(pieces: list[tuple[int, int]]) -> bytes:
    """What two writers leave that know nothing of each other and write in pieces; 0: up to the end of a line."""
    left = [b"".join(WRITTEN[0]), b"".join(WRITTEN[1])]
    made = b""
    for who, size in pieces:
        end = size or left[who].find(b"\n") + 1
        made, left[who] = made + left[who][:end], left[who][end:]
    return made + left[0] + left[1]


PIECES = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 900) | st.just(0)), max_size=12)
DAMAGED = st.tuples(PIECES.map(interleaved), st.lists(CHANGES, max_size=3), st.booleans())


@both
def test_no_damage_makes_another_value(
    tmp_path: Path, examples: int, caplog: pytest.LogCaptureFixture, tally: Say
) -> None:
    written = list(map(decode, LINES))
    caplog.set_level(logging.WARNING)

    def check(drawn: Any) -> None:
        content, changes, packed = drawn
        if packed:
            content = gzip.compress(content)
        for change in changes:
            content = change(content)
        file, other = tmp_path / (COMPRESSED if packed else FILE), tmp_path / (FILE if packed else COMPRESSED)
        other.unlink(missing_ok=True)
        file.write_bytes(content)
        reading._warn.cache_clear()
        caplog.clear()
        try:
            found = read_results(tmp_path)
        except UsageError:  # what is packed cannot be read in part
            if not packed:
                raise
            return
        assert all(result in written for result in found)
        if not packed:
            told = {line for line in content.split(b"\n")[:-1] if line.strip(b"\r") + b"\n" not in LINES}
            assert not told or "left out (line" in caplog.text
            _next_writer(tmp_path, found)

    each(DAMAGED, check, examples, tally)


def _next_writer(folder: Path, found: list[Result]) -> None:
    """Whoever writes next spoils nothing, and what is merged is what is read."""
    fresh = decode(encode(a_result(1000)))
    with Store(folder) as writer:
        writer.append(fresh)
    after = read_results(folder)
    assert after[-1] == fresh and [r for r in after if r in found] == found
    (folder / "merged" / FILE).unlink(missing_ok=True)
    merge_folders([folder], folder / "merged")
    assert {r.cell.id: r for r in read_results(folder / "merged")} == {r.cell.id: r for r in after}


def test_the_end_of_a_checksum_does_not_close_another_record() -> None:
    """The head of a line and the last digits of a checksum may be JSON together, and were written by nobody."""
    written = list(map(decode, LINES))
    for line in LINES:
        for end in range(len(line)):
            for tail in range(3, 12):
                with contextlib.suppress(ValueError):
                    assert decode(line[:end] + line[-tail:]) in written, (line[:end], line[-tail:])


def test_a_checksum_that_is_no_more_is_no_pardon(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two bits: one in a value, and one in the name or the digits of the checksum."""
    whole = LINES[0]
    value, label = whole.index(b'"mi":0.5') + 7, whole.index(b'"checksum"')
    lost = 0
    for place in range(label, len(whole) - 2):
        for bit in range(8):
            changed = bytearray(whole)
            changed[value] ^= 1
            changed[place] ^= 1 << bit
            (tmp_path / FILE).write_bytes(bytes(changed) + LINES[1])
            reading._warn.cache_clear()
            caplog.clear()
            found = read_results(tmp_path)
            lost += len(found) == 1
            assert found[-1].cell.seed == 1 and len(found) == 1 and "left out (line" in caplog.text
    assert lost == 8 * (len(whole) - 2 - label)
