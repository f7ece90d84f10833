"""One picture eases into the next, and does not start over."""

from __future__ import annotations

import pytest

from Heatmap.ui.gl.underlay import EASING_S, Easing


def test_without_a_change_the_present_is_seen():
    assert Easing().share(5.0) == 1.0
    assert not Easing().is_running(5.0)


def test_a_change_begins_and_ends_softly():
    fade = Easing()
    fade.start(10.0)
    shares = [fade.share(10.0 + EASING_S * step / 10) for step in range(11)]
    assert shares[0] == 0.0
    assert shares[5] == pytest.approx(0.5)
    assert shares[10] == 1.0
    assert shares == sorted(shares)
    assert fade.is_running(10.29)
    assert not fade.is_running(10.31)
    assert fade.share(99.0) == 1.0


def test_a_second_change_goes_on_from_the_first():
    fade = Easing()
    fade.start(10.0)
    fade.start(10.2)
    assert not fade.is_running(10.31)
    fade.start(11.0)
    assert fade.share(11.0) == 0.0


def test_a_stopped_change_is_at_its_end():
    fade = Easing()
    fade.start(10.0)
    fade.stop()
    assert fade.share(10.1) == 1.0
