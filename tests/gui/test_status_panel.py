"""The status panel: true words for every state, nothing cut off at 1060 px, details in the tooltips."""

from dataclasses import replace

import pytest
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QMainWindow, QWidget

from Heatmap.events import Source
from Heatmap.message_catalogue import catalogue
from Heatmap.reports import ConnectionState, ServiceStatus
from Heatmap.ui.settings_model import SettingsModel
from Heatmap.ui.translation import Translator
from Heatmap.ui.widgets.status import StatusPanel

NOW_MS = 1_700_000_000_000
LIVE = ServiceStatus(
    state=ConnectionState.LIVE,
    last_event_ms=NOW_MS - 12_000,
    received=1234,
    stored=1200,
    duplicates=34,
    insert_rate_per_s=0.44,
    queued=3,
)


@pytest.fixture
def make_panel(qtbot):
    def made(language="en", **options):
        options.setdefault("translator", Translator(language))
        options.setdefault("settings", SettingsModel(overrides={"figures": True}))
        panel = StatusPanel(**options)
        qtbot.addWidget(panel)
        return panel

    return made


def part(panel, name):
    return panel.findChild(QWidget, f"heatmap_status_{name}")


def labels(panel):
    return [part(panel, name) for name in ("connection", "last_event", "insert_rate", "build", "fps")]


def texts(panel):
    return [label.text for label in labels(panel)]


def colour(panel) -> QColor:
    return part(panel, "dot").grab().toImage().pixelColor(5, 5)


def test_before_anything_is_known(make_panel):
    assert texts(make_panel()) == ["Not recording", "", "0 rows/s", "Build –", "– fps"]


def test_all_figures(make_panel):
    panel = make_panel()
    panel.set_service_status(LIVE, NOW_MS)
    panel.set_build((3.27, "numba", 98_765))
    panel.set_fps(59.7)
    assert texts(panel) == ["Live", "· last event 12 s ago", "0.4 rows/s", "Build 3.3 ms (numba)", "60 fps"]
    assert "98,765" in part(panel, "build").toolTip()
    assert "1,234" in part(panel, "last_event").toolTip()
    assert "3" in part(panel, "insert_rate").toolTip()
    panel.set_fps(None)
    assert part(panel, "fps").text == "– fps"


@pytest.mark.parametrize("state", [ConnectionState.LIVE, ConnectionState.QUIET])
def test_what_is_not_real_is_not_called_live(make_panel, state):
    for source, words in ((Source.DEMO, "Simulation running"), (Source.REPLAY, "Replay running")):
        panel = make_panel(source=source)
        panel.set_service_status(replace(LIVE, state=state), NOW_MS)
        assert part(panel, "connection").text == words
        panel.set_service_status(replace(LIVE, state=ConnectionState.DOWN), NOW_MS)
        assert part(panel, "connection").text == "Not connected"


def test_in_german(make_panel):
    panel = make_panel("de")
    panel.set_service_status(LIVE, NOW_MS)
    panel.set_build((3.27, "numpy", 1))
    panel.set_fps(60)
    assert texts(panel) == [
        "Live", "· letztes Ereignis vor 12 s", "0,4 Zeilen/s", "Bildaufbau 3,3 ms (numpy)", "60 Bilder/s",
    ]  # fmt: skip


def test_waiting_is_said_to_be_normal_only_while_recording(make_panel):
    panel = make_panel()
    panel.set_service_status(ServiceStatus(state=ConnectionState.QUIET), NOW_MS)
    assert part(panel, "last_event").text == "· waiting for the first event"
    assert "20 min is normal" in part(panel, "last_event").toolTip()
    panel.set_service_status(ServiceStatus(state=ConnectionState.DOWN), NOW_MS)
    assert part(panel, "last_event").text == ""


@pytest.mark.parametrize("state", list(ConnectionState))
def test_each_state_has_its_own_word_and_colour(make_panel, state):
    panel = make_panel()
    others = set()
    for other in ConnectionState:
        panel.set_service_status(ServiceStatus(state=other), NOW_MS)
        if other is not state:
            others.add((part(panel, "connection").text, colour(panel).name()))
    panel.set_service_status(ServiceStatus(state=state), NOW_MS)
    words = {word for word, _ in others}
    dots = {dot for _, dot in others}
    assert part(panel, "connection").text not in words
    assert colour(panel).name() not in dots


