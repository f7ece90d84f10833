"""Cells of other people's tables: numbers, times, sides and symbols.

What a cell means must be certain; every reader raises `RowError` for what it refuses.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from Heatmap.errors import RowError, SettingsError
from Heatmap.events import FIRST_PLAUSIBLE_MS, LAST_PLAUSIBLE_MS, Side
from Heatmap.importing.row import quoted
from Heatmap.ingestion.addresses import normalise_symbol

if TYPE_CHECKING:
    from collections.abc import Iterable

# No sign, no underscore; an exponent, for that is how Python and pandas write 0.00001.
_NUMBER: Final = re.compile(r"([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,3}))?", re.ASCII)
_DECIMAL_COMMA: Final = re.compile(r"[0-9]+,[0-9]+", re.ASCII)
_GROUPED: Final = re.compile(r"[1-9][0-9]{0,2}([.,][0-9]{3})+", re.ASCII)
# Year first with - or /, or day first with dots, which nobody writes month first.
_CALENDAR: Final = re.compile(
    r"(?:(?P<year>[0-9]{4})(?P<mark>[-/])(?P<month>[0-9]{2})(?P=mark)(?P<day>[0-9]{2})"
    r"|(?P<day_1>[0-9]{1,2})\.(?P<month_1>[0-9]{1,2})\.(?P<year_1>[0-9]{4}))"
    r"(?:[T ]\s*(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2}(?::?00)?)?",
    re.ASCII | re.IGNORECASE,
)
_MS_PER_S: Final = 1000
_MOST_DIGITS: Final = 40
_MS_DIGITS: Final = 13  # of a time in milliseconds, 2001 to 2286
# Binance's own spelling, and those of cryptofeed (BTC-USDT-PERP), ccxt (BTC/USDT:USDT) and people (BTC/USDT, BTC-USDT).
_PAIR: Final = re.compile(r"(?P<base>\w+)[-/](?P<quote>[A-Z]+1?)(?P<kind>-PERP|:(?P<settle>[A-Z0-9]+))?")
_QUOTES: Final = ("USDT", "USDC", "BUSD", "FDUSD", "TUSD", "USD1", "BTC", "ETH", "EUR")
_PERPETUAL: Final = "PERP"
_DELIVERY: Final = re.compile(r"\w+_(PERP|[0-9]{6})")
_PYTHON_EXPONENT: Final = 16


class TimeUnit(StrEnum):
    """Unit of a time since 1970, in the words of ``--time-unit``."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    NANOSECONDS = "ns"


_UNITS_PER_S: Final = {
    TimeUnit.SECONDS: 1,
    TimeUnit.MILLISECONDS: 1000,
    TimeUnit.MICROSECONDS: 1_000_000,
    TimeUnit.NANOSECONDS: 1_000_000_000,
}


