"""How often the web process ended within the last minute."""

from Heatmap.app.reload_limit import MOST, ReloadLimit
from Heatmap.ui.page.crash_count import CrashCount


def test_only_the_last_minute_counts():
    crashes = CrashCount()
    assert crashes.lately == 0
    counts = []
    for now_s in (0.0, 10.0, 59.9, 60.0, 70.5, 200.0):
        crashes.add(now_s)
        counts.append(crashes.lately)
    assert counts == [1, 2, 3, 3, 3, 1]


def test_where_the_program_gives_up_the_count_says_so():
    limit, crashes = ReloadLimit(), CrashCount()
    for now_s in (0.0, 15.0, 30.0):
        assert limit.allows(now_s)
        crashes.add(now_s)
    assert not limit.allows(45.0)
    crashes.add(45.0)
    assert crashes.lately == MOST + 1
