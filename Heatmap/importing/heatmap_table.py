"""Exports of this program: CSV, Parquet and NPZ with the columns of the record, taken as they are."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Any, Final

from Heatmap.errors import RecordFileError, RowError
from Heatmap.events import LiquidationEvent, Side, Source
from Heatmap.importing.row import Parsed, plausible_ms, positive, quoted, side_of, symbol_of, text_of, whole
from Heatmap.storage.record_reader import (
    COLUMNS,
    NPZ_COLUMNS,
    NPZ_UNKNOWN_MS,
    NUMBER_COLUMNS,
    OPTIONAL_COLUMNS,
    TIME_COLUMNS,
)

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterable, Iterator, Sequence
    from typing import IO

REQUIRED_COLUMNS: Final = frozenset(COLUMNS) - frozenset(OPTIONAL_COLUMNS)

_SIDES: Final = {side.value: side for side in Side}
_SOURCES: Final = frozenset(Source)
_CHUNK_ROWS: Final = 8192


def parse_row(row: dict[str, Any]) -> Parsed:
    """Return the event of a row with typed values, or raise `RowError`; what is missing or None is unknown."""
    source = row["source"]
    if source not in _SOURCES:
        raise RowError("bad-source", f"source is {quoted(source)}, not {' or '.join(_SOURCES)}")
    raw_json = row.get("raw_json")
    return LiquidationEvent(
        ts_ms=_time(row["ts_ms"], "ts_ms"),
        symbol=symbol_of(str(row["symbol"])),
        side=side_of(str(row["side"]), _SIDES),
        price=_positive(row["price"], "price", "bad-price"),
        qty=_positive(row["qty"], "qty", "bad-qty"),
        notional=_positive(row["notional"], "notional", "bad-qty"),
        source=source,
        raw_json=None if raw_json is None else str(raw_json),
        order_price=_positive_or_none(row.get("order_price"), "order_price", "bad-price"),
        order_qty=_positive_or_none(row.get("order_qty"), "order_qty", "bad-qty"),
        event_ms=_time_or_none(row.get("event_ms"), "event_ms"),
        received_ms=_time_or_none(row.get("received_ms"), "received_ms"),
    )


class CsvParser:
    """Parser of the lines of an exported CSV; ``columns`` is its header, in any order, further names are ignored."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = tuple(columns)
        self._taken = [(index, column) for index, column in enumerate(columns) if column in COLUMNS]

    def __call__(self, line: bytes | None) -> Parsed:
        """Return the event of a line, or raise `RowError`."""
        fields = split(text_of(line))
        if len(fields) != len(self._columns):
            raise RowError("bad-columns", f"{len(fields)} columns instead of {len(self._columns)}")
        row: dict[str, Any] = {}
        for index, column in self._taken:
            text = fields[index]
            if column in OPTIONAL_COLUMNS and not text:
                continue
            if column in NUMBER_COLUMNS:
                row[column] = positive(text, column, "bad-price" if "price" in column else "bad-qty")
            elif column in TIME_COLUMNS:
                row[column] = whole(text, column)
            else:
                row[column] = text
        return parse_row(row)


def split(line: str) -> list[str]:
    """Return the columns of one line of CSV; a line with quotes takes the slower `csv` module."""
    if '"' not in line:
        return line.split(",")
    try:
        (fields,) = csv.reader(io.StringIO(line, newline=""), strict=True)
    except (csv.Error, ValueError) as error:
        raise RowError("bad-columns", f"the quotes do not match: {error}") from None
    return fields


def npz_rows(archive: zipfile.ZipFile) -> tuple[int, Iterator[tuple[int, dict[str, Any]]]]:
    """Return the number of rows of an NPZ, and ``(row number, values by column)`` of each.

    Raises
    ------
    RecordFileError
        A column is missing, or is no flat array of the same length as the others.
    """
    names = set(archive.namelist())
    columns = _present(column for column in NPZ_COLUMNS if f"{column}.npy" in names)
    streams = {column: _Column(archive.open(f"{column}.npy"), column) for column in columns}
    lengths = {stream.length for stream in streams.values()}
    if len(lengths) != 1:
        raise RecordFileError(f"the columns are not equally long: {sorted(lengths)}")
    (length,) = lengths
    return length, _rows_in_step(streams, length)


def parquet_rows(file: IO[bytes]) -> tuple[int, Iterator[tuple[int, dict[str, Any]]]]:
    """Return the number of rows of a Parquet file, and ``(row number, values by column)`` of each.

    Raises
    ------
    RecordFileError
        pyarrow is not installed, the file is damaged, or a column is missing.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional, and slow to load
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise RecordFileError('reading Parquet needs pyarrow: pip install "liquidation-heatmap[parquet]"') from None
    try:
        table = pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise RecordFileError(f"it is no Parquet file that can be read: {error}") from error
    columns = _present(column for column in COLUMNS if column in table.schema_arrow.names)

    def rows() -> Iterator[tuple[int, dict[str, Any]]]:
        number = 0
        try:
            for batch in table.iter_batches(batch_size=_CHUNK_ROWS, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
        except (pa.ArrowException, OSError) as error:
            raise RecordFileError(f"it is damaged after row {number}: {error}") from error

    return int(table.metadata.num_rows), rows()


def _present(columns: Iterable[str]) -> list[str]:
    found = list(columns)
    if missing := REQUIRED_COLUMNS - set(found):
        raise RecordFileError(f"the columns {', '.join(sorted(missing))} are missing")
    return found


class _Column:
    """One array of an NPZ, read chunk by chunk."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        from numpy.lib import format as npy  # noqa: PLC0415 - NumPy only where it is needed

        self._stream = stream
        try:
            version = npy.read_magic(stream)
            read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, self._dtype = read_header(stream)
        except ValueError as error:
            raise RecordFileError(f"the column {name} is no array: {error}") from error
        if len(shape) != 1 or self._dtype.hasobject:
            raise RecordFileError(f"the column {name} is no flat array of numbers or text")
        self.length = int(shape[0])

    def take(self, rows: int) -> list[Any]:
        import numpy as np  # noqa: PLC0415 - see above

        data = self._stream.read(rows * self._dtype.itemsize)
        if len(data) < rows * self._dtype.itemsize:
            raise RecordFileError("a column ends too early")
        values: list[Any] = np.frombuffer(data, self._dtype).tolist()
        return values


def _rows_in_step(streams: dict[str, _Column], length: int) -> Iterator[tuple[int, dict[str, Any]]]:
    for first in range(0, length, _CHUNK_ROWS):
        count = min(_CHUNK_ROWS, length - first)
        chunk = [stream.take(count) for stream in streams.values()]
        for number, values in enumerate(zip(*chunk, strict=True), first + 1):
            row = dict(zip(streams, values, strict=True))
            for column in ("event_ms", "received_ms"):
                if row.get(column) == NPZ_UNKNOWN_MS:
                    row[column] = None
            for column in ("order_price", "order_qty"):
                value = row.get(column)
                if isinstance(value, float) and math.isnan(value):
                    row[column] = None
            yield number, row


def _positive(value: object, column: str, kind: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < math.inf:
        raise RowError(kind, f"{column} is {quoted(value)}, not a number above 0")
    return float(value)


def _positive_or_none(value: object, column: str, kind: str) -> float | None:
    return None if value is None else _positive(value, column, kind)


def _time(value: object, column: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise RowError("bad-time", f"{column} is {quoted(value)}, not a whole number")
    return plausible_ms(value, column)


def _time_or_none(value: object, column: str) -> int | None:
    return None if value is None else _time(value, column)
