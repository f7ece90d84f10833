"""Work on a loop thread that runs only while it is turned on."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager

import pytest
from support.waiting import until

from Heatmap.ingestion.loop_thread import LoopThread

PATIENCE_S = 10.0


class Work:
    """Counts its beginnings and ends, and can be waited for."""

    def __init__(self):
        self.begun = self.ended = 0
        self.changed = threading.Condition()

    async def __call__(self):
        self._note(begun=1)
        try:
            await asyncio.Event().wait()
        finally:
            self._note(ended=1)

    def _note(self, begun=0, ended=0):
        with self.changed:
            self.begun += begun
            self.ended += ended
            self.changed.notify_all()

    def until(self, begun, ended):
        with self.changed:
            assert self.changed.wait_for(lambda: (self.begun, self.ended) == (begun, ended), PATIENCE_S)


@contextmanager
def running(main):
    thread = LoopThread(main, name="loop-thread-test")
    thread.start()
    try:
        yield thread
    finally:
        assert thread.stop(PATIENCE_S)


def test_work_runs_while_it_is_on_and_again():
    work = Work()
    with running(work) as thread:
        thread.turn_on()
        thread.turn_on()
        work.until(1, 0)
        thread.turn_off()
        work.until(1, 1)
        thread.turn_on()
        work.until(2, 1)
    assert (work.begun, work.ended) == (2, 2)


def test_work_that_is_never_turned_on_does_not_run():
    work = Work()
    with running(work):
        pass
    assert work.begun == 0


def test_work_turned_on_before_the_thread_runs_begins():
    work = Work()
    thread = LoopThread(work, name="loop-thread-test")
    thread.turn_on()
    thread.start()
    work.until(1, 0)
    assert thread.stop(PATIENCE_S)


def test_earlier_work_is_ended_however_soon_it_is_turned_on_again():
    work = Work()
    with running(work) as thread:
        thread.turn_on()
        work.until(1, 0)
        thread.turn_off()
        thread.turn_on()
        work.until(2, 1)


def test_a_fault_ends_the_thread_and_is_logged(caplog):
    async def fail():
        raise ZeroDivisionError

    with running(fail) as thread:
        thread.turn_on()
        until(lambda: "ZeroDivisionError" in caplog.text)
    thread.turn_on()  # harmless


@pytest.mark.parametrize("times", [1, 3])
def test_work_that_ends_by_itself_begins_again_only_when_turned_off_and_on(times):
    begun, ended = [], threading.Semaphore(0)

    async def once():
        begun.append(1)
        asyncio.get_running_loop().call_soon(ended.release)

    with running(once) as thread:
        for count in range(1, times + 1):
            thread.turn_on()
            assert ended.acquire(timeout=PATIENCE_S)
            thread.turn_on()
            assert len(begun) == count
            thread.turn_off()
    assert len(begun) == times
