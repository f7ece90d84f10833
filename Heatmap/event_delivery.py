"""Delivery of new liquidations to strategy code: callbacks on threads, and asynchronous iteration.

The database is the queue: a slow receiver is behind in the file, holds up neither recorder nor other receivers, and
loses nothing before retention deletes it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from Heatmap.ingestion.daemon_thread import run_in_daemon_thread
from Heatmap.storage.sqlite.sqlite_store import POLL_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from Heatmap.clock import Clock
    from Heatmap.events import LiquidationEvent
    from Heatmap.storage.sqlite.event_tail import EventTail

    Subscribe = Callable[[Callable[[], None]], Callable[[], None]]

_LOG = logging.getLogger(__name__)


class EventDelivery:
    """All receivers of one service; any thread.

    ``subscribe`` registers a function to call after each commit of this process and returns one that ends that.
    """

    def __init__(self, subscribe: Subscribe, clock: Clock) -> None:
        self._subscribe = subscribe
        self._clock = clock
        self._lock = threading.Lock()
        self._receivers: list[_Receiver] = []
        self._ended = threading.Event()  # replaced by each `end`

    def call(
        self, callback: Callable[[LiquidationEvent], None], tail: EventTail, *, on_end: Callable[[], None]
    ) -> Callable[[], None]:
        """Call ``callback`` with each event of the tail, then ``on_end``, on a new thread; return what ends that."""
        with self._lock:
            receiver = _Receiver(callback, tail, self._ended, on_end)
            self._receivers = [other for other in self._receivers if other.thread.is_alive()] + [receiver]
            receiver.start(self._subscribe)
        return receiver.cancel

    def iterate(self, tail: EventTail) -> AsyncIterator[LiquidationEvent]:
        """Yield each event of the tail until `end` is called, then the rest of what is stored."""
        return self._iterate(tail, self._ended)

    async def _iterate(self, tail: EventTail, ended: threading.Event) -> AsyncIterator[LiquidationEvent]:
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop was closed without ending the iteration
                loop.call_soon_threadsafe(changed.set)

        unsubscribe = self._subscribe(wake)
        try:
            while True:
                is_last = ended.is_set()
                changed.clear()
                for event in await run_in_daemon_thread(tail.read, name="heatmap-events"):
                    yield event
                if tail.is_behind:
                    continue
                if is_last:
                    return
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await changed.wait()
        finally:
            unsubscribe()

    def end(self, timeout_s: float) -> None:
        """Deliver what is stored, and end all receivers, those after ``timeout_s`` in the middle."""
        until_s = self._clock.monotonic_s() + timeout_s
        with self._lock:
            self._ended.set()
            receivers, self._receivers = self._receivers, []
            self._ended = threading.Event()
        for receiver in receivers:
            receiver.end(until_s - self._clock.monotonic_s())


class _Receiver:
    def __init__(
        self,
        callback: Callable[[LiquidationEvent], None],
        tail: EventTail,
        ended: threading.Event,
        on_end: Callable[[], None],
    ) -> None:
        self._callback = callback
        self._on_end = on_end
        self._tail = tail
        self._ended = ended
        self._cancelled = threading.Event()
        self._changed = threading.Event()
        self.thread = threading.Thread(target=self._run, name="heatmap-events", daemon=True)

    def start(self, subscribe: Subscribe) -> None:
        self._unsubscribe = subscribe(self._changed.set)
        self.thread.start()

    def cancel(self) -> None:
        """End after the call that is under way; harmless if called twice."""
        self._cancelled.set()
        self._changed.set()

    def end(self, timeout_s: float) -> None:
        self._changed.set()
        if self.thread is not threading.current_thread():
            self.thread.join(max(timeout_s, 0.0))
            if self.thread.is_alive() and not self._cancelled.is_set():
                _LOG.error("a receiver of liquidations did not take all in time; the rest is only in the record")
        self.cancel()

    def _run(self) -> None:
        try:
            while not self._cancelled.is_set():
                is_last = self._ended.is_set()
                self._changed.clear()
                for event in self._tail.read():
                    if self._cancelled.is_set():
                        return
                    try:
                        self._callback(event)
                    except Exception:  # noqa: BLE001 - a receiver's fault must not cost it the other events
                        _LOG.exception("a receiver of liquidations failed with %r", event)
                if self._tail.is_behind:
                    continue
                if is_last:
                    return
                self._changed.wait(POLL_S)
        finally:
            self._unsubscribe()
            self._on_end()
