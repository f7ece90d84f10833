"""The seam between the recorder and an exchange: what each venue's folder provides, without I/O.

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
    from collections.abc import Collection, Sequence

    from Heatmap.candle import Candle
    from Heatmap.errors import RestError
    from Heatmap.events import LiquidationEvent
    from Heatmap.ingestion.failure import Failure

ROTATE_AFTER_S: Final = 23 * 3600.0
"""Default age at which a connection is replaced, in seconds: many exchanges end each after 24 hours."""


@dataclass(frozen=True, slots=True)
class ConnectionPolicy:
    """A venue's limits, and the times by which a connection to it is judged.

    Attributes
    ----------
    symbols_per_connection
        Most symbols on one socket.
    max_frame_bytes
        Longest message that is read, in bytes.
    silent_after_s, quiet_after_s
        See `Heatmap.ingestion.liveness`.
    rotate_after_s
        Age at which a connection is replaced by the next one, in seconds.
    push_delay_ms
        Longest time from a liquidation to its push, in ms: the last of it is not yet covered by a heartbeat.
    max_handover_ms
        Longest time between the last heartbeat of one connection and the first of the next that is no gap, in ms.
    request_pause_s
        Pause after each request, in seconds.
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
    events
        Liquidations, in order; symbols that nobody asked for are filtered by the caller.
    heartbeats
        Signs of life of the symbols.
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
    """The protocol of one connection; times are monotonic seconds. The defaults suit an address that names all streams.

    Attributes
    ----------
    url
        The whole address to connect to.
    """

    url: str

    @property
    def is_subscribed(self) -> bool:
        """True once every request was sent and accepted."""
        return True

    def next_request(self, now_s: float) -> str | None:
        """Return the next message to send, and expect its answer from ``now_s`` on; None if there is none left."""
        del now_s
        return None

    def overdue(self, now_s: float) -> Failure | None:
        """Return why the connection is of no use if an answer has not come in time, else None."""
        del now_s
        return None

    def receive(self, data: bytes, received_ms: int) -> FrameContent:
        """Decode one message.

        Raises
        ------
        FrameError
            It does not decode.
        """
        ...


@dataclass(frozen=True, slots=True)
class Instruments:
    """The symbols of a venue.

    Attributes
    ----------
    tick_sizes
        Smallest price step by symbol, in quote currency.
    broken
        Symbols that the venue lists without a usable tick size.
    """

    tick_sizes: dict[str, float] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()

    def tick_size(self, symbol: str) -> float:
        """Return the tick size of ``symbol``, in quote currency.

        Raises
        ------
        FeedError
            The venue does not list the symbol (``reason`` is ``"unknown-symbol"``), or lists it without a usable
            tick size (``"bad-tick"``).
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
    """A candle of a stream; ``interval`` is a key of `Heatmap.candle.INTERVALS_MS`."""

    symbol: str
    interval: str
    candle: Candle


class CandleSource(Protocol):
    """A venue's candles; a module with these names is one.

    Attributes
    ----------
    MAX_ROWS
        Most candles of one answer.
    """

    @property
    def MAX_ROWS(self) -> int: ...  # noqa: N802 - a constant of the module

    def stream(self, ws_url: str, symbol: str, interval: str) -> tuple[str, Sequence[str]]:
        """Return the address of the stream, and the messages that subscribe to it."""
        ...

    def history_url(
        self,
        rest_url: str,
        *,
        symbol: str,
        interval: str,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int,
    ) -> str:
        """Return the address of the candles that open in ``[start_ms, end_ms]``; without a start, of the newest."""
        ...

    def decode_update(self, data: str | bytes) -> CandleUpdate | None:
        """Decode one message; None for one that is no candle. Raises `FrameError`."""
        ...

    def decode_history(self, rows: object, *, now_ms: int) -> list[Candle]:
        """Decode the JSON of an answer; candles that end before ``now_ms`` are closed. Raises `FrameError`."""
        ...

    def is_unknown_symbol(self, error: RestError) -> bool:
        """Return True if an answer means that the venue does not list the symbol."""
        ...


class Venue(Protocol):
    """An exchange; stateless, shared by all connections.

    Attributes
    ----------
    name
        For people.
    policy
        See `ConnectionPolicy`.
    candles
        See `CandleSource`.
    """

    @property
    def name(self) -> str: ...
    @property
    def policy(self) -> ConnectionPolicy: ...
    @property
    def candles(self) -> CandleSource: ...

    def base_urls(self, ws_url: str | None, rest_url: str | None) -> tuple[str, str]:
        """Return the base addresses of streams and REST without a route; None stands for the real exchange.

        Raises
        ------
        SettingsError
            One of them cannot be such an address.
        """
        ...

    def normalise_symbol(self, text: str) -> str:
        """Return a symbol in the venue's spelling.

        Raises
        ------
        SettingsError
            It cannot be one.
        """
        ...

    def session(
        self, ws_url: str, symbols: Collection[str] | None, *, source: str, keep_raw: bool = False
    ) -> FeedSession:
        """Return the protocol of one new connection.

        Parameters
        ----------
        ws_url
            Base address.
        symbols
            What to subscribe to; None: everything that the venue lists.
        source, keep_raw
            What the events are marked as, and whether they carry their frame.

        Raises
        ------
        SettingsError
            A bad address, or too many symbols.
        """
        ...

    def instruments_url(self, rest_url: str) -> str:
        """Return the address of the list of symbols."""
        ...

    def decode_instruments(self, body: bytes) -> Instruments:
        """Decode the list of symbols.

        Raises
        ------
        FeedError
            It does not decode.
        """
        ...
