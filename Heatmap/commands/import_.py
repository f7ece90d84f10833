"""``heatmap import``: bring archives, bought data, recorders' frames and exports into the record."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from Heatmap.clock import utc_text
from Heatmap.commands.progress_bar import ProgressBar
from Heatmap.commands.recorder_options import add_db_argument
from Heatmap.count_text import counted
from Heatmap.errors import SettingsError
from Heatmap.events import Source
from Heatmap.exit_code import ExitCode
from Heatmap.foreign_text import one_line
from Heatmap.importing.cell import TimeUnit
from Heatmap.importing.column_names import ColumnMap
from Heatmap.importing.import_filter import ImportOptions, parsed_sizes
from Heatmap.importing.importer import import_file
from Heatmap.storage.database import database_of

if TYPE_CHECKING:
    from Heatmap.importing.import_hint import ImportHint
    from Heatmap.importing.importer import FileReport, Reason

_SKIPPED_WORDS: Final = {
    "other-symbol": "of other symbols",
    "other-message": "no liquidations but other messages",
    "nothing-filled": "orders that filled nothing",
}
_EPILOG: Final = """\
A file's kind is recognised by its content: forceOrder frames as JSON, raw or in any envelope, one a line, in an array
or pretty-printed; tables as CSV (any delimiter, UTF-8 or UTF-16) with the columns of Binance's liquidationSnapshot, of
tardis.dev, cryptofeed, ccxt or forceOrder recorders, or with other usual names; exports of this program (CSV, Parquet,
NPZ); all of them also in .zip or .gz; and whole records of this program (SQLite files). What is not certain is refused
with its line, and --map names the columns:

  heatmap import liq.csv --map time=11,side=2,price=7,qty=10,symbol=1

FIELD=COLUMN, counted from 1 or by the name in the header. Fields: time, side (of the order: SELL closed a long) or
position (that was liquidated: LONG, SHORT), price (of the fill), qty (filled, in coins) or notional (in dollars),
symbol, order_price, order_qty.

Importing twice changes nothing. Files do not say when their recorder was connected: no coverage is claimed for them
without --covered, and the exchange reports at most one liquidation a second and symbol: sums stay lower bounds.
Retention never deletes imported rows. COIN-M contracts are converted to coins and dollars and marked with the source
binance-coinm.

From another record of this program all columns and its coverage come along; what it had recorded live ages as if it had
been recorded here.
Exit code: 0 all taken, 1 something was refused or is of no known kind, 2 wrong arguments or a missing file, 3 a file
was read and none of its messages was a liquidation.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="what to import")
    add_db_argument(parser)
    parser.add_argument(
        "--symbol", metavar="SYMBOL", help="take only this symbol; also names the symbol of a file that does not"
    )
    parser.add_argument("--map", metavar="FIELD=COLUMN,...", help="name the columns of a table; see below")
    parser.add_argument(
        "--time-unit", choices=list(TimeUnit), help="unit of the times in a table (default: by their magnitude)"
    )
    parser.add_argument("--symbol-suffix", default="", metavar="USDT", help="complete the coins in a table to symbols")
    parser.add_argument(
        "--contract-size",
        dest="contract_sizes",
        action="append",
        default=[],
        metavar="SYMBOL=COINS",
        help="coins of one contract of OKX or Gate in files of tardis.dev, e.g. BTCUSDT=0.01; repeatable",
    )
    parser.add_argument(
        "--covered",
        action="store_true",
        help="claim that the files have all liquidations that the exchange sent from their first to their last",
    )
    parser.add_argument(
        "--coin-m-as",
        metavar="SYMBOL",
        help="store COIN-M contracts of the same coin under this USD-M symbol, e.g. BTCUSDT (still marked)",
    )
    parser.add_argument("--keep-raw", action="store_true", help="store each forceOrder frame beside its event")
    parser.add_argument("--json", action="store_true", help="print one JSON object a file instead of text")


