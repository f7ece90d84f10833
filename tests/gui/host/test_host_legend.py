"""The legend lies where the host wants it and never over a large part of the pane; the hatching has a switch."""

from __future__ import annotations

import pytest

from Heatmap.errors import SettingsError
from Heatmap.ui.widgets.legend import Legend

pytestmark = [pytest.mark.gl]

PLACES = ("top-left", "top-right", "bottom-left", "bottom-right")


def legend_box(host):
    return host.view.findChild(Legend).geometry()


def test_the_legend_lies_at_the_corner_that_the_host_chose(open_host):
    with open_host() as host:
        host.show(plugin={"legend": "top-right"})
        legend, pane = host.view.findChild(Legend), host.presenter.viewport
        host.wait(legend.isVisible)
        for place in PLACES:
            host.plugin.set_legend(place)
            box = legend_box(host)
            vertical, _, side = place.partition("-")
            upper, left = box.center().y() < pane.height_px / 2, box.center().x() < pane.width_px / 2
            assert (upper, left) == (vertical == "top", side == "left")
            assert box.top() >= pane.top_px
            assert box.bottom() < pane.top_px + pane.height_px
            assert box.left() >= pane.left_px
            assert box.right() < pane.left_px + pane.width_px
        host.plugin.set_legend("off")
        assert not legend.isVisible()
        # It stays so, off and on again.
        host.plugin.set_enabled(False)
        host.wait(lambda: host.view.findChild(Legend) is None)
        host.plugin.set_enabled(True)
        host.wait_for_heat()
        assert not host.view.findChild(Legend).isVisible()
        host.plugin.set_legend("auto")
        assert host.view.findChild(Legend).isVisible()
        with pytest.raises(SettingsError, match=r"expected one of auto, off, .*was 'middle'"):
            host.plugin.set_legend("middle")


def test_a_small_pane_is_not_covered_by_the_legend(open_host):
    with open_host() as host:
        host.show()
        legend = host.view.findChild(Legend)
        for width, height in ((900, 500), (520, 260), (460, 220), (420, 170), (340, 150), (240, 120), (900, 500)):
            host.window.resize(width, height)

            def is_settled(width=width):
                pane = host.presenter.viewport
                return host.view.width() == width and pane is not None and pane.page_px[0] == width

            host.wait(is_settled)
            pane, box = host.presenter.viewport, legend_box(host)
            if legend.isVisible():
                assert box.width() * box.height() <= pane.width_px * pane.height_px / 4
                assert box.top() >= pane.top_px
                assert box.right() < pane.left_px + pane.width_px
            assert legend.isVisible() or width < 900


def hatched_share(host) -> float:
    """Return the share of the grey of the hatching in a part of the pane that has nothing else but grid lines."""
    part = host.picture()[330:400, 100:300].astype(int)
    return float(((part > 42) & (part < 62)).all(axis=2).mean())


def test_the_hatching_of_unrecorded_times_can_be_switched_off(open_host):
    """No coverage is on record here, as of imported history: all of the window is hatched."""
    with open_host() as host:
        host.show()
        host.plugin.settings.update(gaps=True)
        host.wait(lambda: hatched_share(host) > 0.08)
        host.plugin.settings.update(gaps=False)
        host.wait(lambda: hatched_share(host) < 0.02)
        assert host.has_heat()
        assert "hatching" not in [swatch for swatch, _ in host.view.findChild(Legend).explanations()]
        host.plugin.settings.update(gaps=True)
        host.wait(lambda: hatched_share(host) > 0.08)
