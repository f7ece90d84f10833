"""``heatmap export``: write the record as a table for other programs, or the map as a picture."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, get_args

from Heatmap.commands.progress_bar import ProgressBar
from Heatmap.commands.recorder_options import add_db_argument
from Heatmap.count_text import counted
from Heatmap.errors import RecordFileError, SettingsError
from Heatmap.events import FIRST_PLAUSIBLE_MS, LAST_PLAUSIBLE_MS
from Heatmap.exit_code import ExitCode
from Heatmap.foreign_text import one_line
from Heatmap.heatmap_settings import HeatmapSettings, Window, window_ms
from Heatmap.ingestion.addresses import normalise_symbol
from Heatmap.output_file import is_standard_output, output_path, written
from Heatmap.storage.damage import sound_values
from Heatmap.storage.database import database_of
from Heatmap.storage.record_reader import RecordReader, Selection

if TYPE_CHECKING:
    from pathlib import Path

    from Heatmap.candle import Candle
    from Heatmap.storage.contract import Database

FORMATS: Final = ("csv", "parquet", "npz", "png")
_DEFAULT_SYMBOL: Final = "BTCUSDT"
_DEFAULT_SOURCE: Final = "binance"
_ALL: Final = "all"
_UNITS_BY_DIGITS: Final = {10: "seconds", 16: "microseconds", 19: "nanoseconds"}
_PICTURE_WINDOW: Final[Window] = "8h"
_EPILOG: Final = """\
A table holds all that is recorded unless something narrows it down; a picture shows 8 h of one symbol. --window counts
back from --to, or from the newest event selected. Tables can be imported again. A picture is drawn without a window, a
display or Qt. Times are UTC: 2026-11-01, 2026-11-01T12:30, or ms since 1970.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("--format", required=True, choices=FORMATS, help="what to write")
    parser.add_argument(
        "--output",
        required=True,
        type=output_path,
        metavar="PATH",
        help="file to write, replaced if it exists; - is standard output",
    )
    add_db_argument(parser)
    parser.add_argument("--symbol", metavar="SYMBOL", help="only this symbol")
    parser.add_argument(
        "--source",
        metavar="SOURCE",
        help="binance, bybit, okx, gate, binance-coinm, demo or replay; for tables also all (default: binance, or the"
        " only one there is)",
    )
    parser.add_argument(
        "--candles", action="store_true", help="draw candles into a picture; they are loaded from the source's exchange"
    )
    parser.add_argument("--rest-url", metavar="BASE", help="base address of the candles, http://host:port")
    span = parser.add_argument_group("span")
    span.add_argument("--window", choices=get_args(Window), help="the last hours or days")
    span.add_argument("--from", dest="from_ms", type=utc_ms, metavar="TIME", help="from this time on")
    span.add_argument("--to", dest="to_ms", type=utc_ms, metavar="TIME", help="before this time")


def utc_ms(text: str) -> int:
    """Return a time given on the command line in ms since the epoch; without a zone it is UTC."""
    if text.isascii() and text.isdigit() and len(text) > len("20261101"):
        if FIRST_PLAUSIBLE_MS <= int(text) < LAST_PLAUSIBLE_MS:
            return int(text)
        unit = _UNITS_BY_DIGITS.get(len(text))
        hint = f": these seem to be {unit}" if unit else ""
        raise argparse.ArgumentTypeError(f"expected milliseconds since 1970, of 13 digits, was {text}{hint}")
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a time like 2026-11-01T12:30, was {text!r}") from None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return round(when.timestamp() * 1000)


def run(args: argparse.Namespace) -> int:
    """Write the file and print what is in it; return 0, or 2 for an invalid argument.

    `StorageError` if the database cannot be read, `RecordFileError` if there is nothing to draw, the file cannot be
    written, or pyarrow is missing.
    """
    database = database_of(args.db)
    try:
        _check(args, database)
    except SettingsError as error:
        sys.stderr.write(f"{error.short}\n")
        return ExitCode.USAGE
    with database.reader() as reader, sound_values(reader.name):
        selection = _selection(reader, args)
        try:
            if args.format == "png":
                what = _write_picture(args, reader, selection)
            else:
                what = _write_table(args.output, args.format, reader, selection)
        except SettingsError as error:  # the address of the candles
            sys.stderr.write(f"{error.short}\n")
            return ExitCode.USAGE
        except BrokenPipeError:
            raise
        except OSError as error:
            raise RecordFileError(
                f"cannot write {args.output}: {error}",
                short=f"{args.output} cannot be written: {error.strerror or error}.",
            ) from error
    to_stdout = is_standard_output(args.output)
    (sys.stderr if to_stdout else sys.stdout).write(
        f"{'standard output' if to_stdout else args.output}: {one_line(what)}\n"
    )
    return ExitCode.OK


