"""Replay: the player's time, the bar's controls, and a map and candles that end at that time."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QComboBox, QLabel, QSlider, QToolButton, QWidget

from Heatmap.storage.sqlite.sqlite_store import SqliteStore
from Heatmap.ui.geometry.chart_time import chart_time
from Heatmap.ui.settings_model import SettingsModel
from Heatmap.ui.translation import Translator
from Heatmap.ui.widgets.replay_bar import ReplayBar
from Heatmap.ui.widgets.replay_player import SPEEDS, ReplayPlayer

HOUR_MS = 3_600_000
END_MS = 1_795_852_800_000
START_MS = END_MS - 48 * HOUR_MS


@pytest.fixture
def bar(qtbot):
    made = ReplayBar(Translator("en"), chart_time(None, 0.0))
    qtbot.addWidget(made)
    return made


@pytest.mark.usefixtures("qapp")
def test_a_player_stays_within_its_time_and_reports_whole_milliseconds():
    player, seen = ReplayPlayer(), []
    player.moved.connect(seen.append)
    player.set_span(START_MS, END_MS)
    assert player.position_ms == START_MS
    player.seek(END_MS + 1)
    player.seek(END_MS - HOUR_MS)
    player.seek(0)
    assert seen == [START_MS, END_MS, END_MS - HOUR_MS, START_MS]


def test_a_player_plays_at_its_speed_and_pauses_at_the_end(qtbot):
    player, playing = ReplayPlayer(), []
    player.playingChanged.connect(playing.append)
    player.set_span(START_MS, START_MS + 60_000)
    player.speed = 600
    with qtbot.waitSignal(player.moved):
        player.play()
    qtbot.waitUntil(lambda: not player.is_playing)
    assert player.position_ms == START_MS + 60_000
    assert playing == [True, False]
    player.play()  # from the beginning again
    assert player.position_ms == START_MS
    player.pause()


def test_an_empty_time_cannot_be_played():
    player = ReplayPlayer()
    player.play()
    assert not player.is_playing


def test_the_bar_seeks_plays_and_ends(qtbot, bar):
    times = []
    bar.timeChanged.connect(times.append)
    bar.open(START_MS, END_MS)
    qtbot.waitExposed(bar)
    assert times == [END_MS]
    line, play = bar.findChild(QSlider), bar.findChild(QToolButton, "heatmap_replay_play")
    qtbot.keyClick(line, Qt.Key.Key_Left)
    assert times[-1] == END_MS - 60_000
    qtbot.keyClick(line, Qt.Key.Key_Home)
    assert times[-1] == START_MS
    qtbot.keyClick(line, Qt.Key.Key_Space)
    assert bar.player.is_playing
    assert play.accessibleName() == "Pause (Space)"
    play.click()
    assert not bar.player.is_playing
    speed = bar.findChild(QComboBox)
    speed.setCurrentText("600 ×")
    assert (bar.player.speed, SPEEDS[0], SPEEDS[-1]) == (600, 1, 600)
    bar.findChild(QToolButton, "heatmap_replay_end").click()
    assert times[-1] is None
    assert bar.isHidden()


def test_a_bar_that_is_hidden_with_its_window_goes_on_at_its_time(qtbot, bar):
    window, times = QWidget(), []
    qtbot.addWidget(window)
    bar.setParent(window)
    bar.timeChanged.connect(times.append)
    window.show()
    assert times == []
    bar.open(START_MS, END_MS)
    bar.player.seek(START_MS + HOUR_MS)
    window.hide()
    assert times[-1] is None
    assert not bar.isHidden()
    window.show()
    assert times[-1] == START_MS + HOUR_MS
    bar.setParent(None)


@pytest.mark.usefixtures("qapp")
def test_the_time_is_in_the_zone_and_the_language_that_the_user_chooses(qtbot):
    settings, words = SettingsModel(None), Translator("en")
    words.follow(settings)
    bar = ReplayBar(words, words)
    qtbot.addWidget(bar)
    bar.open(START_MS, END_MS)
    shown = bar.findChild(QLabel, "heatmap_replay_time")
    assert shown.text() == "Nov 28, 08:00:00 UTC"
    settings.update(time_zone="Asia/Tokyo")
    assert shown.text() == "Nov 28, 17:00:00 UTC+9"
    settings.update(language="de")
    assert shown.text() == "28. Nov. 17:00:00 UTC+9"


def test_map_and_candles_end_at_the_time_of_the_replay(open_stage):
    with open_stage() as stage:
        stage.wait_for_heat()
        stage.wait_for_candles()
        stage.window.findChild(QAction, "replay").trigger()
        bar = stage.window.findChild(ReplayBar)
        assert not bar.isHidden()
        at_ms = bar.player.end_ms - 4 * HOUR_MS
        bar.player.seek(at_ms)
        stage.wait(lambda: stage.presenter.is_current and stage.presenter.served.as_of_ms == at_ms)
        with SqliteStore(stage.db_path) as store:
            stored = store.window("BTCUSDT", "demo", at_ms - 8 * HOUR_MS, at_ms + 1)
        assert 0 < len(stored) == stage.plugin.image.events
        # Where the replay has not been there is neither heat nor a candle.
        shown = "series.data().filter((bar) => bar.open !== undefined).at(-1).time"
        assert at_ms / 1000 - 360 <= stage.evaluate(shown) <= at_ms / 1000 - 180
        bar.player.seek(at_ms + HOUR_MS)
        stage.wait(lambda: stage.evaluate(shown) > at_ms / 1000)
        bar.hide()
        stage.wait(lambda: stage.presenter.is_current and stage.presenter.served.as_of_ms is None)
        stage.wait(lambda: stage.evaluate(shown) > (at_ms + 3 * HOUR_MS) / 1000)
        assert not stage.window.findChild(QAction, "replay").isChecked()
        assert np.count_nonzero(stage.plugin.image.rgba[..., 3]) > 0
