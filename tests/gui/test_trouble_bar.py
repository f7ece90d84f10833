"""The bar above the chart: why candles, or older ones, do not come."""

from __future__ import annotations

from types import SimpleNamespace

from Heatmap.app.trouble_bar import TroubleBar
from Heatmap.ui.translation import Translator


def test_older_candles_that_do_not_come_are_named_beside_the_others(qtbot):
    service = SimpleNamespace(status=lambda: SimpleNamespace(storage_problem="", storage_notice=""))
    translator = Translator("en")
    bar = TroubleBar(service, translator, reload_key="F5")
    qtbot.addWidget(bar)
    bar.set_older_candle_problem("banned", "x asks for a pause of 7 s.")
    assert bar.text().startswith("Older candles could not be loaded: ")
    bar.set_candle_problem("no-such-word", "y is gone.")
    assert "The candles could not be loaded: y is gone." in bar.text()
    translator.set_language("de")
    assert "Ältere Kerzen" in bar.text()
    for problem in (bar.set_candle_problem, bar.set_older_candle_problem):
        problem("", "")
    assert bar.isHidden()
    bar.stop()
