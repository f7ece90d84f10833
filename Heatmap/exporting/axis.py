"""Ticks of a time axis and a price axis: positions and labels. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from Heatmap.clock import utc_text

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
DAY_MS: Final = 24 * _HOUR_MS
_TIME_STEPS_MS: Final = (
    _MINUTE_MS, 5 * _MINUTE_MS, 15 * _MINUTE_MS, 30 * _MINUTE_MS, _HOUR_MS, 2 * _HOUR_MS, 4 * _HOUR_MS, 8 * _HOUR_MS,
    DAY_MS, 7 * DAY_MS, 28 * DAY_MS, 91 * DAY_MS, 364 * DAY_MS,
)  # fmt: skip
_NICE: Final = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark on an axis: ``share`` (0 to 1) of the way from its low end, and its label."""

    share: float
    label: str


def time_marks(start_ms: int, end_ms: int, most: int) -> list[Mark]:
    """Return at most ``most`` marks at round times (UTC) within ``[start_ms, end_ms)``; midnight shows its date."""
    span_ms = end_ms - start_ms
    step_ms = next(
        (step for step in _TIME_STEPS_MS if span_ms / step <= most), math.ceil(span_ms / most / DAY_MS) * DAY_MS
    )
    marks = []
    for time_ms in range(-(-start_ms // step_ms) * step_ms, end_ms, step_ms):
        form = "%H:%M" if time_ms % DAY_MS else "%Y-%m-%d" if step_ms > DAY_MS else "%m-%d"
        marks.append(Mark((time_ms - start_ms) / span_ms, utc_text(time_ms, form)))
    return marks[:most]


def price_marks(low: float, high: float, most: int) -> list[Mark]:
    """Return at most ``most`` marks at round prices within ``[low, high]``."""
    raw_step = (high - low) / most
    magnitude = 10.0 ** math.floor(math.log10(raw_step))
    step = next(nice * magnitude for nice in _NICE if nice * magnitude >= raw_step * (1 - 1e-9))
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [
        Mark((index * step - low) / (high - low), f"{index * step:,.{digits}f}") for index in range(first, last + 1)
    ][:most]
