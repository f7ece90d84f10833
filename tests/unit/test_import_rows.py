"""What one row of each format says, and what it is refused for."""

from __future__ import annotations

import io

import pytest

from Heatmap.errors import RowError, SettingsError
from Heatmap.events import LiquidationEvent, Side, Source
from Heatmap.importing.cell import NumberReader, TimeReader, TimeUnit, contract_symbol, decimal_mark
from Heatmap.importing.column_names import (
    ARCHIVE_COLUMNS,
    ARCHIVE_COLUMNS_WITH_SYMBOL,
    TARDIS_COLUMNS,
    columns_by_form,
    columns_by_name,
)
from Heatmap.importing.heatmap_table import CsvParser, parse_row
from Heatmap.importing.import_filter import ImportOptions, apply_filter, parsed_sizes
from Heatmap.importing.json_record import JsonParser
from Heatmap.importing.row import SkippedRow, coin_of, converted
from Heatmap.importing.table_row import RowParser
from Heatmap.importing.text_reader import MAX_LINE_CHARS, TextReader
from Heatmap.importing.text_source import split_row, symbol_in_name
from Heatmap.storage.record_reader import COLUMNS as RECORD_COLUMNS

T = 1_700_000_000_000
TEN = f"{T},SELL,LIMIT,IOC,0.5,29900.0,30000.5,FILLED,0.2,0.4"
ELEVEN = f"{T},BTCUSDT,BUY,LIMIT,IOC,0.5,29900.0,30000.5,FILLED,0.2,0.4"
TARDIS = f"binance-futures,BTCUSDT,{T}123,{T + 1000}456,,sell,30000.5,0.4"
RECORD = f"{T},BTCUSDT,SELL,30000.5,0.4,12000.2,binance,29900.0,0.5,{T + 1000},,"


def ten(line, symbol="BTCUSDT"):
    return RowParser(columns_by_name(ARCHIVE_COLUMNS), ImportOptions(), symbol)(split_row(line, ","))


def eleven(line):
    return RowParser(columns_by_name(ARCHIVE_COLUMNS_WITH_SYMBOL), ImportOptions(), "")(split_row(line, ","))


def record(line):
    return CsvParser(RECORD_COLUMNS)(split_row(line, ","))


def of_tardis(line):
    return RowParser(columns_by_name(TARDIS_COLUMNS), ImportOptions(), "")(split_row(line, ","))


def of_frame(line, *, keep_raw=False):
    (outcome,) = JsonParser(ImportOptions(keep_raw=keep_raw), "")(line)
    if isinstance(outcome, RowError):
        raise outcome
    return outcome


def liquidation(**changes):
    values = {
        "ts_ms": T, "symbol": "BTCUSDT", "side": Side.SELL, "price": 30_000.5, "qty": 0.4, "notional": 30_000.5 * 0.4,
        "order_price": 29_900.0, "order_qty": 0.5,
    }  # fmt: skip
    return LiquidationEvent(**{**values, **changes})


def test_an_archive_row_has_its_fill_price_and_filled_quantity():
    assert ten(TEN) == liquidation()
    assert eleven(ELEVEN) == liquidation(side=Side.BUY)


def test_without_a_fill_price_the_order_price_counts():
    assert ten(TEN.replace("30000.5", "0.0")) == liquidation(price=29_900.0, notional=29_900.0 * 0.4)


def test_an_order_that_filled_nothing_is_no_liquidation():
    assert ten(TEN.replace("0.2,0.4", "0,0")) == SkippedRow("nothing-filled")


def test_a_tardis_row_is_in_microseconds_and_knows_no_order():
    assert of_tardis(TARDIS) == liquidation(order_price=None, order_qty=None)
    assert of_tardis(TARDIS.replace("sell", "buy")).side is Side.BUY


