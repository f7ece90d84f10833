"""What the build thread reports while the GUI thread does not run: the latest only, ready to be shown."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from PyQt6.QtCore import QCoreApplication

from Heatmap.heatmap_settings import HeatmapSettings
from Heatmap.rendering.build_worker import BuildRequest, BuildResult
from Heatmap.rendering.event_window import NO_GAPS, MapStatistics
from Heatmap.rendering.view_grid import View
from Heatmap.ui.build_signals import BuildSignals

pytestmark = pytest.mark.usefixtures("qapp")
REQUEST = BuildRequest("BTCUSDT", View(0, 1, 0.0, 1.0, 1, 1), HeatmapSettings(), dark=True)


def result(image, changed):
    return BuildResult(image, REQUEST, changed, 0, NO_GAPS, MapStatistics(), largest=None)


def reported(*results):
    """Report from another thread, without the GUI's loop; then return what arrives when it runs again."""
    signals, taken = BuildSignals(), []
    signals.built.connect(taken.append)
    thread = threading.Thread(target=lambda: [signals.on_built(one) for one in results])
    thread.start()
    thread.join()
    assert taken == []
    QCoreApplication.sendPostedEvents()
    QCoreApplication.processEvents()
    return taken


def test_a_result_arrives_as_it_is():
    one = result(SimpleNamespace(), SimpleNamespace())
    assert reported(one) == [one]


def test_of_several_the_latest_arrives_and_its_change_is_not_that_of_the_image_shown():
    images = [SimpleNamespace() for _ in range(3)]
    [last] = reported(*(result(image, SimpleNamespace()) for image in images))
    assert last.image is images[-1]
    assert last.changed is None


def test_an_image_that_is_reported_again_keeps_its_change():
    image, change = SimpleNamespace(), SimpleNamespace()
    [last] = reported(result(image, change), result(image, SimpleNamespace()))
    assert last.changed is change
