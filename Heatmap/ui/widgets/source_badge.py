"""The mark of a market that is not real."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QEvent, QRect, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QFont, QFontMetrics, QPainter

from Heatmap.ui.widgets.overlay_widget import OverlayWidget

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget

PADDING_PX: Final = (12, 3)
_INK: Final = QColor(0x1B, 0x13, 0x00)
_AMBER: Final = QColor(255, 193, 7)
_CORNER_PX: Final = 4
_FLAGS: Final = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap


def badge_size(text: str, font: QFont, room_px: int) -> QSize:
    """Return the size of lines of bold text with their padding, wrapped where they are wider than ``room_px``."""
    across_px, along_px = PADDING_PX
    box = QRect(0, 0, max(1, room_px - 2 * across_px), 1)
    return QFontMetrics(badge_font(font)).boundingRect(box, int(_FLAGS), text).size() + QSize(
        2 * across_px, 2 * along_px
    )


def badge_font(font: QFont) -> QFont:
    """Return a copy of a font in the badge's weight."""
    bold = QFont(font)
    bold.setWeight(QFont.Weight.DemiBold)
    return bold


class SourceBadge(OverlayWidget):
    """Lines of bold text on amber that mark a market as not real."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("heatmap_badge")
        self._text = ""
        self._room_px = 10_000

    def set_text(self, text: str) -> None:
        if text != self._text:
            self._text = text
            self.setAccessibleName(text)
            self._fit()

    def set_room(self, room_px: int) -> None:
        """Set the width that there is; longer lines are wrapped."""
        if room_px != self._room_px:
            self._room_px = room_px
            self._fit()

    def sizeHint(self) -> QSize:
        return badge_size(self._text, self.font(), self._room_px)

    def changeEvent(self, event: QEvent | None) -> None:
        """Follow a font that is changed while the program runs."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.FontChange:
            self._fit()

    def draw(self, painter: QPainter) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(_AMBER)
        painter.drawRoundedRect(QRectF(self.rect()), _CORNER_PX, _CORNER_PX)
        painter.setPen(_INK)
        painter.setFont(badge_font(self.font()))
        painter.drawText(self.rect(), int(_FLAGS), self._text)

    def _fit(self) -> None:
        self.setFixedSize(self.sizeHint())
        self.update()
