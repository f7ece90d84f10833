"""`Heatmap.add`: the service that it makes, how long that lives, and what it leaves alone in the host."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from PyQt6 import sip
from PyQt6.QtWebEngineWidgets import QWebEngineView
from support.demo import SteeredExchange

import Heatmap
from Heatmap.demo.market import SimulatedMarket
from Heatmap.errors import AttachError, SettingsError
from Heatmap.events import Source
from Heatmap.ingestion.binance import endpoints
from Heatmap.ingestion.venues import VENUES

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_MS = round(15_000 * float(os.environ.get("HEATMAP_PATIENCE", "1")))


@pytest.fixture
def exchange(monkeypatch):
    """Take the place of the real exchange."""
    with SteeredExchange(SimulatedMarket()) as running:
        addresses = running.ws_url, running.rest_url
        there = replace(VENUES[Source.BINANCE], base_urls=lambda *_: endpoints.base_urls(*addresses))
        monkeypatch.setitem(VENUES, Source.BINANCE, there)
        yield running


@pytest.fixture
def make_view(qapp):  # noqa: ARG001
    views = []

    def make() -> QWebEngineView:
        views.append(QWebEngineView())
        return views[-1]

    yield make
    for view in views:
        if not sip.isdeleted(view):
            sip.delete(view)


@pytest.fixture
def record(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    return tmp_path / "record.sqlite3"


def heatmap_threads() -> set[str]:
    names = {thread.name for thread in threading.enumerate() if thread.name.startswith("heatmap")}
    return {name for name in names if not name.startswith("heatmap-kernel")}


def recorded(exchange) -> list[set[str]]:
    """Return the symbols that each connection asks for."""
    names = exchange.call(lambda clients: [list(client.session._names) for client in clients])
    return [{name.partition("@")[0] for name in each if "forceOrder" in name} for each in names]


def test_charts_of_one_database_share_a_service_until_the_last_is_gone(qtbot, make_view, record, exchange):
    first, second, third = make_view(), make_view(), make_view()
    plugins = [Heatmap.add(first, "btcusdt", db=record), Heatmap.add(second, "ETHUSDT", db=str(record))]
    service = plugins[0].service
    assert plugins[1].service is service
    assert service.symbols == ("BTCUSDT", "ETHUSDT")
    # It starts with the event loop: one connection serves both.
    assert not service.is_running
    qtbot.waitUntil(lambda: recorded(exchange) == [{"btcusdt", "ethusdt"}], timeout=PATIENCE_MS)

    plugins.append(Heatmap.add(third, "solusdt", db=record))
    assert plugins[2].service is service
    qtbot.waitUntil(lambda: recorded(exchange) == [{"btcusdt", "ethusdt", "solusdt"}], timeout=PATIENCE_MS)

    sip.delete(first)
    plugins[1].detach()
    assert service.is_running
    sip.delete(third)
    assert not service.is_running
    qtbot.waitUntil(lambda: heatmap_threads() == set(), timeout=PATIENCE_MS)
    # The next one begins anew.
    again = Heatmap.add(second, db=record, collect=False)
    assert again.service is not service
    again.detach()


def test_another_database_and_reading_only_have_a_service_of_their_own(make_view, record, exchange):  # noqa: ARG001
    options = ({"db": record}, {"db": record, "collect": False}, {"db": record.with_name("other.sqlite3")})
    plugins = [Heatmap.add(make_view(), **each) for each in options]
    assert len({plugin.service for plugin in plugins}) == 3
    for plugin in plugins:
        plugin.detach()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"chart": ""}, AttachError),
        ({"symbol": "BTC/USDT"}, SettingsError),
        ({"symbol": "ALL"}, SettingsError),
        ({"time_zone": "Berlin"}, AttachError),
    ],
)
def test_a_refused_call_leaves_nothing_behind(make_view, record, options, error):
    with pytest.raises(error):
        Heatmap.add(make_view(), db=record, collect=False, **options)
    plugin = Heatmap.add(make_view(), db=record, collect=False)
    assert plugin.service.symbols == ("BTCUSDT",)
    plugin.detach()


def test_what_is_no_qtchart():
    for wrong in (None, SimpleNamespace(id="window.a"), SimpleNamespace(get_webview=lambda: None)):
        with pytest.raises(AttachError, match="expected a QtChart of lightweight-charts, was"):
            Heatmap.add_to_qtchart(wrong)


@pytest.mark.usefixtures("qapp")
def test_a_qtchart_whose_bars_are_of_1970(record):
    pandas = pytest.importorskip("pandas")
    widgets = pytest.importorskip("lightweight_charts.widgets")
    chart = widgets.QtChart()
    frame = pandas.DataFrame({"open": 1.0, "high": 2.0, "low": 0.5, "close": 1.5}, index=range(3))
    times = pandas.date_range("2026-01-01", periods=3, freq="min")
    chart.set(frame.assign(time=times.astype("datetime64[us]")))
    with pytest.raises(AttachError, match=r"bars of 1970 .* cast|astype\('datetime64\[ns\]'\)"):
        Heatmap.add_to_qtchart(chart, db=record, collect=False)
    chart.set(frame.assign(time=times.astype("datetime64[ns]")))
    Heatmap.add_to_qtchart(chart, db=record, collect=False).detach()
    sip.delete(chart.get_webview())


def run_host(code: str, folder: Path) -> str:
    environment = os.environ | {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, str(folder / "host.sqlite3")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


UNTOUCHED = """
import faulthandler, locale, logging, signal, sys, threading
import Heatmap

