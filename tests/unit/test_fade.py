"""One picture eases into the next, and does not start over."""

from __future__ import annotations

import pytest

from Heatmap.ui.geometry.easing import DURATION_S, Fade


def test_without_a_change_the_present_is_seen():
    assert Fade().share(5.0) == 1.0
    assert not Fade().is_running(5.0)


def test_a_change_takes_three_tenths_of_a_second():
    fade = Fade()
    fade.start(10.0)
    assert DURATION_S == 0.3
    shares = [fade.share(10.0 + DURATION_S * step / 10) for step in range(11)]
    assert shares[0] == 0.0
    assert shares[5] == pytest.approx(0.5)
    assert shares[10] == 1.0
    assert shares == sorted(shares)
    assert fade.is_running(10.29)
    assert not fade.is_running(10.31)
    assert fade.share(99.0) == 1.0


def test_a_second_change_goes_on_from_the_first():
    fade = Fade()
    fade.start(10.0)
    fade.start(10.2)
    assert not fade.is_running(10.31)
    fade.start(11.0)
    assert fade.share(11.0) == 0.0


def test_a_stopped_change_is_at_its_end():
    fade = Fade()
    fade.start(10.0)
    fade.stop()
    assert fade.share(10.1) == 1.0
