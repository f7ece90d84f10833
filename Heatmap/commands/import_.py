"""``heatmap import``: bring archives, bought data, recorders' frames and exports into the record."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tqdm import tqdm

from Heatmap.errors import SettingsError
from Heatmap.events import Source
from Heatmap.exit_code import ExitCode
from Heatmap.importing.import_filter import ImportOptions
from Heatmap.importing.importer import import_file
from Heatmap.storage.bulk_insert import ImportWriter
from Heatmap.storage.location import default_db_path

if TYPE_CHECKING:
    import argparse

    from Heatmap.importing.importer import FileReport, Reason

_SKIPPED_WORDS: Final = {
    "other-symbol": "of other symbols",
    "other-message": "no liquidations but other messages",
    "nothing-filled": "orders that filled nothing",
}
_EPILOG: Final = """\
A file's kind is recognised by its content: Binance's liquidationSnapshot (CSV, zip), tardis.dev's liquidations (CSV,
.csv.gz), exports of this program (CSV, Parquet, NPZ), or forceOrder frames, one JSON object a line. Importing twice
changes nothing. Files do not say when their recorder was connected: no coverage is claimed for them, and the exchange
reports at most one liquidation a second and symbol: sums stay lower bounds. Retention never deletes imported rows.
COIN-M contracts are converted to coins and dollars and marked with the source binance-coinm.
Exit code: 0 all taken, 1 something was refused or is of no known kind, 2 wrong arguments or a missing file, 3 a file
was read and none of its messages was a liquidation.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="what to import")
    parser.add_argument("--db", type=Path, metavar="PATH", help="database file (default: in your data folder)")
    parser.add_argument(
        "--symbol", metavar="SYMBOL", help="take only this symbol; also names the symbol of a file that does not"
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
        options = ImportOptions(args.symbol, args.coin_m_as, keep_raw=args.keep_raw)
    except SettingsError as error:
        sys.stderr.write(f"{error.short}\n")
        return ExitCode.USAGE
    missing = [path for path in args.files if not path.is_file()]
    if missing:
        sys.stderr.write("".join(f"There is no file {path}.\n" for path in missing))
        return ExitCode.USAGE
    reports: list[FileReport] = []
    with ImportWriter(args.db or default_db_path()) as writer, _ProgressBar() as bar:
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
        sys.stdout.write(f"Together: {inserted:,} new liquidations out of {rows:,} rows of {len(reports):,} files.\n")
    if not all(report.is_complete for report in reports):
        return ExitCode.PROBLEM
    return ExitCode.OK if all(report.is_understood for report in reports) else ExitCode.NOTHING


class _ProgressBar(tqdm):  # type: ignore[misc]  # tqdm ships no types
    """Progress of one table after the other on a terminal; elsewhere (``disable=None``) nothing is shown."""

    def __init__(self) -> None:
        super().__init__(unit=" rows", leave=False, disable=None)

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
        return f"{report.name} {report.problem}.\n"
    refused = sum(reason.rows for reason in report.refused)
    counts = ((report.known, "known already"), (report.repeated, "written twice in the file"), (refused, "refused"))
    more = "".join(f", {count:,} {what}" for count, what in counts if count)
    lines = [f"{report.name} ({report.format}): {report.rows:,} rows, {report.inserted:,} new{more}"]
    if report.converted:
        lines.append(f"  converted: {report.converted:,} COIN-M rows to coins and dollars, source {Source.COIN_M}")
    lines += [f"  set aside: {reason.rows:,} {_SKIPPED_WORDS[reason.kind]}" for reason in report.skipped]
    lines += [f"  refused: {_refusal(reason)}" for reason in report.refused]
    if report.problem:
        lines.append(f"  The file {report.problem}.")
    elif not report.is_understood:
        lines.append("  Nothing in the file was understood as a liquidation; `heatmap import --help` says what is.")
    return "".join(f"{line}\n" for line in lines)


def _refusal(reason: Reason) -> str:
    if reason.rows == 1:
        return f"row {reason.first_row:,}: {reason.message} ({reason.kind})"
    return f"{reason.rows:,} rows ({reason.kind}), the first is {reason.first_row:,}: {reason.message}"


def _as_json(report: FileReport) -> str:
    names = {"name": "file", "skipped": "aside"}
    answer = {names.get(key, key): value for key, value in asdict(report).items()}
    return json.dumps(answer, ensure_ascii=False) + "\n"