def run(args: argparse.Namespace) -> int:
    """Import the files, print the result of each and return the exit code; `StorageError` if they cannot be stored.

    0 if all was taken, 1 if something was refused, 2 for an invalid argument, 3 if nothing of a file was understood,
    130 after Ctrl+C.
    """
    try:
        options = ImportOptions(
            args.symbol,
            args.coin_m_as,
            keep_raw=args.keep_raw,
            columns=ColumnMap.parse(args.map) if args.map is not None else None,
            time_unit=TimeUnit(args.time_unit) if args.time_unit else None,
            symbol_suffix=args.symbol_suffix,
            claims_coverage=args.covered,
            contract_sizes=parsed_sizes(args.contract_sizes),
        )
    except SettingsError as error:
        sys.stderr.write(f"{error.short}\n")
        return ExitCode.USAGE
    missing = [path for path in args.files if not path.is_file()]
    if missing:
        for path in missing:
            problem = f"{path} is a folder; name its files." if path.is_dir() else f"There is no file {path}."
            sys.stderr.write(f"{problem}\n")
        return ExitCode.USAGE
    database = database_of(args.db)
    own = database.local_path.resolve()
    if any(path.resolve() == own for path in args.files):
        sys.stderr.write(f"{own} is the record itself.\n")
        return ExitCode.USAGE
    reports: list[FileReport] = []
    with database.importer() as writer, _ProgressBar() as bar:
        try:
            for path in args.files:
                for report in import_file(path, writer, options, on_progress=bar.show):
                    bar.clear()
                    sys.stdout.write(_as_json(report) if args.json else _as_text(report))
                    reports.append(report)
        except KeyboardInterrupt:
            bar.clear()
            sys.stderr.write("Interrupted. What was stored stays; importing again goes on from there.\n")
            return ExitCode.INTERRUPTED
    if len(reports) > 1 and not args.json:
        inserted, rows = sum(report.inserted for report in reports), sum(report.rows for report in reports)
        sys.stdout.write(
            f"Together: {counted(inserted, 'new liquidation')} out of {counted(rows, 'row')} of"
            f" {counted(len(args.files), 'file')}.\n"
        )
    if not all(report.is_complete for report in reports):
        return ExitCode.PROBLEM
    return ExitCode.OK if all(report.is_understood for report in reports) else ExitCode.NOTHING


class _ProgressBar(ProgressBar):
    """Progress of one table after the other."""

    def show(self, name: str, fraction: float, rows: int) -> None:
        """Show that ``fraction`` (0 to 1) of the table ``name`` is read, ``rows`` so far."""
        if self.disable:
            return
        if self.desc != f"{name}: ":
            self.reset()
            self.set_description(name)
        # The number of rows in a file is estimated by its bytes.
        self.total = round(rows / fraction) if fraction else None
        self.update(rows - self.n)


def _as_text(report: FileReport) -> str:
    if not report.format:
        lines = [f"{report.name} {report.problem}.", *_hint_lines(report.hint)]
        return "".join(f"{one_line(line)}\n" for line in lines)
    refused = sum(reason.rows for reason in report.refused)
    counts = ((report.known, "known already"), (report.repeated, "written twice in the file"), (refused, "refused"))
    more = "".join(f", {count:,} {what}" for count, what in counts if count)
    lines = [f"{report.name} ({report.format}): {counted(report.rows, 'row')}, {report.inserted:,} new{more}"]
    if report.converted:
        lines.append(
            f"  converted: {counted(report.converted, 'COIN-M row')} to coins and dollars, source {Source.COIN_M}"
        )
    lines += [f"  set aside: {reason.rows:,} {_SKIPPED_WORDS[reason.kind]}" for reason in report.skipped]
    lines += [f"  refused: {_refusal(reason)}" for reason in report.refused]
    lines += [f"  note: {note}" for note in report.notes]
    lines += [
        f"  claimed as covered: {span.symbol} from {utc_text(span.start_ms)} to {utc_text(span.end_ms)}"
        for span in report.claimed
    ]
    if report.problem:
        lines.append(f"  The file {report.problem}.")
    elif not report.is_understood:
        lines.append("  Nothing in the file was understood as a liquidation; `heatmap import --help` says what is.")
    lines += _hint_lines(report.hint)
    return "".join(f"{one_line(line)}\n" for line in lines)


def _hint_lines(hint: ImportHint) -> list[str]:
    lines = ["  It begins:", *(f"    {row}" for row in hint.rows)] if hint.rows else []
    return [*lines, f"  {hint.advice}"] if hint.advice else lines


def _refusal(reason: Reason) -> str:
    if reason.rows == 1:
        return f"row {reason.first_row:,}: {reason.message} ({reason.kind})"
    return f"{reason.rows:,} rows ({reason.kind}), the first is row {reason.first_row:,}: {reason.message}"


def _as_json(report: FileReport) -> str:
    names = {"name": "file", "skipped": "aside"}
    answer = {names.get(key, key): value for key, value in asdict(report).items()}
    return json.dumps(answer, ensure_ascii=False) + "\n"
