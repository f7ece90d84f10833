"""Work that runs only while the switch is on."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from Heatmap.ingestion.run_switch import RunSwitch


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
async def running(switch, work):
    task = asyncio.create_task(switch.run_while_on(work))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def test_work_runs_while_the_switch_is_on_and_again():
    async def scenario():
        switch, work = RunSwitch(), Work()
        async with running(switch, work):
            await asyncio.sleep(0)
            assert work.begun == 0
            switch.turn_on()
            switch.turn_on()
            await work.until(1, 0)
            switch.turn_off()
            await work.until(1, 1)
            switch.turn_on()
            await work.until(2, 1)
        assert work.ended == 2

    asyncio.run(scenario())


def test_a_switch_turned_on_before_the_loop_runs_counts():
    async def scenario():
        switch, work = RunSwitch(), Work()
        switch.turn_on()
        async with running(switch, work):
            await work.until(1, 0)

    asyncio.run(scenario())


def test_work_of_an_earlier_time_is_ended_however_soon_the_switch_is_turned_on_again():
    async def scenario():
        switch, work = RunSwitch(), Work()
        switch.turn_on()
        async with running(switch, work):
            await work.until(1, 0)
            switch.turn_off()
            switch.turn_on()
            await work.until(2, 1)

    asyncio.run(scenario())


def test_it_is_turned_on_and_off_by_other_threads():
    async def scenario():
        switch, work = RunSwitch(), Work()
        async with running(switch, work):
            await asyncio.to_thread(switch.turn_on)
            await work.until(1, 0)
            await asyncio.to_thread(switch.turn_off)
            await work.until(1, 1)
        switch.turn_on()

    asyncio.run(scenario())


def test_what_the_work_raises_comes_out():
    async def fail():
        raise ZeroDivisionError

    async def scenario():
        switch = RunSwitch()
        switch.turn_on()
        with pytest.raises(ZeroDivisionError):
            await switch.run_while_on(fail)

    asyncio.run(scenario())


def test_work_that_ends_by_itself_is_not_begun_again():
    async def scenario():
        switch = RunSwitch()
        begun, ended = [], asyncio.Event()

        async def once():
            begun.append(1)
            ended.set()

        switch.turn_on()
        async with running(switch, once) as task:
            async with asyncio.timeout(5):
                await ended.wait()
            for _ in range(5):
                await asyncio.sleep(0)
            assert begun == [1]
            assert not task.done()

    asyncio.run(scenario())
