"""A record on a PostgreSQL server."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Self

from Heatmap.errors import StorageError, UnusableDatabaseError
from Heatmap.storage import sql
from Heatmap.storage.contract import BulkResult, Compaction, ImportWriter
from Heatmap.storage.imports import (
    CHUNK_ROWS,
    check_generated,
    erase_generated,
    insert_claims,
    insert_imported,
    insert_recorded,
)
from Heatmap.storage.postgres.address import ServerAddress
from Heatmap.storage.postgres.connection import LOCK_CLASS, connect, server_errors, source_lock, write_transaction
from Heatmap.storage.postgres.local_copy import LocalCopy
from Heatmap.storage.postgres.migrations import open_record, version_of
from Heatmap.storage.postgres.postgres_reader import PostgresReader
from Heatmap.storage.postgres.rights import described_rights
from Heatmap.storage.postgres.server_session import ServerSession
from Heatmap.storage.record_summary import RecordSummary, StoreSummary, record_summary, store_summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from Heatmap.clock import Clock
    from Heatmap.events import Coverage, LiquidationEvent
    from Heatmap.storage.contract import Copy, ImportedFile, Session
    from Heatmap.storage.record_reader import RecordReader
    from Heatmap.storage.writer_session import SessionOptions

_SIZE: str = (
    "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class AS c"
    " WHERE c.relnamespace = 'heatmap'::regnamespace AND c.relkind = 'r'"
)
_VERSION_AND_SIZE: str = f"SELECT current_setting('server_version'), ({_SIZE})"
_IS_LOCKED: str = (
    "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND classid = ? AND objid = ?)"
)


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """A record on a server; see `Heatmap.storage.contract.Database`."""

    address: ServerAddress

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the database of an address; `UnusableDatabaseError` if it cannot be one."""
        return cls(ServerAddress.of(text))

    def __str__(self) -> str:
        return self.address.name

    @property
    def local_path(self) -> Path:
        """The copy of the record on this machine."""
        return self.address.local_file("copy")

    def check(self) -> None:
        """Raise `UnusableDatabaseError` for tables of a newer version; whatever else a server refuses may pass."""
        try:
            with closing(connect(self.address)) as connection:
                version_of(connection)
        except UnusableDatabaseError:
            raise
        except StorageError:
            pass

    @property
    def cure(self) -> str:
        """What to do if `probe` fails."""
        return "check that the server runs and that user, password and rights are right: see Heatmap/docs/server.md"

    def probe(self) -> str:
        """Check that the record can be written, or at least read, and return which."""
        with closing(connect(self.address)) as connection, server_errors(self.address):
            rights = described_rights(connection)
            if not version_of(connection):
                return f"{self}: {rights}"
            ((version, size_bytes),) = connection.execute(_VERSION_AND_SIZE).fetchall()
        return f"{self}: PostgreSQL {version}, {rights}, {size_bytes / 1e6:.1f} MB"

    def session(self, options: SessionOptions) -> Session:
        """Return the database side of a writer."""
        return ServerSession(self.address, options)

    def reader(self) -> RecordReader:
        """Return a reader of the record as it is at this moment."""
        return PostgresReader(self.address)

    def importer(self) -> ImportWriter:
        """Return a writer of imported events; the tables are created when missing."""
        return PostgresImportWriter(self.address)

    def insert(self, events: Iterable[LiquidationEvent], coverage: Iterable[Coverage] = ()) -> BulkResult:
        """Insert generated events, in any number and order, and what they cover; doing it twice changes nothing."""
        inserted = taken = 0
        remaining = iter(events)
        with closing(open_record(self.address, creates=True)) as connection:
            while chunk := [sql.event_row(event) for event in islice(remaining, CHUNK_ROWS)]:
                with write_transaction(connection):
                    inserted += connection.executemany(sql.INSERT_EVENT, chunk).rowcount
                taken += len(chunk)
            with write_transaction(connection):
                connection.executemany(sql.INSERT_UNKNOWN_COVERAGE, map(sql.coverage_row, coverage))
        return BulkResult(inserted, taken - inserted)

    def erase(self, source: str) -> int:
        """Delete all events and coverage of `Source.DEMO` or `Source.REPLAY`; return the number of events."""
        check_generated(source)
        with closing(open_record(self.address, creates=True)) as connection, write_transaction(connection):
            return erase_generated(connection, source)

    def summary(self) -> StoreSummary:
        """Return what is stored, empty if there is nothing yet."""
        with closing(connect(self.address)) as connection, server_errors(self.address):
            if not version_of(connection):
                return StoreSummary(str(self))
            (size_bytes,) = connection.execute(_SIZE).fetchone()
            with self.reader() as reader:
                return store_summary(
                    reader,
                    size_bytes=size_bytes,
                    is_locked=lambda source: connection.execute(
                        _IS_LOCKED, (LOCK_CLASS, source_lock(source))
                    ).fetchone()[0],
                )

    def record_summary(self, now_ms: int) -> RecordSummary:
        """Return quality and size of an existing record as of ``now_ms``."""
        with self.reader() as reader:
            ((size_bytes,),) = reader.query(_SIZE)
            return record_summary(reader, now_ms, file_bytes=size_bytes)

    def compact(self) -> Compaction:
        """Let the server use the space of deleted rows again; its files keep their size, and nobody waits.

        Only the owner of the tables may do that: `StorageError` for others.
        """
        refused: list[str] = []
        with closing(open_record(self.address, creates=False)) as connection, server_errors(self.address):
            # The server skips what the user may not do, and warns.
            connection.raw.add_notice_handler(lambda notice: refused.append(str(notice.message_primary)))
            (before_bytes,) = connection.execute(_SIZE).fetchone()
            for table in ("liq_events", "coverage", "quarantine", "clock_offsets"):
                connection.execute(f"VACUUM (ANALYZE) {table}")
            (after_bytes,) = connection.execute(_SIZE).fetchone()
        if refused:
            raise StorageError(
                f"{self}: {'; '.join(refused)}",
                short=f"Only the owner of the tables may do that in {self}; the server does it itself now and then.",
            )
        return Compaction(before_bytes, after_bytes)

    def copy(self, clock: Clock, on_change: Callable[[], None]) -> Copy | None:
        """Return what keeps `local_path` up to date."""
        return LocalCopy(self.address, clock, on_change)


