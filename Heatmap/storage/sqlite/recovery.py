"""Checking a database's path and content, and replacing a damaged one by a new file with all that can be read.

The new file is built as ``NAME.rescued``, in one transaction, and takes the name when it is complete. The old file is
kept as ``NAME.damaged-YYYYMMDD-HHMMSS``. A crash on the way loses nothing: the next start begins again, or renames the
complete file (`Heatmap.storage.sqlite.migrations.finish_interrupted`). Two programs cannot both replace a file: the
one being built is locked by SQLite. Where rows could not be read, coverage is cut as well: that time is unknown, not
empty.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, count
from typing import TYPE_CHECKING, Any, Final

from Heatmap.count_text import counted
from Heatmap.errors import DamagedDatabaseError, NotADatabaseError, StorageError, UnusableDatabaseError
from Heatmap.events import Coverage
from Heatmap.storage import sql
from Heatmap.storage.coverage_log import without
from Heatmap.storage.sqlite.connection import (
    RecordConnection,
    check_no_folder,
    closed_on_error,
    open_reader,
    open_writer,
    storage_error,
    storage_errors,
    write_transaction,
)
from Heatmap.storage.sqlite.file_guard import Identity, file_identity, header_of
from Heatmap.storage.sqlite.migrations import (
    APPLICATION_ID,
    finish_interrupted,
    move_database,
    open_database,
    rescued_path,
    take_step,
    version_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from Heatmap.clock import Clock

_LOG = logging.getLogger(__name__)

_CHECK_STEPS: Final = 100_000  # about 1 ms of checking between two calls of `goes_on`
_OUR_TABLES: Final = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
# Those that the file's version lacks are skipped.
TABLES: Final = ("imports", "liq_events", "coverage", "quarantine", "clock_offsets", "tick_sizes", "collector")
_END_OF_TIME_MS: Final = 2**62
# The index has all of a liquidation but the quantity, which is notional / price, and the order's own fields and times.
_FROM_INDEX: Final = """
    SELECT id, ts_ms, symbol, side, price, notional, source FROM liq_events INDEXED BY idx_liq_events_window
    WHERE source IS NOT NULL ORDER BY source {0}, symbol {0}, ts_ms {0}, id {0}
