"""A file of recorded forceOrder frames: reading it and moving it to the present. Pure but for reading the file."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec
import numpy as np

from Heatmap.demo.wire import PUSH_DELAY_MS, encode, force_order
from Heatmap.errors import FrameError, ReplayError
from Heatmap.events import LiquidationEvent, Side, Source
from Heatmap.ingestion.binance import forceorder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# The last shifted event ends up this long before now, so that its push lies in the past too.
LEAD_MS = 2_000

DEFAULT_SPAN_MS = 40 * 3_600_000

MAX_LINE_BYTES = 65_536
# Half a million frames take about 300 MB; a whole day of one symbol has a few thousand.
MAX_FRAMES = 500_000
# Reports kept in full; beyond that lines are only counted.
MAX_REPORTED = 50

# 2017-01-01 and 2100-01-01: outside, a number is not a time in ms of this exchange.
_FIRST_MS, _LAST_MS = 1_483_228_800_000, 4_102_444_800_000
_DECIMAL = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
# Ticks are at least 1e-8 wide and counted in 64 bits; no contract is anywhere near.
_HIGHEST_PRICE = 1e9
# BTCUSD_PERP, BTCUSD_260925; but BTCUSDT_260925 is a USD-M contract with a delivery date.
_COIN_MARGINED = re.compile(r"USD_(PERP|[0-9]+)$")
_COIN_MARGINED_ST = 2


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """One recorded liquidation.

    Attributes
    ----------
    event
        What the frame says, marked `Source.REPLAY`; ``event_ms`` is the trade time plus a second.
    order_json
        The ``o`` object of the frame as JSON text, every key and decimal string as recorded.
    """

    event: LiquidationEvent
    order_json: str

    def wire(self) -> str:
        """Return the frame as the exchange would push it now: the recorded order under this frame's times."""
        return force_order(json.loads(self.order_json), self.event.ts_ms)

    def moved_to(self, ts_ms: int) -> RecordedFrame:
        """Return the same liquidation at another time."""
        return replace(self, event=msgspec.structs.replace(self.event, ts_ms=ts_ms, event_ms=ts_ms + PUSH_DELAY_MS))


