"""Qt's own texts follow the language that the user chooses while the program runs."""

from __future__ import annotations

from PyQt6.QtWidgets import QDialogButtonBox

from Heatmap.app.qt_texts import QtTexts
from Heatmap.ui.translation import Translator


def close_text(qtbot) -> str:
    box = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    qtbot.addWidget(box)
    return box.button(QDialogButtonBox.StandardButton.Close).text().replace("&", "")


def test_qt_speaks_the_language_that_is_chosen(qtbot, qapp):
    translator = Translator("en")
    texts = QtTexts(qapp, translator)
    assert close_text(qtbot) == "Close"
    translator.set_language("de")
    assert close_text(qtbot) == "Schließen"
    translator.set_language("en")
    assert close_text(qtbot) == "Close"
    qapp.removeTranslator(texts)
