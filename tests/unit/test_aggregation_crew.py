"""Threads that share a list of tasks: all are done once, errors come out, nobody waits for a thread that is late."""

from __future__ import annotations

import threading

import pytest

from Heatmap.aggregation.crew import Crew, usable_threads


@pytest.mark.parametrize("lanes", [1, 2, 4])
@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_every_task_is_done_once_and_no_lane_twice_at_a_time(lanes, count):
    crew, done, busy = Crew(), [], [threading.Lock() for _ in range(lanes)]

    def task(number):
        def work(lane):
            assert busy[lane].acquire(blocking=False)
            done.append(number)
            busy[lane].release()

        return work

    for _ in range(20):
        done.clear()
        crew.run([task(number) for number in range(count)], lanes)
        assert sorted(done) == list(range(count))


def test_the_caller_works_too_and_helpers_are_kept():
    crew, lanes = Crew(), set()
    both = threading.Barrier(2)

    def work(lane):
        both.wait(10)  # needs two threads at once
        lanes.add((lane, threading.current_thread().name))

    crew.run([work, work], 2)
    assert {lane for lane, _ in lanes} == {0, 1}
    assert (0, threading.current_thread().name) in lanes
    crew.run([work, work], 2)
    assert len(lanes) == 2


def test_a_late_helper_holds_nobody_up():
    crew = Crew()
    held, busy = threading.Event(), threading.Event()

    def hold(_lane):
        busy.set()
        assert held.wait(10)

    blocker = threading.Thread(target=lambda: crew.run([hold, hold], 2))
    blocker.start()
    assert busy.wait(10)
    done = []
    crew.run([done.append] * 5, 2)
    held.set()
    blocker.join(10)
    assert len(done) == 5


def test_an_error_comes_out_after_all_have_ended():
    crew, done = Crew(), []

    def fail(_lane):
        raise ValueError("too bad")

    with pytest.raises(ValueError, match="too bad"):
        crew.run([fail, done.append, done.append, fail], 2)
    assert len(done) == 2
    crew.run([done.append], 2)
    assert len(done) == 3


def test_there_is_always_a_thread():
    assert 1 <= usable_threads() <= 4
