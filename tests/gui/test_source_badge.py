"""The badge of a market that is not real: its words in both languages, all of them in sight."""

from __future__ import annotations

import pytest
from PyQt6.QtGui import QFontMetrics

from Heatmap.events import Source
from Heatmap.ui.translation import Translator
from Heatmap.ui.widgets.overlay import BADGE_KEYS, SourceBadge


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("REPLAY", "recording", "candles invented", "silences cut", "times shifted")),
        ("de", ("WIEDERGABE", "Aufzeichnung", "Kerzen erfunden", "Pausen gekürzt", "Zeiten verschoben")),
    ],
)
def test_a_replay_says_what_of_it_is_not_as_recorded(language, words):
    text = Translator(language).text(BADGE_KEYS[Source.REPLAY])
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("source", list(BADGE_KEYS))
def test_every_line_is_in_sight(qtbot, language, source):
    badge = SourceBadge()
    qtbot.addWidget(badge)
    badge.set_text(Translator(language).text(BADGE_KEYS[source]))
    lines, metrics = badge.accessibleName().split("\n"), QFontMetrics(badge.font())
    assert badge.width() >= max(metrics.horizontalAdvance(line) for line in lines)
    assert badge.height() >= len(lines) * metrics.height()
    # Short enough to lie beside the chart's line of prices.
    assert badge.width() <= 420


def test_words_are_wrapped_into_the_room_there_is_and_follow_the_font(qtbot):
    badge = SourceBadge()
    qtbot.addWidget(badge)
    badge.set_text(Translator("en").text(BADGE_KEYS[Source.DEMO]))
    one_line = badge.size()
    badge.set_room(one_line.width() * 2 // 3)
    assert badge.width() <= one_line.width() * 2 // 3
    assert badge.height() > 1.5 * one_line.height()
    badge.set_room(1000)
    assert badge.size() == one_line
    font = badge.font()
    font.setPointSizeF(1.6 * font.pointSizeF())
    badge.setFont(font)
    assert badge.width() > 1.4 * one_line.width()
