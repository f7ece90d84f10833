"""Housekeeping beside the recording: old rows go, the file shrinks, the log beside it stays small.

What goes: liquidations *recorded live* (they have a ``received_ms`` and no ``import_id``) of the collector's own source
that are older than the retention, the coverage of that time (first, for a covered time without its rows would say that
nothing happened), clock readings and kept frames of that age. Imported history stays whatever its age, and so do other
sources.

What is "old" is measured from the newest stored event of the source, or from this machine's clock if that is earlier: a
clock that stands a year ahead deletes nothing.

How: in steps. Each looks at some rows without any lock, then deletes for at most 30 ms under the write lock, row by
row and with an eye on the clock, so that the lock is given up in time on the slowest disk. Between two steps the writer
does its work, and other programs get the lock. Freed pages go back to the file system a few at a time (files made
before version 2 have no ``auto_vacuum``: there they are used again, and the file shrinks by ``heatmap vacuum`` only).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from Heatmap.storage import sql as statement
from Heatmap.storage.connection import write_transaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator

    from Heatmap.clock import Clock

_LOG = logging.getLogger(__name__)

DEFAULT_DAYS: Final = 14.0
"""How long liquidations are kept, in days, if nobody says otherwise."""

MS_PER_DAY: Final = 86_400_000

PASS_S: Final = 600.0
"""Seconds between two rounds of housekeeping."""

PAUSE_S: Final = 0.05
"""Seconds between two steps, for others."""

LOCK_S: Final = 0.03
"""Seconds after which a step gives the write lock back: a third of the 100 ms that it may take."""

LOOK_ROWS: Final = 500
"""Rows looked at in one step."""

VACUUM_PAGES: Final = 64
"""Pages given back in one step: 256 KiB at SQLite's page size."""

SPARE_PAGES: Final = 1024
"""Free pages that stay in the file, for the rows to come: 4 MiB."""


class Housekeeper:
    """Does the housekeeping of one source in steps; used only on the thread of its connection.

    Parameters
    ----------
    source
        Whose rows grow old.
    keep_days
        How long they are kept, in days; 0: for ever.
    clock
        Wall time for the age, monotonic time for the steps.
    """

    def __init__(self, source: str, keep_days: float, clock: Clock) -> None:
        self._source = source
        self._keep_ms = round(keep_days * MS_PER_DAY)
        self._clock = clock
        self._due_s = clock.monotonic_s()
        self._steps: Generator[None] | None = None
        # Up to where each series has been looked through; what is imported behind it stays anyway.
        self._looked: dict[str, tuple[int, int]] = {}

    def left_s(self) -> float:
        """Return the seconds until the next step is due."""
        return self._due_s - self._clock.monotonic_s()

    def interrupt(self) -> None:
        """Leave the round, for its connection is being closed; what is left is done in the next."""
        self._steps = None

    def restart(self) -> None:
        """Begin anew, for the database is another one."""
        self._steps = None
        self._looked.clear()

    def step(self, connection: sqlite3.Connection) -> None:
        """Do one step if it is due.

        Raises
        ------
        sqlite3.Error
            The step is not done; the round begins anew when it is due again.
        """
        if self.left_s() > 0:
            return
        steps = self._steps if self._steps is not None else self._round(connection)
        self._steps = None
        # After a failure too the next round is a whole pause away.
        self._due_s = self._clock.monotonic_s() + PASS_S
        if next(steps, steps) is not steps:
            self._steps, self._due_s = steps, self._clock.monotonic_s() + PAUSE_S

    def _round(self, connection: sqlite3.Connection) -> Generator[None]:
        if self._keep_ms:
            deleted = yield from self._forget(connection)
            if deleted:
                _LOG.info(
                    "%d liquidations were older than %g days and are deleted", deleted, self._keep_ms / MS_PER_DAY
                )
        yield from self._shrink(connection)
        _shorten_log(connection)

    @staticmethod
    def _shrink(connection: sqlite3.Connection) -> Generator[None]:
        """Give pages back, but for some spare ones, where the file can."""
        if not connection.execute("PRAGMA auto_vacuum").fetchone()[0]:
            return
        free = _free_pages(connection)
        while free > SPARE_PAGES:
            # Only a script is run to its end: a single statement stops after the first page.
            connection.executescript(f"PRAGMA incremental_vacuum({min(VACUUM_PAGES, free - SPARE_PAGES)})")
            before, free = free, _free_pages(connection)
            if free >= before:
                return
            yield

    def _forget(self, connection: sqlite3.Connection) -> Generator[None, None, int]:
        symbols = [symbol for (symbol,) in connection.execute(statement.SYMBOLS, (self._source,))]
        newest = [
            connection.execute(statement.NEWEST_EVENT, (self._source, symbol)).fetchone()[0] for symbol in symbols
        ]
        known_ms = [ts_ms for ts_ms in newest if ts_ms is not None]
        if not known_ms:
            return 0
        before_ms = min(self._clock.now_ms(), max(known_ms)) - self._keep_ms
        with write_transaction(connection):
            connection.execute(statement.FORGET_COVERAGE, (self._source, before_ms))
            connection.execute(statement.SHORTEN_COVERAGE, (before_ms, self._source, before_ms))
            connection.execute(statement.FORGET_CLOCK_OFFSETS, (self._source, before_ms))
            connection.execute(statement.FORGET_REJECTED, (self._source, before_ms))
        yield
        deleted = 0
        for symbol in symbols:
            while True:
                ts_ms, row_id = self._looked.get(symbol, (0, 0))
                place = (self._source, symbol, ts_ms, row_id, before_ms, LOOK_ROWS)
                rows = connection.execute(statement.OLD_ROWS, place).fetchall()
                if not rows:
                    break
                old = [row_id for row_id, _, is_live in rows if is_live]
                gone = self._delete(connection, old) if old else 0
                deleted += gone
                if gone == len(old):
                    last_id, last_ms, _ = rows[-1]
                    self._looked[symbol] = (last_ms, last_id)
                yield
        return deleted

    def _delete(self, connection: sqlite3.Connection, row_ids: list[int]) -> int:
        """Delete from the front of some rows until the lock has been held long enough; return how many."""
        with write_transaction(connection):
            enough_s = self._clock.monotonic_s() + LOCK_S
            for done, row_id in enumerate(row_ids, start=1):
                connection.execute(statement.DELETE_EVENT, (row_id,))
                if self._clock.monotonic_s() >= enough_s:
                    return done
        return len(row_ids)


def _free_pages(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0])


def _shorten_log(connection: sqlite3.Connection) -> None:
    """Bring the log's content into the file, and cut the log if no reader still needs it; waits for nobody."""
    # The passive way takes no write lock; what it leaves over for the other way is next to nothing.
    _, frames, done = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    if frames != done:
        return
    timeout_ms = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {timeout_ms}")
