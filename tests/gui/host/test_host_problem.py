"""Attached, and yet no heat: it is there after all, or `problem` says why not and what to do."""

from __future__ import annotations

import inspect

import pytest
from PyQt6 import sip
from PyQt6.QtCore import QCoreApplication, QEvent, QEventLoop, QTimer
from PyQt6.QtWidgets import QLabel

from Heatmap.errors import AttachError
from Heatmap.plugin import HeatmapPlugin

pytestmark = [pytest.mark.gl]

VEIL = (
    "document.body.append(Object.assign(document.createElement('div'), {id: 'veil', className: 'dark wide'}));"
    "veil.style.cssText = 'position: fixed; inset: 0; z-index: 9; background: %s'"
)


def test_a_chart_that_is_covered_says_by_what(open_host):
    with open_host() as host:
        host.show()
        said = []
        host.plugin.problemChanged.connect(said.append)
        tab = host.plugin.settings_tab()
        notice = tab.findChild(QLabel, "heatmap_notice")
        host.wait_for_place()
        assert host.plugin.problem == ""
        assert host.plugin.is_visible
        # What dims it does not hide it.
        host.run(VEIL % "rgba(0, 0, 0, 0.5)")
        host.wait(lambda: host.picture()[:400, 300:700].max() < 160)
        assert host.plugin.problem == ""
        host.run("veil.style.background = '#203040'")
        host.wait(lambda: "opaque in the page" in host.plugin.problem)
        host.wait(lambda: "<div#veil.dark.wide>" in host.plugin.problem)
        assert not host.plugin.is_visible
        assert notice.text() == host.plugin.problem == said[-1]
        host.plugin.settings.update(language="de")
        assert "Undurchsichtiges in der Seite" in host.plugin.problem
        host.run("veil.remove()")
        host.wait(lambda: host.plugin.problem == "")
        assert host.plugin.is_visible
        assert said[-1] == ""
        host.wait_for_place()
        tab.deleteLater()


@pytest.mark.parametrize("answer", ["detach", "dialog", "delete"])
def test_a_host_that_answers_a_problem(open_host, answer):
    with open_host() as host:
        host.show()
        loop = QEventLoop()
        QTimer.singleShot(8000, loop.quit)
        answers = {"detach": host.plugin.detach, "dialog": loop.exec, "delete": lambda: sip.delete(host.view)}
        said = []

        def take(problem: str) -> None:
            said.append(problem)
            if problem and len(said) == 1:
                # Not while the page is painted.
                assert "_picture_painted" not in [frame.function for frame in inspect.stack()]
                answers[answer]()

        host.plugin.problemChanged.connect(take)
        host.run(VEIL % "#203040")
        host.wait(lambda: bool(said))
        host.wait(lambda: answer != "dialog" or "<div#veil" in said[-1])
        loop.quit()


TURNS = {
    "turned": "transform: rotate(10deg)",
    "turned by a half": "transform: rotate(180deg)",
    "turned by the property": "rotate: 5deg",
    "skewed": "transform: skewX(10deg)",
    "mirrored": "scale: -1 1",
    "in perspective": "transform: perspective(300px) rotateY(20deg)",
}


def test_a_turned_chart_is_refused_and_comes_back(open_host):
    with open_host() as host:
        host.show()
        for style in TURNS.values():
            host.run(f"document.body.style.cssText = {style!r}")
            host.wait(lambda: "turned, skewed or mirrored" in host.plugin.problem)
            host.wait_for_no_heat()
            assert not host.plugin.is_visible
            host.run("document.body.style.cssText = ''")
            host.wait(lambda: host.plugin.problem == "")
            host.wait_for_place()
        # Turned and turned back; and moved in space without perspective.
        host.run("document.body.style.transform = 'rotate(30deg) translateZ(5px)'")
        host.run("chart.chartElement().style.rotate = '-30deg'")
        host.wait_for_place()
        host.run("document.body.style.transform = 'translate3d(3px, 0, 5px)'; chart.chartElement().style.rotate = ''")
        host.wait_for_place()
        assert host.plugin.problem == ""


