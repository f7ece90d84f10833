"""What a host lays over the chart, and the picture that it can take of it."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QImage
from PyQt6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from Heatmap.ui.widgets.legend import Legend
from Heatmap.ui.widgets.raised_widget import RaisedWidget

pytestmark = [pytest.mark.gl]

CANDLES = (
    "series.applyOptions({upColor: '#00ff00', downColor: '#00ff00', wickUpColor: '#00ff00', wickDownColor: '#00ff00'})"
)


def green(picture: np.ndarray) -> int:
    return int(((picture[:, :, 1] > 200) & (picture[:, :, 0] < 60)).sum())


def array(picture: QImage) -> np.ndarray:
    picture = picture.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(picture.constBits().asstring(picture.sizeInBytes()), np.uint8)
    return rows.reshape(picture.height(), picture.bytesPerLine())[:, : 3 * picture.width()].reshape(
        picture.height(), picture.width(), 3
    )


def box_over_candles(host, parent=None) -> QWidget:
    """Lay an opaque box with a text and a button over the candles."""
    box = QWidget(parent or host.window)
    box.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
    box.setStyleSheet("background: #303030; color: white")
    layout = QVBoxLayout(box)
    box.text = QLabel("one")
    layout.addWidget(box.text)
    box.button = QPushButton("press")
    layout.addWidget(box.button)
    box.setGeometry(100, 40, 500, 200)
    box.show()
    return box


@pytest.mark.parametrize("inside", ["the window", "the view"])
def test_a_widget_that_is_kept_above_shows_no_candle_and_goes_on_working(open_host, inside):
    with open_host() as host:
        host.show()
        host.run(CANDLES)
        box = box_over_candles(host, host.window if inside == "the window" else host.view)
        host.wait(lambda: green(host.picture(box)) > 500)  # as without it
        host.plugin.keep_above(box)
        host.plugin.keep_above(box)
        host.wait(lambda: green(host.picture(box)) == 0)
        assert tuple(host.picture(box)[5, 5]) == (0x30, 0x30, 0x30)
        # It changes, moves and is clicked like any widget.
        before = host.picture(box.text)
        box.text.setText("another text")
        host.wait(lambda: not np.array_equal(host.picture(box.text), before))
        pressed = []
        box.button.clicked.connect(lambda: pressed.append(1))
        host.qtbot.mouseClick(
            box.window().childAt(box.button.mapTo(box.window(), box.button.rect().center())), Qt.MouseButton.LeftButton
        )
        assert pressed == [1]
        box.setGeometry(250, 60, 400, 150)
        host.wait(lambda: green(host.picture(box)) == 0 and tuple(host.picture(box)[5, 5]) == (0x30, 0x30, 0x30))
        box.hide()
        host.wait(lambda: green(host.picture()[60:210, 250:650]) > 300)
        box.show()
        host.wait(lambda: green(host.picture(box)) == 0)
        # Off, it is an ordinary widget again; on, it is above again.
        host.plugin.set_enabled(False)
        host.wait(lambda: host.window.findChildren(RaisedWidget) == [])
        host.wait(lambda: green(host.picture(box)) == 0 and tuple(host.picture(box)[5, 5]) == (0x30, 0x30, 0x30))
        host.plugin.set_enabled(True)
        host.wait_for_heat()
        host.wait(lambda: green(host.picture(box)) == 0)
        box.deleteLater()
        host.wait(lambda: host.window.findChildren(RaisedWidget) == [])


def test_a_widget_that_is_kept_above_is_above_the_legend(open_host):
    with open_host() as host:
        host.show()
        box = box_over_candles(host, host.view)
        host.plugin.keep_above(box)
        host.plugin.set_legend("top-left")
        legend = host.view.findChild(Legend)
        host.wait(lambda: legend.isVisible() and legend.geometry().intersects(box.geometry()))
        host.wait(lambda: set(host.picture(box)[3].ravel()) == {0x30})


def test_a_translucent_widget_is_blended_with_the_chart(open_host):
    with open_host() as host:
        host.load()
        shade = QLabel(host.window)
        shade.setStyleSheet("background: rgba(255, 0, 255, 128)")
        shade.setGeometry(50, 300, 20, 100)
        shade.show()
        host.wait(lambda: host.picture(shade)[50, 10, 0] > 100)
        wanted = host.still_picture(host.view)[350, 60].astype(int)
        host.attach()
        host.wait_for_heat()
        host.plugin.keep_above(shade)
        host.wait(lambda: np.abs(host.picture(shade)[50, 10].astype(int) - wanted).max() <= 3)


def test_the_picture_is_what_the_screen_shows(open_host):
    with open_host() as host:
        host.show()
        host.wait_for_place()
        for enabled in (True, False):
            host.plugin.set_enabled(enabled)
            if not enabled:
                host.wait_for_no_heat()
            screen = host.still_picture().astype(int)
            taken = array(host.plugin.picture()).astype(int)
            assert taken.shape == screen.shape
            assert (np.abs(taken - screen).max(axis=2) > 8).mean() < 0.002


def test_a_picture_of_a_window_that_is_not_on_the_screen(open_host):
    with open_host() as host:
        host.show()
        screen = host.still_picture().astype(int)
        host.window.hide()
        assert host.plugin.picture().isNull()
        host.window.setAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen)
        host.window.show()

        def is_alike() -> bool:
            taken = array(host.plugin.picture()).astype(int)
            return (np.abs(taken - screen).max(axis=2) > 8).mean() < 0.002

        host.wait(is_alike)
