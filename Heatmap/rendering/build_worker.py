"""The thread that makes images from stored events: reads the newest rows, builds, reports. The latest request wins."""

from __future__ import annotations

import logging
import math
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from Heatmap.aggregation.image_builder import ImageBuilder
from Heatmap.aggregation.painted_cell import CellFigures, HitPoint, figures_at
from Heatmap.errors import HeatmapError
from Heatmap.heatmap_settings import HeatmapSettings, decay_half_life_ms, trail_half_life_ms, window_ms
from Heatmap.rendering.area_sums import Area, AreaFigures, area_figures
from Heatmap.rendering.cell_sources import with_sources
from Heatmap.rendering.colour_axis import ColourAxis, colour_axis
from Heatmap.rendering.event_window import FAR_MS, NO_GAPS, EventWindow, MapStatistics, RecordGaps
from Heatmap.rendering.hidden_estimate import REST_S, HiddenEstimates
from Heatmap.rendering.image_change import ChangedColumns, changed_columns
from Heatmap.rendering.largest_events import LargestEvents, largest_events
from Heatmap.rendering.render_options import render_options
from Heatmap.rendering.view_grid import MARGIN, View, covers, grid_for_view, near_cells, same_cells
from Heatmap.rendering.view_sums import LatestSums, ViewSums
from Heatmap.storage.sqlite.sqlite_store import POLL_S
from Heatmap.vocabulary import FITTED_PX

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from Heatmap.aggregation import HeatmapImage
    from Heatmap.clock import Clock

log = logging.getLogger(__name__)

# New events repaint at most this often; a moving view is not held back by it.
LIVE_INTERVAL_S = 0.25
# With decay on, the image is built again after this share of the half-life: every value changes by 0.7 %.
FADE_STEP = 0.01
# Events before a view whose trails reach into it are read for so many half-lives.
TRAIL_HALF_LIVES = 8
# The end of an open gap moves in such steps, so that it does not repaint the map all the time.
GAP_STEP_MS = 5_000


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What the map shows."""

    symbol: str
    view: View
    settings: HeatmapSettings
    dark: bool  # background of the chart
    as_of_ms: int | None = None  # show the record as it was then, ms since the epoch; None: as it is
    moving: bool = False  # the view is about to change again: cells of nearly the right size suffice


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The answer to a `BuildRequest`."""

    image: HeatmapImage | None  # None: the view shows no time before now, or no price above 0
    request: BuildRequest
    changed: ChangedColumns | None  # against the previous image; None: not comparable
    window_start_ms: int  # since the epoch, UTC; in steps of `GAP_STEP_MS`
    gaps: RecordGaps  # of the window, and of an older view
    statistics: MapStatistics  # of the window; the same object while image and settings stay the same
    largest: LargestEvents  # the largest events of the view, for bubbles
    colour_axis: ColourAxis | None = None  # of the legend, the same object while it stays the same; None: no cells
    cut_ms: int | None = None  # earlier events of the view were too many to be read; None: all were read
    sums: ViewSums | None = None  # of the view, if the settings show any; the same object while it stays the same


@dataclass(frozen=True, slots=True)
class Inspection:
    """The question which events paint a point of the displayed image."""

    request: BuildRequest  # of the image
    image: HeatmapImage
    point: HitPoint


@dataclass(frozen=True, slots=True)
class AreaQuestion:
    """The question what was liquidated in an area, with symbol and filters of the displayed image."""

    request: BuildRequest
    area: Area


class BuildListener(Protocol):
    """Receives the reports of a `BuildWorker`, on its thread."""

    def on_built(self, result: BuildResult) -> None:
        """Take an answer; the image may be the one of the previous answer."""

    def on_inspected(self, figures: CellFigures | None, inspection: Inspection) -> None:
        """Take the figures of the cell that paints the point; None: the map is empty there."""

    def on_measured(self, figures: AreaFigures | None, question: AreaQuestion) -> None:
        """Take the sums of an area; None: the events in memory are those of another symbol or source."""

    def on_problem(self, key: str, detail: str) -> None:
        """Take the key of a text and details in English on why nothing can be built; both "" when it works again."""


_STOP: Final = BuildRequest("", View(0, 0, 0.0, 0.0, 0, 0), HeatmapSettings(), dark=False)
# Nothing to build, only questions to answer.
_INSPECT: Final = replace(_STOP, dark=True)


