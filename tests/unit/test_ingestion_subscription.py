"""What one connection asks for by messages, and what must come back."""

from __future__ import annotations

import json

import pytest

from Heatmap.ingestion.binance import endpoints
from Heatmap.ingestion.binance.forceorder import ControlReply
from Heatmap.ingestion.subscription import MESSAGE_BYTES, PATIENCE_S, Subscription

BASE = "wss://fstream.example"


def streams(count):
    return [f"symbol{number}usdt@forceOrder" for number in range(count)]


def accepted(request_id):
    return ControlReply(request_id, None, "")


def asked(subscription, now_s=0.0):
    requests = list(subscription.requests())
    for request_id, _ in requests:
        subscription.sent(request_id, now_s)
    return requests


def test_every_stream_is_asked_for_once_in_bounded_messages():
    wanted = [*streams(400), *(f"币安人生{number}usdt@markPrice@1s" for number in range(100))]
    messages = [message for _, message in Subscription(wanted).requests()]
    requests = [json.loads(message) for message in messages]
    assert [name for request in requests for name in request["params"]] == wanted
    assert {request["method"] for request in requests} == {"SUBSCRIBE"}
    assert len({request["id"] for request in requests}) == len(requests)
    assert all(len(message.encode()) < MESSAGE_BYTES + 100 for message in messages)


def test_nothing_is_asked_where_the_address_names_all():
    subscription = Subscription(())
    assert not list(subscription.requests())
    assert subscription.overdue(1e9) is None
    assert subscription.is_complete


def test_each_answer_must_come_in_time():
    subscription = Subscription(streams(250))
    requests = list(subscription.requests())
    first, second, third = (request_id for request_id, _ in asked(subscription))
    missing = len(json.loads(requests[1][1])["params"])
    assert subscription.answered(accepted(first)) is None
    assert subscription.answered(accepted(third)) is None
    assert subscription.overdue(PATIENCE_S - 0.1) is None
    assert f"{missing} streams" in subscription.overdue(PATIENCE_S).detail
    assert not subscription.is_complete
    assert subscription.answered(accepted(second)) is None
    assert subscription.overdue(PATIENCE_S) is None
    assert subscription.is_complete


@pytest.mark.parametrize(
    ("reply", "is_fatal"),
    [
        (ControlReply(1, 2, "Invalid request"), True),
        (ControlReply(None, 3, "Invalid JSON"), True),
        (ControlReply(99, 2, "another's"), False),
        (ControlReply("x", None, ""), False),
    ],
)
def test_a_refusal_ends_the_connection_if_it_is_ours(reply, is_fatal):
    subscription = Subscription(streams(3))
    asked(subscription)
    seen = subscription.answered(reply)
    assert (seen is not None) is is_fatal
    if seen is not None:
        assert (seen.reason, reply.message in seen.detail) == ("refused-subscription", True)


@pytest.mark.parametrize("count", [2, 100, 400, 1024])
def test_the_address_stays_short_and_nothing_is_lost_or_named_twice(count):
    wanted = streams(count)
    url, further = endpoints.market_socket(BASE, wanted)
    assert len(url) <= endpoints.URL_CHARS
    assert [*url.partition("streams=")[2].split("/"), *further] == wanted
    assert (not further) == (count <= 100)
