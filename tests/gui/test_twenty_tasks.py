"""Twenty questions of a trader's first ten minutes, answered from the window: those of Heatmap/docs/tasks.md.

Each is asked of the running program through keys, mouse and widgets, in at most three steps. The answer is what the
window shows, and what SQL says about the same database.
"""

# ruff: noqa: S608 - the queries are the test's own

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QAction, QGuiApplication
from PyQt6.QtWidgets import (
    QLabel,
)
from support.trader import Trader

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.events import Coverage, LiquidationEvent, Side, Source
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.ui.translation import Translator
from Heatmap.ui.widgets.legend import Legend
from Heatmap.ui.widgets.legend_range import RangeHandle
from Heatmap.ui.widgets.status import StatusPanel
from Heatmap.ui.widgets.tooltip import span_text

if TYPE_CHECKING:
    from Heatmap.demo.market import SimulatedMarket

pytestmark = [pytest.mark.gl]

TASKS_PAGE = Path(__file__).resolve().parents[2] / "Heatmap" / "docs" / "tasks.md"
MOST_STEPS = 3
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
BAR_MS = 3 * MINUTE_MS
NO_KEYS, LEFT = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton
WORDS = Translator("en")
usd = WORDS.format_usd
number = WORDS.format_number
FILTER = "FROM liq_events WHERE symbol = 'BTCUSDT' AND source = 'demo'"
LONGS, SHORTS = (
    "coalesce(sum(notional) FILTER (WHERE side = 'SELL'), 0)",
    "coalesce(sum(notional) FILTER (WHERE side = 'BUY'), 0)",
)


def known_record(db_path, market: SimulatedMarket, now_ms: int) -> None:
    """Store 30 hours of the demo's market with known events and a gap."""
    stopped_ms = (now_ms - 3 * HOUR_MS) // BAR_MS * BAR_MS + MINUTE_MS
    begun_ms = stopped_ms + 33 * MINUTE_MS
    # None so near the beginning of a window that it leaves it while a question is answered.
    edges = [now_ms - hours * HOUR_MS for hours in (2, 8)]
    events = [
        event
        for event in market.liquidations(now_ms - 30 * HOUR_MS, now_ms - MINUTE_MS)
        if not stopped_ms <= event.ts_ms < begun_ms and min(abs(event.ts_ms - edge) for edge in edges) > MINUTE_MS
    ]
    midnight_ms = now_ms // DAY_MS * DAY_MS
    price = events[-1].price
    for ts_ms, side, at, notional in (
        (max(midnight_ms, now_ms - 10 * MINUTE_MS), Side.BUY, price, 21e6),  # today's largest short
        (midnight_ms - 10 * MINUTE_MS, Side.BUY, price, 30e6),  # yesterday's is larger
        (now_ms - HOUR_MS, Side.SELL, 1.2 * price, 2.1e6),  # far above the candles
    ):
        events.append(_event(events[-1], ts_ms, side, round(at, 1), notional))
    ether = [_event(events[-1], now_ms - age * HOUR_MS, Side.SELL, 3000.0 + age, 1e5 * age) for age in (1, 2, 3)]
    events += [msgspec.structs.replace(event, symbol="ETHUSDT") for event in ether]
    covered = [(now_ms - 72 * HOUR_MS, stopped_ms), (begun_ms, now_ms)]
    bulk_insert(db_path, events, coverage=[Coverage(Source.DEMO, "BTCUSDT", *each) for each in covered])


def _event(like: LiquidationEvent, ts_ms: int, side: Side, price: float, notional: float) -> LiquidationEvent:
    return msgspec.structs.replace(like, ts_ms=ts_ms, side=side, price=price, qty=notional / price, notional=notional)


