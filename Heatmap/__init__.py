"""Heatmap: a native heatmap of realised liquidations behind Lightweight Charts in PyQt6 programs.

Importing this package loads neither Qt nor Numba; public names are loaded at first use.
"""

# Nothing is imported here that Python has not loaded by then, not even `__future__` or `typing`: `python -m Heatmap`
# runs this file while the working directory is still first on the path (see __main__.py).
from importlib import import_module

TYPE_CHECKING = False  # type checkers take this name for true
if TYPE_CHECKING:
    from Heatmap.embedding import add
    from Heatmap.heatmap_service import HeatmapService
    from Heatmap.plugin import HeatmapPlugin
    from Heatmap.qtchart import add_to_qtchart
    from Heatmap.record import Record, open_record
    from Heatmap.ui.gl.graphics import configure_graphics, ensure_graphics

__version__ = "0.1.0"
__all__ = [
    "HeatmapPlugin",
    "HeatmapService",
    "Record",
    "__version__",
    "add",
    "add_to_qtchart",
    "configure_graphics",
    "ensure_graphics",
    "open_record",
]

_HOMES = {
    "HeatmapPlugin": "Heatmap.plugin",
    "HeatmapService": "Heatmap.heatmap_service",
    "Record": "Heatmap.record",
    "add": "Heatmap.embedding",
    "add_to_qtchart": "Heatmap.qtchart",
    "configure_graphics": "Heatmap.ui.gl.graphics",
    "ensure_graphics": "Heatmap.ui.gl.graphics",
    "open_record": "Heatmap.record",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_HOMES[name]), name)
    except ImportError as error:
        from Heatmap.qt_binding import explained  # noqa: PLC0415 - see above

        if (clearer := explained(error)) is not None:
            raise clearer from error
        raise
