"""One open connection of the demo exchange and the frames that wait for it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from websockets.asyncio.server import ServerConnection

    from Heatmap.demo.session import Session

logger = logging.getLogger(__name__)

# A client that reads slower than this is thrown out, as on the real exchange; nothing is dropped unseen.
MAX_PENDING_FRAMES = 100_000

POLICY_VIOLATION = 1008
ABNORMAL = 1006

_FRAMES_PER_BREATH = 100


@dataclass(frozen=True, slots=True)
class _Batch:
    """Frames in order; replies are no data, and a backlog (``weight`` 0) does not count as piled up."""

    frames: Sequence[str | bytes]
    is_data: bool
    weight: int = 0


class Client:
    """A connection with its subscriptions; lives on the exchange's event loop.

    Parameters
    ----------
    socket
        The open WebSocket.
    session
        Its subscriptions.
    """

    def __init__(self, socket: ServerConnection, session: Session) -> None:
        self.session = session
        self._socket = socket
        self._outbox: asyncio.Queue[_Batch] = asyncio.Queue()
        self._pending = 0
        self._closing: asyncio.Task[None] | None = None

    def close(self, code: int, reason: str = "") -> None:
        """Begin to close; 1006, which no peer can send, cuts the connection instead."""
        if code == ABNORMAL:
            self._socket.transport.abort()
        elif self._closing is None:
            self._closing = asyncio.create_task(self._socket.close(code, reason))

    def queue_reply(self, text: str) -> None:
        """Queue an answer to a control message; it keeps its place among the data."""
        self._outbox.put_nowait(_Batch((text,), is_data=False))

    def queue_backlog(self, frames: Sequence[str]) -> None:
        """Queue a recording, which may be longer than what a client is allowed to let pile up."""
        self._outbox.put_nowait(_Batch(frames, is_data=True))

    def queue(self, frames: Sequence[str | bytes]) -> None:
        """Queue data; a client too slow for it is disconnected, with a warning in the log."""
        if self._pending + len(frames) > MAX_PENDING_FRAMES:
            logger.warning("a client let %d frames pile up and is disconnected", self._pending)
            self.close(POLICY_VIOLATION, "too slow")
            return
        self._pending += len(frames)
        self._outbox.put_nowait(_Batch(frames, is_data=True, weight=len(frames)))

    async def send_forever(self, on_sent: Callable[[], None]) -> None:
        """Send what is queued until the connection closes; ``on_sent`` is called after each data frame."""
        try:
            while True:
                batch = await self._outbox.get()
                for count, frame in enumerate(batch.frames, 1):
                    await self._socket.send(frame)
                    if batch.is_data:
                        on_sent()
                    if count % _FRAMES_PER_BREATH == 0:
                        await asyncio.sleep(0)  # a long recording must not keep the others waiting
                self._pending -= batch.weight
        except ConnectionClosed:
            return
