"""Recognition of a text by its first lines: JSON of a recorder, a table with a known layout, or what is missing."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from Heatmap.errors import RecordFileError, RowError
from Heatmap.importing import heatmap_table
from Heatmap.importing.cell import decimal_mark, is_number_or_time
from Heatmap.importing.column_names import (
    NOTIONAL,
    ORDER_PRICE,
    ORDER_QTY,
    PRICE,
    QTY,
    SYMBOL,
    TIME,
    Columns,
    columns_by_form,
    columns_by_name,
)
from Heatmap.importing.json_record import JsonParser, is_json, json_texts
from Heatmap.importing.row import symbol_of
from Heatmap.importing.table_row import RowParser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from Heatmap.importing.import_filter import ImportOptions
    from Heatmap.importing.row import Parsed
    from Heatmap.importing.text_reader import TextReader

    Outcome = Parsed | RowError
    Outcomes = Iterator[tuple[int, Outcome]]

HEATMAP: Final = "heatmap"
_FORCE_ORDER: Final = "force-order"
DELIMITERS: Final = ",;\t|"
"""Marks between columns; blanks where none of them occurs."""

_SEPARATOR_LINE: Final = re.compile(r'"?sep=(.)"?', re.IGNORECASE)  # Excel's own hint
_COMMA_BESIDE_TEXT: Final = re.compile(r",(?![0-9])|(?<![0-9]),")  # no decimal comma
_COMMENT: Final = "#"
_JSON_START: Final = re.compile(r"""\{\s*["']""")
_NAME: Final = re.compile(r"liquidationsnapshot", re.IGNORECASE)
_LIQUIDATIONS: Final = re.compile(r"liq|force.?order", re.IGNORECASE)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}(-[0-9]{2})?")
_FIGURES: Final = (PRICE, QTY, NOTIONAL, ORDER_PRICE, ORDER_QTY)
_UNKNOWN: Final = (
    "is no file that can be imported: it is no JSON, and its first line neither names columns that are known nor has a "
    "known form"
)


@dataclass(frozen=True, slots=True)
class TextTable:
    """How the rows of a text are read; ``rows`` gives line number and result of each row."""

    format: str  # a stable word
    rows: Callable[[], Outcomes]
    counts_contracts: bool = False  # COIN-M quantities are contracts
    notes: Callable[[], tuple[str, ...]] = tuple
    columns: Columns | None = None  # of a table with names or a known form


def text_table(reader: TextReader, names: Sequence[str], options: ImportOptions) -> TextTable:
    """Return the table in a text; ``names`` are those of the file and of the archive around it.

    Raises `RecordFileError`, whose text is a clause without its subject, if the text is not understood.
    """
    head = reader.head()
    if not head:
        raise RecordFileError("is empty")
    json_parser = JsonParser(options, options.symbol or "")
    if is_json(head[0][1]):
        return _json_table(json_texts(reader), json_parser)
    # A frame says more than the columns beside it; an export of this program has both.
    if options.columns is None and not heatmap_table.is_header(head[0][1]):
        table = _embedded_table(reader, head, json_parser)
        if table is not None:
            return table
    table = _delimited_table(reader, head, options, names)
    if table is None:
        raise RecordFileError(_UNKNOWN)
    return table


def _json_table(texts: Iterator[tuple[int, str | RowError]], parser: JsonParser) -> TextTable:
    def rows() -> Outcomes:
        number = 0
        for number, text in texts:
            if isinstance(text, RowError):
                yield number, text
            else:
                for outcome in parser(text):
                    yield number, outcome
        if not number:
            raise RecordFileError("has no JSON object")

    return TextTable(_FORCE_ORDER, rows, notes=parser.notes)


def _embedded_table(reader: TextReader, head: Sequence[tuple[int, str]], parser: JsonParser) -> TextTable | None:
    """Return the table of a text whose lines have a frame behind a date, in quotes, or in a column; None if none is."""
    frames = [frame for _, line in head if (frame := _embedded_json(line)) is not None]
    if all(_is_unknown(outcome) for frame in frames for outcome in parser(frame)):
        return None

    def rows() -> Outcomes:
        for number, line in reader.lines():
            if isinstance(line, RowError):
                yield number, line
            elif (frame := _embedded_json(line)) is not None:
                for outcome in parser(frame):
                    yield number, outcome
            elif number > 1 or any(map(str.isdecimal, line)):  # the first line may name columns
                yield number, RowError("not-understood", "the line has no JSON object, as others have")

    return TextTable(_FORCE_ORDER, rows, notes=parser.notes)


def _embedded_json(line: str) -> str | None:
    """Return the JSON object in a line of text or of CSV, None if there is none."""
    if (start := _JSON_START.search(line)) is None:
        return None
    if '{""' in line or '"{' in line:
        # Quoted as a column, with its quotes doubled.
        for delimiter in DELIMITERS:
            cells = [cell for cell in cells_or_none(line, delimiter) if cell.lstrip().startswith("{")]
            if cells:
                return cells[0]
    return line[start.start() : line.rindex("}") + 1] if "}" in line else line[start.start() :]


