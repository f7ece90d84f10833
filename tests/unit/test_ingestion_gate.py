"""Work that runs only while the gate is open."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from Heatmap.ingestion.run_switch import Gate


class Work:
    """Counts its beginnings and ends, and can be waited for."""

    def __init__(self):
        self.begun = self.ended = 0
        self.changed = asyncio.Condition()

    async def __call__(self):
        async with self.changed:
            self.begun += 1
            self.changed.notify_all()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended += 1
            with suppress(asyncio.CancelledError):
                async with self.changed:
                    self.changed.notify_all()

    async def until(self, begun, ended):
        async with asyncio.timeout(5), self.changed:
            await self.changed.wait_for(lambda: (self.begun, self.ended) == (begun, ended))


@asynccontextmanager
async def running(gate, work):
    task = asyncio.create_task(gate.run_while_open(work))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def test_work_runs_between_open_and_shut_and_again():
    async def scenario():
        gate, work = Gate(), Work()
        async with running(gate, work):
            await asyncio.sleep(0)
            assert work.begun == 0
            gate.open()
            gate.open()
            await work.until(1, 0)
            gate.shut()
            await work.until(1, 1)
            gate.open()
            await work.until(2, 1)
        assert work.ended == 2

    asyncio.run(scenario())


def test_a_gate_opened_before_the_loop_runs_counts():
    async def scenario():
        gate, work = Gate(), Work()
        gate.open()
        async with running(gate, work):
            await work.until(1, 0)

    asyncio.run(scenario())


def test_work_of_an_earlier_opening_is_ended_however_soon_the_gate_opens_again():
    async def scenario():
        gate, work = Gate(), Work()
        gate.open()
        async with running(gate, work):
            await work.until(1, 0)
            gate.shut()
            gate.open()
            await work.until(2, 1)

    asyncio.run(scenario())


def test_it_is_moved_from_other_threads():
    async def scenario():
        gate, work = Gate(), Work()
        async with running(gate, work):
            await asyncio.to_thread(gate.open)
            await work.until(1, 0)
            await asyncio.to_thread(gate.shut)
            await work.until(1, 1)
        gate.open()

    asyncio.run(scenario())


def test_what_the_work_raises_comes_out():
    async def fail():
        raise ZeroDivisionError

    async def scenario():
        gate = Gate()
        gate.open()
        with pytest.raises(ZeroDivisionError):
            await gate.run_while_open(fail)

    asyncio.run(scenario())


def test_work_that_ends_by_itself_is_not_begun_again():
    async def scenario():
        gate = Gate()
        begun, ended = [], asyncio.Event()

        async def once():
            begun.append(1)
            ended.set()

        gate.open()
        async with running(gate, once) as task:
            async with asyncio.timeout(5):
                await ended.wait()
            for _ in range(5):
                await asyncio.sleep(0)
            assert begun == [1]
            assert not task.done()

    asyncio.run(scenario())
