"""The heatmap behind a `QtChart` of the package lightweight-charts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from Heatmap.embedding import add
from Heatmap.errors import AttachError
from Heatmap.events import DEFAULT_SYMBOL
from Heatmap.qt_binding import name_of

if TYPE_CHECKING:
    from Heatmap.plugin import HeatmapPlugin

# lightweight-charts 2.1 with pandas 3 divides microseconds by 1e9: today's bars are in January 1970.
_OLDEST_BAR_S: Final = 100_000_000
_CHANNEL_POLL_MS: Final = 20


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
    plugin = add(get_view(), symbol, chart=f"{chart.id}.chart", series=f"{chart.id}.series", **options)
    _await_channel(chart)
    return plugin


def _await_channel(chart: Any) -> None:
    """Let the package run its scripts when its page can call the program, and not before.

    It waits 200 ms for that, which is too short on a busy machine; then the page has no chart.
    """
    window = getattr(chart, "win", None)
    if window is None or getattr(window, "loaded", True):
        return
    from PyQt6 import sip  # noqa: PLC0415
    from PyQt6.QtCore import QTimer  # noqa: PLC0415

    page, run_scripts = chart.get_webview().page(), window.on_js_load

    def look() -> None:
        if not sip.isdeleted(page):
            page.runJavaScript(
                "Boolean(window.pythonObject)",
                lambda is_there: run_scripts() if is_there else QTimer.singleShot(_CHANNEL_POLL_MS, look),
            )

    window.on_js_load = look
