"""The demo exchange as its clients see it: a real WebSocket client and urllib, over loopback."""

from __future__ import annotations

import gc
import json
import logging
import socket
import threading
import time
import urllib.error
import urllib.request
from itertools import pairwise

import pytest
from support.clock import FastClock
from support.demo import SteeredExchange
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.demo import server as server_module
from Heatmap.demo.market import SimulatedMarket
from Heatmap.demo.price_series import MINUTE_MS
from Heatmap.demo.recording import Recording
from Heatmap.demo.replay import ReplayMarket
from Heatmap.errors import FeedError

WAIT_S = 10


@pytest.fixture(scope="module")
def market():
    return SimulatedMarket()


@pytest.fixture
def exchange(market):
    with SteeredExchange(market) as running:
        yield running


@pytest.fixture
def fast_clock(market):
    """A clock in the busiest ten minutes of a day, sixty times as fast as the real one."""
    noon = 1_795_003_200_000
    busiest = max(range(noon, noon + 86_400_000, 600_000), key=lambda at: len(market.liquidations(at, at + 600_000)))
    return FastClock(busiest, 60)


@pytest.fixture
def fast_exchange(market, fast_clock):
    with SteeredExchange(market, clock=fast_clock) as running:
        yield running


def receive(ws, wanted=None):
    """Return the next JSON frame, or the next one that ``wanted`` accepts."""
    deadline = time.monotonic() + WAIT_S
    while True:
        message = json.loads(ws.recv(timeout=deadline - time.monotonic()))
        if wanted is None or wanted(message):
            return message


def read_to_the_end(ws):
    while True:
        ws.recv(timeout=WAIT_S)


def get(exchange, target):
    with urllib.request.urlopen(exchange.rest_url + target, timeout=WAIT_S) as answer:  # noqa: S310 - our own loopback
        return answer, json.loads(answer.read())


def subscribe(ws, *names, request_id=1):
    ws.send(json.dumps({"method": "SUBSCRIBE", "params": names, "id": request_id}))
    return receive(ws, lambda message: message.get("id") == request_id)


def test_combined_route_wraps_and_raw_route_does_not(exchange):
    with connect(f"{exchange.ws_url}/market/stream?streams=btcusdt@markPrice@1s") as ws:
        message = receive(ws)
        assert message["stream"] == "btcusdt@markPrice@1s"
        assert message["data"]["e"] == "markPriceUpdate"
    with connect(f"{exchange.ws_url}/market/ws/btcusdt@markPrice@1s") as ws:
        message = receive(ws)
        assert (message["e"], message["s"]) == ("markPriceUpdate", "BTCUSDT")
        assert abs(message["E"] - SYSTEM_CLOCK.now_ms()) < 60_000
        assert float(message["p"]) > 0


def test_liquidations_are_pushed_a_second_after_the_trade_as_the_market_has_them(fast_exchange, fast_clock, market):
    with connect(f"{fast_exchange.ws_url}/market/stream?streams=btcusdt@forceOrder/!forceOrder@arr") as ws:
        single, everything = [], []
        while len(single) < 5 or len(everything) < 5:
            message = receive(ws)
            (single if message["stream"] == "btcusdt@forceOrder" else everything).append(message["data"])
    assert single[:5] == everything[:5]
    orders = [data["o"] for data in single]
    events = market.liquidations(orders[0]["T"], orders[-1]["T"] + 1)
    assert [(o["T"], o["S"], float(o["ap"]), float(o["z"]), float(o["p"])) for o in orders] == [
        (event.ts_ms, event.side, event.price, event.qty, event.order_price) for event in events
    ]
    for data in single:
        assert data["e"] == "forceOrder"
        assert data["E"] == data["o"]["T"] + 1_000
        assert data["E"] <= fast_clock.now_ms()
        assert {"s", "S", "o", "f", "q", "p", "ap", "X", "l", "z", "T", "ps", "st"} == set(data["o"])
        assert (data["o"]["s"], data["o"]["st"], data["o"]["X"]) == ("BTCUSDT", 1, "FILLED")
        assert len(data["o"]["ap"].partition(".")[2]) == 2
        assert float(data["o"]["l"]) <= float(data["o"]["z"])


