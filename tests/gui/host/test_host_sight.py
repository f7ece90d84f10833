"""Nothing is built and painted while nobody can see the chart."""

from __future__ import annotations

import pytest
from PyQt6.QtWidgets import QLabel, QScrollArea, QStackedWidget, QTabWidget, QWidget

from Heatmap.rendering.build_worker import BuildWorker
from Heatmap.ui.gl.visibility import is_seen

pytestmark = [pytest.mark.gl]

SWAY = """
window.sway = true;
(function step(k) {
  chart.timeScale().scrollToPosition(-40 + 10 * Math.sin(k / 9), false);
  window.steps = k;
  if (window.sway) requestAnimationFrame(() => step(k + 1));
})(0);
"""


@pytest.fixture
def watched(monkeypatch):
    """Give a function that notes what a host's build thread is asked for."""

    def watch() -> list[object]:
        asked = []
        original = BuildWorker.request
        monkeypatch.setattr(
            BuildWorker, "request", lambda self, request: (asked.append(request), original(self, request))
        )
        return asked

    return watch


def hide(host):
    host.view.hide()
    return host.view.show


def minimise(host):
    # Such a window is still "visible" to Qt.
    host.window.showMinimized()
    return host.window.showNormal


def push_off_all_screens(host):
    host.window.move(6000, 6000)
    return lambda: host.window.move(0, 0)


def cover_with_a_widget(host):
    cover = QLabel("please wait", host.window)
    cover.setAutoFillBackground(True)
    cover.setGeometry(host.view.geometry())
    cover.show()
    return cover.deleteLater


def turn_to_another_tab(host):
    tabs = host.window.centralWidget()
    tabs.setCurrentIndex(1)
    return lambda: tabs.setCurrentIndex(0)


def scroll_away(host):
    bar = host.window.centralWidget().verticalScrollBar()
    bar.setValue(1500)
    return lambda: bar.setValue(0)


def in_tabs(view):
    tabs = QTabWidget()
    tabs.addTab(view, "chart")
    tabs.addTab(QLabel("other"), "other")
    return tabs


def in_a_stack(view):
    stack = QStackedWidget()
    stack.addWidget(view)
    stack.addWidget(QLabel("other"))
    return stack


def in_a_scroll_area(view):
    content, area = QWidget(), QScrollArea()
    content.resize(860, 4000)
    view.setParent(content)
    view.setGeometry(0, 0, 860, 440)
    area.setWidget(content)
    return area


WAYS = {
    "hidden": (None, hide),
    "minimised": (None, minimise),
    "off all screens": (None, push_off_all_screens),
    "beneath a widget": (None, cover_with_a_widget),
    "behind a tab": (in_tabs, turn_to_another_tab),
    "behind a stacked page": (in_a_stack, turn_to_another_tab),
    "scrolled away": (in_a_scroll_area, scroll_away),
}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_built_and_painted_while_nobody_can_look(open_host, watched, way):
    home, go = WAYS[way]
    with open_host() as host:
        host.show()
        if home is not None:
            host.window.setCentralWidget(home(host.window.takeCentralWidget()))
            host.view.show()
        host.wait_for_place()
        asked, underlay = watched(), host.underlay
        frames = []
        underlay.framePainted.connect(lambda: frames.append(1))
        come_back = go(host)
        host.wait(lambda: asked[-1:] == [None])
        assert not is_seen(underlay)
        # The chart may go on moving: the page does not know that nobody looks. (A hidden one is not told to paint.)
        host.run(SWAY)
        moves = underlay.isVisible() and way != "minimised"
        last = [(-1, 0, 0)]

        def rests() -> bool:
            """Look every 30 steps of the chart: what Qt had begun before may still come, and then nothing."""
            steps = host.evaluate("window.steps") or 0
            if moves and steps < last[-1][0] + 30:
                return False
            last.append((steps, len(frames), len([request for request in asked if request is not None])))
            return last[-1][1:] == last[-2][1:]

        host.wait(rests)
        assert asked[-1] is None
        host.run("window.sway = false")
        come_back()
        host.wait(lambda: asked[-1] is not None)
        host.wait_for_place()


def test_a_widget_over_half_of_the_chart_hides_nothing(open_host, watched):
    with open_host() as host:
        host.show()
        host.wait_for_place()
        asked = watched()
        cover = QLabel("half", host.window)
        cover.setAutoFillBackground(True)
        cover.setGeometry(0, 0, host.view.width() // 2, host.view.height())
        cover.show()
        host.run("chart.timeScale().scrollToPosition(-30, false)")
        host.wait(lambda: bool(asked))
        assert is_seen(host.underlay)
        assert None not in asked
