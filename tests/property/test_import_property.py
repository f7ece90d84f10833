"""Whatever a file holds, every row is accounted for; and import, live recording and repetition commute."""

from __future__ import annotations

import io
import json
import tempfile
from contextlib import closing
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.recordings import (
    ARCHIVE_HEADER,
    CCXT_HEADER,
    CRYPTOFEED_HEADER,
    PLAIN_HEADER,
    RECORDER_HEADER,
    TARDIS_HEADER,
    Liquidation,
    ccxt,
    cryptofeed,
    frames,
    lines,
    plain,
    semicolons,
    table,
    tardis,
)

from Heatmap.cli import main
from Heatmap.errors import RowError
from Heatmap.events import LiquidationEvent, Side
from Heatmap.importing.column_names import ARCHIVE_COLUMNS, ARCHIVE_COLUMNS_WITH_SYMBOL, TARDIS_COLUMNS, columns_by_name
from Heatmap.importing.heatmap_table import CsvParser
from Heatmap.importing.import_filter import ImportOptions
from Heatmap.importing.importer import import_file
from Heatmap.importing.json_record import JsonParser
from Heatmap.importing.row import SkippedRow
from Heatmap.importing.table_row import RowParser
from Heatmap.importing.text_reader import TextReader
from Heatmap.importing.text_source import split_row, text_table
from Heatmap.storage.record_reader import COLUMNS as RECORD_COLUMNS
from Heatmap.storage.sqlite.bulk_insert import SqliteImportWriter, bulk_insert
from Heatmap.storage.sqlite.connection import open_reader

T = 1_700_000_000_000
ON_DISK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

HEADERS = {
    "archive": ",".join(ARCHIVE_COLUMNS),
    "archive with symbol": ",".join(ARCHIVE_COLUMNS_WITH_SYMBOL),
    "tardis": ",".join(TARDIS_COLUMNS),
    "semicolons": "time;symbol;side;price;qty",
    "array": "[",
    "record": ",".join(RECORD_COLUMNS),
    "nothing": "",
}
WORDS = st.one_of(
    st.sampled_from(
        [str(T), f"{T}000", "BTCUSDT", "BTCUSD_PERP", "SELL", "BUY", "sell", "binance", "binance-futures", "demo", "0",
         "1.5", "-1", "nan", "1e400", "", '"', '""', "LIMIT", "{", "}"]
    ),
    st.text(max_size=6),
)  # fmt: skip
LINES = st.lists(st.one_of(st.lists(WORDS, max_size=13).map(",".join), st.text(max_size=40)), max_size=12)


@given(header=st.sampled_from(sorted(HEADERS)), lines=LINES, tail=st.binary(max_size=60))
@ON_DISK
def test_every_row_of_any_file_is_accounted_for(header, lines, tail):
    with tempfile.TemporaryDirectory() as folder:
        path, db = Path(folder) / "BTCUSDT-liquidationSnapshot-2023-11-14.csv", Path(folder) / "record.sqlite3"
        path.write_bytes("\n".join([HEADERS[header], *lines]).encode("utf-8", "replace") + b"\n" + tail)
        for _ in range(2):
            with SqliteImportWriter(db) as writer:
                (report,) = import_file(path, writer, ImportOptions())
            not_taken = sum(reason.rows for reason in (*report.refused, *report.skipped))
            assert report.rows == report.inserted + report.repeated + report.known + not_taken
            assert report.format or report.problem
        assert report.inserted == 0


PARSERS = (
    RowParser(columns_by_name(ARCHIVE_COLUMNS), ImportOptions(), "BTCUSDT"),
    RowParser(columns_by_name(ARCHIVE_COLUMNS_WITH_SYMBOL), ImportOptions(), ""),
    RowParser(columns_by_name(TARDIS_COLUMNS), ImportOptions(), "", ","),
    CsvParser(RECORD_COLUMNS),
)
TEXTS = st.one_of(st.text(max_size=200), LINES.map(",".join))


@given(parse=st.sampled_from(PARSERS), line=TEXTS)
def test_a_line_is_an_event_or_set_aside_or_refused_and_nothing_else(parse, line):
    try:
        parsed = parse(split_row(line, ","))
    except RowError:
        return
    assert isinstance(parsed, LiquidationEvent | SkippedRow)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["forceOrder", "{", "SELL"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["e", "E", "o", "s", "S", "q", "p", "ap", "T", "raw", "time", "price"]), inner, max_size=8
        )
    ),
    max_leaves=20,
)


