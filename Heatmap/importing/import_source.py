"""The tables of rows in a file: its kind is recognised by its content, never by the ending of its name."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
import zlib
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, cast

from Heatmap.errors import FrameError, RecordFileError, RowError
from Heatmap.events import LiquidationEvent
from Heatmap.importing import heatmap_table, tardis
from Heatmap.importing.binance_archive import ArchiveLayout, ArchiveParser, symbol_in_name
from Heatmap.importing.byte_lines import byte_lines
from Heatmap.importing.row import COIN_M_REFUSAL, Parsed, SkippedRow, text_of
from Heatmap.ingestion.binance import forceorder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from io import BufferedIOBase
    from pathlib import Path

    from Heatmap.importing.import_filter import ImportOptions

    Rows = Iterator[tuple[int, Any]]

_HEATMAP: Final = "heatmap"
_ZIP_MAGIC: Final = (b"PK\x03\x04", b"PK\x05\x06")
_GZIP_MAGIC: Final = b"\x1f\x8b"
_PARQUET_MAGIC: Final = b"PAR1"
_MAGIC_BYTES: Final = 4
_BUFFER_BYTES: Final = 8192
_UNKNOWN_KIND: Final = (
    "is no file that can be imported: expected Binance's liquidationSnapshot, tardis.dev's liquidations, "
    "an export of this program, or forceOrder frames, one JSON object a line"
)
# What damaged and cut archives raise while they are read; encrypted and exotic ones a RuntimeError.
_DAMAGE: Final = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError)


@dataclass(frozen=True, slots=True)
class ImportSource:
    """One table of rows: a file, or a member of a zip.

    ``rows`` gives number (a line's counts from 1) and content of each row and raises `RecordFileError` where the file
    is damaged; ``parse`` makes an event of such a content. ``counts_contracts``: COIN-M quantities are contracts.
    """

    name: str  # the file's without its folder; inside a zip with the member's
    format: str  # a stable word
    rows: Rows
    parse: Callable[[Any], Parsed]
    counts_contracts: bool
    fraction: Callable[[], float]  # share of the file that has been read, 0 to 1


@dataclass(frozen=True, slots=True)
class UnreadableSource:
    """A file, or a member of a zip, that is of no known kind; ``problem`` is a sentence without its subject."""

    name: str
    problem: str


def import_sources(path: Path, options: ImportOptions) -> Generator[ImportSource | UnreadableSource]:
    """Yield the tables in a file; each must be read to its end before the next is asked for."""
    try:
        with path.open("rb") as raw:
            size = max(os.fstat(raw.fileno()).st_size, 1)

            def fraction() -> float:
                return min(raw.tell() / size, 1.0)

            magic = raw.read(_MAGIC_BYTES)
            raw.seek(0)
            if magic in _ZIP_MAGIC:
                with zipfile.ZipFile(raw) as archive:
                    yield from _zip_sources(archive, path.name, options, fraction)
            elif magic == _PARQUET_MAGIC:
                yield _counted_source(path.name, lambda: heatmap_table.parquet_rows(raw))
            else:
                stream = gzip.GzipFile(fileobj=raw) if magic.startswith(_GZIP_MAGIC) else raw
                yield _text_source(stream, path.name, (path.name,), options, fraction)
    except _DAMAGE as error:
        yield UnreadableSource(path.name, f"cannot be read: {_message(error)}")


def _zip_sources(
    archive: zipfile.ZipFile, name: str, options: ImportOptions, fraction: Callable[[], float]
) -> Iterator[ImportSource | UnreadableSource]:
    members = [info for info in archive.infolist() if not info.is_dir() and not info.filename.startswith("__MACOSX/")]
    if not members:
        yield UnreadableSource(name, "is an empty archive")
    elif all(info.filename.endswith(".npy") for info in members):
        yield _counted_source(name, lambda: heatmap_table.npz_rows(archive))
    else:
        for info in members:
            member_name = f"{name}/{info.filename}"
            try:
                # Members read line by line are slow without a buffer. It stays small: where an archive is damaged, what
                # is in the buffer is lost.
                with io.BufferedReader(cast("io.RawIOBase", archive.open(info)), _BUFFER_BYTES) as stream:
                    yield _text_source(stream, member_name, (info.filename, name), options, fraction)
            except _DAMAGE as error:
                yield UnreadableSource(member_name, f"cannot be read: {_message(error)}")


def _counted_source(name: str, open_rows: Callable[[], tuple[int, Rows]]) -> ImportSource | UnreadableSource:
    """Return a table whose number of rows is known."""
    try:
        length, rows = open_rows()
    except RecordFileError as error:
        return UnreadableSource(name, f"cannot be read: {error.short}")
    reached = 0

    def counted() -> Rows:
        nonlocal reached
        for number, row in _undamaged(rows, "row"):
            reached = number
            yield number, row

    return ImportSource(name, _HEATMAP, counted(), heatmap_table.parse_row, False, lambda: reached / max(length, 1))


def _text_source(
    stream: BufferedIOBase, name: str, names: tuple[str, ...], options: ImportOptions, fraction: Callable[[], float]
) -> ImportSource | UnreadableSource:
    """Return a table of lines, whose kind is recognised by the first of them."""
    lines = byte_lines(stream)
    first = next(lines, None)
    if first is None:
        return UnreadableSource(name, "is empty")
    number, line = first
    text = "" if line is None else line.decode("utf-8", "replace").strip()
    rows = _undamaged(lines, "line")
    all_rows = chain([(number, line)], rows)
    fields = text.split(",")
    header = tuple(field.strip().strip('"').lower() for field in fields)
    if text.startswith("{"):
        parse = partial(parse_frame, keep_raw=options.keep_raw)
        return ImportSource(name, "force-order", all_rows, parse, False, fraction)
    if header == tardis.COLUMNS:
        return ImportSource(name, "tardis", rows, tardis.parse, True, fraction)
    if set(header) >= heatmap_table.REQUIRED_COLUMNS:
        return ImportSource(name, _HEATMAP, rows, heatmap_table.CsvParser(header), False, fraction)
    layout = ArchiveLayout.of(fields)
    symbol = symbol_in_name(*names) or options.symbol or ""
    if layout is None or not (symbol or layout.has_symbol):
        what = "does not say which symbol it holds: name it with --symbol" if layout else _UNKNOWN_KIND
        return UnreadableSource(name, what)
    parser = ArchiveParser(layout, symbol)
    return ImportSource(name, "binance-archive", rows if layout.has_header else all_rows, parser, True, fraction)


def parse_frame(line: bytes | None, *, keep_raw: bool) -> Parsed:
    """Return the event of a recorder's line, a forceOrder frame with or without envelope; skip other messages.

    `RowError` if the line is too long (None), does not decode, or is of a COIN-M contract.
    """
    try:
        message = forceorder.decode(text_of(line).strip(), keep_raw=keep_raw)
    except FrameError as error:
        raise RowError(error.kind, str(error)) from error
    if isinstance(message, LiquidationEvent):
        return message
    reason = message.reason if isinstance(message, forceorder.Ignored) else ""
    if reason == "coin-margined":
        raise RowError(reason, COIN_M_REFUSAL)
    return SkippedRow(reason if reason == "nothing-filled" else "other-message")


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
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
