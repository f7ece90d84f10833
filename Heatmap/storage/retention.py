"""Retention: deletes old rows while recording.

Deleted are liquidations *recorded live* (with a ``received_ms`` and without an ``import_id``, or by another record of
this program) of the collector's own source that are older than the retention, and what filled their gaps; the coverage
of that time (first, for covered time without its rows would mean that nothing happened); clock readings and rejected
frames of that age. Imported history and other sources stay, and so does what was recorded within time that the owner of
an imported file claims as covered. Age is measured from the newest stored event of the source, or from this machine's
clock if that is earlier: a clock that is a year ahead deletes nothing.

It works in steps, between which the writer and other programs get the lock: each reads some rows without a lock, then
deletes some at a time for at most 30 ms under the write lock. Freed pages of a file are returned to the file system a
few at a time; files made before version 2 have no ``auto_vacuum``, and only ``heatmap vacuum`` shrinks them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from Heatmap.storage import sql

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    from Heatmap.clock import Clock
    from Heatmap.storage.sql_connection import Connection

    # A write transaction on a connection; and steps that shrink the database, between which others get the lock.
    Writing = Callable[[Connection], AbstractContextManager[None]]
    Shrink = Callable[[Any], Generator[None]]

_LOG = logging.getLogger(__name__)

DEFAULT_DAYS: Final = 14.0
MS_PER_DAY: Final = 86_400_000
PASS_S: Final = 600.0  # between two rounds
PAUSE_S: Final = 0.05  # between two steps
LOCK_S: Final = 0.03  # after it a step releases the write lock: a third of the 100 ms that it may take
LOOK_ROWS: Final = 500  # read in one step
# Skips from one symbol to the next within an index: as many steps as there are symbols.
_SYMBOLS: Final = """
    WITH RECURSIVE known (symbol) AS (
        SELECT min(symbol) FROM liq_events WHERE source = ?1
        UNION ALL
        SELECT (SELECT min(symbol) FROM liq_events WHERE source = ?1 AND symbol > known.symbol)
        FROM known WHERE known.symbol IS NOT NULL
    )
    SELECT symbol FROM known WHERE symbol IS NOT NULL
"""
# What an exchange's history or another record brought ages like what was recorded here.
_BACK_FILLS: Final = f"SELECT id FROM imports WHERE format IN ('{sql.BACK_FILL_FORMAT}', '{sql.RECORD_FORMAT}')"  # noqa: S608 - constants
# A row with neither an import nor a receive time was rebuilt from an index of a damaged file: its origin is unknown.
_OLD_ROWS: Final = f"""
    SELECT id, ts_ms, CASE WHEN import_id IS NULL THEN received_ms IS NOT NULL ELSE import_id IN ({_BACK_FILLS}) END
        AND NOT EXISTS (
        SELECT 1 FROM coverage AS c WHERE c.source = ?1 || '{sql.CLAIMED_SUFFIX}' AND c.symbol = ?2
            AND c.end_ms >= liq_events.ts_ms AND c.start_ms <= liq_events.ts_ms)
    FROM liq_events INDEXED BY idx_liq_events_window
    WHERE source = ?1 AND symbol = ?2 AND (ts_ms, id) > (?3, ?4) AND ts_ms < ?5 ORDER BY ts_ms, id LIMIT ?6
"""  # noqa: S608 - a constant
_DELETE_EVENTS: Final = "DELETE FROM liq_events WHERE id IN ({})"
_FORGET_COVERAGE: Final = "DELETE FROM coverage WHERE source = ? AND end_ms < ?"
_SHORTEN_COVERAGE: Final = "UPDATE coverage SET start_ms = ? WHERE source = ? AND start_ms < ?"
_IS_BACK_FILLED: Final = f"""
    source = ?1 || '{sql.CLAIMED_SUFFIX}' AND NOT EXISTS (
        SELECT 1 FROM liq_events AS e INDEXED BY idx_liq_events_window
        WHERE e.source = ?1 AND e.symbol = coverage.symbol AND e.ts_ms BETWEEN coverage.start_ms AND coverage.end_ms
            AND e.import_id NOT IN ({_BACK_FILLS}))