@given(value=JSON)
def test_any_json_is_understood_or_set_aside_or_refused_and_nothing_else(value):
    for outcome in JsonParser(ImportOptions(keep_raw=True), "")(json.dumps(value)):
        assert isinstance(outcome, LiquidationEvent | SkippedRow | RowError)


def event(number, side, price, *, detailed):
    return LiquidationEvent(
        ts_ms=T + number, symbol="BTCUSDT", side=side, price=price, qty=0.5, notional=price * 0.5,
        order_price=price - 1 if detailed else None, order_qty=0.5 if detailed else None,
    )  # fmt: skip


EVENTS = st.builds(
    event, st.integers(0, 6), st.sampled_from(Side), st.sampled_from([100.0, 100.5]), detailed=st.booleans()
)
STEPS = st.lists(st.tuples(st.sampled_from(["live", "import"]), st.lists(EVENTS, max_size=8)), max_size=8)


@given(steps=STEPS)
@ON_DISK
def test_any_order_of_live_events_and_imports_leaves_what_a_plain_model_leaves(steps):
    """Detailed and undetailed rows of one event: an import adds none where either is there; the live key is exact."""
    model: dict[tuple, set[bool]] = {}
    with tempfile.TemporaryDirectory() as folder:
        db = Path(folder) / "record.sqlite3"
        bulk_insert(db, [])
        for kind, events in steps:
            if kind == "live":
                bulk_insert(db, events)
            else:
                path = Path(folder) / "frames.csv"
                path.write_text(
                    ",".join(RECORD_COLUMNS)
                    + "\n"
                    + "".join(
                        f"{e.ts_ms},BTCUSDT,{e.side},{e.price!r},0.5,{e.notional!r},binance,"
                        f"{e.order_price or ''},{e.order_qty or ''},,,\n"
                        for e in events
                    )
                )
                with SqliteImportWriter(db) as writer:
                    (report,) = import_file(path, writer, ImportOptions())
                assert report.is_complete
            for e in events:
                known = model.setdefault((e.ts_ms, str(e.side), e.price), set())
                if kind == "live" or not known:
                    known.add(e.order_price is not None)
        expected = sorted((*key, detailed) for key, kinds in model.items() for detailed in kinds)
        with closing(open_reader(db)) as connection:
            rows = connection.execute("SELECT ts_ms, side, price, order_price IS NOT NULL FROM liq_events").fetchall()
        assert sorted(rows) == expected


def decimals(low, high):
    """Return decimal strings; three decimals may be taken for a mark of thousands."""
    return st.builds(lambda number, places: f"{number:.{places}f}", st.floats(low, high), st.sampled_from([1, 2, 5]))


@st.composite
def some_liquidations(draw):
    times = draw(st.lists(st.integers(1_600_000_000_000, 1_899_999_999_999), min_size=1, max_size=12, unique=True))
    sizes = st.builds(lambda text: text if float(text) else "0.00001", decimals(0.00001, 1e6))
    prices = decimals(0.1, 2e5)
    sides = st.sampled_from(["SELL", "BUY"])
    figures = st.tuples(sides, prices, prices, sizes, sizes)
    return [Liquidation(time_ms, *draw(figures), last_qty="1") for time_ms in sorted(times)]


def full(one):
    return one.event()


def pushed(one):
    return one.event(event_ms=one.time_ms + 1003)


def filled(one):
    return one.event(order_price=None, order_qty=None)


def ordered(one):
    return one.event(price=float(one.order_price), qty=float(one.order_qty))


def quoted(text):
    return "".join(", ".join(f'"{cell}"' for cell in row.split(",")) + "\n" for row in text.splitlines())


