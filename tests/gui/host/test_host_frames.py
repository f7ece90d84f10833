"""A chart in a shadow tree or in a frame: the heat finds it, through borders, zoom and colours of its own."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.gl, pytest.mark.film]

# `makeChart` finds its element by id; here it lies in shadow trees.
SHADOW = """
const root = outer.attachShadow({mode: '%(mode)s'});
root.innerHTML = `<style>:host { display: block; position: absolute; inset: 20px; background: #203040; }
  #wrap { position: absolute; inset: 10px; background: rgba(0, 80, 0, 0.5); } #chart { position: absolute; inset: 5px; }
  </style><div id="wrap"><slot></slot><div id="chart"></div></div>`;
document.getElementById = (id) => root.getElementById(id);
makeChart(%(options)s);
"""
TRANSPARENT = "{layout: {background: {type: 'solid', color: 'transparent'}}}"
OUTER = {"body": '<div id="outer"></div>', "css": "body { background: #405060; }"}
# Half of #005000 over #203040.
BLENDED = (0x10, 0x40, 0x20)


@pytest.mark.parametrize("mode", ["open", "closed"])
def test_a_chart_in_a_shadow_tree(open_host, mode):
    with open_host() as host:
        host.load(start=SHADOW % {"mode": mode, "options": TRANSPARENT}, **OUTER)
        before = host.evaluate("[document.adoptedStyleSheets.length, root.adoptedStyleSheets.length]")
        host.attach()
        host.wait_for_place()
        assert host.plugin.problem == ""
        host.wait(lambda: host.shows(5, 300, (0x40, 0x50, 0x60)))
        host.wait(lambda: host.shows(25, 300, (0x20, 0x30, 0x40)))
        host.wait(lambda: host.shows(60, 300, BLENDED))
        # A theme of the component, and one of its element.
        host.run("root.getElementById('wrap').style.background = '#205020'; outer.style.background = '#101010'")
        host.wait(lambda: host.shows(60, 300, (0x20, 0x50, 0x20)))
        host.wait(lambda: host.shows(25, 300, (0x10, 0x10, 0x10)))
        host.run("outer.style.zoom = '1.25'")
        host.wait_for_place()
        host.run("root.append(Object.assign(document.createElement('div'), {id: 'veil'}))")
        host.run("root.getElementById('veil').style.cssText = 'position: absolute; inset: 0; background: #102030'")
        host.wait(lambda: "opaque in the page" in host.plugin.problem)
        host.run("root.getElementById('veil').remove()")
        host.wait(lambda: host.plugin.problem == "")
        host.plugin.detach()
        host.wait(
            lambda: host.evaluate("[document.adoptedStyleSheets.length, root.adoptedStyleSheets.length]") == before
        )
        assert host.view.page().console == []


def test_a_chart_that_is_slotted_into_a_component(open_host):
    start = (
        "const root = outer.attachShadow({mode: 'open'});"
        "root.innerHTML = '<style>#wrap { position: absolute; inset: 20px; background: #203040; }</style>"
        '<div id="wrap"><slot></slot></div>\';'
        f"makeChart({TRANSPARENT});"
    )
    with open_host() as host:
        host.show(start=start, body='<div id="outer"><div id="chart"></div></div>')
        host.wait_for_place()
        host.wait(lambda: host.shows(60, 300, (0x20, 0x30, 0x40)))


# The page within the frame is the usual one of these tests; the outer page asks it for its places.
FRAME = """<iframe srcdoc="&lt;style&gt;html, body { margin: 0; height: 100%% } body { background: #304050; }
 #chart { position: absolute; inset: 15px; }&lt;/style&gt;&lt;div id=chart&gt;&lt;/div&gt;
 &lt;script src=&quot;%(library)s&quot;&gt;&lt;/script&gt;
 &lt;script src=&quot;host.js&quot;&gt;&lt;/script&gt;"></iframe>"""
FRAME_CSS = """body { background: #405060; } iframe { position: absolute; left: 30px; top: 20px; width: 800px;
 height: 420px; border: 7px solid #202020; padding: 4px 9px; box-sizing: border-box; }"""
# Runs in both: only the frame has an element for the chart.
START = """
if (document.getElementById('chart')) {
  makeChart();
  Object.assign(window, {chart, series, placeInFrame: place});
}
"""
PLACE = """
function place(...what) {
  const frame = document.querySelector('iframe'), [x, y] = frames[0].placeInFrame(...what);
  const box = frame.getBoundingClientRect(), style = getComputedStyle(frame), scale = box.width / frame.offsetWidth;
  return [box.x + (frame.clientLeft + parseFloat(style.paddingLeft) + x) * scale,
          box.y + (frame.clientTop + parseFloat(style.paddingTop) + y) * scale];
}
"""
IN_FRAME = {"chart": "frames[0].chart", "series": "frames[0].series"}


def test_a_chart_in_a_frame_of_the_same_origin(open_host):
    with open_host() as host:
        body = FRAME % {"library": host.library.as_uri()}
        host.load(start=START, body=body, css=FRAME_CSS)
        host.run(PLACE)
        host.attach(**IN_FRAME)
        host.wait_for_place()
        assert host.plugin.problem == ""
        host.wait(lambda: host.shows(200, 10, (0x40, 0x50, 0x60)))
        host.wait(lambda: host.shows(35, 300, (0x30, 0x40, 0x50)))
        for css in ("zoom: 1.25", "transform: scale(0.8)", "left: 60px", ""):
            host.run(f"document.querySelector('iframe').style.cssText = {css!r}")
            host.wait_for_place()
        host.run("frames[0].document.body.style.background = '#205020'")
        host.wait(lambda: host.shows(35, 300, (0x20, 0x50, 0x20)))
        host.run("frames[0].document.body.append(Object.assign(frames[0].document.createElement('p'), {id: 'veil'}))")
        host.run("frames[0].veil.style.cssText = 'position: fixed; inset: 0; background: #102030'")
        host.wait(lambda: "<p#veil>" in host.plugin.problem)
        # The frame loads its document again, with another chart in it.
        host.run("const frame = document.querySelector('iframe'); frame.srcdoc = frame.srcdoc")
        host.wait(lambda: host.plugin.is_visible)
        host.wait_for_place()
        host.run("document.querySelector('iframe').remove()")
        host.wait_for_no_heat()


def test_a_chart_in_a_frame_of_another_origin(open_host, monkeypatch):
    monkeypatch.setattr("Heatmap.ui.page.session.CHART_PATIENCE_MS", 300)
    with open_host() as host:
        host.load(start="", body='<iframe src="data:text/html,<p>chart</p>"></iframe>')
        host.attach(**IN_FRAME)
        host.wait(lambda: "frame of another origin" in host.plugin.problem)
        assert not host.plugin.is_visible
