"""One run of the stand-alone program: starts market, collector and window, and ends them in order."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import qasync
from PyQt6.QtCore import QBuffer, QSettings, QTimer
from PyQt6.QtGui import QColor, QGuiApplication, QIcon, QPalette
from PyQt6.QtWidgets import QApplication

from Heatmap.app import DESKTOP_ID, ICON
from Heatmap.app.main_window import MainWindow, Market
from Heatmap.app.qt_texts import QtTexts
from Heatmap.app.recorded_symbols import symbols_to_record
from Heatmap.app.web_engine import prepare_web_engine, take_qt_messages
from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.end_signals import on_end_signals
from Heatmap.events import DEFAULT_SYMBOL, Source
from Heatmap.exit_code import ExitCode
from Heatmap.ingestion.daemon_thread import run_in_daemon_thread
from Heatmap.output_file import written
from Heatmap.plugin import SETTINGS_ORGANIZATION
from Heatmap.recorders import Recorders, services_for
from Heatmap.storage.retention import DEFAULT_DAYS
from Heatmap.ui.gl.graphics import configure_graphics, ensure_graphics
from Heatmap.ui.settings_file import own_settings
from Heatmap.ui.settings_model import SettingsModel
from Heatmap.ui.translation import Translator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from Heatmap.clock import Clock
    from Heatmap.storage.contract import Database

log = logging.getLogger(__name__)

_WINDOW, _BASE, _BUTTON = QColor("#161a21"), QColor("#0e1116"), QColor("#232933")
_TEXT, _DIM, _ACCENT = QColor("#d5dae2"), QColor("#7d8796"), QColor("#2f7fd1")
STARTED_MS = 1000  # when garbage is collected again, which `heatmap` disables at its start
# Each source has its own settings: trying the demo must not change the look of the live map.
SETTINGS_OF_SOURCE = {Source.DEMO: "Heatmap-demo", Source.REPLAY: "Heatmap-replay"}


@dataclass(frozen=True, slots=True)
class ProgramOptions:
    """What the command line asks for; see ``heatmap --help``."""

    symbols: Sequence[str] = (DEFAULT_SYMBOL,)
    db: Database | None = None
    venues: Sequence[str] = (Source.BINANCE,)  # the first one's candles are shown
    ws_url: Sequence[tuple[str, str]] = ()  # venue and base address
    rest_url: Sequence[tuple[str, str]] = ()
    keep_raw: bool = False
    retention_days: float = DEFAULT_DAYS
    language: str | None = None
    demo: bool = False
    replay: Path | None = None
    screenshot: Path | None = None
    after_s: float = 10.0


def _store_of(source: Source) -> QSettings:
    return own_settings(SETTINGS_ORGANIZATION, SETTINGS_OF_SOURCE.get(source, SETTINGS_ORGANIZATION))


class _ProgramLoop(qasync.QEventLoop):  # type: ignore[misc]  # qasync ships no types
    """Qt's loop for asyncio. Names are resolved on daemon threads, which do not delay the end of the program."""

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:  # as asyncio types it, for any host
        return await run_in_daemon_thread(lambda: socket.getaddrinfo(host, port, **options), name="candles-dns")


