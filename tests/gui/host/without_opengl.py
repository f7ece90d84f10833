"""Run by `test_host_surroundings.py` in a process of its own, where Qt finds no OpenGL."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtOpenGLWidgets import QOpenGLWidget
from PyQt6.QtWidgets import QLabel

from Heatmap.plugin import ensure_graphics, has_opengl
from Heatmap.storage.sqlite.bulk_insert import bulk_insert


@pytest.fixture(autouse=True)
def software(qapp):
    """What a host does after it has made its application."""
    assert qapp.platformName() == "xcb"
    assert not has_opengl(), "there is OpenGL: the test would show nothing"
    assert not ensure_graphics()


def test_the_chart_is_seen_and_moves_and_the_tab_says_what_is_missing(open_host, host_liquidation):
    with open_host() as host:
        host.load()
        before = host.still_picture()
        host.attach()
        tab = host.plugin.settings_tab()
        notice = tab.findChild(QLabel, "heatmap_notice")
        assert "OpenGL 3.3 is not available" in notice.text()
        assert "recording goes on" in notice.text()
        assert not host.plugin.is_attached
        # The page is as it was, and so is the window: an OpenGL widget in it would turn it black.
        assert (host.still_picture() == before).all()
        assert host.window.findChildren(QOpenGLWidget) == []
        assert host.evaluate("document.body.getAttribute('style')") is None
        host.run("chart.timeScale().scrollToPosition(-40, false)")
        host.wait(lambda: not np.array_equal(host.picture(), before))
        # Everything else goes on, too: settings, and the figures of what is recorded.
        host.plugin.settings.update(opacity=30, enabled=False)
        host.plugin.set_enabled(True)
        bulk_insert(host.db_path, [host_liquidation(bar=150, second=30, price=95.0)])
        host.plugin.settings.update(language="de")
        assert "OpenGL 3.3 ist nicht verf\u00fcgbar" in notice.text()
        host.load()
        host.plugin.detach()
        assert (host.still_picture() == before).all()
        assert host.view.page().console == []
        tab.deleteLater()


def test_a_heatmap_comes_and_goes(open_host):
    with open_host() as host:
        host.load()
        for _ in range(20):
            host.attach()
            host.plugin.detach()
