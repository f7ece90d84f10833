"""A page that talks nonsense over the channel changes nothing and breaks nothing."""

from __future__ import annotations

import threading

import pytest

pytestmark = [pytest.mark.gl]

VIEW = (
    "{pane: [0, 0, 800, 400], from: 0, to: 10, x_from: 0, x_to: 60, price_top: 110, price_bottom: 90, mode: 0,"
    " ratio: 1, frame: 1}"
)
VIEWS = [
    "{pane: [0, 0, 0, 0]}",
    "{to: NaN}",
    "{to: 1e-300}",
    "{to: 1e300}",
    "{x_to: 1e-12}",
    "{x_to: 1e12}",
    "{ratio: 1e-9}",
    "{ratio: 1e9}",
    "{price_top: 1e300}",
    "{mode: 1, price_bottom: 1e-300}",
    "{mode: 1, price_bottom: 5e-324, price_top: 1e12}",
    "{pane: [0, 0, 1e-300, 1e-300]}",
    "{frame: 1e40}",
    "{frame: -5}",
]
BARS = [
    "'nonsense'",
    "'[]'",
    "JSON.stringify({segments: [[0, 1e300, 60, 1]]})",
    "JSON.stringify({segments: [[0, 0, 1e-300, 9e15]]})",
    "JSON.stringify({segments: [[9e15, 0, 60, 9e15]]})",
    "JSON.stringify({segments: [[-9e15, -1e11, 1e11, 1]]})",
    "JSON.stringify({segments: Array(60000).fill([0, 0, 60, 1])})",
    "'x'.repeat(3000000)",
    "'\\u0000\\ud800'",
]


def test_garbage_over_the_channel(open_host):
    with open_host() as host:
        host.load()
        # The host's own client gets hold of the plugin's object, as any script of the page could.
        host.attach()
        host.wait_for_place()
        (name,) = host.view.page().webChannel().registeredObjects()
        host.run(
            "window.evil = null; new QWebChannel(qt.webChannelTransport, (channel) => {"
            f"window.evil = channel.objects['{name}']; }})"
        )
        host.wait(lambda: host.evaluate("window.evil !== null"))
        before = host.presenter.viewport
        for change in VIEWS:
            host.run(f"evil.viewport_moved(JSON.stringify({{...{VIEW}, ...{change}}}))")
        host.run("evil.viewport_moved(null); evil.viewport_moved(7); evil.viewport_moved({}); evil.viewport_moved()")
        host.wait(lambda: host.bridge.rejected.get("viewport", 0) >= len(VIEWS))
        assert host.presenter.viewport == before

        axis = host.presenter.time_axis
        for text in BARS:
            host.run(f"evil.bars_changed({text})")
        for text in ("'{}'", "JSON.stringify({ratio: 1, surfaces: [[0, 0, 1, 1, 300, 0, 0, 0]]})", "'x'"):
            host.run(f"evil.surfaces_changed({text})")
        host.wait(lambda: host.bridge.rejected.get("surfaces", 0) == 3)
        assert host.bridge.rejected["bars"] == len(BARS)
        assert host.presenter.time_axis == axis

        # A slot of every object of the channel.
        host.run("evil.deleteLater()")
        host.wait(lambda: host.evaluate("1") == 1)

        # All is well afterwards.
        host.run("chart.timeScale().scrollToPosition(-20, false)")
        host.wait_for_place()
        assert "heatmap-build" in [thread.name for thread in threading.enumerate()]
