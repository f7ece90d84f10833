"""The stand-alone window: recovery, navigation, what it says when something is wrong."""

from __future__ import annotations

import os
import signal

import pytest
from PyQt6.QtCore import QUrl
from PyQt6.QtWidgets import QLabel

from Heatmap.app.chart_view import ChartPage
from Heatmap.resources import CHART_PAGE

pytestmark = [pytest.mark.gl]


def test_a_killed_web_process_is_replaced_and_the_heat_comes_back(open_stage):
    with open_stage() as stage:
        stage.wait_for_heat()
        stage.wait_for_candles()
        old = stage.view.page().renderProcessPid()
        os.kill(old, signal.SIGKILL)
        stage.wait(lambda: stage.view.page().renderProcessPid() not in (0, old))
        stage.wait_for_candles()
        stage.wait_for_heat()
        assert stage.plugin.is_attached


def test_the_page_never_leaves_the_program(open_stage):
    with open_stage() as stage:
        stage.wait_for_candles()
        page = stage.view.page()
        assert isinstance(page, ChartPage)
        kind = ChartPage.NavigationType.NavigationTypeLinkClicked
        for address in ("https://example.com/", "file:///etc/passwd", "data:text/html,x", "chrome://gpu"):
            assert not page.acceptNavigationRequest(QUrl(address), kind, True)
        assert page.acceptNavigationRequest(QUrl.fromLocalFile(str(CHART_PAGE / "index.html")), kind, True)
        # The content security policy lets no script of any other origin in, and no connection out.
        blocked = "fetch('http://127.0.0.1:1/').then(() => 'open', () => 'closed')"
        stage.view.page().runJavaScript(f"window.__probe = 'asked'; {blocked}.then((word) => window.__probe = word)")
        stage.wait(lambda: stage.evaluate("window.__probe") != "asked")
        assert stage.evaluate("window.__probe") == "closed"
        assert stage.evaluate("(() => { try { return eval('1') } catch (error) { return 'refused' } })()") == "refused"


def test_another_interval_keeps_the_heat_behind_the_candles(open_stage):
    with open_stage() as stage:
        stage.wait_for_heat()
        stage.window._interval.setCurrentText("15m")
        step_s = "series.data().length > 2 && series.data()[1].time - series.data()[0].time"
        stage.wait(lambda: stage.evaluate(step_s) == 900)
        stage.wait_for_heat()
        stage.wait(lambda: stage.candle_pixels() > 500)


def test_a_lost_exchange_is_said_over_the_chart_and_the_word_goes_when_it_is_back(open_stage):
    with open_stage() as stage:
        stage.wait_for_candles()
        trouble = stage.window.findChild(QLabel, "trouble")
        assert not trouble.isVisible()
        stage.exchange.stop()
        stage.wait(trouble.isVisible)
        assert "candles" in trouble.text()


def test_the_status_bar_tells_connection_rates_and_times(open_stage):
    with open_stage() as stage:
        stage.wait_for_heat()
        stage.wait(lambda: "state=live" in stage.window._panel.figures_line())
        line = stage.window._panel.figures_line()
        for word in ("insert_rate_per_s=", "build_ms=", "fps=", "last_event_age_s="):
            assert word in line
