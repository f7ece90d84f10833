"""Tick and contract sizes of OKX's swaps (``GET /api/v5/public/instruments``)."""

from __future__ import annotations

import math

import msgspec

from Heatmap.errors import FeedError
from Heatmap.ingestion.contracts import ContractSize
from Heatmap.ingestion.okx.endpoints import symbol_of
from Heatmap.ingestion.venue import Instruments


class _Swap(msgspec.Struct):
    instId: str  # noqa: N815 - the exchange's own keys, here and below
    tickSz: str = ""  # noqa: N815
    ctVal: str = ""  # noqa: N815
    ctValCcy: str = ""  # noqa: N815
    ctMult: str = "1"  # noqa: N815
    ctType: str = ""  # noqa: N815


class _Answer(msgspec.Struct):
    data: list[_Swap]


_ANSWER = msgspec.json.Decoder(_Answer)


def decode(body: bytes | str) -> Instruments:
    """Decode the list of swaps; one that is none, or has no linear USDT swap, raises `FeedError` ``"bad-json"``.

    A swap whose contract is not a number of its own coins has no size here: its liquidations are not guessed.
    """
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise FeedError(f"expected a list of swaps: {error}", reason="bad-json") from error
    ticks: dict[str, float] = {}
    sizes: dict[str, ContractSize] = {}
    broken: set[str] = set()
    for swap in answer.data:
        symbol = symbol_of(swap.instId)
        if symbol is None:
            continue
        tick, value = _number(swap.tickSz), _number(swap.ctVal) * _number(swap.ctMult or "1")
        if tick > 0:
            ticks[symbol] = tick
        else:
            broken.add(symbol)
        is_in_coins = swap.ctType == "linear" and swap.ctValCcy == swap.instId.partition("-")[0]
        if is_in_coins and 0 < value < math.inf:
            sizes[symbol] = ContractSize(value)
    if not ticks:
        raise FeedError("expected linear USDT swaps in the list, was none", reason="bad-json")
    return Instruments(ticks, frozenset(broken), sizes)


def _number(text: str) -> float:
    """Return a finite number, or 0 for anything else."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0
