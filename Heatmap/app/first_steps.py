"""What the program offers while no liquidation has come: a simulated market, and the import of a file."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject, QProcess, QProcessEnvironment, Qt, pyqtSignal
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QFileDialog, QMessageBox

from Heatmap.child_process import module_environment, program_command
from Heatmap.errors import HeatmapError

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget

    from Heatmap.importing.importer import FileReport
    from Heatmap.storage.contract import Database
    from Heatmap.ui.translation import Translator

log = logging.getLogger(__name__)


class FirstSteps(QObject):
    """The actions, and their work. A file is imported on a thread; its result is shown when it ends."""

    _imported = pyqtSignal(object, str)  # list[FileReport], and an English sentence if it ended early

    def __init__(self, database: Database, translator: Translator, window: QWidget) -> None:
        super().__init__(window)
        self._database = database
        self._translator = translator
        self._window = window
        self.show_demo, self.import_file = QAction(self), QAction(self)
        self.show_demo.setObjectName("show_demo")
        self.import_file.setObjectName("import_file")
        self.show_demo.triggered.connect(self._start_demo)
        self.import_file.triggered.connect(self._choose_file)
        self._imported.connect(self._show_result)
        translator.languageChanged.connect(self._retranslate)
        self._retranslate()

    def _retranslate(self) -> None:
        text = self._translator.text
        self.show_demo.setText(text("first_steps.demo"))
        self.show_demo.setToolTip(text("first_steps.demo_help"))
        self.import_file.setText(text("first_steps.import"))
        self.import_file.setToolTip(text("first_steps.import_help"))

    def _start_demo(self) -> None:
        """Start this program a second time with a simulated market; it ends on its own."""
        command = [*program_command(), "--demo", "--lang", self._translator.language]
        process = QProcess()
        environment = QProcessEnvironment()
        for name, value in module_environment().items():
            environment.insert(name, value)
        process.setProcessEnvironment(environment)
        process.setProgram(command[0])
        process.setArguments(command[1:])
        if not process.startDetached()[0]:
            log.error("the demo could not be started: %s", process.errorString())

    def _choose_file(self) -> None:
        text = self._translator.text
        name, _ = QFileDialog.getOpenFileName(self._window, text("first_steps.import_title"))
        if name:
            self.import_file.setEnabled(False)
            threading.Thread(target=self._import, args=(Path(name),), name="heatmap-import", daemon=True).start()

    def _import(self, path: Path) -> None:
        # Few sessions import a file; the window need not wait for these modules.
        from Heatmap.importing.import_filter import ImportOptions  # noqa: PLC0415
        from Heatmap.importing.importer import import_file  # noqa: PLC0415

        reports: list[FileReport] = []
        problem = ""
        try:
            with self._database.importer() as writer:
                reports.extend(import_file(path, writer, ImportOptions()))
        except HeatmapError as error:
            problem = error.short
        except Exception:  # a thread that dies in silence would leave the button disabled
            log.exception("the import of %s failed", path)
            problem = self._translator.text("first_steps.import_fault")
        with suppress(RuntimeError):  # the window was deleted meanwhile
            self._imported.emit(reports, problem)

    def _show_result(self, reports: list[FileReport], problem: str) -> None:
        self.import_file.setEnabled(True)
        number, lines = self._translator.format_number, []
        for report in reports:
            refused = sum(reason.rows for reason in report.refused)
            counts = {"rows": number(report.rows), "inserted": number(report.inserted), "refused": number(refused)}
            lines.append(self._translator.text("first_steps.imported", name=report.name, **counts))
            reasons = [reason.message for reason in report.refused]
            lines += filter(None, (report.problem, *reasons[:3], report.hint.advice))
        is_fine = not problem and all(report.is_complete and report.is_understood for report in reports)
        icon = QMessageBox.Icon.Information if is_fine else QMessageBox.Icon.Warning
        title = self._translator.text("first_steps.import_title")
        box = QMessageBox(icon, title, "\n".join(filter(None, (*lines, problem))), parent=self._window)
        box.setTextFormat(Qt.TextFormat.PlainText)  # members of an archive may be called as they like
        box.open()
        box.finished.connect(box.deleteLater)
