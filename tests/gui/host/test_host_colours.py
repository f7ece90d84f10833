"""What a colour means stays while the view moves, changes softly when it must, and is told beside the map."""

from __future__ import annotations

import numpy as np
import pytest
from support.plugin_parts import UploadCounter
from support.underlay import images_kept

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.events import Coverage
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.ui.geometry.frame_follower import SyncMode
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


# How a host changes its page's colour at run time, from #101418 to this one.
OTHER = (0x20, 0x48, 0x90)
THEMES = {
    "an inline style": "document.body.style.backgroundColor = '#204890'",
    "an important inline style": "document.body.style.setProperty('background-color', '#204890', 'important')",
    "an important inline shorthand": "document.body.style.setProperty('background', '#204890', 'important')",
    "a variable": "document.documentElement.style.setProperty('--page', '#204890')",
    "a new style sheet": "document.head.append(Object.assign(document.createElement('style'),"
    " {textContent: 'body { background: #204890; }'}))",
    "an important style sheet": "document.head.append(Object.assign(document.createElement('style'),"
    " {textContent: 'html > body { background: #204890 !important; }'}))",
    "an important layer": "document.head.append(Object.assign(document.createElement('style'),"
    " {textContent: '@layer a { html > body { background: #204890 !important; } }'}))",
    "an adopted style sheet": "const sheet = new CSSStyleSheet(); sheet.replaceSync('body { background: #204890; }');"
    " document.adoptedStyleSheets = [sheet]",
    "a rule": "document.styleSheets[0].insertRule('html > body { background: #204890; }', 0)",
    "a class of the root": "document.documentElement.className = 'blue'",
    "an attribute of the body": "document.body.setAttribute('theme', 'blue')",
    "with a transition": "document.body.className = 'slow'; getComputedStyle(document.body).color;"
    " document.body.style.backgroundColor = '#204890'",
}
THEMED = (
    ":root { --page: #101418; } body { background: var(--page); } .blue { --page: #204890; }"
    " body[theme=blue] { background: #204890; } .slow { transition: background-color 0.2s; }"
)
TRANSPARENT = "makeChart({layout: {background: {type: 'solid', color: 'transparent'}}});"


def test_every_way_to_change_the_pages_colour(open_host):
    with open_host() as host:
        for name, change in THEMES.items():
            host.load(start=TRANSPARENT, css=THEMED)
            if host.plugin is None:
                host.attach()
            host.wait_for_place()
            host.wait(lambda: host.shows(40, 300, (0x10, 0x14, 0x18)))
            before = host.evaluate("document.body.getAttribute('style')")
            host.run(f"{{ {change} }}")
            try:
                host.wait(lambda: host.shows(40, 300, OTHER))
            except host.qtbot.TimeoutError:
                pytest.fail(f"{name}: the page is {host.picture()[40, 300]}")
            host.wait_for_place()
            assert host.evaluate("document.body.className") == ("slow" if "slow" in change else "")
            assert before is None
        assert host.view.page().console == []


def test_the_colour_scheme_of_the_desktop(open_host):
    """An X server without a desktop has no scheme, so the page's media query is replaced by one that can change."""
    start = "window.scheme = new EventTarget(); window.matchMedia = () => scheme;" + TRANSPARENT
    with open_host() as host:
        host.show(start=start, css="body { background: #101418; }")
        host.wait_for_place()
        host.wait(lambda: host.shows(40, 300, (0x10, 0x14, 0x18)))
        host.run(
            "Array.from(document.styleSheets[0].cssRules).find((rule) => rule.style.backgroundColor)"
            ".style.backgroundColor = '#204890'; scheme.dispatchEvent(new Event('change'))"
        )
        host.wait(lambda: host.shows(40, 300, OTHER))
        host.wait_for_place()


def test_what_the_host_has_set_meanwhile_is_there_after_detaching(open_host):
    with open_host() as host:
        host.load(start=TRANSPARENT, css=THEMED)
        host.run("document.body.style.setProperty('background', 'var(--page)', 'important')")
        before = host.evaluate("document.body.getAttribute('style')")
        host.attach()
        host.wait_for_place()
        assert host.evaluate("getComputedStyle(document.body).backgroundColor") == "rgba(0, 0, 0, 0)"
        host.plugin.detach()
        host.wait(lambda: host.evaluate("document.body.getAttribute('style')") == before)
        host.attach()
        host.wait_for_place()
        host.run("document.body.style.setProperty('background', '#204890', 'important')")
        host.wait(lambda: host.shows(40, 300, OTHER))
        host.plugin.detach()
        host.wait(lambda: host.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(32, 72, 144)")
        assert host.evaluate("document.adoptedStyleSheets.length") == 0
        assert host.evaluate("document.querySelectorAll('[data-liquidation-heatmap]').length") == 0


GRADIENTS = {
    "of the chart": ("", "{layout: {background: {type: 'gradient', topColor: '#102040', bottomColor: '#408020'}}}"),
    "of the body": ("body { background: linear-gradient(#102040, #408020); }", None),
    "with stops": ("body { background: linear-gradient(to bottom, #102040 20%, #204030 60%, #408020); }", None),
    "of a panel in it": (
        "body { background: #101418; } #chart { background: linear-gradient(#102040, #408020); }",
        None,
    ),
}


@pytest.mark.parametrize("kind", GRADIENTS)
def test_a_gradient_from_top_to_bottom_is_painted(open_host, kind):
    css, options = GRADIENTS[kind]
    with open_host(events=[]) as host:
        host.load(start=f"makeChart({options});" if options else TRANSPARENT, css=css)
        before = host.still_picture()
        host.attach()
        host.wait(lambda: host.frame_sync.follower.mode is SyncMode.STAMP)  # so the page's own colour is gone

        def difference() -> float:
            # Where no candle, label or grid line is, and no legend.
            return float(np.median(np.abs(host.picture().astype(int) - before).max(axis=2)[:, 300:800], axis=1).max())

        host.wait(lambda: difference() <= 3)


def test_another_gradient_is_painted_in_its_mean_colour(open_host):
    css = "body { background: linear-gradient(90deg, #102040, #305060); }"
    with open_host() as host:
        host.show(start=TRANSPARENT, css=css)
        host.wait(lambda: host.shows(40, 300, (0x20, 0x38, 0x50)))
        host.wait_for_place()
