"""The web channel of a host and the heatmap's own, beside each other."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import QObject, pyqtProperty, pyqtSignal, pyqtSlot, qWarning
from PyQt6.QtWebChannel import QWebChannel
from PyQt6.QtWidgets import QSplitter

from Heatmap.ui.presenter import HeatmapPresenter

pytestmark = [pytest.mark.gl]


class HostBridge(QObject):
    """A host's own object on its own channel: a slot that answers, a signal, a property that changes."""

    spoken = pyqtSignal(str)
    levelChanged = pyqtSignal(int)  # Qt's way

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []
        self.added: list[int] = []
        self._level = 1

    @pyqtSlot(int, int, result=int)
    def add(self, first: int, second: int) -> int:
        self.added.append(first)
        return first + second

    @pyqtSlot(str)
    def hear(self, text: str) -> None:
        self.heard.append(text)

    def _get_level(self) -> int:
        return self._level

    def _set_level(self, level: int) -> None:
        self._level = level
        self.levelChanged.emit(level)

    level = pyqtProperty(int, _get_level, _set_level, notify=levelChanged)


CLIENT = """makeChart();
let hostBridge = null;
const spoken = [];
new QWebChannel(qt.webChannelTransport, (channel) => {
  hostBridge = channel.objects.host;
  hostBridge.spoken.connect((text) => { spoken.push(text); hostBridge.hear('echo ' + text); });
});
"""


def give_channel(host) -> HostBridge:
    bridge = HostBridge()
    channel = QWebChannel(host.window)
    channel.registerObject("host", bridge)
    host.view.page().setWebChannel(channel)
    return bridge


def check_channel(host, bridge: HostBridge, word: str) -> None:
    """Use the host's channel both ways: call with an answer, signal, property."""
    host.wait(lambda: host.evaluate("hostBridge !== null"))
    host.run("window.sum = undefined; hostBridge.add(20, 22).then((value) => { window.sum = value; })")
    host.wait(lambda: host.evaluate("window.sum") == 42)
    bridge.spoken.emit(word)
    host.wait(lambda: f"echo {word}" in bridge.heard)
    bridge.setProperty("level", bridge.property("level") + 1)
    host.wait(lambda: host.evaluate("hostBridge.level") == bridge.property("level"))
    host.run("hostBridge.level = 77")
    host.wait(lambda: bridge.property("level") == 77)
    bridge.setProperty("level", 3)
    host.wait(lambda: host.evaluate("hostBridge.level") == 3)
    assert host.evaluate(f"spoken.filter((text) => text === '{word}').length") == 1


def test_a_page_without_a_channel(open_host):
    with open_host() as host:
        host.show()
        host.wait_for_place()
        assert host.view.page().console == []
        host.plugin.detach()
        assert host.view.page().webChannel() is None


def test_a_host_with_its_own_channel(open_host, qtlog):
    with open_host() as host:
        bridge = give_channel(host)
        host.load(start=CLIENT)
        check_channel(host, bridge, "before")
        host.attach()
        host.wait_for_place()
        check_channel(host, bridge, "beside")
        host.plugin.detach()
        check_channel(host, bridge, "after")
        host.attach()
        host.wait_for_place()
        check_channel(host, bridge, "again")
        assert host.view.page().console == []
        # What other code warns of is still heard.
        qWarning("heard")
        said = [record.message for record in qtlog.records]
        assert [text for text in said if "Registered new object" in text or text == "heard"] == ["heard"]


# 100 calls in each of 100 frames, between which the chart moves and so the heatmap's own messages are sent.
MANY_CALLS = """
window.answered = window.wrong = 0;
let asked = 0;
const frame = () => {
  for (let more = 0; more < 100; more++) {
    const number = asked++;
    hostBridge.add(number, 1).then((sum) => { if (sum !== number + 1) window.wrong++; window.answered++; });
  }
  chart.timeScale().scrollToPosition(-(asked / 100) % 60, false);
  if (asked < 10000) requestAnimationFrame(frame);
};
frame();
"""


def test_ten_thousand_calls_of_the_host_between_ours(open_host):
    with open_host() as host:
        bridge = give_channel(host)
        host.show(start=CLIENT)
        host.wait(lambda: host.evaluate("hostBridge !== null"))
        reports = []
        host.bridge.viewportChanged.connect(reports.append)
        host.run(MANY_CALLS)
        host.wait(lambda: host.evaluate("window.answered") == 10_000)
        assert host.evaluate("window.wrong") == 0
        assert bridge.added == list(range(10_000))
        assert len(reports) > 50
        host.wait_for_place()
        assert (host.bridge.rejected, host.view.page().console) == ({}, [])


def test_a_host_that_drops_the_plugin_while_its_page_is_being_restored(open_host):
    with open_host() as host:
        bridge = give_channel(host)
        channel = host.view.page().webChannel()
        host.show(start=CLIENT)
        assert len(channel.registeredObjects()) == 2
        host.plugin.detach()
        host.plugins.clear()
        host.plugin = None
        assert len(channel.registeredObjects()) == 2
        host.wait(lambda: channel.registeredObjects() == {"host": bridge})
        assert host.view.page().console == []


def test_a_host_that_makes_its_client_after_the_heatmap(open_host):
    with open_host() as host:
        bridge = give_channel(host)
        host.show(start="makeChart();")
        host.wait_for_place()
        host.run(CLIENT.replace("makeChart();", "").replace("let ", "var ").replace("const ", "var "))
        check_channel(host, bridge, "late")
        host.plugin.detach()
        check_channel(host, bridge, "after")


def test_a_host_that_gives_the_page_a_channel_after_attaching(open_host):
    with open_host() as host:
        host.attach()
        bridge = give_channel(host)
        host.load(start=CLIENT)
        check_channel(host, bridge, "host")
        host.wait_for_place()


def test_a_host_that_replaces_the_channel_of_a_running_page(open_host):
    with open_host() as host:
        host.show()
        host.wait_for_place()
        bridge = give_channel(host)
        host.run(CLIENT.replace("makeChart();", "").replace("let ", "var ").replace("const ", "var "))
        check_channel(host, bridge, "host")
        host.run("chart.timeScale().scrollToPosition(-40, false)")
        host.wait_for_place()


def test_two_views_on_one_channel(open_host):
    with open_host() as host:
        second = host.new_view()
        splitter = QSplitter()
        splitter.addWidget(host.view)
        splitter.addWidget(second)
        host.window.setCentralWidget(splitter)
        second.show()
        splitter.setSizes([450, 450])
        bridge = give_channel(host)
        second.page().setWebChannel(host.view.page().webChannel())
        address = host.write_page(start=CLIENT + "chart.timeScale().fitContent();")
        for view in (host.view, second):
            view.load(address)
            host.attach(view)
        for view in (host.view, second):
            host.wait_for_heat(view)
        check_channel(host, bridge, "both")
        # Each heat follows its own chart.
        host.run("chart.timeScale().scrollToPosition(-30, false)", second)
        host.wait_for_place()
        first, other = (plugin.findChild(HeatmapPresenter).viewport for plugin in host.plugins)
        assert first != other
        # One leaves, the other stays.
        host.plugins[0].detach()
        host.wait_for_no_heat(host.view)
        assert host.has_heat(second)
        check_channel(host, bridge, "one")
