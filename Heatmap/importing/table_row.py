"""Rows of other people's tables, as lists of cells, to events."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import structs

from Heatmap.errors import RowError
from Heatmap.events import LiquidationEvent, Source
from Heatmap.importing.cell import NumberReader, TimeReader, contract_symbol, order_side, position_side
from Heatmap.importing.column_names import (
    NOTIONAL,
    ORDER_PRICE,
    ORDER_QTY,
    POSITION,
    PRICE,
    QTY,
    SIDE,
    SYMBOL,
    TIME,
    Columns,
)
from Heatmap.importing.row import Parsed, SkippedRow, coin_of, quoted, with_plausible_amounts
from Heatmap.ingestion.contracts import Contracts
from Heatmap.ingestion.gate import endpoints as gate_names
from Heatmap.ingestion.okx import endpoints as okx_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from Heatmap.importing.import_filter import ImportOptions

_NOT_ALPHANUMERIC: Final = re.compile(r"[^a-z0-9]+")
_USD_M: Final = frozenset({
    "binance", "binancef", "binancefutures", "binanceusdm", "binanceusdtm", "binanceusdsm", "binanceum",
    "binancelinear", "binanceperp", "binanceperpetual", "binanceswap",
})  # fmt: skip
_COIN_M: Final = frozenset({"binancedelivery", "binancecoinm", "binancecm"})
_OTHER_VENUES: Final = {
    "bybit": Source.BYBIT, "okexswap": Source.OKX, "okex": Source.OKX, "gateiofutures": Source.GATE,
    "gateio": Source.GATE,
}  # fmt: skip
_OWN_NAMES: Final[dict[Source, Callable[[str], str | None]]] = {
    Source.OKX: okx_names.symbol_of, Source.GATE: gate_names.symbol_of,
}  # fmt: skip
_NO_ID: Final = frozenset({"", "None", "nan", "NaN", "null"})


class RowParser:
    """Makes events of the rows of one table; ``symbol`` is that of all rows if they do not name it.

    ``decimal`` is the mark in front of decimals.
    """

    def __init__(self, columns: Columns, options: ImportOptions, symbol: str, decimal: str = ".") -> None:
        at = columns.at.get
        self._columns = columns
        self._suffix = options.symbol_suffix
        self._sizes = options.contract_sizes
        self._symbol = symbol
        self._time_at = columns.at[TIME]
        self._price_at = columns.at[PRICE]
        self._symbol_at = at(SYMBOL)
        self._side_at, self._position_at = at(SIDE), at(POSITION, 0)
        self._qty_at, self._notional_at = at(QTY), at(NOTIONAL, 0)  # the second counts without the first
        self._order_price_at, self._order_qty_at = at(ORDER_PRICE), at(ORDER_QTY)
        self._exchange_at = at("exchange")
        self._id_at = at("id") if columns.is_id_trade else None
        self._time = TimeReader(options.time_unit)
        self._number = NumberReader(decimal)
        self._rows = 0

    def __call__(self, cells: Sequence[str]) -> Parsed:
        """Return the event of a row, quantities as in the file, or raise `RowError`."""
        columns = self._columns
        if len(cells) != columns.count:
            self._check_count(cells)
        exchange = None if self._exchange_at is None else cells[self._exchange_at]
        source = Source.BINANCE if exchange is None else self._source(exchange)
        is_coin_m = _is_coin_m(exchange) if exchange is not None and source is Source.BINANCE else None
        if self._id_at is not None and cells[self._id_at].strip() not in _NO_ID:
            raise RowError("trade", "a row with an id may be a trade; --map says that it is a liquidation")
        qty = None if self._qty_at is None else self._number(cells[self._qty_at], "the quantity", "bad-qty")
        if qty == 0.0:
            return SkippedRow("nothing-filled")
        order_price = self._optional(cells, self._order_price_at, "the order's price", "bad-price")
        price = self._price(cells, order_price)
        if qty is None:
            notional_text = cells[self._notional_at]
            qty = self._number.positive(notional_text, "the notional", "bad-qty") / price
        notional = price * qty
        event = LiquidationEvent(
            ts_ms=self._time(cells[self._time_at]),
            symbol=self._symbol if self._symbol_at is None else self._symbol_of(cells[self._symbol_at], source),
            side=order_side(cells[self._side_at], is_certain=columns.is_side_certain)
            if self._side_at is not None
            else position_side(cells[self._position_at], is_certain=columns.format == "mapped"),
            price=price,
            qty=qty,
            notional=notional,
            source=source,
            order_price=order_price,
            order_qty=self._optional(cells, self._order_qty_at, "the order's quantity", "bad-qty"),
        )
        if source is not Source.BINANCE:
            event = self._as_recorded(event)
        with_plausible_amounts(event)
        if is_coin_m is not None and is_coin_m != (coin_of(event.symbol) is not None):
            raise RowError("bad-symbol", f"symbol is {quoted(event.symbol)}, which that exchange does not have")
        self._rows += 1
        return event

    def _source(self, exchange: str) -> Source:
        """Return whose liquidation a row is, by the name of its exchange.

        Only tardis.dev documents that its sides mean the same for each exchange.
        """
        name = _NOT_ALPHANUMERIC.sub("", exchange.lower())
        return _OTHER_VENUES.get(name, Source.BINANCE) if self._columns.format == "tardis" else Source.BINANCE

    def _symbol_of(self, text: str, source: Source) -> str:
        people_name = _OWN_NAMES.get(source)
        own = None if people_name is None else people_name(text.strip().upper())
        return own if own is not None else contract_symbol(text, self._suffix)

    def _as_recorded(self, event: LiquidationEvent) -> LiquidationEvent:
        """Return another venue's event in coins, with the order's figures that a live recording has."""
        symbol = event.symbol
        if not symbol.endswith("USDT"):
            raise RowError("other-contract", f"{symbol} is no USDT perpetual of {event.source}")
        if event.source == Source.BYBIT:
            return structs.replace(event, order_price=event.price, order_qty=event.qty)
        size = self._sizes.get(symbol)
        if size is None:
            raise RowError(
                "unknown-contract",
                f"{event.source} reports {symbol} in contracts; --contract-size {symbol}=COINS says how large one is",
            )
        coins = Contracts(event.qty).coins(size)
        return structs.replace(event, qty=coins.amount, notional=coins.notional(event.price), order_price=event.price)

    def notes(self) -> tuple[str, ...]:
        """Return what was assumed, and what the owner must know about the figures, each a clause."""
        if not self._rows:
            return ()
        notes = list(self._columns.notes)
        if self._time.is_zoneless:
            notes.insert(0, "times have no zone and were taken as UTC")
        if self._time.is_whole_seconds:
            notes.append("times are whole seconds: what was recorded live as well is stored twice")
        if not self._columns.names_exchange:
            notes.append("the file names no exchange and was taken as liquidations of Binance USD-M")
        return tuple(notes)

    def _check_count(self, cells: Sequence[str]) -> None:
        count, columns = len(cells), self._columns
        if count > columns.count and (columns.may_be_longer or not any(cells[columns.count :])):
            return
        raise RowError("bad-columns", f"{count} columns instead of {columns.count}")

    def _price(self, cells: Sequence[str], order_price: float | None) -> float:
        text = cells[self._price_at]
        if order_price is None:
            return self._number.positive(text, "the price", "bad-price")
        # An order without an average price counts at its own.
        return self._number(text, "the average price", "bad-price") or order_price

    def _optional(self, cells: Sequence[str], index: int | None, column: str, kind: str) -> float | None:
        if index is None or not cells[index].strip():
            return None
        return self._number.positive(cells[index], column, kind)


def _is_coin_m(exchange: str) -> bool | None:
    """Return whether an exchange has COIN-M or USD-M contracts, None if its name does not say it."""
    name = _NOT_ALPHANUMERIC.sub("", exchange.lower())
    if name not in _USD_M and name not in _COIN_M:
        raise RowError("other-exchange", f"exchange is {quoted(exchange)}, not Binance's futures")
    return None if name == "binance" else name in _COIN_M
