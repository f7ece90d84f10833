"""What is drawn in front of the candles: over them, in their frame, at their place, and nothing beside it."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor, QImage, QPainter

from Heatmap.ui.gl.front_layer import FrontLayer
from Heatmap.ui.gl.front_part import FrontShapes, Sprite

pytestmark = [pytest.mark.gl]

BAR, PRICE = 120, 100.0
SIDE_PX = 20
BOX, DISC, QUARTER = (255, 0, 255), (0, 255, 0), (0, 255, 255)


def disc_image(side_px: int) -> QImage:
    """Return a disc whose upper left quarter is of another colour, so that it cannot be upside down unnoticed."""
    image = QImage(side_px, side_px, QImage.Format.Format_RGBA8888_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(*DISC))
    painter.drawEllipse(image.rect())
    painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceAtop)
    painter.fillRect(0, 0, side_px // 2, side_px // 2, QColor(*QUARTER))
    painter.end()
    return image


class MarkPart:
    """A box of 30 x 10 CSS pixels above a bar's price, and a disc of 20 device pixels at it."""

    def __init__(self) -> None:
        self.is_on = True
        self.image = disc_image(SIDE_PX)

    def shapes(self, viewport, _axis) -> FrontShapes | None:
        if not self.is_on:
            return None
        x, y = viewport.x_px(BAR), viewport.y_px(PRICE)
        half = SIDE_PX / 2 / viewport.ratio
        return FrontShapes([(x - 15, y - 40, x + 15, y - 30)], [(*BOX, 255)], (Sprite(self.image, x - half, y - half),))


def box_of(picture: np.ndarray, color) -> list[int]:
    """Return left, top, right and bottom of what has this colour."""
    ys, xs = np.nonzero((picture == color).all(axis=2))
    return [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1] if len(xs) else []


def test_boxes_and_pictures_lie_in_front_of_the_candles_at_their_place(open_host):
    with open_host() as host:
        host.show()
        before = host.still_picture()
        image = disc_image(SIDE_PX)
        texels = np.frombuffer(image.constBits().asstring(image.sizeInBytes()), np.uint8).reshape(SIDE_PX, SIDE_PX, 4)
        opaque = texels[:, :, 3] == 255
        drawn = texels[opaque][:, :3].astype(int)
        front, part = host.plugin.findChild(FrontLayer), MarkPart()
        front.add(part)
        host.wait(lambda: bool(box_of(host.picture(), DISC)))
        # Off: the page is as it was, without a report of the page.
        part.is_on = False
        front.update()
        host.wait(lambda: not box_of(host.picture(), DISC))
        assert np.abs(host.still_picture().astype(int) - before).max() <= 2
        part.is_on = True
        front.update()
        for zoom in (1.0, 1.5):
            host.view.setZoomFactor(zoom)
            host.wait_for_place()
            x, y = (zoom * at + 0.5 for at in host.evaluate(f"place({BAR}, {PRICE})"))
            host.wait(lambda y=y: any(abs(top + 10 - y) < 2 for top in box_of(host.picture(), DISC)[1:2]))
            picture = host.still_picture()
            left, top = (round(at - SIDE_PX / 2) for at in (x, y))
            assert (
                min(
                    np.abs(picture[row : row + SIDE_PX, column : column + SIDE_PX][opaque] - drawn).max()
                    for row in range(top - 1, top + 2)
                    for column in range(left - 1, left + 2)
                )
                <= 1
            )
            left, top, right, bottom = box_of(picture, BOX)
            assert (right - left, bottom - top) == (30 * zoom, 10 * zoom)
            assert abs((left + right) / 2 - x) <= 1
            assert (picture[top:bottom, left:right] == BOX).all()
        # The picture for the user has it, too.
        image = host.plugin.picture().convertToFormat(QImage.Format.Format_RGB888)
        shown = np.frombuffer(image.constBits().asstring(image.sizeInBytes()), np.uint8)
        shown = shown.reshape(image.height(), image.bytesPerLine())[:, : 3 * image.width()]
        assert box_of(shown.reshape(image.height(), image.width(), 3), DISC)
        host.plugin.set_enabled(False)
        host.plugin.set_enabled(True)
        host.wait_for_heat()
