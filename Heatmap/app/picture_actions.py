"""Actions that save and copy the chart with its heat, legend and a caption."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import QBuffer, QObject, QStandardPaths, Qt
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QFileDialog, QMessageBox

from Heatmap.clock import SYSTEM_CLOCK, utc_text
from Heatmap.output_file import written
from Heatmap.ui.widgets.text_action import TextAction

if TYPE_CHECKING:
    from collections.abc import Callable

    from PyQt6.QtGui import QImage
    from PyQt6.QtWidgets import QMainWindow

    from Heatmap.clock import Clock
    from Heatmap.plugin import HeatmapPlugin
    from Heatmap.ui.translation import Translator

log = logging.getLogger(__name__)

MESSAGE_MS = 6000


class PictureActions(QObject):
    """``save`` and ``copy``; ``symbol`` gives the one that is shown, for the name of the file."""

    def __init__(
        self,
        plugin: HeatmapPlugin,
        translator: Translator,
        symbol: Callable[[], str],
        window: QMainWindow,
        *,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        super().__init__(window)
        self._plugin = plugin
        self._translator = translator
        self._symbol = symbol
        self._window = window
        self._clock = clock
        self.save = TextAction("picture.save", translator, shortcuts=("Ctrl+S",), on_trigger=self._save, parent=self)
        self.save.setObjectName("save_picture")
        self.copy = TextAction(
            "picture.copy", translator, shortcuts=("Ctrl+Shift+C",), on_trigger=self._copy, parent=self
        )
        self.copy.setObjectName("copy_picture")

    def _save(self) -> None:
        # Taken first: the dialog must not be on it, and the chart moves on while somebody chooses a name.
        picture = self._plugin.picture(caption=True)
        text = self._translator.text
        folder = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.PicturesLocation) or str(Path.home())
        name = f"{self._symbol()}-{utc_text(self._clock.now_ms(), '%Y%m%d-%H%M')}.png"
        dialog = QFileDialog(self._window, text("picture.save"), folder, "PNG (*.png)")
        dialog.setObjectName("save_picture_dialog")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("png")  # Qt adds it before it asks whether a file is to be replaced
        dialog.selectFile(name)
        dialog.fileSelected.connect(partial(self._write, picture))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _write(self, picture: QImage, chosen: str) -> None:
        text, path = self._translator.text, Path(chosen)
        content = QBuffer()
        picture.save(content, "PNG")
        try:
            with written(path) as file:
                file.write(content.data().data())
        except OSError as error:
            log.warning("the picture cannot be saved: %s", error)
            sentence = text("picture.not_saved", path=path, reason=error.strerror or error)
            box = QMessageBox(QMessageBox.Icon.Warning, text("picture.save"), sentence, parent=self._window)
            box.setTextFormat(Qt.TextFormat.PlainText)
            box.finished.connect(box.deleteLater)
            box.open()
            return
        self._say(text("picture.saved", path=path))

    def _copy(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setImage(self._plugin.picture(caption=True))
            self._say(self._translator.text("picture.copied"))

    def _say(self, message: str) -> None:
        bar = self._window.statusBar()
        if bar is not None:
            bar.showMessage(message, MESSAGE_MS)
