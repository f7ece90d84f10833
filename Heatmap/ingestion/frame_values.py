"""Values of frames that every venue checks in the same way; whatever is wrong is a `FrameError`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from Heatmap.errors import FrameError
from Heatmap.events import FIRST_PLAUSIBLE_MS, LAST_PLAUSIBLE_MS, MOST_AMOUNT, is_amount

if TYPE_CHECKING:
    from collections.abc import Iterable

    from Heatmap.events import LiquidationEvent

_EXCERPT_CHARS = 200


def positive(number: float | None, kind: str, data: str | bytes) -> float:
    """Return a number that can be a price or a quantity; else raise a `FrameError` of this kind."""
    if number is None or not is_amount(number):
        raise refusal(kind, f"expected a number above 0 and below {MOST_AMOUNT:g}, was {number}", data)
    return number


def plausible_ms(time_ms: int, data: str | bytes) -> int:
    """Return a time in ms since the epoch that can be; else raise a `FrameError` ``"bad-time"``."""
    if not FIRST_PLAUSIBLE_MS <= time_ms < LAST_PLAUSIBLE_MS:
        raise refusal("bad-time", f"expected milliseconds between 2019 and 2100, was {time_ms}", data)
    return time_ms


def frame_text(data: str | bytes) -> str:
    """Return a frame as text."""
    return data if isinstance(data, str) else data.decode("utf-8", "replace")


def refusal(kind: str, message: str, data: str | bytes) -> FrameError:
    """Return the error to raise for a frame."""
    return FrameError(message, kind=kind, excerpt=frame_text(data[:_EXCERPT_CHARS]))


def told_apart(events: Iterable[LiquidationEvent]) -> list[LiquidationEvent]:
    """Return the events of one frame, equal ones a millisecond apart.

    A venue that reports every order gives no id: two that are equal in all that is stored would be one row. The same
    frame on another connection gives the same times, so that it is still stored once.
    """
    taken: set[tuple[object, ...]] = set()
    apart = []
    for event in events:
        ts_ms = event.ts_ms
        while (key := (ts_ms, event.symbol, event.side, event.price, event.qty)) in taken:
            ts_ms += 1
        taken.add(key)
        apart.append(event if ts_ms == event.ts_ms else structs.replace(event, ts_ms=ts_ms))
    return apart