def test_a_tardis_row_of_bybit_is_as_if_it_had_been_recorded_live():
    row = TARDIS.replace("binance-futures", "bybit")
    assert of_tardis(row) == liquidation(source=Source.BYBIT, order_price=30_000.5, order_qty=0.4)
    assert of_tardis(row.replace("sell", "buy")).side is Side.BUY


@pytest.mark.parametrize(
    ("exchange", "symbol", "source"),
    [("okex-swap", "BTC-USDT-SWAP", Source.OKX), ("gate-io-futures", "BTC_USDT", Source.GATE)],
)
def test_a_tardis_row_in_contracts_needs_their_size(exchange, symbol, source):
    row = TARDIS.replace("binance-futures", exchange).replace("BTCUSDT", symbol)
    options = ImportOptions(contract_sizes=parsed_sizes(["btcusdt=0.01"]))
    event = RowParser(columns_by_name(TARDIS_COLUMNS), options, "")(split_row(row, ","))
    assert (event.symbol, event.source, event.order_price) == ("BTCUSDT", source, 30_000.5)
    assert event.qty == pytest.approx(0.004)
    assert event.notional == pytest.approx(120.002)


@pytest.mark.parametrize(
    "text", ["BTCUSDT", "BTCUSDT=", "BTCUSDT=x", "BTCUSDT=0", "BTCUSDT=-1", "BTCUSDT=inf", "=0.01"]
)
def test_a_contract_size_that_cannot_be_is_refused(text):
    with pytest.raises(SettingsError):
        parsed_sizes([text])


def test_a_row_of_our_own_says_exactly_what_it_says():
    assert record(RECORD) == liquidation(notional=12000.2, event_ms=T + 1000)
    assert record(RECORD + '"{""e"":""forceOrder"",""x"":[1,2]}"').raw_json == '{"e":"forceOrder","x":[1,2]}'


