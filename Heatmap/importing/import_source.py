"""The tables of rows in a file: its kind is recognised by its content, never by the ending of its name."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
import zlib
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from Heatmap.errors import RecordFileError, RowError, StorageError
from Heatmap.foreign_text import one_line
from Heatmap.importing import heatmap_table
from Heatmap.importing.import_hint import NAMED_VALUES, NO_HINT, ImportHint
from Heatmap.importing.json_record import JsonParser
from Heatmap.importing.record_source import RecordTable, record_tables
from Heatmap.importing.text_reader import TextReader
from Heatmap.importing.text_source import HEATMAP, text_table
from Heatmap.storage.sql import BACK_FILL_FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from _typeshed import WriteableBuffer

    from Heatmap.importing.import_filter import ImportOptions
    from Heatmap.importing.row import Parsed

    Rows = Iterator[tuple[int, Any]]

_ZIP_MAGIC: Final = (b"PK\x03\x04", b"PK\x05\x06")
_GZIP_MAGIC: Final = b"\x1f\x8b"
_PARQUET_MAGIC: Final = b"PAR1"
_SQLITE_MAGIC: Final = b"SQLi"
_MAGIC_BYTES: Final = 4
_BUFFER_BYTES: Final = 8192
# A file may unpack to so many times its size, or to so many bytes if that is more: tables in text shrink to a tenth.
_MOST_RATIO: Final = 100
_ALWAYS_BYTES: Final = 64 * 1024 * 1024
_MOST_MEMBERS: Final = 10_000
_NAME_CHARS: Final = 300
_WORKBOOK: Final = "[Content_Types].xml"
# What damaged and cut archives raise while they are read; encrypted and exotic ones a RuntimeError.
_DAMAGE: Final = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError)


@dataclass(frozen=True, slots=True)
class ImportSource:
    """One table of rows: a file, or a member of a zip.

    ``rows`` gives number (a line's counts from 1) and result of each row, a `RowError` for one that is refused, and
    raises `RecordFileError` where the file is damaged. ``counts_contracts``: COIN-M quantities are contracts.
    """

    name: str  # the file's without its folder; inside a zip with the member's
    format: str  # a stable word
    rows: Iterator[tuple[int, Parsed | RowError]]
    counts_contracts: bool
    fraction: Callable[[], float]  # share of the file that has been read, 0 to 1
    notes: Callable[[], tuple[str, ...]] = tuple  # after reading: what was assumed, each a clause
    hint: ImportHint = NO_HINT
    by_second: bool = False  # whether the times have no milliseconds
    record: RecordTable | None = None  # of a record of this program


@dataclass(frozen=True, slots=True)
class UnreadableSource:
    """A file, or a member of a zip, that is of no known kind; ``problem`` is a sentence without its subject."""

    name: str
    problem: str
    hint: ImportHint = NO_HINT


class _Packed(Protocol):
    """A member of a zip, or a gzip file."""

    def read1(self, size: int = -1, /) -> bytes: ...


class _Unpacked(io.RawIOBase):
    """What a packed stream contains; `RecordFileError` beyond the bound that all streams of a file share."""

    def __init__(self, stream: _Packed, left: list[int]) -> None:
        super().__init__()
        self._stream = stream
        self._left = left  # one number of bytes

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read into a buffer; return the number of bytes."""
        view = memoryview(buffer).cast("B")
        data = self._stream.read1(len(view))
        self._left[0] -= len(data)
        if self._left[0] < 0:
            raise RecordFileError(
                f"unpacks to more than {_MOST_RATIO} times its size, as no recording does: if it is one, unpack it"
            )
        view[: len(data)] = data
        return len(data)


def import_sources(path: Path, options: ImportOptions) -> Generator[ImportSource | UnreadableSource]:
    """Yield the tables in a file; each must be read to its end before the next is asked for."""
    is_record = False
    name = one_line(path.name, most=_NAME_CHARS)
    try:
        with path.open("rb") as raw:
            size = max(os.fstat(raw.fileno()).st_size, 1)

            def fraction() -> float:
                return min(raw.tell() / size, 1.0)

            left = [max(_ALWAYS_BYTES, _MOST_RATIO * size)]
            magic = raw.read(_MAGIC_BYTES)
            raw.seek(0)
            if magic in _ZIP_MAGIC:
                with zipfile.ZipFile(raw) as archive:
                    yield from _zip_sources(archive, name, options, fraction, left)
            elif magic == _PARQUET_MAGIC:
                yield _counted_source(name, lambda: heatmap_table.parquet_rows(raw), options)
            elif magic == _SQLITE_MAGIC:
                is_record = True
            else:
                stream = _unpacked(gzip.GzipFile(fileobj=raw), left) if magic.startswith(_GZIP_MAGIC) else raw
                yield from _text_source(stream, name, (path.name,), options, fraction)
    except (RecordFileError, *_DAMAGE) as error:
        yield UnreadableSource(name, f"cannot be read: {_message(error)}")
    # Only after the file is closed: that releases the locks that SQLite has on it in this process.
    if is_record:
        yield from _record_sources(path, name)


def _record_sources(path: Path, name: str) -> Iterator[ImportSource | UnreadableSource]:
    try:
        for table in record_tables(path):
            yield ImportSource(
                name, table.format, table.rows(), False, table.fraction, record=table,
                by_second=table.format == BACK_FILL_FORMAT,
            )  # fmt: skip
    except StorageError as error:
        yield UnreadableSource(name, f"cannot be read: {error.short.rstrip('.')}")


def _zip_sources(
    archive: zipfile.ZipFile, name: str, options: ImportOptions, fraction: Callable[[], float], left: list[int]
) -> Iterator[ImportSource | UnreadableSource]:
    members = [info for info in archive.infolist() if not info.filename.startswith("__MACOSX/")]
    # Not `is_dir`, which fails for a member without a name.
    members = [info for info in members if not info.filename.endswith("/")]
    if not members:
        yield UnreadableSource(name, "is an empty archive")
    elif len(members) > _MOST_MEMBERS:
        yield UnreadableSource(name, f"has {len(members):,} members, more than {_MOST_MEMBERS:,}: split it")
    elif all(info.filename.endswith(".npy") for info in members):
        yield _counted_source(name, lambda: heatmap_table.npz_rows(archive), options)
    elif any(info.filename == _WORKBOOK for info in members):
        yield UnreadableSource(name, "is a workbook: save its sheet as CSV")
    else:
        for info in members:
            member_name = one_line(f"{name}/{info.filename}", most=_NAME_CHARS)
            try:
                with archive.open(info) as member, _unpacked(cast("_Packed", member), left) as stream:
                    yield from _text_source(stream, member_name, (info.filename, name), options, fraction)
            except (RecordFileError, *_DAMAGE) as error:
                yield UnreadableSource(member_name, f"cannot be read: {_message(error)}")


def _unpacked(stream: _Packed, left: list[int]) -> io.BufferedReader[_Unpacked]:
    # Lines are slow without a buffer. It stays small: where a file is damaged, what is in the buffer is lost.
    return io.BufferedReader(_Unpacked(stream, left), _BUFFER_BYTES)


def _counted_source(
    name: str, open_rows: Callable[[], tuple[int, Rows]], options: ImportOptions
) -> ImportSource | UnreadableSource:
    """Return a table of typed values whose number of rows is known."""
    try:
        length, rows = open_rows()
        first: tuple[int, Any] = next(rows, (0, {}))
    except (RecordFileError, *_DAMAGE) as error:
        return UnreadableSource(name, f"cannot be read: {_message(error)}")
    reached = 0
    others = JsonParser(options, options.symbol or "")
    is_ours = options.columns is None and (not length or first[1].keys() >= heatmap_table.REQUIRED_COLUMNS)

    def counted() -> Iterator[tuple[int, Parsed | RowError]]:
        nonlocal reached
        for number, row in _undamaged(chain([first] if length else [], rows), "row"):
            reached = number
            try:
                outcomes = [heatmap_table.parse_row(row)] if is_ours else others.of_value(row)
            except RowError as error:
                yield number, error
            else:
                yield from ((number, outcome) for outcome in outcomes)

    hint = NO_HINT if is_ours else ImportHint((), NAMED_VALUES)
    kind = HEATMAP if is_ours else "parquet"
    return ImportSource(name, kind, counted(), False, lambda: reached / max(length, 1), others.notes, hint)


def _text_source(
    stream: io.BufferedReader[Any] | gzip.GzipFile,
    name: str,
    names: tuple[str, ...],
    options: ImportOptions,
    fraction: Callable[[], float],
) -> Iterator[ImportSource | UnreadableSource]:
    """Yield the table of a text, whose kind is recognised by its first lines."""
    with TextReader(stream) as reader:
        try:
            table = text_table(reader, names, options)
        except RecordFileError as error:
            yield UnreadableSource(name, error.short, ImportHint.of(reader, options))
        else:
            hint = ImportHint.of(reader, options, table.columns)
            rows = _undamaged(table.rows(), "line")
            yield ImportSource(name, table.format, rows, table.counts_contracts, fraction, table.notes, hint)


def _undamaged(rows: Rows, unit: str) -> Rows:
    """Yield rows; where the file is damaged raise `RecordFileError` with the last row or line that was read."""
    number = 0
    try:
        for number, row in rows:
            yield number, row
    except _DAMAGE as error:
        raise RecordFileError(f"is damaged after {unit} {number}: {_message(error)}") from error


def _message(error: BaseException) -> str:
    """Return the error's message without number and file name."""
    text = getattr(error, "strerror", None) or getattr(error, "short", None) or str(error) or type(error).__name__
    return one_line(text)
