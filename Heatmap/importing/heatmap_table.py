"""Exports of this program: CSV, Parquet and NPZ with the columns of the record, taken as they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from Heatmap.errors import RecordFileError, RowError
from Heatmap.events import LiquidationEvent, Side, Source, is_amount
from Heatmap.foreign_text import from_csv_cell
from Heatmap.importing.cell import NumberReader, TimeReader, TimeUnit
from Heatmap.importing.row import Parsed, plausible_ms, quoted, side_of, symbol_of, with_plausible_amounts
from Heatmap.importing.text_reader import MAX_LINE_CHARS
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
_WORD: Final = re.compile(r"\w+")
_CHUNK_ROWS: Final = 8192
# Bounds for files that are made to fill the memory: a value of NPZ has four bytes a character.
_VALUE_BYTES: Final = 1024
_PARQUET_ROWS: Final = 1024  # with texts of `MAX_LINE_CHARS` each


def is_header(line: str) -> bool:
    """Return True for a first line with the columns of an export, whatever separates them."""
    return set(_WORD.findall(line.lower())) >= REQUIRED_COLUMNS


def parse_row(row: dict[str, Any]) -> Parsed:
    """Return the event of a row with typed values, or raise `RowError`; what is missing or None is unknown."""
    source = row["source"]
    if not isinstance(source, str) or source not in _SOURCES:
        raise RowError("bad-source", f"source is {quoted(source)}, not {' or '.join(_SOURCES)}")
    values: dict[str, Any] = {"source": source}
    for column, value in row.items():
        if value is None and column in OPTIONAL_COLUMNS:
            continue
        if column in TIME_COLUMNS:
            values[column] = _time(value, column)
        elif column in NUMBER_COLUMNS:
            values[column] = _positive(value, column)
    event = LiquidationEvent(
        symbol=symbol_of(str(row["symbol"])),
        side=side_of(str(row["side"]), _SIDES),
        raw_json=None if row.get("raw_json") is None else str(row["raw_json"]),
        **values,
    )
    return with_plausible_amounts(event)


class CsvParser:
    """Parser of the rows of an exported CSV; ``columns`` is its header, in any order, further names are ignored."""

    def __init__(self, columns: Sequence[str], decimal: str = ".") -> None:
        self._count = len(columns)
        self._taken = [(index, column) for index, column in enumerate(columns) if column in COLUMNS]
        self._number = NumberReader(decimal)
        self._time = TimeReader(TimeUnit.MILLISECONDS)

    def __call__(self, cells: Sequence[str]) -> Parsed:
        """Return the event of a row, or raise `RowError`."""
        if len(cells) != self._count:
            raise RowError("bad-columns", f"{len(cells)} columns instead of {self._count}")
        row: dict[str, Any] = {}
        for index, column in self._taken:
            text = cells[index]
            if column in OPTIONAL_COLUMNS and not text:
                continue
            if column in NUMBER_COLUMNS:
                row[column] = self._number.positive(text, column, _kind(column))
            elif column in TIME_COLUMNS:
                row[column] = self._time(text, column)
            else:
                row[column] = from_csv_cell(text)
        return parse_row(row)


def npz_rows(archive: zipfile.ZipFile) -> tuple[int, Iterator[tuple[int, dict[str, Any]]]]:
    """Return the number of rows of an NPZ, and ``(row number, values by column)`` of each.

    `RecordFileError` if a column is missing, or is no flat array of the same length as the others.
    """
    names = set(archive.namelist())
    columns = _present(column for column in NPZ_COLUMNS if f"{column}.npy" in names)
    streams = {column: _Column(archive.open(f"{column}.npy"), column) for column in columns}
    lengths = {stream.length for stream in streams.values()}
    if len(lengths) != 1:
        raise RecordFileError(f"the columns are not equally long: {sorted(lengths)}")
    length = lengths.pop()
    return length, _rows_in_step(streams, length)


def parquet_rows(file: IO[bytes]) -> tuple[int, Iterator[tuple[int, dict[str, Any]]]]:
    """Return the number of rows of a Parquet file, and ``(row number, values by column)`` of each.

    Of an export of this program only `COLUMNS` are read. `RecordFileError` if pyarrow is not installed or the file is
    damaged.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional, and slow to load
        import pyarrow.compute as pc  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise RecordFileError('reading Parquet needs pyarrow: pip install "liquidation-heatmap[parquet]"') from None
    try:
        schema = pq.ParquetFile(file).schema_arrow
        # As dictionaries: else a small file with one long text in all rows would take the memory of each of them.
        names_of_texts = [
            field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_binary(field.type)
        ]
        table = pq.ParquetFile(file, read_dictionary=names_of_texts)
    except (pa.ArrowException, OSError) as error:
        raise RecordFileError(f"it is no Parquet file that can be read: {error}") from error
    names = table.schema_arrow.names
    columns = [column for column in COLUMNS if column in names] if set(names) >= REQUIRED_COLUMNS else names

    def rows() -> Iterator[tuple[int, dict[str, Any]]]:
        number = 0
        try:
            for batch in table.iter_batches(batch_size=_PARQUET_ROWS, columns=columns):
                values = [column.dictionary for column in batch.columns if pa.types.is_dictionary(column.type)]
                texts = [each for each in values if pa.types.is_string(each.type) or pa.types.is_binary(each.type)]
                if any((pc.max(pc.binary_length(each)).as_py() or 0) > MAX_LINE_CHARS for each in texts):
                    raise RecordFileError(f"a text has more than {MAX_LINE_CHARS} characters")
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
        except (pa.ArrowException, OSError, ValueError) as error:
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
        if len(shape) != 1 or self._dtype.hasobject or not 0 < self._dtype.itemsize <= _VALUE_BYTES:
            raise RecordFileError(f"the column {name} is no flat array of numbers or short texts")
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
            for column in OPTIONAL_COLUMNS:
                value = row.get(column)
                # NaN is not equal to itself.
                if value == NPZ_UNKNOWN_MS if column in TIME_COLUMNS else value != value:  # noqa: PLR0124
                    row[column] = None
            yield number, row


def _kind(column: str) -> str:
    return "bad-price" if "price" in column else "bad-qty"


def _positive(value: object, column: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not is_amount(value):
        raise RowError(_kind(column), f"{column} is {quoted(value)}, not a number above 0")
    return float(value)


def _time(value: object, column: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise RowError("bad-time", f"{column} is {quoted(value)}, not a whole number")
    return plausible_ms(value, column)
