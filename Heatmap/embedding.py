"""One call that puts a heatmap into a program: it makes the service, attaches the plugin, and ends both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from Heatmap.errors import AttachError
from Heatmap.events import DEFAULT_SYMBOL
from Heatmap.qt_binding import check_binding, name_of

if TYPE_CHECKING:
    from datetime import tzinfo
    from pathlib import Path

    from PyQt6.QtWebEngineWidgets import QWebEngineView

    from Heatmap.plugin import HeatmapPlugin

# lightweight-charts 2.1 with pandas 3 divides microseconds by 1e9: today's bars are in January 1970.
_OLDEST_BAR_S: Final = 100_000_000


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


def add_to_qtchart(chart: Any, symbol: str = DEFAULT_SYMBOL, **options: Any) -> HeatmapPlugin:
    """Put a heatmap behind a ``QtChart`` of the package ``lightweight-charts`` (tried: 2.1); else as `add`.

    The package takes PyQt5 or PySide6 where they are installed: its views then belong to another Qt binding. Before it
    is imported ``sys.modules["PyQt5"] = sys.modules["PySide6"] = None`` makes it take PyQt6. It counts times without a
    zone as UTC; for local ones give ``time_zone``. With pandas 3 its version 2.1 writes microseconds as seconds: cast
    the column to ``datetime64[ns]``.

    Parameters
    ----------
    chart
        The ``QtChart``. A subchart lies in its parent's view: call `add` with
        ``chart=f"{subchart.id}.chart", series=f"{subchart.id}.series"`` for it.
    symbol, options
        As for `add`; ``chart`` and ``series`` are known.

    Raises
    ------
    AttachError
        As for `add`; or ``chart`` is no ``QtChart``, or its bars are of 1970.
    """
    get_view = getattr(chart, "get_webview", None)
    if not (callable(get_view) and isinstance(getattr(chart, "id", None), str)):
        raise AttachError(
            f"expected a QtChart of lightweight-charts, was {name_of(chart)}: its charts that are no Qt widget, such as"
            " Chart and JupyterChart, cannot show a heatmap; for a subchart call Heatmap.add with its parent's view"
        )
    bars = getattr(chart, "candle_data", None)
    if bars is not None and len(bars) and 0 < bars["time"].iloc[-1] < _OLDEST_BAR_S:
        raise AttachError(
            f"expected bars of today, were bars of 1970 (the last is at {bars['time'].iloc[-1]} s): lightweight-charts"
            " 2.1 with pandas 3 writes microseconds as seconds. Before chart.set(df):"
            " df['time'] = df['time'].astype('datetime64[ns]')"
        )
    return add(get_view(), symbol, chart=f"{chart.id}.chart", series=f"{chart.id}.series", **options)
