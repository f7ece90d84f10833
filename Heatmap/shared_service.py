"""A service that several plugins of a program share: one for each database, started and stopped for its users."""

from __future__ import annotations

import asyncio
import atexit
from functools import partial
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QCoreApplication, QMetaObject, QObject, QTimer

from Heatmap.heatmap_service import HeatmapService
from Heatmap.storage.database import database_of

if TYPE_CHECKING:
    from pathlib import Path

    from Heatmap.plugin import HeatmapPlugin
    from Heatmap.storage.database import Address

_Key = tuple["Path", bool]  # the database, and whether it is recorded into


class SharedService:
    """A service and the plugins that use it; get it from `shared_service`. GUI thread only."""

    def __init__(self, key: _Key, service: HeatmapService) -> None:
        self._key = key
        self.service = service
        self._plugins: set[HeatmapPlugin] = set()
        self._quit: QMetaObject.Connection | None = None

    def keep_for(self, plugin: HeatmapPlugin) -> None:
        """Run the service until this plugin, and all others that use it, are detached, or the program ends."""
        if not self._plugins:
            _in_use[self._key] = self
            # With the event loop: charts that a program adds one after the other need no restart for their symbols.
            QTimer.singleShot(0, self._start)
            if (application := QCoreApplication.instance()) is not None:
                self._quit = application.aboutToQuit.connect(self._application_quits)
        self._plugins.add(plugin)
        plugin.detached.connect(partial(self._release, plugin))

    def _start(self) -> None:
        if self._plugins:
            self.service.start()

    def _release(self, plugin: HeatmapPlugin) -> None:
        self._plugins.discard(plugin)
        if not self._plugins and _in_use.pop(self._key, None) is self:
            self.service.stop()
            if self._quit is not None:
                QObject.disconnect(self._quit)

    def _application_quits(self) -> None:
        # qasync leaves Qt's loop after each run of its own, of which the program may make more: then the end of the
        # view or of the process counts.
        if not _is_asyncio_running():
            for plugin in tuple(self._plugins):
                plugin.detach()


_in_use: Final[dict[_Key, SharedService]] = {}


def shared_service(db: Address | None, symbol: str, *, collect: bool) -> tuple[SharedService, str]:
    """Return the service of a database, which serves a symbol from now on, and its spelling of that symbol.

    `SettingsError` if no exchange can have such a symbol, `StorageError` if there is no folder for the user's data.
    """
    database = database_of(db)
    key = database.local_path.resolve(), collect
    shared = _in_use.get(key) or SharedService(key, HeatmapService(database, (symbol,), collect=collect))
    (name,) = shared.service.add_symbols((symbol,))
    return shared, name


@atexit.register
def _stop_all() -> None:
    """Stop what still runs: the host has deleted its application before it detached its plugins."""
    for shared in tuple(_in_use.values()):
        shared.service.stop()


def _is_asyncio_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