def state():
    logger = logging.getLogger()
    return {
        "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook, faulthandler.is_enabled()),
        "logging": (logger.handlers[:], logger.level, logging.root.manager.disable),
        "locale": locale.setlocale(locale.LC_ALL),
        "signals": [signal.getsignal(number) for number in signal.valid_signals()],
    }

def hook(*error): sys.stderr.write(repr(error))
sys.excepthook = hook
signal.signal(signal.SIGTERM, hook)
logging.basicConfig(level=logging.ERROR)
Heatmap.configure_graphics()
from PyQt6.QtCore import QCoreApplication, QSettings, QTimer, qInstallMessageHandler
from PyQt6.QtWebEngineWidgets import QWebEngineView
from PyQt6.QtWidgets import QApplication
QCoreApplication.setOrganizationName("host")
QCoreApplication.setApplicationName("program")
app = QApplication(sys.argv)
QSettings().setValue("mine", 1)
before = state()
view = QWebEngineView()
view.setHtml("<body></body>")
view.show()
plugin = Heatmap.add(view, db=sys.argv[1], collect=False)
plugin.settings.update(opacity=50)
view.loadFinished.connect(lambda: QTimer.singleShot(200, app.quit))
assert app.exec() == 0
after = state()
for name in before: assert before[name] == after[name], name
assert qInstallMessageHandler(None) is None
assert QSettings().allKeys() == ["mine"], QSettings().allKeys()
assert (app.organizationName(), app.applicationName()) == ("host", "program")
assert [thread.name for thread in threading.enumerate() if thread.name.startswith("heatmap")] == []
print("untouched")
"""

QASYNC = """
import asyncio, sys
import Heatmap
Heatmap.configure_graphics()
import qasync
from PyQt6.QtWebEngineWidgets import QWebEngineView
from PyQt6.QtWidgets import QApplication
app = QApplication(sys.argv)
loop = qasync.QEventLoop(app)
asyncio.set_event_loop(loop)
view = QWebEngineView()
plugin = Heatmap.add(view, db=sys.argv[1], collect=False)

async def state():
    await asyncio.sleep(0)
    while not plugin.service.is_running: await asyncio.sleep(0.01)
    return plugin.status

with loop:
    print(loop.run_until_complete(state()))
    print(loop.run_until_complete(state()))
"""


@pytest.mark.gl
def test_the_host_is_as_it_was_and_all_ends_with_its_loop(tmp_path):
    assert run_host(UNTOUCHED, tmp_path) == "untouched\n"


@pytest.mark.gl
def test_under_qasync_it_lives_on_between_two_runs_of_the_loop(tmp_path):
    assert run_host(QASYNC, tmp_path) == "Reading the database\n" * 2
