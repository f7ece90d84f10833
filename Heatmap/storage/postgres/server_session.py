"""The database side of the writer for a server: connection, locks, commits, and the spool for when it is not there.

The recorder's lock is a session-level advisory lock on the writer's own connection: it ends with that connection.

A server that is gone for `PATIENCE_S` is waited for in memory. Then what comes is stored in a file of this machine (see
`Heatmap.storage.postgres.spool`), whose lock stands in for the server's. When the server returns, that is played back,
and what comes meanwhile goes into the file, too: coverage must not be on the server before its events.
"""

from __future__ import annotations

import contextlib
import logging
import math
from typing import TYPE_CHECKING, Final

from Heatmap.count_text import counted
from Heatmap.errors import ReadOnlyDatabaseError, StorageError
from Heatmap.storage import sql
from Heatmap.storage.coverage_log import CoverageLog
from Heatmap.storage.postgres.connection import (
    LOCK_CLASS,
    ServerConnection,
    server_errors,
    source_lock,
    write_transaction,
)
from Heatmap.storage.postgres.connector import Connector
from Heatmap.storage.postgres.spool import Spool, play_back
from Heatmap.storage.writer_session import HEARTBEAT_S, WriterSession

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from Heatmap.storage.commit import Committed
    from Heatmap.storage.postgres.address import ServerAddress
    from Heatmap.storage.postgres.spool import Piece
    from Heatmap.storage.sql_connection import Connection
    from Heatmap.storage.writer_session import SessionOptions

_LOG = logging.getLogger(__name__)

PATIENCE_S: Final = 1.0  # a shorter absence of the server is waited for in memory
ANSWER_S: Final = 10  # a server that does not answer for so long counts as gone
LAST_ANSWER_S: Final = 1.0  # the same while the writer ends: there must be time to keep what waits
VANISHED_S: Final = 5  # the server ends the lock of a machine that cannot be reached for so long


