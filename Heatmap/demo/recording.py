"""A file of recorded forceOrder frames, in any of the envelopes that can be imported, moved to the present."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from Heatmap.demo.wire import PUSH_DELAY_MS, encode, force_order
from Heatmap.errors import FrameError, ReplayError, RowError
from Heatmap.events import LiquidationEvent, Source
from Heatmap.importing.json_record import json_texts, messages, value_of
from Heatmap.importing.text_reader import TextReader
from Heatmap.ingestion.binance import forceorder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# The last shifted event ends up this long before now, so that its push lies in the past too.
LEAD_MS = 2_000

DEFAULT_SPAN_MS = 40 * 3_600_000

# Half a million frames take about 300 MB; a whole day of one symbol has a few thousand.
MAX_FRAMES = 500_000
# Skipped lines kept in full; beyond that they are only counted.
MAX_REPORTED = 50

# Ticks are at least 1e-8 wide and counted in 64 bits; no contract is anywhere near.
_HIGHEST_PRICE = 1e9
_NO_FRAME = "not a forceOrder frame"
_COIN_MARGINED = "a COIN-M contract, whose quantities are no coins"
_IGNORED = {"coin-margined": _COIN_MARGINED, "nothing-filled": "it has no filled quantity (`z`)"}
_REFUSED = {
    "bad-json": "not valid JSON",
    "too-long": "not a frame",
    "not-text": "not a frame",
    "bad-shape": "not a forceOrder frame",
    "bad-symbol": "the symbol `s`",
    "bad-side": "the side `S`",
    "bad-time": "the time `T`",
    "bad-price": "the price `ap` or `p`",
    "bad-qty": "the quantity `z` or `q`",
}


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """One recorded liquidation, and the ``o`` object of its frame as JSON text, every decimal string as recorded."""

    event: LiquidationEvent
    order_json: str

    def wire(self) -> str:
        """Return the frame as the exchange would push it now: the recorded order under this frame's times."""
        return force_order(json.loads(self.order_json), self.event.ts_ms)

    def moved_to(self, ts_ms: int) -> RecordedFrame:
        """Return the same liquidation at another time."""
        return replace(self, event=msgspec.structs.replace(self.event, ts_ms=ts_ms, event_ms=ts_ms + PUSH_DELAY_MS))


@dataclass(frozen=True, slots=True)
class Recording:
    """The playable liquidations of one symbol, sorted by time (ties in order of the file).

    Attributes
    ----------
    symbol, frames
        The symbol played, and at least one frame.
    lines
        Lines read, blank ones not counted.
    skipped, skipped_count
        A sentence for each of the first `MAX_REPORTED` lines that were not playable, and the number of all.
    other_symbols
        Playable frames of other symbols, which one chart cannot show: symbol → frames.
    unread
        True if the file had more than `MAX_FRAMES` playable frames and the rest was not read.
    """

    symbol: str
    frames: tuple[RecordedFrame, ...]
    lines: int
    skipped: tuple[str, ...]
    skipped_count: int
    other_symbols: Mapping[str, int]
    unread: bool

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Read a file; its most frequent symbol is played. `ReplayError` if nothing in it can be read and played."""
        if not path.is_file():
            raise ReplayError(f"expected a regular file, {path} is none", short=f"The recording {path} is not a file.")
        by_symbol: dict[str, list[RecordedFrame]] = {}
        skipped: list[str] = []
        lines = playable = unplayable = 0
        unread = False
        try:
            with path.open("rb") as file, TextReader(file) as reader:
                for number, text in json_texts(reader):
                    lines += 1
                    if playable >= MAX_FRAMES:
                        unread = True
                        break
                    for frame in _frames(text):
                        if isinstance(frame, str):
                            unplayable += 1
                            if unplayable <= MAX_REPORTED:
                                skipped.append(f"Line {number}: {frame}.")
                        else:
                            playable += 1
                            by_symbol.setdefault(frame.event.symbol, []).append(frame)
        except OSError as error:
            raise ReplayError(
                f"cannot read {path}: {error!r}",
                short=f"The recording {path} cannot be read: {error.strerror or error}.",
            ) from error
        counts = Counter({key: len(frames) for key, frames in by_symbol.items()})
        if not counts:
            first = f" {skipped[0]}" if skipped else ""
            what = f"none of its {lines:,} lines is a liquidation" if lines else "the file is empty"
            raise ReplayError(
                f"nothing playable in {path}: {lines} lines, none playable.{first}",
                short=f"The recording {path} cannot be played: {what}.{first}",
            )
        chosen = counts.most_common(1)[0][0]
        return cls(
            symbol=chosen,
            frames=tuple(sorted(by_symbol[chosen], key=lambda frame: frame.event.ts_ms)),
            lines=lines,
            skipped=tuple(skipped),
            skipped_count=unplayable,
            other_symbols={key: count for key, count in counts.most_common() if key != chosen},
            unread=unread,
        )

    def shifted(self, now_ms: int, max_span_ms: int = DEFAULT_SPAN_MS) -> Recording:
        """Return the recording moved so that it ends just before now, with long silences shortened.

        All silences longer than one common limit are cut to that limit, the longest that makes the whole fit
        ``max_span_ms``; shorter ones stay true to the millisecond. The limit is never under a second, so distinct
        events stay distinct: a recording of more events than ``max_span_ms`` has seconds stays longer than that.
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
        """Return one sentence for each thing that is not played."""
        sentences = list(self.skipped)
        if self.skipped_count > len(self.skipped):
            sentences.append(f"{self.skipped_count - len(self.skipped):,} more lines could not be played.")
        if self.other_symbols:
            total = sum(self.other_symbols.values())
            others = f"{len(self.other_symbols):,} other symbols"
            sentences.append(f"{total:,} liquidations of {others} are not played, only {self.symbol}.")
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


def _frames(text: str | RowError) -> Iterator[RecordedFrame | str]:
    """Yield the frames in a JSON text, or why it, or one of them, cannot be played."""
    try:
        if isinstance(text, RowError):
            raise text
        value = value_of(text.strip())
    except RowError as error:
        yield f"{_REFUSED.get(error.kind, error.kind)}: {error}"
        return
    found = False
    for message in messages(value):
        found = True
        yield _frame(message)
    if not found:
        yield _NO_FRAME


def _frame(message: Mapping[str, Any] | RowError) -> RecordedFrame | str:
    """Return the frame of a message, or why it cannot be played."""
    try:
        if isinstance(message, RowError):
            raise message
        decoded = forceorder.decode(encode(message), source=Source.REPLAY)
    except (FrameError, RowError) as error:
        return f"{_REFUSED.get(error.kind, error.kind)}: {error}"
    if not isinstance(decoded, LiquidationEvent):
        ignored = decoded.reason if isinstance(decoded, forceorder.Ignored) else ""
        return _IGNORED.get(ignored, _NO_FRAME)
    is_coin_margined = forceorder.is_coin_margined(decoded.symbol)
    if is_coin_margined or decoded.price > _HIGHEST_PRICE:
        return _COIN_MARGINED if is_coin_margined else f"the price {decoded.price:g} is beyond any contract"
    return RecordedFrame(decoded, encode(message["o"])).moved_to(decoded.ts_ms)
