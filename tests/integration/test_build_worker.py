"""The build thread on a real file: it follows the store, the view and the settings, and the latest wins."""

from __future__ import annotations

import dataclasses
import threading

import msgspec
import numpy as np
import pytest
from support.build_reports import BuildReports
from support.record import rows
from support.two_venues import write_two_venues

from Heatmap.aggregation import GridSpec, HeatmapImage
from Heatmap.aggregation.painted_cell import HitPoint
from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.errors import StorageError
from Heatmap.events import Coverage, LiquidationEvent, Side
from Heatmap.heatmap_settings import HeatmapSettings
from Heatmap.rendering.area_sums import Area
from Heatmap.rendering.build_worker import AreaQuestion, BuildRequest, BuildWorker, Inspection
from Heatmap.rendering.view_grid import View
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.storage.sqlite.sqlite_store import SqliteStore

MINUTE_MS = 60_000


def event(age_ms: int, *, price: float = 100.0, qty: float = 10.0, side: Side = Side.SELL) -> LiquidationEvent:
    ts_ms = SYSTEM_CLOCK.now_ms() - age_ms
    return LiquidationEvent(ts_ms, "BTCUSDT", side, price, qty, price * qty)


def request(**changes) -> BuildRequest:
    now_ms = SYSTEM_CLOCK.now_ms()
    view = View(now_ms - 60 * MINUTE_MS, now_ms + 5 * MINUTE_MS, 90.0, 110.0, 800, 400)
    values = {"symbol": "BTCUSDT", "view": view, "settings": HeatmapSettings(), "dark": True}
    return BuildRequest(**(values | changes))


@pytest.fixture
def db_path(tmp_path):
    return tmp_path / "events.sqlite3"


@pytest.fixture
def reports():
    return BuildReports()


@pytest.fixture
def worker(db_path, reports):
    worker = BuildWorker(db_path, reports, tick_size=lambda _symbol: 0.1, clock=SYSTEM_CLOCK)
    worker.start()
    yield worker
    worker.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "heatmap-build"]


def built(reports, wanted):
    """Return the first image from now on that satisfies a condition."""
    reports.results.clear()
    return reports.wait_for(reports.results, lambda result: wanted(result.image)).image


def test_stored_events_are_built(worker, reports, db_path):
    bulk_insert(db_path, [event(10 * MINUTE_MS), event(20 * MINUTE_MS, price=95.0), event(10 * MINUTE_MS, price=150.0)])
    worker.request(request())
    image = built(reports, lambda image: image is not None and image.events == 2)
    assert image.outside == 1
    assert image.rgba[..., 3].max() > 0


def test_the_sums_of_the_view_come_with_its_image_if_they_are_wanted(worker, reports, db_path):
    bulk_insert(
        db_path, [event(10 * MINUTE_MS), event(20 * MINUTE_MS, side=Side.BUY), event(9 * MINUTE_MS, price=150.0)]
    )
    worker.request(request(settings=HeatmapSettings(sides="long")))
    first = reports.wait_for(reports.results, lambda result: result.sums is not None)
    assert (first.sums.total, first.sums.above) == ((2500.0, 0.0), (1500.0, 0.0))
    reports.results.clear()
    again = reports.wait_for(reports.results, lambda _result: True)
    assert again.sums is first.sums or again.window_start_ms != first.window_start_ms
    bulk_insert(db_path, [event(5 * MINUTE_MS)])
    reports.wait_for(reports.results, lambda result: result.sums.total == (3500.0, 0.0))
    off = HeatmapSettings(coverage_lane=False, candle_sums=False, profile=False)
    worker.request(request(settings=off))
    assert reports.wait_for(reports.results, lambda result: result.request.settings is off).sums is None


