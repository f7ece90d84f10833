"""The thread that turns stored events into the next image: reads the tail, builds, hands over; the latest view wins."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QObject, pyqtSignal

from Heatmap.aggregation.cell_detail import CellFigures, Place, figures_near
from Heatmap.aggregation.image_builder import ImageBuilder
from Heatmap.errors import HeatmapError
from Heatmap.event_columns import EventColumns
from Heatmap.heatmap_settings import HeatmapSettings, decay_half_life_ms, window_ms
from Heatmap.storage.sqlite_store import SqliteStore
from Heatmap.ui.geometry.gap_mesh import Gaps, gaps_between
from Heatmap.ui.geometry.image_change import changed_columns
from Heatmap.ui.geometry.render_options import render_options
from Heatmap.ui.geometry.view_grid import View, covers, grid_for_view, near_cells, same_cells
from Heatmap.ui.widgets.statistics_box import MapStatistics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from Heatmap.aggregation import GridSpec, HeatmapImage
    from Heatmap.clock import Clock
    from Heatmap.events import Coverage

log = logging.getLogger(__name__)

# New events repaint at most this often; a moving view is not held back by it.
LIVE_INTERVAL_S = 0.25
# Without a signal from a collector in this process the file is asked this often whether it changed.
POLL_INTERVAL_S = 0.5
# With decay on, the map is drawn anew after this share of the half-life: a 0.7 % change of every value.
FADE_STEP = 0.01
FAR_MS = 2**62
# The end of a gap that goes on moves in such steps.
GAP_STEP_MS = 5_000


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What the map should show.

    Attributes
    ----------
    symbol
        Exact symbol of the exchange.
    view
        Visible range of the chart.
    settings
        The user's settings.
    dark
        Whether the chart's background is dark.
    moving
        Whether the view is about to change again; cells of nearly the right size serve it.
    """

    symbol: str
    view: View
    settings: HeatmapSettings
    dark: bool
    moving: bool = False


_STOP: Final = BuildRequest("", View(0, 0, 0.0, 0.0, 0, 0), HeatmapSettings(), dark=False)
# Nothing is to be built, only a question to be answered.
_ANSWER: Final = replace(_STOP, dark=True)


@dataclass(frozen=True, slots=True)
class Inspection:
    """The question what an image on the screen holds at a place.

    Attributes
    ----------
    request
        What the image was built for; its symbol, source, sides and minimum size say which events count.
    spec
        The image's grid.
    place
        Where.
    """

    request: BuildRequest
    spec: GridSpec
    place: Place


class _Window:
    """The window's events in memory: one query when it opens, then the tail by row id."""

    def __init__(self, path: Path) -> None:
        self._store = SqliteStore(path)
        self._key: tuple[str, str, int] | None = None
        self._start_ms = 0
        self._seen_version: int | None = None
        self._coverage: list[Coverage] = []
        self._coverage_key: tuple[object, ...] = ()
        self.columns = EventColumns.empty()

    def refresh(self, symbol: str, source: str, start_ms: int) -> bool:
        """Bring the columns up to date from ``start_ms`` on; return True if they changed.

        The window is open to the right: an event that the exchange dates later than this machine's clock must be in
        it, for the tail goes on after its row.
        """
        version = self._store.data_version()
        key = (symbol, source, self._store.generation)
        if self._key != key or start_ms < self._start_ms:
            self.columns = self._store.window(symbol, source, start_ms, FAR_MS)
            self._key, self._start_ms, self._seen_version = key, start_ms, version
            return True
        changed = False
        if version != self._seen_version:
            self._seen_version = version
            newer = self._store.tail(symbol, source, self.columns.last_row_id)
            if len(newer):
                self.columns = self.columns.merged(newer.between(start_ms, FAR_MS))
                changed = True
        self._prune(start_ms)
        return changed

    def coverage(self, symbol: str, source: str, start_ms: int) -> list[Coverage]:
        """Return what was recorded since a moment; read again only when the file has changed."""
        key = (symbol, source, self._store.generation, self._seen_version, start_ms)
        if self._coverage_key != key:
            self._coverage = self._store.coverage(symbol, source, start_ms, FAR_MS)
            self._coverage_key = key
        return self._coverage

    def figures(self, inspection: Inspection, start_ms: int) -> CellFigures | None:
        """Return what lies at a place, None if nothing does or the events in memory are those of another map."""
        symbol, settings = inspection.request.symbol, inspection.request.settings
        if self._key is None or self._key[:2] != (symbol, settings.source):
            return None
        return figures_near(
            self.columns.between(start_ms, FAR_MS),
            inspection.spec,
            inspection.place,
            sides=settings.sides,
            min_notional=settings.min_notional_usd,
        )

    def _prune(self, start_ms: int) -> None:
        """Forget what left the window, but only once it is a tenth of all, so that a tail stays cheap."""
        kept = self.columns.between(start_ms, FAR_MS)
        if len(self.columns) - len(kept) > len(self.columns) // 10:
            self.columns = kept
            self._start_ms = start_ms

    def close(self) -> None:
        self._store.close()


