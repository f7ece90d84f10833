"""Contracts and coins are kept apart; a size that nobody knows is not guessed."""

from __future__ import annotations

import asyncio
import math

import pytest

from Heatmap.errors import FrameError
from Heatmap.ingestion.contracts import Coins, Contracts, ContractSize, ContractSizes


def test_contracts_become_coins_and_coins_have_a_price():
    coins = Contracts(8.55).coins(ContractSize(0.01))
    assert coins == Coins(pytest.approx(0.0855))
    assert coins.notional(82_655.7) == pytest.approx(7067.06, abs=0.01)
    with pytest.raises(TypeError):
        Contracts(8.55) * 82_655.7


@pytest.mark.parametrize("coins", [0.0, -1.0, math.inf, math.nan])
def test_a_size_that_cannot_be_is_refused(coins):
    with pytest.raises(ValueError, match="above 0"):
        ContractSize(coins)


def test_sizes_are_known_from_the_first_answer_on():
    async def run():
        sizes = ContractSizes()
        with pytest.raises(FrameError) as caught:
            sizes.of("BTCUSDT")
        assert caught.value.kind == "unknown-contract"
        waiting = asyncio.create_task(sizes.wait_until_known())
        await asyncio.sleep(0)
        assert not waiting.done()
        sizes.update({"BTCUSDT": ContractSize(0.01)})
        await waiting
        sizes.update({"ETHUSDT": ContractSize(0.1)})
        assert sizes.of("BTCUSDT").coins == 0.01
        # A request that names what is listed no longer would be refused as a whole.
        assert sizes.symbols == ("ETHUSDT",)

    asyncio.run(run())
