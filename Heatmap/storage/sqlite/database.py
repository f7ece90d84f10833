"""A record in an SQLite file."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from Heatmap.storage.record_summary import RecordSummary, StoreSummary, record_summary, store_summary
from Heatmap.storage.sqlite.bulk_insert import SqliteImportWriter, bulk_insert, erase_source
from Heatmap.storage.sqlite.file_guard import LOG_SUFFIX, beside
from Heatmap.storage.sqlite.file_session import FileSession
from Heatmap.storage.sqlite.migrations import check_writable, is_empty, open_database
from Heatmap.storage.sqlite.recorder_lock import is_locked
from Heatmap.storage.sqlite.recovery import check_db_path
from Heatmap.storage.sqlite.shrinking import compact
from Heatmap.storage.sqlite.sqlite_reader import SqliteReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from Heatmap.clock import Clock
    from Heatmap.events import Coverage, LiquidationEvent
    from Heatmap.storage.contract import BulkResult, Compaction, ImportWriter, Session
    from Heatmap.storage.record_reader import RecordReader
    from Heatmap.storage.writer_session import SessionOptions


@dataclass(frozen=True, slots=True)
class SqliteDatabase:
    """A file; see `Heatmap.storage.contract.Database`."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def local_path(self) -> Path:
        """The file."""
        return self.path

    def check(self) -> None:
        """Raise `UnusableDatabaseError` unless the file is ours, or one can be created there; changes nothing."""
        check_db_path(self.path)

    @property
    def cure(self) -> str:
        """What to do if `probe` fails."""
        return "check the folder's permissions and free space, or choose another file with --db"

    def probe(self) -> str:
        """Check that the file, or its future folder, can be written."""
        if self.path.exists():
            check_writable(self.path)
            return f"{self.path}, {self.path.stat().st_size / 1e6:.1f} MB"
        folder = next(parent for parent in self.path.absolute().parents if parent.exists())
        with tempfile.TemporaryDirectory(dir=folder) as trial:
            open_database(Path(trial) / "trial.sqlite3").close()
        return f"{self.path} will be created"

    def session(self, options: SessionOptions) -> Session:
        """Return the database side of a writer."""
        return FileSession(self.path, options)

    def reader(self) -> RecordReader:
        """Return a reader of the record as it is at this moment."""
        return SqliteReader(self.path)

    def importer(self) -> ImportWriter:
        """Return a writer of imported events; the file is created when missing."""
        return SqliteImportWriter(self.path)

    def insert(self, events: Iterable[LiquidationEvent], coverage: Iterable[Coverage] = ()) -> BulkResult:
        """Insert generated events, in any number and order, and what they cover; doing it twice changes nothing."""
        return bulk_insert(self.path, events, coverage=coverage)

    def erase(self, source: str) -> int:
        """Delete all events and coverage of `Source.DEMO` or `Source.REPLAY`; return the number of events."""
        return erase_source(self.path, source)

    def summary(self) -> StoreSummary:
        """Return what is stored, empty if there is nothing yet."""
        if is_empty(self.path):
            return StoreSummary(str(self))
        with SqliteReader(self.path) as reader:
            return store_summary(
                reader, size_bytes=sum(self._sizes()), is_locked=lambda source: is_locked(self.path, source)
            )

    def record_summary(self, now_ms: int) -> RecordSummary:
        """Return quality and size of an existing record as of ``now_ms``."""
        with SqliteReader(self.path) as reader:
            ((free_pages,),) = reader.query("PRAGMA freelist_count")
            ((page_bytes,),) = reader.query("PRAGMA page_size")
            file_bytes, wal_bytes = self._sizes()
            return record_summary(
                reader, now_ms, file_bytes=file_bytes, wal_bytes=wal_bytes, free_bytes=free_pages * page_bytes
            )

    def compact(self) -> Compaction:
        """Rewrite the file without free pages, so that it returns them by itself from now on."""
        return compact(self.path)

    def copy(self, clock: Clock, on_change: Callable[[], None]) -> None:
        """Return None: the file is the record itself."""

    def _sizes(self) -> tuple[int, int]:
        log = beside(self.path, LOG_SUFFIX)
        return self.path.stat().st_size, log.stat().st_size if log.exists() else 0