def test_kline_stream_closes_every_candle_and_agrees_with_rest(fast_exchange):
    with connect(f"{fast_exchange.ws_url}/market/ws/btcusdt@kline_1m") as ws:
        seen = []
        while sum(data["k"]["x"] for data in seen) < 3:
            seen.append(receive(ws))
    closed = [data["k"] for data in seen if data["k"]["x"]]
    assert [b["t"] - a["t"] for a, b in pairwise(closed)] == [MINUTE_MS] * 2
    assert all(data["E"] <= data["k"]["T"] for data in seen if not data["k"]["x"])
    _, rows = get(fast_exchange, f"/fapi/v1/klines?symbol=BTCUSDT&interval=1m&startTime={closed[0]['t']}&limit=3")
    assert [[k["t"], k["o"], k["h"], k["l"], k["c"], k["v"], k["T"]] for k in closed] == [row[:7] for row in rows]


def test_kline_stream_updates_several_times_a_second(exchange):
    with connect(f"{exchange.ws_url}/market/ws/btcusdt@kline_15m") as ws:
        receive(ws)
        start_s = time.monotonic()
        for _ in range(4):
            receive(ws)
        assert 0.5 < time.monotonic() - start_s < 5


@pytest.mark.parametrize(
    "path", ["/ws/btcusdt@forceOrder/btcusdt@markPrice@1s", "/stream?streams=btcusdt@markPrice@1s"]
)
def test_the_unrouted_path_is_open_and_dead(fast_exchange, path):
    with (
        connect(fast_exchange.ws_url + path) as dead,
        connect(f"{fast_exchange.ws_url}/market/ws/btcusdt@markPrice@1s") as live,
    ):
        assert subscribe(dead, "btcusdt@markPrice@1s", "btcusdt@forceOrder") == {"result": None, "id": 1}
        for _ in range(4):
            receive(live)
        assert dead.ping().wait(WAIT_S)
        with pytest.raises(TimeoutError):
            dead.recv(timeout=0)


def test_control_messages_over_the_socket(exchange):
    with connect(f"{exchange.ws_url}/market/ws") as ws:
        assert subscribe(ws, "btcusdt@markPrice@1s") == {"result": None, "id": 1}
        assert receive(ws)["e"] == "markPriceUpdate"
        ws.send("garbage")
        assert receive(ws, lambda message: "code" in message)["code"] == 3
        ws.send(b"\x00\xff")
        assert receive(ws, lambda message: "code" in message)["code"] == 3
        ws.send('{"method":"UNSUBSCRIBE","params":["btcusdt@markPrice@1s"],"id":2}')
        assert receive(ws, lambda message: message.get("id") == 2)["result"] is None
        ws.send('{"method":"LIST_SUBSCRIPTIONS","id":3}')
        assert receive(ws) == {"result": [], "id": 3}


def test_a_client_that_talks_too_much_is_disconnected(exchange):
    with connect(f"{exchange.ws_url}/market/ws") as ws:
        for number in range(11):
            ws.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
        with pytest.raises(ConnectionClosed) as closed:
            read_to_the_end(ws)
    assert closed.value.rcvd.code == 1008


def test_too_many_streams_in_the_path_close_with_a_reason(exchange):
    path = "/".join(f"{number:x}" for number in range(1_100))
    with connect(f"{exchange.ws_url}/market/ws/{path}") as ws, pytest.raises(ConnectionClosed) as closed:
        ws.recv(timeout=WAIT_S)
    assert closed.value.rcvd.code == 1008
    assert "1024 streams" in closed.value.rcvd.reason


def test_unknown_paths_are_refused(exchange):
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{exchange.ws_url}/market/wss")
    assert refused.value.response.status_code == 404


def test_rest_over_the_same_port(exchange):
    assert exchange.rest_url.removeprefix("http") == exchange.ws_url.removeprefix("ws")
    answer, info = get(exchange, "/fapi/v1/exchangeInfo")
    assert answer.headers["Content-Type"].startswith("application/json")
    assert int(answer.headers["X-MBX-USED-WEIGHT-1M"]) >= 1
    assert info["symbols"][0]["symbol"] == "BTCUSDT"
    _, rows = get(exchange, "/fapi/v1/klines?symbol=BTCUSDT&interval=15m&limit=1500")
    assert len(rows) == 1_500
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(exchange, "/fapi/v1/klines?symbol=NOPE&interval=1m")
    with caught.value as error:
        assert error.code == 400
        assert json.loads(error.read()) == {"code": -1121, "msg": "Invalid symbol."}
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(exchange, "/fapi/v1/allForceOrders?symbol=BTCUSDT")
    with caught.value as error:
        assert error.code == 404


def test_history_and_live_meet_without_contradiction(exchange, market):
    _, rows = get(exchange, "/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=2")
    with connect(f"{exchange.ws_url}/market/ws/btcusdt@kline_1m") as ws:
        live = receive(ws)["k"]
    same = [row for row in rows if row[0] == live["t"]]
    for row in same:  # empty only if a minute ended in between
        assert live["o"] == row[1]
        assert float(live["h"]) >= float(row[2])
        assert float(live["l"]) <= float(row[3])
    assert market.candles(MINUTE_MS, rows[0][0], rows[0][0] + MINUTE_MS)[0].open == float(rows[0][1])