@pytest.mark.parametrize("factor", [1000, 1_000_000])
def test_times_that_are_no_seconds(open_host, host_bars, factor, caplog):
    bars = [bar | {"time": bar["time"] * factor} for bar in host_bars()]
    with open_host() as host:
        host.load(data=bars)
        host.attach()
        host.wait(lambda: "not in seconds" in host.plugin.problem)
        assert "no heat is shown: The chart's times are not in seconds" in caplog.text
        assert not host.plugin.is_visible
        assert not host.has_heat()
        host.run(f"series.setData(DATA.map((bar) => ({{...bar, time: bar.time / {factor}}})))")
        host.wait(lambda: host.plugin.problem == "")
        host.wait_for_place()


@pytest.mark.parametrize("offset_s", [7200, -18_000])
def test_bars_that_are_shifted(open_host, host_bars, host_liquidation, offset_s):
    events = [host_liquidation(bar=120, second=30, price=97.0), host_liquidation(bar=199, second=30, price=95.0)]
    with open_host(events=events) as host:
        host.load(data=host_bars(offset_s=offset_s))
        host.attach()
        host.wait(lambda: host.presenter.time_axis is not None)
        # Bars in the past might be those of a chart that has ended.
        assert offset_s > 0 or host.plugin.problem == ""
        host.run("series.update({...DATA[199], time: DATA[199].time + 60})")
        host.wait(lambda: f"time_offset_s={offset_s}." in host.plugin.problem)
        host.plugin.detach()
        host.attach(time_offset_s=offset_s)
        host.wait_for_heat()
        assert host.plugin.problem == ""


def test_symbols_in_lower_case_and_unknown_ones(open_host):
    with open_host() as host:
        host.show(plugin={"symbol": "btcusdt"})
        host.wait_for_place()
        for attempt in (
            lambda: host.plugin.set_symbol("ETHUSDT"),
            lambda: HeatmapPlugin.attach(host.new_view(), service=host.service, symbol="ETHUSDT"),
        ):
            with pytest.raises(AttachError, match="BTCUSDT") as refused:
                attempt()
            assert "ETHUSDT" in refused.value.short
        host.plugin.set_symbol("btcusdt")
        host.wait_for_place()


def test_a_page_that_is_replaced_takes_the_heat_with_it(open_host):
    with open_host() as host:
        host.show()
        old = host.view.page()
        address = host.view.url()
        page = type(old)(host.view)
        with host.qtbot.waitSignal(page.loadFinished, timeout=15_000):
            page.load(address)
        host.view.setPage(page)
        host.wait_for_place()
        assert host.plugin.is_visible
        # One that is loaded later, and the old one deleted at once.
        later = type(old)(host.view)
        host.view.setPage(later)
        page.deleteLater()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        host.load()
        host.wait_for_place()
        host.plugin.detach()
        host.wait(lambda: host.evaluate("document.querySelectorAll('[data-liquidation-heatmap]').length") == 0)


def test_it_is_visible_only_while_heat_can_be_seen(open_host):
    with open_host() as host:
        host.load()
        host.attach()
        assert not host.plugin.is_visible
        host.wait_for_heat()
        assert host.plugin.is_visible
        host.plugin.set_enabled(False)
        assert not host.plugin.is_visible
        host.plugin.set_enabled(True)
        host.wait(lambda: host.plugin.is_visible)
        host.run("chart.chartElement().parentElement.style.height = '0'")
        host.wait(lambda: not host.plugin.is_visible)
        host.run("chart.chartElement().parentElement.style.height = ''")
        host.wait(lambda: host.plugin.is_visible)
        host.view.hide()
        assert not host.plugin.is_visible
        assert host.plugin.problem == ""
