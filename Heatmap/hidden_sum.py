"""What Binance does not report, estimated: it sends at most one liquidation a second and symbol, the largest.

Bybit reports every one. Thinned in the same way, its own record shows how much such a feed leaves out at a given rate
of events. An estimate is always an interval; without enough hours of both venues there is none. Pure: arrays in,
numbers out.

The method: time is cut into blocks of five minutes. From a block's rate of events that remain after thinning follows
the mean ratio of the true sum to the thinned one, over the blocks of the nearest rates. Within an hour the ratios go
together, as a cascade does, so the error is learned hour by hour: how far the hidden dollars of an hour were from what
its blocks led to expect. These errors, drawn at random for each hour of a window, give the interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from Heatmap.events import Coverage

SECOND_MS: Final = 1000
BLOCK_MS: Final = 5 * 60_000
HOUR_MS: Final = 3_600_000
BLOCKS_PER_HOUR: Final = HOUR_MS // BLOCK_MS
NEEDED_HOURS: Final = 96  # with liquidations that thinning would hide, and both venues covered
CONFIDENCE: Final = 0.9
NEIGHBOURS: Final = 40  # blocks of the nearest rates that give a ratio
_SIMILAR_HOURS: Final = 60  # hours of the nearest expected ratios whose errors are drawn from
_FOLDS: Final = 4
_RECORDS: Final = 200
_DRAWS_PER_RECORD: Final = 20
_SEED: Final = 1
# An estimate is not made at rates that were hardly ever seen.
_FURTHEST: Final = 1.5  # times the highest rate learned


@dataclass(frozen=True, slots=True)
class HiddenSum:
    """An interval for the true sum of a span of time, in dollars; ``hours`` is how much record it was learned from."""

    reported_usd: float
    low_usd: float
    high_usd: float
    hours: int


@dataclass(frozen=True, slots=True)
class NotEnough:
    """Why there is no estimate: hours of record there are and hours needed; or the rates are beyond all learned."""

    hours: int
    needed: int = NEEDED_HOURS
    is_beyond: bool = False


def thinned(ts_ms: NDArray[np.int64], notional: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the largest event of each second: times and dollars, shape (M,) with M <= N, by time."""
    if not len(ts_ms):
        return ts_ms, notional
    second = ts_ms // SECOND_MS
    order = np.lexsort((notional, second))
    last = np.append(np.diff(second[order]) > 0, True)
    kept = order[last]
    return ts_ms[kept], notional[kept]


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Sums of the blocks of some hours, shape (hours, `BLOCKS_PER_HOUR`) each."""

    true_usd: NDArray[np.float64]
    seen_usd: NDArray[np.float64]
    seen: NDArray[np.int64]  # number of events after thinning

    def part(self, chosen: NDArray[np.bool_]) -> _Blocks:
        """Return the blocks of some of the hours."""
        return _Blocks(self.true_usd[chosen], self.seen_usd[chosen], self.seen[chosen])


def _blocks(ts_ms: NDArray[np.int64], notional: NDArray[np.float64], hours: NDArray[np.int64]) -> _Blocks:
    """Cut events into the blocks of some hours, given by their numbers since the epoch, ascending."""

    def summed(times: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        row = np.searchsorted(hours, times // HOUR_MS)
        inside = row < len(hours)
        inside[inside] = hours[row[inside]] == times[inside] // HOUR_MS
        cell = row[inside] * BLOCKS_PER_HOUR + times[inside] % HOUR_MS // BLOCK_MS
        sums = np.bincount(cell, weights[inside], len(hours) * BLOCKS_PER_HOUR).astype(np.float64)
        return sums.reshape(len(hours), BLOCKS_PER_HOUR)

    seen_ms, seen_usd = thinned(ts_ms, notional)
    ones = np.ones(len(seen_ms))
    return _Blocks(summed(ts_ms, notional), summed(seen_ms, seen_usd), summed(seen_ms, ones).astype(np.int64))


def whole_hours(first: Iterable[Coverage], second: Iterable[Coverage]) -> NDArray[np.int64]:
    """Return the numbers of the hours since the epoch that both coverages contain as a whole, ascending."""
    both = _hours(first) & _hours(second)
    return np.array(sorted(both), np.int64)


def _hours(covered: Iterable[Coverage]) -> set[int]:
    return {hour for span in covered for hour in range(-(-span.start_ms // HOUR_MS), (span.end_ms + 1) // HOUR_MS)}


class _Ratios:
    """True dollars for a thinned dollar, by the rate of the events that remain."""

    def __init__(self, blocks: _Blocks) -> None:
        filled = blocks.seen > 0
        order = np.argsort(blocks.seen[filled], kind="stable")
        self._rates = blocks.seen[filled][order]
        self._true = blocks.true_usd[filled][order]
        self._seen = blocks.seen_usd[filled][order]

    @property
    def highest_rate(self) -> int:
        """Events in the busiest block."""
        return int(self._rates[-1]) if len(self._rates) else 0

    def expected(self, blocks: _Blocks) -> NDArray[np.float64]:
        """Return the expected true sum of each hour, in dollars, shape (hours,)."""
        rates, index = np.unique(blocks.seen, return_inverse=True)
        ratios = np.array([self._ratio(int(rate)) for rate in rates])
        sums: NDArray[np.float64] = (blocks.seen_usd * ratios[index.reshape(blocks.seen.shape)]).sum(axis=1)
        return sums

    def _ratio(self, rate: int) -> float:
        if rate == 0 or not len(self._rates):
            return 1.0
        at = int(np.searchsorted(self._rates, rate))
        near = slice(max(at - NEIGHBOURS // 2, 0), at + NEIGHBOURS // 2)
        return float(self._true[near].sum() / self._seen[near].sum())


class HiddenShare:
    """The learned relation between the rate of reported events and what is not reported."""

    def __init__(self, ts_ms: NDArray[np.int64], notional: NDArray[np.float64], hours: NDArray[np.int64]) -> None:
        """Learn from every liquidation of a complete venue, ascending, within some whole hours; see `whole_hours`."""
        blocks = _blocks(ts_ms, notional, hours)
        self._ratios = _Ratios(blocks)
        # Each hour's error is that of ratios learned without it.
        expected = np.empty(len(hours))
        fold = np.arange(len(hours)) % _FOLDS
        for number in range(_FOLDS):
            apart = fold == number
            expected[apart] = _Ratios(blocks.part(~apart)).expected(blocks.part(apart))
        seen, true = blocks.seen_usd.sum(axis=1), blocks.true_usd.sum(axis=1)
        hidden = expected - seen
        useful = hidden > 0
        # 1: as many hidden dollars as expected; 0: none.
        errors, shares = (true - seen)[useful] / hidden[useful], hidden[useful] / seen[useful]
        order = np.argsort(shares, kind="stable")
        self._errors, self._shares = errors[order], shares[order]
        self.hours = int(np.count_nonzero(useful))

    def estimate(
        self, ts_ms: NDArray[np.int64], notional: NDArray[np.float64], start_ms: int, end_ms: int
    ) -> HiddenSum | NotEnough:
        """Return an interval for the true sum of ``[start_ms, end_ms)``, of which a thinned feed reported these."""
        if self.hours < NEEDED_HOURS:
            return NotEnough(self.hours)
        inside = (ts_ms >= start_ms) & (ts_ms < end_ms)
        ts_ms, notional = ts_ms[inside], notional[inside]
        reported = float(notional.sum())
        hours = np.unique(ts_ms // HOUR_MS)
        if not len(hours):
            return HiddenSum(reported, reported, reported, self.hours)
        blocks = _blocks(ts_ms, notional, hours)
        if blocks.seen.max() > _FURTHEST * self._ratios.highest_rate:
            return NotEnough(self.hours, is_beyond=True)
        seen = blocks.seen_usd.sum(axis=1)
        hidden = np.maximum(self._ratios.expected(blocks) - seen, 0.0)
        edge = (1 - CONFIDENCE) / 2
        low, high = np.quantile(self._drawn(hidden, hidden / np.maximum(seen, 1e-9)), [edge, 1 - edge])
        return HiddenSum(reported, reported + float(low), reported + float(high), self.hours)

    def _drawn(self, hidden: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return sums of hidden dollars as they may be, shape (draws,).

        Some hours more or fewer in the record would have taught other errors: each set of draws takes its errors from
        another record, of hours drawn with replacement.
        """
        chance = np.random.default_rng(_SEED)
        drawn = np.zeros((_RECORDS, _DRAWS_PER_RECORD))
        count = len(self._errors)
        size = min(_SIMILAR_HOURS, count)
        for record in drawn:
            kept = np.sort(chance.integers(0, count, count))
            errors, known = self._errors[kept], self._shares[kept]
            begin = np.clip(np.searchsorted(known, shares) - size // 2, 0, count - size)
            picked = begin[:, np.newaxis] + chance.integers(0, size, (len(hidden), _DRAWS_PER_RECORD))
            record[:] = hidden @ errors[picked]
        return drawn.ravel()
