"""Connections to a server, write transactions, and sentences for its errors; the only caller of `psycopg.connect`.

All writers take one advisory lock for the time of a transaction: ids become visible in their order, which is what
readers that go on by id rely on, and one of them never sees half of what another has changed.
"""

from __future__ import annotations

import contextlib
import json
import re
import zlib
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg
from psycopg import errors

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.errors import ReadOnlyDatabaseError, StorageError, UnusableDatabaseError
from Heatmap.storage import sql
from Heatmap.storage.imports import INSERT_IMPORTED
from Heatmap.storage.postgres.connect_error import connect_sentence
from Heatmap.storage.postgres.dialect import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from psycopg.abc import PQGen

    from Heatmap.storage.postgres.address import ServerAddress
    from Heatmap.storage.sql_connection import Cursor

# "LIQH" marks our advisory locks; in those of other programs it means nothing.
LOCK_CLASS: Final = 0x4C495148
_WRITE_LOCK: Final = 0
CHANNEL: Final = "heatmap"  # each write transaction that changed something notifies it
# A writer waits this long for another writer.
_LOCK_TIMEOUT_MS: Final = 2000
# A server that does not answer any more is noticed after some 15 s by both sides, and so is a peer that has vanished.
_PARAMETERS: Final = {
    "application_name": "heatmap",
    "client_encoding": "UTF8",
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
# A database's own settings must not weaken the promises: what is reported as stored is on the disk, and a statement
# sees what was committed before it.
_SETTINGS: Final = f"""
    SELECT set_config('search_path', 'heatmap', false), set_config('lock_timeout', '{_LOCK_TIMEOUT_MS}', false),
        set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '3', false),
        set_config('tcp_keepalives_count', '3', false), set_config('jit', 'off', false),
        set_config('synchronous_commit', replace(current_setting('synchronous_commit'), 'off', 'local'), false),
        set_config('default_transaction_isolation', 'read committed', false)
"""
# Rows as one JSON text are one round trip, and a third of the time of arrays: psycopg makes those in Python.
_FIELDS: Final = {
    "ts_ms": "bigint", "symbol": "text", "side": "text", "price": "float8", "qty": "float8", "notional": "float8",
    "source": "text", "raw_json": "text", "order_price": "float8", "order_qty": "float8", "event_ms": "bigint",
    "received_ms": "bigint", "import_id": "bigint",
}  # fmt: skip
_NEW_ROWS: Final = (
    f"INSERT INTO liq_events ({', '.join(_FIELDS)}) SELECT new.* FROM json_to_recordset($1::json)"  # noqa: S608 - constants
    f" AS new ({', '.join(f'{name} {kind}' for name, kind in _FIELDS.items())})"
)
# The statements of one row, for many; nothing they insert is seen by themselves. An index that begins with the source
# is ruled out: without statistics about a new table the server may choose the one that has a whole series to read.
_OF_MANY: Final = {
    sql.INSERT_EVENT: f"{_NEW_ROWS} ON CONFLICT DO NOTHING",
    INSERT_IMPORTED: _NEW_ROWS  # noqa: S608 - constants
    + " WHERE NOT EXISTS (SELECT 1 FROM liq_events AS e WHERE e.source || '' = new.source"
    " AND (e.symbol, e.ts_ms, e.side, e.price, e.qty) = (new.symbol, new.ts_ms, new.side, new.price, new.qty)"
    " AND (e.order_price = new.order_price OR e.order_price IS NULL OR new.order_price IS NULL)"
    " AND (e.order_qty = new.order_qty OR e.order_qty IS NULL OR new.order_qty IS NULL))",
}
_MAY_WRITE: Final = (
    "SELECT has_table_privilege('liq_events', 'INSERT') AND has_table_privilege('coverage', 'INSERT')"
    " AND has_table_privilege('coverage', 'UPDATE') AND has_table_privilege('collector', 'INSERT')"
)
_PREAMBLE: Final = re.compile(r"^.*\bfailed: +|\b(FATAL|ERROR): +")
_Result = TypeVar("_Result")


class _PatientConnection(psycopg.Connection[Any]):
    """A connection that is closed if one answer takes longer than ``patience_s()``; None: whatever it takes."""

    patience_s: Callable[[], float] | None = None

    def wait(self, gen: PQGen[_Result], *args: Any, **kwargs: Any) -> _Result:
        if self.patience_s is not None:
            gen = self._in_time(gen, self.patience_s)
        return super().wait(gen, *args, **kwargs)

    def _in_time(self, gen: PQGen[_Result], patience_s: Callable[[], float]) -> PQGen[_Result]:
        began_s = SYSTEM_CLOCK.monotonic_s()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and SYSTEM_CLOCK.monotonic_s() > began_s + patience_s():
                    # Its state is unknown: what follows, a ROLLBACK too, would wait as long.
                    self.close()
                    raise psycopg.OperationalError(f"it did not answer for {patience_s():g} s")
                wanted = gen.send(ready)
        except StopIteration as end:
            result: _Result = end.value
            return result


class ServerConnection:
    """A connection in autocommit mode that takes shared statements; only for one thread at a time."""

    # Errors of one unacceptable row; all others concern the whole database.
    row_errors: tuple[type[Exception], ...] = (
        psycopg.DataError, psycopg.IntegrityError, OverflowError, UnicodeError,
    )  # fmt: skip

    # Rows that one statement deletes: a round trip each would take too long over a network.
    delete_rows = 100

    def __init__(self, raw: _PatientConnection, address: ServerAddress) -> None:
        self.raw = raw
        self.address = address

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Cursor:
        """Execute a statement in the words of `Heatmap.storage.sql`."""
        return self.raw.execute(translated(statement).encode(), values)

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> Cursor:
        """Execute a statement once a row; new events in one statement, which does not see what it inserts itself."""
        of_many = _OF_MANY.get(statement)
        if of_many is not None:
            # A row of `sql.INSERT_EVENT` has no import, which is the last field.
            text = json.dumps([dict(zip(_FIELDS, row, strict=False)) for row in rows])
            return self.raw.execute(of_many.encode(), (text,))
        cursor = self.raw.cursor()
        cursor.executemany(translated(statement).encode(), rows)
        return cursor

    def limit(self, *, answer_s: int, patience_s: Callable[[], float], vanished_s: int) -> None:
        """Close the connection if an answer takes longer than ``patience_s()``, at most ``answer_s``.

        Waiting for other writers counts, too.
        The server ends it when this machine has not been reachable for ``vanished_s``.
        """
        self.raw.patience_s = patience_s
        names = ("lock_timeout", "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count")
        for name, value in zip(names, (answer_s * 800, vanished_s - 3, 1, 3), strict=True):
            self.raw.execute(f"SET {name} = {value}")

    def check_writable(self) -> None:
        """Raise `ReadOnlyDatabaseError` unless this user may write into the tables, which must exist."""
        with server_errors(self.address):
            if not self.execute(_MAY_WRITE).fetchone()[0]:
                raise ReadOnlyDatabaseError(
                    f"{self.address.name}: no right to insert",
                    short=f"The user of {self.address.name} may read the record, and not write it.",
                )

    def close(self) -> None:
        """Close the connection; harmless if called twice."""
        self.raw.close()


def connect(address: ServerAddress) -> ServerConnection:
    """Connect to a server; raises `StorageError`."""
    with server_errors(address):
        given = psycopg.conninfo.conninfo_to_dict(address.conninfo)
        parameters = {name: value for name, value in _PARAMETERS.items() if name not in given}
        conninfo = psycopg.conninfo.make_conninfo(address.conninfo, **parameters)
        raw = _PatientConnection.connect(conninfo, autocommit=True, cursor_factory=psycopg.RawCursor)
        try:
            _check_encoding(raw, address)
            raw.execute(_SETTINGS)
        except BaseException:
            raw.close()
            raise
    return ServerConnection(raw, address)


def _check_encoding(raw: _PatientConnection, address: ServerAddress) -> None:
    """Raise `UnusableDatabaseError` unless every symbol can be stored: a server without a locale makes SQL_ASCII."""
    encoding = raw.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise UnusableDatabaseError(
            f"{address.name}: expected the encoding UTF8, was {encoding}",
            short=f"The database {address.name} has the encoding {encoding}; make it anew with UTF8, as"
            " Heatmap/docs/server.md says.",
        )


@contextlib.contextmanager
def write_transaction(connection: ServerConnection, *, notifies: bool = True) -> Iterator[None]:
    """Run a block as one transaction under the writers' lock: all of it is stored, or nothing; raises `StorageError`.

    The block may end it by a ROLLBACK.
    """
    with server_errors(connection.address):
        connection.raw.execute("BEGIN")
        try:
            connection.raw.execute(f"SELECT pg_advisory_xact_lock({LOCK_CLASS}, {_WRITE_LOCK})")
            yield
            if connection.raw.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE:
                if notifies:
                    connection.raw.execute(f"NOTIFY {CHANNEL}")
                connection.raw.execute("COMMIT")
        except BaseException:
            # The failure may have ended the connection; the first error is the one to report.
            with contextlib.suppress(psycopg.Error):
                connection.raw.execute("ROLLBACK")
            raise


def source_lock(source: str) -> int:
    """Return the key of the advisory lock of the recorder of a source, above 0."""
    return zlib.crc32(source.encode()) % 0x7FFF_FFFE + 1


@contextlib.contextmanager
def server_errors(address: ServerAddress) -> Iterator[None]:
    """Raise psycopg's errors of a block as this package's."""
    try:
        yield
    except psycopg.Error as error:
        raise server_error(error, address) from error


def server_error(error: psycopg.Error, address: ServerAddress) -> StorageError:
    """Return this package's error for one of psycopg's; without a password."""
    kind, sentence = _kind_and_sentence(error)
    text = str(error)
    if address.password:
        text = text.replace(address.password, "***")
    return kind(
        f"{address.name}: {error.sqlstate or type(error).__name__}: {' '.join(text.split())}",
        short=sentence.format(server=address.name, text=_cause(text)),
    )


def _cause(text: str) -> str:
    """Return what is behind libpq's "connection to server at … failed:", without its advice in further lines."""
    lines = [line.strip() for line in text.splitlines() if not line.startswith("Multiple connection attempts")]
    return _PREAMBLE.sub("", lines[0] if lines else "").rstrip(".")


def _kind_and_sentence(error: psycopg.Error) -> tuple[type[StorageError], str]:
    for known, kind, sentence in _SENTENCES:
        if isinstance(error, known):
            return kind, sentence
    if error.sqlstate is None and isinstance(error, psycopg.OperationalError):
        # libpq's own errors have no code: there is no connection, or none any more.
        return StorageError, connect_sentence(error)
    return StorageError, "The database {server} does not work: {text}."


_SENTENCES: Final[tuple[tuple[type[psycopg.Error], type[StorageError], str], ...]] = (
    (errors.InvalidPassword, StorageError, "The database server refuses the password for {server}."),
    (errors.InvalidAuthorizationSpecification, StorageError, "The database server refuses the user of {server}."),
    (errors.InvalidCatalogName, StorageError, "There is no database {server} on its server."),
    (errors.InsufficientPrivilege, ReadOnlyDatabaseError, "The user of {server} has no right to do that: {text}."),
    (errors.ReadOnlySqlTransaction, ReadOnlyDatabaseError, "The database {server} may only be read at the moment."),
    (errors.DiskFull, StorageError, "The disk of the database server is full; {server} cannot grow."),
    (errors.LockNotAvailable, StorageError, "Another program is holding the database {server}."),
    (errors.QueryCanceled, StorageError, "The database server did not answer in time for {server}."),
    (errors.UndefinedTable, StorageError, "Nothing is recorded yet in {server}."),
    (errors.TooManyConnections, StorageError, "The database server of {server} has no connection left."),
    (errors.CannotConnectNow, StorageError, "The database server of {server} is starting or stopping."),
    (errors.AdminShutdown, StorageError, "The database server of {server} was shut down."),
    (psycopg.ProgrammingError, UnusableDatabaseError, "The database {server} does not work: {text}."),
)
