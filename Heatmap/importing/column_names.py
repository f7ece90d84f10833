"""Columns of other people's tables: which of them are time, side, price and quantity, by name, by form, or as told.

Names are those of Binance's archive and of its REST and stream interfaces, of tardis.dev, cryptofeed and ccxt, and what
recorders commonly write. Where the meaning of a table is not certain, it is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from Heatmap.errors import RecordFileError, RowError, SettingsError
from Heatmap.importing.cell import TimeReader, contract_symbol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TIME: Final = "time"
SIDE: Final = "side"  # of the order: SELL closed a long
POSITION: Final = "position"  # that was liquidated, LONG or SHORT
PRICE: Final = "price"  # to paint at
QTY: Final = "qty"  # filled
SYMBOL: Final = "symbol"
NOTIONAL: Final = "notional"  # in quote currency; used where there is no quantity
ORDER_PRICE: Final = "order_price"
ORDER_QTY: Final = "order_qty"
MAP_FIELDS: Final = (TIME, SIDE, POSITION, PRICE, QTY, SYMBOL, NOTIONAL, ORDER_PRICE, ORDER_QTY)
"""What ``--map`` can name."""
# Found by name only.
_EXCHANGE: Final = "exchange"
_ID: Final = "id"
_LAST_QTY: Final = "last_qty"
_ARRIVAL: Final = "arrival"
_TRADE_MARK: Final = "trade_mark"

# In order of preference where a table has several. One or two letters are keys of a forceOrder frame, in their case.
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    TIME: (
        "T", "ordertradetime", "tradetime", "transacttime", "transactiontime", "time", "timestamp", "ts", "timems",
        "timestampms", "tsms", "timeus", "timestampus", "tsus", "timens", "timestampns", "tsns", "unixtime",
        "unixtimestamp", "unix", "unixms", "epoch", "epochms", "datetime", "dateutc", "timeutc", "timestamputc",
        "datetimeutc", "utctime", "utc", "date",
    ),
    _ARRIVAL: (
        "E", "eventtime", "eventtimestamp", "eventms", "eventts", "receipttimestamp", "receivedat", "received",
        "receivedms", "receivedtime", "recvtime", "recvts", "tsrecv", "localtimestamp", "localts", "localtime",
        "createdat", "insertedat", "loggedat", "collectedat",
    ),
    SIDE: ("S", "side", "orderside"),
    POSITION: (
        "positionside", "posside", "position", "liquidatedside", "liquidatedposition", "liquidationside", "liqside",
        "islong",
    ),
    PRICE: (
        "ap", "averageprice", "avgprice", "avgpx", "average", "averagefillprice", "avgfillprice", "fillprice",
        "filledprice", "executedprice", "executionprice",
    ),
    ORDER_PRICE: ("p", "price", "px", "orderprice", "limitprice", "originalprice", "bankruptcyprice"),
    # One of them is misspelt in a recorder that many use.
    QTY: (
        "z", "accumulatedfillquantity", "accumulatedfilledquantity", "orderfilledaccumulatedquantity",
        "orderfilledaccumalatedquantity", "filledaccumulatedquantity", "filledquantity", "filledqty", "executedqty",
        "executedquantity", "cumqty", "filled",
    ),
    ORDER_QTY: (
        "q", "originalquantity", "originalqty", "origqty", "orderqty", "orderquantity", "quantity", "qty", "amount",
        "size", "baseqty", "basequantity", "contracts",
    ),
    _LAST_QTY: (
        "l", "lastfillquantity", "lastfilledquantity", "orderlastfilledquantity", "lastfilledqty", "lastqty",
    ),
    SYMBOL: ("s", "symbol", "pair", "market", "instrument", "ticker", "contract", "coin", "asset", "base"),
    NOTIONAL: (
        "notional", "notionalusd", "notionalvalue", "usdsize", "sizeusd", "usdvalue", "valueusd", "amountusd", "usd",
        "quoteqty", "quotequantity", "quotevalue",
    ),
    _EXCHANGE: ("exchange", "exch", "venue", "feed"),
    _ID: ("id", "tradeid"),
    _TRADE_MARK: (
        "fee", "fees", "feecoin", "commission", "commissionasset", "realizedprofit", "realizedpnl", "pnl",
        "isbuyermaker", "ismaker", "maker", "takerormaker", "aggtradeid", "orderid", "orderno", "clientorderid",
        "tickdirection", "trdmatchid", "role",
    ),
}  # fmt: skip
_FIELD_OF: Final = {name: field for field, names in _NAMES.items() for name in names}
_SHORT_NAME: Final = 2
_JUNK: Final = re.compile(r"[^0-9a-z]+")
# Names that mean a price or a quantity without saying of what.
_PLAIN_NAMES: Final = frozenset({
    "price", "px", "quantity", "qty", "amount", "size", "baseqty", "basequantity", "contracts",
})  # fmt: skip
_LIQUIDATION_FIELDS: Final = frozenset({PRICE, QTY, _LAST_QTY})

ARCHIVE_COLUMNS: Final = (
    "time", "side", "order_type", "time_in_force", "original_quantity", "price", "average_price", "order_status",
    "last_fill_quantity", "accumulated_fill_quantity",
)  # fmt: skip
"""Columns of Binance's daily archive ``liquidationSnapshot`` for COIN-M; for USD-M ``symbol`` follows the time."""
ARCHIVE_COLUMNS_WITH_SYMBOL: Final = (ARCHIVE_COLUMNS[0], "symbol", *ARCHIVE_COLUMNS[1:])
TARDIS_COLUMNS: Final = ("exchange", "symbol", "timestamp", "local_timestamp", "id", "side", "price", "amount")
"""Columns of the ``liquidations`` of tardis.dev: the price is the average fill. Trades have them too, with an id."""
FORCE_ORDER_COLUMNS: Final = ("s", "S", "o", "f", "q", "p", "ap", "X", "l", "z", "T")
"""Keys of the order in a forceOrder frame in the exchange's order, as recorders write its values into a CSV.

Some append the notional; since 2026 the exchange's frames end with ``ps`` and ``st``.
"""
_CRYPTOFEED: Final = frozenset({"exchange", "symbol", "side", "quantity", "price", "id", "status", "timestamp"})
_CCXT: Final = frozenset({"symbol", "contracts", "contractsize", "price", "timestamp", "datetime"})
_ORDER_TYPES: Final = frozenset({"LIMIT", "MARKET"})
_SIDE_WORDS: Final = frozenset({"SELL", "BUY"})