def _check(args: argparse.Namespace, database: Database) -> None:
    """Refuse arguments that contradict each other, and an output that is the record itself."""
    if args.from_ms is not None and args.window is not None:
        raise SettingsError("--from and --window both say where to begin; give one of them.")
    if args.candles and args.format != "png":
        raise SettingsError("--candles are drawn into a picture: give --format png.")
    if args.symbol is not None:
        args.symbol = normalise_symbol(args.symbol)
    db_path = database.local_path
    ours = {db_path.with_name(f"{db_path.name}{suffix}").resolve() for suffix in ("", "-wal", "-shm", "-journal")}
    if args.output.resolve() in ours:
        raise SettingsError(f"{args.output} is the record itself; give another --output.")


def _selection(reader: RecordReader, args: argparse.Namespace) -> Selection:
    """Return what is asked for; without ``--source`` or ``--symbol`` the only one in the database is meant."""
    series = reader.series()
    symbol = None if args.symbol is None else reader.known_symbol(args.symbol)
    sources = sorted({source for source, of in series if symbol in (None, of)})
    source = args.source or (sources[0] if len(sources) == 1 else _DEFAULT_SOURCE)
    if source == _ALL and args.format != "png":
        source = None
    elif sources and source not in sources:
        raise RecordFileError(
            f"no {source} among {series}",
            short=f"Nothing is recorded from {source}, but from {', '.join(sources)}: choose with --source.",
        )
    if args.format == "png" and symbol is None:
        symbols = [of for origin, of in series if origin == source]
        symbol = symbols[0] if len(symbols) == 1 else _DEFAULT_SYMBOL
    selection = Selection(symbol, source, args.from_ms, args.to_ms)
    window = args.window or (_PICTURE_WINDOW if args.format == "png" and args.from_ms is None else None)
    if not window and args.format != "png":
        return selection
    newest_ms = reader.newest_ms(selection)
    if newest_ms is None:
        return selection
    end_ms = args.to_ms if args.to_ms is not None else newest_ms + 1
    start_ms = end_ms - window_ms(HeatmapSettings(window=window)) if window else args.from_ms
    return replace(selection, start_ms=start_ms, end_ms=end_ms)


def _write_table(path: Path, kind: str, reader: RecordReader, selection: Selection) -> str:
    from Heatmap.exporting import table  # noqa: PLC0415 - only what is asked for is loaded

    write = {"csv": table.write_csv, "npz": table.write_npz, "parquet": table.write_parquet}[kind]
    bar = ProgressBar(desc=path.name, total=reader.count(selection))
    with bar, written(path) as file:
        rows = write(file, reader, selection, lambda done: bar.update(done - bar.n))
    source = "all sources" if selection.source is None else f"source {selection.source}"
    return f"{counted(rows, 'liquidation')} of {selection.symbol or 'all symbols'}, {source}"


def _write_picture(args: argparse.Namespace, reader: RecordReader, selection: Selection) -> str:
    from Heatmap.commands.candle_history import fetch_candles  # noqa: PLC0415 - only what is asked for is loaded
    from Heatmap.exporting.picture import MapRequest, draw_map  # noqa: PLC0415 - NumPy only for pictures

    symbol, source, start_ms, end_ms = selection.symbol, selection.source, selection.start_ms, selection.end_ms
    # Without a single event there is no time to count back from.
    if symbol is not None and source is not None and start_ms is not None and end_ms is not None:
        columns = reader.window(symbol, source, start_ms, end_ms)
        tick_size = reader.tick_size(symbol, source)
        coverage = tuple(reader.coverage(symbol, source, start_ms, end_ms))
        if len(columns):
            candles: tuple[Candle, ...] = ()
            if args.candles:
                candles = tuple(fetch_candles(args.rest_url, symbol, start_ms, end_ms, source=source))
            request = MapRequest(symbol, source, start_ms, end_ms, tick_size, coverage, candles)
            picture = draw_map(columns, request)
            with written(args.output) as file:
                file.write(picture)
            behind = f" behind {counted(len(candles), 'candle')}" if candles else ""
            return f"a map of {counted(len(columns), 'liquidation')} of {symbol}, source {source}{behind}"
    raise RecordFileError(
        f"nothing to draw for {selection}",
        short=f"There are no liquidations of {symbol} from {source} in that time: nothing to draw.",
    )