def how_much_between_two_times_below_a_price(at: Trader) -> None:
    end_ms = (SYSTEM_CLOCK.now_ms() - 4 * HOUR_MS) // (30 * MINUTE_MS) * 30 * MINUTE_MS
    start_ms = end_ms - 30 * MINUTE_MS
    below = (
        round(at.sql(f"SELECT avg(price) {FILTER} AND ts_ms >= ? AND ts_ms < ?", start_ms, end_ms) / 100 + 1) * 100.0
    )
    at.drag_area((at.x_of(start_ms), at.viewport.y_px(below)), (at.x_of(end_ms), at.viewport.height_px + 9))

    def expected() -> str:
        count, long_usd, short_usd, largest = at.sql(
            f"SELECT count(*), {LONGS}, {SHORTS}, max(notional) {FILTER} AND ts_ms >= ? AND ts_ms < ? AND price < ?",
            start_ms, end_ms, below,
        )  # fmt: skip
        assert count > 3
        return "\n".join(
            [
                span_text(start_ms, end_ms, WORDS),
                f"Price: below {number(below)}",
                f"Long liquidated: {usd(long_usd)}",
                f"Short liquidated: {usd(short_usd)}",
                f"Total: {usd(long_usd + short_usd)}",
                f"Liquidations reported: {count}",
                f"Largest one: {usd(largest)}",
            ]
        )

    at.shows(lambda: at.card("heatmap_area"), expected)


def what_was_the_largest_short_today(at: Trader) -> None:
    at.press("3")
    at.open_list()
    at.show_largest()

    def todays() -> list[str]:
        # A row of another day has its date.
        rows = map(at.row, range(at.listing.model.rowCount()))
        return next((row[2:] for row in rows if row[1] == "Short" and re.fullmatch(r"[\d:]+", row[0])), [])

    midnight_ms = SYSTEM_CLOCK.now_ms() // DAY_MS * DAY_MS
    query = f"SELECT price, max(notional) {FILTER} AND side = 'BUY' AND ts_ms >= ?"
    at.shows(todays, lambda: _price_and_usd(at.sql(query, midnight_ms)))


def _price_and_usd(found) -> list[str]:
    return [number(found[0], 1), usd(found[1])]


def when_did_recording_stop(at: Trader) -> None:
    stopped_ms = at.sql("SELECT min(end_ms) FROM coverage WHERE symbol = 'BTCUSDT' AND source = 'demo'")
    at.rest_on(at.x_of(stopped_ms) - 1, at.viewport.height_px - 2)
    begin_ms = stopped_ms // BAR_MS * BAR_MS
    expected = f"{span_text(begin_ms, begin_ms + BAR_MS, WORDS)}\nRecord: incomplete"
    at.shows(at.card, lambda: expected)


def is_it_recorded_now_and_when_was_the_last(at: Trader) -> None:
    panel = at.window.findChild(StatusPanel)
    texts = {name: panel.findChild(object, f"heatmap_status_{name}") for name in ("connection", "last_event")}
    at.shows(lambda: texts["connection"].text, lambda: "Simulation running")

    def ages() -> set[str]:
        age_ms = SYSTEM_CLOCK.now_ms() - at.sql("SELECT max(ts_ms) FROM liq_events")
        return {f"· last event {WORDS.format_age(max(age_ms - late_ms, 0))}" for late_ms in (0, 1000, 2000, 3000)}

    at.shows(lambda: texts["last_event"].text in ages(), lambda: True)


def what_was_the_latest(at: Trader) -> None:
    at.open_list()

    def latest() -> list[str]:
        side, *found = at.sql(f"SELECT side, price, notional {FILTER} ORDER BY ts_ms DESC LIMIT 1")
        return ["Long" if side == "SELL" else "Short", *_price_and_usd(found)]

    at.shows(lambda: at.row()[1:], latest)


def what_was_the_largest_of_two_hours(at: Trader) -> None:
    at.press("1")
    at.open_list()
    at.show_largest()
    query = f"SELECT price, max(notional) {FILTER} AND ts_ms >= ?"
    at.shows(lambda: at.row()[2:], lambda: _price_and_usd(at.sql(query, SYSTEM_CLOCK.now_ms() - 2 * HOUR_MS)))


