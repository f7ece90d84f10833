"""How often something happened within the last minute."""

from Heatmap.ui.page.recent_count import RecentCount


def test_only_the_last_minute_counts():
    crashes = RecentCount()
    assert crashes.count(0.0) == 0
    assert [crashes.add(now_s) for now_s in (0.0, 10.0, 59.9, 60.0, 70.5, 200.0)] == [1, 2, 3, 3, 3, 1]


def test_a_limit_of_three_a_minute():
    """As the chart is loaded again after a crash: what was refused does not count."""
    reloads, allowed = RecentCount(), []
    for now_s in (0.0, 1.0, 2.0, 3.0, 4.0, 60.5, 61.5, 62.5, 63.0):
        allowed.append(reloads.count(now_s) < 3)
        if allowed[-1]:
            reloads.add(now_s)
    assert allowed == [True, True, True, False, False, True, True, True, False]
