"""Binance's daily archive ``liquidationSnapshot``, with or without a symbol column and a header.

Source: the archive's files. COIN-M files have ten columns, USD-M files an eleventh, ``symbol``, after the time; early
days lack the header. The COIN-M files contain every row twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, Self

from Heatmap.errors import RowError
from Heatmap.events import LiquidationEvent, Side
from Heatmap.importing.row import Parsed, SkippedRow, fields_of, plausible_ms, positive, side_of, symbol_of, whole
from Heatmap.importing.row import zero_or_more as number

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS: Final = (
    "time", "side", "order_type", "time_in_force", "original_quantity", "price", "average_price", "order_status",
    "last_fill_quantity", "accumulated_fill_quantity",
)  # fmt: skip
COLUMNS_WITH_SYMBOL: Final = (COLUMNS[0], "symbol", *COLUMNS[1:])
_NEEDED: Final = ("time", "side", "original_quantity", "price", "average_price", "accumulated_fill_quantity")
_SIDES: Final = {"SELL": Side.SELL, "BUY": Side.BUY}
_NAME: Final = re.compile(r"liquidationsnapshot", re.IGNORECASE)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}(-[0-9]{2})?")


@dataclass(frozen=True, slots=True)
class ArchiveLayout:
    """Column names in the file's order, and whether the first line is a header that names them."""

    columns: tuple[str, ...]
    has_header: bool

    @classmethod
    def of(cls, first_line: Sequence[str]) -> Self | None:
        """Return the layout by a file's first line, None if it is no archive."""
        names = tuple(field.strip().strip('"').lower() for field in first_line)
        if set(_NEEDED) <= set(names):
            return cls(names, has_header=True)
        for columns in (COLUMNS, COLUMNS_WITH_SYMBOL):
            has_side = len(names) == len(columns) and names[columns.index("side")].upper() in _SIDES
            if has_side and names[0].isdigit():
                return cls(columns, has_header=False)
        return None

    @property
    def has_symbol(self) -> bool:
        """True if each row names its symbol."""
        return "symbol" in self.columns


class ArchiveParser:
    """Reads the rows of one file; ``symbol`` is that of all rows if they do not name it."""

    def __init__(self, layout: ArchiveLayout, symbol: str) -> None:
        at = layout.columns.index
        self._count = len(layout.columns)
        self._symbol = symbol
        self._symbol_at = at("symbol") if layout.has_symbol else None
        self._time, self._side, self._order_qty, self._order_price, self._price, self._qty = (at(c) for c in _NEEDED)

    def __call__(self, line: bytes | None) -> Parsed:
        """Return the event of a line, quantities as in the file, or raise `RowError`."""
        fields = fields_of(line, self._count)
        qty = number(fields[self._qty], "accumulated_fill_quantity", "bad-qty")
        if qty == 0.0:
            return SkippedRow("nothing-filled")
        order_price = positive(fields[self._order_price], "price", "bad-price")
        price = number(fields[self._price], "average_price", "bad-price") or order_price
        return LiquidationEvent(
            ts_ms=plausible_ms(whole(fields[self._time], "time"), "time"),
            symbol=self._symbol if self._symbol_at is None else symbol_of(fields[self._symbol_at]),
            side=side_of(fields[self._side], _SIDES),
            price=price,
            qty=qty,
            notional=price * qty,
            order_price=order_price,
            order_qty=positive(fields[self._order_qty], "original_quantity", "bad-qty"),
        )


def symbol_in_name(*names: str) -> str:
    """Return the symbol in the first name like ``BTCUSDT-liquidationSnapshot-2023-06-25.csv``, "" if there is none."""
    for name in names:
        stem = PurePath(name).name.split(".")[0]
        if not _NAME.search(stem):
            continue
        try:
            return symbol_of(_DATE.sub("", _NAME.sub("", stem)).strip("-_ "))
        except RowError:
            continue
    return ""
