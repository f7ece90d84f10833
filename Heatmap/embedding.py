"""One call that puts a heatmap into a program: it makes the service, attaches the plugin, and ends both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from Heatmap.events import DEFAULT_SYMBOL
from Heatmap.qt_binding import check_binding

if TYPE_CHECKING:
    from datetime import tzinfo
    from pathlib import Path

    from PyQt6.QtWebEngineWidgets import QWebEngineView

    from Heatmap.plugin import HeatmapPlugin


def add(
    view: QWebEngineView,
    symbol: str = DEFAULT_SYMBOL,
    *,
    chart: str = "chart",
    series: str = "series",
    db: str | Path | None = None,
    collect: bool = True,
    time_zone: str | tzinfo | None = None,
) -> HeatmapPlugin:
    """Put a heatmap behind a chart and record its symbol; all ends with the view, the program, or ``plugin.detach()``.

    All charts of a program that are added with the same database share one `HeatmapService`, which starts with the
    event loop. A program that configures it itself makes one and calls `HeatmapPlugin.attach`.

    Parameters
    ----------
    view
        The web view that shows the chart. Its page may still be loading.
    symbol
        The symbol to record and to show, in upper or lower case.
    chart, series
        JavaScript expressions for the chart and its main series, e.g. ``"chart"`` or ``"window.app.candles"``.
    db
        The database; None for the one in the user's data folder.
    collect
        False to read only, while another process records.
    time_zone
        The zone whose time your program passes to the chart as if it were UTC: an IANA name or a tzinfo. None: UTC.

    Raises
    ------
    AttachError
        An argument is not what is expected, or the view has a heatmap already; nothing is left behind.
    SettingsError
        No exchange can have a symbol like this.
    """
    check_binding(view)
    # Qt's other bindings must be found out before PyQt6 is loaded: that would fail beside them.
    from Heatmap.attach_arguments import check_view  # noqa: PLC0415
    from Heatmap.plugin import HeatmapPlugin  # noqa: PLC0415
    from Heatmap.shared_service import shared_service  # noqa: PLC0415

    check_view(view)
    shared, name = shared_service(db, symbol, collect=collect)
    plugin = HeatmapPlugin.attach(view, chart, series, service=shared.service, symbol=name, time_zone=time_zone)
    shared.keep_for(plugin)
    return plugin
