"""Tick and contract sizes of Gate's USDT contracts (``GET /api/v4/futures/usdt/contracts``)."""

from __future__ import annotations

import math

import msgspec

from Heatmap.errors import FeedError
from Heatmap.ingestion.contracts import ContractSize
from Heatmap.ingestion.gate.endpoints import symbol_of
from Heatmap.ingestion.venue import Instruments


class _Contract(msgspec.Struct):
    """``quanto_multiplier`` is in coins for ``direct`` contracts, which all with the quote USDT are."""

    name: str
    type: str = "direct"
    quanto_multiplier: str | float = ""
    order_price_round: str | float = ""


_ANSWER = msgspec.json.Decoder(list[_Contract])


def decode(body: bytes | str) -> Instruments:
    """Decode the list of contracts; one that is none, or has no USDT perpetual, raises `FeedError` ``"bad-json"``.

    A contract without a usable multiplier has no size here: its liquidations are not guessed.
    """
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise FeedError(f"expected a list of contracts: {error}", reason="bad-json") from error
    ticks: dict[str, float] = {}
    sizes: dict[str, ContractSize] = {}
    broken: set[str] = set()
    for contract in answer:
        symbol = symbol_of(contract.name)
        if symbol is None:
            continue
        tick, coins = _number(contract.order_price_round), _number(contract.quanto_multiplier)
        if tick > 0:
            ticks[symbol] = tick
        else:
            broken.add(symbol)
        if contract.type == "direct" and coins > 0:
            sizes[symbol] = ContractSize(coins)
    if not ticks:
        raise FeedError("expected USDT perpetuals in the list, was none", reason="bad-json")
    return Instruments(ticks, frozenset(broken), sizes)


def _number(text: str | float) -> float:
    """Return a finite number, or 0 for anything else."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0
