"""The import itself: file by file, in chunks, in constant memory, and twice is as good as once."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from Heatmap.clock import SYSTEM_CLOCK, Clock
from Heatmap.errors import RecordFileError, RowError
from Heatmap.events import Source
from Heatmap.importing.import_filter import ImportOptions, judge
from Heatmap.importing.import_source import Unreadable, parts_of
from Heatmap.importing.report import FileReport, Tally
from Heatmap.importing.row import Aside
from Heatmap.storage.bulk_insert import IMPORT_CHUNK_ROWS, ImportedFile, ImportWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from Heatmap.events import LiquidationEvent
    from Heatmap.importing.import_source import Part

    Progress = Callable[[str, float, int], None]


def import_file(
    path: Path,
    writer: ImportWriter,
    options: ImportOptions,
    *,
    on_progress: Progress | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Iterator[FileReport]:
    """Store what a file holds and yield a report for each table in it: one, or one for each member of a zip.

    Parameters
    ----------
    path
        The file.
    writer
        Where to.
    options
        What is wanted.
    on_progress
        Called after each chunk with the table's name, the read share of the file (0 to 1) and the rows read of it.
    clock
        When the import is said to have happened.

    Raises
    ------
    StorageError
        The database cannot be written; what was stored before stays, and a second import goes on from there.
    """
    with closing(parts_of(path, options)) as parts:
        for part in parts:
            if isinstance(part, Unreadable):
                yield FileReport(part.name, problem=part.problem)
            else:
                yield _Intake(part, writer, options, clock.now_ms()).run(on_progress)


class _Intake:
    """One table on its way into the database."""

    def __init__(self, part: Part, writer: ImportWriter, options: ImportOptions, now_ms: int) -> None:
        self._part = part
        self._writer = writer
        self._options = options
        self._file = ImportedFile(part.name, part.format, now_ms)
        self._refused = Tally()
        self._aside = Tally()
        self._rows = self._known = self._repeated = self._converted = 0
        # A repetition follows its original within a few rows: two chunks of keys are memory enough.
        self._keys: set[tuple[object, ...]] = set()
        self._keys_before: set[tuple[object, ...]] = set()

    def run(self, on_progress: Progress | None) -> FileReport:
        """Read the table to its end, or as far as it can be read."""
        problem = ""
        chunk: list[LiquidationEvent] = []
        try:
            for number, content in self._part.rows:
                self._rows += 1
                event = self._taken(number, content)
                if event is not None:
                    chunk.append(event)
                if len(chunk) == IMPORT_CHUNK_ROWS:
                    self._store(chunk)
                    chunk = []
                # By rows read and not by rows taken: a file of repetitions moves the bar, too.
                if self._rows % IMPORT_CHUNK_ROWS == 0 and on_progress is not None:
                    on_progress(self._part.name, self._part.fraction(), self._rows)
        except RecordFileError as error:
            problem = error.short
        self._store(chunk)
        if self._file.rows:
            self._writer.settle()
        return FileReport(
            self._part.name,
            self._part.format,
            rows=self._rows,
            inserted=self._file.rows,
            repeated=self._repeated,
            known=self._known,
            converted=self._converted,
            refused=self._refused.reasons(),
            aside=self._aside.reasons(),
            problem=problem,
        )

    def _taken(self, number: int, content: object) -> LiquidationEvent | None:
        try:
            parsed = judge(self._part.parse(content), self._options, counts_contracts=self._part.counts_contracts)
        except RowError as error:
            self._refused.add(error.kind, number, str(error))
            return None
        if isinstance(parsed, Aside):
            self._aside.add(parsed.reason, number)
            return None
        if self._part.counts_contracts and parsed.source == Source.COIN_M:
            self._converted += 1
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
            self._known += len(chunk) - self._writer.insert(self._file, chunk)
        self._keys_before, self._keys = self._keys, set()