ORDER_PRICE_NOTE: Final = (
    "prices are those of the orders (for BTC 0.25 to 0.45 % from the market), for the file has no average price"
)
CRYPTOFEED_NOTE: Final = (
    "times are those of the push, up to about a second after the trade, and quantities those ordered"
)
CCXT_NOTE: Final = "quantities are those of the last fill, which may be a part"


@dataclass(frozen=True, slots=True)
class Columns:
    """Index of the column of each field, from 0, and what is certain about their meaning."""

    at: Mapping[str, int]
    count: int  # number of columns in a row
    format: str  # a stable word
    counts_contracts: bool = False  # COIN-M quantities are contracts
    is_side_certain: bool = False  # the side's words are known to mean the order, or the position
    may_be_longer: bool = False  # rows may have more columns
    is_id_trade: bool = False  # a row with an id is a trade
    names_exchange: bool = True  # the file, its layout or the user says that it is of Binance
    notes: tuple[str, ...] = ()  # what an owner must know about the figures


def columns_by_name(names: Sequence[str]) -> Columns | None:
    """Return the columns by a header, None if it is none.

    Raises `RecordFileError` if the names are known and their meaning is not certain or something is missing.
    """
    keys = [_key(name) for name in names]
    fields: dict[str, list[tuple[int, int]]] = {}
    for index, key in enumerate(keys):
        if (field := _FIELD_OF.get(key)) is not None:
            fields.setdefault(field, []).append((_NAMES[field].index(key), index))
    if not _is_header(fields):
        return None
    for found in fields.values():
        found.sort()
        if len(found) > 1 and found[0][0] == found[1][0]:
            raise RecordFileError(f"has two columns named {names[found[0][1]]!r}")
    at = {field: found[0][1] for field, found in fields.items()}
    layout = _layout(keys)
    has_liquidation_field = not _LIQUIDATION_FIELDS.isdisjoint(at)
    if _TRADE_MARK in at:
        raise RecordFileError(f"has a column {names[at[_TRADE_MARK]]!r}, as trades and own orders have")
    notes = _choose_figures(at, keys, layout)
    _check_complete(at, names)
    # Tables that only Binance's orders have, and those of libraries that give the order's side.
    is_binance = layout != "csv" or has_liquidation_field
    return Columns(
        {field: index for field, index in at.items() if field not in (_ARRIVAL, _LAST_QTY, _TRADE_MARK)},
        count=len(keys),
        format=layout,
        counts_contracts=is_binance,
        is_side_certain=is_binance,
        may_be_longer=layout == "force-order-csv",
        is_id_trade=_ID in at and not has_liquidation_field and layout != "cryptofeed",
        names_exchange=is_binance or _EXCHANGE in at,
        notes=notes,
    )


