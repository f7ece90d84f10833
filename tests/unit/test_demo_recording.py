"""Recordings: what is played, what is refused and why, and how silences are shortened."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path

import pytest

from Heatmap.demo import recording as recording_module
from Heatmap.demo.recording import LEAD_MS, Recording
from Heatmap.errors import ReplayError
from Heatmap.events import Side, Source
from Heatmap.importing.text_reader import MAX_LINE_CHARS

T0 = 1_750_000_000_000
NOW = 1_795_000_000_000
HOUR_MS = 3_600_000


def order(ts_ms=T0, **changes):
    fields = {
        "s": "BTCUSDT",
        "S": "SELL",
        "o": "LIMIT",
        "f": "IOC",
        "q": "0.200",
        "p": "89700.10",
        "ap": "90000.50",
        "X": "FILLED",
        "l": "0.050",
        "z": "0.150",
        "T": ts_ms,
    }
    return {key: value for key, value in (fields | changes).items() if value is not None}


def raw(ts_ms=T0, **changes):
    return json.dumps({"e": "forceOrder", "E": ts_ms, "o": order(ts_ms, **changes)}, ensure_ascii=False)


def enveloped(ts_ms=T0, **changes):
    return json.dumps({"stream": "btcusdt@forceOrder", "data": json.loads(raw(ts_ms, **changes))})


def write(folder: Path, *lines: str | bytes) -> Path:
    path = folder / "recording.jsonl"
    path.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines))
    return path


def test_raw_and_combined_envelopes_use_the_wire_fields(tmp_path):
    recording = Recording.load(write(tmp_path, raw(T0), "", enveloped(T0 + 5_000, S="BUY")))
    first, second = (frame.event for frame in recording.frames)
    assert (first.price, first.qty, first.order_price, first.order_qty) == (90_000.5, 0.15, 89_700.1, 0.2)
    assert first.notional == 90_000.5 * 0.15
    assert first.side is Side.SELL
    assert second.side is Side.BUY
    assert (first.ts_ms, first.event_ms) == (T0, T0 + 1_000)
    assert first.source == Source.REPLAY
    assert recording.lines == 2
    assert recording.report() == []


@pytest.mark.parametrize("changes", [{"ap": None}, {"ap": "0"}, {"ap": "0.00"}])
def test_order_price_stands_in_for_a_missing_average(tmp_path, changes):
    assert Recording.load(write(tmp_path, raw(**changes))).frames[0].event.price == 89_700.1


def test_a_contract_with_a_delivery_date_is_played_unless_it_is_coin_margined(tmp_path):
    assert Recording.load(write(tmp_path, raw(s="BTCUSDT_260925"))).symbol == "BTCUSDT_260925"


def test_order_quantity_stands_in_for_a_missing_fill(tmp_path):
    assert Recording.load(write(tmp_path, raw(z=None))).frames[0].event.qty == 0.2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not valid JSON"),
        ("[1, 2]", "not a forceOrder frame"),
        ("null", "not a forceOrder frame"),
        ('{"result":null,"id":1}', "not a forceOrder frame"),
        ('{"e":"forceOrder"}', "expected an order in `o`"),
        (b'\xff\xfe{"e"', "not a frame: the line is not UTF-8 text"),
        ("[" * 50_000, "not valid JSON"),
        ("x" * (MAX_LINE_CHARS + 1), "longer than"),
        (raw(S="LONG"), "the side `S`: expected SELL or BUY, was 'LONG'"),
        (raw(S=None), "missing required field `S`"),
        (raw(s=""), "the symbol `s`"),
        (raw(T="soon"), "Expected `int`, got `str` - at `$.o.T`"),
        (raw(T=True), "Expected `int`, got `bool` - at `$.o.T`"),
        (raw(T=1_750_000_000), "the time `T`"),
        (raw(ap="nan"), "the price `ap` or `p`: expected a number above 0 and below 1e+30, was nan"),
        (raw(p="-1"), "was -1.0"),
        (raw(ap=None, p=None), "the price `ap` or `p`"),
        (raw(ap="1000000000.01"), "the price 1e+09 is beyond"),
        (raw(ap="1" * 30), "is beyond"),
        (raw(z="0.000"), "no filled quantity"),
        (raw(s="BTCUSD_PERP"), "COIN-M"),
        (raw(s="BTCUSD_260925"), "COIN-M"),
        (raw(s="btcusdt"), "expected a symbol in upper case"),
        (raw(ap="0090000.5"), "not a forceOrder frame"),
        (raw(st=2), "COIN-M"),
        (raw().replace('"e"', '"st": 2, "e"'), "COIN-M"),
        (raw(X="\ud800").encode("utf-8", "surrogatepass"), "not UTF-8 text"),
        (raw(X="lone").replace("lone", "\\ud800"), "not valid JSON"),
    ],
)
def test_a_broken_line_is_reported_and_the_rest_is_played(tmp_path, line, reason):
    recording = Recording.load(write(tmp_path, raw(T0), line, raw(T0 + 2_000)))
    assert len(recording.frames) == 2
    assert recording.skipped_count == 1
    assert recording.report()[0].startswith("Line 2: ")
    assert reason in recording.report()[0]


def test_a_byte_order_mark_and_windows_line_ends_are_harmless(tmp_path):
    recording = Recording.load(write(tmp_path, b"\xef\xbb\xbf" + raw().encode() + b"\r", raw(T0 + 1_000) + "\r"))
    assert len(recording.frames) == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_envelopes_of_recorders_are_played_too(tmp_path, encoding):
    path = tmp_path / "recording"
    for text in (
        "".join(json.dumps({"at": 1, "raw": raw(T0 + n)}) + "\n" for n in range(2)),
        "".join(json.dumps({"order": order(T0 + n)}) + "\n" for n in range(2)),
        json.dumps([json.loads(raw(T0 + n)) for n in range(2)], indent=2),
    ):
        path.write_bytes(text.encode(encoding))
        recording = Recording.load(path)
        assert (len(recording.frames), recording.skipped_count) == (2, 0)
        assert json.loads(recording.frames[0].wire())["o"]["ap"] == "90000.50"


def test_a_huge_last_line_without_end_is_one_line(tmp_path):
    recording = Recording.load(write(tmp_path, raw(), "y" * (5 * MAX_LINE_CHARS)))
    assert (recording.lines, recording.skipped_count) == (2, 1)


def test_many_broken_lines_are_all_counted_but_few_are_kept(tmp_path):
    recording = Recording.load(write(tmp_path, raw(), *["?"] * 200))
    assert recording.skipped_count == 200
    assert len(recording.skipped) == recording_module.MAX_REPORTED
    assert "150 more lines" in recording.report()[-1]


def test_reading_stops_at_the_limit_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(recording_module, "MAX_FRAMES", 3)
    path = write(tmp_path, *[raw(T0 + n * 1_000) for n in range(3)])
    assert not Recording.load(path).unread
    path = write(tmp_path, *[raw(T0 + n * 1_000) for n in range(5)])
    recording = Recording.load(path)
    assert len(recording.frames) == 3
    assert recording.unread
    assert "Only the first" in recording.report()[-1]


def test_the_most_frequent_symbol_is_played(tmp_path):
    path = write(tmp_path, raw(s="ETHUSDT"), raw(T0 + 1_000), raw(T0 + 2_000), raw(s="牛来USDT"))
    recording = Recording.load(path)
    assert (recording.symbol, len(recording.frames)) == ("BTCUSDT", 2)
    assert recording.other_symbols == {"ETHUSDT": 1, "牛来USDT": 1}
    assert "2 liquidations of 2 other symbols" in recording.report()[0]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([], "the file is empty"),
        (["", "  "], "the file is empty"),
        (["nonsense"], "none of its 1 lines is a liquidation. Line 1: not valid JSON"),
        ([raw(st=2)], "none of its 1 lines is a liquidation. Line 1: a COIN-M"),
    ],
)
def test_nothing_playable_is_a_plain_sentence(tmp_path, lines, sentence):
    with pytest.raises(ReplayError) as caught:
        Recording.load(write(tmp_path, *lines))
    assert sentence in caught.value.short


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_what_is_no_file_is_a_plain_sentence(tmp_path, name):
    with pytest.raises(ReplayError) as caught:
        Recording.load(tmp_path / name)
    assert "is not a file" in caught.value.short


def test_an_unreadable_file_is_a_plain_sentence(tmp_path, monkeypatch):
    path = write(tmp_path, raw())

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ReplayError) as caught:
        Recording.load(path)
    assert "cannot be read: Permission denied" in caught.value.short


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ReplayError):
        Recording.load(tmp_path / "pipe")


def test_out_of_order_lines_are_sorted_and_ties_keep_their_order(tmp_path):
    path = write(tmp_path, raw(T0 + 9_000), raw(T0, z="0.001"), raw(T0, z="0.002"))
    assert [frame.event.qty for frame in Recording.load(path).frames] == [0.001, 0.002, 0.15]


def times(recording: Recording) -> list[int]:
    return [frame.event.ts_ms for frame in recording.frames]


def test_a_short_recording_is_moved_but_not_squeezed(tmp_path):
    offsets = [0, 1_500, 90_000, 5 * HOUR_MS]
    recording = Recording.load(write(tmp_path, *[raw(T0 + offset) for offset in offsets]))
    moved = times(recording.shifted(NOW))
    assert moved[-1] == NOW - LEAD_MS
    assert [at - moved[0] for at in moved] == offsets


def test_only_long_silences_are_shortened_and_all_to_the_same_length(tmp_path):
    gaps = [1_000, 600_000, 100 * 24 * HOUR_MS, 2_000, 50 * HOUR_MS, 3_000]
    ends = [T0 + sum(gaps[:count]) for count in range(len(gaps) + 1)]
    moved = times(Recording.load(write(tmp_path, *map(raw, ends))).shifted(NOW, 10 * HOUR_MS))
    new_gaps = [after - before for before, after in pairwise(moved)]
    assert [new_gaps[row] for row in (0, 1, 3, 5)] == [1_000, 600_000, 2_000, 3_000]
    assert new_gaps[2] == new_gaps[4]
    assert 10 * HOUR_MS - 2 <= sum(new_gaps) <= 10 * HOUR_MS


def test_distinct_events_stay_distinct_when_there_are_too_many_to_fit(tmp_path):
    recording = Recording.load(write(tmp_path, *[raw(T0 + n * 60_000) for n in range(100)]))
    moved = times(recording.shifted(NOW, 10_000))
    assert {after - before for before, after in pairwise(moved)} == {1_000}


def test_a_single_event_is_moved_to_just_before_now(tmp_path):
    assert times(Recording.load(write(tmp_path, raw())).shifted(NOW)) == [NOW - LEAD_MS]


def test_the_wire_keeps_every_recorded_string_and_moves_only_the_times(tmp_path):
    recording = Recording.load(write(tmp_path, raw(T0, p="89700.1000", s="牛来USDT", ps="牛来USDT", st=1, new=[1])))
    frame = json.loads(recording.shifted(NOW).frames[0].wire())
    assert frame["o"].pop("T") == NOW - LEAD_MS
    assert frame["E"] == NOW - LEAD_MS + 1_000
    expected = order(T0, p="89700.1000", s="牛来USDT", ps="牛来USDT", st=1, new=[1])
    del expected["T"]
    assert frame["o"] == expected
    assert "牛来USDT" in recording.frames[0].wire()  # UTF-8 on the wire, as the exchange sends it
