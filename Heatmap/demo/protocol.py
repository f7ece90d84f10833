"""The seam between the demo server and a venue's protocol: what a module of one venue provides, without I/O."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from Heatmap.clock import SYSTEM_CLOCK, Clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from http import HTTPStatus

    from Heatmap.demo.instrument import Instrument
    from Heatmap.demo.market import Market


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, JSON body, headers beyond the usual ones."""

    status: HTTPStatus
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stream:
    """A subscription that carries data; ``kind`` is the protocol's own word for it.

    ``symbol`` is in people's spelling, "" for a stream of all; ``interval`` is "" except for candles.
    """

    name: str  # as the venue spells it
    kind: str
    symbol: str = ""
    interval: str = ""
    carries_liquidations: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What the venue answers to a client's message, and the streams that it newly delivers because of it."""

    texts: tuple[str, ...] = ()
    added: tuple[Stream, ...] = ()


class RefusedConnectionError(ValueError):
    """A connection that is accepted, then closed at once with the text of this error as the reason."""


class Session(ABC):
    """One client's connection: its subscriptions, and the answers to its messages."""

    @property
    @abstractmethod
    def streams(self) -> Sequence[Stream]:
        """The streams to push, in order of subscription."""

    @abstractmethod
    def receive(self, message: str | bytes) -> Reply:
        """Take a client's message, whatever it is."""

    def is_too_fast(self, now_s: float) -> bool:  # noqa: ARG002 - for those who override it
        """Note a client's message at a monotonic time; return True if it is one too many."""
        return False

    def framed(self, stream: Stream, payloads: Iterable[str]) -> list[str]:  # noqa: ARG002 - as above
        """Return the payloads of a stream as the messages of this connection."""
        return list(payloads)


class VenueProtocol(ABC):
    """What a venue says about a market: WebSocket sessions, pushed data, REST.

    ``more_symbols`` are traded besides the market's own, at its prices and with its liquidations. Everything here and
    in the sessions runs on the server's event loop, and REST answers on the same.
    """

    max_url_chars: int = 8_000
    """Longest address of a connection; beyond it the server answers HTTP 414."""

    def __init__(self, market: Market, *, more_symbols: Iterable[str] = (), clock: Clock = SYSTEM_CLOCK) -> None:
        self.market = market
        self.clock = clock
        symbols = (market.instrument.symbol, *more_symbols)
        self.instruments: dict[str, Instrument] = {
            symbol: replace(market.instrument, symbol=symbol) for symbol in symbols
        }

    @abstractmethod
    def open_session(self, target: str) -> Session | None:
        """Return the session of a connection to a path and query; None: no such route.

        Raises `RefusedConnectionError`.
        """

    @abstractmethod
    def payloads(self, stream: Stream, after_ms: int, now_ms: int) -> list[str]:
        """Return what a stream is due in ``(after_ms, now_ms]``, in order; the same for each of its subscribers."""

    def backlog(self, stream: Stream) -> Sequence[str]:  # noqa: ARG002 - for those who override it
        """Return what a new subscriber of a stream gets at once."""
        return ()

    @abstractmethod
    def answer(self, target: str) -> Answer:
        """Return the answer to a GET request."""
