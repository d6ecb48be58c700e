"""The fast reader: what it reads is what the plain one reads, of any line whatever."""

import json
import random
import zlib
from pathlib import Path
from typing import Any

import pytest

from mibench.engine.layout import Reader
from mibench.engine.records import decode, encode, ends
from mibench.result import Result, Status

from .conftest import MakeResult, plausible_results

PUBLISHED = Path(__file__).parents[2] / "results" / "published"


def read(line: bytes, reader: Any) -> Any:
    try:
        return reader(line)
    except ValueError as error:
        return type(error)


def both(line: bytes, reader: Reader) -> Any:
    found, plain = read(line, reader.decode), read(line, decode)
    assert found == plain and repr(found) == repr(plain), line
    assert read(line, reader.end) == (found if isinstance(found, type) else next(iter(ends([found]).items())))
    return found


def sealed(record: str) -> bytes:
    """A line with the right checksum, whatever is in it."""
    text = record.encode().removesuffix(b"}")
    return text + b',"checksum":"%08x"}\n' % zlib.crc32(text)


def test_results_of_every_kind_and_published_ones_are_read_alike() -> None:
    reader, known = Reader(), 0
    for result in plausible_results():
        line = encode(result)
        assert both(line, reader).to_json() == result.to_json()
        known += reader._in_layout(line) is not None
    assert known > 900
    for file in PUBLISHED.glob("*/results.jsonl"):
        for line in file.read_bytes().splitlines(keepends=True)[::29]:
            both(line, reader)


@pytest.mark.parametrize(
    "fields",
    [
        {"message": 'he said "no", \\ and\n left'},
        {"message": ',"provenance":{"time":"now"}'},
        {"diagnostics": {"wall_s": 1.0, "provenance": {"time": "x"}, "estimator_name": ',"wall_s":'}},
        {"diagnostics": {"checksum": "00000000"}},
        {"task_params": {"wall_s": [1, 2], "x": {"diagnostics": {}}}, "varies": "x"},
        {"provenance": {"a": {"time": "t"}, "time": "u"}},
        {"provenance": {"time": "u"}},
        {"provenance": {}},
        {"family": "Ünïcode", "arm": "\u2028"},
        {"mi": 1e300, "truth": 1.0},
        {"mi": -0.0, "stderr": 5e-324, "wall_s": 1e99},
        {"mi": 1, "wall_s": 2},
        {"batch_size": 10**17},
        {"curve": {"step": list(range(3000)), "train": [0.5] * 3000}},
    ],
    ids=str,
)
def test_odd_values_are_read_alike(make: MakeResult, fields: dict[str, Any]) -> None:
    reader = Reader()
    for seed in (1, 1, 2):
        both(encode(make(seed=seed, **fields)), reader)


def test_lines_that_were_written_by_no_writer_of_ours_are_read_alike(make: MakeResult) -> None:
    """Keys twice, in another order, or nested; numbers that JSON does not have; pieces not whole by themselves."""
    line = encode(make(mi=0.25, diagnostics={"a": 1})).decode()
    record = line[: line.rindex(',"checksum"')] + "}"
    edits = [
        ('"mi":0.25', '"mi":00.25'), ('"mi":0.25', '"mi":.25'), ('"mi":0.25', '"mi":NaN'), ('"mi":0.25', '"mi":"0.25"'),
        ('"family":"gaussian"', '"family":"gaussian","mi":7.5'), ('"family":"gaussian"', '"family":"a","family":"b"'),
        ('"dim_x":1', '"dim_x":-1'), ('"dim_x":1', '"dim_x":1.5'), ('"role":"entrant"', '"role":"king"'),
        ('"again":0', '"again":0,"again":3'), ('"again":0', '"again":true'), ('"wall_s":0.1', '"wall_s":-0.1'),
        ('"diagnostics":{"a":1}', '"diagnostics":{"a":NaN}'), ('"diagnostics":{"a":1}', '"diagnostics":{"a":1e999}'),
        ('"diagnostics":{"a":1}', '"diagnostics":[]'), ('"provenance":{', '"provenance":{"time":"a",'),
        ('"arm":""', '"arm":"","later":1'), (',"arm":""', ""), ('"status":"ok"', '"status":"splendid"'),
        ('"schema":2', '"schema":3'), ('"schema":2', '"schema":2.0'),
        ('"seed":0', '"seed":-1'), ('"n":1000', '"n":1e3'),
        ('"estimator_params":{}', '"estimator_params":{"a":{"b":1}'), ('"estimator":"ksg"', '"estimator":"\tksg"'),
    ]  # fmt: skip
    for old, new in edits:
        assert old in record, old
        reader = Reader()
        both(sealed(record), reader)
        both(sealed(record.replace(old, new, 1)), reader)
    moved = json.dumps(dict(reversed(json.loads(record).items())), separators=(",", ":"))
    both(sealed(moved), Reader())
    # a brace that is left open in one piece and closed in a later one
    opened = record.replace('"estimator_params":{}', '"estimator_params":{"x":1', 1).replace(
        '"curve":{}', '"curve":{}}', 1
    )
    both(sealed(opened), Reader())


def test_a_changed_byte_is_noticed_alike(make: MakeResult) -> None:
    reader, line = Reader(), encode(make(mi=0.5, stderr=0.1, message="a b"))
    written = both(line, reader)
    chance = random.Random(0)
    for _ in range(2000):
        changed = bytearray(line)
        changed[chance.randrange(len(line))] ^= 1 << chance.randrange(8)
        found = both(bytes(changed), reader)
        assert not isinstance(found, Result) or found == written, "as where the checksum's own name was hit"


def test_a_writer_takes_the_short_way_and_the_long_one_to_the_same_line(make: MakeResult) -> None:
    import numpy as np

    odd = make(mi=float("nan"), stderr=np.float64(0.5), dim_x=np.int64(3), diagnostics={"a": (1, float("inf"))})
    assert decode(encode(odd)).to_json() == odd.to_json()
    assert json.loads(encode(odd))["diagnostics"] == {"a": [1, None]}
    assert b'"status":"timeout"' in encode(make(mi=None, status=Status.TIMEOUT))
