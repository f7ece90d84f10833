"""The file that a service's map reads: the record itself, or this machine's copy of a server's record."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from Heatmap.storage.contract import CopyState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from Heatmap.clock import Clock
    from Heatmap.storage.contract import Copy, Database

CURRENT: Final = CopyState(is_current=True, as_of_ms=None, problem="")
# A copy that has just been opened is not reported as an old one before it had the time to look.
_PATIENCE_S: Final = 3.0


class ShownRecord:
    """Starts and stops the copy of a server's record as it is needed; does nothing for a file. Any thread.

    ``on_change`` is called on the copy's thread after each change.
    """

    def __init__(self, database: Database, clock: Clock, on_change: Callable[[], None]) -> None:
        self._database = database
        self._clock = clock
        self._on_change = on_change
        # Everything below is guarded by the lock.
        self._lock = threading.Lock()
        self._wanted: dict[tuple[str, str], None] = {}
        self._copy: Copy | None = None
        self._started_s = 0.0

    @property
    def is_wanted(self) -> bool:
        """True if anything is shown."""
        return bool(self._wanted)

    @property
    def is_copying(self) -> bool:
        """True while a copy is kept up to date."""
        return self._copy is not None

    def want(self, source: str, symbols: Sequence[str]) -> None:
        """Have these series in the file from now on, until `stop`."""
        with self._lock:
            self._wanted.update(dict.fromkeys((str(source), symbol) for symbol in symbols))
            self._start()
            if self._copy is not None:
                self._copy.want(source, symbols)

    def start(self) -> None:
        """Have what was wanted before `stop` in the file again."""
        with self._lock:
            if self._wanted:
                self._start()

    def stop(self) -> None:
        """Copy what is stored by now, and end; harmless if nothing runs."""
        with self._lock:
            copy, self._copy = self._copy, None
        if copy is not None:
            copy.stop()

    def is_current(self) -> bool:
        """Return True if the file is known to have all that is stored."""
        with self._lock:
            copy = self._copy
        return copy is None or copy.state().is_current

    def state(self) -> CopyState:
        """Return how recent the file is, for people."""
        with self._lock:
            copy, started_s = self._copy, self._started_s
        state = CURRENT if copy is None else copy.state()
        if not state.problem and self._clock.monotonic_s() < started_s + _PATIENCE_S:
            return CURRENT
        return state

    def _start(self) -> None:
        if self._copy is None and (copy := self._database.copy(self._clock, self._on_change)) is not None:
            for source, symbol in self._wanted:
                copy.want(source, [symbol])
            copy.start()
            self._copy, self._started_s = copy, self._clock.monotonic_s()
