"""Sizes in contracts and in coins, kept apart by type: only coins have a price."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from Heatmap.errors import FrameError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Coins:
    """An amount of base currency."""

    amount: float

    def notional(self, price: float) -> float:
        """Return the worth of the coins at a price, in quote currency."""
        return self.amount * price


@dataclass(frozen=True, slots=True)
class ContractSize:
    """How many coins one contract is; a ValueError if that is not finite and above 0."""

    coins: float

    def __post_init__(self) -> None:
        """Refuse what cannot be a size."""
        if not 0.0 < self.coins < math.inf:
            raise ValueError(f"expected a contract size above 0, was {self.coins!r}")


@dataclass(frozen=True, slots=True)
class Contracts:
    """A number of contracts, which may have a fraction."""

    count: float

    def coins(self, size: ContractSize) -> Coins:
        """Return how many coins they are."""
        return Coins(self.count * size.coins)


class ContractSizes:
    """The contract sizes of a venue by symbol, in people's spelling; empty until its instruments are known.

    For one event loop.
    """

    def __init__(self) -> None:
        self._sizes: dict[str, ContractSize] = {}
        self._listed: tuple[str, ...] = ()
        self._known = asyncio.Event()

    @property
    def are_known(self) -> bool:
        """True once the venue's instruments have come."""
        return self._known.is_set()

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols with a known size that the venue listed last: one that it has removed can refuse a request."""
        return self._listed

    def update(self, sizes: Mapping[str, ContractSize]) -> None:
        """Take the venue's instruments, all of them; a size that is missing now stays known for late events."""
        self._sizes.update(sizes)
        self._listed = tuple(sizes)
        self._known.set()

    async def wait_until_known(self) -> None:
        """Wait for the venue's instruments."""
        await self._known.wait()

    def of(self, symbol: str) -> ContractSize:
        """Return the size of one contract; `FrameError` ``"unknown-contract"`` if it is not known: none is guessed."""
        size = self._sizes.get(symbol)
        if size is None:
            raise FrameError(f"expected an instrument with a contract size, was {symbol!r}", kind="unknown-contract")
        return size
