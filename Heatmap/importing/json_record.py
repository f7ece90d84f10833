"""JSON of recorders: values in a text, forceOrder frames in the envelopes of a value, objects of named values."""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from Heatmap.errors import FrameError, RecordFileError, RowError
from Heatmap.events import LiquidationEvent
from Heatmap.importing.column_names import Columns, columns_by_name
from Heatmap.importing.row import COIN_M_REFUSAL, Parsed, SkippedRow, quoted
from Heatmap.importing.table_row import RowParser
from Heatmap.importing.text_reader import MAX_LINE_CHARS
from Heatmap.ingestion.binance import forceorder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from Heatmap.importing.import_filter import ImportOptions
    from Heatmap.importing.text_reader import TextReader

_DECODER: Final = json.JSONDecoder()
_JSON_BEGINNING: Final = re.compile(r"\s*(?:\{|\[\s*(?:$|[\[{\"]|[0-9.]+\s*,))")
_BETWEEN_VALUES: Final = re.compile(r"[\s,\[\]]*")
# Where the next value may begin after one that is damaged.
_NEXT_VALUE: Final = re.compile(r'(?:\n|\}\s*,)\s*(?=\{\s*["}\n])')
_LINE_BREAKS: Final = re.compile(r"\s*\n\s*")
_BLOCK_CHARS: Final = 16 * 1024
_MAX_DEPTH: Final = 5  # of envelopes

_MOST_PARSERS: Final = 100  # a file whose objects all differ must not fill the memory

# Events of Binance's market streams and user streams.
_EVENTS: Final = frozenset({
    "aggTrade", "trade", "kline", "continuous_kline", "markPrice_kline", "indexPrice_kline", "markPriceUpdate",
    "indexPriceUpdate", "index_price", "24hrTicker", "24hrMiniTicker", "1hTicker", "4hTicker", "1dTicker", "avgPrice",
    "bookTicker", "depthUpdate", "compositeIndex", "contractInfo", "assetIndexUpdate", "tradingSession",
    "ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "ACCOUNT_CONFIG_UPDATE", "MARGIN_CALL", "TRADE_LITE", "ALGO_UPDATE",
    "executionReport", "outboundAccountPosition", "balanceUpdate", "listenKeyExpired", "serverShutdown",
})  # fmt: skip
_FORCE_ORDER: Final = "forceOrder"
_ORDER_KEYS: Final = frozenset({"s", "S", "q", "T"})
# Keys of a person's own order, which has the other keys, too.
_OWN_ORDER_KEYS: Final = frozenset({"c", "i", "x"})
_SHOWN_KEYS: Final = 12


def is_json(line: str) -> bool:
    """Return True if a text's first line begins an object or an array, and not a date in brackets."""
    return _JSON_BEGINNING.match(line) is not None


def json_texts(reader: TextReader) -> Iterator[tuple[int, str | RowError]]:
    """Return line number and text of each object: one a line, in an array, or over several lines.

    A `RowError` stands for what cannot be read.
    """
    first = next((line.strip() for _, line in reader.head()), "")
    try:
        is_line = isinstance(value_of(first), dict) or first.startswith("[{'")
    except RowError:
        is_line = False
    return reader.lines() if is_line else _values(reader)


def _values(reader: TextReader) -> Iterator[tuple[int, str | RowError]]:
    """Yield line number and text of each object or string: one after the other, or elements of arrays.

    A `RowError` (``"bad-json"``) stands for what is damaged; reading goes on where the next object may begin.
    """
    buffer = _ValueBuffer(reader)
    while buffer.skip_to_value():
        number = buffer.line
        value = buffer.take()
        if value is not None:
            yield number, value


