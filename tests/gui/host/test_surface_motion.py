"""The page's own colours, painted natively, move in the frame that moves the page's parts."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import QPoint
from PyQt6.QtGui import QImage

from Heatmap.ui.geometry.frame_follower import SyncMode

pytestmark = [pytest.mark.gl, pytest.mark.film, pytest.mark.timeout(240)]

FRAMES = 120
GREEN = (0, 255, 0)
SIDE, CHART = np.array((0x90, 0x50, 0x60)), np.array((0x10, 0x14, 0x18))
# The page draws the green edge, Qt draws the colours left and right of it.
STYLE = """
body { background: #905060; }
#chart { border-left: 4px solid #00ff00; left: 100px; }
"""
SWAY = """
(function step(k) {
  document.getElementById('chart').style.left = Math.round(100 + 60 * Math.sin(k / 6)) + 'px';
  requestAnimationFrame(() => step(k + 1));
})(0);
"""
ROW = 7
"""Above the highest candle, between two grid lines."""


def test_a_side_bar_that_is_dragged_keeps_its_colour_to_the_last_pixel(open_host, record_property):
    with open_host() as host:
        host.show(css=STYLE)
        edges, wrong = [], []

        def look() -> None:
            view = host.view
            corner = view.mapTo(view.window(), QPoint(0, 0))
            strip = view.screen().grabWindow(view.window().winId(), corner.x(), corner.y() + ROW, view.width(), 1)
            image = strip.toImage().convertToFormat(QImage.Format.Format_RGB888)
            row = np.frombuffer(image.constBits().asstring(3 * image.width()), np.uint8).reshape(-1, 3).astype(int)
            green = np.flatnonzero((row == GREEN).all(axis=1))
            if not len(green) or (edges and green[0] == edges[-1]):
                return
            edges.append(green[0])
            left, right = row[green[0] - 1], row[green[-1] + 1]
            is_right = np.abs(left - SIDE).max() < 40 and np.abs(right - CHART).max() < 40
            wrong.append(not is_right)

        host.run(SWAY)
        host.wait(lambda: host.frame_sync.follower.mode is SyncMode.STAMP)
        host.underlay.frameSwapped.connect(look)
        host.wait(lambda: len(edges) >= FRAMES)
        host.underlay.frameSwapped.disconnect(look)
        share = 1 - np.mean(wrong)
        record_property("share", share)
        print(f"\n{len(edges)} frames, {100 * share:.1f} % right")  # noqa: T201  # CI shows it when it fails
        assert share >= 0.95
