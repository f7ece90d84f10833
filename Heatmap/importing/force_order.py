"""Lines of forceOrder frames as a recorder wrote them, with or without the combined envelope."""

from __future__ import annotations

from Heatmap.errors import FrameError, RowError
from Heatmap.events import LiquidationEvent
from Heatmap.importing.row import COIN_M_REFUSAL, Parsed, SkippedRow, text_of
from Heatmap.ingestion.binance import forceorder


def parse(line: bytes | None, *, keep_raw: bool) -> Parsed:
    """Return the event of a line; other messages of a recording (mark prices, replies) are skipped.

    Parameters
    ----------
    line
        One frame; None for a line that is too long.
    keep_raw
        Keep the frame in its event.

    Raises
    ------
    RowError
        The frame does not decode, or is of a COIN-M contract.
    """
    try:
        message = forceorder.decode(text_of(line).strip(), keep_raw=keep_raw)
    except FrameError as error:
        raise RowError(error.kind, str(error)) from error
    if isinstance(message, LiquidationEvent):
        return message
    reason = message.reason if isinstance(message, forceorder.Ignored) else ""
    if reason == "coin-margined":
        raise RowError(reason, COIN_M_REFUSAL)
    return SkippedRow(reason if reason == "nothing-filled" else "other-message")