class _ValueBuffer:
    """The part of a text that is decoded next; constant in size."""

    def __init__(self, reader: TextReader) -> None:
        self._reader = reader
        self._text = ""
        self._at = 0
        self._is_ended = False
        self.line = 1  # number of the line that is decoded next

    def skip_to_value(self) -> bool:
        """Go to the next value; return False at the end of the text."""
        while True:
            self._go_to(_BETWEEN_VALUES.match(self._text, self._at).end())  # type: ignore[union-attr]  # matches nothing, too
            if self._at < len(self._text):
                return True
            if self._is_ended:
                return False
            self._extend()

    def take(self) -> str | RowError | None:
        """Return the text of the next value, without line breaks, or why it is none; None for one that says nothing."""
        while True:
            problem, end = "", len(self._text)
            value: object = None
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                problem = f"expected JSON: {error}"
                is_whole = self._is_ended or len(self._text) - self._at >= MAX_LINE_CHARS
            else:
                # A number may go on.
                is_whole = self._is_ended or end < len(self._text)
            if is_whole:
                break
            self._extend()
        if problem:
            following = _NEXT_VALUE.search(self._text, self._at)
            self._go_to(len(self._text) if following is None else following.end())
            return RowError("bad-json", problem)
        text = self._text[self._at : end]
        self._go_to(end)
        # Numbers beside objects in an array are a recorder's notes.
        return _LINE_BREAKS.sub(" ", text) if isinstance(value, dict | str) else None

    def _go_to(self, index: int) -> None:
        self.line += self._text.count("\n", self._at, index)
        self._at = index
        if index > MAX_LINE_CHARS:
            self._text, self._at = self._text[index:], 0

    def _extend(self) -> None:
        pieces = [self._text[self._at :]]
        size = 0
        while size < _BLOCK_CHARS and not self._is_ended:
            piece = self._reader.read_line()
            self._is_ended = not piece
            pieces.append(piece)
            size += len(piece)
        self._text, self._at = "".join(pieces), 0


class JsonParser:
    """Makes events of JSON texts: forceOrder frames in any envelope, and objects whose keys name their values."""

    def __init__(self, options: ImportOptions, symbol: str) -> None:
        self._options = options
        self._symbol = symbol
        self._row_parsers: dict[tuple[str, ...], RowParser] = {}

    def __call__(self, text: str) -> list[Parsed | RowError]:
        """Return what a text says: one entry or more, in which a `RowError` stands for what is refused."""
        text = text.strip()
        if self._options.columns is None:
            try:
                message = forceorder.decode(text, keep_raw=self._options.keep_raw)
            except FrameError:
                pass
            else:
                if isinstance(message, LiquidationEvent):
                    return [message]
        try:
            value = value_of(text)
        except RowError as error:
            return [error]
        return self.of_value(value)

    def of_value(self, value: object) -> list[Parsed | RowError]:
        """Return what a value says, as for a text."""
        if self._options.columns is None:
            found = [self._of_message(message) for message in messages(value)]
            if found:
                return found
        return [self._of_other(value)]

    def notes(self) -> tuple[str, ...]:
        """Return what was assumed, each a clause."""
        return tuple(dict.fromkeys(note for parser in self._row_parsers.values() for note in parser.notes()))

    def _of_message(self, message: Mapping[str, Any] | RowError) -> Parsed | RowError:
        if isinstance(message, RowError):
            return message
        if message["e"] != _FORCE_ORDER:
            return SkippedRow("other-message")
        try:
            text = msgspec.json.encode(message).decode()
        except (TypeError, ValueError, RecursionError) as error:  # a Python literal, or half of a surrogate pair
            return RowError("bad-shape", f"a frame holds what JSON cannot: {error}")
        return parse_frame(text, keep_raw=self._options.keep_raw)

    def _of_other(self, value: object) -> Parsed | RowError:
        if not isinstance(value, dict):
            return RowError("not-understood", f"{quoted(value)} is no JSON object")
        if self._options.columns is None and _is_control_message(value):
            return SkippedRow("other-message")
        if (venue := _other_venue(value)) is not None:
            return RowError("other-exchange", f"a message of {venue}, not of Binance's futures")
        try:
            return self._of_named_values(value)
        except RowError as error:
            return error

    def _of_named_values(self, value: Mapping[str, Any]) -> Parsed:
        columns = self._options.columns
        values = value if columns is None else _flattened(value)
        names = tuple(values)
        parser = self._row_parsers.get(names)
        if parser is None:
            try:
                found = columns_by_name(names) if columns is None else columns.resolve(names)
            except RecordFileError as error:
                raise RowError("not-understood", f"the object {error.short}") from None
            if found is None:
                shown = ", ".join(names[:_SHOWN_KEYS]) + (", …" if len(names) > _SHOWN_KEYS else "")
                raise RowError("not-understood", f"no forceOrder frame, and no names that are known: {quoted(shown)}")
            self._check_symbol(found)
            parser = RowParser(found, self._options, self._symbol)
            if len(self._row_parsers) < _MOST_PARSERS:
                self._row_parsers[names] = parser
        return parser([_cell(item) for item in values.values()])

    def _check_symbol(self, columns: Columns) -> None:
        if "symbol" not in columns.at and not self._symbol:
            raise RowError("no-symbol", "the object does not name its symbol: name it with --symbol")