def test_connecting_is_never_called_connected(make_panel):
    panel = make_panel()
    for state in (ConnectionState.CONNECTING, ConnectionState.SILENT, ConnectionState.DOWN):
        panel.set_service_status(ServiceStatus(state=state), NOW_MS)
        assert "Live" not in part(panel, "connection").text


def test_the_reason_is_told_short_and_in_full(make_panel):
    panel = make_panel()
    status = ServiceStatus(state=ConnectionState.DOWN, reason="silent-route", detail="Handshake took 3 ms <ok>.")
    panel.set_service_status(status, NOW_MS)
    assert part(panel, "connection").text == "Not connected: route without data"
    assert "live route is /market" in part(panel, "connection").toolTip()
    assert "3 ms &lt;ok&gt;" in part(panel, "connection").toolTip()


def test_a_reason_nobody_foresaw_is_unknown_not_a_key(make_panel):
    panel = make_panel()
    panel.set_service_status(ServiceStatus(state=ConnectionState.DOWN, reason="flux"), NOW_MS)
    assert part(panel, "connection").text == "Not connected: unknown reason"


def test_a_database_problem_comes_first(make_panel):
    panel = make_panel()
    panel.set_service_status(ServiceStatus(state=ConnectionState.LIVE, storage_problem="The disk is full."), NOW_MS)
    assert part(panel, "connection").text == "Database problem"
    assert "The disk is full." in part(panel, "connection").toolTip()


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("state", list(ConnectionState))
def test_nothing_is_cut_off_in_the_start_window(qtbot, make_panel, language, state):
    window = QMainWindow()
    qtbot.addWidget(window)
    panel = make_panel(language)
    window.statusBar().addWidget(panel, 1)
    window.resize(1060, 550)
    reason = max(
        ("closed", "dns", "banned", "silent-route"),
        key=lambda word: len(catalogue(language)[f"connection.brief.{word}"]),
    )
    status = ServiceStatus(state=state, reason=reason, last_event_ms=NOW_MS - 86_000_000, insert_rate_per_s=12_345)
    panel.set_service_status(status, NOW_MS)
    panel.set_build((1234.5, "numpy", 1_000_000))
    panel.set_fps(144)
    window.show()
    qtbot.waitExposed(window)
    for text in labels(panel):
        assert text.fontMetrics().horizontalAdvance(text.text) <= text.width(), text.text
    assert window.width() == 1060


def test_a_narrow_window_elides_and_does_not_force_its_width(qtbot, make_panel):
    panel = make_panel("de")
    panel.set_service_status(LIVE, NOW_MS)
    panel.set_build((3.27, "numba", 1))
    panel.set_fps(60)
    assert panel.minimumSizeHint().width() < 400
    panel.resize(400, 24)
    panel.show()
    qtbot.waitExposed(panel)
    assert all(text.width() > 20 for text in labels(panel))


def test_the_row_says_for_how_long_it_has_been_recorded(make_panel):
    panel = make_panel()
    status = replace(LIVE, recording_since_ms=NOW_MS - 183_600_000)
    panel.set_service_status(status, NOW_MS)
    assert " ".join(part(panel, name).text for name in ("connection", "recording", "last_event")) == (
        "Live · recording 2 d 3 h · last event 12 s ago"
    )
    panel.set_service_status(replace(status, state=ConnectionState.DOWN, interrupted_since_ms=NOW_MS), NOW_MS)
    assert part(panel, "recording").isHidden()


def test_figures_are_one_click_away_and_stay_so(make_panel):
    settings = SettingsModel()
    panel = make_panel(settings=settings)
    figures = [part(panel, name) for name in ("insert_rate", "build", "fps")]
    assert all(figure.isHidden() for figure in figures)
    part(panel, "more").click()
    assert settings.value.figures
    assert not any(figure.isHidden() for figure in figures)
    panel.set_service_status(LIVE, NOW_MS)
    assert "insert_rate_per_s=0.4" in panel.figures_line()


