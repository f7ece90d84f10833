"""COIN-M contracts: recognition by symbol, and conversion of their quantities to coins and dollars.

Source: Binance COIN-M futures, "Contract Specifications": a BTCUSD contract is worth 100 US dollars, every other 10.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from Heatmap.events import Source

if TYPE_CHECKING:
    from Heatmap.events import LiquidationEvent

# BTCUSD_PERP, ETHUSD_240927; but BTCUSDT_240927 is a USD-M contract with a delivery date.
_SYMBOL: Final = re.compile(r"(?P<coin>\w+)USD_(PERP|[0-9]{6})")
_BTC_CONTRACT_USD: Final = 100.0
_OTHER_CONTRACT_USD: Final = 10.0


@lru_cache(maxsize=4096)
def coin_of(symbol: str) -> str | None:
    """Return the coin of a COIN-M contract (``"BTC"`` of ``BTCUSD_PERP``), None for any other symbol."""
    found = _SYMBOL.fullmatch(symbol)
    return found["coin"] if found else None


def converted(event: LiquidationEvent, symbol: str) -> LiquidationEvent:
    """Return an event whose ``qty`` and ``order_qty`` are contracts as one in coins and dollars under ``symbol``.

    ``notional`` is contracts × contract size, exactly; quantities are coins at the fill price; the source is COIN-M.
    """
    contract_usd = _BTC_CONTRACT_USD if coin_of(event.symbol) == "BTC" else _OTHER_CONTRACT_USD
    coins_each = contract_usd / event.price
    return msgspec.structs.replace(
        event,
        symbol=symbol,
        qty=event.qty * coins_each,
        notional=event.qty * contract_usd,
        order_qty=None if event.order_qty is None else event.order_qty * coins_each,
        source=Source.COIN_M,
    )
