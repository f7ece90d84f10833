"""Qt's own texts (buttons, file dialogs, names of keys) in the program's language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import QLibraryInfo, QTranslator, pyqtSlot

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QApplication

    from Heatmap.ui.translation import Translator


class QtTexts(QTranslator):
    """Qt's translation that follows the user's language; a language without one gets Qt's English."""

    def __init__(self, application: QApplication, translator: Translator) -> None:
        super().__init__(application)
        self._application = application
        self._translator = translator
        self._language = ""
        translator.languageChanged.connect(self._follow)
        self._follow()

    @pyqtSlot()
    def _follow(self) -> None:
        language = self._translator.language
        if language != self._language:  # the signal reports other time zones, too
            self._language = language
            self._application.removeTranslator(self)
            if self.load(f"qtbase_{language}", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)):
                self._application.installTranslator(self)
