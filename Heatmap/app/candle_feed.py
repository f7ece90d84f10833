"""The chart's candles: history by REST, then the stream; reconnects by itself. Runs on qasync."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject, pyqtSignal
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from Heatmap.errors import FrameError, RestError, SettingsError
from Heatmap.events import Source
from Heatmap.ingestion.backoff import Backoff
from Heatmap.ingestion.daemon_thread import run_in_daemon_thread
from Heatmap.ingestion.failure import Failure, of_socket_error
from Heatmap.ingestion.proxy import proxy_for
from Heatmap.ingestion.rest import fetch_bytes
from Heatmap.ingestion.venues import venue_of
from Heatmap.vocabulary import INTERVALS_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from Heatmap.candle import Candle
    from Heatmap.clock import Clock

log = logging.getLogger(__name__)

# Length of the history: the heatmap's largest window.
HISTORY_MS = 2 * 86_400_000
MIN_BARS = 500
# Candles of a traded contract are pushed several times a second; a minute without one means the socket is dead.
SILENCE_S = 60.0
OPEN_TIMEOUT_S = 10.0
# Short, so that an exchange that does not answer the closing handshake does not hold up the end of the program.
CLOSE_TIMEOUT_S = 1.0
# Pace at which a tick size unknown with the history is asked for again.
TICK_AGAIN_S = 1.0
# Older candles: the largest page that Binance counts as 2 of 2,400 a minute, and pages a minute.
OLDER_ROWS = 499
OLDER_PAGES_PER_MIN = 60
MAX_FRAME_BYTES = 64 * 1024
MAX_REST_BYTES = 8 * 1024 * 1024


def history_requests(interval_ms: int, now_ms: int, max_rows: int) -> list[tuple[int, int, int]]:
    """Return ``(start_ms, end_ms, limit)`` of the REST requests that cover the history, oldest first.

    At least `HISTORY_MS` and at least `MIN_BARS` bars, in pages of at most ``max_rows``.
    """
    bars = max(-(-HISTORY_MS // interval_ms) + 1, MIN_BARS)
    last_open_ms = now_ms - now_ms % interval_ms
    first_open_ms = last_open_ms - (bars - 1) * interval_ms
    pages = []
    while first_open_ms <= last_open_ms:
        count = min((last_open_ms - first_open_ms) // interval_ms + 1, max_rows)
        pages.append((first_open_ms, first_open_ms + count * interval_ms - 1, count))
        first_open_ms += count * interval_ms
    return pages


class CandleFeed(QObject):
    """Loads and follows the candles of one symbol and interval at a time.

    The addresses have no route. ``tick_size`` returns that of a symbol, None while it is not known; it is called on a
    thread, for it may read a file. ``clock`` is the exchange's, for the history's end, and monotonic for the pace.
    """

    # list[Candle], ascending, the last one unfinished; the tick size or None
    historyReady = pyqtSignal(object, object)
    # list[Candle], ascending, before all others; whether the exchange lists none before them
    olderReady = pyqtSignal(object, bool)
    tickSizeReady = pyqtSignal(float)  # it became known after the history
    candleReady = pyqtSignal(object)  # Candle: the newest one, changed or new
    # Why no candles arrive: `reason` and `detail` of `Heatmap.ingestion.failure.Failure`; both "" when they do.
    problemChanged = pyqtSignal(str, str)
    olderProblemChanged = pyqtSignal(str, str)  # the same of older candles

    def __init__(
        self,
        ws_url: str,
        rest_url: str,
        *,
        tick_size: Callable[[str], float | None],
        clock: Clock,
        source: str = Source.BINANCE,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._tick_size = tick_size
        venue = venue_of(source)
        self._candles = venue.candles
        self._ws_url, self._rest_url = venue.base_urls(ws_url, rest_url)
        self._clock = clock
        self._reason = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._shown: tuple[str, str] | None = None  # symbol and interval whose history was delivered
        self._older: asyncio.Task[None] | None = None
        self._older_backoff = Backoff(attempts_per_min=OLDER_PAGES_PER_MIN)
        self._older_reason = ""
        self._has_oldest = False

    def show(self, symbol: str, interval: str) -> None:
        """Follow this symbol and interval instead of the ones before."""
        self._cancel()
        self._shown, self._has_oldest = None, False
        self._set_older_problem("", "")
        self._start(self._follow(symbol, interval))

    def load_older(self, before_ms: int) -> None:
        """Load a page of candles that open before ``before_ms``, again and again until it comes.

        Does nothing while a page is being loaded, before the history has come, and once the oldest candle has.
        """
        is_loading = self._older is not None and not self._older.done()
        if self._shown is not None and not is_loading and not self._has_oldest:
            self._older = self._start(self._load_older(*self._shown, before_ms))

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """End all connections, those of earlier symbols too, and wait for their end."""
        self._cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _follow(self, symbol: str, interval: str) -> None:
        backoff = Backoff()
        while True:
            backoff.attempted(self._clock.monotonic_s())
            failed = await self._session(symbol, interval, backoff)
            if failed.reason != self._reason:
                self._reason = failed.reason
                log.warning("candles of %s %s: %s", symbol, interval, failed.detail)
            self.problemChanged.emit(failed.reason, failed.detail)
            await asyncio.sleep(backoff.next_delay_s(self._clock.monotonic_s(), at_least_s=failed.wait_s))

    async def _session(self, symbol: str, interval: str, backoff: Backoff) -> Failure:
        """Read one connection until it ends; return why."""
        try:
            return await self._read(symbol, interval, backoff)
        except (RestError, FrameError) as error:
            return self._failure(error)
        except (OSError, WebSocketException) as error:
            now_ms, proxy = self._clock.now_ms(), proxy_for(self._ws_url)
            return of_socket_error(error, self._host, max_bytes=MAX_FRAME_BYTES, now_ms=now_ms, proxy=proxy)
        except SettingsError as error:  # the exchange has no candles of this length
            return Failure("interval", error.short)
        except Exception:  # the task's last line of defence: nobody awaits it
            log.exception("candles of %s %s: a fault", symbol, interval)
            return Failure("internal", "The candles' connection ended because of a fault; see the log.")

    @property
    def _host(self) -> str:
        return self._ws_url.partition("://")[2]

    def _failure(self, error: RestError | FrameError) -> Failure:
        if isinstance(error, FrameError):
            reason = "bad-json" if error.kind == "bad-json" else "protocol"
            return Failure(reason, f"{self._host} sent a candle that cannot be: {error}.")
        reason = "unknown-symbol" if self._candles.is_unknown_symbol(error) else error.reason
        return Failure(reason, error.short, error.status, error.retry_after_s or 0.0)

    async def _read(self, symbol: str, interval: str, backoff: Backoff) -> Failure:
        """Open the socket before history is asked for, so that no candle falls between the two."""
        url, requests = self._candles.stream(self._ws_url, symbol, interval)
        async with connect(
            url,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=MAX_FRAME_BYTES,
            proxy=proxy_for(url),
        ) as socket:
            for request in requests:
                await socket.send(request)
            candles = await self._history(symbol, interval)
            tick_size = await self._ask_tick_size(symbol)
            # The page on its way may not adjoin these.
            if self._older is not None:
                self._older.cancel()
                self._set_older_problem("", "")
            self._shown = (symbol, interval)
            self.historyReady.emit(candles, tick_size)
            self._reason = ""
            self.problemChanged.emit("", "")
            asked_s = self._clock.monotonic_s()
            while True:
                if tick_size is None and self._clock.monotonic_s() - asked_s >= TICK_AGAIN_S:
                    asked_s = self._clock.monotonic_s()
                    tick_size = await self._ask_tick_size(symbol)
                    if tick_size is not None:
                        self.tickSizeReady.emit(tick_size)
                try:
                    async with asyncio.timeout(SILENCE_S):
                        frame = await socket.recv()
                except TimeoutError:
                    return Failure("silent", f"No candle came for {SILENCE_S:.0f} s.")
                update = self._candles.decode_update(frame)
                if update is None or (update.symbol, update.interval) != (symbol, interval):
                    continue
                backoff.reset()
                self.candleReady.emit(update.candle)

    async def _ask_tick_size(self, symbol: str) -> float | None:
        return await run_in_daemon_thread(lambda: self._tick_size(symbol), name="candles-tick")

    async def _history(self, symbol: str, interval: str) -> list[Candle]:
        # The newest candle gives the exchange's time, which this machine's clock may differ from.
        newest = await self._request(symbol, interval, None, now_ms=0)
        now_ms = max([self._clock.now_ms(), *(candle.open_ms for candle in newest)])
        pages = history_requests(INTERVALS_MS[interval], now_ms, self._candles.max_rows)
        answers = [await self._request(symbol, interval, page, now_ms=now_ms) for page in pages]
        return [candle for answer in answers for candle in answer]

    async def _load_older(self, symbol: str, interval: str, before_ms: int) -> None:
        backoff, rows = self._older_backoff, min(OLDER_ROWS, self._candles.max_rows)
        page = (None, before_ms - 1, rows)
        wait_s, failures = backoff.held_back_s(self._clock.monotonic_s()), 0
        while True:
            await asyncio.sleep(wait_s)
            backoff.attempted(self._clock.monotonic_s())
            try:
                candles = await self._request(symbol, interval, page, now_ms=before_ms)
                break
            except (RestError, FrameError) as error:
                failed = self._failure(error)
            except Exception:  # the task's last line of defence: nobody awaits it
                log.exception("older candles of %s %s: a fault", symbol, interval)
                failed = Failure("internal", "Older candles could not be read because of a fault; see the log.")
            failures += 1
            wait_s = backoff.next_delay_s(self._clock.monotonic_s(), at_least_s=failed.wait_s)
            log.warning("older candles of %s %s, again in %.0f s: %s", symbol, interval, wait_s, failed.detail)
            # A single failure is mended at once.
            if failed.wait_s > 0 or failures > 1:
                self._set_older_problem(failed.reason, failed.detail)
        backoff.reset()
        self._set_older_problem("", "")
        self._has_oldest = len(candles) < rows
        older = [candle for candle in candles if candle.open_ms < before_ms]
        self.olderReady.emit(older, self._has_oldest)

    def _set_older_problem(self, reason: str, detail: str) -> None:
        if reason != self._older_reason:
            self._older_reason = reason
            self.olderProblemChanged.emit(reason, detail)

    async def _request(
        self, symbol: str, interval: str, page: tuple[int | None, int, int] | None, *, now_ms: int
    ) -> list[Candle]:
        url = self._candles.history_url(self._rest_url, symbol, interval, page)
        body = await fetch_bytes(url, timeout_s=OPEN_TIMEOUT_S, max_bytes=MAX_REST_BYTES)
        return self._candles.decode_history(body, now_ms)