def test_an_area_is_summed_to_the_cent(worker, reports, db_path):
    events = [
        event(age * MINUTE_MS, price=95.0 + age / 10, qty=age + 0.01, side=Side(("BUY", "SELL")[age % 2]))
        for age in range(1, 60)
    ]
    bulk_insert(db_path, events)
    asked = request(settings=HeatmapSettings(min_notional_usd=1000))
    worker.request(asked)
    built(reports, lambda image: image is not None and image.events)
    start_ms, end_ms = asked.view.start_ms + 10 * MINUTE_MS, asked.view.start_ms + 40 * MINUTE_MS
    worker.measure(AreaQuestion(asked, Area(start_ms, end_ms, 97.5, 99.5)))
    figures, question = reports.wait_for(reports.sums, lambda _report: True)
    found = rows(
        db_path,
        "SELECT count(*), sum(notional) FILTER (WHERE side = 'SELL'), sum(notional) FILTER (WHERE side = 'BUY'),"
        " max(notional) FROM liq_events WHERE price >= 97.5 AND price < 99.5 AND notional >= 1000"
        " AND ts_ms >= ? AND ts_ms < ?",
        start_ms,
        end_ms,
    )
    count, long_usd, short_usd, largest_usd = found[0]
    assert count == figures.count > 5
    assert (figures.long_usd, figures.short_usd, figures.largest_usd) == pytest.approx(
        (long_usd, short_usd, largest_usd), abs=0.001
    )
    assert not figures.is_complete  # an import claims no coverage
    # Nothing is known of a symbol that the map does not show.
    worker.measure(AreaQuestion(request(symbol="ETHUSDT"), question.area))
    assert reports.wait_for(reports.sums, lambda report: report[1].request.symbol == "ETHUSDT")[0] is None


def test_a_new_row_comes_in_without_being_asked_for(worker, reports, db_path):
    bulk_insert(db_path, [event(10 * MINUTE_MS)])
    worker.request(request())
    built(reports, lambda image: image is not None and image.events == 1)
    # Another program writes: nothing but the file itself tells.
    bulk_insert(db_path, [event(5 * MINUTE_MS)])
    built(reports, lambda image: image is not None and image.events == 2)


def test_a_file_that_appears_later_is_picked_up(worker, reports, db_path):
    worker.request(request())
    built(reports, lambda image: image is not None and image.events == 0)
    bulk_insert(db_path, [event(5 * MINUTE_MS)])
    built(reports, lambda image: image is not None and image.events == 1)


def test_another_file_in_the_same_place_is_read_anew(worker, reports, db_path):
    bulk_insert(db_path, [event(10 * MINUTE_MS), event(11 * MINUTE_MS), event(12 * MINUTE_MS)])
    worker.request(request())
    built(reports, lambda image: image is not None and image.events == 3)
    for name in (db_path.name, f"{db_path.name}-wal", f"{db_path.name}-shm"):
        (db_path.parent / name).unlink(missing_ok=True)
    bulk_insert(db_path, [event(5 * MINUTE_MS)])
    built(reports, lambda image: image is not None and image.events == 1)


def test_coverage_that_cannot_be_read_is_a_problem_that_passes(worker, reports, db_path, monkeypatch):
    bulk_insert(db_path, [event(5 * MINUTE_MS)])
    read = SqliteStore.coverage

    def fail(*_arguments):
        raise StorageError("no coverage", short="The coverage cannot be read.")

    monkeypatch.setattr(SqliteStore, "coverage", fail)
    worker.request(request())
    problem = ("error.database_read", "The coverage cannot be read.")
    reports.wait_for(reports.problems, lambda report: report == problem)
    monkeypatch.setattr(SqliteStore, "coverage", read)
    built(reports, lambda image: image is not None and image.events == 1)
    assert reports.problems[-1] == ("", "")


def test_an_event_dated_ahead_of_this_clock_appears_when_its_time_comes(worker, reports, db_path):
    bulk_insert(db_path, [event(-2500)])
    worker.request(request())
    built(reports, lambda image: image is not None and image.events == 1)


