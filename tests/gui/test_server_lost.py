"""The program on a server's record, by a role that may only read: what it shows while the server is away."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PyQt6.QtWidgets import QWidget

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.events import Coverage, LiquidationEvent, Side, Source
from Heatmap.reports import ConnectionState
from Heatmap.storage.database import database_of
from Heatmap.ui.widgets.source_badge import SourceBadge

pytestmark = [pytest.mark.gl]

HOUR_MS = 3_600_000
PICTURES = os.environ.get("HEATMAP_PICTURES")  # a folder for pictures of the window


def keep_picture(stage, name):
    if PICTURES:
        stage.qtbot.wait(500)
        stage.window.screen().grabWindow(stage.window.winId()).save(str(Path(PICTURES) / f"{name}.png"))


def test_the_map_stays_with_its_time_while_the_server_is_away(open_stage, cluster, server_url, monkeypatch):
    monkeypatch.setattr("Heatmap.storage.postgres.local_copy.LATE_MS", 1500)
    monkeypatch.setattr("Heatmap.storage.postgres.local_copy.QUIET_S", 0.25)
    monkeypatch.setattr("Heatmap.storage.postgres.local_copy.LAST_RETRY_S", 0.5)
    record, name, history = database_of(server_url), server_url.rpartition("/")[2], []

    def prepare(_path, market, now_ms):
        covered = Coverage(Source.DEMO, "BTCUSDT", now_ms - 72 * HOUR_MS, now_ms)
        history.extend(market.liquidations(now_ms - 7 * HOUR_MS, now_ms))
        record.insert(history, [covered])
        cluster.execute(f"CREATE ROLE {name}_reader LOGIN", name)
        cluster.execute(f"GRANT USAGE ON SCHEMA heatmap TO {name}_reader", name)
        cluster.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA heatmap TO {name}_reader", name)

    reader = cluster.url(name, f"{name}_reader")
    with open_stage(record=prepare, db=reader, settings={"enabled": True}) as stage:
        badge = stage.view.findChild(SourceBadge)
        status = stage.window.findChild(QWidget, "heatmap_status_connection")
        stage.wait_for_heat()
        stage.wait(lambda: stage.service.status().state is ConnectionState.READING)
        stage.wait(lambda: stage.service.status().as_of_ms is None)
        assert "may read the record, and not write it" in stage.service.status().detail
        assert stage.plugin.image.events > 0
        keep_picture(stage, "desk-1-reading")

        cluster.stop()
        stage.wait(lambda: stage.service.status().as_of_ms is not None)
        stage.wait(lambda: "As of" in badge.accessibleName())
        stage.wait(lambda: "as of" in status.text)
        assert "Nothing new can be fetched from the database server" in stage.plugin.problem
        assert stage.service.status().state is ConnectionState.READING
        assert stage.service.status().storage_problem == ""
        # It is read from the copy: another view has its picture without the server.
        before = stage.plugin.image
        stage.evaluate("chart.timeScale().scrollToPosition(-40, false)")
        stage.wait(lambda: stage.plugin.image is not before and stage.presenter.is_current)
        assert stage.plugin.image.events > 0
        keep_picture(stage, "desk-2-away")
        stage.settings.update(language="de")
        stage.wait(lambda: "Stand" in badge.accessibleName() and "Stand" in status.text)
        assert "Vom Datenbank-Server lässt sich gerade nichts Neues holen" in stage.plugin.problem
        keep_picture(stage, "desk-3-away-de")
        stage.window.fit()
        stage.wait_for_heat()
        events = stage.plugin.image.events

        cluster.start()
        price = history[-1].price
        newest = LiquidationEvent(SYSTEM_CLOCK.now_ms(), "BTCUSDT", Side.SELL, price, 50.0, price * 50.0, Source.DEMO)
        record.insert([newest])
        stage.wait(lambda: stage.service.status().as_of_ms is None)
        stage.wait(lambda: stage.plugin.problem == "" and "Stand" not in badge.accessibleName())
        stage.wait(lambda: stage.plugin.image is not None and stage.plugin.image.events > events)
        keep_picture(stage, "desk-4-back-de")