@pytest.mark.parametrize(
    ("parse", "line", "kind"),
    [
        (ten, TEN.replace("SELL", "LONG"), "bad-side"),
        (ten, TEN.replace("SELL", ""), "bad-side"),
        (ten, TEN.replace(str(T), str(T // 10)), "bad-time"),
        (ten, TEN.replace(str(T), "0"), "bad-time"),
        (ten, TEN.replace(str(T), "1.7E+12"), "bad-time"),
        (ten, TEN.replace(str(T), f"-{T}"), "bad-time"),
        (ten, TEN.replace(str(T), f"{T}".replace("1", "\N{ARABIC-INDIC DIGIT ONE}", 1)), "bad-time"),
        (ten, TEN.replace("29900.0", "nan"), "bad-price"),
        (ten, TEN.replace("30000.5", "inf"), "bad-price"),
        (ten, TEN.replace("30000.5", "3_0"), "bad-price"),
        (ten, TEN.replace("30000.5", "-1"), "bad-price"),
        (ten, TEN.replace("30000.5", "1e999"), "bad-price"),
        (ten, TEN.replace("30000.5", ""), "bad-price"),
        (ten, TEN.replace("29900.0", "0"), "bad-price"),
        (ten, TEN.replace(",0.4", ",0 .4"), "bad-qty"),
        (ten, TEN.replace("0.5,29900.0", "x,29900.0"), "bad-qty"),
        (ten, TEN + ",1", "bad-columns"),
        (ten, "no", "bad-columns"),
        (eleven, ELEVEN.replace("BTCUSDT", "BTC"), "bad-symbol"),
        (eleven, ELEVEN.replace("BTCUSDT", ""), "bad-symbol"),
        (of_tardis, TARDIS.replace("binance-futures", "kraken"), "other-exchange"),
        (of_tardis, TARDIS.replace("binance-futures", ""), "other-exchange"),
        (of_tardis, TARDIS.replace("binance-futures", "bybit").replace("BTCUSDT", "BTCUSDC"), "other-contract"),
        (of_tardis, TARDIS.replace("binance-futures", "okex-swap"), "unknown-contract"),
        (of_tardis, TARDIS.replace("binance-futures", "gate-io-futures"), "unknown-contract"),
        (of_tardis, TARDIS.replace(",,", ",77,"), "trade"),
        (of_tardis, TARDIS.replace("sell", "unknown"), "bad-side"),
        (of_tardis, TARDIS.replace("BTCUSDT", "BTCUSD_PERP"), "bad-symbol"),
        (of_tardis, TARDIS.replace("binance-futures", "binance-delivery"), "bad-symbol"),
        (of_tardis, TARDIS.replace(f"{T}123", "soon"), "bad-time"),
        (of_tardis, TARDIS.replace("0.4", "-0.4"), "bad-qty"),
        (record, RECORD.replace("binance", "elsewhere"), "bad-source"),
        (record, RECORD.replace("12000.2", ""), "bad-qty"),
        (record, RECORD[:-1], "bad-columns"),
        (record, RECORD[:-1] + ',"', "bad-columns"),
        (record, RECORD.replace(str(T + 1000), "soon"), "bad-time"),
    ],
)
def test_what_is_no_liquidation_is_refused_by_its_kind(parse, line, kind):
    with pytest.raises(RowError) as refused:
        parse(line)
    assert refused.value.kind == kind
    assert str(refused.value)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"ts_ms": True}, "bad-time"), ({"ts_ms": 1.5}, "bad-time"), ({"ts_ms": None}, "bad-time"),
        ({"price": float("nan")}, "bad-price"), ({"price": "1"}, "bad-price"), ({"qty": 0}, "bad-qty"),
        ({"notional": None}, "bad-qty"), ({"order_price": -1.0}, "bad-price"), ({"side": None}, "bad-side"),
        ({"symbol": None}, "bad-symbol"), ({"source": None}, "bad-source"), ({"event_ms": 12}, "bad-time"),
    ],
)  # fmt: skip
def test_typed_values_are_checked_as_text_is(changes, kind):
    row = {"ts_ms": T, "symbol": "BTCUSDT", "side": "SELL", "price": 30_000.5, "qty": 0.4, "notional": 30_000.5 * 0.4,
           "source": "binance"}  # fmt: skip
    assert parse_row(row) == liquidation(order_price=None, order_qty=None)
    with pytest.raises(RowError) as refused:
        parse_row(row | changes)
    assert refused.value.kind == kind


def test_layouts_are_known_by_the_first_line():
    assert columns_by_name(ARCHIVE_COLUMNS).format == "binance-archive"
    assert "symbol" in columns_by_name([f'"{name.upper()}"' for name in ARCHIVE_COLUMNS_WITH_SYMBOL]).at
    assert columns_by_form(TEN.split(",")) == columns_by_name(ARCHIVE_COLUMNS)
    assert columns_by_form(ELEVEN.split(",")) == columns_by_name(ARCHIVE_COLUMNS_WITH_SYMBOL)
    assert columns_by_form(TARDIS.split(",")) is None
    # Candles, the archive's commonest files, have numbers only.
    assert columns_by_form(["1748736000000", "1", "2", "3", "4", "5", "6", "7", "8", "9"]) is None
    assert columns_by_form([""]) is None
    assert columns_by_name([""]) is None