class PostgresImportWriter(ImportWriter):
    """Inserts imported events on a server; see `Heatmap.storage.contract.ImportWriter`."""

    def __init__(self, address: ServerAddress) -> None:
        self._connection = open_record(address, creates=True)

    def insert(self, file: ImportedFile, events: Sequence[LiquidationEvent], *, by_second: bool = False) -> int:
        """Insert up to `IMPORT_CHUNK_ROWS` events, all or nothing, and update ``file``; return how many were new."""
        try:
            with write_transaction(self._connection):
                inserted, row_id = insert_imported(self._connection, file, events, by_second=by_second)
                if not inserted:
                    self._connection.raw.execute("ROLLBACK")
        except (OverflowError, UnicodeError) as error:
            raise StorageError(f"{self._connection.address.name}: an event cannot be stored: {error}") from error
        if inserted:
            file.rows, file.row_id = file.rows + inserted, row_id
        return inserted

    def claim(self, coverage: Iterable[Coverage]) -> None:
        """Store intervals as covered because the owner of a file says so."""
        with write_transaction(self._connection):
            insert_claims(self._connection, coverage)

    def cover(self, coverage: Iterable[Coverage]) -> None:
        """Store intervals as recorded, for another record of this program has them."""
        with write_transaction(self._connection):
            insert_recorded(self._connection, coverage)

    def settle(self) -> None:
        """Do nothing: a server has written what it has committed."""

    def close(self) -> None:
        """Close the connection; harmless if called twice."""
        self._connection.close()
