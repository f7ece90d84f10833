"""Matching of the page's reports to its frames.

Reports come over the channel, some frames ahead of the frame on the screen. The stamp in the frame says which report
belongs to it. Without readable stamps the newest report is used.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Final

from Heatmap.ui.geometry.frame_stamp import NUMBERS

if TYPE_CHECKING:
    from Heatmap.ui.geometry.background import Surface
    from Heatmap.ui.geometry.frame_stamp import StampPlace
    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport

KEPT_FRAMES: Final = 240  # reports: four seconds at 60 frames/s
PATIENCE_FRAMES: Final = 20  # after so many frames in a row without a stamp the newest report is used
MAX_PLACES: Final = 6  # a resize moves the stamps in every frame, and the picture is a few frames late
RECENT_FRAMES: Final = 8  # a picture is at most so many reports late


class SyncMode(StrEnum):
    """How the heat follows the chart: not yet, by stamps (exact), or by messages (may lag)."""

    WAITING = "waiting"
    STAMP = "stamp"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class Frame:
    """What the chart shows in one frame."""

    viewport: Viewport
    axis: TimeAxis | None  # None: the series has no bars
    surfaces: tuple[Surface, ...] | None = None  # the page's painted parts; None: as last reported

    def resized(self, page_px: tuple[int, int]) -> Frame:
        """Return what a page of another size shows if its chart and all around it grow with it."""
        surfaces = self.surfaces
        if surfaces is not None:
            wider_px, higher_px = (new - old for new, old in zip(page_px, self.viewport.page_px, strict=True))
            surfaces = tuple(surface.grown(wider_px, higher_px) for surface in surfaces)
        return replace(self, viewport=self.viewport.resized(page_px), surfaces=surfaces)


@dataclass(slots=True)
class SyncCounts:
    """Number of frames painted with their own report, with it but late, and without a readable stamp."""

    exact: int = 0
    late: int = 0
    unread: int = 0


class FrameFollower:
    """Matches stamps with reports. `report` and `picture` return the frame to show if it has changed, else None."""

    def __init__(self) -> None:
        self._frames: OrderedDict[int, Frame] = OrderedDict()
        self.shown: Frame | None = None  # the frame to show
        self.mode = SyncMode.WAITING
        self._due: int | None = None
        # Size of the last picture, and where its stamp was looked for and not found; no places: it was read.
        self._unread: tuple[tuple[int, int], frozenset[StampPlace]] = (0, 0), frozenset()
        self._lag = 0
        self._failures = 0
        self._reports_since_picture = 0
        self.counts = SyncCounts()

    def places(self) -> list[StampPlace]:
        """Return where the stamp of the coming picture may be, the most likely place first."""
        found: dict[StampPlace, None] = {}
        for frame in reversed(self._frames.values()):
            found |= dict.fromkeys(frame.viewport.stamps)
            if len(found) >= MAX_PLACES:
                break
        return list(found)[:MAX_PLACES]

    def expected(self) -> Frame | None:
        """Return the frame of the coming picture if it is as late as the last; None while no stamps are read."""
        return self._before_newest(self._lag) if self.mode is SyncMode.STAMP and self._frames else None

    def forget(self) -> None:
        """Show nothing until the next report: the chart is gone or out of sight."""
        self._frames.clear()
        self.shown = self._due = None
        self._unread = (0, 0), frozenset()
        self.mode = SyncMode.WAITING
        self._failures = self._reports_since_picture = 0

    def report(self, frame: Frame) -> Frame | None:
        """Take the page's report about a frame, usually before its picture comes."""
        number = frame.viewport.frame % NUMBERS
        self._frames[number] = frame
        self._frames.move_to_end(number)
        if len(self._frames) > KEPT_FRAMES:
            self._frames.popitem(last=False)
        self._reports_since_picture += 1
        if self.mode is SyncMode.STAMP and self._reports_since_picture > PATIENCE_FRAMES:
            self.mode = SyncMode.MESSAGE  # the page is no longer painted through this window
        # A page that moved to a screen of another factor has its stamps elsewhere, and may not paint again for long.
        size_px, looked_at = self._unread
        elsewhere = bool(looked_at) and not looked_at.issuperset(frame.viewport.stamps)
        if number == self._due or (elsewhere and frame.viewport.page_px == size_px):
            self._due, self._unread = None, ((0, 0), frozenset())
            self.counts.late += 1
            return self._show(frame)
        return None if self.mode is SyncMode.STAMP else self._show(frame)

    def picture(self, number: int | None, size_px: tuple[int, int]) -> Frame | None:
        """Take the number (None: unreadable) and the size of the picture that is about to be composed."""
        self._reports_since_picture = 0
        if not self._frames:  # nothing was reported, so nothing is stamped
            return None
        self._unread = size_px, frozenset(self.places() if number is None else ())
        if number is not None and number in self._frames:
            self._failures = 0
            self._lag = next(count for count, known in enumerate(reversed(self._frames)) if known == number)
            self._due = None
            self.mode = SyncMode.STAMP
            self.counts.exact += 1
            return self._show(self._frames[number])
        self._failures += 1
        if self._failures >= PATIENCE_FRAMES:
            self.mode = SyncMode.MESSAGE
        if number is None:
            self.counts.unread += 1
        self._due = number
        if self.mode is not SyncMode.STAMP:
            return self._show(self._before_newest(0))
        # A report that is still on its way: the newest is the nearest. An unreadable stamp: as late as the last one.
        guess = self._before_newest(0 if number is not None else self._lag)
        if guess.viewport.page_px == size_px:
            return self._show(guess)
        # During a resize Qt asks for pictures out of turn.
        for frame in islice(reversed(self._frames.values()), RECENT_FRAMES):
            if frame.viewport.page_px == size_px:
                return self._show(frame)
        return self._show(guess.resized(size_px))

    def _before_newest(self, count: int) -> Frame:
        return list(islice(reversed(self._frames.values()), count + 1))[-1]

    def _show(self, frame: Frame) -> Frame | None:
        if frame is self.shown:
            return None
        self.shown = frame
        return frame