def where_in_the_chart_was_it(at: Trader) -> None:
    at.open_list()
    at.show_largest()
    largest = at.sql(f"SELECT ts_ms, max(notional) {FILTER} AND ts_ms >= ?", SYSTEM_CLOCK.now_ms() - 8 * HOUR_MS)
    at.shows(lambda: at.row()[3:], lambda: [usd(largest[1])])
    at.click_row(0)

    def is_in_the_middle() -> bool:
        start_ms, end_ms = at.stage.presenter.visible_span_ms
        return abs((start_ms + end_ms) / 2 - largest[0]) <= 2 * BAR_MS

    at.shows(is_in_the_middle, lambda: True)


def sums_since(at: Trader, hours: int) -> tuple[str, str]:
    sums = f"SELECT {LONGS}, {SHORTS} {FILTER} AND ts_ms >= ?"
    return tuple(map(usd, at.sql(sums, SYSTEM_CLOCK.now_ms() - hours * HOUR_MS)))


def how_much_of_longs_and_shorts_in_eight_hours(at: Trader) -> None:
    at.open_settings()
    at.shows(lambda: (at.label("long_usd"), at.label("short_usd")), lambda: sums_since(at, 8))


def how_many_in_two_days(at: Trader) -> None:
    at.press("3")
    at.open_settings()
    query = f"SELECT count(*) {FILTER} AND ts_ms >= ?"
    at.shows(lambda: at.label("events"), lambda: number(at.sql(query, SYSTEM_CLOCK.now_ms() - 48 * HOUR_MS)))


def what_is_this_bright_spot(at: Trader) -> None:
    ts_ms, price, _ = at.sql(
        f"SELECT ts_ms, price, max(notional) {FILTER} AND side = 'BUY' AND ts_ms >= ?",
        SYSTEM_CLOCK.now_ms() - 8 * HOUR_MS,
    )
    at.press("B")
    at.stage.wait_for_heat()
    at.rest_on(at.x_of(ts_ms), at.viewport.y_px(price))

    def of_cell() -> bool:
        # The cell that the card names, in ticks of 0.1: fractions have no exact borders.
        card = at.card()
        if "rice: " not in card:
            return False
        low, high = (float(each.replace(",", "")) for each in re.search(r"rice: (\S+) – (\S+)", card).groups())
        spec = at.stage.plugin.image.spec
        begin_ms = ts_ms // spec.time_bin_ms * spec.time_bin_ms
        count, total = at.sql(
            f"SELECT count(*), sum(notional) {FILTER} AND ts_ms >= ? AND ts_ms < ?"
            " AND round(price * 10) >= ? AND round(price * 10) < ?",
            begin_ms, begin_ms + spec.time_bin_ms, round(low * 10), round(high * 10),
        )  # fmt: skip
        word = "Total" if "Total" in card else "Short liquidated"
        return f"{word}: {usd(total)}" in card and f"Liquidations reported: {count}" in card

    at.shows(of_cell, lambda: True)


def how_much_in_this_candle(at: Trader) -> None:
    ts_ms, _ = at.sql(
        f"SELECT ts_ms, max(notional) {FILTER} AND side = 'SELL' AND ts_ms >= ? AND price < 100000",
        SYSTEM_CLOCK.now_ms() - 8 * HOUR_MS,
    )
    begin_ms = ts_ms // BAR_MS * BAR_MS
    at.rest_on(at.x_of(begin_ms + BAR_MS / 2), at.viewport.height_px - 20)

    def expected() -> str:
        longs, shorts = at.sql(
            f"SELECT {LONGS}, {SHORTS} {FILTER} AND ts_ms >= ? AND ts_ms < ?", begin_ms, begin_ms + BAR_MS
        )
        sums = f"Long liquidated: {usd(longs)}\nShort liquidated: {usd(shorts)}\nTotal: {usd(longs + shorts)}"
        return f"{span_text(begin_ms, begin_ms + BAR_MS, WORDS)}\n{sums}"

    at.shows(lambda: "\n".join(at.card().split("\n")[:4]), expected)  # a line on the record may follow