class ServerSession(WriterSession):
    """A writer's session on a server; see `Heatmap.storage.contract.Session`."""

    events_at_risk = 0  # a server has written what it has committed, and a spool is written after each commit

    def __init__(self, address: ServerAddress, options: SessionOptions) -> None:
        super().__init__(options)
        self._address = address
        self._connector = Connector(address, options.clock)
        self._connection: ServerConnection | None = None
        self._is_locked = self._was_writable = self._is_refused = False
        self._spool: Spool | None = None
        self._played = 0  # events played back since the spool was empty
        # To which connection the rows of the coverage log belong.
        self._side: Connection | None = None
        # Since when nothing could be stored on the server, and the last reason.
        self._lost_s: float | None = None
        self._reason = f"The database server of {address.name} does not answer."

    @property
    def problem(self) -> str:
        if self._connection is not None or not self._is_lost():
            return ""
        spool = self._own_spool()
        if self._is_refused and spool.is_empty:
            return ""  # the refusal says it
        kept = counted(spool.waiting, "liquidation")
        return f"{self._reason} Kept on this machine until it can be written: {kept}."

    def connect(self) -> None:
        """Connect if necessary, and take the lock if it is free; what fails is raised while it is waited for only."""
        if self._connection is None:
            if self._report is not None and self._role is None:
                self._recall_refusal()
            self._reach()
        if self._connection is not None:
            try:
                with server_errors(self._address):
                    self._seek_lock(self._connection)
            except StorageError as error:
                self._lose(error)
        if self._connection is None and self._is_refused:
            # There is no lock to look for until the next attempt to connect.
            self._look_due_s = math.inf
        elif self._connection is None:
            spool = self._own_spool()
            with self._spooling():
                self._seek_lock(spool.open())

    def store(self, *, report_is_new: bool) -> None:
        """Commit what is due, and do a step of housekeeping; on errors the batch is kept."""
        if report_is_new:
            self._heartbeat_due_s = 0.0
        spool = self._own_spool()
        if self._connection is not None:
            try:
                self._store_on_server(self._connection, spool)
            except StorageError as error:
                self._lose(error)
        if self._connection is None and self._is_refused and not self.batch:
            return
        if self._connection is None or not spool.is_empty:
            with self._spooling():
                self._commit(spool.open())

    def fail(self, error: StorageError) -> None:
        """Disconnect after a failure; the batch is kept."""
        if self._connection is not None:
            self._disconnect()
            self._connector.failed(error)
        if self._report is not None and self._role is None:
            # Nobody can be asked who records: better twice in memory than not at all.
            self._set_role(may_record=True, holder=None)

    def close(self) -> int:
        """Store the last report and release the locks; nothing that is stored can be lost."""
        spool = self._own_spool()
        last = self._connection if self._connection is not None else spool.connection
        if last is not None:
            self._store_last_report(last)
        if not spool.is_empty:
            kept = counted(spool.waiting, "liquidation")
            _LOG.warning("kept in %s until a recorder can write %s: %s", spool.path, self._address.name, kept)
            # All is stored, if not where it belongs.
            if self.problem and self._statistics.set_problem(""):
                self._options.on_change()
        self._connector.close()
        self._disconnect()
        spool.close()
        spool.lock.release()
        return 0

    def _own_spool(self) -> Spool:
        if self._spool is None:
            source = self._report().source if self._report is not None else ""
            path = self._address.local_file(f"spool-{source}" if source else "spool")
            self._spool = Spool(path, source or "any", self._clock, goes_on=lambda: not self._options.is_stopping())
            _look(self._spool)
        return self._spool

    def _is_lost(self) -> bool:
        """Return True if the server is not waited for any more."""
        if self._lost_s is None:
            return False
        return (
            self._clock.monotonic_s() >= self._lost_s + PATIENCE_S
            or self._options.is_stopping()
            or self._statistics.is_full(self._options.queue_rows)
        )

    def _reach(self) -> None:
        """Connect; raises the reason while the server is waited for."""
        if self._lost_s is None:
            self._lost_s = self._clock.monotonic_s()
        try:
            self._connection = self._connector.take(max(0.0, self._lost_s + PATIENCE_S - self._clock.monotonic_s()))
            if self._connection is not None:
                with server_errors(self._address):
                    self._connection.limit(answer_s=ANSWER_S, patience_s=self._patience_s, vanished_s=VANISHED_S)
                    self._note_newest(self._connection)
                self._look_due_s = self._heartbeat_due_s = 0.0
                self._was_writable, self._is_refused = True, False
                self._statistics.set_refusal("")
                with contextlib.suppress(OSError):
                    self._refusal_file().unlink(missing_ok=True)
        except ReadOnlyDatabaseError as error:
            if not self._was_writable:
                self._refuse(error.short)
                with contextlib.suppress(OSError):
                    self._refusal_file().parent.mkdir(parents=True, exist_ok=True)
                    self._refusal_file().write_text(error.short, encoding="utf-8")
            self._lose(error)
        except StorageError as error:
            self._lose(error)

    def _patience_s(self) -> float:
        return LAST_ANSWER_S if self._options.is_stopping() else ANSWER_S

    def _refusal_file(self) -> Path:
        """Return where it is kept that this user may only read, for a start without the server."""
        return self._address.local_file("refusal").with_suffix(".txt")

    def _recall_refusal(self) -> None:
        """Do not record without the server what this user could never store there."""
        with contextlib.suppress(OSError):
            self._refuse(self._refusal_file().read_text(encoding="utf-8"))

    def _refuse(self, sentence: str) -> None:
        """Do not record: this program may only read, and could never write."""
        self._is_refused = True
        self._statistics.set_refusal(sentence)
        if self._report is not None:
            self._coverage = CoverageLog()
            self._set_role(may_record=False, holder=None)

    def _store_on_server(self, connection: ServerConnection, spool: Spool) -> None:
        with server_errors(self._address):
            if not spool.is_empty:
                self._play_back(connection, spool)
            if spool.is_empty:
                self._commit(connection)
                if self._housekeeper is not None and self._may_keep_house():
                    self._housekeeper.step(connection, self._writing, _nothing_to_shrink)
        self._lost_s = None
        self._connector.worked()

    def _play_back(self, connection: ServerConnection, spool: Spool) -> None:
        """Play a piece of the spool back; if the file cannot be read, it is left as it is."""
        try:
            piece = spool.next_piece()
        except StorageError as error:
            _LOG.error("what waits on this machine is not played back: %s", error)
            spool.failed(error)
            return
        # What comes meanwhile is reported to the spool, and the others want to know that this program is alive.
        row = self._report_row() if self._is_locked else None
        with self._writing(connection):
            committed = play_back(connection, piece)
            if row is not None:
                connection.execute(sql.PUT_COLLECTOR, row)
        self._note_played(piece, committed)
        try:
            spool.forget(piece)
            if spool.is_empty:
                spool.shorten()
        except StorageError as error:
            _LOG.warning("what was played back stays on this machine, too: %s", error)
        if spool.is_empty:
            spool.close()
            if self._played:
                _LOG.info("played back to %s: %s", self._address.name, counted(self._played, "liquidation"))
            self._played = 0

    def _note_played(self, piece: Piece, committed: Committed) -> None:
        taken = len(piece.batch.events)
        self._played += taken
        self._statistics.note_newest(event.ts_ms for event in committed.accepted)
        self._statistics.count(taken=taken, accepted=len(committed.accepted), inserted=committed.inserted, queued=0)
        self._options.on_change()

    @contextlib.contextmanager
    def _spooling(self) -> Generator[None]:
        """Run a block that uses the spool; its errors say why it is used."""
        spool = self._own_spool()
        was_empty = spool.is_empty
        try:
            yield
        except StorageError as error:
            spool.close()
            why = f"{self._reason} " if self._connection is None else ""
            raise StorageError(f"{why}{error}", short=f"{why}{error.short}") from error
        if was_empty and not spool.is_empty:
            _LOG.warning("what comes is kept in %s: %s", spool.path, self._reason)

    def _next_due_s(self) -> float:
        if self._connection is None:
            return self._connector.due_s()
        now_s = self._clock.monotonic_s()
        return now_s + HEARTBEAT_S if self._own_spool().is_empty else now_s

    def _holds_lock(self) -> bool:
        return self._is_locked if self._connection is not None else self._own_spool().lock.is_held

    def _may_keep_house(self) -> bool:
        return self._connection is not None and self._own_spool().is_empty and super()._may_keep_house()

    def _lock(self) -> bool:
        spool = self._own_spool()
        if self._connection is None:
            return spool.lock.acquire()
        if self._report is not None:
            values = (LOCK_CLASS, source_lock(self._report().source))
            (self._is_locked,) = self._connection.execute("SELECT pg_try_advisory_lock(?, ?)", values).fetchone()
        if self._is_locked:
            # The program that recorded before may have been killed with something in it.
            _look(spool)
        else:
            # Another program records, and perhaps without the server again some day.
            spool.lock.release()
        return self._is_locked

    def _commit(self, connection: Connection) -> None:
        if connection is not self._side:
            self._coverage.go_on_elsewhere()
            self._side = connection
        super()._commit(connection)

    def _writing(self, connection: Connection) -> contextlib.AbstractContextManager[None]:
        if isinstance(connection, ServerConnection):
            return write_transaction(connection)
        return self._own_spool().writing()

    def _count(self, taken: int, committed: Committed) -> None:
        if isinstance(self._side, ServerConnection):
            super()._count(taken, committed)
            return
        # It is counted as new when the server has it.
        self._own_spool().note(committed)
        self._statistics.count_kept(taken=taken, accepted=len(committed.accepted), new=committed.inserted)

    def _lose(self, error: StorageError) -> None:
        """Disconnect after a failure of the server; raises it while the server is waited for."""
        if self._connection is not None:
            self._connector.failed(error)
            if self._role is not None and not self._role[0]:
                # The one that records may go on; it is not known whether it does.
                self._look_due_s = self._clock.monotonic_s() + HEARTBEAT_S
        self._disconnect()
        self._reason = error.short
        if self._lost_s is None:
            self._lost_s = self._clock.monotonic_s()
        if not self._is_lost() and not self._is_refused:
            raise error

    def _disconnect(self) -> None:
        connection, self._connection, self._is_locked = self._connection, None, False
        if self._housekeeper is not None:
            self._housekeeper.interrupt()
        if connection is not None:
            connection.close()


def _look(spool: Spool) -> None:
    try:
        spool.look()
    except StorageError as error:
        _LOG.error("what an earlier run has left is not played back: %s", error)
        spool.failed(error)


def _nothing_to_shrink(connection: Connection) -> Generator[None]:  # noqa: ARG001 - autovacuum does it
    yield from ()