@dataclass(frozen=True, slots=True)
class SkippedLine:
    """A line that cannot be played, and why, for people."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Recording:
    """The playable liquidations of one symbol, sorted by time (ties in order of the file).

    Attributes
    ----------
    symbol
        The symbol played.
    frames
        At least one.
    lines
        Lines read, blank ones not counted.
    skipped
        The first `MAX_REPORTED` lines that were not playable, with the reason.
    skipped_count
        How many there were in all.
    other_symbols
        Playable frames of other symbols, which one chart cannot show: symbol → frames.
    unread
        True if the file had more than `MAX_FRAMES` playable frames and the rest was not read.
    """

    symbol: str
    frames: tuple[RecordedFrame, ...]
    lines: int
    skipped: tuple[SkippedLine, ...] = ()
    skipped_count: int = 0
    other_symbols: Mapping[str, int] = field(default_factory=dict)
    unread: bool = False

    @classmethod
    def load(cls, path: Path | str, symbol: str | None = None) -> Recording:
        """Read a file of JSON lines, each a forceOrder frame with or without the combined envelope.

        Parameters
        ----------
        path
            The file.
        symbol
            The symbol to play; the most frequent one if not given.

        Raises
        ------
        ReplayError
            The file cannot be read or holds nothing playable; ``short`` is a plain sentence.
        """
        path = Path(path)
        reader = _Reader()
        try:
            if not path.is_file():
                raise ReplayError(
                    f"expected a regular file, {path} is none", short=f"The recording {path} is not a file."
                )
            with path.open("rb") as file:
                reader.read(file)
        except OSError as error:
            raise ReplayError(
                f"cannot read {path}: {error!r}",
                short=f"The recording {path} cannot be read: {error.strerror or error}.",
            ) from error
        return reader.recording(str(path), symbol)

    def shifted(self, now_ms: int, max_span_ms: int = DEFAULT_SPAN_MS) -> Recording:
        """Return the recording moved so that it ends just before now, with long silences shortened.

        All silences longer than one common limit are cut to that limit, the longest that makes the whole fit
        ``max_span_ms``; shorter ones stay true to the millisecond. The limit is never under a second, so distinct
        events stay distinct: a recording of more events than ``max_span_ms`` has seconds stays longer than that.

        Parameters
        ----------
        now_ms
            The present, ms since the Unix epoch.
        max_span_ms
            The longest time between first and last event.
        """
        times_ms = np.array([frame.event.ts_ms for frame in self.frames], np.int64)
        gaps_ms = np.diff(times_ms)
        since_first_ms = np.cumsum(np.minimum(gaps_ms, _gap_limit_ms(gaps_ms, max_span_ms)))
        last_ms = now_ms - LEAD_MS
        start_ms = last_ms - int(since_first_ms[-1]) if since_first_ms.size else last_ms
        moved = [start_ms, *(start_ms + since_first_ms).tolist()]
        frames = tuple(frame.moved_to(ts_ms) for frame, ts_ms in zip(self.frames, moved, strict=True))
        return replace(self, frames=frames)

    def report(self) -> list[str]:
        """Return what was not played, one plain sentence each; empty if everything was."""
        sentences = [f"Line {entry.line}: {entry.reason}." for entry in self.skipped]
        if self.skipped_count > len(self.skipped):
            sentences.append(f"{self.skipped_count - len(self.skipped):,} more lines could not be played.")
        if self.other_symbols:
            total = sum(self.other_symbols.values())
            sentences.append(
                f"{total:,} liquidations of {len(self.other_symbols):,} other symbols are not played, "
                f"only {self.symbol}."
            )
        if self.unread:
            sentences.append(f"Only the first {MAX_FRAMES:,} liquidations were read.")
        return sentences


def _gap_limit_ms(gaps_ms: np.ndarray[Any, np.dtype[np.int64]], max_span_ms: int) -> int:
    """Return the largest limit with ``sum(min(gap, limit)) <= max_span_ms``, but at least a second."""
    low, high = 1_000, max(int(gaps_ms.max(initial=0)), 1_000)
    while low < high:
        middle = (low + high + 1) // 2
        if int(np.minimum(gaps_ms, middle).sum()) <= max_span_ms:
            low = middle
        else:
            high = middle - 1
    return low


class _UnplayableError(ValueError):
    """Why a line cannot be played, in words."""


class _Reader:
    """Collects the frames of a file by symbol."""

    def __init__(self) -> None:
        self.by_symbol: dict[str, list[RecordedFrame]] = {}
        self.skipped: list[SkippedLine] = []
        self.skipped_count = 0
        self.lines = 0
        self.unread = False

    def read(self, file: BinaryIO) -> None:
        playable = 0
        for number, line in _lines(file):
            if line is not None and not line.strip():
                continue
            self.lines += 1
            if playable == MAX_FRAMES:
                self.unread = True
                return
            try:
                frame = _frame(line)
            except _UnplayableError as error:
                self.skipped_count += 1
                if len(self.skipped) < MAX_REPORTED:
                    self.skipped.append(SkippedLine(number, str(error)))
            else:
                playable += 1
                self.by_symbol.setdefault(frame.event.symbol, []).append(frame)

    def recording(self, name: str, symbol: str | None) -> Recording:
        counts = Counter({key: len(frames) for key, frames in self.by_symbol.items()})
        if not counts:
            first = f" Line {self.skipped[0].line}: {self.skipped[0].reason}." if self.skipped else ""
            what = f"none of its {self.lines:,} lines is a liquidation" if self.lines else "the file is empty"
            raise ReplayError(
                f"nothing playable in {name}: {self.lines} lines, {self.skipped_count} skipped.{first}",
                short=f"The recording {name} cannot be played: {what}.{first}",
            )
        chosen = symbol if symbol is not None else counts.most_common(1)[0][0]
        if chosen not in counts:
            held = ", ".join(key for key, _ in counts.most_common(5))
            raise ReplayError(
                f"no frame of {chosen} in {name}; it has {counts.most_common(5)}",
                short=f"The recording {name} has no liquidation of {chosen}; it has {held}.",
            )
        return Recording(
            symbol=chosen,
            frames=tuple(sorted(self.by_symbol[chosen], key=lambda frame: frame.event.ts_ms)),
            lines=self.lines,
            skipped=tuple(self.skipped),
            skipped_count=self.skipped_count,
            other_symbols={key: count for key, count in counts.most_common() if key != chosen},
            unread=self.unread,
        )


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Yield line number and line, or None for a line over `MAX_LINE_BYTES`, never holding more than that."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield number, None
        else:
            yield number, line


def _frame(line: bytes | None) -> RecordedFrame:
    if line is None:
        raise _UnplayableError(f"longer than {MAX_LINE_BYTES:,} bytes")
    try:
        # A file saved on Windows may begin with a byte order mark; it is no part of the JSON.
        frame = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise _UnplayableError("not UTF-8 text") from None
    except (ValueError, RecursionError):
        raise _UnplayableError("not valid JSON") from None
    if isinstance(frame, dict) and isinstance(frame.get("data"), dict):
        frame = frame["data"]
    if not isinstance(frame, dict) or frame.get("e") != "forceOrder":
        raise _UnplayableError("not a forceOrder frame")
    order = frame.get("o")
    if not isinstance(order, dict):
        raise _UnplayableError("the order `o` is missing")
    event = _event(order, frame.get("st"))
    try:
        order_json = encode(order)
        order_json.encode()
    except UnicodeEncodeError:
        raise _UnplayableError("contains half a character (a lone surrogate)") from None
    recorded = RecordedFrame(event, order_json)
    try:
        # What the feed would refuse must not be counted as played.
        forceorder.decode(recorded.wire())
    except FrameError as error:
        raise _UnplayableError(f"the feed would refuse it: {error}") from None
    return recorded


def _event(order: Mapping[str, object], frame_st: object) -> LiquidationEvent:
    symbol, side, ts_ms = order.get("s"), order.get("S"), order.get("T")
    if not isinstance(symbol, str) or not symbol or not symbol.isprintable():
        raise _UnplayableError(f"the symbol `s` is {_shown(symbol)}")
    if _COIN_MARGINED_ST in (order.get("st"), frame_st) or _COIN_MARGINED.search(symbol):
        raise _UnplayableError(f"{symbol} is a COIN-M contract, whose quantities are no coins")
    if side not in (Side.SELL, Side.BUY):
        raise _UnplayableError(f"the side `S` is {_shown(side)}, not SELL or BUY")
    if type(ts_ms) is not int or not _FIRST_MS <= ts_ms < _LAST_MS:
        raise _UnplayableError(f"the time `T` is {_shown(ts_ms)}, not milliseconds")
    order_price = _decimal(order, "p")
    price = _decimal(order, "ap") or order_price
    order_qty = _decimal(order, "q")
    qty = _decimal(order, "z") if "z" in order else order_qty
    if not price:
        raise _UnplayableError("it has no price (`ap` or `p`)")
    if price > _HIGHEST_PRICE:
        raise _UnplayableError(f"the price {price:g} is beyond any contract")
    if not qty:
        raise _UnplayableError("it has no filled quantity (`z` or `q`)")
    return LiquidationEvent(
        ts_ms=ts_ms,
        symbol=symbol,
        side=Side(str(side)),
        price=price,
        qty=qty,
        notional=price * qty,
        source=Source.REPLAY,
        order_price=order_price,
        order_qty=order_qty,
        event_ms=ts_ms + PUSH_DELAY_MS,
    )


def _decimal(order: Mapping[str, object], key: str) -> float | None:
    """Return a decimal string of the wire as a number, None if absent."""
    text = order.get(key)
    if text is None:
        return None
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        raise _UnplayableError(f"`{key}` is {_shown(text)}, not a decimal string")
    return float(text)


def _shown(value: object) -> str:
    return "missing" if value is None else f"{str(value)[:40]!r}"
