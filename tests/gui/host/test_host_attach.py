"""What a developer is told who attaches wrongly: soon, in plain words, in the log and on the tab."""

from __future__ import annotations

import logging

import pytest
from PyQt6.QtWebChannel import QWebChannel
from PyQt6.QtWebEngineCore import QWebEngineScript, QWebEngineSettings
from PyQt6.QtWidgets import QLabel

from Heatmap.errors import AttachError
from Heatmap.plugin import HeatmapPlugin
from Heatmap.ui.gl.underlay import Underlay
from Heatmap.ui.page.session import PageSession

pytestmark = [pytest.mark.gl]

# The two expressions of a developer, how the page is made, and what is wrong with them.
MISTAKES = {
    "a misspelt chart": ("chrt", "series", "makeChart();", "chart: ReferenceError: chrt is not defined"),
    "a chart that is not global": ("window.app.chart", "series", "makeChart();", "chart: TypeError"),
    "a chart that is never made": ("chart", "series", "", "chart: it is undefined"),
    "a misspelt series": ("chart", "candles", "makeChart();", "series: ReferenceError: candles is not defined"),
    "an expression that throws": (
        "(() => { throw new Error('not yet') })()",
        "series",
        "makeChart();",
        "chart: Error: not yet",
    ),
    "something else": ("document", "series", "makeChart();", "chart: it is no chart of Lightweight Charts"),
    "not a series": ("chart", "DATA", "makeChart();", "series: it is no series of Lightweight Charts"),
}


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("Heatmap.ui.page.session.CHART_PATIENCE_MS", 300)


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.usefixtures("impatient")
def test_a_wrong_expression_is_told_soon_after_the_page_has_loaded(open_host, caplog, mistake):
    chart, series, start, reason = MISTAKES[mistake]
    with open_host() as host, caplog.at_level(logging.WARNING, "Heatmap.plugin"):
        host.load(start=start)
        host.attach(chart=chart, series=series)
        tab = host.plugin.settings_tab()
        notice = tab.findChild(QLabel, "heatmap_notice")
        host.wait(lambda: reason in notice.text())
        assert "does not find the chart" in notice.text()
        assert f"chart={chart!r}, series={series!r}" in notice.text()
        assert caplog.text.count(reason) == 1
        # The page is as it was, and says nothing about this to the host's users.
        assert host.evaluate("document.body.getAttribute('style')") is None
        assert host.view.page().console == []
        tab.deleteLater()


# Forbids the page to make functions of texts.
POLICY = "<meta http-equiv='Content-Security-Policy' content=\"script-src 'self' file: qrc:\">"
NO_JAVASCRIPT = {
    "a parenthesis too many": ("chart)", "series", "chart: SyntaxError: it is no JavaScript expression: Unexpected"),
    "a statement": ("return chart", "series", "chart: SyntaxError: it is no JavaScript expression"),
    "a series with a semicolon": ("chart", "series;", "series: SyntaxError: it is no JavaScript expression"),
}


@pytest.mark.parametrize("policy", ["", POLICY], ids=["free", "with a policy"])
@pytest.mark.parametrize("mistake", NO_JAVASCRIPT)
@pytest.mark.usefixtures("impatient")
def test_an_expression_that_is_no_javascript(open_host, mistake, policy):
    chart, series, reason = NO_JAVASCRIPT[mistake]
    with open_host() as host:
        host.load(head=policy)
        host.attach(chart=chart, series=series)
        tab = host.plugin.settings_tab()
        notice = tab.findChild(QLabel, "heatmap_notice")
        host.wait(lambda: reason.partition(": Unexp")[0] in notice.text())
        assert policy or reason in notice.text()
        tab.deleteLater()


def test_an_expression_with_a_comment_is_one(open_host):
    with open_host() as host:
        host.show(plugin={"chart": "chart // the main one", "series": "[series][0] /* candles */"})
        host.wait_for_place()


@pytest.mark.usefixtures("impatient")
def test_a_channel_in_another_javascript_world(open_host):
    with open_host() as host:
        host.load()
        host.view.page().setWebChannel(QWebChannel(host.view), QWebEngineScript.ScriptWorldId.ApplicationWorld.value)
        host.attach()
        tab = host.plugin.settings_tab()
        notice = tab.findChild(QLabel, "heatmap_notice")
        host.wait(lambda: "it is in another JavaScript world" in notice.text())
        host.view.page().setWebChannel(QWebChannel(host.view))
        host.wait_for_place()
        assert notice.text() == ""
        tab.deleteLater()


@pytest.mark.usefixtures("impatient")
def test_a_page_without_scripts(open_host):
    with open_host() as host:
        host.view.settings().setAttribute(QWebEngineSettings.WebAttribute.JavascriptEnabled, False)
        host.load()
        host.attach()
        tab = host.plugin.settings_tab()
        notice = tab.findChild(QLabel, "heatmap_notice")
        host.wait(lambda: "JavascriptEnabled of its settings is off" in notice.text())
        tab.deleteLater()


@pytest.mark.usefixtures("impatient")
def test_a_library_that_is_too_old_is_told(open_host, chart_library):
    with open_host(library=chart_library("4.0")) as host:
        host.load()
        host.attach()
        host.wait(lambda: "it is no chart of Lightweight Charts 4.1 or newer" in host.plugin.problem)
        assert not host.plugin.is_attached


@pytest.mark.usefixtures("impatient")
def test_what_was_told_is_taken_back_when_the_chart_comes(open_host):
    with open_host() as host:
        host.load(start="")
        host.attach()
        tab = host.plugin.settings_tab()
        notice = tab.findChild(QLabel, "heatmap_notice")
        host.wait(lambda: "does not find the chart" in notice.text())
        host.run("makeChart()")
        host.wait_for_place()
        assert notice.text() == ""
        tab.deleteLater()


@pytest.mark.usefixtures("impatient")
def test_nothing_is_told_about_a_right_chart(open_host, caplog):
    with open_host() as host, caplog.at_level(logging.WARNING, "Heatmap.plugin"):
        host.show()
        answers = []
        host.view.page().runJavaScript("window.__heatmapMissing()", answers.append)
        host.wait(lambda: answers == [""])
        host.plugin.findChild(PageSession)._ask_for_chart()
        host.wait_for_place()
        assert caplog.text == ""


def test_a_second_heatmap_on_one_view_is_refused_and_the_first_stays(open_host):
    with open_host() as host:
        host.show()
        with pytest.raises(AttachError) as refused:
            HeatmapPlugin.attach(host.view, service=host.service)
        assert refused.value.short == "This chart already has a heatmap. Detach the first one before attaching another."
        host.run("chart.timeScale().scrollToPosition(-30, false)")
        host.wait_for_place()
        assert len(host.view.findChildren(Underlay)) == 1
        host.plugin.detach()
        host.attach()
        host.wait_for_place()
