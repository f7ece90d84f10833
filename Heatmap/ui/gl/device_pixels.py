"""The size of a widget on its screen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget


def size_px(widget: QWidget) -> tuple[int, int]:
    """Return width and height of a widget's frame buffer in device pixels.

    Qt rounds halves up, as the page does; Python's `round` makes them even.
    """
    ratio = widget.devicePixelRatioF()
    return math.floor(widget.width() * ratio + 0.5), math.floor(widget.height() * ratio + 0.5)