def test_another_source_and_another_symbol_are_not_mixed_in(worker, reports, db_path):
    simulated = msgspec.structs.replace(event(5 * MINUTE_MS), source="demo")
    other = msgspec.structs.replace(event(6 * MINUTE_MS), symbol="ETHUSDT")
    bulk_insert(db_path, [simulated, other, event(7 * MINUTE_MS)])
    worker.request(request())
    built(reports, lambda image: image is not None and image.events == 1)
    worker.request(request(settings=HeatmapSettings(source="demo")))
    built(reports, lambda image: image is not None and image.events == 1)


def test_a_wider_window_is_read_again(worker, reports, db_path):
    bulk_insert(db_path, [event(30 * MINUTE_MS), event(5 * 60 * MINUTE_MS)])
    for window, events in (("2h", 1), ("8h", 2), ("2h", 1)):
        asked = request(settings=HeatmapSettings(window=window))
        worker.request(asked)
        result = reports.wait_for(reports.results, lambda result, asked=asked: result.request is asked)
        assert (result.statistics.events, result.image.events) == (events, 1)


def older_view(first_h: float, last_h: float) -> View:
    """Return the view from so many hours ago to so many hours ago."""
    now_ms = SYSTEM_CLOCK.now_ms()
    start_ms, end_ms = (now_ms - round(hours * 60 * MINUTE_MS) for hours in (first_h, last_h))
    return dataclasses.replace(request().view, start_ms=start_ms, end_ms=end_ms)


def test_a_view_that_reaches_beyond_the_window_shows_what_is_stored_there(worker, reports, db_path):
    now_ms = SYSTEM_CLOCK.now_ms()
    hour_ms = 60 * MINUTE_MS
    recorded = [
        Coverage("binance", "BTCUSDT", now_ms - 9 * hour_ms, now_ms - 6 * hour_ms),
        Coverage("binance", "BTCUSDT", now_ms - 5 * hour_ms, now_ms + hour_ms),
    ]
    older = event(8 * hour_ms, qty=30.0), event(4 * hour_ms, qty=20.0)
    bulk_insert(db_path, [event(30 * MINUTE_MS, qty=10.0), *older], coverage=recorded)
    settings = HeatmapSettings(window="2h", palette="fire", trail="off")
    # Within the window, beyond it, far from it, and back again.
    for first_h, last_h, events, has_gap in ((1, 0, 1, 0), (9, 0, 3, 1), (9, 7, 1, 1), (4.2, 3.4, 1, 0), (1, 0, 1, 0)):
        asked = request(view=older_view(first_h, last_h), settings=settings)
        worker.request(asked)
        result = reports.wait_for(reports.results, lambda result, asked=asked: result.request is asked)
        image, case = result.image, (first_h, last_h)
        assert (image.events, result.cut_ms) == (events, None), case
        assert image.rgba[..., 3].any(), case
        # Scale and statistics are the window's.
        assert (image.reference, result.statistics.events, result.statistics.largest_usd) == (1000.0, 1, 1000.0), case
        # The hour between the recordings is hatched where it is read.
        assert ((recorded[0].end_ms, recorded[1].start_ms) in result.gaps.none) == bool(has_gap), case
        if first_h == 9:
            figures = answer(worker, reports, inspection(image, asked, older[0].ts_ms))
            assert (figures.count, figures.long_usd) == (1, 3000.0)


