"""Reading one's own data: what is written comes back exactly, or is refused in one sentence; never anything else."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import math
import os
import pickle
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import mibench
from mibench.errors import DataError, UsageError
from mibench.samples import ColumnKind, Declared, Table, open_file, read_pair
from mibench.samples.choose import choose

FOLDER = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
VALUES = np.random.default_rng(0).normal(size=(50, 4))


def put(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def whole(file: Path, declared: Declared | None = None, least: int = 1) -> Table:
    opened = open_file(file, declared, least)
    return opened.read(range(len(opened.names)))


def read_or_refused(file: Path, least: int = 1) -> Table | None:
    """The table, or None where it is refused in one sentence; any other error passes through."""
    said = ""
    try:
        return whole(file, least=least)
    except UsageError as error:
        said = str(error)
    assert said and "\n" not in said
    return None


def refusal(file: Path, declared: Declared | None = None) -> str:
    with pytest.raises(UsageError) as stop:
        whole(file, declared)
    said = str(stop.value)
    assert said.endswith(".") and "\n" not in said
    return said


def lines(values: npt.NDArray[Any], delimiter: str = ",", decimal: str = ".", form: str = "") -> str:
    return "".join(delimiter.join(format(float(v), form).replace(".", decimal) for v in row) + "\n" for row in values)


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


# Round trips ---------------------------------------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-10, 10).map(lambda v: round(v, 3)),
    st.integers(-200, 2000).map(float),
    st.just(math.nan),
)


@FOLDER
@given(
    data=st.data(),
    k=st.integers(1, 4),
    delimiter=st.sampled_from([",", ";", "\t", "|", " "]),
    decimal=st.sampled_from([".", ","]),
    header=st.booleans(),
    quoted=st.booleans(),
    trailing=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "latin-1"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    gap=st.sampled_from(["", "NA"]),
)
def test_numbers_come_back_exactly_or_are_refused(
    tmp_path: Path,
    data: st.DataObject,
    k: int,
    delimiter: str,
    decimal: str,
    header: bool,
    quoted: bool,
    trailing: bool,
    encoding: str,
    end: str,
    gap: str,
) -> None:
    rows = data.draw(st.lists(st.lists(NUMBERS, min_size=k, max_size=k), min_size=2, max_size=25))
    # whole numbers between commas cannot be told from pairs of them with a decimal comma: nothing in the file differs
    assume(not (delimiter == decimal == "," and not quoted and not header and k + trailing > 1))
    # a last column without values, and without a name of its own, is a delimiter at the end of each row
    assume((header and delimiter != decimal) or not all(math.isnan(row[-1]) for row in rows))
    # of runs of blanks, and of one column, a gap at the end is nothing at all
    assume(gap or (delimiter != " " and k > 1))

    def cell(value: float) -> str:
        text = gap if math.isnan(value) else f"{value:.0f}" if value == int(value) and abs(value) < 1e6 else repr(value)
        text = text.replace(".", decimal)
        return f'"{text}"' if quoted else text

    names = [["größe", "b (cm)", "c", "d"][j] for j in range(k)]
    first = [delimiter.join(f'"{n}"' if quoted or " " in n else n for n in names)] if header else []
    body = [delimiter.join(map(cell, row)) + delimiter * trailing for row in rows]
    file = put(tmp_path, (end.join(first + body) + end).encode(encoding))
    found = read_or_refused(file, least=min(k, 2))
    if found is None:
        return
    expected = np.array([[0.0 if v == 0 else v for v in row] for row in rows])
    assert found.values.shape == expected.shape
    np.testing.assert_array_equal(found.values, expected)
    if header:
        assert found.names == tuple(names)


@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " "])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["utf-8", "utf-8-sig", "utf-16"])
def test_ordinary_tables_are_read_and_not_refused(
    tmp_path: Path, decimal: str, delimiter: str, header: bool, end: str, mark: str
) -> None:
    text = ("a b c d\n".replace(" ", delimiter) if header else "") + lines(VALUES, delimiter, decimal, ".6f")
    file = put(tmp_path, text.replace("\n", end).encode(mark))
    if delimiter == decimal:
        assert "expected" in (said := refusal(file)) or "decimal commas" in said or "first line" in said
        return
    np.testing.assert_array_equal(whole(file).values, np.round(VALUES, 6))


@FOLDER
@given(
    levels=st.lists(
        st.text('ab,;"\t é#1', min_size=1, max_size=6).map(str.strip).filter(bool), min_size=2, max_size=4, unique=True
    ),
    order=st.lists(st.integers(0, 3), min_size=20, max_size=40),
    delimiter=st.sampled_from([",", ";", "\t"]),
)
def test_categories_come_back_or_are_refused(
    tmp_path: Path, levels: list[str], order: list[int], delimiter: str
) -> None:
    written = [levels[i % len(levels)] for i in order]
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
        [("kind", "x"), *((text, f"{i}.5") for i, text in enumerate(written))]
    )
    found = read_or_refused(put(tmp_path, stream.getvalue()))
    if found is None:
        return
    assume(found.kinds[0] is ColumnKind.CATEGORY)  # "1" is a number
    assert [found.levels[0][int(code)] for code in found.values[:, 0]] == written
    np.testing.assert_array_equal(found.values[:, 1], np.arange(len(written)) + 0.5)


@FOLDER
@given(st.text('0123456789.,;\t "\n-eEx#', max_size=200))
def test_whatever_is_accepted_is_what_a_plain_reader_sees(tmp_path: Path, text: str) -> None:
    file = put(tmp_path, text)
    try:
        opened = open_file(file)
        found = opened.read(range(len(opened.names)))
    except UsageError:
        return
    source = opened.source
    kept = [line + "\n" for line in text.split("\n") if line.strip(" " if source.delimiter == "\t" else None)]
    kept = [line for line in kept if not line.startswith("#")]
    assume(source.delimiter not in (" ", None) and not source.thousands and '"' not in text)
    rows = [[cell.strip() for cell in line.rstrip("\n").split(source.delimiter or "\0")] for line in kept]
    rows = rows[bool(source.header) :]
    assert len(rows) == len(found.values) == source.rows
    for j, kind in enumerate(found.kinds):
        for row, value in zip(rows, found.values[:, j], strict=True):
            if kind.label:
                assert math.isnan(value) or found.levels[j][int(value)].lower() == row[j].lower()
            elif not math.isnan(value):
                assert float(row[j].replace(source.decimal or ".", ".")) == value
            else:
                assert row[j] in ("", ".")


@FOLDER
@given(
    st.binary(max_size=300), st.sampled_from([b"", b"\x93NUMPY", b"PK\x03\x04", b"PAR1", b"\xff\xfe", b"a,b\n1,2\n"])
)
def test_random_bytes_are_read_or_refused(tmp_path: Path, content: bytes, magic: bytes) -> None:
    read_or_refused(put(tmp_path, magic + content))


@FOLDER
@given(st.data())
def test_damaged_files_are_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    sound = data.draw(st.sampled_from([npy(VALUES), npz(x=VALUES, y=VALUES[:, 0]), lines(VALUES).encode()]))
    at = data.draw(st.integers(0, len(sound) - 1))
    byte = data.draw(st.binary(min_size=1, max_size=3))
    cut = data.draw(st.integers(at, len(sound)))
    read_or_refused(put(tmp_path, (sound[:at] + byte + sound[at + len(byte) :])[:cut]))


# What files of the world look like -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["", ".2f", ".0f", ".18e"])
@pytest.mark.parametrize("name", ["", "x", "height", "time (s)", "temp, C", '"temp, C"', "a;b"])
def test_one_column_is_one_column(tmp_path: Path, form: str, name: str) -> None:
    column = VALUES[:, :1] * 100
    found = whole(put(tmp_path, (f"{name}\n" if name else "") + lines(column, form=form)))
    assert found.names == (name.strip('"') or "0",)
    np.testing.assert_array_equal(found.values[:, 0], [float(format(float(v), form)) for v in column[:, 0]])


def test_delimiters_at_the_ends_of_rows_shift_nothing(tmp_path: Path) -> None:
    ended = lines(VALUES).replace("\n", ",\n")
    for text in ("a,b,c,d\n" + ended, "a,b,c,d,\n" + ended, ended):
        np.testing.assert_array_equal(whole(put(tmp_path, text)).values, VALUES)
    assert "3 fields and the others have 4" in refusal(put(tmp_path, "a,b,c\n" + lines(VALUES)))


@pytest.mark.parametrize("first", ["1,1,0,1", "0,1,1,0", "2,1,0,3", "1,0,1,1"])
def test_labels_without_a_header_lose_no_row_and_keep_their_numbers(tmp_path: Path, first: str) -> None:
    labels = np.random.default_rng(1).integers(0, 2, (60, 4))
    body = "".join(",".join(map(str, row)) + "\n" for row in labels.tolist())
    found = read_pair([put(tmp_path, f"{first}\n{body}")], "0", "1")
    assert len(found.x.values) == 61 and found.x.values[0, 0] == float(first[0])
    np.testing.assert_array_equal(found.y.values[1:, 0], labels[:, 1])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("1,234\n2,345\n3,456\n4,567\n", "one number or 2 values"),
        ("x;y\n1,234;5\n2,345;6\n", "can be 1.234 or 1234"),
        ("x;y\n1.234;950\n2.345;951\n", "can be 1234 or 1.234"),
        ("0,126,1,304\n0,042,1,071\n-0,126,2,304\n", "decimal commas"),
        ("2001,2002\n0.5,1.5\n2.5,3.5\n4.5,5.5\n", "names or values"),
        ("0,1,2\n3,4,5\n6,7,8\n1,1,2\n", "names or values"),
        ("0\n1.5\n2.5\n3.5\n", "names or values"),
        ("x,1.5\n2.5,3.5\n4.5,5.5\n", "names or values"),
        ("1 234\n2 345\n3 456\n", "one number or 2 values"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused_with_the_words_that_decide(
    tmp_path: Path, text: str, what: str
) -> None:
    said = refusal(put(tmp_path, text))
    assert what in said and "--" in said


@pytest.mark.parametrize(
    ("text", "declared", "first"),
    [
        ("1,234\n2,345\n3,456\n", Declared(","), [1, 234]),
        ("1,234\n2,345\n3,456\n", Declared("", ","), [1.234]),
        ("1,234\n2,345\n3,456\n", Declared("", "."), [1234]),
        ("x;y\n1,234;5\n2,345;6\n", Declared(decimal=","), [1.234, 5]),
        ("x;y\n1,234;5\n2,345;6\n", Declared(decimal="."), [1234, 5]),
        ("x;y\n1.234;950\n2.345;951\n", Declared(decimal=","), [1234, 950]),
        ("2001,2002\n0.5,1.5\n2.5,3.5\n4.5,5.5\n", Declared(header=True), [0.5, 1.5]),
        ("2001,2002\n0.5,1.5\n2.5,3.5\n4.5,5.5\n", Declared(header=False), [2001, 2002]),
        ("a:b\n1:2\n3:4\n", Declared(":"), [1, 2]),
    ],
)
def test_what_is_declared_decides(tmp_path: Path, text: str, declared: Declared, first: list[float]) -> None:
    assert whole(put(tmp_path, text), declared).values[0].tolist() == first


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ('x,y\n"1,234.5",2.5\n"12,345,678.5",3\n', [1234.5, 2.5]),
        ("x;y\n1.234,5;2,5\n12.345.678,5;3\n", [1234.5, 2.5]),
        ("x;y\n1\u202f234,5;2,5\n12\u202f345,5;3\n", [1234.5, 2.5]),
        ("x;y\n1'234.5;2.5\n12'345.5;3\n", [1234.5, 2.5]),
        ('"x";"y"\n"0,5";"2,5"\n"1,25";"3"\n', [0.5, 2.5]),
        ("sep=;\nx;y\n0,5;2,5\n1,25;3\n", [0.5, 2.5]),
        ("x, y\n0.5, 2.5\n1.25, 3\n", [0.5, 2.5]),
        ("# a b\n0.5 2.5\n1.25 3\n# done\n", [0.5, 2.5]),
        ("   x      y\n 0.5    2.5\n1.25    3.0\n", [0.5, 2.5]),
        ('"x" "y"\n"r1" 0.5 2.5\n"r1" 1.25 3\n"r2" 1 2\n"r2" 1 2\n', [0, 0.5, 2.5]),
        (",0,1\n0,0.5,2.5\n1,1.25,3.5\n2,1,2\n", [0, 0.5, 2.5]),
        ("x,y\n0.5,2.5\n\n1.25,3\n", [0.5, 2.5]),
        ('"0";"2,5"\n"1";"3"\n', [0, 2.5]),
        ("x,°C\n0.5,2.5\n1.25,3\n", [0.5, 2.5]),
        ("      x     y\n0  0.50  2.5\n1  1.25  3.0\n", [0, 0.5, 2.5]),
        ("     x   y\n1 0.50 2.5\n2 1.25 3.0\n", [1, 0.5, 2.5]),
        ("x;y\n-1\u2019234.5;2.5\n12\u2019345.5;3\n", [-1234.5, 2.5]),
        ("x,y\n\u22120.5,2.5\n1.25,\u22123\n", [-0.5, 2.5]),
        ("x y\n-0.5D+01 2.5D0\n.125D-2 0.3D+01\n", [-5, 2.5]),
    ],
)
def test_what_spreadsheets_and_programs_write(tmp_path: Path, text: str, first: list[float]) -> None:
    assert whole(put(tmp_path, text)).values[0].tolist() == first
    if "°" in text:
        assert whole(put(tmp_path, text.encode("latin-1"))).names == ("x", "°C")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty"),
        (b"\n \n", "holds no values"),
        (b"a,b\n", "header and no values"),
        (lines(VALUES) + "1,2,oops,4\n", "line 51, column '2': 'oops' is no number"),
        ("a,b\n1.5,2.5\n2.5,3.5\n4.5\n", "line 4: 1 field"),
        ("a,b\n" + "1.5,2.5\n" * 40_000 + "1,2,3\n", "line 40002: 3 fields where 2 are expected"),
        ("a,b\n" + "1.5,2.5\n" * 40_000 + "1,x\n", "line 40002, column 'b': 'x' is no number"),
        ('a,b\n"1,2\n3,4\n', "never closed"),
        ('0"\t"\t0\n', "quotation marks"),
        ("x\n1.5\n\n2.5\n", "line 3: a blank line"),
        ("a,b\n1,inf\n2,3\n", "infinite"),
        (f"a,b\n{2**60},1\n{2**60 + 1},2\n", "beyond 2^53"),
        *(
            (f't,x\n"{date}",1\n' + 9 * f'"{date}",2\n', "dates or times")
            for date in (
                "2020-01-01",
                "1/2/20",
                "01 January 2020",
                "2-feb-20",
                "March 3, 2020",
                "Wed Sep 4 04:16:07 2020",
            )
        ),
        ("t,x\n5%,1\n6%,2\n", "something beside them"),
        ('t,x\n"-$1,500",1\n"$2,500.50",2\n', "something beside them"),
        ("t,x\n" + "".join(f"{i % 12} kg,1\n{i % 12}000 g,2\n" for i in range(99)), "something beside them"),
        ("t,x\n" + "".join(f'"{i % 12 + 1},34,567",{i}\n' for i in range(99)), "something beside them"),
        ("t,x\n" + "".join(f"{i % 12 + 1}/16,{i}\n" for i in range(99)), "something beside them"),
        ("a,b\n1,2\n3,4\na,b\n5,6\n", "its header ('a, b') stands again as row 3"),
        ("% made by hand\n1.5 2.5\n3.5 4.5\n", "its first line has 4 fields and the others have 2"),
        ("t,x\nab,1\ncd,2\nef,3\n", "no category"),
        ("t,x\n,1\n,2\n", ""),
        (b"a,b\n1,2\n3,\x014\n", "line 3: a control character"),
        (bytes(range(1, 256)), "not cp1252"),
        (bytes(range(256)), "no text"),
        (b"\x1f\x8b\x08abc", "damaged or cut off"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9], "damaged or cut off"),
        (gzip.compress(b"", mtime=0), "it is empty"),
        (lzma.compress(b"a,b\n1,2\n")[:-20], "damaged or cut off"),
        (b"\x28\xb5\x2f\xfd abc", "zstdcat"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"SQLite format 3\0 abc", "export the table as CSV"),
        (pickle.dumps({"x": 1}), "a pickle, which is never loaded"),
        ('{"x": 1.5, "y": 2}\n{"x": 2.5, "y": 3}\n', "it is JSON"),
        ('\ufeff [\n{"x": 1.5},\n{"x": 2.5}]\n', "it is JSON"),
        ("<table>\n<tr><td>1</td></tr>\n</table>\n", "XML or HTML"),
        ("@relation t\n@attribute x numeric\n@data\n1\n2\n", "ARFF"),
        ("x\n" + "a" * 200_000 + "\n1\n2\n", "line 2, column 'x': 'aaaa"),
        (npy(np.array(3.0)), "a single value"),
        (npy(np.zeros((0, 2))), "no values"),
        (npy(VALUES)[:-5], "truncated"),
        (npy(VALUES)[:30], "damaged"),
        (npy(VALUES).replace(b"(50, 4)", b"(10**12,)"), "damaged"),
        (npy(VALUES).replace(b"(50, 4), } ", b"(1000000000000,), }"), "promises"),
        (npy(np.array(["2020-01-01"] * 3, "M8[D]")), "dates"),
        (npy(np.array([1, "a", None], object)), "Python objects"),
        (npy(np.array([2**63, 1], np.uint64)), "2^53"),
        (npy(np.array(["1", "2", "1"])), "numbers as text"),
        (npz(x=VALUES)[:-40], "damaged"),
        (npz(x=VALUES, y=VALUES[:5]), "different lengths"),
    ],
)
def test_each_defect_is_one_sentence(tmp_path: Path, content: str | bytes, what: str) -> None:
    file = put(tmp_path, content)
    if what:
        assert what in refusal(file)
    else:
        with pytest.raises(UsageError, match="no row has a value in every column used: column 't'"):
            read_pair([file], "t", "x")


@pytest.mark.parametrize("beside", [np.array({"n": 3}, object), np.array(["2020-01-01"] * 3, "M8[D]"), np.zeros(0)])
def test_what_is_no_sample_costs_an_archive_nothing_but_itself(tmp_path: Path, beside: npt.NDArray[Any]) -> None:
    file = put(tmp_path, npz(settings=beside, x=VALUES[:, 0], y=VALUES[:, 1]))
    np.testing.assert_array_equal(read_pair([file], "x", "y").y.values[:, 0], VALUES[:, 1])
    with pytest.raises(UsageError, match="settings"):
        read_pair([file], "x", "settings")


def test_records_with_names_of_other_letters_are_read(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="format 3.0"):
        file = put(tmp_path, npy(np.array([(1.0, 2), (3.0, 5)], [("größe", "f8"), ("重さ", "i4")])))
    assert whole(file).names == ("größe", "重さ")
    np.testing.assert_array_equal(whole(file).values, [[1, 2], [3, 5]])


def test_categories_of_any_bytes_stay_apart(tmp_path: Path) -> None:
    found = whole(put(tmp_path, npy(np.array([b"\xff", b"\xfe", b"\xff", b"a"] * 9))))
    assert len(found.levels[0]) == 3 and (found.values[:, 0].reshape(9, 4) == found.values[:4, 0]).all()


@pytest.mark.parametrize("level", ["{0} mg", "{0}-{0}9", "{0}{1}", "grade {0}", "Decile {0}"])
def test_levels_with_digits_in_them_stay_categories(tmp_path: Path, level: str) -> None:
    few = 4 if level == "{0} mg" else 13  # doses are few; classes, codes and names may be many
    cells = [level.format(i % few + 1, "abcd"[i % 4]) for i in range(200)]
    found = whole(put(tmp_path, "t,x\n" + "".join(f"{c},{i}.5\n" for i, c in enumerate(cells))))
    assert found.kinds[0] is ColumnKind.CATEGORY and len(found.levels[0]) == len(set(cells))


@pytest.mark.parametrize(
    ("member", "what"),
    [
        ("xl/workbook.xml", "save the sheet as CSV"),
        ("content.xml", "save the sheet as CSV"),
        ("model/data.pkl", "never loaded"),
        ("data.csv", "unpack it"),
    ],
)
def test_archives_that_hold_no_arrays_are_named(tmp_path: Path, member: str, what: str) -> None:
    with zipfile.ZipFile(tmp_path / "t.csv", "w") as archive:
        archive.writestr(member, "")
    assert what in refusal(tmp_path / "t.csv")


def test_pipes_folders_and_devices_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert "pipe" in refusal(tmp_path / "fifo")
    assert "folder" in refusal(tmp_path)
    assert "device" in refusal(Path("/dev/zero"))
    assert "No such file" in refusal(tmp_path / "none")


# Arrays --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["f2", "f4", ">f8", "longdouble", "i1", "u8", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_all_numbers_come_back(tmp_path: Path, kind: str, order: Any) -> None:
    values = np.asarray(VALUES * 3, order=order).astype(np.int8 if kind == "u8" else kind)
    values = np.abs(values).astype(kind) if kind == "u8" else values
    found = whole(put(tmp_path, npy(values)))
    np.testing.assert_array_equal(found.values, values.astype(float))
    assert (set(found.kinds) == {ColumnKind.BOOLEAN}) == (kind == "?")


@pytest.mark.parametrize("packed", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files_are_read_as_what_is_in_them(tmp_path: Path, packed: Callable[[bytes], bytes]) -> None:
    for content in (b"a,b\n" + lines(VALUES[:, :2]).encode(), npy(VALUES[:, :2])):
        plain, other = (read_pair([put(tmp_path, form)], "0", "1") for form in (content, packed(content)))
        np.testing.assert_array_equal(plain.x.values, other.x.values)
        assert plain.y.names == other.y.names


def test_a_compressed_file_without_end_is_refused_before_memory_ends(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(1 << 26))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=1 << 25))
        with pytest.raises(UsageError, match="GiB of memory"):
            read_pair([put(tmp_path, bomb)], "0", "1")


def test_complex_numbers_are_two_columns(tmp_path: Path) -> None:
    values = VALUES[:, 0] + 1j * VALUES[:, 1]
    np.testing.assert_array_equal(whole(put(tmp_path, npy(values))).values, VALUES[:, :2])
    y = VALUES[:, 2]
    assert mibench.estimate(values, y, "cca").mi == pytest.approx(mibench.estimate(VALUES[:, :2], y, "cca").mi)


def test_masked_values_are_missing() -> None:
    x, mask = VALUES[:, 0], np.arange(50) % 7 == 0
    for fill in (-9999.0, 0.0):
        with pytest.raises(DataError, match="x holds 8 NaN"):
            mibench.estimate(np.ma.masked_array(np.where(mask, fill, x), mask), VALUES[:, 1])
    unmasked = mibench.estimate(np.ma.masked_array(x, np.zeros(50, bool)), VALUES[:, 1]).mi
    assert unmasked == mibench.estimate(x, VALUES[:, 1]).mi
    with pytest.raises(DataError, match="dates"):
        mibench.estimate(np.arange(50).astype("m8[D]"), x)


@pytest.mark.parametrize("scale", [1e300, 1e-300, 5e-320])
def test_scales_that_cannot_be_squared_are_refused(scale: float) -> None:
    with pytest.raises(DataError, match="rescale"):
        mibench.estimate(VALUES[:, 0] * scale, VALUES[:, 1])


def test_records_archives_and_parquet_have_names(tmp_path: Path) -> None:
    records = np.array([(1, 2.5), (3, 4.5)], dtype=[("a", "i4"), ("b", "f8")])
    assert whole(put(tmp_path, npy(records))).names == ("a", "b")
    archive = put(tmp_path, npz(x=VALUES, y=VALUES[:, 0], note=np.array(1.0)))
    found = read_pair([archive], "x", "y")
    np.testing.assert_array_equal(found.x.values, VALUES)
    pd, pq = pytest.importorskip("pandas"), pytest.importorskip("pyarrow.parquet")
    assert pq
    frame = pd.DataFrame({"v": VALUES[:4, 0], "n": pd.array([1, None, 3, 4], "Int64"), "c": list("abba")})
    frame.to_parquet(tmp_path / "t.parquet")
    table = whole(tmp_path / "t.parquet")
    assert table.kinds == (ColumnKind.CONTINUOUS, ColumnKind.INTEGER, ColumnKind.CATEGORY)
    np.testing.assert_array_equal(table.values[:, 1], [1, np.nan, 3, 4])
    assert table.levels[2] == ("a", "b")


def test_parquet_without_pyarrow_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install pyarrow" in refusal(put(tmp_path, b"PAR1" + bytes(20)))


# Columns and pairs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y", "names"),
    [
        ("a", "b", ("a",)),
        ("0,c", "3", ("a", "c")),
        ("0-2", "d", ("a", "b", "c")),
        ("2-", "#0", ("c", "d", "e, f")),
        ('"e, f",a', "b", ("e, f", "a")),
        ("e, f", "b", ("e, f",)),
        ("e*,a", "b", ("e, f", "a")),
        ("?", '"e, f"', ("a", "b", "c", "d")),
        ("d:b,0", "e*", ("b", "c", "d", "a")),
    ],
)
def test_columns_by_name_number_and_range(tmp_path: Path, x: str, y: str, names: tuple[str, ...]) -> None:
    values = np.hstack([VALUES, VALUES[:, :1] + 1])
    file = put(tmp_path, 'a,b,c,d,"e, f"\n' + lines(values))
    found = read_pair([file], x, y)
    assert found.x.names == names
    own = ["a", "b", "c", "d", "e, f"]
    np.testing.assert_array_equal(found.x.values, values[:, [own.index(name) for name in names]])


def test_columns_are_chosen_in_a_time_that_grows_as_their_number() -> None:
    names = [f"v{i}" for i in range(50_000)]
    began = time.process_time()
    assert choose("v1:v49999,0", names, True, "it") == [*range(1, 50_000), 0]
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("header", "x", "y", "what"),
    [
        ("a,b,c,d", "a", "a,b", "in both --x and --y"),
        ("a,b,c,d", "0-2", "b", "in both --x and --y"),
        ("a,b,c,d", "a,0", "b", "asked for twice"),
        ("a,b,c,d", "a", "z", "has no column 'z'; it has a, b, c, d"),
        ("a,b,c,d", "a", "4", "has no column '4'"),
        ("a,b,c,d", "a", "2-9", "does not lie within"),
        ("a,b,c,d", "a", "z*", r"has no column 'z\*'"),
        ("a,b,c,d", "a", '"b*"', r"has no column 'b\*'"),
        ("a,b,c,d", "a", "b:z", "has no column 'b:z'"),
        ("a,b,c,d", "a", "²", "has no column '²'"),
        ("a,b,c,d", "", "b", "no column"),
        ("a,a,c,d", "a", "c", "2 columns of"),
        ("height,b,c,d", "heigth", "b", "did you mean 'height'"),
        ("x,1,0,d", "0", "x", "is the name of column 2"),
    ],
)
def test_columns_that_cannot_be_meant_are_refused(tmp_path: Path, header: str, x: str, y: str, what: str) -> None:
    file = put(tmp_path, f"{header}\n" + lines(VALUES))
    with pytest.raises(UsageError, match=what):
        read_pair([file], x, y)


def test_rows_with_a_missing_value_in_a_used_column_are_dropped_and_counted(tmp_path: Path) -> None:
    file = put(tmp_path, "a,b,c\n1,2,3\nNA,5,6\n7,,9\n10,11,\n13,14,16\n")
    found = read_pair([file], "a", "b")
    assert found.dropped == 2
    assert found.x.values[:, 0].tolist() == [1, 10, 13] and found.y.values[:, 0].tolist() == [2, 11, 14]
    with pytest.raises(UsageError, match="2 of 5 rows have a missing value"):
        read_pair([file], "a", "b", missing="refuse")
    other = put(tmp_path, "1.5\n2.5\n", "other.csv")
    with pytest.raises(UsageError, match="5 rows and .* has 2: they must be paired"):
        read_pair([file, other])


def test_booleans_are_told_from_categories(tmp_path: Path) -> None:
    body = "".join(f"{['True', 'FALSE', 'NA'][i % 3]},{'rgb'[i % 3]},{i % 5}\n" for i in range(30))
    found = whole(put(tmp_path, "t,c,n\n" + body))
    assert found.kinds == (ColumnKind.BOOLEAN, ColumnKind.CATEGORY, ColumnKind.INTEGER)
    assert found.values[:3, 0].tolist()[:2] == [1, 0] and math.isnan(found.values[2, 0])
    assert found.levels[1] == ("b", "g", "r")


@pytest.mark.parametrize("form", ["csv", "npy", "npz", "parquet"])
def test_what_takes_more_memory_than_there_is_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """A small file may hold much: what is packed, or the same value again and again."""
    import pandas as pd
    import psutil

    file, zeros = tmp_path / f"t.{form}", np.zeros((20_000, 2))
    frame = pd.DataFrame({"a": zeros[:, 0], "b": zeros[:, 1]})
    match form:
        case "csv":
            frame.to_csv(file, index=False)
        case "npy":
            np.save(file, zeros.astype(bool))
        case "npz":
            np.savez_compressed(file, a=zeros)
        case "parquet":
            pytest.importorskip("pyarrow")
            frame.to_parquet(file)
    assert len(whole(file).values) == 20_000
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=file.stat().st_size + 100_000))
    assert refusal(file).startswith(f"cannot read '{file}': that takes 0.0 GiB of memory, and 0.0 are left")