def test_injected_frames_reach_liquidation_subscribers_only_and_untouched(exchange):
    base = exchange.ws_url
    with (
        connect(f"{base}/market/ws/btcusdt@forceOrder") as raw,
        connect(f"{base}/market/stream?streams=!forceOrder@arr") as combined,
        connect(f"{base}/market/ws/btcusdt@kline_1m") as other,
        connect(f"{base}/ws/btcusdt@forceOrder") as dead,
    ):
        # A reply proves that the exchange has taken each connection in.
        for ws in (raw, combined, other, dead):
            ws.send('{"method":"LIST_SUBSCRIPTIONS","id":7}')
            receive(ws, lambda message: message.get("id") == 7)
        assert exchange.connection_count == 4
        assert exchange.inject("{broken", '{"e":"forceOrder","marker":1}') == 2
        for ws in (raw, combined):
            texts = []
            while len(texts) < 2:
                text = ws.recv(timeout=WAIT_S)
                texts += [text] if text == "{broken" or "marker" in text else []
            assert texts == ["{broken", '{"e":"forceOrder","marker":1}']
        assert exchange.publish('{"e":"forceOrder","marker":2}') == 2
        assert receive(raw, lambda message: message.get("marker") == 2)
        assert receive(combined, lambda m: m.get("data", {}).get("marker") == 2)["stream"] == "!forceOrder@arr"
        assert all("marker" not in other.recv(timeout=WAIT_S) for _ in range(2))
        with pytest.raises(TimeoutError):
            dead.recv(timeout=0)


def test_a_burst_arrives_whole_and_in_order(exchange):
    with connect(f"{exchange.ws_url}/market/ws/ethusdt@x", max_queue=None) as ws:
        subscribe(ws, "btcusdt@forceOrder")
        for number in range(0, 5_000, 50):
            exchange.inject(*(f'{{"number":{row}}}' for row in range(number, number + 50)))
        numbers = []
        while len(numbers) < 5_000:
            message = receive(ws)
            numbers += [message["number"]] if "number" in message else []
    assert numbers == list(range(5_000))


def test_a_client_that_never_reads_is_disconnected_and_the_others_go_on(exchange, monkeypatch, caplog):
    monkeypatch.setattr(server_module, "MAX_PENDING_FRAMES", 2_000)
    big = json.dumps({"padding": "x" * 10_000})
    with connect(f"{exchange.ws_url}/market/ws/btcusdt@forceOrder", max_queue=1, close_timeout=0.1) as slow:
        slow.send('{"method":"LIST_SUBSCRIPTIONS","id":7}')
        receive(slow)
        with caplog.at_level(logging.WARNING):
            for _ in range(200):
                exchange.inject(*[big] * 100)
                if "pile up" in caplog.text:
                    break
        assert "pile up" in caplog.text
        _, served = get(exchange, "/fapi/v1/time")
        assert served["serverTime"] > 0


@pytest.mark.parametrize("code", [1001, 1008, 1000])
def test_dropped_connections_close_with_the_code_asked_for(exchange, code):
    with connect(f"{exchange.ws_url}/market/ws/btcusdt@forceOrder") as ws:
        subscribe(ws, "btcusdt@markPrice")
        assert exchange.drop_connections(code) == 1
        with pytest.raises(ConnectionClosed) as closed:
            read_to_the_end(ws)
    assert closed.value.rcvd.code == code


def test_a_cut_connection_says_no_goodbye(exchange):
    with connect(f"{exchange.ws_url}/market/ws/btcusdt@forceOrder") as ws:
        subscribe(ws, "btcusdt@markPrice")
        assert exchange.drop_connections(1006) == 1
        with pytest.raises(ConnectionClosed) as closed:
            read_to_the_end(ws)
    assert closed.value.rcvd is None


