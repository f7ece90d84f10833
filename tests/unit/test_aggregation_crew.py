"""Helping threads: they come if they can, and nobody waits for them."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np
import pytest

from Heatmap.aggregation import ImageBuilder, RenderOptions
from Heatmap.aggregation.crew import Crew, usable_threads
from Heatmap.aggregation.numba_engine import NumbaEngine
from Heatmap.commands.bench_job import LOOK, SPEC, market

WINDOW = {"now_ms": SPEC.end_ms, "window_start_ms": SPEC.t0_ms}
PATIENCE_S = 30


def test_helpers_have_lanes_of_their_own():
    crew, lanes, all_there = Crew(), deque(), threading.Barrier(3)

    def work(lane):
        lanes.append((lane, threading.current_thread().name))
        all_there.wait(PATIENCE_S)

    for _ in range(3):
        with crew.helping(work, 3):
            work(0)
    assert sorted(lane for lane, _ in lanes) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert {name for lane, name in lanes if lane} == {"heatmap-kernel-1", "heatmap-kernel-2"}  # kept, not started anew


def test_one_lane_needs_nobody():
    crew, lanes = Crew(), []
    with crew.helping(lanes.append, 1):
        pass
    assert lanes == []
    assert crew._helpers == 0


def test_a_late_helper_holds_nobody_up_and_finds_nothing():
    crew, busy, release, done = Crew(), threading.Event(), threading.Event(), deque()

    def hold(_lane):
        busy.set()
        release.wait(PATIENCE_S)

    with crew.helping(hold, 2):
        assert busy.wait(PATIENCE_S)
    with crew.helping(done.append, 2):
        pass  # its only helper still holds
    release.set()
    later = threading.Event()
    with crew.helping(lambda _lane: later.set(), 2):
        assert later.wait(PATIENCE_S)
    assert not done


def test_a_helper_that_fails_is_told_of_and_goes_on(caplog):
    crew, come = Crew(), threading.Event()

    def fail(_lane):
        come.set()
        raise ValueError("too bad")

    with crew.helping(fail, 2):
        assert come.wait(PATIENCE_S)
    come.clear()
    with crew.helping(lambda _lane: come.set(), 2):
        assert come.wait(PATIENCE_S)
    assert "a helping thread failed" in caplog.text


def test_there_is_at_least_one_thread():
    assert 1 <= usable_threads() <= 4


@pytest.mark.parametrize(
    "options", [LOOK, RenderOptions(palette="fire", sigma_cols=0, sigma_rows=0)], ids=["look", "sharp"]
)
@pytest.mark.parametrize("threads", [2, 3, 4])
def test_the_image_does_not_depend_on_the_threads(threads, options):
    """More threads than cores: helpers come late, in any order, or not at all."""
    columns = market(60_000)
    expected = ImageBuilder(NumbaEngine(1)).build(columns, SPEC, options, **WINDOW)
    for _ in range(10):
        image = ImageBuilder(NumbaEngine(threads)).build(columns, SPEC, options, **WINDOW)
        assert image.reference == expected.reference
        np.testing.assert_array_equal(image.rgba, expected.rgba)


def test_two_builders_share_the_helpers():
    columns, options = market(60_000), RenderOptions(palette="fire", sigma_cols=0, sigma_rows=0)
    expected = ImageBuilder(NumbaEngine(1)).build(columns, SPEC, options, **WINDOW).rgba
    wrong = []

    def build():
        builder = ImageBuilder(NumbaEngine(2))
        for start in range(20):
            part = columns.between(SPEC.t0_ms + start, SPEC.end_ms)  # never the same columns
            image = builder.build(part, SPEC, options, now_ms=SPEC.end_ms, window_start_ms=SPEC.t0_ms)
            if len(part) == len(columns) and not np.array_equal(image.rgba, expected):
                wrong.append(start)

    threads = [threading.Thread(target=build) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert not wrong
