"""Copy of a server's record on this machine, kept up to date on a thread: what the map reads.

Panning never waits for the network then, and the map stays readable without it, also after a restart of the program.

- **New rows** are selected by id as soon as the server notifies of a commit, or by polling where it cannot: ids become
  visible in their order, so nothing is missed. A notification only wakes.
- **Older rows** of a series follow in chunks, newest first. Until all are there, only the coverage from the oldest one
  on is in the copy: time without rows would look calm.
- **Rows that the server has deleted** are found by comparing numbers of rows by the hour, now and then.

Rows and the marks of how far the copy goes are one transaction, so that a program that is killed leaves nothing out.
Of all programs of a user that show one record, the one with the file's lock copies; the others read the file, and one
of them goes on when that one ends.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Final

from Heatmap.errors import DamagedDatabaseError, NotADatabaseError, StorageError
from Heatmap.storage.contract import CopyState
from Heatmap.storage.postgres.connection import connect
from Heatmap.storage.postgres.copy_rows import CopyRows
from Heatmap.storage.postgres.copy_steps import CopySteps
from Heatmap.storage.postgres.migrations import version_of
from Heatmap.storage.sqlite.copy_file import LOCK_NAME, CopyFile, remove_copy
from Heatmap.storage.sqlite.recorder_lock import RecorderLock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from Heatmap.clock import Clock
    from Heatmap.storage.postgres.address import ServerAddress
    from Heatmap.storage.postgres.connection import ServerConnection
    from Heatmap.storage.sqlite.copy_file import Series

_LOG = logging.getLogger(__name__)

POLL_S: Final = 0.5  # between two looks at a server that does not notify
QUIET_S: Final = 2.0  # between two looks at a server that does
LATE_MS: Final = 6000  # a copy counts as up to date for so long after a look
FOLLOW_S: Final = 0.1  # between two looks at a file that another program keeps up to date
_FIRST_RETRY_S: Final = 0.25
LAST_RETRY_S: Final = 5.0
_LAST_LOOK_S: Final = 2.0  # after the call of `stop`
_JOIN_S: Final = 0.05
_KEEP_UNWANTED_MS: Final = 30 * 86_400_000


class LocalCopy:
    """See `Heatmap.storage.contract.Copy`; ``on_change`` is called on the thread after each change of file or state."""

    def __init__(self, address: ServerAddress, clock: Clock, on_change: Callable[[], None]) -> None:
        self._address = address
        self._path = address.local_file("copy")
        self._clock = clock
        self._on_change = on_change
        self._thread = threading.Thread(target=self._run, name="heatmap-copy", daemon=True)
        self._bell, self._push = socket.socketpair()
        for each in (self._bell, self._push):
            each.setblocking(False)
        # Everything below is guarded by the lock.
        self._lock = threading.Lock()
        self._wanted: dict[Series, None] = {}  # by this program
        self._is_wanting = False  # more than the file may know
        self._stopping = False
        self._stop_by_s = 0.0
        self._is_connecting = False
        self._is_complete = False  # connected, and no newer row was there at `_looked_s`
        self._looked_s = 0.0
        self._as_of_ms: int | None = None
        self._problem = ""

    def start(self) -> None:
        """Start the thread; call once."""
        self._thread.start()

    def want(self, source: str, symbols: Sequence[str]) -> None:
        """Copy these series, too; any thread."""
        with self._lock:
            self._wanted.update(dict.fromkeys((str(source), symbol) for symbol in symbols))
            self._is_wanting = True
        self._wake()

    def state(self) -> CopyState:
        """Return how recent the copy is; any thread."""
        with self._lock:
            late_ms = (self._clock.monotonic_s() - self._looked_s) * 1000
            is_current = self._is_complete and late_ms < LATE_MS
            return CopyState(is_current, self._as_of_ms, self._problem)

    def stop(self) -> None:
        """Copy what is stored by now, end the thread and wait for it."""
        with self._lock:
            self._stopping, self._stop_by_s = True, self._clock.monotonic_s() + _LAST_LOOK_S
        self._wake()
        if self._thread.ident is None or self._thread is threading.current_thread():
            return
        # An attempt to connect, which may take seconds, has nothing to lose.
        while self._thread.is_alive() and not self._is_connecting and self._clock.monotonic_s() < self._stop_by_s + 1:
            self._thread.join(_JOIN_S)

    def _wake(self) -> None:
        # A full buffer has been noticed already; a closed one belongs to a thread that has ended.
        with contextlib.suppress(OSError):
            self._push.send(b"!")

    def _run(self) -> None:
        retry_s = _FIRST_RETRY_S
        try:
            while not self._stopping:
                looked_s = self._looked_s
                try:
                    self._copy_or_follow()
                except StorageError as error:
                    self._fail(error)
                except Exception as error:  # noqa: BLE001 - the thread's last line of defence
                    _LOG.exception("the copy failed in an unforeseen way")
                    self._fail(StorageError(f"unforeseen: {error!r}", short=f"The copy fails: {error!r}."))
                # A look between two failures: the server was there.
                retry_s = _FIRST_RETRY_S if self._looked_s > looked_s else min(retry_s * 2, LAST_RETRY_S)
                self._pause(retry_s)
        finally:
            self._bell.close()
            self._push.close()

    def _copy_or_follow(self) -> None:
        lock = RecorderLock(self._path, LOCK_NAME)
        try:
            with contextlib.ExitStack() as stack:
                try:
                    file = stack.enter_context(CopyFile(self._path))
                except (DamagedDatabaseError, NotADatabaseError):
                    if lock.acquire():
                        _LOG.exception("the copy is damaged, and is made anew")
                        remove_copy(self._path)
                    raise
                self._note(file, is_complete=False, problem=self._problem)
                while not self._stopping and not lock.acquire():
                    self._follow(file)
                if not self._stopping:
                    self._copy(file)
        finally:
            lock.release()

    def _follow(self, file: CopyFile) -> None:
        """Report what the program that copies has changed, for a second."""
        for _ in range(round(1 / FOLLOW_S)):
            self._store_wanted(file)
            if file.refresh():
                now_ms = self._clock.now_ms()
                is_recent = file.as_of_ms is not None and now_ms - file.as_of_ms < LATE_MS
                self._note(file, is_complete=is_recent and not file.problem, problem=file.problem)
                self._on_change()
            if self._pause(FOLLOW_S):
                return

    def _copy(self, file: CopyFile) -> None:
        """Keep a file up to date until the thread is stopped; `StorageError` ends a connection."""
        file.refresh()
        file.want(self._wanted_now(), self._clock.now_ms())
        file.forget_unwanted(self._clock.now_ms() - _KEEP_UNWANTED_MS)
        try:
            with closing(self._connect()) as connection:
                while not self._stopping and not version_of(connection):
                    # Nothing is recorded yet: there is nothing to copy.
                    self._looked(file)
                    self._pause(POLL_S)
                rows = CopyRows(connection)
                steps = CopySteps(file, rows, self._clock)
                notified = False
                while True:
                    # Before the step: what was stored before the end is copied.
                    is_last = self._stopping
                    self._store_wanted(file)
                    file.refresh()
                    has_changed = steps.take()
                    if steps.is_complete:
                        self._looked(file)
                    if has_changed:
                        self._on_change()
                    if is_last and (steps.is_complete or self._clock.monotonic_s() > self._stop_by_s):
                        return
                    if steps.has_more or is_last:
                        continue
                    heard = rows.wait(QUIET_S if notified else POLL_S, self._bell)
                    # What was found without a notification was committed while none could be heard.
                    notified = heard or (notified and not has_changed)
                    self._hush()
        except StorageError as error:
            with contextlib.suppress(StorageError):
                file.set_problem(error.short)
            raise

    def _connect(self) -> ServerConnection:
        self._is_connecting = True
        try:
            return connect(self._address)
        finally:
            self._is_connecting = False

    def _wanted_now(self) -> tuple[Series, ...]:
        with self._lock:
            self._is_wanting = False
            return tuple(self._wanted)

    def _store_wanted(self, file: CopyFile) -> None:
        """Enter what this program wants into the file, also again if another program has forgotten it."""
        if self._is_wanting or not self._wanted.keys() <= file.series.keys():
            file.want(self._wanted_now(), self._clock.now_ms())

    def _looked(self, file: CopyFile) -> None:
        self._note(file, is_complete=True, problem="")
        with self._lock:
            self._as_of_ms = self._clock.now_ms()

    def _note(self, file: CopyFile, *, is_complete: bool, problem: str) -> None:
        with self._lock:
            if is_complete:
                self._looked_s = self._clock.monotonic_s()
            self._is_complete, self._as_of_ms, self._problem = is_complete, file.as_of_ms, problem

    def _fail(self, error: StorageError) -> None:
        with self._lock:
            is_new, self._problem, self._is_complete = error.short != self._problem, error.short, False
        if is_new:
            _LOG.warning("the copy is not kept up to date: %s", error)
        self._on_change()

    def _pause(self, seconds: float) -> bool:
        """Wait, at most until something is wanted; return whether the thread is to end."""
        if not self._stopping:
            self._bell.settimeout(seconds)
            with contextlib.suppress(OSError):
                self._bell.recv(1024)
            self._bell.settimeout(0)
        return self._stopping

    def _hush(self) -> None:
        with contextlib.suppress(OSError):
            self._bell.recv(1024)
