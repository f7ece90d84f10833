"""What all formats share in reading a row: strict numbers, times and words, and one sentence for each refusal."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from Heatmap.errors import RowError, SettingsError
from Heatmap.events import LiquidationEvent, Side
from Heatmap.ingestion.binance.endpoints import normalise_symbol
from Heatmap.ingestion.binance.forceorder import FIRST_PLAUSIBLE_MS, LAST_PLAUSIBLE_MS

# No sign, no blank, no underscore; an exponent, for that is how Python and pandas write 0.00001.
_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_WHOLE: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_SHOWN_CHARS: Final = 40

COIN_M_FRAME: Final = "a COIN-M contract, whose quantities are contracts of dollars and no coins"
"""Why a row that should be of a USD-M contract is refused."""


@dataclass(frozen=True, slots=True)
class Aside:
    """A well-formed row that is not for us; ``reason`` is a stable word such as ``"other-symbol"``."""

    reason: str


Parsed = LiquidationEvent | Aside


def positive(text: str, column: str, kind: str) -> float:
    """Return a number above 0.

    Raises
    ------
    RowError
        It is none; ``kind`` is the word to count it by.
    """
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not 0.0 < number < math.inf:
        raise RowError(kind, f"{column} is {shown(text)}, not a number above 0")
    return number


def zero_or_more(text: str, column: str, kind: str) -> float:
    """Return a number that may be 0.

    Raises
    ------
    RowError
        As `positive`.
    """
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not 0.0 <= number < math.inf:
        raise RowError(kind, f"{column} is {shown(text)}, not a number")
    return number


def whole(text: str, column: str) -> int:
    """Return a whole number of milliseconds or microseconds.

    Raises
    ------
    RowError
        It is none.
    """
    if not _WHOLE.fullmatch(text):
        raise RowError("bad-time", f"{column} is {shown(text)}, not a whole number")
    return int(text)


def plausible_ms(time_ms: int, column: str) -> int:
    """Return a time that can be one of this exchange in ms since the epoch.

    Raises
    ------
    RowError
        It lies outside 2019 to 2100, as seconds, microseconds and zero do.
    """
    if not FIRST_PLAUSIBLE_MS <= time_ms < LAST_PLAUSIBLE_MS:
        raise RowError("bad-time", f"{column} is {time_ms}, not milliseconds between 2019 and 2100")
    return time_ms


def side_of(word: str, words: dict[str, Side]) -> Side:
    """Return the side that a file's word stands for.

    Raises
    ------
    RowError
        The word is none of ``words``.
    """
    side = words.get(word)
    if side is None:
        raise RowError("bad-side", f"side is {shown(word)}, not {' or '.join(words)}")
    return side


@lru_cache(maxsize=4096)
def symbol_of(text: str) -> str:
    """Return a symbol in the exchange's spelling.

    Raises
    ------
    RowError
        It is not in that spelling.
    """
    try:
        symbol = normalise_symbol(text)
    except SettingsError:
        symbol = ""
    if symbol != text or not text:
        raise RowError("bad-symbol", f"symbol is {shown(text)}, not one like BTCUSDT")
    return symbol


def fields_of(line: bytes | None, count: int) -> list[str]:
    """Return the columns of a line without quotes.

    Raises
    ------
    RowError
        The line is too long, no text, or has another number of columns.
    """
    fields = text_of(line).split(",")
    if len(fields) != count:
        raise RowError("bad-columns", f"{len(fields)} columns instead of {count}")
    return fields


def text_of(line: bytes | None) -> str:
    """Return a line as text, without its end.

    Raises
    ------
    RowError
        The line is too long (None), or no text.
    """
    if line is None:
        raise RowError("too-long", "the line is longer than any liquidation")
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise RowError("not-text", "the line is not UTF-8 text") from None


def shown(value: object) -> str:
    """Return a value as it is quoted in a refusal: short, with what cannot be printed escaped."""
    text = str(value)
    return repr(text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…")
