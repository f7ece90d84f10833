"""When no recorder ran, as far as a database says it."""

from __future__ import annotations

import pytest
from support.record import T

from Heatmap.events import Coverage
from Heatmap.rendering.bar_coverage import idle_times
from Heatmap.rendering.event_window import FAR_MS, LIVE_EDGE_MS, EventWindow, RecorderRun
from Heatmap.reports import CollectorReport, ServiceStatus
from Heatmap.storage import sql
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.storage.sqlite.connection import open_writer

MINUTE = 60_000
NOW = T + 100 * MINUTE


def at(minute: int) -> int:
    return T + minute * MINUTE


def spans(*pairs: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    return tuple((at(first), at(last)) for first, last in pairs)


@pytest.mark.parametrize(
    ("gaps", "run", "expected"),
    [
        # Nothing was ever recorded.
        (spans((0, 100)), RecorderRun(), [(-FAR_MS, NOW)]),
        # The recorder has just started and has not received anything yet: nothing ran before.
        (spans((0, 100)), RecorderRun(None, at(90), NOW), [(-FAR_MS, at(90))]),
        # The record begins in the window, by an earlier run.
        (spans((0, 10)), RecorderRun(at(10), at(50), NOW), [(-FAR_MS, at(10))]),
        # The program was closed at 40 and started again at 60; at 80 the connection broke for five minutes.
        (
            spans((40, 61), (80, 85)),
            RecorderRun(at(-500), at(60), NOW),
            [(-FAR_MS, at(-500)), (at(40), at(60))],
        ),
        # The recorder lost its connection at 70 and ended at 80.
        (spans((70, 100)), RecorderRun(at(-500), at(-60), at(80)), [(-FAR_MS, at(-500)), (at(80), NOW)]),
        # Its last sign of life is a moment ago.
        (spans((70, 100)), RecorderRun(at(-500), at(-60), NOW - LIVE_EDGE_MS), [(-FAR_MS, at(-500))]),
        # The last recorder does not record this symbol; an earlier one did, until 70.
        (spans((20, 30), (70, 100)), RecorderRun(at(-500)), [(-FAR_MS, at(-500)), (at(70), NOW)]),
    ],
)
def test_times_without_a_recorder(gaps, run, expected):
    assert list(idle_times(gaps, run, NOW)) == expected


def test_the_last_run_and_the_first_coverage_are_read_from_the_file(tmp_path):
    path = tmp_path / "events.sqlite3"
    window = EventWindow(path)
    window.refresh("BTCUSDT", "binance", 0)
    assert window.recorder_runs("BTCUSDT", "binance") == (RecorderRun(),)
    covered = [Coverage("binance", "BTCUSDT", at(first), at(first + 5)) for first in (30, 10, 20)]
    bulk_insert(path, [], coverage=[*covered, Coverage("binance-claimed", "BTCUSDT", at(3), at(4))])
    report = CollectorReport("binance", ("BTCUSDT", "ETHUSDT"), "run", "host", 1, at(15), ServiceStatus())
    connection = open_writer(path)
    with connection:
        connection.execute(sql.PUT_COLLECTOR, sql.collector_row(report, at(60)))
    connection.close()
    window.refresh("BTCUSDT", "binance", 0)
    assert window.recorder_runs("BTCUSDT", "binance") == (RecorderRun(at(3), at(15), at(60)),)
    assert window.recorder_runs("ETHUSDT", ("binance", "okx")) == (RecorderRun(None, at(15), at(60)), RecorderRun())
    assert window.recorder_runs("XRPUSDT", "binance") == (RecorderRun(),)
    assert window.recorder_runs("BTCUSDT", "demo") == (RecorderRun(),)
    window.close()