def test_a_chart_fitted_to_the_window_reads_nothing_older_but_for_trails(worker, reports, db_path):
    bulk_insert(db_path, [event(30 * MINUTE_MS, qty=10.0), event(122 * MINUTE_MS, qty=20.0)])
    for first_h, trail, events in ((2.05, "off", 1), (2.1, "off", 2), (1.9, "60m", 2), (1.9, "off", 1)):
        asked = request(view=older_view(first_h, 0), settings=HeatmapSettings(window="2h", palette="fire", trail=trail))
        worker.request(asked)
        result = reports.wait_for(reports.results, lambda result, asked=asked: result.request is asked)
        assert result.image.events == events
        # The trail of an event before view and window reaches into both, however the view has come there.
        middle = result.image.rgba[:, (result.image.spec.cols - 100) // 2, 3]
        assert bool(middle.any()) == (trail == "60m")


def test_of_too_many_older_events_the_newest_of_the_view_are_read(worker, reports, db_path, monkeypatch):
    monkeypatch.setattr("Heatmap.rendering.event_window.MAX_OLDER_EVENTS", 30)
    older = [event((180 + minute) * MINUTE_MS) for minute in range(60)]
    bulk_insert(db_path, [event(30 * MINUTE_MS), *older])
    settings = HeatmapSettings(window="2h", trail="off")
    for first_h, last_h in ((4.5, 0), (3.9, 3.7), (3.3, 3.1)):
        asked = request(view=older_view(first_h, last_h), settings=settings)
        worker.request(asked)
        result = reports.wait_for(reports.results, lambda result, asked=asked: result.request is asked)
        assert (result.cut_ms is not None) == (first_h == 4.5), first_h
        if first_h == 4.5:
            assert (result.image.events, result.cut_ms) == (31, older[30].ts_ms + 1)
            assert result.image.spec.t0_ms <= result.cut_ms < result.image.spec.t0_ms + result.image.spec.time_bin_ms
        else:
            assert result.image.events >= 12


def test_an_import_into_older_times_comes_into_a_view_of_them(worker, reports, db_path):
    bulk_insert(db_path, [event(30 * MINUTE_MS), event(240 * MINUTE_MS)])
    worker.request(request(view=older_view(5, 3), settings=HeatmapSettings(window="2h")))
    built(reports, lambda image: image is not None and image.events == 1)
    bulk_insert(db_path, [event(250 * MINUTE_MS)])
    built(reports, lambda image: image is not None and image.events == 2)


def test_a_view_without_a_time_before_now_shows_nothing(worker, reports):
    future = dataclasses.replace(request().view, start_ms=2**45, end_ms=2**45 + MINUTE_MS)
    worker.request(request(view=future))
    built(reports, lambda image: image is None)


def test_an_unreadable_file_is_told_and_recovery_too(worker, reports, db_path):
    db_path.write_bytes(b"this is no database" * 300)
    worker.request(request())
    key, detail = reports.wait_for(reports.problems, any)
    assert key == "error.database_read"
    assert detail
    db_path.unlink()
    bulk_insert(db_path, [event(5 * MINUTE_MS)])
    reports.wait_for(reports.problems, lambda problem: problem == ("", ""))


def test_statistics_are_sums_of_the_window(worker, reports, db_path):
    bulk_insert(db_path, [event(5 * MINUTE_MS, qty=3.0), event(6 * MINUTE_MS, qty=7.0, side=Side.BUY)])
    worker.request(request())
    figures = reports.wait_for(reports.results, lambda result: result.statistics.events == 2).statistics
    assert (figures.long_usd, figures.short_usd, figures.largest_usd) == (300.0, 700.0, 700.0)


def test_statistics_count_what_is_shown_and_what_is_hidden(worker, reports, db_path):
    small, large, short = (
        event(5 * MINUTE_MS, qty=3.0),
        event(6 * MINUTE_MS, qty=7.0),
        event(7 * MINUTE_MS, side=Side.BUY),
    )
    # The last is older than the window, and in memory all the same.
    bulk_insert(db_path, [small, large, short, event(119 * MINUTE_MS), event(130 * MINUTE_MS)])
    for choice, expected in (
        ({}, (4, 4, 2000.0, 1000.0, 1000.0, 0.0)),
        ({"min_notional_usd": 500}, (4, 3, 1700.0, 1000.0, 1000.0, 300.0)),
        ({"min_notional_usd": 5000}, (4, 0, 0.0, 0.0, None, 3000.0)),
        ({"sides": "short"}, (4, 1, 0.0, 1000.0, 1000.0, 2000.0)),
        ({"sides": "long", "min_notional_usd": 500}, (4, 2, 1700.0, 0.0, 1000.0, 1300.0)),
        ({"floor_usd": 500}, (4, 3, 1700.0, 1000.0, 1000.0, 300.0)),
        ({"floor_usd": 1000, "sides": "long"}, (4, 1, 1000.0, 0.0, 1000.0, 2000.0)),
        ({"floor_usd": 5000}, (4, 0, 0.0, 0.0, None, 3000.0)),
    ):
        asked = request(settings=HeatmapSettings(window="2h", **choice))
        worker.request(asked)
        found = reports.wait_for(reports.results, lambda result, asked=asked: result.request is asked).statistics
        figures = (found.events, found.shown, found.long_usd, found.short_usd, found.largest_usd, found.hidden_usd)
        assert figures == expected


def test_statistics_follow_the_filter_also_where_the_map_is_out_of_sight(worker, reports, db_path):
    bulk_insert(db_path, [event(5 * MINUTE_MS, qty=3.0)])
    future = dataclasses.replace(request().view, start_ms=2**45, end_ms=2**45 + MINUTE_MS)
    for least, shown in ((0, 1), (500, 0), (100, 1)):
        asked = request(view=future, settings=HeatmapSettings(min_notional_usd=least))
        worker.request(asked)
        result = reports.wait_for(reports.results, lambda result, asked=asked: result.request is asked)
        assert (result.image, result.statistics.events, result.statistics.shown) == (None, 1, shown)


def test_the_legends_axis_comes_with_the_image_and_stays_while_only_the_view_moves(worker, reports, db_path):
    bulk_insert(db_path, [event(5 * MINUTE_MS, qty=3.0), event(6 * MINUTE_MS, qty=7.0)])
    view, found = request().view, []
    moved = dataclasses.replace(view, price_low=95.0, price_high=115.0)
    for shown, floor in ((view, 0), (moved, 0), (moved, 500)):
        asked = request(view=shown, settings=HeatmapSettings(floor_usd=floor))
        worker.request(asked)
        found.append(reports.wait_for(reports.results, lambda result, asked=asked: result.request is asked))
    first, same, floored = (result.colour_axis for result in found)
    assert found[0].image is not found[1].image
    assert same is first
    assert (first.hidden, floored.hidden, floored.floor_usd) == (0, 1, 500)
    assert (first.counts.sum(), floored.counts.sum()) == (2, 2)


def test_a_minimum_size_leaves_full_colour_as_it_is(worker, reports, db_path):
    bulk_insert(db_path, [event(minute * MINUTE_MS, qty=float(minute)) for minute in range(2, 50)])
    references = []
    for least in (0, 2000, 4500, 9000):
        asked = request(settings=HeatmapSettings(min_notional_usd=least, clip_percentile=90.0))
        worker.request(asked)
        references.append(reports.wait_for(reports.results, lambda result, asked=asked: result.request is asked).image)
    assert {image.reference for image in references} == {references[0].reference}
    assert references[0].reference == pytest.approx(4430.0, rel=0.01)
    assert [image.events for image in references] == [48, 30, 5, 0]


def test_a_moving_view_is_served_by_cells_of_nearly_the_right_size_and_a_resting_one_by_exact_ones(
    worker, reports, db_path
):
    bulk_insert(db_path, [event(10 * MINUTE_MS, price=100_000.0)])

    def answer(asked: BuildRequest):
        """Return the image that answers this very request."""
        worker.request(asked)
        return reports.wait_for(reports.results, lambda result: result.request is asked).image

    def view(low: float, high: float) -> View:
        return dataclasses.replace(request().view, price_low=low, price_high=high)

    image = answer(request(view=view(90_000.0, 110_000.0)))
    assert answer(request(view=view(90_500.0, 109_500.0), moving=True)) is image
    exact = answer(request(view=view(90_500.0, 109_500.0)))
    assert 0.9 * image.spec.price_bin < exact.spec.price_bin < 0.99 * image.spec.price_bin
    assert answer(request(view=view(97_000.0, 103_000.0), moving=True)).spec.price_bin < 0.5 * exact.spec.price_bin


def test_a_tick_size_that_becomes_known_refines_the_cells_and_is_asked_for_off_the_gui_thread(db_path, reports):
    bulk_insert(db_path, [event(10 * MINUTE_MS)])
    known, threads = [None], set()

    def tick_size(symbol):
        threads.add(threading.current_thread().name)
        return known[0] if symbol == "BTCUSDT" else None

    worker = BuildWorker(db_path, reports, tick_size=tick_size, clock=SYSTEM_CLOCK)
    worker.start()
    try:
        worker.request(request())
        built(reports, lambda image: image is not None and image.spec.price_bin < 0.2)
        known[0] = 0.5
        worker.data_changed()
        built(reports, lambda image: image.spec.price_bin == 0.5)
    finally:
        worker.stop()
    assert threads == {"heatmap-build"}


def test_what_nobody_recorded_is_told(worker, reports, db_path):
    now_ms = SYSTEM_CLOCK.now_ms()
    known = Coverage("binance", "BTCUSDT", now_ms - 60 * MINUTE_MS, now_ms - 30 * MINUTE_MS)
    bulk_insert(db_path, [event(40 * MINUTE_MS)], coverage=[known])

    worker.request(request())
    reports.wait_for(
        reports.results,
        lambda result: (
            [gap[0] for gap in result.gaps.none[1:]] == [known.end_ms] and result.gaps.none[0][1] == known.start_ms
        ),
    )


@pytest.mark.parametrize(("window", "hours"), [("2h", 2), ("8h", 8), ("2d", 48)])
def test_the_windows_beginning_is_told(worker, reports, window, hours):
    def is_right(start_ms: int) -> bool:
        # In steps of some seconds, and a slow machine may take its time.
        return 0 <= SYSTEM_CLOCK.now_ms() - hours * 60 * MINUTE_MS - start_ms < MINUTE_MS

    worker.request(request(settings=HeatmapSettings(window=window)))
    reports.wait_for(reports.results, lambda result: is_right(result.window_start_ms))


def inspection(image: HeatmapImage, asked: BuildRequest, ts_ms: int) -> Inspection:
    """Return the question for the price of 100 at a time."""
    return Inspection(asked, image, HitPoint(ts_ms, 100.0))


def answer(worker, reports, question: Inspection):
    worker.inspect(question)
    return reports.wait_for(reports.answers, lambda answered: answered[1] is question)[0]


def test_a_place_is_answered_by_what_its_cell_holds(worker, reports, db_path):
    first = event(10 * MINUTE_MS, qty=3.0)
    other = msgspec.structs.replace(first, side=Side.BUY, qty=2.0, notional=200.0)
    bulk_insert(db_path, [first, other])
    asked = request()
    worker.request(asked)
    image = built(reports, lambda image: image is not None and image.events == 2)
    figures = answer(worker, reports, inspection(image, asked, first.ts_ms))
    assert (figures.count, figures.long_usd, figures.short_usd, figures.largest_usd) == (2, 300.0, 200.0, 300.0)
    assert figures.cell.t0_ms <= first.ts_ms < figures.cell.end_ms
    assert answer(worker, reports, inspection(image, asked, first.ts_ms - 20 * MINUTE_MS)) is None
    longs = dataclasses.replace(asked, settings=HeatmapSettings(sides="long", min_notional_usd=250))
    assert answer(worker, reports, inspection(image, longs, first.ts_ms)).count == 1
    none = dataclasses.replace(asked, settings=HeatmapSettings(min_notional_usd=301))
    assert answer(worker, reports, inspection(image, none, first.ts_ms)) is None


def test_a_place_of_another_map_is_answered_by_nothing(worker, reports, db_path):
    known = event(10 * MINUTE_MS)
    bulk_insert(db_path, [known])
    asked = request()
    worker.request(asked)
    image = built(reports, lambda image: image is not None and image.events == 1)
    for stranger in (
        dataclasses.replace(asked, symbol="ETHUSDT"),
        dataclasses.replace(asked, settings=HeatmapSettings(source="demo")),
    ):
        assert answer(worker, reports, inspection(image, stranger, known.ts_ms)) is None
    assert answer(worker, reports, inspection(image, asked, known.ts_ms)).count == 1


def test_of_many_questions_only_the_latest_is_answered(db_path, reports):
    known = event(10 * MINUTE_MS)
    bulk_insert(db_path, [known])
    inside, go_on = threading.Event(), threading.Event()

    def tick_size(_symbol):
        inside.set()
        go_on.wait(20)
        return 0.1

    worker = BuildWorker(db_path, reports, tick_size=tick_size, clock=SYSTEM_CLOCK)
    worker.start()
    try:
        asked = request()
        worker.request(asked)
        # The thread is in the middle of a build.
        assert inside.wait(20)
        spec = GridSpec(t0_ms=known.ts_ms // 1000 * 1000, time_bin_ms=1000, cols=1, price0=100.0, price_bin=1.0, rows=1)
        image = HeatmapImage(np.zeros((1, 1, 4), np.uint8), spec, 1.0, "numpy", 0.0, 1, 0, np.ones(255, np.float32))
        questions = [inspection(image, asked, known.ts_ms) for _ in range(5)]
        for question in questions:
            worker.inspect(question)
        assert reports.answers == []
        go_on.set()
        reports.wait_for(reports.answers, bool)
    finally:
        go_on.set()
        worker.stop()
    assert [about is questions[-1] for _, about in reports.answers] == [True]


def test_a_place_is_split_by_exchange_and_gaps_are_those_of_all_or_of_some(worker, reports, db_path):
    known = event(10 * MINUTE_MS, qty=3.0)
    others = [
        msgspec.structs.replace(known, source=source, qty=qty, notional=100.0 * qty)
        for source, qty in (("bybit", 4.0), ("okx", 5.0), ("demo", 6.0))
    ]
    now_ms = SYSTEM_CLOCK.now_ms()
    spans = {"binance": (now_ms - 50 * MINUTE_MS, now_ms), "okx": (now_ms - 40 * MINUTE_MS, now_ms - 60_000)}
    coverage = [Coverage(source, "BTCUSDT", *span) for source, span in spans.items()]
    bulk_insert(db_path, [known, *others], coverage=coverage)
    asked = request(settings=HeatmapSettings(source="okx+binance"))
    worker.request(asked)
    result = reports.wait_for(reports.results, lambda result: result.image is not None and result.image.events == 2)
    assert result.statistics.long_usd == 800.0
    assert [end for _, end in result.gaps.none] == [spans["binance"][0]]
    assert result.gaps.some == ((spans["binance"][0], spans["okx"][0]),)
    figures = answer(worker, reports, inspection(result.image, asked, known.ts_ms))
    assert (figures.count, figures.long_usd, figures.largest_usd) == (2, 800.0, 500.0)
    assert figures.by_source == (("binance", 300.0), ("okx", 500.0))
    worker.request(request())
    image = built(reports, lambda image: image is not None and image.events == 1)
    figures = answer(worker, reports, inspection(image, request(), known.ts_ms))
    assert figures.by_source == (("binance", 300.0),)


def test_what_binance_leaves_out_is_told_while_the_view_rests(worker, reports, db_path, monkeypatch):
    monkeypatch.setattr("Heatmap.rendering.build_worker.REST_S", 0.0)
    write_two_venues(db_path, 10)
    worker.request(request())
    hidden = reports.wait_for(reports.results, lambda result: result.statistics.hidden is not None).statistics.hidden
    assert hidden.hours < hidden.needed
    earlier = request(as_of_ms=SYSTEM_CLOCK.now_ms() - MINUTE_MS)
    worker.request(earlier)
    replayed = reports.wait_for(reports.results, lambda result: result.request is earlier)
    assert replayed.statistics.hidden is None
    worker.request(request(settings=HeatmapSettings(source="bybit")))
    reports.results.clear()
    reports.wait_for(reports.results, lambda result: result.statistics.hidden is None)