"""  # noqa: S608 - a constant
_FORGET_BACK_FILLED: Final = f"DELETE FROM coverage WHERE end_ms < ?2 AND {_IS_BACK_FILLED}"  # noqa: S608 - a constant
_SHORTEN_BACK_FILLED: Final = f"UPDATE coverage SET start_ms = ?2 WHERE start_ms < ?2 AND {_IS_BACK_FILLED}"  # noqa: S608 - a constant
_FORGET_CLOCK_OFFSETS: Final = "DELETE FROM clock_offsets WHERE source = ? AND measured_ms < ?"
_FORGET_REJECTED: Final = "DELETE FROM quarantine WHERE source = ? AND received_ms < ?"


class Housekeeper:
    """Retention of one source, ``keep_days`` days (0: for ever), in steps; only for the thread of its connection.

    ``fills_gaps`` is True if its recorder claims coverage for gaps that it fills.
    """

    def __init__(self, source: str, keep_days: float, clock: Clock, *, fills_gaps: bool = False) -> None:
        self._source = source
        self._keep_ms = round(keep_days * MS_PER_DAY)
        self._clock = clock
        self._fills_gaps = fills_gaps
        self._due_s = clock.monotonic_s()
        self._steps: Generator[None] | None = None
        # Time and row id up to which each symbol has been read; what is imported before it stays anyway.
        self._done: dict[str, tuple[int, int]] = {}

    def left_s(self) -> float:
        return self._due_s - self._clock.monotonic_s()

    def interrupt(self) -> None:
        """End the round, for its connection is being closed; the next one does the rest."""
        self._steps = None

    def restart(self) -> None:
        self._steps = None
        self._done.clear()

    def step(self, connection: Connection, writing: Writing, shrink: Shrink) -> None:
        """Do one step if it is due; after an error a new round begins when it is due."""
        if self.left_s() > 0:
            return
        steps, self._steps = self._steps or self._round(connection, writing, shrink), None
        # After a failure, too, the next round is due a whole pause later.
        self._due_s = self._clock.monotonic_s() + PASS_S
        if next(steps, steps) is not steps:
            self._steps, self._due_s = steps, self._clock.monotonic_s() + PAUSE_S

    def _round(self, connection: Connection, writing: Writing, shrink: Shrink) -> Generator[None]:
        if self._keep_ms:
            deleted = yield from self._forget(connection, writing)
            if deleted:
                days = self._keep_ms / MS_PER_DAY
                _LOG.info("%d liquidations were older than %g days and are deleted", deleted, days)
        yield from shrink(connection)

    def _forget(self, connection: Connection, writing: Writing) -> Generator[None, None, int]:
        symbols = [symbol for (symbol,) in connection.execute(_SYMBOLS, (self._source,))]
        newest = [connection.execute(sql.NEWEST_EVENT, (self._source, symbol)).fetchone()[0] for symbol in symbols]
        newest_ms = max((ts_ms for ts_ms in newest if ts_ms is not None), default=None)
        if newest_ms is None:
            return 0
        before_ms = min(self._clock.now_ms(), newest_ms) - self._keep_ms
        with writing(connection):
            connection.execute(_FORGET_COVERAGE, (self._source, before_ms))
            connection.execute(_SHORTEN_COVERAGE, (before_ms, self._source, before_ms))
            if self._fills_gaps:
                connection.execute(_FORGET_BACK_FILLED, (self._source, before_ms))
                connection.execute(_SHORTEN_BACK_FILLED, (self._source, before_ms))
            connection.execute(_FORGET_CLOCK_OFFSETS, (self._source, before_ms))
            connection.execute(_FORGET_REJECTED, (self._source, before_ms))
        yield
        deleted = 0
        for symbol in symbols:
            while True:
                ts_ms, row_id = self._done.get(symbol, (0, 0))
                values = (self._source, symbol, ts_ms, row_id, before_ms, LOOK_ROWS)
                rows = connection.execute(_OLD_ROWS, values).fetchall()
                if not rows:
                    break
                old = [row_id for row_id, _, is_live in rows if is_live]
                gone = self._delete(connection, writing, old) if old else 0
                deleted += gone
                if gone == len(old):
                    self._done[symbol] = (rows[-1][1], rows[-1][0])
                yield
        return deleted

    def _delete(self, connection: Connection, writing: Writing, row_ids: list[int]) -> int:
        """Delete the first of some rows, until the lock has been held for `LOCK_S`; return how many."""
        with writing(connection):
            enough_s = self._clock.monotonic_s() + LOCK_S
            for first in range(0, len(row_ids), connection.delete_rows):
                some = row_ids[first : first + connection.delete_rows]
                connection.execute(_DELETE_EVENTS.format(sql.places(some)), some)
                if self._clock.monotonic_s() >= enough_s:
                    return first + len(some)
        return len(row_ids)
