"""Import of one file into the record, in chunks and in constant memory. A second import of the file changes nothing."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from Heatmap.clock import SYSTEM_CLOCK, Clock
from Heatmap.errors import RecordFileError, RowError
from Heatmap.events import Coverage, Source
from Heatmap.importing.import_filter import ImportOptions, apply_filter
from Heatmap.importing.import_hint import NO_HINT, ImportHint
from Heatmap.importing.import_source import UnreadableSource, import_sources
from Heatmap.importing.row import SkippedRow
from Heatmap.storage.contract import ImportedFile, ImportWriter
from Heatmap.storage.imports import IMPORT_CHUNK_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from Heatmap.events import LiquidationEvent
    from Heatmap.importing.import_source import ImportSource
    from Heatmap.importing.record_source import RecordTable
    from Heatmap.importing.row import Parsed

    Progress = Callable[[str, float, int], None]

_RECORDED: Final = (Source.BINANCE, Source.COIN_M, Source.BYBIT, Source.OKX, Source.GATE)


@dataclass(frozen=True, slots=True)
class Reason:
    """Rows that were not taken for one reason; its kind is a stable word, e.g. ``"bad-price"``."""

    kind: str
    rows: int
    first_row: int  # number of the first of them; a line's counts from 1, the header included
    message: str  # what was wrong with that one; "" for rows that are skipped


@dataclass(frozen=True, slots=True)
class FileReport:
    """Result of one file, or one member of a zip: rows = inserted + repeated + known + refused + skipped."""

    name: str  # inside a zip with the member's
    format: str = ""  # see `import_sources`; "" if it is of no known kind
    rows: int = 0  # read, the header not counted
    inserted: int = 0  # events that are new in the database
    repeated: int = 0  # rows that occur twice in the file, as every row of Binance's COIN-M archive
    known: int = 0  # events that the database had already
    converted: int = 0  # rows, of the above, that are COIN-M contracts and were converted
    refused: tuple[Reason, ...] = ()  # no valid liquidations
    skipped: tuple[Reason, ...] = ()  # valid and not wanted
    problem: str = ""  # why the file could not be read, or not to its end
    notes: tuple[str, ...] = ()  # what was assumed about the rows that were taken, each a clause
    claimed: tuple[Coverage, ...] = ()  # time claimed as covered
    hint: ImportHint = NO_HINT  # for a file of which nothing was understood

    @property
    def is_understood(self) -> bool:
        """True unless no row, of one or more, was recognised as a liquidation."""
        unknown = sum(reason.rows for reason in self.skipped if reason.kind == "other-message")
        return self.rows == 0 or unknown < self.rows

    @property
    def is_complete(self) -> bool:
        """True if nothing had to be refused."""
        return not self.refused and not self.problem


def import_file(
    path: Path,
    writer: ImportWriter,
    options: ImportOptions,
    *,
    on_progress: Progress | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Iterator[FileReport]:
    """Store the events of a file and yield a report for each table in it: one, or one for each member of a zip.

    ``on_progress`` is called after each chunk with the table's name, the share of the file that is read (0 to 1) and
    the rows read of the table. ``clock`` dates the import. After a `StorageError` what was stored before stays, and a
    second import continues there.
    """
    with closing(import_sources(path, options)) as sources:
        for source in sources:
            if isinstance(source, UnreadableSource):
                yield FileReport(source.name, problem=source.problem, hint=source.hint)
            else:
                yield _TableImport(source, writer, options, clock.now_ms()).run(on_progress)


class _TableImport:
    """The import of one table."""

    def __init__(self, source: ImportSource, writer: ImportWriter, options: ImportOptions, now_ms: int) -> None:
        self._source = source
        self._writer = writer
        self._options = options
        self._file = ImportedFile(source.name, source.format, now_ms)
        self._refused: dict[str, Reason] = {}
        self._skipped: dict[str, Reason] = {}
        self._rows = self._known = self._repeated = self._converted = 0
        # A repetition follows its original within a few rows: the keys of two chunks are enough.
        self._keys: set[tuple[object, ...]] = set()
        self._keys_before: set[tuple[object, ...]] = set()
        # Of the events taken: the series, and the first and last trade time.
        self._series: set[tuple[str, str]] = set()
        self._first_ms = self._last_ms = 0

    def run(self, on_progress: Progress | None) -> FileReport:
        """Read the table to its end, or as far as it can be read."""
        problem = ""
        chunk: list[LiquidationEvent] = []
        try:
            for number, outcome in self._source.rows:
                self._rows += 1
                event = self._event(number, outcome)
                if event is not None:
                    chunk.append(event)
                if len(chunk) == IMPORT_CHUNK_ROWS:
                    self._store(chunk)
                    chunk = []
                # By rows read and not by rows taken: a file of repetitions shows progress, too.
                if self._rows % IMPORT_CHUNK_ROWS == 0 and on_progress is not None:
                    on_progress(self._source.name, self._source.fraction(), self._rows)
        except RecordFileError as error:
            problem = error.short
        self._store(chunk)
        claims = self._options.claims_coverage and self._source.record is None
        claimed = self._claim() if claims and not self._refused and not problem else ()
        is_covered = False
        if self._source.record is not None and not self._refused and not problem:
            try:
                is_covered = self._take_coverage(self._source.record)
            except RecordFileError as error:
                problem = error.short
        if self._file.rows or claimed or is_covered:
            self._writer.settle()
        is_taken = self._file.rows or self._known or self._repeated
        return FileReport(
            self._source.name,
            self._source.format,
            rows=self._rows,
            inserted=self._file.rows,
            repeated=self._repeated,
            known=self._known,
            converted=self._converted,
            refused=tuple(self._refused.values()),
            skipped=tuple(self._skipped.values()),
            problem=problem,
            notes=(*self._source.notes(), *self._claim_notes(claimed, problem)),
            claimed=claimed,
            hint=self._source.hint if self._refused and not is_taken else NO_HINT,
        )

    def _take_coverage(self, table: RecordTable) -> bool:
        """Store the coverage of another record, after its rows; return True if it has any."""
        if not table.has_coverage:
            return False
        recorded, claimed = table.coverage(self._options.symbol)
        self._writer.cover(recorded)
        self._writer.claim(claimed)
        return bool(recorded or claimed)

    def _claim_notes(self, claimed: tuple[Coverage, ...], problem: str) -> tuple[str, ...]:
        """Return why a claim that the user asked for was not made; empty if it was made."""
        if claimed or not self._options.claims_coverage or self._source.record is not None:
            return ()
        if problem or self._refused:
            return ("nothing is claimed as covered, for rows were refused or could not be read",)
        return ("nothing is claimed as covered, for the file has no two liquidations at different times",)

    def _claim(self) -> tuple[Coverage, ...]:
        """Store the span of the file as claimed coverage of each series in it, and return it."""
        if self._first_ms == self._last_ms:
            return ()
        claimed = tuple(Coverage(*series, self._first_ms, self._last_ms) for series in sorted(self._series))
        self._writer.claim(claimed)
        return claimed

    def _event(self, number: int, outcome: Parsed | RowError) -> LiquidationEvent | None:
        """Return the event of a row, None if it is not taken."""
        source = self._source
        try:
            if isinstance(outcome, RowError):
                raise outcome
            parsed = apply_filter(outcome, self._options, counts_contracts=source.counts_contracts)
        except RowError as error:
            _count(self._refused, error.kind, number, str(error))
            return None
        if isinstance(parsed, SkippedRow):
            _count(self._skipped, parsed.reason, number)
            return None
        if source.counts_contracts and parsed.source == Source.COIN_M:
            self._converted += 1
        if self._options.claims_coverage and parsed.source in _RECORDED:
            self._series.add((str(parsed.source), parsed.symbol))
            self._first_ms = min(self._first_ms or parsed.ts_ms, parsed.ts_ms)
            self._last_ms = max(self._last_ms, parsed.ts_ms)
        key = (
            parsed.ts_ms, parsed.symbol, parsed.side, parsed.price, parsed.qty, parsed.order_price, parsed.order_qty,
            parsed.source,
        )  # fmt: skip
        if key in self._keys or key in self._keys_before:
            self._repeated += 1
            return None
        self._keys.add(key)
        return parsed

    def _store(self, chunk: list[LiquidationEvent]) -> None:
        if chunk:
            self._known += len(chunk) - self._writer.insert(self._file, chunk, by_second=self._source.by_second)
        self._keys_before, self._keys = self._keys, set()


def _count(reasons: dict[str, Reason], kind: str, row: int, message: str = "") -> None:
    first = reasons.get(kind, Reason(kind, 0, row, message))
    reasons[kind] = Reason(kind, first.rows + 1, first.first_row, first.message)
