"""What a colour means stays while the view moves, changes softly when it must, and is told beside the map."""

from __future__ import annotations

import pytest
from support.plugin_parts import UploadCounter
from support.underlay import images_kept

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.events import Coverage
from Heatmap.storage.bulk_insert import bulk_insert
from Heatmap.ui.gl.underlay import EASING_S
from Heatmap.ui.widgets.legend import Legend

pytestmark = [pytest.mark.gl]

HOUR_MS = 3_600_000


@pytest.fixture
def many(host_liquidation):
    """Give a hundred liquidations whose amounts grow from the first bars to the last."""
    return [host_liquidation(bar=2 * k, second=30, price=95 + k % 7, usd=1e4 * (k + 1)) for k in range(1, 100)]


def test_a_colour_means_the_same_wherever_the_view_goes(open_host, many):
    """The reference comes from the window: where only small amounts are in sight, small amounts stay pale."""
    with open_host(events=many) as host:
        host.show(start="makeChart(); chart.timeScale().setVisibleLogicalRange({from: 100, to: 190});")
        host.wait(lambda: host.presenter.is_current)
        first = host.plugin.image
        for step in (-3, -17, -40, -80, -100):
            host.run(f"chart.timeScale().setVisibleLogicalRange({{from: {100 + step}, to: {190 + step}}})")
            seen = 145.0 + step
            host.wait(
                lambda seen=seen: (
                    abs(host.presenter.viewport.logical(host.presenter.viewport.width_px / 2) - seen) < 1
                    and host.presenter.is_current
                )
            )
            assert host.plugin.image.spec.time_bin_ms == first.spec.time_bin_ms
            assert host.plugin.image.reference == first.reference
        assert host.plugin.image.spec != first.spec, "the view has not moved beyond the first image"


@pytest.mark.parametrize(("usd", "eases"), [(2e8, True), (1e4, False)])
def test_a_live_liquidation_that_moves_the_scale_eases_in(open_host, many, host_liquidation, usd, eases):
    """Also on the same grid, where only a few columns of the picture are new; a small one is there at once."""
    with open_host(events=many) as host:
        host.show()
        host.wait(lambda: host.presenter.is_current)
        plugin, underlay = host.plugin, host.underlay
        counter = UploadCounter(host.presenter, underlay)
        before, shares, textures = plugin.image, [], []

        def look() -> None:
            shares.append(underlay._easing.share(SYSTEM_CLOCK.monotonic_s()))
            textures.append(images_kept(underlay.painter))

        underlay.framePainted.connect(look)
        bulk_insert(host.db_path, [host_liquidation(bar=150, second=30, price=95.0, usd=usd)])
        host.wait(lambda: plugin.image is not before and counter.uploads > 0)
        assert plugin.image.spec == before.spec
        if eases:
            assert plugin.image.reference > 1.02 * before.reference
            host.wait(lambda: len(shares) > 3 and shares[-1] == 1.0 and images_kept(underlay.painter) == 1)
            rising = [share for share in shares if share < 1.0]
            assert rising, f"nothing was painted within the {EASING_S} s of easing"
            assert rising == sorted(rising)
            assert max(textures) == 2
        else:
            assert plugin.image.reference == pytest.approx(before.reference, rel=1e-3)
            host.wait(lambda: bool(shares))
            assert set(shares) == {1.0}
            assert set(textures) == {1}
        underlay.framePainted.disconnect(look)


def test_the_legend_explains_the_hatching_while_there_is_any(open_host, many):
    with open_host(events=many) as host:
        host.show()
        host.plugin.settings.update(gaps=True)
        legend = host.view.findChild(Legend)
        host.wait(lambda: any(mark == "hatching" for mark, _ in legend.explanations()))
        bottom = legend.geometry().bottom()
        now_ms = host.now_ms
        bulk_insert(host.db_path, [], coverage=[Coverage("binance", "BTCUSDT", now_ms - 72 * HOUR_MS, now_ms)])
        host.wait(lambda: not legend.explanations())
        assert legend.geometry().bottom() == bottom