def test_columns_are_found_by_their_names():
    shuffled = columns_by_name(("side", "time", *ARCHIVE_COLUMNS[2:], "more"))
    first, second, *rest = TEN.split(",")
    assert RowParser(shuffled, ImportOptions(), "BTCUSDT")([second, first, *rest, "?"]) == liquidation()


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("1700000000123", 1_700_000_000_123), (" 1700000000123 ", 1_700_000_000_123),
        ("1700000000", 1_700_000_000_000), ("1700000000.1239", 1_700_000_000_123), ("1700000000,5", 1_700_000_000_500),
        ("1700000000123999", 1_700_000_000_123), ("1700000000123999999", 1_700_000_000_123),
        ("1700000000123.9", 1_700_000_000_123), ("1.700000000123e12", 1_700_000_000_123),
        ("1.700000000123456e+15", 1_700_000_000_123),
        ("2023-11-14T22:13:20.123Z", 1_700_000_000_123), ("2023-11-14 22:13:20", 1_700_000_000_000),
        ("2023-11-14 22:13:20,5 UTC", 1_700_000_000_500), ("2023-11-15T00:13:20.123456789+0200", 1_700_000_000_123),
        ("2023-11-14 14:13:20-08:00", 1_700_000_000_000), ("2023/11/14 22:13:20", 1_700_000_000_000),
        ("14.11.2023 22:13:20", 1_700_000_000_000),
    ],
)  # fmt: skip
def test_times_are_read_to_the_millisecond(text, time_ms):
    assert TimeReader()(text) == time_ms


@pytest.mark.parametrize(
    "text",
    [
        "", "soon", "0", "-1700000000123", "1500000000", "17000000001234", "1.7E+12", "1,7E+12", "1.7e-3", "nan", "inf",
        "1_700_000_000_123", "2023-11-14", "2023-11-14 22:13", "2023-13-14 22:13:20", "2023-11-14 25:13:20",
        "11/14/2023 22:13:20", "2018-11-14 22:13:20", "45244.9", "22:13:20", "2023-11-14 22:13:20 CET",
        "2023-11-14 22:13:20+99:00", "2023-11-14 22:13:20+23:99",
    ],
)  # fmt: skip
def test_times_that_are_not_certain_are_refused(text):
    with pytest.raises(RowError) as refused:
        TimeReader()(text)
    assert refused.value.kind == "bad-time"


def test_a_fixed_unit_takes_no_other():
    assert TimeReader(TimeUnit.SECONDS)("1700000000") == T
    with pytest.raises(RowError, match="in ms since 1970"):
        TimeReader(TimeUnit.MILLISECONDS)("1700000000")


def test_a_reader_of_times_remembers_what_was_assumed():
    read = TimeReader()
    read("2023-11-14T22:13:20Z")
    assert (read.is_zoneless, read.is_whole_seconds) == (False, True)
    read("2023-11-14T22:13:20.5")
    assert (read.is_zoneless, read.is_whole_seconds) == (True, False)


@pytest.mark.parametrize(
    ("delimiter", "cells", "mark"),
    [
        (",", ["1,5", "2.5"], "."), (";", ["98000,50", "0,01"], ","), (";", ["98,000"], ","), (";", ["98000.5"], "."),
        (";", ["98000", ""], "."), ("\t", ["98,000"], "."), ("\t", ["98,000", "0,01"], ","),
    ],
)  # fmt: skip
def test_the_mark_of_decimals_is_that_of_the_file(delimiter, cells, mark):
    assert decimal_mark(delimiter, cells) == mark


def test_numbers_with_decimal_commas():
    read = NumberReader(",")
    assert (read("98000,5", "", ""), read(" 7 ", "", ""), read("1,5e-05", "", "")) == (98000.5, 7.0, 1.5e-05)
    for wrong in ("98.000,5", "98.000", "1,2,3", "-1", "", "1,7E+05"):
        with pytest.raises(RowError):
            read(wrong, "the price", "bad-price")


