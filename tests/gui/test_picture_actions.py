"""Saving and copying the chart as the user sees it, with a caption."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtGui import QAction, QFont, QGuiApplication, QImage
from PyQt6.QtWidgets import QFileDialog, QMessageBox

from Heatmap.ui.translation import Translator
from Heatmap.ui.widgets.picture_caption import picture_caption
from Heatmap.ui.widgets.view_picture import with_caption

pytestmark = [pytest.mark.gl]

START_MS, END_MS = 1_795_824_000_000, 1_795_852_800_000


def pixels(image: QImage) -> np.ndarray:
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits().asstring(image.sizeInBytes()), np.uint8)
    return rows.reshape(image.height(), image.bytesPerLine())[:, : 3 * image.width()].reshape(image.height(), -1, 3)


def test_the_caption_says_what_the_picture_shows():
    left, right = picture_caption(Translator("en"), "BTCUSDT", ("binance", "okx"), (START_MS, END_MS), END_MS - 60_000)
    assert left == "BTCUSDT · Binance, OKX · 2026-11-28 00:00 – 2026-11-28 07:59 UTC"
    assert right == "Realised liquidations, not estimates · Sums are lower bounds · Heatmap"
    assert picture_caption(Translator("de"), "BTCUSDT", ("demo",), None, 0)[0] == "BTCUSDT · Simulation"


@pytest.mark.usefixtures("qapp")
@pytest.mark.parametrize(("width", "lines"), [(1000, 1), (300, 2)])
def test_the_caption_lies_below_the_picture_and_takes_two_lines_where_it_is_narrow(width, lines):
    picture = QImage(width, 100, QImage.Format.Format_RGB32)
    picture.fill(0x336699)
    whole = with_caption(picture, "BTCUSDT · Binance", "Realised liquidations, not estimates", QFont("DejaVu Sans"))
    shown = pixels(whole)
    assert (shown[:100] == (0x33, 0x66, 0x99)).all()
    assert shown[100:].max() > 150
    one_line = with_caption(picture, "", "", QFont("DejaVu Sans")).height() - 100
    assert lines * 0.8 < (whole.height() - 100) / one_line < lines * 1.05


def choose(stage, path) -> str:
    """Save the picture under a name; return the one that is suggested."""
    stage.window.findChild(QAction, "save_picture").trigger()
    dialog = stage.window.findChild(QFileDialog)
    suggested = Path(dialog.selectedFiles()[0]).name
    # Qt adds it to a name that is typed, before it asks whether a file is to be replaced.
    assert dialog.defaultSuffix() == "png"
    assert not dialog.testOption(QFileDialog.Option.DontConfirmOverwrite)
    dialog.fileSelected.emit(str(path))
    dialog.reject()
    stage.wait(lambda: stage.window.findChild(QFileDialog) is None)
    return suggested


def test_the_chart_is_saved_and_copied_with_its_caption(open_stage, tmp_path):
    with open_stage() as stage:
        stage.wait_for_heat()
        stage.wait_for_candles()
        path = tmp_path / "chart.png"
        suggested = choose(stage, path)
        saved = QImage(str(path))
        assert suggested.startswith("BTCUSDT-")
        assert saved.width() == stage.view.width()
        assert saved.height() > stage.view.height() + 10
        heat = pixels(saved)[: stage.view.height()].astype(int)
        assert ((heat[..., 0] - heat[..., 2] > 50) & (heat[..., 1] - heat[..., 2] > 20)).sum() > 300
        stage.window.findChild(QAction, "copy_picture").trigger()
        assert QGuiApplication.clipboard().image().size() == saved.size()
        # What cannot be written is said.
        (tmp_path / "folder.png").mkdir()
        choose(stage, tmp_path / "folder.png")
        box = stage.window.findChild(QMessageBox)
        assert "cannot be saved" in box.text()
        box.reject()
