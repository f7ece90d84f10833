"""Off is off: while the heat is disabled, page and window are as without a heatmap; the switch shows no wrong frame."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PyQt6.QtCore import QCoreApplication, QEventLoop, QTimer
from PyQt6.QtOpenGLWidgets import QOpenGLWidget
from PyQt6.QtWidgets import QLabel

from Heatmap.ui.gl.underlay import Underlay
from Heatmap.ui.settings_model import SettingsModel

pytestmark = [pytest.mark.gl]

# Of the page's own picture: the share of its pixels that are not opaque.
TRANSPARENT_SHARE = """(() => {
  const canvas = chart.takeScreenshot();
  const bytes = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let count = 0;
  for (let at = 3; at < bytes.length; at += 4) if (bytes[at] < 255) count++;
  return 4 * count / bytes.length;
})()"""
BARE = {"start": "makeChart({layout: {background: {type: 'solid', color: 'transparent'}}});"}
PAGES = {
    "a chart with a background": {},
    "a page with a background": {**BARE, "css": "body { background: #204060; }"},
    "the colour of the view": BARE,
}


def switch(host, *, enabled: bool) -> None:
    host.plugin.set_enabled(enabled)
    if enabled:
        host.wait_for_heat()
    else:
        host.wait(lambda: not host.view.findChildren(Underlay))


def frames_of(host, seconds: float) -> np.ndarray:
    """Return what the screen shows at some places where nothing is drawn, again and again."""
    end_s, frames = time.monotonic() + seconds, []
    while time.monotonic() < end_s:
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 4)
        frames.append(host.picture()[[40, 5, 480], [300, 5, 880]])
    return np.array(frames).astype(int)


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_switching_shows_no_frame_of_another_colour(open_host, page):
    with open_host() as host:
        host.load(**page)
        right = host.still_picture()[[40, 5, 480], [300, 5, 880]].astype(int)
        host.attach()
        for enabled in (True, False, True, False):
            host.plugin.set_enabled(enabled)
            frames = frames_of(host, 0.8)
            assert len(frames) > 5
            assert np.abs(frames - right).max() <= 4


def test_while_it_is_off_the_page_and_the_window_are_as_without_it(open_host):
    with open_host() as host:
        host.load()
        label = QLabel("sessions", host.window)
        label.setStyleSheet("background: #ff00ff")
        label.setGeometry(0, 40, 800, 200)
        label.show()
        host.attach()
        host.wait_for_heat()
        switch(host, enabled=False)
        assert host.view.findChildren(QOpenGLWidget) == []
        host.wait(lambda: (host.picture(label) == (255, 0, 255)).all(axis=2).mean() > 0.97)
        assert host.evaluate(TRANSPARENT_SHARE) == 0
        assert host.evaluate("document.querySelectorAll('canvas[aria-hidden]').length") == 0
        assert host.evaluate("typeof window.__heatmapDetach") == "undefined"
        assert host.view.page().backgroundColor().alpha() == 255
        assert not host.plugin.is_attached
        label.hide()
        switch(host, enabled=True)
        host.wait_for_place()
        assert host.evaluate(TRANSPARENT_SHARE) > 0.5


def test_toggling_in_a_hurry_ends_as_asked(open_host):
    with open_host() as host:
        host.show()
        for enabled in (False, True, False, True, True, False, False, True):
            host.plugin.set_enabled(enabled)
            QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
        host.wait_for_heat()
        host.wait_for_place()
        assert len(host.view.findChildren(Underlay)) == 1
        for enabled in (False, True, False):
            host.plugin.set_enabled(enabled)
        host.wait(lambda: not host.view.findChildren(Underlay))
        assert host.evaluate(TRANSPARENT_SHARE) == 0


def test_a_page_that_is_reloaded_while_it_is_off(open_host):
    with open_host() as host:
        host.show()
        switch(host, enabled=False)
        host.load()
        assert host.evaluate("typeof window.__heatmapDetach") == "undefined"
        switch(host, enabled=True)
        host.wait_for_place()


def test_a_program_that_never_enables_it_pays_nothing(open_host):
    with open_host() as host:
        host.load()
        before = host.still_picture()
        host.attach(settings=SettingsModel(None, overrides={"enabled": False}))
        assert (host.still_picture() == before).all()
        assert host.view.findChildren(QOpenGLWidget) == []
        assert host.view.page().webChannel() is None
        assert not {thread.name for thread in threading.enumerate()} & {"heatmap-build", "heatmap-kernel-warmup"}
        # Nothing of ours runs: no timer is active.
        assert [timer for timer in host.plugin.findChildren(QTimer) if timer.isActive()] == []
        host.plugin.set_enabled(True)
        host.wait_for_heat()


LIGHT = """
import sys, time
begin = time.perf_counter()
import Heatmap
imported_s = time.perf_counter() - begin
assert imported_s < 0.1 * {patience}, imported_s
Heatmap.configure_graphics()
heavy = [name for name in ("numpy", "numba", "moderngl", "Heatmap.plugin") if name in sys.modules]
assert not heavy, heavy
import Heatmap.plugin
heavy = [name for name in ("numba", "moderngl", "Heatmap.ui.heat_display") if name in sys.modules]
assert not heavy, heavy
"""


def test_what_is_not_used_is_not_imported():
    patience = float(os.environ.get("HEATMAP_PATIENCE", "1"))
    code = LIGHT.format(patience=patience)
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "QT_QPA_PLATFORM": "offscreen"})
