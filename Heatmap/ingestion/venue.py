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
    from collections.abc import Callable, Collection, Mapping, Sequence

    from Heatmap.candle import Candle
    from Heatmap.errors import FrameError, RestError
    from Heatmap.events import LiquidationEvent
    from Heatmap.ingestion.contracts import ContractSize, ContractSizes
    from Heatmap.ingestion.failure import Failure

ROTATE_AFTER_S: Final = 23 * 3600.0


@dataclass(frozen=True, slots=True)
class ConnectionPolicy:
    """A venue's limits, and the times by which a connection to it is judged; see `Heatmap.ingestion.liveness`."""

    symbols_per_connection: int
    max_frame_bytes: int = 512 * 1024  # longest message that is read
    silent_after_s: float = SILENT_AFTER_S
    quiet_after_s: float = QUIET_AFTER_S
    rotate_after_s: float = ROTATE_AFTER_S  # when the next connection replaces one: many exchanges end each after 24 h
    push_delay_ms: int = 2000  # longest from a liquidation to its push: a heartbeat covers what happened before that
    max_handover_ms: int = 3000  # longest from one connection's last heartbeat to the next one's first that is no gap
    request_pause_s: float = 0.25  # after each request
    keep_alive: str = ""  # text message that the venue expects every `keep_alive_s`; "" if it needs none
    keep_alive_s: float = 20.0
    headers: Mapping[str, str] = field(default_factory=dict)  # of the handshake, and of requests for a back-fill


@dataclass(frozen=True, slots=True)
class MarketHeartbeat:
    """Market data, the proof that the connection delivers ``symbol``; ``event_ms`` is its push time by the exchange."""

    symbol: str
    event_ms: int


@dataclass(frozen=True, slots=True)
class FrameContent:
    """The decoded content of one frame; all defaults for a frame that carries nothing for us."""

    # In order; the caller drops symbols that nobody asked for.
    events: Sequence[LiquidationEvent] = ()
    heartbeats: Sequence[MarketHeartbeat] = ()
    faults: Sequence[FrameError] = ()  # parts of a batch that do not decode; the others are above
    refusal: Failure | None = None  # a request was refused: the connection is of no use
    is_closing: bool = False  # the venue announces that it will close the connection


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
    """A venue's list of symbols, in people's spelling.

    Attributes
    ----------
    tick_sizes
        Smallest price step by symbol, in quote currency.
    broken
        Symbols that are listed without a usable one.
    contract_sizes
        Coins of one contract by symbol; a venue that reports sizes in coins needs none.
    traded
        Symbols that are traded at present; empty for a venue that lists only those.
    more
        What to append to the address of the list for its next page; "" if this is the last one.
    """

    tick_sizes: dict[str, float] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()
    contract_sizes: dict[str, ContractSize] = field(default_factory=dict)
    traded: tuple[str, ...] = ()
    more: str = ""

    def with_page(self, page: Instruments) -> Instruments:
        """Return this list and its next page as one."""
        return Instruments(
            self.tick_sizes | page.tick_sizes,
            self.broken | page.broken,
            self.contract_sizes | page.contract_sizes,
            self.traded + page.traded,
            page.more,
        )

    def tick_size(self, symbol: str) -> float:
        """Return the tick size of ``symbol``, in quote currency.

        Raises `FeedError` if it is not listed (``reason`` ``"unknown-symbol"``) or has no usable one (``"bad-tick"``).
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
    """A venue's candles; the decoders raise `FrameError`."""

    max_rows: int  # of one REST answer
    # (ws_url, symbol, interval) → address of the stream, and the messages that subscribe to it
    stream: Callable[[str, str, str], tuple[str, Sequence[str]]]
    # (rest_url, symbol, interval, (start_ms, end_ms, limit)) → address of the candles that open in [start_ms, end_ms];
    # with start_ms None, of the last ``limit`` ones that open until end_ms; without a range, of the newest one
    history_url: Callable[[str, str, str, tuple[int | None, int, int] | None], str]
    decode_update: Callable[[str | bytes], CandleUpdate | None]  # None for a message of another kind
    decode_history: Callable[[bytes, int], list[Candle]]  # (body, now_ms) → candles, closed if they end before
    is_unknown_symbol: Callable[[RestError], bool]  # True for the error of a symbol that is not listed


@dataclass(frozen=True, slots=True)
class BackFillPage:
    """The decoded answer to a request for past liquidations.

    ``is_complete`` is False if the exchange may have left out some: then the same time is asked for in two parts.
    """

    events: Sequence[LiquidationEvent]  # in whole seconds, without a receive time
    faults: Sequence[FrameError] = ()  # parts that do not decode; the others are above
    is_complete: bool = True


@dataclass(frozen=True, slots=True)
class BackFill:
    """A venue's history of liquidations, to fill gaps of the record with; see `Heatmap.gap_filler`."""

    window_s: int  # longest time of a request, in seconds
    # (rest_url, symbol or None for all, first_s, last_s) → address of the orders of these seconds, both included
    url: Callable[[str, str | None, int, int], str]
    # (body, symbols, sizes, source) → the orders of these symbols, or a `FrameError`
    decode: Callable[[bytes, Collection[str], ContractSizes, str], BackFillPage]


class SessionFactory(Protocol):
    """Makes the protocol of one new connection; a bad address or too many symbols raise `SettingsError`."""

    def __call__(
        self,
        ws_url: str,
        symbols: Collection[str] | None,
        /,
        *,
        source: str,
        keep_raw: bool = False,
        sizes: ContractSizes,
    ) -> FeedSession:
        """``symbols`` None: all that the venue lists. ``source``, ``keep_raw``: what events are marked as and carry.

        ``sizes`` are known before the session is used if the venue counts contracts, and may change.
        """
        ...


@dataclass(frozen=True, slots=True)
class Venue:
    """An exchange as the recorder uses it."""

    name: str
    policy: ConnectionPolicy
    session: SessionFactory
    # (ws_url, rest_url) as given, None for the real exchange → both without a route, or SettingsError
    base_urls: Callable[[str | None, str | None], tuple[str, str]]
    normalise_symbol: Callable[[str], str]  # as typed → as the venue spells it, or SettingsError
    instruments_url: Callable[[str], str]  # base address of REST → address of the list of symbols
    decode_instruments: Callable[[bytes], Instruments]  # raises FeedError
    candles: CandleApi
    counts_contracts: bool = False  # sizes are in contracts: nothing is read before its instruments are known
    has_stream_of_all: bool = True  # False: to record all symbols, those with a contract size are asked for by name
    back_fill: BackFill | None = None
