"""A record of three exchanges on a host's chart: the map sums those that are chosen, and the card splits a cell."""

from __future__ import annotations

import msgspec
import pytest
from PyQt6.QtWidgets import QPushButton
from support.mouse import Mouse

from Heatmap.events import Coverage, Source
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.ui.widgets.legend import Legend
from Heatmap.ui.widgets.tooltip import Tooltip

pytestmark = [pytest.mark.gl]

HOUR_MS = 3_600_000


def test_chosen_exchanges_are_summed_split_and_hatched(open_host, host_liquidation):
    first = host_liquidation(bar=120, second=30, price=97.0, usd=5e6)
    okx = msgspec.structs.replace(first, source=Source.OKX, notional=2e6)
    bybit = msgspec.structs.replace(first, source=Source.BYBIT, notional=1e6)
    with open_host(events=[first, okx, bybit]) as host:
        now_ms = host.now_ms
        hours = {Source.BINANCE: (10, 0), Source.OKX: (10, 0), Source.BYBIT: (2, 1)}
        bulk_insert(host.db_path, [], coverage=[
            Coverage(source, "BTCUSDT", now_ms - begin * HOUR_MS, now_ms - end * HOUR_MS)
            for source, (begin, end) in hours.items()
        ])  # fmt: skip
        host.show()
        host.plugin.settings.update(gaps=True)
        card, legend, mouse = host.view.findChild(Tooltip), host.view.findChild(Legend), Mouse(host.view)
        tab = host.plugin.settings_tab()
        menu = tab.findChild(QPushButton, "heatmap_source").menu()

        def shows(*lines: str) -> bool:
            return card.isVisible() and all(line in card.text().splitlines() for line in lines)

        def tick(choice: str, events: int) -> None:
            mouse.leave()
            next(action for action in menu.actions() if action.data() == choice).trigger()
            host.wait(lambda: host.presenter.is_current and (image := host.plugin.image) and image.events == events)
            spot = host.spot()
            mouse.move(spot.x_px, spot.y_px)

        def marks() -> set[str]:
            return {mark for mark, _ in legend.explanations()} & {"hatching", "light"}

        assert host.plugin.image.events == 1
        assert marks() == set()
        tick("okx", 2)
        host.wait(
            lambda: shows("Long liquidated: $7M", "Binance, at fill prices: $5M", "OKX, at bankruptcy prices: $2M")
        )
        assert marks() == set()
        tick("bybit", 3)
        host.wait(lambda: shows("Long liquidated: $8M", "Bybit, at bankruptcy prices: $1M", "Liquidations reported: 3"))
        host.wait(lambda: marks() == {"light"})
        tick("binance", 2)
        host.wait(lambda: any(line.startswith("Bankruptcy price: ") for line in card.text().splitlines()))
        assert shows("Bybit: $1M", "OKX: $2M")
        tick("okx", 1)
        host.wait(lambda: marks() == {"hatching"})
        assert host.plugin.settings.value.source == "bybit"
        tab.deleteLater()