def which_price_had_most(at: Trader) -> None:
    at.press("P")
    at.stage.wait_for_heat()
    step = at.stage.presenter.sums.price_step

    def most() -> tuple[int, float]:
        view, start_ms = at.viewport, SYSTEM_CLOCK.now_ms() - 8 * HOUR_MS
        return at.sql(
            f"SELECT CAST(round(price * 10) AS INTEGER) / ? AS row, sum(notional) AS usd {FILTER}"
            " AND ts_ms >= ? AND price BETWEEN ? AND ? GROUP BY row ORDER BY usd DESC LIMIT 1",
            round(step * 10), start_ms, view.price_low, view.price_high,
        )  # fmt: skip

    at.rest_on(at.viewport.width_px - 3, at.viewport.y_px((most()[0] + 0.5) * step))

    def expected() -> tuple[str, str]:
        row, total = most()
        return f"{number(row * step)} – {number((row + 1) * step)}", f"Total: {usd(total)}"

    at.shows(lambda: tuple(at.card().split("\n")[::3]), expected)


def how_much_is_in_view(at: Trader) -> None:
    before = at.viewport.bar_spacing_px
    at.press("+")
    at.stage.wait(lambda: at.viewport.bar_spacing_px > 1.1 * before)

    def expected() -> str:
        start_ms, end_ms = at.stage.presenter.visible_span_ms
        start_ms = max(start_ms, SYSTEM_CLOCK.now_ms() - 8 * HOUR_MS)
        longs, shorts = at.sql(f"SELECT {LONGS}, {SHORTS} {FILTER} AND ts_ms >= ? AND ts_ms < ?", start_ms, end_ms)
        return f"In view | long {usd(longs)} | short {usd(shorts)}"

    at.shows(lambda: at.text_on_chart("sums"), expected)


def how_much_lies_above_what_is_in_view(at: Trader) -> None:
    query = f"SELECT sum(notional) {FILTER} AND ts_ms >= ? AND price > ?"

    def expected() -> str:
        return f"{usd(at.sql(query, SYSTEM_CLOCK.now_ms() - 8 * HOUR_MS, at.viewport.price_high))} above ↑"

    at.shows(lambda: at.text_on_chart("upper"), expected)


def how_much_are_the_small_ones(at: Trader) -> None:
    at.open_settings()
    at.type_into("heatmap_min_notional_usd", "100000")

    def expected() -> tuple[str, str]:
        total, shown, hidden = at.sql(
            "SELECT count(*), count(*) FILTER (WHERE notional >= 100000),"
            f" sum(notional) FILTER (WHERE notional < 100000) {FILTER} AND ts_ms >= ?",
            SYSTEM_CLOCK.now_ms() - 8 * HOUR_MS,
        )
        events = WORDS.text("statistics.events_value", shown=number(shown), events=number(total))
        return events, usd(hidden)

    at.shows(lambda: (at.label("events"), at.label("hidden_usd")), expected)


def how_much_of_shorts_only(at: Trader) -> None:
    at.open_settings()
    at.choose("heatmap_sides", "Short")
    at.shows(lambda: (at.label("long_usd"), at.label("short_usd")), lambda: ("$0", sums_since(at, 8)[1]))


def how_many_cells_are_below_an_amount(at: Trader) -> None:
    legend = at.stage.view.findChild(Legend)
    handle = at.stage.view.findChild(RangeHandle, "heatmap_legend_floor")
    at.drag_handle(handle, legend, 100_000)

    def expected() -> str:
        spec, floor_usd = at.stage.plugin.image.spec, at.stage.settings.value.floor_usd
        count = at.sql(
            f"SELECT count(*) FROM (SELECT sum(notional) AS usd {FILTER} AND ts_ms >= ? GROUP BY ts_ms / ?,"
            " CAST(round(price * 10) AS INTEGER) / ?) WHERE usd < ?",
            SYSTEM_CLOCK.now_ms() - 8 * HOUR_MS, spec.time_bin_ms, round(spec.price_bin * 10), floor_usd,
        )  # fmt: skip
        assert count
        return WORDS.text("legend.hidden", count=number(count))

    at.shows(lambda: at.stage.presenter.is_current and legend.hidden(), expected)


