"""The streams that one connection asks for by messages: what is sent, and what must come back. Without I/O.

Source: developers.binance.com, USD-M futures, "Live Subscribing to streams": a request has an id, its answer names the
id; ten messages a second at most, pings and pongs among them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from Heatmap.ingestion.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from Heatmap.ingestion.binance.forceorder import ControlReply

MESSAGE_BYTES: Final = 3000
"""Longest list of streams in one request, in bytes: about 100 streams."""

PAUSE_S: Final = 0.25
"""Seconds between two requests: four a second leave room for pings and pongs."""

PATIENCE_S: Final = 10.0
"""Seconds within which each request must be answered."""


class Subscription:
    """The requests of one connection and their answers; times are monotonic seconds.

    Parameters
    ----------
    streams
        What the address of the connection does not name already.
    """

    def __init__(self, streams: Sequence[str]) -> None:
        self._batches = dict(enumerate(_batches(streams), start=1))
        self._asked_s: dict[int, float] = {}
        self._accepted: set[int] = set()

    @property
    def is_complete(self) -> bool:
        """True if every request was sent and accepted."""
        return len(self._accepted) == len(self._batches)

    def requests(self) -> Iterator[tuple[int, str]]:
        """Yield ``(id, message)`` of each request, in order."""
        for request_id, names in self._batches.items():
            request = {"method": "SUBSCRIBE", "params": names, "id": request_id}
            yield request_id, json.dumps(request, ensure_ascii=False)

    def sent(self, request_id: int, now_s: float) -> None:
        """Note that a request is sent; before it is, for the answer may be read while the sending waits."""
        self._asked_s[request_id] = now_s

    def answered(self, reply: ControlReply) -> Failure | None:
        """Take an answer; return why the connection is of no use, None if it is.

        A refusal that names no request counts while requests are waiting for their answers.
        """
        is_ours = reply.request_id in self._asked_s
        if reply.error_code is None:
            if is_ours and isinstance(reply.request_id, int):
                del self._asked_s[reply.request_id]
                self._accepted.add(reply.request_id)
            return None
        if not is_ours and not (reply.request_id is None and self._asked_s):
            return None
        return Failure(
            "refused-subscription",
            f"The exchange refuses to deliver what was asked for (code {reply.error_code}): {reply.message}.",
        )

    def overdue(self, now_s: float) -> Failure | None:
        """Return why the connection is of no use: an answer has not come in time. None if all have, or still may."""
        late = [request_id for request_id, asked_s in self._asked_s.items() if now_s - asked_s >= PATIENCE_S]
        if not late:
            return None
        missing = sum(len(self._batches[request_id]) for request_id in late)
        return Failure(
            "unacknowledged",
            f"The exchange has not acknowledged the subscription to {missing} streams within {PATIENCE_S:.0f} s.",
        )


def _batches(streams: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for stream in streams:
        length = len(stream.encode()) + len('"", ')
        if batch and size + length > MESSAGE_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(stream)
        size += length
    if batch:
        yield batch