def test_the_row_does_not_dance_with_the_digits(make_panel):
    panel = make_panel()
    panel.set_fps(144)
    wide = part(panel, "fps").sizeHint().width()
    panel.set_fps(9)
    assert part(panel, "fps").sizeHint().width() == wide


def test_the_dot_is_painted_in_the_states_colour(qtbot, make_panel):
    panel = make_panel()
    panel.resize(1000, 24)
    panel.show()
    qtbot.waitExposed(panel)
    panel.set_service_status(LIVE, NOW_MS)
    live = colour(panel)
    panel.set_service_status(ServiceStatus(state=ConnectionState.DOWN), NOW_MS)
    down = colour(panel)
    assert live.green() > live.red()
    assert down.red() > down.green()
    assert QColor(live) != QColor(down)


@pytest.mark.parametrize(
    ("language", "offset_ms", "words"),
    [
        ("en", 7_199_997.0, "Live · clock 2 h behind"),
        ("de", -300_000.0, "Live · Uhr geht 5 min vor"),
        ("en", 30.0, "Live"),
    ],
)
def test_a_wrong_clock_is_said_on_the_bar(make_panel, language, offset_ms, words):
    panel = make_panel(language)
    panel.set_service_status(replace(LIVE, clock_offset_ms=offset_ms), NOW_MS)
    assert texts(panel)[0] == words


def test_the_language_changes_what_is_shown(make_panel):
    translator = Translator("en")
    panel = make_panel(translator=translator)
    panel.set_service_status(LIVE, NOW_MS)
    panel.set_build((3.27, "numba", 1))
    translator.set_language("de")
    assert texts(panel)[1:4] == ["· letztes Ereignis vor 12 s", "0,4 Zeilen/s", "Bildaufbau 3,3 ms (numba)"]


def test_the_log_line_is_the_same_in_every_language(make_panel):
    english, german = make_panel("en"), make_panel("de")
    assert english.figures_line() == german.figures_line()
    assert "build_ms=- engine=- events=- fps=-" in english.figures_line()
    for panel in (english, german):
        panel.set_service_status(LIVE, NOW_MS)
        panel.set_build((3.27, "numba", 98_765))
        panel.set_fps(59.7)
    assert english.figures_line() == german.figures_line()
    assert english.figures_line() == (
        "state=live reason=- last_event_age_s=12 received=1234 stored=1200 duplicates=34 undecodable=0"
        " reconnects=0 queued=3 insert_rate_per_s=0.4 latency_ms=- clock_offset_ms=-"
        " build_ms=3.27 engine=numba events=98765 fps=60 sync=frame"
    )


def test_heat_that_may_lag_behind_the_chart_is_said(make_panel):
    panel = make_panel()
    panel.set_fps(60)
    assert "sync=frame" in panel.figures_line()
    panel.set_lagging(lags=True)
    assert part(panel, "fps").text == "60 fps ≈"
    assert "roughly" in part(panel, "fps").toolTip()
    assert "sync=message" in panel.figures_line()
    panel.set_lagging(lags=False)
    assert part(panel, "fps").text == "60 fps"
    assert "roughly" not in part(panel, "fps").toolTip()


def test_each_recorder_has_a_dot_with_its_sentence(make_panel):
    panel = make_panel()
    panel.set_service_status(LIVE, NOW_MS)
    assert texts(panel)[0] == "Live"
    down = ServiceStatus(state=ConnectionState.DOWN, reason="banned")
    panel.set_others({"bybit": LIVE, "okx": down})
    panel.set_others({"bybit": LIVE, "okx": replace(down, storage_problem="The disk is full.")})
    dots = panel.findChildren(QWidget, "heatmap_status_dot")
    assert [dot.accessibleName().splitlines()[0] for dot in dots] == [
        "Binance: Live",
        "Bybit: Live",
        "OKX: Database problem",
    ]
    assert texts(panel)[0] == "Binance: Live"
    assert "The disk is full." in dots[2].toolTip()
    colours = [dot.grab().toImage().pixelColor(5, 5) for dot in dots]
    assert colours[0] == colours[1] != colours[2]
