"""The pictures of bubbles and labels that are kept."""

from __future__ import annotations

import pytest

from Heatmap.ui.widgets.bubble_picture import BubbleLook, BubblePictures


@pytest.mark.usefixtures("qapp")
def test_what_is_kept_for_a_chart_that_runs_for_weeks_is_bounded():
    pictures = BubblePictures(BubbleLook("long_short", True, "DejaVu Sans"), 1.0)
    for number in range(600):
        pictures.label(f"${number}")
    assert pictures.text_size_px("$599") == pictures.text_size_px("$599")
    assert max(len(pictures._sizes), len(pictures._images)) <= 512
