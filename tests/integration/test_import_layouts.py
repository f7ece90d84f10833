"""Other people's recordings: what each layout gives, what is refused and why, and that nothing is passed over."""

from __future__ import annotations

import codecs
import gzip
import json
import zipfile
from contextlib import closing
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.recordings import (
    ARCHIVE_HEADER,
    CCXT_HEADER,
    CRYPTOFEED_HEADER,
    LIQUIDATIONS,
    PLAIN_HEADER,
    RECORDER_HEADER,
    TARDIS_HEADER,
    T,
    ccxt,
    comma,
    cryptofeed,
    frames,
    lines,
    plain,
    semicolons,
    table,
    tardis,
)

from Heatmap.cli import main
from Heatmap.storage.sqlite.connection import open_reader
from Heatmap.storage.sqlite.sqlite_store import SqliteStore

ARCHIVE = table(ARCHIVE_HEADER, lambda one: one.archive())
RECORDER = table(RECORDER_HEADER, lambda one: one.recorder())
PLAIN = PLAIN_HEADER
FULL = [one.event() for one in LIQUIDATIONS]
PUSHED = [one.event(event_ms=one.time_ms + 1003) for one in LIQUIDATIONS]
FILLED = [one.event(order_price=None, order_qty=None) for one in LIQUIDATIONS]
ORDERED = [one.event(price=float(one.order_price), qty=float(one.order_qty)) for one in LIQUIDATIONS]
SECONDS = [one.event(ts_ms=one.time_ms // 1000 * 1000, order_price=None, order_qty=None) for one in LIQUIDATIONS]


def archive(**columns):
    """Return the archive with some columns written otherwise."""
    names = ARCHIVE_HEADER.split(",")

    def row(one):
        cells = one.archive()
        for name, write in columns.items():
            cells[names.index(name)] = write(one)
        return cells

    return table(ARCHIVE_HEADER, row)


def in_csv(frame):
    return json.dumps(frame).replace('"', '""')


LAYOUTS = {
    # Frames, and what recorders put around them.
    "frames, one a line": (lines(frames()), PUSHED),
    "combined streams": (lines({"stream": "btcusdt@forceOrder", "data": each} for each in frames()), PUSHED),
    "in raw": (lines({"ts_recv": T, "raw": each} for each in frames()), PUSHED),
    "in raw as text": (lines({"stream": "forceOrder", "raw": json.dumps(each)} for each in frames()), PUSHED),
    "in data": (lines({"received": 1.5, "data": each} for each in frames()), PUSHED),
    "in msg as text": (lines({"t": "2026-05-28", "msg": json.dumps(each)} for each in frames()), PUSHED),
    "combined stream in an envelope": (
        lines({"at": 1, "payload": {"stream": "!forceOrder@arr", "data": each}} for each in frames()),
        PUSHED,
    ),
    "the order alone": (lines(one.order() for one in LIQUIDATIONS), FULL),
    "the order in an envelope": (lines({"recv": 1, "order": one.order()} for one in LIQUIDATIONS), FULL),
    "the order beside its event": (
        lines({"e": "forceOrder", "E": one.time_ms + 1003, **one.order()} for one in LIQUIDATIONS),
        PUSHED,
    ),
    "pairs of time and frame": (lines([T, each] for each in frames()), PUSHED),
    "array on one line": (json.dumps(frames()), PUSHED),
    "array, one a line": ("[\n" + ",\n".join(map(json.dumps, frames())) + "\n]\n", PUSHED),
    "array, pretty": (json.dumps(frames(), indent=2), PUSHED),
    "array of envelopes, pretty": (json.dumps([{"raw": each} for each in frames()], indent=4), PUSHED),
    "array of texts": (json.dumps([json.dumps(each) for each in frames()]), PUSHED),
    "array in an object": (json.dumps({"count": 3, "events": frames()}), PUSHED),
    "pretty, one after the other": ("\n".join(json.dumps(each, indent=2) for each in frames()), PUSHED),
    "without line breaks": ("".join(map(json.dumps, frames())), PUSHED),
    "array that was cut before its end": ("[" + ",".join(map(json.dumps, frames())) + ",", PUSHED),
    "Python's way to print": ("".join(f"{each!r}\n" for each in frames()), PUSHED),
    "behind the time of a log": (
        "".join(f"2026-05-28 20:26:40,123 INFO {json.dumps(each)}\n" for each in frames()),
        PUSHED,
    ),
    "behind a time in brackets": ("".join(f"[1780000000] {json.dumps(each)}\n" for each in frames()), PUSHED),
    "behind a date in brackets": (
        "".join(f"[20:26:41] {json.dumps(each)}\n" for each in frames()),
        PUSHED,
    ),
    "in a column of a CSV": (
        "received,raw\n" + "".join(f'{T},"{in_csv(each)}"\n' for each in frames()),
        PUSHED,
    ),
    "UTF-16 of PowerShell": (
        codecs.BOM_UTF16_LE + lines(frames()).replace("\n", "\r\n").encode("utf-16-le"),
        PUSHED,
    ),
    "UTF-16 without a mark": (lines(frames()).encode("utf-16-be"), PUSHED),
    "UTF-8 with a mark": (codecs.BOM_UTF8 + lines(frames()).encode(), PUSHED),
    "objects of named values": (
        lines(dict(zip(PLAIN.split(","), plain(one), strict=True)) for one in LIQUIDATIONS),
        FILLED,
    ),
    "REST": (
        json.dumps(
            [
                {
                    "symbol": one.symbol, "price": one.order_price, "origQty": one.order_qty, "executedQty": one.qty,
                    "averagePrice": one.price, "status": "FILLED", "timeInForce": "IOC", "type": "LIMIT",
                    "side": one.side, "time": one.time_ms,
                }
                for one in LIQUIDATIONS
            ]
        ),
        FULL,
    ),
    # Tables.
    "archive": (ARCHIVE, FULL),
    "archive, quoted": (
        "".join(",".join(f'"{cell}"' for cell in row.split(",")) + "\n" for row in ARCHIVE.split()),
        FULL,
    ),
    "archive, blanks after commas": (ARCHIVE.replace(",", ", "), FULL),
    "archive, quoted and blanks": (
        "".join(", ".join(f'"{cell}"' for cell in row.split(",")) + "\n" for row in ARCHIVE.split()),
        FULL,
    ),
    "archive, Excel's semicolons": (codecs.BOM_UTF8 + ARCHIVE.replace(",", ";").replace("\n", "\r\n").encode(), FULL),
    "archive, Excel's decimal commas": (
        ARCHIVE.replace(",", ";").replace(".", ","),
        FULL,
    ),
    "archive, tabs": (ARCHIVE.replace(",", "\t"), FULL),
    "archive, UTF-16 and tabs": (ARCHIVE.replace(",", "\t").encode("utf-16"), FULL),
    "archive, times as floats": (archive(time=lambda one: f"{one.time_ms}.0"), FULL),
    "archive, calendar times": (archive(time=lambda one: one.iso()), FULL),
    "archive, ISO with a zone": (archive(time=lambda one: one.iso("%Y-%m-%dT%H:%M:%S.{ms:03d}Z")), FULL),
    "archive, lower-case sides": (archive(side=lambda one: one.side.lower()), FULL),
    "archive, other case of sides": (archive(side=lambda one: one.side.title()), FULL),
    "archive, names in capitals": (ARCHIVE.replace(ARCHIVE_HEADER, ARCHIVE_HEADER.upper()), FULL),
    "recorder, 11 columns": (RECORDER, FULL),
    "recorder, a common misspelling": (RECORDER.replace("accumulated", "accumalated"), FULL),
    "recorder, 12 columns": (
        table(f"{RECORDER_HEADER},usd_size", lambda one: [*one.recorder(), "980.01"]),
        FULL,
    ),
    "recorder, no header": (table(None, lambda one: one.recorder()), FULL),
    "recorder, 12 columns, no header": (table(None, lambda one: [*one.recorder(), "980.01"]), FULL),
    "recorder, ps and st since 2026": (
        table(RECORDER_HEADER, lambda one: [*one.recorder(), one.symbol, 1]),
        FULL,
    ),
    "keys of the frame as names": (table("s,S,o,f,q,p,ap,X,l,z,T", lambda one: one.recorder()), FULL),
    "words and keys as names": (
        table("symbol,side,type,TIF,q,p,ap,status,l,z,T,notional", lambda one: [*one.recorder(), "980.01"]),
        FULL,
    ),
    "order price and quantity only": (
        table("s,S,p,q,T", lambda one: [one.symbol, one.side, one.order_price, one.order_qty, one.time_ms]),
        ORDERED,
    ),
    "tardis": (table(TARDIS_HEADER, tardis), FILLED),
    "cryptofeed": (table(CRYPTOFEED_HEADER, cryptofeed), ORDERED),
    "ccxt": (table(CCXT_HEADER, ccxt), FILLED),
    "ccxt with the order in a column": (
        table(f"{CCXT_HEADER},info", lambda one: [*ccxt(replace(one, qty="0.001")), f'"{one.order()}"']),
        FULL,
    ),
    "pandas with its index and tabs": (table(f",{PLAIN}", lambda one: [0, *plain(one)], delimiter="\t"), FILLED),
    "pandas with its index": (table(f",{PLAIN}", lambda one: [0, *plain(one)]), FILLED),
    "other names": (
        table("Timestamp (ms);Pair;Side;Avg Price;Filled Qty".replace(";", ","), plain),
        FILLED,
    ),
    "decimal commas": (table(PLAIN, semicolons, delimiter=";"), FILLED),
    "decimal commas and tabs": (table(PLAIN, semicolons, delimiter="\t"), FILLED),
    "Excel's hint of the separator": ("sep=;\r\n" + table(PLAIN, semicolons, delimiter=";"), FILLED),
    "a comment first": ("# liquidations of BTCUSDT\n" + table(PLAIN, plain), FILLED),
    "names in a comment": ("# " + table(PLAIN, plain), FILLED),
    "the header again": (2 * table(PLAIN, plain, LIQUIDATIONS[:1]) + table(PLAIN, plain), FILLED),
    "seconds": (table(PLAIN, lambda one: [one.time_ms // 1000, *plain(one)[1:]]), SECONDS),
    "seconds with decimals": (table(PLAIN, lambda one: [f"{one.time_ms / 1000:.6f}", *plain(one)[1:]]), FILLED),
    "microseconds": (table(PLAIN, lambda one: [f"{one.time_ms}789", *plain(one)[1:]]), FILLED),
    "nanoseconds": (table(PLAIN, lambda one: [f"{one.time_ms}789012", *plain(one)[1:]]), FILLED),
    "exponent with all digits": (table(PLAIN, lambda one: [f"{one.time_ms:.12e}", *plain(one)[1:]]), FILLED),
    "another zone": (
        table(PLAIN, lambda one: [replace(one, time_ms=one.time_ms + 7_200_000).iso() + "+02:00", *plain(one)[1:]]),
        FILLED,
    ),
    "German dates": (
        table(PLAIN, lambda one: [one.iso("%d.%m.%Y %H:%M:%S.{ms:03d}"), *plain(one)[1:]]),
        FILLED,
    ),
    "pairs with a slash": (table(PLAIN, lambda one: [one.time_ms, "BTC/USDT", *plain(one)[2:]]), FILLED),
    "lower-case symbols": (table(PLAIN, lambda one: [one.time_ms, "btcusdt", *plain(one)[2:]]), FILLED),
    "the position": (
        table(
            "ts,symbol,position_side,price,qty",
            lambda one: [one.time_ms, one.symbol, "LONG" if one.side == "SELL" else "SHORT", one.price, one.qty],
        ),
        FILLED,
    ),
}  # fmt: skip


def stored(db):
    with closing(open_reader(db)) as connection:
        return connection.execute(
            "SELECT ts_ms, symbol, side, price, qty, notional, order_price, order_qty, event_ms FROM liq_events "
            "ORDER BY ts_ms"
        ).fetchall()


def as_row(event):
    return (
        event.ts_ms, event.symbol, event.side.value, event.price, event.qty, event.notional, event.order_price,
        event.order_qty, event.event_ms,
    )  # fmt: skip


@dataclass
class Answer:
    """What `heatmap import` did with a file."""

    code: int
    text: str
    rows: list


@pytest.fixture
def run(tmp_path, capsys):
    """Import a text under a name that says nothing."""

    def import_text(data, *options, name="recording.txt"):
        path, db = tmp_path / name, tmp_path / "record.sqlite3"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        code = main(["import", "--db", str(db), *options, str(path)])
        out = capsys.readouterr()
        return Answer(code, out.out + out.err, stored(db) if db.exists() else [])

    return import_text


def test_ids_are_those_of_trades_unless_the_files_name_says_otherwise(run):
    data = table(f"id,{PLAIN}", lambda one: [7, *plain(one)])
    assert run(data).rows == []
    assert len(run(data, name="liquidations_2026.csv").rows) == 3


def test_there_are_as_many_layouts_as_were_reported():
    assert len(LAYOUTS) >= 39


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_whose_meaning_is_certain_is_understood(run, name):
    data, expected = LAYOUTS[name]
    answer = run(data)
    assert answer.rows == [as_row(event) for event in expected]
    assert answer.code == 0, answer.text
    assert "refused" not in answer.text


@pytest.mark.parametrize("name", ["in raw", "array, pretty", "archive, Excel's semicolons"])
def test_a_layout_is_understood_in_archives_too(run, tmp_path, name):
    data, expected = LAYOUTS[name]
    data = data if isinstance(data, bytes) else data.encode()
    answer = run(gzip.compress(data), name="recording.gz")
    assert answer.rows == [as_row(event) for event in expected]
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive_file:
        archive_file.writestr("member", data)
    again = run((tmp_path / "made.zip").read_bytes(), name="recording.zip")
    assert "3 rows, 3 known already" in again.text.replace("0 new, ", "")


@pytest.mark.parametrize("form", ["names", "frames", "calendar times"])
def test_a_parquet_file_of_a_recorder_is_understood(run, tmp_path, form):
    if form == "frames":
        columns = {"at": [1, 2, 3], "raw": [json.dumps(each) for each in frames()]}
    else:
        times = [one.time_ms for one in LIQUIDATIONS]
        columns = {
            "timestamp": pa.array(times, pa.timestamp("ms", "UTC")) if form == "calendar times" else times,
            "symbol": ["BTCUSDT"] * 3, "side": [one.side for one in LIQUIDATIONS],
            "price": [float(one.price) for one in LIQUIDATIONS], "qty": [float(one.qty) for one in LIQUIDATIONS],
        }  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "made")
    answer = run((tmp_path / "made").read_bytes())
    assert answer.rows == [as_row(event) for event in (PUSHED if form == "frames" else FILLED)], answer.text
    assert answer.code == 0


def test_a_parquet_file_that_is_not_understood_is_refused(run, tmp_path):
    pq.write_table(pa.table({"a": [1, 2], "b": ["x", "y"]}), tmp_path / "made")
    answer = run((tmp_path / "made").read_bytes())
    assert answer.code == 1
    assert "2 rows (not-understood)" in answer.text
    assert "--map time=?" in answer.text


def test_a_workbook_is_named(run, tmp_path):
    with zipfile.ZipFile(tmp_path / "made", "w") as file:
        file.writestr("[Content_Types].xml", "")
        file.writestr("xl/workbook.xml", "")
    answer = run((tmp_path / "made").read_bytes())
    assert (answer.code, "save its sheet as CSV" in answer.text) == (1, True)


# Text, words of the answer, exit code.
REFUSED = {
    "lost digits": (archive(time=lambda _: "1.78E+12"), ["row 2", "'1.78E+12', which has lost its digits"], 1),
    "lost digits, German": (
        archive(time=lambda _: "1,78E+12").replace(",", ";").replace("1;78", "1,78"),
        ["row 2", "lost its digits"],
        1,
    ),
    "a price that lost digits": (archive(average_price=lambda _: "9.8E+04"), ["'9.8E+04'", "lost its digits"], 1),
    "no seconds": (archive(time=lambda _: "2026-05-28 20:26"), ["has no seconds"], 1),
    "a date": (archive(time=lambda _: "2026-05-28"), ["has no seconds"], 1),
    "month or day first": (archive(time=lambda _: "05/28/2026 20:26:40"), ["'05/28/2026 20:26:40'"], 1),
    "days since 1900": (archive(time=lambda _: "46170.85"), ["not a time between 2019 and 2100"], 1),
    "order or position": (
        table(PLAIN, lambda one: [*plain(one)[:2], "LONG", *plain(one)[3:]]),
        ["'LONG', which may be the position or the order", "--map position=…"],
        1,
    ),
    "Bybit's words": (
        table(PLAIN, lambda one: [*plain(one)[:2], one.side.title(), *plain(one)[3:]]),
        ["Bybit's word for the position", "--map side=…", "It was read as --map time=1,side=3,price=4,qty=5,symbol=2"],
        1,
    ),
    "points or thousands": (
        table(PLAIN, lambda one: [*plain(one)[:3], "98.000", "2"], delimiter=";"),
        ["98.000 may have a decimal point or a mark of thousands"],
        1,
    ),
    "points beside decimal commas": (
        table(PLAIN, lambda one: [*plain(one)[:3], "98.000,5", "0,01"], delimiter=";"),
        ["'98.000,5', not a number"],
        1,
    ),
    "thousands in quotes": (table(PLAIN, lambda one: [*plain(one)[:3], '"98,000.50"', "1"]), ["'98,000.50'"], 1),
    "coins": (table(PLAIN, lambda one: [one.time_ms, "BTC", *plain(one)[2:]]), ["--symbol-suffix USDT"], 1),
    "a spelling of OKX": (table(PLAIN, lambda one: [one.time_ms, "BTC-USDT-SWAP", *plain(one)[2:]]), ["USDT-SWAP"], 1),
    "a spelling of Gate": (table(PLAIN, lambda one: [one.time_ms, "BTC_USDT", *plain(one)[2:]]), ["BTC_USDT"], 1),
    "another exchange": (
        table(CRYPTOFEED_HEADER, cryptofeed).replace("BINANCE_FUTURES", "BYBIT"),
        ["exchange is 'BYBIT'"],
        1,
    ),
    "an event that nobody knows": (lines([{"e": "liq", "E": T}, {"e": "kline", "E": T}]), ["(not-understood)"], 1),
    "no symbol": (table("time,side,price,qty", lambda one: [one.time_ms, *plain(one)[2:]]), ["with --symbol"], 1),
    "time of arrival only": (
        table("received_at,symbol,side,price,qty", plain),
        ["has no time of the trade, only 'received_at'", "--map time=received_at"],
        1,
    ),
    "no quantity": (table("time,symbol,side,price,strength", plain), ["has no column known for the quantity"], 1),
    "two prices": (table("time,symbol,side,price,price", plain), ["has two columns named 'price'"], 1),
    "trades by their columns": (table(f"{PLAIN},fee", lambda one: [*plain(one), 1]), ["'fee', as trades"], 1),
    "trades by their ids": (table(f"id,{PLAIN}", lambda one: [7, *plain(one)]), ["may be a trade"], 1),
    "names of nobody": (
        table("when,what,how,x,y", plain),
        [
            "is no file that can be imported", "It begins:", "when,what,how,x,y", "1780000000123,BTCUSDT,SELL,98000.5",
            "--map time=1,side=3,price=?,qty=?,symbol=2",
        ],
        1,
    ),
    "no names": (table(None, plain), ["--map time=1,side=3,price=?,qty=?,symbol=2", "98101.75"], 1),
    "candles": ("1748736000000,104591.8,104620.0,104591.7,104603.4,33.5\n", ["is no file that can be imported"], 1),
    "text": ("hello\nworld\n", ["is no file that can be imported"], 1),
    "other keys": (
        lines({"when": T, "what": "BTCUSDT", "much": 1} for _ in range(3)),
        ["3 rows (not-understood)", "when, what, much", "It begins:", "--map"],
        1,
    ),
    "a frame that is damaged inside": (lines([{"raw": '{"e":"forceOrder","o":{"s":'}]), ["a frame within the line"], 1),
    "frames without an order": (lines([{"raw": {"e": "forceOrder", "E": T}}]), ["expected an order"], 1),
    "Bybit": (
        lines([{"topic": "allLiquidation.BTCUSDT", "type": "snapshot", "ts": T, "data": [{"T": T, "s": "BTCUSDT"}]}]),
        ["a message of Bybit"],
        1,
    ),
    "OKX": (lines([{"arg": {"channel": "liquidation-orders"}, "data": []}]), ["a message of OKX"], 1),
    "somebody's own order": (
        lines({"o": one.order() | {"c": "web_1", "i": 7, "x": "TRADE"}} for one in LIQUIDATIONS),
        ["(not-understood)"],
        1,
    ),
    "other messages": (
        lines([{"raw": {"e": "kline", "E": T, "k": {}}}, {"result": None, "id": 1}, {"e": "aggTrade", "E": T}]),
        ["3 no liquidations but other messages", "Nothing in the file was understood"],
        3,
    ),
    "Python's words": ("{'e': open('x')}\n", ["bad-json"], 1),
    "damaged": ('{"e": "forceOrder", "o": {"s": "BTC\n', ["bad-json"], 1),
    "nothing": ("\n \n", ["is empty"], 1),
    "an empty array": ("[\n]\n", ["has no JSON object"], 1),
    "numbers": ("[1, 2, 3]\n", ["has no JSON object"], 1),
    "a number": ("7\n", ["is no file that can be imported"], 1),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_certain_is_refused_and_said(run, name):
    data, words, code = REFUSED[name]
    answer = run(data)
    assert answer.rows == []
    assert answer.code == code
    for word in words:
        assert word in answer.text


def test_damage_in_the_middle_costs_what_is_damaged_only(run):
    good = lines(frames())
    for data in (
        good.replace("\n", '\n{"e": "forceOrder", "o": {"s"\n', 1),
        json.dumps(frames(), indent=1).replace('"BUY"', '"BUY', 1),
        ARCHIVE.replace("BUY", '"BUY'),
        archive(time=lambda one: "1.78E+12" if one.side == "BUY" else one.time_ms),
    ):
        answer = run(data)
        assert answer.code == 1
        assert "refused:" in answer.text
        assert {row[0] for row in answer.rows} >= {T, T + 3_600_900}


def test_lines_of_a_log_without_a_frame_are_counted(run):
    answer = run("12:00:00 connected\n" + "".join(f"12:00:01 got {json.dumps(each)}\n" for each in frames()) + "bye\n")
    assert (answer.code, len(answer.rows)) == (1, 3)
    assert "2 rows (not-understood), the first is row 1" in answer.text


def test_what_was_assumed_is_said(run):
    answer = run(LAYOUTS["archive, calendar times"][0])
    assert "times have no zone and were taken as UTC" in answer.text
    assert "names no exchange" not in answer.text
    assert "no exchange and was taken as liquidations of Binance USD-M" in run(table(PLAIN, plain)).text
    assert "prices are those of the orders" in run(LAYOUTS["cryptofeed"][0]).text
    assert "times are those of the push" in run(LAYOUTS["cryptofeed"][0]).text
    assert "last fill" in run(LAYOUTS["ccxt"][0]).text
    assert "whole seconds" in run(LAYOUTS["seconds"][0]).text
    assert "note" not in run(LAYOUTS["recorder, 12 columns"][0]).text


@pytest.mark.parametrize(
    ("header", "row", "options"),
    [
        (None, plain, ["--map", "time=1,symbol=2,side=3,price=4,qty=5"]),
        ("a,b,c,d,e", plain, ["--map", "time=1,symbol=2,side=3,price=4,qty=5"]),
        ("when,what,how,x,y", plain, ["--map", "time=when,symbol=what,side=how,price=x,qty=y"]),
        ("when,what,how,x,y", plain, ["--map", "time=when,side=how,price=x,qty=y", "--symbol", "BTCUSDT"]),
        (None, lambda one: [one.time_ms, "BTC", *plain(one)[2:]],
         ["--map", "time=1,symbol=2,side=3,price=4,qty=5", "--symbol-suffix", "USDT"]),
        (None, lambda one: [*plain(one)[:2], "Long" if one.side == "SELL" else "Short", *plain(one)[3:]],
         ["--map", "time=1,symbol=2,position=3,price=4,qty=5"]),
        (None, lambda one: [*plain(one)[:2], "Buy" if one.side == "SELL" else "Sell", *plain(one)[3:]],
         ["--map", "time=1,symbol=2,position=3,price=4,qty=5"]),
        (None, lambda one: [*plain(one)[:2], one.side.title(), *plain(one)[3:]],
         ["--map", "time=1,symbol=2,side=3,price=4,qty=5", "--time-unit", "ms"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_columns_of_any_table_can_be_named(run, header, row, options, delimiter):
    answer = run(table(header, row, delimiter=delimiter), *options)
    assert answer.rows == [as_row(event) for event in FILLED], answer.text
    assert answer.code == 0


def test_decimal_commas_do_not_hide_the_separator(run):
    data = table(None, lambda one: [f"{one.time_ms},0", comma(one.price), comma(one.qty), one.side], delimiter=";")
    answer = run(data.replace("97999;", "97999,0;"), "--map", "time=1,price=2,qty=3,side=4", "--symbol", "BTCUSDT")
    assert answer.rows == [as_row(event) for event in FILLED], answer.text


def test_a_damaged_first_row_is_no_header(run):
    answer = run("?,BTCUSDT,SELL,1.5,2\n" + table(None, plain), "--map", "time=1,symbol=2,side=3,price=4,qty=5")
    assert (answer.code, len(answer.rows)) == (1, 3)
    assert "row 1: time is '?'" in answer.text


def test_the_mapping_of_the_issue(run):
    answer = run(
        table(None, lambda one: [*one.recorder(), "980"]), "--map", "time=11,side=2,price=7,qty=10,symbol=1",
        "--time-unit", "ms",
    )  # fmt: skip
    assert answer.rows == [as_row(event) for event in FILLED]


def test_values_of_json_objects_can_be_named(run):
    data = lines({"when": one.time_ms, "o": one.order()} for one in LIQUIDATIONS)
    answer = run(data, "--map", "time=when,symbol=o.s,side=o.S,price=o.ap,qty=o.z")
    assert answer.rows == [as_row(event) for event in FILLED]


def test_dollars_give_the_quantity(run):
    data = table(None, lambda one: [*plain(one)[:4], float(one.price) * float(one.qty)])
    answer = run(data, "--map", "time=1,symbol=2,side=3,price=4,notional=5")
    assert [row[4] for row in answer.rows] == pytest.approx([event.qty for event in FILLED])


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ("time=1,side=2,price=3", "qty or notional"),
        ("time=1,price=3,qty=4", "either side or position"),
        ("time=1,side=2,position=5,price=3,qty=4", "either side or position"),
        ("when=1,side=2,price=3,qty=4", "FIELD=COLUMN"),
        ("time=0,side=2,price=3,qty=4", "counted from 1"),
        ("time=1,time=2,side=2,price=3,qty=4", "at most once"),
        ("time", "FIELD=COLUMN"),
        ("", "FIELD=COLUMN"),
    ],
)
def test_a_mapping_that_cannot_be_is_a_wrong_argument(run, mapping, words):
    answer = run(ARCHIVE, "--map", mapping)
    assert answer.code == 2
    assert words in answer.text


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ("time=1,side=2,price=3,qty=44", "has 11 columns, and --map asks for column 44"),
        ("time=when,side=2,price=3,qty=4", "has no column named 'when'"),
    ],
)
def test_a_mapping_that_does_not_fit_a_file_is_said(run, mapping, words):
    answer = run(ARCHIVE, "--map", mapping)
    assert (answer.code, answer.rows) == (1, [])
    assert words in answer.text


def test_the_unit_of_times_can_be_fixed(run):
    data = table(PLAIN, plain)
    assert run(data, "--time-unit", "s").rows == []
    assert len(run(data, "--time-unit", "ms").rows) == 3


def test_covered_time_is_claimed_and_marked(run, tmp_path, capsys):
    answer = run(ARCHIVE, "--covered")
    first, last = T, T + 3_600_900
    assert "claimed as covered: BTCUSDT from 2026-05-28 20:26:40 UTC" in answer.text
    db = tmp_path / "record.sqlite3"
    with closing(open_reader(db)) as connection:
        found = connection.execute("SELECT source, symbol, start_ms, end_ms FROM coverage").fetchall()
    assert found == [("binance-claimed", "BTCUSDT", first, last)]
    with SqliteStore(db) as store:
        (interval,) = store.coverage("BTCUSDT", "binance", first, last)
    assert (interval.source, interval.start_ms, interval.end_ms) == ("binance", first, last)
    run(ARCHIVE, "--covered")
    assert main(["status", "--db", str(db)]) == 0
    said = capsys.readouterr().out
    assert " claimed as covered by imported files or the exchange's history" in said
    assert "no coverage: nobody recorded it live" in said
    assert "binance-claimed" not in said


def test_a_file_with_refused_rows_claims_nothing(run, tmp_path):
    answer = run(ARCHIVE.replace("98101.75", "?"), "--covered")
    assert answer.code == 1
    assert "nothing is claimed as covered, for rows were refused" in answer.text
    with closing(open_reader(tmp_path / "record.sqlite3")) as connection:
        assert connection.execute("SELECT count(*) FROM coverage").fetchone() == (0,)
