"""The ``liquidations`` data set of tardis.dev as CSV (docs.tardis.dev, "Downloadable CSV files").

Times are in microseconds, the price is the average fill, the amount what was filled; ``side`` is ``sell`` where a long
was liquidated. Its ``trades`` have the same columns, but an ``id`` in each row.
"""

from __future__ import annotations

from typing import Final

from Heatmap.errors import RowError
from Heatmap.events import LiquidationEvent, Side
from Heatmap.importing.row import Parsed, coin_of, fields_of, plausible_ms, positive, quoted, side_of, symbol_of, whole

COLUMNS: Final = ("exchange", "symbol", "timestamp", "local_timestamp", "id", "side", "price", "amount")
_SIDES: Final = {"sell": Side.SELL, "buy": Side.BUY}
_USD_M: Final = "binance-futures"
_COIN_M: Final = "binance-delivery"
_US_PER_MS: Final = 1000


def parse(line: bytes | None) -> Parsed:
    """Return the event of a line, or raise `RowError`; the quantity of a COIN-M contract is in contracts."""
    exchange, symbol, time_us, _, trade_id, side, price_text, amount = fields_of(line, len(COLUMNS))
    if exchange not in (_USD_M, _COIN_M):
        raise RowError("other-exchange", f"exchange is {quoted(exchange)}, not {_USD_M} or {_COIN_M}")
    if trade_id:
        raise RowError("trade", "a row with an id is a trade, not a liquidation")
    if (coin_of(symbol_of(symbol)) is None) != (exchange == _USD_M):
        raise RowError("bad-symbol", f"symbol is {quoted(symbol)}, which {exchange} does not have")
    price = positive(price_text, "price", "bad-price")
    qty = positive(amount, "amount", "bad-qty")
    return LiquidationEvent(
        ts_ms=plausible_ms(whole(time_us, "timestamp") // _US_PER_MS, "timestamp"),
        symbol=symbol,
        side=side_of(side, _SIDES),
        price=price,
        qty=qty,
        notional=price * qty,
    )
