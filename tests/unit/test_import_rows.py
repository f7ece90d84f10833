"""What one row of each format says, and what it is refused for."""

from __future__ import annotations

import io
from functools import partial

import pytest

from Heatmap.errors import RowError, SettingsError
from Heatmap.events import LiquidationEvent, Side
from Heatmap.importing import tardis
from Heatmap.importing.binance_archive import (
    COLUMNS,
    COLUMNS_WITH_SYMBOL,
    ArchiveLayout,
    ArchiveParser,
    symbol_in_name,
)
from Heatmap.importing.byte_lines import MAX_LINE_BYTES, byte_lines
from Heatmap.importing.heatmap_table import CsvParser, parse_row
from Heatmap.importing.import_filter import ImportOptions, apply_filter
from Heatmap.importing.import_source import parse_frame
from Heatmap.importing.row import SkippedRow, coin_of, converted
from Heatmap.storage.record_reader import COLUMNS as RECORD_COLUMNS

T = 1_700_000_000_000
TEN = f"{T},SELL,LIMIT,IOC,0.5,29900.0,30000.5,FILLED,0.2,0.4"
ELEVEN = f"{T},BTCUSDT,BUY,LIMIT,IOC,0.5,29900.0,30000.5,FILLED,0.2,0.4"
TARDIS = f"binance-futures,BTCUSDT,{T}123,{T + 1000}456,,sell,30000.5,0.4"
RECORD = f"{T},BTCUSDT,SELL,30000.5,0.4,12000.2,binance,29900.0,0.5,{T + 1000},,"


def ten(line, symbol="BTCUSDT"):
    return ArchiveParser(ArchiveLayout(COLUMNS, has_header=False), symbol)(line.encode())


def eleven(line):
    return ArchiveParser(ArchiveLayout(COLUMNS_WITH_SYMBOL, has_header=False), "")(line.encode())


def record(line):
    return CsvParser(RECORD_COLUMNS)(line.encode())


def of_tardis(line):
    return tardis.parse(line.encode())


def liquidation(**changes):
    values = {
        "ts_ms": T, "symbol": "BTCUSDT", "side": Side.SELL, "price": 30_000.5, "qty": 0.4, "notional": 30_000.5 * 0.4,
        "order_price": 29_900.0, "order_qty": 0.5,
    }  # fmt: skip
    return LiquidationEvent(**{**values, **changes})


def test_an_archive_row_has_its_fill_price_and_filled_quantity():
    assert ten(TEN + "\r\n") == liquidation()
    assert eleven(ELEVEN) == liquidation(side=Side.BUY)


def test_without_a_fill_price_the_order_price_counts():
    assert ten(TEN.replace("30000.5", "0.0")) == liquidation(price=29_900.0, notional=29_900.0 * 0.4)


def test_an_order_that_filled_nothing_is_no_liquidation():
    assert ten(TEN.replace("0.2,0.4", "0,0")) == SkippedRow("nothing-filled")


def test_a_tardis_row_is_in_microseconds_and_knows_no_order():
    assert of_tardis(TARDIS) == liquidation(order_price=None, order_qty=None)
    assert of_tardis(TARDIS.replace("sell", "buy")).side is Side.BUY


def test_a_row_of_our_own_says_exactly_what_it_says():
    assert record(RECORD) == liquidation(notional=12000.2, event_ms=T + 1000)
    assert record(RECORD + '"{""e"":""forceOrder"",""x"":[1,2]}"').raw_json == '{"e":"forceOrder","x":[1,2]}'


