"""Values of frames that every venue checks in the same way; whatever is wrong is a `FrameError`."""

from __future__ import annotations

import math

from Heatmap.errors import FrameError
from Heatmap.events import FIRST_PLAUSIBLE_MS, LAST_PLAUSIBLE_MS

_EXCERPT_CHARS = 200


def positive(number: float | None, kind: str, data: str | bytes) -> float:
    """Return a number that is finite and above 0; else raise a `FrameError` of this kind."""
    if number is None or not 0.0 < number < math.inf:
        raise refusal(kind, f"expected a finite number above 0, was {number}", data)
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
