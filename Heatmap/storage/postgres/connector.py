"""Connecting to a server on a thread of its own: a name service or a lost network may take many seconds to answer."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from Heatmap.errors import StorageError
from Heatmap.storage.postgres.migrations import open_record

if TYPE_CHECKING:
    from Heatmap.clock import Clock
    from Heatmap.storage.postgres.address import ServerAddress
    from Heatmap.storage.postgres.connection import ServerConnection

_FIRST_RETRY_S: Final = 0.25
_LAST_RETRY_S: Final = 5.0
_LOOK_S: Final = 0.05  # between two looks at an attempt

_LOG = logging.getLogger(__name__)


class _Attempt:
    """One attempt to connect, and what came of it; a connection that nobody wants any more is closed."""

    def __init__(self, address: ServerAddress) -> None:
        self.ended = threading.Event()
        self.connection: ServerConnection | None = None
        self.error: StorageError | None = None
        self._address = address
        self._lock = threading.Lock()
        self._is_wanted = True
        threading.Thread(target=self._run, name="heatmap-connect", daemon=True).start()

    def abandon(self) -> None:
        with self._lock:
            self._is_wanted = False
            if self.connection is not None:
                self.connection.close()

    def _run(self) -> None:
        connection, error = None, None
        try:
            connection = open_record(self._address, creates=True)
            connection.check_writable()
        except StorageError as caught:
            error = caught
        except Exception as caught:  # noqa: BLE001 - the writer's thread says so and tries again
            _LOG.exception("connecting failed in an unforeseen way")
            error = StorageError(f"unforeseen: {caught!r}", short=f"Connecting fails: {caught!r}.")
        with self._lock:
            if connection is not None and (error is not None or not self._is_wanted):
                connection.close()
                connection = None
            self.connection, self.error = connection, error
        self.ended.set()


class Connector:
    """Attempts to open a record for writing, further apart the more of them have failed; only for one thread."""

    def __init__(self, address: ServerAddress, clock: Clock) -> None:
        self._address = address
        self._clock = clock
        self._attempt: _Attempt | None = None
        self._error: StorageError | None = None
        self._retry_s = _FIRST_RETRY_S
        self._due_s = clock.monotonic_s()

    def due_s(self) -> float:
        """Return when to call `take` again, by the monotonic clock."""
        return self._due_s

    def take(self, wait_s: float) -> ServerConnection | None:
        """Return a connection; None while a first attempt goes on. Waits for that at most ``wait_s``.

        Raises the `StorageError` of the last failure until an attempt succeeds.
        """
        if self._attempt is None and self._clock.monotonic_s() >= self._due_s:
            self._attempt = _Attempt(self._address)
        if self._attempt is not None:
            if self._attempt.ended.wait(wait_s):
                attempt, self._attempt = self._attempt, None
                if attempt.connection is not None:
                    return attempt.connection
                if attempt.error is not None:
                    self.failed(attempt.error)
            else:
                self._due_s = self._clock.monotonic_s() + _LOOK_S
        if self._error is not None:
            raise self._error
        return None

    def failed(self, error: StorageError) -> None:
        """Note that an attempt failed, or that its connection is of no use: the next one is later."""
        self._error = error
        self._due_s = self._clock.monotonic_s() + self._retry_s
        self._retry_s = min(self._retry_s * 2, _LAST_RETRY_S)

    def worked(self) -> None:
        """Note that a connection was of use: if it is lost, the next attempt is made at once."""
        self._error = None
        self._retry_s = _FIRST_RETRY_S
        self._due_s = self._clock.monotonic_s()

    def close(self) -> None:
        """Give up the attempt that goes on."""
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.abandon()
