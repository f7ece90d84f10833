"""Who may record: decided from looks at one row, whatever the wall clock does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from Heatmap.storage import process
from Heatmap.storage.lease import (
    COLLECTOR_DEAD_MS,
    DEAD_AFTER_S,
    HEARTBEAT_S,
    LOOK_S,
    LeaseHolder,
    LeaseRow,
    LeaseWatch,
)

T = 1_790_000_000_000


def row(heartbeat_ms, *, run_id="theirs", is_stopped=False):
    return LeaseRow(LeaseHolder(run_id, "host", 7, ("BTCUSDT",)), heartbeat_ms, is_stopped)


@pytest.fixture
def watch():
    return LeaseWatch("mine")


def test_nobody_a_stopped_one_and_oneself_are_no_hindrance(watch):
    assert watch.is_free(None, now_ms=T, now_s=0)
    assert watch.is_free(row(T, is_stopped=True), now_ms=T, now_s=0)
    assert watch.is_free(row(T, run_id="mine"), now_ms=T, now_s=0)


def test_a_holder_that_beats_is_left_alone_for_ever(watch):
    for second in range(0, 3600, 5):
        for look in range(5):
            assert not watch.is_free(row(T + second * 1000), now_ms=T + second * 1000, now_s=second + look)


def test_a_holder_that_does_not_beat_any_more_is_succeeded_within_15_s_of_its_death(watch):
    # The worst case: it dies right after a heartbeat, which is seen a whole look later.
    taken_s = next(
        second for second in range(100) if watch.is_free(row(T), now_ms=T + second * 1000, now_s=float(second + LOOK_S))
    )
    assert taken_s >= DEAD_AFTER_S
    assert LOOK_S + DEAD_AFTER_S + LOOK_S <= 15
    # A beat may be late by a locked database, and two of them lost.
    assert DEAD_AFTER_S > 2 * HEARTBEAT_S


@pytest.mark.parametrize("step_ms", [86_400_000, -86_400_000, 16_000, -16_000])
def test_a_step_of_the_wall_clock_makes_nobody_dead(watch, step_ms):
    assert not watch.is_free(row(T), now_ms=T, now_s=0)
    assert not watch.is_free(row(T), now_ms=T + step_ms, now_s=4)
    # From then on the holder writes the new time.
    for second in range(5, 60, 5):
        at_ms = T + step_ms + second * 1000
        assert not watch.is_free(row(at_ms), now_ms=at_ms, now_s=second)


@pytest.mark.parametrize("step_ms", [86_400_000, -86_400_000])
def test_a_step_of_the_wall_clock_saves_no_dead_one(watch, step_ms):
    assert not watch.is_free(row(T), now_ms=T, now_s=0)
    assert not watch.is_free(row(T), now_ms=T + step_ms, now_s=DEAD_AFTER_S - 0.1)
    assert watch.is_free(row(T), now_ms=T + step_ms, now_s=DEAD_AFTER_S)


def test_one_that_ended_long_ago_need_not_be_waited_for(watch):
    assert watch.is_free(row(T), now_ms=T + COLLECTOR_DEAD_MS + 1, now_s=0)
    assert watch.is_free(row(T), now_ms=T + COLLECTOR_DEAD_MS + 1, now_s=0.1)
    # It was not dead after all: the step of a clock had deceived us.
    assert not watch.is_free(row(T + 60_000), now_ms=T + 60_000, now_s=1)


def test_a_heartbeat_from_the_future_must_stand_still_to_count_as_dead(watch):
    assert not watch.is_free(row(T + 3_600_000), now_ms=T, now_s=0)
    assert watch.is_free(row(T + 3_600_000), now_ms=T + 1, now_s=DEAD_AFTER_S)


def test_another_run_begins_its_own_time(watch):
    assert not watch.is_free(row(T), now_ms=T, now_s=0)
    assert not watch.is_free(row(T, run_id="third"), now_ms=T, now_s=DEAD_AFTER_S)


@pytest.fixture
def ended():
    """The number of a process that is certainly gone."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait(20)
    return child.pid


def of_process(run_id, pid):
    return LeaseRow(LeaseHolder(run_id, "host", pid, ("BTCUSDT",)), T, is_stopped=False)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody can say for certain")
def test_a_holder_whose_process_is_gone_is_succeeded_at_once(watch, ended):
    assert watch.is_free(of_process(process.new_run_id(), ended), now_ms=T, now_s=0)
    assert not watch.is_free(of_process(process.new_run_id(), os.getpid()), now_ms=T, now_s=0)
    assert not watch.is_free(of_process(process.new_run_id(), 1), now_ms=T, now_s=0)


def test_a_number_of_another_machine_container_or_boot_says_nothing(watch, ended, monkeypatch):
    run_id = process.new_run_id()
    monkeypatch.setattr(process, "_numbering", lambda: "@elsewhere")
    assert not watch.is_free(of_process(run_id, ended), now_ms=T, now_s=0)
    monkeypatch.setattr(process, "_numbering", lambda: "")
    assert not watch.is_free(of_process(process.new_run_id(), ended), now_ms=T, now_s=0)


def test_every_run_has_a_word_of_its_own():
    assert process.new_run_id() != process.new_run_id()
