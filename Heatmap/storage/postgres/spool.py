"""Spool of a recorder: a record in a local file with what could not be stored on the server yet.

It is played back in the order in which it came, and deleted here only after the server has committed it. A crash in
between has it played back twice, which changes nothing. Several programs of this machine may use one spool.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from Heatmap.errors import DamagedDatabaseError, StorageError
from Heatmap.reports import ClockReading, RejectedFrame
from Heatmap.storage import sql
from Heatmap.storage.commit import Batch, Committed, TickSize, commit
from Heatmap.storage.sqlite.connection import storage_errors, write_transaction
from Heatmap.storage.sqlite.file_guard import Identity, file_identity
from Heatmap.storage.sqlite.recorder_lock import RecorderLock
from Heatmap.storage.sqlite.recovery import open_checked
from Heatmap.storage.sqlite.shrinking import shrink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from Heatmap.clock import Clock
    from Heatmap.storage.sql_connection import Connection
    from Heatmap.storage.sqlite.connection import RecordConnection

_LOG = logging.getLogger(__name__)

PIECE_ROWS: Final = 1000  # most events played back in one transaction

_EVENTS: Final = f"SELECT id, {sql.EVENT_COLUMNS} FROM liq_events WHERE id > ? ORDER BY id LIMIT {PIECE_ROWS}"  # noqa: S608 - names of this package
_COVERAGE: Final = "SELECT id, source, symbol, start_ms, end_ms FROM coverage ORDER BY start_ms"
_TICKS: Final = "SELECT source, symbol, tick_size, updated_ms FROM tick_sizes"
_REJECTED: Final = "SELECT id, source, kind, note, received_ms, size_bytes, frame FROM quarantine ORDER BY id"
_READINGS: Final = "SELECT id, source, measured_ms, offset_ms, uncertainty_ms FROM clock_offsets ORDER BY id"
_IS_USED: Final = " OR ".join(
    f"EXISTS (SELECT 1 FROM {table})"  # noqa: S608 - constants
    for table in ("liq_events", "coverage", "tick_sizes", "quarantine", "clock_offsets")
)
# The server's tables of these have no key that would refuse a second one.
_TICK: Final = "SELECT 1 FROM tick_sizes WHERE source = ? AND symbol = ? AND updated_ms >= ?"
_SAME_REJECTED: Final = (
    "SELECT 1 FROM quarantine WHERE source = ? AND received_ms = ? AND kind = ? AND frame = ? LIMIT 1"
)
_SAME_READING: Final = "SELECT 1 FROM clock_offsets WHERE source = ? AND measured_ms = ? AND offset_ms = ? LIMIT 1"


@dataclass(slots=True)
class Piece:
    """What one transaction plays back; all but the events only with the last of them."""

    batch: Batch = field(default_factory=Batch)
    coverage: list[tuple[Any, ...]] = field(default_factory=list)  # source, symbol, start_ms, end_ms
    last_event_id: int = 0
    is_last: bool = False
    deletes: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)  # what removes the rest of it here


class Spool:
    """The file of one source; only for the writer's thread. All methods raise `StorageError`.

    ``waiting`` is the number of events in it, and ``is_empty`` False if there is anything.
    """

    def __init__(self, path: Path, source: str, clock: Clock, *, goes_on: Callable[[], bool]) -> None:
        self.path = path
        self.connection: RecordConnection | None = None
        self.waiting = 0
        self.is_empty = True
        self.lock = RecorderLock(path, source)
        self._clock = clock
        self._goes_on = goes_on
        self._identity: Identity = None
        self._played_id = 0  # up to it the events are on the server, whether they could be deleted here or not

    def look(self) -> None:
        """Open the file if there is one, and see what an earlier run, or another program, has left in it."""
        if file_identity(self.path) is not None:
            self.open()
            with storage_errors(self.path):
                self._count()
            if self.is_empty:
                self.close()

    def open(self) -> RecordConnection:
        """Return the connection; a missing file is created, and a damaged one replaced by what can be read of it."""
        if self.connection is None:
            self.connection, _, notice = open_checked(
                self.path, self._clock, wants_check=lambda: True, goes_on=self._goes_on
            )
            if notice:
                _LOG.error("%s", notice)
            with storage_errors(self.path):
                self._count()
        return self.connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Run a block as one transaction, whose content is on the disk afterwards."""
        connection = self.open()
        with storage_errors(self.path):
            with write_transaction(connection):
                yield
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def note(self, committed: Committed) -> None:
        """Count what was stored."""
        self.waiting += committed.inserted
        self.is_empty = False

    def next_piece(self) -> Piece:
        """Return what is to be played back next."""
        connection = self.open()
        piece = Piece()
        with storage_errors(self.path):
            # One state of the file: what the last piece covers has its events in this piece or in one before.
            connection.execute("BEGIN")
            try:
                for row_id, *row in connection.execute(_EVENTS, (self._played_id,)):
                    piece.last_event_id = row_id
                    piece.batch.events.append(sql.row_event(tuple(row)))
                piece.is_last = len(piece.batch.events) < PIECE_ROWS
                if piece.is_last:
                    _read_rest(connection, piece)
            finally:
                connection.execute("COMMIT")
        return piece

    def forget(self, piece: Piece) -> None:
        """Delete what the server has committed."""
        self._played_id = max(self._played_id, piece.last_event_id)
        self.waiting = max(0, self.waiting - len(piece.batch.events))
        self.is_empty = piece.is_last
        with self.writing():
            connection = self.open()
            connection.execute("DELETE FROM liq_events WHERE id <= ?", (piece.last_event_id,))
            for statement, values in piece.deletes:
                connection.execute(statement, values)

    def shorten(self) -> None:
        """Give the space of deleted rows back."""
        with storage_errors(self.path):
            for _ in shrink(self.open()):
                pass

    def failed(self, error: StorageError) -> None:
        """Close the file after a failure; it is opened again, and repaired if it is damaged."""
        if not isinstance(error, DamagedDatabaseError):
            # What cannot be read now is looked at again when the file is opened next.
            self.is_empty = True
        self.close()

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        connection, self.connection = self.connection, None
        if connection is not None:
            with contextlib.suppress(StorageError), storage_errors(self.path):
                connection.close()

    def _count(self) -> None:
        connection = self.open()
        identity = file_identity(self.path)
        if identity != self._identity:
            self._identity, self._played_id = identity, 0
        query = "SELECT count(*) FROM liq_events WHERE id > ?"
        (self.waiting,) = connection.execute(query, (self._played_id,)).fetchone()
        self.is_empty = not connection.execute(f"SELECT {_IS_USED}").fetchone()[0]


