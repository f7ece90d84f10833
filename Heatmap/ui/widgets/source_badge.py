"""The badge over the chart: one line that says that a market is not real."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QFont, QFontMetrics, QPainter

from Heatmap.ui.widgets.overlay_widget import Card

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget

_INK: Final = QColor(0x1B, 0x13, 0x00)
_GROUND: Final = QColor(255, 193, 7)
_PADDING_PX: Final = (12, 3)
_CORNER_PX: Final = 4


class Badge(Card):
    """A line of bold text on amber.

    Parameters
    ----------
    parent
        The view above which it floats.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("heatmap_badge")
        font = QFont(self.font())
        font.setWeight(QFont.Weight.DemiBold)
        self.setFont(font)
        self._text = ""

    def text(self) -> str:
        """Return what the badge says."""
        return self._text

    def set_text(self, text: str) -> None:
        """Say this."""
        if text != self._text:
            self._text = text
            self.setAccessibleName(text)
            self.setFixedSize(self.sizeHint())
            self.update()

    def sizeHint(self) -> QSize:
        """Return the size that holds the text."""
        metrics, (across_px, along_px) = QFontMetrics(self.font()), _PADDING_PX
        return QSize(metrics.horizontalAdvance(self._text) + 2 * across_px, metrics.height() + 2 * along_px)

    def draw(self, painter: QPainter) -> None:
        """Draw the text on its ground."""
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(_GROUND)
        painter.drawRoundedRect(QRectF(self.rect()), _CORNER_PX, _CORNER_PX)
        painter.setPen(_INK)
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._text)
