"""One open connection of the demo exchange and its queue of frames."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from websockets.exceptions import ConnectionClosed

from Heatmap.demo.wire import combined

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from websockets.asyncio.server import ServerConnection

    from Heatmap.demo.session import Session

logger = logging.getLogger(__name__)

MAX_PENDING_FRAMES = 100_000
"""Longest queue of a client; a slower one is disconnected, as on the real exchange."""

POLICY_VIOLATION = 1008
ABNORMAL = 1006

_FRAMES_PER_BREATH = 100


class Client:
    """An open WebSocket and its subscriptions; used on the exchange's event loop only."""

    def __init__(self, socket: ServerConnection, session: Session) -> None:
        self.session = session
        self._socket = socket
        self._outbox: asyncio.Queue[tuple[Sequence[str | bytes], int]] = (
            asyncio.Queue()
        )  # frames, and their share of the limit
        self._pending = 0
        self._closing: asyncio.Task[None] | None = None

    def close(self, code: int, reason: str = "") -> None:
        """Begin to close; 1006, which no peer can send, cuts the connection instead."""
        if code == ABNORMAL:
            self._socket.transport.abort()
        elif self._closing is None:
            self._closing = asyncio.create_task(self._socket.close(code, reason))

    def queue_reply(self, text: str) -> None:
        """Queue an answer to a control message, in order with the data."""
        self._outbox.put_nowait(((text,), 0))

    def queue_backlog(self, frames: Sequence[str]) -> None:
        """Queue a recording, which may be longer than `MAX_PENDING_FRAMES`."""
        self._outbox.put_nowait((frames, 0))

    def queue(self, frames: Sequence[str | bytes]) -> None:
        """Queue data; a client too slow for it is disconnected, with a warning in the log."""
        if self._pending + len(frames) > MAX_PENDING_FRAMES:
            logger.warning("a client let %d frames pile up and is disconnected", self._pending)
            self.close(POLICY_VIOLATION, "too slow")
            return
        self._pending += len(frames)
        self._outbox.put_nowait((frames, len(frames)))

    def enveloped(self, stream: str, payloads: Iterable[str]) -> list[str]:
        """Return payloads in the envelope of this connection's route."""
        if self.session.is_combined:
            return [combined(stream, payload) for payload in payloads]
        return list(payloads)

    async def send_forever(self) -> None:
        """Send the queue until the connection closes."""
        with suppress(ConnectionClosed):
            while True:
                frames, weight = await self._outbox.get()
                for count, frame in enumerate(frames, 1):
                    await self._socket.send(frame)
                    if count % _FRAMES_PER_BREATH == 0:
                        await asyncio.sleep(0)  # let other clients run during a long recording
                self._pending -= weight
