"""The database side of the writer for a server: connection, advisory lock, commits.

The recorder's lock is a session-level advisory lock on the writer's own connection: it ends with that connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from Heatmap.storage.postgres.connection import LOCK_CLASS, server_errors, source_lock, write_transaction
from Heatmap.storage.postgres.migrations import open_record
from Heatmap.storage.writer_session import WriterSession

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Generator

    from Heatmap.errors import StorageError
    from Heatmap.storage.commit import Committed
    from Heatmap.storage.postgres.address import ServerAddress
    from Heatmap.storage.postgres.connection import ServerConnection
    from Heatmap.storage.sql_connection import Connection
    from Heatmap.storage.writer_session import SessionOptions


class ServerSession(WriterSession):
    """A writer's session on a server; see `Heatmap.storage.contract.Session`."""

    events_at_risk = 0  # a server has written what it has committed

    def __init__(self, address: ServerAddress, options: SessionOptions) -> None:
        super().__init__(options)
        self._address = address
        self._connection: ServerConnection | None = None
        self._is_locked = False

    def connect(self) -> None:
        """Connect if necessary, and take the lock if it is free."""
        with server_errors(self._address):
            if self._connection is None:
                self._connection = open_record(self._address, creates=True)
                self._note_newest(self._connection)
            self._seek_lock(self._connection)

    def store(self, *, report_is_new: bool) -> None:
        """Commit what is due, and do a step of housekeeping; on errors the batch is kept."""
        if self._connection is None:
            return
        if report_is_new:
            self._heartbeat_due_s = 0.0
        with server_errors(self._address):
            self._commit(self._connection)
            if self._housekeeper is not None and self._may_write_coverage() and not self._options.is_stopping():
                self._housekeeper.step(self._connection, self._writing, _nothing_to_shrink)

    def fail(self, error: StorageError) -> None:  # noqa: ARG002 - a file's session needs it
        """Disconnect after a failure; the batch is kept."""
        self._disconnect()
        if self._report is not None and self._role is None:
            # Nobody can be asked who records: better twice in memory than not at all.
            self._set_role(may_record=True, holder=None)

    def close(self) -> int:
        """Store the last report and release the lock; nothing that is stored can be lost."""
        if self._connection is not None:
            self._store_last_report(self._connection)
        self._disconnect()
        return 0

    def _next_due_s(self) -> float:
        return float("inf")

    def _holds_lock(self) -> bool:
        return self._is_locked

    def _lock(self) -> bool:
        if self._connection is not None and self._report is not None:
            values = (LOCK_CLASS, source_lock(self._report().source))
            (self._is_locked,) = self._connection.execute("SELECT pg_try_advisory_lock(?, ?)", values).fetchone()
        return self._is_locked

    def _writing(self, connection: Connection) -> contextlib.AbstractContextManager[None]:
        return write_transaction(cast("ServerConnection", connection))

    def _after_commit(self, committed: Committed) -> None:
        pass

    def _disconnect(self) -> None:
        connection, self._connection, self._is_locked = self._connection, None, False
        if self._housekeeper is not None:
            self._housekeeper.interrupt()
        if connection is not None:
            connection.close()


def _nothing_to_shrink(connection: Connection) -> Generator[None]:  # noqa: ARG001 - autovacuum does it
    yield from ()
