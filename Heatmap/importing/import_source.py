"""Opening a file of any kind: what it is, by its content and never by its ending, and its rows one by one."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
import zlib
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, cast

from Heatmap.errors import RecordFileError
from Heatmap.importing import heatmap_table, tardis
from Heatmap.importing.binance_archive import ArchiveLayout, ArchiveParser, symbol_in_name
from Heatmap.importing.byte_lines import byte_lines
from Heatmap.importing.force_order import FrameParser

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from Heatmap.importing.import_filter import ImportOptions
    from Heatmap.importing.row import Parsed

BINANCE_ARCHIVE: Final = "binance-archive"
TARDIS: Final = "tardis"
FORCE_ORDER: Final = "force-order"
HEATMAP: Final = "heatmap"

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
class Part:
    """One table of rows: a file, or a member of a zip.

    Attributes
    ----------
    name
        The file's name without its folder; inside a zip with the member's.
    format
        What it is, in a stable word.
    rows
        Number (a line's counts from 1) and content of each row; raises `RecordFileError` where the file is damaged.
    parse
        What turns such a content into an event.
    counts_contracts
        True if COIN-M quantities are contracts.
    fraction
        How much of the file has been read, 0 to 1.
    """

    name: str
    format: str
    rows: Iterator[tuple[int, Any]]
    parse: Callable[[Any], Parsed]
    counts_contracts: bool
    fraction: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file, or a member of a zip, that is none of the known kinds; ``problem`` is a sentence without its subject."""

    name: str
    problem: str


def parts_of(path: Path, options: ImportOptions) -> Generator[Part | Unreadable]:
    """Yield the tables that a file holds; each must be read to its end before the next is asked for."""
    try:
        with path.open("rb") as raw:
            size = max(os.fstat(raw.fileno()).st_size, 1)

            def fraction() -> float:
                return min(raw.tell() / size, 1.0)

            magic = raw.read(_MAGIC_BYTES)
            raw.seek(0)
            if magic in _ZIP_MAGIC:
                with zipfile.ZipFile(raw) as archive:
                    yield from _archive_parts(archive, path.name, options, fraction)
            elif magic == _PARQUET_MAGIC:
                yield _counted_part(path.name, lambda: heatmap_table.parquet_rows(raw))
            else:
                stream = gzip.GzipFile(fileobj=raw) if magic.startswith(_GZIP_MAGIC) else raw
                yield _text_part(stream, path.name, (path.name,), options, fraction)
    except _DAMAGE as error:
        yield Unreadable(path.name, f"cannot be read: {_said(error)}")


def _archive_parts(
    archive: zipfile.ZipFile, name: str, options: ImportOptions, fraction: Callable[[], float]
) -> Iterator[Part | Unreadable]:
    members = [info for info in archive.infolist() if not info.is_dir() and not info.filename.startswith("__MACOSX/")]
    if not members:
        yield Unreadable(name, "is an empty archive")
    elif all(info.filename.endswith(".npy") for info in members):
        yield _counted_part(name, lambda: heatmap_table.npz_rows(archive))
    else:
        for info in members:
            member_name = f"{name}/{info.filename}"
            try:
                # Members read line by line are slow by themselves. The buffer stays small, for where an archive is
                # damaged, what is in it is lost.
                with io.BufferedReader(cast("io.RawIOBase", archive.open(info)), _BUFFER_BYTES) as stream:
                    yield _text_part(stream, member_name, (info.filename, name), options, fraction)
            except _DAMAGE as error:
                yield Unreadable(member_name, f"cannot be read: {_said(error)}")


def _counted_part(
    name: str, open_rows: Callable[[], tuple[int, Iterator[tuple[int, dict[str, Any]]]]]
) -> Part | Unreadable:
    """Return a table that knows its length."""
    try:
        length, rows = open_rows()
    except RecordFileError as error:
        return Unreadable(name, f"cannot be read: {error.short}")
    reached = 0

    def counted() -> Iterator[tuple[int, dict[str, Any]]]:
        nonlocal reached
        for number, row in _undamaged(rows, "row"):
            reached = number
            yield number, row

    return Part(name, HEATMAP, counted(), heatmap_table.parse_row, False, lambda: reached / max(length, 1))


def _text_part(
    stream: io.BufferedIOBase, name: str, names: tuple[str, ...], options: ImportOptions, fraction: Callable[[], float]
) -> Part | Unreadable:
    """Return a table of lines, told by the first of them."""
    lines = byte_lines(stream)
    first = next(lines, None)
    if first is None:
        return Unreadable(name, "is empty")
    number, line = first
    text = "" if line is None else line.decode("utf-8", "replace").strip()
    rows = _undamaged(lines, "line")
    fields = text.split(",")
    header = tuple(field.strip().strip('"').lower() for field in fields)
    layout = ArchiveLayout.of(fields)
    if text.startswith("{"):
        parser = FrameParser(keep_raw=options.keep_raw)
        part = Part(name, FORCE_ORDER, chain([(number, line)], rows), parser, False, fraction)
    elif header == tardis.COLUMNS:
        part = Part(name, TARDIS, rows, tardis.parse, True, fraction)
    elif set(header) >= heatmap_table.REQUIRED_COLUMNS:
        part = Part(name, HEATMAP, rows, heatmap_table.CsvParser(header), False, fraction)
    elif layout is not None:
        symbol = "" if layout.has_symbol else symbol_in_name(*names) or options.symbol or ""
        if not (symbol or layout.has_symbol):
            return Unreadable(name, "does not say which symbol it holds: name it with --symbol")
        if not layout.has_header:
            rows = chain([(number, line)], rows)
        part = Part(name, BINANCE_ARCHIVE, rows, ArchiveParser(layout, symbol), True, fraction)
    else:
        return Unreadable(name, _UNKNOWN_KIND)
    return part


def _undamaged(rows: Iterator[tuple[int, Any]], unit: str) -> Iterator[tuple[int, Any]]:
    """Yield rows until the file turns out to be damaged, and then say where."""
    number = 0
    try:
        for number, row in rows:
            yield number, row
    except _DAMAGE as error:
        raise RecordFileError(f"is damaged after {unit} {number}: {_said(error)}") from error


def _said(error: BaseException) -> str:
    """Return what an error says, without its number and the file's name."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
