"""One connection to the market streams: the streams that it asks for, and its frames decoded.

Source: developers.binance.com, USD-M futures, "Live Subscribing to streams": a request has an id, its answer names the
id; ten messages a second at most, pings and pongs among them.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Final

from Heatmap.events import LiquidationEvent
from Heatmap.ingestion.binance import endpoints, forceorder
from Heatmap.ingestion.failure import Failure
from Heatmap.ingestion.venue import FeedSession, FrameContent, MarketHeartbeat

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from Heatmap.ingestion.contracts import ContractSizes

_LOG = logging.getLogger(__name__)

REQUEST_BYTES: Final = 3000  # longest list of streams in one request: about 100 streams
ANSWER_TIMEOUT_S: Final = 10.0  # for each request


class BinanceSession(FeedSession):
    """Implements `FeedSession`.

    A short list of streams is in the address as a whole and delivers without a request; the rest of a long one is
    subscribed to by requests.
    """

    def __init__(
        self,
        ws_url: str,
        symbols: Collection[str] | None,
        *,
        source: str,
        keep_raw: bool = False,
        sizes: ContractSizes | None = None,  # noqa: ARG002 - sizes are in coins
    ) -> None:
        streams: Sequence[str] = endpoints.ALL_STREAMS
        if symbols is not None:
            kinds = (endpoints.force_order_stream, endpoints.mark_price_stream)
            streams = [stream(symbol) for symbol in symbols for stream in kinds]
        self.url, further = endpoints.market_socket(ws_url, streams)
        self._all_symbols = symbols is None
        self._source = source
        self._keep_raw = keep_raw
        self._batches = dict(enumerate(_batches(further), start=1))
        self._unsent = list(reversed(self._batches))
        self._asked_s: dict[int, float] = {}  # the requests without an answer

    @property
    def is_subscribed(self) -> bool:
        return not self._unsent and not self._asked_s

    def next_request(self, now_s: float) -> str | None:
        if not self._unsent:
            return None
        request_id = self._unsent.pop()
        self._asked_s[request_id] = now_s
        request = {"method": "SUBSCRIBE", "params": self._batches[request_id], "id": request_id}
        return json.dumps(request, ensure_ascii=False)

    def overdue(self, now_s: float) -> Failure | None:
        late = [request_id for request_id, asked_s in self._asked_s.items() if now_s - asked_s >= ANSWER_TIMEOUT_S]
        if not late:
            return None
        missing = sum(len(self._batches[request_id]) for request_id in late)
        return Failure(
            "unacknowledged",
            f"The exchange has not acknowledged the subscription to {missing} streams within {ANSWER_TIMEOUT_S:.0f} s.",
        )

    def receive(self, data: bytes, received_ms: int) -> FrameContent:
        message = forceorder.decode(data, received_ms=received_ms, source=self._source, keep_raw=self._keep_raw)
        if isinstance(message, LiquidationEvent):
            return FrameContent(events=(message,) if self._is_usable(message.symbol) else ())
        if isinstance(message, MarketHeartbeat):
            return FrameContent(heartbeats=(message,) if self._is_usable(message.symbol) else ())
        if isinstance(message, forceorder.MarketHeartbeats):
            return FrameContent(heartbeats=[beat for beat in message.beats if self._is_usable(beat.symbol)])
        if isinstance(message, forceorder.ControlReply):
            return FrameContent(refusal=self._answered(message))
        return FrameContent(is_closing=message.reason == "serverShutdown")

    def _is_usable(self, symbol: str) -> bool:
        # The streams of all symbols carry COIN-M contracts, too.
        return not (self._all_symbols and forceorder.is_coin_margined(symbol))

    def _answered(self, reply: forceorder.ControlReply) -> Failure | None:
        """Take an answer; a refusal that names no request counts while requests wait for their answers."""
        is_ours = reply.request_id in self._asked_s
        if reply.error_code is None:
            if isinstance(reply.request_id, int):
                self._asked_s.pop(reply.request_id, None)
            return None
        _LOG.warning("the exchange refuses a request (%s): %s", reply.error_code, reply.message)
        if not is_ours and not (reply.request_id is None and self._asked_s):
            return None
        return Failure(
            "refused-subscription",
            f"The exchange refuses to deliver what was asked for (code {reply.error_code}): {reply.message}.",
        )


def _batches(streams: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for stream in streams:
        length = len(stream.encode()) + len('"", ')
        if batch and size + length > REQUEST_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(stream)
        size += length
    if batch:
        yield batch