class Program:
    """One run of the program."""

    def __init__(
        self,
        options: ProgramOptions,
        *,
        clock: Clock = SYSTEM_CLOCK,
        on_shown: Callable[[MainWindow], object] | None = None,
    ) -> None:
        self._options = options
        self._clock = clock
        self._on_shown = on_shown  # called once, in the event loop, for code that operates the window
        self._exit_code = ExitCode.OK

    def run(self) -> int:
        """Run until the window is closed or the picture is saved; return the exit code.

        `HeatmapError` if the recording cannot be played, or an address or a symbol is not one.
        """
        with ExitStack() as stack:
            # First the market: a broken recording is refused before a window opens.
            recorders, market = self._prepare_market(stack)
            application = self._application(stack)
            return self._run_window(application, recorders, market)

    def _prepare_market(self, stack: ExitStack) -> tuple[Recorders, Market]:
        options = self._options
        if options.demo or options.replay is not None:
            from Heatmap.app.simulation import simulated_service  # noqa: PLC0415 - a real market does without

            now_ms = self._clock.now_ms()
            service, notes = simulated_service(
                stack, options.symbols[0], database=options.db, replay=options.replay, now_ms=now_ms
            )
            return Recorders([service]), Market(source=service.source, notes=notes)
        first, *others = (Source(venue) for venue in options.venues)
        store = _store_of(first)
        # The symbols of the last run are the first venue's: another one may not have them.
        symbols = options.symbols if others else symbols_to_record(store, options.symbols, source=first)
        services = services_for(
            options.venues, dict(options.ws_url), dict(options.rest_url), db=options.db, symbols=symbols,
            keep_raw=options.keep_raw, retention_days=options.retention_days,
        )  # fmt: skip
        return Recorders(services), Market(source=services[0].source)

    def _application(self, stack: ExitStack) -> QApplication:
        take_qt_messages()
        prepare_web_engine()
        configure_graphics()
        application = QApplication(["heatmap"])
        ensure_graphics()
        application.setApplicationName("heatmap")
        application.setDesktopFileName(DESKTOP_ID)
        application.setWindowIcon(QIcon(str(ICON)))
        application.setOrganizationName(SETTINGS_ORGANIZATION)
        # The loop ends when everything is closed, not when the last window is.
        application.setQuitOnLastWindowClosed(False)
        _apply_dark_look(application)
        # Without a hook PyQt aborts the process when a slot raises; with it the fault is logged.
        before = sys.excepthook
        sys.excepthook = _log_exception
        stack.callback(setattr, sys, "excepthook", before)
        return application

    def _run_window(self, application: QApplication, recorders: Recorders, market: Market) -> int:
        source = Source(market.source)
        store = _store_of(source)
        overrides: dict[str, object] = {}
        if source is Source.REPLAY:
            overrides["window"] = "2d"  # the recording was made to fit it
        if self._options.language:
            overrides["language"] = self._options.language
        settings = SettingsModel(store, overrides=overrides, recorded=source)
        translator = Translator(settings.value.language)
        QtTexts(application, translator)
        loop = _ProgramLoop(application)
        asyncio.set_event_loop(loop)
        recorders.start()
        service, *others = recorders.services
        window = MainWindow(service, settings, translator, store=store, market=market, clock=self._clock, others=others)
        try:
            # A signal may arrive in a paint event, in which the window must not be closed: it is closed after that.
            with on_end_signals(lambda: QTimer.singleShot(0, window.close)), loop:
                loop.run_until_complete(self._until_closed(window))
        finally:
            recorders.stop()
            window.dispose()
        return self._exit_code

    async def _until_closed(self, window: MainWindow) -> None:
        closed = asyncio.Event()
        window.closing.connect(closed.set)
        window.show()
        window.start()
        QTimer.singleShot(STARTED_MS, gc.enable)
        if self._options.screenshot is not None:
            path = self._options.screenshot
            QTimer.singleShot(round(self._options.after_s * 1000), lambda: self._save_picture(window, path))
        if (on_shown := self._on_shown) is not None:
            QTimer.singleShot(0, lambda: on_shown(window))
        await closed.wait()
        await window.stop()

    def _save_picture(self, window: MainWindow, path: Path) -> None:
        """Save the window as it is composed on the screen, then close it."""
        screen = window.screen() or QGuiApplication.primaryScreen()
        picture = screen.grabWindow(window.winId()) if screen is not None else window.grab()
        if picture.isNull():
            picture = window.grab()
        content = QBuffer()
        picture.save(content, "PNG")
        try:
            with written(path) as file:
                file.write(content.data().data())
        except OSError:
            log.exception("the picture could not be saved to %s", path)
            self._exit_code = ExitCode.NO_PICTURE
        else:
            log.info("picture saved: %s (%d × %d)", path, picture.width(), picture.height())
        if (absence := window.chart_absence()) is not None:
            log.error("the picture shows no chart: %s", absence)
            self._exit_code = ExitCode.NO_PICTURE
        window.close()


def _apply_dark_look(application: QApplication) -> None:
    """Set Qt's Fusion style with dark colours, the same on every desktop."""
    application.setStyle("Fusion")
    role, group = QPalette.ColorRole, QPalette.ColorGroup
    palette = QPalette()
    for color, roles in (
        (_WINDOW, (role.Window, role.AlternateBase)),
        (_BASE, (role.Base,)),
        (_BUTTON, (role.Button, role.ToolTipBase, role.Mid)),
        (_TEXT, (role.WindowText, role.Text, role.ButtonText, role.ToolTipText, role.BrightText)),
        (_DIM, (role.PlaceholderText,)),
        (_ACCENT, (role.Highlight, role.Link)),
        (QColor("white"), (role.HighlightedText,)),
        (QColor("#3a4250"), (role.Light, role.Midlight)),
        (QColor("#07090c"), (role.Dark, role.Shadow)),
    ):
        for each in roles:
            palette.setColor(each, color)
    for each in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(group.Disabled, each, _DIM)
    application.setPalette(palette)


def _log_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("a fault in the program, please report it", exc_info=(kind, error, trace))