def test_a_replay_pushes_every_recorded_frame_once_subscribed(tmp_path):
    lines = [
        json.dumps(
            {
                "e": "forceOrder",
                "E": at,
                "o": {
                    "s": "BTCUSDT",
                    "S": "BUY",
                    "q": "0.10",
                    "p": f"{90_300 + row}.10",
                    "ap": f"{90_000 + row}.123456",
                    "X": "FILLED",
                    "l": "0.1",
                    "z": "0.10",
                    "T": at,
                },
            }
        )
        for row, at in enumerate(range(1_700_000_000_000, 1_700_003_000_000, 10_000))
    ]
    path = tmp_path / "recording.jsonl"
    path.write_text("\n".join(lines))
    now_ms = SYSTEM_CLOCK.now_ms()
    replay = ReplayMarket(Recording.load(path).shifted(now_ms))
    with SteeredExchange(replay) as exchange:
        base = f"{exchange.ws_url}/market/stream?streams="
        with connect(f"{base}btcusdt@forceOrder/btcusdt@markPrice@1s", max_queue=None) as ws:
            played = []
            while len(played) < len(lines):
                message = receive(ws)
                played += [message["data"]] if message["stream"] == "btcusdt@forceOrder" else []
            # Then only market data flows.
            after = [receive(ws)["stream"] for _ in range(2)]
        with connect(f"{exchange.ws_url}/market/ws", max_queue=None) as late:
            assert subscribe(late, "!forceOrder@arr")["result"] is None
            assert receive(late) == played[0]
    assert after == ["btcusdt@markPrice@1s"] * 2
    assert [data["o"]["ap"] for data in played] == [json.loads(line)["o"]["ap"] for line in lines]
    assert played[-1]["o"]["T"] < played[-1]["E"] < now_ms


def test_stop_leaves_nothing_behind(market):
    before = set(threading.enumerate())
    exchange = SteeredExchange(market)
    exchange.start()
    exchange.start()  # harmless
    port = int(exchange.ws_url.rpartition(":")[2])
    silent = socket.create_connection(("127.0.0.1", port))
    with silent, connect(f"{exchange.ws_url}/market/ws/btcusdt@forceOrder") as ws:
        exchange.stop()
        with pytest.raises(ConnectionClosed) as closed:
            ws.recv(timeout=WAIT_S)
    assert closed.value.rcvd.code == 1001
    exchange.stop()  # harmless
    assert set(threading.enumerate()) == before
    assert exchange.connection_count == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with pytest.raises(RuntimeError, match="not started"):
        exchange.inject("x")
    exchange.start()  # and again
    assert get(exchange, "/fapi/v1/ping")[1] == {}
    exchange.stop()
    gc.collect()  # a socket or task left open would warn here, and a warning is an error


def test_a_port_in_use_is_a_plain_sentence(exchange, market):
    port = int(exchange.ws_url.rpartition(":")[2])
    second = SteeredExchange(market, port=port)
    with pytest.raises(FeedError) as caught:
        second.start()
    assert f"cannot use port {port}" in caught.value.short
    second.stop()


def test_a_port_that_cannot_exist_is_a_plain_sentence(market):
    with pytest.raises(FeedError) as caught:
        SteeredExchange(market, port=70_000).start()
    assert "cannot use port 70000" in caught.value.short


def test_the_server_pings(market):
    handshake = (
        "GET /market/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with SteeredExchange(market, ping_interval_s=0.05) as exchange:
        address = ("127.0.0.1", int(exchange.ws_url.rpartition(":")[2]))
        with socket.create_connection(address, timeout=WAIT_S) as raw:
            raw.sendall(handshake.encode())
            received = b""
            while not received.partition(b"\r\n\r\n")[2]:
                received += raw.recv(4_096)
    first_frame = received.partition(b"\r\n\r\n")[2]
    assert first_frame[0] == 0x89  # a whole ping frame


def test_market_data_goes_on_when_the_clock_is_set_back(market):
    class SteppingClock(FastClock):
        back_ms = 0

        def now_ms(self):
            return super().now_ms() - self.back_ms

    clock = SteppingClock(SYSTEM_CLOCK.now_ms(), 10)
    exchange = SteeredExchange(market, clock=clock)
    with exchange, connect(f"{exchange.ws_url}/market/ws/btcusdt@markPrice@1s") as ws:
        before_ms = receive(ws)["E"]
        clock.back_ms = 3_600_000
        assert receive(ws, lambda message: message["E"] < before_ms)


def test_a_clock_before_the_market_is_refused(market):
    with pytest.raises(ValueError, match="expected a clock"):
        SteeredExchange(market, clock=FastClock(0, 1))


def test_a_fault_in_the_market_is_logged_and_stop_still_works(caplog):
    class Broken(SimulatedMarket):
        def price_at(self, ms):
            del ms
            raise ZeroDivisionError("the market broke")

    with caplog.at_level(logging.ERROR):
        exchange = SteeredExchange(Broken())
        exchange.start()
        with connect(f"{exchange.ws_url}/market/ws/btcusdt@markPrice@1s") as ws, pytest.raises(ConnectionClosed):
            ws.recv(timeout=WAIT_S)
        exchange.stop()
    assert "the market broke" in caplog.text
