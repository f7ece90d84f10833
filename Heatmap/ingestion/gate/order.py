"""Gate's liquidation orders, in frames and in REST answers: whose position, how many coins, when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from Heatmap.events import FIRST_PLAUSIBLE_MS, LAST_PLAUSIBLE_MS, LiquidationEvent, Side
from Heatmap.ingestion.contracts import Contracts
from Heatmap.ingestion.frame_values import plausible_ms, positive

if TYPE_CHECKING:
    from Heatmap.ingestion.contracts import ContractSizes

_MS_PER_S: Final = 1000


@dataclass(frozen=True, slots=True)
class Order:
    """A liquidation order as read, unchecked; ``time`` is in ms or s since the epoch."""

    symbol: str
    contracts: float  # negative: sold
    price: float
    time: int


def closing_side(contracts: float) -> Side:
    """Return the side of the order that closed a position: a negative size sold, so a long was liquidated.

    ``size`` of a frame and ``order_size`` of a REST answer have this sign; ``size`` there is the position and has the
    opposite one.
    """
    return Side.SELL if contracts < 0 else Side.BUY


def time_ms(time: int, data: str | bytes) -> int:
    """Return a time in ms since the epoch, given in ms or s: from 2019 to 2100 no number is both.

    Raises `FrameError`.
    """
    is_in_seconds = FIRST_PLAUSIBLE_MS <= time * _MS_PER_S < LAST_PLAUSIBLE_MS
    return time * _MS_PER_S if is_in_seconds else plausible_ms(time, data)


def liquidation(order: Order, sizes: ContractSizes, source: str, data: str | bytes) -> LiquidationEvent:
    """Return the event of an order; `FrameError` with an excerpt of ``data`` if a value cannot be.

    Price and coins are those of the order: frames carry no fill.
    """
    price = positive(order.price, "bad-price", data)
    contracts = Contracts(positive(abs(order.contracts), "bad-qty", data))
    coins = contracts.coins(sizes.of(order.symbol))
    return LiquidationEvent(
        ts_ms=time_ms(order.time, data),
        symbol=order.symbol,
        side=closing_side(order.contracts),
        price=price,
        qty=positive(coins.amount, "bad-qty", data),
        notional=positive(coins.notional(price), "bad-qty", data),
        source=source,
        order_price=price,
    )
