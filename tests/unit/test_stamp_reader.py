"""What the reader of stamps asks of OpenGL, without one."""

from __future__ import annotations

import pytest

from Heatmap.ui.gl.stamp_reader import StampReader

SIGNALED = 0x911A


@pytest.fixture
def fences(monkeypatch) -> list[int]:
    """Give the fences that are alive in a make-believe OpenGL."""
    alive: list[int] = []
    numbers = iter(range(1, 100))

    def make(*_) -> int:
        alive.append(next(numbers))
        return alive[-1]

    functions = {"glFenceSync": make, "glDeleteSync": alive.remove, "glClientWaitSync": lambda *_: SIGNALED}
    monkeypatch.setattr(
        "Heatmap.ui.gl.stamp_reader.gl_function", lambda _context, name, *_: functions.get(name, lambda *_: 0)
    )
    return alive


def test_a_fence_that_nobody_waited_for_is_given_back(fences):
    reader = StampReader(None)
    for _ in range(3):
        reader.begin()
        assert len(fences) == 1
    assert reader.read([], (100, 100)) is None
    assert fences == []


def test_without_a_fence_nothing_is_read(fences):
    assert StampReader(None).read([], (100, 100)) is None
    assert fences == []
