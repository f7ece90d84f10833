"""A line of text that gives its room to what lies beside it."""

from __future__ import annotations

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import QLabel, QSizePolicy, QWidget

_MIN_LETTERS = 12
_SEPARATOR = "\x9c"  # between the variants of a text, of which Qt shows the first that fits


class ElidedLabel(QLabel):
    """A label that takes what room is left, ends with "…" in a small one, and is empty in a very small one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def set_variants(self, *texts: str) -> None:
        """Set texts of which the first that fits is shown, the longest first; of the last one its beginning."""
        self.setText(_SEPARATOR.join(texts))
        self.setAccessibleName(texts[0])

    def minimumSizeHint(self) -> QSize:
        return QSize(0, super().minimumSizeHint().height())

    @property
    def shown(self) -> str:
        """What is drawn in the present width."""
        metrics, width_px = self.fontMetrics(), self.contentsRect().width()
        if width_px < _MIN_LETTERS * metrics.averageCharWidth():
            return ""
        return metrics.elidedText(self.text(), Qt.TextElideMode.ElideRight, width_px)

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        """Draw what fits, at the right end."""
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(
            self.contentsRect(), int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), self.shown
        )
        painter.end()
