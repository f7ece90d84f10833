"""The tick size of each symbol, from the exchange's rules (``GET /fapi/v1/exchangeInfo``).

The tick changes over the years (BTCUSDT: "0.01" in 2021, "0.10" in 2026). ``pricePrecision`` is not the tick.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, field

import msgspec

from Heatmap.errors import FeedError


@dataclass(frozen=True, slots=True)
class ExchangeInfo:
    """What the exchange says about its symbols.

    Attributes
    ----------
    tick_sizes
        Smallest price step by symbol, in quote currency. Symbols without a usable one are in ``broken``.
    broken
        Symbols that the exchange lists without a usable tick size.
    """

    tick_sizes: dict[str, float] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()

    def tick_size(self, symbol: str) -> float:
        """Return the tick size of ``symbol``, in quote currency.

        Raises
        ------
        FeedError
            The exchange does not list the symbol (``reason`` is ``"unknown-symbol"``), or lists it without a
            usable tick size (``"bad-tick"``).
        """
        tick = self.tick_sizes.get(symbol)
        if tick is not None:
            return tick
        if symbol in self.broken:
            raise FeedError(f"The exchange names no tick size for {symbol}.", reason="bad-tick")
        near = difflib.get_close_matches(symbol, self.tick_sizes, n=1, cutoff=0.75)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise FeedError(f"The exchange has no symbol {symbol}.{hint}", reason="unknown-symbol")


class _Filter(msgspec.Struct):
    filterType: str = ""  # noqa: N815 - the exchange's own key
    tickSize: float | None = None  # noqa: N815 - the exchange's own key


class _Symbol(msgspec.Struct):
    symbol: str
    filters: list[_Filter] = []  # msgspec copies an empty default for each instance


class _Answer(msgspec.Struct):
    symbols: list[_Symbol]


# Decoding only the two values needed keeps megabytes of rules out of the collector's memory.
_ANSWER = msgspec.json.Decoder(_Answer, strict=False)


def decode(body: bytes | str) -> ExchangeInfo:
    """Return what an exchangeInfo answer says.

    Raises
    ------
    FeedError
        The answer is not exchangeInfo, or lists no symbol; ``reason`` is ``"bad-json"``.
    """
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise FeedError(f"expected exchangeInfo: {error}", reason="bad-json") from error
    if not answer.symbols:
        raise FeedError("expected symbols in exchangeInfo, was an empty list", reason="bad-json")
    ticks: dict[str, float] = {}
    broken: set[str] = set()
    for entry in answer.symbols:
        tick = next((rule.tickSize for rule in entry.filters if rule.filterType == "PRICE_FILTER"), None)
        if tick is not None and 0.0 < tick < math.inf:
            ticks[entry.symbol] = tick
        else:
            broken.add(entry.symbol)
    return ExchangeInfo(ticks, frozenset(broken))
