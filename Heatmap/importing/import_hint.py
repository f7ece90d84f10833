"""What a person needs to name the columns of a file that is not understood: its first rows and a proposal."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from Heatmap.errors import RowError
from Heatmap.importing.cell import contract_symbol, is_number_or_time
from Heatmap.importing.column_names import MAP_FIELDS, POSITION, PRICE, QTY, SIDE, SYMBOL, TIME
from Heatmap.importing.json_record import is_json
from Heatmap.importing.text_source import DELIMITERS, cells_or_none

if TYPE_CHECKING:
    from Heatmap.importing.column_names import Columns
    from Heatmap.importing.import_filter import ImportOptions
    from Heatmap.importing.text_reader import TextReader

_SHOWN_ROWS: Final = 3
_SHOWN_CHARS: Final = 160
_PRINTABLE: Final = 0.9  # share of characters; tabs are not
_SIDE_WORDS: Final = {"SELL": SIDE, "BUY": SIDE, "LONG": POSITION, "SHORT": POSITION}
_LONG_NUMBER: Final = re.compile(r"[0-9]{9}|[eE]\+|[-:/]")  # times since 1970, and calendar times


@dataclass(frozen=True, slots=True)
class ImportHint:
    """The first rows of a file, shortened, and a sentence with the ``--map`` for it; both may be empty."""

    rows: tuple[str, ...] = ()
    advice: str = ""

    @classmethod
    def of(cls, reader: TextReader, options: ImportOptions, columns: Columns | None = None) -> Self:
        """Return the hint for a text from which nothing was read yet; ``columns`` are those that were recognised."""
        lines = [line for _, line in reader.head()]
        beginning = "".join(lines[:_SHOWN_ROWS])[:_SHOWN_CHARS]
        if sum(map(str.isprintable, beginning)) < len(beginning) * _PRINTABLE:
            return cls()  # no text
        advice = _proposal(lines, options) if columns is None else f"It was read as --map {_as_map(columns)}"
        return cls(tuple(map(_shown, lines[:_SHOWN_ROWS])), advice)


NAMED_VALUES: Final = (
    "These may be named: --map time=?,side=?,price=?,qty=?,symbol=?, each ? the name of a value (o.p: p in o)"
)
NO_HINT: Final = ImportHint()


def _shown(line: str) -> str:
    line = line if len(line) <= _SHOWN_CHARS else f"{line[:_SHOWN_CHARS]}…"
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line)


def _proposal(lines: list[str], options: ImportOptions) -> str:
    if not lines:
        return ""
    if is_json(lines[0]):
        return NAMED_VALUES
    delimiter = max(DELIMITERS, key=lines[0].count)
    # The first line may name the columns.
    cells = cells_or_none(lines[min(1, len(lines) - 1)], delimiter)
    if len(cells) <= 1:
        return ""
    found: dict[str, int] = {}
    for number, cell in enumerate(cells, start=1):
        if (field := _field_of(cell, options)) is not None:
            found.setdefault(field, number)
    side = POSITION if POSITION in found and SIDE not in found else SIDE
    columns = ",".join(f"{field}={found.get(field, '?')}" for field in (TIME, side, PRICE, QTY, SYMBOL))
    return f"If these are liquidations, name the columns: --map {columns}, each ? the number of a column"


def _as_map(columns: Columns) -> str:
    return ",".join(f"{field}={columns.at[field] + 1}" for field in MAP_FIELDS if field in columns.at)


def _field_of(cell: str, options: ImportOptions) -> str | None:
    """Return the field that a cell can only be; prices and quantities are both numbers."""
    word = cell.strip()
    if word.upper() in _SIDE_WORDS:
        return _SIDE_WORDS[word.upper()]
    if is_number_or_time(word):
        return TIME if _LONG_NUMBER.search(word) else None
    try:
        contract_symbol(word, options.symbol_suffix)
    except RowError:
        return None
    return SYMBOL
