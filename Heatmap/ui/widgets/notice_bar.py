"""The bar above a chart that says what is wrong, or why the map is empty, with what one can do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import Qt, pyqtSlot
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMessageBox, QToolButton

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from PyQt6.QtWidgets import QWidget

    from Heatmap.ui.translation import Translator
    from Heatmap.ui.widgets.notices import Notices
    from Heatmap.ui.widgets.tab_notice import NoticeKind, NoticeTopic

# Of border and ground, which is translucent: for dark and light themes.
NOTICE_COLOURS: Final[dict[NoticeKind, str]] = {
    "info": "59, 130, 246",
    "warning": "217, 149, 20",
    "problem": "220, 60, 60",
}
_MARGINS_PX: Final = (10, 5, 8, 5)
_GAP_PX: Final = 6


class NoticeBar(QFrame):
    """A sentence and buttons, from `Notices`; hidden while there is nothing to say, or only on a topic in ``without``.

    ``retry`` has the connection opened at once.
    """

    def __init__(
        self,
        notices: Notices,
        translator: Translator,
        retry: Callable[[], None],
        parent: QWidget | None = None,
        *,
        without: Collection[NoticeTopic] = (),
    ) -> None:
        super().__init__(parent)
        self.setObjectName("heatmap_notice_bar")
        self._notices = notices
        self._translator = translator
        self._without = frozenset(without)
        self._kind: NoticeKind | None = None
        self._text = QLabel(self)
        self._text.setObjectName("heatmap_notice_bar_text")
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(*_MARGINS_PX)
        self._row.setSpacing(_GAP_PX)
        self._row.addWidget(self._text, 1)
        self._buttons: list[tuple[NoticeTopic, QToolButton]] = []
        self._retry, self._about = QAction(self), QAction(self)
        self._retry.setObjectName("heatmap_retry")
        self._about.setObjectName("heatmap_about")
        self._retry.triggered.connect(lambda _checked: retry())
        self._about.triggered.connect(self._explain)
        self.add_action(self._retry, "not_recording")
        self.add_action(self._about, "first_event")
        notices.changed.connect(self._show)
        translator.languageChanged.connect(self._retranslate)
        self._retranslate()

    def add_action(self, action: QAction, topic: NoticeTopic) -> None:
        """Offer an action as a button beside every notice on a topic."""
        button = QToolButton(self)
        button.setDefaultAction(action)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._row.addWidget(button)
        self._buttons.append((topic, button))
        self._show()

    @pyqtSlot()
    def _show(self) -> None:
        notice = self._notices.notice
        if notice.kind != self._kind:
            self._style(notice.kind)
        self._text.setText(notice.text)
        self.setAccessibleName(notice.text)
        for topic, button in self._buttons:
            button.setVisible(topic == notice.topic)
        self.setVisible(bool(notice.text) and notice.topic not in self._without)

    def _style(self, kind: NoticeKind) -> None:
        self._kind = kind
        colour = NOTICE_COLOURS[kind]
        self.setStyleSheet(
            f"#{self.objectName()} {{ background: rgba({colour}, 50); border-bottom: 1px solid rgba({colour}, 160); }}"
        )

    @pyqtSlot()
    def _retranslate(self) -> None:
        text = self._translator.text
        for action, key in ((self._retry, "notice.retry"), (self._about, "notice.about")):
            action.setText(text(key))
        self._retry.setToolTip(text("notice.retry_help"))
        self._about.setToolTip(text("notice.about_title"))
        self._show()

    def _explain(self) -> None:
        text = self._translator.text
        box = QMessageBox(QMessageBox.Icon.NoIcon, text("notice.about_title"), text("notice.about_text"), parent=self)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()
