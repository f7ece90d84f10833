"""The notice above the settings: the weightiest thing is said, in the user's language."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from Heatmap.reports import ConnectionState, ServiceStatus
from Heatmap.ui.translation import Translator
from Heatmap.ui.widgets.tab_notice import Notice, notice_of


def utc_ms(hour: int, minute: int) -> int:
    return round(datetime(2026, 11, 27, hour, minute, tzinfo=UTC).timestamp() * 1000)


NOW_MS = 1_795_850_400_000
ALL_WELL = {
    "now_ms": NOW_MS,
    "has_graphics": True,
    "problem": ("", ""),
    "events": 12,
    "status": ServiceStatus(ConnectionState.LIVE),
}


def notice(language: str = "en", **changes) -> Notice:
    return notice_of(Translator(language), **(ALL_WELL | changes))


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
        "Die Heatmap findet den Chart in seiner Seite nicht. Sobald sie ihn findet, wird sie gezeichnet.\n"
        "chart: it is undefined"
    )


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "ended 4 times within a minute and is not started again. Reload the chart or restart the program;"),
        ("de", "wurde 4-mal innerhalb einer Minute beendet und wird nicht wieder gestartet. Bitte den Chart neu"),
    ],
)
def test_a_chart_that_was_given_up_is_said_with_what_the_user_can_do(language, words):
    said = notice(language, missing=("notice.page_given_up", ""), crashes=4, events=0)
    assert said.kind == "problem"
    assert words in said.text


def test_a_problem_is_said_in_the_users_language_with_its_details():
    said = notice("de", problem=("error.database_read", "The file is no database."), events=0)
    assert said == Notice(
        "Die Datenbank ist gerade nicht lesbar; die Heatmap zeigt den letzten Stand.\nThe file is no database.",
        "problem",
    )


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (ServiceStatus(ConnectionState.LIVE), "On calm days the first may take 20 minutes"),
        (ServiceStatus(ConnectionState.LIVE, last_event_ms=5), "No liquidations in this window"),
        # Who only reads records nothing.
        (ServiceStatus(ConnectionState.READING), "No liquidations in this window"),
    ],
)
def test_an_empty_map_is_explained(status, words):
    said = notice(events=0, status=status)
    assert said.kind == "info"
    assert words in said.text


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "Recording since 18:42 UTC. The exchange gives no history"),
        ("de", "Aufzeichnung seit 18:42 UTC. Die Börse liefert keinen Verlauf"),
    ],
)
def test_who_waits_for_the_first_event_learns_since_when_it_is_recorded(language, words):
    status = ServiceStatus(ConnectionState.LIVE, recording_since_ms=utc_ms(18, 42))
    said = notice(language, events=0, status=status, now_ms=utc_ms(18, 50))
    assert said.text.startswith(words)
    assert (said.kind, said.topic) == ("info", "first_event")


def test_a_recording_of_an_earlier_day_is_named_with_its_date():
    status = ServiceStatus(ConnectionState.LIVE, recording_since_ms=utc_ms(18, 42))
    said = notice(events=0, status=status, now_ms=utc_ms(18, 50) + 86_400_000)
    assert said.text.startswith("Recording since Nov 27, 18:42 UTC.")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "Not recording since 18:47 UTC: refused. Next attempt at 18:48:10 UTC."),
        ("de", "Keine Aufzeichnung seit 18:47 UTC: abgelehnt. Nächster Versuch um 18:48:10 UTC."),
    ],
)
def test_an_interrupted_recording_is_said_with_its_reason_and_the_next_attempt(language, words):
    began_ms, retry_ms = utc_ms(18, 47), utc_ms(18, 48) + 10_000
    status = ServiceStatus(ConnectionState.DOWN, "refused", interrupted_since_ms=began_ms, retry_at_ms=retry_ms)
    said = notice(language, status=status, now_ms=retry_ms - 1)
    assert said == Notice(words, "problem", "not_recording")
    # An attempt that is being made is not announced.
    assert notice(language, status=status, now_ms=retry_ms).text == words.partition(". ")[0] + "."


def test_a_symbol_that_nobody_records_is_said():
    said = notice(status=ServiceStatus(ConnectionState.READING, unrecorded=("ETHUSDT",)), events=0)
    assert said.kind == "warning"
    assert "but not ETHUSDT: nobody records that." in said.text


def test_bars_that_are_shifted_are_said_with_the_offset_that_is_missing():
    said = notice(shift_ms=(7_200_000, 3_600_000), events=0)
    assert said.kind == "warning"
    assert "lies 2 h in the future" in said.text
    assert said.text.endswith("time_offset_s=3600.")
    assert "5 h 30 min old" in notice(shift_ms=(-19_800_000, -19_800_000)).text


def test_a_symbol_that_the_exchange_does_not_have_is_said():
    status = ServiceStatus(ConnectionState.SILENT, reason="unknown-symbol", detail="There is no BTCUSTD.")
    assert notice(status=status, events=0) == Notice("There is no BTCUSTD.", "problem")


@pytest.mark.parametrize("key", ["notice.turned", "notice.wrong_times", "notice.covered"])
def test_what_hides_the_heat_is_a_problem_until_somebody_acts(key):
    said = notice(missing=(key, "<div#veil>"), shift_ms=(7_200_000, 7_200_000))
    assert said.kind == "problem"
    assert said.text.endswith("\n<div#veil>")


@pytest.mark.parametrize(("language", "words"), [("en", "filters hide all"), ("de", "Filter blenden alle aus")])
def test_a_map_whose_events_are_all_filtered_is_not_called_empty(language, words):
    assert words in notice(language, events=3, shown=0).text
    assert notice(language, events=3, shown=1) == notice(language, events=3) == Notice()
    assert words not in notice(language, events=0, shown=0).text


@pytest.mark.parametrize(
    ("as_of_ms", "problem", "words"),
    [
        (utc_ms(18, 42), "It is down.", ("until 18:42 UTC", "Nothing new can be fetched", "It is down.")),
        (utc_ms(18, 42), "", ("until 18:42 UTC", "is being fetched")),
        (None, "It is down.", ("Nothing could be fetched", "It is down.")),
    ],
)
def test_a_map_without_its_server_says_of_when_it_is(as_of_ms, problem, words):
    reading = ServiceStatus(ConnectionState.READING, as_of_ms=as_of_ms, server_problem=problem)
    said = notice(status=reading, now_ms=utc_ms(19, 0), events=0)
    assert said.kind == "warning"
    assert all(word in said.text for word in words)
