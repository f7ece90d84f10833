"""A page that crashes again and again is not loaded for ever."""

from Heatmap.app.reload_limit import ReloadLimit


def test_three_in_a_minute_and_no_more():
    limit = ReloadLimit()
    assert [limit.allows(now_s) for now_s in (0.0, 10.0, 20.0, 30.0, 59.9)] == [True, True, True, False, False]


def test_a_crash_now_and_then_is_always_mended():
    limit = ReloadLimit()
    assert all(limit.allows(21.0 * number) for number in range(100))


def test_what_was_refused_does_not_count():
    limit = ReloadLimit()
    times_s = (0.0, 1.0, 2.0, 3.0, 4.0, 60.5, 61.5, 62.5, 63.0)
    allowed = [True, True, True, False, False, True, True, True, False]
    assert [limit.allows(now_s) for now_s in times_s] == allowed