@pytest.mark.parametrize(
    ("text", "suffix", "symbol"),
    [
        ("BTCUSDT", "", "BTCUSDT"), (" btcusdt ", "", "BTCUSDT"), ("BTC-USDT-PERP", "", "BTCUSDT"),
        ("BTC/USDT:USDT", "", "BTCUSDT"), ("BTC/USDT", "", "BTCUSDT"), ("BTC-USDT", "", "BTCUSDT"),
        ("BTC/USD:BTC", "", "BTCUSD_PERP"), ("BTC-USD-PERP", "", "BTCUSD_PERP"),
        ("BTCUSDT_260925", "", "BTCUSDT_260925"),
        ("1000SHIBUSDT", "", "1000SHIBUSDT"), ("牛来USDT", "", "牛来USDT"), ("ETHBTC", "", "ETHBTC"),
        ("btc", "USDT", "BTCUSDT"), ("BTC", "", None), ("USDT", "", None), ("BTCUSD", "", None), ("BTC_USDT", "", None),
        ("BTC-USDT-SWAP", "", None), ("BTC/USDT:BTC", "", None), ("BTC/USD", "", None), ("", "", None),
    ],
)  # fmt: skip
def test_symbols_in_the_spellings_of_the_field(text, suffix, symbol):
    if symbol is not None:
        assert contract_symbol(text, suffix) == symbol
    else:
        with pytest.raises(RowError) as refused:
            contract_symbol(text, suffix)
        assert refused.value.kind == "bad-symbol"


@pytest.mark.parametrize(
    ("names", "symbol"),
    [
        (["BTCUSDT-liquidationSnapshot-2023-06-25.csv"], "BTCUSDT"),
        (["liquidationSnapshot_BTCUSD_PERP_2024-10-01.csv"], "BTCUSD_PERP"),
        (["BTCUSD_240927-liquidationSnapshot-2024-03.zip"], "BTCUSD_240927"),
        (["folder/1000SHIBUSDT-liquidationSnapshot-2023-06-25.csv"], "1000SHIBUSDT"),
        (["data.csv", "ETHUSDT-liquidationSnapshot-2023-06-25.zip"], "ETHUSDT"),
        (["EXPORT.csv"], ""),
        (["liquidationSnapshot-2023-06-25.csv"], ""),
        (["btcusdt-liquidationSnapshot-2023-06-25.csv"], ""),
    ],
)
def test_the_symbol_in_a_files_name(names, symbol):
    assert symbol_in_name(*names) == symbol


@pytest.mark.parametrize(
    ("symbol", "coin"),
    [
        ("BTCUSD_PERP", "BTC"), ("ETHUSD_240927", "ETH"), ("BTCUSDT", None), ("BTCUSDT_240927", None),
        ("USD_PERP", None),
    ],
)  # fmt: skip
def test_coin_margined_contracts_are_told_by_their_symbol(symbol, coin):
    assert coin_of(symbol) == coin


def test_a_btc_contract_is_100_dollars_and_any_other_10():
    contracts = liquidation(symbol="BTCUSD_PERP", price=50_000.0, qty=7.0, order_qty=14.0)
    coins = converted(contracts, "BTCUSDT")
    assert (coins.symbol, coins.source, coins.notional) == ("BTCUSDT", "binance-coinm", 700.0)
    assert (coins.qty, coins.order_qty) == pytest.approx((0.014, 0.028))
    assert converted(liquidation(symbol="ETHUSD_PERP", qty=7.0), "ETHUSDT").notional == 70.0


COIN_M = liquidation(symbol="BTCUSD_PERP", qty=7.0)


@pytest.mark.parametrize(
    ("options", "symbol"),
    [
        (ImportOptions(), "BTCUSD_PERP"),
        (ImportOptions(symbol="btcusd_perp"), "BTCUSD_PERP"),
        (ImportOptions(coin_m_as="BTCUSDT"), "BTCUSDT"),
        (ImportOptions(symbol="BTCUSDT", coin_m_as="BTCUSDT"), "BTCUSDT"),
        # Another coin's symbol is not meant for this one.
        (ImportOptions(coin_m_as="BTCDOMUSDT"), "BTCUSD_PERP"),
    ],
)
def test_coin_margined_events_are_always_converted_and_marked(options, symbol):
    stored = apply_filter(COIN_M, options, counts_contracts=True)
    assert (stored.symbol, stored.source, stored.notional) == (symbol, "binance-coinm", 700.0)


