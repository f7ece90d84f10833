"""The notice above the settings: the weightiest thing is said, in the user's language."""

from __future__ import annotations

import pytest

from Heatmap.ports import ConnectionState, ServiceStatus
from Heatmap.ui.notice import Notice, notice_of
from Heatmap.ui.translation import Translator

ALL_WELL = {"has_graphics": True, "problem": ("", ""), "events": 12, "status": ServiceStatus(ConnectionState.LIVE)}


def notice(language: str = "en", **changes) -> Notice:
    return notice_of(Translator(language).text, **(ALL_WELL | changes))


def test_nothing_is_said_when_all_is_well_or_nobody_counts():
    assert notice() == notice(events=None) == Notice()


def test_missing_graphics_come_with_their_cure_before_anything_else():
    said = notice(has_graphics=False, problem=("error.database_read", "x"), events=0)
    assert said.kind == "problem"
    assert "OpenGL 3.3" in said.text
    assert "graphics driver" in said.text


def test_a_chart_that_is_not_found_is_said_before_an_empty_map():
    said = notice("de", missing=("notice.no_chart", "chart: it is undefined"), events=0)
    assert said.kind == "warning"
    assert said.text == (
        "Die Heatmap findet den Chart in seiner Seite nicht. Sobald sie ihn findet, erscheint die Wärme.\n"
        "chart: it is undefined"
    )


def test_a_problem_is_said_in_the_users_language_with_its_details():
    said = notice("de", problem=("error.database_read", "The file is no database."), events=0)
    assert said == Notice(
        "Die Datenbank ist gerade nicht lesbar; die Heatmap zeigt den letzten Stand.\nThe file is no database.",
        "problem",
    )


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (ServiceStatus(ConnectionState.LIVE), "Recording starts now"),
        (ServiceStatus(ConnectionState.LIVE, last_event_ms=5), "No liquidations in this window"),
        # Who only reads records nothing.
        (ServiceStatus(ConnectionState.READING), "No liquidations in this window"),
    ],
)
def test_an_empty_map_is_explained(status, words):
    said = notice(events=0, status=status)
    assert said.kind == "info"
    assert words in said.text
