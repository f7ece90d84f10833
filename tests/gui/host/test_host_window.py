"""The line where the chosen window begins, on a host's chart: at its bar's edge on the screen, wherever that goes."""

from __future__ import annotations

import numpy as np
import pytest

from Heatmap.ui.settings_model import SettingsModel
from Heatmap.ui.widgets.legend import Legend

pytestmark = [pytest.mark.gl]

# The clock stands at the end of bar 199, so that two hours begin with bar 80.
FIRST_BAR_IN_WINDOW = 80
# The page's #101418, three tenths on the way to white.
LINE = np.array([88, 90, 93])


def line_columns(host) -> list[int]:
    """Return the columns of the screen that have the line's colour over most of the height."""
    near = np.abs(host.picture().astype(int) - LINE).max(axis=2) <= 4
    return np.flatnonzero(near.mean(axis=0) > 0.6).tolist()


def expected_column(host) -> int:
    before, first = host.evaluate(f"[-1, 0].map((more) => place({FIRST_BAR_IN_WINDOW} + more, 100)[0])")
    # A bar's pixel is named by its left edge; its middle is half a pixel further. The line ends at the edge.
    return round((before + first) / 2 + 0.5) - 1


def wait_for_line(host) -> None:
    seen = []

    def fits() -> bool:
        seen[:] = [line_columns(host), expected_column(host)]
        return len(seen[0]) == 1 and abs(seen[0][0] - seen[1]) <= 1

    try:
        host.wait(fits)
    except host.qtbot.TimeoutError:
        pytest.fail(f"line in columns {seen[0]}, expected in {seen[1]}")


def test_the_line_stands_at_its_bar_and_goes_with_it(open_host):
    two_hours = SettingsModel(None, overrides={"trail": "off", "palette": "fire", "language": "en", "window": "2h"})
    with open_host() as host:
        host.show(start="makeChart(); chart.timeScale().fitContent();", plugin={"settings": two_hours})
        legend = host.view.findChild(Legend)
        wait_for_line(host)
        assert legend.explanations()[0] == ("line", "Window (2 hours) begins here")
        host.run("chart.timeScale().applyOptions({barSpacing: 6.3})")
        host.run("chart.timeScale().scrollToPosition(-20, false)")
        wait_for_line(host)
        # Out of sight it is neither painted nor spoken of.
        host.run("chart.timeScale().setVisibleLogicalRange({from: 100, to: 205})")
        host.wait(lambda: not line_columns(host))
        host.wait(lambda: "line" not in dict(legend.explanations()))
        two_hours.update(window="8h")
        host.run("chart.timeScale().fitContent()")
        host.wait_for_heat()
        assert not line_columns(host)
        two_hours.update(window="2h")
        wait_for_line(host)
        two_hours.update(enabled=False)
        host.wait(lambda: not line_columns(host))
