"""The tick size of each symbol, from the exchange's rules (``GET /fapi/v1/exchangeInfo``).

The tick changes over the years (BTCUSDT: "0.01" in 2021, "0.10" in 2026). ``pricePrecision`` is not the tick.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from Heatmap.errors import FeedError
from Heatmap.ingestion.addresses import is_symbol
from Heatmap.ingestion.venue import Instruments

TRADING: Final = "TRADING"


class _Filter(msgspec.Struct):
    filterType: str = ""  # noqa: N815 - the exchange's own key
    tickSize: float | None = None  # noqa: N815 - the exchange's own key


class _Symbol(msgspec.Struct):
    symbol: str
    status: str = TRADING
    filters: list[_Filter] = []  # msgspec copies an empty default for each instance


class _Answer(msgspec.Struct):
    symbols: list[_Symbol]


# Only the values needed: the whole answer has megabytes.
_ANSWER = msgspec.json.Decoder(_Answer, strict=False)


def decode(body: bytes | str) -> Instruments:
    """Decode an exchangeInfo answer; one that is none, or lists no symbol, raises `FeedError` ``"bad-json"``."""
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise FeedError(f"expected exchangeInfo: {error}", reason="bad-json") from error
    if not answer.symbols:
        raise FeedError("expected symbols in exchangeInfo, was an empty list", reason="bad-json")
    ticks: dict[str, float] = {}
    broken: set[str] = set()
    entries = [entry for entry in answer.symbols if is_symbol(entry.symbol)]
    for entry in entries:
        tick = next((rule.tickSize for rule in entry.filters if rule.filterType == "PRICE_FILTER"), None)
        if tick is not None and 0.0 < tick < math.inf:
            ticks[entry.symbol] = tick
        else:
            broken.add(entry.symbol)
    traded = tuple(entry.symbol for entry in entries if entry.status == TRADING)
    return Instruments(ticks, frozenset(broken), traded=traded)
