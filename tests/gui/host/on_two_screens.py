"""Run by `test_host_surroundings.py` in a process of its own, whose X server has two monitors with a factor each."""

from __future__ import annotations

import pytest
from PyQt6.QtGui import QGuiApplication

from Heatmap.ui.geometry.frame_follower import SyncMode
from Heatmap.ui.gl.gl_context import size_px

pytestmark = [pytest.mark.gl, pytest.mark.timeout(240)]

SWAY = """
window.sway = true;
(function step(k) {
  chart.timeScale().scrollToPosition(-8 + 10 * Math.sin(k / 9), false);
  if (window.sway) requestAnimationFrame(() => step(k + 1));
})(0);
"""


def wait_until_in_place(host) -> None:
    """Wait until the heat lies within a device pixel of where the chart has it."""
    misses = [(float("inf"), float("inf"))]

    def fits() -> bool:
        misses.append(host.cell_miss())
        return max(map(abs, misses[-1])) < 1.0

    try:
        host.wait(fits)
    except host.qtbot.TimeoutError:
        pytest.fail(f"the heat misses its cell by {misses[-1]} device pixels")


@pytest.mark.parametrize("moving", [False, True], ids=["at rest", "in motion"])
def test_a_window_goes_to_another_screen_and_back(open_host, moving):
    left, right = QGuiApplication.screens()
    factors = left.devicePixelRatio(), right.devicePixelRatio()
    assert factors[0] != factors[1], "both screens are alike: the test would show nothing"
    with open_host(size=(600, 330)) as host:
        host.show()
        for screen in (left, right, left):
            if moving:
                host.run(SWAY)
            host.window.move(screen.geometry().topLeft())
            host.wait(lambda screen=screen: host.view.screen() is screen)
            ratio = screen.devicePixelRatio()
            host.wait(lambda ratio=ratio: host.presenter.viewport.ratio == ratio)
            host.run("window.sway = false")
            wait_until_in_place(host)
            # Nothing of the screen before is left.
            frame = host.underlay.frame.viewport
            assert frame.ratio == ratio
            assert frame.page_px == size_px(host.view)
            exact = host.frame_sync.follower.counts.exact
            host.run(SWAY)
            host.wait(lambda exact=exact: host.frame_sync.follower.counts.exact > exact + 20)
            host.run("window.sway = false")
            assert host.frame_sync.follower.mode is SyncMode.STAMP
            wait_until_in_place(host)