def play_back(connection: Connection, piece: Piece) -> Committed:
    """Store a piece in the server's open transaction, as far as it is not there yet."""
    batch = piece.batch
    new = Batch(
        batch.events,
        [each for each in batch.ticks if _is_new(connection, _TICK, _tick_key(each))],
        [each for each in batch.rejected if _is_new(connection, _SAME_REJECTED, _rejected_key(each))],
        [each for each in batch.readings if _is_new(connection, _SAME_READING, _reading_key(each))],
    )
    committed = commit(connection, new, [])
    if piece.coverage:
        connection.executemany(sql.INSERT_UNKNOWN_COVERAGE, piece.coverage)
    return committed


def _read_rest(connection: Connection, piece: Piece) -> None:
    """Read all but the events into a piece."""
    for row_id, *row in connection.execute(_COVERAGE):
        piece.coverage.append(tuple(row))
        # Another program may have extended it meanwhile.
        piece.deletes.append(("DELETE FROM coverage WHERE id = ? AND end_ms = ?", (row_id, row[3])))
    for row in connection.execute(_TICKS):
        tick = TickSize(*row)
        piece.batch.ticks.append(tick)
        gone = "DELETE FROM tick_sizes WHERE source = ? AND symbol = ? AND updated_ms <= ?"
        piece.deletes.append((gone, _tick_key(tick)))
    for row_id, *row in connection.execute(_REJECTED):
        piece.batch.rejected.append(RejectedFrame(*row))
        piece.deletes.append(("DELETE FROM quarantine WHERE id = ?", (row_id,)))
    for row_id, *row in connection.execute(_READINGS):
        piece.batch.readings.append(ClockReading(*row))
        piece.deletes.append(("DELETE FROM clock_offsets WHERE id = ?", (row_id,)))


def _tick_key(tick: TickSize) -> tuple[str, str, int]:
    return tick.source, tick.symbol, tick.updated_ms


def _rejected_key(rejected: RejectedFrame) -> tuple[str, int, str, bytes]:
    return rejected.source, rejected.received_ms, rejected.kind, rejected.frame


def _reading_key(reading: ClockReading) -> tuple[str, int, float]:
    return reading.source, reading.measured_ms, reading.offset_ms


def _is_new(connection: Connection, query: str, values: tuple[Any, ...]) -> bool:
    return connection.execute(query, values).fetchone() is None
