"""Arrays and columnar files: .npy, .npz and Parquet. Nothing is unpickled; a header is believed only if the file
holds what it promises."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from mibench.errors import UsageError
from mibench.estimator import Array

from .cells import POINT, categories, kinds_of, no_number, require_exact
from .room import require_room, require_room_for
from .table import ColumnKind, Readable, Source, Table


@dataclass(frozen=True, eq=False)
class ArrayFile(Readable):
    """Columns that stand in arrays.

    places : for each column, which of ``parts`` holds it and where there. parts : each gives (n, columns) when called.
    """

    places: tuple[tuple[int, int], ...]
    parts: tuple[Callable[[], npt.NDArray[Any]], ...] = field(repr=False)

    def read(self, chosen: Sequence[int]) -> Table:
        where = self.source.file
        require_room_for(self.source.rows, len(chosen), where)
        blocks: list[Array] = []
        kinds: list[ColumnKind] = []
        levels: dict[int, tuple[str, ...]] = {}
        for part, members in groupby(chosen, key=lambda i: self.places[i][0]):
            own = list(members)
            values = self.parts[part]()[:, [self.places[i][1] for i in own]]
            for at, i in enumerate(own if values.dtype.kind in "USOT" else []):
                codes, kind, found = _labels(values[:, at], self.names[i], where)
                levels[len(kinds)] = found
                kinds.append(kind)
                blocks.append(codes[:, None])
            if values.dtype.kind not in "USOT":
                block = values.astype(np.float64)
                kinds += [ColumnKind.BOOLEAN] * len(own) if values.dtype.kind == "b" else kinds_of(block)
                blocks.append(block)
        if len({len(block) for block in blocks}) > 1:
            raise UsageError(f"the columns asked for in {where} have different lengths: they must be paired.")
        names = tuple(self.names[i] for i in chosen)
        matrix = np.hstack(blocks)
        require_exact(matrix, names, where)
        return Table(names, tuple(kinds), matrix, levels)


def _labels(cells: npt.NDArray[Any], name: str, where: str) -> tuple[Any, ColumnKind, tuple[str, ...]]:
    import pandas as pd

    text = pd.Series([None if c is None or c != c else _text(c) for c in cells])
    missing = text.isna() | text.isin(["", "nan", "NA"])
    return categories(
        text.where(~missing), POINT, name, where, lambda row, cell: no_number(where, f"data row {row}", name, cell)
    )


def _text(cell: Any) -> str:
    return cell.decode(errors="backslashreplace") if isinstance(cell, bytes) else str(cell)


def open_npy(raw: bytes, where: str) -> ArrayFile:
    """Columns of a NumPy file: called 0, 1, ..., or by the fields of its records."""
    return _of_arrays({"": _npy(raw, where)}, where, ".npy")


def open_npz(raw: bytes, where: str) -> ArrayFile:
    """Columns of a NumPy archive: an array ``x`` of one column is ``x``, of several ``x[0]``, ``x[1]``, ..."""
    arrays: dict[str, npt.NDArray[Any] | UsageError] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = [name for name in archive.namelist() if name.endswith(".npy")]
            if not members:
                raise UsageError(f"cannot read {where}: it is {_kind_of(archive.namelist())}.")
            # what is packed may be a thousand times as large as the file
            require_room(sum(archive.getinfo(name).file_size for name in members), where)
            for name in members:
                content = archive.read(name)
                try:
                    found = _npy(content, f"{where} ({name})")
                except UsageError as error:  # said where it is asked for: settings may lie beside the samples
                    arrays[name.removesuffix(".npy")] = error
                else:
                    if found.ndim or len(members) == 1:
                        arrays[name.removesuffix(".npy")] = found
    except UsageError:
        raise
    except Exception as error:  # damaged archives fail in many ways: checksums, lengths, methods, passwords
        raise UsageError(f"cannot read {where}: the archive is damaged ({_first_line(error)}).") from None
    return _of_arrays(arrays, where, ".npz")


def _kind_of(members: Sequence[str]) -> str:
    """What an archive without arrays is."""
    if {"xl/workbook.xml", "content.xml"} & {*members}:
        return "a workbook (Excel, OpenDocument): save the sheet as CSV"
    if any(name.endswith("/data.pkl") for name in members):
        return "a checkpoint of torch, which is never loaded: save the arrays as .npz"
    return "no .npz file but an archive of other files: unpack it"


def _npy(raw: bytes, where: str) -> npt.NDArray[Any]:
    stream = io.BytesIO(raw)
    try:
        version = np.lib.format.read_magic(stream)
        if version > (3, 0):
            raise ValueError(f"version {version[0]}.{version[1]} of the format is not read")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(stream)
        if version == (3, 0) and dtype.names:  # which differs in the encoding of names only
            dtype.names = tuple(name.encode("latin1").decode() for name in dtype.names)
        size = math.prod(shape) * dtype.itemsize
    except Exception as error:  # a damaged header fails in many ways: syntax, types, depth, memory
        raise UsageError(f"cannot read {where}: its header is damaged ({_first_line(error)}).") from None
    if dtype.hasobject:
        raise UsageError(f"cannot read {where}: it holds Python objects, which are never loaded; save numbers.")
    if min(shape, default=1) < 0 or size > len(raw) - stream.tell():
        raise UsageError(
            f"cannot read {where}: its header promises {size:,} bytes and {len(raw) - stream.tell():,} follow; "
            "the file is truncated or damaged."
        )
    if 0 in shape or dtype.itemsize == 0:
        raise UsageError(f"cannot read {where}: it holds no values (shape {shape}).")
    flat = np.frombuffer(raw, dtype, math.prod(shape), stream.tell())
    return flat.reshape(shape, order="F" if fortran else "C")


def _of_arrays(arrays: Mapping[str, npt.NDArray[Any] | UsageError], where: str, form: str) -> ArrayFile:
    """Columns of all arrays; one that cannot be used is one column, and refused where it is asked for."""
    names: list[str] = []
    places: list[tuple[int, int]] = []
    parts: list[Callable[[], npt.NDArray[Any]]] = []
    notes: list[str] = []
    lengths: set[int] = set()
    refused: list[UsageError] = []
    for name, values in _fields(arrays):
        try:
            if isinstance(values, UsageError):
                raise values
            matrix = _matrix(values, name, where, notes)
        except UsageError as error:
            refused.append(error)
            own, part = range(1), partial(_refuse, error)
        else:
            own, part = range(matrix.shape[1]), partial(np.asarray, matrix)
            lengths.add(len(matrix))
        if name:
            names += [name] if len(own) == 1 else [f"{name}[{j}]" for j in own]
        else:
            names += map(str, own)
        places += [(len(parts), j) for j in own]
        parts.append(part)
    if not lengths:
        raise refused[0]
    source = Source(where, form, max(lengths), len(names), notes=tuple(notes))
    named = bool(arrays.keys() - {""}) or names != [str(i) for i in range(len(names))]
    return ArrayFile(tuple(names), named, source, tuple(places), tuple(parts))


def _fields(
    arrays: Mapping[str, npt.NDArray[Any] | UsageError],
) -> Iterator[tuple[str, npt.NDArray[Any] | UsageError]]:
    """The arrays by name, records by the names of their fields."""
    for name, array in arrays.items():
        if isinstance(array, UsageError) or not array.dtype.names:
            yield name, array
        else:
            yield from ((f"{name}.{field}" if name else field, array[field]) for field in array.dtype.names)


def _refuse(error: UsageError) -> npt.NDArray[Any]:
    raise error


def _matrix(values: npt.NDArray[Any], name: str, where: str, notes: list[str]) -> npt.NDArray[Any]:
    """(n, columns): complex numbers as two columns, further axes flattened."""
    what = f"array '{name}' of {where}" if name else where
    if values.ndim == 0:
        raise UsageError(f"cannot use {what}: it holds a single value, not one for each sample.")
    if values.dtype.kind not in "biufcUS":
        dates = values.dtype.kind in "mM"
        advice = (
            "dates or time differences; divide them by a unit, such as np.timedelta64(1, 's')"
            if dates
            else "no numbers"
        )
        raise UsageError(f"cannot use {what}: it holds {advice} ({values.dtype}).")
    if values.ndim > 2:
        notes.append(f"shape {values.shape} taken as {len(values)} rows")
    matrix = values.reshape(len(values), -1)
    if values.dtype.kind == "c":
        notes.append(f"complex numbers{f' of {name}' if name else ''} taken as real part, imaginary part")
        pairs = np.stack([matrix.real, matrix.imag], axis=2)
        return pairs.reshape(len(values), -1)
    return matrix


def open_parquet(raw: bytes, where: str) -> ArrayFile:
    """Columns of a Parquet file."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise UsageError(f"cannot read {where}: Parquet files need pyarrow (pip install pyarrow).") from None
    try:
        file = pq.ParquetFile(pa.BufferReader(raw), page_checksum_verification=True)
        told = file.metadata
        require_room(sum(told.row_group(i).total_byte_size for i in range(told.num_row_groups)), where)
        require_room_for(told.num_rows, told.num_columns, where)
        table = file.read()
    except UsageError:
        raise
    except Exception as error:  # whatever a damaged file does to the reader
        raise UsageError(f"cannot read {where}: the Parquet file is damaged ({_first_line(error)}).") from None
    if not table.num_rows or not table.num_columns:
        raise UsageError(f"cannot read {where}: it holds no values.")
    names = tuple(map(str, table.column_names))
    source = Source(where, "Parquet", table.num_rows, len(names))
    parts = tuple(_arrow(table.column(i), name, where) for i, name in enumerate(names))
    return ArrayFile(names, True, source, tuple((i, 0) for i in range(len(names))), parts)


def _arrow(column: Any, name: str, where: str) -> Callable[[], npt.NDArray[Any]]:
    def convert() -> npt.NDArray[Any]:
        import pyarrow as pa

        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        truth = pa.types.is_boolean(kind)
        try:
            if str(kind) in ("string", "large_string", "string_view"):
                return np.array(column.to_pylist(), dtype=object)[:, None]
            if truth and not column.null_count:
                return np.asarray(column)[:, None]
            if not (truth or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
                said = f"neither numbers nor categories ({kind})"
                if pa.types.is_temporal(kind):
                    said = f"dates or times ({kind}): give numbers, such as seconds since the first"
                raise UsageError(f"column '{name}' of {where} holds {said}.")
            values = column.cast(pa.int8()) if truth else column
            return np.asarray(values.cast(pa.float64()).fill_null(math.nan))[:, None]
        except pa.ArrowInvalid as error:
            raise UsageError(f"column '{name}' of {where} cannot be used: {_first_line(error)}.") from None

    return convert


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")[:160]
