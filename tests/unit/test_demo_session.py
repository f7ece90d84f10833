"""A client's session without a socket: routes, subscriptions, control messages."""

from __future__ import annotations

import json

import pytest

from Heatmap.demo.session import MAX_STREAMS, StreamKind, TooManyStreamsError, open_session


def opened(target: str):
    session = open_session(target, ("BTCUSDT",))
    assert session is not None
    return session


def ask(session, message):
    return json.loads(session.receive(message if isinstance(message, str | bytes) else json.dumps(message)).texts[0])


@pytest.mark.parametrize(
    ("target", "is_combined", "names"),
    [
        ("/market/ws/btcusdt@forceOrder", False, ["btcusdt@forceOrder"]),
        ("/market/ws/btcusdt@forceOrder/btcusdt@markPrice", False, ["btcusdt@forceOrder", "btcusdt@markPrice"]),
        ("/market/ws", False, []),
        ("/market/ws/", False, []),
        ("/market/stream", True, []),
        (
            "/market/stream?streams=btcusdt@forceOrder/btcusdt@markPrice@1s",
            True,
            ["btcusdt@forceOrder", "btcusdt@markPrice@1s"],
        ),
        (
            "/market/stream?streams=%21forceOrder%40arr%2Fbtcusdt%40kline_1m",
            True,
            ["!forceOrder@arr", "btcusdt@kline_1m"],
        ),
        ("/market/ws/%21forceOrder%40arr", False, ["!forceOrder@arr"]),
    ],
)
def test_the_path_decides_envelope_and_streams(target, is_combined, names):
    session = opened(target)
    assert session.is_combined is is_combined
    assert [stream.name for stream in session.streams] == names


@pytest.mark.parametrize("target", ["/", "/market", "/market/wss/x", "/spot/ws/x", "/market/stream/btcusdt@forceOrder"])
def test_a_path_that_is_no_route_is_refused(target):
    assert open_session(target, ("BTCUSDT",)) is None


@pytest.mark.parametrize(
    "target",
    ["/ws/btcusdt@forceOrder", "/stream?streams=btcusdt@forceOrder", "/public/ws/btcusdt@forceOrder", "/ws"],
)
def test_the_dead_route_acknowledges_and_stays_silent(target):
    session = opened(target)
    reply = session.receive('{"method":"SUBSCRIBE","params":["btcusdt@forceOrder","btcusdt@markPrice@1s"],"id":1}')
    assert json.loads(reply.texts[0]) == {"result": None, "id": 1}
    assert reply.added == ()
    assert session.streams == ()


@pytest.mark.parametrize(
    "name",
    ["BTCUSDT@forceOrder", "btcusdt@forceorder", "ethusdt@forceOrder", "btcusdt@kline_3d", "btcusdt@kline_7m", "x"],
)
def test_a_name_that_carries_nothing_is_accepted_and_silent(name):
    session = opened("/market/ws")
    assert ask(session, {"method": "SUBSCRIBE", "params": [name], "id": 3}) == {"result": None, "id": 3}
    assert session.streams == ()
    assert ask(session, {"method": "LIST_SUBSCRIPTIONS", "id": 4}) == {"result": [name], "id": 4}


def test_subscribe_and_unsubscribe():
    session = opened("/market/ws/btcusdt@markPrice")
    message = {"method": "SUBSCRIBE", "params": ["btcusdt@markPrice", "btcusdt@kline_15m"], "id": 9}
    reply = session.receive(json.dumps(message))
    assert [(stream.kind, stream.interval) for stream in reply.added] == [(StreamKind.KLINE, "15m")]
    assert (
        ask(session, {"method": "UNSUBSCRIBE", "params": ["btcusdt@markPrice", "unknown"], "id": 10})["result"] is None
    )
    assert [stream.name for stream in session.streams] == ["btcusdt@kline_15m"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("hello", 3),
        ("", 3),
        (b"\xff\x00", 3),
        ("[" * 100_000, 3),
        ("[]", 2),
        ({"id": 1}, 2),
        ({"method": "BUY", "id": 1}, 2),
        ({"method": [], "id": 1}, 2),
        ({"method": "SUBSCRIBE", "params": ["a"]}, 2),
        ({"method": "SUBSCRIBE", "params": ["a"], "id": "1"}, 2),
        ({"method": "SUBSCRIBE", "params": ["a"], "id": -1}, 2),
        ({"method": "SUBSCRIBE", "params": "a", "id": 1}, 2),
        ({"method": "SUBSCRIBE", "params": [1], "id": 1}, 2),
        ({"method": "SET_PROPERTY", "params": ["combined", True], "id": 1}, 0),
        ({"method": "GET_PROPERTY", "params": ["combined"], "id": 1}, 0),
    ],
)
def test_garbage_is_answered_with_an_error_code(message, code):
    session = opened("/market/ws")
    answer = ask(session, message)
    assert answer["code"] == code
    assert answer["msg"]
    assert session.streams == ()


def test_the_answer_to_broken_json_is_the_recorded_one():
    assert ask(opened("/market/ws"), "hello") == {
        "code": 3,
        "msg": "Invalid JSON: expected value at line 1 column 1",
    }


def test_no_more_than_1024_streams():
    session = opened("/market/ws/btcusdt@forceOrder")
    many = [f"x{number}@forceOrder" for number in range(MAX_STREAMS)]
    assert ask(session, {"method": "SUBSCRIBE", "params": many, "id": 1})["code"] == 2
    assert ask(session, {"method": "SUBSCRIBE", "params": many[1:], "id": 2}) == {"result": None, "id": 2}
    assert len(ask(session, {"method": "LIST_SUBSCRIPTIONS", "id": 3})["result"]) == MAX_STREAMS
    with pytest.raises(TooManyStreamsError):
        open_session("/market/ws/" + "/".join([*many, "one@more"]), ("BTCUSDT",))


def test_ten_messages_a_second_are_allowed():
    session = opened("/market/ws")
    assert not any(session.is_too_fast(at / 8) for at in range(30))
    session = opened("/market/ws")
    assert [session.is_too_fast(5.0 + at / 100) for at in range(11)] == [False] * 10 + [True]
