"""An action whose texts come from the catalogues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import pyqtSlot
from PyQt6.QtGui import QAction, QKeySequence

if TYPE_CHECKING:
    from collections.abc import Callable

    from PyQt6.QtCore import QObject

    from Heatmap.ui.translation import Translator

_NATIVE = QKeySequence.SequenceFormat.NativeText


def tooltip(help_text: str, shortcut: QKeySequence) -> str:
    """Return a help sentence with the shortcut in brackets, if there is one."""
    keys = shortcut.toString(_NATIVE)
    return f"{help_text} ({keys})" if keys else help_text


def plain_text(action: QAction) -> str:
    """Return an action's text without the sign of its mnemonic."""
    return action.text().replace("&&", "\0").replace("&", "").replace("\0", "&")


class TextAction(QAction):
    """An action with the text ``key`` and the tooltip ``key_help`` of the catalogue, with its first shortcut.

    ``on_trigger`` is called without arguments. A tool bar shows ``icon_text`` in place of the text, if it is given. A
    text with "&" has a mnemonic, in a tool bar, too.
    """

    def __init__(
        self,
        key: str,
        translator: Translator,
        *,
        shortcuts: tuple[str, ...] = (),
        on_trigger: Callable[[], object] | None = None,
        icon_text: str = "",
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._key = key
        self._translator = translator
        self._icon_text = icon_text
        self.setShortcuts([QKeySequence(keys) for keys in shortcuts])
        if on_trigger is not None:
            self.triggered.connect(lambda: on_trigger())  # noqa: PLW0108 - without Qt's argument
        translator.languageChanged.connect(self.retranslate)
        self.retranslate()

    @pyqtSlot()
    def retranslate(self) -> None:
        text = self._translator.text(self._key)
        self.setText(text)
        self.setIconText(self._icon_text or text)  # by itself it has no "&"
        self.setToolTip(tooltip(self._translator.text(f"{self._key}_help"), self.shortcut()))