def test_a_coin_margined_contract_is_never_taken_for_a_usd_margined_one():
    with pytest.raises(RowError, match="--coin-m-as BTCUSDT"):
        apply_filter(COIN_M, ImportOptions(symbol="BTCUSDT"), counts_contracts=True)
    with pytest.raises(RowError) as refused:
        apply_filter(COIN_M, ImportOptions(), counts_contracts=False)
    assert refused.value.kind == "coin-margined"
    assert apply_filter(COIN_M, ImportOptions(symbol="ETHUSDT"), counts_contracts=True) == SkippedRow("other-symbol")


def test_other_symbols_are_set_aside_and_not_refused():
    options = ImportOptions(symbol="ETHUSDT")
    assert apply_filter(liquidation(), options, counts_contracts=False) == SkippedRow("other-symbol")
    assert apply_filter(liquidation(symbol="ETHUSDT"), options, counts_contracts=False).symbol == "ETHUSDT"


def test_what_was_converted_once_is_not_converted_again():
    stored = converted(COIN_M, "BTCUSD_PERP")
    assert apply_filter(stored, ImportOptions(), counts_contracts=False) == stored


def test_options_that_cannot_be():
    for wrong in ({"symbol": "BTC/USDT"}, {"coin_m_as": "BTCUSD_PERP"}, {"coin_m_as": ""}):
        with pytest.raises(SettingsError):
            ImportOptions(**wrong)


FRAME = (
    '{"e":"forceOrder","E":1700000001000,"o":{"s":"BTCUSDT","S":"SELL","q":"0.5","p":"29900.0","ap":"30000.5",'
    '"X":"FILLED","l":"0.2","z":"0.4","T":1700000000000}}'
)


def test_frames_are_read_by_the_feeds_own_codec():
    assert of_frame(FRAME) == liquidation(event_ms=T + 1000)
    assert of_frame(f"{FRAME}\n", keep_raw=True).raw_json == FRAME
    assert of_frame(f'{{"raw": {FRAME}}}', keep_raw=True).raw_json == FRAME
    assert of_frame('{"result":null,"id":1}') == SkippedRow("other-message")
    assert of_frame('{"e":"kline","k":{}}') == SkippedRow("other-message")
    assert of_frame(FRAME.replace('"z":"0.4"', '"z":"0"')) == SkippedRow("nothing-filled")
    for line, kind in (
        ("{", "bad-json"),
        (FRAME.replace("30000.5", "x"), "bad-shape"),
        (FRAME.replace('"X"', '"st":2,"X"'), "coin-margined"),
        ('{"e":"connected"}', "not-understood"),
        ('{"result":1}', "not-understood"),
        ("[1]", "not-understood"),
        ('{"raw":"{"}', "not-understood"),
    ):
        with pytest.raises(RowError) as refused:
            of_frame(line)
        assert refused.value.kind == kind


def test_lines_are_numbered_bounded_and_without_a_byte_order_mark():
    long = b"x" * (MAX_LINE_CHARS + 5)
    data = b"\xef\xbb\xbfa\n\n \r\n" + long + b"\nb\r\n\xff\n" + long
    assert lines_of(data) == [(1, "a"), (4, "too-long"), (5, "b"), (6, "not-text"), (7, "too-long")]
    fits = "y" * MAX_LINE_CHARS
    assert lines_of(f"{fits}\n{fits}".encode()) == [(1, fits), (2, fits)]
    assert lines_of(b"") == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_the_encoding_is_found(encoding):
    assert lines_of("time,symbol\r\n1,牛来USDT\r\n".encode(encoding)) == [(1, "time,symbol"), (2, "1,牛来USDT")]


def lines_of(data):
    with TextReader(io.BufferedReader(io.BytesIO(data))) as reader:
        head = reader.head()
        found = [(number, line.kind if isinstance(line, RowError) else line) for number, line in reader.lines()]
    # What was read ahead is read again.
    assert [number for number, _ in head][: len(found)] == [number for number, _ in found][: len(head)]
    return found
