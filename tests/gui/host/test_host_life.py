"""The heatmap comes and goes in hosts of every kind, and leaves nothing behind."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from PyQt6 import sip
from PyQt6.QtCore import QCoreApplication, QEvent, Qt
from PyQt6.QtGui import QColor
from PyQt6.QtQuickWidgets import QQuickWidget
from PyQt6.QtWidgets import QDockWidget, QHBoxLayout, QLabel, QSplitter, QTabWidget, QWidget

from Heatmap.ui.gl.underlay import Underlay
from Heatmap.ui.page.bars import BarRuns
from Heatmap.ui.settings_model import SettingsModel
from Heatmap.ui.widgets.legend import Legend

pytestmark = [pytest.mark.gl]


# -- when the chart comes --------------------------------------------------------------------------------------------


def test_a_chart_that_is_made_half_a_second_after_its_page(open_host):
    with open_host() as host:
        host.load(start="setTimeout(makeChart, 500);")
        host.attach()
        host.wait_for_heat()
        host.wait_for_place()


@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_attaching_at_any_moment_of_the_load(open_host, moment):
    with open_host() as host:
        address = host.write_page()
        if moment == "before":
            host.attach()
        with host.qtbot.waitSignal(host.view.loadFinished, timeout=10_000):
            if moment == "during":
                host.view.page().loadStarted.connect(host.attach, Qt.ConnectionType.SingleShotConnection)
            host.view.load(address)
        if moment == "after":
            host.attach()
        host.wait_for_place()


def test_detaching_before_the_chart_exists(open_host):
    with open_host() as host:
        host.load(start="")
        host.attach()
        host.wait(lambda: host.evaluate("typeof window.__heatmapDetach") == "function")
        host.plugin.detach()
        host.run("makeChart()")
        host.wait(lambda: tuple(host.picture()[40, 300]) == (0x10, 0x14, 0x18))
        host.wait(lambda: tuple(host.still_picture()[40, 300]) == (0x10, 0x14, 0x18))
        assert host.evaluate("document.body.getAttribute('style')") is None


def test_reloading_the_page(open_host):
    with open_host() as host:
        host.show()
        for _ in range(2):
            with host.qtbot.waitSignal(host.view.loadFinished, timeout=10_000):
                host.view.reload()
            host.wait_for_place()


def test_going_to_a_page_without_a_chart(open_host):
    with open_host() as host:
        host.show()
        with host.qtbot.waitSignal(host.view.loadFinished, timeout=10_000):
            host.view.setHtml("<p>about this program</p>")
        host.wait(lambda: tuple(host.picture()[400, 700]) == (255, 255, 255))
        host.wait_for_no_heat()
        assert not any(legend.isVisible() for legend in host.view.findChildren(Legend))
        host.load()
        host.wait_for_place()


def test_a_host_that_replaces_its_chart(open_host):
    with open_host() as host:
        host.show()
        host.run("chart.remove(); makeChart({rightPriceScale: {scaleMargins: {top: 0.4, bottom: 0.1}}})")
        host.wait_for_place()
        host.run("chart.remove(); chart = series = null")
        host.wait_for_no_heat()
        host.run("makeChart()")
        host.wait_for_place()
        assert host.view.page().console == []


def test_a_chart_that_is_taken_out_of_the_document_and_put_back(open_host, monkeypatch):
    messages = []
    original = BarRuns.take
    monkeypatch.setattr(BarRuns, "take", lambda self, text: (messages.append(text), original(self, text))[1])
    with open_host() as host:
        host.load()
        before = host.evaluate("chart.options()")
        host.attach()
        for _ in range(2):
            host.wait_for_place()
            host.run("window.box = document.getElementById('chart'); box.remove()")
            host.wait_for_no_heat()
            host.wait(lambda: host.evaluate("chart.options()") == before)
            host.run("document.body.append(box)")
        host.wait_for_place()
        # One attachment only is left, and it has the chart's own colour.
        assert tuple(host.still_picture()[40, 300]) == (0x10, 0x14, 0x18)
        messages.clear()
        host.run("series.update({...DATA[199], time: DATA[199].time + 60})")
        host.run("series.update({...DATA[199], time: DATA[199].time + 120})")
        host.wait(lambda: any(",202]]" in text for text in messages))
        assert len(messages) == 2
        host.plugin.detach()
        host.wait(lambda: host.evaluate("chart.options()") == before)
        assert host.view.page().console == []


def test_a_host_that_deletes_its_view_when_an_image_comes(open_host):
    with open_host() as host:
        host.load()
        host.attach(settings=SettingsModel(None))
        host.plugin.imageChanged.connect(lambda _: sip.isdeleted(host.view) or sip.delete(host.view))
        host.wait(lambda: sip.isdeleted(host.view))


def test_a_plugin_that_is_deleted_before_the_page_has_answered(open_host):
    with open_host() as host:
        host.show()
        host.plugin.set_enabled(False)
        host.plugin._session._ask_for_chart()
        sip.delete(host.plugin)  # as PyQt does at the end of a program
        assert host.evaluate("1") == 1


def test_a_strict_content_security_policy(open_host):
    policy = "default-src 'none'; script-src file: qrc:; style-src 'self' 'unsafe-inline'"
    with open_host() as host:
        host.show(head=f'<meta http-equiv="Content-Security-Policy" content="{policy}">')
        host.wait_for_place()


# -- colours ---------------------------------------------------------------------------------------------------------

WHITE = "makeChart({layout: {background: {type: 'solid', color: 'white'}, textColor: '#606060'}});"


def test_a_white_host_stays_white_and_turns_the_palette(open_host):
    with open_host() as host:
        host.show(start=WHITE)
        host.wait_for_place()
        assert tuple(host.picture()[40, 300]) == (255, 255, 255)
        host.wait(lambda: not host.presenter.served.dark)
        # On white, the strongest heat is darker than what lies around it.
        x, y = (round(value) for value in (host.spot().x_px, host.spot().y_px))
        assert host.picture()[y, x].sum() < 400


@pytest.mark.parametrize("color", ["#000000", "rgb(255, 0, 0)", "rgba(20, 40, 200, 0.5)", "transparent", "teal"])
def test_the_charts_colour_is_seen_as_before(open_host, color):
    start = f"makeChart({{layout: {{background: {{type: 'solid', color: '{color}'}}}}}});"
    css = "body { background: #204060; } #chart { margin: 30px; background: rgba(255, 255, 0, 0.2); }"
    with open_host() as host:
        host.load(start=start, css=css)
        before = host.still_picture()
        host.attach(look={"opacity": 0}, legend="off")
        host.wait(lambda: host.plugin.is_attached)
        after = host.still_picture()
        # Thin translucent lines keep fewer digits on a transparent canvas than on an opaque one.
        difference = np.abs(before.astype(int) - after.astype(int)).max(axis=2)
        assert difference.max() <= 6
        assert np.mean(difference > 1) < 0.03
        # Under a page that shows it: the background is ours now.
        assert host.view.page().backgroundColor().alpha() == 0


def test_the_views_own_background_is_kept_under_a_page_without_one(open_host):
    with open_host() as host:
        host.view.page().setBackgroundColor(QColor("#405060"))
        host.load(start="makeChart({layout: {background: {type: 'solid', color: 'transparent'}}});")
        before = host.still_picture()
        host.attach()
        host.wait_for_place()
        assert tuple(host.picture()[40, 300]) == tuple(before[40, 300]) == (0x40, 0x50, 0x60)
        host.plugin.detach()
        assert host.view.page().backgroundColor() == QColor("#405060")


def test_a_page_that_the_web_engine_keeps_opaque_is_made_transparent_again(open_host):
    with open_host() as host:
        host.show()
        # What a busy machine does to it: the widget fills itself as if nobody had asked for another colour.
        page_widget = host.view.findChild(QQuickWidget)
        page_widget.setClearColor(QColor("white"))
        page_widget.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        host.wait_for_no_heat()
        host.wait_for_heat()
        host.wait(lambda: host.view.page().backgroundColor() == QColor(0, 0, 0, 0))
        host.wait(lambda: page_widget.quickWindow().color().alpha() == 0)


def test_a_host_that_gives_its_page_another_colour(open_host):
    with open_host() as host:
        host.show(start="makeChart({layout: {background: {type: 'solid', color: 'transparent'}}});")
        host.view.page().setBackgroundColor(QColor("#405060"))
        host.wait(lambda: tuple(host.picture()[40, 300]) == (0x40, 0x50, 0x60) and host.has_heat())
        host.plugin.detach()
        assert host.view.page().backgroundColor() == QColor("#405060")


def test_a_host_that_changes_its_theme(open_host):
    with open_host() as host:
        host.show()
        host.run("chart.applyOptions({layout: {background: {type: 'solid', color: '#ffffff'}}})")
        host.wait(lambda: tuple(host.picture()[40, 300]) == (255, 255, 255))
        host.wait(lambda: not host.presenter.served.dark)
        host.wait_for_place()
        host.plugin.detach()
        host.wait(lambda: host.evaluate("chart.options().layout.background.color") == "#ffffff")


def test_a_host_that_changes_its_theme_by_style_sheet(open_host):
    css = "body { background: #101418; } body.light { background: #fafafa; }"
    with open_host() as host:
        host.show(start="makeChart({layout: {background: {type: 'solid', color: 'transparent'}}});", css=css)
        host.run("document.body.className = 'light'")
        host.wait(lambda: tuple(host.picture()[40, 300]) == (250, 250, 250))
        host.wait(lambda: not host.presenter.served.dark)
        host.wait_for_place()
        host.run("document.body.className = ''")
        host.wait(lambda: tuple(host.picture()[40, 300]) == (0x10, 0x14, 0x18))
        host.wait(lambda: host.presenter.served.dark)


# -- leaving ---------------------------------------------------------------------------------------------------------

STYLED = {
    "body": '<div style="background-color: #333344; padding: 12px"><div id="chart" style="inset: 20px"></div></div>',
    "css": "html { background: linear-gradient(#112233, #223355); } body { background: #123; }",
}
STYLES = "Array.from(document.querySelectorAll('*'), (at) => Array.from(at.style, (n) => n + at.style[n]).sort())"
GRADIENT = "makeChart({layout: {background: {type: 'gradient', topColor: '#203040', bottomColor: '#104020'}}});"


@pytest.mark.parametrize("start", ["makeChart();", WHITE, GRADIENT])
def test_detaching_gives_back_every_pixel(open_host, start):
    with open_host() as host:
        host.load(start=start, **STYLED)
        # The library's own second drawing differs from its first in some pixels of the price line.
        host.still_picture()
        host.run("chart.applyOptions({layout: {fontSize: 13}}); chart.applyOptions({layout: {fontSize: 12}})")
        before = host.still_picture()
        styles = host.evaluate(STYLES)
        options = host.evaluate("chart.options()")
        background = host.view.page().backgroundColor()
        for _ in range(2):
            host.attach()
            host.wait_for_place()
            host.plugin.detach()
            host.wait(lambda: np.array_equal(host.picture(), before))
            assert host.evaluate("chart.options()") == options
            assert host.evaluate(STYLES) == styles
            assert host.view.page().backgroundColor() == background
        assert host.view.findChildren(Underlay) == []
        assert host.view.page().console == []


def test_settings_outlive_a_detached_plugin(open_host):
    with open_host() as host:
        host.show()
        settings = host.plugin.settings
        tab, bar = host.plugin.settings_tab(), host.plugin.notice_bar(host.window)
        given = [tab, bar, host.plugin.liquidation_list(host.window), host.plugin.status_widget(host.window)]
        replay = host.plugin.replay_bar(host.window)
        replay.player.set_span(0, 3_600_000)
        replay.player.play()
        assert all(widget.isEnabled() for widget in given)
        host.plugin.detach()
        assert not replay.player.is_playing
        # What the host was given says so.
        assert not any(widget.isEnabled() for widget in (*given, replay, host.plugin.symbol_box(host.window)))
        for words in (tab.findChild(QLabel, "heatmap_notice"), bar.findChild(QLabel)):
            assert "detached" in words.text()
            assert not words.isHidden()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        host.plugin.set_symbol("ETHUSDT")
        settings.update(opacity=40, enabled=False)
        settings.update(enabled=True)
        host.attach(settings=settings)
        host.wait_for_place()
        tab.deleteLater()


@pytest.mark.parametrize("how", ["view", "window"])
def test_a_view_that_is_destroyed_first(open_host, how):
    with open_host() as host:
        host.show()
        plugin = host.plugin
        sip.delete(host.view if how == "view" else host.window)
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        assert "heatmap-build" not in [thread.name for thread in threading.enumerate()]
        assert not plugin.is_attached
        # What still refers to the plugin does no harm.
        plugin.settings.update(opacity=30)
        plugin.set_enabled(False)
        plugin.detach()


def test_a_page_that_is_replaced_under_the_plugin(open_host):
    with open_host() as host:
        host.show()
        old = host.view.page()
        page = type(old)(host.view)
        host.view.setPage(page)
        old.deleteLater()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        host.load()
        host.plugin.detach()
        host.attach()
        host.wait_for_place()


# -- the host's window -----------------------------------------------------------------------------------------------


def test_a_view_that_moves_through_the_window(open_host):
    with open_host() as host:
        host.show()
        host.wait_for_place()
        dock = QDockWidget("chart", host.window)
        dock.setWidget(host.view)
        host.window.setCentralWidget(QWidget())
        host.window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, dock)
        host.window.resizeDocks([dock], [700], Qt.Orientation.Horizontal)
        host.wait_for_place()
        dock.setFloating(True)
        dock.resize(820, 460)
        host.wait_for_place()
        dock.setFloating(False)
        host.wait_for_place()
        splitter = QSplitter()
        splitter.addWidget(QWidget())
        splitter.addWidget(host.view)
        host.window.removeDockWidget(dock)
        host.window.setCentralWidget(splitter)
        host.view.show()
        splitter.setSizes([100, 800])
        host.wait(lambda: host.view.width() > 700)
        host.wait_for_place()
        assert host.view.findChild(Underlay).size() == host.view.size()


def test_a_view_in_a_tab_that_comes_and_goes(open_host):
    with open_host() as host:
        tabs = QTabWidget()
        tabs.addTab(host.view, "chart")
        host.window.setCentralWidget(tabs)
        host.show()
        host.wait_for_place()
        tabs.addTab(host.plugin.settings_tab(), "Heatmap")
        tabs.setCurrentIndex(1)
        assert host.plugin.settings.value.enabled
        tabs.setCurrentIndex(0)
        host.wait_for_place()
        host.plugin.set_enabled(False)
        host.wait_for_no_heat()


def test_two_charts_in_one_window(open_host):
    with open_host(size=(1100, 460)) as host:
        second = host.new_view()
        both = QWidget()
        layout = QHBoxLayout(both)
        layout.addWidget(host.view, 1)
        layout.addWidget(second, 1)
        host.window.setCentralWidget(both)
        second.show()
        address = host.write_page(start="makeChart(); chart.timeScale().fitContent();")
        for view in (host.view, second):
            view.load(address)
            host.attach(view)
        for view in (host.view, second):
            host.wait_for_heat(view)
        host.plugins[0].set_enabled(False)
        host.wait_for_no_heat(host.view)
        assert host.has_heat(second)
        host.plugins[0].set_enabled(True)
        host.wait_for_place()


def test_without_graphics_the_page_keeps_its_own_background(open_host):
    with open_host() as host:
        host.load(start=WHITE)
        before = host.still_picture()
        host.attach()
        host.wait_for_place()
        host.underlay.failed.emit("the context is lost")
        host.wait(lambda: np.abs(host.picture().astype(int) - before).max() <= 6)
        assert host.view.page().backgroundColor() == QColor("white")
        assert not host.plugin.is_attached


def test_a_context_that_qt_cannot_make_is_noticed(open_host, monkeypatch):
    monkeypatch.setattr(Underlay, "isValid", lambda _self: False)
    with open_host() as host:
        host.load(start=WHITE)
        host.attach()
        tab = host.plugin.settings_tab()
        notice = tab.findChild(QLabel, "heatmap_notice")
        host.wait(lambda: "OpenGL" in notice.text())
        assert "graphics driver" in notice.text()
        host.wait(lambda: host.view.page().backgroundColor() == QColor("white"))
        assert not host.plugin.is_attached
        tab.deleteLater()


def test_an_empty_window_is_explained_in_the_settings_in_the_users_language(open_host):
    with open_host(events=[]) as host:
        host.load()
        host.attach()
        tab = host.plugin.settings_tab()
        notice = tab.findChild(QLabel, "heatmap_notice")
        host.wait(lambda: "No liquidations in this window" in notice.text())
        host.plugin.settings.update(language="de")
        assert "noch keine Liquidationen" in notice.text()
        host.plugin.set_enabled(False)
        assert notice.text() == ""
        tab.deleteLater()
