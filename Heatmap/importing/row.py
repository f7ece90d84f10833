"""Result of reading one row of a file, and the checks that all formats share; they raise `RowError`.

COIN-M contracts: a BTCUSD contract is worth 100 US dollars, every other 10 (Binance, "Contract Specifications").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import msgspec

from Heatmap.errors import RowError, SettingsError
from Heatmap.events import FIRST_PLAUSIBLE_MS, LAST_PLAUSIBLE_MS, LiquidationEvent, Side, Source, is_amount
from Heatmap.ingestion.addresses import normalise_symbol

_QUOTED_CHARS: Final = 40

# BTCUSD_PERP, ETHUSD_240927; but BTCUSDT_240927 is a USD-M contract with a delivery date.
_COIN_M_SYMBOL: Final = re.compile(r"(?P<coin>\w+)USD_(PERP|[0-9]{6})")
_BTC_CONTRACT_USD: Final = 100.0
_OTHER_CONTRACT_USD: Final = 10.0

COIN_M_REFUSAL: Final = "a COIN-M contract, whose quantities are contracts of dollars and no coins"
"""Why a row that should be of a USD-M contract is refused."""


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A valid row that is not wanted; ``reason`` is a stable word such as ``"other-symbol"``."""

    reason: str


Parsed = LiquidationEvent | SkippedRow


@lru_cache(maxsize=4096)
def coin_of(symbol: str) -> str | None:
    """Return the coin of a COIN-M contract (``"BTC"`` of ``BTCUSD_PERP``), None for any other symbol."""
    found = _COIN_M_SYMBOL.fullmatch(symbol)
    return found["coin"] if found else None


def converted(event: LiquidationEvent, symbol: str) -> LiquidationEvent:
    """Return an event whose ``qty`` and ``order_qty`` are contracts as one in coins and dollars under ``symbol``.

    ``notional`` is contracts × contract size, exactly; quantities are coins at the fill price; the source is COIN-M.
    """
    contract_usd = _BTC_CONTRACT_USD if coin_of(event.symbol) == "BTC" else _OTHER_CONTRACT_USD
    coins_each = contract_usd / event.price
    in_coins = msgspec.structs.replace(
        event,
        symbol=symbol,
        qty=event.qty * coins_each,
        notional=event.qty * contract_usd,
        order_qty=None if event.order_qty is None else event.order_qty * coins_each,
        source=Source.COIN_M,
    )
    return with_plausible_amounts(in_coins)


def with_plausible_amounts(event: LiquidationEvent) -> LiquidationEvent:
    """Return the event if all its numbers can be prices and quantities."""
    amounts = (
        ("the price", "bad-price", event.price), ("the quantity", "bad-qty", event.qty),
        ("price times quantity", "bad-qty", event.notional), ("the order's price", "bad-price", event.order_price),
        ("the order's quantity", "bad-qty", event.order_qty),
    )  # fmt: skip
    for what, kind, number in amounts:
        if number is not None and not is_amount(number):
            raise RowError(kind, f"{what} is {number:g}, which no market has")
    return event


def plausible_ms(time_ms: int, column: str) -> int:
    """Return a time in ms since the epoch from 2019 to 2100; seconds, microseconds and zero lie outside."""
    if not FIRST_PLAUSIBLE_MS <= time_ms < LAST_PLAUSIBLE_MS:
        raise RowError("bad-time", f"{column} is {time_ms}, not milliseconds between 2019 and 2100")
    return time_ms


def side_of(word: str, words: dict[str, Side]) -> Side:
    """Return the side that a file's word stands for."""
    side = words.get(word)
    if side is None:
        raise RowError("bad-side", f"side is {quoted(word)}, not {' or '.join(words)}")
    return side


@lru_cache(maxsize=4096)
def symbol_of(text: str) -> str:
    """Return a symbol, which must be in the exchange's spelling."""
    try:
        symbol = normalise_symbol(text)
    except SettingsError:
        symbol = ""
    if symbol != text or not text:
        raise RowError("bad-symbol", f"symbol is {quoted(text)}, not one like BTCUSDT")
    return symbol


def quoted(value: object) -> str:
    """Return a value as quoted in a refusal: at most 40 characters, with what cannot be printed escaped."""
    text = str(value)
    return repr(text if len(text) <= _QUOTED_CHARS else f"{text[:_QUOTED_CHARS]}…")