class BuildWorker(QObject):
    """Builds images on its own thread.

    Parameters
    ----------
    db_path
        The database to read; it may not exist yet.
    tick_size
        Returns the tick size of a symbol, None while it is not known. Called on the build thread: it may read a file.
    clock
        The exchange's clock for the window's right edge, monotonic clock for the pace.
    """

    # HeatmapImage | None (nothing to show in this view), its BuildRequest, ChangedColumns | None against the one before
    built = pyqtSignal(object, object, object)
    gapsChanged = pyqtSignal(object)  # Gaps: the stretches of the window that nobody recorded
    windowChanged = pyqtSignal(object)  # int: the window's beginning, ms since the epoch, UTC
    counted = pyqtSignal(object)  # MapStatistics of the window and the image
    inspected = pyqtSignal(object, object)  # CellFigures | None (there is nothing), the Inspection it answers
    # Why nothing can be built: the key of a text, and a sentence in English with the details. Both are "" when all is
    # well again.
    problem = pyqtSignal(str, str)

    def __init__(
        self,
        db_path: Path,
        *,
        tick_size: Callable[[str], float | None],
        clock: Clock,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._db_path = db_path
        self._tick_size = tick_size
        self._clock = clock
        self._wake = threading.Condition()
        self._request: BuildRequest | None = None
        self._request_is_new = False
        self._data_is_new = False
        self._inspection: Inspection | None = None
        self._stopping = False
        self._swap_engine = False
        self._served_at_s = clock.monotonic_s()
        self._built_ms = 0
        self._gaps: Gaps | None = None
        self._window_start_ms: int | None = None
        self._builder = ImageBuilder()
        self._thread = threading.Thread(target=self._run, name="heatmap-build", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def request(self, request: BuildRequest | None) -> None:
        """Show this from now on, and keep it up to date; None: rest. Callable from any thread, never waits."""
        with self._wake:
            self._request = request
            self._request_is_new = True
            self._wake.notify()

    def inspect(self, inspection: Inspection) -> None:
        """Answer this question by `inspected`, the latest one only. Callable from any thread, never waits."""
        with self._wake:
            self._inspection = inspection
            self._wake.notify()

    def data_changed(self) -> None:
        """Take the news that rows were stored. Callable from any thread, never waits."""
        with self._wake:
            self._data_is_new = True
            self._wake.notify()

    def use_numba(self) -> None:
        """Build with the compiled kernels from the next image on (they are loaded already). Any thread."""
        with self._wake:
            self._swap_engine = True
            self._request_is_new = True
            self._wake.notify()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End the thread and wait for it."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    # -- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        window = _Window(self._db_path)
        try:
            self._loop(window)
        except Exception:  # the thread's last line of defence: say it, do not vanish
            log.exception("the build thread ended")
            self.problem.emit("error.build", "")
        finally:
            window.close()

    def _loop(self, window: _Window) -> None:
        image: HeatmapImage | None = None
        shown: BuildRequest | None = None
        trouble = ""
        while (request := self._next()) is not _STOP:
            self._answer(window)
            if request is _ANSWER:
                continue
            if request is None:
                image = shown = None
                continue
            try:
                result = self._build(window, request, image, shown)
            except HeatmapError as error:
                if str(error) != trouble:
                    trouble = str(error)
                    log.warning("the heatmap cannot be built: %s", error)
                    self.problem.emit("error.database_read", error.short)
                continue
            if trouble:
                trouble = ""
                self.problem.emit("", "")
            self.built.emit(result, request, changed_columns(image, result))
            self._tell_window(window, request)
            if result is not image or shown is None:
                self.counted.emit(statistics_of(window.columns, result))
            image, shown = result, request

    def _next(self) -> BuildRequest | None:
        """Wait until there is something to do; return the request to serve, None to rest, `_ANSWER`, or `_STOP`."""
        with self._wake:
            while not self._stopping and not self._request_is_new:
                if self._inspection is not None:
                    return _ANSWER
                patience_s = self._patience_s()
                if patience_s is not None and patience_s <= 0.0:
                    break
                self._wake.wait(patience_s)
            self._request_is_new = self._data_is_new = False
            self._served_at_s = self._clock.monotonic_s()
            return _STOP if self._stopping else self._request

    def _answer(self, window: _Window) -> None:
        """Answer the question that waits, from the events in memory: far cheaper than the image that may follow."""
        with self._wake:
            inspection, self._inspection = self._inspection, None
        if inspection is not None:
            start_ms = self._clock.now_ms() - window_ms(inspection.request.settings)
            self.inspected.emit(window.figures(inspection, start_ms), inspection)

    def _patience_s(self) -> float | None:
        """Return how long an idle worker may still wait, None for ever; the caller holds the lock."""
        if self._request is None:
            return None
        limit_s = LIVE_INTERVAL_S if self._data_is_new else POLL_INTERVAL_S
        return self._served_at_s + limit_s - self._clock.monotonic_s()

    def _build(
        self, window: _Window, request: BuildRequest, image: HeatmapImage | None, shown: BuildRequest | None
    ) -> HeatmapImage | None:
        """Return the image to show: the one already there if a new one would say the same."""
        if self._swap_engine:
            self._swap_engine = False
            self._builder.use_numba()
        now_ms = self._clock.now_ms()
        start_ms = now_ms - window_ms(request.settings)
        changed = window.refresh(request.symbol, request.settings.source, start_ms)
        tick_size = self._tick_size(request.symbol)
        spec = grid_for_view(request.view, request.settings, now_ms=now_ms, tick_size=tick_size)
        if spec is None:
            return None
        still_true = (
            image is not None
            and shown is not None
            and not changed
            and not self._has_faded(request.settings, now_ms)
            and image.engine == self._builder.engine_name
            and replace(shown, view=request.view, moving=request.moving) == request
            and (same_cells(image.spec, spec) or (request.moving and near_cells(image.spec, spec)))
            and covers(image.spec, request.view, window_start_ms=start_ms, now_ms=now_ms)
        )
        if still_true:
            return image
        self._built_ms = now_ms
        return self._builder.build(
            window.columns,
            spec,
            render_options(request.settings, request.view, spec, dark=request.dark),
            now_ms=now_ms,
            window_start_ms=start_ms,
        )

    def _tell_window(self, window: _Window, request: BuildRequest) -> None:
        # In whole seconds, so that a gap that goes on does not repaint the map all the time.
        now_ms = self._clock.now_ms() // GAP_STEP_MS * GAP_STEP_MS
        start_ms = now_ms - window_ms(request.settings)
        if start_ms != self._window_start_ms:
            self._window_start_ms = start_ms
            self.windowChanged.emit(start_ms)
        gaps = gaps_between(window.coverage(request.symbol, request.settings.source, start_ms), start_ms, now_ms)
        if gaps != self._gaps:
            self._gaps = gaps
            self.gapsChanged.emit(gaps)

    def _has_faded(self, settings: HeatmapSettings, now_ms: int) -> bool:
        """Return True if decay has dimmed the map since it was built by more than an eye would miss."""
        half_life_ms = decay_half_life_ms(settings)
        return half_life_ms is not None and now_ms - self._built_ms > FADE_STEP * half_life_ms


def statistics_of(columns: EventColumns, image: HeatmapImage | None) -> MapStatistics:
    """Return the figures of the window's events and of the image made from them."""
    longs = columns.is_long
    figures = MapStatistics(
        events=len(columns),
        long_usd=float(columns.notional[longs].sum()),
        short_usd=float(columns.notional[~longs].sum()),
        largest_usd=float(columns.notional.max()) if len(columns) else None,
    )
    if image is None:
        return figures
    return replace(
        figures,
        rows=image.spec.rows,
        cols=image.spec.cols,
        price_bin_usd=image.spec.price_bin,
        time_bin_ms=image.spec.time_bin_ms,
        build_ms=image.build_ms,
        engine=image.engine,
    )
