"""Lines of forceOrder frames as a recorder wrote them, with or without the combined envelope."""

from __future__ import annotations

from Heatmap.errors import FrameError, RowError
from Heatmap.events import LiquidationEvent
from Heatmap.importing.row import COIN_M_FRAME, Aside, Parsed, text_of
from Heatmap.ingestion.binance import forceorder


class FrameParser:
    """Reads the frames of a file by the feed's own codec.

    Parameters
    ----------
    keep_raw
        Keep each frame in its event.
    """

    def __init__(self, *, keep_raw: bool) -> None:
        self._keep_raw = keep_raw

    def __call__(self, line: bytes | None) -> Parsed:
        """Return what a line says; other messages of a recording (mark prices, replies) are set aside.

        Raises
        ------
        RowError
            The frame does not decode, or is of a COIN-M contract.
        """
        try:
            message = forceorder.decode(text_of(line).strip(), keep_raw=self._keep_raw)
        except FrameError as error:
            raise RowError(error.kind, str(error)) from error
        if isinstance(message, LiquidationEvent):
            return message
        if isinstance(message, forceorder.Ignored):
            if message.reason == "coin-margined":
                raise RowError("coin-margined", COIN_M_FRAME)
            return Aside("nothing-filled" if message.reason == "nothing-filled" else "other-message")
        return Aside("other-message")
