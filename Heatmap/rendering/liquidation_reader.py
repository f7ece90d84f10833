"""The thread that reads a list of liquidations from the record, and reads it again when the record has changed."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from Heatmap.errors import StorageError
from Heatmap.storage.sqlite.liquidation_query import NO_END_MS, ListedLiquidation, ListQuery, listed
from Heatmap.storage.sqlite.sqlite_store import POLL_S, SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from Heatmap.clock import Clock
    from Heatmap.source_choice import Sources
    from Heatmap.vocabulary import ListOrder, Sides

__all__ = ["MOST_ROWS", "LiquidationReader", "LiquidationRows", "ListRequest", "ListedLiquidation"]

_LOG = logging.getLogger(__name__)

MOST_ROWS: Final = 1000
# New events change the list at most this often, and reading takes at most a tenth of the time.
_INTERVAL_S: Final = 0.25
_SHARE: Final = 10.0
# Without new events: the window's beginning moves on.
_AGAIN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class ListRequest:
    """Which liquidations a list shows."""

    symbol: str
    source: Sources
    window_ms: int
    sides: Sides
    min_notional_usd: float
    order: ListOrder
    as_of_ms: int | None = None  # show the record as it was then, ms since the epoch; None: as it is


@dataclass(frozen=True, slots=True)
class LiquidationRows:
    """The answer to a `ListRequest`."""

    request: ListRequest
    rows: list[ListedLiquidation]  # at most `MOST_ROWS`, in the order of the request
    passing: int  # number of events of the window that pass side and minimum size
    total: int  # number of events of the window
    tick_size: float | None  # of the symbol, in quote currency; None: not known


class LiquidationReader:
    """Reads lists on a thread of its own, which starts with the first request. Other methods return at once.

    ``on_read`` is called on that thread with each `LiquidationRows` that differs from the last one, ``on_problem`` with
    an English sentence when the record cannot be read, and with "" when it can again. ``clock`` is the exchange's.
    """

    def __init__(
        self,
        db_path: Path,
        *,
        on_read: Callable[[LiquidationRows], None],
        on_problem: Callable[[str], None],
        tick_size: Callable[[str], float | None],
        clock: Clock,
    ) -> None:
        self._db_path = db_path
        self._on_read = on_read
        self._on_problem = on_problem
        self._tick_size = tick_size
        self._clock = clock
        self._wake = threading.Condition()
        self._request: ListRequest | None = None
        self._request_is_new = self._data_is_new = self._stopping = False
        self._looked_s = self._read_s = clock.monotonic_s()
        self._pause_s = _INTERVAL_S
        self._thread = threading.Thread(target=self._run, name="heatmap-list", daemon=True)

    def request(self, request: ListRequest | None) -> None:
        """Show this from now on; None: read nothing."""
        with self._wake:
            if request is not None and self._thread.ident is None and not self._stopping:
                self._thread.start()
            self._request = request
            self._request_is_new = request is not None
            self._wake.notify()

    def data_changed(self) -> None:
        """Look for new events."""
        with self._wake:
            self._data_is_new = True
            self._wake.notify()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End the thread and wait for it; what it is reading is not reported any more."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        with SqliteStore(self._db_path) as store:
            shown: LiquidationRows | None = None
            version: int | None = None
            trouble = ""
            while (request := self._next()) is not None:
                began_s = self._clock.monotonic_s()
                try:
                    newest = store.data_version()
                    is_same = shown is not None and shown.request == request and newest == version
                    if is_same and began_s - self._read_s < _AGAIN_S:
                        continue
                    version, self._read_s = newest, began_s
                    found = self._read(store, request)
                except StorageError as error:
                    if error.short != trouble and not self._stopping:
                        trouble = error.short
                        _LOG.warning("the list of liquidations cannot be read: %s", error)
                        self._on_problem(trouble)
                    continue
                if trouble:
                    trouble = ""
                    self._on_problem("")
                self._pause_s = max(_INTERVAL_S, _SHARE * (self._clock.monotonic_s() - began_s))
                if self._stopping:  # the receiver may be gone
                    return
                if found != shown:
                    shown = found
                    self._on_read(found)

    def _read(self, store: SqliteStore, request: ListRequest) -> LiquidationRows:
        as_of_ms = request.as_of_ms
        query = ListQuery(
            request.symbol,
            request.source,
            (self._clock.now_ms() if as_of_ms is None else as_of_ms) - request.window_ms,
            request.sides,
            request.min_notional_usd,
            request.order,
            MOST_ROWS,
            NO_END_MS if as_of_ms is None else as_of_ms + 1,
        )
        rows, passing, total = listed(store, query)
        return LiquidationRows(request, rows, passing, total, self._tick_size(request.symbol))

    def _next(self) -> ListRequest | None:
        """Wait until there may be something to read; return the request, None to end."""
        with self._wake:
            while not self._stopping and not self._request_is_new:
                patience_s = None
                if self._request is not None:
                    limit_s = self._pause_s if self._data_is_new else max(POLL_S, self._pause_s)
                    patience_s = self._looked_s + limit_s - self._clock.monotonic_s()
                    if patience_s <= 0.0:
                        break
                self._wake.wait(patience_s)
            self._request_is_new = self._data_is_new = False
            self._looked_s = self._clock.monotonic_s()
            return None if self._stopping else self._request
