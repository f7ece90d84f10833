"""Messages of the chart page to Qt, each validated, and the script that attaches the page."""

from __future__ import annotations

import json
import logging
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import msgspec
from msgspec import Meta
from PyQt6.QtCore import QFile, QIODevice, QObject, pyqtSignal, pyqtSlot

# Its library carries qwebchannel.js as a resource.
from PyQt6.QtWebChannel import QWebChannel  # noqa: F401

from Heatmap.errors import BridgeError
from Heatmap.ui.geometry.background import Surface
from Heatmap.ui.geometry.chart_time import UTC_TIME, ChartTime
from Heatmap.ui.geometry.frame_stamp import StampPlace
from Heatmap.ui.geometry.viewport import PriceScaleMode, Viewport
from Heatmap.ui.page.bars import BarRuns, TimeUnitError
from Heatmap.ui.page.channel_object import ChannelObject
from Heatmap.ui.page.message import decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from Heatmap.ui.geometry.viewport import TimeAxis

log = logging.getLogger(__name__)

_Content = TypeVar("_Content")

JAVASCRIPT: Final = Path(__file__).parent / "js"
OBJECT_NAME = "liquidationHeatmap"
PAGE_SCRIPTS = (
    "channel_port.js",
    "page_geometry.js",
    "time_segments.js",
    "frame_stamp.js",
    "viewport_reporter.js",
    "page_background.js",
    "chart_scroll.js",
    "plugin_page.js",
)
# Its value says why no chart is attached; "" if one is.
MISSING_SCRIPT: Final = (
    "window.__heatmapMissing ? window.__heatmapMissing() : 'the script of the heatmap did not run in the page'"
)
# Its value names the element that covers the chart, as far as the page can find it.
COVER_SCRIPT: Final = "window.__heatmapCover ? window.__heatmapCover() : ''"
# Its value says whether the document has the script.
IS_RUNNING_SCRIPT: Final = "Boolean(window.__heatmapDetach)"
# Restores the page.
DETACH_SCRIPT: Final = "if (window.__heatmapDetach) window.__heatmapDetach();"

# Bounds that no real chart reaches; a page that sends more is broken or hostile.
MAX_PIXELS = 100_000.0
# Of elements that surround each other; a gradient has 32 strips.
MAX_SURFACES = 1000
MAX_STAMPS = 4
# Far more bars than pixels, and half the width of a huge screen.
MIN_BAR_SPACING_PX, MAX_BAR_SPACING_PX = 1e-5, 1e6
# As for the positions that the page reports.
MAX_LOGICAL, MAX_PRICE = 1e9, 1e12
# Below it the logarithm of a price ratio is too large for the shader's float32.
MIN_LOG_PRICE = 1e-12
# Smallest relative distance of two prices that float64 resolves.
MIN_PRICE_SPAN = 1e-13

_Pixels = Annotated[float, Meta(ge=-MAX_PIXELS, le=MAX_PIXELS)]
_DevicePixels = Annotated[int, Meta(ge=-3_200_000, le=3_200_000)]
_Cell = Annotated[int, Meta(ge=1, le=64)]
_Copies = Annotated[int, Meta(ge=1, le=16)]
_Ratio = Annotated[float, Meta(ge=0.1, le=32)]
_Byte = Annotated[int, Meta(ge=0, le=255)]
_Logical = Annotated[float, Meta(ge=-MAX_LOGICAL, le=MAX_LOGICAL)]
_Price = Annotated[float, Meta(ge=-MAX_PRICE, le=MAX_PRICE)]


class _ViewportMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pane: tuple[_Pixels, _Pixels, _Pixels, _Pixels]
    from_: _Logical = msgspec.field(name="from")
    to: _Logical
    x_from: Annotated[float, Meta(ge=-1e12, le=1e12)]
    x_to: Annotated[float, Meta(ge=-1e12, le=1e12)]
    price_top: _Price
    price_bottom: _Price
    mode: Annotated[int, Meta(ge=0, le=3)]
    ratio: _Ratio
    frame: Annotated[int, Meta(ge=0)]
    page: tuple[_DevicePixels, _DevicePixels]
    # left, top, size of a cell in device pixels, copies; empty where the chart has no room for a stamp
    stamps: Annotated[list[tuple[_DevicePixels, _DevicePixels, _Cell, _Copies]], Meta(max_length=MAX_STAMPS)]


