"""The liquidations that are stored from now on, read from the file in order of arrival, each one once."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Final

from Heatmap.errors import StorageError
from Heatmap.storage import sql
from Heatmap.storage.sqlite.file_guard import Identity, file_identity
from Heatmap.storage.sqlite.sqlite_store import SqliteStore

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection
    from pathlib import Path

    from Heatmap.clock import Clock
    from Heatmap.events import LiquidationEvent

_LOG = logging.getLogger(__name__)

READ_ROWS: Final = 1000  # most rows of one read; the file keeps the others
# Events recognised in a file that replaces the one they were read from; those of its last seconds matter.
_RECENT: Final = 1000

_NEWER: Final = f"""
    SELECT {sql.EVENT_COLUMNS}, id, {{import_id}} FROM liq_events NOT INDEXED WHERE id > ? ORDER BY id LIMIT ?
"""  # noqa: S608 - names of this package
_NEWEST: Final = "SELECT id, ts_ms FROM liq_events ORDER BY id DESC LIMIT 1"
_IS_THERE: Final = "SELECT 1 FROM liq_events WHERE id = ? AND ts_ms = ?"
_LAST_ID: Final = "SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'liq_events'"
_NEXT_ID: Final = "SELECT min(id) FROM liq_events WHERE id > ?"


class EventTail:
    """Reads what recorders store after this object was made; for one thread at a time.

    Delivered are events that a recorder received: imported ones, and those without a receive time, are history. The
    file may be missing yet. It may be replaced by a recovered copy, which keeps row ids, or by a new file: what was
    received since the last delivery is new then. What was deleted before it was read is logged as an error.

    Parameters
    ----------
    db_path, source
        The database; the source of the events.
    symbols
        In the exchange's spelling; None: all.
    clock
        Dates the beginning.
    is_current
        Returns False while the file, a copy, lacks rows that were stored before. Delivery begins when it has them.

    Attributes
    ----------
    is_behind
        True if there was more to read than one `read` returns.

    Raises
    ------
    StorageError
        The file exists and cannot be read.
    """

    def __init__(
        self,
        db_path: Path,
        source: str,
        symbols: Collection[str] | None,
        clock: Clock,
        *,
        is_current: Callable[[], bool] = lambda: True,
    ) -> None:
        self._path = db_path
        self._source = source
        self._symbols = None if symbols is None else frozenset(symbols)
        self.is_behind = False
        self._is_current = is_current
        self._has_begun = is_current()
        self._problem = ""
        self._recent: deque[LiquidationEvent] = deque(maxlen=_RECENT)
        self._since_ms = clock.now_ms()  # receive time of the newest event delivered
        self._least_ms: int | None = (
            None  # while a new file is read from its beginning: what was received earlier is known
        )
        # The newest row that was read, by id and time, and the file it was in.
        self._row_id = self._row_ms = 0
        self._identity: Identity = None
        with SqliteStore(db_path) as store, store.reading() as connection:
            if connection is not None:
                self._begin(connection)

    def read(self) -> list[LiquidationEvent]:
        """Return new events, by ``received_ms``, ties in order of arrival; none while the file cannot be read.

        A problem is logged once.
        """
        try:
            with SqliteStore(self._path) as store, store.reading() as connection:
                found = [] if connection is None else self._newer(connection, store.schema_version)
        except StorageError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                _LOG.warning("new liquidations cannot be delivered: %s", error)
            self.is_behind = False
            return []
        self._problem = ""
        return found

    def _newer(self, connection: sqlite3.Connection, schema_version: int) -> list[LiquidationEvent]:
        if not self._has_begun:
            # Asked before: rows that come in between are left out, as those before the beginning.
            self._has_begun = self._is_current()
            self._begin(connection)
            return []
        connection.execute("BEGIN")  # one state of the file for all these queries
        self._find_position(connection)
        import_id = "import_id" if schema_version >= sql.REPORTS_VERSION else "NULL"
        rows = connection.execute(_NEWER.format(import_id=import_id), (self._row_id, READ_ROWS)).fetchall()
        connection.execute("COMMIT")
        self.is_behind = len(rows) == READ_ROWS
        if rows:
            self._row_id, self._row_ms = rows[-1][-2], rows[-1][0]
        live = [
            sql.row_event(values)
            for *values, _, import_id in rows
            if import_id is None and values[-1] is not None and values[6] == self._source and self._wants(values[1])
        ]
        if self._least_ms is not None:
            live = [event for event in live if _received_ms(event) >= self._least_ms and event not in self._recent]
            self._least_ms = self._least_ms if self.is_behind else None
        live.sort(key=_received_ms)
        self._recent.extend(live)
        self._since_ms = max([self._since_ms, *map(_received_ms, live[-1:])])
        return live

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Count all rows of the file as delivered."""
        self._identity = file_identity(self._path)
        self._row_id, self._row_ms = connection.execute(_NEWEST).fetchone() or (0, 0)

    def _wants(self, symbol: str) -> bool:
        return self._symbols is None or symbol in self._symbols

    def _find_position(self, connection: sqlite3.Connection) -> None:
        """Go to the beginning of the file if it is another one, in which row ids begin anew."""
        before, self._identity = self._identity, file_identity(self._path)
        if not self._row_id or connection.execute(_IS_THERE, (self._row_id, self._row_ms)).fetchone():
            return
        (last_id,) = connection.execute(_LAST_ID).fetchone()
        if self._identity == before and last_id >= self._row_id:
            (next_id,) = connection.execute(_NEXT_ID, (self._row_id,)).fetchone()
            deleted = (last_id + 1 if next_id is None else next_id) - self._row_id - 1
            if deleted:
                _LOG.error("up to %d liquidations were deleted before they were delivered", deleted)
                self._row_id += deleted
            return
        _LOG.warning("%s was replaced: liquidations that only the old file has are not delivered", self._path)
        self._row_id = self._row_ms = 0
        self._least_ms = self._since_ms


def _received_ms(event: LiquidationEvent) -> int:
    return event.received_ms or 0