class TimeReader:
    """Reads times: seconds, ms, us or ns since 1970 as whole numbers or decimals, or calendar times.

    The unit is that of the magnitude: from 2019 to 2100 no two units share a number. ``unit`` fixes it. Digits after
    the millisecond are cut. ``is_zoneless`` is True after a calendar time without a zone, which counts as UTC;
    ``is_whole_seconds`` is False after the first time with milliseconds.
    """

    def __init__(self, unit: TimeUnit | None = None) -> None:
        self._unit = unit
        self.is_zoneless = False
        self.is_whole_seconds = True

    def __call__(self, text: str, column: str = "time") -> int:
        """Return a time in ms since the epoch; ``column`` names it in a refusal."""
        text = text.strip()
        if self._unit is None and len(text) == _MS_DIGITS and text.isdecimal() and text.isascii():
            time_ms = int(text)
            if not FIRST_PLAUSIBLE_MS <= time_ms < LAST_PLAUSIBLE_MS:
                raise _implausible(text, column)
        elif (number := _NUMBER.fullmatch(text.replace(",", "."))) is not None:
            time_ms = self._since_epoch(text, column, number)
        elif (calendar := _CALENDAR.fullmatch(text)) is not None:
            time_ms = self._calendar(text, column, calendar)
        else:
            raise RowError(
                "bad-time",
                f"{column} is {quoted(text)}, neither a number since 1970 nor a calendar time such as "
                "2026-11-28 05:30:00 or 28.11.2026 05:30:00",
            )
        if time_ms % _MS_PER_S:
            self.is_whole_seconds = False
        return time_ms

    def _since_epoch(self, text: str, column: str, number: re.Match[str]) -> int:
        whole, fraction, exponent = number[1], number[2] or "", int(number[3] or 0)
        if exponent:
            if not 0 < exponent <= len(fraction):
                raise RowError(
                    "bad-time",
                    f"{column} is {quoted(text)}, which has lost its digits: write the file anew with times in full",
                )
            whole, fraction = whole + fraction[:exponent], fraction[exponent:]
        if len(whole) > _MOST_DIGITS:  # Python refuses to read some thousand
            raise _implausible(text, column, self._unit)
        value = int(whole)
        for unit, per_s in _UNITS_PER_S.items():
            first, last = FIRST_PLAUSIBLE_MS // _MS_PER_S * per_s, LAST_PLAUSIBLE_MS // _MS_PER_S * per_s
            if first <= value < last and self._unit in (None, unit):
                if per_s > _MS_PER_S:
                    return value // (per_s // _MS_PER_S)
                return value if per_s == _MS_PER_S else value * _MS_PER_S + int((fraction + "000")[:3])
        raise _implausible(text, column, self._unit)

    def _calendar(self, text: str, column: str, found: re.Match[str]) -> int:
        if found["second"] is None:
            raise RowError("bad-time", f"{column} is {quoted(text)}, which has no seconds")
        year, month, day = (int(found[name] or found[f"{name}_1"]) for name in ("year", "month", "day"))
        zone = (found["zone"] or "").upper()
        try:
            moment = datetime(
                year, month, day, int(found["hour"]), int(found["minute"]), int(found["second"]), tzinfo=_zone(zone)
            )
        except ValueError as error:
            raise RowError("bad-time", f"{column} is {quoted(text)}: {error}") from None
        time_ms = int(moment.timestamp()) * _MS_PER_S + int(((found["fraction"] or "") + "000")[:3])
        if not FIRST_PLAUSIBLE_MS <= time_ms < LAST_PLAUSIBLE_MS:
            raise _implausible(text, column)
        if not zone:
            self.is_zoneless = True
        return time_ms


def is_number_or_time(text: str) -> bool:
    """Return True for a number or a calendar time, whether or not it can be taken; a column's name is neither."""
    text = text.strip()
    return _NUMBER.fullmatch(text.replace(",", ".")) is not None or _CALENDAR.fullmatch(text) is not None


def _zone(text: str) -> timezone:
    if text in ("", "Z", "UTC", "GMT"):
        return UTC
    digits = text.replace(":", "")
    offset = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5]))
    return timezone(-offset if text.startswith("-") else offset)


def _implausible(text: str, column: str, unit: TimeUnit | None = None) -> RowError:
    what = f"{unit} since 1970" if unit else "seconds, ms, us or ns since 1970"
    return RowError("bad-time", f"{column} is {quoted(text)}, not a time between 2019 and 2100 in {what}")


class NumberReader:
    """Reads prices and quantities; ``decimal`` is the mark in front of decimals, ``.`` or ``,``."""

    def __init__(self, decimal: str = ".") -> None:
        self._decimal = decimal

    def __call__(self, text: str, column: str, kind: str) -> float:
        """Return a number of 0 or more; ``kind`` is the word to count a refusal by."""
        plain = text.strip()
        if self._decimal == ",":
            # A point beside decimal commas may stand between thousands.
            plain = plain.replace(".", "x").replace(",", ".")
        found = _NUMBER.fullmatch(plain)
        if found is None:
            raise RowError(kind, f"{column} is {quoted(text)}, not a number")
        number = float(plain)
        if number == math.inf:
            raise RowError(kind, f"{column} is {quoted(text)}, not a finite number")
        # Python writes an exponent from 1e16 on, with all digits that count.
        if found[3] and len(found[2] or "") < int(found[3]) < _PYTHON_EXPONENT:
            raise RowError(kind, f"{column} is {quoted(text)}, which has lost its digits")
        return number

    def positive(self, text: str, column: str, kind: str) -> float:
        """Return a number above 0."""
        number = self(text, column, kind)
        if number == 0.0:
            raise RowError(kind, f"{column} is {quoted(text)}, not a number above 0")
        return number