def _key(name: str) -> str:
    """Return a name in the form of `_NAMES`: short ones in their case, long ones as lower-case letters and digits."""
    name = name.strip().strip('"').strip()
    return name if len(name) <= _SHORT_NAME and name in _FIELD_OF else _JUNK.sub("", name.lower())


def _is_header(fields: Mapping[str, object]) -> bool:
    """Return True for names of at least three different things, two of them prices, sides or quantities."""
    figures = {PRICE, ORDER_PRICE, QTY, ORDER_QTY, SIDE, POSITION, NOTIONAL} & set(fields)
    return len(fields) >= 3 and len(figures) >= 2  # noqa: PLR2004 - three names, two of them figures


def _layout(keys: Sequence[str]) -> str:
    names = set(keys)
    if {_key(name) for name in ARCHIVE_COLUMNS} <= names and keys[0] == "time":
        return "binance-archive"
    if [_FIELD_OF.get(key) for key in keys[:2]] == [SYMBOL, SIDE] and "ordertradetime" in names:
        return "force-order-csv"
    if set(FORCE_ORDER_COLUMNS) - {"o", "f", "X"} <= names:
        return "force-order-csv"
    if names >= {_key(name) for name in TARDIS_COLUMNS}:
        return "tardis"
    if names >= _CRYPTOFEED and "receipttimestamp" in names:
        return "cryptofeed"
    return "ccxt" if names >= _CCXT else "csv"


def _choose_figures(at: dict[str, int], keys: Sequence[str], layout: str) -> tuple[str, ...]:
    """Decide which price and which quantity count, as the feed's codec does; return notes for the owner."""
    notes: list[str] = []
    if PRICE not in at and ORDER_PRICE in at:
        at[PRICE] = at[ORDER_PRICE]
        if layout == "cryptofeed" or keys[at[PRICE]] not in _PLAIN_NAMES:
            notes.append(ORDER_PRICE_NOTE)
        else:
            del at[ORDER_PRICE]
    if QTY not in at and ORDER_QTY in at:
        at[QTY] = at[ORDER_QTY]
        if layout != "cryptofeed" and keys[at[QTY]] in _PLAIN_NAMES:
            del at[ORDER_QTY]
        if layout == "cryptofeed":
            notes.append(CRYPTOFEED_NOTE)
        elif layout == "ccxt":
            notes.append(CCXT_NOTE)
    if QTY in at:
        at.pop(NOTIONAL, None)
    return tuple(notes)