def cells_or_none(line: str, delimiter: str) -> list[str]:
    try:
        return split_row(line, delimiter)
    except RowError:
        return []


def _is_unknown(outcome: Outcome) -> bool:
    return isinstance(outcome, RowError) and outcome.kind in ("not-understood", "bad-json")


def split_row(line: str, delimiter: str) -> list[str]:
    """Return the cells of one line; a line with quotes takes the slower `csv` module."""
    if '"' not in line:
        return line.split(delimiter) if delimiter != " " else line.split()
    try:
        (cells,) = csv.reader([line], delimiter=delimiter, skipinitialspace=True, strict=True)
    except (csv.Error, ValueError) as error:
        raise RowError("bad-columns", f"the quotes do not match: {error}") from None
    return cells


def _delimited_table(
    reader: TextReader, head: Sequence[tuple[int, str]], options: ImportOptions, names: Sequence[str]
) -> TextTable | None:
    """Return the table of a delimited text, None if its first line says nothing; `RecordFileError` if not enough."""
    problem: RecordFileError | None = None
    for index, (number, line) in enumerate(head):
        if _SEPARATOR_LINE.fullmatch(line.strip()):
            continue
        is_comment = line.lstrip().startswith(_COMMENT)
        text = line.lstrip().lstrip("# ") if is_comment else line
        for delimiter in _delimiters_in(text):
            first = _First(number, text, delimiter, [line for _, line in head[index:]], names)
            try:
                table = _table_of(reader, first, options)
            except RecordFileError as error:
                problem = problem or error
            else:
                if table is not None:
                    return table
        if not is_comment:
            break
    if problem is not None:
        raise problem
    return None


def _delimiters_in(text: str) -> Sequence[str]:
    """Return the marks that may separate the columns of a line, the likeliest first."""
    found = [delimiter for delimiter in DELIMITERS if delimiter in text]
    is_decimal = len(found) > 1 and _COMMA_BESIDE_TEXT.search(text) is None
    return sorted(found, key=lambda each: 0 if each == "," and is_decimal else text.count(each), reverse=True) or " "


@dataclass(frozen=True, slots=True)
class _First:
    """The line by which a table is recognised."""

    number: int
    text: str
    delimiter: str
    lines: list[str]  # this one and those after it
    names: Sequence[str]  # of the file, and of the archive around it


def _table_of(reader: TextReader, first: _First, options: ImportOptions) -> TextTable | None:
    cells = cells_or_none(first.text, first.delimiter)
    if len(cells) <= 1:
        return None
    names = [cell.strip().strip('"').lower() for cell in cells]
    if options.columns is None and set(names) >= heatmap_table.REQUIRED_COLUMNS:
        decimal = _decimal(first, range(len(names)))
        own_parser = heatmap_table.CsvParser(names, decimal)
        return TextTable(HEATMAP, partial(_rows, reader, first, own_parser, has_header=True))
    found = _columns_of(cells, options)
    if found is None:
        return None
    columns, has_header = found
    if any(map(_LIQUIDATIONS.search, first.names)):
        columns = replace(columns, is_id_trade=False)
    symbol = symbol_in_name(*first.names) or options.symbol or ""
    if SYMBOL not in columns.at and not symbol:
        raise RecordFileError("does not say which symbol it holds: name it with --symbol")
    decimal = _decimal(first, [columns.at[figure] for figure in _FIGURES if figure in columns.at])
    parser = RowParser(columns, options, symbol, decimal)
    rows = partial(_rows, reader, first, parser, has_header=has_header)
    return TextTable(columns.format, rows, columns.counts_contracts, parser.notes, columns)


def _columns_of(cells: Sequence[str], options: ImportOptions) -> tuple[Columns, bool] | None:
    """Return the columns of a table, and whether its first row is a header; None if the row says nothing."""
    if options.columns is not None:
        columns = options.columns.resolve(cells)
        figures = (cells[columns.at[field]] for field in (TIME, PRICE))
        return columns, options.columns.has_names or not any(map(is_number_or_time, figures))
    if (named := columns_by_name(cells)) is not None:
        return named, True
    formed = columns_by_form(cells)
    return None if formed is None else (formed, False)


def _decimal(first: _First, columns: Sequence[int]) -> str:
    rows = [cells_or_none(line, first.delimiter) for line in first.lines]
    try:
        return decimal_mark(first.delimiter, [row[index] for row in rows for index in columns if index < len(row)])
    except RowError as error:
        raise RecordFileError(f"is not certain in its numbers: {error}") from None


def _rows(reader: TextReader, first: _First, parse: Callable[[Sequence[str]], Parsed], *, has_header: bool) -> Outcomes:
    delimiter = first.delimiter
    skipped = first.number if has_header else first.number - 1
    for number, line in reader.lines():
        if number <= skipped:
            continue
        if isinstance(line, RowError):
            yield number, line
            continue
        try:
            yield number, parse(split_row(line, delimiter))
        except RowError as error:
            # A recorder that starts again writes its header again.
            if not has_header or line != first.text:
                yield number, error


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