"""


@dataclass(slots=True)
class RecoveredRows:
    kept_as: Path  # where the old file is now
    cause: str  # why it was replaced, as part of a sentence
    rows: int = 0  # number of liquidations
    holes: list[tuple[int, int]] = field(default_factory=list)  # unreadable times ``(from_ms, to_ms)``

    def sentence(self, path: Path) -> str:
        missing = "; the time of those that could not be read counts as not recorded" if self.holes else ""
        return (
            f"The database {path} {self.cause}. It is kept as {self.kept_as.name}; a new one was begun with"
            f" {counted(self.rows, 'liquidation')} that could be read{missing}."
        )


def open_checked(
    path: Path, clock: Clock, *, wants_check: Callable[[], bool], goes_on: Callable[[], bool]
) -> tuple[RecordConnection, bool, str]:
    """Open a database for writing, creating it if it is missing and replacing it if it is damaged.

    ``wants_check`` is called once the file is open; for ``goes_on`` see `check`. Returns the connection, whether the
    file was checked, and a sentence about a damaged file that was replaced, or "".
    """
    try:
        connection = open_database(path)
    except NotADatabaseError:
        if not is_damaged_record(path):
            raise
    except DamagedDatabaseError:
        pass  # the schema itself cannot be read
    else:
        with contextlib.suppress(DamagedDatabaseError), closed_on_error(connection):
            is_checked = wants_check()
            if is_checked:
                check(connection, path, goes_on=goes_on)
            return connection, is_checked, ""
    recovered = recover_damaged(path, clock)
    return open_database(path), True, "" if recovered is None else recovered.sentence(path)


def check_db_path(path: Path) -> None:
    """Raise UnusableDatabaseError unless the path names a database of ours, or one can be created there.

    Changes nothing. What may pass (a lock, a full disk) and what can be repaired (damage) is accepted.
    """
    if not path.exists():
        _check_folder(path)
        return
    check_no_folder(path)
    if not os.access(path, os.W_OK):
        raise UnusableDatabaseError(
            f"no right to write {path}", short=f"The database {path} may not be written by this user."
        )
    # Damage in the first page is found here too; the recorder repairs it.
    with contextlib.suppress(DamagedDatabaseError):
        try:
            with contextlib.closing(open_reader(path)) as connection:
                version_of(connection, path)
        except NotADatabaseError:
            if not is_damaged_record(path):
                raise


def _check_folder(path: Path) -> None:
    # Broken links and names that are too long count as missing here; creating them fails later.
    nearest = next((folder for folder in path.absolute().parents if folder.exists()), None)
    if nearest is None or not nearest.is_dir():
        raise UnusableDatabaseError(
            f"expected a folder, was a file: {nearest}", short=f"{nearest} is a file; there is no folder for {path}."
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UnusableDatabaseError(
            f"no right to write into {nearest}", short=f"This user may not make {path}: the folder is protected."
        )


def check(connection: sqlite3.Connection, path: Path, *, goes_on: Callable[[], bool] = lambda: True) -> None:
    """Raise DamagedDatabaseError if an open database is damaged: half a second for a million liquidations.

    ``goes_on`` is called about every millisecond; False ends the check without a result.
    """
    connection.set_progress_handler(lambda: not goes_on(), _CHECK_STEPS)
    try:
        finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            return
        raise storage_error(error, path) from error
    finally:
        connection.set_progress_handler(None, 0)
    if finding != "ok":
        raise DamagedDatabaseError(f"{path}: quick_check: {finding}", short=f"The database {path} is damaged.")


def is_damaged_record(path: Path) -> bool:
    """Return True if a file that SQLite does not accept as a database has our application id."""
    try:
        return header_of(path, 72)[68:] == APPLICATION_ID.to_bytes(4, "big")  # its place in SQLite's header
    except OSError:
        return False


def recover_damaged(path: Path, clock: Clock) -> RecoveredRows | None:
    """Replace a damaged database by a new one with all that can be read of it; None if another program was faster.

    Close all connections to it first. On a StorageError the damaged file is where it was.
    """
    path = path.resolve()  # a symbolic link stays
    identity = file_identity(path)
    recovered = RecoveredRows(unused_name(path, "damaged", clock), cause="was damaged")

    def fill(target: sqlite3.Connection) -> None:
        try:
            source = open_reader(path)
        except StorageError as error:
            _LOG.error("nothing can be read of %s: %s", path, error)
            return
        with contextlib.closing(source):
            copy_readable(target, source, recovered)

    _LOG.error("%s is damaged; what can be read of it is carried into a new file", path)
    with storage_errors(rescued_path(path)):
        result = build_and_swap(
            path, identity, recovered, fill, lambda: move_database(path, recovered.kept_as), discard=False
        )
    finish_interrupted(path)
    return result


def build_and_swap(
    path: Path,
    identity: Identity,
    recovered: RecoveredRows,
    fill: Callable[[sqlite3.Connection], None],
    swap: Callable[[], None],
    *,
    discard: bool,
) -> RecoveredRows | None:
    """Build a new database by ``fill``, and ``swap`` it with the old one at ``path`` under the new one's lock.

    Returns None if another program was faster: the file has another ``identity`` already. ``discard`` deletes the new
    file then.
    """
    rescued = rescued_path(path)
    with contextlib.closing(open_writer(rescued)) as target:
        shutil.copymode(path, rescued)  # nobody may read it who could not before
        target.execute("PRAGMA auto_vacuum = INCREMENTAL")
        # One transaction: whenever the lock is free, the file is either complete or empty.
        with write_transaction(target, alone=True):
            if file_identity(path) != identity:
                return None
            # Without what an interrupted recovery has left.
            for (table,) in target.execute(_OUR_TABLES).fetchall():
                target.execute(f"DROP TABLE {table}")
            take_step(target, rescued, 0)
            fill(target)
            _cut_coverage(target, recovered.holes)
            recovered.rows = target.execute("SELECT count(*) FROM liq_events").fetchone()[0]
        # Programs that open the new file under its new name wait until the old log is renamed.
        with write_transaction(target, alone=True):
            if file_identity(path) != identity:
                if discard:
                    # A complete file of this name would replace the database if that were deleted one day.
                    rescued.unlink(missing_ok=True)
                return None
            swap()
    _LOG.error("%s", recovered.sentence(path))
    return recovered


def unused_name(path: Path, word: str, clock: Clock) -> Path:
    """Return ``NAME.WORD-YYYYMMDD-HHMMSS`` in UTC, with a number appended if there is such a file."""
    stamp = datetime.fromtimestamp(clock.now_ms() / 1000, UTC).strftime("%Y%m%d-%H%M%S")
    first = path.with_name(f"{path.name}.{word}-{stamp}")
    names = chain([first], (first.with_name(f"{first.name}-{number}") for number in count(2)))
    return next(name for name in names if not name.exists())


def copy_readable(target: sqlite3.Connection, source: sqlite3.Connection, recovered: RecoveredRows) -> None:
    """Copy all that can be read of a database into an empty one, row ids included."""
    source.text_factory = _text_or_bytes  # invalid text arrives as bytes, which the new file's tables refuse
    for table in TABLES:
        columns = shared_columns(source, target, table)
        if columns:
            reader = DamagedTableReader(source, table, columns)
            insert = insert_into(table, columns)
            for row in reader:
                insert_valid(target, insert, row)
            recovered.holes += reader.holes  # of liquidations only


def shared_columns(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> list[str]:
    """Return the columns of a new table that the old one has: an older version lacks some, or the whole table."""
    try:
        theirs = {row[1] for row in source.execute(f"PRAGMA table_info({table})")}
    except sqlite3.Error as error:
        _LOG.error("the table %s cannot be read: %s", table, error)
        return []
    return [row[1] for row in target.execute(f"PRAGMA table_info({table})") if row[1] in theirs]


def insert_into(table: str, columns: Sequence[str]) -> str:
    return f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - our names


def insert_valid(target: sqlite3.Connection, insert: str, row: Sequence[Any]) -> int:
    """Insert a row unless it violates the schema, as damage may have made it; return how many were new: 1 or 0."""
    try:
        return target.execute(insert, row).rowcount
    except sqlite3.IntegrityError as error:
        _LOG.error("a damaged row is left out (%s): %r", error, row)
        return 0


def _text_or_bytes(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _cut_coverage(target: sqlite3.Connection, holes: list[tuple[int, int]]) -> None:
    if holes:
        rows = target.execute("SELECT source, symbol, start_ms, end_ms FROM coverage ORDER BY start_ms").fetchall()
        target.execute("DELETE FROM coverage")
        left = without([Coverage(*row) for row in rows], holes)
        target.executemany(sql.INSERT_COVERAGE, map(sql.coverage_row, left))


class DamagedTableReader:
    """Yields the readable rows of a table of a damaged database; some twice, which a primary key removes."""

    def __init__(self, source: sqlite3.Connection, table: str, columns: Sequence[str]) -> None:
        self._source = source
        self._table = table
        self._columns = tuple(columns)
        self._select = f"SELECT {', '.join(columns)} FROM {table} NOT INDEXED"  # noqa: S608 - names of our own
        self._failed = False
        # Times of which liquidations may be missing; complete once all rows were yielded.
        self.holes: list[tuple[int, int]] = []

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        if "id" not in self._columns:
            yield from self._rows(self._select)
            return
        id_at = self._columns.index("id")
        is_record = self._table == "liq_events"
        low, from_ms = -1, 0
        for row in self._rows(f"{self._select} ORDER BY id"):
            low, from_ms = row[id_at], self._live_ms(row, from_ms) if is_record else 0
            yield row
        if not self._failed:
            return
        high, to_ms = 2**63 - 1, _END_OF_TIME_MS
        for row in self._rows(f"{self._select} WHERE id > ? ORDER BY id DESC", low):
            high, to_ms = row[id_at], self._live_ms(row, to_ms) if is_record else 0
            yield row
        if not is_record:
            return
        yield from self._between(low, high)
        if self._failed:
            # Which rows are missing is unknown: all between the two readable ends.
            self.holes.append((min(from_ms, to_ms), max(from_ms, to_ms)))

    def _between(self, low: int, high: int) -> Iterator[tuple[Any, ...]]:
        """Yield the rows between two row ids: from the table where it can be read, else from the index."""
        rebuilt = 0
        for direction in ("ASC", "DESC"):
            for entry in self._rows(_FROM_INDEX.format(direction)):
                row_id = entry[0]
                if not low < row_id < high:
                    continue
                row = None
                with contextlib.suppress(sqlite3.Error):
                    row = self._source.execute(f"{self._select} WHERE id = ?", (row_id,)).fetchone()
                if row is None:
                    row = self._rebuilt(entry)
                    rebuilt += 1
                if row is not None:
                    yield row
            if not self._failed:
                break
        if rebuilt:
            _LOG.error("%d liquidations are rebuilt from an index, without order fields and receive times", rebuilt)

    def _rebuilt(self, entry: tuple[Any, ...]) -> tuple[Any, ...] | None:
        row_id, ts_ms, _, _, price, notional, _ = entry
        if not (isinstance(price, float) and isinstance(notional, float) and price > 0.0 and isinstance(ts_ms, int)):
            _LOG.error("row %d cannot be rebuilt from its index: %r", row_id, entry)
            return None
        qty = float(f"{notional / price:.12g}")  # a short decimal; the division alone may differ in the last bit
        columns = ("id", "ts_ms", "symbol", "side", "price", "notional", "source", "qty")
        known = dict(zip(columns, (*entry, qty), strict=True))
        return tuple(known.get(column) for column in self._columns)

    def _live_ms(self, row: tuple[Any, ...], otherwise: int) -> int:
        """Return the time of a row that was recorded live; only those are in the order of time."""
        is_live = row[self._columns.index("received_ms")] is not None
        return int(row[self._columns.index("ts_ms")]) if is_live else otherwise

    def _rows(self, query: str, *values: int) -> Iterator[tuple[Any, ...]]:
        """Yield rows until the end or an error."""
        self._failed = False
        try:
            yield from self._source.execute(query, values)
        except sqlite3.Error as error:
            self._failed = True
            _LOG.info("%s cannot be read in one pass: %s", self._table, error)