class BuildWorker:
    """Builds images on its own thread. All methods but `stop` return at once and may be called on any thread.

    The database may not exist yet. ``tick_size`` returns a symbol's tick size, None while it is not known; it is called
    on the build thread, because it may read a file. ``clock`` is the exchange's, for the window's right edge.
    """

    def __init__(
        self, db_path: Path, listener: BuildListener, *, tick_size: Callable[[str], float | None], clock: Clock
    ) -> None:
        self._db_path = db_path
        self._listener = listener
        self._tick_size = tick_size
        self._clock = clock
        self._wake = threading.Condition()
        self._request: BuildRequest | None = None
        self._request_is_new = False
        self._data_is_new = False
        self._inspection: Inspection | None = None
        self._question: AreaQuestion | None = None
        self._stopping = False
        self._swap_engine = False
        self._served_at_s = self._requested_at_s = clock.monotonic_s()
        self._built_ms = 0
        self._builder = ImageBuilder()
        self._thread = threading.Thread(target=self._run, name="heatmap-build", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def request(self, request: BuildRequest | None) -> None:
        """Show this from now on, and keep it up to date; None: build nothing."""
        with self._wake:
            self._request = request
            self._request_is_new = True
            self._requested_at_s = self._clock.monotonic_s()
            self._wake.notify()

    def inspect(self, inspection: Inspection) -> None:
        """Answer this question; a question still unanswered is dropped."""
        with self._wake:
            self._inspection = inspection
            self._wake.notify()

    def measure(self, question: AreaQuestion) -> None:
        """Answer this question; a question still unanswered is dropped."""
        with self._wake:
            self._question = question
            self._wake.notify()

    def data_changed(self) -> None:
        with self._wake:
            self._data_is_new = True
            self._wake.notify()

    def use_numba(self) -> None:
        """Build with the compiled kernels, which are loaded, from the next image on."""
        with self._wake:
            self._swap_engine = self._request_is_new = True
            self._wake.notify()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End the thread and wait for it."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        window = EventWindow(self._db_path)
        try:
            self._loop(window)
        except Exception:  # a thread that dies in silence would look like a map without events
            log.exception("the build thread ended")
            self._listener.on_problem("error.build", "")
        finally:
            window.close()

    def _loop(self, window: EventWindow) -> None:
        image: HeatmapImage | None = None
        shown: BuildRequest | None = None
        statistics, axis, sums_of_view = MapStatistics(), None, LatestSums()
        estimates, gaps = HiddenEstimates(self._db_path), NO_GAPS
        trouble = ""
        while (request := self._next()) is not _STOP:
            self._answer_inspection(window)
            self._answer_question(window, gaps)
            if request is _INSPECT:
                continue
            if request is None:
                image = shown = None
                continue
            try:
                result = self._build(window, request, image, shown)
                now_ms = self._now_ms(request) // GAP_STEP_MS * GAP_STEP_MS
                start_ms = now_ms - window_ms(request.settings)
                first_ms = min(start_ms, window.asked_ms)
                gaps = window.gaps(request.symbol, request.settings.sources, first_ms, now_ms)
                sums = sums_of_view.of(
                    window,
                    request.view,
                    request.settings,
                    symbol=request.symbol,
                    window_ms=(start_ms, now_ms),
                    tick_size=self._tick_size(request.symbol),
                    gaps=gaps,
                )
            except HeatmapError as error:
                shown = None  # what has been read is not shown yet
                if str(error) != trouble:
                    trouble = str(error)
                    log.warning("the heatmap cannot be built: %s", error)
                    self._listener.on_problem("error.database_read", error.short)
                continue
            if trouble:
                trouble = ""
                self._listener.on_problem("", "")
            if result is not image or shown is None or shown.settings != request.settings:
                statistics = window.statistics(result, request.settings, start_ms)
                axis = colour_axis(result, request.settings.floor_usd, axis) if result is not None else None
            if request.as_of_ms is None:  # estimates are of windows that end now
                statistics = estimates.added_to(statistics, request.symbol, request.settings)
            self._listener.on_built(
                BuildResult(
                    result,
                    request,
                    changed_columns(image, result),
                    start_ms,
                    gaps,
                    statistics,
                    largest_events(window.columns, request.view, request.settings, start_ms),
                    axis,
                    window.since_ms if window.since_ms > window.asked_ms else None,
                    sums,
                )
            )
            image, shown = result, request
            self._estimate(estimates, request, (start_ms, now_ms))

    def _estimate(self, estimates: HiddenEstimates, request: BuildRequest, span_ms: tuple[int, int]) -> None:
        """Work out what Binance leaves out if that is due and the view rests, so that no picture waits for it."""
        now_s = self._clock.monotonic_s()
        with self._wake:
            is_resting = not self._request_is_new and not self._stopping and now_s - self._requested_at_s >= REST_S
        if is_resting and request.as_of_ms is None and estimates.is_due(request.symbol, request.settings, now_s):
            try:
                estimates.work_out(request.symbol, request.settings, span_ms, now_s)
            except HeatmapError as error:
                log.debug("no estimate: %s", error)

    def _next(self) -> BuildRequest | None:
        """Wait until there is something to do; return the request, None to rest, `_INSPECT` or `_STOP`."""
        with self._wake:
            while not self._stopping and not self._request_is_new:
                if self._inspection is not None or self._question is not None:
                    return _INSPECT
                patience_s = None
                if self._request is not None:
                    limit_s = LIVE_INTERVAL_S if self._data_is_new else POLL_S
                    patience_s = self._served_at_s + limit_s - self._clock.monotonic_s()
                    if patience_s <= 0.0:
                        break
                self._wake.wait(patience_s)
            self._request_is_new = self._data_is_new = False
            self._served_at_s = self._clock.monotonic_s()
            return _STOP if self._stopping else self._request

    def _answer_inspection(self, window: EventWindow) -> None:
        """Answer from the events in memory, before the image that may follow: it is far cheaper."""
        with self._wake:
            inspection, self._inspection = self._inspection, None
        if inspection is None:
            return
        figures, request, image = None, inspection.request, inspection.image
        settings = request.settings
        if window.shows(request.symbol, settings.sources):
            now_ms = self._now_ms(request)
            figures = figures_at(
                window.columns,
                image.spec,
                inspection.point,
                render_options(settings, request.view, image.spec, dark=request.dark),
                edges=image.level_edges,
                now_ms=now_ms,
            )
        if figures is not None:
            # Without the sums by source if the file cannot be read; the next image reports that.
            with suppress(HeatmapError):
                figures = with_sources(
                    figures,
                    settings.sources,
                    partial(window.events_of, request.symbol),
                    sides=settings.sides,
                    min_notional=settings.min_notional_usd,
                )
        self._listener.on_inspected(figures, inspection)

    def _answer_question(self, window: EventWindow, gaps: RecordGaps) -> None:
        with self._wake:
            question, self._question = self._question, None
        if question is None:
            return
        figures, settings = None, question.request.settings
        if window.shows(question.request.symbol, settings.sources):
            figures = area_figures(
                window.columns,
                question.area,
                sides=settings.sides,
                min_notional=settings.min_notional_usd,
                since_ms=window.since_ms,
                gaps=(*gaps.none, *gaps.some),
            )
        self._listener.on_measured(figures, question)

    def _now_ms(self, request: BuildRequest) -> int:
        return self._clock.now_ms() if request.as_of_ms is None else request.as_of_ms

    def _build(
        self, window: EventWindow, request: BuildRequest, image: HeatmapImage | None, shown: BuildRequest | None
    ) -> HeatmapImage | None:
        """Return the image to show: the present one if a new one would be the same."""
        if self._swap_engine:
            self._swap_engine = False
            self._builder.use_numba()
        settings, now_ms = request.settings, self._now_ms(request)
        start_ms = now_ms - window_ms(settings)
        end_ms = FAR_MS if request.as_of_ms is None else request.as_of_ms + 1
        times_ms = _times_read(request, start_ms)
        changed = window.refresh(request.symbol, settings.sources, start_ms, times_ms, end_ms=end_ms)
        tick_size = self._tick_size(request.symbol)
        since_ms = window.since_ms
        spec = grid_for_view(request.view, settings, since_ms=since_ms, now_ms=now_ms, tick_size=tick_size)
        if spec is None:
            return None
        half_life_ms = decay_half_life_ms(settings)
        has_faded = half_life_ms is not None and now_ms - self._built_ms > FADE_STEP * half_life_ms
        if (
            image is not None
            and shown is not None
            and not changed
            and not has_faded
            and image.engine == self._builder.engine_name
            and replace(shown, view=request.view, moving=request.moving) == request
            and (same_cells(image.spec, spec) or (request.moving and near_cells(image.spec, spec)))
            and covers(image.spec, request.view, since_ms=since_ms, now_ms=now_ms)
        ):
            return image
        self._built_ms = now_ms
        options = render_options(settings, request.view, spec, dark=request.dark)
        return self._builder.build(window.columns, spec, options, now_ms=now_ms, window_start_ms=start_ms)


def _times_read(request: BuildRequest, start_ms: int) -> tuple[int, int]:
    """Return the times whose events a view shows: with margin, and before them those whose trails reach into it.

    ``start_ms`` is the window's beginning, where the times end if the chart is fitted to it.
    """
    view, half_life_ms = request.view, trail_half_life_ms(request.settings)
    if half_life_ms is None and view.shown_ms(view.start_ms, start_ms) <= FITTED_PX * view.ms_per_px:
        return start_ms, start_ms
    margin_ms = math.ceil(MARGIN * (view.end_ms - view.start_ms))
    return view.start_ms - margin_ms - TRAIL_HALF_LIVES * (half_life_ms or 0), view.end_ms + margin_ms