# What writes a layout, and the event that it keeps of a liquidation.
WRITERS = {
    "frames": (lambda ones: lines(frames(ones)), pushed),
    "envelopes": (lambda ones: lines({"at": 1, "raw": json.dumps(each)} for each in frames(ones)), pushed),
    "orders": (lambda ones: lines(one.order() for one in ones), full),
    "array": (lambda ones: json.dumps(frames(ones)), pushed),
    "pretty array": (lambda ones: json.dumps(frames(ones), indent=2), pushed),
    "Python": (lambda ones: "".join(f"{each}\n" for each in frames(ones)), pushed),
    "log": (lambda ones: "".join(f"12:00:00 got {json.dumps(each)}\n" for each in frames(ones)), pushed),
    "UTF-16": (lambda ones: lines(frames(ones)).encode("utf-16"), pushed),
    "archive": (lambda ones: table(ARCHIVE_HEADER, Liquidation.archive, ones), full),
    "quoted": (lambda ones: quoted(table(ARCHIVE_HEADER, Liquidation.archive, ones)), full),
    "tabs": (lambda ones: table(ARCHIVE_HEADER, Liquidation.archive, ones, delimiter="\t"), full),
    "calendar times": (lambda ones: table(PLAIN_HEADER, lambda one: [one.iso(), *plain(one)[1:]], ones), filled),
    "nanoseconds": (
        lambda ones: table(PLAIN_HEADER, lambda one: [f"{one.time_ms}654321", *plain(one)[1:]], ones),
        filled,
    ),
    "recorder": (lambda ones: table(RECORDER_HEADER, Liquidation.recorder, ones), full),
    "recorder without names": (lambda ones: table(None, lambda one: [*one.recorder(), "1.5"], ones), full),
    "tardis": (lambda ones: table(TARDIS_HEADER, tardis, ones), filled),
    "cryptofeed": (lambda ones: table(CRYPTOFEED_HEADER, cryptofeed, ones), ordered),
    "ccxt": (lambda ones: table(CCXT_HEADER, ccxt, ones), filled),
    "decimal commas": (lambda ones: table(PLAIN_HEADER, semicolons, ones, delimiter=";"), filled),
}


@given(name=st.sampled_from(sorted(WRITERS)), ones=some_liquidations())
@settings(max_examples=300, deadline=None)
def test_any_liquidations_come_back_equal_from_each_layout(name, ones):
    write, kept = WRITERS[name]
    data = write(ones)
    stream = io.BufferedReader(io.BytesIO(data if isinstance(data, bytes) else data.encode()))
    with TextReader(stream) as reader:
        found = [outcome for _, outcome in text_table(reader, (), ImportOptions()).rows()]
    assert found == [kept(one) for one in ones]


FLOATS = st.floats(1e-12, 1e12, allow_nan=False)
TIMES = st.integers(1_546_300_800_000, 4_102_444_799_999)
RECORDED = st.builds(
    LiquidationEvent,
    ts_ms=TIMES, symbol=st.sampled_from(["BTCUSDT", "1000SHIBUSDT", "牛来USDT", "BTCUSDT_260925"]),
    side=st.sampled_from(Side), price=FLOATS, qty=FLOATS, notional=FLOATS,
    source=st.sampled_from(["binance", "binance-coinm", "demo", "replay"]), order_price=st.none() | FLOATS,
    order_qty=st.none() | FLOATS, event_ms=st.none() | TIMES, received_ms=st.none() | TIMES,
    raw_json=st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1),
)  # fmt: skip


@given(events=st.lists(RECORDED, min_size=1, max_size=20, unique_by=lambda e: (e.ts_ms, e.symbol)))
@ON_DISK
def test_what_is_exported_and_imported_is_what_was_recorded(events):
    with tempfile.TemporaryDirectory() as folder:
        db = Path(folder) / "record.sqlite3"
        bulk_insert(db, events)
        for kind in ("csv", "npz", "parquet"):
            other, table = Path(folder) / f"{kind}.sqlite3", Path(folder) / f"a.{kind}"
            assert main(["export", "--format", kind, "--source", "all", "--db", str(db), "--output", str(table)]) == 0
            assert main(["import", "--db", str(other), str(table)]) == 0
            columns = ", ".join(column for column in RECORD_COLUMNS if kind != "npz" or column != "raw_json")
            found = []
            for path in (db, other):
                with closing(open_reader(path)) as connection:
                    query = f"SELECT {columns} FROM liq_events ORDER BY ts_ms, symbol"  # noqa: S608 - ours
                    found.append(connection.execute(query).fetchall())
            assert found[0] == found[1]