def parse_frame(text: str, *, keep_raw: bool) -> Parsed | RowError:
    """Return the event of a forceOrder frame, or why it is none that can be taken."""
    try:
        message = forceorder.decode(text, keep_raw=keep_raw)
    except FrameError as error:
        return RowError(error.kind, str(error))
    if isinstance(message, LiquidationEvent):
        return message
    reason = message.reason if isinstance(message, forceorder.Ignored) else ""
    if reason == "coin-margined":
        return RowError(reason, COIN_M_REFUSAL)
    return SkippedRow(reason if reason == "nothing-filled" else "other-message")


def value_of(text: str) -> object:
    """Return the value of a JSON text, or of a Python literal, which `print` writes."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        if text.startswith(("{'", "[{'")):
            try:
                value = ast.literal_eval(text)
                str(value)  # fails for integers of thousands of digits, which no reader takes
            except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
                pass
            else:
                return value
        raise RowError("bad-json", f"expected JSON: {error}") from None


def messages(value: object, depth: int = 0) -> Iterator[Mapping[str, Any] | RowError]:
    """Yield the exchange's messages in a value, whatever the envelopes are called; the order alone becomes a frame."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, dict) and (message := _as_message(value)) is not None:
        yield message
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from messages(item, depth + 1)
    elif isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            inner = value_of(value.strip())
        except RowError as error:
            if _FORCE_ORDER in value:
                yield RowError(error.kind, f"a frame within the line is damaged: {error}")
        else:
            yield from messages(inner, depth + 1)


def _as_message(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return an object as a message of the exchange, None if it is none."""
    word = value.get("e")
    is_order = value.keys() >= _ORDER_KEYS and ("p" in value or "ap" in value)
    if word == _FORCE_ORDER and is_order and not isinstance(value.get("o"), dict):
        return {"e": word, "E": value.get("E"), "o": value}
    if isinstance(word, str) and (word in _EVENTS or word == _FORCE_ORDER):
        return value
    return {"e": _FORCE_ORDER, "o": value} if is_order and not value.keys() & _OWN_ORDER_KEYS else None


def _is_control_message(value: Mapping[str, Any]) -> bool:
    """Return True for requests, their answers, and messages of another stream."""
    stream = value.get("stream")
    return (
        ("result" in value and "id" in value)
        or ("method" in value and "params" in value)
        or ("code" in value and "msg" in value)
        or (isinstance(value.get("error"), dict) and "code" in value["error"])
        or (isinstance(stream, str) and "@" in stream and _FORCE_ORDER not in stream and "data" in value)
    )


def _other_venue(value: Mapping[str, Any]) -> str | None:
    """Return the exchange whose liquidations these are, None if they are of none that is known."""
    argument = value.get("arg")
    if str(value.get("topic", "")).startswith(("allLiquidation", "liquidation.")):
        return "Bybit"
    if isinstance(argument, dict) and argument.get("channel") == "liquidation-orders":
        return "OKX"
    return "Gate" if value.get("channel") == "futures.public_liquidates" else None


def _flattened(value: Mapping[str, Any], prefix: str = "", depth: int = 0) -> dict[str, Any]:
    """Return the values of nested objects under names with dots: ``{"o": {"p": 1}}`` has ``o.p``."""
    flat: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, dict) and depth < _MAX_DEPTH:
            flat |= _flattened(item, f"{prefix}{name}.", depth + 1)
        else:
            flat[f"{prefix}{name}"] = item
    return flat


def _cell(value: object) -> str:
    return "" if value is None else str(value)
