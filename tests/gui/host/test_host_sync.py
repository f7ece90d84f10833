"""In step with foreign charts: where stamps find room, what happens where they find none, and who is told."""

from __future__ import annotations

import gc
import logging
import os
import signal
import time
from itertools import pairwise

import psutil
import pytest
from PyQt6 import sip
from PyQt6.QtCore import QCoreApplication, QEvent, Qt
from PyQt6.QtWidgets import QDockWidget, QLabel, QWidget
from support.plugin_parts import UploadCounter
from support.stamps import stamp_bits
from support.underlay import images_kept

from Heatmap.ui.geometry.frame_follower import SyncMode
from Heatmap.ui.gl.stamp_reader import StampReader
from Heatmap.ui.gl.underlay import Underlay
from Heatmap.ui.page.bridge import JAVASCRIPT
from Heatmap.ui.widgets.performance import Performance

pytestmark = [pytest.mark.gl, pytest.mark.film, pytest.mark.timeout(240)]

# Goes on until it is told to stop; a chart that rests draws no pictures to read.
SWAY = """
window.sway = true;
(function step(k) {
  chart.timeScale().scrollToPosition(-40 + 10 * Math.sin(k / 9), false);
  if (window.sway) requestAnimationFrame(() => step(k + 1));
})(0);
"""


def wait_for_mode(host, mode: SyncMode) -> None:
    host.run(SWAY)
    host.wait(lambda: host.frame_sync.follower.mode is mode)
    host.run("window.sway = false")


HOSTS = {
    "plain": "",
    "no price axis": "chart.applyOptions({rightPriceScale: {visible: false}})",
    "no time axis": "chart.applyOptions({timeScale: {visible: false}})",
    "no axis at all": "chart.applyOptions({rightPriceScale: {visible: false}, timeScale: {visible: false}})",
    "left price axis": "chart.applyOptions({leftPriceScale: {visible: true}, rightPriceScale: {visible: false}});"
    "series.applyOptions({priceScaleId: 'left'})",
    "large letters": "chart.applyOptions({layout: {fontSize: 20}})",
    "small letters": "chart.applyOptions({layout: {fontSize: 7}})",
}


@pytest.mark.parametrize("kind", HOSTS)
def test_stamps_are_read_whatever_axes_a_chart_has(open_host, kind):
    with open_host() as host:
        host.show()
        host.run(HOSTS[kind])
        wait_for_mode(host, SyncMode.STAMP)
        follower = host.frame_sync.follower
        before = follower.counts.unread
        exact = follower.counts.exact
        host.run(SWAY)
        host.wait(lambda: follower.counts.exact > exact + 60)
        assert follower.counts.unread - before <= 3
        assert follower.mode is SyncMode.STAMP


@pytest.mark.parametrize("zoom", [0.8, 1.25, 1.5, 2.0])
def test_stamps_are_read_at_every_zoom_of_the_page(open_host, zoom):
    with open_host() as host:
        host.view.setZoomFactor(zoom)
        host.load()
        host.attach()
        host.wait(lambda: host.plugin.is_attached)
        wait_for_mode(host, SyncMode.STAMP)


def test_cells_are_exact_when_a_zoom_has_come_to_rest(open_host):
    """While the chart moves, cells of nearly the right size serve; these prices differ by less than that."""
    with open_host() as host:
        host.show()
        host.wait_for_heat()
        host.wait(lambda: host.presenter.is_current)
        before = host.plugin.image.spec.price_bin
        host.run(
            "series.applyOptions({autoscaleInfoProvider: () => ({priceRange: {minValue: 92.4, maxValue: 107.6}})})"
        )
        host.wait(lambda: host.plugin.image.spec.price_bin != before)
        assert 0.9 < host.plugin.image.spec.price_bin / before < 0.99


def test_a_page_frame_that_is_hostile_to_canvases(open_host):
    """A style sheet with a word about every canvas, a container with round corners, beside a side bar."""
    css = (
        "canvas { opacity: 0.5 !important; margin: 7px; transform: rotate(3deg); visibility: hidden; }"
        ".tv-lightweight-charts canvas { visibility: visible; transform: none; margin: 0; opacity: 1 !important; }"
        "#chart { left: 133.3px !important; top: 20.7px !important; border-radius: 14px; overflow: hidden; }"
    )
    with open_host() as host:
        host.show(css=css)
        wait_for_mode(host, SyncMode.STAMP)


def test_a_stamp_cannot_be_seen(open_host):
    with open_host() as host:
        host.load()
        host.attach(look={"opacity": 0}, legend="off")
        host.wait(lambda: host.evaluate("document.querySelectorAll('canvas[aria-hidden]').length") > 0)
        stamped = host.still_picture().astype(int)
        host.plugin.detach()
        host.wait(lambda: host.evaluate("document.querySelectorAll('canvas[aria-hidden]').length") == 0)
        bare = host.still_picture().astype(int)
        assert abs(stamped - bare).max() <= 3


def test_covered_stamps_are_told_and_the_heat_follows_all_the_same(open_host, caplog):
    cover = "<div style='position:fixed; inset:0; z-index:2147483647; background:rgba(0,0,0,.02)'></div>"
    with open_host() as host, caplog.at_level(logging.INFO):
        panel = None
        host.show()
        panel = host.plugin.status_widget()
        wait_for_mode(host, SyncMode.STAMP)
        host.run(f"chart.chartElement().insertAdjacentHTML('beforeend', \"{cover}\")")
        wait_for_mode(host, SyncMode.MESSAGE)
        assert "may lag" in caplog.text
        host.plugin.findChild(Performance).refresh()
        assert "sync=message" in panel.figures_line()
        host.wait_for_place()
        host.run("chart.chartElement().lastElementChild.remove()")
        wait_for_mode(host, SyncMode.STAMP)
        host.plugin.findChild(Performance).refresh()
        assert "sync=frame" in panel.figures_line()
        sip.delete(panel)


