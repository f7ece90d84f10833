"""The seam between the recorder and an exchange: what the folder of each venue provides, without I/O.

The recorder opens sockets and makes requests; a venue names the addresses and messages and decodes what comes back.
`Heatmap.ingestion.venues` lists the venues.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from Heatmap.errors import FeedError
from Heatmap.ingestion.liveness import QUIET_AFTER_S, SILENT_AFTER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from Heatmap.candle import Candle
    from Heatmap.errors import RestError
    from Heatmap.events import LiquidationEvent
    from Heatmap.ingestion.failure import Failure

ROTATE_AFTER_S: Final = 23 * 3600.0


@dataclass(frozen=True, slots=True)
class ConnectionPolicy:
    """A venue's limits, and the times by which a connection to it is judged.

    Attributes
    ----------
    symbols_per_connection, max_frame_bytes
        Most symbols on one socket; longest message that is read.
    silent_after_s, quiet_after_s
        Time without market data after which a connection is dead, and without a liquidation after which the market is
        quiet; see `Heatmap.ingestion.liveness`.
    rotate_after_s
        Age at which a connection is replaced by the next one: many exchanges end each after 24 hours.
    push_delay_ms
        Longest time from a liquidation to its push: a heartbeat covers only what happened before that.
    max_handover_ms
        Longest time between the last heartbeat of one connection and the first of the next that is no gap.
    request_pause_s
        Pause after each request.
    keep_alive, keep_alive_s
        Text message that the venue expects every so many seconds; "" if it needs none.
    """

    symbols_per_connection: int
    max_frame_bytes: int = 512 * 1024
    silent_after_s: float = SILENT_AFTER_S
    quiet_after_s: float = QUIET_AFTER_S
    rotate_after_s: float = ROTATE_AFTER_S
    push_delay_ms: int = 2000
    max_handover_ms: int = 3000
    request_pause_s: float = 0.25
    keep_alive: str = ""
    keep_alive_s: float = 20.0


@dataclass(frozen=True, slots=True)
class MarketHeartbeat:
    """Market data, the proof that the connection delivers ``symbol``; ``event_ms`` is its push time by the exchange."""

    symbol: str
    event_ms: int


@dataclass(frozen=True, slots=True)
class FrameContent:
    """The decoded content of one frame; all defaults for a frame that carries nothing for us.

    Attributes
    ----------
    events, heartbeats
        Liquidations and signs of life, in order; the caller drops symbols that nobody asked for.
    refusal
        Why the connection is of no use: a request was refused.
    is_closing
        True if the venue announces that it will close the connection.
    """

    events: Sequence[LiquidationEvent] = ()
    heartbeats: Sequence[MarketHeartbeat] = ()
    refusal: Failure | None = None
    is_closing: bool = False


class FeedSession(Protocol):
    """The protocol of one connection, by default for a ``url`` that names all streams; times are monotonic seconds."""

    url: str

    @property
    def is_subscribed(self) -> bool:
        """True once every request was sent and accepted."""
        return True

    def next_request(self, now_s: float, /) -> str | None:  # noqa: ARG002 - for those who override it
        """Return the next message to send, and expect its answer from ``now_s`` on; None if there is none left."""
        return None

    def overdue(self, now_s: float, /) -> Failure | None:  # noqa: ARG002 - for those who override it
        """Return why the connection is of no use if an answer has not come in time, else None."""
        return None

    def receive(self, data: bytes, received_ms: int, /) -> FrameContent:
        """Decode one message; raises `FrameError`."""
        ...


@dataclass(frozen=True, slots=True)
class Instruments:
    """Smallest price step by symbol, in quote currency; ``broken``: symbols that are listed without a usable one."""

    tick_sizes: dict[str, float] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()

    def tick_size(self, symbol: str) -> float:
        """Return the tick size of ``symbol``, in quote currency.

        Raises
        ------
        FeedError
            The symbol is not listed (``reason`` is ``"unknown-symbol"``), or has no usable tick size (``"bad-tick"``).
        """
        tick = self.tick_sizes.get(symbol)
        if tick is not None:
            return tick
        if symbol in self.broken:
            raise FeedError(f"The exchange names no tick size for {symbol}.", reason="bad-tick")
        near = difflib.get_close_matches(symbol, self.tick_sizes, n=1, cutoff=0.75)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise FeedError(f"The exchange has no symbol {symbol}.{hint}", reason="unknown-symbol")


@dataclass(frozen=True, slots=True)
class CandleUpdate:
    """A candle of a stream; ``interval`` is a key of `Heatmap.vocabulary.INTERVALS_MS`."""

    symbol: str
    interval: str
    candle: Candle


@dataclass(frozen=True, slots=True)
class CandleApi:
    """A venue's candles; the decoders raise `FrameError`.

    Attributes
    ----------
    max_rows
        Most candles of one REST answer.
    stream
        ``(ws_url, symbol, interval)`` → address of the stream, and the messages that subscribe to it.
    history_url
        ``(rest_url, symbol, interval, (start_ms, end_ms, limit))`` → address of the candles that open in
        ``[start_ms, end_ms]``; without a range, of the newest one.
    decode_update, decode_history
        Message → candle, or None for another message. ``(body, now_ms)`` → candles, closed if they end before.
    is_unknown_symbol
        True for the error of a symbol that is not listed.
    """

    max_rows: int
    stream: Callable[[str, str, str], tuple[str, Sequence[str]]]
    history_url: Callable[[str, str, str, tuple[int, int, int] | None], str]
    decode_update: Callable[[str | bytes], CandleUpdate | None]
    decode_history: Callable[[bytes, int], list[Candle]]
    is_unknown_symbol: Callable[[RestError], bool]


class SessionFactory(Protocol):
    """Makes the protocol of one new connection; a bad address or too many symbols raise `SettingsError`."""

    def __call__(
        self, ws_url: str, symbols: Collection[str] | None, /, *, source: str, keep_raw: bool = False
    ) -> FeedSession:
        """``symbols`` None: all that the venue lists. ``source``, ``keep_raw``: what events are marked as and carry."""
        ...


@dataclass(frozen=True, slots=True)
class Venue:
    """An exchange as the recorder uses it.

    Attributes
    ----------
    base_urls
        Addresses of streams and REST as given, None for the real exchange → both without a route, or `SettingsError`.
    normalise_symbol
        A symbol as typed → as the venue spells it, or `SettingsError`.
    instruments_url, decode_instruments
        Base address of REST → address of the list of symbols; its body → `Instruments`, or `FeedError`.
    """

    name: str
    policy: ConnectionPolicy
    session: SessionFactory
    base_urls: Callable[[str | None, str | None], tuple[str, str]]
    normalise_symbol: Callable[[str], str]
    instruments_url: Callable[[str], str]
    decode_instruments: Callable[[bytes], Instruments]
    candles: CandleApi