def _check_complete(at: Mapping[str, int], names: Sequence[str]) -> None:
    if TIME not in at and _ARRIVAL in at:
        name = names[at[_ARRIVAL]]
        raise RecordFileError(
            f"has no time of the trade, only {name!r}, when it was sent or read, about a second later: "
            f"--map time={name},… takes that"
        )
    if SIDE in at and POSITION in at:
        raise RecordFileError(f"has two columns for the side, {names[at[SIDE]]!r} and {names[at[POSITION]]!r}")
    needed = {
        "the time": TIME in at,
        "the side": SIDE in at or POSITION in at,
        "the price": PRICE in at,
        "the quantity": QTY in at or NOTIONAL in at,
    }
    if missing := [what for what, is_there in needed.items() if not is_there]:
        raise RecordFileError(f"has no column known for {' and '.join(missing)}")


def columns_by_form(cells: Sequence[str]) -> Columns | None:
    """Return the columns of a table without a header by its first row, None if its form is not known."""
    words = [cell.strip() for cell in cells]
    if len(words) >= len(FORCE_ORDER_COLUMNS) and _is_force_order_row(words):
        return columns_by_name(FORCE_ORDER_COLUMNS)
    for names in (ARCHIVE_COLUMNS, ARCHIVE_COLUMNS_WITH_SYMBOL):
        if len(words) == len(names) and words[names.index("side")].upper() in _SIDE_WORDS and _reads(_time, words[0]):
            return columns_by_name(names)
    return None


def _is_force_order_row(words: Sequence[str]) -> bool:
    return (
        words[1].upper() in _SIDE_WORDS
        and words[2].upper() in _ORDER_TYPES
        and _reads(contract_symbol, words[0])
        and _reads(_time, words[10])
    )


def _time(text: str) -> int:
    return TimeReader()(text)


def _reads(reader: Callable[[str], object], text: str) -> bool:
    try:
        reader(text)
    except RowError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """The columns as the user names them: field → number from 1, or name in the header."""

    columns: Mapping[str, int | str]

    @classmethod
    def parse(cls, text: str) -> ColumnMap:
        """Read ``time=11,side=2,price=7,qty=10,symbol=1``; `SettingsError` for what it cannot mean."""
        columns: dict[str, int | str] = {}
        for entry in text.split(","):
            field, _, column = (part.strip() for part in entry.partition("="))
            if field not in MAP_FIELDS or not column or field in columns:
                raise SettingsError(
                    f"expected --map FIELD=COLUMN,… with each of {', '.join(MAP_FIELDS)} at most once, was {entry!r}"
                )
            number = int(column) if column.isascii() and column.isdecimal() else None
            if number == 0:
                raise SettingsError(f"expected columns counted from 1, was {entry!r}")
            columns[field] = column if number is None else number
        missing = [name for name in (TIME, PRICE) if name not in columns]
        if (SIDE in columns) == (POSITION in columns):
            missing.append(f"either {SIDE} or {POSITION}")
        if not {QTY, NOTIONAL} & set(columns):
            missing.append(f"{QTY} or {NOTIONAL}")
        if missing:
            raise SettingsError(f"expected --map to name {', '.join(missing)}, was {text!r}")
        return cls(columns)

    @property
    def has_names(self) -> bool:
        """True if a column is given by its name, so that the file must have a header."""
        return any(isinstance(column, str) for column in self.columns.values())

    def resolve(self, names: Sequence[str]) -> Columns:
        """Return the columns in a file whose first row is ``names``; `RecordFileError` if one is not there."""
        plain = [name.strip().strip('"').strip() for name in names]
        at: dict[str, int] = {}
        for field, column in self.columns.items():
            if isinstance(column, int):
                if column > len(plain):
                    raise RecordFileError(f"has {len(plain)} columns, and --map asks for column {column}")
                at[field] = column - 1
            elif plain.count(column) == 1:
                at[field] = plain.index(column)
            else:
                how = "no column" if column not in plain else "two columns"
                raise RecordFileError(f"has {how} named {column!r}, as --map says")
        count = len(plain) if self.has_names else max(at.values()) + 1
        return Columns(at, count, "mapped", is_side_certain=True, may_be_longer=not self.has_names)