def test_page_and_program_agree_on_the_bits(open_host):
    """The page's own script, run in the page, paints what the program reads."""
    script = (JAVASCRIPT / "frame_stamp.js").read_text(encoding="utf-8")
    with open_host() as host:
        host.load()
        numbers = [0, 1, 255, 256, 4660, 65535, 65536, 1_000_003]
        bits = host.evaluate(f"(() => {{ {script}; return {numbers}.map(stampBits); }})()")
        assert [tuple(each) for each in bits] == [stamp_bits(number) for number in numbers]


def test_reading_costs_little(open_host, monkeypatch, record_property):
    with open_host() as host:
        host.show()
        wait_for_mode(host, SyncMode.STAMP)
        times, read = [], StampReader.read

        def timed(*arguments) -> int | None:
            begun_s = time.perf_counter()
            number = read(*arguments)
            times.append(time.perf_counter() - begun_s)
            return number

        monkeypatch.setattr(StampReader, "read", timed)
        host.run(SWAY)
        host.wait(lambda: len(times) > 60)
        times.sort()
        record_property("median_ms", 1000 * times[len(times) // 2])
        # On software OpenGL reading waits for the painting, which has to be waited for in any case.
        assert times[len(times) // 2] < 0.016


# -- lifecycle ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def quick_collection():
    """Leave what is here already out of garbage collection: of a long run's objects, that takes most of the time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def own_objects() -> int:
    """Return the number of the heatmap's and Qt's objects."""
    return sum(type(thing).__module__.startswith(("Heatmap", "PyQt6")) for thing in gc.get_objects())


@pytest.mark.usefixtures("quick_collection")
def test_attaching_a_hundred_times(open_host):
    with open_host() as host:
        host.load()
        before = host.evaluate("document.documentElement.outerHTML.length")
        sizes = []
        for _ in range(99):
            plugin = host.attach()
            counter = UploadCounter(host.presenter, host.underlay)
            host.wait(lambda plugin=plugin, counter=counter: plugin.is_attached and counter.uploads > 0)
            plugin.detach()
            host.plugins.clear()
            host.plugin = None
            QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
            gc.collect()
            process = psutil.Process()
            sizes.append((process.memory_info().rss / 1e6, process.num_threads(), process.num_fds(), own_objects()))
        # An image that stays on the card of software OpenGL is a megabyte a time. Chromium, part of this process, may
        # take a larger piece once.
        megabytes = [size[0] for size in sizes[20:]]
        largest_step = max(after - size for size, after in pairwise(megabytes))
        assert megabytes[-1] - megabytes[0] - largest_step < 45, [round(size) for size in megabytes]
        assert sizes[-1][1] <= sizes[20][1] + 2
        assert sizes[-1][2] <= sizes[20][2] + 4
        assert sizes[-1][3] <= sizes[20][3] + 10
        assert len(host.view.findChildren(Underlay)) == 0
        assert host.view.findChildren(QWidget, "heatmap_badge") == []
        assert host.evaluate("typeof window.__heatmapDetach") == "undefined"
        host.wait(lambda: host.evaluate("document.documentElement.outerHTML.length") == before)
        host.attach()
        host.wait_for_heat()
        host.wait_for_place()
        wait_for_mode(host, SyncMode.STAMP)


@pytest.mark.parametrize("end", ["detach", "view", "window"])
def test_nothing_stays_on_the_graphics_card(open_host, end):
    """Qt's contexts share their textures: they outlive the widget's own context if nobody deletes them."""
    with open_host() as host:
        host.show()
        painter = host.underlay.painter
        assert images_kept(painter) > 0
        if end == "detach":
            host.plugin.detach()
        else:
            sip.delete(host.view if end == "view" else host.window)
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        assert images_kept(painter) == 0


def test_a_view_goes_into_a_dock_and_back(open_host):
    with open_host() as host:
        host.show()
        host.wait_for_place()
        dock = QDockWidget(host.window)
        host.window.takeCentralWidget()
        dock.setWidget(host.view)
        host.window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, dock)
        host.view.show()
        host.wait_for_place()
        dock.setFloating(True)
        dock.resize(700, 400)
        host.wait_for_heat()
        wait_for_mode(host, SyncMode.STAMP)
        dock.setFloating(False)
        host.window.setCentralWidget(host.view)
        host.view.show()
        host.window.removeDockWidget(dock)
        dock.deleteLater()
        host.wait_for_place()
        wait_for_mode(host, SyncMode.STAMP)


def test_a_web_process_that_dies_and_a_page_that_comes_back(open_host, caplog):
    with open_host() as host:
        host.show()
        wait_for_mode(host, SyncMode.STAMP)
        with host.qtbot.waitSignal(host.view.renderProcessTerminated, timeout=30_000):
            os.kill(host.view.page().renderProcessPid(), signal.SIGKILL)
        # What is left of the page has no chart: heat behind nothing would lie.
        host.wait_for_no_heat()
        assert not host.plugin.is_attached
        tab = host.plugin.settings_tab()
        notice = tab.findChild(QLabel, "heatmap_notice")
        assert "web process ended" in notice.text()
        # This host loads nothing again by itself; the plugin finds that out, and leaves it to the user.
        host.wait(lambda: "was not started again. Reload the chart" in notice.text())
        assert any("the page was not loaded again" in record.getMessage() for record in caplog.records)
        host.load()
        host.wait_for_heat()
        host.wait_for_place()
        assert notice.text() == ""
        tab.deleteLater()
        wait_for_mode(host, SyncMode.STAMP)