def decimal_mark(delimiter: str, cells: Iterable[str]) -> str:
    """Return the mark in front of decimals, ``.`` or ``,``, by the cells of a file's first rows.

    A comma between digits is one where columns are separated by semicolons, and where columns are separated by tabs
    if one of them cannot separate thousands. Raises `RowError` if points may be marks of thousands: German Excel
    writes 98.000 for 98000.
    """
    if delimiter not in ";\t":
        return "."
    cells = [cell.strip() for cell in cells]
    commas = [cell for cell in cells if _DECIMAL_COMMA.fullmatch(cell)]
    if commas and (delimiter == ";" or not all(map(_GROUPED.fullmatch, commas))):
        return ","
    points = [cell for cell in cells if "." in cell and _NUMBER.fullmatch(cell)]
    if delimiter == ";" and points and all(map(_GROUPED.fullmatch, points)):
        raise RowError(
            "bad-number", f"numbers such as {points[0]} may have a decimal point or a mark of thousands; write decimals"
        )
    return "."


_ORDER_SIDES: Final = {"SELL": Side.SELL, "BUY": Side.BUY}
# The position that was closed: a long by an order to sell. Bybit writes Buy for a long.
_POSITIONS: Final = {
    "LONG": Side.SELL, "SHORT": Side.BUY, "BUY": Side.SELL, "SELL": Side.BUY,
    "TRUE": Side.SELL, "FALSE": Side.BUY, "1": Side.SELL, "0": Side.BUY,
}  # fmt: skip
_BYBIT_WORDS: Final = ("Buy", "Sell")


def order_side(text: str, *, is_certain: bool) -> Side:
    """Return the side of an order by SELL or BUY in any case.

    ``is_certain`` is True if the column is known to have the order's side. Else ``Sell`` and ``Buy`` are refused:
    Bybit, which spells them so, means the position.
    """
    word = text.strip()
    side = _ORDER_SIDES.get(word) or _ORDER_SIDES.get(word.upper())
    if side is None:
        if word.upper() in ("LONG", "SHORT"):
            raise RowError(
                "bad-side",
                f"side is {quoted(word)}, which may be the position or the order: --map position=… says that it is the "
                "position that was liquidated",
            )
        raise RowError("bad-side", f"side is {quoted(word)}, not SELL or BUY")
    if not is_certain and word in _BYBIT_WORDS:
        raise RowError(
            "bad-side",
            f"side is {quoted(word)}, Bybit's word for the position, while Binance's SELL is the order: "
            "--map side=… says that it is the order's side, --map position=… that it is the position",
        )
    return side


def position_side(text: str, *, is_certain: bool) -> Side:
    """Return the side of the order that closed a position: SELL for a long.

    ``is_certain`` is True if the user says that the column names the position; else BUY and SELL are refused.
    """
    word = text.strip().upper()
    side = _POSITIONS.get(word)
    if side is None or (word in _ORDER_SIDES and not is_certain):
        how = ": --map side=… says that it is the order's side" if word in _ORDER_SIDES else ""
        raise RowError("bad-side", f"the position is {quoted(text)}, not LONG or SHORT{how}")
    return side


@lru_cache(maxsize=4096)
def contract_symbol(text: str, suffix: str = "") -> str:
    """Return the exchange's symbol of a contract in any common spelling; ``suffix`` completes a coin to a symbol."""
    symbol = text.strip().upper() + suffix
    pair = _PAIR.fullmatch(symbol)
    if pair is not None:
        base, quote, settle = pair["base"], pair["quote"], pair["settle"]
        if quote == "USD" and (pair["kind"] == "-PERP" or settle == base):
            return f"{base}USD_{_PERPETUAL}"
        if quote in _QUOTES and settle in (None, quote):
            symbol = base + quote
    try:
        is_symbol = normalise_symbol(symbol) == symbol
    except SettingsError:
        is_symbol = False
    if not is_symbol:
        raise RowError("bad-symbol", f"symbol is {quoted(text)}, not one like BTCUSDT")
    is_known = any(symbol.endswith(quote) and symbol != quote for quote in _QUOTES)
    # An underscore separates a date of delivery only; Gate writes BTC_USDT.
    if not (_DELIVERY.fullmatch(symbol) if "_" in symbol else is_known):
        raise RowError(
            "bad-symbol",
            f"symbol is {quoted(text)}, no contract like BTCUSDT; --symbol-suffix USDT completes the name of a coin",
        )
    return symbol
