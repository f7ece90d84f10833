"""Candles that cannot be are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from Heatmap.candle import Candle, is_sound

SOUND = Candle(1_790_000_000_000, 1.0, 2.0, 0.5, 1.5, 10.0, 1_790_000_059_999, closed=True)
NAN, INFINITE = float("nan"), float("inf")


def test_a_candle_is_sound():
    assert is_sound(SOUND)


@pytest.mark.parametrize(
    "changes",
    [
        *({name: NAN} for name in ("open", "high", "low", "close", "volume")),
        *({name: INFINITE} for name in ("open", "high", "close", "volume")),
        {"low": 0.0}, {"low": 1.2}, {"high": 1.2}, {"volume": -1.0}, {"close_ms": SOUND.open_ms - 1}, {"open_ms": 0},
        {"open_ms": 10**15, "close_ms": 10**15 + 59_999},
    ],
)  # fmt: skip
def test_what_cannot_be_is_not(changes):
    assert not is_sound(replace(SOUND, **changes))