class _SurfacesMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    ratio: _Ratio
    # left, top, width, height, red, green, blue, alpha
    surfaces: Annotated[
        list[tuple[_Pixels, _Pixels, _Pixels, _Pixels, _Byte, _Byte, _Byte, _Byte]], Meta(max_length=MAX_SURFACES)
    ]


def parse_viewport(text: str) -> Viewport:
    """Return the viewport of a page message; a malformed one or an impossible view raises `BridgeError`."""
    message = decode(text, _ViewportMessage)
    _, _, width, height = message.pane
    if not (width >= 1 and height >= 1 and message.to > message.from_):
        raise BridgeError(f"expected a view with positive extent, was {text[:200]!r}")
    spacing_px = (message.x_to - message.x_from) / (message.to - message.from_)
    if not MIN_BAR_SPACING_PX <= spacing_px <= MAX_BAR_SPACING_PX:
        raise BridgeError(f"expected a distance between bars, was {spacing_px} px")
    prices = (message.price_top, message.price_bottom)
    if abs(prices[0] - prices[1]) <= MIN_PRICE_SPAN * max(map(abs, prices)):
        raise BridgeError(f"expected two different prices at the pane's edges, was {prices}")
    if message.mode == PriceScaleMode.LOGARITHMIC and 0 < min(prices) < MIN_LOG_PRICE:
        raise BridgeError(f"expected prices that have a logarithm, was {prices}")
    return Viewport(
        *message.pane,
        ratio=message.ratio,
        logical_from=message.from_,
        logical_to=message.to,
        x_from_px=message.x_from,
        x_to_px=message.x_to,
        price_top=message.price_top,
        price_bottom=message.price_bottom,
        mode=PriceScaleMode(message.mode),
        frame=message.frame,
        page_px=message.page,
        stamps=tuple(StampPlace(*stamp) for stamp in message.stamps),
    )


def parse_surfaces(text: str) -> tuple[Surface, ...]:
    """Return the painted parts of a page message, outermost first; a malformed one raises `BridgeError`."""
    message = decode(text, _SurfacesMessage)
    surfaces = []
    for left, top, width, height, *color in message.surfaces:
        ratio, (red, green, blue, alpha) = message.ratio, (value / 255 for value in color)
        size_px = max(width, 0.0) * ratio, max(height, 0.0) * ratio
        surfaces.append(Surface(left * ratio, top * ratio, *size_px, (red, green, blue, alpha)))
    return tuple(surfaces)


def page_scripts(chart: str, series: str, object_name: str = OBJECT_NAME) -> tuple[str, ...]:
    """Return the JavaScript that attaches the heatmap to a host's page, to be run in this order.

    The two expressions are code by the *developer of the host program* (``"chart"``, ``"app.series"``), so they become
    scripts: each its own, for one that is not JavaScript does not run at all. Data goes over the channel.
    """
    # Qt's own ``qwebchannel.js`` is a resource of PyQt6.
    library = QFile(":/qtwebchannel/qwebchannel.js")
    if not library.open(QIODevice.OpenModeFlag.ReadOnly):
        raise BridgeError("Qt's qwebchannel.js is missing from this PyQt6 installation")
    parts = [library.readAll().data().decode("utf-8")]
    parts += [(JAVASCRIPT / name).read_text(encoding="utf-8") for name in PAGE_SCRIPTS]
    body = "\n".join(parts)
    expressions = {"chart": chart, "series": series}
    given = ", ".join(f"givenExpression({json.dumps(name)}, {json.dumps(text)})" for name, text in expressions.items())
    # The line's end closes a comment at the end of an expression.
    getters = (f"window.__heatmap_{name} = () => ({text}\n);" for name, text in expressions.items())
    return (*getters, f"(() => {{\n{body}\nfollowChart({given}, '{object_name}');\n}})();")


