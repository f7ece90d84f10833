"""A page that talks nonsense over the channel changes nothing and breaks nothing."""

from __future__ import annotations

import threading

import pytest
from PyQt6.QtCore import QMetaMethod

from Heatmap.app.chart_bridge import ChartBridge
from Heatmap.ui.page.bridge import Bridge

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


def methods_of(instance):
    meta = instance.metaObject()
    return [meta.method(number) for number in range(meta.methodCount())]


@pytest.mark.parametrize(
    ("kind", "slots"),
    [
        (
            Bridge,
            {
                "viewport_moved", "bars_changed", "surfaces_changed", "chart_turned", "viewport_lost", "chart_found",
                "page_attached", "page_left",
            },
        ),
        (ChartBridge, {"view_changed", "page_ready"}),
    ],
)  # fmt: skip
def test_a_page_can_call_these_slots_and_nothing_else(qapp, kind, slots):
    """No slot takes a path, an address or code. The channel emits no signal for a page; see the test below."""
    del qapp
    public = {
        bytes(method.name()).decode()
        for method in methods_of(kind())
        if method.access() == QMetaMethod.Access.Public and method.methodType() != QMetaMethod.MethodType.Signal
    }
    assert public == slots | {"deleteLater"}
    meta = kind().metaObject()
    assert [meta.property(number).name() for number in range(meta.propertyCount())] == ["objectName"]


def test_garbage_over_the_channel(open_host):
    with open_host() as host:
        host.load()
        # The host's own client gets hold of the plugin's object, as any script of the page could.
        host.attach()
        host.wait_for_place()
        (name,) = host.view.page().webChannel().registeredObjects()
        host.run(
            "window.evil = null; new QWebChannel(qt.webChannelTransport, (channel) => {"
            f"window.evilChannel = channel; window.evil = channel.objects['{name}']; }})"
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

        # A slot of every object of the channel; and raw calls of what the channel does not offer, by number.
        host.run("evil.deleteLater()")
        emitted = []
        host.bridge.scrollRequested.connect(lambda *values: emitted.append(values))
        host.bridge.destroyed.connect(lambda *values: emitted.append(values))
        calls = [bytes(method.name()).decode() for method in methods_of(host.bridge)]
        for number in [*range(len(calls)), *(repr(name) for name in calls if name != "deleteLater")]:
            for values in ("[]", "[1e308]", "[null]", "[{a: {}}]", "['x'.repeat(100)]"):
                host.run(f"evilChannel.exec({{type: 6, object: evil.__id__, method: {number}, args: {values}}})")
        host.run("evil.objectName = 'x'.repeat(100)")
        host.wait(lambda: host.evaluate("1") == 1)

        # All is well afterwards.
        assert emitted == []
        host.run("chart.timeScale().scrollToPosition(-20, false)")
        host.wait_for_place()
        assert "heatmap-build" in [thread.name for thread in threading.enumerate()]
