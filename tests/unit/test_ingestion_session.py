"""What one connection asks for by messages, and what must come back."""

from __future__ import annotations

import json

import pytest

from Heatmap.ingestion.binance import endpoints
from Heatmap.ingestion.binance.session import ANSWER_TIMEOUT_S, REQUEST_BYTES, BinanceSession

BASE = "wss://fstream.example"


def session(count):
    return BinanceSession(BASE, [f"SYMBOL{number}USDT" for number in range(count)], source="binance")


def requests(of, now_s=0.0):
    sent = []
    while (message := of.next_request(now_s)) is not None:
        sent.append(message)
    return sent


def refusal(of, reply):
    return of.receive(json.dumps(reply).encode(), 0).refusal


def streams_of(symbols):
    return [f"{symbol.lower()}{kind}" for symbol in symbols for kind in ("@forceOrder", "@markPrice@1s")]


def test_every_stream_is_asked_for_once_in_bounded_messages():
    symbols = [*(f"SYMBOL{number}USDT" for number in range(300)), *(f"币安人生{number}USDT" for number in range(100))]
    of = BinanceSession(BASE, symbols, source="binance")
    messages = requests(of)
    asked = [json.loads(message) for message in messages]
    named = of.url.partition("streams=")[2].split("/")
    assert [*named, *(name for request in asked for name in request["params"])] == streams_of(symbols)
    assert {request["method"] for request in asked} == {"SUBSCRIBE"}
    assert len({request["id"] for request in asked}) == len(asked)
    assert all(len(message.encode()) < REQUEST_BYTES + 100 for message in messages)


def test_nothing_is_asked_where_the_address_names_all():
    of = session(2)
    assert requests(of) == []
    assert of.overdue(1e9) is None
    assert of.is_subscribed


def test_each_answer_must_come_in_time():
    of = session(250)
    asked = [json.loads(message) for message in requests(of)]
    answers = [{"result": None, "id": request["id"]} for request in asked]
    late = answers.pop(1)
    assert not any(refusal(of, answer) for answer in answers)
    assert of.overdue(ANSWER_TIMEOUT_S - 0.1) is None
    assert f"{len(asked[1]['params'])} streams" in of.overdue(ANSWER_TIMEOUT_S).detail
    assert not of.is_subscribed
    assert refusal(of, late) is None
    assert of.overdue(ANSWER_TIMEOUT_S) is None
    assert of.is_subscribed


@pytest.mark.parametrize(
    ("reply", "is_fatal"),
    [
        ({"error": {"code": 2, "msg": "Invalid request"}, "id": 1}, True),
        ({"code": 3, "msg": "Invalid JSON"}, True),
        ({"error": {"code": 2, "msg": "another's"}, "id": 99}, False),
        ({"result": None, "id": "x"}, False),
    ],
)
def test_a_refusal_ends_the_connection_if_it_is_ours(reply, is_fatal):
    of = session(100)
    requests(of)
    failure = refusal(of, reply)
    assert (failure is not None) is is_fatal
    if failure is not None:
        assert failure.reason == "refused-subscription"
        assert reply.get("error", reply)["msg"] in failure.detail


@pytest.mark.parametrize("count", [2, 100, 400, 1024])
def test_the_address_stays_short_and_nothing_is_lost_or_named_twice(count):
    wanted = [f"symbol{number}usdt@forceOrder" for number in range(count)]
    url, further = endpoints.market_socket(BASE, wanted)
    assert len(url) <= endpoints.URL_CHARS
    assert [*url.partition("streams=")[2].split("/"), *further] == wanted
    assert (not further) == (count <= 100)
