"""Turns proofs of life into stretches of coverage: pure bookkeeping, no SQL and no clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from Heatmap.events import Coverage

MAX_GAP_MS: Final = 15_000
"""Longest time between two proofs of one stretch, in ms: the mark price comes every second, and a feed
without it for 10 s counts as dead. After a longer gap (a machine that slept) a new stretch begins."""


@dataclass(slots=True)
class Stretch:
    """A stretch being written: ``row_id`` is None until it is stored, ``stored_end_ms`` what is stored of
    it.
    """

    source: str
    symbol: str
    start_ms: int
    end_ms: int
    row_id: int | None = None
    stored_end_ms: int | None = None

    @property
    def is_due(self) -> bool:
        """True if the database knows less than this."""
        return self.stored_end_ms != self.end_ms

    def coverage(self) -> Coverage:
        """Return what is known so far."""
        return Coverage(self.source, self.symbol, self.start_ms, self.end_ms)


@dataclass(slots=True)
class CoverageLog:
    """The open stretch of each series, and those that ended but are not stored to their end yet."""

    _open: dict[tuple[str, str], Stretch] = field(default_factory=dict)
    _ended: list[Stretch] = field(default_factory=list)

    def extend(self, source: str, symbol: str, first_ms: int, last_ms: int) -> None:
        """Note that the series was delivered from ``first_ms`` to ``last_ms``, in one piece."""
        stretch = self._open.get((source, symbol))
        if stretch is not None and stretch.start_ms <= first_ms <= stretch.end_ms + MAX_GAP_MS:
            stretch.end_ms = max(stretch.end_ms, last_ms)
            return
        if stretch is not None:
            self._end(stretch)
        self._open[source, symbol] = Stretch(source, symbol, first_ms, last_ms)

    def close(self, symbols: frozenset[str] | None = None) -> None:
        """Note that some symbols are not delivered any more; None: nothing is."""
        ended = [key for key in self._open if symbols is None or key[1] in symbols]
        for key in ended:
            self._end(self._open.pop(key))

    def due(self) -> list[Stretch]:
        """Return what the database does not know yet, ended stretches first."""
        return [stretch for stretch in (*self._ended, *self._open.values()) if stretch.is_due]

    def has_ended(self) -> bool:
        """Return True if a stretch ended and should be stored without waiting for the heartbeat."""
        return bool(self._ended)

    def forget_ended(self) -> None:
        """Drop the ended stretches that are stored to their end."""
        self._ended = [stretch for stretch in self._ended if stretch.is_due]

    def store_anew(self) -> None:
        """Note that the rows of the open stretches are in another file now: each gets a new one, from its start on."""
        for stretch in (*self._ended, *self._open.values()):
            stretch.row_id = stretch.stored_end_ms = None

    def _end(self, stretch: Stretch) -> None:
        if stretch.is_due:
            self._ended.append(stretch)


def merged(stretches: list[Coverage]) -> list[Coverage]:
    """Return stretches of one series in ascending order with those that overlap or touch joined.

    ``stretches`` must be in ascending order of ``start_ms``.
    """
    joined: list[Coverage] = []
    for stretch in stretches:
        last = joined[-1] if joined else None
        if last is not None and stretch.start_ms <= last.end_ms:
            end_ms = max(last.end_ms, stretch.end_ms)
            joined[-1] = Coverage(last.source, last.symbol, last.start_ms, end_ms)
        else:
            joined.append(stretch)
    return joined


def without(stretches: list[Coverage], holes: list[tuple[int, int]]) -> list[Coverage]:
    """Return what remains of stretches when some times ``(from_ms, to_ms)``, ends included, count as unknown.

    A stretch of one moment is left where nothing is cut from it; pieces that would be shorter than that vanish.
    """
    left = stretches
    for from_ms, to_ms in holes:
        pieces: list[Coverage] = []
        for stretch in left:
            if stretch.end_ms < from_ms or stretch.start_ms > to_ms:
                pieces.append(stretch)
                continue
            if stretch.start_ms < from_ms:
                pieces.append(Coverage(stretch.source, stretch.symbol, stretch.start_ms, from_ms - 1))
            if stretch.end_ms > to_ms:
                pieces.append(Coverage(stretch.source, stretch.symbol, to_ms + 1, stretch.end_ms))
        left = pieces
    return left
