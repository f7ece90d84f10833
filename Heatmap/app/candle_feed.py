"""The chart's candles: history by REST, then the kline stream; reconnects by itself. Runs on qasync."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject, pyqtSignal
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from Heatmap.errors import FrameError, RestError
from Heatmap.ingestion.backoff import Backoff
from Heatmap.ingestion.binance.endpoints import (
    kline_stream,
    klines_url,
    market_stream_url,
    normalise_ws_base,
)
from Heatmap.ingestion.binance.kline import Candle, decode_frame, decode_rows
from Heatmap.ingestion.daemon_thread import call_on_daemon_thread
from Heatmap.ingestion.failure import Failure, of_socket_error
from Heatmap.ingestion.proxy import proxy_for
from Heatmap.ingestion.rest import fetch_json
from Heatmap.vocabulary import INTERVALS_MS, MAX_KLINES

if TYPE_CHECKING:
    from collections.abc import Callable

    from Heatmap.clock import Clock

log = logging.getLogger(__name__)

# The largest window of the heatmap must have candles in front of it.
HISTORY_MS = 2 * 86_400_000
MIN_BARS = 500
# Klines of a traded contract are pushed every 250 ms; a minute without one means the socket is dead.
SILENCE_S = 60.0
OPEN_TIMEOUT_S = 10.0
# The window is gone by then: an exchange that does not say goodbye must not hold up the end of the program.
CLOSE_TIMEOUT_S = 1.0
# A tick size that came too late for the history is asked for again at this pace.
TICK_AGAIN_S = 1.0
MAX_FRAME_BYTES = 64 * 1024
# The exchange's error code for a symbol it does not list (developers.binance.com, USD-M futures, "Error Codes").
INVALID_SYMBOL = "-1121"
MAX_REST_BYTES = 8 * 1024 * 1024


def history_requests(interval_ms: int, now_ms: int) -> list[tuple[int, int, int]]:
    """Return ``(start_ms, end_ms, limit)`` of the REST requests that cover the history, oldest first.

    At least `HISTORY_MS` and at least `MIN_BARS` bars, in pages of at most 1,500 (the exchange's limit).
    """
    bars = max(-(-HISTORY_MS // interval_ms) + 1, MIN_BARS)
    last_open_ms = now_ms - now_ms % interval_ms
    first_open_ms = last_open_ms - (bars - 1) * interval_ms
    pages = []
    while first_open_ms <= last_open_ms:
        count = min((last_open_ms - first_open_ms) // interval_ms + 1, MAX_KLINES)
        pages.append((first_open_ms, first_open_ms + count * interval_ms - 1, count))
        first_open_ms += count * interval_ms
    return pages


class CandleFeed(QObject):
    """Loads and follows the candles of one symbol and interval at a time.

    Parameters
    ----------
    ws_url, rest_url
        Base addresses without a route.
    tick_size
        Returns the tick size of a symbol, None while it is not known; it may read a file, so it is called on a thread.
    clock
        The exchange's clock for the history's end, monotonic clock for the pace.
    """

    # list[Candle], ascending, the last one unfinished; the tick size or None
    historyReady = pyqtSignal(object, object)
    tickSizeReady = pyqtSignal(float)  # it became known after the history
    candleReady = pyqtSignal(object)  # Candle: the newest one, changed or new
    # Why there are no candles at the moment: a reason word of `Heatmap.ingestion.failure`, and a sentence in English.
    # Both are "" when candles flow.
    problemChanged = pyqtSignal(str, str)

    def __init__(
        self,
        ws_url: str,
        rest_url: str,
        *,
        tick_size: Callable[[str], float | None],
        clock: Clock,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._tick_size = tick_size
        self._ws_url = ws_url
        self._rest_url = rest_url
        self._clock = clock
        self._reason = ""
        self._tasks: set[asyncio.Task[None]] = set()

    def show(self, symbol: str, interval: str) -> None:
        """Follow this symbol and interval from now on instead of what was followed before."""
        self._cancel()
        task = asyncio.ensure_future(self._follow(symbol, interval))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End the connection, and those that were left before, and wait until they are gone."""
        self._cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _follow(self, symbol: str, interval: str) -> None:
        backoff = Backoff()
        while True:
            backoff.attempted(self._clock.monotonic_s())
            seen = await self._session(symbol, interval, backoff)
            if seen.reason != self._reason:
                self._reason = seen.reason
                log.warning("candles of %s %s: %s", symbol, interval, seen.detail)
            self.problemChanged.emit(seen.reason, seen.detail)
            await asyncio.sleep(backoff.next_delay_s(self._clock.monotonic_s(), at_least_s=seen.wait_s))

    async def _session(self, symbol: str, interval: str, backoff: Backoff) -> Failure:
        """Serve one connection until it ends; return why."""
        place = normalise_ws_base(self._ws_url).partition("://")[2]
        try:
            return await self._serve(symbol, interval, backoff)
        except RestError as error:
            unknown = error.status == HTTPStatus.BAD_REQUEST and INVALID_SYMBOL in str(error)
            reason = "unknown-symbol" if unknown else error.reason
            return Failure(reason, error.short, error.status, error.retry_after_s or 0.0)
        except FrameError as error:
            return Failure("protocol", f"{place} sent a candle that cannot be: {error}.")
        except (OSError, WebSocketException) as error:
            return of_socket_error(
                error,
                place,
                max_bytes=MAX_FRAME_BYTES,
                now_ms=self._clock.now_ms(),
                proxy=proxy_for(normalise_ws_base(self._ws_url)),
            )
        except Exception:  # the task's last line of defence: nobody waits for it, the candles would just stand still
            log.exception("candles of %s %s: a fault", symbol, interval)
            return Failure("internal", "The candles' connection ended because of a fault; see the log.")

    async def _serve(self, symbol: str, interval: str, backoff: Backoff) -> Failure:
        """The socket is opened before history is asked for, so that no candle falls between the two."""
        url = market_stream_url(self._ws_url, [kline_stream(symbol, interval)])
        async with connect(
            url,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=MAX_FRAME_BYTES,
            proxy=proxy_for(url),
        ) as socket:
            candles = await self._history(symbol, interval)
            tick_size = await self._ask_tick_size(symbol)
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
                update = decode_frame(frame)
                if update is None or (update.symbol, update.interval) != (symbol, interval):
                    continue
                backoff.reset()
                self.candleReady.emit(update.candle)

    async def _ask_tick_size(self, symbol: str) -> float | None:
        return await call_on_daemon_thread(lambda: self._tick_size(symbol), name="candles-tick")

    async def _history(self, symbol: str, interval: str) -> list[Candle]:
        # The newest candle tells the exchange's time before anything else does.
        newest = await self._ask(klines_url(self._rest_url, symbol=symbol, interval=interval, limit=1))
        now_ms = max([self._clock.now_ms(), *(candle.open_ms for candle in decode_rows(newest, now_ms=0))])
        candles: list[Candle] = []
        for start_ms, end_ms, limit in history_requests(INTERVALS_MS[interval], now_ms):
            url = klines_url(
                self._rest_url,
                symbol=symbol,
                interval=interval,
                start_ms=start_ms,
                end_ms=end_ms,
                limit=limit,
            )
            candles += decode_rows(await self._ask(url), now_ms=now_ms)
        return candles

    async def _ask(self, url: str) -> object:
        return await fetch_json(url, timeout_s=OPEN_TIMEOUT_S, max_bytes=MAX_REST_BYTES)