def what_had_happened_until_then(at: Trader) -> None:
    at.press("R")
    at.drag_time_line(-2 * HOUR_MS)
    at.open_settings()
    time = at.window.findChild(QLabel, "heatmap_replay_time")

    def end_ms() -> int:
        year = datetime.now(UTC).year
        shown = datetime.strptime(f"{year} {time.text()}", "%Y %b %d, %H:%M:%S UTC").replace(tzinfo=UTC)
        return round(shown.timestamp() * 1000)

    def sums() -> tuple[str, str]:
        query = f"SELECT {LONGS}, {SHORTS} {FILTER} AND ts_ms >= ? AND ts_ms <= ?"
        return tuple(map(usd, at.sql(query, end_ms() - 8 * HOUR_MS, end_ms())))

    assert end_ms() < SYSTEM_CLOCK.now_ms() - HOUR_MS
    at.shows(lambda: (at.label("long_usd"), at.label("short_usd")), sums)
    # The list follows, too.
    at.window.findChild(QAction, "list_toggle").trigger()
    latest = f"SELECT price, notional {FILTER} AND ts_ms <= ? ORDER BY ts_ms DESC LIMIT 1"
    at.shows(lambda: at.row()[2:], lambda: _price_and_usd(at.sql(latest, end_ms())))


def what_was_the_largest_of_another_symbol(at: Trader) -> None:
    at.choose_symbol("ETHUSDT")
    at.open_list()
    at.show_largest()
    query = "SELECT price, max(notional) FROM liq_events WHERE symbol = 'ETHUSDT' AND source = 'demo' AND ts_ms >= ?"

    def expected() -> list[str]:
        found = at.sql(query, SYSTEM_CLOCK.now_ms() - 8 * HOUR_MS)
        return [f"{found[0]:,.2f}", usd(found[1])]

    at.shows(lambda: at.row()[2:], expected)


def can_i_have_it_as_a_table(at: Trader) -> None:
    at.open_list()
    at.shows(lambda: at.listing.model.rowCount() > 100, lambda: True)
    at.copy_all()
    rows = list(csv.DictReader(io.StringIO(QGuiApplication.clipboard().text())))
    assert len(rows) == at.listing.model.rowCount() > 100
    first_ms, last_ms = (round(datetime.fromisoformat(rows[n]["time_utc"]).timestamp() * 1000) for n in (-1, 0))
    count, total = at.sql(f"SELECT count(*), sum(notional) {FILTER} AND ts_ms BETWEEN ? AND ?", first_ms, last_ms)
    assert len(rows) == count
    assert sum(float(row["notional_usd"]) for row in rows) == pytest.approx(total, abs=0.01)


TASKS = (
    how_much_between_two_times_below_a_price,
    what_was_the_largest_short_today,
    what_was_the_latest,
    what_was_the_largest_of_two_hours,
    where_in_the_chart_was_it,
    how_much_of_longs_and_shorts_in_eight_hours,
    how_many_in_two_days,
    how_much_is_in_view,
    how_much_lies_above_what_is_in_view,
    what_is_this_bright_spot,
    how_much_in_this_candle,
    which_price_had_most,
    how_much_are_the_small_ones,
    how_much_of_shorts_only,
    how_many_cells_are_below_an_amount,
    is_it_recorded_now_and_when_was_the_last,
    when_did_recording_stop,
    what_had_happened_until_then,
    can_i_have_it_as_a_table,
    what_was_the_largest_of_another_symbol,
)


def test_each_is_answered_in_three_steps_and_as_sql_does(open_stage):
    faults = []
    with open_stage(record=known_record, symbols=("BTCUSDT", "ETHUSDT")) as stage:
        stage.window.resize(1500, 700)
        stage.window.activateWindow()
        stage.wait(stage.window.isActiveWindow)
        stage.wait_for_candles()
        trader = Trader(stage)
        for task in TASKS:
            trader.tidy()
            try:
                task(trader)
            except AssertionError as error:
                faults.append(f"{task.__name__}: {error}")
            if trader.steps > MOST_STEPS:
                faults.append(f"{task.__name__}: {trader.steps} steps")
    assert not faults, "\n".join(faults)


def test_the_page_for_users_lists_them():
    numbers = re.findall(r"^\| (\d+) \|", TASKS_PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert numbers == [str(one + 1) for one in range(len(TASKS))]
