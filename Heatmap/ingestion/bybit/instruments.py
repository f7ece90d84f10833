"""Tick sizes of Bybit's linear contracts (``GET /v5/market/instruments-info``)."""

from __future__ import annotations

import math
from urllib.parse import urlencode

import msgspec

from Heatmap.errors import FeedError
from Heatmap.ingestion.bybit.endpoints import is_linear_perpetual
from Heatmap.ingestion.contracts import ContractSize
from Heatmap.ingestion.venue import Instruments

_PERPETUAL = "LinearPerpetual"
_ONE_COIN = ContractSize(1.0)


class _PriceFilter(msgspec.Struct):
    tickSize: str = ""  # noqa: N815 - the exchange's own keys, here and below


class _Contract(msgspec.Struct):
    symbol: str
    contractType: str = ""  # noqa: N815
    settleCoin: str = ""  # noqa: N815
    priceFilter: _PriceFilter = msgspec.field(default_factory=_PriceFilter)  # noqa: N815


class _Result(msgspec.Struct):
    contracts: list[_Contract] | None = msgspec.field(default=None, name="list")
    nextPageCursor: str | None = None  # noqa: N815


class _Answer(msgspec.Struct):
    retCode: int  # noqa: N815
    retMsg: str = ""  # noqa: N815
    result: _Result = msgspec.field(default_factory=_Result)


_ANSWER = msgspec.json.Decoder(_Answer)


def decode(body: bytes | str) -> Instruments:
    """Decode a page of the list, which may be empty; one that is none raises `FeedError` ``"bad-json"``."""
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise FeedError(f"expected a list of contracts: {error}", reason="bad-json") from error
    contracts = answer.result.contracts
    if answer.retCode != 0 or contracts is None:
        raise FeedError(f"expected contracts, was code {answer.retCode}: {answer.retMsg}", reason="bad-json")
    ticks: dict[str, float] = {}
    broken: set[str] = set()
    for contract in contracts:
        is_ours = contract.contractType == _PERPETUAL and contract.settleCoin == "USDT"
        if not is_ours or not is_linear_perpetual(contract.symbol):
            continue
        tick = _number(contract.priceFilter.tickSize)
        if tick > 0:
            ticks[contract.symbol] = tick
        else:
            broken.add(contract.symbol)
    cursor = answer.result.nextPageCursor
    return Instruments(
        ticks,
        frozenset(broken),
        dict.fromkeys((*ticks, *broken), _ONE_COIN),
        more=f"&{urlencode({'cursor': cursor})}" if cursor else "",
    )


def _number(text: str) -> float:
    """Return a finite number, or 0 for anything else."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0
