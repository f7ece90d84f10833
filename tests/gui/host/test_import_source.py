"""Imported COIN-M liquidations can be chosen in a live host, and the map then says what they are."""

from __future__ import annotations

from contextlib import closing

from PyQt6.QtWidgets import QPushButton

from Heatmap.storage.sqlite.connection import open_writer
from Heatmap.ui.widgets.overlay import SourceBadge


def test_imported_coin_m_contracts_are_shown_when_chosen_and_named_on_the_map(open_host):
    with open_host() as host:
        with closing(open_writer(host.db_path)) as connection:
            connection.execute("UPDATE liq_events SET source = 'binance-coinm'")
        host.load()
        host.attach()
        tab = host.plugin.settings_tab()
        menu = tab.findChild(QPushButton, "heatmap_source").menu()
        enabled = {action.data() for action in menu.actions() if action.isCheckable() and action.isEnabled()}
        assert enabled == {"all", "binance", "bybit", "okx", "gate", "binance-coinm"}
        badge = host.view.findChild(SourceBadge)
        assert not badge.isVisible()
        host.plugin.settings.update(source="binance-coinm")
        host.wait(lambda: (image := host.presenter.image) is not None and image.events == 1)
        assert badge.isVisible()
        assert "COIN-M" in badge.accessibleName()
        tab.deleteLater()
