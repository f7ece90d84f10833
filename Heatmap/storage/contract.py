"""What a database of the record promises, whichever it is: an SQLite file or a PostgreSQL server.

All have the same tables with the same keys and meanings; ``sqlite/schema.sql`` says them in words. The promises:

- An event is stored once: the exchange's exact-duplicate key is unique, and to store it again changes nothing.
- A transaction is stored whole or not at all, also when its program is killed or the power fails. What is reported as
  stored is on the disk after at most one flush (SQLite), or at once (PostgreSQL).
- What a recorder takes while a server is gone is kept on its machine, and is on the server, once, when both are back.
- Row ids become visible in ascending order: a reader that continues after the highest id it has seen misses nothing.
- One program at a time records a source. The others see who does, store nothing about coverage, and take over when
  that program ends, however it ends.
- Time without coverage is unknown. Coverage is stored only of what was delivered, after the events of that time.
- Retention deletes what was recorded live, oldest first, and never holds up the recorder for long.
- An event that a database cannot store is refused, and no other: numbers that are not above 0 and finite, times beyond
  64 bits, text that is no Unicode; on a server also text with a NUL.
- Errors are `Heatmap.errors.StorageError`, whose ``short`` is a sentence for people without a password in it.

Nobody above this package knows which database it is. The map reads an SQLite file in any case: the record itself, or
this machine's copy of a server's (`Database.copy`).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from Heatmap.storage.closing import Closing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from Heatmap.clock import Clock
    from Heatmap.errors import StorageError
    from Heatmap.events import Coverage, LiquidationEvent
    from Heatmap.storage.commit import Batch, Item
    from Heatmap.storage.record_reader import RecordReader
    from Heatmap.storage.record_summary import RecordSummary, StoreSummary
    from Heatmap.storage.writer_session import SessionOptions


class BulkResult(NamedTuple):
    """Number of events that were new, and that were stored already."""

    inserted: int
    duplicates: int


class Compaction(NamedTuple):
    """Size of a database before and after, in bytes."""

    before_bytes: int
    after_bytes: int


@dataclass(slots=True)
class ImportedFile:
    """A file being imported."""

    name: str  # without the folder
    format: str
    imported_ms: int  # since the epoch
    rows: int = 0  # number of new events so far
    row_id: int | None = None  # in the table ``imports``; None without new events


class ImportWriter(Closing):
    """Inserts imported events; where all are stored already, nothing is written. Only for the thread that made it.

    The tables are created when missing. All methods raise `Heatmap.errors.StorageError`.
    """

    @abstractmethod
    def insert(self, file: ImportedFile, events: Sequence[LiquidationEvent], *, by_second: bool = False) -> int:
        """Insert up to `IMPORT_CHUNK_ROWS` events, all or nothing, and update ``file``; return how many were new.

        With ``by_second`` the events have no milliseconds, and are compared with stored ones that have: see
        `Heatmap.storage.second_match`.
        """

    @abstractmethod
    def claim(self, coverage: Iterable[Coverage]) -> None:
        """Store intervals as covered because the owner of a file says so; they stay apart from recorded coverage."""

    @abstractmethod
    def cover(self, coverage: Iterable[Coverage]) -> None:
        """Store intervals as recorded, for another record of this program has them."""

    @abstractmethod
    def settle(self) -> None:
        """Make what was inserted as safe as it gets, before it is reported."""


class Session(Protocol):
    """The database side of `Heatmap.storage.writer.EventWriter`, for its thread; methods raise `StorageError`."""

    batch: Batch

    @property
    def is_idle(self) -> bool:
        """True if there is nothing to store."""

    @property
    def events_at_risk(self) -> int:
        """Number of stored events that are lost if the program is killed now; any thread."""

    @property
    def problem(self) -> str:
        """A sentence while what is stored does not reach the record, else empty."""

    def left_s(self) -> float:
        """Return the seconds until something is due, apart from the queue."""

    def connect(self) -> None:
        """Connect if necessary, and take the lock if it is free."""

    def take(self, item: Item) -> None:
        """Move an item of the queue into the batch, or into coverage."""

    def store(self, *, report_is_new: bool) -> None:
        """Commit what is due; on errors the batch is kept."""

    def fail(self, error: StorageError) -> None:
        """Disconnect after a failure; the batch is kept."""

    def close(self) -> int:
        """Store the last report and release the lock; return how many stored events are lost."""


class CopyState(NamedTuple):
    """How recent a copy is."""

    is_current: bool  # it has all that is stored, but for some seconds
    as_of_ms: int | None  # when it last had, by this machine's clock, ms since the epoch; None: never yet
    problem: str  # why the server cannot be read, as a sentence


class Copy(Protocol):
    """Keeps this machine's copy of a server's record up to date, on a thread of its own."""

    def start(self) -> None:
        """Start the thread; call once."""

    def want(self, source: str, symbols: Sequence[str]) -> None:
        """Copy these series, too; any thread."""

    def state(self) -> CopyState:
        """Return how recent the copy is. Any thread."""

    def stop(self) -> None:
        """Copy what is stored by now, end the thread and wait for it."""


class Database(Protocol):
    """Where a record is kept; compared and hashed by that. ``str()`` is for people, and has no password."""

    @property
    def local_path(self) -> Path:
        """The SQLite file that the map reads: the record itself, or this machine's copy of it."""

    def check(self) -> None:
        """Raise `UnusableDatabaseError` if no record can be kept there, whatever is tried; changes nothing.

        What may pass (a lock, a full disk, a server that is down) and what can be repaired is accepted.
        """

    @property
    def cure(self) -> str:
        """What to do if `probe` fails, as a clause."""

    def probe(self) -> str:
        """Check that a record can be kept there, and return what it is as a clause; raises OSError, too."""

    def session(self, options: SessionOptions) -> Session:
        """Return the database side of a writer."""

    def reader(self) -> RecordReader:
        """Return a reader of the record as it is at this moment."""

    def importer(self) -> ImportWriter:
        """Return a writer of imported events; the tables are created when missing."""

    def insert(self, events: Iterable[LiquidationEvent], coverage: Iterable[Coverage] = ()) -> BulkResult:
        """Insert generated events, in any number and order, and what they cover; doing it twice changes nothing."""

    def erase(self, source: str) -> int:
        """Delete all events and coverage of `Source.DEMO` or `Source.REPLAY`; return the number of events."""

    def summary(self) -> StoreSummary:
        """Return what is stored, empty if there is nothing yet."""

    def record_summary(self, now_ms: int) -> RecordSummary:
        """Return quality and size of an existing record as of ``now_ms``."""

    def compact(self) -> Compaction:
        """Give the space of deleted rows back."""

    def copy(self, clock: Clock, on_change: Callable[[], None]) -> Copy | None:
        """Return what keeps `local_path` up to date, None if that is the record itself."""
