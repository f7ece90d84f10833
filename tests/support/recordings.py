"""Three liquidations, and how recorders and spreadsheets write them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from Heatmap.events import LiquidationEvent, Side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

T = 1_780_000_000_123
ARCHIVE_HEADER = (
    "time,symbol,side,order_type,time_in_force,original_quantity,price,average_price,order_status,last_fill_quantity,"
    "accumulated_fill_quantity"
)
RECORDER_HEADER = (
    "symbol,side,order_type,time_in_force,original_quantity,price,average_price,order_status,"
    "order_last_filled_quantity,order_filled_accumulated_quantity,order_trade_time"
)
CRYPTOFEED_HEADER = "exchange,symbol,side,quantity,price,id,status,timestamp,receipt_timestamp"
CCXT_HEADER = "symbol,contracts,contractSize,price,baseValue,quoteValue,timestamp,datetime,side"
PLAIN_HEADER = "time,symbol,side,price,qty"
TARDIS_HEADER = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"


@dataclass(frozen=True)
class Liquidation:
    """A liquidation as decimal strings, so that nothing is lost between layouts."""

    time_ms: int
    side: str
    price: str  # average fill
    order_price: str
    qty: str  # filled
    order_qty: str
    last_qty: str
    symbol: str = "BTCUSDT"

    def event(self, **changes: Any) -> LiquidationEvent:
        price, qty = float(self.price), float(self.qty)
        values: dict[str, Any] = {
            "ts_ms": self.time_ms, "symbol": self.symbol, "side": Side(self.side), "price": price, "qty": qty,
            "order_price": float(self.order_price), "order_qty": float(self.order_qty),
        } | changes  # fmt: skip
        return LiquidationEvent(notional=values["price"] * values["qty"], **values)

    def order(self) -> dict[str, Any]:
        return {
            "s": self.symbol, "S": self.side, "o": "LIMIT", "f": "IOC", "q": self.order_qty, "p": self.order_price,
            "ap": self.price, "X": "FILLED", "l": self.last_qty, "z": self.qty, "T": self.time_ms,
        }  # fmt: skip

    def frame(self) -> dict[str, Any]:
        return {"e": "forceOrder", "E": self.time_ms + 1003, "o": self.order() | {"ps": self.symbol, "st": 1}}

    def archive(self) -> list[str]:
        return [
            str(self.time_ms), self.symbol, self.side, "LIMIT", "IOC", self.order_qty, self.order_price, self.price,
            "FILLED", self.last_qty, self.qty,
        ]  # fmt: skip

    def recorder(self) -> list[str]:
        return [str(value) for value in self.order().values()]

    def iso(self, form: str = "%Y-%m-%d %H:%M:%S.{ms:03d}") -> str:
        moment = datetime.fromtimestamp(self.time_ms // 1000, UTC)
        return moment.strftime(form).replace("{ms:03d}", f"{self.time_ms % 1000:03d}")


LIQUIDATIONS = (
    Liquidation(T, "SELL", "98000.5", "97650.1", "0.01", "0.011", "0.003"),
    Liquidation(T + 1501, "BUY", "98101.75", "98470.9", "1.5", "1.5", "0.25"),
    Liquidation(T + 3_600_900, "SELL", "97999", "97600", "0.002", "0.002", "0.002"),
)


def frames(ones: Sequence[Liquidation] = LIQUIDATIONS) -> list[dict[str, Any]]:
    return [one.frame() for one in ones]


def lines(values: Iterable[object]) -> str:
    """Return JSON values, one a line."""
    return "".join(json.dumps(value) + "\n" for value in values)


def table(
    header: str | None,
    row: Callable[[Liquidation], Iterable[object]],
    ones: Sequence[Liquidation] = LIQUIDATIONS,
    *,
    delimiter: str = ",",
) -> str:
    """Return a table without quotes; ``header`` is written with commas."""
    rows = [] if header is None else [header.replace(",", delimiter)]
    rows += [delimiter.join(map(str, row(one))) for one in ones]
    return "".join(f"{line}\n" for line in rows)


def plain(one: Liquidation) -> list[object]:
    return [one.time_ms, one.symbol, one.side, one.price, one.qty]


def cryptofeed(one: Liquidation) -> list[object]:
    seconds = f"{one.time_ms // 1000}.{one.time_ms % 1000:03d}"
    return [
        "BINANCE_FUTURES",
        "BTC-USDT-PERP",
        one.side.lower(),
        one.order_qty,
        one.order_price,
        "",
        "filled",
        seconds,
        seconds,
    ]


def ccxt(one: Liquidation) -> list[object]:
    return [
        "BTC/USDT:USDT",
        one.qty,
        1,
        one.price,
        "",
        "",
        one.time_ms,
        one.iso("%Y-%m-%dT%H:%M:%S.{ms:03d}Z"),
        one.side.lower(),
    ]


def tardis(one: Liquidation) -> list[object]:
    return [
        "binance-futures",
        one.symbol,
        f"{one.time_ms}456",
        f"{one.time_ms}999",
        "",
        one.side.lower(),
        one.price,
        one.qty,
    ]


def comma(text: str) -> str:
    return text.replace(".", ",")


def semicolons(one: Liquidation) -> list[object]:
    return [one.time_ms, one.symbol, one.side, comma(one.price), comma(one.qty)]