class Bridge(ChannelObject):
    """The object that the page calls. A malformed message changes nothing; the first of each kind is logged."""

    viewportChanged = pyqtSignal(object)  # Viewport | None: the chart shows nothing that can be placed
    timeAxisChanged = pyqtSignal(object)  # TimeAxis | None
    surfacesChanged = pyqtSignal(object)  # tuple[Surface, ...]: the page's own colours, outermost first
    turnedChanged = pyqtSignal(bool)  # the page turns, skews or mirrors its chart: nothing can be placed
    wrongTimesChanged = pyqtSignal(bool)  # the host gives its chart times that are no seconds
    chartReady = pyqtSignal()  # the page waits for `prepared` before it makes its own parts transparent
    scrollRequested = pyqtSignal(float, float)  # to the page: show this logical position and price, see `ask_to_scroll`
    prepared = pyqtSignal()  # to the page: Qt composes it with what lies beneath
    attachedChanged = pyqtSignal(bool)  # the page is transparent; or its chart is gone and the page is restored

    def __init__(self, chart_time: ChartTime = UTC_TIME, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bars = BarRuns(chart_time)
        self.rejected: Counter[str] = Counter()  # malformed messages by kind

    def ask_to_scroll(self, logical: float, price: float) -> None:
        """Ask the page to show a logical position and a price; `BridgeError` if no chart can have them."""
        if not (abs(logical) <= MAX_LOGICAL and abs(price) <= MAX_PRICE):
            raise BridgeError(f"expected a logical position and a price of a chart, were {logical} and {price}")
        self.scrollRequested.emit(logical, price)

    @pyqtSlot(str)
    def viewport_moved(self, text: str) -> None:
        self._pass_on("viewport", self.viewportChanged.emit, lambda: parse_viewport(text))

    @pyqtSlot(str, result="bool")
    def bars_changed(self, text: str) -> bool:
        """Take the times of the series' bars, as JSON, see `BarRuns`; return False if they are refused."""
        return self._pass_on("bars", self._report_axis, partial(self._take_bars, text))

    @pyqtSlot(str)
    def surfaces_changed(self, text: str) -> None:
        """Take the page's own background colours."""
        self._pass_on("surfaces", self.surfacesChanged.emit, lambda: parse_surfaces(text))

    @pyqtSlot(bool)
    def chart_turned(self, turned: bool) -> None:  # Qt's signature
        self.turnedChanged.emit(turned)

    @pyqtSlot()
    def viewport_lost(self) -> None:
        self.viewportChanged.emit(None)

    @pyqtSlot()
    def chart_found(self) -> None:
        self.chartReady.emit()

    @pyqtSlot()
    def page_attached(self) -> None:
        self.attachedChanged.emit(True)

    @pyqtSlot()
    def page_left(self) -> None:
        self.attachedChanged.emit(False)

    def _take_bars(self, text: str) -> tuple[TimeAxis | None] | None:
        try:
            axis = self._bars.take(text)
        except TimeUnitError:
            # The chart has moved on: what its bars were before is no longer true.
            self.timeAxisChanged.emit(None)
            self.wrongTimesChanged.emit(True)
            raise
        self.wrongTimesChanged.emit(False)
        return axis

    def _report_axis(self, axis: tuple[TimeAxis | None] | None) -> None:
        if axis is not None:
            self.timeAxisChanged.emit(axis[0])

    def _pass_on(self, kind: str, emit: Callable[[_Content], None], parse: Callable[[], _Content]) -> bool:
        try:
            content = parse()
        except BridgeError as error:
            self.rejected[kind] += 1
            if self.rejected[kind] == 1:
                log.warning("refused a %s message of the page: %s", kind, error)
            return False
        emit(content)
        return True