@pytest.mark.parametrize(
    ("parse", "line", "kind"),
    [
        (ten, TEN.replace("SELL", "sell"), "bad-side"),
        (ten, TEN.replace("SELL", ""), "bad-side"),
        (ten, TEN.replace(str(T), str(T // 1000)), "bad-time"),
        (ten, TEN.replace(str(T), f"{T}000"), "bad-time"),
        (ten, TEN.replace(str(T), f"{T}.0"), "bad-time"),
        (ten, TEN.replace(str(T), f"-{T}"), "bad-time"),
        (ten, TEN.replace(str(T), f"{T}".replace("1", "\N{ARABIC-INDIC DIGIT ONE}", 1)), "bad-time"),
        (ten, TEN.replace("29900.0", "nan"), "bad-price"),
        (ten, TEN.replace("30000.5", "inf"), "bad-price"),
        (ten, TEN.replace("30000.5", "3_0"), "bad-price"),
        (ten, TEN.replace("30000.5", "-1"), "bad-price"),
        (ten, TEN.replace("30000.5", "1e999"), "bad-price"),
        (ten, TEN.replace("30000.5", ""), "bad-price"),
        (ten, TEN.replace("29900.0", "0"), "bad-price"),
        (ten, TEN.replace(",0.4", ", 0.4"), "bad-qty"),
        (ten, TEN.replace("0.5,29900.0", "x,29900.0"), "bad-qty"),
        (ten, TEN + ",1", "bad-columns"),
        (ten, "no", "bad-columns"),
        (eleven, ELEVEN.replace("BTCUSDT", "btcusdt"), "bad-symbol"),
        (eleven, ELEVEN.replace("BTCUSDT", ""), "bad-symbol"),
        (of_tardis, TARDIS.replace("binance-futures", "bybit"), "other-exchange"),
        (of_tardis, TARDIS.replace(",,", ",77,"), "trade"),
        (of_tardis, TARDIS.replace("sell", "unknown"), "bad-side"),
        (of_tardis, TARDIS.replace("BTCUSDT", "BTCUSD_PERP"), "bad-symbol"),
        (of_tardis, TARDIS.replace("binance-futures", "binance-delivery"), "bad-symbol"),
        (of_tardis, TARDIS.replace(f"{T}123", str(T)), "bad-time"),
        (of_tardis, TARDIS.replace("0.4", "0"), "bad-qty"),
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


@pytest.mark.parametrize("parse", [tardis.parse, CsvParser(RECORD_COLUMNS), partial(parse_frame, keep_raw=False)])
def test_a_line_too_long_or_no_text_is_refused(parse):
    for line, kind in ((None, "too-long"), (b"\xff" * 7, "not-text")):
        with pytest.raises(RowError) as refused:
            parse(line)
        assert refused.value.kind == kind


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


def test_layouts_are_told_by_the_first_line():
    assert ArchiveLayout.of(COLUMNS) == ArchiveLayout(COLUMNS, has_header=True)
    assert ArchiveLayout.of([f'"{name.upper()}"' for name in COLUMNS_WITH_SYMBOL]).has_symbol
    assert ArchiveLayout.of(TEN.split(",")) == ArchiveLayout(COLUMNS, has_header=False)
    assert ArchiveLayout.of(ELEVEN.split(",")) == ArchiveLayout(COLUMNS_WITH_SYMBOL, has_header=False)
    assert ArchiveLayout.of(TARDIS.split(",")) is None
    # Candles, the archive's commonest files, have numbers only.
    assert ArchiveLayout.of(["1748736000000", "1", "2", "3", "4", "5", "6", "7", "8", "9"]) is None
    assert ArchiveLayout.of([""]) is None


def test_columns_are_found_by_their_names():
    shuffled = ArchiveLayout.of(("side", "time", *COLUMNS[2:], "more"))
    parse = ArchiveParser(shuffled, "BTCUSDT")
    first, second, *rest = TEN.split(",")
    assert parse(",".join([second, first, *rest, "?"]).encode()) == liquidation()


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
    assert parse_frame(FRAME.encode(), keep_raw=False) == liquidation(event_ms=T + 1000)
    assert parse_frame(f"{FRAME}\r\n".encode(), keep_raw=True).raw_json == FRAME
    assert parse_frame(b'{"result":null,"id":1}', keep_raw=False) == SkippedRow("other-message")
    assert parse_frame(b'{"e":"kline","k":{}}', keep_raw=False) == SkippedRow("other-message")
    assert parse_frame(FRAME.replace('"z":"0.4"', '"z":"0"').encode(), keep_raw=False) == SkippedRow("nothing-filled")
    for line, kind in (
        ("{", "bad-json"),
        (FRAME.replace("30000.5", "x"), "bad-shape"),
        (FRAME.replace('"X"', '"st":2,"X"'), "coin-margined"),
    ):
        with pytest.raises(RowError) as refused:
            parse_frame(line.encode(), keep_raw=False)
        assert refused.value.kind == kind


def test_lines_are_numbered_bounded_and_without_a_byte_order_mark():
    long = b"x" * (MAX_LINE_BYTES + 5)
    file = io.BytesIO(b"\xef\xbb\xbfa\n\n \r\n" + long + b"\nb\r\n" + long)
    assert list(byte_lines(file)) == [(1, b"a\n"), (4, None), (5, b"b\r\n"), (6, None)]
    fits = b"y" * MAX_LINE_BYTES
    assert list(byte_lines(io.BytesIO(fits + b"\n" + fits))) == [(1, fits + b"\n"), (2, fits)]
    assert list(byte_lines(io.BytesIO(b""))) == []
