"""One collector at a time: the row of a source in the table ``collector`` is a lease with a heartbeat.

The rules, of which the first alone makes sure that two programs never record the same source:

1. **Fencing.** Every transaction that stores coverage or a heartbeat first looks, under the write lock, whether the
   row still carries its own ``run_id``. Whoever finds another there has been succeeded: it stores its events (each is
   stored once, whoever brings it) but no coverage, closes its socket and reads.
2. **Renewal.** The holder writes the row every 5 s, and at its end once more with the state ``stopped``.
3. **Succession.** A watcher looks every second. It takes over when the row says ``stopped``, when the system knows for
   certain that the holder's process is gone (see `Heatmap.storage.process`), or when the row *has not changed for 12 s
   of the watcher's own monotonic clock*: at most 1 + 12 + 1 s after the last heartbeat, hence within 14 s of a death.
   The wall clock, which may step, is asked only once: a row that is older than 15 s when it is seen for the first time
   belongs to a program that ended long ago, and nobody needs to wait. Should a step of the clock deceive a newcomer in
   the 5 s before the next heartbeat, rule 1 sees to it that one of the two steps back.

SQLite's write-ahead log is shared memory, so all programs on one file are on one machine; a machine that sleeps stops
the monotonic clocks of all of them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from Heatmap.reports import ConnectionState
from Heatmap.storage import sql as statement
from Heatmap.storage.connection import write_transaction
from Heatmap.storage.process import has_ended

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from Heatmap.clock import Clock
    from Heatmap.reports import CollectorReport

_LOG = logging.getLogger(__name__)

HEARTBEAT_S: Final = 5.0
"""Seconds between two heartbeats: the row, and with it coverage, is at most this old while the holder lives."""

DEAD_AFTER_S: Final = 12.0
"""Seconds without a change after which a watcher takes over."""

LOOK_S: Final = 1.0
"""Seconds between two looks of a watcher."""

COLLECTOR_DEAD_MS: Final = 15_000
"""Age of a heartbeat by the wall clock, in ms, after which its writer counts as dead for whoever looks once."""


@dataclass(frozen=True, slots=True)
class LeaseHolder:
    """Who holds a lease, as the row tells.

    Attributes
    ----------
    run_id
        The word of its run.
    host, pid
        Where it runs.
    symbols
        What it records.
    """

    run_id: str
    host: str
    pid: int
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """One look at a row of the table ``collector``."""

    holder: LeaseHolder
    heartbeat_ms: int
    is_stopped: bool


class LeaseWatch:
    """Decides from looks at the row whether its holder is dead; without a clock and SQL of its own.

    Parameters
    ----------
    run_id
        The word of the watching run.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._seen: tuple[str, int] | None = None
        self._since_s = 0.0
        self._was_stale = False

    def is_free(self, row: LeaseRow | None, *, now_ms: int, now_s: float) -> bool:
        """Return True if the lease may be taken.

        Parameters
        ----------
        row
            The row as it is, None if there is none.
        now_ms, now_s
            Wall time in ms since the epoch, and monotonic seconds.
        """
        if row is None or row.is_stopped or row.holder.run_id == self._run_id:
            return True
        if has_ended(row.holder.run_id, row.holder.pid):
            return True
        sighting = (row.holder.run_id, row.heartbeat_ms)
        if sighting != self._seen:
            # A heartbeat from the future tells of a clock that was set back, and of nothing else.
            self._was_stale = self._seen is None and now_ms - row.heartbeat_ms > COLLECTOR_DEAD_MS
            self._seen, self._since_s = sighting, now_s
        return self._was_stale or now_s - self._since_s >= DEAD_AFTER_S


class Lease:
    """The lease of one run on one source; used only on the thread of its connection.

    Parameters
    ----------
    report
        What the collector says of itself; ``source`` and ``run_id`` never change.
    clock
        Wall and monotonic time.
    """

    def __init__(self, report: Callable[[], CollectorReport], clock: Clock) -> None:
        self._report = report
        self._clock = clock
        self._watch: LeaseWatch | None = None
        self.is_held = False

    def living(self, connection: sqlite3.Connection) -> LeaseHolder | None:
        """Return another run that holds the lease and lives, None if there is none; takes no lock."""
        report = self._report()
        watch = self._watch = self._watch or LeaseWatch(report.run_id)
        row = self._row(connection, report.source)
        free = watch.is_free(row, now_ms=self._clock.now_ms(), now_s=self._clock.monotonic_s())
        return None if row is None or free else row.holder

    def take(self, connection: sqlite3.Connection) -> LeaseHolder | None:
        """Take the lease unless another run holds it.

        Returns
        -------
        LeaseHolder or None
            None: it is held by this run.
        """
        with write_transaction(connection):
            # Looked at again under the lock: of two watchers the first one wins.
            holder = self.living(connection)
            if holder is None:
                values = statement.collector_row(self._report(), self._clock.now_ms())
                connection.execute(statement.PUT_COLLECTOR, values)
        if holder is None:
            self.is_held, self._watch = True, None
            _LOG.info("this program records now")
        return holder

    def renew(self, connection: sqlite3.Connection, report: CollectorReport) -> LeaseHolder | None:
        """Write the heartbeat into the open transaction, unless the lease is lost.

        Returns
        -------
        LeaseHolder or None
            None: it is held and renewed. Else who succeeded this run; then nothing was written.
        """
        row = self._row(connection, report.source)
        if row is not None and row.holder.run_id != report.run_id:
            return row.holder
        now_ms = self._clock.now_ms()
        if report.status.state is ConnectionState.STOPPED:
            # The feed has stopped, but not all is stored yet: only `release` says that word, for it invites the next.
            connection.execute(statement.BEAT_COLLECTOR, (now_ms, report.source, report.run_id))
        else:
            connection.execute(statement.PUT_COLLECTOR, statement.collector_row(report, now_ms))
        return None

    def release(self, connection: sqlite3.Connection) -> None:
        """Write a last report, and let the next one take over at once."""
        report = self._report()
        report = replace(report, status=replace(report.status, state=ConnectionState.STOPPED))
        with write_transaction(connection):
            row = self._row(connection, report.source)
            if row is None or row.holder.run_id == report.run_id:
                values = statement.collector_row(report, self._clock.now_ms())
                connection.execute(statement.PUT_COLLECTOR, values)
        self.is_held = False

    @staticmethod
    def _row(connection: sqlite3.Connection, source: str) -> LeaseRow | None:
        row = connection.execute(statement.LEASE_ROW, (source,)).fetchone()
        if row is None:
            return None
        run_id, host, pid, symbols, heartbeat_ms, state = row
        holder = LeaseHolder(run_id, host, pid, tuple(symbols.split()))
        return LeaseRow(holder, heartbeat_ms, state == ConnectionState.STOPPED)
